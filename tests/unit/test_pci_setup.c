// SPDX-License-Identifier: GPL-2.0-or-later
//
// What firmware's part leaves behind: everything is seen, nothing overlaps, windows hold what they must.
#include "tests/unit/device_bench.h"

#include "guest/pci/setup.h"
#include "tests/unit/pci_tree.h"

static struct tree t;
static const struct pci_setup ranges = {
    .io = {0xc000, 0x4000},
    .memory32 = {0xc0000000, 0x20000000},
    .memory64 = {UINT64_C(1) << 33, UINT64_C(1) << 35},
};
enum { CARD = PCI_DEVFN(2, 0), PORT = PCI_DEVFN(4, 0) };

static int setup(void **state)
{
    (void)state;
    mem_thread_online();
    tree_init(&t);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_finish(&t);
    mem_thread_offline();
    return 0;
}

static void all_seen(const struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_BARS; i++)
        assert_int_equal(f->bar[i].seen, f->bar[i].kind != PCI_BAR_NONE);
}

static void everything_is_seen(void **state)
{
    (void)state;
    assert_int_equal(pci_setup(&t.bus, &ranges, NULL), 0);
    all_seen(&t.card[0].pci);
    all_seen(&t.card[1].pci);
    assert_int_equal(tree_get(&t, 0, PORT, PCI_PRIMARY_BUS, 4), 0x00010100);
    assert_int_equal(tree_get(&t, 1, 0, 0, 4), 0x10501af4);
    assert_int_equal(tree_get(&t, 0, CARD, PCI_COMMAND, 2), 3);
    assert_int_equal(tree_get(&t, 0, PORT, PCI_COMMAND, 2), 7);
}

// One window of 1 MiB comes first, as the largest; its BARs inside it are in order of size too.
static void places_are_packed(void **state)
{
    (void)state;
    assert_int_equal(pci_setup(&t.bus, &ranges, NULL), 0);
    assert_int_equal(tree_get(&t, 0, PORT, PCI_MEMORY_BASE, 4), 0xc000c000);
    assert_int_equal(tree_get(&t, 0, PORT, PCI_PREFETCH_BASE, 4), 0x0001fff1);  // closed
    assert_int_equal(tree_get(&t, 0, PORT, PCI_IO_BASE, 2), 0xc0c0);
    assert_int_equal(tree_get(&t, 1, 0, 0x20, 4), 0xc000000c);
    assert_int_equal(tree_get(&t, 1, 0, 0x10, 4), 0xc0004000);
    assert_int_equal(tree_get(&t, 1, 0, 0x14, 4), 0xc0006000);
    assert_int_equal(tree_get(&t, 1, 0, 0x18, 4), 0xc001);
    assert_int_equal(tree_get(&t, 0, CARD, 0x20, 4), 0xc010000c);
    assert_int_equal(tree_get(&t, 0, CARD, 0x18, 4), 0xd001);
}

static void interrupts_are_seabioss(void **state)
{
    (void)state;
    t.isa[4].level = true;
    assert_int_equal(pci_setup(&t.bus, &ranges, NULL), 0);
    assert_int_equal(tree_get(&t, 0, CARD, 0x3c, 2), 0x10b);   // PIRQG
    assert_int_equal(tree_get(&t, 0, PORT, 0x3c, 2), 0x10a);   // PIRQE
    assert_int_equal(tree_get(&t, 1, 0, 0x3c, 2), 0x10a);      // the same
    assert_int_equal(tree_get(&t, 0, ICH9_LPC_DEVFN, 0x60, 4), 0x0b0b0a0a);
    assert_int_equal(tree_get(&t, 0, ICH9_LPC_DEVFN, 0x68, 4), 0x0b0b0a0a);
    assert_true(t.isa[4].level);
}

static void what_is_too_large_goes_above_4_gib(void **state)
{
    (void)state;
    static struct card large;
    memset(&large, 0, sizeof large);
    const struct pci_id id = {.vendor = 0x1af4, .device = 0x1110};
    pci_function_init(&large.pci, &card_ops, &id);
    pci_add_bar(&large.pci, 2, PCI_BAR_PREFETCH64, UINT64_C(1) << 34);
    assert_int_equal(pci_bus_plug(&t.port.bus, &large.pci, -1, NULL), 0);
    assert_int_equal(pci_setup(&t.bus, &ranges, NULL), 0);
    all_seen(&large.pci);
    all_seen(&t.card[0].pci);
    all_seen(&t.card[1].pci);
    assert_int_equal(large.pci.bar[2].seen_at, UINT64_C(1) << 34);
    assert_int_equal(tree_get(&t, 0, PORT, PCI_PREFETCH_BASE_HIGH, 4), 4);
    assert_int_equal(tree_get(&t, 0, PORT, PCI_PREFETCH_LIMIT_HIGH, 4), 8);
    assert_int_equal(tree_get(&t, 0, PORT, PCI_MEMORY_BASE, 4), 0xc000c000);
    pci_function_finish(&large.pci);
}

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    struct err err;
    struct pci_setup small = ranges;
    small.memory32.size_bytes = 0x100000;
    small.memory64.size_bytes = 0;
    assert_int_equal(pci_setup(&t.bus, &small, &err), -ENOSPC);
    assert_string_equal(err.text, "PCI: 00:02.0: no room for a BAR");
    all_seen(&t.card[1].pci);
    assert_true(t.card[0].pci.bar[CARD_IO_BAR].seen);
    assert_false(t.card[0].pci.bar[CARD_MEMORY_BAR].seen);
}

// Deeper and wider than there are numbers.
static void buses_run_out(void **state)
{
    (void)state;
    enum { PORTS = 260 };
    struct pci_bridge *ports = calloc(PORTS, sizeof *ports);
    struct err err;
    for (unsigned i = 0; i < PORTS; i++) {
        pci_bridge_init(&ports[i], &t.root, i, i);
        struct pci_bus *on = i < 20 ? &t.bus : &ports[i / 20 - 1].bus;
        assert_int_equal(pci_bus_plug(on, &ports[i].pci, -1, NULL), 0);
    }
    assert_int_equal(pci_setup(&t.bus, &ranges, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "no room for its bus"));
    all_seen(&t.card[0].pci);
    for (unsigned i = PORTS; i-- > 0;)
        pci_bridge_finish(&ports[i]);
    free(ports);
}

static void depth_has_a_bound(void **state)
{
    (void)state;
    enum { DEEP = 40 };
    struct pci_bridge *ports = calloc(DEEP, sizeof *ports);
    for (unsigned i = 0; i < DEEP; i++) {
        pci_bridge_init(&ports[i], &t.root, i, i);
        assert_int_equal(pci_bus_plug(i ? &ports[i - 1].bus : &t.bus, &ports[i].pci, -1, NULL), 0);
    }
    assert_int_equal(pci_setup(&t.bus, &ranges, NULL), -ENOSPC);
    for (unsigned i = DEEP; i-- > 0;)
        pci_bridge_finish(&ports[i]);
    free(ports);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_is_seen), TEST(places_are_packed), TEST(interrupts_are_seabioss),
        TEST(what_is_too_large_goes_above_4_gib), TEST(what_does_not_fit_is_named), TEST(buses_run_out),
        TEST(depth_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
