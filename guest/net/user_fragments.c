// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/net/user_fragments.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/net/net.h"

enum { ETHERNET = NET_ETHERNET_HEADER_BYTES, UNIT_BYTES = 8 };
enum { LENGTH_AT = 2, ID_AT = 4, FRAGMENT_AT = 6, PROTOCOL_AT = 9, CHECKSUM_AT = 10, ADDRESSES_AT = 12 };
enum { MORE_FRAGMENTS = 0x2000, OFFSET_MASK = 0x1fff };
#define LIFETIME_NS UINT64_C(15000000000)  // RFC 791, 3.2: of the reassembly timer, at first

// What a fragment says of its place.
struct place {
    uint32_t offset_bytes, size_bytes;
    bool last;
};

static struct place place_of(const uint8_t *bytes, const struct net_packet *p)
{
    uint16_t word = net_get16(bytes + ETHERNET + FRAGMENT_AT);
    return (struct place){(uint32_t)(word & OFFSET_MASK) * UNIT_BYTES, p->end - ETHERNET - p->ip_header_bytes,
                          !(word & MORE_FRAGMENTS)};
}

// All but the last are whole units, and none is empty or reaches beyond what an IP packet can hold.
static bool is_possible(const struct place *place, const struct net_packet *p)
{
    return place->size_bytes && (place->last || place->size_bytes % UNIT_BYTES == 0) &&
           place->offset_bytes + place->size_bytes + p->ip_header_bytes <= UINT16_MAX;
}

static void make_key(const uint8_t *ip, uint8_t key[11])
{
    key[0] = ip[PROTOCOL_AT];
    memcpy(key + 1, ip + ID_AT, 2);
    memcpy(key + 3, ip + ADDRESSES_AT, 8);
}

static struct user_datagram **choose_place(struct user_fragments *fragments)
{
    struct user_datagram **oldest = &fragments->datagram[0];
    for (unsigned i = 0; i < USER_DATAGRAMS; i++) {
        struct user_datagram **d = &fragments->datagram[i];
        if (!*d || !(*d)->begun_ns)
            return d;
        if ((*d)->begun_ns < (*oldest)->begun_ns)
            oldest = d;
    }
    return oldest;
}

static struct user_datagram *begin(struct user_fragments *fragments, const uint8_t key[11], uint64_t now_ns)
{
    struct user_datagram **place = choose_place(fragments), *d = *place;
    if (!d)
        d = *place = malloc(sizeof *d);
    if (!d)
        return NULL;
    memset(d, 0, sizeof *d);  // the payload too: a last fragment may leave part of a unit open
    d->begun_ns = now_ns;
    memcpy(d->key, key, sizeof d->key);
    return d;
}

static struct user_datagram *find(struct user_fragments *fragments, const uint8_t *bytes, uint64_t now_ns)
{
    uint8_t key[11];
    make_key(bytes + ETHERNET, key);
    for (unsigned i = 0; i < USER_DATAGRAMS; i++) {
        struct user_datagram *d = fragments->datagram[i];
        if (d && d->begun_ns && now_ns - d->begun_ns > LIFETIME_NS)
            d->begun_ns = 0;
        if (d && d->begun_ns && !memcmp(d->key, key, sizeof key))
            return d;
    }
    return begin(fragments, key, now_ns);
}

// Of two that overlap the later one counts; each unit is counted once.
static void put(struct user_datagram *d, const uint8_t *payload, const struct place *place)
{
    uint32_t first = place->offset_bytes / UNIT_BYTES;
    uint32_t end = first + (place->size_bytes + UNIT_BYTES - 1) / UNIT_BYTES;
    memcpy(d->payload + place->offset_bytes, payload, place->size_bytes);
    for (uint32_t i = first; i < end; i++) {
        d->units += !(d->have[i / 64] & BIT(i % 64));
        d->have[i / 64] |= BIT(i % 64);
    }
    if (place->last)
        d->payload_bytes = place->offset_bytes + place->size_bytes;
}

static void keep_head(struct user_datagram *d, const uint8_t *bytes, const struct net_packet *p)
{
    d->begins = true;
    d->head_bytes = ETHERNET + p->ip_header_bytes;
    memcpy(d->head, bytes, d->head_bytes);
}

// Units beyond the end, of one that lies, are in the way of its ever being whole.
static bool is_whole(const struct user_datagram *d)
{
    return d->begins && d->payload_bytes && d->units == (d->payload_bytes + UNIT_BYTES - 1) / UNIT_BYTES &&
           d->head_bytes - ETHERNET + d->payload_bytes <= UINT16_MAX;
}

static uint32_t take(struct user_datagram *d, uint8_t *bytes)
{
    uint8_t *ip = bytes + ETHERNET;
    uint32_t ip_bytes = d->head_bytes - ETHERNET;
    memcpy(bytes, d->head, d->head_bytes);
    memcpy(bytes + d->head_bytes, d->payload, d->payload_bytes);
    net_put16(ip + LENGTH_AT, ip_bytes + d->payload_bytes);
    net_put16(ip + FRAGMENT_AT, 0);
    net_put16(ip + CHECKSUM_AT, 0);
    net_fill_checksum(ip, ip_bytes, 0, CHECKSUM_AT);
    d->begun_ns = 0;
    return d->head_bytes + d->payload_bytes;
}

uint32_t user_fragments_add(struct user_fragments *fragments, uint8_t *bytes, const struct net_packet *p,
                            uint64_t now_ns)
{
    struct place place = place_of(bytes, p);
    struct user_datagram *d = is_possible(&place, p) ? find(fragments, bytes, now_ns) : NULL;
    if (!d)
        return 0;
    put(d, bytes + ETHERNET + p->ip_header_bytes, &place);
    if (!place.offset_bytes)
        keep_head(d, bytes, p);
    return is_whole(d) ? take(d, bytes) : 0;
}

void user_fragments_finish(struct user_fragments *fragments)
{
    for (unsigned i = 0; i < USER_DATAGRAMS; i++)
        free(fragments->datagram[i]);
}
