// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a virtio device is to its transport, and the transport to it (Virtual I/O Device 1.2, chapters
// 2 and 3). A device type (block, net, rng) embeds `struct virtio_device` first; which transport
// it is behind (pci.h here) it doesn't know. Modern only: VIRTIO_F_VERSION_1 is always offered.
//
// Threads: registers are the vCPUs', under the transport's lock. Everything else of a device is on its
// I/O thread, where its back end lives too; so queues and requests have no locks. In between:
//   - a driver's kick rings a bell; `kick` is called on the I/O thread;
//   - DRIVER_OK: what was negotiated is copied and frozen, `activate` is called there;
//   - a reset: `stop` is called there; the driver reads its status as 0 only after that is complete;
//   - quiesce (pause, snapshot) stops all queues and waits; resume lets them go on;
//   - virtio_interrupt takes the transport's lock: called from the I/O thread with none held.
#pragma once

#include <semaphore.h>

#include "base/io_thread.h"
#include "guest/device/device.h"
#include "guest/virtio/queue.h"

enum { VIRTIO_QUEUES_MAX = 64, VIRTIO_CONFIG_BYTES_MAX = 256 };
enum { VIRTIO_TYPE_NET = 1, VIRTIO_TYPE_BLOCK = 2, VIRTIO_TYPE_RNG = 4 };
enum { VIRTIO_F_INDIRECT_DESC = 28, VIRTIO_F_EVENT_IDX = 29, VIRTIO_F_VERSION_1 = 32 };

struct virtio_device;

struct virtio_ops {
    const char *name;  // "virtio-blk"
    uint16_t type;
    uint32_t pci_class;
    // Device configuration (4.1.4.6). Transport's lock held; offset + size_bytes is in bounds. write may
    // be null: all of it is read-only.
    void (*config_read)(struct virtio_device *vdev, unsigned offset, void *bytes, unsigned size_bytes);
    void (*config_write)(struct virtio_device *vdev, unsigned offset, const void *bytes, unsigned size_bytes);
    // I/O thread. Queues that the driver enabled are started, vdev->negotiated is final. Also when the
    // device goes on after a pause: then what it held back is still popped, but not so after a snapshot
    // was loaded (virtio_queue_pop_again). Every enabled queue is kicked next. If the driver did the
    // impossible (rings that are no RAM), vdev->broken is set and the queues give nothing.
    void (*activate)(struct virtio_device *vdev);
    // I/O thread: the driver added to a queue, or the device was resumed and should look.
    void (*kick)(struct virtio_device *vdev, unsigned queue);
    // I/O thread: takes no more from its queues, cancels what can be, and calls virtio_stopped when none
    // of its requests is in flight (perhaps at once). Requests that it holds back (an error that stopped the
    // machine) it keeps if keep is set, else forgets. Between an activate and the next, once. dev.ops->reset
    // forgets them too: it may come in between, on another thread, while the I/O thread leaves the device
    // alone.
    void (*stop)(struct virtio_device *vdev, bool keep);
};

// What a transport does for its device.
struct virtio_transport {
    void (*interrupt)(struct virtio_transport *t, unsigned queue);  // I/O thread, no lock held
    void (*config_changed)(struct virtio_transport *t);             // any thread, no lock held
    void (*failed)(struct virtio_transport *t);  // I/O thread: DEVICE_NEEDS_RESET (2.1.2)
    void (*stopped)(struct virtio_transport *t); // I/O thread: what virtio_device_stop asked for is done
};

struct virtio_device {
    // State of the type's own, as a section of its own; no registers. reset, loaded and started as in any
    // device; reset also follows each stop that keeps nothing (2.4), on the I/O thread, and a reset of the
    // bus. quiesce and resume are the transport's.
    struct device dev;
    const struct virtio_ops *ops;
    struct io_thread *thread;  // lent
    struct mem *memory;        // lent; for DMA
    struct virtio_transport *transport;
    uint64_t offered;          // feature bits; the transport adds its own
    unsigned config_bytes, queue_count;

    // I/O thread
    uint64_t negotiated;
    bool active, stopping, broken;
    struct virtio_queue queue[VIRTIO_QUEUES_MAX];
    bool suspended, keeping;
    sem_t *waiter;

    // From the transport to the I/O thread; atomic
    struct io_bell bell;
    uint64_t kicked;  // bit n: queue n
    unsigned asked;
    bool cut_off;
};

// ops of dev are the type's; queue_size_max is a power of two. vdev is zeroed but for what the type has set.
void virtio_device_init(struct virtio_device *vdev, const struct device_ops *dev_ops,
                        const struct virtio_ops *ops, struct io_thread *thread, struct mem *memory,
                        unsigned queues, unsigned queue_size_max);
void virtio_device_finish(struct virtio_device *vdev);

// For device types, on the I/O thread.
static inline bool virtio_has(const struct virtio_device *vdev, unsigned feature)
{
    return vdev->negotiated >> feature & 1;
}
void virtio_push(struct virtio_device *vdev, unsigned queue, uint16_t head, uint32_t written_bytes);
void virtio_push_many(struct virtio_device *vdev, unsigned queue, const struct virtio_used *used,
                      unsigned count);  // the driver sees all at once
void virtio_flush_used(struct virtio_device *vdev, unsigned queue);  // interrupts if the driver wants it
// Pops; false if the driver has not enabled the queue. A broken queue breaks the device: its driver is told, nothing is processed until it resets.
bool virtio_pop(struct virtio_device *vdev, unsigned queue, struct virtio_chain *chain);
void virtio_break(struct virtio_device *vdev, const char *what);  // the driver did the impossible
void virtio_stopped(struct virtio_device *vdev);
// Any thread, no lock held: the configuration has changed (a disk was resized).
void virtio_config_changed(struct virtio_device *vdev);

// For transports. negotiated, broken and the queues are theirs to set until start and after `stopped`; in between
// they are the I/O thread's. These four may be called by any thread, with the transport's lock held.
void virtio_device_start(struct virtio_device *vdev);
void virtio_device_kick(struct virtio_device *vdev, unsigned queue);  // does nothing unless it is active
void virtio_device_stop(struct virtio_device *vdev);  // after a start, once; `stopped` tells the end
void virtio_device_cut_off(struct virtio_device *vdev, bool cut_off);  // its bus lets no DMA through
// No lock held, while no vCPU runs: when quiesce has returned, nothing is in flight, and what the I/O thread
// has of the device stands still until resume.
void virtio_device_quiesce(struct virtio_device *vdev);
void virtio_device_resume(struct virtio_device *vdev);
// While quiesced: as if it had never been started.
void virtio_device_forget(struct virtio_device *vdev);
