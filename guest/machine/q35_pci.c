// SPDX-License-Identifier: GPL-2.0-or-later
//
// The root of PCI: its bus, host bridge and LPC bridge, their wires, and the addresses that BARs get.
#include "base/bits.h"
#include "base/log.h"
#include "guest/machine/q35_internal.h"

#define HIGH_WINDOW_BYTES GIB(32)  // as much as QEMU's

static void reset_bus_now(void *opaque)
{
    pci_bus_reset(opaque);
}

static void reset_bus(struct pci_root *root, struct pci_bus *bus)
{
    struct q35 *q = container_of(root, struct q35, pci_root);
    vm_post_held(&q->vm, reset_bus_now, bus);
}

// Those pins of the 8259 that no ISA device drives: a PIRQ led to another's goes nowhere.
static void create_lpc(struct q35 *q)
{
    static const uint8_t free_irqs[] = {5, 7, 10, 11, 14, 15};
    struct ich9_lpc_lines lines = {0};
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        lines.ioapic[i] = ioapic_pin(&q->ioapic, PCI_FIRST_GSI + i);
    for (unsigned i = 0; i < ARRAY_SIZE(free_irqs); i++)
        lines.isa[free_irqs[i]] = pic8259_pin(&q->pic, free_irqs[i]);
    ich9_lpc_init(&q->lpc, &lines, PM_BASE);
}

// Port 0xcf9 lies among those of the host bridge, which passes it on.
int q35_create_pci(struct q35 *q, struct err *err)
{
    create_lpc(q);
    q->pci_root.memory = q->memory;
    q->pci_root.ports = q->ports;
    q->pci_root.msi = &q->msi;
    q->pci_root.reset_bus = reset_bus;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        q->pci_root.intx[i] = ich9_lpc_pirq(&q->lpc, i);
    pci_bus_init(&q->pci, &q->pci_root, NULL);
    pci_host_init(&q->pci_host, &q->pci, &q->reset.dev, RESET_CONTROL_CF9);
    ADD(q, "pci-host", &q->pci_host, pci_host_finish);
    q35_own(q, "mch", &q->pci_host.bridge.pci.dev, NULL);
    ADD(q, "ich9-lpc", &q->lpc.pci, ich9_lpc_finish);
    return pci_bus_plug(&q->pci, &q->lpc.pci, ICH9_LPC_DEVFN, err);
}

// Above RAM, as far as processors can address.
static struct pci_range high_window(const struct q35 *q)
{
    uint64_t above = q->config.ram_bytes - q->low_bytes, base = align_up(GIB(4) + above, GIB(1));
    uint64_t end = BIT(q->engine->config.model->physical_bits);
    end = end < SPACE_BYTES ? end : SPACE_BYTES;
    if (base >= end)
        return (struct pci_range){0};
    uint64_t size_bytes = end - base < HIGH_WINDOW_BYTES ? end - base : HIGH_WINDOW_BYTES;
    return (struct pci_range){base, size_bytes};
}

void q35_pci_windows(const struct q35 *q, struct pci_range *memory32, struct pci_range *memory64)
{
    *memory32 = (struct pci_range){PCI_MEMORY_BASE, IOAPIC_BASE - PCI_MEMORY_BASE};
    *memory64 = high_window(q);
}

// A device that finds no room is one that the guest can't use, not the end of the machine.
int q35_set_up_pci(struct q35 *q, struct err *err)
{
    struct pci_setup setup = {.io = {0x1000, 0xf000}};
    struct err why = {0};
    int rc = pci_host_set_ecam(&q->pci_host, ECAM_BASE, err);
    if (rc < 0)
        return rc;
    q35_pci_windows(q, &setup.memory32, &setup.memory64);
    if (pci_setup(&q->pci, &setup, &why) < 0)
        log_warn("pci", "%s", why.text);
    pci_root_settle(&q->pci_root);
    return 0;
}
