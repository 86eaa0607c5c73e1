// SPDX-License-Identifier: GPL-2.0-or-later
//
// A split virtqueue, the device's side (Virtual I/O Device 1.2, section 2.7): available requests come
// out as chains of host memory, used ones go back. Indirect descriptors and the event index
// are understood.
//
// Rings and descriptors are the guest's and change under our eyes: each is read once into host memory,
// checked, then used. What is impossible (a loop, an index or a length out of range, memory that is no
// RAM, a writable part before a readable one) breaks the queue: it gives no more chains, and whoever owns it
// puts its device into the error state. Nothing else is harmed.
//
// Threads: set up by the transport before virtio_queue_start; from then on one I/O thread's.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "guest/mem/mem.h"

enum {
    VIRTIO_QUEUE_SIZE_MAX = 1024,
    VIRTIO_SEGMENTS_MAX = 256,  // pieces of one chain, in either direction
};

struct virtio_queue {
    // As the driver has set it.
    uint16_t size, size_max;  // a power of two
    bool enabled;
    uint64_t descriptors, available, used;  // guest-physical
    uint16_t vector;                        // of MSI-X; 0xffff: none

    // How far both rings are: 0, or what a snapshot says, when the queue is started.
    uint16_t next_available, next_used;

    // From start to stop.
    struct mem *memory;
    uint8_t *descriptors_host, *available_host, *used_host;
    bool event_index;
    bool broken;           // also while it is not started
    bool paused;           // gives nothing and asks for nothing, and leaves the rings alone
    bool kicks;            // wanted: whoever finds the queue empty has asked for the next one
    uint32_t untold;       // pushed since virtio_queue_must_interrupt was last asked
    uint32_t in_flight;    // popped and not pushed: at most size
    uint64_t heads[VIRTIO_QUEUE_SIZE_MAX / 64];  // of those, a bit each: a head is in flight once
};

// Pieces of guest memory, contiguous in the host each. readable is what the driver wrote for the device.
struct virtio_chain {
    uint16_t head;
    unsigned readable_count, writable_count;
    uint64_t readable_bytes, writable_bytes;
    struct iovec iov[VIRTIO_SEGMENTS_MAX];  // readable ones first
};

struct virtio_used {
    uint16_t head;
    uint32_t written_bytes;
};

// Looks up the rings; nothing is in flight, kicks are wanted. -EINVAL with a sentence: not whole in RAM,
// or misaligned.
int virtio_queue_start(struct virtio_queue *q, struct mem *memory, bool event_index, struct err *err);
void virtio_queue_stop(struct virtio_queue *q);

// 1: chain is filled in and the caller's until pushed; 0: none is there; -EINVAL: the queue is broken.
int virtio_queue_pop(struct virtio_queue *q, struct virtio_chain *chain);
// Only after a snapshot was loaded, which has started the queue anew: the chain of a head that was in
// flight. As pop.
int virtio_queue_pop_again(struct virtio_queue *q, uint16_t head, struct virtio_chain *chain);
// The chain goes back; the device wrote this much to its writable part. Order is free.
void virtio_queue_push(struct virtio_queue *q, uint16_t head, uint32_t written_bytes);
// Several that the driver must see all at once, or none: a packet in merged buffers (5.1.6.4.1).
void virtio_queue_push_many(struct virtio_queue *q, const struct virtio_used *used, unsigned count);
// Gives back what was popped last, unprocessed (nothing else may have been popped since, but for what
// was given back already: several go back in reverse order).
void virtio_queue_unpop(struct virtio_queue *q, const struct virtio_chain *chain);
// After pushes: does the driver want an interrupt for them? Asked once (2.7.7, 2.7.10).
bool virtio_queue_must_interrupt(struct virtio_queue *q);
// Whether the driver should kick. After turning it on, returns true if there is work already. While it is
// on, a pop that finds nothing has asked for the next kick, so a device may leave this alone.
bool virtio_queue_set_kicks(struct virtio_queue *q, bool wanted);
bool virtio_queue_is_empty(struct virtio_queue *q);

// Copies between host bytes and the chain's readable or writable part, from offset on; returns the bytes
// copied. What the device writes is told to the engine (mem_wrote).
size_t virtio_chain_read(const struct virtio_chain *chain, uint64_t offset, void *bytes, size_t size_bytes);
size_t virtio_chain_write(const struct virtio_chain *chain, struct mem *memory, uint64_t offset,
                          const void *bytes, size_t size_bytes);
// A back end has written to the first size_bytes of the writable part from offset on.
void virtio_chain_wrote(const struct virtio_chain *chain, struct mem *memory, uint64_t offset,
                        uint64_t size_bytes);
// Those of the chain's pieces that are [offset, offset + size_bytes) of one part, into iov, which has
// room for VIRTIO_SEGMENTS_MAX. Returns how many.
unsigned virtio_chain_slice(const struct virtio_chain *chain, bool writable, uint64_t offset,
                            uint64_t size_bytes, struct iovec *iov);
