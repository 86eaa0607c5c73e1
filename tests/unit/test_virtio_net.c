// SPDX-License-Identifier: GPL-2.0-or-later
//
// A network card between a driver written here and a back end that records.
#include "tests/unit/virtio_driver.h"

#include <stdlib.h>
#include <unistd.h>

#include "guest/virtio/net_internal.h"

enum { PAIRS = 2, QUEUES = 2 * PAIRS + 1, SIZE = 16, CONTROL = 2 * PAIRS };
enum { BUFFER_BYTES = 0x800, BUFFERS_PER_QUEUE = 0x10000 };
enum { HEADER = sizeof(struct net_header) };

struct fake_net {
    struct net net;
    unsigned sent, rooms;
    uint32_t size_bytes;
    struct net_frame frame;
    uint8_t bytes[NET_FRAME_BYTES_MAX];
};

static struct driver_memory m;
static struct driver_queue d[QUEUES];
static struct io_thread *thread;
static struct fake_net back_end;
static struct virtio_net *card;
static struct virtio_device *vdev;
static struct {
    struct virtio_transport transport;
    unsigned interrupts[QUEUES], failures, stops, config_changes;
} counting;

static void count_interrupt(struct virtio_transport *t, unsigned queue) { (void)t; counting.interrupts[queue]++; }
static void count_failure(struct virtio_transport *t) { (void)t; counting.failures++; }
static void count_stop(struct virtio_transport *t) { (void)t; counting.stops++; }
static void count_change(struct virtio_transport *t) { (void)t; counting.config_changes++; }

static void record(struct net *net, const struct net_frame *frame)
{
    struct fake_net *fake = (struct fake_net *)net;
    fake->sent++;
    fake->frame = *frame;
    fake->size_bytes = net_gather(frame, fake->bytes, sizeof fake->bytes);
    assert_int_equal(fake->size_bytes, frame->size_bytes);
}
static void count_room(struct net *net) { ((struct fake_net *)net)->rooms++; }
static const struct net_ops fake_ops = {
    .name = "fake", .takes = NET_TAKES_CHECKSUM | NET_TAKES_TCP4 | NET_TAKES_TCP6 | NET_TAKES_ECN,
    .send = record, .room = count_room,
};

static void nothing(void *opaque) { (void)opaque; }
static void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        io_thread_call(thread, nothing, NULL);
}

static uint64_t buffer(unsigned queue, unsigned n)
{
    return DRIVER_BUFFERS + queue * BUFFERS_PER_QUEUE + n * BUFFER_BYTES;
}

static int setup(void **state)
{
    (void)state;
    driver_memory_open(&m);
    thread = io_thread_create("net", &mem_reader_sleep, NULL);
    memset(&back_end, 0, sizeof back_end);
    memset(&counting, 0, sizeof counting);
    back_end.net = (struct net){.ops = &fake_ops, .thread = thread};
    struct virtio_net_config config;
    virtio_net_defaults(&config, 2);
    config.queue_pairs = PAIRS;
    config.features |= BIT(VIRTIO_NET_F_MQ);
    config.mtu = 1400;
    card = virtio_net_create(&config, &back_end.net, m.mem, NULL);
    assert_non_null(card);
    vdev = virtio_net_device(card);
    counting.transport = (struct virtio_transport){
        .interrupt = count_interrupt, .config_changed = count_change, .failed = count_failure,
        .stopped = count_stop};
    vdev->transport = &counting.transport;
    return 0;
}

static void begin(uint64_t features)
{
    vdev->negotiated = (features | BIT(VIRTIO_F_VERSION_1)) & (vdev->offered | BIT(VIRTIO_F_VERSION_1));
    for (unsigned i = 0; i < QUEUES; i++) {
        d[i] = driver_queue(&m, i, SIZE);
        driver_tell(&d[i], &vdev->queue[i]);
    }
    virtio_device_start(vdev);
    settle();
}

static int teardown(void **state)
{
    (void)state;
    virtio_net_destroy(card);
    io_thread_destroy(thread);
    driver_memory_close(&m);
    return 0;
}

static void kick(unsigned queue)
{
    virtio_device_kick(vdev, queue);
    settle();
}

