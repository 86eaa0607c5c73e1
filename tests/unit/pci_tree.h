// SPDX-License-Identifier: GPL-2.0-or-later
//
// A small PCI tree for tests and fuzzers: host bridge, LPC bridge, a root port, and a card on each bus.
//   00:00.0 host   00:02.0 card[0]   00:04.0 port   00:1f.0 LPC   behind the port, device 0: card[1]
// RAM is 1 MiB at 0.
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "guest/pci/bridge.h"
#include "guest/pci/host.h"
#include "guest/pci/lpc.h"
#include "guest/pci/registers.h"

enum { CARD_MEMORY_BAR = 0, CARD_MSIX_BAR = 1, CARD_IO_BAR = 2, CARD_HIGH_BAR = 4,
       CARD_MEMORY_BYTES = 0x2000, CARD_IO_BYTES = 0x20, CARD_HIGH_BYTES = 0x4000, CARD_VECTORS = 3,
       CARD_REGISTERS = 64, TREE_RAM_BYTES = 1 << 20 };

// Each BAR has the same registers, which read back.
struct card {
    struct pci_function pci;
    uint8_t reg[CARD_REGISTERS];
    uint64_t last_offset;
    unsigned accesses, resets, quiesces;
};

struct level_wire {
    struct irq_line line;
    bool level;
};

struct msi_log {
    struct msi_sink sink;
    unsigned count;  // atomic
    uint64_t address;
    uint32_t data;
};

struct tree {
    struct mem *memory, *ports;
    struct ram ram;
    struct level_wire ioapic[PCI_PIRQS], isa[ICH9_ISA_IRQS];
    struct msi_log msi;
    struct pci_root root;
    struct pci_bus bus;
    struct pci_host host;
    struct device_window host_ports;
    struct ich9_lpc lpc;
    struct pci_bridge port;
    struct card card[2];
    struct pci_bus *reset_asked;
};

static inline uint64_t card_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct card *card = (struct card *)dev;
    if (offset / PCI_BAR_OFFSET(1) == CARD_MSIX_BAR)
        return pci_msix_read(&card->pci, offset, size_bytes);
    uint64_t value = 0;
    card->accesses++;
    card->last_offset = offset;
    for (unsigned i = 0; i < size_bytes; i++)
        value |= (uint64_t)card->reg[(offset + i) % CARD_REGISTERS] << (8 * i);
    return value;
}

static inline void card_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct card *card = (struct card *)dev;
    if (offset / PCI_BAR_OFFSET(1) == CARD_MSIX_BAR) {
        pci_msix_write(&card->pci, offset, value, size_bytes);
        return;
    }
    card->accesses++;
    card->last_offset = offset;
    for (unsigned i = 0; i < size_bytes; i++)
        card->reg[(offset + i) % CARD_REGISTERS] = value >> (8 * i);
}

static inline void card_reset(struct device *dev)
{
    struct card *card = (struct card *)dev;
    pci_function_reset(&card->pci);
    memset(card->reg, 0, sizeof card->reg);
    card->resets++;
}

static inline int card_loaded(struct device *dev, struct err *err)
{
    return pci_function_loaded((struct pci_function *)dev, err);
}

static inline void card_started(struct device *dev)
{
    pci_function_started((struct pci_function *)dev);
}

static inline void card_quiesce(struct device *dev)
{
    ((struct card *)dev)->quiesces++;
}

static const struct state_field card_state[] = {PCI_FUNCTION_STATE(struct card), {0}};

static const struct device_ops card_ops = {
    .name = "card", .state_version = 1, .state = card_state, .read = card_read, .write = card_write,
    .reset = card_reset, .loaded = card_loaded, .started = card_started, .quiesce = card_quiesce,
};

static inline void card_init(struct card *card)
{
    const struct pci_id id = {0x1af4, 0x1050, 0x1af4, 0x1100, 0x020000, 1, false};
    memset(card, 0, sizeof *card);
    pci_function_init(&card->pci, &card_ops, &id);
    pci_add_bar(&card->pci, CARD_MEMORY_BAR, PCI_BAR_MEMORY32, CARD_MEMORY_BYTES);
    pci_add_bar(&card->pci, CARD_IO_BAR, PCI_BAR_IO, CARD_IO_BYTES);
    pci_add_bar(&card->pci, CARD_HIGH_BAR, PCI_BAR_PREFETCH64, CARD_HIGH_BYTES);
    pci_add_msix(&card->pci, CARD_MSIX_BAR, CARD_VECTORS);
    pci_add_intx(&card->pci);
    card->pci.express = true;
}

