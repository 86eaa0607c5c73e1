// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/virtio/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/virtio/net_internal.h"

enum { CLASS_ETHERNET = 0x020000 };
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_PAIRS = 8, CONFIG_MTU = 10, CONFIG_SPEED = 12, CONFIG_DUPLEX = 16 };
enum { CONTROL_QUEUE_SIZE = 64 };

const struct virtio_net_switch virtio_net_switches[] = {
    {"csum", VIRTIO_NET_F_CSUM, true},
    {"guest_csum", VIRTIO_NET_F_GUEST_CSUM, true},
    {"guest_tso4", VIRTIO_NET_F_GUEST_TSO4, true},
    {"guest_tso6", VIRTIO_NET_F_GUEST_TSO6, true},
    {"guest_ecn", VIRTIO_NET_F_GUEST_ECN, true},
    {"guest_announce", VIRTIO_NET_F_GUEST_ANNOUNCE, true},
    {"host_tso4", VIRTIO_NET_F_HOST_TSO4, true},
    {"host_tso6", VIRTIO_NET_F_HOST_TSO6, true},
    {"host_ecn", VIRTIO_NET_F_HOST_ECN, true},
    {"mrg_rxbuf", VIRTIO_NET_F_MRG_RXBUF, true},
    {"status", VIRTIO_NET_F_STATUS, true},
    {"ctrl_vq", VIRTIO_NET_F_CTRL_VQ, true},
    {"ctrl_rx", VIRTIO_NET_F_CTRL_RX, true},
    {"ctrl_vlan", VIRTIO_NET_F_CTRL_VLAN, true},
    {"ctrl_rx_extra", VIRTIO_NET_F_CTRL_RX_EXTRA, true},
    {"ctrl_mac_addr", VIRTIO_NET_F_CTRL_MAC_ADDR, true},
    {"ctrl_guest_offloads", VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, true},
    {"mq", VIRTIO_NET_F_MQ, false},
    {NULL, 0, false},
};

void virtio_net_defaults(struct virtio_net_config *config, unsigned n)
{
    *config = (struct virtio_net_config){
        .mac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56 + n}, .queue_pairs = 1,
        .rx_queue_size = VIRTIO_NET_QUEUE_SIZE, .tx_queue_size = VIRTIO_NET_QUEUE_SIZE,
        .speed_mbit = UINT32_MAX, .duplex = VIRTIO_NET_DUPLEX_UNKNOWN,
    };
    for (const struct virtio_net_switch *s = virtio_net_switches; s->property; s++)
        config->features |= s->on ? BIT(s->feature) : 0;
}

// What a feature needs beside itself (5.1.3.1), and of the back end.
static const struct {
    uint8_t feature, needs;
    unsigned back_end;
} needs[] = {
    {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM, NET_TAKES_CHECKSUM},
    {VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM, NET_TAKES_TCP4},
    {VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM, NET_TAKES_TCP6},
    {VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_CSUM, NET_TAKES_ECN},
    {VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM, 0},
    {VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM, 0},
    {VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_CSUM, 0},
    {VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ, 0},
    {VIRTIO_NET_F_CTRL_RX_EXTRA, VIRTIO_NET_F_CTRL_VQ, 0},
    {VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VQ, 0},
    {VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ, 0},
    {VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_VQ, 0},
    {VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ, 0},
    {VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ, 0},
};

static uint64_t offered(const struct virtio_net_config *config, const struct net *net)
{
    uint64_t features = config->features | BIT(VIRTIO_NET_F_MAC);
    features |= config->mtu ? BIT(VIRTIO_NET_F_MTU) : 0;
    features |= config->speed_mbit != UINT32_MAX || config->duplex != VIRTIO_NET_DUPLEX_UNKNOWN
                ? BIT(VIRTIO_NET_F_SPEED_DUPLEX) : 0;
    features &= config->queue_pairs == 1 ? ~BIT(VIRTIO_NET_F_MQ) : UINT64_MAX;
    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        if (!(features & BIT(needs[i].needs)) || needs[i].back_end & ~net->ops->takes)
            features &= ~BIT(needs[i].feature);
    return features;
}

void net_take_offloads(struct virtio_net *n)
{
    static const struct { uint8_t feature, takes; } map[] = {
        {VIRTIO_NET_F_GUEST_TSO4, NET_TAKES_TCP4}, {VIRTIO_NET_F_GUEST_TSO6, NET_TAKES_TCP6},
        {VIRTIO_NET_F_GUEST_ECN, NET_TAKES_ECN},
    };
    unsigned takes = n->offloads & BIT(VIRTIO_NET_F_GUEST_CSUM) ? NET_TAKES_CHECKSUM : 0;
    for (unsigned i = 0; takes && i < ARRAY_SIZE(map); i++)
        takes |= n->offloads & BIT(map[i].feature) ? map[i].takes : 0;
    net_attach(n->net, &net_front_of_virtio, n, takes);
}

