// SPDX-License-Identifier: GPL-2.0-or-later
//
// The boot parameters of Linux, "zero page": the kernel's own setup header with the loader's fields
// filled in, the memory map, and where the rest is.
#include <sys/random.h>

#include "guest/firmware/boot_image.h"
#include "guest/firmware/field.h"
#include "guest/firmware/setup_header.h"

enum { LOADER_QEMU = 0xb0 };  // the id that boot.rst assigns to what Konuk stands in for
enum { SETUP_RNG_SEED = 9, SEED_BYTES = 32, E820_BYTES = 20 };
_Static_assert(ZP_E820_TABLE + MEMORY_MAP_RANGES * E820_BYTES <= ZP_BYTES, "the E820 table fits");

static void fill_map(uint8_t *page, const struct memory_map *map)
{
    uint8_t *entry = page + ZP_E820_TABLE;
    page[ZP_E820_ENTRIES] = (uint8_t)map->count;
    for (unsigned i = 0; i < map->count; i++, entry += E820_BYTES) {
        put64(entry, map->range[i].base);
        put64(entry + 8, map->range[i].size_bytes);
        put32(entry + 16, map->range[i].type);
    }
}

static void fill_initrd(uint8_t *page, const struct boot *b)
{
    put32(page + HDR_RAMDISK_IMAGE, (uint32_t)b->initrd_gpa);
    put32(page + HDR_RAMDISK_SIZE, (uint32_t)b->initrd.size_bytes);
    put32(page + ZP_EXT_RAMDISK_IMAGE, (uint32_t)(b->initrd_gpa >> 32));
    put32(page + ZP_EXT_RAMDISK_SIZE, (uint32_t)(b->initrd.size_bytes >> 32));
}

// A seed for the kernel's random numbers, fresh at each start, so that a guest without RDRAND does
// not wait for entropy (Linux, setup_data of type SETUP_RNG_SEED). If the host has none, it waits. A boot that
// repeats has zeros.
static int write_seed(const struct boot *b, struct mem *memory, uint64_t *setup_data)
{
    uint8_t node[16 + SEED_BYTES] = {0};
    put32(node + 8, SETUP_RNG_SEED);
    put32(node + 12, SEED_BYTES);
    *setup_data = 0;
    if (!b->repeats && getrandom(node + 16, SEED_BYTES, GRND_NONBLOCK) != SEED_BYTES)
        return 0;
    *setup_data = BOOT_SEED;
    return mem_dma_write(memory, GPA(BOOT_SEED), node, sizeof node);
}

int zero_page_write(const struct boot *b, struct mem *memory, const struct memory_map *map,
                    gpa_t rsdp)
{
    uint8_t page[ZP_BYTES] = {0};
    uint64_t seed;
    int code = write_seed(b, memory, &seed);
    if (code)
        return code;
    memcpy(page + SETUP_HEADER, b->header + SETUP_HEADER, SETUP_HEADER_END - SETUP_HEADER);
    page[HDR_TYPE_OF_LOADER] = LOADER_QEMU;
    page[HDR_LOADFLAGS] &= (uint8_t)~KEEP_SEGMENTS;
    page[HDR_EXT_LOADER_VER] = page[HDR_EXT_LOADER_TYPE] = 0;
    put32(page + HDR_CODE32_START, (uint32_t)b->kernel_gpa);
    put32(page + HDR_CMD_LINE_PTR, BOOT_CMDLINE);
    put64(page + HDR_SETUP_DATA, get16(page + HDR_VERSION) >= 0x0209 ? seed : 0);
    put64(page + ZP_ACPI_RSDP, rsdp.u);
    fill_initrd(page, b);
    fill_map(page, map);
    return mem_dma_write(memory, GPA(BOOT_ZERO_PAGE), page, sizeof page);
}
