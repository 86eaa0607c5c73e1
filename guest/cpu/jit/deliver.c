// SPDX-License-Identifier: GPL-2.0-or-later
//
// Event delivery (SDM volume 3, chapter 6; volume 1, 6.5).
#include "guest/cpu/jit/emu_ops.h"

struct event {
    enum jit_event kind;
    unsigned vector;
    uint32_t error_code;
    bool has_code;
};

struct gate {
    struct emu_descriptor cs;
    uint64_t offset;
    unsigned size_bytes, ist;
    bool interrupt;  // clears IF
};

static bool pushes_code(enum jit_event kind, unsigned vector)
{
    enum { WITH_CODE = 1 << EX_DF | 1 << EX_TS | 1 << EX_NP | 1 << EX_SS | 1 << EX_GP | 1 << EX_PF |
                       1 << EX_AC };
    return kind == JIT_EVENT_FAULT && vector < 32 && (WITH_CODE >> vector & 1);
}

// The error code of a fault that concerns the IDT's entry (SDM figure 6-7).
static _Noreturn void entry_fault(struct emu *e, unsigned fault, unsigned vector)
{
    jit_raise(e->v, fault, vector << 3 | 2 | e->external);
}

// A fault is reported before its instruction: RF lets it restart past an instruction breakpoint
// (SDM volume 3, 18.3.1.1).
static uint64_t pushed_flags(const struct emu *e, const struct event *event)
{
    uint64_t flags = e->s->rflags;
    if (event->kind == JIT_EVENT_FAULT && event->vector != EX_DB && event->vector != EX_DF)
        flags |= FL_RF;
    if (event->kind == JIT_EVENT_SOFTWARE || event->kind == JIT_EVENT_TRAP)
        flags &= ~(uint64_t)FL_RF;
    return flags;
}

static void clear_flags(struct emu *e, uint64_t clear)
{
    uint64_t before = e->s->rflags;
    e->s->rflags &= ~clear;
    emu_flags_changed(e, before);
}

static void deliver_real(struct emu *e, const struct event *event)
{
    struct x86_state *s = e->s;
    uint32_t at = event->vector * 4;
    if (at + 3 > s->idtr.limit)
        entry_fault(e, EX_GP, event->vector);
    uint32_t target = emu_load_at(e, s->idtr.base + at, 4, JIT_AS_SUPERVISOR, false);
    struct x86_segment cs = emu_real_segment(s, X86_CS, target >> 16);
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    emu_stack_room(e, &stack, 3, 2);
    emu_stack_push(e, &stack, pushed_flags(e, event), 2);
    emu_stack_push(e, &stack, s->seg[X86_CS].selector, 2);
    emu_stack_push(e, &stack, s->rip, 2);
    emu_stack_use(e, &stack);
    emu_set_segment(e, X86_CS, &cs);
    s->rip = target & 0xffff;
    clear_flags(e, FL_IF | FL_TF | FL_AC | FL_RF);
}

static void unpack_gate(struct emu *e, unsigned vector, struct emu_descriptor *d, struct gate *gate)
{
    uint64_t raw = d->raw;
    unsigned type = emu_system_type(d);
    bool wide = type == SYS_INTERRUPT || type == SYS_TRAP;
    *gate = (struct gate){.offset = (raw & 0xffff) | (wide ? raw >> 32 & 0xffff0000 : 0),
                          .size_bytes = wide ? 4 : 2,
                          .interrupt = type == SYS_INTERRUPT || type == SYS_INTERRUPT16};
    if (emu_long_mode(e->s)) {
        uint64_t upper = emu_load_at(e, d->at + 8, 8, JIT_AS_SUPERVISOR, false);
        gate->offset |= upper << 32;
        gate->size_bytes = 8;
        gate->ist = raw >> 32 & 7;
    }
    if (!(d->attr & SEG_P))
        entry_fault(e, EX_NP, vector);
}

