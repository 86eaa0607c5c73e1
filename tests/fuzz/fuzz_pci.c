// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile guest and a small PCI tree (tests/unit/pci_tree.h): configuration by ports and by ECAM,
// accesses wherever BARs may be, interrupts, resets, forged states. The input is a program as in
// device_steps.h. What is seen is what the registers say, wires stand as the functions hold
// them, and after the tree is gone nothing of it is left in the address spaces.
#include "tests/fuzz/device_steps.h"

#include "guest/pci/setup.h"
#include "tests/unit/pci_tree.h"

static struct tree t;

enum { PORTS, ECAM_ACCESS, BAR_ACCESS, CONFIG, INTERRUPT, FORGE, RESET, SETUP, SETTLE,
                 QUIESCENT, STARTED, KINDS = 16 };

static struct pci_function *functions(unsigned n)
{
    struct pci_function *all[] = {&t.card[0].pci, &t.card[1].pci, &t.port.pci, &t.host.bridge.pci, &t.lpc.pci};
    return all[n % ARRAY_SIZE(all)];
}

static void access_memory(struct steps *s, struct mem *mem, uint64_t at)
{
    unsigned how = take(s, 1), size_bytes = 1 << (how & 3);
    if (how & 4)
        mem_write(mem, GPA(at), take(s, size_bytes), size_bytes);
    else
        mem_read(mem, GPA(at), size_bytes);
}

static void step_ports(struct steps *s)
{
    unsigned how = take(s, 1);
    if (how & 1)
        mem_write(t.ports, GPA(0xcf8), take(s, 4) | (how & 2 ? 1u << 31 : 0), 4);
    access_memory(s, t.ports, 0xcf8 + (how >> 4) % 8);
}

static void step_ecam(struct steps *s)
{
    uint64_t base = t.host.ecam_seen ? t.host.ecam_base : 0;
    access_memory(s, t.memory, base + take(s, 3));
}

// Addresses of BARs where they are now, or anywhere.
static void step_bar(struct steps *s)
{
    unsigned which = take(s, 1);
    const struct pci_bar *bar = &t.card[which & 1].pci.bar[(which >> 1) % PCI_BARS];
    uint64_t base = bar->seen ? bar->seen_at : take(s, 8) >> (take(s, 1) & 63);
    bool io = bar->kind == PCI_BAR_IO;
    uint64_t at = base + take(s, 2) % (CARD_HIGH_BYTES + 8);
    access_memory(s, io ? t.ports : t.memory, io ? at & 0xffff : at);
}

// Headers, most of the time.
static void step_config(struct steps *s)
{
    static const uint16_t devices[] = {PCI_DEVFN(2, 0), PCI_DEVFN(4, 0), PCI_DEVFN(31, 0), 0};
    unsigned which = take(s, 1), reg = take(s, 1) & 0xfc, size = 1 << (which >> 4 & 1);
    if (which & 8)
        tree_put(&t, t.port.pci.config[PCI_SECONDARY_BUS], 0, reg, take(s, 4), 4);
    else
        tree_put(&t, 0, devices[which & 3], reg, take(s, 4), which & 0x20 ? size : 4);
}

static void step_interrupt(struct steps *s)
{
    unsigned how = take(s, 1);
    struct pci_function *f = functions(how & 1);
    pthread_mutex_lock(&f->dev.lock);
    if (how & 2)
        pci_set_intx(f, how & 4);
    else
        pci_msix_send(f, how >> 2 & 3);
    pthread_mutex_unlock(&f->dev.lock);
}

static void step_reset(struct steps *s)
{
    unsigned which = take(s, 1);
    if (which & 0x80)
        pci_bus_reset(which & 1 ? &t.bus : &t.port.bus);
    else
        device_reset(&functions(which)->dev);
}

static const struct pci_setup ranges = {
    .io = {0xc000, 0x4000},
    .memory32 = {0xe0000000, 0x10000000},
    .memory64 = {UINT64_C(1) << 33, UINT64_C(1) << 35},
};

