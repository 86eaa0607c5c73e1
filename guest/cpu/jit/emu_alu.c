// SPDX-License-Identifier: GPL-2.0-or-later
//
// Integer arithmetic: the operands are the guest's, the arithmetic is the host's (emu_host.h).
#include "guest/cpu/jit/emu_host.h"
#include "guest/cpu/jit/emu_ops.h"

static uint64_t source(struct emu *e)
{
    return emu_get_as(e, 1, e->i->op[0].size);
}

#define MODIFY(name) void emu_##name(struct emu *e) { emu_modify(e, 0, host_##name, source(e)); }
MODIFY(add) MODIFY(or) MODIFY(adc) MODIFY(sbb) MODIFY(and) MODIFY(sub) MODIFY(xor)
#define MODIFY_ALONE(name) void emu_##name(struct emu *e) { emu_modify(e, 0, host_##name, 0); }
MODIFY_ALONE(inc) MODIFY_ALONE(dec) MODIFY_ALONE(neg) MODIFY_ALONE(not)

static void look(struct emu *e, emu_compute *compute)
{
    uint32_t flags = e->s->rflags;
    uint64_t a = emu_get(e, 0);
    compute(e->i->op[0].size, a, source(e), &flags);
    emu_set_flags(e->s, flags);
}

void emu_cmp(struct emu *e)
{
    look(e, host_sub);
}

void emu_test(struct emu *e)
{
    look(e, host_test);
}

// D0 and D1 shift by one, D2 and D3 by CL, C0 and C1 by an immediate.
static unsigned shift_count(const struct emu *e)
{
    uint8_t opcode = emu_opcode(e);
    if (opcode < 0xd0)
        return e->i->imm & 0xff;
    return opcode < 0xd2 ? 1 : e->s->gpr[X86_RCX] & 0xff;
}

#define SHIFT(name) void emu_##name(struct emu *e) { emu_modify(e, 0, host_##name, shift_count(e)); }
SHIFT(shl) SHIFT(shr) SHIFT(sar) SHIFT(rol) SHIFT(ror) SHIFT(rcl) SHIFT(rcr)

// 0F A4 and AC have an immediate count, A5 and AD use CL.
static void double_shift(struct emu *e, uint64_t (*shift)(unsigned, uint64_t, uint64_t, unsigned, uint32_t *))
{
    unsigned count = emu_opcode2(e) & 1 ? e->s->gpr[X86_RCX] & 0xff : e->i->imm & 0xff;
    uint32_t flags = e->s->rflags;
    uint64_t a = emu_get(e, 0), b = emu_get(e, 1);
    emu_put(e, 0, shift(e->i->op[0].size, a, b, count, &flags));
    emu_set_flags(e->s, flags);
}

void emu_shld(struct emu *e)
{
    double_shift(e, host_shld);
}

void emu_shrd(struct emu *e)
{
    double_shift(e, host_shrd);
}

// AX, DX:AX, EDX:EAX or RDX:RAX.
static void put_double(struct x86_state *s, uint64_t low, uint64_t high, unsigned size)
{
    if (size == 1) {
        emu_set_reg(s, X86_RAX, (low & 0xff) | (high & 0xff) << 8, 2);
        return;
    }
    emu_set_reg(s, X86_RAX, low, size);
    emu_set_reg(s, X86_RDX, high, size);
}

static void multiply(struct emu *e, uint64_t (*times)(unsigned, uint64_t, uint64_t, uint64_t *, uint32_t *))
{
    unsigned size = e->i->op[0].size;
    uint32_t flags = e->s->rflags;
    uint64_t high, low = times(size, emu_reg(e->s, X86_RAX, size), emu_get(e, 0), &high, &flags);
    put_double(e->s, low, high, size);
    emu_set_flags(e->s, flags);
}

void emu_mul(struct emu *e)
{
    multiply(e, host_mul);
}

// F6 and F7 /5 have one operand; 0F AF two; 69 and 6B three.
void emu_imul(struct emu *e)
{
    uint8_t opcode = emu_opcode(e);
    if (opcode == 0xf6 || opcode == 0xf7) {
        multiply(e, host_imul_wide);
        return;
    }
    unsigned size = e->i->op[0].size;
    uint32_t flags = e->s->rflags;
    uint64_t a = opcode == 0x0f ? emu_get(e, 0) : e->i->imm & size_mask(size);
    emu_put(e, 0, host_imul(size, emu_get(e, 1), a, &flags));
    emu_set_flags(e->s, flags);
}

struct dividend {
    uint64_t high, low;  // of twice the operand size
};

static struct dividend dividend(const struct x86_state *s, unsigned size)
{
    if (size == 1)
        return (struct dividend){s->gpr[X86_RAX] >> 8 & 0xff, s->gpr[X86_RAX] & 0xff};
    return (struct dividend){emu_reg(s, X86_RDX, size), emu_reg(s, X86_RAX, size)};
}

// high < by holds, which is what keeps the quotient within size_bytes.
static uint64_t divide(struct dividend d, uint64_t by, unsigned size, uint64_t *remainder)
{
    if (size == 8)
        return host_div128(d.high, d.low, by, remainder);
    uint64_t whole = d.high << 8 * size | d.low;
    *remainder = whole % by;
    return whole / by;
}

void emu_div(struct emu *e)
{
    unsigned size = e->i->op[0].size;
    struct dividend d = dividend(e->s, size);
    uint64_t by = emu_get(e, 0), remainder;
    if (d.high >= by)
        jit_raise(e->v, EX_DE, 0);
    uint64_t quotient = divide(d, by, size, &remainder);
    put_double(e->s, quotient, remainder, size);
}

static struct dividend negate(struct dividend d, unsigned size)
{
    uint64_t low = -d.low & size_mask(size);
    return (struct dividend){(~d.high + !low) & size_mask(size), low};
}

void emu_idiv(struct emu *e)
{
    unsigned size = e->i->op[0].size;
    uint64_t sign = BIT(8 * size - 1), by = emu_get(e, 0), remainder;
    struct dividend d = dividend(e->s, size);
    bool negative = d.high & sign, differ = negative != !!(by & sign);
    if (negative)
        d = negate(d, size);
    if (by & sign)
        by = -by & size_mask(size);
    if (d.high >= by)
        jit_raise(e->v, EX_DE, 0);
    uint64_t quotient = divide(d, by, size, &remainder);
    if (quotient > (differ ? sign : sign - 1))
        jit_raise(e->v, EX_DE, 0);
    put_double(e->s, differ ? -quotient : quotient, negative ? -remainder : remainder, size);
}
