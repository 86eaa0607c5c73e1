// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/pci/lpc.h"

#include "base/bits.h"
#include "guest/pci/registers.h"

enum { VENDOR_INTEL = 0x8086, DEVICE_ICH9_LPC = 0x2918, CLASS_ISA_BRIDGE = 0x060100, REVISION = 2,
       SUBSYSTEM_VENDOR = 0x1af4, SUBSYSTEM = 0x1100 };
enum { PMBASE = 0x40, PMBASE_IS_IO = 1, ACPI_CNTL = 0x44, ACPI_ENABLE = 0x80, RCBA = 0xf0 };
#define RCBA_WRITABLE 0xffffc001u
// 13.1.17: bit 7 set leads to the IOAPIC only. IRQs 0, 1, 2, 8 and 13 are reserved.
enum { ROUTE_NOT_ISA = 0x80, ROUTE_IRQ = 0x0f, ROUTE_WRITABLE = ROUTE_NOT_ISA | ROUTE_IRQ,
       ROUTE_ALLOWED = 0xdef8 };

static struct ich9_lpc *to_lpc(void *device_or_function)
{
    return device_or_function;  // both are its first member
}

static unsigned route_register(unsigned pirq)
{
    return pirq < 4 ? ICH9_LPC_PIRQA + pirq : ICH9_LPC_PIRQE + pirq - 4;
}

static bool leads_to(const struct ich9_lpc *lpc, unsigned pirq, unsigned irq)
{
    return !(lpc->route[pirq] & ROUTE_NOT_ISA) && (lpc->route[pirq] & ROUTE_IRQ) == irq;
}

// ISA devices drive the other pins, so nothing but what a PIRQ leads to, or has just left, is touched.
static void drive_isa(struct ich9_lpc *lpc, unsigned irq)
{
    bool level = false;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        level |= lpc->level[i] && leads_to(lpc, i, irq);
    if (ROUTE_ALLOWED & BIT(irq) && lpc->lines.isa[irq])
        irq_set(lpc->lines.isa[irq], level);
}

static void drive_route(struct ich9_lpc *lpc, uint8_t to)
{
    if (!(to & ROUTE_NOT_ISA))
        drive_isa(lpc, to & ROUTE_IRQ);
}

static void drive(struct ich9_lpc *lpc, unsigned pirq)
{
    if (lpc->lines.ioapic[pirq])
        irq_set(lpc->lines.ioapic[pirq], lpc->level[pirq]);
    drive_route(lpc, lpc->route[pirq]);
}

static void pirq_set(struct irq_line *line, bool level)
{
    struct ich9_pirq *pirq = container_of(line, struct ich9_pirq, line);
    struct ich9_lpc *lpc = pirq->lpc;
    unsigned n = pirq - lpc->pirq;
    pthread_mutex_lock(&lpc->wires);
    lpc->level[n] = level;
    drive(lpc, n);
    pthread_mutex_unlock(&lpc->wires);
}

// A line that is led elsewhere leaves its old pin.
static void route(struct ich9_lpc *lpc, unsigned pirq, uint8_t to)
{
    uint8_t before = lpc->route[pirq];
    lpc->route[pirq] = to;
    if (to == before)
        return;
    drive_route(lpc, before);
    drive_route(lpc, to);
}

static void route_all(struct ich9_lpc *lpc)
{
    pthread_mutex_lock(&lpc->wires);
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        route(lpc, i, lpc->pci.config[route_register(i)]);
    pthread_mutex_unlock(&lpc->wires);
}

static void lpc_written(struct pci_function *f, unsigned reg, unsigned size_bytes)
{
    (void)reg, (void)size_bytes;
    route_all(to_lpc(f));
}

static const struct pci_config_ops lpc_config_ops = {.written = lpc_written};

static void lpc_reset(struct device *dev)
{
    pci_function_reset((struct pci_function *)dev);
    route_all(to_lpc(dev));
}

static void lpc_started(struct device *dev)
{
    struct ich9_lpc *lpc = to_lpc(dev);
    pci_function_started(&lpc->pci);
    route_all(lpc);
    pthread_mutex_lock(&lpc->wires);
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        drive(lpc, i);
    pthread_mutex_unlock(&lpc->wires);
}

static const struct state_field lpc_state[] = {PCI_FUNCTION_STATE(struct ich9_lpc), {0}};

static const struct device_ops lpc_ops = {
    .name = "ICH9-LPC",
    .state_version = 1,
    .state = lpc_state,
    .read = pci_no_register,
    .write = pci_no_register_write,
    .reset = lpc_reset,
    .loaded = pci_plain_loaded,
    .started = lpc_started,
};

static void add_registers(struct pci_function *f, uint16_t pm_base)
{
    const uint32_t rcba = RCBA_WRITABLE;
    pci_preset(f, PMBASE, pm_base | PMBASE_IS_IO, 4);
    pci_preset(f, ACPI_CNTL, ACPI_ENABLE, 1);  // 0 below it: the SCI is IRQ 9
    memcpy(f->writable + RCBA, &rcba, 4);
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        pci_preset(f, route_register(i), ROUTE_NOT_ISA, 1);
        f->writable[route_register(i)] = ROUTE_WRITABLE;
    }
}

void ich9_lpc_init(struct ich9_lpc *lpc, const struct ich9_lpc_lines *lines, uint16_t pm_base)
{
    const struct pci_id id = {VENDOR_INTEL, DEVICE_ICH9_LPC, SUBSYSTEM_VENDOR, SUBSYSTEM, CLASS_ISA_BRIDGE,
                              REVISION, false};
    *lpc = (struct ich9_lpc){.lines = *lines};
    pthread_mutex_init(&lpc->wires, NULL);
    pci_function_init(&lpc->pci, &lpc_ops, &id);
    lpc->pci.config_ops = &lpc_config_ops;
    pci_set_multifunction(&lpc->pci);
    add_registers(&lpc->pci, pm_base);
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        lpc->pirq[i] = (struct ich9_pirq){{pirq_set}, lpc};
        lpc->route[i] = ROUTE_NOT_ISA;
    }
}

void ich9_lpc_finish(struct ich9_lpc *lpc)
{
    pci_function_finish(&lpc->pci);
    pthread_mutex_destroy(&lpc->wires);
}

struct irq_line *ich9_lpc_pirq(struct ich9_lpc *lpc, unsigned pirq)
{
    return &lpc->pirq[pirq].line;
}
