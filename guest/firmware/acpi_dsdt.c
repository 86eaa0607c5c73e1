// SPDX-License-Identifier: GPL-2.0-or-later
//
// The DSDT: what a kernel can't find by probing. There is no PCI root here; a machine with PCI
// adds it through acpi_config.describe.
#include <stdio.h>

#include "guest/firmware/acpi_table.h"
#include "guest/firmware/aml.h"

enum { HPET_BYTES = 0x400, STATUS_WORKING = 0x0f };  // 6.3.7: present, enabled, shown, functioning

static void hardware_id(struct aml *a, const char *id)
{
    aml_name(a, "_HID");
    aml_eisa_id(a, id);
}

static void unique_id(struct aml *a, unsigned number)
{
    aml_name(a, "_UID");
    aml_integer(a, number);
}

static void begin_resources(struct aml *a)
{
    aml_name(a, "_CRS");
    aml_begin_resources(a);
}

// 8.4: a processor is a device with ACPI0007, found in the MADT by its _UID.
static void processor(struct aml *a, unsigned number)
{
    char name[8];
    snprintf(name, sizeof name, "C%03X", number & 0xfff);
    aml_begin_device(a, name);
    aml_name(a, "_HID");
    aml_string(a, "ACPI0007");
    unique_id(a, number);
    aml_end(a);
}

// PNP0C02: ports that belong to nobody's driver, so that none is given to another device.
static void motherboard(struct aml *a, const struct acpi_config *c)
{
    aml_begin_device(a, "MBRD");
    hardware_id(a, "PNP0C02");
    unique_id(a, 0);
    begin_resources(a);
    if (c->pm_base)
        aml_io(a, c->pm_base, (uint8_t)c->pm_bytes);
    if (c->smi_command)
        aml_io(a, c->smi_command, 2);
    aml_end(a);
    aml_end(a);
}

static void clock_chip(struct aml *a)
{
    aml_begin_device(a, "RTC");
    hardware_id(a, "PNP0B00");
    begin_resources(a);
    aml_io(a, 0x70, 2);
    aml_irq(a, 8);
    aml_end(a);
    aml_end(a);
}

static void event_timer(struct aml *a, uint32_t base)
{
    aml_begin_device(a, "HPET");
    hardware_id(a, "PNP0103");
    unique_id(a, 0);
    begin_resources(a);
    aml_memory32(a, base, HPET_BYTES, false);
    aml_end(a);
    aml_end(a);
}

static void serial_port(struct aml *a, unsigned number, const struct acpi_uart *uart)
{
    char name[8];
    snprintf(name, sizeof name, "COM%u", number % 10);
    aml_begin_device(a, name);
    hardware_id(a, "PNP0501");
    unique_id(a, number);
    aml_name(a, "_STA");
    aml_integer(a, STATUS_WORKING);
    begin_resources(a);
    aml_io(a, uart->port, 8);
    aml_irq(a, uart->irq);
    aml_end(a);
    aml_end(a);
}

// The two halves of the 8042 are devices of their own; the keyboard's has the ports.
static void keyboard_and_mouse(struct aml *a)
{
    aml_begin_device(a, "KBD");
    hardware_id(a, "PNP0303");
    begin_resources(a);
    aml_io(a, 0x60, 1);
    aml_io(a, 0x64, 1);
    aml_irq(a, 1);
    aml_end(a);
    aml_end(a);
    aml_begin_device(a, "MOU");
    hardware_id(a, "PNP0F13");
    begin_resources(a);
    aml_irq(a, 12);
    aml_end(a);
    aml_end(a);
}

static void system_bus(struct aml *a, const struct acpi_config *c)
{
    aml_begin_scope(a, "\\_SB");
    for (unsigned i = 0; i < c->vcpus; i++)
        processor(a, i);
    if (c->pm_base || c->smi_command)
        motherboard(a, c);
    if (c->rtc)
        clock_chip(a);
    if (c->hpet_base)
        event_timer(a, c->hpet_base);
    for (unsigned i = 0; i < ACPI_UARTS && c->uart[i].port; i++)
        serial_port(a, i + 1, &c->uart[i]);
    if (c->i8042)
        keyboard_and_mouse(a);
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

void acpi_dsdt(struct bytes *table, const struct acpi_config *config)
{
    struct aml a;
    acpi_begin(table, "DSDT", 2);  // 2: integers have 64 bits
    aml_init(&a, table);
    system_bus(&a, config);
    if (config->pm1a_control)
        soft_off(&a, config->s5_type);
}
