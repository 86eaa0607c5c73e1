// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/block/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "guest/block/blocking.h"
#include "guest/block/probe.h"
#include "guest/block/ring.h"
#include "guest/block/workers.h"

static void on_again(uv_idle_t *handle);

void file_turn_is_due(struct file *f)
{
    uv_idle_start(&f->again, on_again);  // no more than a look if it is started
}

static bool is_zero(const struct block_request *r)
{
    for (unsigned i = 0; i < r->iov_count; i++) {
        const char *bytes = r->iov[i].iov_base;
        size_t size_bytes = r->iov[i].iov_len;
        if (size_bytes && (bytes[0] || memcmp(bytes, bytes + 1, size_bytes - 1)))
            return false;
    }
    return true;
}

static bool has_nothing_to_do(const struct file *f, const struct block_request *r)
{
    switch (r->operation) {
    case BLOCK_FLUSH: return f->unsafe || f->b.info.read_only;
    case BLOCK_DISCARD: return !f->discard_unmap || !r->size_bytes;
    default: return !r->size_bytes;
    }
}

// 0, or why not.
static int check(const struct file *f, const struct block_request *r)
{
    uint64_t total_bytes = 0;
    if (r->operation == BLOCK_FLUSH)
        return 0;
    if ((r->offset_bytes | r->size_bytes) & (f->b.info.block_bytes - 1))
        return -EINVAL;
    if (r->offset_bytes > f->b.info.size_bytes || r->size_bytes > f->b.info.size_bytes - r->offset_bytes)
        return -EINVAL;
    if (r->operation != BLOCK_READ && f->b.info.read_only)
        return -EROFS;
    if (r->operation != BLOCK_READ && r->operation != BLOCK_WRITE)
        return 0;
    for (unsigned i = 0; i < r->iov_count; i++)
        total_bytes += r->iov[i].iov_len;
    return total_bytes == r->size_bytes ? 0 : -EINVAL;
}

static bool fits_alignment(const struct file *f, const struct block_request *r)
{
    uint64_t lengths = r->offset_bytes | r->size_bytes, addresses = 0;
    bool has_memory = r->operation == BLOCK_READ || r->operation == BLOCK_WRITE;
    for (unsigned i = 0; has_memory && i < r->iov_count; i++) {
        lengths |= r->iov[i].iov_len;
        addresses |= (uintptr_t)r->iov[i].iov_base;
    }
    return !(lengths & (f->b.info.offset_alignment - 1)) &&
           !(addresses & (f->b.info.memory_alignment - 1));
}

static bool writes_guessed_head(const struct file *f, const struct block_request *r)
{
    return f->guessed && r->operation == BLOCK_WRITE && r->offset_bytes < PROBE_BYTES;
}

// A small write that needn't be durable is a copy to the page cache, over before another thread would have
// woken up; and most filesystems can't do it for a ring without a thread. So it is done at once, except
// while it might sleep: beside a flush, and for a while after one that took long (a host makes
// those wait that write faster than its disks).
enum { WRITE_NOW_BYTES = 65536, WRITE_LONG_NS = 2000000, WRITE_SHY_NS = 100000000 };

static bool writes_cache(const struct file *f, const struct block_request *r)
{
    return r->operation == BLOCK_WRITE && !f->direct && !f->write_through && !(r->flags & BLOCK_FUA);
}

// A ring would copy it on this thread, while a worker does that beside others.
enum { READ_LARGE_BYTES = 262144 };

static bool reads_much_of_cache(const struct file *f, const struct block_request *r)
{
    return r->operation == BLOCK_READ && !f->direct && r->size_bytes >= READ_LARGE_BYTES;
}

static bool may_write_now(const struct file *f, const struct block_request *r)
{
    return f->ring && writes_cache(f, r) && r->size_bytes <= WRITE_NOW_BYTES && !f->detect_zeroes &&
           !f->flushes && r->begin_ns >= f->shy_until_ns;
}

static int write_now(struct file *f, struct block_request *r)
{
    uint64_t begin_ns = uv_hrtime();
    int result = blocking_run(f, r);
    uint64_t end_ns = uv_hrtime();
    if (end_ns - begin_ns > WRITE_LONG_NS)
        f->shy_until_ns = end_ns + WRITE_SHY_NS;
    return result;
}

static bool may_start(const struct file *f, const struct block_request *r)
{
    if (f->alone || f->running >= FILE_RUNNING_MAX)
        return false;
    return !(r->marks & FILE_ALONE) || !f->running;
}

static void start(struct file *f, struct block_request *r)
{
    f->running++;
    f->alone = r->marks & FILE_ALONE;
    f->flushes += r->operation == BLOCK_FLUSH;
    bool by_worker = r->marks || writes_guessed_head(f, r) || writes_cache(f, r) || reads_much_of_cache(f, r);
    if (f->ring && !by_worker && ring_takes(r))
        ring_submit(f->ring, r);
    else
        workers_submit(f->workers, r);
}

static void start_waiting(struct file *f)
{
    while (f->waiting && may_start(f, f->waiting)) {
        struct block_request *r = f->waiting;
        f->waiting = r->next;
        start(f, r);
    }
}

static void submit(struct file *f, struct block_request *r)
{
    r->next = NULL;
    if (f->direct && r->operation != BLOCK_FLUSH && !fits_alignment(f, r))
        r->marks |= FILE_ALONE;
    if (f->detect_zeroes && r->operation == BLOCK_WRITE && is_zero(r))
        r->marks |= FILE_ZEROES;
    if (!f->waiting && may_start(f, r)) {
        start(f, r);
        return;
    }
    if (f->waiting)
        f->waiting_last->next = r;
    else
        f->waiting = r;
    f->waiting_last = r;
}

