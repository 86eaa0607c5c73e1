// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a PVH kernel is told (Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h): a
// hvm_start_info of version 1, its one module and the memory map, all in one page. Its memory
// types are E820's.
#include "guest/firmware/boot_image.h"
#include "guest/firmware/field.h"

enum { START_MAGIC = 0x336ec578, START_VERSION = 1 };
enum { INFO_MODULES = 12, INFO_MODLIST = 16, INFO_CMDLINE = 24, INFO_RSDP = 32, INFO_MEMMAP = 40,
       INFO_MEMMAP_ENTRIES = 48, INFO_BYTES = 56 };
enum { MODULE_BYTES = 32, RANGE_BYTES = 24, MEMMAP = INFO_BYTES + MODULE_BYTES,
       ALL_BYTES = MEMMAP + MEMORY_MAP_RANGES * RANGE_BYTES };
_Static_assert(ALL_BYTES <= BOOT_ZERO_PAGE - BOOT_START_INFO, "all of it fits");

static void fill_map(uint8_t *entry, const struct memory_map *map)
{
    for (unsigned i = 0; i < map->count; i++, entry += RANGE_BYTES) {
        put64(entry, map->range[i].base);
        put64(entry + 8, map->range[i].size_bytes);
        put32(entry + 16, map->range[i].type);
    }
}

int pvh_write(const struct boot *b, struct mem *memory, const struct memory_map *map,
              gpa_t rsdp)
{
    uint8_t info[ALL_BYTES] = {0};
    put32(info, START_MAGIC);
    put32(info + 4, START_VERSION);
    if (b->initrd.size_bytes) {
        put32(info + INFO_MODULES, 1);
        put64(info + INFO_MODLIST, BOOT_START_INFO + INFO_BYTES);
        put64(info + INFO_BYTES, b->initrd_gpa);
        put64(info + INFO_BYTES + 8, b->initrd.size_bytes);
    }
    put64(info + INFO_CMDLINE, BOOT_CMDLINE);
    put64(info + INFO_RSDP, rsdp.u);
    put64(info + INFO_MEMMAP, BOOT_START_INFO + MEMMAP);
    put32(info + INFO_MEMMAP_ENTRIES, map->count);
    fill_map(info + MEMMAP, map);
    return mem_dma_write(memory, GPA(BOOT_START_INFO), info, sizeof info);
}