static bool known_type(const struct x86_state *s, unsigned type)
{
    if (type == SYS_INTERRUPT || type == SYS_TRAP)
        return true;
    return !emu_long_mode(s) &&
           (type == SYS_INTERRUPT16 || type == SYS_TRAP16 || type == SYS_TASK_GATE);
}

static void read_entry(struct emu *e, const struct event *event, struct emu_descriptor *d)
{
    const struct x86_state *s = e->s;
    unsigned size = emu_long_mode(s) ? 16 : 8;
    uint32_t at = event->vector * size;
    if (at + size - 1 > s->idtr.limit)
        entry_fault(e, EX_GP, event->vector);
    d->at = s->idtr.base + at;
    d->raw = emu_load_at(e, d->at, 8, JIT_AS_SUPERVISOR, false);
    d->attr = d->raw >> 40 & 0xff;
    if (!known_type(s, emu_system_type(d)))
        entry_fault(e, EX_GP, event->vector);
    if (event->kind == JIT_EVENT_SOFTWARE && emu_dpl(d->attr) < s->cpl)
        entry_fault(e, EX_GP, event->vector);
}

static void check_handler(struct emu *e, struct gate *gate, uint16_t selector)
{
    struct emu_descriptor *cs = &gate->cs;
    emu_descriptor_load(e, selector, EX_GP, cs);
    if (!emu_is_code(cs) || emu_dpl(cs->attr) > e->s->cpl)
        emu_fault(e, EX_GP, selector);
    if (emu_long_mode(e->s) && (cs->attr & (SEG_L | SEG_DB)) != SEG_L)
        emu_fault(e, EX_GP, selector);
    if (!(cs->attr & SEG_P))
        emu_fault(e, EX_NP, selector);
    emu_check_target(e, cs, gate->offset);
}

static void push_v86_segments(struct emu *e, struct emu_stack *stack, unsigned size)
{
    static const uint8_t order[] = {X86_GS, X86_FS, X86_DS, X86_ES};
    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        emu_stack_push(e, stack, e->s->seg[order[n]].selector, size);
}

static void push_frame(struct emu *e, struct emu_stack *stack, const struct event *event,
                       const struct gate *gate, bool with_stack)
{
    const struct x86_state *s = e->s;
    unsigned size = gate->size_bytes;
    unsigned words = 3 + (with_stack ? 2 : 0) + event->has_code + (emu_v86(s) ? 4 : 0);
    emu_stack_room(e, stack, words, size);
    if (emu_v86(s))
        push_v86_segments(e, stack, size);
    if (with_stack) {
        emu_stack_push(e, stack, s->seg[X86_SS].selector, size);
        emu_stack_push(e, stack, s->gpr[X86_RSP], size);
    }
    emu_stack_push(e, stack, pushed_flags(e, event), size);
    emu_stack_push(e, stack, s->seg[X86_CS].selector, size);
    emu_stack_push(e, stack, s->rip, size);
    if (event->has_code)
        emu_stack_push(e, stack, event->error_code, size);
}

static void enter_handler(struct emu *e, struct emu_stack *stack, struct gate *gate, unsigned level)
{
    static const uint8_t data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    bool from_v86 = emu_v86(e->s);
    emu_stack_use(e, stack);
    emu_enter_code(e, &gate->cs, level, gate->offset);
    for (unsigned n = 0; from_v86 && n < ARRAY_SIZE(data); n++)
        e->s->seg[data[n]] = emu_null_segment(0, 0);
    clear_flags(e, FL_TF | FL_NT | FL_RF | FL_VM | (gate->interrupt ? FL_IF : 0));
}

static void deliver_same_level(struct emu *e, const struct event *event, struct gate *gate)
{
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    emu_descriptor_accessed(e, &gate->cs);
    push_frame(e, &stack, event, gate, false);
    enter_handler(e, &stack, gate, e->s->cpl);
}

