// SPDX-License-Identifier: GPL-2.0-or-later
//
// A raw image: a regular file or a block device of the host, byte for byte the guest's disk. Private to this
// folder.
//
// Reads, flushes and writes that must reach the disk go to an io_uring where the kernel has one for us; small
// writes to the page cache are done at once; whatever else there is, and all of it without a ring, goes to
// worker threads (workers.h), which may block. What a ring has done in part, a worker finishes.
//
// With O_DIRECT, requests that do not fit the file's alignment go through the page cache, by a second
// descriptor. The page cache and direct writes to the same page don't agree while both are under way, so
// such a request runs alone, and what it wrote has left the cache before others go on.
#pragma once

#include "guest/block/block.h"

struct ring;
struct workers;

enum { FILE_RUNNING_MAX = 256, FILE_ALIGNMENT_MAX = 65536 };
enum file_mark { FILE_ALONE = 1, FILE_ZEROES = 2 };  // in a request's marks

struct file {
    struct block b;
    // cached_fd is never direct. It has the image lock, since no ring knows it: what a ring has been given
    // may stay open for a while after the ring, and the process, are gone.
    int fd, cached_fd;
    bool device, direct, unsafe, write_through, discard_unmap, detect_zeroes, guessed, wants_ring;
    struct workers *workers;
    struct ring *ring;  // null: workers do everything

    // I/O thread. Requests that wait for their turn, and those that had nothing to do.
    struct block_request *waiting, *waiting_last, *instant;
    unsigned running, flushes;
    bool alone;
    uint64_t shy_until_ns;  // CLOCK_MONOTONIC, as a request's begin
    // What was submitted in a turn of the loop leaves at its end; `again` keeps the loop from sleeping.
    uv_check_t turn_end;
    uv_idle_t again;
};

struct block *file_open(const struct block_config *config, struct io_thread *thread, struct err *err);
void file_done(struct block_request *request, int result);  // by ring and workers; I/O thread
void file_turn_is_due(struct file *f);                      // I/O thread

// file_open.c: descriptors, kind, size and alignment. -errno with a sentence; closes what it opened.
int file_open_descriptors(struct file *f, const struct block_config *config, struct err *err);
void file_close_descriptors(struct file *f);
// file_lock.c
int file_lock(int fd, bool writes, const char *path, struct err *err);

static inline struct file *file_of(struct block *b)
{
    return (struct file *)b;  // embedded first
}
