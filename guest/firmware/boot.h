// SPDX-License-Identifier: GPL-2.0-or-later
//
// Starting a kernel directly, without firmware: a bzImage (Linux, Documentation/arch/x86/boot.rst,
// boot protocol 2.06 and later) by its 64-bit entry, or its 32-bit one if it has no other; an ELF64
// vmlinux by its PVH entry (the Xen ABI, docs/misc/pvh.pandoc), or by the 64-bit protocol if it has
// no such note.
//
// A machine opens its files once, so that a bad one is told before anything runs, and from then on
// at power-up and at each reset
//     memory_map_init(&map, memory), memory_map_set(&map, ...) for what the machine keeps;
//     acpi_load(&acpi, memory, &map, &rsdp);
//     boot_load(boot, memory, &map, rsdp);
//     x86_reset and then boot_state for every vCPU.
// Nothing of the files is kept in memory; they stay open and are read again. Kernels and initrds
// are untrusted: all that is read is checked against the file's size and the guest's RAM.
//
// Errors: the sentences are QEMU's where it has one, without its leading "qemu: ".
//
// Threads: a boot belongs to one thread, a registered mem reader; vCPUs are paused meanwhile.
#pragma once

#include "base/err.h"
#include "guest/cpu/x86/state.h"
#include "guest/firmware/memory_map.h"
#include "guest/mem/mem.h"

struct boot;

// initrd and cmdline may be null. Null on failure, with *code (may be null) a negative errno.
struct boot *boot_open(const char *kernel, const char *initrd, const char *cmdline, int *code,
                       struct err *err);
void boot_close(struct boot *boot);  // null is fine
// For a guest whose every start is to be the same: its kernel's seed of random numbers is, too.
void boot_repeat(struct boot *boot);

// Puts the kernel, its initrd, command line and parameters into RAM. map is what the kernel is
// told; rsdp is 0 where there are no tables. -ENOMEM: too little RAM; -EIO: a file changed.
int boot_load(struct boot *boot, struct mem *memory, const struct memory_map *map, gpa_t rsdp,
              struct err *err);
// After boot_load: turns vCPU index's reset state into what firmware leaves. vCPU 0 is at the
// kernel's entry; the others still wait for SIPI. physical_bits is the CPU model's.
void boot_state(const struct boot *boot, struct x86_state *state, unsigned index,
                unsigned physical_bits);
