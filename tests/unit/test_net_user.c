// SPDX-License-Identifier: GPL-2.0-or-later
//
// A guest made of hand-written frames on libslirp's network: ARP, DHCP, UDP both ways, and a TCP connection
// to a server on the host's loopback.
#include "tests/unit/device_bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/net/packet.h"
#include "guest/net/user.h"
#include "guest/net/user_fragments.h"

enum { FRAMES = 64, WAIT_MS = 5000, MSS = 1460 };

struct received {
    uint8_t bytes[NET_FRAME_BYTES_MAX];
    struct net_frame frame;
};

static struct io_thread *thread;
static struct net *net;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct received *received[FRAMES];
static unsigned received_count, seen, flushes;
static bool full;

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static uint8_t host_mac[6] = {0x52, 0x55, 10, 0, 2, 2};

static bool receive(void *opaque, const struct net_frame *frame)
{
    (void)opaque;
    pthread_mutex_lock(&lock);
    bool taken = !full;
    if (taken && received_count < FRAMES) {
        struct received *r = malloc(sizeof *r);
        r->frame = *frame;
        net_gather(frame, r->bytes, sizeof r->bytes);
        received[received_count++] = r;
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

static void flush(void *opaque)
{
    (void)opaque;
    pthread_mutex_lock(&lock);
    flushes++;
    pthread_mutex_unlock(&lock);
}

static const struct net_front front = {receive, flush, NULL};

static unsigned front_takes;
static void attach(void *opaque) { net_attach(net, opaque, NULL, front_takes); }

static void begin(const struct net_user_config *config)
{
    struct err err = {0};
    received_count = seen = flushes = 0;
    full = false;
    front_takes = NET_TAKES_CHECKSUM | NET_TAKES_TCP4 | NET_TAKES_TCP6;
    thread = io_thread_create("net", NULL, NULL);
    net = net_user_open(config, "n", thread, &err);
    assert_string_equal(err.text, "");
    assert_non_null(net);
    io_thread_call(thread, attach, (void *)&front);
}

static void end(void)
{
    io_thread_call(thread, attach, NULL);
    net_close(net);
    io_thread_destroy(thread);
    for (unsigned i = 0; i < received_count; i++)
        free(received[i]);
}

struct sending {
    uint8_t *bytes;
    struct net_frame frame;
};

static void send_inside(void *opaque)
{
    struct sending *s = opaque;
    struct iovec iov[2] = {{s->bytes, 20}, {s->bytes + 20, s->frame.size_bytes - 20}};
    s->frame.iov = iov;
    s->frame.iov_count = 2;
    net_send(net, &s->frame);
}

// checksum_start: 0 for none.
static void send_frame(uint8_t *bytes, uint32_t size_bytes, uint16_t checksum_start, uint16_t checksum_offset)
{
    struct sending s = {bytes, {.size_bytes = size_bytes, .checksum_needed = checksum_start,
                                .checksum_start = checksum_start, .checksum_offset = checksum_offset}};
    io_thread_call(thread, send_inside, &s);
}

static struct received *next_frame(void)
{
    for (unsigned i = 0; i < WAIT_MS; i++, usleep(1000)) {
        pthread_mutex_lock(&lock);
        struct received *r = seen < received_count ? received[seen++] : NULL;
        pthread_mutex_unlock(&lock);
        if (r)
            return r;
    }
    fail_msg("no frame");
    return NULL;
}

// The next one of that protocol, from or to that port.
static struct received *next_packet(uint8_t protocol, uint16_t port, struct net_packet *p)
{
    for (;;) {
        struct received *r = next_frame();
        if (net_parse(r->bytes, r->frame.size_bytes, p) && !p->ipv6 && p->protocol == protocol &&
            p->transport && (net_get16(r->bytes + p->transport) == port ||
                             net_get16(r->bytes + p->transport + 2) == port))
            return r;
    }
}

static void ethernet(uint8_t *bytes, const uint8_t *to, uint16_t type)
{
    memcpy(bytes, to, 6);
    memcpy(bytes + 6, guest_mac, 6);
    net_put16(bytes + 12, type);
}

static uint32_t address(const char *text) { return inet_addr(text); }

static void ip_header(uint8_t *bytes, uint8_t protocol, uint32_t from, uint32_t to, uint32_t payload_bytes)
{
    ethernet(bytes, host_mac, 0x0800);
    uint8_t *ip = bytes + 14;
    memset(ip, 0, 20);
    ip[0] = 0x45;
    net_put16(ip + 2, 20 + payload_bytes);
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, &from, 4);
    memcpy(ip + 16, &to, 4);
    net_fill_checksum(ip, 20, 0, 10);
}

static uint32_t udp(uint8_t *bytes, uint32_t from, uint32_t to, uint16_t from_port, uint16_t to_port,
                    const void *data, uint32_t data_bytes)
{
    ip_header(bytes, NET_PROTOCOL_UDP, from, to, 8 + data_bytes);
    uint8_t *header = bytes + 34;
    net_put16(header, from_port);
    net_put16(header + 2, to_port);
    net_put16(header + 4, 8 + data_bytes);
    net_put16(header + 6, 0x1234);  // a part of a sum, as Linux leaves it
    memcpy(header + 8, data, data_bytes);
    return 42 + data_bytes;
}

// Before anything else the guest must be known: libslirp asks who has an address.
static void arp_announce(void)
{
    uint8_t bytes[60] = {0};
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint32_t own = address("10.0.2.15"), host = address("10.0.2.2");
    ethernet(bytes, all, 0x0806);
    memcpy(bytes + 14, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
    memcpy(bytes + 22, guest_mac, 6);
    memcpy(bytes + 28, &own, 4);
    memcpy(bytes + 38, &host, 4);
    send_frame(bytes, sizeof bytes, 0, 0);
}

static void arp_is_answered(void **state)
{
    (void)state;
    begin(&(struct net_user_config){.ipv4 = NET_USER_ON});
    arp_announce();
    struct received *r = next_frame();
    assert_int_equal(net_get16(r->bytes + 12), 0x0806);
    assert_int_equal(net_get16(r->bytes + 20), 2);
    assert_memory_equal(r->bytes + 22, host_mac, 6);
    end();
}

static void dhcp_offers_an_address(void **state)
{
    (void)state;
    begin(&(struct net_user_config){.ipv4 = NET_USER_ON, .dhcpstart = "10.0.2.77", .hostname = "konuk"});
    uint8_t bytes[400], request[300] = {1, 1, 6, 0, 1, 2, 3, 4};
    memcpy(request + 28, guest_mac, 6);
    memcpy(request + 236, (uint8_t[]){99, 130, 83, 99, 53, 1, 1, 255}, 8);
    uint32_t size_bytes = udp(bytes, 0, 0xffffffff, 68, 67, request, sizeof request);
    send_frame(bytes, size_bytes, 34, 6);
    struct net_packet p;
    struct received *r = next_packet(NET_PROTOCOL_UDP, 68, &p);
    const uint8_t *reply = r->bytes + p.payload;
    assert_int_equal(reply[0], 2);
    assert_memory_equal(reply + 16, "\x0a\x00\x02\x4d", 4);
    assert_true(r->frame.checksum_good);
    end();
}

static int loopback_socket(int type, uint16_t *port)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_bytes = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_bytes), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static bool readable(int fd)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, WAIT_MS) == 1;
}

