// SPDX-License-Identifier: GPL-2.0-or-later
//
// A PCI bus as `query-pci` and `info pci` list it: what the guest would read there now.
//
// Threads: the event loop's. The guest may run: each register is read once.
#pragma once

#include "guest/pci/pci.h"

struct pci_list_bar {
    unsigned index;
    uint64_t size_bytes, address;
    bool seen, io, prefetch, wide;
};

struct pci_list_device {
    unsigned bus, slot, function;
    const char *id;          // of -device; empty: none
    uint16_t vendor, device, subsystem_vendor, subsystem, class_code;
    const char *class_name;  // null: none that QEMU would say
    unsigned pin, line;      // 1: INTA
    struct pci_list_bar bar[PCI_BARS];
    unsigned bars;
    struct pci_bus *behind;  // of a bridge; and what it lets through
    unsigned secondary, subordinate;
    uint64_t io_base, io_limit, memory_base, memory_limit, prefetch_base, prefetch_limit;
};

// number is what the guest's bridges call the bus.
void pci_list_each(struct pci_bus *bus, unsigned number,
                   void (*each)(const struct pci_list_device *device, void *opaque), void *opaque);
