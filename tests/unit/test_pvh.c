// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/firmware/boot.h"
#include "guest/firmware/field.h"
#include "guest/firmware/setup_header.h"

#define MIB UINT64_C(0x100000)
enum { CODE_OFFSET = 4096, CODE_BYTES = 5000, BSS_BYTES = 100000, NOTE_OFFSET = 1024,
       IMAGE_BYTES = CODE_OFFSET + CODE_BYTES, RAM_MIB = 64 };
enum { LOAD_GPA = 0x1000000, PVH_ENTRY = LOAD_GPA + 0x40, ELF_ENTRY = LOAD_GPA + 0x80 };

// A vmlinux of one segment and three notes, of which the middle one is Xen's entry.
struct image {
    Elf64_Ehdr elf;
    Elf64_Phdr load, note;
    uint8_t bytes[IMAGE_BYTES - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr)];
};
_Static_assert(sizeof(struct image) == IMAGE_BYTES, "no padding");

struct bench {
    struct ram ram;
    struct mem *memory;
    struct memory_map map;
    struct image image;
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

static uint8_t *put_note(uint8_t *at, const char *name, uint32_t type, const void *data,
                         uint32_t data_bytes)
{
    uint32_t name_bytes = (uint32_t)strlen(name) + 1;
    put32(at, name_bytes);
    put32(at + 4, data_bytes);
    put32(at + 8, type);
    memcpy(at + 12, name, name_bytes);
    at += 12 + align_up(name_bytes, 4);
    memcpy(at, data, data_bytes);
    return at + align_up(data_bytes, 4);
}

static void make_image(struct image *image)
{
    uint8_t *file = (uint8_t *)image;
    memset(image, 0, sizeof *image);
    memset(file + CODE_OFFSET, 0x90, CODE_BYTES);
    uint8_t *end = put_note(file + NOTE_OFFSET, "GNU", 3, "build", 5);
    end = put_note(end, "Xen", 18, le64(PVH_ENTRY).b, 8);
    end = put_note(end, "Xen", 6, "linux", 6);
    image->elf = (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1},
        .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_entry = ELF_ENTRY, .e_ehsize = sizeof image->elf,
        .e_phoff = sizeof image->elf, .e_phentsize = sizeof image->load, .e_phnum = 2};
    image->load = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = CODE_OFFSET, .p_paddr = LOAD_GPA,
        .p_vaddr = UINT64_C(0xffffffff81000000), .p_filesz = CODE_BYTES,
        .p_memsz = CODE_BYTES + BSS_BYTES};
    image->note = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTE_OFFSET, .p_align = 4,
        .p_filesz = (uint64_t)(end - file) - NOTE_OFFSET};
}

static int setup(void **state)
{
    struct bench *b = aligned_alloc(64, (sizeof *b + 63) / 64 * 64);
    memset(b, 0, sizeof *b);
    mem_thread_online();
    strcpy(b->kernel_path, "/tmp/konuk-pvh-XXXXXX");
    strcpy(b->initrd_path, "/tmp/konuk-pvh-XXXXXX");
    close(mkstemp(b->kernel_path));
    close(mkstemp(b->initrd_path));
    make_image(&b->image);
    write_file(b->initrd_path, "initrd", 6);
    b->memory = mem_create(UINT64_C(1) << 46);
    assert_int_equal(ram_open(&b->ram, RAM_MIB * MIB, &b->err), 0);
    assert_int_equal(mem_add_ram(b->memory, GPA(0), &b->ram, 0, RAM_MIB * MIB, false, &b->err), 0);
    assert_int_equal(memory_map_init(&b->map, b->memory, &b->err), 0);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    boot_close(b->boot);
    mem_destroy(b->memory);
    ram_close(&b->ram);
    unlink(b->kernel_path);
    unlink(b->initrd_path);
    mem_thread_offline();
    free(b);
    return 0;
}

static void open_image(struct bench *b)
{
    write_file(b->kernel_path, &b->image, sizeof b->image);
    b->boot = boot_open(b->kernel_path, b->initrd_path, "root=/dev/vda", &b->code, &b->err);
}

