// SPDX-License-Identifier: GPL-2.0-or-later
//
// A function: its configuration space, BARs, interrupt pin and MSI-X.
#include "tests/unit/device_bench.h"

#include "tests/unit/pci_tree.h"

static struct tree t;
static struct pci_function *const f = &t.card[0].pci;
enum { AT = PCI_DEVFN(2, 0), COMMAND = PCI_COMMAND };
enum { BAR0 = 0x10, BAR1 = 0x14, BAR2 = 0x18, BAR4 = 0x20, BAR5 = 0x24 };

static uint32_t get(unsigned reg, unsigned size) { return tree_get(&t, 0, AT, reg, size); }
static void put(unsigned reg, uint32_t value, unsigned size) { tree_put(&t, 0, AT, reg, value, size); }
static uint64_t look(uint64_t at) { return mem_read(t.memory, GPA(at), 4); }

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

// Its first register answers with a mark, so that "seen" is what a guest sees.
static bool sees(struct card *card, struct mem *mem, uint64_t at)
{
    unsigned before = card->accesses;
    mem_read(mem, GPA(at), 1);
    return card->accesses == before + 1;
}

static void the_header_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(get(0x00, 4), 0x10501af4);
    assert_int_equal(get(0x08, 4), 0x02000001);
    assert_int_equal(get(0x0e, 1), 0);
    assert_int_equal(get(0x2c, 4), 0x11001af4);
    assert_int_equal(get(0x30, 4), 0);
    assert_int_equal(get(0x3d, 1), 1);
    assert_int_equal(get(0x06, 2), 0x0010);
}

static void only_what_is_writable_changes(void **state)
{
    (void)state;
    put(0x00, 0xffffffff, 4);
    assert_int_equal(get(0x00, 4), 0x10501af4);
    put(COMMAND, 0xffff, 2);
    assert_int_equal(get(COMMAND, 2), 0x0547);
    put(0x0c, 0xffffffff, 4);
    assert_int_equal(get(0x0c, 4), 0xff);
    put(0x30, 0xffffffff, 4);
    assert_int_equal(get(0x30, 4), 0);
    put(0x3c, 0x1234, 2);
    assert_int_equal(get(0x3c, 2), 0x0134);
}

static void errors_are_cleared_by_ones(void **state)
{
    (void)state;
    pthread_mutex_lock(&f->dev.lock);
    f->config[0x07] = 0xf9;
    pthread_mutex_unlock(&f->dev.lock);
    put(0x06, 0x8000, 2);
    assert_int_equal(get(0x06, 2), 0x7910);
    put(0x06, 0xffff, 2);
    assert_int_equal(get(0x06, 2), 0x0010);
}

static void bars_tell_their_size(void **state)
{
    (void)state;
    for (unsigned reg = BAR0; reg <= BAR5; reg += 4)
        put(reg, 0xffffffff, 4);
    assert_int_equal(get(BAR0, 4), 0xffffe000);
    assert_int_equal(get(BAR1, 4), 0xfffff000);
    assert_int_equal(get(BAR2, 4), 0xffffffe1);
    assert_int_equal(get(0x1c, 4), 0);
    assert_int_equal(get(BAR4, 4), 0xffffc00c);
    assert_int_equal(get(BAR5, 4), 0xffffffff);
}

static void a_bar_is_seen_while_its_function_decodes(void **state)
{
    (void)state;
    put(BAR0, 0xe0000000, 4);
    assert_false(sees(&t.card[0], t.memory, 0xe0000000));
    put(COMMAND, PCI_COMMAND_MEMORY, 2);
    assert_true(sees(&t.card[0], t.memory, 0xe0000000));
    assert_true(sees(&t.card[0], t.memory, 0xe0001fff));
    assert_false(sees(&t.card[0], t.memory, 0xe0002000));
    put(BAR0, 0xe1000000, 4);
    assert_false(sees(&t.card[0], t.memory, 0xe0000000));
    assert_true(sees(&t.card[0], t.memory, 0xe1000000));
    put(COMMAND, 0, 2);
    assert_false(sees(&t.card[0], t.memory, 0xe1000000));
}

