// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver for any device. The input is a program: each step is an opcode and its operands;
// what is missing reads as zero. Steps read and write registers in every size, let time go on or
// jump, reset, and forge one member of the state as a snapshot's author could.
//
// Besides what the sanitizers see: a state that a guest has reached is never refused, since its
// snapshot would be lost.
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"
#include "guest/bus/irq.h"
#include "guest/device/device.h"
#include "guest/device/ticks.h"

enum { STEPS_MAX = 256, STEP_ADVANCE_MAX_NS = 1 << 24 };

struct steps {
    const uint8_t *data;
    size_t left_bytes;
    struct clock *clock;  // null: the device has none
    uint64_t advanced_ns;  // by the last step, for a bound on what may have fired
};

static inline void check(bool holds)
{
    if (!holds)
        abort();
}

static inline uint64_t take(struct steps *s, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && s->left_bytes; i++, s->left_bytes--)
        value |= (uint64_t)*s->data++ << (8 * i);
    return value;
}

// An offset within size_bytes of region_bytes, as the dispatcher gives it.
static inline uint64_t take_offset(struct steps *s, uint64_t region_bytes, unsigned size_bytes)
{
    return take(s, 2) % (region_bytes - size_bytes + 1);
}

static inline void step_access(struct steps *s, struct device *dev, uint64_t region_bytes, bool writes)
{
    unsigned size_bytes = 1 << (take(s, 1) & 3);
    while (size_bytes > region_bytes)
        size_bytes /= 2;
    uint64_t offset = take_offset(s, region_bytes, size_bytes);
    if (writes)
        device_write(dev, offset, take(s, size_bytes), size_bytes);
    else
        device_read(dev, offset, size_bytes);
}

static inline void step_advance(struct steps *s)
{
    s->advanced_ns = take(s, 3) % STEP_ADVANCE_MAX_NS;
    if (s->clock)
        clock_advance(s->clock, s->advanced_ns);
}

// The clock's thread was late, or a snapshot brought another time.
static inline void step_jump(struct steps *s)
{
    uint64_t to = take(s, 8) >> (take(s, 1) & 63) & INT64_MAX;
    if (!s->clock)
        return;
    clock_pause(s->clock);
    clock_set(s->clock, to);
    clock_resume(s->clock);
}

static inline void step_forge(struct steps *s, struct device *dev)
{
    const struct state_field *fields = dev->ops->state;
    unsigned count = 0;
    while (fields[count].name)
        count++;
    if (!count)
        return;
    const struct state_field *field = &fields[take(s, 1) % count];
    uint8_t *member = (uint8_t *)dev + field->offset_bytes;
    member += field->size_bytes * (take(s, 1) % field->count);
    uint64_t before = 0, value = take(s, field->size_bytes);
    if (field->boolean)
        value &= 1;  // others a loader refuses
    memcpy(&before, member, field->size_bytes);
    memcpy(member, &value, field->size_bytes);
    if (device_loaded(dev, NULL) == 0)
        device_started(dev);
    else
        memcpy(member, &before, field->size_bytes);
}

// One step. False: it was an opcode of the fuzzer's own, from 0 up, in *own.
static inline bool step(struct steps *s, struct device *dev, uint64_t region_bytes, unsigned *own)
{
    unsigned opcode = take(s, 1);
    s->advanced_ns = 0;
    switch (opcode & 15) {
    case 0: case 1: case 2: step_access(s, dev, region_bytes, false); return true;
    case 3: case 4: case 5: case 6: case 7: step_access(s, dev, region_bytes, true); return true;
    case 8: case 9: step_advance(s); return true;
    case 10: step_jump(s); return true;
    case 11: step_forge(s, dev); return true;
    case 12: if ((opcode >> 4) == 0) device_reset(dev); return true;
    default: *own = opcode >> 4; return false;
    }
}

static inline bool goes_on(const struct steps *s, unsigned steps)
{
    return s->left_bytes && steps < STEPS_MAX;
}

static inline void check_loadable(struct device *dev)
{
    check(device_loaded(dev, NULL) == 0);
}

struct fuzz_wire {
    struct irq_line line;
    bool level;
    unsigned edges;
};

static inline void fuzz_wire_set(struct irq_line *line, bool level)
{
    struct fuzz_wire *wire = container_of(line, struct fuzz_wire, line);
    wire->edges += level && !wire->level;
    wire->level = level;
}
