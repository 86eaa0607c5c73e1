// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a monitor can ask of its machine. QMP and the human monitor know nothing else of it, so
// they run in a test with a fake.
//
// Threads: the event loop's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/control/inventory.h"
#include "guest/cpu/x86/state.h"
#include "guest/machine/vm.h"
#include "guest/mem/mem.h"

struct vm_control;

struct vm_control_ops {
    const char *(*status)(struct vm_control *vm);  // "running", "paused"
    void (*stop)(struct vm_control *vm);
    int (*cont)(struct vm_control *vm, struct err *err);
    void (*reset)(struct vm_control *vm);
    void (*powerdown)(struct vm_control *vm);
    void (*quit)(struct vm_control *vm, const char *reason);
    void (*nmi)(struct vm_control *vm);
    int (*thread_id)(struct vm_control *vm, unsigned vcpu);
    void (*read_state)(struct vm_control *vm, unsigned vcpu, struct x86_state *state);
    void (*statistics)(struct vm_control *vm, void (*line)(void *opaque, const char *text), void *opaque);
    void (*migrate)(struct vm_control *vm, const char *uri);  // begins; migration() tells how it goes
    int (*migrate_incoming)(struct vm_control *vm, const char *uri, struct err *err);
    const struct vm_migration *(*migration)(struct vm_control *vm);
    int (*gdbserver)(struct vm_control *vm, const char *spec, struct err *err);  // null: closes it
};

struct vm_control {
    const struct vm_control_ops *ops;
    const char *name;     // null: it has none
    const char *machine;  // "pc-q35-7.2"
    uint8_t uuid[16];
    bool kvm, kvm_present, one_instruction;
    unsigned vcpus, cores, threads;  // cores of a socket, threads of a core
    struct mem *memory, *ports;
    struct inventory inventory;
};
