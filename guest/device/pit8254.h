// SPDX-License-Identifier: GPL-2.0-or-later
//
// 8254 interval timer, as in Intel's 8254 data sheet, and the PC's port 0x61
// (ICH9 data sheet, "NMI Status and Control Register"), which holds the gate and the output of
// channel 2.
//
// Systems that calibrate their TSC by channel 2 depend on exact counters (pit8254_channel.h). Only
// channel 0's output, IRQ 0, needs a timer.
#pragma once

#include "base/clock.h"
#include "guest/bus/irq.h"
#include "guest/device/device.h"
#include "guest/device/pit8254_channel.h"

// Register offsets: the three counters, the control word, then port 0x61.
enum { PIT8254_CONTROL = 3, PIT8254_PORT61 = 4, PIT8254_REGION_BYTES = 5 };
enum { PIT8254_CHANNELS = 3, PIT8254_HZ = 1193182 };

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
