// SPDX-License-Identifier: GPL-2.0-or-later
//
// A text that grows as it is written, up to a limit; what doesn't fit is cut off.
#pragma once

#include <stddef.h>

enum { TEXT_LIMIT_BYTES = 1 << 20 };

struct text {
    char *at;  // ends with a zero once anything was added
    size_t used_bytes, capacity_bytes;
};

void text_add(struct text *text, const char *bytes, size_t size_bytes);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_clear(struct text *text);
void text_finish(struct text *text);
