// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/plugged.h"
#include "guest/chr/backend.h"
#include "guest/mem/mem.h"

static struct plugged plugged[OPTIONS_DEVICES];
static unsigned count, anonymous;
static struct inventory_net *nets;

static struct plugged *find_by_device(const struct device *dev)
{
    for (unsigned i = 0; i < count; i++) {
        struct plugged *p = &plugged[i];
        if ((p->vdev && &p->vdev->dev == dev) || (p->function && &p->function->dev == dev))
            return p;
    }
    return NULL;
}

// Of a virtio device: the machine ends the transport first.
static void finish_transport(void *dev)
{
    struct plugged *p = find_by_device(dev);
    mem_thread_offline();
    virtio_pci_destroy(p->transport);
    mem_thread_online();
    p->function = NULL;
}

static void finish_type(void *dev)
{
    struct plugged *p = find_by_device(dev);
    mem_thread_offline();
    p->destroy_type(p->type);
    mem_thread_online();
    p->vdev = NULL;
}

static void finish_bridge(void *dev)
{
    struct plugged *p = find_by_device(dev);
    pci_bridge_finish(p->bridge);
    free(p->bridge);
    p->function = NULL;
}

// pcie.0, or the bus behind a port, which has the port's name.
static struct pci_bus *find_bus(struct plugged *p, struct err *err)
{
    const char *name = keyvals_take(&p->option->properties, "bus");
    if (!name || !strcmp(name, "pcie.0"))
        return q35_pci(p->q35);
    for (unsigned i = 0; i < count; i++)
        if (plugged[i].bridge && plugged[i].function && !strcmp(plugged[i].option->id, name))
            return &plugged[i].bridge->bus;
    err_set(err, -ENOENT, "Bus '%s' not found", name);
    return NULL;
}

static int plug(struct plugged *p, struct err *err)
{
    const char *address = plugged_string(p, "addr");
    struct pci_bus *bus = find_bus(p, err);
    if (!bus)
        return -ENOENT;
    p->function->id = *p->option->id ? p->option->id : NULL;
    if (plugged_bool(p, "multifunction"))
        pci_set_multifunction(p->function);
    return pci_bus_plug(bus, p->function, address ? device_address(address) : -1, err);
}

// The same in every run with these options: the way to its place.
static void name_section(const struct plugged *p, const char *what, char name[64])
{
    const struct pci_function *f = p->function, *bridge = f->bus->bridge;
    if (bridge)
        snprintf(name, 64, "%02x.%x/%02x.%x/%s", bridge->devfn >> 3, bridge->devfn & 7, f->devfn >> 3,
                 f->devfn & 7, what);
    else
        snprintf(name, 64, "%02x.%x/%s", f->devfn >> 3, f->devfn & 7, what);
}

static int hand_over(struct plugged *p, const char *what, struct device *dev, void (*finish)(void *dev),
                     struct err *err)
{
    char name[64];
    name_section(p, what, name);
    return q35_add_device(p->q35, name, dev, finish, err);
}

static int create_transport(struct plugged *p, struct err *err)
{
    const char *vectors = plugged_string(p, "vectors");
    struct virtio_pci_config config = {
        .vectors = vectors ? (unsigned)plugged_number(p, "vectors") : p->vectors,
        .indirect = plugged_bool(p, "indirect_desc"), .event_index = plugged_bool(p, "event_idx"),
    };
    if (config.vectors > PCI_MSIX_VECTORS_MAX)
        return err_set(err, -EINVAL, "vectors=%u is more than %d", config.vectors, PCI_MSIX_VECTORS_MAX);
    p->transport = virtio_pci_create(p->vdev, &config, err);
    if (!p->transport)
        return -ENOMEM;
    p->function = virtio_pci_function(p->transport);
    return 0;
}

