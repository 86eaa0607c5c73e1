// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/virtio/pci_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PCI_CAP_VENDOR = 0x09 };
enum { CFG_COMMON = 1, CFG_NOTIFY, CFG_ISR, CFG_DEVICE, CFG_PCI };  // 4.1.4
enum { PCI_VENDOR_VIRTIO = 0x1af4, PCI_DEVICE_VIRTIO = 0x1040, PCI_SUBSYSTEM_QEMU = 0x1100 };

static struct virtio_pci *to_vp(struct device *dev)
{
    return container_of(dev, struct virtio_pci, pci.dev);
}

static struct virtio_pci *of_transport(struct virtio_transport *t)
{
    return container_of(t, struct virtio_pci, transport);
}

// The BARs

static uint64_t vp_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct virtio_pci *vp = to_vp(dev);
    uint64_t within = offset % VIRTIO_PCI_PAGE_BYTES;
    if (offset < PCI_BAR_OFFSET(VIRTIO_PCI_BAR))
        return pci_msix_read(&vp->pci, offset, size_bytes);
    switch (offset - PCI_BAR_OFFSET(VIRTIO_PCI_BAR) - within) {
    case VIRTIO_PCI_COMMON: return virtio_pci_common_read(vp, within, size_bytes);
    case VIRTIO_PCI_ISR: return within ? 0 : virtio_pci_isr_read(vp);
    case VIRTIO_PCI_DEVICE: return virtio_pci_config_read(vp, within, size_bytes);
    default: return 0;
    }
}

static void vp_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct virtio_pci *vp = to_vp(dev);
    uint64_t within = offset % VIRTIO_PCI_PAGE_BYTES;
    if (offset < PCI_BAR_OFFSET(VIRTIO_PCI_BAR)) {
        pci_msix_write(&vp->pci, offset, value, size_bytes);
        return;
    }
    switch (offset - PCI_BAR_OFFSET(VIRTIO_PCI_BAR) - within) {
    case VIRTIO_PCI_COMMON: virtio_pci_common_write(vp, within, value, size_bytes); break;
    case VIRTIO_PCI_DEVICE: virtio_pci_config_write(vp, within, value, size_bytes); break;
    case VIRTIO_PCI_NOTIFY: virtio_pci_notify(vp, within); break;
    default: break;
    }
}

// Configuration space

struct capability {
    uint8_t size_bytes, type, bar, id, padding[2];
    struct le32 offset, length;
    struct le32 rest;  // CFG_NOTIFY: the multiplier; CFG_PCI: the data
};
enum { CAPABILITY_BAR = 2 + offsetof(struct capability, bar), CAPABILITY_OFFSET = 2 + offsetof(struct capability, offset),
       CAPABILITY_LENGTH = 2 + offsetof(struct capability, length), CAPABILITY_DATA = 2 + offsetof(struct capability, rest) };

// The BAR access that the capability describes (4.1.4.9), if there is such a place.
static bool described_access(const struct virtio_pci *vp, uint64_t *offset, unsigned *size_bytes)
{
    unsigned bar = pci_get(&vp->pci, vp->access_at + CAPABILITY_BAR, 1);
    uint64_t within = pci_get(&vp->pci, vp->access_at + CAPABILITY_OFFSET, 4);
    uint32_t length = pci_get(&vp->pci, vp->access_at + CAPABILITY_LENGTH, 4);
    if (bar >= PCI_BARS || vp->pci.bar[bar].kind == PCI_BAR_NONE || (length != 1 && length != 2 && length != 4) ||
        within % length || within + length > vp->pci.bar[bar].size_bytes)
        return false;
    *offset = PCI_BAR_OFFSET(bar) + within;
    *size_bytes = length;
    return true;
}

static bool touches_data(const struct virtio_pci *vp, unsigned reg, unsigned size_bytes)
{
    unsigned data = vp->access_at + CAPABILITY_DATA;
    return reg < data + 4 && data < reg + size_bytes;
}

