// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/firmware/memory_map.h"

#define MIB UINT64_C(0x100000)

static void assert_range(const struct memory_map *map, unsigned i, uint64_t base, uint64_t size_bytes,
                         enum memory_type type)
{
    assert_true(i < map->count);
    assert_int_equal(map->range[i].base, base);
    assert_int_equal(map->range[i].size_bytes, size_bytes);
    assert_int_equal(map->range[i].type, type);
}

static void a_range_replaces_what_it_covers(void **state)
{
    struct memory_map map = {0};
    (void)state;
    memory_map_set(&map, 0, 100, MEMORY_RAM, NULL);
    memory_map_set(&map, 200, 100, MEMORY_RAM, NULL);
    memory_map_set(&map, 50, 200, MEMORY_ACPI, NULL);
    assert_int_equal(map.count, 3);
    assert_range(&map, 0, 0, 50, MEMORY_RAM);
    assert_range(&map, 1, 50, 200, MEMORY_ACPI);
    assert_range(&map, 2, 250, 50, MEMORY_RAM);
}

static void neighbours_of_a_type_are_one(void **state)
{
    struct memory_map map = {0};
    (void)state;
    memory_map_set(&map, 0, 100, MEMORY_RAM, NULL);
    memory_map_set(&map, 200, 100, MEMORY_RAM, NULL);
    memory_map_set(&map, 100, 100, MEMORY_RAM, NULL);
    assert_int_equal(map.count, 1);
    assert_range(&map, 0, 0, 300, MEMORY_RAM);
}

// Random ranges beside an array that holds each unit's type.
static void it_agrees_with_an_array_of_types(void **state)
{
    enum { UNITS = 64, STEPS = 20000 };
    (void)state;
    srandom(1);
    struct memory_map map = {0};
    uint8_t types[UNITS] = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned base = (unsigned)random() % UNITS, size = 1 + (unsigned)random() % (UNITS - base);
        enum memory_type type = MEMORY_RAM + (unsigned)random() % 4;
        assert_int_equal(memory_map_set(&map, base, size, type, NULL), 0);
        memset(types + base, type, size);
        uint8_t seen[UNITS] = {0};
        for (unsigned i = 0; i < map.count; i++) {
            const struct memory_range *r = &map.range[i];
            assert_true(!i || map.range[i - 1].base + map.range[i - 1].size_bytes < r->base ||
                        map.range[i - 1].type != r->type);
            memset(seen + r->base, r->type, r->size_bytes);
        }
        assert_memory_equal(seen, types, UNITS);
    }
}

static void a_full_map_says_so_and_stays(void **state)
{
    struct memory_map map = {0};
    struct err err = {0};
    int code = 0;
    (void)state;
    for (uint64_t i = 0; !code; i++)
        code = memory_map_set(&map, 2 * i, 1, MEMORY_RAM, &err);
    assert_int_equal(code, -ENOSPC);
    assert_in_range(map.count, MEMORY_MAP_RANGES - 3, MEMORY_MAP_RANGES);
    assert_string_equal(err.text, "memory is in more than 125 ranges");
}

static void what_is_no_range_is_refused(void **state)
{
    struct memory_map map = {0};
    (void)state;
    assert_int_equal(memory_map_set(&map, 5, 0, MEMORY_RAM, NULL), -EINVAL);
    assert_int_equal(memory_map_set(&map, UINT64_MAX, 2, MEMORY_RAM, NULL), -EINVAL);
    assert_int_equal(map.count, 0);
}

static void room_is_found_from_the_top(void **state)
{
    struct memory_map map = {0};
    uint64_t base;
    (void)state;
    memory_map_set(&map, 0, 64 * MIB, MEMORY_RAM, NULL);
    memory_map_set(&map, 32 * MIB, 4 * MIB, MEMORY_RESERVED, NULL);
    assert_true(memory_map_find(&map, 10, 4096, UINT64_MAX, &base));
    assert_int_equal(base, 64 * MIB - 4096);
    assert_true(memory_map_find(&map, 10, 4096, 34 * MIB, &base));
    assert_int_equal(base, 32 * MIB - 4096);
    assert_true(memory_map_find(&map, 30 * MIB, MIB, UINT64_MAX, &base));
    assert_int_equal(base, 2 * MIB);
    assert_false(memory_map_find(&map, 32 * MIB, 1, UINT64_MAX, &base));  // the first MiB is not for it
    assert_false(memory_map_find(&map, UINT64_MAX, 1, UINT64_MAX, &base));
    assert_false(memory_map_find(&map, 1, 1, MIB, &base));
}

static void ram_is_ram_only_as_a_whole(void **state)
{
    struct memory_map map = {0};
    (void)state;
    memory_map_set(&map, MIB, MIB, MEMORY_RAM, NULL);
    assert_true(memory_map_is_ram(&map, MIB, MIB));
    assert_false(memory_map_is_ram(&map, MIB, MIB + 1));
    assert_false(memory_map_is_ram(&map, MIB - 1, 2));
    assert_false(memory_map_is_ram(&map, MIB + 1, UINT64_MAX));
    memory_map_set(&map, MIB + 4096, 4096, MEMORY_NVS, NULL);
    assert_false(memory_map_is_ram(&map, MIB, MIB));
    assert_int_equal(memory_map_ram_bytes(&map), MIB - 4096);
}

static uint64_t nothing(void *opaque, uint64_t offset, unsigned size_bytes)
{
    (void)opaque, (void)offset, (void)size_bytes;
    return 0;
}
static void lost(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    (void)opaque, (void)offset, (void)value, (void)size_bytes;
}

static void only_writable_ram_of_the_space_counts(void **state)
{
    static const struct mem_ops ops = {nothing, lost};
    struct memory_map map;
    struct ram ram;
    (void)state;
    mem_thread_online();
    struct mem *memory = mem_create(UINT64_C(1) << 46);
    assert_int_equal(ram_open(&ram, 4 * MIB, NULL), 0);
    assert_int_equal(mem_add_ram(memory, GPA(0), &ram, 0, 2 * MIB, false, NULL), 0);
    assert_int_equal(mem_add_ram(memory, GPA(8 * MIB), &ram, 2 * MIB, MIB, true, NULL), 0);
    assert_int_equal(mem_add_io(memory, GPA(16 * MIB), MIB, &ops, NULL, "device", NULL), 0);
    assert_int_equal(memory_map_init(&map, memory, NULL), 0);
    assert_int_equal(map.count, 4);
    assert_range(&map, 0, 0, 0x9fc00, MEMORY_RAM);
    assert_range(&map, 1, 0x9fc00, 0x400, MEMORY_RESERVED);
    assert_range(&map, 2, 0xf0000, 0x10000, MEMORY_RESERVED);
    assert_range(&map, 3, MIB, MIB, MEMORY_RAM);
    mem_destroy(memory);
    ram_close(&ram);
    mem_thread_offline();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_replaces_what_it_covers),
        cmocka_unit_test(neighbours_of_a_type_are_one),
        cmocka_unit_test(it_agrees_with_an_array_of_types),
        cmocka_unit_test(a_full_map_says_so_and_stays),
        cmocka_unit_test(what_is_no_range_is_refused),
        cmocka_unit_test(room_is_found_from_the_top),
        cmocka_unit_test(ram_is_ram_only_as_a_whole),
        cmocka_unit_test(only_writable_ram_of_the_space_counts),
    };
    return cmocka_run_group_tests_name("memory_map", tests, NULL, NULL);
}
