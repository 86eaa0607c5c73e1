// SPDX-License-Identifier: GPL-2.0-or-later
//
// IRET, in every form (SDM volume 2, "IRET/IRETD/IRETQ").
#include "guest/cpu/jit/emu_ops.h"

struct frame {
    uint64_t ip, flags, sp;
    struct emu_descriptor cs;
    uint16_t cs_selector, ss_selector;
    unsigned size_bytes;
};

static void set_flags(struct emu *e, uint64_t flags, uint64_t allowed, unsigned size)
{
    uint64_t before = e->s->rflags;
    uint64_t mask = emu_flags_mask(e->s, allowed) & size_mask(size);
    e->s->rflags = (before & ~mask) | (flags & mask) | FL_FIXED;
    emu_flags_changed(e, before);
}

enum { IRET_FLAGS = FL_ARITH | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_RF | FL_AC | FL_ID |
                    FL_VIF | FL_VIP };

static void iret_real(struct emu *e, struct emu_stack *stack, const struct frame *f)
{
    struct x86_segment cs = emu_v86(e->s) ? emu_v86_segment(f->cs_selector)
                                          : emu_real_segment(e->s, X86_CS, f->cs_selector);
    if (f->ip > cs.limit)
        emu_gp(e);
    emu_stack_use(e, stack);
    emu_set_segment(e, X86_CS, &cs);
    e->s->rip = f->ip;
    // In virtual-8086 mode IOPL stays; emu_flags_mask knows.
    set_flags(e, f->flags, IRET_FLAGS & ~(FL_VIF | FL_VIP), f->size_bytes);
}

static void iret_v86(struct emu *e, struct emu_stack *stack, const struct frame *f)
{
    static const uint8_t order[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    struct x86_state *s = e->s;
    uint64_t sp = emu_stack_pop(e, stack, 4);
    uint16_t ss = emu_stack_pop(e, stack, 4), data[ARRAY_SIZE(order)];
    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        data[n] = emu_stack_pop(e, stack, 4);
    if (f->ip > 0xffff)
        emu_gp(e);
    set_flags(e, f->flags, IRET_FLAGS, 4);
    s->rflags |= FL_VM;
    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        s->seg[order[n]] = emu_v86_segment(data[n]);
    s->seg[X86_SS] = emu_v86_segment(ss);
    s->seg[X86_CS] = emu_v86_segment(f->cs_selector);
    s->gpr[X86_RSP] = sp;
    s->rip = f->ip;
    emu_set_cpl(e, 3);
}

// To an outer level, and always in 64-bit mode: the frame has SS:RSP too.
static void iret_with_stack(struct emu *e, struct emu_stack *stack, struct frame *f)
{
    unsigned level = f->cs_selector & 3, from = e->s->cpl;
    bool to_64bit = emu_long_mode(e->s) && (f->cs.attr & SEG_L);
    f->sp = emu_stack_pop(e, stack, f->size_bytes);
    f->ss_selector = emu_stack_pop(e, stack, f->size_bytes);
    struct x86_segment ss = emu_check_stack(e, f->ss_selector, level, EX_GP, to_64bit);
    emu_check_target(e, &f->cs, f->ip);
    emu_descriptor_accessed(e, &f->cs);
    struct emu_stack outer;
    emu_stack_new(e, &outer, &ss, f->sp, level, to_64bit);
    set_flags(e, f->flags, IRET_FLAGS, f->size_bytes);
    emu_stack_use(e, &outer);
    e->s->seg[X86_SS] = ss;
    emu_enter_code(e, &f->cs, level, f->ip);
    if (level > from)
        emu_drop_segments(e, level);
}

static void iret_same_level(struct emu *e, struct emu_stack *stack, struct frame *f)
{
    emu_check_target(e, &f->cs, f->ip);
    emu_descriptor_accessed(e, &f->cs);
    set_flags(e, f->flags, IRET_FLAGS, f->size_bytes);
    emu_stack_use(e, stack);
    emu_enter_code(e, &f->cs, e->s->cpl, f->ip);
}

static void iret_task(struct emu *e)
{
    if (emu_long_mode(e->s))
        emu_gp(e);
    uint16_t link = emu_load_at(e, e->s->tr.base, 2, JIT_AS_SUPERVISOR, false);
    emu_task_switch(e, link, EMU_TASK_IRET, NULL);
}

static void iret_protected(struct emu *e, struct emu_stack *stack, struct frame *f)
{
    if ((f->flags & FL_VM) && f->size_bytes == 4 && !e->s->cpl && !emu_long_mode(e->s)) {
        iret_v86(e, stack, f);
        return;
    }
    emu_check_return(e, f->cs_selector, &f->cs);
    if (emu_64bit(e->s) || (f->cs_selector & 3u) > e->s->cpl)
        iret_with_stack(e, stack, f);
    else
        iret_same_level(e, stack, f);
}

void emu_iret(struct emu *e)
{
    struct x86_state *s = e->s;
    struct frame f = {.size_bytes = emu_operand_bytes(e)};
    struct emu_stack stack;
    s->nmi_blocked = 0;  // a faulting IRET unblocks as well (SDM volume 3, 6.7.1)
    if (emu_v86(s) && emu_iopl(s) < 3)
        emu_gp(e);
    if (emu_protected(s) && (s->rflags & FL_NT)) {
        iret_task(e);
        return;
    }
    emu_stack_current(e, &stack);
    f.ip = emu_stack_pop(e, &stack, f.size_bytes);
    f.cs_selector = emu_stack_pop(e, &stack, f.size_bytes);
    f.flags = emu_stack_pop(e, &stack, f.size_bytes);
    if (emu_protected(s))
        iret_protected(e, &stack, &f);
    else
        iret_real(e, &stack, &f);
}
