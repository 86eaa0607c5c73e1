// SPDX-License-Identifier: GPL-2.0-or-later
//
// -netdev, and its older forms -nic and -net, which also make the card.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/device_types.h"
#include "guest/control/options.h"

// What of -nic and -net waits for the end: a card's properties, and the back end that it is for.
struct options_nic {
    struct option_use use;
    char netdev[OPTIONS_ID_BYTES];  // empty: the one of -net user
    struct keyvals properties;      // of -device
};
struct options_net {
    struct options_nic nic[OPTIONS_NETDEVS];
    unsigned nics;
    bool given;         // -nic or -net: there is no default card, as with a -netdev
    bool hub_has_nic;   // by -net nic
    char hub[OPTIONS_ID_BYTES];  // the back end of -net user
};

static const char *const later[] = {"tap", "socket", "stream", "dgram", "hubport", "l2tpv3", "vde", "bridge",
                                    "vhost-user", "vhost-vdpa", "netmap"};
// Keys of -netdev user that its back end understands, and those that QEMU has besides.
static const char *const user_keys[] = {"restrict", "net", "host", "hostname", "dhcpstart", "dns", "dnssearch",
                                        "domainname", "hostfwd", "guestfwd", "ipv4", "ipv6", "ipv6-net",
                                        "ipv6-prefix", "ipv6-prefixlen", "ipv6-host", "ipv6-dns", "tftp",
                                        "tftp-server-name", "bootfile"};
static const char *const user_later[] = {"smb", "smbserver"};

#define HOLDS(names, name) options_holds(names, sizeof names / sizeof names[0], name)

struct option_netdev *options_find_netdev(struct options *o, const char *id)
{
    for (unsigned i = 0; i < o->netdevs; i++)
        if (!strcmp(o->netdev[i].id, id))
            return &o->netdev[i];
    return NULL;
}

static int check_user_keys(struct keyvals *kv, bool json, struct err *err)
{
    bool ignored = false;
    static const char *const switches[] = {"restrict", "ipv4", "ipv6"};
    for (unsigned i = 0; i < kv->count; i++) {
        const char *key = kv->item[i].key;
        if (!strcmp(key, "type") || !strcmp(key, "id") || HOLDS(user_keys, key))
            continue;
        if (HOLDS(user_later, key))
            return err_set(err, -ENOTSUP, "%s is not supported yet", key);
        return err_set(err, -EINVAL, json ? "Parameter '%s' is unexpected" : "Invalid parameter '%s'", key);
    }
    int rc = 0;
    for (size_t i = 0; i < sizeof switches / sizeof switches[0] && rc == 0; i++)
        rc = keyvals_bool(kv, switches[i], &ignored, err);
    return rc;
}

static int check_type(const char *type, struct err *err)
{
    if (!type)
        return err_set(err, -EINVAL, "Parameter 'type' is missing");
    if (HOLDS(later, type))
        return err_set(err, -ENOTSUP, "type=%s is not supported yet", type);
    if (strcmp(type, "user"))
        return err_set(err, -EINVAL, "Parameter 'type' does not accept value '%s'", type);
    return 0;
}

static int add_netdev(struct options *o, const char *id, struct keyvals *kv, struct err *err)
{
    if (o->netdevs == OPTIONS_NETDEVS)
        return err_set(err, -EINVAL, "more than %d network back ends", OPTIONS_NETDEVS);
    struct option_netdev *n = &o->netdev[o->netdevs];
    *n = (struct option_netdev){.use = o->current};
    int rc = *id == '#' ? 0 : options_set_id(n->id, id, err);
    if (*id == '#')  // a name of our making
        snprintf(n->id, sizeof n->id, "%s", id);
    if (rc == 0 && options_find_netdev(o, n->id))
        rc = err_set(err, -EINVAL, "Duplicate ID '%s' for netdev", n->id);
    if (rc < 0)
        return rc;
    n->properties = *kv;
    *kv = (struct keyvals){0};
    o->netdevs++;
    return 0;
}

static int use_netdev(struct options *o, struct keyvals *kv, bool json, struct err *err)
{
    const char *type = keyvals_take(kv, "type"), *id = keyvals_take(kv, "id");
    if (!id)
        return err_set(err, -EINVAL, "Parameter 'id' is missing");
    int rc = check_type(type, err);
    if (rc == 0)
        rc = check_user_keys(kv, json, err);
    return rc < 0 ? rc : add_netdev(o, id, kv, err);
}

int option_netdev(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    if (options_is_help(argument)) {
        puts("Available netdev backend types:\nuser");
        o->then = OPTIONS_EXIT;
        return 0;
    }
    int rc = keyvals_parse_any(&kv, argument, "type", err);
    if (rc < 0)
        return rc;
    rc = use_netdev(o, &kv, *argument == '{', err);
    keyvals_finish(&kv);
    return rc;
}

