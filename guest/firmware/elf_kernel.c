// SPDX-License-Identifier: GPL-2.0-or-later
//
// A vmlinux: an ELF64 executable whose segments go to their physical addresses. Its PVH entry is in
// a note (Xen, public/elfnote.h); without one, ELF's entry is taken for that of the 64-bit Linux
// protocol, which it is in a vmlinux.
#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "guest/firmware/boot_image.h"
#include "guest/firmware/field.h"
#include "guest/firmware/setup_header.h"

enum { NOTE_PHYS32_ENTRY = 18, NOTES_BYTES = 1 << 16, PROGRAM_HEADERS = 256 };
enum { VMLINUX_CMDLINE_MAX = 2047, ZERO_BYTES = 1 << 16 };

static int read_elf_header(const struct boot *b, Elf64_Ehdr *h, struct err *err)
{
    if (b->kernel.size_bytes < SELFMAG || kernel_file_read(&b->kernel, 0, h, SELFMAG) ||
        memcmp(h->e_ident, ELFMAG, SELFMAG))
        return -ENOEXEC;
    if (kernel_file_read(&b->kernel, 0, h, sizeof *h))
        return boot_refuse(b, err, "it is truncated");
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_machine != EM_X86_64)
        return boot_refuse(b, err, "it is an ELF file, but not for x86-64");
    if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum || h->e_phnum > PROGRAM_HEADERS)
        return boot_refuse(b, err, "it has no usable ELF program headers");
    return 0;
}

static bool in_file(const struct boot *b, uint64_t offset, uint64_t size_bytes)
{
    return offset <= b->kernel.size_bytes && size_bytes <= b->kernel.size_bytes - offset;
}

static int add_segment(struct boot *b, const Elf64_Phdr *p, struct err *err)
{
    uint64_t end = p->p_paddr + p->p_memsz;
    if (!p->p_memsz)
        return 0;
    if (p->p_filesz > p->p_memsz || end < p->p_paddr || p->p_paddr < MEMORY_HIGH_BASE)
        return boot_refuse(b, err, "it has a segment that can't be loaded");
    if (!in_file(b, p->p_offset, p->p_filesz))
        return boot_refuse(b, err, "it is truncated");
    if (b->segments == ELF_SEGMENTS)
        return boot_refuse(b, err, "it has too many segments");
    b->segment[b->segments++] =
        (struct elf_segment){p->p_offset, p->p_filesz, p->p_paddr, p->p_memsz};
    b->kernel_gpa = p->p_paddr < b->kernel_gpa ? p->p_paddr : b->kernel_gpa;
    b->kernel_end = end > b->kernel_end ? end : b->kernel_end;
    return 0;
}

// One note at *at; moves on to the next. False: there is no more. Sizes are the file's words.
static bool next_note(const uint8_t *notes, size_t size_bytes, size_t *at, uint64_t alignment,
                      uint64_t *entry)
{
    if (size_bytes - *at < sizeof(Elf64_Nhdr))
        return false;
    const uint8_t *note = notes + *at;
    uint64_t name_bytes = get32(note), data_bytes = get32(note + 4);
    uint64_t data = align_up(sizeof(Elf64_Nhdr) + name_bytes, alignment);
    uint64_t end = align_up(data + data_bytes, alignment);
    if (data + data_bytes > size_bytes - *at)
        return false;
    bool xen = name_bytes == 4 && !memcmp(note + sizeof(Elf64_Nhdr), "Xen", 4);
    if (xen && get32(note + 8) == NOTE_PHYS32_ENTRY && (data_bytes == 4 || data_bytes == 8))
        *entry = data_bytes == 4 ? get32(note + data) : get64(note + data);
    *at = end > size_bytes - *at ? size_bytes : *at + end;
    return true;
}

static int find_pvh_entry(struct boot *b, const Elf64_Phdr *p, struct err *err)
{
    size_t size_bytes = p->p_filesz < NOTES_BYTES ? p->p_filesz : NOTES_BYTES, at = 0;
    uint64_t entry = 0;
    if (!in_file(b, p->p_offset, size_bytes))
        return boot_refuse(b, err, "it is truncated");
    uint8_t *notes = malloc(size_bytes + 1);
    if (!notes)
        return boot_not_loaded(b, -ENOMEM, err);
    int code = kernel_file_read(&b->kernel, p->p_offset, notes, size_bytes);
    while (!code && next_note(notes, size_bytes, &at, p->p_align == 8 ? 8 : 4, &entry))
        ;
    free(notes);
    if (entry) {
        b->entry = BOOT_ENTRY_PVH;
        b->entry_gpa = entry;
    }
    return code ? boot_not_loaded(b, code, err) : 0;
}

