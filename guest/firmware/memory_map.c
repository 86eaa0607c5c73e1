// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/firmware/memory_map.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"

static uint64_t range_end(const struct memory_range *r)
{
    return r->base + r->size_bytes;
}

// Puts r at index i. The caller has checked that there is room.
static void insert(struct memory_map *map, unsigned i, struct memory_range r)
{
    memmove(&map->range[i + 1], &map->range[i], (map->count - i) * sizeof r);
    map->range[i] = r;
    map->count++;
}

static void remove_at(struct memory_map *map, unsigned i)
{
    map->count--;
    memmove(&map->range[i], &map->range[i + 1], (map->count - i) * sizeof map->range[0]);
}

// Makes address a border between ranges, if it lies inside one.
static void split_at(struct memory_map *map, uint64_t address)
{
    for (unsigned i = 0; i < map->count; i++) {
        struct memory_range *r = &map->range[i];
        if (r->base >= address || range_end(r) <= address)
            continue;
        struct memory_range upper = {address, range_end(r) - address, r->type};
        r->size_bytes = address - r->base;
        insert(map, i + 1, upper);
        return;
    }
}

static void merge_neighbours(struct memory_map *map)
{
    for (unsigned i = 1; i < map->count;) {
        struct memory_range *below = &map->range[i - 1], *r = &map->range[i];
        if (below->type != r->type || range_end(below) != r->base) {
            i++;
            continue;
        }
        below->size_bytes += r->size_bytes;
        remove_at(map, i);
    }
}

// Leaves nothing of [base, end). Room for two more ranges is there.
static void clear(struct memory_map *map, uint64_t base, uint64_t end)
{
    split_at(map, base);
    split_at(map, end);
    for (unsigned i = 0; i < map->count;) {
        if (map->range[i].base >= base && range_end(&map->range[i]) <= end)
            remove_at(map, i);
        else
            i++;
    }
}

// Two splits and the range itself add at most three.
static int check(const struct memory_map *map, uint64_t base, uint64_t size_bytes, struct err *err)
{
    if (!size_bytes || base + size_bytes < base)
        return err_set(err, -EINVAL, "memory range 0x%llx of 0x%llx bytes is not one",
                       (unsigned long long)base, (unsigned long long)size_bytes);
    if (map->count + 3 > MEMORY_MAP_RANGES)
        return err_set(err, -ENOSPC, "memory is in more than %d ranges", MEMORY_MAP_RANGES - 3);
    return 0;
}

int memory_map_set(struct memory_map *map, uint64_t base, uint64_t size_bytes,
                   enum memory_type type, struct err *err)
{
    int code = check(map, base, size_bytes, err);
    if (code)
        return code;
    clear(map, base, base + size_bytes);
    unsigned i = 0;
    while (i < map->count && map->range[i].base < base)
        i++;
    insert(map, i, (struct memory_range){base, size_bytes, type});
    merge_neighbours(map);
    return 0;
}

struct collect {
    struct memory_map *map;
    struct err *err;
    int code;
};

static void add_ram(const struct mem_range *range, void *opaque)
{
    struct collect *c = opaque;
    if (range->ram && !range->read_only && !c->code)
        c->code = memory_map_set(c->map, range->base.u, range->size_bytes, MEMORY_RAM, c->err);
}

int memory_map_init(struct memory_map *map, struct mem *memory, struct err *err)
{
    struct collect c = {map, err, 0};
    map->count = 0;
    mem_each(memory, add_ram, &c);
    if (c.code || !map->count)
        return c.code;
    // A PC shows no RAM from the EBDA to 1 MiB, whatever is behind it (ACPI 6.4, 15.1).
    int code = check(map, MEMORY_LOW_END, MEMORY_HIGH_BASE - MEMORY_LOW_END, err);
    if (code)
        return code;
    clear(map, MEMORY_LOW_END, MEMORY_HIGH_BASE);
    code = memory_map_set(map, MEMORY_LOW_END, 0xa0000 - MEMORY_LOW_END, MEMORY_RESERVED, err);
    if (code)
        return code;
    return memory_map_set(map, MEMORY_BIOS_BASE, MEMORY_HIGH_BASE - MEMORY_BIOS_BASE,
                          MEMORY_RESERVED, err);
}

bool memory_map_is_ram(const struct memory_map *map, uint64_t base, uint64_t size_bytes)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *r = &map->range[i];
        if (r->type == MEMORY_RAM && base >= r->base && base - r->base <= r->size_bytes &&
            size_bytes <= r->size_bytes - (base - r->base))
            return true;
    }
    return false;
}

bool memory_map_find(const struct memory_map *map, uint64_t size_bytes, uint64_t alignment,
                     uint64_t limit, uint64_t *base)
{
    for (unsigned i = map->count; i--;) {
        const struct memory_range *r = &map->range[i];
        uint64_t floor = r->base < MEMORY_HIGH_BASE ? MEMORY_HIGH_BASE : r->base;
        uint64_t end = range_end(r) < limit ? range_end(r) : limit;
        if (r->type != MEMORY_RAM || end < floor || end - floor < size_bytes)
            continue;
        *base = align_down(end - size_bytes, alignment);
        if (*base >= floor)
            return true;
    }
    return false;
}

uint64_t memory_map_ram_bytes(const struct memory_map *map)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < map->count; i++)
        if (map->range[i].type == MEMORY_RAM)
            sum += map->range[i].size_bytes;
    return sum;
}
