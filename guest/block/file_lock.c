// SPDX-License-Identifier: GPL-2.0-or-later
//
// The image lock. Each right to an image is a byte: who uses the right holds a shared lock on byte
// 100 + right, who suffers no other user of it one on 200 + right; and either then looks whether
// somebody holds the opposite. Rights, their numbers and the sentences are QEMU's, so that each respects
// the other. A disk's user reads consistently and (unless read-only) writes, and suffers no other writer.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "guest/block/file.h"

enum { USED_BASE = 100, DENIED_BASE = 200 };
enum { CONSISTENT_READ, WRITE };

static struct flock byte_lock(short type, int byte)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

static int hold(int fd, int byte)
{
    struct flock lock = byte_lock(F_RDLCK, byte);
    return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

static int is_free(int fd, int byte)
{
    struct flock lock = byte_lock(F_WRLCK, byte);
    if (fcntl(fd, F_OFD_GETLK, &lock))
        return -errno;
    return lock.l_type == F_UNLCK ? 0 : -EAGAIN;
}

static int refuse(int failed, const char *which, const char *path, struct err *err)
{
    return err_set(err, failed, "Failed to get %s lock. Is another process using the image [%s]?",
                   which, path);
}

// Filesystems without locks (some network ones) give ENOLCK and the like: then there is none, as in QEMU.
static bool has_locks(int fd)
{
    struct flock lock = byte_lock(F_WRLCK, 0);
    return !fcntl(fd, F_OFD_GETLK, &lock);
}

int file_lock(int fd, bool writes, const char *path, struct err *err)
{
    int failed;
    if (!has_locks(fd))
        return 0;
    if ((failed = hold(fd, USED_BASE + CONSISTENT_READ)))
        return refuse(failed, "\"consistent read\"", path, err);
    if (writes && (failed = hold(fd, USED_BASE + WRITE)))
        return refuse(failed, "\"write\"", path, err);
    if ((failed = hold(fd, DENIED_BASE + WRITE)))
        return refuse(failed, "shared \"write\"", path, err);
    if ((failed = is_free(fd, DENIED_BASE + CONSISTENT_READ)))
        return refuse(failed, "\"consistent read\"", path, err);
    if (writes && (failed = is_free(fd, DENIED_BASE + WRITE)))
        return refuse(failed, "\"write\"", path, err);
    if ((failed = is_free(fd, USED_BASE + WRITE)))
        return refuse(failed, "shared \"write\"", path, err);
    return 0;
}
