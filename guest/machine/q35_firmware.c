// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a BIOS would do before a kernel runs: the tables that describe the machine, and the kernel itself.
#include "guest/firmware/acpi.h"
#include "guest/machine/q35_internal.h"

static void describe(const struct q35 *q, struct acpi_config *acpi, uint32_t apic_ids[ACPI_VCPUS])
{
    unsigned uarts = 0;
    acpi_config_ich9(acpi, q->config.vcpus);
    for (unsigned i = 0; i < q->config.vcpus; i++)
        apic_ids[i] = x86_apic_id(q->engine->config.model, i);
    acpi->apic_ids = apic_ids;
    if (!q->config.hpet)
        acpi->hpet_base = 0;
    for (unsigned i = 0; i < ACPI_UARTS; i++)
        acpi->uart[i] = (struct acpi_uart){0};
    for (unsigned i = 0; i < Q35_SERIALS; i++)
        if (q->config.serial[i].there)
            acpi->uart[uarts++] = (struct acpi_uart){q35_serial_ports[i].port, q35_serial_ports[i].irq};
}

int q35_load_kernel(struct q35 *q, struct err *err)
{
    struct memory_map map;
    struct acpi_config acpi;
    gpa_t rsdp;
    uint32_t apic_ids[ACPI_VCPUS];
    describe(q, &acpi, apic_ids);
    int rc = memory_map_init(&map, q->memory, err);
    if (rc == 0)
        rc = acpi_load(&acpi, q->memory, &map, &rsdp, err);
    return rc < 0 ? rc : boot_load(q->config.boot, q->memory, &map, rsdp, err);
}
