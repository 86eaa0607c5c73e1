// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/virtio_driver.h"

enum { SIZE = 8 };

static struct driver_memory m;
static struct driver_queue d;
static struct virtio_queue q;
static struct virtio_chain chain;

static int setup_with(bool event_index)
{
    mem_thread_online();
    driver_memory_open(&m);
    d = driver_queue(&m, 0, SIZE);
    driver_tell(&d, &q);
    assert_int_equal(virtio_queue_start(&q, m.mem, event_index, NULL), 0);
    return 0;
}

static int setup(void **state) { (void)state; return setup_with(false); }
static int setup_event_index(void **state) { (void)state; return setup_with(true); }

static int teardown(void **state)
{
    (void)state;
    virtio_queue_stop(&q);
    driver_memory_close(&m);
    return 0;
}

static int pop(void) { return virtio_queue_pop(&q, &chain); }

static void one_buffer(uint16_t head)
{
    descriptor(&d, head, DRIVER_BUFFERS + head * 0x1000u, 0x100, D_WRITE, 0);
    make_available(&d, head);
}

static void a_chain_is_readable_pieces_and_then_writable_ones(void **state)
{
    (void)state;
    assert_int_equal(pop(), 0);
    descriptor(&d, 3, DRIVER_BUFFERS, 16, D_NEXT, 5);
    descriptor(&d, 5, DRIVER_BUFFERS + 0x100, 0x1000, D_NEXT | D_WRITE, 1);
    descriptor(&d, 1, DRIVER_BUFFERS + 0x2000, 1, D_WRITE, 0);
    make_available(&d, 3);
    assert_int_equal(pop(), 1);
    assert_int_equal(chain.head, 3);
    assert_int_equal(chain.readable_count, 1);
    assert_int_equal(chain.readable_bytes, 16);
    assert_int_equal(chain.writable_count, 2);
    assert_int_equal(chain.writable_bytes, 0x1001);
    assert_ptr_equal(chain.iov[1].iov_base, guest(&m, DRIVER_BUFFERS + 0x100));
    assert_int_equal(pop(), 0);
}

static void used_ones_go_back_in_any_order(void **state)
{
    (void)state;
    uint32_t head, bytes;
    for (uint16_t i = 0; i < 3; i++)
        one_buffer(i);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pop(), 1);
    assert_int_equal(q.in_flight, 3);
    unsigned told = m.wrote;
    virtio_queue_push(&q, 2, 7);
    virtio_queue_push_many(&q, (struct virtio_used[]){{0, 8}, {1, 9}}, 2);
    assert_true(m.wrote > told);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(take_used(&d, &head, &bytes));
        assert_int_equal(head, (i + 2) % 3);
        assert_int_equal(bytes, 7 + i);
    }
    assert_false(take_used(&d, &head, &bytes));
    assert_int_equal(q.in_flight, 0);
}

static void indices_wrap(void **state)
{
    (void)state;
    uint32_t head, bytes;
    for (unsigned i = 0; i < 70000; i++) {
        one_buffer(i % SIZE);
        assert_int_equal(pop(), 1);
        virtio_queue_push(&q, chain.head, i);
        assert_true(take_used(&d, &head, &bytes));
        assert_int_equal(bytes, i);
    }
}

static void what_is_given_back_is_popped_again(void **state)
{
    (void)state;
    struct virtio_chain second;
    one_buffer(4);
    one_buffer(6);
    assert_int_equal(pop(), 1);
    assert_int_equal(virtio_queue_pop(&q, &second), 1);
    virtio_queue_unpop(&q, &second);
    virtio_queue_unpop(&q, &chain);
    assert_int_equal(q.in_flight, 0);
    assert_int_equal(pop(), 1);
    assert_int_equal(chain.head, 4);
}

static void an_indirect_table_is_walked(void **state)
{
    (void)state;
    uint64_t table = DRIVER_BUFFERS + 0x8001;  // anywhere
    for (unsigned i = 0; i < 20; i++)          // longer than the queue
        descriptor_at(&m, table, i, DRIVER_BUFFERS + 64 * i, 64, (i < 19 ? D_NEXT : 0) | (i > 4 ? D_WRITE : 0), i + 1);
    descriptor(&d, 0, DRIVER_BUFFERS + 0x4000, 8, D_NEXT, 1);
    descriptor(&d, 1, table, 20 * 16, D_INDIRECT | D_WRITE, 0);  // its write flag means nothing (2.7.5.3.2)
    make_available(&d, 0);
    assert_int_equal(pop(), 1);
    assert_int_equal(chain.readable_count, 6);
    assert_int_equal(chain.writable_count, 15);
}

