// SPDX-License-Identifier: GPL-2.0-or-later
//
// Between the files of virtio-blk: blk.c (the device), blk_config.c (its configuration), blk_request.c (requests).
#pragma once

#include "guest/virtio/blk.h"

// Feature bits (5.2.3).
enum { BLK_F_SEG_MAX = 2, BLK_F_GEOMETRY = 4, BLK_F_RO = 5, BLK_F_BLK_SIZE = 6, BLK_F_FLUSH = 9,
       BLK_F_TOPOLOGY = 10, BLK_F_CONFIG_WCE = 11, BLK_F_MQ = 12, BLK_F_DISCARD = 13,
       BLK_F_WRITE_ZEROES = 14 };

enum { BLK_SECTOR_BYTES = 512, BLK_CONFIG_BYTES = 60 };
enum { BLK_MAX_SECTORS = INT32_MAX / BLK_SECTOR_BYTES };  // of a discard or write-zeroes, as in QEMU
enum { BLK_PIECES_INLINE = 8, BLK_HEAD_WORDS = VIRTIO_QUEUE_SIZE_MAX / 64 };

// Where the memory of a request with many pieces is listed.
struct blk_pieces {
    struct blk_pieces *next;
    struct iovec iov[VIRTIO_SEGMENTS_MAX];
};

// One a head of a queue. Those that are not in flight or held back have no meaning.
struct blk_request {
    struct block_request block;
    struct virtio_blk *blk;
    uint16_t queue, head;
    bool held;         // popped, and to be submitted again; else if its head is held, it must be popped first
    uint8_t *status;   // in guest memory
    struct blk_pieces *pieces;  // null: inline_iov suffices
    struct iovec inline_iov[BLK_PIECES_INLINE];
};

struct virtio_blk {
    struct virtio_device vdev;
    struct virtio_blk_config config;
    char serial[VIRTIO_BLK_SERIAL_BYTES];
    bool wce;  // atomic: the driver's wish, if it has negotiated to have one
    // I/O thread
    bool stopping, forgetting;
    unsigned in_flight;
    uint64_t pushed;  // bit n: queue n has used chains of which the driver doesn't know yet
    struct blk_pieces *free_pieces;
    struct virtio_chain chain;  // the one that was just popped
    struct blk_request *requests;  // queue after queue
    uint64_t held[VIRTIO_QUEUES_MAX * BLK_HEAD_WORDS];  // heads
};

static inline struct virtio_blk *blk_of(struct virtio_device *vdev)
{
    return container_of(vdev, struct virtio_blk, vdev);
}

// blk_request.c, on the I/O thread
void blk_handle(struct virtio_blk *v, unsigned queue);  // v->chain
void blk_submit_again(struct blk_request *r);
void blk_forget(struct blk_request *r);  // which was held back
void blk_tell(struct virtio_blk *v);     // the driver, of what was pushed

// blk_config.c
uint64_t blk_features(const struct virtio_blk *v);
void blk_config_read(struct virtio_device *vdev, unsigned offset, void *bytes, unsigned size_bytes);
void blk_config_write(struct virtio_device *vdev, unsigned offset, const void *bytes, unsigned size_bytes);

static inline struct blk_request *blk_request_of(struct virtio_blk *v, unsigned queue, unsigned head)
{
    return &v->requests[queue * v->config.queue_size + head];
}
static inline uint64_t *blk_held_word(struct virtio_blk *v, unsigned queue, unsigned head)
{
    return &v->held[queue * BLK_HEAD_WORDS + head / 64];
}