static void config_reading(struct pci_function *f, unsigned reg, unsigned size_bytes)
{
    struct virtio_pci *vp = to_vp(&f->dev);
    uint64_t offset;
    unsigned access_bytes;
    if (!touches_data(vp, reg, size_bytes) || !described_access(vp, &offset, &access_bytes))
        return;
    uint64_t value = vp_read(&f->dev, offset, access_bytes);
    memcpy(f->config + vp->access_at + CAPABILITY_DATA, &value, access_bytes);
}

static void config_written(struct pci_function *f, unsigned reg, unsigned size_bytes)
{
    struct virtio_pci *vp = to_vp(&f->dev);
    uint64_t offset;
    unsigned access_bytes;
    if (touches_data(vp, reg, size_bytes) && described_access(vp, &offset, &access_bytes))
        vp_write(&f->dev, offset, pci_get(f, vp->access_at + CAPABILITY_DATA, access_bytes), access_bytes);
    virtio_device_cut_off(vp->vdev, !pci_is_bus_master(f));
    virtio_pci_update_intx(vp);
}

static const struct pci_config_ops config_ops = {config_reading, config_written};

static uint8_t add_capability(struct virtio_pci *vp, uint8_t type, uint32_t offset, uint32_t length, uint32_t rest)
{
    bool access = type == CFG_PCI, longer = access || type == CFG_NOTIFY;
    struct capability body = {
        .size_bytes = 2 + (longer ? sizeof body : offsetof(struct capability, rest)), .type = type,
        .bar = access ? 0 : VIRTIO_PCI_BAR, .offset = le32(offset), .length = le32(length), .rest = le32(rest),
    };
    static const struct capability writable = {.bar = 0xff, .offset = {{0xff, 0xff, 0xff, 0xff}},
        .length = {{0xff, 0xff, 0xff, 0xff}}, .rest = {{0xff, 0xff, 0xff, 0xff}}};
    return pci_add_capability(&vp->pci, PCI_CAP_VENDOR, &body, body.size_bytes - 2u, access ? &writable : NULL);
}

static void add_capabilities(struct virtio_pci *vp)
{
    add_capability(vp, CFG_COMMON, VIRTIO_PCI_COMMON, VIRTIO_PCI_PAGE_BYTES, 0);
    add_capability(vp, CFG_ISR, VIRTIO_PCI_ISR, VIRTIO_PCI_PAGE_BYTES, 0);
    if (vp->vdev->config_bytes)
        add_capability(vp, CFG_DEVICE, VIRTIO_PCI_DEVICE, VIRTIO_PCI_PAGE_BYTES, 0);
    add_capability(vp, CFG_NOTIFY, VIRTIO_PCI_NOTIFY, VIRTIO_PCI_PAGE_BYTES, VIRTIO_PCI_NOTIFY_MULTIPLIER);
    vp->access_at = add_capability(vp, CFG_PCI, 0, 0, 0);
}

// Interrupts

void virtio_pci_update_intx(struct virtio_pci *vp)
{
    pci_set_intx(&vp->pci, vp->isr && !pci_msix_is_on(&vp->pci));
}

static void interrupt(struct virtio_pci *vp, uint8_t cause, uint16_t vector)
{
    if (!(vp->status & VIRTIO_DRIVER_OK) || vp->resetting)
        return;
    bool msix = pci_msix_is_on(&vp->pci);
    if (!msix || cause == VIRTIO_ISR_CONFIG)  // 4.1.4.5.1
        vp->isr |= cause;
    virtio_pci_update_intx(vp);
    if (msix && vector < vp->vectors)
        pci_msix_send(&vp->pci, vector);
}

static void queue_interrupt(struct virtio_transport *t, unsigned queue)
{
    struct virtio_pci *vp = of_transport(t);
    pthread_mutex_lock(&vp->pci.dev.lock);
    interrupt(vp, VIRTIO_ISR_QUEUE, vp->queue_vector[queue]);
    pthread_mutex_unlock(&vp->pci.dev.lock);
}

