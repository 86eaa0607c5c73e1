// SPDX-License-Identifier: GPL-2.0-or-later
//
// A growing run of bytes with a limit. A failure is kept, so that a writer needs no check at each
// step: from then on nothing is added, and bytes_result tells it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { BYTES_LIMIT = 1 << 20 };

struct bytes {
    uint8_t *data;
    size_t size_bytes, capacity_bytes;
    int failed;  // 0, -ENOMEM or -E2BIG
};

void bytes_free(struct bytes *b);
void bytes_put(struct bytes *b, const void *data, size_t size_bytes);
void bytes_insert(struct bytes *b, size_t at, const void *data, size_t size_bytes);
int bytes_result(const struct bytes *b, const char *what, struct err *err);
