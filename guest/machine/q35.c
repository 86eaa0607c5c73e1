// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/machine/q35.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "guest/bus/irq_fanout.h"
#include "guest/bus/msi.h"
#include "guest/device/debug_exit.h"
#include "guest/device/hpet.h"
#include "guest/device/ich9_pm.h"
#include "guest/device/ioapic.h"
#include "guest/device/pic8259.h"
#include "guest/device/pit8254.h"
#include "guest/device/reset_control.h"
#include "guest/device/rtc.h"
#include "guest/device/uart16550.h"
#include "guest/firmware/acpi.h"

#define GIB(n) ((uint64_t)(n) << 30)
enum { VGA_HOLE_BASE = 0xa0000, VGA_HOLE_END = 0xc0000, SCI_IRQ = 9 };
enum { DEVICES = 16, WINDOWS = 24 };
#define IOAPIC_BASE 0xfec00000u
#define HPET_BASE 0xfed00000u
#define SPACE_BYTES (UINT64_C(1) << 46)

static const struct { uint16_t port; uint8_t irq; const char *name; } serials[Q35_SERIALS] = {
    {0x3f8, 4, "isa-serial@3f8"}, {0x2f8, 3, "isa-serial@2f8"},
    {0x3e8, 4, "isa-serial@3e8"}, {0x2e8, 3, "isa-serial@2e8"},
};

struct q35 {
    struct vm vm;  // first: the power sink's owner
    struct q35_config config;
    struct mem *memory, *ports;
    struct ram ram;
    uint64_t low_bytes;
    struct clock *clock;
    struct engine *engine;
    struct msi_sink msi;
    struct irq_line intr;

    struct pic8259 pic;
    struct ioapic ioapic;
    struct irq_fanout isa[ISA_IRQS];
    struct pit8254 pit;
    struct rtc rtc;
    struct hpet hpet;
    struct ich9_pm pm;
    struct reset_control reset;
    struct debug_exit debug_exit;
    struct uart16550 uart[Q35_SERIALS];

    struct snapshot_device devices[DEVICES];
    unsigned device_count;
    void (*finish[DEVICES])(void *device);
    struct device_window windows[WINDOWS];
    unsigned window_count;
};

static void send_msi(struct msi_sink *sink, uint64_t address, uint32_t data)
{
    struct q35 *q = container_of(sink, struct q35, msi);
    q->engine->ops->msi(q->engine, address, data);
}

static void set_intr(struct irq_line *line, bool level)
{
    struct q35 *q = container_of(line, struct q35, intr);
    q->engine->ops->pic_intr(q->engine, level);
}

static int acknowledge(void *opaque)
{
    return pic8259_acknowledge(&((struct q35 *)opaque)->pic);
}

static void end_of_interrupt(void *opaque, uint8_t vector)
{
    ioapic_eoi(&((struct q35 *)opaque)->ioapic, vector);
}

// As QEMU's q35: up to 2.75 GiB all RAM is low; from there on 2 GiB are, so that the rest begins
// on a gigabyte on both sides.
static uint64_t low_memory(uint64_t ram_bytes)
{
    if (ram_bytes < 0xb0000000)
        return ram_bytes;
    return GIB(2);
}

static int add_low_ram(struct q35 *q, struct err *err)
{
    uint64_t below = q->low_bytes < VGA_HOLE_BASE ? q->low_bytes : VGA_HOLE_BASE;
    int rc = mem_add_ram(q->memory, GPA(0), &q->ram, 0, below, false, err);
    if (rc == 0 && q->low_bytes > VGA_HOLE_END)
        rc = mem_add_ram(q->memory, GPA(VGA_HOLE_END), &q->ram, VGA_HOLE_END,
                         q->low_bytes - VGA_HOLE_END, false, err);
    return rc;
}

static int create_memory(struct q35 *q, struct err *err)
{
    uint64_t size = q->config.ram_bytes;
    if (size > SPACE_BYTES - GIB(4))
        return err_set(err, -EINVAL, "cannot set up guest memory 'pc.ram': Cannot allocate memory");
    int rc = ram_open(&q->ram, size, err);
    if (rc < 0)
        return rc;
    q->low_bytes = low_memory(size);
    q->memory = mem_create(SPACE_BYTES);
    q->ports = mem_create(65536);
    if (!q->memory || !q->ports)
        return err_set(err, -ENOMEM, "no memory for the address spaces");
    rc = add_low_ram(q, err);
    if (rc == 0 && size > q->low_bytes)
        rc = mem_add_ram(q->memory, GPA(GIB(4)), &q->ram, q->low_bytes, size - q->low_bytes, false,
                         err);
    return rc;
}

static int create_engine(struct q35 *q, struct err *err)
{
    q->clock = clock_create(err);
    if (!q->clock)
        return -ENOMEM;
    struct engine_config config = {
        .memory = q->memory, .ports = q->ports, .ram = &q->ram, .clock = q->clock,
        .vcpus = q->config.vcpus, .pic_acknowledge = acknowledge, .eoi = end_of_interrupt, .opaque = q,
    };
    q->engine = q->config.create_engine(&config, q->config.opaque, err);
    return q->engine ? 0 : -ENODEV;
}

