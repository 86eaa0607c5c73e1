// SPDX-License-Identifier: GPL-2.0-or-later
//
// Checksums, packets, and what -netdev user says about addresses and rules.
#include "tests/unit/device_bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "guest/net/net.h"
#include "guest/net/packet.h"
#include "guest/net/user_address.h"

static uint16_t slow_sum(const uint8_t *bytes, size_t size_bytes)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum += i & 1 ? bytes[i] : bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void sums_are_right(void **state)
{
    (void)state;
    uint8_t bytes[300];
    for (unsigned round = 0; round < 2000; round++) {
        unsigned from = rand() % 8, size_bytes = rand() % (sizeof bytes - 8);
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = round % 3 ? rand() : 0xff;
        uint16_t fast = net_fold(net_sum(0, bytes + from, size_bytes));
        assert_int_equal(net_get16((uint8_t *)&fast), slow_sum(bytes + from, size_bytes));
    }
}

static void a_checksum_is_filled_in_within_the_frame_only(void **state)
{
    (void)state;
    uint8_t bytes[64];
    memset(bytes, 0xa5, sizeof bytes);
    uint8_t before[64];
    memcpy(before, bytes, sizeof bytes);
    net_fill_checksum(bytes, sizeof bytes, 60, 3);
    net_fill_checksum(bytes, sizeof bytes, 65535, 65535);
    net_fill_checksum(bytes, 1, 0, 0);
    assert_memory_equal(bytes, before, sizeof bytes);
    net_fill_checksum(bytes, sizeof bytes, 60, 2);  // of a5a5 a5a5 is 4b4b
    assert_int_equal(net_get16(bytes + 62), 0xb4b4);
    memset(bytes, 0, sizeof bytes);
    net_put16(bytes + 10, 0xffff);
    net_fill_checksum(bytes, sizeof bytes, 0, 2);
    assert_int_equal(net_get16(bytes + 2), 0xffff);  // never 0
}

static uint32_t tcp_syn(uint8_t *bytes, const uint8_t *options, unsigned options_bytes)
{
    memset(bytes, 0, 100);
    net_put16(bytes + 12, 0x0800);
    bytes[14] = 0x45;
    net_put16(bytes + 16, 40 + options_bytes);
    bytes[23] = NET_PROTOCOL_TCP;
    bytes[34 + 12] = (20 + options_bytes) / 4 << 4;
    bytes[34 + 13] = NET_TCP_SYN;
    memcpy(bytes + 54, options, options_bytes);
    return 54 + options_bytes;
}

static void headers_are_found(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct net_packet p;
    uint32_t size_bytes = tcp_syn(bytes, (uint8_t[]){1, 1, 1, 2, 4, 5, 180, 0}, 8);
    assert_true(net_parse(bytes, size_bytes, &p));
    assert_int_equal(p.transport, 34);
    assert_int_equal(p.payload, 62);
    assert_int_equal(p.end, 62);
    assert_ptr_equal(net_tcp_mss(bytes, &p), bytes + 34 + 20 + 5);
    for (uint32_t i = 0; i < size_bytes; i++)
        assert_false(net_parse(bytes, i, &p));
    bytes[34 + 12] = 0xf0;  // a header longer than the packet
    assert_true(net_parse(bytes, size_bytes, &p));
    assert_int_equal(p.transport, 0);
    bytes[14] = 0x44;
    assert_false(net_parse(bytes, size_bytes, &p));
    bytes[14] = 0x45;
    bytes[20] = 0x20;  // more fragments
    assert_true(net_parse(bytes, size_bytes, &p));
    assert_true(p.fragment && !p.transport);
}

static void options_that_lead_nowhere(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct net_packet p;
    static const uint8_t options[][4] = {{2, 0, 0, 0}, {2, 1, 0, 0}, {2, 5, 0, 0}, {0, 2, 4, 5}, {1, 1, 1, 2},
                                         {3, 3, 7, 2}, {1, 1, 2, 4}, {2, 3, 1, 1}, {254, 255, 0, 0}};
    for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
        uint32_t size_bytes = tcp_syn(bytes, options[i], 4);
        assert_true(net_parse(bytes, size_bytes, &p));
        assert_null(net_tcp_mss(bytes, &p));
    }
    uint32_t size_bytes = tcp_syn(bytes, (uint8_t[]){2, 4, 5, 180}, 4);
    bytes[34 + 13] = 0x10;  // no SYN
    assert_true(net_parse(bytes, size_bytes, &p));
    assert_null(net_tcp_mss(bytes, &p));
}

