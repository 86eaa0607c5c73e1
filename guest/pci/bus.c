// SPDX-License-Identifier: GPL-2.0-or-later
//
// Buses: what is plugged where, and the way down to it.
#include <assert.h>
#include <errno.h>
#include <time.h>

#include "guest/pci/internal.h"
#include "guest/pci/registers.h"

void pci_bus_init(struct pci_bus *bus, struct pci_root *root, struct pci_function *bridge)
{
    *bus = (struct pci_bus){.root = root, .bridge = bridge};
    if (bridge) {
        bridge->secondary = bus;
        return;
    }
    pthread_mutex_init(&root->lock, NULL);
    root->bus = bus;
}

static bool is_multifunction(const struct pci_function *f)
{
    return f->config[PCI_HEADER] & PCI_HEADER_MULTIFUNCTION;
}

// A device that says it has one function has only that (6.2.1).
static int check_functions(const struct pci_bus *bus, const struct pci_function *f, unsigned devfn,
                           struct err *err)
{
    unsigned device = devfn >> 3, function = devfn & 7;
    const struct pci_function *first = bus->function[PCI_DEVFN(device, 0)];
    if (function && first && !is_multifunction(first))
        return err_set(err, -EINVAL, "PCI: single function device can't be populated in function %x.%x",
                       device, function);
    for (unsigned i = 1; i < 8 && !function && !is_multifunction(f); i++)
        if (bus->function[PCI_DEVFN(device, i)])
            return err_set(err, -EINVAL, "PCI: %x.0 indicates single function, but %x.%x is already populated.",
                           device, device, i);
    return 0;
}

static int check_place(const struct pci_bus *bus, const struct pci_function *f, unsigned devfn,
                       struct err *err)
{
    const struct pci_function *other = bus->function[devfn];
    if (other)
        return err_set(err, -EBUSY, "PCI: slot %u function %u not available for %s, in use by %s,id=%s",
                       devfn >> 3, devfn & 7, f->dev.ops->name, other->dev.ops->name,
                       other->id ? other->id : "(null)");
    return check_functions(bus, f, devfn, err);
}

static bool is_free(const struct pci_bus *bus, unsigned device)
{
    for (unsigned i = 0; i < 8; i++)
        if (bus->function[PCI_DEVFN(device, i)])
            return false;
    return true;
}

static int first_free(const struct pci_bus *bus)
{
    for (unsigned device = 0; device < 32; device++)
        if (is_free(bus, device))
            return PCI_DEVFN(device, 0);
    return -ENOSPC;
}

int pci_bus_plug(struct pci_bus *bus, struct pci_function *f, int devfn, struct err *err)
{
    assert(!f->bus && devfn < PCI_DEVFNS && (!bus->bridge || bus->bridge->bus));
    if (devfn < 0)
        devfn = first_free(bus);
    if (devfn < 0)
        return err_set(err, -ENOSPC, "PCI: no slot/function available for %s, all in use or reserved",
                       f->dev.ops->name);
    int rc = check_place(bus, f, devfn, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&bus->root->lock);
    f->bus = bus;
    f->devfn = devfn;
    bus->function[devfn] = f;
    pci_tree_update(bus->root);
    pthread_mutex_unlock(&bus->root->lock);
    return 0;
}

// Nobody reaches its BARs any more when this returns.
static void unplug(struct pci_function *f)
{
    struct pci_root *root = f->bus->root;
    pthread_mutex_lock(&root->lock);
    f->decode = (struct pci_decode){0};
    pci_tree_update(root);
    pthread_mutex_unlock(&root->lock);
    pci_root_settle(root);
    pthread_mutex_lock(&root->lock);
    f->bus->function[f->devfn] = NULL;
    pthread_mutex_unlock(&root->lock);
    f->bus = NULL;
}

void pci_function_finish(struct pci_function *f)
{
    pci_set_intx(f, false);
    if (f->bus)
        unplug(f);
    pthread_mutex_destroy(&f->dev.lock);
}

void pci_root_settle(struct pci_root *root)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (;;) {
        mem_settle();
        pthread_mutex_lock(&root->lock);
        if (root->stale)
            pci_tree_update(root);
        bool stale = root->stale;
        pthread_mutex_unlock(&root->lock);
        if (!stale)
            return;
        nanosleep(&moment, NULL);  // what nobody sees any more is freed by another thread
    }
}

static struct pci_bus *bus_behind(const struct pci_bus *bus, unsigned number)
{
    for (unsigned i = 0; i < PCI_DEVFNS; i++) {
        const struct pci_function *f = bus->function[i];
        if (f && f->secondary && f->decode.secondary && f->decode.secondary <= number &&
            number <= f->decode.subordinate)
            return f->secondary;
    }
    return NULL;
}

// Every step goes one bridge down, so it ends whatever the numbers are.
static struct pci_bus *find_bus(struct pci_bus *root, unsigned number)
{
    struct pci_bus *bus = root;
    unsigned at = 0;
    while (bus && at != number) {
        bus = bus_behind(bus, number);
        at = bus ? bus->bridge->decode.secondary : 0;
    }
    return bus;
}

struct pci_function *pci_bus_find(struct pci_bus *root, unsigned number, unsigned devfn)
{
    if (devfn >= PCI_DEVFNS)
        return NULL;
    pthread_mutex_lock(&root->root->lock);
    struct pci_bus *bus = find_bus(root, number);
    struct pci_function *f = bus ? bus->function[devfn] : NULL;
    pthread_mutex_unlock(&root->root->lock);
    return f;
}

static void reset_function(struct pci_function *f)
{
    device_reset(&f->dev);
    device_started(&f->dev);
}

void pci_bus_reset(struct pci_bus *bus)
{
    for (unsigned i = 0; i < PCI_DEVFNS; i++) {
        struct pci_function *f = bus->function[i];
        if (!f)
            continue;
        reset_function(f);
        if (f->secondary)
            pci_bus_reset(f->secondary);
    }
}
