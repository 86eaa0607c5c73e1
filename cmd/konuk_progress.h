// SPDX-License-Identifier: GPL-2.0-or-later
//
// How far the making of an image is, on standard error: a bar that is drawn over itself on a terminal,
// and a line now and then elsewhere.
//
// It is fed with the lines of tools/guest-debian --progress; their form stands there. A line that is not
// understood is passed over, so that the two may differ in age.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal;
    unsigned step;                // of the table in konuk_progress.c
    uint64_t done, total;         // of this step
    bool bytes;                   // else packages
    unsigned share;               // of the whole, in thousandths
    int64_t start_ms, said_ms;
    unsigned said_step;
    char failure[32];             // why it failed: a word of the protocol; "" if it didn't
    char detail[512];
};

void progress_init(struct progress *progress);
void progress_line(struct progress *progress, const char *line);
void progress_draw(struct progress *progress);  // at least once a second
void progress_finish(struct progress *progress);
