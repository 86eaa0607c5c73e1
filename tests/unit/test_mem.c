// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/mem/mem.h"

enum { LOW_BYTES = 64 * PAGE_BYTES, HIGH_BYTES = 32 * PAGE_BYTES };
static const gpa_t high = {UINT64_C(1) << 32};

// A device that remembers its last access and answers with its offset in each byte.
static struct {
    uint64_t offset, value;
    unsigned size_bytes, accesses;
} last;

static uint64_t io_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    (void)opaque;
    last.offset = offset;
    last.size_bytes = size_bytes;
    last.accesses++;
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)((offset + i) & 0xff) << (8 * i);
    return value;  // all eight bytes: those above size_bytes must not come through
}

static void io_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    (void)opaque;
    last.offset = offset;
    last.value = value;
    last.size_bytes = size_bytes;
    last.accesses++;
}

static const struct mem_ops io = {io_read, io_write};
static struct mem *mem;
static struct ram ram;

// As on a PC: RAM in two parts with a hole between, and a device in the hole.
static int setup(void **state)
{
    (void)state;
    memset(&last, 0, sizeof last);
    mem = mem_create(UINT64_C(1) << 46);
    assert_int_equal(ram_open(&ram, LOW_BYTES + HIGH_BYTES, NULL), 0);
    assert_int_equal(mem_add_ram(mem, high, &ram, LOW_BYTES, HIGH_BYTES, false, NULL), 0);
    assert_int_equal(mem_add_ram(mem, GPA(0), &ram, 0, LOW_BYTES, false, NULL), 0);
    assert_int_equal(mem_add_io(mem, GPA(0xfec00000), 32, &io, NULL, "ioapic", NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_destroy(mem);
    ram_close(&ram);
    return 0;
}

static void split_ram_is_one_mapping(void **state)
{
    (void)state;
    mem_write(mem, GPA(high.u + 8), 0x1122334455667788, 8);
    assert_int_equal(ram.host[LOW_BYTES + 8], 0x88);
    assert_int_equal(mem_read(mem, GPA(high.u + 9), 4), 0x44556677);
    assert_ptr_equal(mem_ram_at(mem, high, HIGH_BYTES, true), ram.host + LOW_BYTES);
    assert_null(mem_ram_at(mem, high, HIGH_BYTES + 1, true));
    assert_null(mem_ram_at(mem, GPA(LOW_BYTES), 1, false));
    assert_null(mem_ram_at(mem, GPA(0xfec00000), 1, false));
}

static void a_hole_reads_all_ones_and_swallows_writes(void **state)
{
    (void)state;
    mem_write(mem, GPA(LOW_BYTES + 0x1000), 0x1234, 2);
    assert_int_equal(mem_read(mem, GPA(LOW_BYTES + 0x1000), 1), 0xff);
    assert_int_equal(mem_read(mem, GPA(LOW_BYTES + 0x1000), 8), UINT64_MAX);
    assert_int_equal(mem_read(mem, GPA(UINT64_MAX), 4), 0xffffffff);
    assert_int_equal(last.accesses, 0);
}

static void a_device_sees_one_access_of_the_guests_size(void **state)
{
    (void)state;
    for (unsigned size_bytes = 1; size_bytes <= 8; size_bytes *= 2) {
        assert_int_equal(mem_read(mem, GPA(0xfec00008), size_bytes),
                         UINT64_C(0x0f0e0d0c0b0a0908) & size_mask(size_bytes));
        mem_write(mem, GPA(0xfec00010), UINT64_MAX, size_bytes);
        assert_int_equal(last.offset, 0x10);
        assert_int_equal(last.value, size_mask(size_bytes));
        assert_int_equal(last.size_bytes, size_bytes);
    }
    assert_int_equal(last.accesses, 8);
}

static void an_access_across_a_regions_end_is_made_in_bytes(void **state)
{
    (void)state;
    ram.host[LOW_BYTES - 2] = 0x34;
    ram.host[LOW_BYTES - 1] = 0x12;
    assert_int_equal(mem_read(mem, GPA(LOW_BYTES - 2), 4), 0xffff1234);
    mem_write(mem, GPA(LOW_BYTES - 1), 0xaabbccdd, 4);
    assert_int_equal(ram.host[LOW_BYTES - 1], 0xdd);
    assert_int_equal(mem_read(mem, GPA(0xfec0001e), 4), 0xffff1f1e);
    assert_int_equal(last.size_bytes, 1);
    assert_int_equal(mem_read(mem, GPA(0xfebfffff), 2), 0x00ff);
}

static void a_one_byte_port_in_the_middle_is_found(void **state)
{
    (void)state;
    struct mem *ports = mem_create(65536);
    assert_int_equal(mem_add_io(ports, GPA(0x61), 1, &io, NULL, "port61", NULL), 0);
    assert_int_equal(mem_read(ports, GPA(0x60), 4), 0xffff00ff);
    assert_int_equal(mem_read(ports, GPA(0xffff), 4), 0xffffffff);
    mem_write(ports, GPA(0x60), 0x11223344, 4);
    assert_int_equal(last.value, 0x33);
    mem_destroy(ports);
}

static void rom_can_be_read_only(void **state)
{
    (void)state;
    gpa_t rom = GPA(0xffff0000);
    ram.host[0] = 0x90;
    assert_int_equal(mem_add_ram(mem, rom, &ram, 0, PAGE_BYTES, true, NULL), 0);
    mem_write(mem, rom, 0, 8);
    assert_int_equal(mem_read(mem, rom, 1), 0x90);
    assert_null(mem_ram_at(mem, rom, 1, true));
    assert_non_null(mem_ram_at(mem, rom, 1, false));
    assert_int_equal(mem_dma_write(mem, rom, "x", 1), -EFAULT);
}

static void bad_regions_are_refused_with_a_sentence(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(mem_add_io(mem, GPA(0xfec0001f), 8, &io, NULL, "hpet", &err), -EEXIST);
    assert_string_equal(err.text, "hpet: 0x8 bytes at 0xfec0001f overlap ioapic at 0xfec00000");
    assert_int_equal(mem_add_io(mem, GPA(UINT64_MAX), 8, &io, NULL, "x", &err), -EINVAL);
    assert_int_equal(mem_add_io(mem, GPA(0xfed00000), 0, &io, NULL, "x", &err), -EINVAL);
    assert_int_equal(mem_add_ram(mem, GPA(1), &ram, 0, PAGE_BYTES, false, &err), -EINVAL);
    assert_int_equal(mem_add_ram(mem, GPA(0xd0000000), &ram, LOW_BYTES + HIGH_BYTES, PAGE_BYTES,
                                 false, &err), -EINVAL);
    assert_int_equal(mem_add_ram(mem, GPA(0xd0000000), &ram, PAGE_BYTES, UINT64_MAX - 4095, false,
                                 &err), -EINVAL);
    assert_int_equal(mem_add_io(mem, GPA(0xfec00020), 8, &io, NULL, "neighbour", &err), 0);
}

static void dma_reaches_ram_and_nothing_else(void **state)
{
    (void)state;
    static uint8_t bytes[3 * PAGE_BYTES];
    memset(bytes, 0x5a, sizeof bytes);
    assert_int_equal(mem_dma_write(mem, GPA(100), bytes, sizeof bytes), 0);
    assert_int_equal(ram.host[100 + sizeof bytes - 1], 0x5a);
    assert_int_equal(mem_dma_write(mem, GPA(LOW_BYTES - 16), bytes, 32), -EFAULT);
    assert_int_equal(ram.host[LOW_BYTES - 1], 0x5a);
    assert_int_equal(mem_dma_read(mem, GPA(0xfec00000), bytes, 4), -EFAULT);
    assert_int_equal(mem_dma_read(mem, GPA(UINT64_MAX), bytes, 4), -EFAULT);
    assert_int_equal(mem_dma_read(mem, GPA(UINT64_MAX), bytes, 0), 0);
    assert_int_equal(last.accesses, 0);
}

static void dma_crosses_ram_regions_that_touch(void **state)
{
    (void)state;
    assert_int_equal(mem_add_ram(mem, GPA(LOW_BYTES), &ram, LOW_BYTES, PAGE_BYTES, false, NULL), 0);
    assert_int_equal(mem_dma_write(mem, GPA(LOW_BYTES - 2), "abcd", 4), 0);
    assert_memory_equal(ram.host + LOW_BYTES - 2, "abcd", 4);
    char bytes[4];
    assert_int_equal(mem_dma_read(mem, GPA(LOW_BYTES - 2), bytes, 4), 0);
    assert_memory_equal(bytes, "abcd", 4);
}

static void append(const struct mem_range *range, void *opaque)
{
    char *text = opaque;
    sprintf(text + strlen(text), "%llx+%llx %s%s;", (unsigned long long)range->base.u,
            (unsigned long long)range->size_bytes, range->name, range->ram ? "!" : "");
}

static void regions_are_listed_in_order(void **state)
{
    (void)state;
    char text[256] = "";
    mem_each(mem, append, text);
    assert_string_equal(text, "0+40000 ram!;fec00000+20 ioapic;100000000+20000 ram!;");
    mem_remove(mem, GPA(0xfec00000));
    *text = 0;
    mem_each(mem, append, text);
    assert_string_equal(text, "0+40000 ram!;100000000+20000 ram!;");
}

static void impossible_ram_is_refused(void **state)
{
    (void)state;
    struct ram none;
    struct err err;
    assert_int_equal(ram_open(&none, 0, &err), -EINVAL);
    assert_int_equal(ram_open(&none, PAGE_BYTES + 1, &err), -EINVAL);
    assert_int_equal(ram_open(&none, UINT64_C(1) << 62, &err), -ENOMEM);
    assert_int_equal(ftruncate(ram.fd, PAGE_BYTES), -1);  // sealed: our mapping can't be cut off
}

// A device that is freed as soon as it is removed: a reader that still saw it would be caught by
// ASan or TSan, or read the 0 that it gets before it is freed.
struct visitor { uint64_t answer; };

static uint64_t visitor_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    (void)offset, (void)size_bytes;
    return ((struct visitor *)opaque)->answer;
}

static void visitor_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    (void)opaque, (void)offset, (void)value, (void)size_bytes;
}

