// SPDX-License-Identifier: GPL-2.0-or-later
//
// One wire that ends at two pins. On a PC each ISA interrupt reaches both the 8259 pair and the
// IOAPIC; the operating system listens at one of them.
//
// Threads: as irq.h. A fan-out has no state; the ends are connected before any device drives it.
#pragma once

#include <stddef.h>

#include "guest/bus/irq.h"

// ISA IRQ n is pin n at both ends, but for two. IRQ 0, the timer, is wired to pin 2 of the IOAPIC
// (the MADT's interrupt source override says so), and IRQ 2 is the cascade of the second 8259 and
// so no wire at all.
enum { ISA_IRQS = 16, ISA_IRQ_TIMER = 0, ISA_IRQ_CASCADE = 2, ISA_IRQ_RTC = 8, ISA_IRQ_SCI = 9,
       ISA_TIMER_GSI = 2 };

struct irq_fanout {
    struct irq_line line;             // what a device is given
    struct irq_line *first, *second;  // lent; null: not connected
};

static inline void irq_fanout_set(struct irq_line *line, bool level)
{
    struct irq_fanout *fanout = (struct irq_fanout *)line;  // line is its first member
    if (fanout->first)
        irq_set(fanout->first, level);
    if (fanout->second)
        irq_set(fanout->second, level);
}

static inline void irq_fanout_init(struct irq_fanout *fanout, struct irq_line *first,
                                   struct irq_line *second)
{
    *fanout = (struct irq_fanout){{irq_fanout_set}, first, second};
}
