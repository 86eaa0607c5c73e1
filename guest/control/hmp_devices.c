// SPDX-License-Identifier: GPL-2.0-or-later
//
// info of disks, networks, the PCI bus and I/O threads, and the forwarding rules of a network.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/hmp.h"
#include "guest/control/hmp_devices.h"
#include "guest/control/pci_list.h"

static bool is_named(const struct inventory_disk *d, const char *name)
{
    return !*name || !strcmp(d->device, name) || !strcmp(d->node, name) ||
           (d->qdev && !strcmp(d->qdev, name));
}

static void say_disk(struct hmp *hmp, const struct inventory_disk *d, bool verbose)
{
    const char *mode = d->block->info.writeback ? "writeback" : "writethrough";
    bool direct = d->cache == BLOCK_NONE || d->cache == BLOCK_DIRECTSYNC;
    const char *read_only = d->block->info.read_only ? ", read-only" : "";
    if (*d->device)
        hmp_say(hmp, "%s (%s): %s (%s%s)", d->device, d->node, d->filename, d->format, read_only);
    else
        hmp_say(hmp, "%s: %s (%s%s)", d->node, d->filename, d->format, read_only);
    if (d->qdev)
        hmp_say(hmp, "    Attached to:      %s", d->qdev);
    hmp_say(hmp, "    Cache mode:       %s%s%s", mode, direct ? ", direct" : "",
            d->cache == BLOCK_UNSAFE ? ", ignore flushes" : "");
    if (d->detect_zeroes)
        hmp_say(hmp, "    Detect zeroes:    on");
    if (verbose)
        hmp_say(hmp, "\r\nImages:\r\nimage: %s\r\nfile format: %s\r\nvirtual size: %" PRIu64 " bytes\r\n"
                "disk size: %" PRIu64 " bytes", d->filename, d->format, d->block->info.size_bytes,
                inventory_allocated_bytes(d));
}

void hmp_info_block(struct hmp *hmp, const char *arguments)
{
    bool verbose = !strncmp(arguments, "-v", 2) && (!arguments[2] || arguments[2] == ' ');
    bool nodes = !strncmp(arguments, "-n", 2) && (!arguments[2] || arguments[2] == ' ');
    const char *name = arguments + (verbose || nodes ? 2 : 0);
    name += strspn(name, " ");
    bool first = true;
    for (struct inventory_disk *d = hmp->vm->inventory.disks; d; d = d->next) {
        if (!is_named(d, name) || (!*d->device && !d->qdev && !nodes && !*name))
            continue;
        if (!first)
            hmp_say(hmp, "%s", "");
        first = false;
        say_disk(hmp, d, verbose);
    }
}

void hmp_info_blockstats(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    for (struct inventory_disk *d = hmp->vm->inventory.disks; d; d = d->next) {
        struct inventory_stats s;
        if (!*d->device && !d->qdev)
            continue;
        inventory_read_stats(d, &s);
        hmp_say(hmp, "%s: rd_bytes=%" PRIu64 " wr_bytes=%" PRIu64 " rd_operations=%" PRIu64
                " wr_operations=%" PRIu64 " flush_operations=%" PRIu64 " wr_total_time_ns=%" PRIu64
                " rd_total_time_ns=%" PRIu64 " flush_total_time_ns=%" PRIu64 " rd_merged=0 wr_merged=0",
                *d->device ? d->device : d->node, s.bytes[BLOCK_READ], s.bytes[BLOCK_WRITE],
                s.operations[BLOCK_READ], s.operations[BLOCK_WRITE], s.operations[BLOCK_FLUSH],
                s.ns[BLOCK_WRITE], s.ns[BLOCK_READ], s.ns[BLOCK_FLUSH]);
    }
}

void hmp_info_network(struct hmp *hmp, const char *arguments)
{
    char text[256] = "";
    (void)arguments;
    for (struct inventory_net *n = hmp->vm->inventory.nets; n; n = n->next) {
        hmp_say(hmp, "%s: index=0,type=nic,model=%s,macaddr=%02x:%02x:%02x:%02x:%02x:%02x", n->name, n->model,
                n->mac[0], n->mac[1], n->mac[2], n->mac[3], n->mac[4], n->mac[5]);
        if (!n->net)
            continue;
        n->net->ops->describe(n->net, text, sizeof text);
        hmp_say(hmp, " \\ %s: index=0,type=%s,%s", n->net->id, n->net->ops->name, text);
    }
}

void hmp_info_usernet(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    for (struct inventory_net *n = hmp->vm->inventory.nets; n; n = n->next) {
        char *text = n->net ? hmp->vm->inventory.connections(n->net) : NULL;
        if (!text)
            continue;
        hmp_say(hmp, "Hub -1 (%s):", n->net->id);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            hmp_say(hmp, "%s", line);
        free(text);
    }
}

