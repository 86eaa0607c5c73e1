// SPDX-License-Identifier: GPL-2.0-or-later
//
// The ways into configuration space, the root port, and the interrupt router.
#include "tests/unit/device_bench.h"

#include "tests/unit/pci_tree.h"

static struct tree t;
enum { CARD = PCI_DEVFN(2, 0), PORT = PCI_DEVFN(4, 0), LPC = ICH9_LPC_DEVFN, COMMAND = PCI_COMMAND };
#define ECAM UINT64_C(0xb0000000)
#define CARD_ECAM (ECAM + (CARD << 12))

static uint32_t in(unsigned port, unsigned size) { return mem_read(t.ports, GPA(port), size); }
static void out(unsigned port, uint32_t value, unsigned size) { mem_write(t.ports, GPA(port), value, size); }

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

static void the_address_port_takes_double_words(void **state)
{
    (void)state;
    out(0xcf8, 0xffffffff, 4);
    assert_int_equal(in(0xcf8, 4), 0x80fffffc);
    out(0xcf8, 0, 1);
    out(0xcf8, 0, 2);
    out(0xcfa, 0, 2);
    out(0xcf9, 6, 1);  // nobody has it here
    assert_int_equal(in(0xcf8, 4), 0x80fffffc);
    assert_int_equal(in(0xcf8, 1), 0xff);
    assert_int_equal(in(0xcf9, 1), 0xff);
}

static void one_byte_in_the_middle_is_anothers(void **state)
{
    (void)state;
    t.host.cf9 = &t.card[0].pci.dev;
    t.host.cf9_offset = 5;
    out(0xcf9, 0x55, 1);
    assert_int_equal(t.card[0].reg[5], 0x55);
    assert_int_equal(in(0xcf9, 1), 0x55);
    out(0xcf8, 0x80001000, 4);
    assert_int_equal(t.card[0].accesses, 2);
    assert_int_equal(in(0xcfc, 4), 0x10501af4);
}

static void the_data_port_reaches_parts(void **state)
{
    (void)state;
    out(0xcf8, 0x80000000 | CARD << 8, 4);
    assert_int_equal(in(0xcfc, 4), 0x10501af4);
    assert_int_equal(in(0xcfe, 2), 0x1050);
    assert_int_equal(in(0xcff, 1), 0x10);
    assert_int_equal(in(0xcfd, 2), 0x501a);
    assert_int_equal(in(0xcff, 2), 0xff10);  // half is beyond
    out(0xcf8, 0x80000000 | CARD << 8 | 0x3c, 4);
    out(0xcfc, 0x77, 1);
    assert_int_equal(in(0xcfc, 4), 0x177);
    out(0xcf8, CARD << 8, 4);  // not enabled
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    out(0xcfc, 0x66, 1);
    assert_int_equal(tree_get(&t, 0, CARD, 0x3c, 1), 0x77);
}

static void nobody_reads_all_ones(void **state)
{
    (void)state;
    assert_int_equal(tree_get(&t, 0, PCI_DEVFN(9, 0), 0, 4), 0xffffffff);
    assert_int_equal(tree_get(&t, 0, CARD + 1, 0, 4), 0xffffffff);
    assert_int_equal(tree_get(&t, 1, 0, 0, 4), 0xffffffff);
    assert_int_equal(tree_get(&t, 0, 0, 0, 4), 0x29c08086);
    tree_put(&t, 7, 0, 0x3c, 1, 1);
}

