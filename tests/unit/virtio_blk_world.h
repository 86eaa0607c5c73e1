// SPDX-License-Identifier: GPL-2.0-or-later
//
// A virtio-blk device with everything around it a fake: a driver that builds rings in a small RAM, a transport that
// counts, and a node of memory that completes when told. For tests and the fuzzer.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/virtio/blk.h"

enum { WORLD_RAM_BYTES = 1 << 20, WORLD_DISK_BYTES = 1 << 20, WORLD_QUEUES = 2, WORLD_QUEUE_SIZE = 16 };
enum { RING_BASE = 0x10000, RING_STRIDE = 0x4000, AVAILABLE_AT = 0x1000, USED_AT = 0x2000 };

struct node {
    struct block b;
    struct block_request *first;  // the latest
    unsigned waiting;
    int fails;  // -errno for what is completed from now on; 0: none
    unsigned flushes;
    uint8_t bytes[WORLD_DISK_BYTES];
};

struct blk_world {
    struct io_thread *thread;
    struct ram ram;
    struct mem *memory;
    struct node node;
    struct virtio_blk *blk;
    struct virtio_device *vdev;
    struct virtio_transport transport;
    unsigned interrupts[WORLD_QUEUES], failures, stops;
    uint16_t available[WORLD_QUEUES];
    unsigned errors;
    int last_error;
    bool last_write;
    const char *last_action;
};

static inline void node_submit(struct block *b, struct block_request *request)
{
    struct node *node = (struct node *)b;
    request->next = node->first;
    node->first = request;
    node->waiting++;
}

static inline void node_transfer(struct node *node, struct block_request *r)
{
    uint8_t *at = node->bytes + r->offset_bytes;
    for (unsigned i = 0; i < r->iov_count; at += r->iov[i++].iov_len) {
        if (r->operation == BLOCK_READ)
            memcpy(r->iov[i].iov_base, at, r->iov[i].iov_len);
        else
            memcpy(at, r->iov[i].iov_base, r->iov[i].iov_len);
    }
}

// What a node would refuse, so no front end may ask for it.
static inline void node_check(struct node *node, const struct block_request *r)
{
    uint64_t total_bytes = 0;
    for (unsigned i = 0; i < r->iov_count; i++)
        total_bytes += r->iov[i].iov_len;
    bool data = r->operation == BLOCK_READ || r->operation == BLOCK_WRITE;
    if ((data && total_bytes != r->size_bytes) || (r->size_bytes | r->offset_bytes) % 512 ||
        r->offset_bytes > sizeof node->bytes || r->size_bytes > sizeof node->bytes - r->offset_bytes)
        abort();
}

static inline void node_complete(struct node *node, unsigned count)
{
    while (count-- && node->first) {
        struct block_request *r = node->first;
        node->first = r->next;
        node->waiting--;
        node_check(node, r);
        if (!node->fails && (r->operation == BLOCK_READ || r->operation == BLOCK_WRITE))
            node_transfer(node, r);
        else if (!node->fails && r->operation != BLOCK_FLUSH)
            memset(node->bytes + r->offset_bytes, 0, r->size_bytes);
        node->flushes += r->operation == BLOCK_FLUSH;
        block_finish(r, node->fails);
    }
    block_finish_batch(&node->b);
}

static const struct block_ops node_ops = {.name = "memory", .submit = node_submit};

static inline void world_interrupt(struct virtio_transport *t, unsigned queue)
{
    container_of(t, struct blk_world, transport)->interrupts[queue]++;
}
static inline void world_config_changed(struct virtio_transport *t) { (void)t; }
static inline void world_failed(struct virtio_transport *t)
{
    container_of(t, struct blk_world, transport)->failures++;
}
static inline void world_stopped(struct virtio_transport *t)
{
    container_of(t, struct blk_world, transport)->stops++;
}

static inline void world_error(void *opaque, bool write, int error, const char *action)
{
    struct blk_world *w = opaque;
    w->errors++;
    w->last_error = error;
    w->last_write = write;
    w->last_action = action;
}

static inline void pass(void *opaque) { (void)opaque; }

// When it returns, what was asked for before by bells has been answered.
static inline void world_settle(struct blk_world *w)
{
    io_thread_call(w->thread, pass, NULL);
    io_thread_call(w->thread, pass, NULL);
}

static inline void world_open(struct blk_world *w, struct virtio_blk_config config)
{
    memset(w, 0, sizeof *w);
    w->thread = io_thread_create("test", &mem_reader_sleep, NULL);
    w->memory = mem_create(UINT64_C(1) << 46);
    if (!w->thread || ram_open(&w->ram, WORLD_RAM_BYTES, NULL) ||
        mem_add_ram(w->memory, GPA(0), &w->ram, 0, WORLD_RAM_BYTES, false, NULL))
        abort();
    block_init(&w->node.b, &node_ops, w->thread);
    w->node.b.info.size_bytes = WORLD_DISK_BYTES;
    w->node.b.info.writeback = true;
    w->transport = (struct virtio_transport){world_interrupt, world_config_changed, world_failed, world_stopped};
    config.block = &w->node.b;
    config.num_queues = WORLD_QUEUES;
    config.queue_size = WORLD_QUEUE_SIZE;
    config.on_error = world_error;
    config.opaque = w;
    w->blk = virtio_blk_create(&config, w->thread, w->memory, NULL);
    if (!w->blk)
        abort();
    w->vdev = virtio_blk_device(w->blk);
    w->vdev->transport = &w->transport;
}

static inline void world_close(struct blk_world *w)
{
    virtio_blk_destroy(w->blk);
    io_thread_destroy(w->thread);
    mem_destroy(w->memory);
    ram_close(&w->ram);
}

static inline uint64_t ring_base(unsigned queue)
{
    return RING_BASE + queue * RING_STRIDE;
}

static inline void world_start(struct blk_world *w, uint64_t features)
{
    w->vdev->broken = false;
    w->vdev->negotiated = features | BIT(VIRTIO_F_VERSION_1);
    for (unsigned i = 0; i < WORLD_QUEUES; i++) {
        struct virtio_queue *q = &w->vdev->queue[i];
        q->size = WORLD_QUEUE_SIZE;
        q->enabled = true;
        q->descriptors = ring_base(i);
        q->available = ring_base(i) + AVAILABLE_AT;
        q->used = ring_base(i) + USED_AT;
        q->next_available = q->next_used = w->available[i] = 0;
        memset(w->ram.host + ring_base(i), 0, RING_STRIDE);
    }
    virtio_device_start(w->vdev);
    world_settle(w);
}

struct world_descriptor {
    uint64_t address;
    uint32_t size_bytes;
    uint16_t flags, next;
};

static inline void put_descriptor(struct blk_world *w, unsigned queue, unsigned index,
                                  struct world_descriptor descriptor)
{
    memcpy(w->ram.host + ring_base(queue) + index * sizeof descriptor, &descriptor, sizeof descriptor);
}

static inline void make_available(struct blk_world *w, unsigned queue, uint16_t head)
{
    uint8_t *ring = w->ram.host + ring_base(queue) + AVAILABLE_AT;
    uint16_t *entries = (uint16_t *)(ring + 4);
    entries[w->available[queue]++ % WORLD_QUEUE_SIZE] = head;
    __atomic_store_n((uint16_t *)(ring + 2), w->available[queue], __ATOMIC_SEQ_CST);
}

static inline uint16_t used_index(struct blk_world *w, unsigned queue)
{
    return __atomic_load_n((uint16_t *)(w->ram.host + ring_base(queue) + USED_AT + 2), __ATOMIC_SEQ_CST);
}
