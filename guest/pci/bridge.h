// SPDX-License-Identifier: GPL-2.0-or-later
//
// A PCI Express root port, as QEMU's pcie-root-port without hot-plug: a bridge with one bus behind it
// (PCI-to-PCI Bridge Architecture 1.2; PCI Express Base 3.1, section 7.8). It has no events of its
// own, so its interrupt pin stays quiet.
//
// Threads: as pci.h.
#pragma once

#include "guest/pci/pci.h"

struct pci_bridge {
    struct pci_function pci;
    struct pci_bus bus;  // behind it
    uint8_t express_at;  // its capability
    bool bus_in_reset;   // by the bridge control register
};

// slot: the number that its slot capability shows; port: of its link.
void pci_bridge_init(struct pci_bridge *bridge, struct pci_root *root, unsigned slot, unsigned port);
void pci_bridge_finish(struct pci_bridge *bridge);  // after all that is behind it
