// SPDX-License-Identifier: GPL-2.0-or-later
//
// Decimal adjustment (SDM volume 2), which 64-bit mode can't encode, so the host can't help.
#include "guest/cpu/jit/emu_host.h"
#include "guest/cpu/jit/emu_ops.h"

static uint8_t al(const struct emu *e)
{
    return e->s->gpr[X86_RAX];
}

// SF, ZF and PF as of the byte result; the others given.
static void set_result(struct emu *e, uint8_t value, uint32_t others)
{
    uint32_t flags = 0;
    emu_set_reg(e->s, X86_RAX, value, 1);
    host_test(1, value, value, &flags);
    emu_set_flags(e->s, (flags & (FL_SF | FL_ZF | FL_PF)) | others);
}

static void decimal(struct emu *e, int direction)
{
    uint8_t old = al(e), value = old;
    uint64_t flags = e->s->rflags;
    uint32_t out = 0;
    if ((old & 0xf) > 9 || (flags & FL_AF)) {
        value += 6 * direction;
        bool borrowed = direction < 0 && old < 6;
        out |= FL_AF | (borrowed ? FL_CF : 0);
    }
    if (old > 0x99 || (flags & FL_CF)) {
        value += 0x60 * direction;
        out |= FL_CF;
    }
    set_result(e, value, out);
}

void emu_daa(struct emu *e)
{
    decimal(e, 1);
}

void emu_das(struct emu *e)
{
    decimal(e, -1);
}

static void ascii(struct emu *e, int direction)
{
    uint16_t ax = e->s->gpr[X86_RAX];
    bool adjust = (ax & 0xf) > 9 || (e->s->rflags & FL_AF);
    if (adjust)
        ax += direction * 0x106;
    emu_set_reg(e->s, X86_RAX, ax & 0xff0f, 2);
    set_result(e, ax & 0xf, adjust ? FL_AF | FL_CF : 0);
}

void emu_aaa(struct emu *e)
{
    ascii(e, 1);
}

void emu_aas(struct emu *e)
{
    ascii(e, -1);
}

void emu_aam(struct emu *e)
{
    uint8_t base = e->i->imm, value = al(e);
    if (!base)
        jit_raise(e->v, EX_DE, 0);
    emu_set_reg(e->s, X86_RAX, (value / base) << 8, 2);
    set_result(e, value % base, 0);
}

void emu_aad(struct emu *e)
{
    uint8_t high = e->s->gpr[X86_RAX] >> 8;
    uint8_t value = al(e) + high * (uint8_t)e->i->imm;
    emu_set_reg(e->s, X86_RAX, 0, 2);
    set_result(e, value, 0);
}
