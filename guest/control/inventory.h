// SPDX-License-Identifier: GPL-2.0-or-later
//
// What monitors list: disks, cards, I/O threads, and the bus that they are on. Whoever makes the machine
// fills in these lists before a monitor is open, and they live as long as it does; nothing in them changes
// but what a comment says.
//
// Threads: the event loop's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest/block/block.h"
#include "guest/net/net.h"

struct pci_bus;
struct i8042;

struct inventory_disk {
    const char *device;    // of -drive: "virtio0"; empty for a node of -blockdev
    const char *node;      // its name; "#block000" where the user gave none
    const char *qdev;      // the QOM path of its front; null: no device uses it
    struct block *block;
    const char *format, *filename;
    enum block_cache cache;
    bool detect_zeroes;
    // What the last failed request was, since the machine last ran: 0, or an errno. Atomic.
    int io_error;
    struct inventory_disk *next;
};

struct inventory_net {
    const char *name;      // of the card: "net0", "virtio-net-pci.0"; null: no card
    const char *model;
    uint8_t mac[6];
    struct net *net;       // null: the card has none
    struct inventory_net *next;
};

struct inventory_thread {
    const char *id;
    int thread_id;
    struct inventory_thread *next;
};

struct inventory {
    struct inventory_disk *disks;
    struct inventory_net *nets;
    struct inventory_thread *threads;  // of -object iothread
    struct pci_bus *pci;               // null: there is none
    struct i8042 *keyboard;            // null: there is none
    // "tcp::2222-:22" and what hostfwd_remove names, on a net of this list. -errno and QEMU's sentence.
    int (*add_forward)(struct net *net, const char *rule, struct err *err);
    int (*remove_forward)(struct net *net, const char *rule, struct err *err);
    char *(*connections)(struct net *net);  // the caller frees it
};

// How often and how much, of one disk, as its I/O thread has counted.
struct inventory_stats {
    uint64_t operations[5], bytes[5], ns[5], failed[5];  // by enum block_operation
};
void inventory_read_stats(const struct inventory_disk *disk, struct inventory_stats *stats);
// What a disk's file takes on its host.
uint64_t inventory_allocated_bytes(const struct inventory_disk *disk);
