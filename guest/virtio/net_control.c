// SPDX-License-Identifier: GPL-2.0-or-later
//
// The control queue (5.1.6.5): a class and a command, its data, and a byte for the answer.
#include <string.h>

#include "base/log.h"
#include "guest/virtio/net_internal.h"

enum { TURN_COMMANDS = 64, COMMAND_BYTES = 2, MAC_BYTES = 6 };
enum { ANSWER_OK = 0, ANSWER_ERROR = 1 };
enum { CLASS_RX = 0, CLASS_MAC = 1, CLASS_VLAN = 2, CLASS_ANNOUNCE = 3, CLASS_MQ = 4, CLASS_OFFLOADS = 5 };
enum { RX_PROMISCUOUS, RX_ALL_MULTICAST, RX_ALL_UNICAST, RX_NO_MULTICAST, RX_NO_UNICAST, RX_NO_BROADCAST };
enum { MAC_TABLE_SET = 0, MAC_ADDRESS_SET = 1, VLAN_ADD = 0, VLAN_DELETE = 1 };

#define GUEST_OFFLOADS (BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |         \
                        BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN))

struct command {
    struct virtio_net *n;
    const struct virtio_chain *chain;
    uint8_t code;
    uint64_t data_bytes;
};

static bool read_data(const struct command *c, void *bytes, size_t size_bytes)
{
    return c->data_bytes == size_bytes &&
           virtio_chain_read(c->chain, COMMAND_BYTES, bytes, size_bytes) == size_bytes;
}

static bool set_receive_mode(const struct command *c)
{
    struct virtio_net *n = c->n;
    bool *const mode[] = {&n->promiscuous, &n->all_multicast, &n->all_unicast, &n->no_multicast,
                          &n->no_unicast, &n->no_broadcast};
    uint8_t on;
    bool extra = c->code >= RX_ALL_UNICAST;
    if (c->code > RX_NO_BROADCAST || !read_data(c, &on, sizeof on) ||
        !virtio_has(&n->vdev, extra ? VIRTIO_NET_F_CTRL_RX_EXTRA : VIRTIO_NET_F_CTRL_RX))
        return false;
    *mode[c->code] = on;
    return true;
}

// One of the two tables, at offset in the chain; returns where the next one begins, 0 if it isn't whole.
static uint64_t read_macs(const struct command *c, uint64_t offset, uint8_t *macs, uint8_t *count, bool *too_many)
{
    struct le32 entries;
    uint64_t end = COMMAND_BYTES + c->data_bytes;
    if (virtio_chain_read(c->chain, offset, &entries, sizeof entries) != sizeof entries)
        return 0;
    uint64_t bytes = (uint64_t)le32_get(entries) * MAC_BYTES;
    offset += sizeof entries;
    if (bytes > end - offset)
        return 0;
    *too_many = le32_get(entries) > NET_MACS_MAX;
    *count = *too_many ? 0 : le32_get(entries);
    virtio_chain_read(c->chain, offset, macs, (size_t)*count * MAC_BYTES);
    return offset + bytes;
}

static bool set_mac_table(const struct command *c)
{
    struct virtio_net *n = c->n;
    uint8_t unicast[NET_MACS_MAX * MAC_BYTES] = {0}, multicast[NET_MACS_MAX * MAC_BYTES] = {0}, count[2];
    bool too_many[2];
    uint64_t next = read_macs(c, COMMAND_BYTES, unicast, &count[0], &too_many[0]);
    if (next)
        next = read_macs(c, next, multicast, &count[1], &too_many[1]);
    if (next != COMMAND_BYTES + c->data_bytes)
        return false;
    memcpy(n->unicast, unicast, sizeof unicast);
    memcpy(n->multicast, multicast, sizeof multicast);
    n->unicasts = count[0];
    n->multicasts = count[1];
    n->too_many_unicast = too_many[0];
    n->too_many_multicast = too_many[1];
    return true;
}

static bool set_mac(const struct command *c)
{
    uint8_t mac[MAC_BYTES];
    if (!virtio_has(&c->n->vdev, VIRTIO_NET_F_CTRL_MAC_ADDR) || !read_data(c, mac, sizeof mac))
        return false;
    pthread_mutex_lock(&c->n->vdev.dev.lock);
    memcpy(c->n->mac, mac, sizeof mac);
    pthread_mutex_unlock(&c->n->vdev.dev.lock);
    return true;
}