// One frame in two pieces behind a header.
static void transmit(unsigned pair, const struct net_header *header, uint32_t frame_bytes)
{
    unsigned queue = 2 * pair + 1;
    uint64_t at = buffer(queue, 0);
    memcpy(guest(&m, at), header, HEADER);
    for (uint32_t i = 0; i < frame_bytes; i++)
        ((uint8_t *)guest(&m, at))[HEADER + i] = i % 251;
    descriptor(&d[queue], 0, at, HEADER + 10, D_NEXT, 1);
    descriptor(&d[queue], 1, at + HEADER + 10, frame_bytes - 10, 0, 0);
    make_available(&d[queue], 0);
    kick(queue);
}

static void it_offers_what_the_back_end_takes(void **state)
{
    (void)state;
    assert_true(vdev->offered & BIT(VIRTIO_NET_F_HOST_TSO4) && vdev->offered & BIT(VIRTIO_NET_F_MQ));
    struct net_ops poor = fake_ops;
    poor.takes = 0;
    struct net net = {.ops = &poor, .thread = thread};
    struct virtio_net_config config;
    virtio_net_defaults(&config, 0);
    config.features &= ~BIT(VIRTIO_NET_F_CTRL_VQ);
    struct virtio_net *other = virtio_net_create(&config, &net, m.mem, NULL);
    assert_int_equal(virtio_net_device(other)->offered,
                     BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |
                     BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_MRG_RXBUF) |
                     BIT(VIRTIO_NET_F_STATUS));
    assert_int_equal(virtio_net_device(other)->queue_count, 2);
    virtio_net_destroy(other);
    config.queue_pairs = VIRTIO_NET_PAIRS_MAX + 1;
    assert_null(virtio_net_create(&config, &net, m.mem, NULL));
}

static void the_configuration_says_it(void **state)
{
    (void)state;
    uint8_t config[NET_CONFIG_BYTES];
    vdev->ops->config_read(vdev, 0, config, sizeof config);
    assert_memory_equal(config, "\x52\x54\x00\x12\x34\x58\x01\x00\x02\x00\x78\x05\xff\xff\xff\xff\xff", 17);
    virtio_net_set_link(card, false);
    vdev->ops->config_read(vdev, 6, config, 2);
    assert_int_equal(config[0], 0);
    assert_int_equal(counting.config_changes, 1);
    virtio_net_set_link(card, true);
}

