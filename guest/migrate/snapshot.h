// SPDX-License-Identifier: GPL-2.0-or-later
//
// A snapshot: the whole state of a guest in one file, for `migrate file:PATH` and
// `-incoming file:PATH`. README.md in this folder describes the format.
//
// Saving: the caller has paused every vCPU (state is up to date) and the clock, and nothing else
// changes guest memory. Loading: into a machine of the same shape, reset and paused. Every section
// is read, checked as if an attacker had written it, and given to its device (`loaded`); nothing
// starts. After a success the caller makes the vCPUs' state take effect (put_state), then calls
// snapshot_started, which lets each device drive its lines, and then may resume. After a failure
// the machine holds a mixture and must be reset or ended; err has one sentence that says why.
//
// Guest time: the clock's reading is saved, and each vCPU's TSC. Both stand still while a
// machine is paused, so whoever resumes subtracts from each tsc_offset what the host's TSC has
// advanced since paused_tsc.
//
// Threads: any, one call a machine at a time. They block on the disk; a large guest takes seconds.
#pragma once

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "guest/cpu/x86/cpuid.h"
#include "guest/cpu/x86/state.h"
#include "guest/device/device.h"
#include "guest/mem/mem.h"

struct snapshot_device {
    const char *name;  // unique in the machine, stable over releases: "isa-serial@3f8"; at most 63 bytes
    struct device *dev;
};

// What the machine consists of. All lent.
struct snapshot_parts {
    const char *machine;  // "pc-q35-7.2"; like RAM size, vCPUs and CPU model, it must be the same on load
    const struct x86_model *model;
    struct ram *ram;
    struct clock *clock;
    struct x86_state *const *vcpus;  // by index
    unsigned vcpu_count;
    const struct snapshot_device *devices;
    unsigned device_count;
    uint64_t paused_tsc;  // the host's TSC when the clock was paused; loading sets it
    // What the machine was doing, in the caller's numbers; loading sets it, unless the snapshot is
    // older than this.
    uint8_t run_state;
};

// Writes a temporary file beside path and renames it, so that path is a whole snapshot or is what
// it was before. A path that is no regular file (a pipe, a device) is written directly.
int snapshot_save(const char *path, const struct snapshot_parts *parts, struct err *err);
// -EINVAL: the file is not a snapshot, is damaged, or is of another machine. Also -errno of reading.
int snapshot_load(const char *path, struct snapshot_parts *parts, struct err *err);
// The same, on a descriptor that stays the caller's (a file, pipe or socket), from where it stands.
int snapshot_save_fd(int fd, const struct snapshot_parts *parts, struct err *err);
int snapshot_load_fd(int fd, struct snapshot_parts *parts, struct err *err);

void snapshot_started(const struct snapshot_parts *parts);
