// SPDX-License-Identifier: GPL-2.0-or-later
//
// The root of PCI in the DSDT: what its host bridge passes on, who controls PCI Express, and where
// interrupt pins lead to: by links over the LPC bridge's PIRQ registers (I/O Controller Hub 9 data sheet,
// 13.1.17) if the system uses the 8259, to pins of the IOAPIC that nothing moves otherwise.
#include <stdio.h>

#include "guest/firmware/acpi_table.h"

enum { CONFIG_PORTS = 0xcf8, CONFIG_PORTS_END = 0xd00 };
enum { PIRQ_REGISTERS = 0x60, PIRQ_REGISTERS_BYTES = 0x0c, PIRQ_OFF = 0x80, PIRQ_IRQ = 0x0f };
enum { LINK_DISABLED = 0x09, LINK_WORKING = 0x0b };
enum { INTERRUPT_NUMBER = 5 };  // where aml_interrupts has its first number
// 6.2.11.3: of PCI Express only its capability is handed over; there are neither hot-plug nor events.
enum { OSC_QUERY_FAILED = 1 << 2, OSC_REVISION = 1 << 3, OSC_MASKED = 1 << 4, OSC_CAPABILITY = 1 << 4 };
#define OSC_PCI_HOST "33db4d5b-1ff7-401c-9657-7441c03dd766"

static uint64_t last_byte(const struct acpi_window *w)
{
    return w->base + w->size_bytes - 1;
}

// The VGA window is a part of it, also where nothing answers there.
static void windows(struct aml *a, const struct acpi_pci *pci)
{
    acpi_begin_resources(a);
    aml_bus_window(a, 0, (uint16_t)((pci->ecam.size_bytes >> 20) - 1));
    aml_io(a, CONFIG_PORTS, CONFIG_PORTS_END - CONFIG_PORTS);
    aml_io_window(a, 0, CONFIG_PORTS - 1);
    aml_io_window(a, CONFIG_PORTS_END, 0xffff);
    aml_memory_window32(a, 0xa0000, 0xbffff, true);
    for (unsigned i = 0; i < 2; i++)
        if (pci->memory32[i].size_bytes)
            aml_memory_window32(a, (uint32_t)pci->memory32[i].base,
                                (uint32_t)last_byte(&pci->memory32[i]), false);
    if (pci->memory64.size_bytes)
        aml_memory_window64(a, pci->memory64.base, last_byte(&pci->memory64));
    aml_end(a);
}

static void field_of_argument(struct aml *a, unsigned argument, uint64_t byte, const char *name)
{
    aml_begin_dword_field(a);
    aml_argument(a, argument);
    aml_end_dword_field(a, byte, name);
}

// name |= bits
static void set_bits(struct aml *a, const char *name, uint64_t bits)
{
    aml_op(a, AML_OR);
    aml_path(a, name);
    aml_integer(a, bits);
    aml_path(a, name);
}

// If (!(left == right)) name |= bits; the operands are what the caller writes in between.
static void begin_unless_equal(struct aml *a)
{
    aml_begin_if(a);
    aml_op(a, AML_NOT);
    aml_op(a, AML_EQUAL);
}

static void control_of_express(struct aml *a)
{
    field_of_argument(a, 3, 8, "CDW3");
    aml_op(a, AML_AND);
    aml_path(a, "CDW3");
    aml_integer(a, OSC_CAPABILITY);
    aml_local(a, 0);
    begin_unless_equal(a);
    aml_argument(a, 1);
    aml_integer(a, 1);
    set_bits(a, "CDW1", OSC_REVISION);
    aml_end(a);
    begin_unless_equal(a);
    aml_path(a, "CDW3");
    aml_local(a, 0);
    set_bits(a, "CDW1", OSC_MASKED);
    aml_end(a);
    aml_op(a, AML_STORE);
    aml_local(a, 0);
    aml_path(a, "CDW3");
}

static void operating_system_capabilities(struct aml *a)
{
    aml_begin_method(a, "_OSC", 4, true);
    field_of_argument(a, 3, 0, "CDW1");
    aml_begin_if(a);
    aml_op(a, AML_EQUAL);
    aml_argument(a, 0);
    aml_uuid(a, OSC_PCI_HOST);
    control_of_express(a);
    aml_end(a);
    aml_begin_else(a);
    set_bits(a, "CDW1", OSC_QUERY_FAILED);
    aml_end(a);
    aml_op(a, AML_RETURN);
    aml_argument(a, 3);
    aml_end(a);
}

// 6.2.13: whose pin, which pin, and the link that it leads to.
static void routes(struct aml *a, const struct acpi_pci *pci, const char *name, const char *link)
{
    char path[8];
    aml_name(a, name);
    aml_begin_package(a, ACPI_PCI_DEVICES * ACPI_PCI_PINS);
    for (unsigned i = 0; i < ACPI_PCI_DEVICES * ACPI_PCI_PINS; i++) {
        unsigned device = i / ACPI_PCI_PINS, pin = i % ACPI_PCI_PINS;
        snprintf(path, sizeof path, "%s%c", link, 'A' + pci->pirq[device][pin] % ACPI_PIRQS);
        aml_begin_package(a, 4);
        aml_integer(a, device << 16 | 0xffff);
        aml_integer(a, pin);
        aml_path(a, path);
        aml_integer(a, 0);
        aml_end(a);
    }
    aml_end(a);
}

