// SPDX-License-Identifier: GPL-2.0-or-later
//
// The PC's way to tell of x87 errors (ICH9 datasheet, 5.11.2 "Coprocessor error"): FERR# of the processor becomes
// IRQ 13; a write to port F0 ends that and asserts IGNNE#, until the processor ends FERR#.
//
// Threads: x87_error_raise from any thread, with no device lock held; ignore is called with this device's.
#pragma once

#include "guest/bus/irq.h"
#include "guest/device/device.h"

enum { X87_ERROR_PORT = 0xf0, X87_ERROR_IRQ = 13 };

struct x87_error {
    struct device dev;
    struct irq_line *irq;             // not owned
    void (*ignore)(void *opaque);     // IGNNE#
    void *opaque;
    bool raised;
};

void x87_error_init(struct x87_error *error, struct irq_line *irq, void (*ignore)(void *opaque), void *opaque);
void x87_error_finish(struct x87_error *error);
void x87_error_raise(struct x87_error *error);  // FERR#
