// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inside cmd: a device on its way into the machine.
#pragma once

#include "cmd/drives.h"
#include "cmd/netdevs.h"
#include "guest/control/device_types.h"
#include "guest/control/inventory.h"
#include "guest/machine/q35.h"
#include "guest/pci/bridge.h"
#include "guest/virtio/pci.h"

struct plugged {
    struct option_device *option;
    struct q35 *q35;
    struct options *options;
    unsigned anonymous;             // its number among those without an id

    struct virtio_device *vdev;     // and what it is the device of
    void *type;
    void (*destroy_type)(void *type);
    unsigned vectors;               // unless said
    struct virtio_pci *transport;

    struct pci_bridge *bridge;
    struct pci_function *function;  // of either
    struct drive *drive;
    struct inventory_net net;
    char net_name[OPTIONS_ID_BYTES + 16];
};

static inline const char *plugged_string(struct plugged *p, const char *name)
{
    return device_string(p->option->type, &p->option->properties, name);
}
static inline uint64_t plugged_number(struct plugged *p, const char *name)
{
    return device_number(p->option->type, &p->option->properties, name);
}
static inline bool plugged_bool(struct plugged *p, const char *name)
{
    return device_bool(p->option->type, &p->option->properties, name);
}

// Each makes vdev and what belongs to it, from the properties. -errno with QEMU's sentence.
int plugged_create_blk(struct plugged *p, struct err *err);
int plugged_create_net(struct plugged *p, struct err *err);
int plugged_create_rng(struct plugged *p, struct err *err);
