// SPDX-License-Identifier: GPL-2.0-or-later
//
// Moves, exchanges and conversions.
#include "guest/cpu/jit/emu_host.h"
#include "guest/cpu/jit/emu_ops.h"

void emu_mov(struct emu *e)
{
    const struct insn_operand *op = e->i->op;
    if (emu_opcode(e) == 0x0f) {
        if (emu_opcode2(e) & 1)
            emu_mov_dr(e);
        else
            emu_mov_cr(e);
    } else if ((op[0].kind == INSN_REG && !op[0].gpr) || (op[1].kind == INSN_REG && !op[1].gpr)) {
        emu_mov_segment(e);
    } else {
        emu_put(e, 0, emu_get_as(e, 1, op[0].size));
    }
}

void emu_movnti(struct emu *e)
{
    emu_put(e, 0, emu_get(e, 1));
}

void emu_movzx(struct emu *e)
{
    emu_put(e, 0, emu_get(e, 1));
}

void emu_movsx(struct emu *e)
{
    emu_put(e, 0, emu_sign_extend(emu_get(e, 1), e->i->op[1].size));
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

void emu_movbe(struct emu *e)
{
    emu_need_feature(e, X86_1_ECX, 22);
    emu_put(e, 0, swap_bytes(emu_get(e, 1), e->i->op[0].size));
}

// With memory XCHG is locked, prefix or not.
static uint64_t exchange_memory(struct emu *e, unsigned operand, uint64_t value)
{
    unsigned size = e->i->op[operand].size;
    gva_t at = emu_address(e, size, true);
    uint64_t old, expected;
    jit_check_store(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
    do
        expected = old = jit_load(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
    while (!jit_cmpxchg(e->v, at, &expected, &value, size, JIT_AS_CPL));
    return old;
}

void emu_xchg(struct emu *e)
{
    unsigned memory = emu_is_memory(e, 1) ? 1 : 0, other = 1 - memory;
    uint64_t value = emu_get(e, other), old = emu_get(e, memory);
    if (emu_is_memory(e, memory))
        old = exchange_memory(e, memory, value);
    else
        emu_put(e, memory, value);
    emu_put(e, other, old);
}

// The destination is written either way, with what it held if it was unequal.
static uint64_t compare_memory(struct emu *e, uint64_t accumulator, uint64_t replacement, unsigned size)
{
    gva_t at = emu_address(e, size, true);
    uint64_t old, expected, desired;
    jit_check_store(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
    do {
        expected = old = jit_load(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
        desired = old == accumulator ? replacement : old;
    } while (!jit_cmpxchg(e->v, at, &expected, &desired, size, JIT_AS_CPL));
    return old;
}

static uint64_t compare_register(struct emu *e, uint64_t accumulator, uint64_t replacement)
{
    uint64_t old = emu_get(e, 0);
    if (old == accumulator)
        emu_put(e, 0, replacement);
    return old;
}

void emu_cmpxchg(struct emu *e)
{
    unsigned size = e->i->op[0].size;
    uint64_t accumulator = emu_reg(e->s, X86_RAX, size), replacement = emu_get(e, 1);
    uint64_t old = emu_is_memory(e, 0) ? compare_memory(e, accumulator, replacement, size)
                                       : compare_register(e, accumulator, replacement);
    uint32_t flags = e->s->rflags;
    host_sub(size, accumulator, old, &flags);
    emu_set_flags(e->s, flags);
    if (old != accumulator)
        emu_set_reg(e->s, X86_RAX, old, size);
}

struct pair {
    uint64_t low, high;  // of 4 or 8 bytes each
};

static struct pair registers(const struct x86_state *s, unsigned high, unsigned low, unsigned half)
{
    return (struct pair){emu_reg(s, low, half), emu_reg(s, high, half)};
}

static bool store_pair(struct emu *e, gva_t at, const struct pair *old, const struct pair *desired,
                       unsigned half)
{
    _Alignas(16) uint64_t from[2] = {old->low, old->high}, to[2] = {desired->low, desired->high};
    if (half == 4) {
        from[0] |= old->high << 32;
        to[0] |= desired->high << 32;
    }
    return jit_cmpxchg(e->v, at, from, to, 2 * half, JIT_AS_CPL);
}

static struct pair load_pair(struct emu *e, gva_t at, unsigned half)
{
    bool stack = e->i->segment == X86_SS;
    uint64_t low = jit_load(e->v, at, half, JIT_AS_CPL, stack);
    return (struct pair){low, jit_load(e->v, GVA(at.u + half), half, JIT_AS_CPL, stack)};
}

static void compare_pair(struct emu *e, unsigned half)
{
    gva_t at = emu_address(e, 2 * half, true);
    if (half == 8 && (at.u & 15))
        emu_gp(e);
    struct pair wanted = registers(e->s, X86_RDX, X86_RAX, half), old, desired;
    bool equal;
    jit_check_store(e->v, at, 2 * half, JIT_AS_CPL, e->i->segment == X86_SS);
    do {
        old = load_pair(e, at, half);
        equal = old.low == wanted.low && old.high == wanted.high;
        desired = equal ? registers(e->s, X86_RCX, X86_RBX, half) : old;
    } while (!store_pair(e, at, &old, &desired, half));
    if (!equal) {
        emu_set_reg(e->s, X86_RAX, old.low, half);
        emu_set_reg(e->s, X86_RDX, old.high, half);
    }
    e->s->rflags = equal ? e->s->rflags | FL_ZF : e->s->rflags & ~(uint64_t)FL_ZF;
}

void emu_cmpxchg8b(struct emu *e)
{
    compare_pair(e, 4);
}

void emu_cmpxchg16b(struct emu *e)
{
    emu_need_feature(e, X86_1_ECX, 13);
    compare_pair(e, 8);
}

// The sum goes to the destination, last: XADD of a register with itself keeps the sum.
void emu_xadd(struct emu *e)
{
    unsigned size = e->i->op[0].size;
    uint64_t added = emu_get(e, 1), old, sum, expected;
    uint32_t flags;
    if (!emu_is_memory(e, 0)) {
        flags = e->s->rflags;
        old = emu_get(e, 0);
        sum = host_add(size, old, added, &flags);
        emu_put(e, 1, old);
        emu_put(e, 0, sum);
        emu_set_flags(e->s, flags);
        return;
    }
    gva_t at = emu_address(e, size, true);
    jit_check_store(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
    do {
        flags = e->s->rflags;
        expected = old = jit_load(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
        sum = host_add(size, old, added, &flags);
    } while (!jit_cmpxchg(e->v, at, &expected, &sum, size, JIT_AS_CPL));
    emu_put(e, 1, old);
    emu_set_flags(e->s, flags);
}

void emu_lea(struct emu *e)
{
    if (!emu_is_memory(e, 1))
        emu_ud(e);
    emu_put(e, 0, emu_offset(e));
}

void emu_xlat(struct emu *e)
{
    uint64_t offset = e->s->gpr[X86_RBX] + emu_reg(e->s, X86_RAX, 1);
    offset &= size_mask(e->i->address_bytes);
    emu_set_reg(e->s, X86_RAX, emu_load(e, e->i->segment, offset, 1), 1);
}

static void widen(struct emu *e, unsigned size)
{
    emu_set_reg(e->s, X86_RAX, emu_sign_extend(emu_reg(e->s, X86_RAX, size / 2), size / 2), size);
}

static void spread_sign(struct emu *e, unsigned size)
{
    emu_set_reg(e->s, X86_RDX, emu_sign_extend(emu_reg(e->s, X86_RAX, size), size) >> 63, size);
}

void emu_cbw(struct emu *e)
{
    widen(e, 2);
}

void emu_cwde(struct emu *e)
{
    widen(e, 4);
}

void emu_cdqe(struct emu *e)
{
    widen(e, 8);
}

void emu_cwd(struct emu *e)
{
    spread_sign(e, 2);
}

void emu_cdq(struct emu *e)
{
    spread_sign(e, 4);
}

void emu_cqo(struct emu *e)
{
    spread_sign(e, 8);
}

void emu_salc(struct emu *e)
{
    emu_set_reg(e->s, X86_RAX, e->s->rflags & FL_CF ? 0xff : 0, 1);
}

void emu_nop(struct emu *e)
{
    (void)e;
}

void emu_pause(struct emu *e)
{
    (void)e;
    asm volatile("pause");
}

// Everything that the guest did before is visible to the other vCPUs, as the host is asked too.
void emu_fence(struct emu *e)
{
    (void)e;
    asm volatile("mfence" : : : "memory");
}
