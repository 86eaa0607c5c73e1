// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/block/ring.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "guest/block/workers.h"

struct ring {
    struct file *file;
    struct io_uring uring;
    uv_poll_t poll;
    bool registered;
};

enum { SUBMISSIONS = 128 };
// Every request that runs has a place for its completion.
_Static_assert(2 * SUBMISSIONS >= FILE_RUNNING_MAX, "completions can't overflow");

bool ring_takes(const struct block_request *r)
{
    return r->operation == BLOCK_READ || r->operation == BLOCK_WRITE || r->operation == BLOCK_FLUSH;
}

static void prepare_transfer(struct ring *ring, struct io_uring_sqe *sqe, const struct block_request *r)
{
    int fd = ring->registered ? 0 : ring->file->fd;
    const struct iovec *first = r->iov;
    bool one = r->iov_count == 1;
    if (r->operation == BLOCK_READ && one)
        io_uring_prep_read(sqe, fd, first->iov_base, (unsigned)first->iov_len, r->offset_bytes);
    else if (r->operation == BLOCK_READ)
        io_uring_prep_readv(sqe, fd, first, r->iov_count, r->offset_bytes);
    else if (one)
        io_uring_prep_write(sqe, fd, first->iov_base, (unsigned)first->iov_len, r->offset_bytes);
    else
        io_uring_prep_writev(sqe, fd, first, r->iov_count, r->offset_bytes);
    if (r->operation == BLOCK_WRITE && (r->flags & BLOCK_FUA || ring->file->write_through))
        sqe->rw_flags = ring->file->unsafe ? 0 : RWF_DSYNC;
}

void ring_submit(struct ring *ring, struct block_request *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (!sqe) {
        io_uring_submit(&ring->uring);
        sqe = io_uring_get_sqe(&ring->uring);
    }
    if (!sqe) {  // the kernel is short of memory
        workers_submit(ring->file->workers, r);
        return;
    }
    if (r->operation == BLOCK_FLUSH)
        io_uring_prep_fsync(sqe, ring->registered ? 0 : ring->file->fd, IORING_FSYNC_DATASYNC);
    else
        prepare_transfer(ring, sqe, r);
    if (ring->registered)
        sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, r);
    file_turn_is_due(ring->file);
}

// A direct file takes no part of a block, so there the worker begins anew.
static void completed(struct ring *ring, struct block_request *r, int result)
{
    uint64_t size_bytes = r->operation == BLOCK_FLUSH ? 0 : r->size_bytes;
    bool again = result == -EAGAIN || result == -EINTR;
    if (result >= 0 && (uint64_t)result >= size_bytes) {
        file_done(r, 0);
    } else if (result < 0 && !again) {
        file_done(r, result);
    } else {
        r->progress_bytes = result > 0 && !ring->file->direct ? (uint64_t)result : 0;
        workers_submit(ring->file->workers, r);
    }
}

// What is there now: a request that done submits anew is for the next turn.
static unsigned reap(struct ring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned count = 0;
    while (count < FILE_RUNNING_MAX && !io_uring_peek_cqe(&ring->uring, &cqe)) {
        struct block_request *r = io_uring_cqe_get_data(cqe);
        int result = cqe->res;
        io_uring_cqe_seen(&ring->uring, cqe);
        completed(ring, r, result);
        count++;
    }
    return count;
}

bool ring_turn(struct ring *ring)
{
    if (io_uring_sq_ready(&ring->uring))
        io_uring_submit(&ring->uring);
    reap(ring);
    return io_uring_sq_ready(&ring->uring);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct ring *ring = poll->data;
    (void)status;
    (void)events;
    if (reap(ring))
        block_finish_batch(&ring->file->b);
}

static bool has_operations(struct io_uring *uring)
{
    static const int needed[] = {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV,
                                 IORING_OP_FSYNC};
    struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
    bool all = probe;
    for (unsigned i = 0; all && i < sizeof needed / sizeof needed[0]; i++)
        all = io_uring_opcode_supported(probe, needed[i]);
    io_uring_free_probe(probe);
    return all;
}

// Newer kernels finish requests without interrupting us, when we come to them anyway.
static int open_uring(struct io_uring *uring)
{
    static const unsigned flags[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, 0};
    int failed = -EINVAL;
    for (unsigned i = 0; i < 2 && failed == -EINVAL; i++)
        failed = io_uring_queue_init(SUBMISSIONS, uring, flags[i]);
    if (failed)
        return failed;
    if (has_operations(uring) && uring->features & IORING_FEAT_NODROP)
        return 0;
    io_uring_queue_exit(uring);
    return -ENOSYS;
}

struct ring *ring_create(struct file *f)
{
    struct ring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return NULL;
    ring->file = f;
    if (open_uring(&ring->uring)) {
        free(ring);
        return NULL;
    }
    ring->registered = !io_uring_register_files(&ring->uring, &f->fd, 1);
    if (uv_poll_init(io_thread_loop(f->b.thread), &ring->poll, ring->uring.ring_fd)) {
        io_uring_queue_exit(&ring->uring);
        free(ring);
        return NULL;
    }
    ring->poll.data = ring;
    uv_poll_start(&ring->poll, UV_READABLE, on_readable);
    return ring;
}

void ring_destroy(struct ring *ring)
{
    uv_poll_stop(&ring->poll);
    uv_close((uv_handle_t *)&ring->poll, NULL);
    io_uring_queue_exit(&ring->uring);
}

void ring_free(struct ring *ring)
{
    free(ring);
}