static void any_bytes_are_parsed(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint32_t size_bytes = rand() % 120;
        uint8_t *bytes = malloc(size_bytes + 1);
        for (uint32_t i = 0; i < size_bytes; i++)
            bytes[i] = rand();
        if (size_bytes > 24) {
            net_put16(bytes + 12, round & 1 ? 0x0800 : 0x86dd);
            bytes[14] = round & 1 ? 0x45 : 0x60;
            net_put16(bytes + (round & 1 ? 16 : 18), rand() % 120);
            bytes[round & 1 ? 23 : 20] = NET_PROTOCOL_TCP;
        }
        uint8_t *exact = realloc(bytes, size_bytes ? size_bytes : 1);
        struct net_packet p;
        if (net_parse(exact, size_bytes, &p)) {
            assert_true(p.end <= size_bytes && p.payload <= p.end && p.transport <= p.payload);
            net_tcp_mss(exact, &p);
        }
        free(exact);
    }
}

static void refused(const char *sentence, const struct net_user_config *config)
{
    struct user_addresses a;
    struct err err = {0};
    int rc = user_addresses(config, &a, &err);
    if (rc == 0)
        rc = user_check_names(config, &err);
    assert_int_equal(rc, -EINVAL);
    assert_string_equal(err.text, sentence);
}

#define REFUSED(sentence, ...) refused(sentence, &(struct net_user_config){__VA_ARGS__})

static void addresses_that_qemu_refuses(void **state)
{
    (void)state;
    char long_name[300] = {0};
    memset(long_name, 'b', 256);
    REFUSED("Failed to parse netmask", .net = "bad");
    REFUSED("Invalid netmask provided (must be in range 4-32)", .net = "10.0.0.0/3");
    REFUSED("Invalid netmask provided (must be in range 4-32)", .net = "10.0.0.0/33");
    REFUSED("Failed to parse netmask (trailing chars)", .net = "10.0.0.0/24x");
    REFUSED("Failed to parse host", .host = "x");
    REFUSED("Host doesn't belong to network", .host = "1.1.1.1");
    REFUSED("Failed to parse DNS", .dns = "x");
    REFUSED("DNS must be different from host", .dns = "10.0.2.2");
    REFUSED("DNS doesn't belong to network", .dns = "1.1.1.1", .restricted = true);
    REFUSED("Failed to parse DHCP start address", .dhcpstart = "x");
    REFUSED("DHCP doesn't belong to network", .dhcpstart = "1.1.1.1");
    REFUSED("DHCP must be different from host and DNS", .dhcpstart = "10.0.2.3");
    REFUSED("IPv4 and IPv6 disabled", .ipv4 = NET_USER_OFF, .ipv6 = NET_USER_OFF);
    REFUSED("IPv4 disabled but netmask/host/dns provided", .ipv4 = NET_USER_OFF, .net = "10.0.0.0/8");
    REFUSED("IPv6 disabled but prefix/host6/dns6 provided", .ipv6 = NET_USER_OFF, .ipv6_net = "fec0::");
    REFUSED("Failed to parse IPv6 prefix", .ipv6_net = "x");
    REFUSED("Invalid IPv6 prefix provided (IPv6 prefix length must be between 0 and 126)",
            .ipv6_net = "fec0::/127");
    REFUSED("Parameter 'ipv6-prefixlen' expects a number", .ipv6_net = "fec0::/xx");
    REFUSED("Failed to parse IPv6 host", .ipv6_host = "x");
    REFUSED("IPv6 Host doesn't belong to network", .ipv6_host = "fe80::1");
    REFUSED("Failed to parse IPv6 DNS", .ipv6_dns = "x");
    REFUSED("IPv6 DNS doesn't belong to network", .ipv6_dns = "fe80::1", .restricted = true);
    REFUSED("'domainname' parameter cannot be empty", .domainname = "");
    REFUSED("'domainname' parameter cannot exceed 255 bytes", .domainname = long_name);
    REFUSED("'vhostname' parameter cannot exceed 255 bytes", .hostname = long_name);
    REFUSED("'tftp-server-name' parameter cannot exceed 255 bytes", .tftp_server_name = long_name);
    REFUSED("'bootfile' parameter cannot exceed 127 bytes", .bootfile = long_name);
}

static const char *name(struct in_addr address)
{
    static char text[INET_ADDRSTRLEN];
    return inet_ntop(AF_INET, &address, text, sizeof text);
}

