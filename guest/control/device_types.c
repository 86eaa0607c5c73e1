// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/device_types.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct property pci[] = {
    {"acpi-index", PROPERTY_UINT32, "0", "0", NULL},
    {"addr", PROPERTY_ADDRESS, NULL, NULL, "Slot and optional function number, example: 06.0 or 06"},
    {"failover_pair_id", PROPERTY_STRING, NULL, "", NULL},
    {"multifunction", PROPERTY_BOOL, "off", NULL, "on/off"},
    {"rombar", PROPERTY_UINT32, "1", NULL, NULL},
    {"romfile", PROPERTY_STRING, NULL, "", NULL},
    {0},
};

// A property that names a legacy feature, or one that our transport does not offer, has one value.
static const struct property virtio[] = {
    {"aer", PROPERTY_BOOL, "off", "off", NULL},
    {"any_layout", PROPERTY_BOOL, "on", "on", NULL},
    {"ats", PROPERTY_BOOL, "off", "off", NULL},
    {"disable-legacy", PROPERTY_ON_OFF_AUTO, "auto", "on auto", "there is no legacy interface"},
    {"disable-modern", PROPERTY_BOOL, "off", "off", NULL},
    {"event_idx", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"indirect_desc", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"ioeventfd", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"iommu_platform", PROPERTY_BOOL, "off", "off", NULL},
    {"modern-pio-notify", PROPERTY_BOOL, "off", "off", NULL},
    {"packed", PROPERTY_BOOL, "off", "off", NULL},
    {"page-per-vq", PROPERTY_BOOL, "off", "off", NULL},
    {"queue_reset", PROPERTY_BOOL, "off", "off", NULL},
    {"vectors", PROPERTY_UINT32, NULL, NULL, "of MSI-X; 0: none"},
    {0},
};

// Without firmware nobody asks for an order of booting, and none is kept.
static const struct property blk[] = {
    {"bootindex", PROPERTY_INT32, NULL, "-1", NULL},
    {"config-wce", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"discard", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"drive", PROPERTY_STRING, NULL, NULL, "Node name or ID of a block device to use as a backend"},
    {"iothread", PROPERTY_STRING, NULL, NULL, "ID of an -object iothread"},
    {"logical_block_size", PROPERTY_SIZE, "0", NULL, "A power of two between 512 B and 2 MiB"},
    {"num-queues", PROPERTY_UINT16, "65535", NULL, NULL},
    {"opt_io_size", PROPERTY_SIZE, "0", NULL, NULL},
    {"min_io_size", PROPERTY_SIZE, "0", NULL, NULL},
    {"physical_block_size", PROPERTY_SIZE, "0", NULL, "A power of two between 512 B and 2 MiB"},
    {"queue-size", PROPERTY_UINT16, "256", NULL, NULL},
    {"request-merging", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"rerror", PROPERTY_POLICY, "auto", NULL, "Error handling policy, report/ignore/enospc/stop/auto"},
    {"scsi", PROPERTY_BOOL, "off", "off", NULL},
    {"serial", PROPERTY_STRING, NULL, NULL, NULL},
    {"share-rw", PROPERTY_BOOL, "off", "off", NULL},
    {"werror", PROPERTY_POLICY, "auto", NULL, "Error handling policy, report/ignore/enospc/stop/auto"},
    {"write-cache", PROPERTY_ON_OFF_AUTO, "auto", NULL, "on/off/auto"},
    {"write-zeroes", PROPERTY_BOOL, "on", NULL, "on/off"},
    {0},
};