static void routing(struct aml *a, const struct acpi_pci *pci)
{
    routes(a, pci, "PRTP", "LNK");
    routes(a, pci, "PRTA", "GSI");
    aml_begin_method(a, "_PRT", 0, false);
    aml_begin_if(a);
    aml_op(a, AML_EQUAL);
    aml_path(a, "\\PICF");
    aml_integer(a, 0);
    aml_op(a, AML_RETURN);
    aml_path(a, "PRTP");
    aml_end(a);
    aml_op(a, AML_RETURN);
    aml_path(a, "PRTA");
    aml_end(a);
}

static void link_resources(struct aml *a, const char *name, const uint32_t *gsis, uint8_t count)
{
    aml_name(a, name);
    aml_begin_resources(a);
    aml_interrupts(a, gsis, count);
    aml_end(a);
}

static void begin_link(struct aml *a, const char *prefix, unsigned pirq, unsigned unique)
{
    char name[8];
    snprintf(name, sizeof name, "%s%c", prefix, 'A' + pirq);
    aml_begin_device(a, name);
    acpi_hardware_id(a, "PNP0C0F");
    acpi_number(a, "_UID", unique);
}

static void fixed_link(struct aml *a, unsigned pirq, uint32_t gsi)
{
    begin_link(a, "GSI", pirq, ACPI_PIRQS + pirq);
    link_resources(a, "_PRS", &gsi, 1);
    link_resources(a, "_CRS", &gsi, 1);
    aml_begin_method(a, "_SRS", 1, false);
    aml_end(a);
    aml_end(a);
}

// IQST(register): is the link on? IQCR(register): its interrupt as a resource, PRR0.
static void link_helpers(struct aml *a)
{
    uint32_t none = 0;
    aml_begin_method(a, "IQST", 1, false);
    aml_begin_if(a);
    aml_op(a, AML_AND);
    aml_argument(a, 0);
    aml_integer(a, PIRQ_OFF);
    aml_integer(a, 0);
    aml_op(a, AML_RETURN);
    aml_integer(a, LINK_DISABLED);
    aml_end(a);
    aml_op(a, AML_RETURN);
    aml_integer(a, LINK_WORKING);
    aml_end(a);

    link_resources(a, "PRR0", &none, 1);
    aml_begin_method(a, "IQCR", 1, true);
    aml_begin_dword_field(a);
    aml_path(a, "PRR0");
    aml_end_dword_field(a, INTERRUPT_NUMBER, "PRRI");
    aml_op(a, AML_AND);
    aml_argument(a, 0);
    aml_integer(a, PIRQ_IRQ);
    aml_path(a, "PRRI");
    aml_op(a, AML_RETURN);
    aml_path(a, "PRR0");
    aml_end(a);
}

static void method_on_register(struct aml *a, const char *name, const char *helper, const char *reg)
{
    aml_begin_method(a, name, 0, false);
    aml_op(a, AML_RETURN);
    aml_path(a, helper);
    aml_path(a, reg);
    aml_end(a);
}

static void routed_link(struct aml *a, unsigned pirq)
{
    static const uint32_t irqs[] = {5, 10, 11};
    char reg[8];
    snprintf(reg, sizeof reg, "PRQ%c", 'A' + pirq);
    begin_link(a, "LNK", pirq, pirq);
    link_resources(a, "_PRS", irqs, sizeof irqs / sizeof irqs[0]);
    method_on_register(a, "_STA", "IQST", reg);
    method_on_register(a, "_CRS", "IQCR", reg);
    aml_begin_method(a, "_DIS", 0, false);
    set_bits(a, reg, PIRQ_OFF);
    aml_end(a);
    aml_begin_method(a, "_SRS", 1, true);
    field_of_argument(a, 0, INTERRUPT_NUMBER, "PRRI");
    aml_op(a, AML_STORE);
    aml_path(a, "PRRI");
    aml_path(a, reg);
    aml_end(a);
    aml_end(a);
}

static void links(struct aml *a, const struct acpi_pci *pci)
{
    char name[8];
    aml_begin_fields(a, "PCI0.ISA.PIRQ");
    for (unsigned i = 0; i < ACPI_PIRQS; i++) {
        if (i == 4)
            aml_field_gap(a, 32);  // E to H are at 0x68
        snprintf(name, sizeof name, "PRQ%c", 'A' + i);
        aml_field(a, name, 8);
    }
    aml_end(a);
    link_helpers(a);
    for (unsigned i = 0; i < ACPI_PIRQS; i++)
        routed_link(a, i);
    for (unsigned i = 0; i < ACPI_PIRQS; i++)
        fixed_link(a, i, pci->first_gsi + i);
}

static void lpc_bridge(struct aml *a, const struct acpi_config *c)
{
    aml_begin_device(a, "ISA");
    acpi_number(a, "_ADR", (uint32_t)(c->pci.router_devfn >> 3) << 16 | (c->pci.router_devfn & 7));
    aml_region(a, "PIRQ", AML_PCI_CONFIG, PIRQ_REGISTERS, PIRQ_REGISTERS_BYTES);
    acpi_isa_devices(a, c);
    aml_end(a);
}

void acpi_pci_root(struct aml *a, const struct acpi_config *c)
{
    aml_begin_device(a, "PCI0");
    acpi_hardware_id(a, "PNP0A08");
    aml_name(a, "_CID");
    aml_eisa_id(a, "PNP0A03");
    acpi_number(a, "_UID", 0);
    acpi_number(a, "_BBN", 0);
    windows(a, &c->pci);
    operating_system_capabilities(a);
    routing(a, &c->pci);
    lpc_bridge(a, c);
    aml_end(a);
    links(a, &c->pci);
}
