// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a virtual machine does as a whole: it runs, is paused, is reset, is switched off, is saved.
// Which devices it consists of is its board's business (struct vm_board), which engine runs its
// vCPUs neither knows.
//
// Threads: the event loop's, a registered mem reader, unless said otherwise. What a guest asks for
// in the middle of an access is posted to the loop (vm_request), and so happens outside every
// dispatch.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "guest/bus/power.h"
#include "guest/cpu/vcpu.h"
#include "guest/migrate/snapshot.h"

// As query-status names them (vm_state_name). Snapshots hold the numbers: new ones go to the end.
enum vm_state {
    VM_PRELAUNCH, VM_INMIGRATE, VM_RUNNING, VM_PAUSED, VM_SHUTDOWN, VM_PANICKED, VM_DEBUG,
    VM_INTERNAL_ERROR, VM_POSTMIGRATE, VM_IO_ERROR, VM_STATES,
};

enum vm_event_kind { VM_EVENT_STOP, VM_EVENT_RESUME, VM_EVENT_RESET, VM_EVENT_POWERDOWN,
                     VM_EVENT_SHUTDOWN, VM_EVENT_MIGRATION, VM_EVENT_GUEST_PANICKED,
                     VM_EVENT_GUEST_CRASHLOADED, VM_EVENT_BLOCK_IO_ERROR };
struct vm_event {
    enum vm_event_kind kind;
    bool guest;          // RESET, SHUTDOWN: the guest asked for it
    const char *reason;  // "guest-reset", "host-qmp-quit"; MIGRATION: the status; BLOCK_IO_ERROR: strerror
    const char *action;  // GUEST_*: "pause", "poweroff", "run"; BLOCK_IO_ERROR: "ignore", "report", "stop"
    const char *device, *operation;  // BLOCK_IO_ERROR: its id; "read", "write"
    bool nospace;                    // BLOCK_IO_ERROR
};
struct vm_listener {
    void (*event)(struct vm_listener *listener, const struct vm_event *event);
    void (*debug)(struct vm_listener *listener, struct vcpu *vcpu);  // may be null
    struct vm_listener *next;
};

struct vm_board {
    // Devices, memory and every vCPU's state as at power-up. All vCPUs are paused, devices quiesced.
    int (*reset)(void *opaque, struct err *err);
    // Every device, in order (device.h): nothing is in flight any more; and all go on. The caller is no
    // mem reader meanwhile, since both may wait for an I/O thread. Null: no device has work of its own.
    void (*quiesce)(void *opaque);
    void (*resume)(void *opaque);
    void (*power_button)(void *opaque);
    void (*parts)(void *opaque, struct snapshot_parts *parts);  // all but vcpus and paused_tsc
    void *opaque;
};

// -action panic=, in the order of the options' own.
enum vm_panic { VM_PANIC_SHUTDOWN, VM_PANIC_PAUSE, VM_PANIC_EXIT_FAILURE, VM_PANIC_NONE };

struct vm_config {
    bool reboot_ends;     // -no-reboot
    bool shutdown_pauses; // -no-shutdown
    enum vm_panic panic;
};

struct vm_migration {
    const char *status;  // null: there was none; "active", "completed", "failed"
    char error[sizeof ((struct err *)0)->text];
    uint64_t total_ms, ram_bytes;
};

struct vm {
    struct power_sink power;  // for the devices
    struct vm_config config;
    struct vm_board board;
    struct clock *clock;
    struct engine *engine;
    struct vcpu **vcpu;
    struct x86_state **states;
    unsigned vcpus;
    enum vm_state state;
    bool start_when_loaded;  // inmigrate: what `cont` left behind
    bool clock_runs, quiesced;
    uint64_t paused_tsc;     // clock_tsc when guest time stopped
    struct vm_listener *listeners;
    struct vm_migration migration;
    unsigned power_asked;    // requests of the guest that are on their way to the loop, a bit each
    bool ending;
    int exit_status;
};

const char *vm_state_name(enum vm_state state);

// Makes and starts engine's vCPUs, paused. The state is VM_PRELAUNCH. engine stays the caller's.
int vm_init(struct vm *vm, const struct vm_config *config, struct clock *clock, struct engine *engine,
            struct err *err);
void vm_end_vcpus(struct vm *vm);  // may be called again
void vm_listen(struct vm *vm, struct vm_listener *listener);

// Power-up or reset of everything; stays paused. reason is null for the first.
int vm_power_up(struct vm *vm, struct err *err);

void vm_stop(struct vm *vm, enum vm_state state);
int vm_cont(struct vm *vm, struct err *err);
// Pauses every vCPU and quiesces every device, for a look at their state, and lets all go on as if
// nothing had been. In between nothing else of this header may be called.
void vm_hold(struct vm *vm);
void vm_release(struct vm *vm);
// For a debugger: resumes only those vCPUs whose flag is set (null: all).
void vm_resume_some(struct vm *vm, const bool *which);
void vm_reset(struct vm *vm, bool guest, const char *reason);
void vm_powerdown(struct vm *vm);
// Ends the process's loop, or pauses if the guest asks and the configuration says so.
void vm_shutdown(struct vm *vm, bool guest, const char *reason);
void vm_exit(struct vm *vm, int status);  // ends in any case
void vm_nmi(struct vm *vm);               // to every vCPU

// Any thread, device locks held: calls task(opaque), later, on the loop, with every vCPU paused and every
// device quiesced, as the guest sees nothing of.
void vm_post_held(struct vm *vm, void (*task)(void *opaque), void *opaque);
// Any thread, device locks held: tells every listener, later, on the loop. Its strings are copied, of
// each the first 127 bytes.
void vm_post_event(struct vm *vm, const struct vm_event *event);
// Any thread, device locks held: a disk's request failed and its policy is to stop. If the guest runs,
// it is stopped (VM_IO_ERROR); `cont` resumes it, and devices try again what they kept.
void vm_io_error(struct vm *vm);

// "file:PATH". The guest is paused meanwhile and afterwards (VM_POSTMIGRATE); if it fails it goes on.
int vm_migrate(struct vm *vm, const char *uri, struct err *err);
// In VM_INMIGRATE: loads, and then runs if start_when_loaded.
int vm_migrate_incoming(struct vm *vm, const char *uri, struct err *err);

// The path of "file:PATH"; null: the uri is no such thing.
static inline const char *vm_migrate_path(const char *uri)
{
    return !strncmp(uri, "file:", 5) && uri[5] ? uri + 5 : NULL;
}