static void offsets_tell_the_bar(void **state)
{
    (void)state;
    put(BAR4, 0x40000000, 4);
    put(BAR5, 0x12, 4);
    put(BAR2, 0xc000, 4);
    put(COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 2);
    mem_write(t.memory, GPA(0x1240000010), 7, 4);
    assert_int_equal(t.card[0].last_offset, PCI_BAR_OFFSET(4) + 0x10);
    mem_write(t.ports, GPA(0xc01f), 7, 1);
    assert_int_equal(t.card[0].last_offset, PCI_BAR_OFFSET(2) + 0x1f);
    assert_int_equal(mem_read(t.memory, GPA(0x1240000010), 4), 7);
}

static void impossible_addresses_are_not_seen(void **state)
{
    (void)state;
    put(COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 2);
    put(BAR2, 0x1c000, 4);  // ports have 16 bits
    put(BAR0, 0xffffffff, 4);
    assert_false(f->bar[CARD_IO_BAR].seen || f->bar[CARD_MEMORY_BAR].seen);
    put(BAR0, 0, 4);
    put(BAR5, 0xffffffff, 4);
    assert_false(f->bar[CARD_MEMORY_BAR].seen || f->bar[CARD_HIGH_BAR].seen);
    put(BAR0, 0x2000, 4);  // RAM is there
    assert_false(f->bar[CARD_MEMORY_BAR].seen);
    assert_false(sees(&t.card[0], t.memory, 0x2000));
}

static void who_comes_second_waits_for_room(void **state)
{
    (void)state;
    put(COMMAND, PCI_COMMAND_MEMORY, 2);
    put(BAR4, 0xe0000000, 4);
    put(BAR0, 0xe0002000, 4);
    assert_true(f->bar[CARD_HIGH_BAR].seen);
    assert_false(f->bar[CARD_MEMORY_BAR].seen);
    put(BAR4, 0xe0010000, 4);
    assert_true(f->bar[CARD_HIGH_BAR].seen && f->bar[CARD_MEMORY_BAR].seen);
    put(BAR4, 0xe0000000, 4);  // and now it is the other's turn to wait
    assert_false(f->bar[CARD_HIGH_BAR].seen);
    assert_true(sees(&t.card[0], t.memory, 0xe0002000));
}

static void reset_takes_all_back(void **state)
{
    (void)state;
    put(BAR0, 0xe0000000, 4);
    put(COMMAND, 0x7, 2);
    device_reset(&f->dev);
    assert_int_equal(get(COMMAND, 2), 0);
    assert_int_equal(get(BAR0, 4), 0);
    assert_int_equal(look(0xe0000000), 0xffffffff);
}

// While its bus is crowded with changes mem refuses some; they are made at a later write.
static void refused_changes_are_made_later(void **state)
{
    (void)state;
    put(COMMAND, PCI_COMMAND_MEMORY, 2);
    for (unsigned i = 0; i < 2 * MEM_OLD_ARRAYS; i++)
        put(BAR0, 0xe0000000 + i * 0x10000, 4);  // never back to where it is still seen
    assert_true(t.root.stale);
    pci_root_settle(&t.root);
    assert_false(t.root.stale);
    assert_true(sees(&t.card[0], t.memory, 0xe0000000 + (2 * MEM_OLD_ARRAYS - 1) * 0x10000));
    assert_false(sees(&t.card[0], t.memory, 0xe0000000));
}

static void capabilities_are_a_list(void **state)
{
    (void)state;
    assert_int_equal(get(0x34, 1), 0x40);
    assert_int_equal(get(0x40, 4), 0x00020011);
    assert_int_equal(get(0x44, 4), 0x00000001);
    assert_int_equal(get(0x48, 4), 0x00000801);
    put(0x40, 0xffffffff, 4);
    assert_int_equal(get(0x40, 4), 0xc0020011);
}

