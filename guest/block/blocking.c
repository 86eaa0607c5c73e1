// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/block/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/block/probe.h"

enum { PIECES = 64, ZERO_BYTES = 65536 };

static const uint8_t zeroes[ZERO_BYTES] __attribute__((aligned(4096)));

// The next pieces of a request's memory, from its progress on.
static unsigned rest_of(const struct block_request *r, struct iovec *piece)
{
    uint64_t skip = r->progress_bytes;
    unsigned count = 0;
    for (unsigned i = 0; i < r->iov_count && count < PIECES; i++) {
        if (skip >= r->iov[i].iov_len) {
            skip -= r->iov[i].iov_len;
            continue;
        }
        piece[count++] = (struct iovec){(char *)r->iov[i].iov_base + skip, r->iov[i].iov_len - skip};
        skip = 0;
    }
    return count;
}

static bool fits(const struct file *f, uint64_t offset, const struct iovec *piece, unsigned count)
{
    uint64_t lengths = offset, addresses = 0;
    for (unsigned i = 0; i < count; i++) {
        lengths |= piece[i].iov_len;
        addresses |= (uintptr_t)piece[i].iov_base;
    }
    return !(lengths & (f->b.info.offset_alignment - 1)) &&
           !(addresses & (f->b.info.memory_alignment - 1));
}

static int which_fd(const struct file *f, uint64_t offset, const struct iovec *piece, unsigned count)
{
    return f->direct && !fits(f, offset, piece, count) ? f->cached_fd : f->fd;
}

// What lies beyond the file's end, in the padding of the last block, is zero.
static void zero_rest(struct block_request *r)
{
    struct iovec piece[PIECES];
    for (unsigned count; (count = rest_of(r, piece));)
        for (unsigned i = 0; i < count; i++) {
            memset(piece[i].iov_base, 0, piece[i].iov_len);
            r->progress_bytes += piece[i].iov_len;
        }
}

static int run_read(struct file *f, struct block_request *r)
{
    struct iovec piece[PIECES];
    while (r->progress_bytes < r->size_bytes) {
        uint64_t offset = r->offset_bytes + r->progress_bytes;
        unsigned count = rest_of(r, piece);
        ssize_t got = preadv(which_fd(f, offset, piece, count), piece, (int)count, (off_t)offset);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            zero_rest(r);
        else if (got > 0)
            r->progress_bytes += (uint64_t)got;
    }
    return 0;
}

// All of it, in spite of short writes. What went through the cache of a direct file leaves it.
static int write_pieces(struct file *f, uint64_t offset, struct iovec *piece, unsigned count)
{
    int fd = which_fd(f, offset, piece, count);
    ssize_t put = pwritev(fd, piece, (int)count, (off_t)offset);
    if (put < 0)
        return errno == EINTR ? 0 : -errno;
    if (put == 0)
        return -EIO;
    if (f->direct && fd == f->cached_fd &&
        sync_file_range(fd, (off_t)offset, put, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                                    SYNC_FILE_RANGE_WAIT_AFTER))
        return -errno;
    return (int)put;  // pieces are at most a request's, whose size fits
}

static int write_rest(struct file *f, struct block_request *r)
{
    struct iovec piece[PIECES];
    while (r->progress_bytes < r->size_bytes) {
        unsigned count = rest_of(r, piece);
        int put = write_pieces(f, r->offset_bytes + r->progress_bytes, piece, count);
        if (put < 0)
            return put;
        r->progress_bytes += (unsigned)put;
    }
    return 0;
}

static int sync_data(struct file *f)
{
    return !f->unsafe && fdatasync(f->fd) ? -errno : 0;
}

static int sync_if_asked(struct file *f, const struct block_request *r)
{
    return f->write_through || r->flags & BLOCK_FUA ? sync_data(f) : 0;
}

