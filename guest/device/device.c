// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/device.h"

uint64_t device_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    pthread_mutex_lock(&dev->lock);
    uint64_t value = dev->ops->read(dev, offset, size_bytes);
    pthread_mutex_unlock(&dev->lock);
    return value;
}

void device_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    pthread_mutex_lock(&dev->lock);
    dev->ops->write(dev, offset, value, size_bytes);
    pthread_mutex_unlock(&dev->lock);
}

void device_reset(struct device *dev)
{
    pthread_mutex_lock(&dev->lock);
    dev->ops->reset(dev);
    pthread_mutex_unlock(&dev->lock);
}

int device_loaded(struct device *dev, struct err *err)
{
    pthread_mutex_lock(&dev->lock);
    int result = dev->ops->loaded(dev, err);
    pthread_mutex_unlock(&dev->lock);
    return result;
}

void device_started(struct device *dev)
{
    pthread_mutex_lock(&dev->lock);
    dev->ops->started(dev);
    pthread_mutex_unlock(&dev->lock);
}

void device_quiesce(struct device *dev)
{
    if (dev->ops->quiesce)
        dev->ops->quiesce(dev);
}

void device_resume(struct device *dev)
{
    if (dev->ops->resume)
        dev->ops->resume(dev);
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    struct device_window *window = opaque;
    return device_read(window->dev, window->offset + offset, size_bytes);
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct device_window *window = opaque;
    device_write(window->dev, window->offset + offset, value, size_bytes);
}

static const struct mem_ops window_ops = {window_read, window_write};

int device_map(struct device_window *window, struct device *dev, uint64_t offset, struct mem *mem,
               gpa_t base, uint64_t size_bytes, struct err *err)
{
    *window = (struct device_window){dev, offset, mem, base};
    return mem_add_io(mem, base, size_bytes, &window_ops, window, dev->ops->name, err);
}

int device_unmap(struct device_window *window)
{
    return mem_remove(window->mem, window->base);
}
