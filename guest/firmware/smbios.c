// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which structures there are, in which order, and where they are put.
#include "guest/firmware/smbios.h"

#include <errno.h>
#include <string.h>

#include "guest/firmware/smbios_table.h"

enum { TYPES = 128, TABLE_BYTES_MAX = 64 << 10, ENTRY_BYTES = 32, OLD_TABLE_BYTES_MAX = 0xffff };

uint8_t smbios_string(struct smbios_build *b, const char *text)
{
    if (!text || !*text)
        return 0;
    bytes_put(&b->strings, text, strlen(text) + 1);
    return (uint8_t)++b->string_count;
}

static void count_structure(struct smbios_build *b, size_t size_bytes)
{
    b->count++;
    if (size_bytes > b->largest_bytes)
        b->largest_bytes = size_bytes;
}

// 6.1.3: the strings end with an empty one; if there is none, that is two zeroes.
void smbios_put(struct smbios_build *b, const void *fixed, size_t size_bytes)
{
    size_t start = b->out.size_bytes;
    bytes_put(&b->out, fixed, size_bytes);
    if (b->string_count)
        bytes_put(&b->out, b->strings.data, b->strings.size_bytes);
    bytes_put(&b->out, "\0", b->string_count ? 1 : 2);
    b->strings.size_bytes = b->string_count = 0;
    count_structure(b, b->out.size_bytes - start);
}

int smbios_check_table(const void *bytes, size_t size_bytes, struct err *err)
{
    const uint8_t *b = bytes;
    if (size_bytes > TABLE_BYTES_MAX)
        return err_set(err, -EINVAL, "an SMBIOS table of %zu bytes is larger than %d", size_bytes,
                       TABLE_BYTES_MAX);
    if (size_bytes < sizeof(struct smbios_header) + 2 || b[1] < sizeof(struct smbios_header) ||
        b[1] > size_bytes - 2)
        return err_set(err, -EINVAL, "this is no SMBIOS table: its length does not fit");
    // The pair of zeroes after the fixed part must be the last two bytes, or more tables follow.
    const uint8_t *end = memmem(b + b[1], size_bytes - b[1], "\0", 2);
    if (!end || end + 2 != b + size_bytes)
        return err_set(err, -EINVAL, "this is no SMBIOS table: it doesn't end with two zero bytes");
    return 0;
}

static void put_users(struct smbios_build *b, const struct smbios_options *o, bool given[TYPES])
{
    for (unsigned i = 0; i < o->tables; i++) {
        uint8_t type = *(const uint8_t *)o->table[i].bytes;
        bytes_put(&b->out, o->table[i].bytes, o->table[i].size_bytes);
        count_structure(b, o->table[i].size_bytes);
        if (type < TYPES)
            given[type] = true;
    }
}

static void put_machines(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m,
                         const bool given[TYPES])
{
    if (o->bios.asked && !given[0])
        smbios_bios(b, o);
    if (!given[1])
        smbios_system(b, o, m);
    if (o->board.asked && !given[2])
        smbios_board(b, o, m);
    if (!given[3])
        smbios_chassis(b, o, m);
    if (!given[4])
        smbios_processors(b, o, m);
    if (!given[11])
        smbios_oem_strings(b, o);
}

static void put_memory(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m,
                       const bool given[TYPES])
{
    if (!given[16])
        smbios_memory_array(b, m);
    if (!given[17])
        smbios_memory_devices(b, o, m);
    if (!given[19])
        smbios_memory_ranges(b, m);
    if (!given[32])
        smbios_boot_status(b);
    if (!given[127])
        smbios_end(b);
}

static uint8_t checksum(const void *bytes, size_t size_bytes)
{
    const uint8_t *byte = bytes;
    uint8_t sum = 0;
    while (size_bytes--)
        sum = (uint8_t)(sum + *byte++);
    return (uint8_t)-sum;
}

