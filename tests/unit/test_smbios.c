// SPDX-License-Identifier: GPL-2.0-or-later
//
// The tables as a guest finds them in its memory; dmidecode reads them back.
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/firmware/smbios.h"

#define MIB UINT64_C(0x100000)
#define GIB (1024 * MIB)

static struct ram ram;
static struct mem *memory;
static struct memory_map map;
static struct err err;
static struct smbios_machine machine;
static struct smbios_options options;

static int setup(void **state)
{
    (void)state;
    mem_thread_online();
    memory = mem_create(UINT64_C(1) << 46);
    assert_int_equal(ram_open(&ram, 64 * MIB, &err), 0);
    assert_int_equal(mem_add_ram(memory, GPA(0), &ram, 0, 64 * MIB, false, &err), 0);
    assert_int_equal(memory_map_init(&map, memory, &err), 0);
    memset(&options, 0, sizeof options);
    machine = (struct smbios_machine){
        .manufacturer = "QEMU", .product = "Standard PC (Q35 + ICH9, 2009)", .version = "pc-q35-7.2",
        .ram_bytes = 512 * MIB, .low_bytes = 512 * MIB, .sockets = 1, .cores = 2, .threads = 1,
        .cpuid_eax = 0x60fb1, .cpuid_edx = 0x178bfbfd,
    };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_destroy(memory);
    ram_close(&ram);
    mem_thread_offline();
    return 0;
}

