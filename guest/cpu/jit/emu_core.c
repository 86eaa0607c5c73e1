// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/emu_core.h"

_Noreturn void emu_fault(struct emu *e, unsigned vector, uint16_t selector)
{
    jit_raise(e->v, vector, (selector & 0xfffcu) | e->external);
}

_Noreturn void emu_gp(struct emu *e)
{
    emu_fault(e, EX_GP, 0);
}

_Noreturn void emu_ud(struct emu *e)
{
    jit_raise(e->v, EX_UD, 0);
}

void emu_need_cpl0(struct emu *e)
{
    if (e->s->cpl)
        emu_gp(e);
}

void emu_need_protected(struct emu *e)
{
    if (!emu_protected(e->s))
        emu_ud(e);
}

void emu_need_feature(struct emu *e, enum x86_word word, unsigned bit)
{
    if (!x86_has(jit_model(e->v), word, bit))
        emu_ud(e);
}

bool emu_canonical_base(const struct emu *e, uint64_t address)
{
    return x86_is_canonical_base(jit_model(e->v), address);
}

uint64_t emu_reg(const struct x86_state *s, unsigned reg, unsigned size_bytes)
{
    return s->gpr[reg] & size_mask(size_bytes);
}

void emu_set_reg(struct x86_state *s, unsigned reg, uint64_t value, unsigned size_bytes)
{
    uint64_t mask = size_mask(size_bytes);
    if (size_bytes == 4)
        s->gpr[reg] = value & mask;
    else
        s->gpr[reg] = (s->gpr[reg] & ~mask) | (value & mask);
}

bool emu_segment_covers(const struct x86_segment *segment, uint64_t offset, unsigned size_bytes)
{
    uint64_t last = offset + size_bytes - 1;
    bool expand_down = (segment->attr & (SEG_S | SEG_CODE | SEG_EXPAND_DOWN)) == (SEG_S | SEG_EXPAND_DOWN);
    if (!expand_down)
        return last <= segment->limit;
    uint64_t top = segment->attr & SEG_DB ? 0xffffffff : 0xffff;
    return offset > segment->limit && last <= top;
}

bool emu_segment_allows(const struct x86_segment *segment, bool write)
{
    if (!(segment->attr & SEG_P))
        return false;
    if (write)
        return (segment->attr & (SEG_CODE | SEG_WRITABLE)) == SEG_WRITABLE;
    return (segment->attr & (SEG_CODE | SEG_READABLE)) != SEG_CODE;
}

gva_t emu_linear(struct emu *e, unsigned segment, uint64_t offset, unsigned size_bytes, bool write)
{
    const struct x86_segment *seg = &e->s->seg[segment];
    if (emu_64bit(e->s)) {
        uint64_t at = segment == X86_FS || segment == X86_GS ? seg->base + offset : offset;
        if (segment == X86_SS && !(x86_is_canonical(e->s, at) && x86_is_canonical(e->s, at + size_bytes - 1)))
            emu_fault(e, EX_SS, 0);
        return GVA(at);
    }
    // Real mode keeps what protected mode left in the hidden part, but looks only at the limit.
    bool allowed = !emu_protected(e->s) || emu_segment_allows(seg, write);
    if (!allowed || !emu_segment_covers(seg, offset, size_bytes))
        emu_fault(e, segment == X86_SS ? EX_SS : EX_GP, 0);
    return GVA((uint32_t)(seg->base + offset));
}

static bool wraps(const struct emu *e, uint64_t at, unsigned size_bytes)
{
    return at + size_bytes - 1 > 0xffffffff && !emu_64bit(e->s) && at <= 0xffffffff;
}

uint64_t emu_load_at(struct emu *e, uint64_t at, unsigned size_bytes, enum jit_as as, bool stack)
{
    if (!wraps(e, at, size_bytes))
        return jit_load(e->v, GVA(at), size_bytes, as, stack);
    uint64_t value = 0;
    for (unsigned n = 0; n < size_bytes; n++)
        value |= jit_load(e->v, GVA((uint32_t)(at + n)), 1, as, stack) << 8 * n;
    return value;
}

void emu_store_at(struct emu *e, uint64_t at, uint64_t value, unsigned size_bytes, enum jit_as as,
                  bool stack)
{
    if (!wraps(e, at, size_bytes)) {
        jit_store(e->v, GVA(at), value, size_bytes, as, stack);
        return;
    }
    for (unsigned n = 0; n < size_bytes; n++)
        jit_check_store(e->v, GVA((uint32_t)(at + n)), 1, as, stack);
    for (unsigned n = 0; n < size_bytes; n++)
        jit_store(e->v, GVA((uint32_t)(at + n)), value >> 8 * n & 0xff, 1, as, stack);
}

uint64_t emu_load(struct emu *e, unsigned segment, uint64_t offset, unsigned size_bytes)
{
    gva_t at = emu_linear(e, segment, offset, size_bytes, false);
    return emu_load_at(e, at.u, size_bytes, JIT_AS_CPL, segment == X86_SS);
}