static bool set_macs(const struct command *c)
{
    if (c->code == MAC_ADDRESS_SET)
        return set_mac(c);
    return c->code == MAC_TABLE_SET && virtio_has(&c->n->vdev, VIRTIO_NET_F_CTRL_RX) && set_mac_table(c);
}

static bool set_vlan(const struct command *c)
{
    struct le16 vlan;
    if (!virtio_has(&c->n->vdev, VIRTIO_NET_F_CTRL_VLAN) || c->code > VLAN_DELETE ||
        !read_data(c, &vlan, sizeof vlan) || le16_get(vlan) >= NET_VLANS)
        return false;
    uint32_t bit = UINT32_C(1) << le16_get(vlan) % 32, *word = &c->n->vlan[le16_get(vlan) / 32];
    *word = c->code == VLAN_ADD ? *word | bit : *word & ~bit;
    return true;
}

static bool acknowledge_announcement(const struct command *c)
{
    if (!virtio_has(&c->n->vdev, VIRTIO_NET_F_GUEST_ANNOUNCE) || c->code)
        return false;
    pthread_mutex_lock(&c->n->vdev.dev.lock);
    bool asked = c->n->status & NET_ANNOUNCE;
    c->n->status &= ~NET_ANNOUNCE;
    pthread_mutex_unlock(&c->n->vdev.dev.lock);
    return asked;
}

static bool set_pairs(const struct command *c)
{
    struct le16 pairs;
    if (!virtio_has(&c->n->vdev, VIRTIO_NET_F_MQ) || c->code || !read_data(c, &pairs, sizeof pairs))
        return false;
    if (!le16_get(pairs) || le16_get(pairs) > c->n->config.queue_pairs)
        return false;
    c->n->pairs = le16_get(pairs);
    memset(c->n->flow, 0, sizeof c->n->flow);
    return true;
}

static bool set_offloads(const struct command *c)
{
    struct le64 offloads;
    if (!virtio_has(&c->n->vdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) || c->code ||
        !read_data(c, &offloads, sizeof offloads) ||
        le64_get(offloads) & ~(c->n->vdev.negotiated & GUEST_OFFLOADS))
        return false;
    c->n->offloads = le64_get(offloads);
    net_take_offloads(c->n);
    return true;
}

static bool obey(struct virtio_net *n, const struct virtio_chain *chain)
{
    static bool (*const obey_class[])(const struct command *) = {
        [CLASS_RX] = set_receive_mode, [CLASS_MAC] = set_macs, [CLASS_VLAN] = set_vlan,
        [CLASS_ANNOUNCE] = acknowledge_announcement, [CLASS_MQ] = set_pairs, [CLASS_OFFLOADS] = set_offloads,
    };
    uint8_t head[COMMAND_BYTES];
    virtio_chain_read(chain, 0, head, sizeof head);
    if (head[0] >= ARRAY_SIZE(obey_class))
        return false;
    struct command command = {n, chain, head[1], chain->readable_bytes - sizeof head};
    return obey_class[head[0]](&command);
}

void net_control(struct virtio_net *n)
{
    struct virtio_chain chain;
    unsigned queue = net_control_queue(n);
    for (unsigned i = 0; i < TURN_COMMANDS; i++) {
        if (!virtio_pop(&n->vdev, queue, &chain)) {
            virtio_flush_used(&n->vdev, queue);
            return;
        }
        if (chain.readable_bytes < COMMAND_BYTES || !chain.writable_bytes) {
            virtio_break(&n->vdev, "a control command without command or room for the answer");
            return;
        }
        uint8_t answer = obey(n, &chain) ? ANSWER_OK : ANSWER_ERROR;
        if (answer != ANSWER_OK)
            log_guest("net", "a control command is refused");
        virtio_chain_write(&chain, n->vdev.memory, 0, &answer, sizeof answer);
        virtio_push(&n->vdev, queue, chain.head, sizeof answer);
    }
    virtio_flush_used(&n->vdev, queue);
    net_do_again(n, queue);
}