// An image whose format was guessed stays one: the first bytes are copied before they are judged, since
// the guest may change them meanwhile.
static int write_head(struct file *f, struct block_request *r)
{
    uint8_t head[PROBE_BYTES] = {0};
    size_t used = 0;
    for (unsigned i = 0; i < r->iov_count && used < sizeof head; i++) {
        size_t n = r->iov[i].iov_len < sizeof head - used ? r->iov[i].iov_len : sizeof head - used;
        memcpy(head + used, r->iov[i].iov_base, n);
        used += n;
    }
    if (strcmp(probe_format(head, used), "raw"))
        return -EPERM;
    while (r->progress_bytes < used) {
        struct iovec piece = {head + r->progress_bytes, used - r->progress_bytes};
        int put = write_pieces(f, r->progress_bytes, &piece, 1);
        if (put < 0)
            return put;
        r->progress_bytes += (unsigned)put;
    }
    return 0;
}

static int run_write(struct file *f, struct block_request *r)
{
    int failed = 0;
    if (f->guessed && r->offset_bytes == 0 && r->progress_bytes < PROBE_BYTES)
        failed = write_head(f, r);
    if (!failed)
        failed = write_rest(f, r);
    return failed ? failed : sync_if_asked(f, r);
}

static int fallocate_range(struct file *f, int mode, const struct block_request *r)
{
    int rc;
    do
        rc = fallocate(f->cached_fd, mode, (off_t)r->offset_bytes, (off_t)r->size_bytes);
    while (rc && errno == EINTR);
    return rc ? -errno : 0;
}

static int ioctl_range(struct file *f, unsigned long request, const struct block_request *r)
{
    uint64_t range[2] = {r->offset_bytes, r->size_bytes};
    return ioctl(f->fd, request, range) ? -errno : 0;
}

static bool is_unsupported(int failed)
{
    return failed == -EOPNOTSUPP || failed == -ENOTTY || failed == -ENOSYS || failed == -EINVAL;
}

// Discarding is advice; a host that can't has taken it.
static int run_discard(struct file *f, const struct block_request *r)
{
    int failed = f->device ? ioctl_range(f, BLKDISCARD, r)
                           : fallocate_range(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r);
    return is_unsupported(failed) ? 0 : failed;
}

static int zero_by_host(struct file *f, const struct block_request *r)
{
    int failed = -EOPNOTSUPP;
    if (f->device)
        return ioctl_range(f, BLKZEROOUT, r);
    if (r->flags & BLOCK_UNMAP && f->discard_unmap)
        failed = fallocate_range(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r);
    if (is_unsupported(failed))
        failed = fallocate_range(f, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, r);
    return failed;
}

static int zero_by_writing(struct file *f, struct block_request *r)
{
    while (r->progress_bytes < r->size_bytes) {
        uint64_t left = r->size_bytes - r->progress_bytes;
        struct iovec piece = {(void *)zeroes, left < ZERO_BYTES ? left : ZERO_BYTES};
        int put = write_pieces(f, r->offset_bytes + r->progress_bytes, &piece, 1);
        if (put < 0)
            return put;
        r->progress_bytes += (unsigned)put;
    }
    return 0;
}

static int run_zeroes(struct file *f, struct block_request *r)
{
    int failed = zero_by_host(f, r);
    if (is_unsupported(failed))
        failed = zero_by_writing(f, r);
    return failed ? failed : sync_if_asked(f, r);
}

int blocking_run(struct file *f, struct block_request *r)
{
    if (r->marks & FILE_ZEROES)
        return run_zeroes(f, r);
    switch (r->operation) {
    case BLOCK_READ: return run_read(f, r);
    case BLOCK_WRITE: return run_write(f, r);
    case BLOCK_FLUSH: return sync_data(f);
    case BLOCK_DISCARD: return run_discard(f, r);
    case BLOCK_WRITE_ZEROES: return run_zeroes(f, r);
    }
    return -EINVAL;
}
