// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/mem/mem.h"

// Sealed, so that whoever is handed the descriptor later can't shrink it under our mapping.
static int create_memfd(uint64_t size_bytes)
{
    int fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (!ftruncate(fd, (off_t)size_bytes) && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
        return fd;
    int failed = -errno;
    close(fd);
    return failed;
}

static int cannot(struct err *err, int failed, uint64_t size_bytes)
{
    return err_set(err, -ENOMEM, "cannot set up guest memory 'ram' of %llu bytes: %s",
                   (unsigned long long)size_bytes, strerror(-failed));
}

int ram_open(struct ram *ram, uint64_t size_bytes, struct err *err)
{
    if (!size_bytes || size_bytes % PAGE_BYTES || size_bytes > INT64_MAX)
        return err_set(err, -EINVAL, "guest memory of %llu bytes is not a whole number of pages",
                       (unsigned long long)size_bytes);
    int fd = create_memfd(size_bytes);
    if (fd < 0)
        return cannot(err, fd, size_bytes);
    void *host = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (host == MAP_FAILED) {
        int failed = -errno;
        close(fd);
        return cannot(err, failed, size_bytes);
    }
    madvise(host, size_bytes, MADV_HUGEPAGE);  // faster where the host allows it
    *ram = (struct ram){.host = host, .size_bytes = size_bytes, .fd = fd};
    return 0;
}

void ram_close(struct ram *ram)
{
    if (!ram->host)
        return;
    munmap(ram->host, ram->size_bytes);
    close(ram->fd);
    *ram = (struct ram){.fd = -1};
}