void hmp_info_iothreads(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    for (const struct inventory_thread *t = hmp->vm->inventory.threads; t; t = t->next)
        hmp_say(hmp, "%s:\r\n  thread_id=%d\r\n  poll-max-ns=0\r\n  poll-grow=0\r\n  poll-shrink=0\r\n"
                "  aio-max-batch=0", t->id, t->thread_id);
}

static void say_bar(struct hmp *hmp, const struct pci_list_bar *b)
{
    uint64_t address = b->seen ? b->address : UINT64_MAX, end = address + b->size_bytes - 1;
    if (b->io)
        hmp_say(hmp, "      BAR%u: I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].", b->index, address, end);
    else
        hmp_say(hmp, "      BAR%u: %d bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].", b->index,
                b->wide ? 64 : 32, b->prefetch ? " prefetchable" : "", address, end);
}

static void say_bridge(struct hmp *hmp, const struct pci_list_device *d)
{
    hmp_say(hmp, "      BUS %u.", d->bus);
    hmp_say(hmp, "      secondary bus %u.", d->secondary);
    hmp_say(hmp, "      subordinate bus %u.", d->subordinate);
    hmp_say(hmp, "      IO range [0x%04" PRIx64 ", 0x%04" PRIx64 "]", d->io_base, d->io_limit);
    hmp_say(hmp, "      memory range [0x%08" PRIx64 ", 0x%08" PRIx64 "]", d->memory_base, d->memory_limit);
    hmp_say(hmp, "      prefetchable memory range [0x%08" PRIx64 ", 0x%08" PRIx64 "]", d->prefetch_base,
            d->prefetch_limit);
}

static void say_device(const struct pci_list_device *d, void *opaque)
{
    struct hmp *hmp = opaque;
    hmp_say(hmp, "  Bus %2u, device %3u, function %u:", d->bus, d->slot, d->function);
    if (d->class_name)
        hmp_say(hmp, "    %s: PCI device %04x:%04x", d->class_name, d->vendor, d->device);
    else
        hmp_say(hmp, "    Class %04u: PCI device %04x:%04x", d->class_code, d->vendor, d->device);
    if (!d->behind && d->subsystem_vendor)
        hmp_say(hmp, "      PCI subsystem %04x:%04x", d->subsystem_vendor, d->subsystem);
    if (d->pin)
        hmp_say(hmp, "      IRQ %u, pin %c", d->line, 'A' + d->pin - 1);
    if (d->behind)
        say_bridge(hmp, d);
    for (unsigned i = 0; i < d->bars; i++)
        say_bar(hmp, &d->bar[i]);
    hmp_say(hmp, "      id \"%s\"", d->id);
    if (d->behind && d->secondary)
        pci_list_each(d->behind, d->secondary, say_device, hmp);
}

void hmp_info_pci(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    if (hmp->vm->inventory.pci)
        pci_list_each(hmp->vm->inventory.pci, 0, say_device, hmp);
    else
        hmp_say(hmp, "PCI devices not supported");
}

// "[netdev] rule": without a name, the first network that there is.
static struct net *find_net(struct hmp *hmp, const char *arguments, const char **rule)
{
    size_t length = strcspn(arguments, " ");
    bool named = arguments[length];
    *rule = named ? arguments + length + strspn(arguments + length, " ") : arguments;
    for (struct inventory_net *n = hmp->vm->inventory.nets; n; n = n->next)
        if (n->net && (!named || (strlen(n->net->id) == length && !memcmp(n->net->id, arguments, length))))
            return n->net;
    if (named)
        hmp_say(hmp, "unrecognized netdev id '%.*s'", (int)length, arguments);
    else
        hmp_say(hmp, "user mode network stack not in use");
    return NULL;
}

void hmp_hostfwd_add(struct hmp *hmp, const char *arguments)
{
    struct err err = {0};
    const char *rule;
    struct net *net = find_net(hmp, arguments, &rule);
    if (net && hmp->vm->inventory.add_forward(net, rule, &err) < 0)
        hmp_say(hmp, "%s", err.text);
}

void hmp_hostfwd_remove(struct hmp *hmp, const char *arguments)
{
    struct err err = {0};
    const char *rule;
    struct net *net = find_net(hmp, arguments, &rule);
    if (!net)
        return;
    int rc = hmp->vm->inventory.remove_forward(net, rule, &err);
    if (rc < 0 && *err.text)
        hmp_say(hmp, "%s", err.text);
    else
        hmp_say(hmp, "host forwarding rule for %s %s", rule, rc < 0 ? "not found" : "removed");
}
