// SPDX-License-Identifier: GPL-2.0-or-later
//
// fw_cfg as its drivers use it: by ports and by DMA; and pvpanic.
#include "tests/unit/device_bench.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest/device/fw_cfg.h"
#include "guest/device/pvpanic.h"

enum { RAM_BYTES = 1 << 20, DESCRIPTOR = 0x1000, TARGET = 0x2000 };
enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

static struct ram ram;
static struct mem *memory;
static struct fw_cfg *fw;
static struct err err;

static int setup(void **state)
{
    (void)state;
    mem_thread_online();
    memory = mem_create(1 << 30);
    assert_int_equal(ram_open(&ram, RAM_BYTES, &err), 0);
    assert_int_equal(mem_add_ram(memory, GPA(0), &ram, 0, RAM_BYTES, false, &err), 0);
    fw = malloc(sizeof *fw);
    fw_cfg_init(fw, memory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fw_cfg_finish(fw);
    free(fw);
    mem_destroy(memory);
    ram_close(&ram);
    mem_thread_offline();
    return 0;
}

static void select_key(uint16_t key) { device_write(&fw->dev, 0, key, 2); }
static uint8_t get(void) { return device_read(&fw->dev, 1, 1); }

static uint32_t get32(void)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | get();
    return value;
}

// Runs one DMA and returns what its control became.
static uint32_t dma_at(uint64_t descriptor, uint32_t control, uint32_t length, uint64_t address)
{
    struct { uint32_t control, length; uint64_t address; } d = {htobe32(control), htobe32(length),
                                                                htobe64(address)};
    mem_dma_write(memory, GPA(descriptor), &d, sizeof d);
    device_write(&fw->dev, 4, htobe32((uint32_t)(descriptor >> 32)), 4);
    device_write(&fw->dev, 8, htobe32((uint32_t)descriptor), 4);
    mem_dma_read(memory, GPA(descriptor), &d, sizeof d);
    return be32toh(d.control);
}
static uint32_t dma(uint32_t control, uint32_t length, uint64_t address)
{
    return dma_at(DESCRIPTOR, control, length, address);
}

static void the_signature_and_the_features(void **state)
{
    (void)state;
    select_key(FW_CFG_SIGNATURE);
    assert_int_equal(get32(), 0x51454d55);
    assert_int_equal(get(), 0);
    select_key(FW_CFG_ID | 0x4000);
    assert_int_equal(get(), 3);
    assert_int_equal(device_read(&fw->dev, 4, 4), 0x554d4551);
    assert_int_equal(device_read(&fw->dev, 8, 4), 0x47464320);
    assert_int_equal(device_read(&fw->dev, 4, 8), 0x47464320554d4551);
    assert_int_equal(device_read(&fw->dev, 11, 1), 'G');
    assert_int_equal(device_read(&fw->dev, 0, 2), 0);
}

static void the_directory_is_sorted(void **state)
{
    static const char *const names[] = {"etc/a", "etc/b", "opt/z"};
    static const unsigned sizes[] = {1, 3, 2};
    (void)state;
    assert_int_equal(fw_cfg_add_file(fw, "opt/z", "zz", 2, &err), 0);
    assert_int_equal(fw_cfg_add_file(fw, "etc/a", "a", 1, &err), 0);
    assert_int_equal(fw_cfg_lend_file(fw, "etc/b", "bbb", 3, &err), 0);
    select_key(FW_CFG_DIRECTORY);
    assert_int_equal(get32(), 3);
    for (unsigned i = 0; i < 3; i++) {
        char name[FW_CFG_NAME_BYTES];
        assert_int_equal(get32(), sizes[i]);
        assert_int_equal(get32() >> 16, FW_CFG_FILE_FIRST + i);
        for (unsigned n = 0; n < sizeof name; n++)
            name[n] = (char)get();
        assert_string_equal(name, names[i]);
    }
    select_key(FW_CFG_FILE_FIRST + 2);
    assert_int_equal(get32(), 0x7a7a0000);
}

static void what_cannot_be_added_is_refused(void **state)
{
    char name[FW_CFG_NAME_BYTES + 1];
    (void)state;
    memset(name, 'n', sizeof name);
    name[FW_CFG_NAME_BYTES] = 0;
    assert_int_equal(fw_cfg_add_file(fw, name, "", 0, &err), -EINVAL);
    assert_int_equal(fw_cfg_add_file(fw, name + 1, "", 0, &err), 0);
    assert_int_equal(fw_cfg_add_file(fw, name + 1, "", 0, &err), -EEXIST);
    assert_int_equal(fw_cfg_add_file(fw, "", "", 0, &err), -EINVAL);
    assert_int_equal(fw_cfg_add(fw, FW_CFG_ID, "", 0, &err), -EEXIST);
    assert_int_equal(fw_cfg_add(fw, FW_CFG_FILE_FIRST, "", 0, &err), -EINVAL);
    assert_int_equal(fw_cfg_add(fw, FW_CFG_CPUS, "", (size_t)FW_CFG_FILE_BYTES_MAX + 1, &err), -EFBIG);
    int rc = 0;
    for (unsigned i = 0; rc == 0; i++) {
        snprintf(name, sizeof name, "opt/%u", i);
        rc = fw_cfg_add_file(fw, name, name, strlen(name), &err);
    }
    assert_int_equal(rc, -ENOSPC);
    assert_int_equal(fw->count, FW_CFG_ITEMS);
    select_key(FW_CFG_DIRECTORY);
    assert_int_equal(get32(), FW_CFG_ITEMS - 3);
}

