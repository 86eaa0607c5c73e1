// SPDX-License-Identifier: GPL-2.0-or-later
//
// Builds the tables, finds room for them, links and writes them.
#include "guest/firmware/acpi.h"

#include <errno.h>
#include <string.h>

#include "guest/firmware/acpi_table.h"

enum { DSDT, FADT, MADT, HPET, MCFG, FIRST_EXTRA, EXTRAS = 16, TABLES = FIRST_EXTRA + EXTRAS };
enum { FACS_BYTES = 64, TABLE_ALIGNMENT = 16 };

// Addresses are known only when all sizes are.
struct build {
    struct bytes table[TABLES], xsdt;
    unsigned count;
    uint64_t address[TABLES], xsdt_address, facs_address;
};

void acpi_begin(struct bytes *table, const char *signature, uint8_t revision)
{
    struct acpi_header h = {.revision = revision, .oem_revision = le32(1),
                            .creator_revision = le32(1)};
    memcpy(h.signature, signature, sizeof h.signature);
    memcpy(h.oem_id, "KONUK ", sizeof h.oem_id);
    memcpy(h.oem_table_id, "KONUK   ", sizeof h.oem_table_id);
    memcpy(h.oem_table_id + 5, signature, 3);
    memcpy(h.creator_id, "KNUK", sizeof h.creator_id);
    bytes_put(table, &h, sizeof h);
}

uint8_t acpi_checksum(const void *bytes, size_t size_bytes)
{
    const uint8_t *byte = bytes;
    uint8_t sum = 0;
    while (size_bytes--)
        sum = (uint8_t)(sum + *byte++);
    return (uint8_t)-sum;
}

void acpi_seal(struct bytes *table)
{
    struct acpi_header *h = (struct acpi_header *)table->data;
    h->length_bytes = le32((uint32_t)table->size_bytes);
    h->checksum = 0;
    h->checksum = acpi_checksum(table->data, table->size_bytes);
}

static int check(const struct acpi_config *c, struct err *err)
{
    if (!c->vcpus || c->vcpus > ACPI_VCPUS)
        return err_set(err, -EINVAL, "ACPI tables are for 1 to %d CPUs, not %u", ACPI_VCPUS,
                       c->vcpus);
    if (c->table_count > EXTRAS)
        return err_set(err, -EINVAL, "%u extra ACPI tables are more than %d", c->table_count,
                       EXTRAS);
    if (c->pm_bytes > UINT8_MAX || c->gpe0_bytes >= 32)
        return err_set(err, -EINVAL, "ACPI can't describe so large a power management block");
    return 0;
}

static void add_extra(struct build *b, const struct acpi_table *extra)
{
    struct bytes *table = &b->table[b->count++];
    acpi_begin(table, extra->signature, extra->revision);
    bytes_put(table, extra->body, extra->body_bytes);
}

static int build_tables(struct build *b, const struct acpi_config *c, struct err *err)
{
    int code = 0;
    acpi_dsdt(&b->table[DSDT], c);
    acpi_fadt(&b->table[FADT], c);
    acpi_madt(&b->table[MADT], c);
    b->count = HPET;
    if (c->hpet_base)
        acpi_hpet(&b->table[b->count++], c);
    if (c->pci.there)
        acpi_mcfg(&b->table[b->count++], c);
    for (unsigned i = 0; i < c->table_count; i++)
        add_extra(b, &c->tables[i]);
    for (unsigned i = 0; i < b->count && !code; i++)
        code = bytes_result(&b->table[i], "the ACPI table", err);
    return code;
}

// The XSDT names all but the DSDT, which the FADT does (5.2.8). First with addresses of zero.
static int build_xsdt(struct build *b, struct err *err)
{
    acpi_begin(&b->xsdt, "XSDT", 1);
    for (unsigned i = FADT; i < b->count; i++)
        bytes_put(&b->xsdt, le64(b->address[i]).b, 8);
    return bytes_result(&b->xsdt, "the ACPI root table", err);
}

static uint64_t total_bytes(const struct build *b)
{
    uint64_t sum = align_up(b->xsdt.size_bytes, TABLE_ALIGNMENT);
    for (unsigned i = 0; i < b->count; i++)
        sum += align_up(b->table[i].size_bytes, TABLE_ALIGNMENT);
    return align_up(sum, PAGE_BYTES);
}

// The FACS is shared with the running system, so its page is not for reuse; the others are only
// read (5.2.10, 15.1).
static int reserve(struct build *b, struct memory_map *map, uint64_t *base, struct err *err)
{
    uint64_t size_bytes = total_bytes(b);
    if (!memory_map_find(map, size_bytes + PAGE_BYTES, PAGE_BYTES, UINT64_C(1) << 32, base))
        return err_set(err, -ENOMEM, "too little memory for the ACPI tables (%llu bytes)",
                       (unsigned long long)size_bytes + PAGE_BYTES);
    b->facs_address = *base + size_bytes;
    int code = memory_map_set(map, *base, size_bytes, MEMORY_ACPI, err);
    return code ? code : memory_map_set(map, b->facs_address, PAGE_BYTES, MEMORY_NVS, err);
}

