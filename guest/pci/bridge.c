// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/pci/bridge.h"

#include "base/bits.h"
#include "guest/pci/registers.h"

enum { VENDOR_REDHAT = 0x1b36, DEVICE_ROOT_PORT = 0x000c, CLASS_BRIDGE = 0x060400 };

// The express capability (7.8), from its third byte on.
struct express {
    struct le16 flags;
    struct le32 device_caps;
    struct le16 device_control, device_status;
    struct le32 link_caps;
    struct le16 link_control, link_status;
    struct le32 slot_caps;
    struct le16 slot_control, slot_status;
    struct le16 root_control, root_caps;
    struct le32 root_status, device_caps2;
    struct le16 device_control2, device_status2;
    struct le32 link_caps2;
    struct le16 link_control2, link_status2;
    struct le32 slot_caps2;
    struct le16 slot_control2, slot_status2;
};
enum { VERSION_2 = 2, ROOT_PORT = 4 << 4, SLOT = 1 << 8, ROLE_BASED_ERRORS = 1 << 15 };
enum { SPEED_16GT = 4, WIDTH_16 = 16 << 4, REPORTS_ACTIVE = 1 << 20, PORT_SHIFT = 24,
       SPEEDS_TO_16GT = 0x1e, LINK_ACTIVE = 1 << 13 };
enum { NO_COMMAND_COMPLETED = 1 << 18, SLOT_SHIFT = 19, SLOT_MAX = 0x1fff, PRESENT = 1 << 6 };
enum { ERROR_ENABLES = 0x000f, ROOT_ENABLES = 0x000f };

static struct pci_bridge *to_bridge(struct pci_function *f)
{
    return container_of(f, struct pci_bridge, pci);
}

static void bridge_reset(struct device *dev)
{
    struct pci_bridge *bridge = (struct pci_bridge *)dev;
    pci_function_reset(&bridge->pci);
    bridge->bus_in_reset = false;
}

static bool bus_in_reset(const struct pci_bridge *bridge)
{
    return pci_get(&bridge->pci, PCI_BRIDGE_CONTROL, 2) & PCI_CONTROL_RESET;
}

static int bridge_loaded(struct device *dev, struct err *err)
{
    struct pci_bridge *bridge = (struct pci_bridge *)dev;
    int rc = pci_function_loaded(&bridge->pci, err);
    bridge->bus_in_reset = bus_in_reset(bridge);
    return rc;
}

static const struct state_field bridge_state[] = {PCI_FUNCTION_STATE(struct pci_bridge), {0}};

static const struct device_ops bridge_ops = {
    .name = "pcie-root-port",
    .state_version = 1,
    .state = bridge_state,
    .read = pci_no_register,
    .write = pci_no_register_write,
    .reset = bridge_reset,
    .loaded = bridge_loaded,
    .started = pci_plain_started,
};

// The link is up and the slot is taken if something is there (7.8.8, 7.8.11).
static void show_presence(struct pci_function *f)
{
    struct pci_bridge *bridge = to_bridge(f);
    bool present = bridge->bus.function[0];
    struct le16 link = le16(SPEED_16GT | WIDTH_16 | (present ? LINK_ACTIVE : 0));
    struct le16 slot = le16(present ? PRESENT : 0);
    uint8_t *express = f->config + bridge->express_at + 2;
    memcpy(express + offsetof(struct express, link_status), &link, sizeof link);
    memcpy(express + offsetof(struct express, slot_status), &slot, sizeof slot);
}

static void bridge_reading(struct pci_function *f, unsigned reg, unsigned size_bytes)
{
    (void)reg, (void)size_bytes;
    show_presence(f);
}

// The bus is reset when the bit becomes set (3.2.5.18).
static void bridge_written(struct pci_function *f, unsigned reg, unsigned size_bytes)
{
    (void)reg, (void)size_bytes;
    struct pci_bridge *bridge = to_bridge(f);
    struct pci_root *root = bridge->bus.root;
    bool before = bridge->bus_in_reset;
    bridge->bus_in_reset = bus_in_reset(bridge);
    if (bridge->bus_in_reset && !before && root->reset_bus)
        root->reset_bus(root, &bridge->bus);
}

static const struct pci_config_ops bridge_config_ops = {bridge_reading, bridge_written};

static void allow(struct pci_function *f, unsigned reg, uint32_t bits, unsigned size_bytes)
{
    memcpy(f->writable + reg, &bits, size_bytes);
}

// Closed windows: the bases are above the limits.
static void add_windows(struct pci_function *f)
{
    allow(f, PCI_PRIMARY_BUS, 0xffffff, 3);
    pci_preset(f, PCI_IO_BASE, 0x00f0, 2);
    allow(f, PCI_IO_BASE, 0xf0f0, 2);
    pci_preset(f, PCI_MEMORY_BASE, 0x0000fff0, 4);
    allow(f, PCI_MEMORY_BASE, 0xfff0fff0, 4);
    pci_preset(f, PCI_PREFETCH_BASE, 0x0001fff1, 4);  // 1: of 64 bits
    allow(f, PCI_PREFETCH_BASE, 0xfff0fff0, 4);
    allow(f, PCI_PREFETCH_BASE_HIGH, 0xffffffff, 4);
    allow(f, PCI_PREFETCH_LIMIT_HIGH, 0xffffffff, 4);
    allow(f, PCI_BRIDGE_CONTROL, PCI_CONTROL_PARITY | PCI_CONTROL_SERR | PCI_CONTROL_RESET, 2);
}

static uint8_t add_express(struct pci_function *f, unsigned slot, unsigned port)
{
    struct express express = {
        .flags = le16(VERSION_2 | ROOT_PORT | SLOT), .device_caps = le32(ROLE_BASED_ERRORS),
        .link_caps = le32((port & 0xff) << PORT_SHIFT | REPORTS_ACTIVE | WIDTH_16 | SPEED_16GT),
        .link_caps2 = le32(SPEEDS_TO_16GT),
        .slot_caps = le32((slot & SLOT_MAX) << SLOT_SHIFT | NO_COMMAND_COMPLETED),
    }, writable = {.device_control = le16(ERROR_ENABLES), .root_control = le16(ROOT_ENABLES)};
    return pci_add_capability(f, PCI_CAP_EXPRESS, &express, sizeof express, &writable);
}

void pci_bridge_init(struct pci_bridge *bridge, struct pci_root *root, unsigned slot, unsigned port)
{
    const struct pci_id id = {.vendor = VENDOR_REDHAT, .device = DEVICE_ROOT_PORT,
                              .class_code = CLASS_BRIDGE, .bridge = true};
    const struct { struct le16 reserved, vendor, device; } subsystem = {.vendor = le16(VENDOR_REDHAT)};
    struct pci_function *f = &bridge->pci;
    pci_function_init(f, &bridge_ops, &id);
    bridge->bus_in_reset = false;
    f->express = true;
    f->config_ops = &bridge_config_ops;
    pci_add_intx(f);
    add_windows(f);
    pci_add_capability(f, PCI_CAP_SUBSYSTEM, &subsystem, sizeof subsystem, NULL);
    bridge->express_at = add_express(f, slot, port);
    pci_bus_init(&bridge->bus, root, f);
}

void pci_bridge_finish(struct pci_bridge *bridge)
{
    pci_function_finish(&bridge->pci);
}
