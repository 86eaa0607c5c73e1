// SPDX-License-Identifier: GPL-2.0-or-later
//
// The user-mode network, `-netdev user`: a NAT in this process, by libslirp. The guest gets an address by
// DHCP and reaches what the process can reach, through ordinary sockets; 10.0.2.2 is the host itself.
// Outside reaches the guest by forwarding rules only.
//
// TCP to and from the guest goes in pieces of up to 64 KiB: of a guest's SYN the maximum segment
// size is raised before libslirp sees it, and what libslirp then sends in one piece goes on with
// a note to cut it into the size that the guest had asked for (net.h's gso).
//
// Threads: open, close, and forwarding rules are the main thread's, which must not be a mem reader that is
// online then; the rest happens on the I/O thread that was handed in, where all cards of the back end
// live too.
#pragma once

#include "guest/net/net.h"

enum net_user_switch { NET_USER_AUTO, NET_USER_ON, NET_USER_OFF };

// As the properties of -netdev user; a null string or pointer is one that was not given. Nothing is kept.
struct net_user_config {
    bool restricted;
    enum net_user_switch ipv4, ipv6;
    const char *net;                     // "10.0.2.0/24", "10.0.2.0/255.255.255.0"
    const char *host, *dhcpstart, *dns;
    const char *ipv6_net;                // "fec0::/64", or ipv6_prefix and its length (0: 64)
    const char *ipv6_prefix;
    int64_t ipv6_prefix_length;
    const char *ipv6_host, *ipv6_dns;
    const char *hostname, *domainname;   // of the guest, by DHCP
    const char *const *dnssearch;        // ends with a null pointer, as the next two
    const char *const *hostfwd;          // "tcp:127.0.0.1:2222-:22"
    const char *const *guestfwd;         // "tcp:10.0.2.100:80-cmd:COMMAND"
    const char *tftp, *bootfile, *tftp_server_name;
};

// Null and QEMU's sentence.
struct net *net_user_open(const struct net_user_config *config, const char *id, struct io_thread *thread,
                          struct err *err);

// Of a net that net_user_open made (its ops->name is "user").
int net_user_add_hostfwd(struct net *net, const char *rule, struct err *err);
// "tcp:127.0.0.1:2222", as hostfwd_remove has it. -EINVAL: no rule; -ENOENT: there is none of that.
int net_user_remove_hostfwd(struct net *net, const char *rule, struct err *err);
// For `info usernet`; the caller frees it. Null: no memory.
char *net_user_connections(struct net *net);