static void link_tables(struct build *b, uint64_t base)
{
    for (unsigned i = 0; i < b->count; i++) {
        b->address[i] = base;
        base += align_up(b->table[i].size_bytes, TABLE_ALIGNMENT);
    }
    b->xsdt_address = base;
    uint8_t *entry = b->xsdt.data + sizeof(struct acpi_header);
    for (unsigned i = FADT; i < b->count; i++, entry += 8)
        memcpy(entry, le64(b->address[i]).b, 8);
    acpi_fadt_link(&b->table[FADT], b->facs_address, b->address[DSDT]);
    for (unsigned i = 0; i < b->count; i++)
        acpi_seal(&b->table[i]);
    acpi_seal(&b->xsdt);
}

static int write_facs(struct mem *memory, uint64_t address)
{
    struct { char signature[4]; struct le32 length, hardware, waking, lock, flags;
             struct le64 x_waking; uint8_t version, reserved[31]; } facs = {
        {'F', 'A', 'C', 'S'}, .length = le32(FACS_BYTES), .version = 2};
    _Static_assert(sizeof facs == FACS_BYTES, "ACPI 6.4, table 5.13");
    return mem_dma_write(memory, GPA(address), &facs, sizeof facs);
}

// 5.2.5.3. The first checksum covers the 20 bytes of the original structure.
static int write_rsdp(struct mem *memory, uint64_t xsdt)
{
    struct { char signature[8]; uint8_t checksum; char oem_id[6]; uint8_t revision;
             struct le32 rsdt, length; struct le64 xsdt; uint8_t whole_checksum, reserved[3]; }
        rsdp = {.revision = 2, .length = le32(sizeof rsdp), .xsdt = le64(xsdt)};
    _Static_assert(sizeof rsdp == 36, "ACPI 6.4, table 5.3");
    memcpy(rsdp.signature, "RSD PTR ", sizeof rsdp.signature);
    memcpy(rsdp.oem_id, "KONUK ", sizeof rsdp.oem_id);
    rsdp.checksum = acpi_checksum(&rsdp, 20);
    rsdp.whole_checksum = acpi_checksum(&rsdp, sizeof rsdp);
    return mem_dma_write(memory, GPA(MEMORY_BIOS_BASE), &rsdp, sizeof rsdp);
}

static int write_all(const struct build *b, struct mem *memory, struct err *err)
{
    int code = write_facs(memory, b->facs_address);
    for (unsigned i = 0; i < b->count && !code; i++)
        code = mem_dma_write(memory, GPA(b->address[i]), b->table[i].data, b->table[i].size_bytes);
    if (!code)
        code = mem_dma_write(memory, GPA(b->xsdt_address), b->xsdt.data, b->xsdt.size_bytes);
    if (!code)
        code = write_rsdp(memory, b->xsdt_address);
    return code ? err_set(err, code, "the ACPI tables' place is not RAM") : 0;
}

int acpi_load(const struct acpi_config *config, struct mem *memory, struct memory_map *map,
              gpa_t *rsdp, struct err *err)
{
    struct build b = {0};
    uint64_t base = 0;
    int code = check(config, err);
    if (!code)
        code = build_tables(&b, config, err);
    if (!code)
        code = build_xsdt(&b, err);
    if (!code)
        code = reserve(&b, map, &base, err);
    if (!code) {
        link_tables(&b, base);
        code = write_all(&b, memory, err);
    }
    for (unsigned i = 0; i < TABLES; i++)
        bytes_free(&b.table[i]);
    bytes_free(&b.xsdt);
    *rsdp = GPA(code ? 0 : MEMORY_BIOS_BASE);
    return code;
}

void acpi_config_ich9(struct acpi_config *config, unsigned vcpus)
{
    *config = (struct acpi_config){
        .vcpus = vcpus, .ioapic_base = 0xfec00000, .hpet_base = 0xfed00000, .hpet_id = 0x8086a201,
        .pm_base = 0x600, .pm_bytes = 0x80, .pm1a_event = 0x600, .pm1a_control = 0x604,
        .pm_timer = 0x608, .gpe0 = 0x620, .gpe0_bytes = 16, .sci_irq = 9,
        .smi_command = 0xb2, .acpi_enable = 2, .acpi_disable = 3,
        .reset_port = 0xcf9, .reset_value = 0x0f,
        .rtc = true, .rtc_century = 0x32, .uart = {{0x3f8, 4}},
    };
}
