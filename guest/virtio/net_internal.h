// SPDX-License-Identifier: GPL-2.0-or-later
//
// The parts of virtio-net.
#pragma once

#include "base/bits.h"
#include "guest/virtio/net.h"

enum { NET_MACS_MAX = 64, NET_VLANS = 4096, NET_FLOWS = 256, NET_CONFIG_BYTES = 17 };
enum { NET_LINK_UP = 1, NET_ANNOUNCE = 2 };  // of status (5.1.4)
enum { NET_HEADER_CHECKSUM_NEEDED = 1, NET_HEADER_DATA_VALID = 2 };
enum { NET_HEADER_TCP4 = 1, NET_HEADER_UDP = 3, NET_HEADER_TCP6 = 4, NET_HEADER_ECN = 0x80 };

// Before each frame, in both directions (5.1.6).
struct net_header {
    uint8_t flags, gso;
    struct le16 header_bytes, gso_bytes, checksum_start, checksum_offset, buffers;
};
_Static_assert(sizeof(struct net_header) == 12, "as the driver lays it out");

struct virtio_net {
    struct virtio_device vdev;
    struct net *net;
    struct virtio_net_config config;
    bool link_down;  // by virtio_net_set_link; I/O thread

    // State, the guest's: under vdev.dev.lock where the configuration shows it (mac, status), else the
    // I/O thread's.
    uint8_t mac[6];
    uint16_t status, pairs;
    bool promiscuous, all_multicast, all_unicast, no_multicast, no_unicast, no_broadcast;
    bool too_many_unicast, too_many_multicast;  // more than the table holds: all pass
    uint8_t unicasts, multicasts;
    uint8_t unicast[NET_MACS_MAX * 6], multicast[NET_MACS_MAX * 6];
    uint32_t vlan[NET_VLANS / 32];
    uint64_t offloads;   // GUEST_* features that the driver wants at the moment
    bool offloads_set;
    bool announce_due;   // a snapshot was loaded: others may not know that the guest is here

    // I/O thread
    uint64_t starved;    // receive queues, by pair, that had no room for a frame
    uint64_t unflushed;  // with used buffers that the driver wasn't told of
    uint64_t again;      // queues with more work than one turn is given
    struct io_bell bell;
    uint8_t flow[NET_FLOWS];  // which pair last sent packets of a flow
};

static inline unsigned net_control_queue(const struct virtio_net *n)
{
    return virtio_has(&n->vdev, VIRTIO_NET_F_MQ) ? 2u * n->config.queue_pairs : 2;
}
// There is more to do in this queue, after others had their turn.
void net_do_again(struct virtio_net *n, unsigned queue);
void net_take_offloads(struct virtio_net *n);  // tells the back end

// net_tx.c
void net_transmit(struct virtio_net *n, unsigned pair);
unsigned net_flow_of(const uint8_t *bytes, uint32_t size_bytes);
enum { NET_FLOW_HEAD_BYTES = 74 };  // Ethernet, IPv6, TCP
// net_rx.c
extern const struct net_front net_front_of_virtio;
// net_filter.c: does the driver want a frame that begins with these bytes?
bool net_wants(const struct virtio_net *n, const uint8_t *bytes, uint32_t size_bytes);
void net_filter_reset(struct virtio_net *n);
// net_control.c
void net_control(struct virtio_net *n);
