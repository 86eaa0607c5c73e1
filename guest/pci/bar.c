// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which BARs the guest sees. After each change of what anybody decodes, first all that is not where it
// should be goes away, then all that is not seen and should be gets its chance; so who was there first
// stays, and who was kept out comes in when room is made.
#include <assert.h>
#include <errno.h>

#include "base/bits.h"
#include "base/log.h"
#include "guest/pci/internal.h"
#include "guest/pci/registers.h"

enum { MEMORY_BYTES_MIN = 16, IO_BYTES_MIN = 4 };
#define BELOW_4GIB UINT64_C(0xffffffff)

static bool is_64bit(enum pci_bar_kind kind)
{
    return kind == PCI_BAR_MEMORY64 || kind == PCI_BAR_PREFETCH64;
}

static uint32_t kind_bits(enum pci_bar_kind kind)
{
    switch (kind) {
    case PCI_BAR_IO: return PCI_BAR_IS_IO;
    case PCI_BAR_MEMORY64: return PCI_BAR_IS_64BIT;
    case PCI_BAR_PREFETCH64: return PCI_BAR_IS_64BIT | PCI_BAR_IS_PREFETCH;
    default: return 0;
    }
}

// Address bits below the size can't be set: so a guest learns the size (6.2.5.1).
void pci_add_bar(struct pci_function *f, unsigned bar, enum pci_bar_kind kind, uint64_t size_bytes)
{
    bool is_io = kind == PCI_BAR_IO;
    assert(bar + is_64bit(kind) < PCI_BARS && kind != PCI_BAR_NONE && f->bar[bar].kind == PCI_BAR_NONE);
    assert(size_bytes >= (is_io ? IO_BYTES_MIN : MEMORY_BYTES_MIN) && !(size_bytes & (size_bytes - 1)));
    assert(size_bytes <= (is_64bit(kind) ? PCI_BAR_OFFSET(1) : is_io ? 256 : UINT64_C(1) << 31));
    uint64_t mask = ~(size_bytes - 1);
    f->bar[bar] = (struct pci_bar){.kind = kind, .size_bytes = size_bytes, .function = f};
    pci_preset(f, PCI_BAR0 + 4 * bar, kind_bits(kind), 4);
    memcpy(f->writable + PCI_BAR0 + 4 * bar, &mask, is_64bit(kind) ? 8 : 4);
}

static uint64_t bar_offset(const struct pci_bar *bar)
{
    return PCI_BAR_OFFSET(bar - bar->function->bar);
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    struct pci_bar *bar = opaque;
    return device_read(&bar->function->dev, bar_offset(bar) + offset, size_bytes);
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct pci_bar *bar = opaque;
    device_write(&bar->function->dev, bar_offset(bar) + offset, value, size_bytes);
}

static const struct mem_ops bar_ops = {bar_read, bar_write};

static bool is_within(uint64_t base, uint64_t limit, uint64_t first, uint64_t last)
{
    return base <= first && last <= limit;
}

static bool bridge_passes(const struct pci_decode *bridge, bool io, uint64_t first, uint64_t last)
{
    if (io)
        return bridge->io && is_within(bridge->io_base, bridge->io_limit, first, last);
    return bridge->memory && (is_within(bridge->memory_base, bridge->memory_limit, first, last) ||
                              is_within(bridge->prefetch_base, bridge->prefetch_limit, first, last));
}

static bool bridges_pass(const struct pci_function *f, bool io, uint64_t first, uint64_t last)
{
    for (const struct pci_function *b = f->bus->bridge; b; b = b->bus->bridge)
        if (!bridge_passes(&b->decode, io, first, last))
            return false;
    return true;
}

// Address 0 is a BAR that was not set; just below 4 GiB is where sizing leaves one for a moment.
static bool is_wanted(const struct pci_bar *bar, uint64_t first)
{
    const struct pci_function *f = bar->function;
    bool io = bar->kind == PCI_BAR_IO;
    uint64_t last = first + bar->size_bytes - 1;
    if (!(io ? f->decode.io : f->decode.memory) || !first || last < first || last == BELOW_4GIB)
        return false;
    return bridges_pass(f, io, first, last);
}

static struct mem *space_of(const struct pci_bar *bar)
{
    struct pci_root *root = bar->function->bus->root;
    return bar->kind == PCI_BAR_IO ? root->ports : root->memory;
}

static void refused(const struct pci_function *f)
{
    log_guest("pci", "%s: BARs change faster than readers let go", f->dev.ops->name);
    __atomic_store_n(&f->bus->root->stale, true, __ATOMIC_RELAXED);
}

static void hide(struct pci_bar *bar, uint64_t wanted_at)
{
    if (!bar->seen || (bar->seen_at == wanted_at && is_wanted(bar, wanted_at)))
        return;
    if (mem_remove(space_of(bar), GPA(bar->seen_at)) == 0)
        bar->seen = false;
    else
        refused(bar->function);
}

static void show(struct pci_bar *bar, uint64_t at)
{
    if (bar->kind == PCI_BAR_NONE || bar->seen || !is_wanted(bar, at))
        return;
    struct err err;
    int rc = mem_add_io(space_of(bar), GPA(at), bar->size_bytes, &bar_ops, bar,
                        bar->function->dev.ops->name, &err);
    if (rc == -EAGAIN)
        refused(bar->function);
    else if (rc < 0)
        log_guest("pci", "BAR not seen: %s", err.text);
    bar->seen = rc == 0;
    bar->seen_at = at;
}

static void hide_all(struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_BARS; i++)
        hide(&f->bar[i], f->decode.address[i]);
}

static void show_all(struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_BARS; i++)
        show(&f->bar[i], f->decode.address[i]);
}

static void find_masters(struct pci_function *f)
{
    bool master = true;
    for (const struct pci_function *b = f->bus->bridge; b && master; b = b->bus->bridge)
        master = b->decode.master;
    __atomic_store_n(&f->bridges_master, master, __ATOMIC_RELAXED);
}

static void each(struct pci_bus *bus, void (*visit)(struct pci_function *f))
{
    for (unsigned i = 0; i < PCI_DEVFNS; i++) {
        if (!bus->function[i])
            continue;
        visit(bus->function[i]);
        if (bus->function[i]->secondary)
            each(bus->function[i]->secondary, visit);
    }
}

void pci_tree_update(struct pci_root *root)
{
    __atomic_store_n(&root->stale, false, __ATOMIC_RELAXED);
    each(root->bus, hide_all);
    each(root->bus, show_all);
    each(root->bus, find_masters);
}
