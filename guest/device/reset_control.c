// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/reset_control.h"

#include <errno.h>

enum { CF9_CPU = 0x04, CF9_WRITABLE = 0x0e };
enum { PORT92_FAST_RESET = 0x01, PORT92_A20 = 0x02 };

static struct reset_control *to_control(struct device *dev)
{
    return container_of(dev, struct reset_control, dev);
}

// Setting the bit resets; what kind of reset the others choose makes no difference to a guest here.
static void write_bits(struct reset_control *c, uint8_t *reg, uint8_t value, uint8_t reset_bit)
{
    uint8_t rises = value & ~*reg;
    *reg = value;
    if (rises & reset_bit)
        power_request(c->power, POWER_RESET, 0);
}

static uint64_t control_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct reset_control *c = to_control(dev);
    (void)size_bytes;
    return offset == RESET_CONTROL_CF9 ? c->cf9 : c->port92 | PORT92_A20;
}

static void control_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct reset_control *c = to_control(dev);
    (void)size_bytes;
    if (offset == RESET_CONTROL_CF9)
        write_bits(c, &c->cf9, value & CF9_WRITABLE, CF9_CPU);
    else
        write_bits(c, &c->port92, value & (PORT92_FAST_RESET | PORT92_A20), PORT92_FAST_RESET);
}

static void control_reset(struct device *dev)
{
    struct reset_control *c = to_control(dev);
    c->cf9 = 0;
    c->port92 = PORT92_A20;
}

static int control_loaded(struct device *dev, struct err *err)
{
    struct reset_control *c = to_control(dev);
    if (c->cf9 & ~CF9_WRITABLE || c->port92 & ~(PORT92_FAST_RESET | PORT92_A20))
        return err_set(err, -EINVAL, "reset-control: registers %#x, %#x are impossible", c->cf9,
                       c->port92);
    return 0;
}

static void control_started(struct device *dev)
{
    (void)dev;
}

static const struct state_field control_state[] = {
    STATE_FIELD(struct reset_control, cf9, 1),
    STATE_FIELD(struct reset_control, port92, 1),
    {0},
};

static const struct device_ops control_ops = {
    .name = "reset-control",
    .state_version = 1,
    .state = control_state,
    .read = control_read,
    .write = control_write,
    .reset = control_reset,
    .loaded = control_loaded,
    .started = control_started,
};

void reset_control_init(struct reset_control *control, struct power_sink *power)
{
    *control = (struct reset_control){.dev.ops = &control_ops, .power = power};
    pthread_mutex_init(&control->dev.lock, NULL);
    control_reset(&control->dev);
}

void reset_control_finish(struct reset_control *control)
{
    pthread_mutex_destroy(&control->dev.lock);
}
