// SPDX-License-Identifier: GPL-2.0-or-later
//
// What -device can make, as data: drivers by QEMU's names, their properties with types, defaults and what
// of them exists here. A property that QEMU has and we have with some values only is refused by
// name with the others, so that nothing asked for is left out in silence.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/control/keyval.h"

enum device_kind {
    DEVICE_VIRTIO_BLK, DEVICE_VIRTIO_NET, DEVICE_VIRTIO_RNG, DEVICE_ROOT_PORT, DEVICE_ISA_SERIAL,
    DEVICE_DEBUG_EXIT, DEVICE_PVPANIC,
};

enum property_type {
    PROPERTY_BOOL, PROPERTY_ON_OFF_AUTO, PROPERTY_UINT8, PROPERTY_UINT16, PROPERTY_UINT32,
    PROPERTY_INT32, PROPERTY_UINT64, PROPERTY_SIZE, PROPERTY_STRING, PROPERTY_ADDRESS, PROPERTY_POLICY,
};

struct property {
    const char *name;
    enum property_type type;
    const char *initial;  // null: none
    const char *only;     // values that exist here, with spaces between; null: all of the type
    const char *help;     // null: nothing to say
};

enum { PROPERTY_SETS = 4 };

struct device_type {
    const char *name, *alias;
    enum device_kind kind;
    const char *bus;                             // "PCI", "ISA"
    const char *category;                        // "Storage"
    const char *description;                     // null: none
    const struct property *sets[PROPERTY_SETS];  // each ends with a null name
};

const struct device_type *device_type_find(const char *name);
bool device_type_is_pci(const struct device_type *type);
const struct property *device_type_property(const struct device_type *type, const char *name);
// Every key but driver, id and bus is a property and has a value of its type. QEMU's sentences.
int device_type_check(const struct device_type *type, const struct keyvals *properties, struct err *err);
void device_types_print(void);                                // -device help
void device_type_print(const struct device_type *type);      // -device NAME,help

// A property's value as given, or what it is without. The keyvals have been checked.
bool device_bool(const struct device_type *type, struct keyvals *properties, const char *name);
uint64_t device_number(const struct device_type *type, struct keyvals *properties, const char *name);
const char *device_string(const struct device_type *type, struct keyvals *properties, const char *name);
// "4", "4.1", "0x1f.7": the slot in hexadecimal. Less than 0: it is none.
int device_address(const char *text);
