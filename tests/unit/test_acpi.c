// SPDX-License-Identifier: GPL-2.0-or-later
//
// The tables as a guest finds them in its memory; iasl reads each back. The golden listings in
// tests/golden/acpi are written anew with KONUK_UPDATE_GOLDEN=1.
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/firmware/acpi.h"
#include "guest/firmware/aml.h"

#define MIB UINT64_C(0x100000)
enum { HEADER_BYTES = 36, TABLE_MAX = 1 << 17 };

struct bench {
    struct ram ram;
    struct mem *memory;
    struct memory_map map;
    struct acpi_config config;
    gpa_t rsdp;
    struct err err;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    mem_thread_online();
    b->memory = mem_create(UINT64_C(1) << 46);
    assert_int_equal(ram_open(&b->ram, 64 * MIB, &b->err), 0);
    assert_int_equal(mem_add_ram(b->memory, GPA(0), &b->ram, 0, 64 * MIB, false, &b->err), 0);
    assert_int_equal(memory_map_init(&b->map, b->memory, &b->err), 0);
    acpi_config_ich9(&b->config, 2);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    mem_destroy(b->memory);
    ram_close(&b->ram);
    mem_thread_offline();
    free(b);
    return 0;
}

static void load(struct bench *b)
{
    assert_int_equal(acpi_load(&b->config, b->memory, &b->map, &b->rsdp, &b->err), 0);
}

