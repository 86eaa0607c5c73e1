// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mem/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/mem/reader.h"

// What a region shows; const once published.
struct region {
    uint64_t base, size_bytes;
    uint8_t *host;  // RAM; null for a device
    bool read_only;
    const struct mem_ops *ops;
    void *opaque;
    char name[32];
};

// All regions, in order of address, none overlapping another.
struct map {
    size_t count;
    struct region regions[];
};

struct mem {
    uint64_t size_bytes;
    pthread_mutex_t lock;  // for changes; never held while waiting for readers
    struct map *map;
    void (*wrote)(void *opaque, uint8_t *host, size_t size_bytes);  // null: nobody asks
    void *wrote_opaque;
    void (*changed)(void *opaque);
    void *changed_opaque;
};

static const struct map *current_map(struct mem *mem)
{
    return __atomic_load_n(&mem->map, __ATOMIC_ACQUIRE);
}

// The region that holds address, or null.
static const struct region *find(const struct map *map, uint64_t address)
{
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct region *region = &map->regions[middle];
        if (address < region->base)
            high = middle;
        else if (address - region->base >= region->size_bytes)
            low = middle + 1;
        else
            return region;
    }
    return NULL;
}

static bool holds(const struct region *region, uint64_t address, uint64_t size_bytes)
{
    return size_bytes <= region->size_bytes - (address - region->base);
}

// Address spaces are made when a machine is; without memory for them there is no machine.
static struct map *create_map(size_t count)
{
    struct map *map = malloc(sizeof *map + count * sizeof map->regions[0]);
    if (!map)
        abort();
    map->count = count;
    return map;
}

struct mem *mem_create(uint64_t size_bytes)
{
    struct mem *mem = malloc(sizeof *mem);
    if (!mem)
        abort();
    *mem = (struct mem){.size_bytes = size_bytes, .map = create_map(0)};
    pthread_mutex_init(&mem->lock, NULL);
    return mem;
}

void mem_destroy(struct mem *mem)
{
    if (!mem)
        return;
    pthread_mutex_destroy(&mem->lock);
    free(mem->map);
    free(mem);
}

// Publishes new, unlocks, and has what was there freed once nobody looks at it.
static void publish_and_unlock(struct mem *mem, struct map *new)
{
    struct map *old = mem->map;
    __atomic_store_n(&mem->map, new, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&mem->lock);
    if (mem->changed)
        mem->changed(mem->changed_opaque);
    reader_free_later(old);
}

static struct map *map_with(const struct map *old, const struct region *added)
{
    struct map *new = create_map(old->count + 1);
    size_t before = 0;
    while (before < old->count && old->regions[before].base < added->base)
        before++;
    memcpy(new->regions, old->regions, before * sizeof *added);
    new->regions[before] = *added;
    memcpy(new->regions + before + 1, old->regions + before, (old->count - before) * sizeof *added);
    return new;
}

static struct map *map_without(const struct map *old, size_t index)
{
    struct map *new = create_map(old->count - 1);
    memcpy(new->regions, old->regions, index * sizeof old->regions[0]);
    memcpy(new->regions + index, old->regions + index + 1,
           (new->count - index) * sizeof old->regions[0]);
    return new;
}

static const struct region *overlapped(const struct map *map, const struct region *added)
{
    for (size_t i = 0; i < map->count; i++)
        if (map->regions[i].base < added->base + added->size_bytes &&
            added->base < map->regions[i].base + map->regions[i].size_bytes)
            return &map->regions[i];
    return NULL;
}

static int add(struct mem *mem, const struct region *added, struct err *err)
{
    unsigned long long base = added->base, size_bytes = added->size_bytes;
    if (!size_bytes || size_bytes > mem->size_bytes || base > mem->size_bytes - size_bytes)
        return err_set(err, -EINVAL, "%s: %#llx bytes at %#llx are not within the address space",
                       added->name, size_bytes, base);
    if (reader_pending() >= MEM_OLD_ARRAYS)
        return err_set(err, -EAGAIN, "%s: the memory map changes too fast", added->name);
    pthread_mutex_lock(&mem->lock);
    const struct region *other = overlapped(mem->map, added);
    if (other) {
        err_set(err, -EEXIST, "%s: %#llx bytes at %#llx overlap %s at %#llx", added->name,
                size_bytes, base, other->name, (unsigned long long)other->base);
        pthread_mutex_unlock(&mem->lock);
        return -EEXIST;
    }
    publish_and_unlock(mem, map_with(mem->map, added));
    return 0;
}