static void udp_goes_to_the_host_and_back(void **state)
{
    (void)state;
    begin(&(struct net_user_config){.ipv4 = NET_USER_ON});
    uint16_t port;
    int fd = loopback_socket(SOCK_DGRAM, &port);
    uint8_t bytes[200];
    char text[4000] = {0};
    arp_announce();
    uint32_t size_bytes = udp(bytes, address("10.0.2.15"), address("10.0.2.2"), 5000, port, "merhaba", 7);
    send_frame(bytes, size_bytes, 34, 6);
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof from;
    assert_true(readable(fd));
    assert_int_equal(recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &from_bytes), 7);
    assert_memory_equal(text, "merhaba", 7);

    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = i * 7;
    sendto(fd, text, 1000, 0, (struct sockaddr *)&from, from_bytes);
    struct net_packet p;
    struct received *r = next_packet(NET_PROTOCOL_UDP, 5000, &p);
    assert_int_equal(p.end - p.payload, 1000);
    assert_memory_equal(r->bytes + p.payload, text, 1000);

    sendto(fd, text, sizeof text, 0, (struct sockaddr *)&from, from_bytes);  // more than the link carries
    uint8_t whole[4008];
    unsigned got = 0;
    while (got < sizeof whole) {
        r = next_frame();
        assert_true(net_parse(r->bytes, r->frame.size_bytes, &p) && p.fragment);
        assert_true(r->frame.size_bytes <= 1514);
        assert_int_equal((uint16_t)~net_fold(net_sum(0, r->bytes + 14, 20)), 0);
        unsigned at = (net_get16(r->bytes + 20) & 0x1fff) * 8, part = p.end - 34;
        assert_true(at + part <= sizeof whole);
        memcpy(whole + at, r->bytes + 34, part);
        got += part;
        assert_int_equal(!!(r->bytes[20] & 0x20), got < sizeof whole);
    }
    assert_memory_equal(whole + 8, text, sizeof text);
    close(fd);
    end();
}

