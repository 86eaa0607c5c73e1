// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "guest/device/ps2.h"

bool ps2_put(struct ps2_queue *q, const uint8_t *bytes, unsigned count)
{
    if (q->used + count > PS2_FIFO_BYTES)
        return false;
    for (unsigned i = 0; i < count; i++)
        q->fifo[(q->head + q->used++) % PS2_FIFO_BYTES] = bytes[i];
    return true;
}

void ps2_reply(struct ps2_queue *q, const uint8_t *bytes, unsigned count)
{
    memcpy(q->reply, bytes, count);
    q->reply_used = (uint8_t)count;
}

bool ps2_is_empty(const struct ps2_queue *q)
{
    return !q->used && !q->reply_used;
}

static uint8_t take_reply(struct ps2_queue *q)
{
    uint8_t byte = q->reply[0];
    memmove(q->reply, q->reply + 1, --q->reply_used);
    return byte;
}

static uint8_t take_fifo(struct ps2_queue *q)
{
    uint8_t byte = q->fifo[q->head];
    q->head = (q->head + 1) % PS2_FIFO_BYTES;
    q->used--;
    q->in_a_code = byte == 0xe0 || byte == 0xe1 || byte == 0xf0;
    return byte;
}

// An answer waits for the end of a key's code, which it would cut in two.
uint8_t ps2_take(struct ps2_queue *q)
{
    bool first = q->reply_used && !(q->in_a_code && q->used);
    q->last = first ? take_reply(q) : take_fifo(q);
    return q->last;
}

void ps2_clear(struct ps2_queue *q)
{
    *q = (struct ps2_queue){.last = q->last};
}

bool ps2_queue_is_valid(const struct ps2_queue *q)
{
    return q->head < PS2_FIFO_BYTES && q->used <= PS2_FIFO_BYTES && q->reply_used <= PS2_REPLY_BYTES;
}
