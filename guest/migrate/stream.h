// SPDX-License-Identifier: GPL-2.0-or-later
//
// A snapshot file as a sequence of sections: each has a name, a version and a length, and ends
// with a checksum of the file so far. So a section that was altered, left out, repeated or moved
// is noticed when it ends, and the last one's checksum is that of the whole file.
//
// Files are written and read once, in order, through a buffer of 1 MiB; a pipe will do.
//
// A stream remembers its first failure: later calls do nothing and return it again, so that a
// writer may put many fields and look once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { STREAM_BUFFER_BYTES = 1 << 20, STREAM_NAME_MAX = 63 };

struct stream {
    int fd;  // lent
    bool writing;
    uint8_t *buffer;
    size_t used, filled;  // bytes put or taken; bytes that the file gave
    size_t summed;        // bytes of the buffer that crc covers
    uint32_t crc;         // of the whole file so far
    int failed;           // 0 or the errno of the first failure
    uint64_t section_left;
    char section[STREAM_NAME_MAX + 1];
};

// The header of the file: written, or read and checked. -EINVAL: not a snapshot.
int stream_open_write(struct stream *stream, int fd, struct err *err);
int stream_open_read(struct stream *stream, int fd, struct err *err);
void stream_close(struct stream *stream);  // frees; does not flush, and leaves fd open

// Between begin and end exactly size_bytes are put or taken; begin copies the name.
int stream_begin(struct stream *stream, const char *name, uint32_t version, uint64_t size_bytes,
                 struct err *err);
int stream_put(struct stream *stream, const void *bytes, size_t size_bytes, struct err *err);
int stream_end(struct stream *stream, struct err *err);
int stream_flush(struct stream *stream, struct err *err);

struct stream_section {
    char name[STREAM_NAME_MAX + 1];  // printable ASCII
    uint32_t version;
    uint64_t size_bytes;  // as the file claims: nothing may be allocated by it unchecked
};
int stream_next(struct stream *stream, struct stream_section *section, struct err *err);
int stream_take(struct stream *stream, void *bytes, size_t size_bytes, struct err *err);
int stream_finish(struct stream *stream, struct err *err);  // -EINVAL: bytes left, or the checksum is wrong
