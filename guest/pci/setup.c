// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/pci/setup.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "guest/pci/lpc.h"
#include "guest/pci/registers.h"

enum { BUSES = 256, DEPTH_MAX = 32, PINS = 4 };
enum { ROUTER_DEVICE = 0x2918, ROUTER_VENDOR = 0x8086, ELCR2 = 0x4d1 };
#define MIB UINT64_C(0x100000)

// Each bridge has a window of each kind; HIGH is its prefetchable one, used for what goes above 4 GiB.
enum kind { IO, MEMORY, HIGH, KINDS };
static const uint64_t window_unit[KINDS] = {4096, MIB, MIB};

struct bus {
    const struct bus *up;  // null: the root bus
    unsigned number, depth;
    unsigned device;       // of the bridge, on the bus above
};

struct setup {
    struct pci_bus *root;
    const struct pci_setup *config;
    bool high;  // what can goes above 4 GiB
    unsigned last_bus;
    int rc;
    struct err *err;
};

// What needs a place: a BAR, or the window of a bridge (reg 0).
struct item {
    uint8_t devfn, reg;
    bool is_64bit;
    uint64_t size_bytes, align_bytes;
};
struct items {
    unsigned count;
    struct item item[PCI_DEVFNS * (PCI_BARS + 1)];
};

static uint32_t get(const struct setup *s, const struct bus *bus, unsigned devfn, unsigned reg,
                    unsigned size_bytes)
{
    struct pci_function *f = pci_bus_find(s->root, bus->number, devfn);
    return f ? pci_config_read(f, reg, size_bytes) : UINT32_MAX;
}

static void put(const struct setup *s, const struct bus *bus, unsigned devfn, unsigned reg, uint32_t value,
                unsigned size_bytes)
{
    struct pci_function *f = pci_bus_find(s->root, bus->number, devfn);
    if (f)
        pci_config_write(f, reg, value, size_bytes);
}

static bool is_there(const struct setup *s, const struct bus *bus, unsigned devfn)
{
    unsigned first = devfn & ~7u;
    if (devfn != first && (get(s, bus, first, PCI_VENDOR, 2) >= 0xffff ||
                           !(get(s, bus, first, PCI_HEADER, 1) & PCI_HEADER_MULTIFUNCTION)))
        return false;
    return get(s, bus, devfn, PCI_VENDOR, 2) < 0xffff;
}

static bool is_bridge(const struct setup *s, const struct bus *bus, unsigned devfn)
{
    return (get(s, bus, devfn, PCI_HEADER, 1) & ~PCI_HEADER_MULTIFUNCTION) == PCI_HEADER_BRIDGE;
}

static struct bus bus_behind(const struct setup *s, const struct bus *bus, unsigned devfn)
{
    return (struct bus){bus, get(s, bus, devfn, PCI_SECONDARY_BUS, 1), bus->depth + 1, devfn >> 3};
}

static void for_each(struct setup *s, const struct bus *bus,
                     void (*visit)(struct setup *s, const struct bus *bus, unsigned devfn))
{
    for (unsigned devfn = 0; devfn < PCI_DEVFNS; devfn++)
        if (is_there(s, bus, devfn))
            visit(s, bus, devfn);
}

static void fail(struct setup *s, const struct bus *bus, unsigned devfn, const char *what)
{
    s->rc = err_set(s->err, -ENOSPC, "PCI: %02x:%02x.%x: no room for %s", bus->number, devfn >> 3,
                    devfn & 7, what);
}

// While the buses behind a bridge get their numbers it leads to all that are left.
static void number_behind(struct setup *s, const struct bus *bus, unsigned devfn)
{
    if (!is_bridge(s, bus, devfn))
        return;
    if (s->last_bus + 1 == BUSES || bus->depth == DEPTH_MAX) {
        fail(s, bus, devfn, "its bus");
        return;
    }
    put(s, bus, devfn, PCI_PRIMARY_BUS, bus->number, 1);
    put(s, bus, devfn, PCI_SECONDARY_BUS, ++s->last_bus, 1);
    put(s, bus, devfn, PCI_SUBORDINATE_BUS, BUSES - 1, 1);
    struct bus behind = bus_behind(s, bus, devfn);
    for_each(s, &behind, number_behind);
    put(s, bus, devfn, PCI_SUBORDINATE_BUS, s->last_bus, 1);
}

// All address bits that can be set, and the flags below them (6.2.5.1).
static uint32_t probe(const struct setup *s, const struct bus *bus, unsigned devfn, unsigned reg)
{
    uint32_t before = get(s, bus, devfn, reg, 4);
    put(s, bus, devfn, reg, UINT32_MAX, 4);
    uint32_t value = get(s, bus, devfn, reg, 4);
    put(s, bus, devfn, reg, before, 4);
    return value;
}

