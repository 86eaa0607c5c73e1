// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which frames the driver wants (5.1.6.5.1 to 5.1.6.5.3). Without control commands: all.
#include <string.h>

#include "guest/virtio/net_internal.h"

enum { MAC_BYTES = 6, TYPE_AT = 12, TAG_AT = 14, TYPE_VLAN = 0x8100, TAGGED_BYTES = 18 };

static bool holds(const uint8_t *table, unsigned count, const uint8_t *mac)
{
    for (unsigned i = 0; i < count; i++)
        if (!memcmp(table + i * MAC_BYTES, mac, MAC_BYTES))
            return true;
    return false;
}

static bool wants_group(const struct virtio_net *n, const uint8_t *mac)
{
    static const uint8_t broadcast[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    if (!memcmp(mac, broadcast, MAC_BYTES))
        return !n->no_broadcast;
    if (n->no_multicast)
        return false;
    return n->all_multicast || n->too_many_multicast || holds(n->multicast, n->multicasts, mac);
}

static bool wants_unicast(const struct virtio_net *n, const uint8_t *mac)
{
    if (n->no_unicast)
        return false;
    return n->all_unicast || n->too_many_unicast || !memcmp(mac, n->mac, MAC_BYTES) ||
           holds(n->unicast, n->unicasts, mac);
}

static bool wants_vlan(const struct virtio_net *n, const uint8_t *bytes, uint32_t size_bytes)
{
    if (!virtio_has(&n->vdev, VIRTIO_NET_F_CTRL_VLAN) || size_bytes < TAGGED_BYTES ||
        (bytes[TYPE_AT] << 8 | bytes[TYPE_AT + 1]) != TYPE_VLAN)
        return true;
    unsigned id = (bytes[TAG_AT] << 8 | bytes[TAG_AT + 1]) & (NET_VLANS - 1);
    return n->vlan[id / 32] >> id % 32 & 1;
}

bool net_wants(const struct virtio_net *n, const uint8_t *bytes, uint32_t size_bytes)
{
    if (n->promiscuous)
        return true;
    if (!wants_vlan(n, bytes, size_bytes))
        return false;
    return bytes[0] & 1 ? wants_group(n, bytes) : wants_unicast(n, bytes);
}

void net_filter_reset(struct virtio_net *n)
{
    n->promiscuous = true;
    n->all_multicast = n->all_unicast = n->no_multicast = n->no_unicast = n->no_broadcast = false;
    n->too_many_unicast = n->too_many_multicast = false;
    n->unicasts = n->multicasts = 0;
    memset(n->unicast, 0, sizeof n->unicast);
    memset(n->multicast, 0, sizeof n->multicast);
    memset(n->vlan, 0, sizeof n->vlan);
}
