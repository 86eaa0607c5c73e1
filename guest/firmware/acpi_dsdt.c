// SPDX-License-Identifier: GPL-2.0-or-later
//
// The DSDT: what a kernel can't find by probing. The devices of ISA are behind the LPC bridge of PCI if
// there is one (acpi_pci.c), else in \_SB.
#include <stdio.h>

#include "guest/firmware/acpi_table.h"

enum { HPET_BYTES = 0x400 };

// 8.4: a processor is a device with ACPI0007, found in the MADT by its _UID.
static void processor(struct aml *a, unsigned number)
{
    char name[8];
    snprintf(name, sizeof name, "C%03X", number & 0xfff);
    aml_begin_device(a, name);
    aml_name(a, "_HID");
    aml_string(a, "ACPI0007");
    acpi_number(a, "_UID", number);
    aml_end(a);
}

// PNP0C02: what belongs to nobody's driver, so that none of it is given to another device. PCI's
// configuration space must be here for Linux to use it.
static void motherboard(struct aml *a, const struct acpi_config *c)
{
    aml_begin_device(a, "MBRD");
    acpi_hardware_id(a, "PNP0C02");
    acpi_number(a, "_UID", 0);
    acpi_begin_resources(a);
    if (c->pm_base)
        aml_io(a, c->pm_base, (uint8_t)c->pm_bytes);
    if (c->smi_command)
        aml_io(a, c->smi_command, 2);
    if (c->pci.there)
        aml_memory32(a, (uint32_t)c->pci.ecam.base, (uint32_t)c->pci.ecam.size_bytes, true);
    aml_end(a);
    aml_end(a);
}

static void event_timer(struct aml *a, uint32_t base)
{
    aml_begin_device(a, "HPET");
    acpi_hardware_id(a, "PNP0103");
    acpi_number(a, "_UID", 0);
    acpi_begin_resources(a);
    aml_memory32(a, base, HPET_BYTES, false);
    aml_end(a);
    aml_end(a);
}

static void system_bus(struct aml *a, const struct acpi_config *c)
{
    aml_begin_scope(a, "\\_SB");
    for (unsigned i = 0; i < c->vcpus; i++)
        processor(a, i);
    if (c->pm_base || c->smi_command || c->pci.there)
        motherboard(a, c);
    if (c->hpet_base)
        event_timer(a, c->hpet_base);
    if (c->pci.there)
        acpi_pci_root(a, c);
    else
        acpi_isa_devices(a, c);
    if (c->describe)
        c->describe(a, c->opaque);
    aml_end(a);
}

// 7.4.2: the values for PM1a and PM1b, and two that are reserved.
static void soft_off(struct aml *a, uint8_t type)
{
    aml_name(a, "\\_S5");
    aml_begin_package(a, 4);
    aml_integer(a, type);
    aml_integer(a, type);
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_end(a);
}

// 5.8.1: the system says which interrupt controllers it uses; links for PCI depend on it.
static void interrupt_model(struct aml *a)
{
    acpi_number(a, "\\PICF", 0);
    aml_begin_method(a, "\\_PIC", 1, false);
    aml_op(a, AML_STORE);
    aml_argument(a, 0);
    aml_path(a, "\\PICF");
    aml_end(a);
}

void acpi_dsdt(struct bytes *table, const struct acpi_config *config)
{
    struct aml a;
    acpi_begin(table, "DSDT", 2);  // 2: integers have 64 bits
    aml_init(&a, table);
    if (config->pci.there)
        interrupt_model(&a);
    system_bus(&a, config);
    if (config->pm1a_control)
        soft_off(&a, config->s5_type);
}
