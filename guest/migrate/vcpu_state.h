// SPDX-License-Identifier: GPL-2.0-or-later
//
// A vCPU's state in a stream: the table of struct x86_state, and the check of what was loaded.
#pragma once

#include "base/err.h"
#include "guest/cpu/x86/cpuid.h"
#include "guest/cpu/x86/state.h"
#include "guest/device/device.h"

enum { VCPU_STATE_VERSION = 1 };
extern const struct state_field vcpu_state_fields[];

// Is this a state that a CPU of this model can be in? Whatever an engine would index by, shift by or
// give to the host's CPU is covered: reserved bits, canonical addresses, combinations of mode bits,
// the XSAVE image. before is the vCPU's state as the machine made it: its identity (APIC id, boot
// processor) must be the same. The APIC's registers are apic_loaded's to check and mend.
// Returns 0, or -EINVAL with "cr4 is ..., which this CPU can't have".
int vcpu_state_check(const struct x86_state *state, const struct x86_state *before,
                     const struct x86_model *model, struct err *err);