enum { TABLE = 0xe0100000u, VECTOR1 = TABLE + 16, PBA = TABLE + 0x800 };

static void start_msix(void)
{
    put(BAR1, TABLE, 4);
    put(COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    mem_write(t.memory, GPA(VECTOR1), 0xfee01000, 8);
    mem_write(t.memory, GPA(VECTOR1 + 8), 0x31, 4);
    put(0x42, PCI_MSIX_ENABLE, 2);
}

static void send(unsigned vector)
{
    pthread_mutex_lock(&f->dev.lock);
    pci_msix_send(f, vector);
    pthread_mutex_unlock(&f->dev.lock);
}

static void a_vector_is_sent_or_remembered(void **state)
{
    (void)state;
    start_msix();
    assert_int_equal(mem_read(t.memory, GPA(VECTOR1 + 12), 4), 1);
    send(1);
    assert_int_equal(t.msi.count, 0);
    assert_int_equal(mem_read(t.memory, GPA(PBA), 8), 2);
    mem_write(t.memory, GPA(VECTOR1 + 12), 0, 4);
    assert_int_equal(t.msi.count, 1);
    assert_int_equal(t.msi.address, 0xfee01000);
    assert_int_equal(t.msi.data, 0x31);
    assert_int_equal(mem_read(t.memory, GPA(PBA), 4), 0);
    send(1);
    assert_int_equal(t.msi.count, 2);
    send(CARD_VECTORS);
    send(0xffff);
    assert_int_equal(t.msi.count, 2);
}

static void the_function_masks_all(void **state)
{
    (void)state;
    start_msix();
    mem_write(t.memory, GPA(VECTOR1 + 8), 0x32, 8);  // data and control at once
    put(0x42, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL, 2);
    send(1);
    send(1);
    assert_int_equal(t.msi.count, 0);
    put(0x43, PCI_MSIX_ENABLE >> 8, 1);
    assert_int_equal(t.msi.count, 1);
    assert_int_equal(t.msi.data, 0x32);
    put(0x42, 0, 2);
    send(1);
    assert_int_equal(t.msi.count, 1);
    put(0x42, PCI_MSIX_ENABLE, 2);
    put(COMMAND, PCI_COMMAND_MEMORY, 2);
    send(1);
    assert_int_equal(t.msi.count, 1);
    put(COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    assert_int_equal(t.msi.count, 2);
}

static void the_table_takes_whole_words(void **state)
{
    (void)state;
    start_msix();
    assert_int_equal(mem_read(t.memory, GPA(VECTOR1), 4), 0xfee01000);
    assert_int_equal(mem_read(t.memory, GPA(VECTOR1), 2), 0);
    mem_write(t.memory, GPA(VECTOR1), 0, 2);
    mem_write(t.memory, GPA(VECTOR1 + 4), 9, 8);  // not aligned
    mem_write(t.memory, GPA(PBA), UINT64_MAX, 8);
    assert_int_equal(mem_read(t.memory, GPA(VECTOR1), 8), 0xfee01000);
    assert_int_equal(mem_read(t.memory, GPA(PBA), 8), 0);
    assert_int_equal(mem_read(t.memory, GPA(TABLE + 0xff8), 8), 0);
}

static void set_intx(struct card *card, bool level)
{
    pthread_mutex_lock(&card->pci.dev.lock);
    pci_set_intx(&card->pci, level);
    pthread_mutex_unlock(&card->pci.dev.lock);
}

static void the_pin_reaches_its_wire(void **state)
{
    (void)state;
    set_intx(&t.card[0], true);
    assert_true(t.ioapic[6].level);  // device 2, INTA: PIRQG
    assert_int_equal(get(0x06, 2), 0x0018);
    put(COMMAND, PCI_COMMAND_INTX_OFF, 2);
    assert_false(t.ioapic[6].level);
    assert_int_equal(get(0x06, 2), 0x0018);
    put(COMMAND, 0, 2);
    assert_true(t.ioapic[6].level);
    put(0x42, PCI_MSIX_ENABLE, 2);
    assert_false(t.ioapic[6].level);
    put(0x42, 0, 2);
    set_intx(&t.card[0], false);
    assert_false(t.ioapic[6].level);
    assert_int_equal(get(0x06, 2), 0x0010);
}

static void a_shared_wire_is_high_while_one_holds_it(void **state)
{
    (void)state;
    static struct card other;
    card_init(&other);
    assert_int_equal(pci_bus_plug(&t.bus, &other.pci, PCI_DEVFN(6, 0), NULL), 0);
    set_intx(&t.card[0], true);
    set_intx(&other, true);
    set_intx(&t.card[0], false);
    assert_true(t.ioapic[6].level);
    pci_function_finish(&other.pci);
    assert_false(t.ioapic[6].level);
}

static void pins_rotate_as_in_qemu(void **state)
{
    (void)state;
    assert_int_equal(pci_root_pirq(0, 0), 4);
    assert_int_equal(pci_root_pirq(1, 3), 4);
    assert_int_equal(pci_root_pirq(24, 1), 5);
    assert_int_equal(pci_root_pirq(25, 0), 0);
    assert_int_equal(pci_root_pirq(29, 3), 3);
    assert_int_equal(pci_root_pirq(30, 0), 4);
    assert_int_equal(pci_root_pirq(31, 3), 3);
}

static void loading_keeps_what_a_guest_can_set(void **state)
{
    (void)state;
    put(BAR0, 0xe0000000, 4);
    put(COMMAND, 7, 2);
    pthread_mutex_lock(&f->dev.lock);
    memset(f->config + 4, 0xff, sizeof f->config - 4);
    memset(f->msix_pending, 0xff, sizeof f->msix_pending);
    memset(f->msix_control, 0xff, sizeof f->msix_control);
    memset(f->msix_address, 0xff, sizeof f->msix_address);
    pthread_mutex_unlock(&f->dev.lock);
    assert_int_equal(device_loaded(&f->dev, NULL), 0);
    assert_true(f->bar[CARD_MEMORY_BAR].seen);
    device_started(&f->dev);
    assert_false(f->bar[CARD_MEMORY_BAR].seen);
    assert_int_equal(get(0x08, 4), 0x02000001);
    assert_int_equal(get(COMMAND, 4), 0xf9100547);
    assert_int_equal(get(0x34, 1), 0x40);
    assert_int_equal(get(0x40, 4), 0xc0020011);
    assert_int_equal(f->msix_pending[0], 7);
    assert_int_equal(f->msix_pending[3], 0);
    assert_int_equal(f->msix_control[0], 1);
    assert_int_equal(f->msix_address[0], UINT64_MAX - 3);
}

static void loading_shows_bars_and_drives_the_pin(void **state)
{
    (void)state;
    memcpy(f->config + BAR0, &(uint32_t){0xe0000000}, 4);
    f->config[COMMAND] = PCI_COMMAND_MEMORY;
    f->intx = true;
    assert_int_equal(device_loaded(&f->dev, NULL), 0);
    assert_false(t.ioapic[6].level);
    device_started(&f->dev);
    assert_true(t.ioapic[6].level);
    assert_true(sees(&t.card[0], t.memory, 0xe0000000));
    assert_int_equal(get(0x06, 2), 0x0018);
}

static void another_devices_state_is_refused(void **state)
{
    (void)state;
    struct err err;
    f->config[2] ^= 1;
    assert_int_equal(device_loaded(&f->dev, &err), -EINVAL);
    assert_string_equal(err.text, "card: the state is of PCI device 1af4:1051, not 1af4:1050");
    f->config[2] ^= 1;
}

static void places_are_taken_once(void **state)
{
    (void)state;
    static struct card other;
    struct err err;
    card_init(&other);
    t.lpc.pci.id = "lpc";
    assert_int_equal(pci_bus_plug(&t.bus, &other.pci, AT, &err), -EBUSY);
    assert_string_equal(err.text, "PCI: slot 2 function 0 not available for card, in use by card,id=(null)");
    assert_int_equal(pci_bus_plug(&t.bus, &other.pci, ICH9_LPC_DEVFN, &err), -EBUSY);
    assert_string_equal(err.text, "PCI: slot 31 function 0 not available for card, in use by ICH9-LPC,id=lpc");
    assert_int_equal(pci_bus_plug(&t.bus, &other.pci, AT + 1, &err), -EINVAL);
    assert_string_equal(err.text, "PCI: single function device can't be populated in function 2.1");
    assert_int_equal(pci_bus_plug(&t.bus, &other.pci, ICH9_LPC_DEVFN + 2, &err), 0);
    pci_function_finish(&other.pci);
    card_init(&other);
    assert_int_equal(pci_bus_plug(&t.bus, &other.pci, -1, &err), 0);
    assert_int_equal(other.pci.devfn, PCI_DEVFN(1, 0));
    pci_function_finish(&other.pci);
}

static void function_0_says_whether_there_are_others(void **state)
{
    (void)state;
    static struct card late, first;
    struct err err;
    card_init(&late);
    card_init(&first);
    assert_int_equal(pci_bus_plug(&t.bus, &late.pci, PCI_DEVFN(5, 1), &err), 0);
    assert_int_equal(pci_bus_plug(&t.bus, &first.pci, PCI_DEVFN(5, 0), &err), -EINVAL);
    assert_string_equal(err.text, "PCI: 5.0 indicates single function, but 5.1 is already populated.");
    pci_set_multifunction(&first.pci);
    assert_int_equal(pci_bus_plug(&t.bus, &first.pci, PCI_DEVFN(5, 0), &err), 0);
    assert_int_equal(tree_get(&t, 0, PCI_DEVFN(5, 0), 0x0e, 1), 0x80);
    pci_function_finish(&first.pci);
    pci_function_finish(&late.pci);
}

static void a_full_bus_says_so(void **state)
{
    (void)state;
    static struct card many[29];
    struct err err;
    for (unsigned i = 0; i < 29; i++) {
        card_init(&many[i]);
        assert_int_equal(pci_bus_plug(&t.bus, &many[i].pci, -1, &err), i < 28 ? 0 : -ENOSPC);
    }
    assert_string_equal(err.text, "PCI: no slot/function available for card, all in use or reserved");
    for (unsigned i = 0; i < 29; i++)
        pci_function_finish(&many[i].pci);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_header_says_what_it_is), TEST(only_what_is_writable_changes),
        TEST(errors_are_cleared_by_ones), TEST(bars_tell_their_size),
        TEST(a_bar_is_seen_while_its_function_decodes), TEST(offsets_tell_the_bar),
        TEST(impossible_addresses_are_not_seen), TEST(who_comes_second_waits_for_room),
        TEST(reset_takes_all_back), TEST(refused_changes_are_made_later), TEST(capabilities_are_a_list),
        TEST(a_vector_is_sent_or_remembered), TEST(the_function_masks_all), TEST(the_table_takes_whole_words),
        TEST(the_pin_reaches_its_wire), TEST(a_shared_wire_is_high_while_one_holds_it),
        TEST(pins_rotate_as_in_qemu), TEST(loading_keeps_what_a_guest_can_set),
        TEST(loading_shows_bars_and_drives_the_pin), TEST(another_devices_state_is_refused),
        TEST(places_are_taken_once), TEST(function_0_says_whether_there_are_others), TEST(a_full_bus_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
