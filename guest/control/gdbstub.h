// SPDX-License-Identifier: GPL-2.0-or-later
//
// GDB's remote serial protocol (GDB manual, appendix E) for a whole machine: each vCPU is a
// thread of one process, numbered from 1. Registers are x86-64's core set, SSE, and the segment bases
// and control registers; memory is addressed as the current vCPU's paging sees it.
//
// One client at a time, over TCP, a Unix socket or standard input and output. What it sends is
// hostile: every packet is bounded and checked, and none ends the process.
//
// When a client comes, the machine stops; when it goes without a word, the machine stays stopped or goes
// on as it was, without the client's breakpoints.
//
// Threads: the loop's, which must be a registered mem reader (mem_thread_online). A device register
// is never touched by a debugger: such addresses read as errors.
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "guest/chr/chr.h"
#include "guest/cpu/vcpu.h"
#include "guest/mem/mem.h"

struct gdbstub;

// What the stub asks of its machine. Called on the loop's thread; all lent.
struct gdb_vm {
    unsigned vcpus;
    struct vcpu *const *vcpu;
    struct mem *memory;
    // Pauses every vCPU and waits for that, if it wasn't done before.
    void (*stop)(void *opaque);
    // Resumes those vCPUs whose flag is set, and guest time with them; null means all.
    void (*resume)(void *opaque, const bool *which);
    void (*kill)(void *opaque);  // ends the machine soon
    void *opaque;
};

// Serves whoever comes through chr, which is lent. Null only when memory is short.
struct gdbstub *gdbstub_create(struct chr *chr, const struct gdb_vm *vm, struct err *err);
// The same with a back end of its own: "tcp:HOST:PORT" (HOST may be empty: this machine only),
// "unix:PATH" or "stdio". Further properties as of a character device ("server=on,wait=off") are
// accepted; it always listens and never waits.
struct gdbstub *gdbstub_open(const char *spec, const struct gdb_vm *vm, struct err *err);
void gdbstub_close(struct gdbstub *stub);  // removes its breakpoints

// The machine has stopped: because of vcpu's debug event, or for another reason (null). Every vCPU
// must be paused. Tells a client that waits for it.
void gdbstub_stopped(struct gdbstub *stub, struct vcpu *vcpu);
// The machine is about to end.
void gdbstub_exited(struct gdbstub *stub, int status);
