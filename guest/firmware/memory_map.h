// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which guest-physical ranges a kernel is told about, and as what: the E820 map (ACPI 6.4, section
// 15). It starts from the RAM of an address space; what firmware, tables or a machine take for
// themselves is then reserved. Ranges are sorted and never overlap; neighbours of a type are one.
//
// Threads: none; a map is a plain value and may be copied.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/mem/mem.h"

enum memory_type { MEMORY_RAM = 1, MEMORY_RESERVED = 2, MEMORY_ACPI = 3, MEMORY_NVS = 4 };

enum {
    MEMORY_MAP_RANGES = 128,        // as many as the zero page of Linux holds
    MEMORY_LOW_END = 0x9fc00,       // what a PC's BIOS leaves of the first 640 KiB
    MEMORY_BIOS_BASE = 0xf0000,     // reserved; holds the RSDP
    MEMORY_HIGH_BASE = 0x100000,
};

struct memory_range {
    uint64_t base, size_bytes;
    enum memory_type type;
};
struct memory_map {
    unsigned count;
    struct memory_range range[MEMORY_MAP_RANGES];
};

// Writable RAM of memory, without the range between 640 KiB and 1 MiB. -ENOSPC: too many ranges.
int memory_map_init(struct memory_map *map, struct mem *memory, struct err *err);
// Makes [base, base + size_bytes) type, whatever it was. -EINVAL, -ENOSPC.
int memory_map_set(struct memory_map *map, uint64_t base, uint64_t size_bytes,
                   enum memory_type type, struct err *err);
// Is all of it RAM?
bool memory_map_is_ram(const struct memory_map *map, uint64_t base, uint64_t size_bytes);
// The highest aligned base of size_bytes of RAM at or above 1 MiB that ends at or below limit.
// False: there is none.
bool memory_map_find(const struct memory_map *map, uint64_t size_bytes, uint64_t alignment,
                     uint64_t limit, uint64_t *base);
uint64_t memory_map_ram_bytes(const struct memory_map *map);
