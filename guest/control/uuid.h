// SPDX-License-Identifier: GPL-2.0-or-later
//
// A UUID in its usual form, 8-4-4-4-12 (RFC 4122, section 3).
#pragma once

#include <stdint.h>
#include <stdio.h>

enum { UUID_TEXT_BYTES = 37 };

static inline const char *uuid_text(const uint8_t uuid[16], char text[UUID_TEXT_BYTES])
{
    char *at = text;
    for (int i = 0; i < 16; i++)
        at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
    return text;
}