static const struct property net[] = {
    {"bootindex", PROPERTY_INT32, NULL, "-1", NULL},
    {"csum", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"guest_csum", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"guest_tso4", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"guest_tso6", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"guest_ecn", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"guest_announce", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"host_tso4", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"host_tso6", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"host_ecn", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"mrg_rxbuf", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"status", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"ctrl_vq", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"ctrl_rx", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"ctrl_vlan", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"ctrl_rx_extra", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"ctrl_mac_addr", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"ctrl_guest_offloads", PROPERTY_BOOL, "on", NULL, "on/off"},
    {"guest_ufo", PROPERTY_BOOL, "off", "off", NULL},
    {"host_mtu", PROPERTY_UINT16, "0", NULL, NULL},
    {"host_ufo", PROPERTY_BOOL, "off", "off", NULL},
    {"mac", PROPERTY_STRING, NULL, NULL, "Ethernet 6-byte MAC Address, example: 52:54:00:12:34:56"},
    {"mq", PROPERTY_BOOL, "off", "off", NULL},
    {"netdev", PROPERTY_STRING, NULL, NULL, "ID of a netdev to use as a backend"},
    {"rss", PROPERTY_BOOL, "off", "off", NULL},
    {"rx_queue_size", PROPERTY_UINT16, "256", NULL, NULL},
    {"tx", PROPERTY_STRING, NULL, "bh", NULL},
    {"tx_queue_size", PROPERTY_UINT16, "256", NULL, NULL},
    {0},
};

static const struct property rng[] = {
    {"max-bytes", PROPERTY_UINT64, "9223372036854775807", NULL, "in each period"},
    {"period", PROPERTY_UINT32, "65536", NULL, "in milliseconds"},
    {"rng", PROPERTY_STRING, NULL, NULL, "ID of an -object rng-random or rng-builtin"},
    {0},
};

static const struct property root_port[] = {
    {"bus-reserve", PROPERTY_UINT32, NULL, "0", NULL},
    {"chassis", PROPERTY_UINT8, "0", NULL, NULL},
    {"disable-acs", PROPERTY_BOOL, "off", "off", NULL},
    {"hotplug", PROPERTY_BOOL, "off", "off", NULL},
    {"port", PROPERTY_UINT8, "0", NULL, NULL},
    {"slot", PROPERTY_UINT16, "0", NULL, NULL},
    {0},
};

static const struct property serial[] = {
    {"chardev", PROPERTY_STRING, NULL, NULL, "ID of a chardev to use as a backend"},
    {"index", PROPERTY_UINT32, "4294967295", NULL, NULL},
    {"iobase", PROPERTY_UINT32, "4294967295", NULL, NULL},
    {"irq", PROPERTY_UINT32, "4294967295", NULL, NULL},
    {0},
};

static const struct property debug_exit[] = {
    {"iobase", PROPERTY_UINT32, "1281", NULL, NULL},
    {"iosize", PROPERTY_UINT32, "2", NULL, NULL},
    {0},
};

static const struct property pvpanic[] = {
    {"events", PROPERTY_UINT8, "3", NULL, NULL},
    {"ioport", PROPERTY_UINT16, "1285", NULL, NULL},
    {0},
};

// In the order of -device help. Our virtio is never transitional, under either name.
static const struct device_type types[] = {
    {"pcie-root-port", NULL, DEVICE_ROOT_PORT, "PCI", "Controller/Bridge/Hub", "PCI Express Root Port", {root_port, pci}},
    {"virtio-blk-pci", "virtio-blk", DEVICE_VIRTIO_BLK, "PCI", "Storage", NULL, {blk, virtio, pci}},
    {"virtio-blk-pci-non-transitional", NULL, DEVICE_VIRTIO_BLK, "PCI", "Storage", NULL, {blk, virtio, pci}},
    {"virtio-net-pci", "virtio-net", DEVICE_VIRTIO_NET, "PCI", "Network", NULL, {net, virtio, pci}},
    {"virtio-net-pci-non-transitional", NULL, DEVICE_VIRTIO_NET, "PCI", "Network", NULL, {net, virtio, pci}},
    {"isa-serial", NULL, DEVICE_ISA_SERIAL, "ISA", "Input", NULL, {serial}},
    {"isa-debug-exit", NULL, DEVICE_DEBUG_EXIT, "ISA", "Misc", NULL, {debug_exit}},
    {"pvpanic", NULL, DEVICE_PVPANIC, "ISA", "Misc", NULL, {pvpanic}},
    {"virtio-rng-pci", "virtio-rng", DEVICE_VIRTIO_RNG, "PCI", "Misc", NULL, {rng, virtio, pci}},
    {"virtio-rng-pci-non-transitional", NULL, DEVICE_VIRTIO_RNG, "PCI", "Misc", NULL, {rng, virtio, pci}},
};