static struct options_net *legacy(struct options *o, struct err *err)
{
    if (!o->net)
        o->net = calloc(1, sizeof *o->net);
    if (!o->net)
        err_set(err, -ENOMEM, "out of memory");
    else
        o->net->given = true;
    return o->net;
}

static bool is_mac(const char *text)
{
    unsigned byte[6];
    char end;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5],
               &end) != 6)
        return false;
    return strspn(text, "0123456789abcdefABCDEF:") == strlen(text);
}

static const char *nic_driver(const char *model)
{
    static const char *const models[] = {"virtio", "virtio-net-pci", "virtio-net-pci-non-transitional"};
    if (!model || !strcmp(model, models[0]))
        return models[1];
    return HOLDS(models, model) ? model : NULL;
}

static int check_model(struct options *o, const char *model, struct err *err)
{
    static const char *const unsupported[] = {"e1000", "e1000-82544gc", "e1000-82545em", "e1000e", "i82550",
        "i82551", "i82557a", "i82557b", "i82557c", "i82558a", "i82558b", "i82559a", "i82559b", "i82559c",
        "i82559er", "i82562", "i82801", "ne2k_pci", "ne2k_isa", "pcnet", "pvrdma", "rtl8139", "tulip"};
    if (HOLDS(unsupported, model))
        return err_set(err, -ENOTSUP, "model=%s is not supported yet", model);
    if (nic_driver(model))
        return 0;
    o->current.option = NULL;  // QEMU reads it when the machine is made
    return err_set(err, -EINVAL, "Unsupported NIC model: %s", model);
}

// A card's keys among those of -nic and -net nic, as properties of a -device.
static int take_card(struct options *o, struct options_nic *nic, struct keyvals *kv, struct err *err)
{
    static const char *const pairs[][2] = {{"mac", "mac"}, {"macaddr", "mac"}, {"vectors", "vectors"},
                                           {"addr", "addr"}};
    const char *model = keyvals_take(kv, "model");
    int rc = model ? check_model(o, model, err) : 0;
    if (rc == 0)
        rc = keyvals_set(&nic->properties, "driver", nic_driver(model), err);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && rc == 0; i++) {
        const char *value = keyvals_take(kv, pairs[i][0]);
        if (value && i < 2 && !is_mac(value))
            rc = err_set(err, -EINVAL, "invalid syntax for ethernet address");
        else if (value)
            rc = keyvals_set(&nic->properties, pairs[i][1], value, err);
    }
    return rc;
}

static int take_out(struct keyvals *kv, const char *key)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < kv->count; i++) {
        if (!strcmp(kv->item[i].key, key)) {
            free(kv->item[i].key);
            free(kv->item[i].value);
        } else {
            kv->item[kept++] = kv->item[i];
        }
    }
    kv->count = kept;
    return 0;
}

static int add_nic(struct options *o, struct options_net *net, struct keyvals *kv, const char *netdev,
                   struct err *err)
{
    static const char *const keys[] = {"model", "mac", "macaddr", "vectors", "addr"};
    if (net->nics == OPTIONS_NETDEVS)
        return err_set(err, -EINVAL, "Too Many NICs");
    struct options_nic *nic = &net->nic[net->nics++];
    *nic = (struct options_nic){.use = o->current};
    snprintf(nic->netdev, sizeof nic->netdev, "%s", netdev);
    int rc = take_card(o, nic, kv, err);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        take_out(kv, keys[i]);
    return rc;
}

static int use_nic(struct options *o, struct keyvals *kv, struct err *err)
{
    char id[OPTIONS_ID_BYTES];
    struct options_net *net = legacy(o, err);
    const char *type = keyvals_take(kv, "type"), *given = keyvals_take(kv, "id");
    if (!net)
        return -ENOMEM;
    if (type && !strcmp(type, "none"))
        return 0;
    snprintf(id, sizeof id, "#net%03u", o->netdevs);
    if (given && options_set_id(id, given, err) < 0)
        return -EINVAL;
    int rc = check_type(type ? type : "user", err);
    if (rc == 0)
        rc = add_nic(o, net, kv, id, err);
    if (rc == 0)
        rc = check_user_keys(kv, false, err);
    return rc < 0 ? rc : add_netdev(o, id, kv, err);
}

