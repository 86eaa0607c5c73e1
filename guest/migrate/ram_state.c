// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/migrate/ram_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && !memcmp(page, page + 1, PAGE_BYTES - 1);
}

static int save_run(struct stream *stream, const struct ram *ram, uint64_t offset, uint64_t size_bytes,
                    struct err *err)
{
    struct le64 at = le64(offset);
    stream_begin(stream, RAM_SECTION, RAM_STATE_VERSION, sizeof at + size_bytes, err);
    stream_put(stream, &at, sizeof at, err);
    stream_put(stream, ram->host + offset, size_bytes, err);
    return stream_end(stream, err);
}

// Bytes from offset on, at least one page and at most a run, whose pages are not zero.
static uint64_t run_bytes(const struct ram *ram, uint64_t offset, uint64_t end)
{
    uint64_t bytes = PAGE_BYTES;
    while (bytes < RAM_RUN_BYTES_MAX && offset + bytes < end && !is_zero(ram->host + offset + bytes))
        bytes += PAGE_BYTES;
    return bytes;
}

static int save_extent(struct stream *stream, const struct ram *ram, uint64_t offset, uint64_t end,
                       struct err *err)
{
    while (offset < end) {
        if (is_zero(ram->host + offset)) {
            offset += PAGE_BYTES;
            continue;
        }
        uint64_t bytes = run_bytes(ram, offset, end);
        int code = save_run(stream, ram, offset, bytes, err);
        if (code < 0)
            return code;
        offset += bytes;
    }
    return 0;
}

// The memfd's next extent that has pages, from *offset on; false at the end. A kernel that can't
// tell says that all of it has.
static bool next_extent(const struct ram *ram, uint64_t *offset, uint64_t *end)
{
    off_t data = lseek(ram->fd, *offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return false;
    off_t hole = data < 0 ? -1 : lseek(ram->fd, data, SEEK_HOLE);
    if (hole >= 0)
        *offset = align_down(data, PAGE_BYTES);
    *end = hole < 0 || (uint64_t)hole > ram->size_bytes ? ram->size_bytes : align_up(hole, PAGE_BYTES);
    return *offset < ram->size_bytes;
}

int ram_state_save(struct stream *stream, const struct ram *ram, struct err *err)
{
    uint64_t offset = 0, end;
    while (offset < ram->size_bytes && next_extent(ram, &offset, &end)) {
        int code = save_extent(stream, ram, offset, end, err);
        if (code < 0)
            return code;
        offset = end;
    }
    return 0;
}

int ram_state_clear(struct ram *ram, struct err *err)
{
    if (fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, ram->size_bytes) < 0)
        return err_set(err, -errno, "clearing the guest's RAM: %s", strerror(errno));
    return 0;
}

int ram_state_load(struct stream *stream, const struct stream_section *section, struct ram *ram,
                   uint64_t *next, struct err *err)
{
    struct le64 at;
    if (section->version != RAM_STATE_VERSION)
        return err_set(err, -EINVAL, "section ram of the snapshot has version %u; this program knows %d",
                       section->version, RAM_STATE_VERSION);
    int code = stream_take(stream, &at, sizeof at, err);
    if (code < 0)
        return code;
    uint64_t offset = le64_get(at), bytes = section->size_bytes - sizeof at;
    if (!bytes || bytes > RAM_RUN_BYTES_MAX || (bytes | offset) % PAGE_BYTES)
        return err_set(err, -EINVAL, "section ram of the snapshot is not a run of pages");
    if (offset < *next || offset > ram->size_bytes || bytes > ram->size_bytes - offset)
        return err_set(err, -EINVAL, "section ram of the snapshot is out of order or beyond the RAM's end");
    *next = offset + bytes;
    code = stream_take(stream, ram->host + offset, bytes, err);
    return code < 0 ? code : stream_finish(stream, err);
}