static void a_frame_is_sent(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    struct net_header header = {.flags = 1, .checksum_start = le16(34), .checksum_offset = le16(16),
                                .gso = NET_HEADER_TCP4, .gso_bytes = le16(500), .header_bytes = le16(54)};
    transmit(0, &header, 1000);
    assert_int_equal(back_end.sent, 1);
    assert_int_equal(back_end.size_bytes, 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(back_end.bytes[i], i % 251);
    assert_true(back_end.frame.checksum_needed && back_end.frame.gso == NET_GSO_TCP4);
    assert_int_equal(back_end.frame.gso_bytes, 500);
    assert_int_equal(used_index(&d[1]), 1);
    assert_int_equal(counting.interrupts[1], 1);
}

static void many_frames_are_one_interrupt(void **state)
{
    (void)state;
    begin(UINT64_MAX & ~BIT(VIRTIO_F_EVENT_IDX));
    for (unsigned i = 0; i < SIZE; i++) {
        descriptor(&d[1], i, buffer(1, i), HEADER + 60, 0, 0);
        make_available(&d[1], i);
    }
    kick(1);
    assert_int_equal(back_end.sent, SIZE);
    assert_int_equal(counting.interrupts[1], 1);
    assert_int_equal(device_flags(&d[1]), 0);  // kicks are wanted again
}

static void headers_that_lie_are_dropped(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    static const struct net_header bad[] = {
        {.flags = 1, .checksum_start = {{99, 0}}, .checksum_offset = {{0, 0}}},
        {.flags = 1, .checksum_start = {{255, 255}}, .checksum_offset = {{255, 255}}},
        {.flags = 0, .gso = 1, .gso_bytes = {{100, 0}}},
        {.flags = 1, .gso = 1, .gso_bytes = {{0, 0}}, .checksum_start = {{34, 0}}},
        {.flags = 1, .gso = 3, .gso_bytes = {{100, 0}}, .checksum_start = {{34, 0}}},
        {.flags = 1, .gso = 0x80, .gso_bytes = {{100, 0}}, .checksum_start = {{34, 0}}},
        {.flags = 1, .gso = 1, .gso_bytes = {{100, 0}}, .checksum_start = {{90, 0}}},
        {.flags = 1, .gso = 0x7f, .gso_bytes = {{100, 0}}, .checksum_start = {{34, 0}}},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        transmit(0, &bad[i], 100);
    descriptor(&d[1], 0, buffer(1, 0), HEADER + 13, 0, 0);  // no whole Ethernet header
    make_available(&d[1], 0);
    descriptor(&d[1], 1, buffer(1, 0), 5, 0, 0);
    make_available(&d[1], 1);
    descriptor(&d[1], 2, buffer(1, 0), 70000, 0, 0);
    make_available(&d[1], 2);
    descriptor(&d[1], 3, buffer(1, 0), 100, D_WRITE, 0);
    make_available(&d[1], 3);
    kick(1);
    assert_int_equal(back_end.sent, 0);
    assert_int_equal(used_index(&d[1]), ARRAY_SIZE(bad) + 4);
    assert_int_equal(counting.failures, 0);
}

static void offloads_that_were_not_negotiated(void **state)
{
    (void)state;
    begin(0);
    struct net_header header = {.flags = 1, .checksum_start = le16(34), .checksum_offset = le16(16)};
    transmit(0, &header, 100);
    assert_int_equal(back_end.sent, 0);
    assert_int_equal(back_end.net.front_takes, 0);
}

struct receiving {
    struct net_frame frame;
    bool taken;
};

static void receive_inside(void *opaque)
{
    struct receiving *r = opaque;
    r->taken = back_end.net.front->receive(back_end.net.front_opaque, &r->frame);
    back_end.net.front->flush(back_end.net.front_opaque);
}

static uint8_t incoming[70000];
static bool receive(struct net_frame frame, uint32_t size_bytes)
{
    struct iovec iov[3] = {{incoming, 6}, {incoming + 6, 0}, {incoming + 6, size_bytes - 6}};
    frame.iov = iov;
    frame.iov_count = 3;
    frame.size_bytes = size_bytes;
    struct receiving r = {frame, false};
    io_thread_call(thread, receive_inside, &r);
    return r.taken;
}

static void fill_incoming(void)
{
    for (unsigned i = 0; i < sizeof incoming; i++)
        incoming[i] = i % 241;
    memcpy(incoming, "\x52\x54\x00\x12\x34\x58", 6);
}

static void give_buffers(unsigned queue, unsigned count, uint32_t size_bytes)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned n = d[queue].available % SIZE;
        descriptor(&d[queue], n, buffer(queue, n), size_bytes, D_WRITE, 0);
        make_available(&d[queue], n);
    }
}

static void a_frame_is_received(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    fill_incoming();
    give_buffers(0, 2, 0x800);
    assert_true(receive((struct net_frame){.checksum_good = true}, 700));
    uint32_t head = 0, written = 0;
    assert_true(take_used(&d[0], &head, &written));
    assert_int_equal(written, HEADER + 700);
    const struct net_header *header = guest(&m, buffer(0, head));
    assert_int_equal(header->flags, NET_HEADER_DATA_VALID);
    assert_int_equal(le16_get(header->buffers), 1);
    assert_memory_equal(header + 1, incoming, 700);
    assert_int_equal(counting.interrupts[0], 1);
}

static void a_large_frame_fills_several_buffers(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    fill_incoming();
    give_buffers(0, 10, 100);
    struct net_frame frame = {.checksum_needed = true, .checksum_start = 34, .checksum_offset = 16,
                              .gso = NET_GSO_TCP4, .gso_bytes = 400, .header_bytes = 54};
    assert_true(receive(frame, 950));
    uint32_t head = 0, written = 0, got = 0;
    uint8_t whole[1000];
    assert_int_equal(used_index(&d[0]), 10);
    while (take_used(&d[0], &head, &written)) {
        memcpy(whole + got, guest(&m, buffer(0, head)), written);
        got += written;
    }
    assert_int_equal(got, HEADER + 950);
    assert_memory_equal(whole + HEADER, incoming, 950);
    const struct net_header *header = (struct net_header *)whole;
    assert_int_equal(le16_get(header->buffers), 10);
    assert_int_equal(header->flags, NET_HEADER_CHECKSUM_NEEDED);
    assert_int_equal(header->gso, NET_HEADER_TCP4);
    assert_int_equal(le16_get(header->gso_bytes), 400);
    assert_int_equal(counting.interrupts[0], 1);
}

