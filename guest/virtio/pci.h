// SPDX-License-Identifier: GPL-2.0-or-later
//
// virtio over PCI, modern (Virtual I/O Device 1.2, section 4.1): vendor 0x1af4, device 0x1040 + type.
// One memory BAR holds the common, ISR, device and notification structures, a page each; one the
// MSI-X table. INTx where the driver leaves MSI-X off.
//
// Threads: as pci/pci.h and virtio.h.
#pragma once

#include "guest/pci/pci.h"
#include "guest/virtio/virtio.h"

struct virtio_pci;

struct virtio_pci_config {
    unsigned vectors;  // of MSI-X; 0: none. As QEMU: queues + 1 unless said
    bool indirect, event_index;  // offered
};

// vdev is lent and outlives it. Null with a sentence: no memory.
struct virtio_pci *virtio_pci_create(struct virtio_device *vdev, const struct virtio_pci_config *config,
                                     struct err *err);
// No vCPU runs, the device is quiesced. Unplugs.
void virtio_pci_destroy(struct virtio_pci *vp);
struct pci_function *virtio_pci_function(struct virtio_pci *vp);
