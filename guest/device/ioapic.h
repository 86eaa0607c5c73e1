// SPDX-License-Identifier: GPL-2.0-or-later
//
// I/O APIC, as in Intel's 82093AA data sheet (order number 290566), with the EOI register of version
// 0x20 (ICH9 data sheet, "Advanced Programmable Interrupt Controller"). 24 pins.
//
// It sends a message for a pin: the redirection entry, laid out as the address and data of an MSI
// (SDM volume 3, "Message Signalled Interrupts"). A level pin stays in service (remote IRR) until
// its vector is ended on some processor; if the line is still high then, it is sent again. An edge
// that comes while its pin is masked is lost, as the data sheet says. A line's level says whether
// it is asserted, so the polarity bits are kept and have no effect.
//
// Each pin's line can have a listener for that end of interrupt, so that whoever drives the line by
// an eventfd can look whether it still wants it (KVM's resample).
#pragma once

#include "guest/bus/irq.h"
#include "guest/bus/msi.h"
#include "guest/device/device.h"

enum { IOAPIC_PINS = 24, IOAPIC_REGION_BYTES = 4096 };

struct ioapic_pin {
    struct irq_line line;
    struct ioapic *ioapic;
    struct irq_end *end;  // not owned; null: nobody listens
    uint8_t number;
};

// For an engine that must know which messages the pins would send, such as KVM with its
// interrupt controllers split. Called with the IOAPIC's lock held; must not call back.
struct ioapic_watch {
    void (*route_changed)(struct ioapic_watch *watch, unsigned pin, uint64_t address,
                          uint32_t data, bool masked);
};

struct ioapic {
    struct device dev;
    struct ioapic_pin pins[IOAPIC_PINS];
    struct msi_sink *msi;        // not owned
    struct ioapic_watch *watch;  // not owned; null: nobody watches

    uint64_t entries[IOAPIC_PINS];
    uint32_t levels;  // of the input lines
    uint32_t id;
    uint8_t select;
};

// watch may be null. What is handed in stays the caller's, and must outlive the device.
void ioapic_init(struct ioapic *ioapic, struct msi_sink *msi, struct ioapic_watch *watch);
void ioapic_finish(struct ioapic *ioapic);

struct irq_line *ioapic_pin(struct ioapic *ioapic, unsigned number);
// Before the machine runs. Lent.
void ioapic_listen(struct ioapic *ioapic, unsigned number, struct irq_end *end);

// A level-triggered vector was ended on some processor. Any thread, no device lock held.
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);
