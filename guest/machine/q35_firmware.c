// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a BIOS would do before a kernel runs: the tables that describe the machine, and the kernel itself.
#include <string.h>

#include "guest/firmware/acpi.h"
#include "guest/machine/q35_internal.h"

static struct acpi_window window(uint64_t base, uint64_t end)
{
    return (struct acpi_window){base, end > base ? end - base : 0};
}

// Between RAM and configuration space nothing is placed, but a guest may.
static void describe_pci(const struct q35 *q, struct acpi_pci *pci)
{
    struct pci_range memory32, memory64;
    q35_pci_windows(q, &memory32, &memory64);
    *pci = (struct acpi_pci){
        .there = true, .ecam = {ECAM_BASE, ECAM_BYTES}, .first_gsi = PCI_FIRST_GSI,
        .router_devfn = ICH9_LPC_DEVFN,
        .memory32 = {window(q->low_bytes, ECAM_BASE), {memory32.base, memory32.size_bytes}},
        .memory64 = {memory64.base, memory64.size_bytes},
    };
    for (unsigned device = 0; device < ACPI_PCI_DEVICES; device++)
        for (unsigned pin = 0; pin < ACPI_PCI_PINS; pin++)
            pci->pirq[device][pin] = (uint8_t)pci_root_pirq(device, pin);
}

static void describe_serials(const struct q35 *q, struct acpi_config *acpi)
{
    unsigned uarts = 0;
    memset(acpi->uart, 0, sizeof acpi->uart);
    for (unsigned i = 0; i < Q35_SERIALS; i++)
        if (q->config.serial[i].there)
            acpi->uart[uarts++] = (struct acpi_uart){q35_serial_ports[i].port, q35_serial_ports[i].irq};
}

static void describe(const struct q35 *q, struct acpi_config *acpi, uint32_t apic_ids[ACPI_VCPUS])
{
    acpi_config_ich9(acpi, q->config.vcpus);
    for (unsigned i = 0; i < q->config.vcpus; i++)
        apic_ids[i] = x86_apic_id(q->engine->config.model, i);
    acpi->apic_ids = apic_ids;
    if (!q->config.hpet)
        acpi->hpet_base = 0;
    acpi->i8042 = q->config.i8042;
    acpi->fw_cfg_port = FW_CFG_BASE;
    acpi->pvpanic_port = q->config.pvpanic.there ? q->config.pvpanic.port : 0;
    describe_serials(q, acpi);
    describe_pci(q, &acpi->pci);
}

// A BIOS leaves the keyboard working, in set 1 by translation, and the mouse off.
static void set_up_keyboard(struct q35 *q)
{
    enum { WRITE_MODE = 0x60, KEYBOARD_IRQ = 0x01, SYSTEM = 0x04, NO_MOUSE = 0x20, TRANSLATE = 0x40 };
    if (!q->config.i8042)
        return;
    device_write(&q->i8042.dev, I8042_STATUS, WRITE_MODE, 1);
    device_write(&q->i8042.dev, I8042_DATA, KEYBOARD_IRQ | SYSTEM | NO_MOUSE | TRANSLATE, 1);
}

// The machine's own words, under which guests know it. Who boots a kernel directly is its BIOS too.
static int load_smbios(const struct q35 *q, struct memory_map *map, struct err *err)
{
    struct smbios_options options = q->config.smbios ? *q->config.smbios : (struct smbios_options){0};
    struct x86_cpuid cpuid = x86_cpuid(q->engine->config.model, q->vm.states[0], 1, 0);
    unsigned cores = q->config.cores ? q->config.cores : 1, threads = q->config.threads ? q->config.threads : 1;
    struct smbios_machine machine = {
        .manufacturer = "QEMU", .product = "Standard PC (Q35 + ICH9, 2009)", .version = q->config.name,
        .ram_bytes = q->config.ram_bytes, .low_bytes = q->low_bytes,
        .sockets = (q->config.vcpus + cores * threads - 1) / (cores * threads),
        .cores = cores, .threads = threads, .cpuid_eax = cpuid.eax, .cpuid_edx = cpuid.edx,
    };
    memcpy(machine.uuid, q->config.uuid, sizeof machine.uuid);
    if (!options.bios.asked) {
        options.bios.asked = true;
        options.bios.vendor = "Konuk";
        options.bios.version = q->config.name;
        options.bios.date = "04/01/2014";
    }
    return smbios_load(&options, &machine, q->memory, map, err);
}

int q35_load_kernel(struct q35 *q, struct err *err)
{
    struct memory_map map;
    struct acpi_config acpi;
    gpa_t rsdp;
    uint32_t apic_ids[ACPI_VCPUS];
    describe(q, &acpi, apic_ids);
    set_up_keyboard(q);
    int rc = memory_map_init(&map, q->memory, err);
    if (rc == 0)
        rc = memory_map_set(&map, ECAM_BASE, ECAM_BYTES, MEMORY_RESERVED, err);
    if (rc == 0)
        rc = acpi_load(&acpi, q->memory, &map, &rsdp, err);
    if (rc == 0)
        rc = load_smbios(q, &map, err);
    return rc < 0 ? rc : boot_load(q->config.boot, q->memory, &map, rsdp, err);
}
