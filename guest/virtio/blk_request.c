// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/virtio/blk_internal.h"

// 5.2.6
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK, S_IOERR, S_UNSUPP };
enum { SEGMENT_UNMAP = 1 };

struct header {
    struct le32 type, reserved;
    struct le64 sector;
};
struct segment {
    struct le64 sector;
    struct le32 sectors, flags;
};

static bool is_read(const struct blk_request *r)
{
    return r->block.operation == BLOCK_READ;
}

static void give_back_pieces(struct blk_request *r)
{
    if (!r->pieces)
        return;
    r->pieces->next = r->blk->free_pieces;
    r->blk->free_pieces = r->pieces;
    r->pieces = NULL;
}

static void push(struct blk_request *r, uint8_t status, uint32_t written_bytes)
{
    struct virtio_blk *v = r->blk;
    *(volatile uint8_t *)r->status = status;
    mem_wrote(v->vdev.memory, r->status, 1);
    give_back_pieces(r);
    virtio_push(&v->vdev, r->queue, r->head, written_bytes + 1);
    v->pushed |= BIT(r->queue);
}

void blk_tell(struct virtio_blk *v)
{
    uint64_t queues = v->pushed;
    v->pushed = 0;
    for (; queues; queues &= queues - 1)
        virtio_flush_used(&v->vdev, (unsigned)__builtin_ctzll(queues));
}

static void hold_back(struct blk_request *r)
{
    r->held = true;
    *blk_held_word(r->blk, r->queue, r->head) |= BIT(r->head % 64);
}

static void take_up(struct blk_request *r)
{
    r->held = false;
    *blk_held_word(r->blk, r->queue, r->head) &= ~BIT(r->head % 64);
}

void blk_forget(struct blk_request *r)
{
    take_up(r);
    give_back_pieces(r);
}

static enum virtio_blk_policy policy_for(const struct blk_request *r, int error)
{
    const struct virtio_blk_config *c = &r->blk->config;
    enum virtio_blk_policy policy = is_read(r) ? c->read_policy : c->write_policy;
    if (policy == VIRTIO_BLK_ENOSPC)
        policy = error == ENOSPC ? VIRTIO_BLK_STOP : VIRTIO_BLK_REPORT;
    return r->blk->forgetting ? VIRTIO_BLK_REPORT : policy;  // the driver has gone
}

static void fail(struct blk_request *r, int error)
{
    static const char *const actions[] = {"report", "ignore", "stop"};
    const struct virtio_blk_config *c = &r->blk->config;
    enum virtio_blk_policy policy = policy_for(r, error);
    if (policy == VIRTIO_BLK_STOP)
        hold_back(r);
    else
        push(r, policy == VIRTIO_BLK_IGNORE ? S_OK : S_IOERR, 0);
    if (c->on_error)
        c->on_error(c->opaque, !is_read(r), error, actions[policy]);
}

// However it ended, the node may have written to the guest's memory.
static void tell_of_writes(struct blk_request *r)
{
    for (unsigned i = 0; is_read(r) && i < r->block.iov_count; i++)
        mem_wrote(r->blk->vdev.memory, r->block.iov[i].iov_base, r->block.iov[i].iov_len);
}

static void on_done(struct block_request *block)
{
    struct blk_request *r = container_of(block, struct blk_request, block);
    struct virtio_blk *v = r->blk;
    tell_of_writes(r);
    v->in_flight--;
    if (block->result)
        fail(r, -block->result);
    else
        push(r, S_OK, is_read(r) ? (uint32_t)block->size_bytes : 0);
    if (!v->stopping || v->in_flight)
        return;
    blk_tell(v);
    v->stopping = false;
    virtio_stopped(&v->vdev);
}

static void submit(struct blk_request *r)
{
    r->blk->in_flight++;
    block_submit(r->blk->config.block, &r->block);
}

void blk_submit_again(struct blk_request *r)
{
    take_up(r);
    submit(r);
}

static bool is_writeback(const struct virtio_blk *v)
{
    if (virtio_has(&v->vdev, BLK_F_CONFIG_WCE))
        return __atomic_load_n(&v->wce, __ATOMIC_RELAXED);
    return virtio_has(&v->vdev, BLK_F_FLUSH);
}

static bool is_in_disk(const struct virtio_blk *v, uint64_t sector, uint64_t size_bytes)
{
    uint64_t sectors = v->config.block->info.size_bytes / BLK_SECTOR_BYTES;
    uint32_t logical = v->config.logical_block_bytes;
    return sector <= sectors && size_bytes <= (sectors - sector) * BLK_SECTOR_BYTES &&
           !(size_bytes % logical) && !(sector % (logical / BLK_SECTOR_BYTES));
}

static struct iovec *find_room(struct blk_request *r, unsigned pieces)
{
    struct virtio_blk *v = r->blk;
    if (pieces <= BLK_PIECES_INLINE)
        return r->inline_iov;
    r->pieces = v->free_pieces;
    if (r->pieces)
        v->free_pieces = r->pieces->next;
    else if (!(r->pieces = malloc(sizeof *r->pieces)))
        return NULL;
    return r->pieces->iov;
}

