// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/migrate/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bits.h"

enum { STREAM_FORMAT = 1 };

static const char magic[8] = "KONUKSNP";

struct file_header {
    char magic[8];
    struct le32 format;
    struct le32 reserved;
};

struct section_header {
    struct le64 size_bytes;
    struct le32 version;
    uint8_t name_bytes;
};

static int fail(struct stream *s, int code)
{
    s->failed = code;
    return code;
}

// Brings the checksum up to the last byte put or taken.
static void sum(struct stream *s)
{
    s->crc = crc32_z(s->crc, s->buffer + s->summed, s->used - s->summed);
    s->summed = s->used;
}

static int open_stream(struct stream *s, int fd, bool writing, struct err *err)
{
    *s = (struct stream){.fd = fd, .writing = writing, .buffer = malloc(STREAM_BUFFER_BYTES)};
    if (!s->buffer)
        return err_set(err, fail(s, -ENOMEM), "no memory for a snapshot's buffer");
    return 0;
}

void stream_close(struct stream *stream)
{
    free(stream->buffer);
    stream->buffer = NULL;
}

static int write_all(struct stream *s, struct err *err)
{
    for (size_t done = 0; done < s->used;) {
        ssize_t n = write(s->fd, s->buffer + done, s->used - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, fail(s, -errno), "writing the snapshot: %s", strerror(errno));
        done += n;
    }
    return 0;
}

int stream_flush(struct stream *stream, struct err *err)
{
    if (stream->failed)
        return stream->failed;
    sum(stream);
    int code = write_all(stream, err);
    stream->used = stream->summed = 0;
    return code;
}

static int put(struct stream *s, const void *bytes, size_t size_bytes, struct err *err)
{
    const uint8_t *from = bytes;
    while (size_bytes && !s->failed) {
        size_t n = STREAM_BUFFER_BYTES - s->used;
        n = n < size_bytes ? n : size_bytes;
        memcpy(s->buffer + s->used, from, n);
        s->used += n;
        from += n;
        size_bytes -= n;
        if (s->used == STREAM_BUFFER_BYTES)
            stream_flush(s, err);
    }
    return s->failed;
}

// Reads on once the buffer is used up.
static int refill(struct stream *s, struct err *err)
{
    sum(s);
    s->used = s->summed = s->filled = 0;
    ssize_t n;
    do
        n = read(s->fd, s->buffer, STREAM_BUFFER_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(err, fail(s, -errno), "reading the snapshot: %s", strerror(errno));
    if (n == 0)
        return err_set(err, fail(s, -EINVAL), "the snapshot ends too early; it was cut off");
    s->filled = n;
    return 0;
}

static int take(struct stream *s, void *bytes, size_t size_bytes, struct err *err)
{
    uint8_t *to = bytes;
    while (size_bytes && !s->failed) {
        if (s->used == s->filled && refill(s, err) < 0)
            break;
        size_t n = s->filled - s->used;
        n = n < size_bytes ? n : size_bytes;
        memcpy(to, s->buffer + s->used, n);
        s->used += n;
        to += n;
        size_bytes -= n;
    }
    return s->failed;
}

int stream_open_write(struct stream *stream, int fd, struct err *err)
{
    struct file_header header = {.format = le32(STREAM_FORMAT)};
    memcpy(header.magic, magic, sizeof magic);
    if (open_stream(stream, fd, true, err) < 0)
        return stream->failed;
    return put(stream, &header, sizeof header, err);
}

static int check_header(struct stream *s, const struct file_header *header, struct err *err)
{
    if (memcmp(header->magic, magic, sizeof magic))
        return err_set(err, fail(s, -EINVAL), "this is not a Konuk snapshot");
    uint32_t format = le32_get(header->format);
    if (format != STREAM_FORMAT || le32_get(header->reserved))
        return err_set(err, fail(s, -EINVAL), "the snapshot has format %u; this program knows %d",
                       format, STREAM_FORMAT);
    return 0;
}

int stream_open_read(struct stream *stream, int fd, struct err *err)
{
    struct file_header header;
    if (open_stream(stream, fd, false, err) < 0)
        return stream->failed;
    if (take(stream, &header, sizeof header, err) < 0)
        return stream->failed;
    return check_header(stream, &header, err);
}

int stream_begin(struct stream *stream, const char *name, uint32_t version, uint64_t size_bytes,
                 struct err *err)
{
    size_t name_bytes = strlen(name);
    assert(name_bytes && name_bytes <= STREAM_NAME_MAX && !stream->section_left);
    struct section_header header = {le64(size_bytes), le32(version), name_bytes};
    memcpy(stream->section, name, name_bytes + 1);
    stream->section_left = size_bytes;
    put(stream, &header, sizeof header, err);
    return put(stream, name, name_bytes, err);
}

int stream_put(struct stream *stream, const void *bytes, size_t size_bytes, struct err *err)
{
    assert(size_bytes <= stream->section_left);
    stream->section_left -= size_bytes;
    return put(stream, bytes, size_bytes, err);
}

int stream_end(struct stream *stream, struct err *err)
{
    assert(!stream->section_left);
    if (stream->failed)
        return stream->failed;
    sum(stream);
    struct le32 crc = le32(stream->crc);
    return put(stream, &crc, sizeof crc, err);
}

// Names end up in sentences for people.
static bool printable(const char *name, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return true;
}

int stream_next(struct stream *stream, struct stream_section *section, struct err *err)
{
    struct section_header header;
    if (take(stream, &header, sizeof header, err) < 0)
        return stream->failed;
    *section = (struct stream_section){.version = le32_get(header.version),
                                       .size_bytes = le64_get(header.size_bytes)};
    if (!header.name_bytes || header.name_bytes > STREAM_NAME_MAX)
        return err_set(err, fail(stream, -EINVAL), "the snapshot is damaged after section %s: "
                       "no section follows", stream->section);
    if (take(stream, section->name, header.name_bytes, err) < 0)
        return stream->failed;
    if (!printable(section->name, header.name_bytes))
        return err_set(err, fail(stream, -EINVAL), "the snapshot is damaged after section %s: "
                       "the next name is not text", stream->section);
    memcpy(stream->section, section->name, sizeof stream->section);
    stream->section_left = section->size_bytes;
    return 0;
}

int stream_take(struct stream *stream, void *bytes, size_t size_bytes, struct err *err)
{
    if (stream->failed)
        return stream->failed;
    if (size_bytes > stream->section_left)
        return err_set(err, fail(stream, -EINVAL), "section %s of the snapshot is too short",
                       stream->section);
    stream->section_left -= size_bytes;
    return take(stream, bytes, size_bytes, err);
}

int stream_finish(struct stream *stream, struct err *err)
{
    if (stream->failed)
        return stream->failed;
    if (stream->section_left)
        return err_set(err, fail(stream, -EINVAL), "section %s of the snapshot is %llu bytes too long",
                       stream->section, (unsigned long long)stream->section_left);
    sum(stream);
    uint32_t expected = stream->crc;
    struct le32 found;
    if (take(stream, &found, sizeof found, err) < 0)
        return stream->failed;
    if (le32_get(found) != expected)
        return err_set(err, fail(stream, -EINVAL), "section %s of the snapshot is damaged: its "
                       "checksum is wrong", stream->section);
    return 0;
}
