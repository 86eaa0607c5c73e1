// SPDX-License-Identifier: GPL-2.0-or-later
//
// A pseudo-terminal of its own, for a program like screen or `virsh console` to open. The slave
// side is kept open here: otherwise the master reports an end whenever nobody has it open.
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "guest/chr/kinds.h"
#include "guest/chr/stream.h"

// Returns the master's descriptor; the slave's is left open for the life of the process.
static int open_raw(char *name, size_t name_bytes)
{
    int master, slave;
    struct termios raw;
    if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
        return -errno;
    if (tcgetattr(slave, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(slave, TCSAFLUSH, &raw);
    }
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    int rc = ttyname_r(slave, name, name_bytes);
    return rc ? -rc : master;
}

struct chr_backend *chr_pty_open(const struct chr_config *config, struct err *err)
{
    char name[128], filename[160];
    int master = open_raw(name, sizeof name);
    if (master < 0) {
        err_set(err, master, "Failed to create PTY: %s", strerror(-master));
        return NULL;
    }
    snprintf(filename, sizeof filename, "pty:%s", name);
    struct chr_stream *s = chr_stream_create(config, filename, err);
    int out = s ? fcntl(master, F_DUPFD_CLOEXEC, 0) : -1;
    if (out < 0) {
        close(master);
        return NULL;
    }
    printf("char device redirected to %s (label %s)\n", name, config->label);
    fflush(stdout);
    chr_stream_connect(s, master, out);
    return &s->base;
}
