// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver of the network card (virtio_world.h), with one pair of queues or several. Its back end
// reads all that it is sent, as one that parses and cuts packets would, answers some at once, and has frames
// of its own with any note on what is left to do; the link goes up and down.
#include "tests/fuzz/virtio_world.h"

#include "guest/net/cut.h"
#include "guest/virtio/net.h"

struct back_end {
    struct net net;
    bool answers, waiting;
    uint8_t bytes[NET_FRAME_BYTES_MAX];
};

static struct back_end back_end;
static uint8_t incoming[1 << 17];
static volatile uint64_t sink;

static void offer(const struct net_frame *frame)
{
    if (back_end.net.front)
        back_end.waiting = !back_end.net.front->receive(back_end.net.front_opaque, frame);
}

static void cut(const uint8_t *bytes, const struct net_packet *packet, uint32_t part_bytes)
{
    struct net_cut cut;
    uint8_t headers[NET_CUT_HEADERS_BYTES_MAX];
    const uint8_t *payload;
    uint32_t payload_bytes, sum = 0;
    net_cut_begin(&cut, bytes, packet, part_bytes);
    for (; net_cut_next(&cut, headers, &payload, &payload_bytes); sum += payload_bytes)
        check(payload >= bytes && payload + payload_bytes <= bytes + packet->end);
    check(sum == packet->end - packet->payload);
}

static void send_frame(struct net *net, const struct net_frame *frame)
{
    struct net_packet packet;
    (void)net;
    check(frame->size_bytes >= NET_ETHERNET_HEADER_BYTES && frame->size_bytes <= NET_FRAME_BYTES_MAX);
    check(net_gather(frame, back_end.bytes, sizeof back_end.bytes) == frame->size_bytes);
    check(!frame->gso || (frame->checksum_needed && frame->gso_bytes));
    if (frame->checksum_needed) {
        check((uint32_t)frame->checksum_start + frame->checksum_offset + 2 <= frame->size_bytes);
        net_fill_checksum(back_end.bytes, frame->size_bytes, frame->checksum_start, frame->checksum_offset);
    }
    if (net_parse(back_end.bytes, frame->size_bytes, &packet)) {
        uint8_t *mss = net_tcp_mss(back_end.bytes, &packet);
        sink += mss ? net_get16(mss) : 0;
        if (frame->gso && packet.protocol == NET_PROTOCOL_TCP && packet.transport)
            cut(back_end.bytes, &packet, frame->gso_bytes);
    }
    if (back_end.answers)
        offer(&(struct net_frame){.iov = frame->iov, .iov_count = frame->iov_count,
                                  .size_bytes = frame->size_bytes, .checksum_good = true});
}

static void room(struct net *net)
{
    (void)net;
    back_end.waiting = false;
}

static const struct net_ops all = {
    .name = "fuzz", .takes = NET_TAKES_CHECKSUM | NET_TAKES_TCP4 | NET_TAKES_TCP6 | NET_TAKES_ECN,
    .send = send_frame, .room = room,
};
static const struct net_ops none = {.name = "fuzz", .send = send_frame, .room = room};

static void offer_inside(void *opaque)
{
    offer(opaque);
    if (back_end.net.front)
        back_end.net.front->flush(back_end.net.front_opaque);
}

static void step_receive(struct world *w)
{
    unsigned choice = take(&w->s, 1);
    uint32_t size_bytes = take(&w->s, choice & 1 ? 2 : 1);
    struct iovec iov[2] = {{incoming, size_bytes / 3}, {incoming + size_bytes / 3, size_bytes - size_bytes / 3}};
    struct net_frame frame = {
        .iov = iov, .iov_count = 2, .size_bytes = size_bytes, .checksum_needed = choice & 2,
        .checksum_good = choice & 4, .gso = choice >> 3 & 3, .gso_ecn = choice & 32,
        .gso_bytes = choice * 7, .header_bytes = choice, .checksum_start = choice, .checksum_offset = choice};
    for (unsigned i = 0; i < 16; i++)
        incoming[i] = take(&w->s, 1);
    io_thread_call(w->thread, offer_inside, &frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct world w;
    world_open(&w, data, size_bytes);
    struct virtio_net_config config;
    virtio_net_defaults(&config, 0);
    unsigned choice = take(&w.s, 1);
    config.queue_pairs = choice & 1 ? 3 : 1;
    config.features |= BIT(VIRTIO_NET_F_MQ);
    config.features &= choice & 2 ? UINT64_MAX : take(&w.s, 3);
    back_end.net = (struct net){.ops = choice & 4 ? &none : &all, .thread = w.thread};
    back_end.answers = choice & 8;
    struct virtio_net *card = virtio_net_create(&config, &back_end.net, w.memory, NULL);
    check(card);
    world_plug(&w, virtio_net_device(card));
    for (unsigned i = 0, own; goes_on(&w.s, i); i++) {
        if (world_step(&w, &own))
            continue;
        if (own < 12)
            step_receive(&w);
        else
            virtio_net_set_link(card, own & 1);
        world_settle(&w);
    }
    world_unplug(&w);
    virtio_net_destroy(card);
    world_close(&w);
    return 0;
}
