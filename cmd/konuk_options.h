// SPDX-License-Identifier: GPL-2.0-or-later
//
// What was typed after `konuk run`, checked as far as it can be without looking at anything.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { RUN_DISKS = 8, RUN_PORTS = 32 };
enum run_engine { RUN_ENGINE_AUTO, RUN_ENGINE_KONUK, RUN_ENGINE_KVM };

struct run_port {
    bool udp;
    char address[64];  // of this machine; "127.0.0.1" unless said
    unsigned host, guest;
};

// Strings are argv's.
struct run_options {
    const char *guest;  // "debian", "debian:generic", a kernel, a disk image; null: --kernel was given
    const char *kernel, *initrd, *append, *name;
    const char *disk[RUN_DISKS];
    unsigned disks;
    struct run_port port[RUN_PORTS];
    unsigned ports;
    uint64_t memory_bytes;  // 0: as this machine has it
    unsigned vcpus;         // 0: as this machine has them
    enum run_engine engine;
    bool no_network, dry_run, fresh, update, help;
    char **more;            // for konuk-vmm, null at the end
};

// KONUK_GOOD, or KONUK_USAGE after saying why.
int run_options_parse(struct run_options *options, int argc, char **argv);