static void config_changed(struct virtio_transport *t)
{
    struct virtio_pci *vp = of_transport(t);
    pthread_mutex_lock(&vp->pci.dev.lock);
    vp->generation++;
    if (vp->quiesced)
        vp->config_pending = true;
    else
        interrupt(vp, VIRTIO_ISR_CONFIG, vp->config_vector);
    pthread_mutex_unlock(&vp->pci.dev.lock);
}

static void failed(struct virtio_transport *t)
{
    struct virtio_pci *vp = of_transport(t);
    pthread_mutex_lock(&vp->pci.dev.lock);
    if (!vp->resetting) {
        vp->status |= VIRTIO_NEEDS_RESET;
        interrupt(vp, VIRTIO_ISR_CONFIG, vp->config_vector);
    }
    pthread_mutex_unlock(&vp->pci.dev.lock);
}

// Start, stop and reset

// The queues as the driver has set them, and as far as they are, are the I/O thread's from now on.
static void hand_over(struct virtio_pci *vp)
{
    struct virtio_device *vdev = vp->vdev;
    vdev->negotiated = vp->driver_features;
    vdev->broken = vp->status & VIRTIO_NEEDS_RESET;
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        struct virtio_queue *q = &vdev->queue[n];
        q->size = vp->queue_size[n];
        q->enabled = vp->queue_enabled[n];
        q->descriptors = vp->queue_descriptors[n];
        q->available = vp->queue_available[n];
        q->used = vp->queue_used[n];
        q->vector = vp->queue_vector[n];
        q->next_available = vp->queue_next_available[n];
        q->next_used = vp->queue_next_used[n];
    }
    vp->running = true;
    virtio_device_start(vdev);
}

void virtio_pci_start(struct virtio_pci *vp)
{
    vp->status |= VIRTIO_DRIVER_OK;
    memset(vp->queue_next_available, 0, sizeof vp->queue_next_available);
    memset(vp->queue_next_used, 0, sizeof vp->queue_next_used);
    hand_over(vp);
}

static void initialize(struct virtio_pci *vp)
{
    vp->status = vp->isr = 0;
    vp->resetting = vp->config_pending = vp->restart = false;
    vp->device_feature_select = vp->driver_feature_select = 0;
    vp->driver_features = 0;
    vp->config_vector = VIRTIO_NO_VECTOR;
    vp->queue_select = 0;
    for (unsigned n = 0; n < VIRTIO_QUEUES_MAX; n++) {
        vp->queue_size[n] = vp->vdev->queue[n].size_max;
        vp->queue_vector[n] = VIRTIO_NO_VECTOR;
        vp->queue_enabled[n] = false;
        vp->queue_descriptors[n] = vp->queue_available[n] = vp->queue_used[n] = 0;
        vp->queue_next_available[n] = vp->queue_next_used[n] = 0;
    }
    virtio_pci_update_intx(vp);
}

void virtio_pci_begin_reset(struct virtio_pci *vp)
{
    if (!vp->running) {
        initialize(vp);
    } else if (!vp->resetting) {
        vp->resetting = true;
        virtio_device_stop(vp->vdev);
    }
}

static void stopped(struct virtio_transport *t)
{
    struct virtio_pci *vp = of_transport(t);
    pthread_mutex_lock(&vp->pci.dev.lock);
    vp->running = false;
    initialize(vp);
    pthread_mutex_unlock(&vp->pci.dev.lock);
}

// The machine's or the bus': devices were quiesced before, so nothing needs to be waited for.
static void vp_reset(struct device *dev)
{
    struct virtio_pci *vp = to_vp(dev);
    pci_function_reset(&vp->pci);
    if (vp->running && vp->quiesced) {
        virtio_device_forget(vp->vdev);
        device_reset(&vp->vdev->dev);
        vp->running = false;
    }
    virtio_device_cut_off(vp->vdev, true);
    virtio_pci_begin_reset(vp);
}