static inline void level_wire_set(struct irq_line *line, bool level)
{
    container_of(line, struct level_wire, line)->level = level;
}

static inline void log_msi(struct msi_sink *sink, uint64_t address, uint32_t data)
{
    struct msi_log *log = container_of(sink, struct msi_log, sink);
    __atomic_fetch_add(&log->count, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&log->address, address, __ATOMIC_RELAXED);
    __atomic_store_n(&log->data, data, __ATOMIC_RELAXED);
}

static inline void note_reset(struct pci_root *root, struct pci_bus *bus)
{
    container_of(root, struct tree, root)->reset_asked = bus;
}

static inline void must(int rc)
{
    if (rc < 0)
        abort();
}

static inline void tree_wires(struct tree *t, struct ich9_lpc_lines *lines)
{
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        t->ioapic[i].line.set = level_wire_set;
        lines->ioapic[i] = &t->ioapic[i].line;
    }
    for (unsigned i = 0; i < ICH9_ISA_IRQS; i++) {
        t->isa[i].line.set = level_wire_set;
        lines->isa[i] = &t->isa[i].line;
    }
}

static inline void tree_spaces(struct tree *t)
{
    t->memory = mem_create(UINT64_C(1) << 46);
    t->ports = mem_create(65536);
    must(ram_open(&t->ram, TREE_RAM_BYTES, NULL));
    must(mem_add_ram(t->memory, GPA(0), &t->ram, 0, TREE_RAM_BYTES, false, NULL));
}

// The struct is large: static, or allocated.
static inline void tree_init(struct tree *t)
{
    struct ich9_lpc_lines lines;
    memset(t, 0, sizeof *t);
    tree_spaces(t);
    tree_wires(t, &lines);
    t->msi.sink.send = log_msi;
    ich9_lpc_init(&t->lpc, &lines, 0x600);
    t->root = (struct pci_root){.memory = t->memory, .ports = t->ports, .msi = &t->msi.sink,
                                .reset_bus = note_reset};
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        t->root.intx[i] = ich9_lpc_pirq(&t->lpc, i);
    pci_bus_init(&t->bus, &t->root, NULL);
    pci_host_init(&t->host, &t->bus, NULL, 0);
    must(device_map(&t->host_ports, &t->host.dev, 0, t->ports, GPA(PCI_HOST_PORTS), PCI_HOST_PORTS_BYTES, NULL));
    must(pci_bus_plug(&t->bus, &t->lpc.pci, ICH9_LPC_DEVFN, NULL));
    card_init(&t->card[0]);
    card_init(&t->card[1]);
    must(pci_bus_plug(&t->bus, &t->card[0].pci, PCI_DEVFN(2, 0), NULL));
    pci_bridge_init(&t->port, &t->root, 3, 1);
    must(pci_bus_plug(&t->bus, &t->port.pci, PCI_DEVFN(4, 0), NULL));
    must(pci_bus_plug(&t->port.bus, &t->card[1].pci, -1, NULL));
}

// Leaves in the spaces what is not PCI's.
static inline void tree_unplug(struct tree *t)
{
    pci_function_finish(&t->card[1].pci);
    pci_bridge_finish(&t->port);
    pci_function_finish(&t->card[0].pci);
    while (device_unmap(&t->host_ports) == -EAGAIN) {
        mem_settle();
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    pci_host_finish(&t->host);
    ich9_lpc_finish(&t->lpc);
}

static inline void tree_finish(struct tree *t)
{
    tree_unplug(t);
    mem_destroy(t->memory);
    mem_destroy(t->ports);
    ram_close(&t->ram);
}

// By the ports, as a guest does it.
static inline uint32_t tree_get(struct tree *t, unsigned bus, unsigned devfn, unsigned reg, unsigned size_bytes)
{
    mem_write(t->ports, GPA(0xcf8), 1u << 31 | bus << 16 | devfn << 8 | (reg & 0xfc), 4);
    return mem_read(t->ports, GPA(0xcfc + (reg & 3)), size_bytes);
}

static inline void tree_put(struct tree *t, unsigned bus, unsigned devfn, unsigned reg, uint32_t value,
                            unsigned size_bytes)
{
    mem_write(t->ports, GPA(0xcf8), 1u << 31 | bus << 16 | devfn << 8 | (reg & 0xfc), 4);
    mem_write(t->ports, GPA(0xcfc + (reg & 3)), value, size_bytes);
}