// In long mode the frame always has SS:RSP, is aligned to 16 bytes, and may lie on an IST stack
// (SDM volume 3, 6.14.2).
static void deliver_long(struct emu *e, const struct event *event, struct gate *gate, unsigned level)
{
    struct emu_stack stack;
    if (gate->ist || level != e->s->cpl)
        emu_inner_stack(e, level, gate->ist, &stack);
    else
        emu_stack_new(e, &stack, &e->s->seg[X86_SS], e->s->gpr[X86_RSP], level, true);
    stack.fault_code = 0;
    stack.sp &= ~UINT64_C(15);
    emu_descriptor_accessed(e, &gate->cs);
    push_frame(e, &stack, event, gate, true);
    if (level != e->s->cpl)
        e->s->seg[X86_SS] = stack.segment;
    enter_handler(e, &stack, gate, level);
}

static void deliver_inner(struct emu *e, const struct event *event, struct gate *gate, unsigned level)
{
    struct emu_stack stack;
    if (emu_v86(e->s) && level)
        emu_fault(e, EX_GP, gate->cs.selector);
    emu_inner_stack(e, level, 0, &stack);
    emu_descriptor_accessed(e, &gate->cs);
    push_frame(e, &stack, event, gate, true);
    e->s->seg[X86_SS] = stack.segment;
    enter_handler(e, &stack, gate, level);
}

static void deliver_gate(struct emu *e, const struct event *event, struct emu_descriptor *d)
{
    struct gate gate;
    unpack_gate(e, event->vector, d, &gate);
    check_handler(e, &gate, d->raw >> 16);
    bool conforming = gate.cs.attr & SEG_CONFORMING;
    unsigned level = conforming ? e->s->cpl : emu_dpl(gate.cs.attr);
    if (emu_v86(e->s) && level)
        emu_fault(e, EX_GP, gate.cs.selector);
    if (emu_long_mode(e->s))
        deliver_long(e, event, &gate, level);
    else if (level != e->s->cpl)
        deliver_inner(e, event, &gate, level);
    else
        deliver_same_level(e, event, &gate);
}

static void deliver_protected(struct emu *e, const struct event *event)
{
    struct emu_descriptor d;
    read_entry(e, event, &d);
    if (emu_system_type(&d) != SYS_TASK_GATE) {
        deliver_gate(e, event, &d);
        return;
    }
    if (!(d.attr & SEG_P))
        entry_fault(e, EX_NP, event->vector);
    emu_task_switch(e, d.raw >> 16, EMU_TASK_EVENT, event->has_code ? &event->error_code : NULL);
}

void jit_deliver(struct jit_vcpu *v, enum jit_event kind, unsigned vector, uint32_t error_code)
{
    struct emu e = {.v = v, .s = jit_state(v), .external = kind != JIT_EVENT_SOFTWARE};
    struct event event = {.kind = kind, .vector = vector & 0xff, .error_code = error_code,
                          .has_code = pushes_code(kind, vector)};
    e.start = e.s->rip;
    if (kind == JIT_EVENT_NMI)
        e.s->nmi_blocked = 1;
    if (e.s->cr0 & CR0_PE)
        deliver_protected(&e, &event);
    else
        deliver_real(&e, &event);
}

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum fault_class class_of(unsigned vector)
{
    switch (vector) {
    case EX_DE: case EX_TS: case EX_NP: case EX_SS: case EX_GP: return CONTRIBUTORY;
    case EX_PF: return PAGE_FAULT;
    default: return BENIGN;
    }
}

int jit_combine_faults(unsigned first, unsigned second)
{
    enum fault_class before = class_of(first), now = class_of(second);
    if (first == EX_DF && now != BENIGN)
        return -1;
    if (before == CONTRIBUTORY && now == CONTRIBUTORY)
        return EX_DF;
    if (before == PAGE_FAULT && now != BENIGN)
        return EX_DF;
    return second;
}
