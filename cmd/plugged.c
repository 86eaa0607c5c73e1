// SPDX-License-Identifier: GPL-2.0-or-later
//
// The virtio devices, from their properties.
#include "cmd/plugged.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cmd/io_threads.h"
#include "cmd/rng_sources.h"
#include "guest/machine/vm.h"
#include "guest/virtio/blk.h"
#include "guest/virtio/net.h"
#include "guest/virtio/rng.h"

static enum virtio_blk_policy to_policy(enum error_policy policy, enum virtio_blk_policy automatic)
{
    switch (policy) {
    case ERRORS_REPORT: return VIRTIO_BLK_REPORT;
    case ERRORS_IGNORE: return VIRTIO_BLK_IGNORE;
    case ERRORS_ENOSPC: return VIRTIO_BLK_ENOSPC;
    case ERRORS_STOP: return VIRTIO_BLK_STOP;
    default: return automatic;
    }
}

// The device's own word, then that of its -drive, then QEMU's.
static enum error_policy policy_of(struct plugged *p, const char *property, enum error_policy of_drive)
{
    static const char *const words[] = {"auto", "report", "ignore", "enospc", "stop"};
    const char *word = plugged_string(p, property);
    for (int i = ERRORS_REPORT; i <= ERRORS_STOP; i++)
        if (!strcmp(words[i], word))
            return i;
    return of_drive;
}

// On the disk's I/O thread.
static void on_error(void *opaque, bool write, int error, const char *action)
{
    struct plugged *p = opaque;
    struct vm *vm = q35_vm(p->q35);
    struct vm_event event = {
        .kind = VM_EVENT_BLOCK_IO_ERROR, .reason = strerror(error), .action = action,
        .device = p->drive->option->blockdev ? p->option->id : p->drive->option->id,
        .operation = write ? "write" : "read", .nospace = error == ENOSPC,
    };
    __atomic_store_n(&p->drive->entry.io_error, error, __ATOMIC_RELAXED);
    vm_post_event(vm, &event);
    if (!strcmp(action, "stop"))
        vm_io_error(vm);
}

static int find_drive(struct plugged *p, struct err *err)
{
    const char *name = plugged_string(p, "drive"), *iothread = plugged_string(p, "iothread");
    struct drive *d = name ? drives_find(name) : NULL;
    if (!name)
        return err_set(err, -EINVAL, "drive property not set");
    if (!d)
        return err_set(err, -ENOENT, options_find_drive(p->options, name) ? "Node '%s' is used by another node" :
                       "Property 'virtio-blk-device.drive' can't find value '%s'", name);
    if (d->taken)
        return err_set(err, -EBUSY, "Drive '%s' is already in use by another device", name);
    if (iothread && !io_threads_find(iothread))
        return options_find_object(p->options, iothread)
            ? err_set(err, -EINVAL, "Invalid parameter type for 'iothread', expected: iothread")
            : err_set(err, -ENOENT, "Device '%s' not found", iothread);
    p->drive = d;
    return 0;
}

static void destroy_blk(void *type)
{
    virtio_blk_destroy(type);
}

static int check_cache(struct plugged *p, struct err *err)
{
    const char *cache = plugged_string(p, "write-cache");
    bool writeback = p->drive->block->info.writeback;
    if (!strcmp(cache, "auto") || !strcmp(cache, writeback ? "on" : "off"))
        return 0;
    return err_set(err, -ENOTSUP, "write-cache=%s is not supported yet for a drive of cache=%s", cache,
                   writeback ? "writeback" : "writethrough");
}

int plugged_create_blk(struct plugged *p, struct err *err)
{
    int rc = find_drive(p, err);
    if (rc == 0)
        rc = check_cache(p, err);
    if (rc < 0)
        return rc;
    struct option_drive *option = p->drive->option;
    uint64_t queues = plugged_number(p, "num-queues");
    if (!queues)
        return err_set(err, -EINVAL, "num-queues property must be larger than 0");
    queues = queues == UINT16_MAX ? p->options->vcpus : queues;
    struct virtio_blk_config config = {
        .block = p->drive->block, .serial = plugged_string(p, "serial"), .num_queues = queues,
        .queue_size = plugged_number(p, "queue-size"),
        .logical_block_bytes = plugged_number(p, "logical_block_size"),
        .physical_block_bytes = plugged_number(p, "physical_block_size"),
        .min_io_bytes = plugged_number(p, "min_io_size"), .opt_io_bytes = plugged_number(p, "opt_io_size"),
        .no_discard = !plugged_bool(p, "discard"), .no_write_zeroes = !plugged_bool(p, "write-zeroes"),
        .no_config_wce = !plugged_bool(p, "config-wce"),
        .write_policy = to_policy(policy_of(p, "werror", option->on_write_error), VIRTIO_BLK_ENOSPC),
        .read_policy = to_policy(policy_of(p, "rerror", option->on_read_error), VIRTIO_BLK_REPORT),
        .on_error = on_error, .opaque = p,
    };
    struct virtio_blk *blk = virtio_blk_create(&config, p->drive->thread, q35_memory(p->q35), err);
    if (!blk)
        return -EINVAL;
    p->drive->taken = true;
    p->type = blk;
    p->destroy_type = destroy_blk;
    p->vdev = virtio_blk_device(blk);
    p->vectors = queues + 1;
    return 0;
}

