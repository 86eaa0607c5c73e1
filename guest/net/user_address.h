// SPDX-License-Identifier: GPL-2.0-or-later
//
// What `-netdev user` says about addresses, checked and filled up as QEMU does, with its sentences.
#pragma once

#include <netinet/in.h>

#include "guest/net/user.h"

struct user_addresses {
    bool ipv4, ipv6;
    struct in_addr net, mask, host, dhcp, dns;
    struct in6_addr prefix6, host6, dns6;
    uint8_t prefix6_length;
};
int user_addresses(const struct net_user_config *config, struct user_addresses *a, struct err *err);

// The length of names and of files; domain names that DHCP can't carry.
int user_check_names(const struct net_user_config *config, struct err *err);

// hostfwd=[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport
struct user_forward {
    bool udp;
    struct in_addr host, guest;  // any: every address of the host; the first that DHCP gives
    uint16_t host_port, guest_port;
};
int user_parse_hostfwd(const char *rule, struct user_forward *f, struct err *err);
// The first half of one.
int user_parse_hostfwd_end(const char *rule, struct user_forward *f, struct err *err);

// guestfwd=[tcp]:server:port-cmd:command. The command is what remains of rule.
struct user_guestfwd {
    struct in_addr server;
    uint16_t port;
    const char *command;
};
int user_parse_guestfwd(const char *rule, struct user_guestfwd *g, struct err *err);