static uint8_t sum(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t total = 0;
    while (size_bytes--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

static uint64_t number_at(struct bench *b, uint64_t address, unsigned size_bytes)
{
    return mem_read(b->memory, GPA(address), size_bytes);
}

// Reads the whole table at address; its checksum must be right.
static size_t read_table(struct bench *b, uint64_t address, uint8_t *out)
{
    size_t size_bytes = number_at(b, address + 4, 4);
    assert_in_range(size_bytes, HEADER_BYTES, TABLE_MAX);
    assert_int_equal(mem_dma_read(b->memory, GPA(address), out, size_bytes), 0);
    assert_int_equal(sum(out, size_bytes), 0);
    return size_bytes;
}

static uint64_t xsdt_address(struct bench *b)
{
    return number_at(b, b->rsdp.u + 24, 8);
}

// The address of a table by its signature, or 0.
static uint64_t find_table(struct bench *b, const char *signature)
{
    uint64_t xsdt = xsdt_address(b), end = xsdt + number_at(b, xsdt + 4, 4);
    for (uint64_t at = xsdt + HEADER_BYTES; at < end; at += 8) {
        uint64_t table = number_at(b, at, 8);
        char name[4];
        mem_dma_read(b->memory, GPA(table), name, 4);
        if (!memcmp(name, signature, 4))
            return table;
        if (!memcmp(name, "FACP", 4) && !strcmp(signature, "DSDT"))
            return number_at(b, table + 140, 8);
    }
    return 0;
}

static void the_rsdp_has_both_checksums(void **state)
{
    struct bench *b = *state;
    uint8_t rsdp[36];
    load(b);
    assert_int_equal(b->rsdp.u, 0xf0000);
    mem_dma_read(b->memory, b->rsdp, rsdp, sizeof rsdp);
    assert_memory_equal(rsdp, "RSD PTR ", 8);
    assert_int_equal(sum(rsdp, 20), 0);
    assert_int_equal(sum(rsdp, 36), 0);
    assert_int_equal(rsdp[15], 2);
}

static void every_table_lies_in_memory_reserved_for_it(void **state)
{
    static const char *const names[] = {"FACP", "APIC", "HPET", "DSDT"};
    struct bench *b = *state;
    uint8_t table[TABLE_MAX];
    load(b);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t at = find_table(b, names[i]);
        assert_true(at);
        size_t size_bytes = read_table(b, at, table);
        assert_memory_equal(table, names[i], 4);
        assert_false(memory_map_is_ram(&b->map, at, size_bytes));
    }
    assert_int_equal(b->map.range[b->map.count - 1].type, MEMORY_NVS);
    assert_int_equal(b->map.range[b->map.count - 2].type, MEMORY_ACPI);
    assert_true(find_table(b, "FACP") >= b->map.range[b->map.count - 2].base);
}

static void the_facs_is_aligned_and_not_reclaimable(void **state)
{
    struct bench *b = *state;
    load(b);
    uint64_t facs = number_at(b, find_table(b, "FACP") + 36, 4);
    assert_int_equal(facs & 63, 0);
    assert_int_equal(facs, b->map.range[b->map.count - 1].base);
    assert_int_equal(number_at(b, facs, 4), 0x53434146);
    assert_int_equal(number_at(b, facs + 4, 4), 64);
}

static void loading_again_gives_the_same(void **state)
{
    struct bench *b = *state;
    uint8_t once[TABLE_MAX], twice[TABLE_MAX];
    load(b);
    size_t size_bytes = read_table(b, find_table(b, "DSDT"), once);
    uint64_t address = find_table(b, "DSDT");
    assert_int_equal(memory_map_init(&b->map, b->memory, &b->err), 0);
    load(b);
    assert_int_equal(find_table(b, "DSDT"), address);
    assert_int_equal(read_table(b, address, twice), size_bytes);
    assert_memory_equal(once, twice, size_bytes);
}

static void what_is_not_there_is_not_described(void **state)
{
    struct bench *b = *state;
    b->config.hpet_base = b->config.hpet_id = 0;
    b->config.reset_port = 0;
    b->config.rtc = false;
    load(b);
    uint64_t fadt = find_table(b, "FACP");
    assert_int_equal(find_table(b, "HPET"), 0);
    assert_int_equal(number_at(b, fadt + 112, 4) & 1 << 10, 0);
    assert_int_equal(number_at(b, fadt + 109, 2), 1 | 1 << 2 | 1 << 5);
}

static void an_8042_and_vga_are_told_in_the_boot_flags(void **state)
{
    struct bench *b = *state;
    b->config.i8042 = b->config.vga = true;
    load(b);
    assert_int_equal(number_at(b, find_table(b, "FACP") + 109, 2), 1 | 1 << 1);
}

// Counts entries of a type in the MADT.
static unsigned madt_entries(struct bench *b, uint8_t type)
{
    static uint8_t table[TABLE_MAX];
    size_t size_bytes = read_table(b, find_table(b, "APIC"), table);
    unsigned count = 0;
    for (size_t at = 44; at + 1 < size_bytes; at += table[at + 1]) {
        assert_true(table[at + 1] && at + table[at + 1] <= size_bytes);
        count += table[at] == type;
    }
    return count;
}

static void large_apic_ids_use_x2apic_entries(void **state)
{
    static const uint32_t ids[] = {0, 254, 255, 256};
    struct bench *b = *state;
    b->config.vcpus = ARRAY_SIZE(ids);
    b->config.apic_ids = ids;
    load(b);
    assert_int_equal(madt_entries(b, 0), 2);
    assert_int_equal(madt_entries(b, 9), 2);
    assert_int_equal(madt_entries(b, 10), 1);
}

static void as_many_cpus_as_allowed_fit(void **state)
{
    struct bench *b = *state;
    b->config.vcpus = ACPI_VCPUS;
    load(b);
    assert_int_equal(madt_entries(b, 0), 255);
    assert_int_equal(madt_entries(b, 9), ACPI_VCPUS - 255);
}

static void what_tables_cannot_say_is_refused(void **state)
{
    struct bench *b = *state;
    b->config.vcpus = ACPI_VCPUS + 1;
    assert_int_equal(acpi_load(&b->config, b->memory, &b->map, &b->rsdp, &b->err), -EINVAL);
    assert_string_equal(b->err.text, "ACPI tables are for 1 to 4096 CPUs, not 4097");
    assert_int_equal(b->rsdp.u, 0);
}

static void no_room_is_one_sentence(void **state)
{
    struct bench *b = *state;
    memory_map_set(&b->map, MIB, 63 * MIB, MEMORY_RESERVED, &b->err);
    assert_int_equal(acpi_load(&b->config, b->memory, &b->map, &b->rsdp, &b->err), -ENOMEM);
    assert_non_null(strstr(b->err.text, "too little memory for the ACPI tables"));
}

// --- iasl

static const char *golden_folder(void)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", __FILE__);
    char *end = strstr(path, "unit/test_acpi.c");
    strcpy(end, "golden/acpi");
    return path;
}