static int read_program_headers(struct boot *b, const Elf64_Ehdr *h, struct err *err)
{
    for (unsigned i = 0; i < h->e_phnum; i++) {
        Elf64_Phdr p;
        uint64_t at = h->e_phoff + i * sizeof p;
        if (!in_file(b, at, sizeof p) || kernel_file_read(&b->kernel, at, &p, sizeof p))
            return boot_refuse(b, err, "it is truncated");
        int code = p.p_type == PT_LOAD ? add_segment(b, &p, err)
                 : p.p_type == PT_NOTE ? find_pvh_entry(b, &p, err) : 0;
        if (code)
            return code;
    }
    return 0;
}

static int check_entry(const struct boot *b, struct err *err)
{
    for (unsigned i = 0; i < b->segments; i++)
        if (b->entry_gpa >= b->segment[i].gpa &&
            b->entry_gpa - b->segment[i].gpa < b->segment[i].memory_bytes)
            return 0;
    return boot_refuse(b, err, "its entry is in none of its segments");
}

// Reset comes back here with memory in use, so what the file does not have is written as zeros.
static int clear(struct mem *memory, uint64_t gpa, uint64_t size_bytes)
{
    static const uint8_t zeros[ZERO_BYTES];
    int code = 0;
    for (uint64_t done = 0; done < size_bytes && !code; done += ZERO_BYTES) {
        uint64_t left = size_bytes - done;
        code = mem_dma_write(memory, GPA(gpa + done), zeros, left < ZERO_BYTES ? left : ZERO_BYTES);
    }
    return code;
}

static int load_segment(const struct boot *b, const struct elf_segment *s, struct mem *memory)
{
    int code = kernel_file_copy(&b->kernel, s->offset, s->file_bytes, memory, s->gpa);
    return code ? code : clear(memory, s->gpa + s->file_bytes, s->memory_bytes - s->file_bytes);
}

// Segments that overlap would cost more than memory has; a kernel has none.
static int load(const struct boot *b, struct mem *memory, const struct memory_map *map,
                struct err *err)
{
    uint64_t ram_bytes = memory_map_ram_bytes(map), sum = 0;
    for (unsigned i = 0; i < b->segments; i++) {
        const struct elf_segment *s = &b->segment[i];
        if (!memory_map_is_ram(map, s->gpa, s->memory_bytes))
            return boot_too_little(b, map, err);
        sum += s->memory_bytes;
    }
    if (sum > ram_bytes || b->kernel_end > UINT64_C(1) << 32)
        return boot_too_little(b, map, err);
    for (unsigned i = 0; i < b->segments; i++) {
        int code = load_segment(b, &b->segment[i], memory);
        if (code)
            return boot_not_loaded(b, code, err);
    }
    return 0;
}

static const struct boot_format format = {load};

// The header of a kernel that has none: what the zero page must say of itself.
static void make_setup_header(struct boot *b)
{
    put16(b->header + HDR_BOOT_FLAG, BOOT_FLAG);
    memcpy(b->header + HDR_MAGIC, "HdrS", 4);
    put16(b->header + HDR_VERSION, 0x020f);
    b->header[HDR_LOADFLAGS] = LOADED_HIGH;
    put16(b->header + HDR_XLOADFLAGS, XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G);
    put32(b->header + HDR_KERNEL_ALIGNMENT, 1 << 21);
    put32(b->header + HDR_CMDLINE_SIZE, VMLINUX_CMDLINE_MAX);
    put32(b->header + HDR_INITRD_ADDR_MAX, INT32_MAX);
}

int elf_kernel_open(struct boot *b, struct err *err)
{
    Elf64_Ehdr h;
    int code = read_elf_header(b, &h, err);
    if (code)
        return code;
    b->entry = BOOT_ENTRY_64;
    b->entry_gpa = h.e_entry;
    b->kernel_gpa = UINT64_MAX;
    code = read_program_headers(b, &h, err);
    if (!code)
        code = check_entry(b, err);
    if (code)
        return code;
    make_setup_header(b);
    b->initrd_max = b->entry == BOOT_ENTRY_PVH ? UINT32_MAX : INT32_MAX;
    b->initrd_anywhere = b->entry == BOOT_ENTRY_64;
    b->cmdline_max = b->entry == BOOT_ENTRY_PVH ? BOOT_CMDLINE_MAX : VMLINUX_CMDLINE_MAX;
    b->format = &format;
    return 0;
}
