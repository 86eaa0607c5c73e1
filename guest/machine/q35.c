// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/machine/q35.h"

#include <errno.h>
#include <stdlib.h>

#include "guest/machine/q35_internal.h"

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

static void x87_error(void *opaque)
{
    x87_error_raise(&((struct q35 *)opaque)->x87_error);
}

static int create_engine(struct q35 *q, struct err *err)
{
    q->clock = q->config.count.on ? clock_create_counted(err) : clock_create(err);
    if (!q->clock)
        return -ENOMEM;
    struct engine_config config = {
        .memory = q->memory, .ports = q->ports, .ram = &q->ram, .clock = q->clock,
        .vcpus = q->config.vcpus, .count = q->config.count, .pic_acknowledge = acknowledge, .eoi = end_of_interrupt,
        .ferr = x87_error, .opaque = q,
    };
    q->engine = q->config.create_engine(&config, q->config.opaque, err);
    return q->engine ? 0 : -ENODEV;
}

static int board_reset(void *opaque, struct err *err)
{
    struct q35 *q = opaque;
    q35_reset_devices(q);
    for (unsigned i = 0; i < q->vm.vcpus; i++)
        vcpu_reset(q->vm.vcpu[i]);
    if (!q->config.boot)
        return 0;
    int rc = q35_set_up_pci(q, err);
    if (rc == 0)
        rc = q35_load_kernel(q, err);
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
    int rc = q35_create_memory(q, err);
    if (rc == 0)
        rc = create_engine(q, err);
    if (rc == 0)
        rc = vm_init(&q->vm, &q->config.vm, q->clock, q->engine, err);
    if (rc < 0)
        return rc;
    q->vm.board = (struct vm_board){board_reset, q35_quiesce, q35_resume, board_power_button,
                                    board_parts, q};
    return q35_create_devices(q, err);
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

int q35_power_up(struct q35 *q, struct err *err)
{
    return vm_power_up(&q->vm, err);
}

// In the order opposite to their making; each part may be missing.
void q35_destroy(struct q35 *q)
{
    if (q->vm.engine) {
        vm_hold(&q->vm);
        vm_end_vcpus(&q->vm);
    }
    q35_finish_devices(q);
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

struct pci_bus *q35_pci(struct q35 *q)
{
    return &q->pci;
}

struct fw_cfg *q35_fw_cfg(struct q35 *q)
{
    return &q->fw_cfg;
}

struct i8042 *q35_i8042(struct q35 *q)
{
    return q->config.i8042 ? &q->i8042 : NULL;
}

struct clock *q35_clock(struct q35 *q)
{
    return q->clock;
}