// Runs iasl quietly in folder; its messages go to a file "log" there.
static void iasl(const char *folder, const char *arguments)
{
    char command[PATH_MAX + 200];
    snprintf(command, sizeof command, "cd %s && iasl %s >log 2>&1", folder, arguments);
    int status = system(command);
    if (status)
        fprintf(stderr, "%s: status %d (is iasl, of acpica-tools, there?)\n", arguments, status);
    assert_int_equal(status, 0);
}

static void assert_not_in_log(const char *folder, const char *const *words)
{
    char path[PATH_MAX], line[1024];
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *log = fopen(path, "r");
    assert_non_null(log);
    while (fgets(line, sizeof line, log))
        for (unsigned i = 0; words[i]; i++)
            if (strstr(line, words[i]) && !strstr(line, " 0 Errors, 0 Warnings"))
                fail_msg("iasl says: %s", line);
    fclose(log);
}

// A listing without its comments, which hold dates and paths.
static char *listing(const char *path)
{
    enum { LISTING_MAX = 1 << 18 };
    char *text = calloc(1, LISTING_MAX), line[1024];
    size_t used = 0;
    bool comment = false;
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        comment |= !strncmp(line, "/*", 2);
        if (!comment && used + sizeof line < LISTING_MAX)
            used += (size_t)sprintf(text + used, "%s", line);
        if (strstr(line, "*/"))
            comment = false;
    }
    fclose(file);
    return text;
}

