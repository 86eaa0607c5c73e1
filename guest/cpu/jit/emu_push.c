// SPDX-License-Identifier: GPL-2.0-or-later
//
// PUSH and POP in all forms, frames, and the flags register on the stack.
#include "guest/cpu/jit/emu_ops.h"

// 64-bit mode pushes eight bytes, or two with 66.
static unsigned push_bytes(const struct emu *e)
{
    if (e->i->mode == INSN_64)
        return emu_has_prefix(e, 0x66) && !e->i->rex_w ? 2 : 8;
    return emu_operand_bytes(e);
}

static bool is_segment(const struct emu *e)
{
    return e->i->op[0].kind == INSN_REG && !e->i->op[0].gpr;
}

void emu_push_op(struct emu *e)
{
    unsigned size = push_bytes(e);
    if (is_segment(e))
        emu_push(e, e->s->seg[e->i->op[0].reg].selector, size);
    else
        emu_push(e, emu_get_as(e, 0, size), size);
}

static void pop_segment(struct emu *e, unsigned size)
{
    unsigned segment = e->i->op[0].reg;
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    uint16_t selector = emu_stack_pop(e, &stack, size);
    struct x86_segment value = emu_check_segment(e, segment, selector);
    emu_stack_use(e, &stack);  // as wide as the old SS says
    emu_set_segment(e, segment, &value);
    if (segment == X86_SS)
        e->s->mov_ss_shadow = 1;
}

// RSP grows before the destination's address is computed, and before it is written itself.
void emu_pop_op(struct emu *e)
{
    unsigned size = push_bytes(e);
    if (is_segment(e))
        pop_segment(e, size);
    else
        emu_put(e, 0, emu_pop(e, size));
}

void emu_pusha(struct emu *e)
{
    unsigned size = emu_operand_bytes(e);
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    emu_stack_room(e, &stack, 8, size);
    for (unsigned reg = X86_RAX; reg <= X86_RDI; reg++)
        emu_stack_push(e, &stack, e->s->gpr[reg], size);  // RSP as it was before
    emu_stack_use(e, &stack);
}

void emu_popa(struct emu *e)
{
    unsigned size = emu_operand_bytes(e);
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    for (unsigned reg = X86_RDI + 1; reg-- > X86_RAX;) {
        uint64_t value = emu_stack_pop(e, &stack, size);
        if (reg != X86_RSP)
            emu_set_reg(e->s, reg, value, size);
    }
    emu_stack_use(e, &stack);
}

void emu_pushf(struct emu *e)
{
    if (emu_v86(e->s) && emu_iopl(e->s) < 3)
        emu_gp(e);
    emu_push(e, e->s->rflags & ~(uint64_t)(FL_RF | FL_VM), push_bytes(e));
}

uint64_t emu_flags_mask(const struct x86_state *s, uint64_t allowed)
{
    if (s->cpl)
        allowed &= ~(uint64_t)(FL_IOPL | FL_VIF | FL_VIP);
    if (s->cpl > emu_iopl(s))
        allowed &= ~(uint64_t)FL_IF;
    return allowed;
}

void emu_flags_changed(struct emu *e, uint64_t before)
{
    uint64_t changed = before ^ e->s->rflags;
    if (changed & (FL_AC | FL_VM | FL_TF | FL_DF | FL_RF))
        jit_mode_changed(e->v);
    if (changed & e->s->rflags & FL_IF)
        jit_check_interrupts(e->v);
}

void emu_popf(struct emu *e)
{
    enum { POPF_FLAGS = FL_ARITH | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_RF | FL_AC | FL_ID };
    struct x86_state *s = e->s;
    if (emu_v86(s) && emu_iopl(s) < 3)
        emu_gp(e);
    unsigned size = push_bytes(e);
    uint64_t before = s->rflags, value = emu_pop(e, size) & ~(uint64_t)FL_RF;
    uint64_t mask = emu_flags_mask(s, POPF_FLAGS) & (size_mask(size) | FL_RF);
    s->rflags = (before & ~mask) | (value & mask);
    emu_flags_changed(e, before);
}

static void push_frames(struct emu *e, struct emu_stack *stack, unsigned level, unsigned size)
{
    struct emu_stack outer;
    emu_stack_current(e, &outer);
    uint64_t frame = stack->sp;
    outer.sp = e->s->gpr[X86_RBP];
    for (unsigned n = 1; n < level; n++) {
        emu_stack_skip(&outer, -(int64_t)size);
        struct emu_stack from = outer;
        emu_stack_push(e, stack, emu_stack_pop(e, &from, size), size);
    }
    emu_stack_push(e, stack, frame, size);
}

void emu_enter(struct emu *e)
{
    unsigned size = push_bytes(e), level = e->i->imm2 & 31;
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    emu_stack_room(e, &stack, 1 + level, size);
    emu_stack_push(e, &stack, e->s->gpr[X86_RBP], size);
    uint64_t frame = stack.sp;
    if (level)
        push_frames(e, &stack, level, size);
    emu_stack_skip(&stack, -(int64_t)(e->i->imm & 0xffff));
    // The new top must be writable: what it points at, not what is below (SDM volume 2, "ENTER").
    struct emu_stack above = stack;
    emu_stack_skip(&above, 1);
    emu_stack_room(e, &above, 1, 1);
    emu_set_reg(e->s, X86_RBP, frame, size);
    emu_stack_use(e, &stack);
}

void emu_leave(struct emu *e)
{
    struct emu_stack stack;
    unsigned size = push_bytes(e);
    emu_stack_current(e, &stack);
    stack.sp = e->s->gpr[X86_RBP];
    uint64_t value = emu_stack_pop(e, &stack, size);
    emu_stack_use(e, &stack);
    emu_set_reg(e->s, X86_RBP, value, size);
}