// The part [at, at + size_bytes) of the payload of an IP packet, in a frame of its own.
static void send_fragment(const uint8_t *whole, uint16_t id, uint32_t at, uint32_t size_bytes, bool more)
{
    uint8_t bytes[1600];
    memcpy(bytes, whole, 34);
    net_put16(bytes + 16, 20 + size_bytes);
    net_put16(bytes + 18, id);
    net_put16(bytes + 20, at / 8 | (more ? 0x2000 : 0));
    net_put16(bytes + 24, 0);
    net_fill_checksum(bytes + 14, 20, 0, 10);
    memcpy(bytes + 34, whole + 34 + at, size_bytes);
    send_frame(bytes, 34 + size_bytes, 0, 0);
}

static void fragments_are_put_together(void **state)
{
    (void)state;
    begin(&(struct net_user_config){.ipv4 = NET_USER_ON});
    uint16_t port;
    int fd = loopback_socket(SOCK_DGRAM, &port);
    uint8_t bytes[4000], text[3900], got[4000];
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = i * 11;
    arp_announce();
    udp(bytes, address("10.0.2.15"), address("10.0.2.2"), 5000, port, text, sizeof text);
    net_put16(bytes + 40, 0);  // no checksum
    uint32_t payload_bytes = 8 + sizeof text;
    send_fragment(bytes, 7, 2960, payload_bytes - 2960, false);
    send_fragment(bytes, 7, 1480, 1480, true);
    send_fragment(bytes, 7, 1480, 1480, true);
    send_fragment(bytes, 8, 0, 1480, true);  // another datagram's
    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 20), 0);
    send_fragment(bytes, 7, 0, 1480, true);
    assert_true(readable(fd));
    assert_int_equal(recv(fd, got, sizeof got, 0), sizeof text);
    assert_memory_equal(got, text, sizeof text);
    close(fd);
    end();
}

// As many as a guest likes to begin, and what can't be.
static void fragments_without_end_cost_nothing(void **state)
{
    (void)state;
    static struct user_fragments fragments;
    static uint8_t whole[NET_FRAME_BYTES_MAX], bytes[NET_FRAME_BYTES_MAX];
    struct net_packet p;
    ip_header(whole, NET_PROTOCOL_UDP, address("10.0.2.15"), address("10.0.2.2"), 16);
    for (unsigned i = 0; i < 5000; i++) {
        memcpy(bytes, whole, 50);
        net_put16(bytes + 18, i);
        net_put16(bytes + 20, i % 3 ? 0x2000 | (i & 0x1fff) : 0x1fff);
        assert_true(net_parse(bytes, 50, &p) && p.fragment);
        assert_int_equal(user_fragments_add(&fragments, bytes, &p, 1 + i), 0);
    }
    for (unsigned part = 0; part < 2; part++) {  // the first waits too long for the second
        memcpy(bytes, whole, 50);
        net_put16(bytes + 20, part ? 2 : 0x2000);
        assert_true(net_parse(bytes, 50, &p) && p.fragment);
        assert_int_equal(user_fragments_add(&fragments, bytes, &p, 5001 + part * UINT64_C(16000000000)), 0);
    }
    user_fragments_finish(&fragments);
}

