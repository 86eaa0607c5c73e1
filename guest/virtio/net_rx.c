// SPDX-License-Identifier: GPL-2.0-or-later
//
// Frames to the driver (5.1.6.3, 5.1.6.4). With merged buffers one frame may take several chains, which the
// driver sees all at once.
#include <string.h>

#include "base/log.h"
#include "guest/virtio/net_internal.h"

// A frame on its way into buffers.
struct filling {
    struct virtio_net *n;
    unsigned queue;
    const struct net_frame *frame;
    unsigned piece;       // of the frame's: where it goes on
    size_t piece_offset;
    uint32_t left_bytes;
    struct iovec count[2];  // where the header says how many buffers
    unsigned count_pieces;
    unsigned used_count;
    struct virtio_used used[VIRTIO_QUEUE_SIZE_MAX];
};

static void write_header(struct filling *f, const struct virtio_chain *chain)
{
    const struct net_frame *frame = f->frame;
    struct net_header header = {.buffers = le16(1)};
    if (frame->checksum_needed) {
        header.flags = NET_HEADER_CHECKSUM_NEEDED;
        header.checksum_start = le16(frame->checksum_start);
        header.checksum_offset = le16(frame->checksum_offset);
    } else if (frame->checksum_good && f->n->offloads & BIT(VIRTIO_NET_F_GUEST_CSUM)) {
        header.flags = NET_HEADER_DATA_VALID;
    }
    if (frame->gso) {
        header.gso = frame->gso == NET_GSO_TCP6 ? NET_HEADER_TCP6 : NET_HEADER_TCP4;
        header.gso |= frame->gso_ecn ? NET_HEADER_ECN : 0;
        header.header_bytes = le16(frame->header_bytes);
        header.gso_bytes = le16(frame->gso_bytes);
    }
    virtio_chain_write(chain, f->n->vdev.memory, 0, &header, sizeof header);
    f->count_pieces = virtio_chain_slice(chain, true, offsetof(struct net_header, buffers),
                                         sizeof header.buffers, f->count);
}

// Fills a chain from offset on; returns up to where.
static uint64_t fill(struct filling *f, const struct virtio_chain *chain, uint64_t offset)
{
    while (f->left_bytes && offset < chain->writable_bytes) {
        const struct iovec *from = &f->frame->iov[f->piece];
        size_t part = from->iov_len - f->piece_offset;
        if (part > f->left_bytes)
            part = f->left_bytes;
        size_t done = virtio_chain_write(chain, f->n->vdev.memory, offset,
                                         (uint8_t *)from->iov_base + f->piece_offset, part);
        offset += done;
        f->left_bytes -= done;
        f->piece_offset += done;
        if (f->piece_offset == from->iov_len) {
            f->piece++;
            f->piece_offset = 0;
        }
    }
    return offset;
}

static void give_back(struct filling *f, struct virtio_chain *chain)
{
    while (f->used_count) {
        chain->head = f->used[--f->used_count].head;
        virtio_queue_unpop(&f->n->vdev.queue[f->queue], chain);
    }
}

static void publish(struct filling *f)
{
    struct le16 count = le16(f->used_count);
    for (unsigned i = 0, done = 0; f->used_count > 1 && i < f->count_pieces; i++) {
        memcpy(f->count[i].iov_base, count.b + done, f->count[i].iov_len);
        mem_wrote(f->n->vdev.memory, f->count[i].iov_base, f->count[i].iov_len);
        done += f->count[i].iov_len;
    }
    virtio_push_many(&f->n->vdev, f->queue, f->used, f->used_count);
    f->n->unflushed |= BIT(f->queue / 2);
}

enum fit { FITS, NO_ROOM, TOO_LARGE };

