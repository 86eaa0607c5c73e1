// SPDX-License-Identifier: GPL-2.0-or-later
//
// What QMP says of disks, of the PCI bus and of I/O threads (QEMU, qapi/block-core.json, pci.json, misc.json).
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest/control/pci_list.h"
#include "guest/control/qmp_devices.h"
#include "guest/pci/pci.h"

static struct json_object *object(void)
{
    return json_object_new_object();
}

static void add(struct json_object *to, const char *key, struct json_object *value)
{
    json_object_object_add(to, key, value);
}

static void add_string(struct json_object *to, const char *key, const char *value)
{
    add(to, key, json_object_new_string(value));
}

static void add_bool(struct json_object *to, const char *key, bool value)
{
    add(to, key, json_object_new_boolean(value));
}

static void add_int(struct json_object *to, const char *key, uint64_t value)
{
    add(to, key, json_object_new_uint64(value));
}

static struct json_object *image_of(const struct inventory_disk *d)
{
    struct json_object *image = object();
    add_int(image, "virtual-size", d->block->info.size_bytes);
    add_string(image, "filename", d->filename);
    add_string(image, "format", d->format);
    add_int(image, "actual-size", inventory_allocated_bytes(d));
    add_bool(image, "dirty-flag", false);
    return image;
}

static struct json_object *cache_of(const struct inventory_disk *d)
{
    struct json_object *cache = object();
    add_bool(cache, "no-flush", d->cache == BLOCK_UNSAFE);
    add_bool(cache, "direct", d->cache == BLOCK_NONE || d->cache == BLOCK_DIRECTSYNC);
    add_bool(cache, "writeback", d->block->info.writeback);
    return cache;
}

static struct json_object *inserted(const struct inventory_disk *d)
{
    static const char *const limits[] = {"iops", "iops_rd", "iops_wr", "bps", "bps_rd", "bps_wr"};
    struct json_object *value = object();
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        add_int(value, limits[i], 0);
    add_string(value, "detect_zeroes", d->detect_zeroes ? "on" : "off");
    add(value, "image", image_of(d));
    add_bool(value, "ro", d->block->info.read_only);
    add_string(value, "node-name", d->node);
    add_int(value, "backing_file_depth", 0);
    add_string(value, "drv", d->format);
    add_int(value, "write_threshold", 0);
    add_bool(value, "encrypted", false);
    add(value, "cache", cache_of(d));
    add_string(value, "file", d->filename);
    return value;
}

struct json_object *qmp_query_block(struct qmp_call *call)
{
    struct json_object *list = json_object_new_array();
    for (struct inventory_disk *d = call->vm->inventory.disks; d; d = d->next) {
        if (!*d->device && !d->qdev)  // a node that nobody uses
            continue;
        struct json_object *entry = object();
        int error = __atomic_load_n(&d->io_error, __ATOMIC_RELAXED);
        add_string(entry, "io-status", !error ? "ok" : error == ENOSPC ? "nospace" : "failed");
        add_string(entry, "device", d->device);
        add_bool(entry, "locked", false);
        add_bool(entry, "removable", false);
        add(entry, "inserted", inserted(d));
        if (d->qdev)
            add_string(entry, "qdev", d->qdev);
        add_string(entry, "type", "unknown");
        json_object_array_add(list, entry);
    }
    return list;
}

struct json_object *qmp_query_named_block_nodes(struct qmp_call *call)
{
    struct json_object *list = json_object_new_array();
    for (struct inventory_disk *d = call->vm->inventory.disks; d; d = d->next)
        json_object_array_add(list, inserted(d));
    return list;
}

static struct json_object *stats_of(const struct inventory_disk *d)
{
    static const struct { const char *name; enum block_operation operation; } kinds[] = {
        {"rd", BLOCK_READ}, {"wr", BLOCK_WRITE}, {"flush", BLOCK_FLUSH}, {"unmap", BLOCK_DISCARD}};
    char key[64];
    struct inventory_stats s;
    struct json_object *value = object();
    inventory_read_stats(d, &s);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct { const char *format; uint64_t number; } counts[] = {
            {"%s_operations", s.operations[kinds[i].operation]}, {"%s_bytes", s.bytes[kinds[i].operation]},
            {"%s_total_time_ns", s.ns[kinds[i].operation]}, {"failed_%s_operations", s.failed[kinds[i].operation]},
            {"%s_merged", 0}, {"invalid_%s_operations", 0}};
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            if (kinds[i].operation == BLOCK_FLUSH && (k == 1 || k == 4))
                continue;
            snprintf(key, sizeof key, counts[k].format, kinds[i].name);
            add_int(value, key, counts[k].number);
        }
    }
    add_int(value, "wr_highest_offset", 0);
    add(value, "timed_stats", json_object_new_array());
    add_bool(value, "account_invalid", true);
    add_bool(value, "account_failed", true);
    return value;
}

