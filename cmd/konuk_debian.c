// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/konuk_debian.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/i18n.h"
#include "cmd/konuk.h"
#include "cmd/konuk_host.h"
#include "cmd/konuk_progress.h"

static const char *const maker_places[] = {"../share/konuk/guest-debian", "../../tools/guest-debian", NULL};

// The protocol's words for failures.
static int tell_failure(const struct progress *p)
{
    static const struct { const char *word, *text; } reasons[] = {
        {"cache", N_("the cache's path has a quote or a backslash: %s")},
        {"tool", N_("%s is missing; `konuk doctor` tells how to get it")},
        {"lists", N_("apt can't fetch its package lists; the log is %s")},
        {"source", N_("apt has no source with Debian's packages%.0s")},
        {"packages", N_("installing its packages failed; the log is %s")},
        {"image", N_("writing the disk image failed; the log is %s")},
    };
    char why[1024];
    snprintf(why, sizeof why, _("its maker ended unexpectedly; the log is %s"), p->detail);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (!strcmp(p->failure, reasons[i].word))
            snprintf(why, sizeof why, _(reasons[i].text), p->detail);
    return konuk_fail(_("can't make the Debian image: %s"), why);
}

static _Noreturn void become_maker(const char *maker, const char *flavour, bool update, int fd)
{
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(2, 1);  // its standard output, the folder's name, is known
    if (update)
        execl(maker, maker, "--progress", number, "--update", flavour, (char *)NULL);
    else
        execl(maker, maker, "--progress", number, flavour, (char *)NULL);
    _exit(127);
}

// Takes whole lines out of text, and keeps the rest. A line longer than text is cut.
static void take_lines(struct progress *p, char *text, size_t *length, size_t size)
{
    char *line = text, *end;
    while ((end = memchr(line, '\n', *length - (size_t)(line - text)))) {
        *end = 0;
        progress_line(p, line);
        line = end + 1;
    }
    *length -= (size_t)(line - text);
    memmove(text, line, *length);
    if (*length == size)
        *length = 0;
}

static void follow(struct progress *p, int fd)
{
    char text[4096];
    size_t length = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t got = 1;
    while (got > 0 || (got < 0 && errno == EINTR)) {
        progress_draw(p);
        if (poll(&ready, 1, 1000) <= 0)
            continue;
        got = read(fd, text + length, sizeof text - length);
        length += got > 0 ? (size_t)got : 0;
        take_lines(p, text, &length, sizeof text);
    }
    progress_finish(p);
}

// The maker ends itself with what it started when a signal reaches it; until then, so does konuk.
static int wait_for_maker(pid_t maker, const struct progress *p)
{
    int status = 0;
    while (waitpid(maker, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return KONUK_GOOD;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 130)
        return konuk_fail(_("interrupted; nothing was made"));
    return tell_failure(p);
}

static void ignore(int number)
{
    (void)number;
}

static int make(const char *flavour, bool update)
{
    char maker[PATH_MAX];
    int ends[2];
    struct progress progress;
    struct sigaction wait_on = {.sa_handler = ignore};  // reset by execve, unlike SIG_IGN
    if (!konuk_beside(maker_places, maker, sizeof maker))
        return konuk_fail(_("%s is missing beside this program"), "guest-debian");
    if (pipe(ends) < 0)
        return konuk_fail(_("can't make the Debian image: %s"), konuk_errno(errno));
    progress_init(&progress);
    sigaction(SIGINT, &wait_on, NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        become_maker(maker, flavour, update, ends[1]);
    }
    close(ends[1]);
    if (child > 0)
        follow(&progress, ends[0]);
    close(ends[0]);
    int status = child < 0 ? konuk_fail(_("can't make the Debian image: %s"), konuk_errno(errno))
                           : wait_for_maker(child, &progress);
    signal(SIGINT, SIG_DFL);
    return status;
}

// cp knows holes and reflinks, and a copy is there whole or not at all.
static int copy_disk(const char *folder)
{
    char image[PATH_MAX + 32], copy[PATH_MAX + 32], partial[PATH_MAX + 64];
    snprintf(image, sizeof image, "%s/disk.raw", folder);
    snprintf(copy, sizeof copy, "%s/guest.raw", folder);
    snprintf(partial, sizeof partial, "%s/guest.raw.%d", folder, (int)getpid());
    pid_t child = fork();
    if (child == 0) {
        execlp("cp", "cp", "--reflink=auto", "--sparse=always", image, partial, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    if (child > 0)
        waitpid(child, &status, 0);
    if (status == 0 && rename(partial, copy) == 0)
        return KONUK_GOOD;
    unlink(partial);
    return konuk_fail(_("can't copy %s"), image);
}

static bool has(const char *folder, const char *name)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, R_OK) == 0;
}

int debian_prepare(const char *flavour, bool update, bool fresh, bool only_tell, char *folder,
                   size_t folder_bytes)
{
    char cache[PATH_MAX - 64];
    if (!host_cache(cache, sizeof cache))
        return konuk_fail(_("no place to keep the image: neither HOME nor KONUK_CACHE is set"));
    int written = snprintf(folder, folder_bytes, "%s/debian-%s", cache, flavour);
    if (written < 0 || (size_t)written >= folder_bytes)
        return konuk_fail(_("%s: %s"), cache, konuk_errno(ENAMETOOLONG));
    if (only_tell)
        return KONUK_GOOD;
    if (update || !has(folder, "about")) {
        fprintf(stderr, _("Making a Debian 12 guest in %s; this is done once.\n"), folder);
        if (make(flavour, update) != KONUK_GOOD)
            return KONUK_FAILED;
    }
    return fresh || !has(folder, "guest.raw") ? copy_disk(folder) : KONUK_GOOD;
}
