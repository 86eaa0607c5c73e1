// SPDX-License-Identifier: GPL-2.0-or-later
//
// The devices that are soldered on, their wires, and where the guest finds them.
#include "base/bits.h"
#include "guest/machine/q35_internal.h"

const struct q35_serial_port q35_serial_ports[Q35_SERIALS] = {
    {0x3f8, 4, "isa-serial@3f8"}, {0x2f8, 3, "isa-serial@2f8"},
    {0x3e8, 4, "isa-serial@3e8"}, {0x2e8, 3, "isa-serial@2e8"},
};

static int map(struct q35 *q, struct device *dev, uint64_t offset, struct mem *where, uint64_t base,
               uint64_t size_bytes, struct err *err)
{
    return device_map(&q->windows[q->window_count++], dev, offset, where, GPA(base), size_bytes, err);
}

// Each ISA interrupt reaches both controllers; the timer's has a pin of its own at the IOAPIC.
static void create_interrupts(struct q35 *q)
{
    pic8259_init(&q->pic, &q->intr);
    ADD(q, "i8259", &q->pic, pic8259_finish);
    ioapic_init(&q->ioapic, &q->msi, NULL);
    ADD(q, "ioapic", &q->ioapic, ioapic_finish);
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        unsigned gsi = i == ISA_IRQ_TIMER ? ISA_TIMER_GSI : i;
        irq_fanout_init(&q->isa[i], pic8259_pin(&q->pic, i),
                        i == ISA_IRQ_CASCADE ? NULL : ioapic_pin(&q->ioapic, gsi));
    }
}

// Its timers may also interrupt through the pins that no ISA device has.
static void create_hpet(struct q35 *q)
{
    struct hpet_lines lines = {&q->isa[ISA_IRQ_TIMER].line, &q->isa[ISA_IRQ_RTC].line, {0}};
    for (unsigned gsi = ISA_IRQS; gsi < HPET_PINS; gsi++)
        lines.gsi[gsi] = ioapic_pin(&q->ioapic, gsi);
    hpet_init(&q->hpet, &lines, q->clock);
    ADD(q, "hpet", &q->hpet, hpet_finish);
}

static void create_timers(struct q35 *q)
{
    bool hpet = q->config.hpet;
    if (hpet)
        create_hpet(q);
    pit8254_init(&q->pit, hpet ? hpet_legacy_timer(&q->hpet) : &q->isa[ISA_IRQ_TIMER].line, q->clock);
    ADD(q, "i8254", &q->pit, pit8254_finish);
    rtc_init(&q->rtc, hpet ? hpet_legacy_rtc(&q->hpet) : &q->isa[ISA_IRQ_RTC].line, q->clock,
             q->config.rtc_start_s);
    if (q->config.rtc_host_ns)
        rtc_follow(&q->rtc, q->config.rtc_host_ns);
    rtc_set_memory(&q->rtc, q->low_bytes, q->config.ram_bytes - q->low_bytes);
    ADD(q, "mc146818rtc", &q->rtc, rtc_finish);
}

static void ignore_x87_error(void *opaque)
{
    struct engine *engine = ((struct q35 *)opaque)->engine;
    if (engine->ops->ignne)
        engine->ops->ignne(engine);
}

static void create_x87_error(struct q35 *q)
{
    x87_error_init(&q->x87_error, &q->isa[X87_ERROR_IRQ].line, ignore_x87_error, q);
    ADD(q, "x87-error", &q->x87_error, x87_error_finish);
}

static void create_power(struct q35 *q)
{
    ich9_pm_init(&q->pm, &q->isa[SCI_IRQ].line, &q->vm.power, q->clock);
    ADD(q, "ich9-pm", &q->pm, ich9_pm_finish);
    reset_control_init(&q->reset, &q->vm.power);
    ADD(q, "reset-control", &q->reset, reset_control_finish);
    if (!q->config.debug_exit)
        return;
    debug_exit_init(&q->debug_exit, &q->vm.power);
    ADD(q, "isa-debug-exit", &q->debug_exit, debug_exit_finish);
}

static void create_serials(struct q35 *q)
{
    for (unsigned i = 0; i < Q35_SERIALS; i++) {
        if (!q->config.serial[i].there)
            continue;
        uart16550_init(&q->uart[i], &q->isa[q35_serial_ports[i].irq].line, q->config.serial[i].chr);
        ADD(q, q35_serial_ports[i].name, &q->uart[i], uart16550_finish);
    }
}

static void create_keyboard(struct q35 *q)
{
    if (!q->config.i8042)
        return;
    i8042_init(&q->i8042, &q->isa[I8042_IRQ_KEYBOARD].line, &q->isa[I8042_IRQ_MOUSE].line, &q->vm.power);
    ADD(q, "i8042", &q->i8042, i8042_finish);
}