// Pause and snapshot

static void vp_quiesce(struct device *dev)
{
    struct virtio_pci *vp = to_vp(dev);
    virtio_device_quiesce(vp->vdev);
    pthread_mutex_lock(&dev->lock);
    vp->quiesced = true;
    for (unsigned n = 0; vp->running && n < vp->vdev->queue_count; n++) {
        vp->queue_next_available[n] = vp->vdev->queue[n].next_available;
        vp->queue_next_used[n] = vp->vdev->queue[n].next_used;
    }
    pthread_mutex_unlock(&dev->lock);
}

static void go_on(struct virtio_pci *vp)
{
    if (vp->restart)
        hand_over(vp);
    if (vp->config_pending)
        interrupt(vp, VIRTIO_ISR_CONFIG, vp->config_vector);
    vp->restart = vp->config_pending = false;
}

static void vp_resume(struct device *dev)
{
    struct virtio_pci *vp = to_vp(dev);
    pthread_mutex_lock(&dev->lock);
    vp->quiesced = false;
    go_on(vp);
    pthread_mutex_unlock(&dev->lock);
    virtio_device_resume(vp->vdev);
}

static bool queue_is_sane(const struct virtio_pci *vp, unsigned n)
{
    uint16_t size = vp->queue_size[n], vector = vp->queue_vector[n];
    uint16_t in_flight = vp->queue_next_available[n] - vp->queue_next_used[n];
    if (n >= vp->vdev->queue_count)
        return !vp->queue_enabled[n];
    return size && size <= vp->vdev->queue[n].size_max && !(size & (size - 1)) && in_flight <= size &&
           (vector < vp->vectors || vector == VIRTIO_NO_VECTOR);
}

static int check_loaded(const struct virtio_pci *vp, struct err *err)
{
    const char *name = vp->vdev->ops->name;
    if (vp->status & ~VIRTIO_STATUS_BITS || vp->isr & ~(VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG) ||
        (vp->status & VIRTIO_DRIVER_OK && !(vp->status & VIRTIO_FEATURES_OK)))
        return err_set(err, -EINVAL, "%s: a status that can't be: %#x", name, vp->status);
    if (vp->status & VIRTIO_FEATURES_OK && !virtio_pci_features_fit(vp))
        return err_set(err, -EINVAL, "%s: features %#llx are not all offered here", name,
                       (unsigned long long)vp->driver_features);
    if (vp->config_vector >= vp->vectors && vp->config_vector != VIRTIO_NO_VECTOR)
        return err_set(err, -EINVAL, "%s: no vector %u", name, vp->config_vector);
    for (unsigned n = 0; n < VIRTIO_QUEUES_MAX; n++)
        if (!queue_is_sane(vp, n))
            return err_set(err, -EINVAL, "%s: a state that queue %u can't have", name, n);
    return 0;
}

// Whatever was in flight when the snapshot was made is not: a reset that waited for it is complete.
static int vp_loaded(struct device *dev, struct err *err)
{
    struct virtio_pci *vp = to_vp(dev);
    int rc = pci_function_loaded(&vp->pci, err);
    if (!rc)
        rc = check_loaded(vp, err);
    if (!rc && vp->running && !vp->quiesced)
        rc = err_set(err, -EINVAL, "%s: it is running", vp->vdev->ops->name);
    if (rc)
        return rc;
    if (vp->running)
        virtio_device_forget(vp->vdev);
    vp->running = false;
    virtio_device_cut_off(vp->vdev, !pci_is_bus_master(&vp->pci));
    if (vp->resetting)
        initialize(vp);
    vp->restart = vp->status & VIRTIO_DRIVER_OK;
    return 0;
}

static void vp_started(struct device *dev)
{
    struct virtio_pci *vp = to_vp(dev);
    pci_function_started(&vp->pci);
    virtio_device_cut_off(vp->vdev, !pci_is_bus_master(&vp->pci));
    virtio_pci_update_intx(vp);
    if (!vp->quiesced)
        go_on(vp);
}