static uint8_t sum(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t total = 0;
    while (size_bytes--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

static uint64_t number(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

static void load(void)
{
    assert_int_equal(smbios_load(&options, &machine, memory, &map, &err), 0);
}

// What dmidecode says of a dump: an entry point, and the tables behind it, where it is told to look.
static char *decoded(void)
{
    char folder[] = "/tmp/konuk-smbios-XXXXXX", command[200];
    uint8_t entry[32];
    static char text[1 << 18];
    assert_non_null(mkdtemp(folder));
    memcpy(entry, ram.host + SMBIOS_ENTRY, 32);
    const uint8_t *tables = ram.host + number(entry + 0x18, 4);
    memcpy(entry + 0x18, (uint32_t[]){32}, 4);
    entry[0x15] = (uint8_t)(entry[0x15] - sum(entry + 0x10, 0x0f));
    entry[4] = (uint8_t)(entry[4] - sum(entry, 0x1f));
    snprintf(command, sizeof command, "%s/dump", folder);
    FILE *dump = fopen(command, "w");
    assert_int_equal(fwrite(entry, 1, 32, dump), 32);
    assert_int_equal(fwrite(tables, 1, number(entry + 0x16, 2), dump), number(entry + 0x16, 2));
    fclose(dump);
    snprintf(command, sizeof command, "PATH=$PATH:/usr/sbin dmidecode --from-dump %s/dump 2>&1", folder);
    FILE *pipe = popen(command, "r");
    text[fread(text, 1, sizeof text - 1, pipe)] = 0;
    assert_int_equal(pclose(pipe), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return text;
}

static void expect(const char *text, const char *words)
{
    bool there = strstr(text, words);
    if (!there)
        fputs(text, stderr), fputs(words, stderr);
    assert_true(there);
}

static void the_entry_point_is_where_it_is_looked_for(void **state)
{
    (void)state;
    load();
    const uint8_t *e = ram.host + SMBIOS_ENTRY;
    assert_int_equal(SMBIOS_ENTRY & 15, 0);
    assert_memory_equal(e, "_SM_", 4);
    assert_memory_equal(e + 16, "_DMI_", 5);
    assert_int_equal(sum(e, 0x1f), 0);
    assert_int_equal(sum(e + 16, 0x0f), 0);
    assert_true(number(e + 0x18, 4) + number(e + 0x16, 2) <= MIB);
    assert_false(memory_map_is_ram(&map, number(e + 0x18, 4), number(e + 0x16, 2)));
}

// Word for word what dmidecode says on stock QEMU, of what isn't SeaBIOS's.
static void dmidecode_reads_what_stock_qemu_says(void **state)
{
    static const char system[] =
        "Handle 0x0100, DMI type 1, 27 bytes\nSystem Information\n\tManufacturer: QEMU\n"
        "\tProduct Name: Standard PC (Q35 + ICH9, 2009)\n\tVersion: pc-q35-7.2\n"
        "\tSerial Number: Not Specified\n\tUUID: Not Settable\n\tWake-up Type: Power Switch\n"
        "\tSKU Number: Not Specified\n\tFamily: Not Specified\n";
    static const char dimm[] =
        "Handle 0x1100, DMI type 17, 40 bytes\nMemory Device\n\tArray Handle: 0x1000\n"
        "\tError Information Handle: Not Provided\n\tTotal Width: Unknown\n\tData Width: Unknown\n"
        "\tSize: 512 MB\n\tForm Factor: DIMM\n\tSet: None\n\tLocator: DIMM 0\n"
        "\tBank Locator: Not Specified\n\tType: RAM\n\tType Detail: Other\n\tSpeed: Unknown\n"
        "\tManufacturer: QEMU\n";
    (void)state;
    load();
    const char *text = decoded();
    expect(text, "SMBIOS 2.8 present.\n8 structures occupying");
    expect(text, system);
    expect(text, dimm);
    expect(text, "Handle 0x0300, DMI type 3, 22 bytes\n");
    expect(text, "Handle 0x0400, DMI type 4, 42 bytes\n");
    expect(text, "\tCore Count: 2\n\tCore Enabled: 2\n\tThread Count: 2\n");
    expect(text, "\tEnding Address: 0x0001FFFFFFF\n\tRange Size: 512 MB\n");
    expect(text, "\tStatus: No errors detected\n");
    expect(text, "End Of Table\n");
}

static void dmidecode_reads_what_a_user_says(void **state)
{
    (void)state;
    options.bios.asked = options.bios.uefi = options.bios.has_release = true;
    options.bios.vendor = "V", options.bios.version = "1.2", options.bios.date = "01/02/2003";
    options.bios.major = 4, options.bios.minor = 5;
    options.system.serial = "ds=nocloud";
    options.system.has_uuid = true;
    for (unsigned i = 0; i < 16; i++)
        options.system.uuid[i] = (uint8_t)(0x11 * i);
    options.board.asked = true;
    options.board.location = "slot 5";
    options.processor.max_mhz = 3000;
    options.processor.socket_prefix = "LGA";
    options.oem_string[0] = "io.systemd.credential:a=b";
    options.oem_string[1] = "";
    options.oem_string[2] = "third";
    options.oem_strings = 3;
    options.memory.speed_mts = 3200;
    load();
    const char *text = decoded();
    expect(text, "\tVendor: V\n\tVersion: 1.2\n\tRelease Date: 01/02/2003\n");
    expect(text, "\t\tUEFI is supported\n");
    expect(text, "\tBIOS Revision: 4.5\n");
    expect(text, "\tSerial Number: ds=nocloud\n\tUUID: 00112233-4455-6677-8899-aabbccddeeff\n");
    expect(text, "Base Board Information\n\tManufacturer: QEMU\n");
    expect(text, "\tLocation In Chassis: slot 5\n");
    expect(text, "\tSocket Designation: LGA 0\n");
    expect(text, "\tMax Speed: 3000 MHz\n\tCurrent Speed: 2000 MHz\n");
    expect(text, "\tString 1: io.systemd.credential:a=b\n\tString 2:  \n\tString 3: third\n");
    expect(text, "\tSpeed: 3200 MT/s\n");
}

static void large_memory_is_several_dimms(void **state)
{
    (void)state;
    machine.ram_bytes = 5 * 1024 * GIB + 8 * GIB;
    machine.low_bytes = 2 * GIB;
    load();
    const char *text = decoded();
    expect(text, "\tMaximum Capacity: 5128 GB\n");
    expect(text, "\tNumber Of Devices: 321\n");
    expect(text, "\tLocator: DIMM 320\n");
    expect(text, "\tStarting Address: 0x0000000100000000k\n");
    expect(text, "\tRange Size: 5126 GB\n");
}

// 4096 sockets do not fit below 1 MiB, nor into the old entry point's 16 bits.
static void very_many_processors_have_the_new_entry_point(void **state)
{
    (void)state;
    machine.sockets = 4096;
    load();
    const uint8_t *e = ram.host + SMBIOS_ENTRY;
    uint64_t address = number(e + 16, 8), size_bytes = number(e + 12, 4);
    assert_memory_equal(e, "_SM3_", 5);
    assert_int_equal(sum(e, e[6]), 0);
    assert_true(address >= MIB && address + size_bytes <= 64 * MIB && size_bytes > 0xffff);
    assert_false(memory_map_is_ram(&map, address, size_bytes));
    assert_int_equal(ram.host[address], 1);
    memory_map_set(&map, MIB, 63 * MIB, MEMORY_RESERVED, &err);
    assert_int_equal(smbios_load(NULL, &machine, memory, &map, &err), -ENOSPC);
}

static void a_table_given_whole_stands_for_its_type(void **state)
{
    static const uint8_t table[] = {1, 8, 0x34, 0x12, 1, 0, 0, 0, 'm', 'i', 'n', 'e', 0, 0};
    (void)state;
    assert_int_equal(smbios_check_table(table, sizeof table, &err), 0);
    options.table[0].bytes = table;
    options.table[0].size_bytes = sizeof table;
    options.tables = 1;
    load();
    const char *text = decoded();
    expect(text, "Handle 0x1234, DMI type 1, 8 bytes\nSystem Information\n\tManufacturer: mine\n");
    assert_null(strstr(text, "Handle 0x0100"));
}

static void what_is_no_table_is_refused(void **state)
{
    static const uint8_t good[] = {200, 5, 0, 1, 0, 'a', 0, 'b', 0, 0};
    uint8_t bad[sizeof good + 1];
    (void)state;
    assert_int_equal(smbios_check_table(good, sizeof good, &err), 0);
    for (unsigned i = 0; i < sizeof good; i++)
        assert_int_equal(smbios_check_table(good, i, &err), -EINVAL);
    memcpy(bad, good, sizeof good);
    bad[sizeof good] = 0;  // more follows
    assert_int_equal(smbios_check_table(bad, sizeof bad, &err), -EINVAL);
    bad[1] = 3;
    assert_int_equal(smbios_check_table(bad, sizeof good, &err), -EINVAL);
    bad[1] = 9;
    assert_int_equal(smbios_check_table(bad, sizeof good, &err), -EINVAL);
    assert_int_equal(smbios_check_table(good, 1 << 20, &err), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_entry_point_is_where_it_is_looked_for),
        TEST(dmidecode_reads_what_stock_qemu_says),
        TEST(dmidecode_reads_what_a_user_says),
        TEST(large_memory_is_several_dimms),
        TEST(very_many_processors_have_the_new_entry_point),
        TEST(a_table_given_whole_stands_for_its_type),
        TEST(what_is_no_table_is_refused),
    };
    return cmocka_run_group_tests_name("smbios", tests, NULL, NULL);
}
