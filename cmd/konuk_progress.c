// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/konuk_progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/i18n.h"
#include "cmd/konuk.h"

enum { SAY_EVERY_MS = 15000, BAR = 24 };

// The shares are seconds of one run, measured; only their proportions matter.
static const struct step {
    const char *name, *text;
    unsigned share;
} steps[] = {
    {"", N_("Preparing"), 0},
    {"wait", N_("Another konuk is making it; waiting"), 0},
    {"lists", N_("Reading package lists"), 14},
    {"download", N_("Downloading packages"), 6},
    {"install", N_("Installing packages"), 150},
    {"kernel", N_("Installing the kernel"), 25},
    {"initrd", N_("Making the initrd"), 50},
    {"image", N_("Making the disk image"), 12},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

void progress_init(struct progress *p)
{
    *p = (struct progress){.terminal = isatty(2), .start_ms = now_ms(), .said_step = STEPS};
    p->said_ms = p->start_ms;
}

static void take_step(struct progress *p, const char *name)
{
    for (unsigned i = 1; i < STEPS; i++)
        if (!strcmp(steps[i].name, name) && i != p->step) {
            p->done = p->total = 0;
            p->step = i;
        }
}

static void take_part(struct progress *p, const char *text)
{
    unsigned long long done, total;
    char unit[16];
    if (sscanf(text, "%llu %llu %15s", &done, &total, unit) != 3)
        return;
    p->total = total;
    p->done = total && done > total ? total : done;
    p->bytes = !strcmp(unit, "bytes");
}

void progress_line(struct progress *p, const char *line)
{
    if (!strncmp(line, "step ", 5))
        take_step(p, line + 5);
    else if (!strncmp(line, "part ", 5))
        take_part(p, line + 5);
    else if (!strncmp(line, "failed ", 7))
        sscanf(line + 7, "%31s %511[^\n]", p->failure, p->detail);
}

// In thousandths, of all steps. Packages come in two turns, so a step can come again; it never goes back.
static unsigned progress_share(struct progress *p)
{
    uint64_t sum = 0, before = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        sum += steps[i].share;
        before += i < p->step ? steps[i].share : 0;
    }
    uint64_t here = p->total ? steps[p->step].share * (p->done * 1000 / p->total) : 0;
    unsigned share = (unsigned)((before * 1000 + here) / sum);
    p->share = share > p->share ? share : p->share;
    return p->share;
}

static void format_left(struct progress *p, char *text, size_t size)
{
    unsigned share = progress_share(p);
    int64_t passed_ms = now_ms() - p->start_ms;
    *text = 0;
    if (share < 30 || passed_ms < 3000)
        return;
    unsigned long left_s = (unsigned long)(passed_ms * (1000 - share) / share / 1000) + 1;
    if (left_s < 90)
        snprintf(text, size, ngettext(", about %lu second left", ", about %lu seconds left", left_s), left_s);
    else
        snprintf(text, size, ngettext(", about %lu minute left", ", about %lu minutes left", (left_s + 30) / 60),
                 (left_s + 30) / 60);
}

static void format_part(const struct progress *p, char *text, size_t size)
{
    char done[32], total[32];
    *text = 0;
    if (p->total == 0)
        return;
    if (p->bytes) {
        konuk_format_bytes(done, sizeof done, p->done);
        konuk_format_bytes(total, sizeof total, p->total);
        snprintf(text, size, _(": %s of %s"), done, total);
    } else {
        snprintf(text, size, _(": %llu of %llu"), (unsigned long long)p->done, (unsigned long long)p->total);
    }
}

// How many bytes of a UTF-8 text are within so many columns. Its letters are one column wide each.
static size_t cut(const char *text, size_t columns)
{
    size_t bytes = 0;
    for (; text[bytes]; bytes++)
        if (((unsigned char)text[bytes] & 0xc0) != 0x80 && columns-- == 0)
            break;
    return bytes;
}

static void draw_bar(const char *line, unsigned share)
{
    struct winsize window = {0};
    ioctl(2, TIOCGWINSZ, &window);
    unsigned columns = window.ws_col > 1 ? window.ws_col - 1 : 79;
    unsigned filled = share * BAR / 1000;
    char bar[BAR + 1] = {0};
    memset(bar, '-', BAR);
    memset(bar, '#', filled < BAR ? filled : BAR);
    if (columns > BAR + 30)
        fprintf(stderr, "\r[%s] %.*s\033[K", bar, (int)cut(line, columns - BAR - 3), line);
    else
        fprintf(stderr, "\r%.*s\033[K", (int)cut(line, columns), line);
}

static void format_line(struct progress *p, char *line, size_t size)
{
    char part[96], left[96];
    format_part(p, part, sizeof part);
    format_left(p, left, sizeof left);
    snprintf(line, size, "%s%s%s", _(steps[p->step].text), part, left);
}

void progress_draw(struct progress *p)
{
    char line[512];
    format_line(p, line, sizeof line);
    if (p->terminal) {
        draw_bar(line, progress_share(p));
        return;
    }
    if (p->said_step == p->step && now_ms() - p->said_ms < SAY_EVERY_MS)
        return;
    p->said_step = p->step;
    p->said_ms = now_ms();
    fprintf(stderr, "%s\n", line);
}

void progress_finish(struct progress *p)
{
    if (p->terminal)
        fputs("\r\033[K", stderr);
}
