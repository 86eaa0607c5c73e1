// SPDX-License-Identifier: GPL-2.0-or-later
//
// Frames from libslirp to the guest. A TCP segment that is larger than what the guest asked for goes
// with a note to cut it, or is cut here for a card that doesn't take that. Other large packets are
// fragmented (RFC 791, 3.2): libslirp would do so for an MTU of 1500, but is told a larger one for
// the segments' sake.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "guest/net/cut.h"
#include "guest/net/packet.h"
#include "guest/net/user_internal.h"

enum { HEADERS_BYTES_MAX = NET_CUT_HEADERS_BYTES_MAX, TCP_CHECKSUM_AT = 16 };
enum { MSS_MIN = 64, IP4_AND_TCP_BYTES = 40, IP6_AND_TCP_BYTES = 60 };
enum { IP_LENGTH_AT = 2, IP_FRAGMENT_AT = 6, IP_CHECKSUM_AT = 10, IP_MORE_FRAGMENTS = 0x2000 };

static bool offer(struct user *u, const struct net_frame *frame)
{
    u->to_flush = true;
    return u->net.front->receive(u->net.front_opaque, frame);
}

static void keep(struct user *u, const struct net_frame *frame)
{
    struct user_waiting *w = NULL;
    if (u->waiting_bytes + frame->size_bytes <= USER_WAITING_BYTES_MAX)
        w = malloc(sizeof *w + frame->size_bytes);
    if (!w)
        return;
    net_gather(frame, w->bytes, frame->size_bytes);
    w->next = NULL;
    w->frame = *frame;
    w->frame.iov = &w->iov;
    w->frame.iov_count = 1;
    w->iov = (struct iovec){w->bytes, frame->size_bytes};
    u->waiting_bytes += sizeof *w + frame->size_bytes;
    *u->waiting_end = w;
    u->waiting_end = &w->next;
}

static void deliver(struct user *u, const struct net_frame *frame)
{
    if (u->waiting || !offer(u, frame))
        keep(u, frame);
}

static void drop_first(struct user *u)
{
    struct user_waiting *w = u->waiting;
    u->waiting = w->next;
    if (!u->waiting)
        u->waiting_end = &u->waiting;
    u->waiting_bytes -= sizeof *w + w->iov.iov_len;
    free(w);
}

void user_forget_waiting(struct user *u)
{
    while (u->waiting)
        drop_first(u);
}

void user_room(struct net *net)
{
    struct user *u = (struct user *)net;  // its first member
    while (u->waiting && u->net.front && offer(u, &u->waiting->frame))
        drop_first(u);
    user_flush(u);
}

void user_flush(struct user *u)
{
    if (u->to_flush && u->net.front)
        u->net.front->flush(u->net.front_opaque);
    u->to_flush = false;
}

static void deliver_whole(struct user *u, const uint8_t *bytes, uint32_t size_bytes)
{
    struct iovec iov = {(void *)bytes, size_bytes};
    deliver(u, &(struct net_frame){.iov = &iov, .iov_count = 1, .size_bytes = size_bytes,
                                   .checksum_good = true});
}

// The checksum of what is to be cut is that of the pseudo-header only (virtio 1.2, 5.1.6.2).
static void deliver_to_be_cut(struct user *u, const uint8_t *bytes, const struct net_packet *p, uint16_t mss)
{
    uint8_t headers[HEADERS_BYTES_MAX];
    struct iovec iov[2] = {{headers, p->payload}, {(void *)(bytes + p->payload), p->end - p->payload}};
    uint16_t sum = net_fold(net_pseudo_sum(bytes, p, p->end - p->transport));
    memcpy(headers, bytes, p->payload);
    memcpy(headers + p->transport + TCP_CHECKSUM_AT, &sum, sizeof sum);
    deliver(u, &(struct net_frame){
        .iov = iov, .iov_count = 2, .size_bytes = p->end, .checksum_needed = true,
        .gso = p->ipv6 ? NET_GSO_TCP6 : NET_GSO_TCP4, .header_bytes = p->payload,
        .gso_bytes = mss, .checksum_start = p->transport,
        .checksum_offset = TCP_CHECKSUM_AT});
}