// What was made goes again where what follows can't be; what the machine has already been given, it ends.
static int add_virtio(struct plugged *p, struct err *err)
{
    bool handed_over = false;
    int rc = create_transport(p, err);
    if (rc == 0)
        rc = plug(p, err);
    if (rc == 0) {
        rc = hand_over(p, p->vdev->ops->name, &p->vdev->dev, finish_type, err);
        handed_over = rc == 0;
    }
    if (rc == 0)
        rc = hand_over(p, "virtio-pci", &p->function->dev, finish_transport, err);
    if (rc < 0 && p->function)
        finish_transport(&p->function->dev);
    if (rc < 0 && !handed_over)
        finish_type(&p->vdev->dev);
    return rc;
}

static int add_port(struct plugged *p, struct err *err)
{
    unsigned slot = plugged_number(p, "slot"), port = plugged_number(p, "port");
    unsigned chassis = plugged_number(p, "chassis");
    for (unsigned i = 0; i < count; i++)
        if (&plugged[i] != p && plugged[i].bridge && plugged_number(&plugged[i], "chassis") == chassis &&
            plugged_number(&plugged[i], "slot") == slot)
            return err_set(err, -EBUSY, "Can't add chassis slot, error -16");
    p->bridge = calloc(1, sizeof *p->bridge);
    if (!p->bridge)
        return err_set(err, -ENOMEM, "no memory for a root port");
    pci_bridge_init(p->bridge, q35_pci(p->q35)->root, slot, port);
    p->function = &p->bridge->pci;
    int rc = plug(p, err);
    if (rc == 0)
        rc = hand_over(p, "pcie-root-port", &p->function->dev, finish_bridge, err);
    if (rc < 0)
        finish_bridge(&p->function->dev);
    return rc;
}

// A device may have to wait for its I/O thread, which may wait for readers, and this thread is one.
static int create_virtio(struct plugged *p, struct err *err)
{
    enum device_kind kind = p->option->type->kind;
    mem_thread_offline();
    int rc = kind == DEVICE_VIRTIO_BLK ? plugged_create_blk(p, err)
           : kind == DEVICE_VIRTIO_NET ? plugged_create_net(p, err) : plugged_create_rng(p, err);
    mem_thread_online();
    return rc;
}

static void list_net(struct plugged *p)
{
    struct inventory_net **end = &nets;
    unsigned before = 0;
    for (; *end; end = &(*end)->next)
        before++;
    if (*p->option->id)
        snprintf(p->net_name, sizeof p->net_name, "%s", p->option->id);
    else
        snprintf(p->net_name, sizeof p->net_name, "virtio-net-pci.%u", before);
    p->net.name = p->net_name;
    p->net.model = "virtio-net-pci";
    *end = &p->net;
}

// The path of an object in QEMU's tree, which clients look for.
static void name_disk(struct plugged *p)
{
    struct drive *d = p->drive;
    if (*p->option->id)
        snprintf(d->qdev, sizeof d->qdev, "/machine/peripheral/%s/virtio-backend", p->option->id);
    else
        snprintf(d->qdev, sizeof d->qdev, "/machine/peripheral-anon/device[%u]/virtio-backend", p->anonymous);
    d->entry.qdev = d->qdev;
}

static int add_one(struct plugged *p, struct err *err)
{
    if (p->option->type->kind == DEVICE_ROOT_PORT)
        return add_port(p, err);
    int rc = create_virtio(p, err);
    if (rc == 0)
        rc = add_virtio(p, err);
    if (rc == 0 && p->option->type->kind == DEVICE_VIRTIO_NET)
        list_net(p);
    if (rc == 0 && p->drive)
        name_disk(p);
    return rc;
}

int devices_plug(struct options *o, struct q35 *q35, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < o->devices && rc == 0; i++) {
        struct option_device *option = &o->device[i];
        unsigned number = *option->id ? 0 : anonymous++;
        if (!device_type_is_pci(option->type))
            continue;
        struct plugged *p = &plugged[count++];
        *p = (struct plugged){.option = option, .q35 = q35, .options = o, .anonymous = number};
        rc = add_one(p, err);
        if (rc < 0)
            options_blame(&option->use, rc, err);
    }
    return rc;
}

