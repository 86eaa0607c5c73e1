// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inside guest/cpu/kvm: what its files know of each other. References without a name are to
// Linux: Documentation/virt/kvm/api.rst.
//
//   engine.c   the VM: its descriptor, memory slots, guest time; making and ending
//   support.c  what the host's KVM offers; the answers of CPUID
//   route.c    MSIs, and which vectors the kernel must report the end of
//   run.c      a vCPU: KVM_RUN, its exits, kicks and the 8259's wire
//   state.c    x86_state from and to the kernel: registers, XSAVE, events; lapic.c, msr.c the rest
//   debug.c    breakpoints, watchpoints and single steps
//
// Locks: kvm_engine.lock guards slots and the count of running vCPUs, route_lock the routes. Nothing
// is called out with either held.
#pragma once

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "guest/cpu/vcpu.h"

// Pins that the kernel keeps routes for (KVM_CAP_SPLIT_IRQCHIP). A kernel's IOAPIC has 24; more give
// room for messages that were rerouted while the old one is still in service.
enum { KVM_ROUTES = 64, KVM_SLOTS = 64, KVM_MSRS = 128, KVM_EXITS = 64 };

struct kvm_slot {
    uint64_t gpa, size_bytes, host;  // size 0: free
    bool read_only;
};

struct kvm_route {
    uint64_t address;
    uint32_t data;
    uint64_t last_use;  // 0: free
    bool in_service;
};

enum { KVM_PATCHES = 4 * VCPU_BREAKPOINTS };
struct kvm_patch {  // an INT3 in guest memory, there as long as a vCPU wants it
    uint8_t *byte, was;
    unsigned users;
};

struct kvm_engine {
    struct engine engine;
    int kvm_fd, vm_fd;
    size_t run_bytes;  // of the mapping that a vCPU shares with the kernel
    uint64_t tsc_offset;  // of every vCPU after a reset: they started together

    pthread_mutex_t lock;
    struct kvm_slot slots[KVM_SLOTS];
    unsigned running;
    // What KVM's clock has run ahead of the machine's. It is carried over pauses, or the guest's clock
    // would step back by what the host's clock was slewed in the meantime.
    int64_t clock_ahead_ns;

    pthread_mutex_t route_lock;
    struct kvm_route routes[KVM_ROUTES];
    uint64_t route_uses;

    struct kvm_patch patches[KVM_PATCHES];  // under lock

    _Atomic(struct kvm_vcpu *) boot;
    atomic_bool intr;  // the 8259's wire
    atomic_ullong exits[KVM_EXITS];
};

struct kvm_vcpu {
    struct vcpu vcpu;
    struct x86_state state;
    int fd;
    struct kvm_run *run;
    atomic_int tid;    // 0 until it has run
    bool active;       // counted in engine.running
    bool broken;       // a state could not be put: it can't run
    int extint_sent;   // the last vector given to KVM_INTERRUPT, or -1
    bool extint_held;  // it was still in the kernel when the state was taken
    uint64_t put_tsc_offset;
    bool tsc_was_put;
    struct vcpu_debug debug;
    struct kvm_guest_debug kernel_debug;  // what the kernel was told of it
    uint8_t debug_register[4];            // the point that each serves
    struct { gva_t address; struct kvm_patch *patch; } breaks[VCPU_BREAKPOINTS];
    unsigned break_count;
    bool msr_known[KVM_MSRS];
};

static inline struct kvm_engine *kvm_engine_of(struct kvm_vcpu *v)
{
    return (struct kvm_engine *)v->vcpu.engine;
}

// engine.c
int kvm_slots_sync(struct kvm_engine *e);   // -errno, logged
void kvm_clock_resumed(struct kvm_engine *e);
void kvm_clock_paused(struct kvm_engine *e);

// support.c
int kvm_set_cpuid(struct kvm_vcpu *v, struct err *err);

// route.c
void kvm_msi(struct engine *engine, uint64_t address, uint32_t data);
void kvm_route_ended(struct kvm_engine *e, uint8_t vector);
// A loaded state has level-triggered vectors on their way: their end must be reported too.
void kvm_routes_from_state(struct kvm_engine *e, const struct x86_apic *apic);

// run.c
struct vcpu *kvm_create_vcpu(struct engine *engine, unsigned index, struct err *err);
void kvm_pic_intr(struct engine *engine, bool level);

// state.c
void kvm_get_state(struct vcpu *vcpu);
void kvm_put_state(struct vcpu *vcpu);
// ioctl on the vCPU; a failure is logged as what and makes the vCPU unable to run.
bool kvm_vcpu_ioctl(struct kvm_vcpu *v, unsigned long request, void *argument, const char *what);

// lapic.c
void kvm_get_lapic(struct kvm_vcpu *v);
void kvm_put_lapic(struct kvm_vcpu *v);
void kvm_reset_lapic(struct x86_apic *apic, unsigned index);

// msr.c
void kvm_probe_msrs(struct kvm_vcpu *v);
void kvm_get_msrs(struct kvm_vcpu *v);
void kvm_put_msrs(struct kvm_vcpu *v);
void kvm_get_tsc(struct kvm_vcpu *v);
void kvm_put_tsc(struct kvm_vcpu *v);
bool kvm_get_msr(struct kvm_vcpu *v, uint32_t index, uint64_t *value);
bool kvm_set_msr(struct kvm_vcpu *v, uint32_t index, uint64_t value);

// debug.c
void kvm_set_debug(struct vcpu *vcpu, const struct vcpu_debug *debug);
// After KVM_EXIT_DEBUG: true if it is the debugger's, and debug_hit is set; else the guest got it.
bool kvm_debug_hit(struct kvm_vcpu *v);
