// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is where in an Ethernet frame that carries IP: RFC 791, 8200 (without extension headers), 9293.
// Everything found here lies within the frame. Frames with a VLAN tag are not looked into.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    NET_PROTOCOL_ICMP = 1, NET_PROTOCOL_TCP = 6, NET_PROTOCOL_UDP = 17, NET_PROTOCOL_ICMP6 = 58,
    NET_TCP_SYN = 2,
};

struct net_packet {
    bool ipv6, fragment;
    uint8_t protocol;
    uint16_t ip_header_bytes;
    // From the frame's begin; 0: a fragment, or none that is known here.
    uint32_t transport, payload;
    uint32_t end;  // of the IP packet; padding may follow
    uint8_t tcp_flags;
};

// False: it is no IP, or not whole.
bool net_parse(const uint8_t *bytes, uint32_t size_bytes, struct net_packet *packet);

// The sum of the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1), for a transport part of that size.
uint64_t net_pseudo_sum(const uint8_t *bytes, const struct net_packet *packet, uint32_t transport_bytes);

// The two bytes of the maximum segment size option of a TCP packet with SYN (RFC 9293, 3.7.1); null: there
// is none.
uint8_t *net_tcp_mss(uint8_t *bytes, const struct net_packet *packet);

static inline uint16_t net_get16(const uint8_t *bytes) { return bytes[0] << 8 | bytes[1]; }
static inline void net_put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = value >> 8;
    bytes[1] = value;
}
