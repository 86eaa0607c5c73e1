// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static bool log_all;
static char log_enabled[512] = ",";  // ",jit,apic,": a name is looked up with its commas
static int log_fd = -1;

static bool name_is_valid(const char *name, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    return length && strspn(name, letters) >= length;
}

static int enable_one(const char *name, size_t length, struct err *err)
{
    if (!name_is_valid(name, length))
        return err_set(err, -EINVAL, "-d: '%.*s' is not the name of a subsystem", (int)length, name);
    if (length == 3 && !memcmp(name, "all", 3)) {
        log_all = true;
        return 0;
    }
    if (length == 4 && !memcmp(name, "none", 4)) {
        log_all = false;
        log_enabled[1] = 0;
        return 0;
    }
    size_t used = strlen(log_enabled);
    if (used + length + 2 > sizeof log_enabled)
        return err_set(err, -E2BIG, "-d: too many subsystems");
    snprintf(log_enabled + used, sizeof log_enabled - used, "%.*s,", (int)length, name);
    return 0;
}

int log_enable(const char *subsystems, struct err *err)
{
    for (;; subsystems++) {
        size_t length = strcspn(subsystems, ",");
        int failed = enable_one(subsystems, length, err);
        if (failed)
            return failed;
        subsystems += length;
        if (!*subsystems)
            return 0;
    }
}

// "%d" becomes the process id; any other use of % has no meaning that we could give it.
static int expand_path(const char *path, char *expanded, size_t size_bytes, struct err *err)
{
    const char *percent = strchr(path, '%');
    if (percent && (percent[1] != 'd' || strchr(percent + 1, '%')))
        return err_set(err, -EINVAL, "Bad logfile format: %s", path);
    int length = percent ? snprintf(expanded, size_bytes, "%.*s%d%s", (int)(percent - path), path,
                                    (int)getpid(), percent + 2)
                         : snprintf(expanded, size_bytes, "%s", path);
    if ((size_t)length >= size_bytes)
        return err_set(err, -ENAMETOOLONG, "%s: %s", path, strerror(ENAMETOOLONG));
    return 0;
}

int log_to_file(const char *path, struct err *err)
{
    char expanded[4096];
    int failed = expand_path(path, expanded, sizeof expanded, err);
    if (failed)
        return failed;
    int fd = open(expanded, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", expanded, strerror(errno));
    if (log_fd >= 0)
        close(log_fd);
    log_fd = fd;
    return 0;
}

bool log_wants(const char *subsystem)
{
    if (log_all)
        return true;
    if (!log_enabled[1])
        return false;
    size_t length = strlen(subsystem);
    for (const char *at = log_enabled; (at = strstr(at, subsystem)); at++)
        if (at[-1] == ',' && at[length] == ',')
            return true;
    return false;
}

// A guest's or a client's bytes may be in a line: they must not move a terminal's cursor.
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

// One write, so that lines of several threads don't mix. A log that can't be written is lost.
static void write_line(int fd, const char *line, size_t size_bytes)
{
    while (write(fd, line, size_bytes) < 0 && errno == EINTR)
        continue;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    char line[LINE_BYTES];
    bool urgent = level <= LOG_WARN;
    int head = snprintf(line, sizeof line, "%s%s%s%s: ",
                        urgent ? program_invocation_short_name : "", urgent ? ": " : "",
                        level == LOG_WARN ? "warning: " : "", subsystem);
    size_t used = (size_t)head < sizeof line - 1 ? (size_t)head : sizeof line - 2;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + used, sizeof line - 1 - used, format, arguments);
    va_end(arguments);
    make_printable(line);
    used = strlen(line);
    line[used++] = '\n';
    write_line(log_fd >= 0 ? log_fd : STDERR_FILENO, line, used);
    if (urgent && log_fd >= 0)
        write_line(STDERR_FILENO, line, used);
}
