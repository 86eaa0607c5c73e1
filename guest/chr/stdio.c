// SPDX-License-Identifier: GPL-2.0-or-later
//
// The terminal or pipe that the process was started on. A terminal is switched to raw mode, and
// back at the end of the process, however it ends in order, and around a stop by job control.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/loop.h"
#include "guest/chr/kinds.h"
#include "guest/chr/stream.h"

static struct {
    bool used, is_terminal, signals;
    struct termios before;
    int flags[2];  // of descriptors 0 and 1
    uv_signal_t continued;
} terminal;

static void restore(void)
{
    if (!terminal.used)
        return;
    if (terminal.is_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
    for (int fd = 0; fd < 2; fd++)
        fcntl(fd, F_SETFL, terminal.flags[fd]);
    terminal.used = false;
}

// As the guest's own terminal driver wants it: every key as it is, no echo, 8 bits; what is
// written still gets its carriage returns, for our own messages.
static void make_raw(void)
{
    struct termios raw = terminal.before;
    raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag |= OPOST;
    raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!terminal.signals)
        raw.c_lflag &= ~ISIG;
    raw.c_cflag = (raw.c_cflag & ~(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

// The shell has put its own mode on while we were stopped.
static void on_continue(uv_signal_t *handle, int number)
{
    (void)handle, (void)number;
    for (int fd = 0; fd < 2; fd++)
        fcntl(fd, F_SETFL, terminal.flags[fd] | O_NONBLOCK);
    if (terminal.is_terminal)
        make_raw();
}

static void remember(bool signals)
{
    terminal.is_terminal = tcgetattr(STDIN_FILENO, &terminal.before) == 0;
    terminal.signals = signals;
    for (int fd = 0; fd < 2; fd++)
        terminal.flags[fd] = fcntl(fd, F_GETFL);
    terminal.used = true;
    atexit(restore);
    uv_signal_init(loop(), &terminal.continued);
    uv_signal_start(&terminal.continued, on_continue, SIGCONT);
    uv_unref((uv_handle_t *)&terminal.continued);
}

static void put_back(struct chr_stream *s)
{
    restore();
    s->in_fd = s->out_fd = -1;  // they stay open for messages
}

struct chr_backend *chr_stdio_open(const struct chr_config *config, struct err *err)
{
    if (terminal.used) {
        err_set(err, -EBUSY, "cannot use stdio by multiple character devices");
        return NULL;
    }
    struct chr_stream *s = chr_stream_create(config, "stdio", err);
    if (!s)
        return NULL;
    remember(config->signal);
    if (terminal.is_terminal)
        make_raw();
    s->put_back = put_back;
    chr_stream_connect(s, STDIN_FILENO, STDOUT_FILENO);
    return &s->base;
}
