// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two vCPUs and a device's back end at once: configuration by both mechanisms, BARs that move while
// they are used, interrupts. Says most under ThreadSanitizer.
#include "tests/unit/device_bench.h"

#include "tests/unit/pci_tree.h"

enum { ROUNDS = 400, CARD = PCI_DEVFN(2, 0), PORT = PCI_DEVFN(4, 0) };
#define ECAM UINT64_C(0xb0000000)
#define BAR UINT64_C(0xe0000000)
#define MOVED UINT64_C(0xe0010000)
#define TABLE UINT64_C(0xe0020000)
static struct tree t;

static void *configures(void *arg)
{
    (void)arg;
    mem_thread_online();
    for (unsigned i = 0; i < ROUNDS; i++) {
        mem_write(t.memory, GPA(ECAM + (CARD << 12) + 0x10), i & 1 ? BAR : MOVED, 4);
        tree_put(&t, 0, PORT, PCI_COMMAND, i & 7, 2);
        tree_put(&t, 0, ICH9_LPC_DEVFN, 0x6a, 3 + (i & 7), 1);
        mem_write(t.memory, GPA(ECAM + (CARD << 12) + 4), i & 1 ? 6 : 0x406, 2);
        mem_quiescent();
    }
    mem_thread_offline();
    return NULL;
}

static void *uses(void *arg)
{
    (void)arg;
    mem_thread_online();
    for (unsigned i = 0; i < ROUNDS; i++) {
        mem_write(t.memory, GPA(BAR + 8), i, 4);
        mem_read(t.memory, GPA(MOVED + 8), 4);
        mem_write(t.memory, GPA(TABLE + 12), i & 1, 4);
        tree_get(&t, 0, CARD, 0, 4);
        mem_quiescent();
    }
    mem_thread_offline();
    return NULL;
}

static void *interrupts(void *arg)
{
    struct pci_function *f = &((struct card *)arg)->pci;
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&f->dev.lock);
        pci_set_intx(f, i & 1);
        pci_msix_send(f, 0);
        pci_is_bus_master(f);
        pthread_mutex_unlock(&f->dev.lock);
    }
    return NULL;
}

static void all_at_once(void **state)
{
    (void)state;
    tree_init(&t);
    mem_thread_online();
    assert_int_equal(pci_host_set_ecam(&t.host, ECAM, NULL), 0);
    tree_put(&t, 0, CARD, 0x14, TABLE, 4);
    tree_put(&t, 0, CARD, 0x42, PCI_MSIX_ENABLE, 2);
    mem_thread_offline();
    pthread_t threads[4];
    pthread_create(&threads[0], NULL, configures, NULL);
    pthread_create(&threads[1], NULL, uses, NULL);
    pthread_create(&threads[2], NULL, interrupts, &t.card[0]);
    pthread_create(&threads[3], NULL, interrupts, &t.card[1]);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    pci_root_settle(&t.root);
    assert_int_equal(t.root.intx_drivers[4], 1);  // card[1] ended high; card[0] has MSI-X
    assert_true(t.card[0].pci.bar[CARD_MEMORY_BAR].seen);
    tree_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
