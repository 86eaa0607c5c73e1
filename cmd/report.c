// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static bool timestamps;

void report_timestamps(bool wanted)
{
    timestamps = wanted;
}

void report_as(const char *who, const char *sentence)
{
    char when[32] = "";
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    if (timestamps && gmtime_r(&now.tv_sec, &utc))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    if (timestamps)
        fprintf(stderr, "%s.%06ldZ %s: %s\n", when, now.tv_nsec / 1000, who, sentence);
    else
        fprintf(stderr, "%s: %s\n", who, sentence);
}

void report(const char *format, ...)
{
    char sentence[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    report_as(program_invocation_short_name, sentence);
}
