// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a program under a QEMU name says on standard error. Never translated: others parse it.
#pragma once

#include <stdbool.h>

void report_timestamps(bool wanted);  // -msg timestamp=on
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));  // "qemu-system-x86_64: ..."
void report_as(const char *who, const char *sentence);
