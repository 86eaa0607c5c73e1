// SPDX-License-Identifier: GPL-2.0-or-later
//
// The devices of a PC that are on no bus which can be probed.
#include <stdio.h>

#include "guest/firmware/acpi_table.h"

// 6.3.7: present, enabled, shown, functioning; and the same, not shown.
enum { STATUS_WORKING = 0x0f, STATUS_HIDDEN = 0x0b };
enum { FW_CFG_PORTS = 12, PVPANIC_PORTS = 1 };

static void clock_chip(struct aml *a)
{
    aml_begin_device(a, "RTC");
    acpi_hardware_id(a, "PNP0B00");
    acpi_begin_resources(a);
    aml_io(a, 0x70, 2);
    aml_irq(a, 8);
    aml_end(a);
    aml_end(a);
}

static void serial_port(struct aml *a, unsigned number, const struct acpi_uart *uart)
{
    char name[8];
    snprintf(name, sizeof name, "COM%u", number % 10);
    aml_begin_device(a, name);
    acpi_hardware_id(a, "PNP0501");
    acpi_number(a, "_UID", number);
    acpi_number(a, "_STA", STATUS_WORKING);
    acpi_begin_resources(a);
    aml_io(a, uart->port, 8);
    aml_irq(a, uart->irq);
    aml_end(a);
    aml_end(a);
}

// The two halves of the 8042 are devices of their own; the keyboard's has the ports.
static void keyboard_and_mouse(struct aml *a)
{
    aml_begin_device(a, "KBD");
    acpi_hardware_id(a, "PNP0303");
    acpi_begin_resources(a);
    aml_io(a, 0x60, 1);
    aml_io(a, 0x64, 1);
    aml_irq(a, 1);
    aml_end(a);
    aml_end(a);
    aml_begin_device(a, "MOU");
    acpi_hardware_id(a, "PNP0F13");
    acpi_begin_resources(a);
    aml_irq(a, 12);
    aml_end(a);
    aml_end(a);
}

static void begin_qemu_device(struct aml *a, const char *name, const char *id, unsigned status,
                              uint16_t port, uint8_t ports)
{
    aml_begin_device(a, name);
    aml_name(a, "_HID");
    aml_string(a, id);
    acpi_number(a, "_STA", status);
    acpi_begin_resources(a);
    aml_io(a, port, ports);
    aml_end(a);
}

// QEMU's docs/specs/pvpanic: RDPT reads the events, WRPT reports one.
static void panic_notifier(struct aml *a, uint16_t port)
{
    begin_qemu_device(a, "PEVT", "QEMU0001", STATUS_WORKING, port, PVPANIC_PORTS);
    aml_region(a, "PEOR", AML_SYSTEM_IO, port, PVPANIC_PORTS);
    aml_begin_fields(a, "PEOR");
    aml_field(a, "PEPT", 8);
    aml_end(a);
    aml_begin_method(a, "RDPT", 0, false);
    aml_op(a, AML_RETURN);
    aml_path(a, "PEPT");
    aml_end(a);
    aml_begin_method(a, "WRPT", 1, false);
    aml_op(a, AML_STORE);
    aml_argument(a, 0);
    aml_path(a, "PEPT");
    aml_end(a);
    aml_end(a);
}

void acpi_isa_devices(struct aml *a, const struct acpi_config *c)
{
    if (c->rtc)
        clock_chip(a);
    for (unsigned i = 0; i < ACPI_UARTS && c->uart[i].port; i++)
        serial_port(a, i + 1, &c->uart[i]);
    if (c->i8042)
        keyboard_and_mouse(a);
    if (c->pvpanic_port)
        panic_notifier(a, c->pvpanic_port);
    if (c->fw_cfg_port) {
        begin_qemu_device(a, "FWCF", "QEMU0002", STATUS_HIDDEN, c->fw_cfg_port, FW_CFG_PORTS);
        aml_end(a);
    }
}