const struct device_type *device_type_find(const char *name)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (!strcmp(types[i].name, name) || (types[i].alias && !strcmp(types[i].alias, name)))
            return &types[i];
    return NULL;
}

bool device_type_is_pci(const struct device_type *type)
{
    return !strcmp(type->bus, "PCI");
}

const struct property *device_type_property(const struct device_type *type, const char *name)
{
    for (int i = 0; i < PROPERTY_SETS && type->sets[i]; i++)
        for (const struct property *p = type->sets[i]; p->name; p++)
            if (!strcmp(p->name, name))
                return p;
    return NULL;
}

int device_address(const char *text)
{
    char *end;
    unsigned long slot = strtoul(text, &end, 16), function = 0;
    bool good = isxdigit((unsigned char)*text) && end != text;
    if (good && *end == '.') {
        text = end + 1;
        good = isxdigit((unsigned char)*text);
        function = strtoul(text, &end, 16);
    }
    return good && !*end && slot < 32 && function < 8 ? (int)(slot << 3 | function) : -EINVAL;
}

static int check_number(const struct property *p, const char *value, struct err *err)
{
    static const struct { uint64_t most; const char *name; } ranges[] = {
        [PROPERTY_UINT8] = {UINT8_MAX, "uint8_t"}, [PROPERTY_UINT16] = {UINT16_MAX, "uint16_t"},
        [PROPERTY_UINT32] = {UINT32_MAX, "uint32_t"}, [PROPERTY_INT32] = {INT32_MAX, "int32_t"},
        [PROPERTY_UINT64] = {UINT64_MAX, "uint64"},
    };
    char *end;
    errno = 0;
    bool negative = p->type == PROPERTY_INT32 && *value == '-';
    uint64_t number = strtoull(value + negative, &end, 0);
    if (!isdigit((unsigned char)value[negative]) || *end || errno)
        return err_set(err, -EINVAL, "Parameter '%s' expects integer", p->name);
    if (number > ranges[p->type].most)
        return err_set(err, -EINVAL, "Parameter '%s' expects %s", p->name, ranges[p->type].name);
    return 0;
}

static int check_word(const struct property *p, const char *value, struct err *err)
{
    static const char *const policies[] = {"report", "ignore", "enospc", "stop", "auto"};
    static const char *const switches[] = {"on", "off", "auto"};
    bool policy = p->type == PROPERTY_POLICY;
    const char *const *words = policy ? policies : switches;
    for (size_t i = 0; i < (policy ? COUNT(policies) : COUNT(switches)); i++)
        if (!strcmp(words[i], value))
            return 0;
    return err_set(err, -EINVAL, "Parameter '%s' does not accept value '%s'", p->name, value);
}

static int check_type(const struct device_type *type, const struct property *p, const char *value,
                      struct err *err)
{
    bool on;
    uint64_t size;
    switch (p->type) {
    case PROPERTY_STRING:
        return 0;
    case PROPERTY_BOOL:
        return parse_bool(value, &on) == 0 ? 0 :
               err_set(err, -EINVAL, "Parameter '%s' expects 'on' or 'off'", p->name);
    case PROPERTY_ON_OFF_AUTO: case PROPERTY_POLICY:
        return check_word(p, value, err);
    case PROPERTY_SIZE:
        return parse_size(value, 1, &size) == 0 ? 0 :
               err_set(err, -EINVAL, "Parameter '%s' expects a size", p->name);
    case PROPERTY_ADDRESS:
        return device_address(value) >= 0 ? 0 :
               err_set(err, -EINVAL, "Property '%s.%s' doesn't take value '%s'", type->name, p->name, value);
    default:
        return check_number(p, value, err);
    }
}

// Of a switch the value counts, not how it is spelt.
static bool is_there(const struct property *p, const char *value)
{
    bool on;
    if (p->type == PROPERTY_BOOL && parse_bool(value, &on) == 0)
        value = on ? "on" : "off";
    size_t length = strlen(value);
    for (const char *at = p->only; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (!strncmp(at, value, length) && (at[length] == ' ' || !at[length]))
            return true;
    }
    return !p->only;
}