static void compare_with_golden(const char *folder, const char *name)
{
    char made[PATH_MAX], golden[PATH_MAX + 64];
    snprintf(made, sizeof made, "%s/%s.dsl", folder, name);
    snprintf(golden, sizeof golden, "%s/%s.dsl", golden_folder(), name);
    char *text = listing(made);
    if (getenv("KONUK_UPDATE_GOLDEN")) {
        FILE *file = fopen(golden, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    char *expected = listing(golden);
    assert_string_equal(text, expected);
    free(text);
    free(expected);
}

static void write_table(struct bench *b, const char *folder, const char *name, uint64_t address)
{
    static uint8_t table[TABLE_MAX];
    char path[PATH_MAX];
    size_t size_bytes = read_table(b, address, table);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_int_equal(fwrite(table, 1, size_bytes, file), size_bytes);
    fclose(file);
}

static const char *const complaints[] = {"rror", "arning", "emark", "nvalid", "nknown", NULL};

static void check_with_iasl(struct bench *b, const char *name, uint64_t address, bool golden)
{
    char folder[] = "/tmp/konuk-acpi-XXXXXX", arguments[64];
    assert_non_null(mkdtemp(folder));
    write_table(b, folder, name, address);
    snprintf(arguments, sizeof arguments, "-d %s", name);
    iasl(folder, arguments);
    assert_not_in_log(folder, complaints);
    snprintf(arguments, sizeof arguments, "%s.dsl", name);
    iasl(folder, arguments);
    assert_not_in_log(folder, complaints);
    if (golden)
        compare_with_golden(folder, name);
    snprintf(arguments, sizeof arguments, "rm -rf %s", folder);
    assert_int_equal(system(arguments), 0);
}

// As q35 has it with 3 GiB.
static void add_pci(struct bench *b)
{
    b->config.i8042 = true;
    b->config.fw_cfg_port = 0x510;
    b->config.pvpanic_port = 0x505;
    b->config.pci = (struct acpi_pci){
        .there = true, .ecam = {0xb0000000, 256 * MIB}, .first_gsi = 16, .router_devfn = 0xf8,
        .memory32 = {{0x80000000, 0x30000000}, {0xc0000000, 0x3ec00000}},
        .memory64 = {UINT64_C(0x140000000), UINT64_C(0x800000000)},
    };
    for (unsigned device = 0; device < ACPI_PCI_DEVICES; device++)
        for (unsigned pin = 0; pin < ACPI_PCI_PINS; pin++)
            b->config.pci.pirq[device][pin] = (uint8_t)(device < 25 ? 4 + (device + pin) % 4 : pin);
}

static void the_mcfg_says_where_configuration_space_is(void **state)
{
    struct bench *b = *state;
    add_pci(b);
    load(b);
    uint64_t at = find_table(b, "MCFG");
    assert_int_equal(number_at(b, at + 4, 4), HEADER_BYTES + 24);
    assert_int_equal(number_at(b, at + 44, 8), 0xb0000000);
    assert_int_equal(number_at(b, at + 52, 4), 0xff000000);  // segment 0, buses 0 to 255
}

static void iasl_reads_each_table_back(void **state)
{
    static const char *const names[] = {"DSDT", "FACP", "APIC", "HPET", "MCFG"};
    struct bench *b = *state;
    add_pci(b);
    load(b);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        check_with_iasl(b, names[i], find_table(b, names[i]), strcmp(names[i], "FACP") != 0);
    check_with_iasl(b, "XSDT", xsdt_address(b), false);
    check_with_iasl(b, "FACP", find_table(b, "FACP"), true);
}

static void iasl_reads_a_large_machine_back(void **state)
{
    struct bench *b = *state;
    b->config.vcpus = 300;
    b->config.i8042 = b->config.vga = true;
    b->config.uart[1] = (struct acpi_uart){0x2f8, 3};
    load(b);
    check_with_iasl(b, "DSDT", find_table(b, "DSDT"), false);
    check_with_iasl(b, "APIC", find_table(b, "APIC"), false);
}

static void describe_test_device(struct aml *a, void *opaque)
{
    aml_begin_device(a, "TEST");
    aml_name(a, "_HID");
    aml_string(a, opaque);
    aml_end(a);
}

static void a_machine_adds_tables_and_devices(void **state)
{
    static const struct acpi_table table = {"UEFI", 1, "sixteen bytes id\x36", 18};
    struct bench *b = *state;
    b->config.describe = describe_test_device;
    b->config.opaque = (char[]){"KNUK0001"};
    b->config.tables = &table;
    b->config.table_count = 1;
    load(b);
    uint64_t at = find_table(b, "UEFI");
    assert_int_equal(number_at(b, at + 4, 4), HEADER_BYTES + table.body_bytes);
    assert_int_equal(number_at(b, at + HEADER_BYTES, 4), 0x74786973);
    check_with_iasl(b, "DSDT", find_table(b, "DSDT"), false);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_rsdp_has_both_checksums),
        TEST(every_table_lies_in_memory_reserved_for_it),
        TEST(the_facs_is_aligned_and_not_reclaimable),
        TEST(loading_again_gives_the_same),
        TEST(what_is_not_there_is_not_described),
        TEST(an_8042_and_vga_are_told_in_the_boot_flags),
        TEST(large_apic_ids_use_x2apic_entries),
        TEST(as_many_cpus_as_allowed_fit),
        TEST(what_tables_cannot_say_is_refused),
        TEST(no_room_is_one_sentence),
        TEST(a_machine_adds_tables_and_devices),
        TEST(the_mcfg_says_where_configuration_space_is),
        TEST(iasl_reads_each_table_back),
        TEST(iasl_reads_a_large_machine_back),
    };
    return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
