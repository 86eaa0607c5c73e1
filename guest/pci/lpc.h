// SPDX-License-Identifier: GPL-2.0-or-later
//
// The LPC bridge of ICH9, 00:1f.0: where the ISA side of the machine begins, and the router of PCI's
// interrupts (I/O Controller Hub 9 data sheet, chapter 13). Each PIRQ has a pin of the IOAPIC of its own;
// PIRQx_ROUT may lead it to a pin of the 8259 too, which several can share. PMBASE and ACPI_CNTL
// show what the machine has, and can't be moved.
//
// Threads: as pci.h; a wire is driven with any function's lock held. Its own lock is taken behind
// the root's and before the interrupt controllers'.
#pragma once

#include "guest/pci/pci.h"

enum { ICH9_LPC_DEVFN = PCI_DEVFN(0x1f, 0), ICH9_LPC_PIRQA = 0x60, ICH9_LPC_PIRQE = 0x68,
       ICH9_ISA_IRQS = 16 };

struct ich9_lpc_lines {
    struct irq_line *ioapic[PCI_PIRQS];    // GSIs 16 to 23
    struct irq_line *isa[ICH9_ISA_IRQS];   // pins of the 8259; null: not connected
};

struct ich9_lpc {
    struct pci_function pci;
    struct ich9_lpc_lines lines;
    struct ich9_pirq { struct irq_line line; struct ich9_lpc *lpc; } pirq[PCI_PIRQS];
    pthread_mutex_t wires;  // guards what follows
    bool level[PCI_PIRQS];
    uint8_t route[PCI_PIRQS];
};

void ich9_lpc_init(struct ich9_lpc *lpc, const struct ich9_lpc_lines *lines, uint16_t pm_base);
void ich9_lpc_finish(struct ich9_lpc *lpc);
struct irq_line *ich9_lpc_pirq(struct ich9_lpc *lpc, unsigned pirq);  // for pci_root.intx