static void a_piece_that_crosses_regions_is_split(void **state)
{
    (void)state;
    struct ram other;
    assert_int_equal(ram_open(&other, 3 * PAGE_BYTES, NULL), 0);
    assert_int_equal(mem_add_ram(m.mem, GPA(DRIVER_LOW_BYTES), &other, PAGE_BYTES, 2 * PAGE_BYTES, false, NULL), 0);
    mem_observe_writes(m.mem, NULL, NULL);
    descriptor(&d, 0, DRIVER_LOW_BYTES - 3 * PAGE_BYTES - 5, 5 * PAGE_BYTES + 5, D_WRITE, 0);
    make_available(&d, 0);
    assert_int_equal(pop(), 1);
    assert_int_equal(chain.writable_count, 2);
    assert_int_equal(chain.iov[0].iov_len, 3 * PAGE_BYTES + 5);
    assert_int_equal(chain.iov[1].iov_len, 2 * PAGE_BYTES);
    assert_ptr_equal(chain.iov[1].iov_base, other.host + PAGE_BYTES);
    uint8_t bytes[64];
    memset(bytes, 0x5a, sizeof bytes);
    assert_int_equal(virtio_chain_write(&chain, m.mem, 3 * PAGE_BYTES - 5, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(other.host[PAGE_BYTES + 53], 0x5a);
    assert_int_equal(other.host[PAGE_BYTES + 54], 0);
    assert_int_equal(mem_remove(m.mem, GPA(DRIVER_LOW_BYTES)), 0);
    ram_close(&other);
}

// Each of these breaks the queue, and nothing else.
static void breaks(void)
{
    assert_int_equal(pop(), -EINVAL);
    assert_true(q.broken);
    assert_int_equal(pop(), -EINVAL);
    assert_true(virtio_queue_is_empty(&q));
    assert_int_equal(q.in_flight, 0);
    driver_tell(&d, &q);
    q.next_available = d.available;
    assert_int_equal(virtio_queue_start(&q, m.mem, q.event_index, NULL), 0);
}

static void head_breaks(uint64_t address, uint32_t size_bytes, uint16_t flags, uint16_t next)
{
    descriptor(&d, 0, address, size_bytes, flags, next);
    make_available(&d, 0);
    breaks();
}

static void the_impossible_breaks_it(void **state)
{
    (void)state;
    head_breaks(DRIVER_BUFFERS, 0, 0, 0);
    head_breaks(DRIVER_LOW_BYTES - 8, 9, 0, 0);
    head_breaks(DRIVER_LOW_BYTES, 1, 0, 0);
    head_breaks(UINT64_MAX - 7, 16, 0, 0);
    head_breaks(UINT64_MAX, 1, 0, 0);
    head_breaks(0, UINT32_MAX, 0, 0);
    head_breaks(DRIVER_BUFFERS, 16, D_NEXT, SIZE);
    head_breaks(DRIVER_BUFFERS, 16, D_NEXT, 0);  // to itself
    make_available(&d, SIZE);
    breaks();
    descriptor(&d, 1, DRIVER_BUFFERS, 16, 0, 0);
    head_breaks(DRIVER_BUFFERS, 16, D_NEXT | D_WRITE, 1);
}

static void impossible_tables_break_it(void **state)
{
    (void)state;
    uint64_t table = DRIVER_BUFFERS + 0x8000;
    descriptor_at(&m, table, 0, DRIVER_BUFFERS, 16, 0, 0);
    head_breaks(table, 0, D_INDIRECT, 0);
    head_breaks(table, 17, D_INDIRECT, 0);
    head_breaks(table, 16, D_INDIRECT | D_NEXT, 1);
    head_breaks(DRIVER_LOW_BYTES - 16, 32, D_INDIRECT, 0);
    head_breaks(UINT64_MAX - 15, 16, D_INDIRECT, 0);
    descriptor_at(&m, table, 0, DRIVER_BUFFERS, 16, D_NEXT, 1);  // out of it
    head_breaks(table, 16, D_INDIRECT, 0);
    descriptor_at(&m, table, 0, table, 16, D_INDIRECT, 0);  // nested
    head_breaks(table, 16, D_INDIRECT, 0);
    descriptor_at(&m, table, 0, DRIVER_BUFFERS, 16, D_NEXT, 0);  // a loop
    head_breaks(table, 16, D_INDIRECT, 0);
}

static void a_chain_has_at_most_so_many_pieces(void **state)
{
    (void)state;
    uint64_t table = DRIVER_BUFFERS + 0x8000;
    for (unsigned i = 0; i <= VIRTIO_SEGMENTS_MAX; i++)
        descriptor_at(&m, table, i, DRIVER_BUFFERS, 16, i == VIRTIO_SEGMENTS_MAX - 1 ? 0 : D_NEXT, i + 1);
    descriptor(&d, 0, table, 16 * VIRTIO_SEGMENTS_MAX, D_INDIRECT, 0);
    make_available(&d, 0);
    assert_int_equal(pop(), 1);
    assert_int_equal(chain.readable_count, VIRTIO_SEGMENTS_MAX);
    virtio_queue_push(&q, 0, 0);
    descriptor_at(&m, table, VIRTIO_SEGMENTS_MAX - 1, DRIVER_BUFFERS, 16, D_NEXT, VIRTIO_SEGMENTS_MAX);
    descriptor_at(&m, table, VIRTIO_SEGMENTS_MAX, DRIVER_BUFFERS, 16, 0, 0);
    head_breaks(table, 16 * (VIRTIO_SEGMENTS_MAX + 1), D_INDIRECT, 0);
}

static void an_index_out_of_range_breaks_it(void **state)
{
    (void)state;
    guest16(&m, d.available_at + 2, d.available += SIZE + 1);
    breaks();
    guest16(&m, d.available_at + 2, --d.available);  // backwards
    breaks();
}

static void a_head_is_in_flight_once(void **state)
{
    (void)state;
    one_buffer(2);
    one_buffer(2);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), -EINVAL);
    assert_true(q.broken);
    virtio_queue_push(&q, 2, 0);  // what was in flight may still end
}