static void without_room_nothing_is_used_and_the_back_end_hears_of_it_later(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    fill_incoming();
    assert_int_equal(device_flags(&d[0]), 1);
    unsigned rooms = back_end.rooms;
    give_buffers(0, 5, 100);
    assert_false(receive((struct net_frame){0}, 600));
    assert_int_equal(used_index(&d[0]), 0);
    assert_int_equal(device_flags(&d[0]), 0);  // the next ones are to be told of
    give_buffers(0, 2, 100);
    kick(0);
    assert_int_equal(back_end.rooms, rooms + 1);
    assert_true(receive((struct net_frame){0}, 600));
    assert_int_equal(used_index(&d[0]), 7);
}

static void what_never_fits_is_dropped(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    fill_incoming();
    give_buffers(0, SIZE, 100);
    assert_true(receive((struct net_frame){0}, 5000));  // more than the whole ring
    assert_int_equal(used_index(&d[0]), 0);
    assert_true(receive((struct net_frame){0}, 600));
    assert_int_equal(used_index(&d[0]), 7);
}

static void without_merging_a_frame_has_one_buffer(void **state)
{
    (void)state;
    begin(UINT64_MAX & ~BIT(VIRTIO_NET_F_MRG_RXBUF));
    fill_incoming();
    give_buffers(0, 2, 700);
    assert_true(receive((struct net_frame){0}, 700));
    assert_int_equal(used_index(&d[0]), 0);
    assert_true(receive((struct net_frame){0}, 688));
    assert_int_equal(used_index(&d[0]), 1);
}

static void a_pause_keeps_frames_and_a_reset_drops_them(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    fill_incoming();
    give_buffers(0, 5, 0x800);
    virtio_device_quiesce(vdev);
    assert_false(receive((struct net_frame){0}, 600));
    assert_int_equal(used_index(&d[0]), 0);
    unsigned rooms = back_end.rooms;
    virtio_device_resume(vdev);
    settle();
    assert_true(back_end.rooms > rooms);
    assert_true(receive((struct net_frame){0}, 600));
    virtio_device_stop(vdev);
    settle();
    assert_int_equal(counting.stops, 1);
    assert_true(receive((struct net_frame){0}, 600));
    assert_int_equal(used_index(&d[0]), 1);
}

static uint8_t command(const char *text, unsigned text_bytes)
{
    memcpy(guest(&m, buffer(CONTROL, 0)), text, text_bytes);
    uint8_t *answer = guest(&m, buffer(CONTROL, 1));
    *answer = 0xee;
    descriptor(&d[CONTROL], 0, buffer(CONTROL, 0), 1, D_NEXT, 1);
    descriptor(&d[CONTROL], 1, buffer(CONTROL, 0) + 1, text_bytes - 1, D_NEXT, 2);
    descriptor(&d[CONTROL], 2, buffer(CONTROL, 1), 1, D_WRITE, 0);
    make_available(&d[CONTROL], 0);
    kick(CONTROL);
    return *answer;
}
#define COMMAND(text) command(text, sizeof text - 1)

static bool gets(const char *mac)
{
    memcpy(incoming, mac, 6);
    uint16_t before = used_index(&d[0]);
    assert_true(receive((struct net_frame){0}, 60));
    return used_index(&d[0]) != before;
}