static const struct mem_ops visitor_ops = {visitor_read, visitor_write};
static const gpa_t visit = {0xe0000000};
static bool readers_end;

static void *reader(void *opaque)
{
    uintptr_t wrong = 0;
    mem_thread_online();
    for (unsigned i = 0; !__atomic_load_n(&readers_end, __ATOMIC_RELAXED); i++) {
        uint64_t value = mem_read(mem, visit, 4);
        wrong += value != 0x600d && value != 0xffffffff;
        wrong += mem_read(mem, GPA(0xfec00000 + 40), 1) != 0xff;
        mem_quiescent();
        if (i % 64 == 0) {
            mem_thread_offline();
            mem_thread_online();
        }
    }
    if (opaque)
        mem_thread_offline();  // one thread ends without, which must do no harm
    return (void *)wrong;
}

static void come_and_go(void)
{
    struct visitor *visitor = malloc(sizeof *visitor);
    visitor->answer = 0x600d;
    assert_int_equal(mem_add_io(mem, visit, 4, &visitor_ops, visitor, "visitor", NULL), 0);
    assert_int_equal(mem_remove(mem, visit), 0);
    mem_settle();
    visitor->answer = 0;
    free(visitor);
}

static void a_removed_device_is_never_seen_again(void **state)
{
    (void)state;
    pthread_t threads[3];
    readers_end = false;
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, reader, (void *)i);
    mem_thread_online();
    for (int i = 0; i < 100; i++)
        come_and_go();
    mem_thread_offline();
    __atomic_store_n(&readers_end, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    come_and_go();  // with readers gone, nobody is waited for
}

