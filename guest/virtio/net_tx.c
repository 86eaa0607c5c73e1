// SPDX-License-Identifier: GPL-2.0-or-later
//
// Frames from the driver (5.1.6.2). The back end gets the driver's own memory, in pieces, and copies
// what it looks at.
#include <string.h>

#include "base/log.h"
#include "guest/net/packet.h"
#include "guest/virtio/net_internal.h"

enum { TURN_FRAMES = 256, TCP_HEADER_BYTES = 20 };

static bool read_gso(const struct virtio_net *n, const struct net_header *header, struct net_frame *frame)
{
    unsigned kind = header->gso & ~NET_HEADER_ECN;
    if (!header->gso)
        return true;
    bool tcp4 = kind == NET_HEADER_TCP4 && virtio_has(&n->vdev, VIRTIO_NET_F_HOST_TSO4);
    bool tcp6 = kind == NET_HEADER_TCP6 && virtio_has(&n->vdev, VIRTIO_NET_F_HOST_TSO6);
    frame->gso = tcp6 ? NET_GSO_TCP6 : NET_GSO_TCP4;
    frame->gso_ecn = header->gso & NET_HEADER_ECN;
    frame->gso_bytes = le16_get(header->gso_bytes);
    frame->header_bytes = le16_get(header->header_bytes);  // a hint
    if (frame->gso_ecn && !virtio_has(&n->vdev, VIRTIO_NET_F_HOST_ECN))
        return false;
    return (tcp4 || tcp6) && frame->checksum_needed && frame->gso_bytes &&
           (uint32_t)frame->checksum_start + TCP_HEADER_BYTES <= frame->size_bytes;
}

static bool read_header(const struct virtio_net *n, const struct net_header *header, struct net_frame *frame)
{
    frame->checksum_needed = header->flags & NET_HEADER_CHECKSUM_NEEDED;
    frame->checksum_start = le16_get(header->checksum_start);
    frame->checksum_offset = le16_get(header->checksum_offset);
    if (frame->checksum_needed && (!virtio_has(&n->vdev, VIRTIO_NET_F_CSUM) ||
        (uint32_t)frame->checksum_start + frame->checksum_offset + 2 > frame->size_bytes))
        return false;
    return read_gso(n, header, frame);
}

// So that answers come to the queue pair, and so to the CPU, that asked (5.1.6.5.6.1).
static void note_flow(struct virtio_net *n, unsigned pair, const struct net_frame *frame)
{
    uint8_t head[NET_FLOW_HEAD_BYTES];
    if (n->pairs > 1)
        n->flow[net_flow_of(head, net_gather(frame, head, sizeof head))] = pair;
}

static void send_chain(struct virtio_net *n, unsigned pair, const struct virtio_chain *chain)
{
    struct net_header header;
    struct iovec iov[VIRTIO_SEGMENTS_MAX];
    struct net_frame frame = {.iov = iov};
    uint64_t size_bytes = chain->readable_bytes - sizeof header;
    if (chain->readable_bytes < sizeof header + NET_ETHERNET_HEADER_BYTES || size_bytes > NET_FRAME_BYTES_MAX) {
        log_guest("net", "a frame of %llu bytes", (unsigned long long)chain->readable_bytes);
        return;
    }
    virtio_chain_read(chain, 0, &header, sizeof header);
    frame.size_bytes = size_bytes;
    frame.iov_count = virtio_chain_slice(chain, false, sizeof header, size_bytes, iov);
    if (!read_header(n, &header, &frame)) {
        log_guest("net", "a header that can't be: flags %#x, gso %#x of %u, checksum at %u + %u in %u",
                  header.flags, header.gso, frame.gso_bytes, frame.checksum_start, frame.checksum_offset,
                  frame.size_bytes);
        return;
    }
    note_flow(n, pair, &frame);
    if (!n->link_down)
        net_send(n->net, &frame);
}

// Sends what is there, up to a turn's share; true: all of it.
static bool send_all(struct virtio_net *n, unsigned pair, unsigned *frames)
{
    struct virtio_chain chain;
    unsigned queue = 2 * pair + 1;
    for (; *frames < TURN_FRAMES; (*frames)++) {
        if (!virtio_pop(&n->vdev, queue, &chain))
            return true;
        send_chain(n, pair, &chain);
        virtio_push(&n->vdev, queue, chain.head, 0);
    }
    return false;
}

void net_transmit(struct virtio_net *n, unsigned pair)
{
    struct virtio_queue *q = &n->vdev.queue[2 * pair + 1];
    unsigned frames = 0, before;
    do {
        before = frames;
        virtio_queue_set_kicks(q, false);
        bool all = send_all(n, pair, &frames);
        virtio_flush_used(&n->vdev, 2 * pair + 1);
        if (!all) {
            net_do_again(n, 2 * pair + 1);
            return;
        }
    } while (virtio_queue_set_kicks(q, true) && frames > before);
}

// The same in both directions. Not IP, or a fragment: what is known of it.
unsigned net_flow_of(const uint8_t *bytes, uint32_t size_bytes)
{
    const uint32_t ip = NET_ETHERNET_HEADER_BYTES;
    uint32_t hash = 0, word;
    if (size_bytes < ip + 40)
        return 0;
    bool ipv6 = bytes[12] == 0x86;
    uint32_t from = ip + (ipv6 ? 8 : 12), to = from + (ipv6 ? 32 : 8);
    uint32_t ports = ipv6 ? ip + 40 : ip + 4 * (bytes[ip] & 15);
    for (; from < to; from += 4) {
        memcpy(&word, bytes + from, 4);
        hash ^= word;
    }
    if (ports + 4 <= size_bytes)
        hash ^= (bytes[ports] ^ bytes[ports + 2]) << 8 | (bytes[ports + 1] ^ bytes[ports + 3]);
    return hash * 0x9e3779b1u >> 24;
}