static void handle_transfer(struct blk_request *r, const struct header *header, bool write)
{
    struct virtio_blk *v = r->blk;
    const struct virtio_chain *chain = &v->chain;
    uint64_t size_bytes = write ? chain->readable_bytes - sizeof *header : chain->writable_bytes - 1;
    struct iovec *iov = find_room(r, write ? chain->readable_count : chain->writable_count);
    if (!iov || size_bytes >= UINT32_MAX || !is_in_disk(v, le64_get(header->sector), size_bytes) ||
        (write && v->config.block->info.read_only)) {
        push(r, S_IOERR, 0);
        return;
    }
    r->block.operation = write ? BLOCK_WRITE : BLOCK_READ;
    r->block.flags = write && !is_writeback(v) ? BLOCK_FUA : 0;
    r->block.offset_bytes = le64_get(header->sector) * BLK_SECTOR_BYTES;
    r->block.size_bytes = size_bytes;
    r->block.iov = iov;
    r->block.iov_count = virtio_chain_slice(chain, !write, write ? sizeof *header : 0, size_bytes, iov);
    submit(r);
}

static void handle_flush(struct blk_request *r)
{
    r->block.operation = BLOCK_FLUSH;
    submit(r);
}

static void handle_get_id(struct blk_request *r)
{
    struct virtio_blk *v = r->blk;
    size_t room = v->chain.writable_bytes - 1;
    size_t size_bytes = room < sizeof v->serial ? room : sizeof v->serial;
    push(r, S_OK, (uint32_t)virtio_chain_write(&v->chain, v->vdev.memory, 0, v->serial, size_bytes));
}

// One segment, as the configuration says; S_OK if it can be done.
static uint8_t check_segment(const struct virtio_blk *v, const struct segment *segment, bool discard)
{
    uint32_t sectors = le32_get(segment->sectors), flags = le32_get(segment->flags);
    if (v->config.block->info.read_only)
        return S_IOERR;
    if (v->chain.readable_bytes != sizeof(struct header) + sizeof *segment)
        return S_UNSUPP;
    if (flags & ~SEGMENT_UNMAP || (discard && flags))
        return S_UNSUPP;  // 5.2.6.2
    if (sectors > BLK_MAX_SECTORS ||
        !is_in_disk(v, le64_get(segment->sector), (uint64_t)sectors * BLK_SECTOR_BYTES))
        return S_IOERR;
    return S_OK;
}

static void handle_segment(struct blk_request *r, bool discard)
{
    struct virtio_blk *v = r->blk;
    struct segment segment = {0};
    virtio_chain_read(&v->chain, sizeof(struct header), &segment, sizeof segment);
    uint8_t status = check_segment(v, &segment, discard);
    if (!virtio_has(&v->vdev, discard ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES))
        status = S_UNSUPP;
    if (status != S_OK) {
        push(r, status, 0);
        return;
    }
    r->block.operation = discard ? BLOCK_DISCARD : BLOCK_WRITE_ZEROES;
    r->block.flags = le32_get(segment.flags) & SEGMENT_UNMAP ? BLOCK_UNMAP : 0;
    r->block.flags |= !discard && !is_writeback(v) ? BLOCK_FUA : 0;
    r->block.offset_bytes = le64_get(segment.sector) * BLK_SECTOR_BYTES;
    r->block.size_bytes = (uint64_t)le32_get(segment.sectors) * BLK_SECTOR_BYTES;
    submit(r);
}

static struct blk_request *begin(struct virtio_blk *v, unsigned queue)
{
    struct iovec status[VIRTIO_SEGMENTS_MAX];
    const struct virtio_chain *chain = &v->chain;
    if (!chain->writable_bytes || chain->readable_bytes < sizeof(struct header))
        return NULL;
    struct blk_request *r = blk_request_of(v, queue, chain->head);
    virtio_chain_slice(chain, true, chain->writable_bytes - 1, 1, status);
    r->block = (struct block_request){.done = on_done};
    r->blk = v;
    r->queue = (uint16_t)queue;
    r->head = chain->head;
    r->held = false;
    r->pieces = NULL;
    r->status = status[0].iov_base;
    return r;
}

void blk_handle(struct virtio_blk *v, unsigned queue)
{
    struct header header;
    struct blk_request *r = begin(v, queue);
    if (!r) {
        virtio_break(&v->vdev, "a request without header or status");
        return;
    }
    virtio_chain_read(&v->chain, 0, &header, sizeof header);
    switch (le32_get(header.type)) {
    case T_IN: handle_transfer(r, &header, false); break;
    case T_OUT: handle_transfer(r, &header, true); break;
    case T_FLUSH: handle_flush(r); break;
    case T_GET_ID: handle_get_id(r); break;
    case T_DISCARD: handle_segment(r, true); break;
    case T_WRITE_ZEROES: handle_segment(r, false); break;
    default: push(r, S_UNSUPP, 0); break;
    }
}
