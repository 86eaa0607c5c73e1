// SPDX-License-Identifier: GPL-2.0-or-later
//
// The vCPU contract: what a machine and its tools may ask of a vCPU, whichever engine runs it.
//
// An engine is made for one VM, over its memory, ports and clock. It creates the vCPUs; each has a
// thread of its own, which vcpu.c owns: that thread calls ops->run again and again while the
// guest runs, and serves requests (pause, reset, state) in between. So an engine's run never
// sees a pause or a debugger; it only returns soon after a kick.
//
// Halting (HLT), the local APIC, its timer, IPIs and INIT/SIPI are the engine's. Interrupts
// reach it as MSIs (engine_ops.msi) and through the 8259's INTR wire of the boot vCPU.
//
// Threads: every vcpu_* function may be called from any thread but a vCPU's own, with no device
// lock held. While a vCPU is paused, its state may be read and written by whoever paused it.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "guest/cpu/x86/cpuid.h"
#include "guest/cpu/x86/state.h"
#include "guest/mem/mem.h"

struct vcpu;
struct engine;

// The only asynchronous signal that a vCPU's thread takes (SIGUSR1, as a constant for assembly).
// Its handler is the engine's. Signals of the thread's own faults stay open too.
enum { VCPU_KICK_SIGNAL = 10 };

enum vcpu_exit {
    VCPU_EXIT_KICKED,    // something is waiting in the mailbox, or nothing: look and run again
    VCPU_EXIT_SHUTDOWN,  // triple fault
    VCPU_EXIT_DEBUG,     // a breakpoint, watchpoint or single step: vcpu->debug_hit says which
    VCPU_EXIT_ERROR,     // the engine can't go on; it wrote why to the log
};

enum vcpu_break { VCPU_BREAK_EXEC, VCPU_BREAK_WRITE, VCPU_BREAK_ACCESS };
enum { VCPU_BREAKPOINTS = 64 };
// What a debugger wants. The whole struct is replaced at once while the vCPU is paused.
struct vcpu_debug {
    bool single_step;
    unsigned count;
    struct { gva_t address; uint32_t size_bytes; enum vcpu_break kind; } points[VCPU_BREAKPOINTS];
};
struct vcpu_debug_hit {
    bool step;
    gva_t address;  // of the break- or watchpoint
    enum vcpu_break kind;
};

struct vcpu_ops {
    // On the vCPU's thread, which is a registered mem reader. Runs guest code until there is
    // something that vcpu.c must do.
    enum vcpu_exit (*run)(struct vcpu *vcpu);
    // Any thread: makes run, or its next call, return soon. May be called with device locks held.
    void (*kick)(struct vcpu *vcpu);
    // vCPU thread or vCPU paused: bring vcpu->state up to date; make a changed state take effect
    // (which drops whatever the engine had derived from it, and all of its TLB).
    void (*get_state)(struct vcpu *vcpu);
    void (*put_state)(struct vcpu *vcpu);
    void (*set_debug)(struct vcpu *vcpu, const struct vcpu_debug *debug);
    void (*nmi)(struct vcpu *vcpu);  // any thread
    void (*destroy)(struct vcpu *vcpu);
    // vCPU paused: as after power-on, the local APIC and the TSC too, and in effect. Null where
    // x86_reset and put_state are all there is to it (vcpu_reset).
    void (*reset)(struct vcpu *vcpu);
};

// Embedded first in the engine's own struct; filled in by engine_ops.create_vcpu.
struct vcpu {
    const struct vcpu_ops *ops;
    struct engine *engine;
    struct x86_state *state;
    unsigned index;  // 0 is the boot vCPU
    struct vcpu_debug_hit debug_hit;
    struct vcpu_thread *thread;  // vcpu.c's
};

// Guest time by the instructions executed (-icount): each takes 2^shift ns, and the clock is a counted one.
struct engine_count {
    bool on;
    uint8_t shift;
    bool sleeps;  // a halted vCPU waits as long as the guest believes it does
};

// What an engine gets to know about its VM. All lent; outlives the engine.
struct engine_config {
    struct mem *memory, *ports;
    struct ram *ram;  // all of the guest's RAM is in this one mapping
    struct clock *clock;
    const struct x86_model *model;
    unsigned vcpus;
    // The 8259's answer to an interrupt acknowledge; called on the boot vCPU's thread.
    int (*pic_acknowledge)(void *opaque);
    // A level-triggered vector was ended on some vCPU (to the IOAPIC). vCPU thread.
    void (*eoi)(void *opaque, uint8_t vector);
    // FERR#: with CR0.NE clear an unmasked x87 exception waits. vCPU thread, no device lock held. May be null.
    void (*ferr)(void *opaque);
    void *opaque;
    bool one_instruction_blocks;  // jit: the reference mode
    uint64_t code_cache_bytes;    // jit; 0: the default
    struct engine_count count;    // jit; one vCPU
};

struct engine_ops {
    const char *name;  // as in -accel
    // On success returns the vCPU in its reset state, not yet started. Null and a sentence
    // otherwise.
    struct vcpu *(*create_vcpu)(struct engine *engine, unsigned index, struct err *err);
    // Any thread, device locks held: an MSI from a device or the IOAPIC; the 8259's INTR wire.
    void (*msi)(struct engine *engine, uint64_t address, uint32_t data);
    void (*pic_intr)(struct engine *engine, bool level);
    // IGNNE#: vCPUs that assert FERR# go on, until they end that. Null where the hardware knows no FERR#.
    void (*ignne)(struct engine *engine);
    // A text of counters for `info jit` and -accel stats=on; may be null.
    void (*statistics)(struct engine *engine, void (*line)(void *opaque, const char *text), void *opaque);
    void (*destroy)(struct engine *engine);
};

struct engine {
    const struct engine_ops *ops;
    struct engine_config config;  // a copy
};

// What vcpu.c tells the machine. Called on the vCPU's thread, with no lock held; must not wait for
// a vCPU (post the work to the loop).
struct vcpu_events {
    void (*shutdown)(void *opaque, struct vcpu *vcpu);  // triple fault; the vCPU has paused itself
    void (*debug)(void *opaque, struct vcpu *vcpu);     // debug_hit is set; it has paused itself
    void (*failed)(void *opaque, struct vcpu *vcpu);
    void *opaque;
};

// Starts the vCPU's thread, paused. Takes ownership of vcpu once it returns 0; otherwise -errno.
int vcpu_start(struct vcpu *vcpu, const struct vcpu_events *events, struct err *err);
void vcpu_pause(struct vcpu *vcpu);          // asks; returns at once
void vcpu_wait_paused(struct vcpu *vcpu);    // state is up to date when it returns
bool vcpu_is_paused(struct vcpu *vcpu);
int vcpu_thread_id(struct vcpu *vcpu);       // as the host numbers it, for query-cpus-fast; 0: not yet
void vcpu_resume(struct vcpu *vcpu);         // put_state was done if state was changed
void vcpu_reset(struct vcpu *vcpu);          // while paused: as after power-on
void vcpu_destroy(struct vcpu *vcpu);        // ends the thread