struct inventory_net *devices_nets(void)
{
    return nets;
}

static int configure_debug_exit(struct plugged *p, struct q35_config *c, struct err *err)
{
    uint64_t base = plugged_number(p, "iobase"), bytes = plugged_number(p, "iosize");
    if (!bytes || bytes > 65536 || base > 65536 - bytes)
        return err_set(err, -EINVAL, "isa-debug-exit: no such ports");
    if (c->debug_exit)
        return err_set(err, -ENOTSUP, "a second isa-debug-exit is not supported yet");
    c->debug_exit = true;
    c->debug_exit_base = base;
    c->debug_exit_bytes = bytes;
    return 0;
}

static int configure_pvpanic(struct plugged *p, struct q35_config *c, struct err *err)
{
    if (c->pvpanic.there)
        return err_set(err, -EEXIST, "duplicate fw_cfg file name: etc/pvpanic-port");
    c->pvpanic = (struct q35_pvpanic){true, plugged_number(p, "ioport"), plugged_number(p, "events")};
    return 0;
}

// A port has its place by its number; an iobase or irq says which that is, and no other.
static int find_port(struct plugged *p, const struct q35_config *c, struct err *err)
{
    static const struct { uint64_t iobase, irq; } ports[Q35_SERIALS] = {
        {0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};
    uint64_t index = plugged_number(p, "index"), iobase = plugged_number(p, "iobase");
    uint64_t irq = plugged_number(p, "irq");
    for (unsigned i = 0; index == UINT32_MAX && i < Q35_SERIALS; i++)
        if (iobase == UINT32_MAX ? !c->serial[i].there : ports[i].iobase == iobase)
            index = i;
    if (index == UINT32_MAX && iobase != UINT32_MAX)
        return err_set(err, -ENOTSUP, "iobase=%#x is not supported yet", (unsigned)iobase);
    if (index >= Q35_SERIALS)
        return err_set(err, -EINVAL, "Max. supported number of ISA serial ports is %d.", Q35_SERIALS);
    if ((iobase != UINT32_MAX && iobase != ports[index].iobase) ||
        (irq != UINT32_MAX && irq != ports[index].irq))
        return err_set(err, -ENOTSUP, "index=%u with another iobase or irq is not supported yet",
                       (unsigned)index);
    return c->serial[index].there ? err_set(err, -EBUSY, "serial port %u is there already", (unsigned)index)
                                  : (int)index;
}

static int configure_serial(struct plugged *p, struct q35_config *c, struct err *err)
{
    const char *chardev = plugged_string(p, "chardev");
    struct chr_backend *b = chardev ? chr_find(chardev) : NULL;
    if (chardev && !b)
        return err_set(err, -ENOENT, "Property 'isa-serial.chardev' can't find value '%s'", chardev);
    int port = find_port(p, c, err);
    if (port < 0)
        return port;
    struct q35_serial *serial = &c->serial[port];
    serial->there = true;
    serial->chr = b ? chr_take(b, NULL) : NULL;
    if (b && !serial->chr)
        return err_set(err, -EBUSY, "Property 'isa-serial.chardev' can't take value '%s', it's in use", chardev);
    return 0;
}

int devices_configure(struct options *o, struct q35_config *c, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < o->devices && rc == 0; i++) {
        struct plugged p = {.option = &o->device[i]};
        switch (p.option->type->kind) {
        case DEVICE_DEBUG_EXIT: rc = configure_debug_exit(&p, c, err); break;
        case DEVICE_PVPANIC: rc = configure_pvpanic(&p, c, err); break;
        case DEVICE_ISA_SERIAL: rc = configure_serial(&p, c, err); break;
        default: break;
        }
        if (rc < 0)
            options_blame(&p.option->use, rc, err);
    }
    return rc < 0 ? rc : 0;
}
