// SPDX-License-Identifier: GPL-2.0-or-later
//
// MSI-X (PCI Local Bus 3.0, section 6.8.2): the table, the pending bits and sending.
#include <assert.h>

#include "base/bits.h"
#include "guest/pci/internal.h"
#include "guest/pci/registers.h"

enum { ENTRY_BYTES = 16, BAR_BYTES_MIN = 4096, PBA_OFFSET_MIN = BAR_BYTES_MIN / 2 };

static unsigned pba_offset(const struct pci_function *f)
{
    unsigned table_bytes = f->msix_vectors * ENTRY_BYTES;
    return table_bytes > PBA_OFFSET_MIN ? table_bytes : PBA_OFFSET_MIN;
}

static uint64_t bar_bytes(const struct pci_function *f)
{
    uint64_t needed = pba_offset(f) + sizeof f->msix_pending, size = BAR_BYTES_MIN;
    while (size < needed)
        size *= 2;
    return size;
}

void pci_add_msix(struct pci_function *f, unsigned bar, unsigned vectors)
{
    assert(vectors && vectors <= PCI_MSIX_VECTORS_MAX && !f->msix_at);
    f->msix_vectors = vectors;
    f->msix_bar = bar;
    pci_add_bar(f, bar, PCI_BAR_MEMORY32, bar_bytes(f));
    struct { struct le16 control; struct le32 table, pba; } body = {
        le16(vectors - 1), le32(bar), le32(pba_offset(f) | bar),
    }, writable = {.control = le16(PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL)};
    f->msix_at = pci_add_capability(f, PCI_CAP_MSIX, &body, sizeof body, &writable);
    for (unsigned i = 0; i < PCI_MSIX_VECTORS_MAX; i++)
        f->msix_control[i] = 1;
}

static uint16_t control(const struct pci_function *f)
{
    return f->msix_at ? pci_get(f, f->msix_at + PCI_MSIX_CONTROL, 2) : 0;
}

bool pci_msix_is_on(const struct pci_function *f)
{
    return control(f) & PCI_MSIX_ENABLE;
}

static void send(struct pci_function *f, unsigned vector)
{
    if (f->bus)
        msi_send(f->bus->root->msi, f->msix_address[vector], f->msix_data[vector]);
}

static bool is_masked(const struct pci_function *f, unsigned vector)
{
    return control(f) & PCI_MSIX_MASK_ALL || f->msix_control[vector] & 1;
}

void pci_msix_send(struct pci_function *f, unsigned vector)
{
    if (vector >= f->msix_vectors || !pci_msix_is_on(f))
        return;
    if (is_masked(f, vector) || !pci_is_bus_master(f))
        f->msix_pending[vector / 64] |= BIT(vector % 64);
    else
        send(f, vector);
}

void pci_msix_changed(struct pci_function *f)
{
    if (!pci_msix_is_on(f) || !pci_is_bus_master(f))
        return;
    for (unsigned i = 0; i < f->msix_vectors; i++) {
        if (!(f->msix_pending[i / 64] & BIT(i % 64)) || is_masked(f, i))
            continue;
        f->msix_pending[i / 64] &= ~BIT(i % 64);
        send(f, i);
    }
}

// Both are made of double words; offset is a double word's.
static uint32_t read_entry(const struct pci_function *f, unsigned offset)
{
    unsigned vector = offset / ENTRY_BYTES;
    switch (offset % ENTRY_BYTES) {
    case 0: return (uint32_t)f->msix_address[vector];
    case 4: return f->msix_address[vector] >> 32;
    case 8: return f->msix_data[vector];
    default: return f->msix_control[vector];
    }
}

static uint32_t read_dword(const struct pci_function *f, uint64_t offset)
{
    unsigned pba = pba_offset(f);
    if (offset < f->msix_vectors * ENTRY_BYTES)
        return read_entry(f, offset);
    if (offset < pba || offset - pba >= align_up(f->msix_vectors, 64) / 8)
        return 0;
    offset -= pba;
    return f->msix_pending[offset / 8] >> (8 * (offset % 8));
}

static void write_dword(struct pci_function *f, uint64_t offset, uint32_t value)
{
    unsigned vector = offset / ENTRY_BYTES;
    if (offset >= f->msix_vectors * ENTRY_BYTES)
        return;  // pending bits are read-only
    uint64_t *address = &f->msix_address[vector];
    switch (offset % ENTRY_BYTES) {
    case 0: *address = (*address & ~UINT64_C(0xffffffff)) | (value & ~3u); break;
    case 4: *address = (*address & 0xffffffff) | (uint64_t)value << 32; break;
    case 8: f->msix_data[vector] = value; break;
    default: f->msix_control[vector] = value & 1;
    }
}

// Only whole, aligned double and quad words are allowed (6.8.2); others read 0 and are lost.
static bool is_allowed(uint64_t offset, unsigned size_bytes)
{
    return size_bytes >= 4 && offset % size_bytes == 0;
}

uint64_t pci_msix_read(struct pci_function *f, uint64_t offset, unsigned size_bytes)
{
    offset %= PCI_BAR_OFFSET(1);
    if (!is_allowed(offset, size_bytes))
        return 0;
    uint64_t value = read_dword(f, offset);
    return size_bytes == 8 ? value | (uint64_t)read_dword(f, offset + 4) << 32 : value;
}

void pci_msix_write(struct pci_function *f, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    offset %= PCI_BAR_OFFSET(1);
    if (!is_allowed(offset, size_bytes))
        return;
    write_dword(f, offset, (uint32_t)value);
    if (size_bytes == 8)
        write_dword(f, offset + 4, value >> 32);
    pci_msix_changed(f);
}