static int check_one(const struct device_type *type, const struct keyval *item, struct err *err)
{
    const struct property *p = device_type_property(type, item->key);
    if (!p)
        return err_set(err, -EINVAL, "Property '%s.%s' not found", type->name, item->key);
    int rc = check_type(type, p, item->value, err);
    if (rc == 0 && !is_there(p, item->value))
        rc = err_set(err, -ENOTSUP, "%s=%s is not supported yet", item->key, item->value);
    return rc;
}

int device_type_check(const struct device_type *type, const struct keyvals *kv, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < kv->count && rc == 0; i++) {
        const char *key = kv->item[i].key;
        if (strcmp(key, "driver") && strcmp(key, "id") && strcmp(key, "bus"))
            rc = check_one(type, &kv->item[i], err);
    }
    return rc;
}

void device_types_print(void)
{
    const char *category = "";
    for (size_t i = 0; i < COUNT(types); i++) {
        const struct device_type *t = &types[i];
        if (strcmp(category, t->category))
            printf("%s%s devices:\n", *category ? "\n" : "", t->category);
        category = t->category;
        printf("name \"%s\", bus %s", t->name, t->bus);
        if (t->alias)
            printf(", alias \"%s\"", t->alias);
        if (t->description)
            printf(", desc \"%s\"", t->description);
        putchar('\n');
    }
}

static void print_property(const struct property *p)
{
    static const char *const names[] = {
        [PROPERTY_BOOL] = "bool", [PROPERTY_ON_OFF_AUTO] = "OnOffAuto", [PROPERTY_UINT8] = "uint8",
        [PROPERTY_UINT16] = "uint16", [PROPERTY_UINT32] = "uint32", [PROPERTY_INT32] = "int32",
        [PROPERTY_UINT64] = "uint64", [PROPERTY_SIZE] = "size", [PROPERTY_STRING] = "str",
        [PROPERTY_ADDRESS] = "int32", [PROPERTY_POLICY] = "BlockdevOnError",
    };
    char head[64];
    const char *initial = p->initial;
    if (initial && p->type == PROPERTY_BOOL)
        initial = strcmp(initial, "on") ? "false" : "true";
    bool quoted = p->type == PROPERTY_ON_OFF_AUTO || p->type == PROPERTY_POLICY;
    snprintf(head, sizeof head, "%s=<%s>", p->name, names[p->type]);
    if (!p->help && !initial)
        printf("  %s\n", head);
    else if (!initial)
        printf("  %-22s - %s\n", head, p->help);
    else
        printf("  %-22s - %s (default: %s%s%s)\n", head, p->help ? p->help : "", quoted ? "\"" : "",
               initial, quoted ? "\"" : "");
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct property *const *)a)->name, (*(const struct property *const *)b)->name);
}

void device_type_print(const struct device_type *type)
{
    const struct property *all[128];
    size_t count = 0;
    for (int i = 0; i < PROPERTY_SETS && type->sets[i]; i++)
        for (const struct property *p = type->sets[i]; p->name && count < COUNT(all); p++)
            all[count++] = p;
    qsort(all, count, sizeof all[0], by_name);
    printf("%s options:\n", type->name);
    for (size_t i = 0; i < count; i++)
        print_property(all[i]);
}

const char *device_string(const struct device_type *type, struct keyvals *kv, const char *name)
{
    const char *value = keyvals_take(kv, name);
    return value ? value : device_type_property(type, name)->initial;
}

bool device_bool(const struct device_type *type, struct keyvals *kv, const char *name)
{
    bool on = false;
    const char *value = device_string(type, kv, name);
    if (value)
        parse_bool(value, &on);
    return on;
}

uint64_t device_number(const struct device_type *type, struct keyvals *kv, const char *name)
{
    uint64_t number = 0;
    const char *value = device_string(type, kv, name);
    if (value && device_type_property(type, name)->type == PROPERTY_SIZE)
        parse_size(value, 1, &number);
    else if (value)
        number = strtoull(value, NULL, 0);
    return number;
}
