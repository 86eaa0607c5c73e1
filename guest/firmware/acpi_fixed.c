// SPDX-License-Identifier: GPL-2.0-or-later
//
// The tables without code: FADT, MADT, HPET and MCFG.
#include <stddef.h>

#include "guest/firmware/acpi_table.h"

// 5.2.3.2, Generic Address Structure.
enum { SPACE_MEMORY = 0, SPACE_IO = 1 };
enum { ACCESS_BYTE = 1, ACCESS_WORD = 2, ACCESS_DWORD = 3 };
struct gas {
    uint8_t space, bits, bit_offset, access;
    struct le64 address;
};

// 5.2.9, revision 6.4.
enum { FADT_WBINVD = 1 << 0, FADT_PROC_C1 = 1 << 2, FADT_SLP_BUTTON = 1 << 5,
       FADT_RESET_REG_SUP = 1 << 10, FADT_APIC_CLUSTER = 1 << 18 };
enum { BOOT_LEGACY_DEVICES = 1 << 0, BOOT_8042 = 1 << 1, BOOT_NO_VGA = 1 << 2,
       BOOT_NO_RTC = 1 << 5 };
enum { EVENT_BYTES = 4, CONTROL_BYTES = 2, TIMER_BYTES = 4 };
struct fadt {
    struct acpi_header header;
    struct le32 facs, dsdt;
    uint8_t reserved1, profile;
    struct le16 sci_irq;
    struct le32 smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios_request, pstate_control;
    struct le32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer;
    struct le32 gpe0, gpe1;
    uint8_t event_bytes, control_bytes, pm2_bytes, timer_bytes;
    uint8_t gpe0_bytes, gpe1_bytes, gpe1_base, cst_control;
    struct le16 c2_latency_us, c3_latency_us, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    struct le16 boot_arch;
    uint8_t reserved2;
    struct le32 flags;
    struct gas reset;
    uint8_t reset_value;
    struct le16 arm_boot_arch;
    uint8_t minor_version;
    struct le64 x_facs, x_dsdt;
    struct gas x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control;
    struct gas x_pm_timer, x_gpe0, x_gpe1, sleep_control, sleep_status;
    struct le64 hypervisor;
};
_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.4, table 5.9");

static struct gas io(uint16_t port, unsigned bytes, uint8_t access)
{
    if (!port)
        return (struct gas){0};
    return (struct gas){SPACE_IO, (uint8_t)(8 * bytes), 0, access, le64(port)};
}

static void power_blocks(struct fadt *f, const struct acpi_config *c)
{
    f->pm1a_event = le32(c->pm1a_event);
    f->pm1a_control = le32(c->pm1a_control);
    f->pm_timer = le32(c->pm_timer);
    f->gpe0 = le32(c->gpe0);
    f->event_bytes = c->pm1a_event ? EVENT_BYTES : 0;
    f->control_bytes = c->pm1a_control ? CONTROL_BYTES : 0;
    f->timer_bytes = c->pm_timer ? TIMER_BYTES : 0;
    f->gpe0_bytes = c->gpe0 ? c->gpe0_bytes : 0;
    f->x_pm1a_event = io(c->pm1a_event, EVENT_BYTES, ACCESS_WORD);
    f->x_pm1a_control = io(c->pm1a_control, CONTROL_BYTES, ACCESS_WORD);
    f->x_pm_timer = io(c->pm_timer, TIMER_BYTES, ACCESS_DWORD);
    f->x_gpe0 = io(c->gpe0, c->gpe0_bytes, ACCESS_BYTE);
}

// The power button is a fixed one, which is the flag's absence; a sleep button there is not. More
// than eight xAPICs in logical mode need the cluster model (5.2.9, table 5.10).
static uint32_t feature_flags(const struct acpi_config *c)
{
    uint32_t flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON;
    if (c->reset_port)
        flags |= FADT_RESET_REG_SUP;
    if (c->vcpus > 8)
        flags |= FADT_APIC_CLUSTER;
    return flags;
}

static uint16_t boot_arch(const struct acpi_config *c)
{
    uint16_t flags = 0;
    if (c->uart[0].port)
        flags |= BOOT_LEGACY_DEVICES;
    if (c->i8042)
        flags |= BOOT_8042;
    if (!c->vga)
        flags |= BOOT_NO_VGA;
    if (!c->rtc)
        flags |= BOOT_NO_RTC;
    return flags;
}

void acpi_fadt(struct bytes *table, const struct acpi_config *c)
{
    struct fadt f = {0};
    acpi_begin(table, "FACP", 6);
    f.sci_irq = le16(c->sci_irq);
    f.smi_command = le32(c->smi_command);
    f.acpi_enable = c->smi_command ? c->acpi_enable : 0;
    f.acpi_disable = c->smi_command ? c->acpi_disable : 0;
    power_blocks(&f, c);
    f.c2_latency_us = f.c3_latency_us = le16(0xfff);  // above 100 and 1000: no C2, no C3
    f.century = c->rtc ? c->rtc_century : 0;
    f.boot_arch = le16(boot_arch(c));
    f.flags = le32(feature_flags(c));
    f.reset = io(c->reset_port, 1, ACCESS_BYTE);
    f.reset_value = c->reset_value;
    f.minor_version = 4;
    memcpy(f.hypervisor.b, "Konuk\0\0", 8);
    bytes_put(table, &f.facs, sizeof f - sizeof f.header);
}

