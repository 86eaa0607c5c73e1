// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/debug_exit.h"

static uint64_t exit_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    (void)dev, (void)offset, (void)size_bytes;
    return 0;
}

// A process's exit status has eight bits.
static void exit_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct debug_exit *exit = container_of(dev, struct debug_exit, dev);
    (void)offset, (void)size_bytes;
    power_request(exit->power, POWER_EXIT, (value << 1 | 1) & 0xff);
}

static void exit_reset(struct device *dev)
{
    (void)dev;
}

static int exit_loaded(struct device *dev, struct err *err)
{
    (void)dev, (void)err;
    return 0;
}

static const struct state_field exit_state[] = {{0}};

static const struct device_ops exit_ops = {
    .name = "isa-debug-exit",
    .state_version = 1,
    .state = exit_state,
    .read = exit_read,
    .write = exit_write,
    .reset = exit_reset,
    .loaded = exit_loaded,
    .started = exit_reset,
};

void debug_exit_init(struct debug_exit *exit, struct power_sink *power)
{
    *exit = (struct debug_exit){.dev.ops = &exit_ops, .power = power};
    pthread_mutex_init(&exit->dev.lock, NULL);
}

void debug_exit_finish(struct debug_exit *exit)
{
    pthread_mutex_destroy(&exit->dev.lock);
}