static void one_step(struct steps *s)
{
    unsigned opcode = take(s, 1);
    switch (opcode % KINDS) {
    case PORTS: step_ports(s); break;
    case ECAM_ACCESS: step_ecam(s); break;
    case BAR_ACCESS: step_bar(s); break;
    case INTERRUPT: step_interrupt(s); break;
    case FORGE: step_forge(s, &functions(take(s, 1))->dev); break;
    case RESET: step_reset(s); break;
    case SETUP: pci_setup(&t.bus, &ranges, NULL); break;
    case SETTLE: pci_root_settle(&t.root); break;
    case QUIESCENT: mem_quiescent(); break;
    case STARTED: device_started(&t.host.dev); break;
    case CONFIG:
    default: step_config(s); break;  // most of what happens
    }
}

struct regions {
    struct mem *mem;
    uint64_t end;
    unsigned count, bars;
};

static void add_region(const struct mem_range *range, void *opaque)
{
    struct regions *r = opaque;
    check(range->base.u >= r->end);
    r->end = range->base.u + range->size_bytes;
    r->count++;
    r->bars += !strcmp(range->name, "card");
}

static struct regions regions(struct mem *mem)
{
    struct regions r = {.mem = mem};
    mem_each(mem, add_region, &r);
    return r;
}

static uint64_t address(const struct pci_function *f, unsigned bar)
{
    unsigned reg = PCI_BAR0 + 4 * bar;
    uint64_t high = f->bar[bar].kind == PCI_BAR_PREFETCH64 ? pci_get(f, reg + 4, 4) : 0;
    return high << 32 | (pci_get(f, reg, 4) & ~(f->bar[bar].kind == PCI_BAR_IO ? 3u : 15u));
}

static unsigned check_bars(const struct card *card)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &card->pci.bar[i];
        seen += bar->seen;
        if (!bar->seen || t.root.stale)
            continue;
        check(bar->seen_at == address(&card->pci, i));
        check(card->pci.config[PCI_COMMAND] & (bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY));
    }
    return seen;
}

static void check_wires(void)
{
    unsigned drivers = 0;
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        drivers += t.root.intx_drivers[i];
        check(t.ioapic[i].level == !!t.root.intx_drivers[i]);
    }
    check(drivers == (unsigned)t.card[0].pci.intx_driven + t.card[1].pci.intx_driven + t.port.pci.intx_driven);
}

static void check_all(void)
{
    unsigned seen = check_bars(&t.card[0]) + check_bars(&t.card[1]);
    check(regions(t.memory).bars + regions(t.ports).bars == seen);
    check_wires();
    for (unsigned i = 0; i < 5; i++)
        check_loadable(&functions(i)->dev);
}

static uint64_t no_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    (void)opaque, (void)offset, (void)size_bytes;
    return 0;
}

// What the input before this one left to be freed must not make mem refuse a tree.
static void wait_for_the_last(void)
{
    static const struct mem_ops ops = {.read = no_read};
    struct mem *mem = mem_create(65536);
    while (mem_add_io(mem, GPA(0), 1, &ops, NULL, "probe", NULL) == -EAGAIN)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    mem_destroy(mem);
}

// As a vCPU, whose changes wait for nobody, or as a thread that is no reader.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {data, size_bytes, NULL, 0};
    bool online = take(&s, 1) & 1;
    wait_for_the_last();
    tree_init(&t);
    if (online)
        mem_thread_online();
    for (unsigned i = 0; goes_on(&s, i); i++) {
        one_step(&s);
        check_all();
    }
    tree_unplug(&t);
    check(regions(t.memory).count == 1 && regions(t.ports).count == 0);
    mem_destroy(t.memory);
    mem_destroy(t.ports);
    ram_close(&t.ram);
    if (online)
        mem_thread_offline();
    return 0;
}
