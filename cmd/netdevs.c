// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/netdevs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/module.h"
#include "cmd/io_threads.h"
#include "guest/mem/mem.h"
#include "guest/net/user_module.h"

static struct netdev netdevs[OPTIONS_NETDEVS];
static unsigned count;
static const struct net_user_module *user;  // null: nothing needed it yet

struct netdev *netdevs_each(unsigned index)
{
    return index < count ? &netdevs[index] : NULL;
}

struct netdev *netdevs_find(const char *id)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(netdevs[i].option->id, id))
            return &netdevs[i];
    return NULL;
}

static void drop(struct net *net, const struct net_frame *frame)
{
    (void)net, (void)frame;
}

static void nothing_waits(struct net *net)
{
    (void)net;
}

static void describe_unconnected(struct net *net, char *text, size_t room)
{
    (void)net;
    snprintf(text, room, "not connected");
}

static void close_unconnected(struct net *net)
{
    free(net);
}

static struct net *unconnected[OPTIONS_DEVICES];
static unsigned unconnected_count;

// A cable that leads nowhere: what is sent is lost.
struct net *netdevs_unconnected(struct err *err)
{
    static const struct net_ops ops = {.name = "none", .send = drop, .room = nothing_waits,
                                       .describe = describe_unconnected, .close = close_unconnected};
    struct io_thread *thread = io_threads_shared(err);
    struct net *net = thread ? calloc(1, sizeof *net) : NULL;
    if (thread && !net)
        err_set(err, -ENOMEM, "no memory for a network");
    if (!net)
        return NULL;
    net->ops = &ops;
    net->thread = thread;
    return unconnected[unconnected_count++] = net;
}

// The values of a key that may come again, and a null pointer.
struct list {
    const char *value[KEYVALS_MAX + 1];
};

static const char *const *take_list(struct keyvals *kv, const char *key, struct list *list)
{
    unsigned at = 0, n = 0;
    for (const char *value; (value = keyvals_take_each(kv, key, &at));)
        list->value[n++] = value;
    list->value[n] = NULL;
    return list->value;
}

// The parser has checked that these are switches.
static enum net_user_switch take_switch(struct keyvals *kv, const char *key)
{
    bool on = false;
    if (!keyvals_take(kv, key))
        return NET_USER_AUTO;
    keyvals_bool(kv, key, &on, NULL);
    return on ? NET_USER_ON : NET_USER_OFF;
}

static void take_strings(struct keyvals *kv, struct net_user_config *c)
{
    const struct { const char *key, **to; } strings[] = {
        {"net", &c->net}, {"host", &c->host}, {"dhcpstart", &c->dhcpstart}, {"dns", &c->dns},
        {"ipv6-net", &c->ipv6_net}, {"ipv6-prefix", &c->ipv6_prefix}, {"ipv6-host", &c->ipv6_host},
        {"ipv6-dns", &c->ipv6_dns}, {"hostname", &c->hostname}, {"domainname", &c->domainname},
        {"tftp", &c->tftp}, {"bootfile", &c->bootfile}, {"tftp-server-name", &c->tftp_server_name},
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        *strings[i].to = keyvals_take(kv, strings[i].key);
}

static struct net *open_user(struct netdev *n, struct err *err)
{
    struct list searches, forwards, guest_forwards;
    struct keyvals *kv = &n->option->properties;
    struct net_user_config config = {
        .ipv4 = take_switch(kv, "ipv4"), .ipv6 = take_switch(kv, "ipv6"),
        .dnssearch = take_list(kv, "dnssearch", &searches),
        .hostfwd = take_list(kv, "hostfwd", &forwards),
        .guestfwd = take_list(kv, "guestfwd", &guest_forwards),
    };
    uint64_t prefix_length = 0;
    take_strings(kv, &config);
    int rc = keyvals_bool(kv, "restrict", &config.restricted, err);
    if (rc == 0)
        rc = keyvals_number(kv, "ipv6-prefixlen", &prefix_length, err);
    if (rc == 0 && !user)
        user = module_load(NET_USER_MODULE, err);
    if (rc < 0 || !user)
        return NULL;
    config.ipv6_prefix_length = prefix_length < INT64_MAX ? (int64_t)prefix_length : INT64_MAX;
    mem_thread_offline();
    struct net *net = user->open(&config, n->option->id, n->thread, err);
    mem_thread_online();
    return net;
}

static int open_one(struct option_netdev *option, struct err *err)
{
    char name[OPTIONS_ID_BYTES + 8];
    struct netdev *n = &netdevs[count];
    snprintf(name, sizeof name, "net-%s", option->id);
    *n = (struct netdev){.option = option, .thread = io_threads_create(name, err)};
    n->net = n->thread ? open_user(n, err) : NULL;
    if (!n->net)
        return options_blame(&option->use, -EINVAL, err);
    count++;
    return 0;
}

int netdevs_open(struct options *o, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < o->netdevs && rc == 0; i++)
        rc = open_one(&o->netdev[i], err);
    return rc;
}

int netdevs_add_forward(struct net *net, const char *rule, struct err *err)
{
    mem_thread_offline();
    int rc = user->add_hostfwd(net, rule, err);
    mem_thread_online();
    return rc;
}

int netdevs_remove_forward(struct net *net, const char *rule, struct err *err)
{
    mem_thread_offline();
    int rc = user->remove_hostfwd(net, rule, err);
    mem_thread_online();
    return rc;
}

char *netdevs_connections(struct net *net)
{
    mem_thread_offline();
    char *text = user->connections(net);
    mem_thread_online();
    return text;
}

void netdevs_close(void)
{
    mem_thread_offline();
    while (unconnected_count)
        net_close(unconnected[--unconnected_count]);
    while (count)
        net_close(netdevs[--count].net);
    mem_thread_online();
}
