// SPDX-License-Identifier: GPL-2.0-or-later
//
// The CPU at a kernel's entry, and the tables in memory that its registers point to.
#include "guest/firmware/boot_image.h"
#include "guest/firmware/field.h"

// boot.rst: __BOOT_CS and __BOOT_DS. A task register must be loaded for hardware to enter a guest.
enum { CODE_SELECTOR = 0x10, DATA_SELECTOR = 0x18, TASK_SELECTOR = 0x20, GDT_BYTES = 0x30 };
enum { CODE_64 = SEG_G | SEG_L | SEG_P | SEG_S | SEG_CODE | SEG_READABLE | SEG_ACCESSED,
       CODE_32 = SEG_G | SEG_DB | SEG_P | SEG_S | SEG_CODE | SEG_READABLE | SEG_ACCESSED,
       DATA = SEG_G | SEG_DB | SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED,
       BUSY_TASK = SEG_P | 0x0b };
enum { TASK_LIMIT = 0x67 };

enum { PTE_PRESENT = 1, PTE_WRITABLE = 2, PDE_LARGE = 0x80, LARGE_PAGE_BITS = 21, ENTRIES = 512,
       DIRECTORIES = 4 };

static uint64_t descriptor(uint16_t attr, uint32_t limit)
{
    return (uint64_t)attr << 40 | (uint64_t)(limit >> 16 & 0xf) << 48 | (limit & 0xffff);
}

static int write_gdt(struct mem *memory, uint16_t code_attr)
{
    uint8_t gdt[GDT_BYTES] = {0};
    put64(gdt + CODE_SELECTOR, descriptor(code_attr, 0xfffff));
    put64(gdt + DATA_SELECTOR, descriptor(DATA, 0xfffff));
    put64(gdt + TASK_SELECTOR, descriptor(BUSY_TASK, TASK_LIMIT));
    return mem_dma_write(memory, GPA(BOOT_GDT), gdt, sizeof gdt);
}

// boot.rst, "64-bit Boot Protocol": the kernel, the zero page and the command line must be mapped
// one to one. All of the first 4 GiB is.
static int write_page_tables(struct mem *memory)
{
    uint8_t tables[(2 + DIRECTORIES) * PAGE_BYTES] = {0};
    uint8_t *pml4 = tables, *pdpt = pml4 + PAGE_BYTES, *pd = pdpt + PAGE_BYTES;
    put64(pml4, (BOOT_PAGE_TABLES + PAGE_BYTES) | PTE_PRESENT | PTE_WRITABLE);
    for (uint64_t i = 0; i < DIRECTORIES; i++)
        put64(pdpt + 8 * i, (BOOT_PAGE_TABLES + (2 + i) * PAGE_BYTES) | PTE_PRESENT | PTE_WRITABLE);
    for (uint64_t i = 0; i < DIRECTORIES * ENTRIES; i++)
        put64(pd + 8 * i, i << LARGE_PAGE_BITS | PDE_LARGE | PTE_PRESENT | PTE_WRITABLE);
    return mem_dma_write(memory, GPA(BOOT_PAGE_TABLES), tables, sizeof tables);
}

int entry_write_tables(const struct boot *b, struct mem *memory)
{
    int code = write_gdt(memory, b->entry == BOOT_ENTRY_64 ? CODE_64 : CODE_32);
    return code || b->entry != BOOT_ENTRY_64 ? code : write_page_tables(memory);
}

static void set_segments(struct x86_state *s, uint16_t code_attr)
{
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        s->seg[i] = (struct x86_segment){0, UINT32_MAX, DATA_SELECTOR, DATA};
    s->seg[X86_CS] = (struct x86_segment){0, UINT32_MAX, CODE_SELECTOR, code_attr};
    s->tr = (struct x86_segment){0, TASK_LIMIT, TASK_SELECTOR, BUSY_TASK};
    s->gdtr = (struct x86_table){BOOT_GDT, GDT_BYTES - 1};
    s->idtr = (struct x86_table){0, 0};
    s->cpl = 0;
}

static void set_long_mode(struct x86_state *s)
{
    s->cr0 = CR0_PE | CR0_ET | CR0_PG;
    s->cr3 = BOOT_PAGE_TABLES;
    s->cr4 = CR4_PAE;
    s->efer = EFER_LME | EFER_LMA;
}

// Firmware makes RAM write-back, the VGA window uncached and the rest of the first MiB write-
// protected, and covers what is above RAM up to 4 GiB by one uncached range (SDM volume 3, "Memory
// Type Range Registers"). Linux complains if processors differ.
static void set_memory_types(struct x86_state *s, uint64_t ram_end_below_4g, unsigned physical_bits)
{
    enum { UNCACHED = 0, WRITE_PROTECTED = 5, WRITE_BACK = 6, FIXED = 1 << 10, ENABLED = 1 << 11 };
    const uint64_t every_byte = UINT64_C(0x0101010101010101);
    uint64_t size_bytes = UINT64_C(1) << 31;
    for (unsigned i = 0; i < 11; i++)
        s->mtrr_fixed[i] = every_byte * (i < 2 ? WRITE_BACK : i == 2 ? UNCACHED : WRITE_PROTECTED);
    while ((UINT64_C(1) << 32) - size_bytes < ram_end_below_4g && size_bytes > 1 << 24)
        size_bytes /= 2;
    s->mtrr_base[0] = ((UINT64_C(1) << 32) - size_bytes) | UNCACHED;
    s->mtrr_mask[0] = (size_mask(8) >> (64 - physical_bits) & ~(size_bytes - 1)) | ENABLED;
    s->mtrr_def_type = ENABLED | FIXED | WRITE_BACK;
}

static void enter(const struct boot *b, struct x86_state *s)
{
    memset(s->gpr, 0, sizeof s->gpr);
    s->rip = b->entry_gpa;
    s->rflags = FL_FIXED;
    s->cr0 = CR0_PE | CR0_ET;
    s->cr4 = s->efer = 0;
    set_segments(s, b->entry == BOOT_ENTRY_64 ? CODE_64 : CODE_32);
    if (b->entry == BOOT_ENTRY_64)
        set_long_mode(s);
    s->gpr[X86_RSP] = BOOT_STACK_TOP;
    s->gpr[b->entry == BOOT_ENTRY_PVH ? X86_RBX : X86_RSI] =
        b->entry == BOOT_ENTRY_PVH ? BOOT_START_INFO : BOOT_ZERO_PAGE;
}

void boot_state(const struct boot *boot, struct x86_state *state, unsigned index,
                unsigned physical_bits)
{
    set_memory_types(state, boot->ram_end_below_4g, physical_bits);
    if (index == 0)
        enter(boot, state);
}