static void a_forwarded_port_reaches_the_guest(void **state)
{
    (void)state;
    uint16_t port;
    char rule[64], removal[64];
    int probe = loopback_socket(SOCK_DGRAM, &port);
    snprintf(rule, sizeof rule, "udp:127.0.0.1:%u-:7000", port);
    snprintf(removal, sizeof removal, "udp:127.0.0.1:%u", port);
    struct err err = {0};
    const char *const rules[] = {rule, NULL};
    struct net_user_config config = {.ipv4 = NET_USER_ON, .hostfwd = rules};
    thread = io_thread_create("net", NULL, NULL);
    char sentence[128];
    snprintf(sentence, sizeof sentence, "Could not set up host forwarding rule '%s'", rule);
    assert_null(net_user_open(&config, "n", thread, &err));  // the port is in use
    assert_string_equal(err.text, sentence);
    io_thread_destroy(thread);
    close(probe);

    begin(&config);
    arp_announce();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sendto(fd, "selam", 5, 0, (struct sockaddr *)&to, sizeof to);
    struct net_packet p;
    struct received *r = next_packet(NET_PROTOCOL_UDP, 7000, &p);
    assert_memory_equal(r->bytes + p.payload, "selam", 5);
    uint32_t from;
    uint8_t bytes[200];
    char text[16];
    memcpy(&from, r->bytes + 26, 4);
    uint32_t size_bytes = udp(bytes, address("10.0.2.15"), from, 7000, net_get16(r->bytes + 34), "ok", 2);
    send_frame(bytes, size_bytes, 34, 6);
    assert_true(readable(fd));
    assert_int_equal(recv(fd, text, sizeof text, 0), 2);

    char *list = net_user_connections(net);
    assert_non_null(strstr(list, "UDP[HOST_FORWARD]"));
    free(list);
    assert_int_equal(net_user_add_hostfwd(net, rule, &err), -EADDRINUSE);
    assert_int_equal(net_user_remove_hostfwd(net, removal, NULL), 0);
    assert_int_equal(net_user_remove_hostfwd(net, removal, NULL), -ENOENT);
    assert_int_equal(net_user_add_hostfwd(net, rule, NULL), 0);
    close(fd);
    end();
}

// The guest's end of one TCP connection.
struct tcp {
    uint16_t own_port, port;
    uint32_t next, expected;  // sequence numbers
};

static void tcp_send(struct tcp *t, uint8_t flags, const uint8_t *data, uint32_t data_bytes, bool checksum)
{
    static uint8_t bytes[NET_FRAME_BYTES_MAX];
    unsigned options_bytes = flags & NET_TCP_SYN ? 4 : 0;
    uint32_t tcp_bytes = 20 + options_bytes + data_bytes;
    ip_header(bytes, NET_PROTOCOL_TCP, address("10.0.2.15"), address("10.0.2.2"), tcp_bytes);
    uint8_t *header = bytes + 34;
    memset(header, 0, 24);
    net_put16(header, t->own_port);
    net_put16(header + 2, t->port);
    memcpy(header + 4, &(uint32_t){htonl(t->next)}, 4);
    memcpy(header + 8, &(uint32_t){htonl(t->expected)}, 4);
    header[12] = (20 + options_bytes) / 4 << 4;
    header[13] = flags;
    net_put16(header + 14, 65000);
    if (options_bytes)
        memcpy(header + 20, (uint8_t[]){2, 4, MSS >> 8, MSS & 0xff}, 4);
    if (data_bytes)
        memcpy(header + 20 + options_bytes, data, data_bytes);
    struct net_packet p;
    assert_true(net_parse(bytes, 34 + tcp_bytes, &p));
    uint16_t sum = net_fold(net_pseudo_sum(bytes, &p, tcp_bytes));
    memcpy(header + 16, &sum, 2);
    if (!checksum)
        net_fill_checksum(bytes, 34 + tcp_bytes, 34, 16);
    send_frame(bytes, 34 + tcp_bytes, checksum ? 34 : 0, 16);
    t->next += data_bytes + !!(flags & NET_TCP_SYN);
}

static int tcp_connect(struct tcp *t, bool checksum)
{
    int server = loopback_socket(SOCK_STREAM, &t->port);
    assert_int_equal(listen(server, 1), 0);
    arp_announce();
    tcp_send(t, NET_TCP_SYN, NULL, 0, checksum);
    struct net_packet p;
    struct received *r = next_packet(NET_PROTOCOL_TCP, t->own_port, &p);
    assert_int_equal(p.tcp_flags, 0x12);
    uint32_t sequence;
    memcpy(&sequence, r->bytes + p.transport + 4, 4);
    t->expected = ntohl(sequence) + 1;
    tcp_send(t, 0x10, NULL, 0, false);
    assert_true(readable(server));
    int fd = accept(server, NULL, NULL);
    assert_true(fd >= 0);
    close(server);
    return fd;
}

