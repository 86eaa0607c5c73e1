// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/net/packet.h"

#include <string.h>

#include "guest/net/net.h"

enum { ETHERTYPE_AT = 12, ETHERTYPE_IP4 = 0x0800, ETHERTYPE_IP6 = 0x86dd };
enum { IP4_BYTES = 20, IP6_BYTES = 40, TCP_BYTES = 20, UDP_BYTES = 8 };
enum { OPTION_END = 0, OPTION_NONE = 1, OPTION_MSS = 2 };

static bool parse_ip4(const uint8_t *ip, uint32_t room_bytes, struct net_packet *p)
{
    if (room_bytes < IP4_BYTES || ip[0] >> 4 != 4)
        return false;
    p->ip_header_bytes = (ip[0] & 15) * 4;
    uint16_t total = net_get16(ip + 2);
    if (p->ip_header_bytes < IP4_BYTES || total < p->ip_header_bytes || total > room_bytes)
        return false;
    p->end = NET_ETHERNET_HEADER_BYTES + total;
    p->fragment = net_get16(ip + 6) & 0x3fff;  // more to come, or not at 0
    p->protocol = ip[9];
    return true;
}

static bool parse_ip6(const uint8_t *ip, uint32_t room_bytes, struct net_packet *p)
{
    if (room_bytes < IP6_BYTES || ip[0] >> 4 != 6)
        return false;
    uint32_t total = IP6_BYTES + net_get16(ip + 4);
    if (total > room_bytes)
        return false;
    p->ip_header_bytes = IP6_BYTES;
    p->end = NET_ETHERNET_HEADER_BYTES + total;
    p->protocol = ip[6];
    return true;
}

static void parse_transport(const uint8_t *bytes, struct net_packet *p)
{
    uint32_t at = NET_ETHERNET_HEADER_BYTES + p->ip_header_bytes, room_bytes = p->end - at;
    if (p->protocol == NET_PROTOCOL_UDP && room_bytes >= UDP_BYTES) {
        p->transport = at;
        p->payload = at + UDP_BYTES;
    }
    if (p->protocol != NET_PROTOCOL_TCP || room_bytes < TCP_BYTES)
        return;
    unsigned header_bytes = (bytes[at + 12] >> 4) * 4;
    if (header_bytes < TCP_BYTES || header_bytes > room_bytes)
        return;
    p->transport = at;
    p->payload = at + header_bytes;
    p->tcp_flags = bytes[at + 13];
}

bool net_parse(const uint8_t *bytes, uint32_t size_bytes, struct net_packet *p)
{
    *p = (struct net_packet){0};
    if (size_bytes < NET_ETHERNET_HEADER_BYTES)
        return false;
    const uint8_t *ip = bytes + NET_ETHERNET_HEADER_BYTES;
    uint32_t room_bytes = size_bytes - NET_ETHERNET_HEADER_BYTES;
    uint16_t type = net_get16(bytes + ETHERTYPE_AT);
    p->ipv6 = type == ETHERTYPE_IP6;
    bool whole = type == ETHERTYPE_IP4 ? parse_ip4(ip, room_bytes, p) : p->ipv6 && parse_ip6(ip, room_bytes, p);
    if (whole && !p->fragment)
        parse_transport(bytes, p);
    return whole;
}

uint64_t net_pseudo_sum(const uint8_t *bytes, const struct net_packet *p, uint32_t transport_bytes)
{
    const uint8_t *ip = bytes + NET_ETHERNET_HEADER_BYTES;
    uint8_t rest[8] = {0};
    net_put16(rest, transport_bytes >> 16);
    net_put16(rest + 2, transport_bytes);
    rest[7] = p->protocol;
    return net_sum(net_sum(0, p->ipv6 ? ip + 8 : ip + 12, p->ipv6 ? 32 : 8), rest, sizeof rest);
}

uint8_t *net_tcp_mss(uint8_t *bytes, const struct net_packet *p)
{
    if (p->protocol != NET_PROTOCOL_TCP || !p->transport || !(p->tcp_flags & NET_TCP_SYN))
        return NULL;
    for (uint32_t at = p->transport + TCP_BYTES; at < p->payload && bytes[at] != OPTION_END; ) {
        if (bytes[at] == OPTION_NONE) {
            at++;
            continue;
        }
        if (at + 1 >= p->payload || bytes[at + 1] < 2 || at + bytes[at + 1] > p->payload)
            return NULL;
        if (bytes[at] == OPTION_MSS && bytes[at + 1] == 4)
            return bytes + at + 2;
        at += bytes[at + 1];
    }
    return NULL;
}
