// SPDX-License-Identifier: GPL-2.0-or-later
//
// The SMBIOS tables of a PC (DMTF DSP0134, 2.8), as QEMU makes them: who made the machine, its
// processors and its memory. Guests (systemd-detect-virt, cloud-init, licence managers) look at them.
// What a user said by -smbios replaces the machine's own words; tables that a user gave whole come
// first, and then stand for every table of their type.
//
// Strings are ASCII, without an end of line; null: not given. Everything is lent for the call.
//
// Threads: none.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/firmware/memory_map.h"

enum { SMBIOS_OEM_STRINGS = 255, SMBIOS_TABLES = 32 };

// What -smbios says. All zero: nothing.
struct smbios_options {
    struct { bool asked, has_release, uefi; uint8_t major, minor; const char *vendor, *version, *date; } bios;
    struct { const char *manufacturer, *product, *version, *serial, *sku, *family;
             bool has_uuid; uint8_t uuid[16]; } system;  // uuid as it is printed, most significant first
    struct { bool asked; const char *manufacturer, *product, *version, *serial, *asset, *location; } board;
    struct { const char *manufacturer, *version, *serial, *asset, *sku; } chassis;
    struct { const char *socket_prefix, *manufacturer, *version, *serial, *asset, *part;
             uint16_t max_mhz, current_mhz;      // 0: 2000, as QEMU says
             bool has_id; uint64_t id; } processor;  // id: CPUID.1 EAX, and EDX in its high half
    const char *oem_string[SMBIOS_OEM_STRINGS];  // type 11, value=
    unsigned oem_strings;
    struct { const char *locator_prefix, *bank, *manufacturer, *serial, *asset, *part;
             uint16_t speed_mts; } memory;
    struct { const void *bytes; size_t size_bytes; } table[SMBIOS_TABLES];  // file=
    unsigned tables;
};

// What the machine is.
struct smbios_machine {
    const char *manufacturer, *product, *version;
    uint8_t uuid[16];
    uint64_t ram_bytes, low_bytes;  // in all; below 4 GiB
    unsigned sockets, cores, threads;  // cores of a socket, threads of a core
    uint32_t cpuid_eax, cpuid_edx;     // of leaf 1
};

// One table that a user gave whole: is it one? -EINVAL and a sentence.
int smbios_check_table(const void *bytes, size_t size_bytes, struct err *err);

// Writes the tables, and at SMBIOS_ENTRY their entry point, where kernels that were started without UEFI
// look for it (5.2). options may be null; its tables have been checked. -ENOSPC: they don't fit below 1 MiB,
// and there is no other room.
int smbios_load(const struct smbios_options *options, const struct smbios_machine *machine,
                struct mem *memory, struct memory_map *map, struct err *err);
enum { SMBIOS_ENTRY = MEMORY_BIOS_BASE + 0x40 };
