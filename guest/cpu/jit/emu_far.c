// SPDX-License-Identifier: GPL-2.0-or-later
//
// Far JMP, CALL and RET (SDM volume 2; volume 3, 5.8 "Privilege Level Checking When Transferring
// Program Control Between Code Segments").
#include "guest/cpu/jit/emu_ops.h"
#include "guest/cpu/jit/emu_segment.h"

struct far_pointer {
    uint16_t selector;
    uint64_t offset;
    unsigned size_bytes;  // of the offset, and of what a CALL pushes
};

static struct far_pointer far_operand(struct emu *e)
{
    if (!emu_is_memory(e, 0)) {
        unsigned size = emu_operand_bytes(e);
        return (struct far_pointer){e->i->imm2, e->i->imm & size_mask(size), size};
    }
    unsigned size = emu_operand_bytes(e);
    uint64_t offset = emu_mem(e, 0, size);
    return (struct far_pointer){emu_mem(e, size, 2), offset, size};
}

static void push_return(struct emu *e, struct emu_stack *stack, unsigned size)
{
    emu_stack_room(e, stack, 2, size);
    emu_stack_push(e, stack, e->s->seg[X86_CS].selector, size);
    emu_stack_push(e, stack, e->s->rip, size);
}

static void far_real(struct emu *e, const struct far_pointer *to, bool call)
{
    struct x86_segment cs = emu_v86(e->s) ? emu_v86_segment(to->selector)
                                          : emu_real_segment(e->s, X86_CS, to->selector);
    if (to->offset > cs.limit)
        emu_gp(e);
    if (call) {
        struct emu_stack stack;
        emu_stack_current(e, &stack);
        push_return(e, &stack, to->size_bytes);
        emu_stack_use(e, &stack);
    }
    emu_set_segment(e, X86_CS, &cs);
    e->s->rip = to->offset;
}

static void far_code(struct emu *e, const struct far_pointer *to, struct emu_descriptor *cs, bool call)
{
    emu_check_code(e, cs, e->s->cpl, true);
    emu_check_target(e, cs, to->offset);
    emu_descriptor_accessed(e, cs);
    if (call) {
        struct emu_stack stack;
        emu_stack_current(e, &stack);
        push_return(e, &stack, to->size_bytes);
        emu_stack_use(e, &stack);
    }
    emu_enter_code(e, cs, e->s->cpl, to->offset);
}

// A call gate's target, checked as far as JMP and CALL agree.
struct gate {
    struct emu_descriptor cs;
    uint64_t offset;
    unsigned size_bytes, parameters;
};

static void read_gate(struct emu *e, struct emu_descriptor *d, struct gate *gate)
{
    bool wide = emu_system_type(d) == SYS_CALL;
    gate->offset = (d->raw & 0xffff) | (wide ? d->raw >> 32 & 0xffff0000 : 0);
    gate->size_bytes = wide ? 4 : 2;
    gate->parameters = d->raw >> 32 & 0x1f;
    if (emu_long_mode(e->s)) {
        d->base = 0;
        emu_descriptor_widen(e, d, EX_GP);
        gate->offset |= d->base;
        gate->size_bytes = 8;
        gate->parameters = 0;
    }
    uint16_t selector = d->raw >> 16;
    emu_descriptor_load(e, selector, EX_GP, &gate->cs);
    if (!emu_is_code(&gate->cs) || emu_dpl(gate->cs.attr) > e->s->cpl)
        emu_fault(e, EX_GP, selector);
    bool code64 = (gate->cs.attr & (SEG_L | SEG_DB)) == SEG_L;
    if (emu_long_mode(e->s) && !code64)
        emu_fault(e, EX_GP, selector);
    if (!(gate->cs.attr & SEG_P))
        emu_fault(e, EX_NP, selector);
}

static void enter_gate(struct emu *e, struct gate *gate, bool call)
{
    emu_check_target(e, &gate->cs, gate->offset);
    emu_descriptor_accessed(e, &gate->cs);
    if (call) {
        struct emu_stack stack;
        emu_stack_current(e, &stack);
        push_return(e, &stack, gate->size_bytes);
        emu_stack_use(e, &stack);
    }
    emu_enter_code(e, &gate->cs, e->s->cpl, gate->offset);
}

// Parameters stand on the old stack, the last pushed at its top.
static void copy_parameters(struct emu *e, struct emu_stack *to, const struct gate *gate)
{
    uint32_t word[31];
    struct emu_stack from;
    emu_stack_current(e, &from);
    for (unsigned n = 0; n < gate->parameters; n++)
        word[n] = emu_stack_pop(e, &from, gate->size_bytes);
    for (unsigned n = gate->parameters; n-- > 0;)
        emu_stack_push(e, to, word[n], gate->size_bytes);
}

static void call_inner(struct emu *e, struct gate *gate)
{
    unsigned level = emu_dpl(gate->cs.attr), size = gate->size_bytes;
    struct emu_stack inner;
    emu_inner_stack(e, level, 0, &inner);
    emu_check_target(e, &gate->cs, gate->offset);
    emu_descriptor_accessed(e, &gate->cs);
    emu_stack_room(e, &inner, 4 + gate->parameters, size);
    emu_stack_push(e, &inner, e->s->seg[X86_SS].selector, size);
    emu_stack_push(e, &inner, e->s->gpr[X86_RSP], size);
    copy_parameters(e, &inner, gate);
    emu_stack_push(e, &inner, e->s->seg[X86_CS].selector, size);
    emu_stack_push(e, &inner, e->s->rip, size);
    emu_stack_use(e, &inner);
    e->s->seg[X86_SS] = inner.segment;
    emu_enter_code(e, &gate->cs, level, gate->offset);
}

