// SPDX-License-Identifier: GPL-2.0-or-later
//
// The host bridge of Q35: two mechanisms by which a processor reaches configuration space, and
// function 00:00.0, which says where one of them is (Intel 3 Series Express Chipset data sheet, "PCIEXBAR").
//   - Ports 0xcf8, the address, in double words only, and 0xcfc to 0xcff, the data. Port 0xcf9 is
//     another device's, whose byte lies in the middle: accesses of one byte there go to it.
//   - ECAM: 4 KiB of memory a function, where PCIEXBAR says, once it is enabled.
//
// `dev` is the mechanisms: the machine maps its 8 ports, PCI_HOST_PORTS_BYTES at offset 0, at 0xcf8. The
// ECAM window maps itself. `bridge.pci` is the function. Both are devices with a state.
//
// Threads: as device.h. A configuration access holds dev's lock, so there is one at a time.
#pragma once

#include "guest/pci/pci.h"

enum { PCI_HOST_PORTS = 0xcf8, PCI_HOST_PORTS_BYTES = 8 };

struct pci_host_bridge {
    struct pci_function pci;
};

struct pci_host {
    struct device dev;
    struct pci_host_bridge bridge;
    struct pci_bus *bus;
    struct device *cf9;  // null: nobody has port 0xcf9
    uint64_t cf9_offset;
    uint32_t address;    // port 0xcf8

    bool ecam_seen;      // and where
    uint64_t ecam_base, ecam_bytes;
    bool ecam_refused;   // mem said -EAGAIN
};

// Plugs the bridge at 00:00.0 of bus, which is a root bus. cf9 is lent; null: none.
void pci_host_init(struct pci_host *host, struct pci_bus *bus, struct device *cf9, uint64_t cf9_offset);
void pci_host_finish(struct pci_host *host);

// What firmware does: 256 MiB of ECAM at base, a multiple of that. No lock held. -EBUSY with a sentence:
// something else is there.
int pci_host_set_ecam(struct pci_host *host, uint64_t base, struct err *err);

// A configuration access of 1, 2, 4 or 8 bytes at offset of the whole ECAM: bus << 20 | devfn << 12 |
// register. No lock held.
uint64_t pci_host_read(struct pci_host *host, uint64_t offset, unsigned size_bytes);
void pci_host_write(struct pci_host *host, uint64_t offset, uint64_t value, unsigned size_bytes);
