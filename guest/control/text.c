// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_add(struct text *t, const char *bytes, size_t size_bytes)
{
    size_t room = TEXT_LIMIT_BYTES - t->used_bytes;
    size_t taken = size_bytes < room ? size_bytes : room;
    size_t capacity = t->capacity_bytes ? t->capacity_bytes : 256;
    while (capacity < t->used_bytes + taken + 1)
        capacity *= 2;
    if (capacity != t->capacity_bytes) {
        char *grown = realloc(t->at, capacity);
        if (!grown)
            return;
        t->at = grown;
        t->capacity_bytes = capacity;
    }
    memcpy(t->at + t->used_bytes, bytes, taken);
    t->used_bytes += taken;
    t->at[t->used_bytes] = 0;
}

void text_printf(struct text *t, const char *format, ...)
{
    char *line = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&line, format, args);
    va_end(args);
    if (length < 0)
        return;
    text_add(t, line, length);
    free(line);
}

void text_clear(struct text *t)
{
    t->used_bytes = 0;
    if (t->at)
        *t->at = 0;
}

void text_finish(struct text *t)
{
    free(t->at);
    *t = (struct text){0};
}