static void ecam_is_a_page_a_function(void **state)
{
    (void)state;
    assert_int_equal(mem_read(t.memory, GPA(CARD_ECAM), 4), 0xffffffff);
    assert_int_equal(pci_host_set_ecam(&t.host, ECAM, NULL), 0);
    assert_int_equal(mem_read(t.memory, GPA(CARD_ECAM), 4), 0x10501af4);
    assert_int_equal(mem_read(t.memory, GPA(CARD_ECAM), 8), 0x0010000010501af4);
    assert_int_equal(mem_read(t.memory, GPA(CARD_ECAM + 1), 2), 0x501a);
    mem_write(t.memory, GPA(CARD_ECAM + 0x3c), 0x44, 1);
    assert_int_equal(mem_read(t.memory, GPA(CARD_ECAM + 0x3c), 2), 0x144);
    assert_int_equal(mem_read(t.memory, GPA(CARD_ECAM + 0x100), 4), 0);
    assert_int_equal(mem_read(t.memory, GPA(ECAM + 0x100), 4), 0xffffffff);
    assert_int_equal(mem_read(t.memory, GPA(CARD_ECAM - 2), 4), 0x1af4ffff);
    mem_write(t.memory, GPA(CARD_ECAM + 0x100), 1, 4);
    assert_int_equal(mem_read(t.memory, GPA(ECAM + (1 << 20)), 4), 0xffffffff);
}

// Through itself, too.
static void ecam_moves_and_shrinks(void **state)
{
    (void)state;
    assert_int_equal(pci_host_set_ecam(&t.host, ECAM, NULL), 0);
    mem_write(t.memory, GPA(ECAM + 0x60), 0xc4000005, 4);  // 64 MiB
    assert_int_equal(mem_read(t.memory, GPA(ECAM), 4), 0xffffffff);
    assert_int_equal(mem_read(t.memory, GPA(0xc4000000), 4), 0x29c08086);
    assert_int_equal(mem_read(t.memory, GPA(0xc8000000), 4), 0xffffffff);
    assert_int_equal(mem_read(t.memory, GPA(0xc4000060), 4), 0xc4000005);
    tree_put(&t, 0, 0, 0x64, 0xffffffff, 4);
    assert_int_equal(mem_read(t.memory, GPA(UINT64_C(0xfc4000064)), 4), 0xf);
    tree_put(&t, 0, 0, 0x60, 0xc4000007, 4);  // a reserved size
    assert_false(t.host.ecam_seen);
}

static void ecam_does_not_hide_ram(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(pci_host_set_ecam(&t.host, 0, &err), -EBUSY);
    assert_string_equal(err.text, "PCI: the configuration window at 0 overlaps something");
    assert_int_equal(pci_host_set_ecam(&t.host, ECAM, NULL), 0);
    tree_put(&t, 0, CARD, 0x10, ECAM, 4);
    tree_put(&t, 0, CARD, COMMAND, 2, 2);
    assert_int_equal(mem_read(t.memory, GPA(ECAM), 4), 0x29c08086);
}

static void ecam_waits_where_a_guest_would_not(void **state)
{
    (void)state;
    tree_put(&t, 0, CARD, COMMAND, PCI_COMMAND_MEMORY, 2);
    for (unsigned i = 0; i < 2 * MEM_OLD_ARRAYS; i++)
        tree_put(&t, 0, CARD, 0x10, 0xe0000000 + (i & 1) * 0x10000, 4);
    assert_int_equal(pci_host_set_ecam(&t.host, ECAM, NULL), 0);
    assert_int_equal(mem_read(t.memory, GPA(CARD_ECAM), 4), 0x10501af4);
}

static void a_reset_takes_ecam_away(void **state)
{
    (void)state;
    assert_int_equal(pci_host_set_ecam(&t.host, ECAM, NULL), 0);
    device_reset(&t.host.dev);
    device_reset(&t.host.bridge.pci.dev);
    device_started(&t.host.dev);
    device_started(&t.host.bridge.pci.dev);
    assert_false(t.host.ecam_seen);
    assert_int_equal(tree_get(&t, 0, 0, 0x60, 4), 0);
}

// Bus 5 behind the port; all of 0xe0000000 and ports 0xd000 lead there.
static void open_port(void)
{
    tree_put(&t, 0, PORT, PCI_PRIMARY_BUS, 0x090500, 4);
    tree_put(&t, 0, PORT, PCI_MEMORY_BASE, 0xe000e000, 4);
    tree_put(&t, 0, PORT, PCI_PREFETCH_BASE, 0x00f1fff1, 4);
    tree_put(&t, 0, PORT, PCI_PREFETCH_BASE, 0x10001000, 4);
    tree_put(&t, 0, PORT, PCI_PREFETCH_BASE_HIGH, 2, 4);
    tree_put(&t, 0, PORT, PCI_PREFETCH_LIMIT_HIGH, 2, 4);
    tree_put(&t, 0, PORT, PCI_IO_BASE, 0xd0d0, 2);
    tree_put(&t, 0, PORT, COMMAND, 7, 2);
    tree_put(&t, 5, 0, COMMAND, 7, 2);
}

