// SPDX-License-Identifier: GPL-2.0-or-later
//
// Writes host instructions. Only the few forms that the translator makes itself; guest instructions
// are re-emitted from their own bytes (copy.c).
//
// All addresses here are in the writable mapping of the code cache; distances are the same in the
// executable one.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "guest/cpu/jit/insn.h"

struct emit {
    uint8_t *at;
};

static inline void emit8(struct emit *e, uint8_t byte) { *e->at++ = byte; }
static inline void emit32(struct emit *e, uint32_t v) { memcpy(e->at, &v, 4); e->at += 4; }
static inline void emit64(struct emit *e, uint64_t v) { memcpy(e->at, &v, 8); e->at += 8; }
static inline void emit_bytes(struct emit *e, const uint8_t *bytes, unsigned n) { memcpy(e->at, bytes, n); e->at += n; }

enum { EMIT_W = 1, EMIT_BYTE = 2 };  // 64-bit operation; a byte register (needs REX above 3)

// REX for reg, index, base; nothing where none is needed.
static inline void emit_rex(struct emit *e, unsigned w, unsigned reg, unsigned index, unsigned base, bool force)
{
    uint8_t rex = 0x40 | (w ? 8 : 0) | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (base >> 3 & 1);
    if (rex != 0x40 || force)
        emit8(e, rex);
}
static inline void emit_opcode(struct emit *e, unsigned opcode)
{
    if (opcode > 0xff)
        emit8(e, opcode >> 8);
    emit8(e, opcode);
}

// op reg, rm (both registers). opcode may be two bytes (0x0fxx).
static inline void emit_rr(struct emit *e, unsigned opcode, unsigned reg, unsigned rm, unsigned w)
{
    emit_rex(e, w & EMIT_W, reg, 0, rm, w & EMIT_BYTE);
    emit_opcode(e, opcode);
    emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}
static inline void emit_mov(struct emit *e, unsigned to, unsigned from)
{
    emit_rr(e, 0x89, from, to, EMIT_W);
}

// ModRM, SIB and displacement for [base + index * scale + disp]; INSN_NO_REG for none.
void emit_address(struct emit *e, unsigned reg, unsigned base, unsigned index, unsigned scale, int32_t disp);
// op reg, [base + index * scale + disp]
static inline void emit_rm(struct emit *e, unsigned opcode, unsigned reg, unsigned base, unsigned index,
                           unsigned scale, int32_t disp, unsigned w)
{
    emit_rex(e, w & EMIT_W, reg, index == INSN_NO_REG ? 0 : index, base == INSN_NO_REG ? 0 : base, false);
    emit_opcode(e, opcode);
    emit_address(e, reg, base, index, scale, disp);
}
// op reg, gs:[disp], and op reg, gs:[base + disp].
static inline void emit_gs(struct emit *e, unsigned opcode, unsigned reg, uint32_t disp, unsigned w)
{
    emit8(e, 0x65);
    emit_rm(e, opcode, reg, INSN_NO_REG, INSN_NO_REG, 1, disp, w);
}
static inline void emit_gs_at(struct emit *e, unsigned opcode, unsigned reg, unsigned base, uint32_t disp, unsigned w)
{
    emit8(e, 0x65);
    emit_rm(e, opcode, reg, base, INSN_NO_REG, 1, disp, w);
}
static inline void emit_load_gs(struct emit *e, unsigned reg, uint32_t disp) { emit_gs(e, 0x8b, reg, disp, EMIT_W); }
static inline void emit_store_gs(struct emit *e, unsigned reg, uint32_t disp) { emit_gs(e, 0x89, reg, disp, EMIT_W); }
// mov dword gs:[disp], value
static inline void emit_set_gs(struct emit *e, uint32_t disp, uint32_t value)
{
    emit_gs(e, 0xc7, 0, disp, 0);
    emit32(e, value);
}
static inline void emit_lea(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
    emit_rm(e, 0x8d, reg, base, INSN_NO_REG, 1, disp, EMIT_W);
}

static inline void emit_lea_sized(struct emit *e, unsigned reg, unsigned base, int32_t disp, bool wide)
{
    emit_rm(e, 0x8d, reg, base, INSN_NO_REG, 1, disp, wide ? EMIT_W : 0);
}

// jmp, call and jcc rel32. The return value is the place of the displacement, for emit_target.
static inline uint8_t *emit_jmp(struct emit *e, const uint8_t *target)
{
    emit8(e, 0xe9);
    emit32(e, target - (e->at + 4));
    return e->at - 4;
}
static inline uint8_t *emit_call(struct emit *e, const uint8_t *target)
{
    emit8(e, 0xe8);
    emit32(e, target - (e->at + 4));
    return e->at - 4;
}
static inline uint8_t *emit_jcc(struct emit *e, unsigned condition, const uint8_t *target)
{
    emit8(e, 0x0f);
    emit8(e, 0x80 | condition);
    emit32(e, target - (e->at + 4));
    return e->at - 4;
}
static inline void emit_target(uint8_t *displacement, const uint8_t *target)
{
    int32_t rel = target - (displacement + 4);
    __atomic_store_n((int32_t *)displacement, rel, __ATOMIC_RELEASE);
}
// Single-byte nops until the displacement of a jump of `opcode_bytes` lies in one cache line, so
// that patching it is one write for every reader.
static inline void emit_align_jump(struct emit *e, unsigned opcode_bytes)
{
    while (((uintptr_t)(e->at + opcode_bytes) & 63) > 60)
        emit8(e, 0x90);
}