static void only_wanted_frames_come(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    fill_incoming();
    give_buffers(0, SIZE, 100);
    assert_true(gets("\x02\x00\x00\x00\x00\x01"));  // all, at first
    assert_int_equal(COMMAND("\x00\x00\x00"), 0);
    assert_false(gets("\x02\x00\x00\x00\x00\x01"));
    assert_true(gets("\x52\x54\x00\x12\x34\x58"));
    assert_true(gets("\xff\xff\xff\xff\xff\xff"));
    assert_false(gets("\x33\x33\x00\x00\x00\x01"));
    assert_int_equal(COMMAND("\x01\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x01\x01\x00\x00\x00\x33\x33\x00\x00\x00\x01"), 0);
    assert_true(gets("\x02\x00\x00\x00\x00\x01"));
    assert_true(gets("\x33\x33\x00\x00\x00\x01"));
    assert_false(gets("\x33\x33\x00\x00\x00\x02"));
    assert_int_equal(COMMAND("\x00\x01\x01"), 0);
    assert_true(gets("\x33\x33\x00\x00\x00\x02"));
    assert_int_equal(COMMAND("\x00\x05\x01"), 0);
    assert_false(gets("\xff\xff\xff\xff\xff\xff"));
    assert_int_equal(COMMAND("\x01\x01\x02\x00\x00\x00\x00\x09"), 0);
    assert_true(gets("\x02\x00\x00\x00\x00\x09"));
    uint8_t mac[6];
    vdev->ops->config_read(vdev, 0, mac, 6);
    assert_memory_equal(mac, "\x02\x00\x00\x00\x00\x09", 6);
}

static void vlans_are_filtered(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    fill_incoming();
    give_buffers(0, SIZE, 100);
    assert_int_equal(COMMAND("\x00\x00\x00"), 0);
    memcpy(incoming + 12, "\x81\x00\x60\x05", 4);  // VLAN 5, with a priority
    assert_false(gets("\x52\x54\x00\x12\x34\x58"));
    assert_int_equal(COMMAND("\x02\x00\x05\x00"), 0);
    assert_true(gets("\x52\x54\x00\x12\x34\x58"));
    assert_int_equal(COMMAND("\x02\x01\x05\x00"), 0);
    assert_false(gets("\x52\x54\x00\x12\x34\x58"));
    assert_int_equal(COMMAND("\x02\x00\x00\x10"), 1);
}

