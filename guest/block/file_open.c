// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/block/file.h"
#include "guest/block/probe.h"

static int cannot_open(const char *path, int failed, bool direct, struct err *err)
{
    if (failed == -EINVAL && direct)
        return err_set(err, failed, "Could not open '%s': filesystem does not support O_DIRECT", path);
    return err_set(err, failed, "Could not open '%s': %s", path, strerror(-failed));
}

// A FIFO must not hold us up before we have seen that it is one.
static int open_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFL, flags & O_DIRECT);
    return fd;
}

static bool may_be_read_only(int failed)
{
    return failed == -EACCES || failed == -EPERM || failed == -EROFS;
}

static int open_any(struct file *f, const struct block_config *config, struct err *err)
{
    int direct = f->direct ? O_DIRECT : 0;
    f->b.info.read_only = config->read_only;
    int fd = open_path(config->path, direct | (config->read_only ? O_RDONLY : O_RDWR));
    // A directory is EISDIR for writing, and gets the sentence below.
    bool read_only = may_be_read_only(fd) && config->auto_read_only;
    if (read_only || fd == -EISDIR) {
        f->b.info.read_only = true;
        fd = open_path(config->path, direct | O_RDONLY);
    }
    if (fd < 0)
        return cannot_open(config->path, fd, f->direct, err);
    f->fd = fd;
    return 0;
}

static int find_size(struct file *f, const struct block_config *config, struct err *err)
{
    struct stat st;
    uint64_t size_bytes = 0;
    if (fstat(f->fd, &st))
        return cannot_open(config->path, -errno, false, err);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(err, -EINVAL, "'file' driver requires '%s' to be a regular file", config->path);
    f->device = S_ISBLK(st.st_mode);
    if (!f->device)
        size_bytes = (uint64_t)st.st_size;
    else if (ioctl(f->fd, BLKGETSIZE64, &size_bytes))
        return err_set(err, -errno, "Could not get the size of '%s': %s", config->path, strerror(errno));
    if (size_bytes > INT64_MAX - FILE_ALIGNMENT_MAX)
        return err_set(err, -EFBIG, "Image '%s' is too big", config->path);
    f->b.info.size_bytes = align_up(size_bytes, f->b.info.block_bytes);  // what is padded reads as zeroes
    return 0;
}

static bool is_alignment(uint64_t n)
{
    return n && !(n & (n - 1)) && n <= FILE_ALIGNMENT_MAX;
}

static bool ask_alignment(const struct file *f, uint32_t *offset, uint32_t *memory)
{
    int sector;
    if (f->device && !ioctl(f->fd, BLKSSZGET, &sector) && sector > 0) {
        *offset = *memory = (uint32_t)sector;
        return is_alignment(*offset);
    }
#ifdef STATX_DIOALIGN
    struct statx stx;
    if (!statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) && stx.stx_mask & STATX_DIOALIGN) {
        *offset = stx.stx_dio_offset_align;
        *memory = stx.stx_dio_mem_align;
        return is_alignment(*offset) && is_alignment(*memory);
    }
#endif
    return false;
}

// Older kernels don't say; then the smallest read that works tells.
static bool try_alignment(const struct file *f, uint32_t *offset, uint32_t *memory)
{
    void *buffer = aligned_alloc(FILE_ALIGNMENT_MAX, FILE_ALIGNMENT_MAX);
    bool found = false;
    for (uint32_t n = 512; buffer && n <= FILE_ALIGNMENT_MAX && !found; n *= 2)
        if ((found = pread(f->fd, buffer, n, 0) >= 0))
            *offset = *memory = n;
    free(buffer);
    return found;
}

static int find_alignment(struct file *f, const struct block_config *config, struct err *err)
{
    uint32_t offset = 1, memory = 1;
    if (f->direct && !ask_alignment(f, &offset, &memory) && !try_alignment(f, &offset, &memory))
        return err_set(err, -EINVAL, "Could not find working O_DIRECT alignment for '%s'", config->path);
    f->b.info.offset_alignment = offset;
    f->b.info.memory_alignment = memory;
    return 0;
}

static int open_cached(struct file *f, const struct block_config *config, struct err *err)
{
    char same[32];  // the very file that is open, whatever its path has become
    snprintf(same, sizeof same, "/proc/self/fd/%d", f->fd);
    int fd = open_path(same, f->b.info.read_only ? O_RDONLY : O_RDWR);
    if (fd < 0)
        return cannot_open(config->path, fd, false, err);
    f->cached_fd = fd;
    return 0;
}

static int check_format(struct file *f, const struct block_config *config, struct err *err)
{
    uint8_t head[PROBE_BYTES];
    if (config->format)
        return 0;
    ssize_t got = pread(f->cached_fd, head, sizeof head, 0);
    if (got < 0)
        return err_set(err, -errno, "Could not read image for determining its format: %s",
                       strerror(errno));
    const char *format = probe_format(head, (size_t)got);
    if (strcmp(format, "raw"))
        return err_set(err, -ENOTSUP, "Image '%s' is in %s format, which is not supported yet",
                       config->path, format);
    f->guessed = true;
    return 0;
}

int file_open_descriptors(struct file *f, const struct block_config *config, struct err *err)
{
    f->fd = f->cached_fd = -1;
    int failed = open_any(f, config, err);
    if (!failed)
        failed = find_size(f, config, err);
    if (!failed)
        failed = find_alignment(f, config, err);
    if (!failed)
        failed = open_cached(f, config, err);
    if (!failed && !config->share_writers)
        failed = file_lock(f->cached_fd, !f->b.info.read_only, config->path, err);
    if (!failed)
        failed = check_format(f, config, err);
    if (failed)
        file_close_descriptors(f);
    return failed;
}

void file_close_descriptors(struct file *f)
{
    if (f->cached_fd >= 0)
        close(f->cached_fd);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = f->cached_fd = -1;
}
