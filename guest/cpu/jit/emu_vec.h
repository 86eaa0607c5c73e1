// SPDX-License-Identifier: GPL-2.0-or-later
//
// The emulated vector instructions: those with a memory operand that is not one plain access, and any
// other that the translator declines.
//
// Most run on the host itself, on a buffer (emu_vec in emu_vec.c). Those whose memory operand is in
// parts (gathers, masked moves) work on the saved registers: emu_vec_open, then get and put, then
// emu_vec_close. What was put before a fault stays, as the architecture has it for gathers.
#pragma once

#include "guest/cpu/jit/emu_fpu.h"

enum { XS_YMM_HIGH = XS_EXTENDED, VEC_BYTES = 32, XMM = 16 };

// The guest's registers are in state->xsave, every component of it as they are.
void emu_vec_open(struct emu *e);
void emu_vec_close(struct emu *e);
void emu_vec_get(const struct emu *e, unsigned reg, uint8_t to[VEC_BYTES]);
// Bytes beyond size_bytes (16 or 32) become 0, as for every VEX-encoded instruction.
void emu_vec_put(struct emu *e, unsigned reg, const uint8_t from[VEC_BYTES], unsigned size_bytes);

// One element of a memory operand, at offset in its segment.
uint64_t emu_vec_load(struct emu *e, uint64_t offset, unsigned size_bytes);
void emu_vec_check_store(struct emu *e, uint64_t offset, unsigned size_bytes);
void emu_vec_store(struct emu *e, uint64_t offset, uint64_t value, unsigned size_bytes);

static inline unsigned emu_vec_bytes(const struct emu *e)  // by VEX.L, in the last byte of the prefix
{
    return e->i->bytes[e->i->opcode_at - 1] & 4 ? VEC_BYTES : XMM;
}
