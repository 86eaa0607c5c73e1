// SPDX-License-Identifier: GPL-2.0-or-later
//
// What firmware does to PCI before it boots an operating system, for machines that have none: buses
// get numbers, BARs and bridge windows addresses, interrupt pins lines, and decoding is turned on.
// All by configuration accesses, so it sees what a guest would see.
//
// Everything goes below 4 GiB if it fits; otherwise prefetchable 64-bit BARs go above. Interrupt lines
// are SeaBIOS's: PIRQs lead to IRQ 10 and 11, which are made level-triggered at the 8259.
//
// Threads: the main thread, a mem reader, while no vCPU runs.
#pragma once

#include "guest/pci/pci.h"

struct pci_range {
    uint64_t base, size_bytes;
};

struct pci_setup {
    struct pci_range io, memory32, memory64;  // for BARs; what firmware tables give to PCI
};

// -ENOSPC with a sentence: what doesn't fit; everything that does has been set up.
int pci_setup(struct pci_bus *root, const struct pci_setup *setup, struct err *err);