static void addresses_are_filled_up(void **state)
{
    (void)state;
    struct user_addresses a;
    assert_int_equal(user_addresses(&(struct net_user_config){0}, &a, NULL), 0);
    assert_true(a.ipv4 && a.ipv6);
    assert_string_equal(name(a.net), "10.0.2.0");
    assert_string_equal(name(a.host), "10.0.2.2");
    assert_string_equal(name(a.dhcp), "10.0.2.15");
    assert_string_equal(name(a.dns), "10.0.2.3");
    assert_int_equal(a.prefix6_length, 64);
    assert_int_equal(a.host6.s6_addr[15], 2);
    assert_int_equal(user_addresses(&(struct net_user_config){.net = "192.168.7.9"}, &a, NULL), 0);
    assert_string_equal(name(a.mask), "255.255.0.0");
    assert_string_equal(name(a.host), "192.168.2.2");
    assert_int_equal(user_addresses(&(struct net_user_config){.net = "10.9.0.0/255.255.0.0"}, &a, NULL), 0);
    assert_string_equal(name(a.dhcp), "10.9.2.15");
    assert_int_equal(user_addresses(&(struct net_user_config){.ipv4 = NET_USER_ON}, &a, NULL), 0);
    assert_true(a.ipv4 && !a.ipv6);
    assert_int_equal(user_addresses(&(struct net_user_config){.ipv6_net = "fd00:1::/48"}, &a, NULL), 0);
    assert_int_equal(a.prefix6_length, 48);
}

static void rules_that_qemu_refuses(void **state)
{
    (void)state;
    static const struct { const char *rule, *why; } rules[] = {
        {"", "No : separators"}, {"bad", "No : separators"}, {"x::", "Bad protocol name"},
        {"tcp:", "Missing : separator"}, {"tcp::22", "Bad host port separator"},
        {"tcp:1.2.3.x:80-:22", "Bad host address"}, {"tcp::80x-:22", "Bad host port"},
        {"tcp::70000-:22", "Bad host port"}, {"tcp::-1-:22", "Bad guest address"},
        {"tcp::2222-22", "Missing guest address"}, {"tcp::2222-x:22", "Bad guest address"},
        {"tcp::2222-:0", "Bad guest port"}, {"tcp::2222-:22x", "Bad guest port"}, {"tcp::2222-:", "Bad guest port"},
        {"tcp::2222-:65536", "Bad guest port"},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        struct user_forward f;
        struct err err = {0};
        char sentence[200];
        snprintf(sentence, sizeof sentence, "Invalid host forwarding rule '%s' (%s)", rules[i].rule, rules[i].why);
        assert_int_equal(user_parse_hostfwd(rules[i].rule, &f, &err), -EINVAL);
        assert_string_equal(err.text, sentence);
    }
}

static void rules_are_read(void **state)
{
    (void)state;
    struct user_forward f;
    struct user_guestfwd g;
    struct err err = {0};
    assert_int_equal(user_parse_hostfwd("udp:127.0.0.1:0x50-10.0.2.16:53", &f, NULL), 0);
    assert_true(f.udp && f.host_port == 80 && f.guest_port == 53);
    assert_string_equal(name(f.host), "127.0.0.1");
    assert_string_equal(name(f.guest), "10.0.2.16");
    assert_int_equal(user_parse_hostfwd("::-:22", &f, NULL), 0);
    assert_true(!f.udp && f.host_port == 0 && f.host.s_addr == 0);
    assert_int_equal(user_parse_hostfwd_end("tcp::2222", &f, NULL), 0);
    assert_int_equal(user_parse_hostfwd_end("tcp:2222", &f, NULL), -EINVAL);
    assert_int_equal(user_parse_guestfwd("tcp:10.0.2.100:80-cmd:nc a-b:c", &g, NULL), 0);
    assert_string_equal(g.command, "nc a-b:c");
    assert_int_equal(user_parse_guestfwd("udp:10.0.2.100:80-cmd:x", &g, &err), -EINVAL);
    assert_string_equal(err.text, "Invalid guest forwarding rule 'udp:10.0.2.100:80-cmd:x'");
    assert_int_equal(user_parse_guestfwd("tcp:10.0.2.100:80-chardev", &g, NULL), -ENOTSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_right),
        cmocka_unit_test(a_checksum_is_filled_in_within_the_frame_only),
        cmocka_unit_test(headers_are_found),
        cmocka_unit_test(options_that_lead_nowhere),
        cmocka_unit_test(any_bytes_are_parsed),
        cmocka_unit_test(addresses_that_qemu_refuses),
        cmocka_unit_test(addresses_are_filled_up),
        cmocka_unit_test(rules_that_qemu_refuses),
        cmocka_unit_test(rules_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