// Takes this much, acknowledging; returns the largest piece.
static uint32_t tcp_take(struct tcp *t, uint8_t *to, uint32_t size_bytes)
{
    uint32_t largest = 0, got = 0;
    while (got < size_bytes) {
        struct net_packet p;
        struct received *r = next_packet(NET_PROTOCOL_TCP, t->own_port, &p);
        uint32_t part = p.end - p.payload, sequence;
        memcpy(&sequence, r->bytes + p.transport + 4, 4);
        if (!part || ntohl(sequence) != t->expected)
            continue;
        if (part > MSS) {
            assert_true(r->frame.checksum_needed && r->frame.gso == NET_GSO_TCP4);
            assert_int_equal(r->frame.gso_bytes, MSS);
            assert_int_equal(r->frame.header_bytes, p.payload);
            net_fill_checksum(r->bytes, p.end, r->frame.checksum_start, r->frame.checksum_offset);
        }
        uint64_t sum = net_pseudo_sum(r->bytes, &p, p.end - p.transport);
        assert_int_equal(net_fold(net_sum(sum, r->bytes + p.transport, p.end - p.transport)), 0xffff);
        memcpy(to + got, r->bytes + p.payload, part);
        got += part;
        t->expected += part;
        largest = part > largest ? part : largest;
        tcp_send(t, 0x10, NULL, 0, false);
    }
    return largest;
}

static void tcp_goes_in_large_pieces(void **state)
{
    (void)state;
    begin(&(struct net_user_config){.ipv4 = NET_USER_ON});
    struct tcp t = {.own_port = 40000, .next = 1000};
    int fd = tcp_connect(&t, true);
    static uint8_t data[60000], back[60000];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = rand();
    tcp_send(&t, 0x18, data, sizeof data, true);  // in one frame, to be cut
    for (unsigned got = 0; got < sizeof data; ) {
        assert_true(readable(fd));
        ssize_t part = recv(fd, back + got, sizeof back - got, 0);
        assert_true(part > 0);
        got += part;
    }
    assert_memory_equal(back, data, sizeof data);
    assert_int_equal(send(fd, data, sizeof data, 0), sizeof data);
    memset(back, 0, sizeof back);
    assert_true(tcp_take(&t, back, sizeof back) > 4 * MSS);
    assert_memory_equal(back, data, sizeof data);
    close(fd);
    end();
}

static void a_card_that_cuts_nothing_gets_small_pieces(void **state)
{
    (void)state;
    begin(&(struct net_user_config){.ipv4 = NET_USER_ON});
    front_takes = 0;
    io_thread_call(thread, attach, (void *)&front);
    struct tcp t = {.own_port = 40001, .next = 77};
    int fd = tcp_connect(&t, false);
    static uint8_t data[20000], back[20000];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = rand();
    assert_int_equal(send(fd, data, sizeof data, 0), sizeof data);
    assert_int_equal(tcp_take(&t, back, sizeof back), MSS);
    assert_memory_equal(back, data, sizeof data);
    close(fd);
    end();
}

static void give_room(void *opaque)
{
    (void)opaque;
    net_room(net);
}

static void what_has_no_room_waits_in_order(void **state)
{
    (void)state;
    begin(&(struct net_user_config){.ipv4 = NET_USER_ON});
    uint16_t port;
    int fd = loopback_socket(SOCK_DGRAM, &port);
    uint8_t bytes[200];
    char text[16];
    arp_announce();
    uint32_t size_bytes = udp(bytes, address("10.0.2.15"), address("10.0.2.2"), 5000, port, "x", 1);
    send_frame(bytes, size_bytes, 34, 6);
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof from;
    assert_int_equal(recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &from_bytes), 1);
    pthread_mutex_lock(&lock);
    full = true;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < 10; i++)
        sendto(fd, &i, sizeof i, 0, (struct sockaddr *)&from, from_bytes);
    usleep(50000);
    pthread_mutex_lock(&lock);
    full = false;
    pthread_mutex_unlock(&lock);
    io_thread_call(thread, give_room, NULL);
    for (unsigned i = 0; i < 10; i++) {
        struct net_packet p;
        struct received *r = next_packet(NET_PROTOCOL_UDP, 5000, &p);
        assert_memory_equal(r->bytes + p.payload, &i, sizeof i);
    }
    assert_true(flushes > 0);
    close(fd);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arp_is_answered),
        cmocka_unit_test(dhcp_offers_an_address),
        cmocka_unit_test(udp_goes_to_the_host_and_back), cmocka_unit_test(fragments_are_put_together),
        cmocka_unit_test(fragments_without_end_cost_nothing),
        cmocka_unit_test(a_forwarded_port_reaches_the_guest),
        cmocka_unit_test(tcp_goes_in_large_pieces),
        cmocka_unit_test(a_card_that_cuts_nothing_gets_small_pieces),
        cmocka_unit_test(what_has_no_room_waits_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
