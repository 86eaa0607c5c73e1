// SPDX-License-Identifier: GPL-2.0-or-later
//
// High precision event timers: IA-PC HPET Specification 1.0a (Intel, 2004). Three timers, each able
// to repeat, on a 64-bit main counter at 100 MHz. No FSB (message) delivery.
//
// With the legacy replacement route, timers 0 and 1 take over the interrupts of the 8254 and the
// RTC. So those two are wired through here: legacy_timer and legacy_rtc are what they drive.
//
// The counter is computed from the clock, and so is whether a timer has matched: a timer of
// the clock is armed only while an interrupt would follow.
#pragma once

#include "base/clock.h"
#include "guest/bus/irq.h"
#include "guest/device/device.h"

enum { HPET_REGION_BYTES = 1024, HPET_TIMERS = 3, HPET_PINS = 24 };

// All lent; a null gsi can't be chosen by the guest.
struct hpet_lines {
    struct irq_line *timer, *rtc;  // IRQ 0 and IRQ 8, behind the legacy route
    struct irq_line *gsi[HPET_PINS];
};

struct hpet_timer {
    uint64_t config;   // its writable bits
    uint64_t compare;  // of a repeating timer: the next match
    uint64_t period;   // in ticks; what was last written to the comparator
    uint64_t due_ns;   // of the next match; UINT64_MAX: none
};

struct hpet_input {
    struct irq_line line;
    struct hpet *hpet;
    uint8_t number;
};

struct hpet {
    struct device dev;
    struct clock *clock;  // not owned
    struct clock_timer clock_timer;
    struct hpet_lines lines;
    struct hpet_input inputs[2];  // from the 8254 and the RTC

    uint32_t config, status;
    uint64_t counter, counter_ns;  // the main counter's value at a time; while halted, its value
    struct hpet_timer timers[HPET_TIMERS];
    uint8_t input_levels[2];
    uint32_t driven;  // lines that are high because of a level-triggered timer
};

void hpet_init(struct hpet *hpet, const struct hpet_lines *lines, struct clock *clock);
void hpet_finish(struct hpet *hpet);

struct irq_line *hpet_legacy_timer(struct hpet *hpet);  // for the 8254's output
struct irq_line *hpet_legacy_rtc(struct hpet *hpet);    // for the RTC's
