// SPDX-License-Identifier: GPL-2.0-or-later
//
// Log lines for people. A line has a level and a subsystem ("jit", "uart", "acpi"). Warnings
// and errors are always written; info and debug lines of a subsystem only when it was asked for
// (`-d jit,apic`). Goes to stderr, or to the file of `-D`; warnings and errors then go to both. A
// line is written whole, with its control characters replaced.
//
// A guest can cause lines: each call site that it can reach uses log_guest, which writes a
// site's first few lines and then counts in silence.
//
// Threads: any. Enabling happens before threads start.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

int log_enable(const char *subsystems, struct err *err);  // "jit,apic", "all", "none"
int log_to_file(const char *path, struct err *err);       // "%d" in path is the process id
bool log_wants(const char *subsystem);
void log_write(enum log_level level, const char *subsystem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(subsystem, ...)                                                              \
    do { if (log_wants(subsystem)) log_write(LOG_INFO, subsystem, __VA_ARGS__); } while (0)
#define log_debug(subsystem, ...)                                                             \
    do { if (log_wants(subsystem)) log_write(LOG_DEBUG, subsystem, __VA_ARGS__); } while (0)
// What a guest did wrong: debug level, at most eight lines a site.
#define log_guest(subsystem, ...)                                                             \
    do {                                                                                      \
        static uint32_t log_site_lines;                                                       \
        if (log_wants(subsystem) && __atomic_fetch_add(&log_site_lines, 1, __ATOMIC_RELAXED) < 8) \
            log_write(LOG_DEBUG, subsystem, __VA_ARGS__);                                     \
    } while (0)