static void rings_must_be_whole_in_ram_and_aligned(void **state)
{
    (void)state;
    const struct { uint64_t descriptors, available, used; } wrong[] = {
        {d.descriptors_at + 8, d.available_at, d.used_at},
        {d.descriptors_at, d.available_at + 1, d.used_at},
        {d.descriptors_at, d.available_at, d.used_at + 2},
        {DRIVER_LOW_BYTES - 16 * SIZE + 16, d.available_at, d.used_at},
        {d.descriptors_at, DRIVER_LOW_BYTES - 4 - 2 * SIZE + 2, d.used_at},
        {d.descriptors_at, d.available_at, DRIVER_LOW_BYTES - 4 - 8 * SIZE + 4},
        {UINT64_MAX - 15, d.available_at, d.used_at},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct err err = {0};
        struct virtio_queue bad = q;
        bad.descriptors = wrong[i].descriptors;
        bad.available = wrong[i].available;
        bad.used = wrong[i].used;
        assert_int_equal(virtio_queue_start(&bad, m.mem, false, &err), -EINVAL);
        assert_true(err.text[0]);
        assert_int_equal(virtio_queue_pop(&bad, &chain), -EINVAL);
        assert_false(virtio_queue_set_kicks(&bad, true));
        assert_false(virtio_queue_must_interrupt(&bad));
    }
    struct virtio_queue last = q;
    last.available = DRIVER_LOW_BYTES - 4 - 2 * SIZE;
    last.used = DRIVER_LOW_BYTES - 0x100 - 4 - 8 * SIZE;
    assert_int_equal(virtio_queue_start(&last, m.mem, false, NULL), 0);
}

static void interrupts_by_flag(void **state)
{
    (void)state;
    assert_false(virtio_queue_must_interrupt(&q));
    one_buffer(0);
    one_buffer(1);
    one_buffer(2);
    for (uint16_t i = 0; i < 3; i++) {
        assert_int_equal(pop(), 1);
        virtio_queue_push(&q, i, 0);
        want_no_interrupts(&d, i == 1);
        assert_int_equal(virtio_queue_must_interrupt(&q), i != 1);
        assert_false(virtio_queue_must_interrupt(&q));
    }
}

