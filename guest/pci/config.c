// SPDX-License-Identifier: GPL-2.0-or-later
//
// A guest's accesses to configuration space, and the copy of what others must know of it.
#include <assert.h>

#include "base/bits.h"
#include "guest/pci/internal.h"
#include "guest/pci/registers.h"

static bool is_whole(unsigned reg, unsigned size_bytes)
{
    return (size_bytes == 1 || size_bytes == 2 || size_bytes == 4) && reg % size_bytes == 0;
}

uint32_t pci_config_read(struct pci_function *f, unsigned reg, unsigned size_bytes)
{
    assert(is_whole(reg, size_bytes));
    if (reg >= PCI_CONFIG_BYTES)
        return f->express ? 0 : size_mask(size_bytes);  // no extended capability, or no such space
    pthread_mutex_lock(&f->dev.lock);
    if (f->config_ops && f->config_ops->reading)
        f->config_ops->reading(f, reg, size_bytes);
    uint32_t value = pci_get(f, reg, size_bytes);
    pthread_mutex_unlock(&f->dev.lock);
    return value;
}

static void write_byte(struct pci_function *f, unsigned reg, uint8_t value)
{
    uint8_t kept = f->config[reg] & ~f->writable[reg] & ~(f->clearable[reg] & value);
    f->config[reg] = kept | (value & f->writable[reg]);
}

static bool has_refused_changes(const struct pci_function *f)
{
    return f->bus && __atomic_load_n(&f->bus->root->stale, __ATOMIC_RELAXED);
}

static void tell_behind(struct pci_bus *bus);

static void tell(struct pci_function *f)
{
    pthread_mutex_lock(&f->dev.lock);
    if (f->config_ops && f->config_ops->written)
        f->config_ops->written(f, PCI_COMMAND, 2);
    pci_msix_changed(f);
    if (f->secondary)
        tell_behind(f->secondary);
    pthread_mutex_unlock(&f->dev.lock);
}

// What is behind a bridge masters the bus only as far as the bridge does. Locks are taken down the tree.
static void tell_behind(struct pci_bus *bus)
{
    for (unsigned i = 0; i < PCI_DEVFNS; i++)
        if (bus->function[i])
            tell(bus->function[i]);
}

static void follow(struct pci_function *f, unsigned reg, bool was_master)
{
    if (reg < PCI_HEADER_END || has_refused_changes(f))
        pci_decode_changed(f);
    pci_intx_drive(f, false);
    if (f->msix_at)
        pci_msix_changed(f);
    if (f->secondary && pci_is_bus_master(f) != was_master)
        tell_behind(f->secondary);
}

void pci_config_write(struct pci_function *f, unsigned reg, uint32_t value, unsigned size_bytes)
{
    assert(is_whole(reg, size_bytes));
    if (reg >= PCI_CONFIG_BYTES)
        return;
    pthread_mutex_lock(&f->dev.lock);
    bool was_master = pci_is_bus_master(f);
    for (unsigned i = 0; i < size_bytes; i++)
        write_byte(f, reg + i, value >> (8 * i));
    if (f->config_ops && f->config_ops->written)
        f->config_ops->written(f, reg, size_bytes);
    follow(f, reg, was_master);
    pthread_mutex_unlock(&f->dev.lock);
}

bool pci_is_bus_master(const struct pci_function *f)
{
    return pci_get(f, PCI_COMMAND, 2) & PCI_COMMAND_MASTER &&
           __atomic_load_n(&f->bridges_master, __ATOMIC_RELAXED);
}

static uint64_t bar_address(const struct pci_function *f, unsigned bar)
{
    unsigned reg = PCI_BAR0 + 4 * bar;
    uint64_t low = pci_get(f, reg, 4);
    switch (f->bar[bar].kind) {
    case PCI_BAR_NONE: return 0;
    case PCI_BAR_IO: return low & ~UINT64_C(3);
    case PCI_BAR_MEMORY32: return low & ~UINT64_C(15);
    default: return (low & ~UINT64_C(15)) | (uint64_t)pci_get(f, reg + 4, 4) << 32;
    }
}

// Bases and limits are the upper bits of the window's first and last byte (3.2.5.6 to 3.2.5.10).
static void copy_windows(const struct pci_function *f, struct pci_decode *d)
{
    d->secondary = f->config[PCI_SECONDARY_BUS];
    d->subordinate = f->config[PCI_SUBORDINATE_BUS];
    d->io_base = (f->config[PCI_IO_BASE] & 0xf0) << 8;
    d->io_limit = (f->config[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff;
    d->memory_base = (pci_get(f, PCI_MEMORY_BASE, 2) & 0xfff0) << 16;
    d->memory_limit = (pci_get(f, PCI_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
    d->prefetch_base = (pci_get(f, PCI_PREFETCH_BASE, 2) & 0xfff0) << 16 |
                       (uint64_t)pci_get(f, PCI_PREFETCH_BASE_HIGH, 4) << 32;
    d->prefetch_limit = (pci_get(f, PCI_PREFETCH_LIMIT, 2) & 0xfff0) << 16 | 0xfffff |
                        (uint64_t)pci_get(f, PCI_PREFETCH_LIMIT_HIGH, 4) << 32;
}

static struct pci_decode copy(const struct pci_function *f)
{
    uint16_t command = pci_get(f, PCI_COMMAND, 2);
    struct pci_decode d = {.io = command & PCI_COMMAND_IO, .memory = command & PCI_COMMAND_MEMORY,
                           .master = command & PCI_COMMAND_MASTER};
    for (unsigned i = 0; i < PCI_BARS; i++)
        if (f->bar[i].kind == PCI_BAR_IO ? d.io : d.memory)
            d.address[i] = bar_address(f, i);
    if ((f->config[PCI_HEADER] & ~PCI_HEADER_MULTIFUNCTION) == PCI_HEADER_BRIDGE)
        copy_windows(f, &d);
    return d;
}

void pci_decode_changed(struct pci_function *f)
{
    if (!f->bus)
        return;
    struct pci_root *root = f->bus->root;
    struct pci_decode decode = copy(f);
    pthread_mutex_lock(&root->lock);
    bool changed = memcmp(&f->decode, &decode, sizeof decode);
    f->decode = decode;
    if (changed || root->stale)  // not while a guest measures BARs that are off
        pci_tree_update(root);
    pthread_mutex_unlock(&root->lock);
}