// False: there is no BAR.
static bool measure(const struct setup *s, const struct bus *bus, unsigned devfn, struct item *item,
                    enum kind *kind)
{
    uint32_t low = probe(s, bus, devfn, item->reg);
    bool io = low & PCI_BAR_IS_IO;
    uint64_t bits = low & (io ? ~3u : ~15u);
    item->is_64bit = !io && low & PCI_BAR_IS_64BIT;
    if (item->is_64bit)
        bits |= (uint64_t)probe(s, bus, devfn, item->reg + 4) << 32;
    else if (bits)
        bits |= UINT64_C(0xffffffff) << 32;
    item->size_bytes = item->align_bytes = bits & -bits;
    bool can_be_high = item->is_64bit && (low & PCI_BAR_IS_PREFETCH || !bus->up);
    *kind = io ? IO : can_be_high && s->high ? HIGH : MEMORY;
    return bits;
}

static void add_bars(const struct setup *s, const struct bus *bus, unsigned devfn, enum kind wanted,
                     struct items *items)
{
    unsigned bars = is_bridge(s, bus, devfn) ? 2 : PCI_BARS;
    for (unsigned i = 0; i < bars; i++) {
        struct item item = {.devfn = devfn, .reg = PCI_BAR0 + 4 * i};
        enum kind kind;
        if (measure(s, bus, devfn, &item, &kind) && kind == wanted)
            items->item[items->count++] = item;
        i += item.is_64bit;
    }
}

static uint64_t place(struct setup *s, const struct bus *bus, enum kind kind, const struct pci_range *range,
                      bool assign, uint64_t *align_bytes);

// A window is as large as what is behind the bridge, once it begins where all of that may.
static void add_window(struct setup *s, const struct bus *bus, unsigned devfn, enum kind kind,
                       struct items *items)
{
    struct bus behind = bus_behind(s, bus, devfn);
    const struct pci_range any = {0, UINT64_MAX};
    struct item item = {.devfn = devfn, .align_bytes = window_unit[kind]};
    if (!behind.number)
        return;
    item.size_bytes = align_up(place(s, &behind, kind, &any, false, &item.align_bytes), window_unit[kind]);
    if (item.size_bytes)
        items->item[items->count++] = item;
}

static int compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->align_bytes != y->align_bytes)
        return x->align_bytes < y->align_bytes ? 1 : -1;
    return x->devfn != y->devfn ? x->devfn - y->devfn : x->reg - y->reg;
}

// The largest first, so that aligning wastes little.
static void collect(struct setup *s, const struct bus *bus, enum kind kind, struct items *items)
{
    items->count = 0;
    for (unsigned devfn = 0; devfn < PCI_DEVFNS; devfn++) {
        if (!is_there(s, bus, devfn))
            continue;
        add_bars(s, bus, devfn, kind, items);
        if (is_bridge(s, bus, devfn))
            add_window(s, bus, devfn, kind, items);
    }
    qsort(items->item, items->count, sizeof items->item[0], compare);
}

static void open_window(const struct setup *s, const struct bus *bus, unsigned devfn, enum kind kind,
                        uint64_t base, uint64_t limit)
{
    if (kind == IO) {
        put(s, bus, devfn, PCI_IO_BASE, base >> 8 & 0xf0, 1);
        put(s, bus, devfn, PCI_IO_LIMIT, limit >> 8 & 0xf0, 1);
        return;
    }
    unsigned reg = kind == HIGH ? PCI_PREFETCH_BASE : PCI_MEMORY_BASE;
    put(s, bus, devfn, reg, base >> 16 & 0xfff0, 2);
    put(s, bus, devfn, reg + 2, limit >> 16 & 0xfff0, 2);
    if (kind != HIGH)
        return;
    put(s, bus, devfn, PCI_PREFETCH_BASE_HIGH, base >> 32, 4);
    put(s, bus, devfn, PCI_PREFETCH_LIMIT_HIGH, limit >> 32, 4);
}

static void assign_item(struct setup *s, const struct bus *bus, enum kind kind, const struct item *item,
                        uint64_t at)
{
    if (item->reg) {
        put(s, bus, item->devfn, item->reg, (uint32_t)at, 4);
        if (item->is_64bit)
            put(s, bus, item->devfn, item->reg + 4, at >> 32, 4);
        return;
    }
    struct bus behind = bus_behind(s, bus, item->devfn);
    const struct pci_range window = {at, item->size_bytes};
    place(s, &behind, kind, &window, true, &(uint64_t){0});
    open_window(s, bus, item->devfn, kind, at, at + item->size_bytes - 1);
}

