// SPDX-License-Identifier: GPL-2.0-or-later
//
// What all back ends over file descriptors have in common: output that is queued by any thread and
// written by the loop, in as few system calls as it can; input that is read only while the front
// has room.
#pragma once

#include <pthread.h>

#include "guest/chr/backend.h"
#include "guest/chr/watch.h"

struct chr_bytes {
    uint8_t *at;
    size_t used_bytes, capacity_bytes;
};

struct chr_stream {
    struct chr_backend base;
    int in_fd, out_fd, log_fd;  // owned; -1: not there (now)
    struct watch *in, *out;
    void (*hangup)(struct chr_stream *s);  // the peer is gone; null: input just ends
    void (*put_back)(struct chr_stream *s);  // at close; may be null
    bool ended;      // no more input will come

    pthread_mutex_t lock;      // for the four below
    struct chr_bytes waiting;  // written by the front
    bool flush_posted, connected;
    size_t sending_left_bytes;
    struct chr_bytes sending;  // the loop's
    size_t sent_bytes;
    uint32_t starved;          // atomic: input stopped because the front had no room
};

// Allocated and without descriptors. put_back and hangup are the caller's to set.
struct chr_stream *chr_stream_create(const struct chr_config *config, const char *filename,
                                     struct err *err);
// Takes the descriptors, which must be different, and says CHR_OPENED. Either may be -1.
void chr_stream_connect(struct chr_stream *s, int in_fd, int out_fd);
// Closes them, drops what waits, and says CHR_CLOSED.
void chr_stream_disconnect(struct chr_stream *s);
void chr_stream_close(struct chr_backend *b);
