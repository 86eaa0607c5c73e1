// SPDX-License-Identifier: GPL-2.0-or-later
//
// Cuts a large TCP packet into those that a link carries, for a card that leaves it to its back end, as
// network cards do it in hardware: each part has the headers of the whole, with its own lengths, sequence
// number and checksums (RFC 9293, 3.1; flags that belong to the end are the last one's).
#pragma once

#include <stdint.h>

#include "guest/net/packet.h"

enum { NET_CUT_HEADERS_BYTES_MAX = 256 };

struct net_cut {
    const uint8_t *bytes;  // the whole, lent
    struct net_packet packet;
    uint32_t part_bytes;   // of payload
    uint32_t at;           // where the next part begins
    uint16_t parts;
};
// packet is a TCP packet with payload, found in bytes; part_bytes is not 0.
void net_cut_begin(struct net_cut *cut, const uint8_t *bytes, const struct net_packet *packet, uint32_t part_bytes);
// Makes the headers of the next part (packet.payload bytes) and says where its payload is. False: all is done.
bool net_cut_next(struct net_cut *cut, uint8_t headers[NET_CUT_HEADERS_BYTES_MAX], const uint8_t **payload,
                  uint32_t *payload_bytes);
