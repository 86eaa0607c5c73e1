// SPDX-License-Identifier: GPL-2.0-or-later
//
// A file that output goes to, and a pair of named pipes for both directions.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest/chr/kinds.h"
#include "guest/chr/stream.h"

struct chr_backend *chr_file_open(const struct chr_config *config, struct err *err)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (config->append ? O_APPEND : O_TRUNC);
    int fd = open(config->path, flags, 0666);
    if (fd < 0) {
        err_set(err, -errno, "Could not open '%s': %s", config->path, strerror(errno));
        return NULL;
    }
    struct chr_stream *s = chr_stream_create(config, "file", err);
    if (!s) {
        close(fd);
        return NULL;
    }
    chr_stream_connect(s, -1, fd);
    return &s->base;
}

// Read and write at each end, so that opening waits for nobody and no peer's leaving ends it.
static int open_pipe(const char *path, const char *suffix)
{
    char name[4096];
    if (snprintf(name, sizeof name, "%s%s", path, suffix) >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(name, O_RDWR | O_CLOEXEC);
}

static int open_both(const char *path, int *in, int *out)
{
    *in = open_pipe(path, ".in");
    *out = open_pipe(path, ".out");
    if (*in >= 0 && *out >= 0)
        return 0;
    if (*in >= 0)
        close(*in);
    if (*out >= 0)
        close(*out);
    *in = open_pipe(path, "");
    if (*in < 0)
        return -errno;
    *out = fcntl(*in, F_DUPFD_CLOEXEC, 0);
    return *out < 0 ? -errno : 0;
}

struct chr_backend *chr_pipe_open(const struct chr_config *config, struct err *err)
{
    int in, out;
    int rc = open_both(config->path, &in, &out);
    if (rc < 0) {
        err_set(err, rc, "Could not open '%s': %s", config->path, strerror(-rc));
        return NULL;
    }
    struct chr_stream *s = chr_stream_create(config, "pipe", err);
    if (!s) {
        close(in);
        close(out);
        return NULL;
    }
    chr_stream_connect(s, in, out);
    return &s->base;
}
