// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/firmware/bytes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

static bool fail(struct bytes *b, int code)
{
    b->failed = code;
    return false;
}

static bool make_room(struct bytes *b, size_t more_bytes)
{
    if (b->failed)
        return false;
    if (more_bytes > BYTES_LIMIT - b->size_bytes)
        return fail(b, -E2BIG);
    size_t capacity = b->capacity_bytes ? b->capacity_bytes : 1024;
    while (capacity < b->size_bytes + more_bytes)
        capacity *= 2;
    if (capacity == b->capacity_bytes)
        return true;
    uint8_t *data = realloc(b->data, capacity);
    if (!data)
        return fail(b, -ENOMEM);
    b->data = data;
    b->capacity_bytes = capacity;
    return true;
}

void bytes_insert(struct bytes *b, size_t at, const void *data, size_t size_bytes)
{
    if (!make_room(b, size_bytes))
        return;
    memmove(b->data + at + size_bytes, b->data + at, b->size_bytes - at);
    memcpy(b->data + at, data, size_bytes);
    b->size_bytes += size_bytes;
}

void bytes_put(struct bytes *b, const void *data, size_t size_bytes)
{
    bytes_insert(b, b->size_bytes, data, size_bytes);
}

int bytes_result(const struct bytes *b, const char *what, struct err *err)
{
    if (b->failed == -E2BIG)
        return err_set(err, b->failed, "%s is larger than %d bytes", what, BYTES_LIMIT);
    return b->failed ? err_set(err, b->failed, "out of memory for %s", what) : 0;
}