static void announce(struct virtio_net *n)
{
    n->announce_due = false;
    if (!virtio_has(&n->vdev, VIRTIO_NET_F_GUEST_ANNOUNCE))
        return;
    pthread_mutex_lock(&n->vdev.dev.lock);
    n->status |= NET_ANNOUNCE;
    pthread_mutex_unlock(&n->vdev.dev.lock);
    virtio_config_changed(&n->vdev);
}

// Also when it goes on after a pause or in a loaded snapshot: what the guest has set stays.
static void activate(struct virtio_device *vdev)
{
    struct virtio_net *n = (struct virtio_net *)vdev;  // its first member
    if (!n->offloads_set)
        n->offloads = vdev->negotiated;
    n->offloads_set = true;
    net_take_offloads(n);
    unsigned pairs = virtio_has(vdev, VIRTIO_NET_F_MQ) ? n->config.queue_pairs : 1;
    for (unsigned pair = 0; pair < pairs; pair++)
        virtio_queue_set_kicks(&vdev->queue[2 * pair], false);
    if (n->announce_due)
        announce(n);
    net_room(n->net);
}

static void work(struct virtio_net *n, unsigned queue)
{
    if (queue == net_control_queue(n)) {
        if (virtio_has(&n->vdev, VIRTIO_NET_F_CTRL_VQ))
            net_control(n);
    } else if (queue / 2 >= n->pairs) {
        return;  // the driver has not switched it on
    } else if (queue & 1) {
        net_transmit(n, queue / 2);
    } else if (n->starved & BIT(queue / 2)) {
        n->starved &= ~BIT(queue / 2);
        virtio_queue_set_kicks(&n->vdev.queue[queue], false);
        net_room(n->net);
    }
}

static void kick(struct virtio_device *vdev, unsigned queue)
{
    work((struct virtio_net *)vdev, queue);
}

void net_do_again(struct virtio_net *n, unsigned queue)
{
    n->again |= BIT(queue);
    io_bell_ring(&n->bell);
}

static void go_on(struct io_bell *bell)
{
    struct virtio_net *n = container_of(bell, struct virtio_net, bell);
    uint64_t queues = n->again;
    n->again = 0;
    for (; queues && n->vdev.active; queues &= queues - 1)
        work(n, __builtin_ctzll(queues));
}

// No frame is in flight: sending copies, and receiving is done when it returns.
static void stop(struct virtio_device *vdev, bool keep)
{
    struct virtio_net *n = (struct virtio_net *)vdev;
    n->again = 0;
    if (!keep) {
        n->starved = n->unflushed = 0;
        net_attach(n->net, &net_front_of_virtio, n, 0);
    }
    virtio_stopped(vdev);
}

static void config_read(struct virtio_device *vdev, unsigned offset, void *bytes, unsigned size_bytes)
{
    struct virtio_net *n = (struct virtio_net *)vdev;
    uint8_t config[NET_CONFIG_BYTES] = {0};
    pthread_mutex_lock(&vdev->dev.lock);
    memcpy(config + CONFIG_MAC, n->mac, sizeof n->mac);
    memcpy(config + CONFIG_STATUS, le16(n->status).b, 2);
    pthread_mutex_unlock(&vdev->dev.lock);
    memcpy(config + CONFIG_PAIRS, le16(n->config.queue_pairs).b, 2);
    memcpy(config + CONFIG_MTU, le16(n->config.mtu).b, 2);
    memcpy(config + CONFIG_SPEED, le32(n->config.speed_mbit).b, 4);
    config[CONFIG_DUPLEX] = n->config.duplex;
    memcpy(bytes, config + offset, size_bytes);
}

static void reset(struct device *dev)
{
    struct virtio_net *n = container_of(dev, struct virtio_net, vdev.dev);
    memcpy(n->mac, n->config.mac, sizeof n->mac);
    n->status &= ~NET_ANNOUNCE;
    n->pairs = 1;
    n->offloads = 0;
    n->offloads_set = n->announce_due = false;
    memset(n->flow, 0, sizeof n->flow);
    net_filter_reset(n);
}

static int loaded(struct device *dev, struct err *err)
{
    struct virtio_net *n = container_of(dev, struct virtio_net, vdev.dev);
    if (!n->pairs || n->pairs > n->config.queue_pairs)
        return err_set(err, -EINVAL, "virtio-net: %u queue pairs of %u", n->pairs, n->config.queue_pairs);
    if (n->unicasts > NET_MACS_MAX || n->multicasts > NET_MACS_MAX)
        return err_set(err, -EINVAL, "virtio-net: more addresses than its table holds");
    n->status &= NET_LINK_UP | NET_ANNOUNCE;
    n->link_down = !(n->status & NET_LINK_UP);
    n->announce_due = true;
    return 0;
}

