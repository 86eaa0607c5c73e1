// SPDX-License-Identifier: GPL-2.0-or-later
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
#include <sys/stat.h>
#include <unistd.h>

#include "guest/firmware/boot.h"
#include "guest/firmware/field.h"
#include "guest/firmware/setup_header.h"

#define MIB UINT64_C(0x100000)
enum { SETUP_BYTES = 5 * 512, PAYLOAD_BYTES = 64 << 10, IMAGE_BYTES = SETUP_BYTES + PAYLOAD_BYTES,
       INITRD_BYTES = 10000, RAM_MIB = 64, INIT_SIZE = 24 << 20 };

// A made-up kernel, an initrd, and a guest with RAM on both sides of the PCI hole.
struct bench {
    struct ram ram;
    struct mem *memory;
    struct memory_map map;
    uint8_t image[IMAGE_BYTES], initrd[INITRD_BYTES];
    char kernel_path[64], initrd_path[64];
    struct boot *boot;
    int code;
    struct err err;
    struct x86_state state;
};

static void write_file(const char *path, const void *bytes, size_t size_bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
    fclose(file);
}

static void make_path(char *path)
{
    strcpy(path, "/tmp/konuk-boot-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void fill(uint8_t *bytes, size_t size_bytes, uint8_t seed)
{
    for (size_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256 + seed);
}

static void make_image(uint8_t *image)
{
    fill(image, IMAGE_BYTES, 1);
    memset(image + HDR_SETUP_SECTS, 0, 0x290 - HDR_SETUP_SECTS);
    image[HDR_SETUP_SECTS] = 4;
    put32(image + HDR_SYSSIZE, PAYLOAD_BYTES / 16);
    put16(image + HDR_BOOT_FLAG, 0xaa55);
    put16(image + HDR_JUMP, 0x66eb);
    memcpy(image + HDR_MAGIC, "HdrS", 4);
    put16(image + HDR_VERSION, 0x020f);
    image[HDR_LOADFLAGS] = LOADED_HIGH;
    put32(image + HDR_CODE32_START, MIB);
    image[HDR_EXT_LOADER_VER] = image[HDR_EXT_LOADER_TYPE] = 7;  // the loader's, not the image's
    put32(image + HDR_INITRD_ADDR_MAX, 0x7fffffff);
    put32(image + HDR_KERNEL_ALIGNMENT, 2 * MIB);
    image[HDR_RELOCATABLE] = 1;
    put16(image + HDR_XLOADFLAGS, XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G);
    put32(image + HDR_CMDLINE_SIZE, 2047);
    put64(image + HDR_PREF_ADDRESS, 16 * MIB);
    put32(image + HDR_INIT_SIZE, INIT_SIZE);
}

static void set_ram(struct bench *b, uint64_t low_bytes, uint64_t high_bytes)
{
    b->memory = mem_create(UINT64_C(1) << 46);
    assert_int_equal(ram_open(&b->ram, low_bytes + high_bytes, &b->err), 0);
    assert_int_equal(mem_add_ram(b->memory, GPA(0), &b->ram, 0, low_bytes, false, &b->err), 0);
    if (high_bytes)
        assert_int_equal(mem_add_ram(b->memory, GPA(UINT64_C(1) << 32), &b->ram, low_bytes,
                                     high_bytes, false, &b->err), 0);
    assert_int_equal(memory_map_init(&b->map, b->memory, &b->err), 0);
}

static void drop_ram(struct bench *b)
{
    mem_destroy(b->memory);
    ram_close(&b->ram);
}

static int setup(void **state)
{
    struct bench *b = aligned_alloc(64, (sizeof *b + 63) / 64 * 64);
    memset(b, 0, sizeof *b);
    mem_thread_online();
    make_path(b->kernel_path);
    make_path(b->initrd_path);
    make_image(b->image);
    fill(b->initrd, INITRD_BYTES, 99);
    write_file(b->initrd_path, b->initrd, INITRD_BYTES);
    set_ram(b, RAM_MIB * MIB, 16 * MIB);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    boot_close(b->boot);
    drop_ram(b);
    unlink(b->kernel_path);
    unlink(b->initrd_path);
    mem_thread_offline();
    free(b);
    return 0;
}

static void open_image(struct bench *b, const char *initrd, const char *cmdline)
{
    write_file(b->kernel_path, b->image, IMAGE_BYTES);
    b->boot = boot_open(b->kernel_path, initrd, cmdline, &b->code, &b->err);
}

static void load(struct bench *b, const char *initrd, const char *cmdline)
{
    open_image(b, initrd, cmdline);
    assert_non_null(b->boot);
    assert_int_equal(boot_load(b->boot, b->memory, &b->map, GPA(0xf0000), &b->err), 0);
    x86_reset(&b->state, 0, false);
    boot_state(b->boot, &b->state, 0, 40);
}

static const uint8_t *at(struct bench *b, uint64_t gpa)
{
    const uint8_t *bytes = mem_ram_at(b->memory, GPA(gpa), 1, false);
    assert_non_null(bytes);
    return bytes;
}

static const uint8_t *zero_page(struct bench *b)
{
    return at(b, b->state.gpr[X86_RSI]);
}

static void assert_refused(struct bench *b, int code, const char *sentence)
{
    char full[256];
    snprintf(full, sizeof full, sentence, b->kernel_path);
    assert_null(b->boot);
    assert_int_equal(b->code, code);
    assert_string_equal(b->err.text, full);
}

static void the_kernel_is_at_its_preferred_address(void **state)
{
    struct bench *b = *state;
    load(b, NULL, NULL);
    assert_memory_equal(at(b, 16 * MIB), b->image + SETUP_BYTES, PAYLOAD_BYTES);
    assert_int_equal(b->state.rip, 16 * MIB + 0x200);
}

static void the_64bit_entry_is_in_long_mode_with_4_gib_mapped(void **state)
{
    struct bench *b = *state;
    load(b, NULL, NULL);
    const struct x86_state *s = &b->state;
    assert_int_equal(s->cr0 & (CR0_PE | CR0_PG | CR0_CD | CR0_NW), CR0_PE | CR0_PG);
    assert_int_equal(s->efer, EFER_LME | EFER_LMA);
    assert_int_equal(s->cr4, CR4_PAE);
    assert_int_equal(s->seg[X86_CS].attr & (SEG_L | SEG_DB), SEG_L);
    assert_int_equal(s->rflags & FL_IF, 0);
    uint64_t pdpt = get64(at(b, s->cr3)) & ~UINT64_C(0xfff);
    for (uint64_t gpa = 0; gpa < UINT64_C(1) << 32; gpa += 2 * MIB) {
        uint64_t pd = get64(at(b, pdpt + (gpa >> 30) * 8)) & ~UINT64_C(0xfff);
        assert_int_equal(get64(at(b, pd + (gpa >> 21 & 511) * 8)), gpa | 0x83);
    }
}

static void the_gdt_agrees_with_the_hidden_parts(void **state)
{
    struct bench *b = *state;
    load(b, NULL, NULL);
    const struct x86_segment *cs = &b->state.seg[X86_CS];
    uint64_t entry = get64(at(b, b->state.gdtr.base + cs->selector));
    assert_int_equal(entry >> 40 & 0xf0ff, cs->attr);
    assert_int_equal(entry, UINT64_C(0x00af9b000000ffff));
    assert_int_equal(get64(at(b, b->state.gdtr.base + b->state.seg[X86_DS].selector)),
                     UINT64_C(0x00cf93000000ffff));
}

static void a_kernel_without_a_64bit_entry_is_entered_in_32_bits(void **state)
{
    struct bench *b = *state;
    put16(b->image + HDR_XLOADFLAGS, 0);
    load(b, NULL, NULL);
    assert_int_equal(b->state.rip, 16 * MIB);
    assert_int_equal(b->state.cr0, CR0_PE | CR0_ET);
    assert_int_equal(b->state.efer, 0);
    assert_int_equal(b->state.seg[X86_CS].selector, 0x10);
    assert_int_equal(b->state.seg[X86_CS].attr & (SEG_L | SEG_DB), SEG_DB);
    assert_int_equal(b->state.seg[X86_SS].selector, 0x18);
    assert_int_equal(b->state.gpr[X86_RBP] | b->state.gpr[X86_RDI] | b->state.gpr[X86_RBX], 0);
}

static void the_initrd_is_high_in_low_memory_whole(void **state)
{
    struct bench *b = *state;
    load(b, b->initrd_path, NULL);
    uint64_t gpa = get32(zero_page(b) + HDR_RAMDISK_IMAGE);
    assert_int_equal(gpa, RAM_MIB * MIB - 3 * PAGE_BYTES);
    assert_int_equal(get32(zero_page(b) + HDR_RAMDISK_SIZE), INITRD_BYTES);
    assert_int_equal(get32(zero_page(b) + ZP_EXT_RAMDISK_IMAGE), 0);
    assert_memory_equal(at(b, gpa), b->initrd, INITRD_BYTES);
}

static void the_initrd_keeps_to_the_kernels_limit(void **state)
{
    struct bench *b = *state;
    put32(b->image + HDR_INITRD_ADDR_MAX, 0x2ffffff);
    load(b, b->initrd_path, NULL);
    uint64_t last = get32(zero_page(b) + HDR_RAMDISK_IMAGE) + INITRD_BYTES - 1;
    assert_in_range(last, 0x2ffe000, 0x2ffffff);
}

static void the_initrd_does_not_meet_the_kernel_or_tables(void **state)
{
    struct bench *b = *state;
    assert_int_equal(memory_map_set(&b->map, 40 * MIB, 24 * MIB, MEMORY_ACPI, &b->err), 0);
    load(b, b->initrd_path, NULL);  // the kernel needs 16 to 40 MiB
    uint64_t gpa = get32(zero_page(b) + HDR_RAMDISK_IMAGE);
    gpa |= (uint64_t)get32(zero_page(b) + ZP_EXT_RAMDISK_IMAGE) << 32;
    assert_in_range(gpa, MIB, 16 * MIB - INITRD_BYTES);
}

static void a_large_initrd_goes_above_4_gib_if_the_kernel_allows(void **state)
{
    struct bench *b = *state;
    assert_int_equal(truncate(b->initrd_path, 15 * MIB + 1), 0);
    put64(b->image + HDR_PREF_ADDRESS, 14 * MIB);
    put32(b->image + HDR_INIT_SIZE, 45 * MIB);  // leaves 13 and 5 MiB
    load(b, b->initrd_path, NULL);
    assert_int_equal(get32(zero_page(b) + ZP_EXT_RAMDISK_IMAGE), 1);
    assert_memory_equal(at(b, (UINT64_C(1) << 32) + get32(zero_page(b) + HDR_RAMDISK_IMAGE)),
                        b->initrd, INITRD_BYTES);
}

static void an_initrd_without_room_is_qemus_sentence(void **state)
{
    struct bench *b = *state;
    assert_int_equal(truncate(b->initrd_path, 200 * MIB), 0);
    open_image(b, b->initrd_path, NULL);
    assert_int_equal(boot_load(b->boot, b->memory, &b->map, GPA(0), &b->err), -ENOMEM);
    assert_string_equal(b->err.text,
                        "initrd is too large, cannot support.(max: 25165824, need 209715200)");
}

static void the_command_line_is_where_the_header_says(void **state)
{
    struct bench *b = *state;
    load(b, NULL, "console=ttyS0 panic=-1");
    const char *text = (const char *)at(b, get32(zero_page(b) + HDR_CMD_LINE_PTR));
    assert_string_equal(text, "console=ttyS0 panic=-1");
}

static void a_command_line_has_the_kernels_limit(void **state)
{
    struct bench *b = *state;
    char line[2049] = {0};
    memset(line, 'a', 2047);
    load(b, NULL, line);
    boot_close(b->boot);
    line[2047] = 'a';
    open_image(b, NULL, line);
    assert_refused(b, -E2BIG, "kernel command line is too long: it has 2048 bytes, the kernel takes 2047");
}

static void the_zero_page_says_who_loaded_it(void **state)
{
    struct bench *b = *state;
    load(b, NULL, NULL);
    const uint8_t *page = zero_page(b);
    assert_int_equal(page[HDR_TYPE_OF_LOADER], 0xb0);
    assert_int_equal(page[HDR_EXT_LOADER_VER] | page[HDR_EXT_LOADER_TYPE], 0);
    assert_int_equal(get64(page + ZP_ACPI_RSDP), 0xf0000);
    assert_int_equal(page[0x1ef], 0);  // the sentinel
    assert_memory_equal(page + HDR_MAGIC, "HdrS", 4);
    assert_int_equal(get32(page + HDR_INIT_SIZE), INIT_SIZE);
}

static void fields_past_the_headers_end_are_zero(void **state)
{
    struct bench *b = *state;
    b->image[HDR_JUMP + 1] = HDR_INIT_SIZE - HDR_MAGIC;
    load(b, NULL, NULL);
    assert_int_equal(get32(zero_page(b) + HDR_INIT_SIZE), 0);
    assert_int_equal(get64(zero_page(b) + HDR_PREF_ADDRESS), 16 * MIB);
}

static void each_start_has_another_seed_but_one_that_repeats(void **state)
{
    struct bench *b = *state;
    uint8_t first[48];
    load(b, NULL, NULL);
    uint64_t gpa = get64(zero_page(b) + HDR_SETUP_DATA);
    memcpy(first, at(b, gpa), sizeof first);
    assert_int_equal(get64(first), 0);
    assert_int_equal(get32(first + 8), 9);
    assert_int_equal(get32(first + 12), 32);
    assert_int_equal(boot_load(b->boot, b->memory, &b->map, GPA(0), &b->err), 0);
    assert_memory_not_equal(first + 16, at(b, gpa) + 16, 32);
    boot_repeat(b->boot);
    for (unsigned times = 0; times < 2; times++) {
        assert_int_equal(boot_load(b->boot, b->memory, &b->map, GPA(0), &b->err), 0);
        assert_memory_equal((const uint8_t[32]){0}, at(b, gpa) + 16, 32);
    }
}

static void the_e820_map_has_ram_and_what_is_reserved(void **state)
{
    static const struct memory_range expected[] = {
        {0, 0x9fc00, MEMORY_RAM}, {0x9fc00, 0x400, MEMORY_RESERVED},
        {0xf0000, 0x10000, MEMORY_RESERVED}, {MIB, 62 * MIB, MEMORY_RAM},
        {63 * MIB, MIB, MEMORY_ACPI}, {UINT64_C(1) << 32, 16 * MIB, MEMORY_RAM},
    };
    struct bench *b = *state;
    memory_map_set(&b->map, 63 * MIB, MIB, MEMORY_ACPI, &b->err);
    load(b, NULL, NULL);
    const uint8_t *entry = zero_page(b) + ZP_E820_TABLE;
    assert_int_equal(zero_page(b)[ZP_E820_ENTRIES], ARRAY_SIZE(expected));
    for (unsigned i = 0; i < ARRAY_SIZE(expected); i++, entry += 20) {
        assert_int_equal(get64(entry), expected[i].base);
        assert_int_equal(get64(entry + 8), expected[i].size_bytes);
        assert_int_equal(get32(entry + 16), expected[i].type);
    }
}

static void a_reset_loads_the_same_again(void **state)
{
    struct bench *b = *state;
    load(b, b->initrd_path, "quiet");
    memset(b->ram.host, 0xcc, b->ram.size_bytes);
    assert_int_equal(boot_load(b->boot, b->memory, &b->map, GPA(0xf0000), &b->err), 0);
    assert_memory_equal(at(b, 16 * MIB), b->image + SETUP_BYTES, PAYLOAD_BYTES);
    assert_memory_equal(at(b, get32(zero_page(b) + HDR_RAMDISK_IMAGE)), b->initrd, INITRD_BYTES);
    assert_string_equal((const char *)at(b, get32(zero_page(b) + HDR_CMD_LINE_PTR)), "quiet");
    assert_int_equal(get16(at(b, 0x40e)), 0);  // no EBDA
}

static void a_file_that_shrank_since_is_told(void **state)
{
    struct bench *b = *state;
    load(b, b->initrd_path, NULL);
    assert_int_equal(truncate(b->initrd_path, 100), 0);
    assert_int_equal(boot_load(b->boot, b->memory, &b->map, GPA(0), &b->err), -EIO);
    assert_non_null(strstr(b->err.text, "it changed"));
}

static void too_little_memory_is_one_line(void **state)
{
    struct bench *b = *state;
    drop_ram(b);
    set_ram(b, 32 * MIB, 0);
    open_image(b, NULL, NULL);
    assert_int_equal(boot_load(b->boot, b->memory, &b->map, GPA(0), &b->err), -ENOMEM);
    assert_non_null(strstr(b->err.text, "it needs RAM from 16 to 40 MiB, the guest has 32 MiB"));
}

static void every_processor_has_the_same_memory_types(void **state)
{
    struct bench *b = *state;
    static struct x86_state other;
    load(b, NULL, NULL);
    x86_reset(&other, 1, false);
    boot_state(b->boot, &other, 1, 40);
    assert_int_equal(other.run_state, X86_WAIT_SIPI);
    assert_int_equal(other.mtrr_def_type, 0xc06);
    assert_int_equal(other.mtrr_base[0], 0x80000000);
    assert_int_equal(other.mtrr_mask[0], UINT64_C(0xff80000800));
    assert_memory_equal(other.mtrr_fixed, b->state.mtrr_fixed, sizeof other.mtrr_fixed);
    assert_int_equal(other.mtrr_base[0], b->state.mtrr_base[0]);
}

static void the_uncached_range_begins_above_ram(void **state)
{
    struct bench *b = *state;
    memory_map_set(&b->map, MIB, 0xaff00000, MEMORY_RAM, &b->err);
    load(b, NULL, NULL);
    assert_int_equal(b->state.mtrr_base[0], 0xc0000000);
    assert_int_equal(b->state.mtrr_mask[0], UINT64_C(0xffc0000800));
}

static void an_empty_initrd_is_none(void **state)
{
    struct bench *b = *state;
    assert_int_equal(truncate(b->initrd_path, 0), 0);
    load(b, b->initrd_path, NULL);
    assert_int_equal(get32(zero_page(b) + HDR_RAMDISK_IMAGE), 0);
    assert_int_equal(get32(zero_page(b) + HDR_RAMDISK_SIZE), 0);
}

static void a_missing_kernel_is_qemus_sentence(void **state)
{
    struct bench *b = *state;
    b->boot = boot_open("/nowhere", NULL, NULL, &b->code, &b->err);
    assert_refused(b, -ENOENT, "could not open kernel file '/nowhere': No such file or directory");
    b->boot = boot_open("/", NULL, NULL, &b->code, &b->err);
    assert_refused(b, -EISDIR, "could not load kernel '/': Is a directory");
}

static void a_missing_initrd_is_told(void **state)
{
    struct bench *b = *state;
    open_image(b, "/nowhere", NULL);
    assert_refused(b, -ENOENT, "error reading initrd /nowhere: No such file or directory");
}

static void what_is_not_a_file_is_refused_without_waiting(void **state)
{
    struct bench *b = *state;
    unlink(b->kernel_path);
    assert_int_equal(mkfifo(b->kernel_path, 0600), 0);
    b->boot = boot_open(b->kernel_path, NULL, NULL, &b->code, &b->err);
    assert_refused(b, -EINVAL, "could not load kernel '%s': Invalid argument");
}

static void what_is_no_kernel_is_refused(void **state)
{
    struct bench *b = *state;
    memcpy(b->image + HDR_MAGIC, "SrdH", 4);
    open_image(b, NULL, NULL);
    assert_refused(b, -EINVAL, "invalid kernel header");
    write_file(b->kernel_path, "", 0);
    b->boot = boot_open(b->kernel_path, NULL, NULL, &b->code, &b->err);
    assert_refused(b, -EINVAL, "invalid kernel header");
}

static void a_truncated_kernel_is_refused(void **state)
{
    struct bench *b = *state;
    write_file(b->kernel_path, b->image, IMAGE_BYTES - 1);
    b->boot = boot_open(b->kernel_path, NULL, NULL, &b->code, &b->err);
    assert_refused(b, -EINVAL, "could not load kernel '%s': it is truncated (68095 of 68096 bytes)");
}

static void an_old_kernel_is_refused(void **state)
{
    struct bench *b = *state;
    put16(b->image + HDR_VERSION, 0x0205);
    open_image(b, NULL, NULL);
    assert_refused(b, -EINVAL, "kernel '%s' is too old: it has boot protocol 2.05, 2.06 is needed");
}

static void an_address_that_cannot_be_is_refused(void **state)
{
    static const uint64_t addresses[] = {0, 0x7000, MIB - 1, UINT64_C(1) << 32, UINT64_MAX};
    struct bench *b = *state;
    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        put64(b->image + HDR_PREF_ADDRESS, addresses[i]);
        open_image(b, NULL, NULL);
        assert_refused(b, -EINVAL, "could not load kernel '%s': it wants to be loaded where it can't be");
    }
}

static void a_bad_alignment_is_refused(void **state)
{
    struct bench *b = *state;
    put32(b->image + HDR_KERNEL_ALIGNMENT, 3);
    open_image(b, NULL, NULL);
    assert_refused(b, -EINVAL, "could not load kernel '%s': its alignment is not a power of two");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_kernel_is_at_its_preferred_address),
        TEST(the_64bit_entry_is_in_long_mode_with_4_gib_mapped),
        TEST(the_gdt_agrees_with_the_hidden_parts),
        TEST(a_kernel_without_a_64bit_entry_is_entered_in_32_bits),
        TEST(the_initrd_is_high_in_low_memory_whole),
        TEST(the_initrd_keeps_to_the_kernels_limit),
        TEST(the_initrd_does_not_meet_the_kernel_or_tables),
        TEST(a_large_initrd_goes_above_4_gib_if_the_kernel_allows),
        TEST(an_initrd_without_room_is_qemus_sentence),
        TEST(the_command_line_is_where_the_header_says),
        TEST(a_command_line_has_the_kernels_limit),
        TEST(the_zero_page_says_who_loaded_it),
        TEST(fields_past_the_headers_end_are_zero),
        TEST(each_start_has_another_seed_but_one_that_repeats),
        TEST(the_e820_map_has_ram_and_what_is_reserved),
        TEST(a_reset_loads_the_same_again),
        TEST(a_file_that_shrank_since_is_told),
        TEST(too_little_memory_is_one_line),
        TEST(every_processor_has_the_same_memory_types),
        TEST(the_uncached_range_begins_above_ram),
        TEST(an_empty_initrd_is_none),
        TEST(a_missing_kernel_is_qemus_sentence),
        TEST(a_missing_initrd_is_told),
        TEST(what_is_not_a_file_is_refused_without_waiting),
        TEST(what_is_no_kernel_is_refused),
        TEST(a_truncated_kernel_is_refused),
        TEST(an_old_kernel_is_refused),
        TEST(an_address_that_cannot_be_is_refused),
        TEST(a_bad_alignment_is_refused),
    };
    return cmocka_run_group_tests_name("linux_boot", tests, NULL, NULL);
}
