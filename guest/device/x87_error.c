// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/x87_error.h"

static struct x87_error *to_error(struct device *dev)
{
    return container_of(dev, struct x87_error, dev);
}

static void drive(struct x87_error *error, bool raised)
{
    error->raised = raised;
    irq_set(error->irq, raised);
}

// The port can only be written.
static uint64_t error_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    (void)dev, (void)offset, (void)size_bytes;
    return UINT64_MAX;
}

static void error_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct x87_error *error = to_error(dev);
    (void)offset, (void)value, (void)size_bytes;
    drive(error, false);
    error->ignore(error->opaque);
}

static void error_reset(struct device *dev)
{
    drive(to_error(dev), false);
}

static int error_loaded(struct device *dev, struct err *err)
{
    (void)dev, (void)err;
    return 0;
}

static void error_started(struct device *dev)
{
    drive(to_error(dev), to_error(dev)->raised);
}

static const struct state_field error_state[] = {
    STATE_FIELD(struct x87_error, raised, 1),
    {0},
};

static const struct device_ops error_ops = {
    .name = "x87-error",
    .state_version = 1,
    .state = error_state,
    .read = error_read,
    .write = error_write,
    .reset = error_reset,
    .loaded = error_loaded,
    .started = error_started,
};

void x87_error_init(struct x87_error *error, struct irq_line *irq, void (*ignore)(void *opaque), void *opaque)
{
    *error = (struct x87_error){.dev.ops = &error_ops, .irq = irq, .ignore = ignore, .opaque = opaque};
    pthread_mutex_init(&error->dev.lock, NULL);
}

void x87_error_finish(struct x87_error *error)
{
    pthread_mutex_destroy(&error->dev.lock);
}

void x87_error_raise(struct x87_error *error)
{
    pthread_mutex_lock(&error->dev.lock);
    drive(error, true);
    pthread_mutex_unlock(&error->dev.lock);
}