// 5.2.9, table 5.9: of the two pointers to the FACS only one is set; the DSDT has both.
void acpi_fadt_link(struct bytes *table, uint64_t facs, uint64_t dsdt)
{
    struct fadt *f = (struct fadt *)table->data;
    f->facs = le32((uint32_t)facs);
    f->dsdt = le32((uint32_t)dsdt);
    f->x_dsdt = le64(dsdt);
}

// 5.2.12.
enum { LOCAL_APIC_BASE = 0xfee00000, PCAT_COMPAT = 1, APIC_ENABLED = 1, ALL_XAPICS = 0xff };
enum { ACTIVE_HIGH_LEVEL = 0x000d, AS_THE_BUS_HAS_IT = 0 };

// An APIC id of 255 and above does not fit into the old structure.
static void local_apic(struct bytes *table, unsigned uid, uint32_t id)
{
    struct { uint8_t type, length, uid, id; struct le32 flags; } xapic = {
        0, sizeof xapic, (uint8_t)uid, (uint8_t)id, le32(APIC_ENABLED)};
    struct { uint8_t type, length, reserved[2]; struct le32 id, flags, uid; } x2apic = {
        9, sizeof x2apic, {0}, le32(id), le32(APIC_ENABLED), le32(uid)};
    if (id < 255 && uid < 255)
        bytes_put(table, &xapic, sizeof xapic);
    else
        bytes_put(table, &x2apic, sizeof x2apic);
}

static void ioapic(struct bytes *table, uint8_t id, uint32_t base)
{
    struct { uint8_t type, length, id, reserved; struct le32 base, first_gsi; } entry = {
        1, sizeof entry, id, 0, le32(base), le32(0)};
    bytes_put(table, &entry, sizeof entry);
}

static void override(struct bytes *table, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    struct { uint8_t type, length, bus, irq; struct le32 gsi; struct le16 flags; } entry = {
        2, sizeof entry, 0, irq, le32(gsi), le16(flags)};
    bytes_put(table, &entry, sizeof entry);
}

// NMI is LINT1 of every local APIC.
static void nmi(struct bytes *table, bool x2apic)
{
    bytes_put(table, (uint8_t[]){4, 6, ALL_XAPICS, 0, 0, 1}, 6);
    if (x2apic)
        bytes_put(table, (uint8_t[]){10, 12, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0}, 12);
}

void acpi_madt(struct bytes *table, const struct acpi_config *c)
{
    static const uint8_t level_irqs[] = {5, 9, 10, 11};  // those that PCI links may use, and SCI
    struct { struct le32 base, flags; } head = {le32(LOCAL_APIC_BASE), le32(PCAT_COMPAT)};
    bool x2apic = false;
    acpi_begin(table, "APIC", 5);
    bytes_put(table, &head, sizeof head);
    for (unsigned i = 0; i < c->vcpus; i++) {
        uint32_t id = c->apic_ids ? c->apic_ids[i] : i;
        x2apic |= id >= 255 || i >= 255;
        local_apic(table, i, id);
    }
    ioapic(table, c->ioapic_id, c->ioapic_base);
    override(table, 0, 2, AS_THE_BUS_HAS_IT);
    for (unsigned i = 0; i < sizeof level_irqs; i++)
        override(table, level_irqs[i], level_irqs[i], ACTIVE_HIGH_LEVEL);
    nmi(table, x2apic);
}

void acpi_hpet(struct bytes *table, const struct acpi_config *c)
{
    struct { struct le32 id; struct gas base; uint8_t number; struct le16 min_tick; uint8_t oem; }
        body = {le32(c->hpet_id), {SPACE_MEMORY, 0, 0, 0, le64(c->hpet_base)}, 0, le16(0), 0};
    acpi_begin(table, "HPET", 1);
    bytes_put(table, &body, sizeof body);
}

// PCI Firmware Specification 3.0, 4.1.2.
void acpi_mcfg(struct bytes *table, const struct acpi_config *c)
{
    enum { BUS_BYTES = 1 << 20 };
    struct { struct le32 reserved[2]; struct le64 base; struct le16 segment; uint8_t first_bus, last_bus;
             struct le32 reserved_too; }
        body = {.base = le64(c->pci.ecam.base),
                .last_bus = (uint8_t)(c->pci.ecam.size_bytes / BUS_BYTES - 1)};
    acpi_begin(table, "MCFG", 1);
    bytes_put(table, &body, sizeof body);
}
