// SPDX-License-Identifier: GPL-2.0-or-later
//
// A disk (Virtual I/O Device 1.2, section 5.2) over a block node: several queues, flush and a write cache
// that the driver may turn off, discard, write-zeroes, identification.
//
// Data goes between the guest's memory and the node without a copy. What one kick made available reaches the
// node together, and what the node completes together is one interrupt a queue.
//
// A request that the node fails is dealt with by a policy, as QEMU's werror= and rerror=. With "stop" it
// is held back: on_error has the machine stopped, and when it goes on, the request is submitted again. What
// is held back is saved as the heads of its chains, and their chains are popped again after loading.
//
// Threads: as virtio.h; making and ending belongs to the main thread.
#pragma once

#include "guest/block/block.h"
#include "guest/virtio/virtio.h"

enum virtio_blk_policy {
    VIRTIO_BLK_REPORT,  // the guest sees an error
    VIRTIO_BLK_IGNORE,  // the guest sees success
    VIRTIO_BLK_STOP,
    VIRTIO_BLK_ENOSPC,  // stop if the host is out of space, else report
};
enum { VIRTIO_BLK_SERIAL_BYTES = 20 };

struct virtio_blk_config {
    struct block *block;         // lent; on the same I/O thread, and nobody else's
    const char *serial;          // null: none; of a longer one, the first bytes
    unsigned num_queues, queue_size;  // 0: 1, 256
    uint32_t logical_block_bytes, physical_block_bytes;  // 0: 512
    uint32_t min_io_bytes, opt_io_bytes;                 // 0: nothing is said
    bool no_discard, no_write_zeroes, no_config_wce;     // not offered
    enum virtio_blk_policy write_policy, read_policy;    // QEMU's are ENOSPC and REPORT
    // I/O thread, for each request that failed: error is an errno, action "report", "ignore" or "stop".
    // May be null. "stop" has the machine stopped, some time.
    void (*on_error)(void *opaque, bool write, int error, const char *action);
    void *opaque;
};

struct virtio_blk;

// Null with QEMU's sentence where a number is out of range, or for want of memory.
struct virtio_blk *virtio_blk_create(const struct virtio_blk_config *config, struct io_thread *thread,
                                     struct mem *memory, struct err *err);
void virtio_blk_destroy(struct virtio_blk *v);  // quiesced, without a transport
struct virtio_device *virtio_blk_device(struct virtio_blk *v);