static void add_device(struct q35 *q, const char *name, struct device *dev, void (*finish)(void *))
{
    q->finish[q->device_count] = finish;
    q->devices[q->device_count++] = (struct snapshot_device){name, dev};
}
// The device is the first member of what finish expects.
#define ADD(q, name, device, finish) add_device(q, name, &(device)->dev, (void (*)(void *))finish)

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
    rtc_set_memory(&q->rtc, q->low_bytes, q->config.ram_bytes - q->low_bytes);
    ADD(q, "mc146818rtc", &q->rtc, rtc_finish);
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
        uart16550_init(&q->uart[i], &q->isa[serials[i].irq].line, q->config.serial[i].chr);
        ADD(q, serials[i].name, &q->uart[i], uart16550_finish);
    }
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
        {&q->reset.dev, RESET_CONTROL_CF9, q->ports, 0xcf9, 1},
        {&q->reset.dev, RESET_CONTROL_PORT92, q->ports, 0x92, 1},
        {&q->pm.dev, 0, q->ports, 0x600, ICH9_PM_BLOCK_BYTES},
        {&q->pm.dev, ICH9_PM_APM, q->ports, 0xb2, ICH9_PM_APM_BYTES},
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
    for (unsigned i = 0; i < Q35_SERIALS && rc == 0; i++)
        if (q->config.serial[i].there)
            rc = map(q, &q->uart[i].dev, 0, q->ports, serials[i].port, UART16550_REGION_BYTES, err);
    return rc;
}

static int create_devices(struct q35 *q, struct err *err)
{
    create_interrupts(q);
    create_timers(q);
    create_power(q);
    create_serials(q);
    int rc = map_fixed(q, err);
    return rc < 0 ? rc : map_optional(q, err);
}

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
            acpi->uart[uarts++] = (struct acpi_uart){serials[i].port, serials[i].irq};
}

static int load_kernel(struct q35 *q, struct err *err)
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

static int board_reset(void *opaque, struct err *err)
{
    struct q35 *q = opaque;
    for (unsigned i = 0; i < q->device_count; i++)
        device_reset(q->devices[i].dev);
    for (unsigned i = 0; i < q->device_count; i++)
        device_started(q->devices[i].dev);
    for (unsigned i = 0; i < q->vm.vcpus; i++)
        vcpu_reset(q->vm.vcpu[i]);
    if (!q->config.boot)
        return 0;
    int rc = load_kernel(q, err);
    for (unsigned i = 0; i < q->vm.vcpus && rc == 0; i++)
        boot_state(q->config.boot, q->vm.states[i], i, q->engine->config.model->physical_bits);
    return rc;
}

static void board_power_button(void *opaque)
{
    ich9_pm_power_button(&((struct q35 *)opaque)->pm);
}

static void board_parts(void *opaque, struct snapshot_parts *parts)
{
    struct q35 *q = opaque;
    parts->machine = q->config.name;
    parts->model = q->engine->config.model;
    parts->ram = &q->ram;
    parts->devices = q->devices;
    parts->device_count = q->device_count;
}

static int create_all(struct q35 *q, struct err *err)
{
    int rc = create_memory(q, err);
    if (rc == 0)
        rc = create_engine(q, err);
    if (rc == 0)
        rc = vm_init(&q->vm, &q->config.vm, q->clock, q->engine, err);
    if (rc < 0)
        return rc;
    q->vm.board = (struct vm_board){board_reset, board_power_button, board_parts, q};
    rc = create_devices(q, err);
    return rc < 0 ? rc : vm_power_up(&q->vm, err);
}

struct q35 *q35_create(const struct q35_config *config, struct err *err)
{
    struct q35 *q = calloc(1, sizeof *q);
    if (!q) {
        err_set(err, -ENOMEM, "no memory for a machine");
        return NULL;
    }
    q->config = *config;
    q->msi.send = send_msi;
    q->intr.set = set_intr;
    if (create_all(q, err) == 0)
        return q;
    q35_destroy(q);
    return NULL;
}

// In the order opposite to their making; each part may be missing.
void q35_destroy(struct q35 *q)
{
    if (q->vm.engine)
        vm_end_vcpus(&q->vm);
    while (q->device_count) {
        q->device_count--;
        q->finish[q->device_count](q->devices[q->device_count].dev);
    }
    if (q->engine)
        q->engine->ops->destroy(q->engine);
    if (q->clock)
        clock_destroy(q->clock);
    if (q->memory)
        mem_destroy(q->memory);
    if (q->ports)
        mem_destroy(q->ports);
    if (q->ram.host)
        ram_close(&q->ram);
    free(q);
}

struct vm *q35_vm(struct q35 *q)
{
    return &q->vm;
}

struct mem *q35_memory(struct q35 *q)
{
    return q->memory;
}

struct mem *q35_ports(struct q35 *q)
{
    return q->ports;
}