static void far_gate(struct emu *e, struct emu_descriptor *d, bool call)
{
    struct gate gate;
    read_gate(e, d, &gate);
    bool inner = !(gate.cs.attr & SEG_CONFORMING) && emu_dpl(gate.cs.attr) < e->s->cpl;
    if (inner && !call)
        emu_fault(e, EX_GP, gate.cs.selector);
    if (inner)
        call_inner(e, &gate);
    else
        enter_gate(e, &gate, call);
}

static void far_system(struct emu *e, struct emu_descriptor *d, bool call)
{
    unsigned type = emu_system_type(d), dpl = emu_dpl(d->attr);
    bool task = type == SYS_TSS || type == SYS_TSS16 || type == SYS_TASK_GATE;
    bool gate = type == SYS_CALL || (type == SYS_CALL16 && !emu_long_mode(e->s));
    if (!gate && (!task || emu_long_mode(e->s)))
        emu_fault(e, EX_GP, d->selector);
    if (dpl < e->s->cpl || dpl < (d->selector & 3u))
        emu_fault(e, EX_GP, d->selector);
    if (!(d->attr & SEG_P))
        emu_fault(e, EX_NP, d->selector);
    if (gate)
        far_gate(e, d, call);
    else
        emu_task_switch(e, type == SYS_TASK_GATE ? d->raw >> 16 : d->selector,
                        call ? EMU_TASK_CALL : EMU_TASK_JMP, NULL);
}

static void far_transfer(struct emu *e, bool call)
{
    struct far_pointer to = far_operand(e);
    if (!emu_protected(e->s)) {
        far_real(e, &to, call);
        return;
    }
    struct emu_descriptor d;
    emu_descriptor_load(e, to.selector, EX_GP, &d);
    if (d.attr & SEG_S)
        far_code(e, &to, &d, call);
    else
        far_system(e, &d, call);
}

void emu_far_jmp(struct emu *e)
{
    far_transfer(e, false);
}

void emu_far_call(struct emu *e)
{
    far_transfer(e, true);
}

// The code segment that RETF or IRET goes to (SDM volume 2, RET, "protected mode").
void emu_check_return(struct emu *e, uint16_t selector, struct emu_descriptor *cs)
{
    emu_descriptor_load(e, selector, EX_GP, cs);
    unsigned rpl = selector & 3, dpl = emu_dpl(cs->attr);
    if (!emu_is_code(cs) || rpl < e->s->cpl)
        emu_fault(e, EX_GP, selector);
    if (cs->attr & SEG_CONFORMING ? dpl > rpl : dpl != rpl)
        emu_fault(e, EX_GP, selector);
    emu_check_long_bits(e, cs);
    if (!(cs->attr & SEG_P))
        emu_fault(e, EX_NP, selector);
}

static void return_real(struct emu *e, struct emu_stack *stack, uint64_t offset, uint16_t selector)
{
    struct x86_segment cs = emu_v86(e->s) ? emu_v86_segment(selector)
                                          : emu_real_segment(e->s, X86_CS, selector);
    if (offset > cs.limit)
        emu_gp(e);
    emu_stack_use(e, stack);
    emu_set_segment(e, X86_CS, &cs);
    e->s->rip = offset;
}

static void return_outer(struct emu *e, struct emu_stack *stack, struct emu_descriptor *cs,
                         uint64_t offset, unsigned size)
{
    unsigned level = cs->selector & 3;
    uint64_t sp = emu_stack_pop(e, stack, size);
    uint16_t selector = emu_stack_pop(e, stack, size);
    bool to_64bit = emu_long_mode(e->s) && (cs->attr & SEG_L);
    struct x86_segment ss = emu_check_stack(e, selector, level, EX_GP, to_64bit);
    emu_check_target(e, cs, offset);
    emu_descriptor_accessed(e, cs);
    struct emu_stack outer;
    emu_stack_new(e, &outer, &ss, sp, level, to_64bit);
    emu_stack_skip(&outer, e->i->imm & 0xffff);
    emu_stack_use(e, &outer);
    e->s->seg[X86_SS] = ss;
    emu_enter_code(e, cs, level, offset);
    emu_drop_segments(e, level);
}

void emu_far_ret(struct emu *e)
{
    unsigned size = emu_operand_bytes(e);
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    uint64_t offset = emu_stack_pop(e, &stack, size);
    uint16_t selector = emu_stack_pop(e, &stack, size);
    emu_stack_skip(&stack, e->i->imm & 0xffff);
    if (!emu_protected(e->s)) {
        return_real(e, &stack, offset, selector);
        return;
    }
    struct emu_descriptor cs;
    emu_check_return(e, selector, &cs);
    if ((selector & 3u) > e->s->cpl) {
        return_outer(e, &stack, &cs, offset, size);
        return;
    }
    emu_check_target(e, &cs, offset);
    emu_descriptor_accessed(e, &cs);
    emu_stack_use(e, &stack);
    emu_enter_code(e, &cs, e->s->cpl, offset);
}