static void numbers_lead_behind_the_port(void **state)
{
    (void)state;
    assert_int_equal(tree_get(&t, 0, PORT, 0, 4), 0x000c1b36);
    assert_int_equal(tree_get(&t, 0, PORT, 0x0e, 1), 1);
    open_port();
    assert_int_equal(tree_get(&t, 5, 0, 0, 4), 0x10501af4);
    assert_int_equal(tree_get(&t, 6, 0, 0, 4), 0xffffffff);
    assert_int_equal(tree_get(&t, 10, 0, 0, 4), 0xffffffff);
    tree_put(&t, 0, PORT, PCI_SECONDARY_BUS, 9, 1);
    assert_int_equal(tree_get(&t, 9, 0, 0, 4), 0x10501af4);
    tree_put(&t, 0, PORT, PCI_SECONDARY_BUS, 10, 1);  // nothing is left
    assert_int_equal(tree_get(&t, 10, 0, 0, 4), 0xffffffff);
}

static bool sees(struct mem *mem, uint64_t at)
{
    unsigned before = t.card[1].accesses;
    mem_read(mem, GPA(at), 1);
    return t.card[1].accesses == before + 1;
}

static void windows_let_bars_through(void **state)
{
    (void)state;
    open_port();
    tree_put(&t, 5, 0, 0x10, 0xe00fe000, 4);
    assert_true(sees(t.memory, 0xe00fe000));
    tree_put(&t, 5, 0, 0x10, 0xe0100000, 4);
    assert_false(sees(t.memory, 0xe0100000));
    tree_put(&t, 0, PORT, PCI_MEMORY_LIMIT, 0xe010, 2);
    assert_true(sees(t.memory, 0xe0100000));
    tree_put(&t, 5, 0, 0x18, 0xdfe0, 4);
    assert_true(sees(t.ports, 0xdfe0));
    tree_put(&t, 5, 0, 0x20, 0x10000000, 4);
    assert_false(sees(t.memory, 0x10000000));
    tree_put(&t, 5, 0, 0x24, 2, 4);
    assert_true(sees(t.memory, 0x210000000));
    tree_put(&t, 0, PORT, COMMAND, PCI_COMMAND_IO, 2);
    assert_false(sees(t.memory, 0xe0100000));
    assert_true(sees(t.ports, 0xdfe0));
}

static unsigned masters_told;

static void note_master(struct pci_function *f, unsigned reg, unsigned size_bytes)
{
    masters_told += reg == PCI_COMMAND && size_bytes == 2 && pci_is_bus_master(f);
}

// A device that cuts off its DMA hears of its bridge's command register as of its own.
static void who_is_behind_hears_of_it(void **state)
{
    (void)state;
    static const struct pci_config_ops ops = {.written = note_master};
    open_port();
    t.card[1].pci.config_ops = &ops;
    masters_told = 0;
    tree_put(&t, 0, PORT, COMMAND, 3, 2);
    assert_int_equal(masters_told, 0);
    tree_put(&t, 0, PORT, COMMAND, 7, 2);
    assert_int_equal(masters_told, 1);
    tree_put(&t, 0, PORT, COMMAND, 7, 2);
    assert_int_equal(masters_told, 1);
}

static void the_port_forwards_messages(void **state)
{
    (void)state;
    struct pci_function *f = &t.card[1].pci;
    open_port();
    assert_true(pci_is_bus_master(f));
    tree_put(&t, 0, PORT, COMMAND, 3, 2);
    assert_false(pci_is_bus_master(f));
    tree_put(&t, 0, PORT, COMMAND, 7, 2);
    tree_put(&t, 5, 0, COMMAND, 3, 2);
    assert_false(pci_is_bus_master(f));
}

