// SPDX-License-Identifier: GPL-2.0-or-later
//
// virtio-net: a network card (Virtual I/O Device 1.2, section 5.1). Frames go between the driver's buffers
// and a back end (net/net.h), which also says what of checksums and cutting it takes off the driver.
// Several pairs of queues, a control queue, packets in merged buffers. Control commands: receive mode,
// addresses, VLANs, queue pairs, offloads, announcement.
//
// Threads: as virtio.h. The back end's I/O thread is the card's.
#pragma once

#include "guest/net/net.h"
#include "guest/virtio/virtio.h"

enum {
    VIRTIO_NET_F_CSUM = 0, VIRTIO_NET_F_GUEST_CSUM = 1, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 2,
    VIRTIO_NET_F_MTU = 3, VIRTIO_NET_F_MAC = 5, VIRTIO_NET_F_GUEST_TSO4 = 7, VIRTIO_NET_F_GUEST_TSO6 = 8,
    VIRTIO_NET_F_GUEST_ECN = 9, VIRTIO_NET_F_HOST_TSO4 = 11, VIRTIO_NET_F_HOST_TSO6 = 12,
    VIRTIO_NET_F_HOST_ECN = 13, VIRTIO_NET_F_MRG_RXBUF = 15, VIRTIO_NET_F_STATUS = 16,
    VIRTIO_NET_F_CTRL_VQ = 17, VIRTIO_NET_F_CTRL_RX = 18, VIRTIO_NET_F_CTRL_VLAN = 19,
    VIRTIO_NET_F_CTRL_RX_EXTRA = 20, VIRTIO_NET_F_GUEST_ANNOUNCE = 21, VIRTIO_NET_F_MQ = 22,
    VIRTIO_NET_F_CTRL_MAC_ADDR = 23, VIRTIO_NET_F_SPEED_DUPLEX = 63,
};
enum {
    VIRTIO_NET_PAIRS_MAX = (VIRTIO_QUEUES_MAX - 1) / 2,
    VIRTIO_NET_QUEUE_SIZE = 256,  // of a receive or transmit queue, unless said
    VIRTIO_NET_DUPLEX_UNKNOWN = 0xff,
};

// The on/off properties of -device virtio-net-pci that are features, and what they are unless said. Ends
// with a null property.
struct virtio_net_switch {
    const char *property;
    uint8_t feature;
    bool on;
};
extern const struct virtio_net_switch virtio_net_switches[];

struct virtio_net_config {
    uint8_t mac[6];
    uint16_t queue_pairs;                    // 1 to VIRTIO_NET_PAIRS_MAX
    uint16_t rx_queue_size, tx_queue_size;   // powers of two, 256 to VIRTIO_QUEUE_SIZE_MAX
    uint16_t mtu;                            // host_mtu=; 0: not told
    uint32_t speed_mbit;                     // UINT32_MAX: not known
    uint8_t duplex;                          // 0: half, 1: full
    uint64_t features;                       // those switched on; which are offered depends on the back end too
};
// Of the nth card without a mac=, as QEMU counts them.
void virtio_net_defaults(struct virtio_net_config *config, unsigned n);

struct virtio_net;

// net is lent, and has no other card; thread is its own. Null and a sentence.
struct virtio_net *virtio_net_create(const struct virtio_net_config *config, struct net *net,
                                     struct mem *memory, struct err *err);
// Its transport is gone. The back end stays the caller's.
void virtio_net_destroy(struct virtio_net *n);
struct virtio_device *virtio_net_device(struct virtio_net *n);
// As if the cable was pulled out, and put in again. Main thread.
void virtio_net_set_link(struct virtio_net *n, bool up);