struct json_object *qmp_query_blockstats(struct qmp_call *call)
{
    struct json_object *list = json_object_new_array();
    for (struct inventory_disk *d = call->vm->inventory.disks; d; d = d->next) {
        if (!*d->device && !d->qdev)
            continue;
        struct json_object *entry = object();
        add_string(entry, "device", d->device);
        add(entry, "stats", stats_of(d));
        add_string(entry, "node-name", d->node);
        if (d->qdev)
            add_string(entry, "qdev", d->qdev);
        json_object_array_add(list, entry);
    }
    return list;
}

struct json_object *qmp_query_iothreads(struct qmp_call *call)
{
    static const char *const unused[] = {"poll-max-ns", "poll-grow", "poll-shrink", "aio-max-batch"};
    struct json_object *list = json_object_new_array();
    for (const struct inventory_thread *t = call->vm->inventory.threads; t; t = t->next) {
        struct json_object *entry = object();
        for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++)
            add_int(entry, unused[i], 0);
        add_int(entry, "thread-id", t->thread_id);
        add_string(entry, "id", t->id);
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *region_of(const struct pci_list_bar *bar)
{
    struct json_object *region = object();
    add_int(region, "bar", bar->index);
    add_int(region, "size", bar->size_bytes);
    add(region, "address", json_object_new_int64(bar->seen ? (int64_t)bar->address : -1));
    add_string(region, "type", bar->io ? "io" : "memory");
    if (!bar->io) {
        add_bool(region, "prefetch", bar->prefetch);
        add_bool(region, "mem_type_64", bar->wide);
    }
    return region;
}

static struct json_object *range(uint64_t base, uint64_t limit)
{
    struct json_object *value = object();
    add_int(value, "limit", limit);
    add_int(value, "base", base);
    return value;
}

static struct json_object *list_bus(struct pci_bus *bus, unsigned number);

static struct json_object *bridge_of(const struct pci_list_device *d)
{
    struct json_object *value = object(), *bus = object();
    add_int(bus, "number", d->bus);
    add_int(bus, "secondary", d->secondary);
    add_int(bus, "subordinate", d->subordinate);
    add(bus, "io_range", range(d->io_base, d->io_limit));
    add(bus, "memory_range", range(d->memory_base, d->memory_limit));
    add(bus, "prefetchable_range", range(d->prefetch_base, d->prefetch_limit));
    add(value, "bus", bus);
    if (d->secondary)
        add(value, "devices", list_bus(d->behind, d->secondary));
    return value;
}

static struct json_object *id_of(const struct pci_list_device *d)
{
    struct json_object *id = object();
    add_int(id, "device", d->device);
    add_int(id, "vendor", d->vendor);
    if (!d->behind) {
        add_int(id, "subsystem-vendor", d->subsystem_vendor);
        add_int(id, "subsystem", d->subsystem);
    }
    return id;
}

static void list_device(const struct pci_list_device *d, void *opaque)
{
    struct json_object *entry = object(), *class = object(), *regions = json_object_new_array();
    add_int(entry, "irq_pin", d->pin);
    add_int(entry, "bus", d->bus);
    add_string(entry, "qdev_id", d->id);
    if (d->pin)
        add_int(entry, "irq", d->line);
    add_int(entry, "slot", d->slot);
    add_int(class, "class", d->class_code);
    if (d->class_name)
        add_string(class, "desc", d->class_name);
    add(entry, "class_info", class);
    add(entry, "id", id_of(d));
    add_int(entry, "function", d->function);
    for (unsigned i = 0; i < d->bars; i++)
        json_object_array_add(regions, region_of(&d->bar[i]));
    add(entry, "regions", regions);
    if (d->behind)
        add(entry, "pci_bridge", bridge_of(d));
    json_object_array_add(opaque, entry);
}

static struct json_object *list_bus(struct pci_bus *bus, unsigned number)
{
    struct json_object *devices = json_object_new_array();
    pci_list_each(bus, number, list_device, devices);
    return devices;
}

struct json_object *qmp_query_pci(struct qmp_call *call)
{
    struct json_object *list = json_object_new_array();
    if (!call->vm->inventory.pci)
        return list;
    struct json_object *root = object();
    add_int(root, "bus", 0);
    add(root, "devices", list_bus(call->vm->inventory.pci, 0));
    json_object_array_add(list, root);
    return list;
}
