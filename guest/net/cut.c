// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/net/cut.h"

#include <string.h>

#include "guest/net/net.h"

enum { IP4_LENGTH = 2, IP4_ID = 4, IP4_CHECKSUM = 10, IP6_LENGTH = 4, IP6_BYTES = 40 };
enum { TCP_SEQUENCE = 4, TCP_FLAGS = 13, TCP_CHECKSUM = 16, FLAG_FIN = 1, FLAG_PUSH = 8, FLAG_CWR = 0x80 };

void net_cut_begin(struct net_cut *cut, const uint8_t *bytes, const struct net_packet *packet, uint32_t part_bytes)
{
    *cut = (struct net_cut){bytes, *packet, part_bytes, packet->payload, 0};
}

static void fix_ip4(uint8_t *ip, unsigned header_bytes, uint32_t total_bytes, uint16_t part)
{
    net_put16(ip + IP4_LENGTH, total_bytes);
    net_put16(ip + IP4_ID, net_get16(ip + IP4_ID) + part);
    net_put16(ip + IP4_CHECKSUM, 0);
    net_fill_checksum(ip, header_bytes, 0, IP4_CHECKSUM);
}

static void fix_ip(const struct net_cut *cut, uint8_t *headers, uint32_t part_bytes)
{
    uint8_t *ip = headers + NET_ETHERNET_HEADER_BYTES;
    uint32_t total_bytes = cut->packet.payload - NET_ETHERNET_HEADER_BYTES + part_bytes;
    if (cut->packet.ipv6)
        net_put16(ip + IP6_LENGTH, total_bytes - IP6_BYTES);
    else
        fix_ip4(ip, cut->packet.ip_header_bytes, total_bytes, cut->parts);
}

static void fix_tcp(const struct net_cut *cut, uint8_t *headers, uint32_t part_bytes)
{
    const struct net_packet *p = &cut->packet;
    uint8_t *tcp = headers + p->transport;
    uint32_t header_bytes = p->payload - p->transport, offset = cut->at - p->payload;
    uint32_t sequence = (uint32_t)net_get16(tcp + TCP_SEQUENCE) << 16 | net_get16(tcp + TCP_SEQUENCE + 2);
    net_put16(tcp + TCP_SEQUENCE, (sequence + offset) >> 16);
    net_put16(tcp + TCP_SEQUENCE + 2, sequence + offset);
    if (cut->at + part_bytes < p->end)
        tcp[TCP_FLAGS] &= ~(FLAG_FIN | FLAG_PUSH);
    if (cut->parts)
        tcp[TCP_FLAGS] &= ~FLAG_CWR;
    net_put16(tcp + TCP_CHECKSUM, 0);
    uint64_t sum = net_sum(net_pseudo_sum(headers, p, header_bytes + part_bytes), tcp, header_bytes);
    uint16_t checksum = ~net_fold(net_sum(sum, cut->bytes + cut->at, part_bytes));
    memcpy(tcp + TCP_CHECKSUM, &checksum, sizeof checksum);
}

bool net_cut_next(struct net_cut *cut, uint8_t headers[NET_CUT_HEADERS_BYTES_MAX], const uint8_t **payload,
                  uint32_t *payload_bytes)
{
    uint32_t left_bytes = cut->packet.end - cut->at;
    if (!left_bytes)
        return false;
    uint32_t part_bytes = left_bytes < cut->part_bytes ? left_bytes : cut->part_bytes;
    memcpy(headers, cut->bytes, cut->packet.payload);
    fix_ip(cut, headers, part_bytes);
    fix_tcp(cut, headers, part_bytes);
    *payload = cut->bytes + cut->at;
    *payload_bytes = part_bytes;
    cut->at += part_bytes;
    cut->parts++;
    return true;
}