// 5.2.1. The second checksum covers what begins at "_DMI_".
static int write_old_entry(const struct smbios_build *b, struct mem *memory, uint32_t address)
{
    struct { char anchor[4]; uint8_t checksum, length_bytes, major, minor; struct le16 largest_bytes;
             uint8_t revision, reserved[5]; char dmi[5]; uint8_t dmi_checksum; struct le16 table_bytes;
             struct le32 address; struct le16 count; uint8_t bcd_revision; }
        e = {{'_', 'S', 'M', '_'}, 0, sizeof e, 2, 8, le16((uint16_t)b->largest_bytes), 0, {0},
             {'_', 'D', 'M', 'I', '_'}, 0, le16((uint16_t)b->out.size_bytes), le32(address),
             le16((uint16_t)b->count), 0x28};
    _Static_assert(sizeof e == 0x1f, "DSP0134, table 1");
    e.dmi_checksum = checksum(e.dmi, (size_t)((char *)(&e + 1) - e.dmi));
    e.checksum = checksum(&e, sizeof e);
    return mem_dma_write(memory, GPA(SMBIOS_ENTRY), &e, sizeof e);
}

// 5.2.2: for tables of more than 64 KiB.
static int write_new_entry(const struct smbios_build *b, struct mem *memory, uint64_t address)
{
    struct { char anchor[5]; uint8_t checksum, length_bytes, major, minor, doc, revision, reserved;
             struct le32 table_bytes; struct le64 address; }
        e = {{'_', 'S', 'M', '3', '_'}, 0, sizeof e, 3, 0, 0, 1, 0, le32((uint32_t)b->out.size_bytes),
             le64(address)};
    _Static_assert(sizeof e == 0x18, "DSP0134, table 2");
    e.checksum = checksum(&e, sizeof e);
    return mem_dma_write(memory, GPA(SMBIOS_ENTRY), &e, sizeof e);
}

// Behind the entry point, or where RAM is.
static int find_room(uint64_t size_bytes, struct memory_map *map, uint64_t *address, struct err *err)
{
    *address = SMBIOS_ENTRY + ENTRY_BYTES;
    if (size_bytes <= MEMORY_HIGH_BASE - *address)
        return 0;
    size_bytes = align_up(size_bytes, PAGE_BYTES);
    if (!memory_map_find(map, size_bytes, PAGE_BYTES, UINT64_C(1) << 32, address))
        return err_set(err, -ENOSPC, "too little memory for the SMBIOS tables (%llu bytes)",
                       (unsigned long long)size_bytes);
    return memory_map_set(map, *address, size_bytes, MEMORY_RESERVED, err);
}

static int write_all(const struct smbios_build *b, struct mem *memory, struct memory_map *map, struct err *err)
{
    uint64_t address;
    int rc = find_room(b->out.size_bytes, map, &address, err);
    if (rc < 0)
        return rc;
    rc = mem_dma_write(memory, GPA(address), b->out.data, b->out.size_bytes);
    if (rc == 0)
        rc = b->out.size_bytes > OLD_TABLE_BYTES_MAX ? write_new_entry(b, memory, address)
                                                     : write_old_entry(b, memory, (uint32_t)address);
    return rc < 0 ? err_set(err, rc, "the SMBIOS tables' place is not RAM") : 0;
}

int smbios_load(const struct smbios_options *options, const struct smbios_machine *machine,
                struct mem *memory, struct memory_map *map, struct err *err)
{
    static const struct smbios_options nothing;
    const struct smbios_options *o = options ? options : &nothing;
    struct smbios_build b = {0};
    bool given[TYPES] = {0};
    put_users(&b, o, given);
    put_machines(&b, o, machine, given);
    put_memory(&b, o, machine, given);
    int rc = bytes_result(&b.out, "the SMBIOS tables", err);
    if (rc == 0)
        rc = bytes_result(&b.strings, "the SMBIOS tables", err);
    if (rc == 0)
        rc = write_all(&b, memory, map, err);
    bytes_free(&b.out);
    bytes_free(&b.strings);
    return rc;
}