static void file_submit(struct block *b, struct block_request *r)
{
    struct file *f = file_of(b);
    r->result = check(f, r);
    if (!r->result && !has_nothing_to_do(f, r)) {
        if (!may_write_now(f, r)) {
            submit(f, r);
            return;
        }
        r->result = write_now(f, r);
    }
    r->next = f->instant;
    f->instant = r;
    file_turn_is_due(f);
}

void file_done(struct block_request *r, int result)
{
    struct file *f = file_of(r->block);
    f->running--;
    f->flushes -= r->operation == BLOCK_FLUSH;
    f->alone = false;
    block_finish(r, result);
    start_waiting(f);
}

static void finish_instant(struct file *f)
{
    struct block_request *next, *r = f->instant;
    f->instant = NULL;
    for (; r; r = next) {
        next = r->next;
        block_finish(r, r->result);
    }
}

static void turn(struct file *f)
{
    if (!uv_is_active((uv_handle_t *)&f->again))
        return;
    uv_idle_stop(&f->again);
    finish_instant(f);
    if ((f->ring && ring_turn(f->ring)) || f->instant)
        file_turn_is_due(f);
    block_finish_batch(&f->b);
}

static void on_turn_end(uv_check_t *handle)
{
    turn(handle->data);
}

static void on_again(uv_idle_t *handle)
{
    turn((struct file *)((char *)handle - offsetof(struct file, again)));
}

static void open_handles(void *opaque)
{
    struct file *f = opaque;
    uv_loop_t *loop = io_thread_loop(f->b.thread);
    uv_check_init(loop, &f->turn_end);
    uv_idle_init(loop, &f->again);
    f->turn_end.data = f;
    uv_check_start(&f->turn_end, on_turn_end);
    if (f->wants_ring)
        f->ring = ring_create(f);
}

static void close_handles(void *opaque)
{
    struct file *f = opaque;
    uv_close((uv_handle_t *)&f->turn_end, NULL);
    uv_close((uv_handle_t *)&f->again, NULL);
    if (f->ring)
        ring_destroy(f->ring);
}

static void pass(void *opaque)
{
    (void)opaque;
}

static void file_close(struct block *b)
{
    struct file *f = file_of(b);
    io_thread_call(b->thread, close_handles, f);
    io_thread_call(b->thread, pass, NULL);  // in the loop's next turn: by now the handles are closed
    ring_free(f->ring);
    workers_destroy(f->workers);
    file_close_descriptors(f);
}

static const struct block_ops file_ops = {"file", file_submit, file_close};

// QEMU's words, by which tools know them.
static void warn_of_guess(const char *path)
{
    fprintf(stderr,
            "WARNING: Image format was not specified for '%s' and probing guessed raw.\n"
            "         Automatically detecting the format is dangerous for raw images, write operations "
            "on block 0 will be restricted.\n"
            "         Specify the 'raw' format explicitly to remove the restrictions.\n", path);
}

static void configure(struct file *f, const struct block_config *config)
{
    enum block_cache cache = config->cache;
    f->direct = cache == BLOCK_NONE || cache == BLOCK_DIRECTSYNC;
    f->write_through = cache == BLOCK_WRITETHROUGH || cache == BLOCK_DIRECTSYNC;
    f->unsafe = cache == BLOCK_UNSAFE;
    f->discard_unmap = f->b.info.can_discard = config->discard_unmap;
    f->detect_zeroes = config->detect_zeroes;
    f->wants_ring = config->aio != BLOCK_AIO_THREADS;
    f->b.info.writeback = !f->write_through;
    f->b.info.can_write_zeroes = true;
}

static int open_engines(struct file *f, const struct block_config *config, struct err *err)
{
    f->workers = workers_create(f, err);
    if (!f->workers)
        return -ENOMEM;
    io_thread_call(f->b.thread, open_handles, f);
    if (!f->ring && config->aio == BLOCK_AIO_IO_URING)
        log_warn("block", "no io_uring here: '%s' is served by threads", config->path);
    f->b.info.aio_name = f->ring ? "io_uring" : "threads";
    return 0;
}

static int open_file(struct file *f, const struct block_config *config, struct err *err)
{
    configure(f, config);
    if (config->aio == BLOCK_AIO_NATIVE && !f->direct)
        return err_set(err, -EINVAL, "aio=native was specified, but it requires cache.direct=on, "
                                     "which was not specified.");
    f->b.path = strdup(config->path);
    int failed = f->b.path ? file_open_descriptors(f, config, err)
                           : err_set(err, -ENOMEM, "no memory for '%s'", config->path);
    if (failed)
        return failed;
    if ((failed = open_engines(f, config, err)))
        file_close_descriptors(f);
    else if (f->guessed)
        warn_of_guess(config->path);
    return failed;
}

struct block *file_open(const struct block_config *config, struct io_thread *thread, struct err *err)
{
    struct file *f = calloc(1, sizeof *f);
    if (!f) {
        err_set(err, -ENOMEM, "no memory for '%s'", config->path);
        return NULL;
    }
    block_init(&f->b, &file_ops, thread);
    if (!open_file(f, config, err))
        return &f->b;
    free(f->b.path);
    free(f);
    return NULL;
}
