// SPDX-License-Identifier: GPL-2.0-or-later
//
// The pair of 8259A interrupt controllers of a PC, as in Intel's 8259A data sheet and, for the
// edge/level registers ELCR1 and ELCR2, the ICH9 data sheet, "8259 Interrupt Controller (PIC)
// Registers". The second controller's output is wired to IR2 of the first.
//
// Modelled: initialization, fixed and rotating priority, automatic and specific end of interrupt,
// special mask, special fully nested mode, polling, and the default IR7 of a request that went away.
// Not modelled: the MCS-80 vectors and the buffered modes, which no PC can use. An edge stays
// requested when its line drops before the acknowledge, so that a device may pulse its line.
//
// One device and one lock for both, since every acknowledge may concern both.
#pragma once

#include "guest/bus/irq.h"
#include "guest/device/device.h"

// Register offsets: two ports of each controller, then the two edge/level registers.
enum { PIC8259_FIRST = 0, PIC8259_SECOND = 2, PIC8259_ELCR = 4, PIC8259_REGION_BYTES = 6 };
enum { PIC8259_PINS = 16 };

struct pic8259_pin {
    struct irq_line line;
    struct pic8259 *pic;
    uint8_t number;
};

struct pic8259_chip {
    uint8_t irr, imr, isr;
    uint8_t levels;  // of the input lines, to see an edge
    uint8_t elcr;    // a one: this input is level-triggered
    uint8_t vector;  // of IR0
    uint8_t lowest;  // the input that has the lowest priority
    uint8_t init_step;  // which ICW comes next: 0 (none), 2, 3 or 4
    uint8_t icw1, icw4;
    uint8_t read_isr, polled, special_mask, rotate_on_aeoi;
};

struct pic8259 {
    struct device dev;
    struct pic8259_pin pins[PIC8259_PINS];
    struct irq_line *intr;  // not owned: INTR of the boot processor
    struct pic8259_chip chip[2];
    uint8_t intr_level;  // what intr was last told
};

// intr stays the caller's, and must outlive the device.
void pic8259_init(struct pic8259 *pic, struct irq_line *intr);
void pic8259_finish(struct pic8259 *pic);

// The wire to IRQ number, 0 to 15; the one to 2 is the cascade and goes nowhere.
struct irq_line *pic8259_pin(struct pic8259 *pic, unsigned number);

// The processor's acknowledge cycle: the vector to deliver. Any thread, no device lock held.
int pic8259_acknowledge(struct pic8259 *pic);
