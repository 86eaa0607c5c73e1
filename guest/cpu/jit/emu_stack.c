// SPDX-License-Identifier: GPL-2.0-or-later
//
// The stack as instructions and events use it (SDM volume 1, 6.2).
#include "guest/cpu/jit/emu_core.h"

static unsigned sp_bytes(const struct x86_segment *ss)
{
    return ss->attr & SEG_DB ? 4 : 2;
}

void emu_stack_current(struct emu *e, struct emu_stack *stack)
{
    const struct x86_segment *ss = &e->s->seg[X86_SS];
    bool flat = emu_64bit(e->s);
    *stack = (struct emu_stack){.segment = *ss, .sp = e->s->gpr[X86_RSP], .flat = flat,
                                .sp_bytes = flat ? 8 : sp_bytes(ss), .as = JIT_AS_CPL};
}

// Pushes onto another privilege level's stack are that level's accesses.
static enum jit_as as_level(const struct emu *e, unsigned cpl)
{
    if (cpl == e->s->cpl)
        return JIT_AS_CPL;
    return cpl == 3 ? JIT_AS_USER : JIT_AS_SUPERVISOR;
}

void emu_stack_new(struct emu *e, struct emu_stack *stack, const struct x86_segment *segment,
                   uint64_t sp, unsigned cpl, bool flat)
{
    *stack = (struct emu_stack){.segment = *segment, .sp = sp, .flat = flat,
                                .sp_bytes = flat ? 8 : sp_bytes(segment),
                                .as = as_level(e, cpl), .fault_code = segment->selector};
}

// Where [SP + delta] lies, after the checks that come before paging.
static uint64_t at_sp(struct emu *e, const struct emu_stack *stack, int64_t delta, unsigned size,
                      bool write)
{
    uint64_t offset = (stack->sp + delta) & size_mask(stack->sp_bytes);
    if (stack->flat) {
        if (!x86_is_canonical(e->s, offset) || !x86_is_canonical(e->s, offset + size - 1))
            emu_fault(e, EX_SS, stack->fault_code);
        return offset;
    }
    bool allowed = !emu_protected(e->s) || emu_segment_allows(&stack->segment, write);
    if (!allowed || !emu_segment_covers(&stack->segment, offset, size))
        emu_fault(e, EX_SS, stack->fault_code);
    return (uint32_t)(stack->segment.base + offset);
}

void emu_stack_skip(struct emu_stack *stack, int64_t bytes)
{
    uint64_t mask = size_mask(stack->sp_bytes);
    stack->sp = (stack->sp & ~mask) | ((stack->sp + bytes) & mask);
}

void emu_stack_push(struct emu *e, struct emu_stack *stack, uint64_t value, unsigned size_bytes)
{
    uint64_t at = at_sp(e, stack, -(int64_t)size_bytes, size_bytes, true);
    emu_store_at(e, at, value & size_mask(size_bytes), size_bytes, stack->as, true);
    emu_stack_skip(stack, -(int64_t)size_bytes);
}

uint64_t emu_stack_pop(struct emu *e, struct emu_stack *stack, unsigned size_bytes)
{
    uint64_t at = at_sp(e, stack, 0, size_bytes, false);
    uint64_t value = emu_load_at(e, at, size_bytes, stack->as, true);
    emu_stack_skip(stack, size_bytes);
    return value;
}

void emu_stack_room(struct emu *e, const struct emu_stack *stack, unsigned count, unsigned size_bytes)
{
    for (unsigned n = 1; n <= count; n++) {
        uint64_t at = at_sp(e, stack, -(int64_t)(n * size_bytes), size_bytes, true);
        jit_check_store(e->v, GVA(at), size_bytes, stack->as, true);
    }
}

// A 16-bit stack leaves the upper half of ESP as it is.
void emu_stack_use(struct emu *e, const struct emu_stack *stack)
{
    emu_set_reg(e->s, X86_RSP, stack->sp, stack->sp_bytes);
}

void emu_push(struct emu *e, uint64_t value, unsigned size_bytes)
{
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    emu_stack_push(e, &stack, value, size_bytes);
    emu_stack_use(e, &stack);
}

uint64_t emu_pop(struct emu *e, unsigned size_bytes)
{
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    uint64_t value = emu_stack_pop(e, &stack, size_bytes);
    emu_stack_use(e, &stack);
    return value;
}