static void dma_copies_an_item(void **state)
{
    (void)state;
    fw_cfg_add_file(fw, "etc/x", "0123456789", 10, &err);
    memset(ram.host + TARGET, 0xff, 64);
    assert_int_equal(dma(FW_CFG_FILE_FIRST << 16 | SELECT | READ, 4, TARGET), 0);
    assert_memory_equal(ram.host + TARGET, "0123\xff", 5);
    assert_int_equal(dma(SKIP, 3, 0), 0);
    assert_int_equal(dma(READ, 8, TARGET), 0);
    assert_memory_equal(ram.host + TARGET, "789\0\0\0\0\0\xff", 9);
    assert_int_equal(dma(SKIP, UINT32_MAX, 0), 0);
    assert_int_equal(dma(FW_CFG_SIGNATURE << 16 | SELECT, 0, 0), 0);
    assert_int_equal(get(), 'Q');
    device_write(&fw->dev, 4, htobe64(DESCRIPTOR), 8);  // the last one again, in one write
    assert_int_equal(get(), 'E');                       // whose control is 0 now
}

static void dma_that_is_wrong_says_so(void **state)
{
    (void)state;
    assert_int_equal(dma(READ, 4, RAM_BYTES - 2), ERROR);
    assert_int_equal(dma(READ, 4, UINT64_MAX - 1), ERROR);
    assert_int_equal(dma(READ, FW_CFG_FILE_BYTES_MAX + 1, TARGET), ERROR);
    assert_int_equal(dma(WRITE, 4, TARGET), ERROR);
    assert_int_equal(dma(0xbeefu << 16 | SELECT | READ, 4, TARGET), 0);
    assert_int_equal(*(uint32_t *)(ram.host + TARGET), 0);
    dma_at(RAM_BYTES - 8, READ, 4, TARGET);  // a descriptor that ends outside
    dma_at(UINT64_MAX - 3, READ, 4, TARGET);
    assert_int_equal(dma(READ, RAM_BYTES, 0), 0);  // over its own descriptor
}

static void accesses_of_other_sizes_do_nothing(void **state)
{
    (void)state;
    select_key(FW_CFG_SIGNATURE);
    device_write(&fw->dev, 0, 7, 1);
    device_write(&fw->dev, 1, 7, 2);
    device_write(&fw->dev, 5, 7, 4);
    device_write(&fw->dev, 8, 7, 1);
    assert_int_equal(device_read(&fw->dev, 1, 2), 0);
    assert_int_equal(device_read(&fw->dev, 2, 1), 0);
    assert_int_equal(get(), 'Q');
}

static void a_position_beyond_the_end_is_refused(void **state)
{
    (void)state;
    get();
    assert_int_equal(device_loaded(&fw->dev, &err), 0);
    fw->at = 5;
    assert_int_equal(device_loaded(&fw->dev, &err), -EINVAL);
    fw->at = 1;
    fw->selected = 0x1234;
    assert_int_equal(device_loaded(&fw->dev, &err), -EINVAL);
}

static void a_panic_is_reported(void **state)
{
    struct power_log power = power_log();
    struct pvpanic p;
    (void)state;
    pvpanic_init(&p, &power.sink, PVPANIC_PANICKED | PVPANIC_CRASHLOADED);
    assert_int_equal(device_read(&p.dev, 0, 1), 3);
    device_write(&p.dev, 0, 4, 1);
    assert_int_equal(power.requests, 0);
    device_write(&p.dev, 0, PVPANIC_CRASHLOADED, 1);
    assert_int_equal(power.last, POWER_CRASHLOADED);
    device_write(&p.dev, 0, PVPANIC_PANICKED | PVPANIC_CRASHLOADED, 1);
    assert_int_equal(power.last, POWER_PANICKED);
    pvpanic_finish(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_signature_and_the_features),
        TEST(the_directory_is_sorted),
        TEST(what_cannot_be_added_is_refused),
        TEST(dma_copies_an_item),
        TEST(dma_that_is_wrong_says_so),
        TEST(accesses_of_other_sizes_do_nothing),
        TEST(a_position_beyond_the_end_is_refused),
        cmocka_unit_test(a_panic_is_reported),
    };
    return cmocka_run_group_tests_name("fw_cfg", tests, NULL, NULL);
}