static void messages_that_a_port_held_up_come_later(void **state)
{
    (void)state;
    struct pci_function *f = &t.card[1].pci;
    open_port();
    pthread_mutex_lock(&f->dev.lock);
    pci_msix_write(f, 12, 0, 4);
    pthread_mutex_unlock(&f->dev.lock);
    tree_put(&t, 5, 0, f->msix_at + PCI_MSIX_CONTROL, PCI_MSIX_ENABLE, 2);
    tree_put(&t, 0, PORT, COMMAND, 3, 2);
    unsigned before = t.msi.count;
    pthread_mutex_lock(&f->dev.lock);
    pci_msix_send(f, 0);
    pthread_mutex_unlock(&f->dev.lock);
    assert_int_equal(t.msi.count, before);
    tree_put(&t, 0, PORT, COMMAND, 7, 2);
    assert_int_equal(t.msi.count, before + 1);
}

static void the_port_says_what_is_behind(void **state)
{
    (void)state;
    assert_int_equal(tree_get(&t, 0, PORT, 0x34, 1), 0x48);
    assert_int_equal(tree_get(&t, 0, PORT, 0x48, 4), 0x01424010);
    assert_int_equal(tree_get(&t, 0, PORT, 0x48 + 0x14, 4), 3 << 19 | 1 << 18);
    assert_int_equal(tree_get(&t, 0, PORT, 0x48 + 0x1a, 2), 0x40);
    assert_int_equal(tree_get(&t, 0, PORT, 0x48 + 0x12, 2), 0x2104);
    assert_int_equal(tree_get(&t, 0, PORT, 0x40, 4), 0x0000000d);
    assert_int_equal(tree_get(&t, 0, PORT, 0x44, 4), 0x00001b36);
}

static void a_bus_is_reset_by_its_port(void **state)
{
    (void)state;
    open_port();
    tree_put(&t, 0, PORT, PCI_BRIDGE_CONTROL, 0xffff, 2);
    assert_int_equal(tree_get(&t, 0, PORT, PCI_BRIDGE_CONTROL, 2), 0x43);
    assert_ptr_equal(t.reset_asked, &t.port.bus);
    t.reset_asked = NULL;
    tree_put(&t, 0, PORT, PCI_BRIDGE_CONTROL, 0x43, 2);
    assert_null(t.reset_asked);
    pci_bus_reset(&t.port.bus);
    assert_int_equal(t.card[1].resets, 1);
    assert_int_equal(tree_get(&t, 5, 0, COMMAND, 2), 0);
    pci_bus_reset(&t.bus);
    assert_int_equal(t.card[0].resets, 1);
    assert_int_equal(t.card[1].resets, 2);
}

// Two ports deep, and numbers that lead in circles.
static void ports_behind_ports(void **state)
{
    (void)state;
    static struct pci_bridge second;
    static struct card deep;
    pci_bridge_init(&second, &t.root, 9, 2);
    card_init(&deep);
    assert_int_equal(pci_bus_plug(&t.port.bus, &second.pci, PCI_DEVFN(1, 0), NULL), 0);
    assert_int_equal(pci_bus_plug(&second.bus, &deep.pci, PCI_DEVFN(2, 0), NULL), 0);
    open_port();
    tree_put(&t, 5, PCI_DEVFN(1, 0), PCI_PRIMARY_BUS, 0x070705, 4);
    assert_int_equal(tree_get(&t, 7, PCI_DEVFN(2, 0), 0, 4), 0x10501af4);
    assert_false(pci_is_bus_master(&deep.pci));
    tree_put(&t, 5, PCI_DEVFN(1, 0), PCI_PRIMARY_BUS, 0xff0005, 4);
    for (unsigned bus = 1; bus < 256; bus++)
        assert_int_equal(tree_get(&t, bus, PCI_DEVFN(2, 0), 0, 4), 0xffffffff);
    pthread_mutex_lock(&deep.pci.dev.lock);
    pci_set_intx(&deep.pci, true);  // INTA of 2 is INTC of 1, is INTD of 4
    pthread_mutex_unlock(&deep.pci.dev.lock);
    assert_true(t.ioapic[4 + (4 + 3) % 4].level);
    pci_function_finish(&deep.pci);
    assert_false(t.ioapic[7].level);
    pci_bridge_finish(&second);
}

