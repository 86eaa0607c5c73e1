// SPDX-License-Identifier: GPL-2.0-or-later
//
// A vector instruction of the guest, as a function of the host's: the instruction itself, re-emitted
// (copy.h) with its memory operand at an address of ours, between code that moves the general
// registers and arithmetic flags that it uses. So the host CPU does what the instruction means, and
// the emulator only brings the operand.
//
// The functions stand in a small cache of their own, one a vCPU, mapped twice as all generated code
// is. It belongs to the vCPU's thread.
#pragma once

#include "base/err.h"
#include "guest/cpu/jit/insn.h"

struct vec_host;
struct vec_host *vec_host_create(struct err *err);
void vec_host_destroy(struct vec_host *h);

// gpr: the guest's 16 registers, read and written. flags: FL_* as lahf and seto leave them in ax
// (struct jit_vcpu.flags). The guest's vector registers are in the host's. Returns the flags; or, if
// the host raised an exception, VEC_HOST_RAISED | vector, with gpr as it was.
enum { VEC_HOST_RAISED = 1 << 16 };
typedef uint32_t vec_host_function(uint64_t *gpr, void *memory, uint32_t flags);
// Good until the next call. Null: an instruction that names too many registers.
vec_host_function *vec_host_make(struct vec_host *h, const struct insn *in);

// For the signal handler: where a thread goes on after a fault at pc, with VEC_HOST_RAISED | vector in
// rax; 0: pc is not in here.
uint64_t vec_host_after_fault(const struct vec_host *h, uint64_t pc);
