// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a boot is put together inside this folder: boot.c opens the files and goes through the steps;
// a format (bzimage.c, elf_kernel.c) knows the kernel's file; zero_page.c and pvh.c write what the
// kernel is told; entry.c makes the state of the CPU.
#pragma once

#include <stdbool.h>

#include "guest/firmware/boot.h"
#include "guest/firmware/kernel_file.h"

// Below 640 KiB, where no part of a kernel is loaded. All of it is free for the kernel once it
// has copied what it wants to keep.
enum {
    BOOT_BDA = 0x400, BOOT_BDA_BYTES = 0x100,
    BOOT_GDT = 0x500,
    BOOT_START_INFO = 0x6000,  // PVH
    BOOT_ZERO_PAGE = 0x7000,
    BOOT_SEED = 0x8000,
    BOOT_PAGE_TABLES = 0x9000,  // six pages: the first 4 GiB by 2 MiB pages
    BOOT_STACK_TOP = 0x10000,
    BOOT_CMDLINE = 0x20000,
    BOOT_CMDLINE_MAX = 0x10000,  // bytes, without the null
};

enum boot_entry { BOOT_ENTRY_64, BOOT_ENTRY_32, BOOT_ENTRY_PVH };

enum { SETUP_HEADER = 0x1f1, SETUP_HEADER_END = 0x290, ELF_SEGMENTS = 64 };

struct elf_segment {
    uint64_t offset, file_bytes, gpa, memory_bytes;
};

struct boot_format {
    // Finds the kernel's place in map and copies it there.
    int (*load)(const struct boot *boot, struct mem *memory, const struct memory_map *map,
                struct err *err);
};

struct boot {
    char *kernel_path, *initrd_path, *cmdline;  // the last two may be null
    struct kernel_file kernel, initrd;
    const struct boot_format *format;
    bool repeats;  // boot_repeat

    // What the format found in the file when it was opened.
    enum boot_entry entry;
    uint64_t entry_gpa;
    uint8_t header[SETUP_HEADER_END];  // Linux: a setup header at its place; zero before it
    uint64_t file_offset, file_bytes;  // bzImage: the protected-mode part
    uint64_t kernel_gpa, kernel_end;   // what the kernel needs until it knows of its memory
    uint64_t cmdline_max;              // bytes, without the null
    uint64_t initrd_max;               // where its last byte may be ...
    bool initrd_anywhere;              // ... if there is room; or else wherever there is
    unsigned segments;
    struct elf_segment segment[ELF_SEGMENTS];

    // Set by boot_load.
    uint64_t initrd_gpa;
    uint64_t ram_end_below_4g;
};

// Recognizes and checks the kernel's file, and fills in the above. -ENOEXEC with no sentence: it
// is another format.
int bzimage_open(struct boot *boot, struct err *err);
int elf_kernel_open(struct boot *boot, struct err *err);

int zero_page_write(const struct boot *boot, struct mem *memory, const struct memory_map *map,
                    gpa_t rsdp);
int pvh_write(const struct boot *boot, struct mem *memory, const struct memory_map *map,
              gpa_t rsdp);
int entry_write_tables(const struct boot *boot, struct mem *memory);

// The sentence for memory that the kernel needs and the guest does not have.
int boot_too_little(const struct boot *boot, const struct memory_map *map, struct err *err);
// The sentence for a kernel that can't be used. Returns -EINVAL.
int boot_refuse(const struct boot *boot, struct err *err, const char *why);
// The sentence for a kernel's file that can't be read or is no kernel. Returns code.
int boot_not_loaded(const struct boot *boot, int code, struct err *err);
