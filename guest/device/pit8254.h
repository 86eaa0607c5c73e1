// SPDX-License-Identifier: GPL-2.0-or-later
//
// 8254 interval timer, as in Intel's 8254 data sheet (order number 231164), and the PC's port 0x61
// (ICH9 data sheet, "NMI Status and Control Register"), which holds the gate and the output of
// channel 2.
//
// Nothing counts down here. A channel remembers at which CLK pulse its count was loaded; its
// counter and its output follow from that, the mode and the time, to the exact pulse. Systems that
// calibrate their TSC by channel 2 depend on it. Only channel 0's output, IRQ 0, needs a timer.
#pragma once

#include "base/clock.h"
#include "guest/bus/irq.h"
#include "guest/device/device.h"

// Register offsets: the three counters, the control word, then port 0x61.
enum { PIT8254_CONTROL = 3, PIT8254_PORT61 = 4, PIT8254_REGION_BYTES = 5 };
enum { PIT8254_CHANNELS = 3, PIT8254_HZ = 1193182 };

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
    // CLK pulses since the clock's beginning. While the gate stops the counter, the pulses that it
    // had counted are in counted_ticks.
    uint64_t start_tick, switch_tick, counted_ticks;
};

struct pit8254 {
    struct device dev;
    struct irq_line *irq;  // not owned
    struct clock *clock;   // not owned
    struct clock_timer timer;
    struct pit8254_channel channels[PIT8254_CHANNELS];
    uint64_t edge_tick;  // when channel 0's output rises next; UINT64_MAX: never
    uint8_t port61;      // its writable bits
};

// irq and clock stay the caller's, and must outlive the device.
void pit8254_init(struct pit8254 *pit, struct irq_line *irq, struct clock *clock);
void pit8254_finish(struct pit8254 *pit);