static void commands_that_are_refused(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    assert_int_equal(COMMAND("\x09\x00"), 1);
    assert_int_equal(COMMAND("\xff\xff\x00"), 1);
    assert_int_equal(COMMAND("\x00\x06\x00"), 1);
    assert_int_equal(COMMAND("\x00\x00\x00\x00"), 1);
    assert_int_equal(COMMAND("\x01\x00\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01"), 1);
    assert_int_equal(COMMAND("\x01\x00\x00\x00\x00\x00\x00\x00\x00"), 1);
    assert_int_equal(COMMAND("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 1);
    assert_int_equal(COMMAND("\x01\x02\x00"), 1);
    assert_int_equal(COMMAND("\x03\x00"), 1);  // nothing to be announced
    assert_int_equal(COMMAND("\x04\x00\x00\x00"), 1);
    assert_int_equal(COMMAND("\x04\x00\x03\x00"), 1);
    assert_int_equal(COMMAND("\x05\x00\xff\xff\xff\xff\xff\xff\xff\xff"), 1);
    assert_int_equal(counting.failures, 0);
    descriptor(&d[CONTROL], 5, buffer(CONTROL, 0), 1, D_WRITE, 0);
    make_available(&d[CONTROL], 5);
    kick(CONTROL);
    assert_int_equal(counting.failures, 1);
}

static void offloads_can_be_switched_off(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    assert_int_equal(back_end.net.front_takes,
                     NET_TAKES_CHECKSUM | NET_TAKES_TCP4 | NET_TAKES_TCP6 | NET_TAKES_ECN);
    assert_int_equal(COMMAND("\x05\x00\x02\x00\x00\x00\x00\x00\x00\x00"), 0);
    assert_int_equal(back_end.net.front_takes, NET_TAKES_CHECKSUM);
    fill_incoming();
    give_buffers(0, SIZE, 100);
    assert_true(receive((struct net_frame){.checksum_needed = true, .gso = NET_GSO_TCP4}, 600));
    assert_int_equal(used_index(&d[0]), 0);  // it would not understand
}

// What one driver has set is nothing to the next (2.4.1).
static void a_drivers_reset_forgets_what_it_set(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    assert_int_equal(COMMAND("\x00\x00\x00"), 0);
    assert_int_equal(COMMAND("\x04\x00\x02\x00"), 0);
    assert_int_equal(COMMAND("\x01\x01\x02\x00\x00\x00\x00\x07"), 0);
    assert_int_equal(card->mac[5], 7);
    virtio_device_stop(vdev);
    settle();
    assert_true(card->promiscuous);
    assert_int_equal(card->pairs, 1);
    assert_int_equal(card->mac[5], 0x58);
    begin(BIT(VIRTIO_NET_F_CTRL_VQ));
    assert_int_equal(back_end.net.front_takes, 0);  // the new driver doesn't understand large frames
}

static void answers_come_to_the_pair_that_asked(void **state)
{
    (void)state;
    begin(UINT64_MAX);
    assert_int_equal(COMMAND("\x04\x00\x02\x00"), 0);
    fill_incoming();
    give_buffers(0, 4, 200);
    give_buffers(2, 4, 200);
    uint8_t *frame = guest(&m, buffer(3, 0) + HEADER);
    struct net_header header = {0};
    static const uint8_t ip[] = {8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2,
                                 0x9c, 0x40, 0, 80};
    transmit(1, &header, 100);
    memcpy(frame + 12, ip, sizeof ip);  // what the test's pattern was, is now TCP
    make_available(&d[3], 0);
    kick(3);
    memcpy(incoming + 12, ip, sizeof ip);
    memcpy(incoming + 26, ip + 18, 4);
    memcpy(incoming + 30, ip + 14, 4);
    memcpy(incoming + 34, ip + 24, 2);
    memcpy(incoming + 36, ip + 22, 2);
    assert_true(receive((struct net_frame){0}, 100));
    assert_int_equal(used_index(&d[2]), 1);
    assert_int_equal(used_index(&d[0]), 0);
    assert_int_equal(counting.interrupts[2], 1);
}

static void without_mq_the_control_queue_is_the_third(void **state)
{
    (void)state;
    begin(UINT64_MAX & ~BIT(VIRTIO_NET_F_MQ));
    memcpy(guest(&m, buffer(2, 0)), "\x00\x00\x00", 3);
    descriptor(&d[2], 0, buffer(2, 0), 3, D_NEXT, 1);
    descriptor(&d[2], 1, buffer(2, 1), 1, D_WRITE, 0);
    make_available(&d[2], 0);
    kick(2);
    assert_int_equal(used_index(&d[2]), 1);
    assert_false(card->promiscuous);
    device_reset(&vdev->dev);
    assert_true(card->promiscuous);
}

static void a_stream_that_lies_is_refused(void **state)
{
    (void)state;
    assert_int_equal(device_loaded(&vdev->dev, NULL), 0);
    card->pairs = PAIRS + 1;
    assert_int_equal(device_loaded(&vdev->dev, NULL), -EINVAL);
    card->pairs = 1;
    card->multicasts = NET_MACS_MAX + 1;
    assert_int_equal(device_loaded(&vdev->dev, NULL), -EINVAL);
}

static void after_loading_the_guest_announces_itself(void **state)
{
    (void)state;
    assert_int_equal(device_loaded(&vdev->dev, NULL), 0);
    begin(UINT64_MAX);
    assert_int_equal(counting.config_changes, 1);
    uint8_t status;
    vdev->ops->config_read(vdev, 6, &status, 1);
    assert_int_equal(status, NET_LINK_UP | NET_ANNOUNCE);
    assert_int_equal(COMMAND("\x03\x00"), 0);
    vdev->ops->config_read(vdev, 6, &status, 1);
    assert_int_equal(status, NET_LINK_UP);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_offers_what_the_back_end_takes),
        CASE(the_configuration_says_it),
        CASE(a_frame_is_sent),
        CASE(many_frames_are_one_interrupt),
        CASE(headers_that_lie_are_dropped),
        CASE(offloads_that_were_not_negotiated),
        CASE(a_frame_is_received),
        CASE(a_large_frame_fills_several_buffers),
        CASE(without_room_nothing_is_used_and_the_back_end_hears_of_it_later),
        CASE(what_never_fits_is_dropped),
        CASE(without_merging_a_frame_has_one_buffer),
        CASE(a_pause_keeps_frames_and_a_reset_drops_them),
        CASE(only_wanted_frames_come),
        CASE(vlans_are_filtered),
        CASE(commands_that_are_refused),
        CASE(offloads_can_be_switched_off),
        CASE(a_drivers_reset_forgets_what_it_set),
        CASE(answers_come_to_the_pair_that_asked),
        CASE(without_mq_the_control_queue_is_the_third),
        CASE(a_stream_that_lies_is_refused),
        CASE(after_loading_the_guest_announces_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
