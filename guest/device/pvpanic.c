// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/pvpanic.h"

#include "base/log.h"

static struct pvpanic *to_pvpanic(struct device *dev)
{
    return container_of(dev, struct pvpanic, dev);
}

static uint64_t pvpanic_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    (void)offset, (void)size_bytes;
    return to_pvpanic(dev)->events;
}

static void pvpanic_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct pvpanic *p = to_pvpanic(dev);
    (void)offset, (void)size_bytes;
    if (value & PVPANIC_PANICKED)
        power_request(p->power, POWER_PANICKED, 0);
    else if (value & PVPANIC_CRASHLOADED)
        power_request(p->power, POWER_CRASHLOADED, 0);
    else
        log_guest("pvpanic", "event %#llx is unknown", (unsigned long long)value);
}

static void pvpanic_reset(struct device *dev)
{
    (void)dev;
}

static int pvpanic_loaded(struct device *dev, struct err *err)
{
    (void)dev, (void)err;
    return 0;
}

static void pvpanic_started(struct device *dev)
{
    (void)dev;
}

// It has no state: nothing of it is in a snapshot.
static const struct device_ops pvpanic_ops = {
    .name = "pvpanic",
    .read = pvpanic_read,
    .write = pvpanic_write,
    .reset = pvpanic_reset,
    .loaded = pvpanic_loaded,
    .started = pvpanic_started,
};

void pvpanic_init(struct pvpanic *p, struct power_sink *power, uint8_t events)
{
    *p = (struct pvpanic){.dev.ops = &pvpanic_ops, .power = power, .events = events};
    pthread_mutex_init(&p->dev.lock, NULL);
}

void pvpanic_finish(struct pvpanic *p)
{
    pthread_mutex_destroy(&p->dev.lock);
}
