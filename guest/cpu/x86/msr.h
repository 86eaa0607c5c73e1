// SPDX-License-Identifier: GPL-2.0-or-later
//
// Model-specific registers (SDM volume 4; APM volume 2, appendix A), for the software engine and
// for gdb and snapshot. What a write changes beyond the register itself is told by the return
// value, since only the engine knows what it derived.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest/cpu/x86/cpuid.h"
#include "guest/cpu/x86/state.h"

struct apic;

enum x86_msr_result {
    X86_MSR_FAULT = -1,    // #GP(0); nothing changed
    X86_MSR_DONE = 0,
    X86_MSR_MODE = 1,      // EFER: what code and pages mean may have changed
    X86_MSR_CLOCK = 2,     // a pvclock MSR: 0x11 and 0x4b564d00 want pvclock_wall_clock, once for each
                           // write; 0x12 and 0x4b564d01 pvclock_update
    X86_MSR_TSC = 3,       // the guest's TSC moved: TSC-deadline timers and pvclock follow
};

// Unknown registers fault, as on hardware; each is logged once. apic answers IA32_APIC_BASE, the
// x2APIC range and TSC_DEADLINE.
enum x86_msr_result x86_msr_read(struct x86_state *state, const struct x86_model *model,
                                 struct apic *apic, uint32_t index, uint64_t *value);
enum x86_msr_result x86_msr_write(struct x86_state *state, const struct x86_model *model,
                                  struct apic *apic, uint32_t index, uint64_t value);
