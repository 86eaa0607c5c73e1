// SPDX-License-Identifier: GPL-2.0-or-later
//
// A guest's IPv4 fragments, put together before libslirp sees them (RFC 791, 3.2; RFC 815's holes, as a
// bit for each eight bytes). libslirp keeps fragments too, but as many as come, each in a buffer of the
// largest packet's size: a guest could fill the host with them.
//
// Here are at most USER_DATAGRAMS datagrams at a time; one more takes the place of the one that has waited
// longest. Threads: the network's I/O thread.
#pragma once

#include "guest/net/packet.h"

enum {
    USER_DATAGRAMS = 8,
    USER_DATAGRAM_BYTES = 65536,
    USER_FRAGMENT_UNITS = USER_DATAGRAM_BYTES / 8,
};

struct user_datagram {
    uint64_t begun_ns;      // 0: free
    uint8_t key[11];        // protocol, identification, both addresses
    bool begins;            // head is there
    uint32_t head_bytes;    // Ethernet and IP header, of the fragment at 0
    uint32_t payload_bytes; // 0: the last fragment is not there yet
    uint32_t units;         // of eight bytes, that are there
    uint64_t have[USER_FRAGMENT_UNITS / 64];
    uint8_t head[14 + 60];
    uint8_t payload[USER_DATAGRAM_BYTES];
};

struct user_fragments {
    struct user_datagram *datagram[USER_DATAGRAMS];  // allocated when first needed
};

// bytes is a frame that net_parse found to be a fragment, which p describes, and has room for
// NET_FRAME_BYTES_MAX. If it completes its datagram, bytes becomes that and its size is returned; else 0.
uint32_t user_fragments_add(struct user_fragments *fragments, uint8_t *bytes, const struct net_packet *p,
                            uint64_t now_ns);
void user_fragments_finish(struct user_fragments *fragments);