static void destroy_rng(void *type)
{
    virtio_rng_destroy(type);
}

// Without a name, and by rng-builtin, it is the host's kernel.
static int check_source(struct plugged *p, struct err *err)
{
    const char *id = plugged_string(p, "rng");
    struct option_object *object = id ? options_find_object(p->options, id) : NULL;
    if (!id)
        return 0;
    if (!object)
        return err_set(err, -ENOENT, "Device '%s' not found", id);
    if (strncmp(object->type, "rng-", 4))
        return err_set(err, -EINVAL, "Invalid parameter type for 'rng', expected: rng-backend");
    return 0;
}

int plugged_create_rng(struct plugged *p, struct err *err)
{
    int rc = check_source(p, err);
    struct io_thread *thread = rc < 0 ? NULL : io_threads_shared(err);
    if (!thread)
        return rc < 0 ? rc : -ENOMEM;
    uint64_t period = plugged_number(p, "period");
    struct virtio_rng_config config = {.max_bytes = plugged_number(p, "max-bytes"), .period_ms = period};
    struct virtio_rng *rng = virtio_rng_create(&config, thread, q35_memory(p->q35), err);
    if (!rng)
        return -EINVAL;
    p->type = rng;
    const char *id = plugged_string(p, "rng");
    virtio_rng_read_from(rng, id ? rng_sources_find(id) : -1);
    p->destroy_type = destroy_rng;
    p->vdev = virtio_rng_device(rng);
    p->vectors = VIRTIO_RNG_VECTORS;
    return 0;
}

static void destroy_net(void *type)
{
    virtio_net_destroy(type);
}

// "52:54:00:12:34:56", or with '-' between.
static bool parse_mac(const char *text, uint8_t mac[6])
{
    unsigned n = 0;
    for (char *end; n < 6; text = end + 1) {
        if (!isxdigit((unsigned char)*text))
            return false;
        unsigned long byte = strtoul(text, &end, 16);
        if (byte > 0xff || end - text > 2)
            return false;
        mac[n++] = byte;
        if (n == 6)
            return !*end;
        if (*end != ':' && *end != '-')
            return false;
    }
    return false;
}

static int take_mac(struct plugged *p, uint8_t mac[6], struct err *err)
{
    const char *text = plugged_string(p, "mac");
    if (!text || parse_mac(text, mac))
        return 0;
    return err_set(err, -EINVAL, "Property 'virtio-net-device.mac' doesn't take value '%s'", text);
}

static int check_queue_size(const char *name, uint64_t size, struct err *err)
{
    if (size >= 256 && size <= VIRTIO_QUEUE_SIZE_MAX && !(size & (size - 1)))
        return 0;
    return err_set(err, -EINVAL, "Invalid %s (= %u), must be a power of 2 between 256 and %d.", name,
                   (unsigned)size, VIRTIO_QUEUE_SIZE_MAX);
}

static int take_sizes(struct plugged *p, struct virtio_net_config *c, struct err *err)
{
    uint64_t rx = plugged_number(p, "rx_queue_size"), tx = plugged_number(p, "tx_queue_size");
    int rc = check_queue_size("rx_queue_size", rx, err);
    if (rc == 0)
        rc = check_queue_size("tx_queue_size", tx, err);
    c->rx_queue_size = rx;
    c->tx_queue_size = tx;
    c->mtu = plugged_number(p, "host_mtu");
    c->features = 0;
    for (const struct virtio_net_switch *s = virtio_net_switches; s->property; s++)
        if (plugged_bool(p, s->property))
            c->features |= BIT(s->feature);
    return rc;
}

static struct net *find_net(struct plugged *p, struct err *err)
{
    const char *name = plugged_string(p, "netdev");
    struct netdev *n = name ? netdevs_find(name) : NULL;
    if (!name)
        return netdevs_unconnected(err);
    if (!n)
        err_set(err, -ENOENT, "Property 'virtio-net-device.netdev' can't find value '%s'", name);
    else if (n->taken)
        err_set(err, -EBUSY, "Property 'virtio-net-device.netdev' can't take value '%s', it's in use", name);
    if (!n || n->taken)
        return NULL;
    n->taken = true;
    p->net.net = n->net;
    return n->net;
}

int plugged_create_net(struct plugged *p, struct err *err)
{
    static unsigned cards;
    struct virtio_net_config config;
    virtio_net_defaults(&config, cards++);
    int rc = take_mac(p, config.mac, err);
    if (rc == 0)
        rc = take_sizes(p, &config, err);
    struct net *net = rc < 0 ? NULL : find_net(p, err);
    struct virtio_net *card = net ? virtio_net_create(&config, net, q35_memory(p->q35), err) : NULL;
    if (!card)
        return rc < 0 ? rc : -EINVAL;
    memcpy(p->net.mac, config.mac, sizeof p->net.mac);
    p->type = card;
    p->destroy_type = destroy_net;
    p->vdev = virtio_net_device(card);
    p->vectors = p->vdev->queue_count + 1;
    return 0;
}
