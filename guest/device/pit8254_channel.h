// SPDX-License-Identifier: GPL-2.0-or-later
//
// One channel of an 8254: a counter with its six modes.
//
// Nothing counts down here. A channel remembers at which CLK pulse its count was loaded; its
// counter and its output follow from that, the mode and the time, to the exact pulse. `tick`
// is the time in CLK pulses since the clock's beginning.
//
// The chip's lock is held. Before anything else is asked about a time, pit8254_settle is told it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PIT8254_NEVER_TICK UINT64_MAX

struct pit8254_channel {
    uint8_t mode;    // 0 to 5
    uint8_t bcd;
    uint8_t access;  // of the counter's bytes: 1 low, 2 high, 3 low and then high
    uint8_t gate;
    uint8_t loaded;      // the counting element has a count (in modes 1 and 5: was triggered)
    uint8_t written;     // a count was written since the control word
    uint8_t reloads;     // modes 2 and 3: `count` takes effect at switch_tick
    uint8_t write_high, read_high;  // the next byte is the high one
    uint8_t low_byte;    // of a count of which the high byte is still to come
    uint8_t count_latched, status_latched;
    uint8_t latched_status;
    uint16_t latched_count;
    uint16_t count;      // the count register, as written
    uint16_t element;    // what the counting element was loaded with
    // While the gate stops the counter, the pulses that it
    // had counted are in counted_ticks.
    uint64_t start_tick, switch_tick, counted_ticks;
};

void pit8254_channel_reset(struct pit8254_channel *c, bool gate);
int pit8254_channel_loaded(const struct pit8254_channel *c, struct err *err);
// A count that was to wait for the end of a period takes effect.
void pit8254_settle(struct pit8254_channel *c, uint64_t tick);

void pit8254_set_mode(struct pit8254_channel *c, uint8_t control);  // a control word
void pit8254_write(struct pit8254_channel *c, uint8_t byte, uint64_t tick);
uint8_t pit8254_read(struct pit8254_channel *c, uint64_t tick);
void pit8254_latch_count(struct pit8254_channel *c, uint64_t tick);
void pit8254_latch_status(struct pit8254_channel *c, uint64_t tick);
void pit8254_gate(struct pit8254_channel *c, bool gate, uint64_t tick);

bool pit8254_output(const struct pit8254_channel *c, uint64_t tick);
bool pit8254_repeats(const struct pit8254_channel *c);  // its output rises again and again
// When the output rises next, if nothing is written until then, or PIT8254_NEVER_TICK.
uint64_t pit8254_next_rise(struct pit8254_channel c, uint64_t tick);