static enum fit fill_chains(struct filling *f, struct virtio_chain *chain)
{
    struct virtio_device *vdev = &f->n->vdev;
    bool merges = virtio_has(vdev, VIRTIO_NET_F_MRG_RXBUF);
    do {
        if (f->used_count == vdev->queue[f->queue].size)
            return TOO_LARGE;
        if (!virtio_pop(vdev, f->queue, chain))
            return NO_ROOM;
        bool first = !f->used_count;
        struct virtio_used *used = &f->used[f->used_count++];
        *used = (struct virtio_used){chain->head, 0};
        uint64_t needed = sizeof(struct net_header) + (merges ? 0 : f->left_bytes);
        if (!chain->writable_bytes || (first && chain->writable_bytes < needed))
            return TOO_LARGE;
        if (first)
            write_header(f, chain);
        used->written_bytes = fill(f, chain, first ? sizeof(struct net_header) : 0);
    } while (f->left_bytes);
    return FITS;
}

static enum fit put(struct virtio_net *n, unsigned pair, const struct net_frame *frame)
{
    struct filling f;
    struct virtio_chain chain;
    f.n = n;
    f.queue = 2 * pair;
    f.frame = frame;
    f.piece = f.used_count = f.count_pieces = 0;
    f.piece_offset = 0;
    f.left_bytes = frame->size_bytes;
    enum fit fit = fill_chains(&f, &chain);
    if (fit == FITS)
        publish(&f);
    else
        give_back(&f, &chain);
    if (fit == TOO_LARGE)
        log_guest("net", "no buffers for a frame of %u bytes", frame->size_bytes);
    return fit;
}

// False: the driver kicks when it has added some.
static bool put_or_starve(struct virtio_net *n, unsigned pair, const struct net_frame *frame)
{
    enum fit fit = put(n, pair, frame);
    if (fit == NO_ROOM && virtio_queue_set_kicks(&n->vdev.queue[2 * pair], true)) {
        virtio_queue_set_kicks(&n->vdev.queue[2 * pair], false);
        fit = put(n, pair, frame);  // they came in between
        if (fit == NO_ROOM)
            virtio_queue_set_kicks(&n->vdev.queue[2 * pair], true);
    }
    if (fit == NO_ROOM)
        n->starved |= BIT(pair);
    return fit != NO_ROOM;
}

static bool can_take(const struct virtio_net *n, const struct net_frame *frame)
{
    unsigned needed = (frame->checksum_needed ? NET_TAKES_CHECKSUM : 0) |
                      (frame->gso == NET_GSO_TCP4 ? NET_TAKES_TCP4 : 0) |
                      (frame->gso == NET_GSO_TCP6 ? NET_TAKES_TCP6 : 0) |
                      (frame->gso == NET_GSO_UDP ? NET_TAKES_UDP : 0) | (frame->gso_ecn ? NET_TAKES_ECN : 0);
    return !(needed & ~n->net->front_takes);
}

// What nobody is there for is dropped; while the device is paused it waits.
static bool receive(void *opaque, const struct net_frame *frame)
{
    struct virtio_net *n = opaque;
    struct virtio_device *vdev = &n->vdev;
    uint8_t head[NET_FLOW_HEAD_BYTES];
    if (vdev->suspended)
        return false;
    if (!vdev->active || vdev->broken || n->link_down || frame->size_bytes < NET_ETHERNET_HEADER_BYTES)
        return true;
    uint32_t head_bytes = net_gather(frame, head, sizeof head);
    if (!net_wants(n, head, head_bytes) || !can_take(n, frame))
        return true;
    unsigned pair = n->pairs > 1 ? n->flow[net_flow_of(head, head_bytes)] : 0;
    bool taken = put_or_starve(n, pair < n->pairs ? pair : 0, frame);
    return taken || vdev->broken;
}

static void flush(void *opaque)
{
    struct virtio_net *n = opaque;
    uint64_t pairs = n->unflushed;
    n->unflushed = 0;
    for (; pairs; pairs &= pairs - 1)
        virtio_flush_used(&n->vdev, 2 * __builtin_ctzll(pairs));
}

static void link_changed(void *opaque, bool up)
{
    struct virtio_net *n = opaque;
    pthread_mutex_lock(&n->vdev.dev.lock);
    n->status = up ? n->status | NET_LINK_UP : n->status & ~NET_LINK_UP;
    pthread_mutex_unlock(&n->vdev.dev.lock);
    virtio_config_changed(&n->vdev);
}

const struct net_front net_front_of_virtio = {receive, flush, link_changed};