static void drive(unsigned pirq, bool level) { irq_set(ich9_lpc_pirq(&t.lpc, pirq), level); }

static void pirqs_are_led_to_isa(void **state)
{
    (void)state;
    assert_int_equal(tree_get(&t, 0, LPC, 0, 4), 0x29188086);
    assert_int_equal(tree_get(&t, 0, LPC, 0x0e, 1), 0x80);
    assert_int_equal(tree_get(&t, 0, LPC, 0x60, 4), 0x80808080);
    drive(0, true);
    assert_true(t.ioapic[0].level);
    tree_put(&t, 0, LPC, 0x60, 0x7a, 1);
    assert_int_equal(tree_get(&t, 0, LPC, 0x60, 1), 0x0a);
    assert_true(t.isa[10].level);
    tree_put(&t, 0, LPC, 0x6b, 10, 1);
    drive(7, true);
    drive(0, false);
    assert_true(t.isa[10].level);
    tree_put(&t, 0, LPC, 0x6b, 11, 1);
    assert_false(t.isa[10].level);
    assert_true(t.isa[11].level);
    tree_put(&t, 0, LPC, 0x6b, 0x8b, 1);
    assert_false(t.isa[11].level);
}

static void reserved_isa_interrupts_are_left_alone(void **state)
{
    (void)state;
    for (unsigned irq = 0; irq < 16; irq++)
        t.isa[irq].level = true;
    for (unsigned irq = 0; irq < 16; irq++)
        tree_put(&t, 0, LPC, 0x60, irq, 1);
    for (unsigned irq = 0; irq < 16; irq++)
        assert_int_equal(t.isa[irq].level, irq <= 2 || irq == 8 || irq == 13);
    t.isa[4].level = true;  // a serial port's
    device_reset(&t.lpc.pci.dev);
    device_started(&t.lpc.pci.dev);
    assert_true(t.isa[4].level);
}

static void loading_drives_routed_wires(void **state)
{
    (void)state;
    drive(3, true);
    t.lpc.pci.config[0x63] = 5;
    t.ioapic[3].level = false;
    assert_int_equal(device_loaded(&t.lpc.pci.dev, NULL), 0);
    device_started(&t.lpc.pci.dev);
    assert_true(t.ioapic[3].level);
    assert_true(t.isa[5].level);
}

static void the_lpc_bridge_shows_where_power_management_is(void **state)
{
    (void)state;
    tree_put(&t, 0, LPC, 0x40, 0xffff, 4);
    assert_int_equal(tree_get(&t, 0, LPC, 0x40, 4), 0x601);
    assert_int_equal(tree_get(&t, 0, LPC, 0x44, 1), 0x80);
    tree_put(&t, 0, LPC, 0xf0, 0xfed1c001, 4);
    assert_int_equal(tree_get(&t, 0, LPC, 0xf0, 4), 0xfed1c001);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_address_port_takes_double_words), TEST(one_byte_in_the_middle_is_anothers),
        TEST(the_data_port_reaches_parts), TEST(nobody_reads_all_ones), TEST(ecam_is_a_page_a_function),
        TEST(ecam_moves_and_shrinks), TEST(ecam_does_not_hide_ram), TEST(ecam_waits_where_a_guest_would_not),
        TEST(a_reset_takes_ecam_away),
        TEST(numbers_lead_behind_the_port), TEST(windows_let_bars_through), TEST(the_port_forwards_messages),
        TEST(messages_that_a_port_held_up_come_later),
        TEST(who_is_behind_hears_of_it),
        TEST(the_port_says_what_is_behind), TEST(a_bus_is_reset_by_its_port), TEST(ports_behind_ports),
        TEST(pirqs_are_led_to_isa), TEST(reserved_isa_interrupts_are_left_alone),
        TEST(loading_drives_routed_wires), TEST(the_lpc_bridge_shows_where_power_management_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