static void deliver_with_headers(struct user *u, uint8_t *headers, uint32_t headers_bytes,
                                 const uint8_t *part, uint32_t part_bytes)
{
    struct iovec iov[2] = {{headers, headers_bytes}, {(void *)part, part_bytes}};
    deliver(u, &(struct net_frame){.iov = iov, .iov_count = 2, .size_bytes = headers_bytes + part_bytes,
                                   .checksum_good = true});
}

static void deliver_cut(struct user *u, const uint8_t *bytes, const struct net_packet *p, uint16_t mss)
{
    struct net_cut cut;
    uint8_t headers[NET_CUT_HEADERS_BYTES_MAX];
    const uint8_t *payload;
    uint32_t payload_bytes;
    net_cut_begin(&cut, bytes, p, mss);
    while (net_cut_next(&cut, headers, &payload, &payload_bytes))
        deliver_with_headers(u, headers, p->payload, payload, payload_bytes);
}

static void deliver_fragment(struct user *u, uint8_t *headers, uint32_t headers_bytes, const uint8_t *part,
                             uint32_t part_bytes)
{
    uint8_t *ip = headers + NET_ETHERNET_HEADER_BYTES;
    uint32_t ip_bytes = headers_bytes - NET_ETHERNET_HEADER_BYTES;
    net_put16(ip + IP_LENGTH_AT, ip_bytes + part_bytes);
    net_put16(ip + IP_CHECKSUM_AT, 0);
    net_fill_checksum(ip, ip_bytes, 0, IP_CHECKSUM_AT);
    deliver_with_headers(u, headers, headers_bytes, part, part_bytes);
}

static void deliver_fragments(struct user *u, const uint8_t *bytes, const struct net_packet *p)
{
    uint8_t headers[HEADERS_BYTES_MAX];
    uint32_t headers_bytes = NET_ETHERNET_HEADER_BYTES + p->ip_header_bytes;
    uint32_t part_bytes = (USER_MTU - p->ip_header_bytes) & ~7u;
    memcpy(headers, bytes, headers_bytes);
    for (uint32_t at = headers_bytes; at < p->end; at += part_bytes) {
        bool last = p->end - at <= part_bytes;
        net_put16(headers + NET_ETHERNET_HEADER_BYTES + IP_FRAGMENT_AT,
                  (at - headers_bytes) / 8 | (last ? 0 : IP_MORE_FRAGMENTS));
        deliver_fragment(u, headers, headers_bytes, bytes + at, last ? p->end - at : part_bytes);
    }
}

// What a guest that said nothing, or nonsense, can be sent (RFC 9293, 3.7.1 would have 536).
static uint16_t mss_of(const struct user *u, const struct net_packet *p)
{
    uint16_t mss = u->guest_mss[p->ipv6];
    return mss >= MSS_MIN ? mss : USER_MTU - (p->ipv6 ? IP6_AND_TCP_BYTES : IP4_AND_TCP_BYTES);
}

static void deliver_tcp(struct user *u, const uint8_t *bytes, const struct net_packet *p)
{
    uint16_t mss = mss_of(u, p);
    if (p->end - p->payload <= mss)
        deliver_whole(u, bytes, p->end);
    else if (u->net.front_takes & (p->ipv6 ? NET_TAKES_TCP6 : NET_TAKES_TCP4))
        deliver_to_be_cut(u, bytes, p, mss);
    else
        deliver_cut(u, bytes, p, mss);
}

ssize_t user_to_guest(const void *bytes, size_t size_bytes, void *opaque)
{
    struct user *u = opaque;
    struct net_packet p;
    if (!u->net.front || size_bytes > NET_FRAME_BYTES_MAX)
        return size_bytes;
    bool is_ip = net_parse(bytes, size_bytes, &p);
    if (is_ip && p.protocol == NET_PROTOCOL_TCP && p.transport)
        deliver_tcp(u, bytes, &p);
    else if (is_ip && !p.ipv6 && !p.fragment && size_bytes > NET_ETHERNET_HEADER_BYTES + USER_MTU)
        deliver_fragments(u, bytes, &p);
    else
        deliver_whole(u, bytes, size_bytes);
    return size_bytes;
}
