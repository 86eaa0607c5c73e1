// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/firmware/kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// Stays in the second-level cache between the read and the write to RAM, which must go through
// mem_dma_write: at a reset the engine has to learn that code was overwritten.
enum { PIECE_BYTES = 128 << 10 };

static int check(int fd, uint64_t *size_bytes)
{
    struct stat st;
    if (fstat(fd, &st))
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    *size_bytes = (uint64_t)st.st_size;
    return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

// Non-blocking, so that a FIFO without a writer is refused and does not hang.
int kernel_file_open(struct kernel_file *file, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int code = check(fd, &file->size_bytes);
    if (code)
        close(fd);
    file->fd = code ? -1 : fd;
    return code;
}

void kernel_file_close(struct kernel_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

int kernel_file_read(const struct kernel_file *file, uint64_t offset, void *bytes,
                     size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes;) {
        off_t at = (off_t)(offset + done);
        ssize_t n = pread(file->fd, (char *)bytes + done, size_bytes - done, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

int kernel_file_copy(const struct kernel_file *file, uint64_t offset, uint64_t size_bytes,
                     struct mem *memory, uint64_t gpa)
{
    int code = 0;
    char *piece = malloc(PIECE_BYTES);
    if (!piece)
        return -ENOMEM;
    for (uint64_t done = 0; done < size_bytes && !code;) {
        size_t n = size_bytes - done < PIECE_BYTES ? (size_t)(size_bytes - done) : PIECE_BYTES;
        code = kernel_file_read(file, offset + done, piece, n);
        if (!code)
            code = mem_dma_write(memory, GPA(gpa + done), piece, n);
        done += n;
    }
    free(piece);
    return code;
}
