// SPDX-License-Identifier: GPL-2.0-or-later
//
// The ACPI tables of a PC (ACPI 6.4; HPET: IA-PC HPET Specification 1.0a, section 3.2.4): RSDP,
// XSDT, FADT, FACS, MADT, HPET, MCFG and a DSDT that names the devices which can't be found by probing.
// A machine says in numbers what it has; what it does not have is not described.
//
// Threads: none.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/firmware/memory_map.h"
#include "guest/mem/mem.h"

struct aml;

// A table that the machine adds as it is: what follows the 36-byte header.
struct acpi_table {
    char signature[5];
    uint8_t revision;
    const void *body;
    size_t body_bytes;
};

struct acpi_uart {
    uint16_t port;
    uint8_t irq;
};

// The root of PCI. Windows are what BARs may be given; a size of 0: none.
struct acpi_window {
    uint64_t base, size_bytes;
};
enum { ACPI_PCI_DEVICES = 32, ACPI_PCI_PINS = 4, ACPI_PIRQS = 8 };
struct acpi_pci {
    bool there;
    struct acpi_window ecam;          // 1 MiB a bus, from bus 0 on
    struct acpi_window memory32[2], memory64;
    uint8_t pirq[ACPI_PCI_DEVICES][ACPI_PCI_PINS];  // which of 8 each device's pins are wired to
    uint32_t first_gsi;               // of PIRQ A, where the IOAPIC has it; the others follow
    uint8_t router_devfn;             // of the LPC bridge, whose registers lead PIRQs to the 8259
};

enum { ACPI_UARTS = 4, ACPI_VCPUS = 4096 };

struct acpi_config {
    unsigned vcpus;            // at most ACPI_VCPUS
    const uint32_t *apic_ids;  // vcpus of them; null: 0, 1, 2 ...

    uint32_t ioapic_base;  // of the one IOAPIC, whose first pin is GSI 0
    uint8_t ioapic_id;

    uint32_t hpet_base;  // 0: none
    uint32_t hpet_id;    // the low half of its capabilities register

    // Power management. A port of 0: not there.
    uint16_t pm_base, pm_bytes;  // the whole block, reserved for its driver
    uint16_t pm1a_event, pm1a_control, pm_timer, gpe0;
    uint8_t gpe0_bytes;
    uint8_t sci_irq;
    uint16_t smi_command;
    uint8_t acpi_enable, acpi_disable;  // what is written there
    uint16_t reset_port;
    uint8_t reset_value;
    uint8_t s5_type;  // SLP_TYP of soft-off

    bool i8042, vga, rtc;
    uint8_t rtc_century;  // the index in CMOS; 0: none
    struct acpi_uart uart[ACPI_UARTS];  // ends with port 0; becomes COM1 to COM4
    uint16_t fw_cfg_port, pvpanic_port;  // 0: none
    struct acpi_pci pci;

    // Adds to \_SB, whose scope is open. May be null.
    void (*describe)(struct aml *aml, void *opaque);
    void *opaque;
    const struct acpi_table *tables;
    unsigned table_count;  // at most 16
};

// What QEMU's q35 has there: the numbers above for an ICH9 with one serial port and no PCI.
void acpi_config_ich9(struct acpi_config *config, unsigned vcpus);

// Builds the tables and writes them to RAM at the top of what lies below 4 GiB, the RSDP to
// MEMORY_BIOS_BASE, where an older kernel looks for it; takes their room out of map. -ENOMEM: no
// room; -EINVAL: a number that the tables can't say.
int acpi_load(const struct acpi_config *config, struct mem *memory, struct memory_map *map,
              gpa_t *rsdp, struct err *err);
