// SPDX-License-Identifier: GPL-2.0-or-later
//
// Regions that come and go, and accesses everywhere, beside a model that knows the owner of each byte
// of a small space. Each step is four bytes: an action, an address (16 bits), a size.
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/mem/mem.h"

enum { SPACE_BYTES = 16 * PAGE_BYTES, RAM_BYTES = 4 * PAGE_BYTES, REGIONS = 32 };

// Owner 0 is nobody, 1 is RAM, others are devices, which answer each byte with their number.
static uint8_t owner[SPACE_BYTES];
static struct { uint32_t base, size_bytes; } regions[REGIONS];
static struct ram ram;
static struct mem *mem;
static uint64_t io_bytes;

static uint64_t io_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    unsigned number = (unsigned)(uintptr_t)opaque;
    if (offset + size_bytes > regions[number].size_bytes)
        abort();
    io_bytes += size_bytes;
    return number * UINT64_C(0x0101010101010101);
}

static void io_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    if (value & ~size_mask(size_bytes))
        abort();
    io_read(opaque, offset, size_bytes);
}

static const struct mem_ops ops = {io_read, io_write};

static bool is_free(uint32_t base, uint32_t size_bytes)
{
    for (uint32_t i = 0; i < size_bytes; i++)
        if (owner[base + i])
            return false;
    return true;
}

static void add(unsigned number, uint32_t base, uint32_t size_bytes)
{
    if (regions[number].size_bytes)
        return;
    bool is_ram = number == 1;
    if (is_ram)
        base &= ~(PAGE_BYTES - 1u), size_bytes = RAM_BYTES;
    bool fits = base + size_bytes <= SPACE_BYTES;
    bool expected = size_bytes && fits && is_free(base, size_bytes);
    regions[number].size_bytes = size_bytes;
    regions[number].base = base;
    int failed = is_ram ? mem_add_ram(mem, GPA(base), &ram, 0, RAM_BYTES, false, NULL)
                        : mem_add_io(mem, GPA(base), size_bytes, &ops, (void *)(uintptr_t)number,
                                     "fuzz", NULL);
    if (!failed != expected)
        abort();
    if (failed)
        regions[number].size_bytes = 0;
    else
        memset(owner + base, (int)number, size_bytes);
}

static void take_away(unsigned number)
{
    if (!regions[number].size_bytes)
        return;
    mem_remove(mem, GPA(regions[number].base));
    memset(owner + regions[number].base, 0, regions[number].size_bytes);
    regions[number].size_bytes = 0;
}

// Above the last of all addresses is nobody, and not address 0.
static uint8_t expected_byte(uint64_t first, uint64_t distance)
{
    uint64_t address = first + distance;
    if (address < first || address >= SPACE_BYTES || !owner[address])
        return 0xff;
    return owner[address] == 1 ? ram.host[address - regions[1].base] : owner[address];
}

static void read_and_compare(uint64_t address, unsigned size_bytes)
{
    uint64_t value = mem_read(mem, GPA(address), size_bytes);
    if (value & ~size_mask(size_bytes))
        abort();
    for (unsigned i = 0; i < size_bytes; i++)
        if ((uint8_t)(value >> (8 * i)) != expected_byte(address, i))
            abort();
}

static void dma(uint64_t address, size_t size_bytes)
{
    uint8_t bytes[256] = {0};
    size_t reachable = 0;
    while (reachable < size_bytes && address + reachable < SPACE_BYTES &&
           owner[address + reachable] == 1)
        reachable++;
    uint64_t before = io_bytes;
    if ((mem_dma_read(mem, GPA(address), bytes, size_bytes) == 0) != (reachable == size_bytes))
        abort();
    for (size_t i = 0; i < reachable; i++)
        if (bytes[i] != expected_byte(address, i))
            abort();
    if (io_bytes != before || (mem_ram_at(mem, GPA(address), size_bytes, true) && reachable < size_bytes))
        abort();
}

static void step(const uint8_t *bytes)
{
    uint64_t address = bytes[1] | (uint64_t)bytes[2] << 8;
    unsigned size_bytes = 1u << (bytes[3] & 3);
    if (bytes[0] & 0x80 && bytes[1] > 0xf0)
        address = UINT64_MAX - (bytes[1] & 7);  // where addresses wrap
    switch (bytes[0] & 7) {
    case 0: add(1 + bytes[3] % (REGIONS - 1), (uint32_t)address & 0xffff, bytes[3]); break;
    case 1: take_away(bytes[3] % REGIONS); break;
    case 2: mem_write(mem, GPA(address), bytes[3] * UINT64_C(0x0123456789abcdef), size_bytes); break;
    case 3: dma(address, bytes[3]); break;
    default: read_and_compare(address, size_bytes); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (!ram.host && ram_open(&ram, RAM_BYTES, NULL))
        abort();
    mem = mem_create(SPACE_BYTES);
    memset(owner, 0, sizeof owner);
    memset(regions, 0, sizeof regions);
    memset(ram.host, 0, RAM_BYTES);
    add(1, 0, RAM_BYTES);
    for (size_t i = 0; i + 4 <= size_bytes; i += 4)
        step(data + i);
    mem_destroy(mem);
    return 0;
}
