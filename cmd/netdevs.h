// SPDX-License-Identifier: GPL-2.0-or-later
//
// The network back ends of this process: every -netdev, each on a thread of its own.
#pragma once

#include "guest/control/options.h"
#include "guest/net/net.h"

struct netdev {
    struct option_netdev *option;
    struct io_thread *thread;
    struct net *net;
    bool taken;  // a card uses it
};

int netdevs_open(struct options *options, struct err *err);  // the sentence names the option
struct netdev *netdevs_find(const char *id);                 // null: none
struct net *netdevs_unconnected(struct err *err);            // for a card without a back end
struct netdev *netdevs_each(unsigned index);                 // null: no more
// The event loop's thread; for struct inventory.
int netdevs_add_forward(struct net *net, const char *rule, struct err *err);
int netdevs_remove_forward(struct net *net, const char *rule, struct err *err);
char *netdevs_connections(struct net *net);
void netdevs_close(void);  // no card uses any