static void load(struct bench *b)
{
    open_image(b);
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

static void the_pvh_entry_is_in_flat_32_bit_mode(void **state)
{
    struct bench *b = *state;
    load(b);
    const struct x86_state *s = &b->state;
    assert_int_equal(s->rip, PVH_ENTRY);
    assert_int_equal(s->cr0, CR0_PE | CR0_ET);
    assert_int_equal(s->cr4, 0);
    assert_int_equal(s->efer, 0);
    assert_int_equal(s->rflags, FL_FIXED);
    assert_int_equal(s->seg[X86_CS].attr & (SEG_DB | SEG_L | SEG_CODE), SEG_DB | SEG_CODE);
    assert_int_equal(s->seg[X86_ES].limit, UINT32_MAX);
    assert_int_equal(s->tr.limit, 0x67);
    assert_int_equal(get32(at(b, s->gpr[X86_RBX])), 0x336ec578);
}

static void the_start_info_has_module_command_line_and_rsdp(void **state)
{
    struct bench *b = *state;
    load(b);
    const uint8_t *info = at(b, b->state.gpr[X86_RBX]);
    assert_int_equal(get32(info + 4), 1);
    assert_int_equal(get32(info + 12), 1);
    const uint8_t *module = at(b, get64(info + 16));
    assert_memory_equal(at(b, get64(module)), "initrd", 6);
    assert_int_equal(get64(module + 8), 6);
    assert_string_equal((const char *)at(b, get64(info + 24)), "root=/dev/vda");
    assert_int_equal(get64(info + 32), 0xf0000);
}

static void the_start_info_has_the_memory_map(void **state)
{
    struct bench *b = *state;
    load(b);
    const uint8_t *info = at(b, b->state.gpr[X86_RBX]), *entry = at(b, get64(info + 40));
    assert_int_equal(get32(info + 48), b->map.count);
    for (unsigned i = 0; i < b->map.count; i++, entry += 24) {
        assert_int_equal(get64(entry), b->map.range[i].base);
        assert_int_equal(get64(entry + 8), b->map.range[i].size_bytes);
        assert_int_equal(get32(entry + 16), b->map.range[i].type);
    }
}

static void segments_are_at_their_physical_address_and_bss_is_zero(void **state)
{
    static const uint8_t zeros[BSS_BYTES];
    struct bench *b = *state;
    memset(b->ram.host, 0xcc, 32 * MIB);
    load(b);
    assert_memory_equal(at(b, LOAD_GPA), (uint8_t *)&b->image + CODE_OFFSET, CODE_BYTES);
    assert_memory_equal(at(b, LOAD_GPA + CODE_BYTES), zeros, BSS_BYTES);
    assert_int_equal(*at(b, LOAD_GPA + CODE_BYTES + BSS_BYTES), 0xcc);
}

static void an_entry_of_four_bytes_is_taken(void **state)
{
    struct bench *b = *state;
    put_note((uint8_t *)&b->image + NOTE_OFFSET, "Xen", 18, le32(PVH_ENTRY + 4).b, 4);
    b->image.note.p_filesz = 20;
    load(b);
    assert_int_equal(b->state.rip, PVH_ENTRY + 4);
}

static void without_the_note_it_is_the_64_bit_protocol(void **state)
{
    struct bench *b = *state;
    b->image.elf.e_phnum = 1;
    load(b);
    assert_int_equal(b->state.rip, ELF_ENTRY);
    assert_int_equal(b->state.efer, EFER_LME | EFER_LMA);
    const uint8_t *page = at(b, b->state.gpr[X86_RSI]);
    assert_memory_equal(page + HDR_MAGIC, "HdrS", 4);
    assert_int_equal(get16(page + HDR_BOOT_FLAG), 0xaa55);
    assert_int_equal(page[HDR_TYPE_OF_LOADER], 0xb0);
    assert_memory_equal(at(b, get32(page + HDR_RAMDISK_IMAGE)), "initrd", 6);
    assert_int_equal(page[ZP_E820_ENTRIES], b->map.count);
}

static void assert_refused(struct bench *b, const char *why)
{
    char full[256];
    snprintf(full, sizeof full, "could not load kernel '%s': %s", b->kernel_path, why);
    open_image(b);
    assert_null(b->boot);
    assert_int_equal(b->code, -EINVAL);
    assert_string_equal(b->err.text, full);
}

static void other_machines_are_refused(void **state)
{
    struct bench *b = *state;
    b->image.elf.e_machine = EM_AARCH64;
    assert_refused(b, "it is an ELF file, but not for x86-64");
    b->image.elf.e_machine = EM_X86_64;
    b->image.elf.e_ident[EI_CLASS] = ELFCLASS32;
    assert_refused(b, "it is an ELF file, but not for x86-64");
}

static void segments_that_lie_are_refused(void **state)
{
    struct bench *b = *state;
    b->image.load.p_filesz = IMAGE_BYTES;
    assert_refused(b, "it is truncated");
    b->image.load.p_filesz = b->image.load.p_memsz + 1;
    assert_refused(b, "it has a segment that can't be loaded");
    make_image(&b->image);
    b->image.load.p_paddr = UINT64_MAX - 100;
    assert_refused(b, "it has a segment that can't be loaded");
    make_image(&b->image);
    b->image.load.p_offset = UINT64_MAX - 100;
    assert_refused(b, "it is truncated");
    make_image(&b->image);
    b->image.note.p_offset = IMAGE_BYTES - 1;
    assert_refused(b, "it is truncated");
    make_image(&b->image);
    b->image.elf.e_phoff = UINT64_MAX - 8;
    assert_refused(b, "it is truncated");
}

static void notes_that_lie_are_passed_over(void **state)
{
    struct bench *b = *state;
    uint8_t *note = (uint8_t *)&b->image + NOTE_OFFSET;
    put32(note, UINT32_MAX);
    put32(note + 4, UINT32_MAX);
    load(b);
    assert_int_equal(b->state.rip, ELF_ENTRY);
}

static void a_note_that_its_segment_cuts_off_is_passed_over(void **state)
{
    struct bench *b = *state;
    put_note((uint8_t *)&b->image + NOTE_OFFSET, "Xen", 18, le64(PVH_ENTRY).b, 8);
    b->image.note.p_filesz = 12 + 4 + 7;
    load(b);
    assert_int_equal(b->state.rip, ELF_ENTRY);
}

static void an_entry_outside_is_refused(void **state)
{
    struct bench *b = *state;
    b->image.elf.e_phnum = 1;
    b->image.elf.e_entry = 0x1000;
    assert_refused(b, "its entry is in none of its segments");
}

static void a_segment_without_ram_is_too_little_memory(void **state)
{
    struct bench *b = *state;
    b->image.load.p_memsz = RAM_MIB * MIB;
    open_image(b);
    assert_non_null(b->boot);
    assert_int_equal(boot_load(b->boot, b->memory, &b->map, GPA(0), &b->err), -ENOMEM);
    assert_non_null(strstr(b->err.text, "too little memory for kernel"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_pvh_entry_is_in_flat_32_bit_mode),
        TEST(the_start_info_has_module_command_line_and_rsdp),
        TEST(the_start_info_has_the_memory_map),
        TEST(segments_are_at_their_physical_address_and_bss_is_zero),
        TEST(an_entry_of_four_bytes_is_taken),
        TEST(without_the_note_it_is_the_64_bit_protocol),
        TEST(other_machines_are_refused),
        TEST(segments_that_lie_are_refused),
        TEST(notes_that_lie_are_passed_over),
        TEST(a_note_that_its_segment_cuts_off_is_passed_over),
        TEST(an_entry_outside_is_refused),
        TEST(a_segment_without_ram_is_too_little_memory),
    };
    return cmocka_run_group_tests_name("pvh", tests, NULL, NULL);
}
