// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inside virtio over PCI: the transport itself, and its registers (pci_registers.c) to the rest of it
// (pci.c). All with the function's lock held.
#pragma once

#include "base/bits.h"
#include "guest/virtio/pci.h"

enum { VIRTIO_PCI_MSIX_BAR = 1, VIRTIO_PCI_BAR = 4 };
enum {
    VIRTIO_PCI_COMMON = 0x0000, VIRTIO_PCI_ISR = 0x1000, VIRTIO_PCI_DEVICE = 0x2000, VIRTIO_PCI_NOTIFY = 0x3000,
    VIRTIO_PCI_PAGE_BYTES = 0x1000, VIRTIO_PCI_BAR_BYTES = 0x4000,
    VIRTIO_PCI_COMMON_BYTES = 56, VIRTIO_PCI_NOTIFY_MULTIPLIER = 4,
};
enum { VIRTIO_NO_VECTOR = 0xffff };
enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };
enum {
    VIRTIO_ACKNOWLEDGE = 1, VIRTIO_DRIVER = 2, VIRTIO_DRIVER_OK = 4, VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64, VIRTIO_FAILED = 128,
    VIRTIO_STATUS_BITS = 0xcf,
};

struct virtio_pci {
    struct pci_function pci;
    struct virtio_transport transport;
    struct virtio_device *vdev;
    uint64_t offered;      // what the transport adds to the device's
    uint16_t vectors;
    uint8_t access_at;     // the configuration access capability (4.1.4.9)

    // State
    uint8_t status, isr, generation;
    bool resetting;        // the driver wrote 0; what was in flight is not back yet
    bool config_pending;   // changed while quiesced; the driver is told afterwards
    uint32_t device_feature_select, driver_feature_select;
    uint64_t driver_features;
    uint16_t config_vector, queue_select;
    uint16_t queue_size[VIRTIO_QUEUES_MAX], queue_vector[VIRTIO_QUEUES_MAX];
    bool queue_enabled[VIRTIO_QUEUES_MAX];
    uint64_t queue_descriptors[VIRTIO_QUEUES_MAX], queue_available[VIRTIO_QUEUES_MAX],
             queue_used[VIRTIO_QUEUES_MAX];
    uint16_t queue_next_available[VIRTIO_QUEUES_MAX], queue_next_used[VIRTIO_QUEUES_MAX];

    bool running;          // from virtio_device_start to `stopped`: vdev's queues are the I/O thread's
    bool quiesced;
    bool restart;          // a running device was loaded
};

static inline uint64_t virtio_pci_offered(const struct virtio_pci *vp)
{
    return vp->vdev->offered | vp->offered;
}
static inline bool virtio_pci_features_fit(const struct virtio_pci *vp)
{
    return vp->driver_features & BIT(VIRTIO_F_VERSION_1) && !(vp->driver_features & ~virtio_pci_offered(vp));
}

// pci_registers.c. offset is within its structure.
uint64_t virtio_pci_common_read(const struct virtio_pci *vp, uint64_t offset, unsigned size_bytes);
void virtio_pci_common_write(struct virtio_pci *vp, uint64_t offset, uint64_t value, unsigned size_bytes);
uint64_t virtio_pci_config_read(struct virtio_pci *vp, uint64_t offset, unsigned size_bytes);
void virtio_pci_config_write(struct virtio_pci *vp, uint64_t offset, uint64_t value, unsigned size_bytes);
uint8_t virtio_pci_isr_read(struct virtio_pci *vp);
void virtio_pci_notify(struct virtio_pci *vp, uint64_t offset);

// pci.c
void virtio_pci_start(struct virtio_pci *vp);        // DRIVER_OK
void virtio_pci_begin_reset(struct virtio_pci *vp);  // the driver wrote 0
void virtio_pci_update_intx(struct virtio_pci *vp);