int mem_add_ram(struct mem *mem, gpa_t base, struct ram *ram, uint64_t offset, uint64_t size_bytes,
                bool read_only, struct err *err)
{
    if ((base.u | offset | size_bytes) % PAGE_BYTES || size_bytes > ram->size_bytes ||
        offset > ram->size_bytes - size_bytes)
        return err_set(err, -EINVAL, "RAM at %#llx: not whole pages of the guest's memory",
                       (unsigned long long)base.u);
    struct region region = {.base = base.u, .size_bytes = size_bytes, .host = ram->host + offset,
                            .read_only = read_only, .name = "ram"};
    if (read_only)
        strcpy(region.name, "rom");
    return add(mem, &region, err);
}

int mem_add_io(struct mem *mem, gpa_t base, uint64_t size_bytes, const struct mem_ops *ops,
               void *opaque, const char *name, struct err *err)
{
    struct region region = {.base = base.u, .size_bytes = size_bytes, .ops = ops, .opaque = opaque};
    strncpy(region.name, name, sizeof region.name - 1);
    return add(mem, &region, err);
}

int mem_remove(struct mem *mem, gpa_t base)
{
    if (reader_pending() >= MEM_OLD_ARRAYS)
        return -EAGAIN;
    pthread_mutex_lock(&mem->lock);
    const struct region *region = find(mem->map, base.u);
    assert(region && region->base == base.u);
    publish_and_unlock(mem, map_without(mem->map, (size_t)(region - mem->map->regions)));
    return 0;
}

void mem_settle(void)
{
    reader_wait_for_all();
}

void mem_observe_changes(struct mem *mem, void (*changed)(void *opaque), void *opaque)
{
    mem->changed_opaque = opaque;
    mem->changed = changed;
}

void *mem_ram_at(struct mem *mem, gpa_t gpa, uint64_t size_bytes, bool for_write)
{
    const struct region *region = find(current_map(mem), gpa.u);
    if (!region || !region->host || (for_write && region->read_only) ||
        !holds(region, gpa.u, size_bytes))
        return NULL;
    return region->host + (gpa.u - region->base);
}

// RAM as a vCPU sees it: one access of that size, at any alignment, while others write.
typedef uint16_t __attribute__((aligned(1), may_alias)) any16_t;
typedef uint32_t __attribute__((aligned(1), may_alias)) any32_t;
typedef uint64_t __attribute__((aligned(1), may_alias)) any64_t;

static uint64_t load(const uint8_t *host, unsigned size_bytes)
{
    switch (size_bytes) {
    case 1: return *(const volatile uint8_t *)host;
    case 2: return *(const volatile any16_t *)host;
    case 4: return *(const volatile any32_t *)host;
    default: return *(const volatile any64_t *)host;
    }
}

static void store(uint8_t *host, uint64_t value, unsigned size_bytes)
{
    switch (size_bytes) {
    case 1: *(volatile uint8_t *)host = (uint8_t)value; break;
    case 2: *(volatile any16_t *)host = (uint16_t)value; break;
    case 4: *(volatile any32_t *)host = (uint32_t)value; break;
    default: *(volatile any64_t *)host = value; break;
    }
}

static uint64_t region_read(const struct region *region, uint64_t address, unsigned size_bytes)
{
    uint64_t offset = address - region->base;
    if (region->host)
        return load(region->host + offset, size_bytes);
    return region->ops->read(region->opaque, offset, size_bytes) & size_mask(size_bytes);
}

void mem_observe_writes(struct mem *mem, void (*wrote)(void *opaque, uint8_t *host, size_t size_bytes),
                        void *opaque)
{
    mem->wrote_opaque = opaque;
    mem->wrote = wrote;
}

static void tell(const struct mem *mem, uint8_t *host, size_t size_bytes)
{
    if (mem->wrote)
        mem->wrote(mem->wrote_opaque, host, size_bytes);
}

