// SPDX-License-Identifier: GPL-2.0-or-later
//
// The software engine: a same-ISA translator. README.md in this folder is its essay.
#pragma once

#include "guest/cpu/vcpu.h"

// What its guests may see (CPUID). Depends on the host: what the host CPU can't run is not offered.
const struct x86_support *jit_support(void);
// Null and a sentence if the host can't run it (it needs BMI2 and AVX2) or memory is short.
struct engine *jit_engine_create(const struct engine_config *config, struct err *err);
// The frequency at which a guest's TSC counts: the host's.
uint64_t jit_tsc_hz(void);