static const struct state_field vp_state[] = {
    PCI_FUNCTION_STATE(struct virtio_pci),
    STATE_FIELD(struct virtio_pci, status, 1),
    STATE_FIELD(struct virtio_pci, isr, 1),
    STATE_FIELD(struct virtio_pci, generation, 1),
    STATE_FIELD(struct virtio_pci, resetting, 1),
    STATE_FIELD(struct virtio_pci, config_pending, 1),
    STATE_FIELD(struct virtio_pci, device_feature_select, 1),
    STATE_FIELD(struct virtio_pci, driver_feature_select, 1),
    STATE_FIELD(struct virtio_pci, driver_features, 1),
    STATE_FIELD(struct virtio_pci, config_vector, 1),
    STATE_FIELD(struct virtio_pci, queue_select, 1),
    STATE_ARRAY(struct virtio_pci, queue_size, 1),
    STATE_ARRAY(struct virtio_pci, queue_vector, 1),
    STATE_ARRAY(struct virtio_pci, queue_enabled, 1),
    STATE_ARRAY(struct virtio_pci, queue_descriptors, 1),
    STATE_ARRAY(struct virtio_pci, queue_available, 1),
    STATE_ARRAY(struct virtio_pci, queue_used, 1),
    STATE_ARRAY(struct virtio_pci, queue_next_available, 1),
    STATE_ARRAY(struct virtio_pci, queue_next_used, 1),
    {0},
};

static const struct device_ops vp_ops = {
    .name = "virtio-pci",
    .state_version = 1,
    .state = vp_state,
    .read = vp_read,
    .write = vp_write,
    .reset = vp_reset,
    .loaded = vp_loaded,
    .started = vp_started,
    .quiesce = vp_quiesce,
    .resume = vp_resume,
};

static struct pci_id id_of(const struct virtio_device *vdev)
{
    return (struct pci_id){
        .vendor = PCI_VENDOR_VIRTIO, .device = PCI_DEVICE_VIRTIO + vdev->ops->type,
        .subsystem_vendor = PCI_VENDOR_VIRTIO, .subsystem = PCI_SUBSYSTEM_QEMU,
        .class_code = vdev->ops->pci_class, .revision = 1,
    };
}

struct virtio_pci *virtio_pci_create(struct virtio_device *vdev, const struct virtio_pci_config *config,
                                     struct err *err)
{
    struct virtio_pci *vp = calloc(1, sizeof *vp);
    if (!vp) {
        err_set(err, -ENOMEM, "no memory for %s", vdev->ops->name);
        return NULL;
    }
    struct pci_id id = id_of(vdev);
    pci_function_init(&vp->pci, &vp_ops, &id);
    vp->pci.config_ops = &config_ops;
    vp->transport = (struct virtio_transport){queue_interrupt, config_changed, failed, stopped};
    vp->vdev = vdev;
    vp->vectors = (uint16_t)config->vectors;
    vp->offered = BIT(VIRTIO_F_VERSION_1) | (config->indirect ? BIT(VIRTIO_F_INDIRECT_DESC) : 0) |
                  (config->event_index ? BIT(VIRTIO_F_EVENT_IDX) : 0);
    pci_add_bar(&vp->pci, VIRTIO_PCI_BAR, PCI_BAR_PREFETCH64, VIRTIO_PCI_BAR_BYTES);
    if (config->vectors)
        pci_add_msix(&vp->pci, VIRTIO_PCI_MSIX_BAR, config->vectors);
    add_capabilities(vp);
    pci_add_intx(&vp->pci);
    vdev->transport = &vp->transport;
    initialize(vp);
    virtio_device_cut_off(vdev, true);
    return vp;
}

void virtio_pci_destroy(struct virtio_pci *vp)
{
    if (!vp)
        return;
    pci_function_finish(&vp->pci);
    free(vp);
}

struct pci_function *virtio_pci_function(struct virtio_pci *vp)
{
    return &vp->pci;
}
