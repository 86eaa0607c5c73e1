// SPDX-License-Identifier: GPL-2.0-or-later
//
// The paravirtual clock of the KVM signature (Linux: Documentation/virt/kvm/x86/msr.rst and
// cpuid.rst): a page that tells how guest time follows from the TSC.
#pragma once

#include "base/clock.h"
#include "guest/cpu/x86/state.h"
#include "guest/mem/mem.h"

// To be called when the MSR or the guest's TSC was written, and for every vCPU after the clock was paused
// (resume, snapshot), once the TSC's offset is right. All vCPUs' TSCs must be in step.
// Writes the vCPU's time page if kvm_system_time enables it: version protocol, stable bit.
void pvclock_update(struct x86_state *state, struct mem *memory, struct clock *clock, uint64_t tsc_hz);
// Answers a write to the wall-clock MSR.
void pvclock_wall_clock(struct x86_state *state, struct mem *memory, struct clock *clock);