void mem_wrote(struct mem *mem, void *host, size_t size_bytes)
{
    tell(mem, host, size_bytes);
}

static void region_write(const struct mem *mem, const struct region *region, uint64_t address, uint64_t value,
                         unsigned size_bytes)
{
    uint64_t offset = address - region->base;
    if (!region->host) {
        region->ops->write(region->opaque, offset, value & size_mask(size_bytes), size_bytes);
    } else if (!region->read_only) {
        store(region->host + offset, value, size_bytes);
        tell(mem, region->host + offset, size_bytes);
    }
}

// Above the last address of 64 bits is nothing, and not address 0.
static const struct region *find_byte(const struct map *map, uint64_t address, unsigned distance)
{
    return address + distance < address ? NULL : find(map, address + distance);
}

// Byte by byte: what crosses the end of a region, or nobody's.
static uint64_t read_bytes(const struct map *map, uint64_t address, unsigned size_bytes)
{
    uint64_t value = size_mask(size_bytes);
    for (unsigned i = 0; i < size_bytes; i++) {
        const struct region *region = find_byte(map, address, i);
        if (region)
            value ^= (0xff ^ region_read(region, address + i, 1)) << (8 * i);
    }
    return value;
}

static void write_bytes(const struct mem *mem, const struct map *map, uint64_t address, uint64_t value,
                        unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++) {
        const struct region *region = find_byte(map, address, i);
        if (region)
            region_write(mem, region, address + i, value >> (8 * i), 1);
    }
}

uint64_t mem_read(struct mem *mem, gpa_t gpa, unsigned size_bytes)
{
    const struct map *map = current_map(mem);
    const struct region *region = find(map, gpa.u);
    if (region && holds(region, gpa.u, size_bytes))
        return region_read(region, gpa.u, size_bytes);
    return read_bytes(map, gpa.u, size_bytes);
}

void mem_write(struct mem *mem, gpa_t gpa, uint64_t value, unsigned size_bytes)
{
    const struct map *map = current_map(mem);
    const struct region *region = find(map, gpa.u);
    if (region && holds(region, gpa.u, size_bytes))
        region_write(mem, region, gpa.u, value, size_bytes);
    else
        write_bytes(mem, map, gpa.u, value, size_bytes);
}

// The RAM at gpa, and how much of *size_bytes is there; null where there is none.
static uint8_t *dma_piece(const struct map *map, gpa_t gpa, size_t *size_bytes, bool for_write)
{
    const struct region *region = find(map, gpa.u);
    if (!region || !region->host || (for_write && region->read_only))
        return NULL;
    uint64_t offset = gpa.u - region->base;
    if (*size_bytes > region->size_bytes - offset)
        *size_bytes = region->size_bytes - offset;
    return region->host + offset;
}

int mem_dma_read(struct mem *mem, gpa_t gpa, void *bytes, size_t size_bytes)
{
    const struct map *map = current_map(mem);
    for (size_t piece; size_bytes; size_bytes -= piece) {
        piece = size_bytes;
        const uint8_t *host = dma_piece(map, gpa, &piece, false);
        if (!host)
            return -EFAULT;
        memcpy(bytes, host, piece);
        bytes = (uint8_t *)bytes + piece;
        gpa.u += piece;
    }
    return 0;
}

int mem_dma_write(struct mem *mem, gpa_t gpa, const void *bytes, size_t size_bytes)
{
    const struct map *map = current_map(mem);
    for (size_t piece; size_bytes; size_bytes -= piece) {
        piece = size_bytes;
        uint8_t *host = dma_piece(map, gpa, &piece, true);
        if (!host)
            return -EFAULT;
        memcpy(host, bytes, piece);
        tell(mem, host, piece);
        bytes = (const uint8_t *)bytes + piece;
        gpa.u += piece;
    }
    return 0;
}

void mem_each(struct mem *mem, void (*each)(const struct mem_range *range, void *opaque), void *opaque)
{
    const struct map *map = current_map(mem);
    for (size_t i = 0; i < map->count; i++) {
        const struct region *region = &map->regions[i];
        each(&(struct mem_range){GPA(region->base), region->size_bytes, region->host,
                                 region->read_only, region->name}, opaque);
    }
}