static void kicks_by_flag(void **state)
{
    (void)state;
    assert_int_equal(device_flags(&d), 0);
    assert_false(virtio_queue_set_kicks(&q, false));
    assert_int_equal(device_flags(&d), 1);
    assert_int_equal(pop(), 0);
    assert_int_equal(device_flags(&d), 1);
    one_buffer(0);
    assert_true(virtio_queue_set_kicks(&q, true));
    assert_int_equal(device_flags(&d), 0);
}

static void interrupts_by_event_index(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 6; i++) {
        one_buffer(i);
        assert_int_equal(pop(), 1);
    }
    want_interrupt_after(&d, 0);
    virtio_queue_push(&q, 0, 0);
    assert_true(virtio_queue_must_interrupt(&q));
    virtio_queue_push(&q, 1, 0);
    assert_false(virtio_queue_must_interrupt(&q));
    want_interrupt_after(&d, 3);
    virtio_queue_push(&q, 2, 0);
    assert_false(virtio_queue_must_interrupt(&q));
    virtio_queue_push_many(&q, (struct virtio_used[]){{3, 0}, {4, 0}, {5, 0}}, 3);
    assert_true(virtio_queue_must_interrupt(&q));
}

static void many_pushes_are_told_across_the_wrap(void **state)
{
    (void)state;
    for (unsigned count = 65530; count < 65545; count++) {
        for (unsigned i = 0; i < count; i++) {
            one_buffer(0);
            assert_int_equal(pop(), 1);
            virtio_queue_push(&q, 0, 0);
        }
        want_interrupt_after(&d, (uint16_t)(used_index(&d) - 65530));
        assert_true(virtio_queue_must_interrupt(&q));
    }
}

static void kicks_by_event_index(void **state)
{
    (void)state;
    assert_int_equal(device_event(&d), 0);
    one_buffer(0);
    one_buffer(1);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), 1);
    assert_int_equal(device_event(&d), 0);
    assert_int_equal(pop(), 0);  // nothing is there: the next one is asked for
    assert_int_equal(device_event(&d), 2);
    assert_false(virtio_queue_set_kicks(&q, false));
    one_buffer(2);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), 0);
    assert_int_equal(device_event(&d), 2);
    one_buffer(3);
    assert_true(virtio_queue_set_kicks(&q, true));
    assert_int_equal(device_event(&d), 3);
}

static void a_loaded_queue_goes_on(void **state)
{
    (void)state;
    uint32_t head, bytes;
    for (uint16_t i = 0; i < 4; i++)
        one_buffer(i);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), 1);
    virtio_queue_push(&q, 1, 0);
    struct virtio_queue loaded;
    driver_tell(&d, &loaded);
    loaded.next_available = q.next_available;
    loaded.next_used = q.next_used;
    q = loaded;
    assert_int_equal(virtio_queue_start(&q, m.mem, false, NULL), 0);
    assert_int_equal(virtio_queue_pop_again(&q, 0, &chain), 1);
    assert_int_equal(chain.writable_bytes, 0x100);
    virtio_queue_push(&q, 0, 5);
    assert_int_equal(pop(), 1);
    assert_int_equal(chain.head, 2);
    assert_true(take_used(&d, &head, &bytes) && take_used(&d, &head, &bytes));
    assert_int_equal(head, 0);
    assert_int_equal(virtio_queue_pop_again(&q, 2, &chain), -EINVAL);  // it is in flight
}

