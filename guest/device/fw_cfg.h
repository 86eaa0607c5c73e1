// SPDX-License-Identifier: GPL-2.0-or-later
//
// QEMU's firmware configuration device, as its docs/specs/fw_cfg describes it: numbered items of bytes
// that firmware and the guest's qemu_fw_cfg driver read, by a selector and a data port or by DMA. Items
// that have a name are listed in a directory, sorted by it. The guest can't change any.
//
// Ports: 0x510 selector (16 bits), 0x511 data, 0x514 address of a DMA descriptor (64 bits, big-endian,
// in halves; writing the low one starts it). A descriptor is three big-endian words: control, length,
// address (64 bits). DMA is done inside the guest's write.
//
// Threads: items are added on the main thread before vCPUs run; else as device.h.
#pragma once

#include "guest/device/device.h"

enum {
    FW_CFG_BASE = 0x510, FW_CFG_PORTS = 12,
    FW_CFG_ITEMS = 256, FW_CFG_NAME_BYTES = 56,  // of a name, with its end
    FW_CFG_FILE_BYTES_MAX = 64 << 20,            // of one item, and of one DMA
    FW_CFG_ENTRY_BYTES = 64,                     // of the directory
};
// Keys of items without a name.
enum { FW_CFG_SIGNATURE, FW_CFG_ID, FW_CFG_UUID, FW_CFG_RAM_SIZE, FW_CFG_NOGRAPHIC, FW_CFG_CPUS,
       FW_CFG_BOOT_MENU = 0x0e, FW_CFG_MAX_CPUS = 0x0f, FW_CFG_DIRECTORY = 0x19, FW_CFG_FILE_FIRST = 0x20 };

struct fw_cfg_item {
    uint16_t key;
    char name[FW_CFG_NAME_BYTES];  // empty: none
    const uint8_t *bytes;
    size_t size_bytes;
    void *owned;                   // a copy to be freed; null: lent
};

struct fw_cfg {
    struct device dev;
    struct mem *memory;  // not owned
    struct fw_cfg_item item[FW_CFG_ITEMS];  // those with a name last, sorted by it
    unsigned count;
    uint8_t directory[4 + FW_CFG_ITEMS * FW_CFG_ENTRY_BYTES];

    uint16_t selected;
    uint64_t at;           // how much of the item was read
    uint64_t dma_address;  // as far as it was written
};

// memory is where DMA goes.
void fw_cfg_init(struct fw_cfg *fw, struct mem *memory);
void fw_cfg_finish(struct fw_cfg *fw);

// Each keeps a copy of bytes. -EEXIST: the key or name is taken; -ENOSPC: there are FW_CFG_ITEMS; -EINVAL: a
// name of no byte, or of FW_CFG_NAME_BYTES and more; -EFBIG, -ENOMEM.
int fw_cfg_add(struct fw_cfg *fw, uint16_t key, const void *bytes, size_t size_bytes, struct err *err);
int fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *bytes, size_t size_bytes,
                    struct err *err);
// The same, and bytes must outlive the device.
int fw_cfg_lend_file(struct fw_cfg *fw, const char *name, const void *bytes, size_t size_bytes,
                     struct err *err);