static void *changer(void *opaque)
{
    gpa_t base = GPA(0xc0000000 + (uintptr_t)opaque * 0x1000);
    mem_thread_online();
    for (int i = 0; i < 20; i++) {
        if (mem_add_io(mem, base, 4, &io, NULL, "changer", NULL))
            return (void *)1;
        mem_remove(mem, base);
        mem_quiescent();
    }
    mem_thread_offline();
    return NULL;
}

// Neither waits for the other.
static void two_readers_may_change_at_once(void **state)
{
    (void)state;
    pthread_t threads[2];
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, changer, (void *)i);
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

// A guest that moves its BARs while a reader sleeps: memory for old maps has a bound.
static void changes_have_a_limit_while_a_reader_holds_on(void **state)
{
    (void)state;
    gpa_t base = GPA(0xc0000000);
    struct err err = {0};
    mem_thread_online();
    int rc = 0, changes = 0;
    while (rc == 0 && changes <= MEM_OLD_ARRAYS) {
        rc = changes % 2 ? mem_remove(mem, base) : mem_add_io(mem, base, 4, &io, NULL, "mover", &err);
        changes++;
    }
    assert_int_equal(rc, -EAGAIN);
    mem_thread_offline();
    mem_settle();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(split_ram_is_one_mapping),
        TEST(a_hole_reads_all_ones_and_swallows_writes),
        TEST(a_device_sees_one_access_of_the_guests_size),
        TEST(an_access_across_a_regions_end_is_made_in_bytes),
        TEST(a_one_byte_port_in_the_middle_is_found),
        TEST(rom_can_be_read_only),
        TEST(bad_regions_are_refused_with_a_sentence),
        TEST(dma_reaches_ram_and_nothing_else),
        TEST(dma_crosses_ram_regions_that_touch),
        TEST(regions_are_listed_in_order),
        TEST(impossible_ram_is_refused),
        TEST(a_removed_device_is_never_seen_again),
        TEST(two_readers_may_change_at_once),
        TEST(changes_have_a_limit_while_a_reader_holds_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