static void started(struct device *dev)
{
    (void)dev;  // it drives no line
}

static const struct state_field state[] = {
    STATE_ARRAY(struct virtio_net, mac, 1), STATE_FIELD(struct virtio_net, status, 1),
    STATE_FIELD(struct virtio_net, pairs, 1), STATE_FIELD(struct virtio_net, promiscuous, 1),
    STATE_FIELD(struct virtio_net, all_multicast, 1), STATE_FIELD(struct virtio_net, all_unicast, 1),
    STATE_FIELD(struct virtio_net, no_multicast, 1), STATE_FIELD(struct virtio_net, no_unicast, 1),
    STATE_FIELD(struct virtio_net, no_broadcast, 1), STATE_FIELD(struct virtio_net, too_many_unicast, 1),
    STATE_FIELD(struct virtio_net, too_many_multicast, 1), STATE_FIELD(struct virtio_net, unicasts, 1),
    STATE_FIELD(struct virtio_net, multicasts, 1), STATE_ARRAY(struct virtio_net, unicast, 1),
    STATE_ARRAY(struct virtio_net, multicast, 1), STATE_ARRAY(struct virtio_net, vlan, 1),
    STATE_FIELD(struct virtio_net, offloads, 1), STATE_FIELD(struct virtio_net, offloads_set, 1),
    {0},
};

static const struct device_ops dev_ops = {
    .name = "virtio-net", .state_version = 1, .state = state, .reset = reset, .loaded = loaded,
    .started = started,
};
static const struct virtio_ops ops = {
    .name = "virtio-net", .type = VIRTIO_TYPE_NET, .pci_class = CLASS_ETHERNET,
    .config_read = config_read, .activate = activate, .kick = kick, .stop = stop,
};

struct attaching {
    struct virtio_net *n;
    const struct net_front *front;
};

static void attach(void *opaque)
{
    struct attaching *a = opaque;
    net_attach(a->n->net, a->front, a->n, 0);
}

static void set_queue_sizes(struct virtio_net *n)
{
    for (unsigned i = 0; i < n->config.queue_pairs; i++) {
        n->vdev.queue[2 * i].size_max = n->config.rx_queue_size;
        n->vdev.queue[2 * i + 1].size_max = n->config.tx_queue_size;
    }
}

struct virtio_net *virtio_net_create(const struct virtio_net_config *config, struct net *net,
                                     struct mem *memory, struct err *err)
{
    if (!config->queue_pairs || config->queue_pairs > VIRTIO_NET_PAIRS_MAX) {
        err_set(err, -EINVAL, "virtio-net: 1 to %u queue pairs, not %u", VIRTIO_NET_PAIRS_MAX,
                config->queue_pairs);
        return NULL;
    }
    struct virtio_net *n = calloc(1, sizeof *n);
    if (!n) {
        err_set(err, -ENOMEM, "no memory for a network card");
        return NULL;
    }
    n->net = net;
    n->config = *config;
    n->vdev.offered = offered(config, net);
    n->vdev.config_bytes = NET_CONFIG_BYTES;
    n->status = NET_LINK_UP;
    bool control = n->vdev.offered & BIT(VIRTIO_NET_F_CTRL_VQ);
    virtio_device_init(&n->vdev, &dev_ops, &ops, net->thread, memory, 2 * config->queue_pairs + control,
                       CONTROL_QUEUE_SIZE);
    set_queue_sizes(n);
    io_bell_init(&n->bell, net->thread, go_on);
    reset(&n->vdev.dev);
    io_thread_call(net->thread, attach, &(struct attaching){n, &net_front_of_virtio});
    return n;
}

void virtio_net_destroy(struct virtio_net *n)
{
    if (!n)
        return;
    io_thread_call(n->net->thread, attach, &(struct attaching){n, NULL});
    io_bell_finish(&n->bell);
    virtio_device_finish(&n->vdev);
    free(n);
}

struct virtio_device *virtio_net_device(struct virtio_net *n)
{
    return &n->vdev;
}

struct linking {
    struct virtio_net *n;
    bool up;
};

static void set_link(void *opaque)
{
    struct linking *linking = opaque;
    linking->n->link_down = !linking->up;
    net_front_of_virtio.link_changed(linking->n, linking->up);
}

void virtio_net_set_link(struct virtio_net *n, bool up)
{
    io_thread_call(n->net->thread, set_link, &(struct linking){n, up});
}