static void create_panic_notifier(struct q35 *q)
{
    if (!q->config.pvpanic.there)
        return;
    pvpanic_init(&q->pvpanic, &q->vm.power, q->config.pvpanic.events);
    ADD(q, "pvpanic", &q->pvpanic, pvpanic_finish);
}

// The items that every machine of QEMU has; more are its maker's.
static int create_fw_cfg(struct q35 *q, struct err *err)
{
    struct le64 ram = le64(q->config.ram_bytes);
    struct le16 cpus = le16((uint16_t)q->config.vcpus), yes = le16(1), no = le16(0);
    fw_cfg_init(&q->fw_cfg, q->memory);
    ADD(q, "fw_cfg", &q->fw_cfg, fw_cfg_finish);
    const struct { uint16_t key; const void *bytes; size_t size_bytes; } items[] = {
        {FW_CFG_UUID, q->config.uuid, sizeof q->config.uuid}, {FW_CFG_RAM_SIZE, &ram, sizeof ram},
        {FW_CFG_CPUS, &cpus, sizeof cpus}, {FW_CFG_MAX_CPUS, &cpus, sizeof cpus},
        {FW_CFG_NOGRAPHIC, &yes, sizeof yes}, {FW_CFG_BOOT_MENU, &no, sizeof no},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_SIZE(items) && rc == 0; i++)
        rc = fw_cfg_add(&q->fw_cfg, items[i].key, items[i].bytes, items[i].size_bytes, err);
    return rc;
}

static int map_fixed(struct q35 *q, struct err *err)
{
    const struct { struct device *dev; uint64_t offset; struct mem *where; uint64_t base, size_bytes; }
    fixed[] = {
        {&q->pic.dev, PIC8259_FIRST, q->ports, 0x20, 2},
        {&q->pic.dev, PIC8259_SECOND, q->ports, 0xa0, 2},
        {&q->pic.dev, PIC8259_ELCR, q->ports, 0x4d0, 2},
        {&q->pit.dev, 0, q->ports, 0x40, 4},
        {&q->pit.dev, PIT8254_PORT61, q->ports, 0x61, 1},
        {&q->rtc.dev, 0, q->ports, 0x70, RTC_REGION_BYTES},
        {&q->reset.dev, RESET_CONTROL_PORT92, q->ports, 0x92, 1},
        {&q->x87_error.dev, 0, q->ports, X87_ERROR_PORT, 1},
        {&q->pm.dev, 0, q->ports, PM_BASE, ICH9_PM_BLOCK_BYTES},
        {&q->pm.dev, ICH9_PM_APM, q->ports, 0xb2, ICH9_PM_APM_BYTES},
        {&q->fw_cfg.dev, 0, q->ports, FW_CFG_BASE, FW_CFG_PORTS},
        {&q->pci_host.dev, 0, q->ports, PCI_HOST_PORTS, PCI_HOST_PORTS_BYTES},
        {&q->ioapic.dev, 0, q->memory, IOAPIC_BASE, IOAPIC_REGION_BYTES},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_SIZE(fixed) && rc == 0; i++)
        rc = map(q, fixed[i].dev, fixed[i].offset, fixed[i].where, fixed[i].base,
                 fixed[i].size_bytes, err);
    return rc;
}

static int map_optional(struct q35 *q, struct err *err)
{
    int rc = 0;
    if (q->config.hpet)
        rc = map(q, &q->hpet.dev, 0, q->memory, HPET_BASE, HPET_REGION_BYTES, err);
    if (rc == 0 && q->config.debug_exit)
        rc = map(q, &q->debug_exit.dev, 0, q->ports, q->config.debug_exit_base,
                 q->config.debug_exit_bytes, err);
    if (rc == 0 && q->config.i8042)
        rc = map(q, &q->i8042.dev, I8042_DATA, q->ports, 0x60, 1, err);
    if (rc == 0 && q->config.i8042)
        rc = map(q, &q->i8042.dev, I8042_STATUS, q->ports, 0x64, 1, err);
    if (rc == 0 && q->config.pvpanic.there)
        rc = map(q, &q->pvpanic.dev, 0, q->ports, q->config.pvpanic.port, PVPANIC_PORTS, err);
    for (unsigned i = 0; i < Q35_SERIALS && rc == 0; i++)
        if (q->config.serial[i].there)
            rc = map(q, &q->uart[i].dev, 0, q->ports, q35_serial_ports[i].port, UART16550_REGION_BYTES, err);
    return rc;
}

int q35_create_devices(struct q35 *q, struct err *err)
{
    create_interrupts(q);
    create_timers(q);
    create_power(q);
    create_x87_error(q);
    create_serials(q);
    create_keyboard(q);
    create_panic_notifier(q);
    int rc = create_fw_cfg(q, err);
    if (rc == 0)
        rc = q35_create_pci(q, err);
    if (rc == 0 && q->own_result < 0)
        rc = err_set(err, q->own_result, "no memory for the machine's devices");
    if (rc == 0)
        rc = map_fixed(q, err);
    return rc < 0 ? rc : map_optional(q, err);
}