static bool fits(const struct pci_range *range, uint64_t at, uint64_t size_bytes)
{
    return at - range->base <= range->size_bytes && size_bytes <= range->size_bytes - (at - range->base);
}

// Places all of a kind on a bus from range's base on, for good if assign is set. Returns how much was
// used, and the largest alignment if that is larger than *align_bytes.
static uint64_t place_items(struct setup *s, const struct bus *bus, enum kind kind, const struct items *items,
                            const struct pci_range *range, bool assign, uint64_t *align_bytes)
{
    uint64_t at = range->base;
    for (unsigned i = 0; i < items->count; i++) {
        const struct item *item = &items->item[i];
        uint64_t base = align_up(at, item->align_bytes);
        if (item->align_bytes > *align_bytes)
            *align_bytes = item->align_bytes;
        if (assign && !fits(range, base, item->size_bytes)) {
            fail(s, bus, item->devfn, item->reg ? "a BAR" : "a window");
            continue;
        }
        if (assign)
            assign_item(s, bus, kind, item, base);
        at = base + item->size_bytes;
    }
    return at - range->base;
}

static uint64_t place(struct setup *s, const struct bus *bus, enum kind kind, const struct pci_range *range,
                      bool assign, uint64_t *align_bytes)
{
    struct items *items = malloc(sizeof *items);
    if (!items)
        abort();
    collect(s, bus, kind, items);
    uint64_t used = place_items(s, bus, kind, items, range, assign, align_bytes);
    free(items);
    return used;
}

static void assign_all(struct setup *s, const struct bus *root)
{
    const struct pci_range *ranges[KINDS] = {&s->config->io, &s->config->memory32, &s->config->memory64};
    uint64_t align = 0;
    s->high = s->config->memory64.size_bytes &&
              place(s, root, MEMORY, ranges[MEMORY], false, &align) > ranges[MEMORY]->size_bytes;
    for (enum kind kind = IO; kind < KINDS; kind++)
        place(s, root, kind, ranges[kind], true, &align);
}

static const uint8_t pirq_irqs[PINS] = {10, 10, 11, 11};

static unsigned irq_of(const struct bus *bus, unsigned device, unsigned pin)
{
    for (; bus->up; bus = bus->up) {
        pin = (pin + device) % PINS;
        device = bus->device;
    }
    return pirq_irqs[pci_root_pirq(device, pin) % PINS];
}

static void route_pirqs(struct setup *s, const struct bus *root)
{
    if (get(s, root, ICH9_LPC_DEVFN, PCI_VENDOR, 4) != (ROUTER_VENDOR | (uint32_t)ROUTER_DEVICE << 16))
        return;
    for (unsigned i = 0; i < PINS; i++) {
        put(s, root, ICH9_LPC_DEVFN, ICH9_LPC_PIRQA + i, pirq_irqs[i], 1);
        put(s, root, ICH9_LPC_DEVFN, ICH9_LPC_PIRQE + i, pirq_irqs[i], 1);
    }
    struct mem *ports = s->root->root->ports;
    const uint8_t levels = 1 << (10 - 8) | 1 << (11 - 8);
    mem_write(ports, GPA(ELCR2), mem_read(ports, GPA(ELCR2), 1) | levels, 1);
}

// From the root down, so that each BAR is shown once.
static void enable(struct setup *s, const struct bus *bus, unsigned devfn)
{
    bool bridge = is_bridge(s, bus, devfn);
    unsigned pin = get(s, bus, devfn, PCI_INTERRUPT_PIN, 1);
    if (pin)
        put(s, bus, devfn, PCI_INTERRUPT_LINE, irq_of(bus, devfn >> 3, pin - 1), 1);
    put(s, bus, devfn, PCI_COMMAND, get(s, bus, devfn, PCI_COMMAND, 2) | PCI_COMMAND_IO |
        PCI_COMMAND_MEMORY | (bridge ? PCI_COMMAND_MASTER : 0), 2);
    if (__atomic_load_n(&s->root->root->stale, __ATOMIC_RELAXED))
        pci_root_settle(s->root->root);
    struct bus behind = bus_behind(s, bus, devfn);
    if (bridge && behind.number)
        for_each(s, &behind, enable);
}

int pci_setup(struct pci_bus *root, const struct pci_setup *setup, struct err *err)
{
    struct setup s = {.root = root, .config = setup, .err = err};
    const struct bus top = {0};
    for_each(&s, &top, number_behind);
    assign_all(&s, &top);
    route_pirqs(&s, &top);
    for_each(&s, &top, enable);
    return s.rc;
}