void emu_store(struct emu *e, unsigned segment, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    gva_t at = emu_linear(e, segment, offset, size_bytes, true);
    emu_store_at(e, at.u, value, size_bytes, JIT_AS_CPL, segment == X86_SS);
}

uint64_t emu_offset(const struct emu *e)
{
    const struct insn *i = e->i;
    uint64_t offset = i->disp;
    if (i->base == INSN_RIP)
        offset += e->start + i->length;
    else if (i->base != INSN_NO_REG)
        offset += e->s->gpr[i->base];
    if (i->index != INSN_NO_REG)
        offset += e->s->gpr[i->index] * i->scale;
    return offset & size_mask(i->address_bytes);
}

gva_t emu_address(struct emu *e, unsigned size_bytes, bool write)
{
    return emu_linear(e, e->i->segment, emu_offset(e), size_bytes, write);
}

uint64_t emu_mem(struct emu *e, unsigned displacement, unsigned size_bytes)
{
    uint64_t offset = (emu_offset(e) + displacement) & size_mask(e->i->address_bytes);
    return emu_load(e, e->i->segment, offset, size_bytes);
}

bool emu_is_memory(const struct emu *e, unsigned operand)
{
    return e->i->op[operand].kind == INSN_MEM;
}

bool emu_has_prefix(const struct emu *e, uint8_t prefix)
{
    for (unsigned n = 0; n < e->i->opcode_at; n++)
        if (e->i->bytes[n] == prefix)
            return true;
    return false;
}

unsigned emu_operand_bytes(const struct emu *e)
{
    if (e->i->rex_w)
        return 8;
    bool toggled = emu_has_prefix(e, 0x66);
    return (e->i->mode == INSN_16) == toggled ? 4 : 2;
}

uint64_t emu_get_as(struct emu *e, unsigned operand, unsigned size_bytes)
{
    const struct insn_operand *op = &e->i->op[operand];
    switch (op->kind) {
    case INSN_REG:
        return op->high_byte ? e->s->gpr[op->reg] >> 8 & 0xff : emu_reg(e->s, op->reg, size_bytes);
    case INSN_MEM:
        return emu_load(e, e->i->segment, emu_offset(e), size_bytes);
    default:
        return e->i->imm & size_mask(size_bytes);
    }
}

uint64_t emu_get(struct emu *e, unsigned operand)
{
    return emu_get_as(e, operand, e->i->op[operand].size);
}

static void put_reg(struct x86_state *s, const struct insn_operand *op, uint64_t value)
{
    if (op->high_byte)
        s->gpr[op->reg] = (s->gpr[op->reg] & ~0xff00ull) | (value & 0xff) << 8;
    else
        emu_set_reg(s, op->reg, value, op->size);
}

void emu_put(struct emu *e, unsigned operand, uint64_t value)
{
    const struct insn_operand *op = &e->i->op[operand];
    if (op->kind == INSN_REG)
        put_reg(e->s, op, value);
    else
        emu_store(e, e->i->segment, emu_offset(e), value, op->size);
}

void emu_set_flags(struct x86_state *s, uint32_t arithmetic)
{
    s->rflags = (s->rflags & ~(uint64_t)FL_ARITH) | (arithmetic & FL_ARITH);
}

static uint32_t modify_locked(struct emu *e, emu_compute *compute, uint64_t b, unsigned size)
{
    gva_t at = emu_address(e, size, true);
    uint64_t expected, desired;
    uint32_t flags;
    jit_check_store(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
    do {
        flags = e->s->rflags;
        expected = jit_load(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
        desired = compute(size, expected, b, &flags);
    } while (!jit_cmpxchg(e->v, at, &expected, &desired, size, JIT_AS_CPL));
    return flags;
}

void emu_modify(struct emu *e, unsigned operand, emu_compute *compute, uint64_t b)
{
    const struct insn_operand *op = &e->i->op[operand];
    uint32_t flags = e->s->rflags;
    if (e->i->lock && op->kind == INSN_MEM) {
        flags = modify_locked(e, compute, b, op->size);
    } else if (op->kind == INSN_MEM) {
        gva_t at = emu_address(e, op->size, true);
        bool stack = e->i->segment == X86_SS;
        jit_check_store(e->v, at, op->size, JIT_AS_CPL, stack);
        uint64_t value = emu_load_at(e, at.u, op->size, JIT_AS_CPL, stack);
        emu_store_at(e, at.u, compute(op->size, value, b, &flags), op->size, JIT_AS_CPL, stack);
    } else {
        put_reg(e->s, op, compute(op->size, emu_get(e, operand), b, &flags));
    }
    emu_set_flags(e->s, flags);
}

void emu_branch(struct emu *e, uint64_t target, unsigned size_bytes)
{
    target &= size_mask(size_bytes);
    if (emu_64bit(e->s) ? !x86_is_canonical(e->s, target) : target > e->s->seg[X86_CS].limit)
        emu_gp(e);
    e->s->rip = target;
}
