// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a driver sees in the memory BAR (Virtual I/O Device 1.2, sections 4.1.4.3 to 4.1.4.6). A field is
// written by an access of its own width, or a 64-bit one by its halves (4.1.3.1); anything else is lost.
// Reads may be of any width.
#include "guest/virtio/pci_internal.h"

#include <string.h>

#include "base/log.h"

struct common {
    struct le32 device_feature_select, device_feature, driver_feature_select, driver_feature;
    struct le16 config_vector, queue_count;
    uint8_t status, generation;
    struct le16 queue_select, queue_size, queue_vector, queue_enable, queue_notify_offset;
    struct le64 descriptors, available, used;
};
_Static_assert(sizeof(struct common) == VIRTIO_PCI_COMMON_BYTES, "4.1.4.3");

static uint32_t half(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

// Of a queue that isn't there every field is 0, its size above all.
static void show_queue(const struct virtio_pci *vp, struct common *common)
{
    unsigned n = vp->queue_select;
    if (n >= vp->vdev->queue_count)
        return;
    common->queue_size = le16(vp->queue_size[n]);
    common->queue_vector = le16(vp->queue_vector[n]);
    common->queue_enable = le16(vp->queue_enabled[n]);
    common->queue_notify_offset = le16((uint16_t)n);
    common->descriptors = le64(vp->queue_descriptors[n]);
    common->available = le64(vp->queue_available[n]);
    common->used = le64(vp->queue_used[n]);
}

uint64_t virtio_pci_common_read(const struct virtio_pci *vp, uint64_t offset, unsigned size_bytes)
{
    struct common common = {
        .device_feature_select = le32(vp->device_feature_select),
        .device_feature = le32(half(virtio_pci_offered(vp), vp->device_feature_select)),
        .driver_feature_select = le32(vp->driver_feature_select),
        .driver_feature = le32(half(vp->driver_features, vp->driver_feature_select)),
        .config_vector = le16(vp->config_vector),
        .queue_count = le16((uint16_t)vp->vdev->queue_count),
        .status = vp->status,
        .generation = vp->generation,
        .queue_select = le16(vp->queue_select),
    };
    show_queue(vp, &common);
    uint64_t value = 0;
    if (offset < sizeof common)
        memcpy(&value, (uint8_t *)&common + offset,
               size_bytes < sizeof common - offset ? size_bytes : sizeof common - offset);
    return value;
}

static void write_driver_features(struct virtio_pci *vp, uint32_t value)
{
    if (vp->status & VIRTIO_FEATURES_OK || vp->driver_feature_select > 1)
        return;
    unsigned shift = 32 * vp->driver_feature_select;
    vp->driver_features &= ~(size_mask(4) << shift);
    vp->driver_features |= (uint64_t)value << shift;
}

// What there is no vector for reads back as none (4.1.5.1.2.1).
static uint16_t vector(const struct virtio_pci *vp, uint16_t value)
{
    return value < vp->vectors ? value : VIRTIO_NO_VECTOR;
}

// Bits are only added; all but a reset is done in the order in which a driver sets them (3.1.1).
static void write_status(struct virtio_pci *vp, uint8_t value)
{
    uint8_t added = value & ~vp->status;
    if (!value) {
        virtio_pci_begin_reset(vp);
        return;
    }
    vp->status |= added & (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FAILED);
    if (added & VIRTIO_FEATURES_OK && virtio_pci_features_fit(vp))
        vp->status |= VIRTIO_FEATURES_OK;
    if (added & VIRTIO_DRIVER_OK && vp->status & VIRTIO_FEATURES_OK)
        virtio_pci_start(vp);
}

// The selected queue, if it may still be changed.
static bool open_queue(const struct virtio_pci *vp, unsigned *n)
{
    *n = vp->queue_select;
    return *n < vp->vdev->queue_count && !vp->queue_enabled[*n] && !(vp->status & VIRTIO_DRIVER_OK);
}

static void write_queue_size(struct virtio_pci *vp, uint16_t value)
{
    unsigned n;
    if (open_queue(vp, &n) && value && value <= vp->vdev->queue[n].size_max && !(value & (value - 1)))
        vp->queue_size[n] = value;
}

static void write_queue_enable(struct virtio_pci *vp, uint16_t value)
{
    unsigned n;
    if (open_queue(vp, &n) && value == 1)
        vp->queue_enabled[n] = true;
}

static void write_queue_address(struct virtio_pci *vp, unsigned offset, uint64_t value, unsigned size_bytes)
{
    uint64_t *fields[] = {vp->queue_descriptors, vp->queue_available, vp->queue_used};
    unsigned n, field = offset / 8, shift = offset % 8 * 8;
    if (!open_queue(vp, &n) || (size_bytes != 4 && size_bytes != 8) || offset % size_bytes)
        return;
    fields[field][n] &= ~(size_mask(size_bytes) << shift);
    fields[field][n] |= value << shift;
}

// A field and its width as one number.
#define FIELD(name) (offsetof(struct common, name) << 4 | sizeof ((struct common *)0)->name)

void virtio_pci_common_write(struct virtio_pci *vp, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    bool queue_there = vp->queue_select < vp->vdev->queue_count;
    if (vp->resetting)
        return;
    switch (offset << 4 | size_bytes) {
    case FIELD(device_feature_select): vp->device_feature_select = (uint32_t)value; break;
    case FIELD(driver_feature_select): vp->driver_feature_select = (uint32_t)value; break;
    case FIELD(driver_feature): write_driver_features(vp, (uint32_t)value); break;
    case FIELD(config_vector): vp->config_vector = vector(vp, (uint16_t)value); break;
    case FIELD(status): write_status(vp, (uint8_t)value); break;
    case FIELD(queue_select): vp->queue_select = (uint16_t)value; break;
    case FIELD(queue_size): write_queue_size(vp, (uint16_t)value); break;
    case FIELD(queue_vector):
        if (queue_there)
            vp->queue_vector[vp->queue_select] = vector(vp, (uint16_t)value);
        break;
    case FIELD(queue_enable): write_queue_enable(vp, (uint16_t)value); break;
    default:
        if (offset >= offsetof(struct common, descriptors) && offset < sizeof(struct common))
            write_queue_address(vp, offset - offsetof(struct common, descriptors), value, size_bytes);
        else
            log_guest("virtio", "%s: a write of %u bytes at %#llx of the common configuration is lost",
                      vp->vdev->ops->name, size_bytes, (unsigned long long)offset);
    }
}

// Behind the device's own configuration all ones, as in QEMU.
uint64_t virtio_pci_config_read(struct virtio_pci *vp, uint64_t offset, unsigned size_bytes)
{
    struct virtio_device *vdev = vp->vdev;
    uint64_t value = UINT64_MAX;
    if (offset < vdev->config_bytes) {
        unsigned left = vdev->config_bytes - (unsigned)offset;
        vdev->ops->config_read(vdev, (unsigned)offset, &value, size_bytes < left ? size_bytes : left);
    }
    return value;
}

void virtio_pci_config_write(struct virtio_pci *vp, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct virtio_device *vdev = vp->vdev;
    if (!vp->resetting && vdev->ops->config_write && offset + size_bytes <= vdev->config_bytes)
        vdev->ops->config_write(vdev, (unsigned)offset, &value, size_bytes);
}

// Reading takes the cause away (4.1.4.5).
uint8_t virtio_pci_isr_read(struct virtio_pci *vp)
{
    uint8_t isr = vp->isr;
    vp->isr = 0;
    virtio_pci_update_intx(vp);
    return isr;
}

// The address says which queue; the value, which repeats it, doesn't matter.
void virtio_pci_notify(struct virtio_pci *vp, uint64_t offset)
{
    uint64_t queue = offset / VIRTIO_PCI_NOTIFY_MULTIPLIER;
    if (queue < vp->vdev->queue_count && vp->running && !vp->resetting && pci_is_bus_master(&vp->pci))
        virtio_device_kick(vp->vdev, (unsigned)queue);
}
