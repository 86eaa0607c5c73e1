// SPDX-License-Identifier: GPL-2.0-or-later
//
// A PC with Intel's Q35 and ICH9, as QEMU's machine "q35" lays it out: which device sits where, and
// nothing else. Without firmware: a kernel is loaded directly.
//
//   0 to 640 KiB, 768 KiB to the top of low memory   RAM; what does not fit goes on at 4 GiB
//   0xfec00000 IOAPIC   0xfed00000 HPET   0xfee00000 local APICs (the engine's)
//   ports: 0x20 0xa0 0x4d0 8259   0x40 0x61 8254   0x70 RTC   0x92 0xcf9 reset   0xb2 0x600 ACPI
//          0x3f8 0x2f8 0x3e8 0x2e8 serial ports
//
// Threads: as vm.h.
#pragma once

#include "guest/chr/chr.h"
#include "guest/firmware/boot.h"
#include "guest/machine/vm.h"

enum { Q35_SERIALS = 4 };

struct q35_serial {
    bool there;
    struct chr *chr;  // lent; null: nothing is connected
};

struct q35_config {
    const char *name;  // for snapshots: "pc-q35-7.2"
    uint64_t ram_bytes;
    unsigned vcpus;
    bool hpet;
    int64_t rtc_start_s;
    struct q35_serial serial[Q35_SERIALS];
    bool debug_exit;
    uint16_t debug_exit_base;
    uint32_t debug_exit_bytes;
    struct boot *boot;  // lent; null: only to load a snapshot into
    struct vm_config vm;
    // Makes the engine; fills in config->model first. Null and a sentence.
    struct engine *(*create_engine)(struct engine_config *config, void *opaque, struct err *err);
    void *opaque;
};

struct q35;
// Paused, in its power-up state (VM_PRELAUNCH).
struct q35 *q35_create(const struct q35_config *config, struct err *err);
void q35_destroy(struct q35 *q35);

struct vm *q35_vm(struct q35 *q35);
struct mem *q35_memory(struct q35 *q35);
struct mem *q35_ports(struct q35 *q35);