static int with_net_keys(struct options *o, const char *argument,
                         int (*use)(struct options *o, struct keyvals *kv, struct err *err), struct err *err)
{
    struct keyvals kv;
    int rc = keyvals_parse(&kv, argument, "type", err);
    if (rc < 0)
        return rc;
    const char *model = keyvals_take(&kv, "model");
    if (model && options_is_help(model)) {
        puts("Supported NIC models:\nvirtio-net-pci\nvirtio-net-pci-non-transitional");
        o->then = OPTIONS_EXIT;
    } else {
        rc = use(o, &kv, err);
    }
    keyvals_finish(&kv);
    return rc;
}

int option_nic(struct options *o, const char *argument, struct err *err)
{
    return with_net_keys(o, argument, use_nic, err);
}

// "-net nic" and "-net user" meet on a hub, which here is a wire between two.
static int use_net_nic(struct options *o, struct options_net *net, struct keyvals *kv, struct err *err)
{
    const char *netdev = keyvals_take(kv, "netdev");
    keyvals_take(kv, "name");
    if (netdev && !options_find_netdev(o, netdev))
        return err_set(err, -EINVAL, "netdev '%s' not found", netdev);
    if (!netdev && net->hub_has_nic)
        return err_set(err, -ENOTSUP, "a second card on the hub is not supported yet (use -nic)");
    net->hub_has_nic |= !netdev;
    int rc = add_nic(o, net, kv, netdev ? netdev : "", err);
    return rc < 0 ? rc : keyvals_all_taken(kv, err);
}

static int use_net(struct options *o, struct keyvals *kv, struct err *err)
{
    struct options_net *net = legacy(o, err);
    const char *type = keyvals_take(kv, "type"), *id = keyvals_take(kv, "id"), *name = keyvals_take(kv, "name");
    if (!net)
        return -ENOMEM;
    if (type && !strcmp(type, "none"))
        return 0;
    if (type && !strcmp(type, "nic"))
        return use_net_nic(o, net, kv, err);
    int rc = check_type(type, err);
    if (rc == 0 && *net->hub)
        rc = err_set(err, -ENOTSUP, "a second back end on the hub is not supported yet (use -nic)");
    if (rc < 0)
        return rc;
    id = id ? id : name;
    if (id && options_set_id(net->hub, id, err) < 0)
        return -EINVAL;
    if (!id)
        snprintf(net->hub, sizeof net->hub, "#net%03u", o->netdevs);
    take_out(kv, "name");
    rc = check_user_keys(kv, false, err);
    return rc < 0 ? rc : add_netdev(o, net->hub, kv, err);
}

int option_net(struct options *o, const char *argument, struct err *err)
{
    return with_net_keys(o, argument, use_net, err);
}

// QEMU's default card on this board is an e1000e. Ours is the one that exists, on the same network.
static int add_default(struct options *o, struct err *err)
{
    for (unsigned i = 0; i < o->devices; i++)
        if (o->device[i].type->kind == DEVICE_VIRTIO_NET)
            return 0;
    int rc = option_net(o, "nic", err);
    return rc < 0 ? rc : option_net(o, "user", err);
}

static int make_card(struct options *o, struct options_nic *nic, struct err *err)
{
    const char *netdev = *nic->netdev ? nic->netdev : o->net->hub;
    o->current = nic->use;
    int rc = *netdev ? keyvals_set(&nic->properties, "netdev", netdev, err) : 0;
    return rc < 0 ? rc : options_add_device(o, &nic->properties, err);
}

// The board makes these cards before the devices of -device, so they get the first slots.
static int make_cards(struct options *o, struct err *err)
{
    unsigned before = o->devices;
    int rc = 0;
    for (unsigned i = 0; i < o->net->nics && rc == 0; i++)
        rc = make_card(o, &o->net->nic[i], err);
    unsigned made = o->devices - before;
    struct option_device *cards = malloc((made + 1) * sizeof *cards);
    if (rc < 0 || !cards) {
        free(cards);
        return rc < 0 ? rc : err_set(err, -ENOMEM, "out of memory");
    }
    memcpy(cards, &o->device[before], made * sizeof *cards);
    memmove(&o->device[made], &o->device[0], before * sizeof *cards);
    memcpy(&o->device[0], cards, made * sizeof *cards);
    free(cards);
    return 0;
}

int options_default_nics(struct options *o, struct err *err)
{
    int rc = 0;
    if (!o->no_defaults && !o->netdevs && (!o->net || !o->net->given))
        rc = add_default(o, err);
    if (rc == 0 && o->net)
        rc = make_cards(o, err);
    if (rc < 0)
        options_blame(&o->current, rc, err);
    return rc;
}

void options_net_finish(struct options *o)
{
    for (unsigned i = 0; o->net && i < o->net->nics; i++)
        keyvals_finish(&o->net->nic[i].properties);
    free(o->net);
    o->net = NULL;
}
