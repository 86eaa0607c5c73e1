// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready_fd = -1;
static const char *pidfile;

_Noreturn static void wait_for_child(int fd)
{
    char byte;
    ssize_t n;
    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    _exit(n == 1 ? 0 : 1);
}

int daemon_fork(struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, -errno, "cannot create a pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        return err_set(err, -errno, "cannot fork: %s", strerror(errno));
    if (child > 0) {
        close(ends[1]);
        wait_for_child(ends[0]);
    }
    close(ends[0]);
    ready_fd = ends[1];
    setsid();
    if (fork())  // only a session's leader can get a terminal again
        _exit(0);
    return 0;
}

void daemon_ready(void)
{
    if (ready_fd < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (chdir("/") < 0 || write(ready_fd, "", 1) < 0)
        exit(1);
    close(ready_fd);
    ready_fd = -1;
}

int pidfile_create(const char *path, struct err *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return err_set(err, -errno, "cannot create PID file: Could not create '%s': %s", path,
                       strerror(errno));
    if (fcntl(fd, F_SETLK, &whole) < 0) {
        close(fd);
        return err_set(err, -EBUSY, "cannot create PID file: Cannot lock pid file");
    }
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
        close(fd);
        return err_set(err, -EIO, "cannot create PID file: Failed to write pid file");
    }
    pidfile = path;
    return 0;  // fd stays open: it holds the lock
}

void pidfile_remove(void)
{
    if (pidfile)
        unlink(pidfile);
    pidfile = NULL;
}
