// SPDX-License-Identifier: GPL-2.0-or-later
//
// How the ACPI tables are put together inside this folder: a table is bytes that begin with a
// struct acpi_header; its length and checksum are set when all of it is there.
#pragma once

#include "base/bits.h"
#include "guest/firmware/acpi.h"
#include "guest/firmware/aml.h"
#include "guest/firmware/bytes.h"

// ACPI 6.4, 5.2.6.
struct acpi_header {
    char signature[4];
    struct le32 length_bytes;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    struct le32 oem_revision;
    char creator_id[4];
    struct le32 creator_revision;
};

void acpi_begin(struct bytes *table, const char *signature, uint8_t revision);
void acpi_seal(struct bytes *table);  // sets length and checksum
uint8_t acpi_checksum(const void *bytes, size_t size_bytes);  // what makes the sum zero

// Each writes a whole table.
void acpi_dsdt(struct bytes *table, const struct acpi_config *config);
void acpi_madt(struct bytes *table, const struct acpi_config *config);
void acpi_mcfg(struct bytes *table, const struct acpi_config *config);
void acpi_hpet(struct bytes *table, const struct acpi_config *config);
void acpi_fadt(struct bytes *table, const struct acpi_config *config);
// Where the FADT points to; before it is sealed.
void acpi_fadt_link(struct bytes *table, uint64_t facs, uint64_t dsdt);

// Parts of the DSDT, all inside \_SB.
void acpi_isa_devices(struct aml *a, const struct acpi_config *config);
void acpi_pci_root(struct aml *a, const struct acpi_config *config);
static inline void acpi_hardware_id(struct aml *a, const char *id)
{
    aml_name(a, "_HID");
    aml_eisa_id(a, id);
}
static inline void acpi_number(struct aml *a, const char *name, uint64_t value)
{
    aml_name(a, name);
    aml_integer(a, value);
}
static inline void acpi_begin_resources(struct aml *a)
{
    aml_name(a, "_CRS");
    aml_begin_resources(a);
}