static void copies_are_clipped_to_their_part(void **state)
{
    (void)state;
    uint8_t bytes[64] = {0};
    for (unsigned i = 0; i < 48; i++)
        *(uint8_t *)guest(&m, DRIVER_BUFFERS + i) = (uint8_t)(i + 1);
    descriptor(&d, 0, DRIVER_BUFFERS, 16, D_NEXT, 1);
    descriptor(&d, 1, DRIVER_BUFFERS + 32, 16, D_NEXT, 2);
    descriptor(&d, 2, DRIVER_BUFFERS + 64, 10, D_WRITE, 0);
    make_available(&d, 0);
    assert_int_equal(pop(), 1);
    assert_int_equal(virtio_chain_read(&chain, 14, bytes, sizeof bytes), 18);
    assert_int_equal(bytes[1], 16);
    assert_int_equal(bytes[2], 33);
    assert_int_equal(bytes[18], 0);
    assert_int_equal(virtio_chain_read(&chain, 32, bytes, sizeof bytes), 0);
    assert_int_equal(virtio_chain_read(&chain, UINT64_MAX, bytes, sizeof bytes), 0);
    assert_int_equal(virtio_chain_write(&chain, m.mem, 8, bytes, sizeof bytes), 2);
    assert_int_equal(*(uint8_t *)guest(&m, DRIVER_BUFFERS + 74), 0);
    struct iovec iov[VIRTIO_SEGMENTS_MAX];
    assert_int_equal(virtio_chain_slice(&chain, false, 15, UINT64_MAX, iov), 2);
    assert_int_equal(iov[0].iov_len, 1);
    assert_int_equal(virtio_chain_slice(&chain, true, 0, 0, iov), 0);
}

#ifndef __SANITIZE_THREAD__  // the races are meant
static void *scribble(void *opaque)
{
    uint64_t seed = 1;
    while (!__atomic_load_n((bool *)opaque, __ATOMIC_RELAXED)) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint64_t *descriptor_words = guest(&m, d.descriptors_at);
        unsigned word = seed >> 60, odd = word & 1;
        uint64_t sane = odd ? (seed >> 40 & 7) << 48 | (seed >> 33 & 7) << 32 | (seed >> 20 & 0x3ff)
                            : DRIVER_BUFFERS + (seed >> 20 & 0xfffff);
        __atomic_store_n(&descriptor_words[word], sane, __ATOMIC_RELAXED);
        __atomic_store_n((uint16_t *)guest(&m, d.available_at + 4 + 2 * (seed >> 57 & 7)), seed >> 50 & 7,
                         __ATOMIC_RELAXED);
        guest16(&m, d.available_at + 2, (uint16_t)(q.next_available + (seed >> 45 & 3)));
    }
    return NULL;
}

// What was checked is what is used, however the driver hurries.
static void rings_may_change_under_our_eyes(void **state)
{
    (void)state;
    bool end = false;
    pthread_t driver;
    unsigned popped = 0;
    pthread_create(&driver, NULL, scribble, &end);
    while (popped < 100) {
        int rc = pop();
        if (rc > 0) {
            for (unsigned n = 0; n < chain.readable_count + chain.writable_count; n++) {
                uint64_t offset = (uint64_t)((uint8_t *)chain.iov[n].iov_base - m.ram.host);
                assert_true(chain.iov[n].iov_len && offset + chain.iov[n].iov_len <= m.ram.size_bytes);
            }
            virtio_queue_push(&q, chain.head, 0);
            popped++;
        } else if (rc < 0) {
            assert_int_equal(virtio_queue_start(&q, m.mem, false, NULL), 0);
        }
    }
    __atomic_store_n(&end, true, __ATOMIC_RELAXED);
    pthread_join(driver, NULL);
}
#endif

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define EVENT_INDEX_TEST(test) cmocka_unit_test_setup_teardown(test, setup_event_index, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chain_is_readable_pieces_and_then_writable_ones),
        TEST(used_ones_go_back_in_any_order),
        TEST(indices_wrap),
        TEST(what_is_given_back_is_popped_again),
        TEST(an_indirect_table_is_walked),
        TEST(a_piece_that_crosses_regions_is_split),
        TEST(the_impossible_breaks_it),
        TEST(impossible_tables_break_it),
        TEST(a_chain_has_at_most_so_many_pieces),
        TEST(an_index_out_of_range_breaks_it),
        TEST(a_head_is_in_flight_once),
        TEST(rings_must_be_whole_in_ram_and_aligned),
        TEST(interrupts_by_flag),
        TEST(kicks_by_flag),
        EVENT_INDEX_TEST(interrupts_by_event_index),
        EVENT_INDEX_TEST(many_pushes_are_told_across_the_wrap),
        EVENT_INDEX_TEST(kicks_by_event_index),
        TEST(a_loaded_queue_goes_on),
        TEST(copies_are_clipped_to_their_part),
#ifndef __SANITIZE_THREAD__
        TEST(rings_may_change_under_our_eyes),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
