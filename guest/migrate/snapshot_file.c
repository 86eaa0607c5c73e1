// SPDX-License-Identifier: GPL-2.0-or-later
//
// A snapshot's file by its path: a new one appears whole or not at all.
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/migrate/snapshot.h"

static int fail_with_errno(const char *path, struct err *err)
{
    int code = -errno;
    return err_set(err, code, "%s: %s", path, strerror(-code));
}

// A descriptor's last failure may come only now, as on NFS.
static int close_checked(int fd, const char *path, struct err *err)
{
    return close(fd) < 0 ? fail_with_errno(path, err) : 0;
}

static int save_directly(const char *path, const struct snapshot_parts *parts, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_with_errno(path, err);
    int code = snapshot_save_fd(fd, parts, err);
    int closed = close_checked(fd, path, code < 0 ? NULL : err);
    return code < 0 ? err_prefix(err, code, path) : closed;
}

static int save_to_temporary(int fd, const char *temporary, const struct snapshot_parts *parts,
                             struct err *err)
{
    int code = snapshot_save_fd(fd, parts, err);
    if (code < 0)
        err_prefix(err, code, temporary);
    else if (fsync(fd) < 0)
        code = fail_with_errno(temporary, err);
    int closed = close_checked(fd, temporary, code < 0 ? NULL : err);
    return code < 0 ? code : closed;
}

// The new name must outlive a power cut, too.
static int sync_directory(const char *path, struct err *err)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;  // a directory that may be written but not read
    // Some file systems have nothing to do for a directory and say so.
    int code = fsync(fd) < 0 && errno != EINVAL ? fail_with_errno(path, err) : 0;
    close(fd);
    return code;
}

// The file holds the guest's memory: mkostemp lets nobody but its owner read it.
static int save_and_rename(const char *path, const struct snapshot_parts *parts, struct err *err)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
        return err_set(err, -ENAMETOOLONG, "%s: %s", path, strerror(ENAMETOOLONG));
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return fail_with_errno(path, err);
    int code = save_to_temporary(fd, temporary, parts, err);
    if (code == 0 && rename(temporary, path) < 0)
        code = fail_with_errno(path, err);
    if (code < 0)
        unlink(temporary);
    return code < 0 ? code : sync_directory(path, err);
}

int snapshot_save(const char *path, const struct snapshot_parts *parts, struct err *err)
{
    struct stat stat_of_path;
    if (stat(path, &stat_of_path) == 0 && !S_ISREG(stat_of_path.st_mode))
        return save_directly(path, parts, err);
    return save_and_rename(path, parts, err);
}

int snapshot_load(const char *path, struct snapshot_parts *parts, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_with_errno(path, err);
    int code = snapshot_load_fd(fd, parts, err);
    close(fd);
    return code < 0 ? err_prefix(err, code, path) : 0;
}
