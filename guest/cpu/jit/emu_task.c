// SPDX-License-Identifier: GPL-2.0-or-later
//
// The task-state segment: stacks of inner levels, and hardware task switching (SDM volume 3,
// chapter "Task Management").
#include "guest/cpu/jit/emu_ops.h"

enum { TSS_LINK = 0, TSS_CR3 = 0x1c, TSS_EIP = 0x20, TSS_FLAGS = 0x24, TSS_GPR = 0x28, TSS_SEG = 0x48,
       TSS_LDT = 0x60, TSS_TRAP = 0x64, TSS_BYTES = 0x68 };
enum { TSS16_IP = 0x0e, TSS16_FLAGS = 0x10, TSS16_GPR = 0x12, TSS16_SEG = 0x22, TSS16_LDT = 0x2a,
       TSS16_BYTES = 0x2c };
enum { TASK_GPRS = 8 };

static bool tss_is_wide(uint16_t attr)
{
    return attr & 8;
}

static uint64_t tss_read(struct emu *e, uint32_t offset, unsigned size)
{
    const struct x86_segment *tr = &e->s->tr;
    if (!(tr->attr & SEG_P) || offset + size - 1 > tr->limit)
        emu_fault(e, EX_TS, tr->selector);
    return emu_load_at(e, tr->base + offset, size, JIT_AS_SUPERVISOR, false);
}

static void inner_stack64(struct emu *e, unsigned level, unsigned ist, struct emu_stack *stack)
{
    uint64_t rsp = tss_read(e, ist ? 0x24 + 8 * (ist - 1) : 4 + 8 * level, 8);
    struct x86_segment ss = emu_null_segment(level, level);
    emu_stack_new(e, stack, &ss, rsp, level, true);
    stack->fault_code = 0;
}

void emu_inner_stack(struct emu *e, unsigned level, unsigned ist, struct emu_stack *stack)
{
    if (emu_long_mode(e->s)) {
        inner_stack64(e, level, ist, stack);
        return;
    }
    bool wide = tss_is_wide(e->s->tr.attr);
    uint32_t offset = wide ? 4 + 8 * level : 2 + 4 * level;
    uint64_t sp = tss_read(e, offset, wide ? 4 : 2);
    uint16_t selector = tss_read(e, offset + (wide ? 4 : 2), 2);
    struct x86_segment ss = emu_check_stack(e, selector, level, EX_TS, false);
    emu_stack_new(e, stack, &ss, sp, level, false);
}

struct task {
    uint32_t cr3, eip, flags, gpr[TASK_GPRS];
    uint16_t seg[X86_SEGMENTS], ldt;
    bool trap;
};

static uint32_t field(const uint8_t *bytes, unsigned at, unsigned size)
{
    return bytes[at] | bytes[at + 1] << 8 |
           (size == 4 ? bytes[at + 2] << 16 | (uint32_t)bytes[at + 3] << 24 : 0);
}

static void read_task32(const uint8_t *bytes, struct task *task)
{
    task->cr3 = field(bytes, TSS_CR3, 4);
    task->eip = field(bytes, TSS_EIP, 4);
    task->flags = field(bytes, TSS_FLAGS, 4);
    for (unsigned n = 0; n < TASK_GPRS; n++)
        task->gpr[n] = field(bytes, TSS_GPR + 4 * n, 4);
    for (unsigned n = 0; n < X86_SEGMENTS; n++)
        task->seg[n] = field(bytes, TSS_SEG + 4 * n, 2);
    task->ldt = field(bytes, TSS_LDT, 2);
    task->trap = bytes[TSS_TRAP] & 1;
}

static void read_task16(const uint8_t *bytes, struct task *task)
{
    task->eip = field(bytes, TSS16_IP, 2);
    task->flags = field(bytes, TSS16_FLAGS, 2);
    for (unsigned n = 0; n < TASK_GPRS; n++)
        task->gpr[n] = field(bytes, TSS16_GPR + 2 * n, 2) | 0xffff0000;
    for (unsigned n = 0; n <= X86_DS; n++)
        task->seg[n] = field(bytes, TSS16_SEG + 2 * n, 2);
    task->ldt = field(bytes, TSS16_LDT, 2);
}

static void read_task(struct emu *e, const struct emu_descriptor *tss, struct task *task)
{
    uint8_t bytes[TSS_BYTES];
    bool wide = tss_is_wide(tss->attr);
    unsigned size = wide ? TSS_BYTES : TSS16_BYTES;
    *task = (struct task){0};
    for (unsigned n = 0; n < size; n++)
        bytes[n] = emu_load_at(e, (uint32_t)(tss->base + n), 1, JIT_AS_SUPERVISOR, false);
    if (wide)
        read_task32(bytes, task);
    else
        read_task16(bytes, task);
}

static void save(struct emu *e, uint32_t offset, uint32_t value, unsigned size)
{
    emu_store_at(e, (uint32_t)(e->s->tr.base + offset), value, size, JIT_AS_SUPERVISOR, false);
}

static void save_task(struct emu *e, uint32_t flags)
{
    const struct x86_state *s = e->s;
    bool wide = tss_is_wide(s->tr.attr);
    unsigned size = wide ? 4 : 2;
    save(e, wide ? TSS_EIP : TSS16_IP, s->rip, size);
    save(e, wide ? TSS_FLAGS : TSS16_FLAGS, flags, size);
    for (unsigned n = 0; n < TASK_GPRS; n++)
        save(e, (wide ? TSS_GPR : TSS16_GPR) + size * n, s->gpr[n], size);
    for (unsigned n = 0; n < (wide ? X86_SEGMENTS : X86_DS + 1); n++)
        save(e, (wide ? TSS_SEG : TSS16_SEG) + size * n, s->seg[n].selector, 2);
}

// Before the first store: the old TSS, the new one's link and both descriptors can be written.
static void check_stores(struct emu *e, const struct emu_descriptor *tss)
{
    const struct x86_segment *tr = &e->s->tr;
    uint32_t last = tss_is_wide(tr->attr) ? TSS_BYTES - 1 : TSS16_BYTES - 1;
    if (last > tr->limit)
        emu_fault(e, EX_TS, tr->selector);
    jit_check_store(e->v, GVA((uint32_t)tr->base), 1, JIT_AS_SUPERVISOR, false);
    jit_check_store(e->v, GVA((uint32_t)(tr->base + last)), 1, JIT_AS_SUPERVISOR, false);
    jit_check_store(e->v, GVA((uint32_t)tss->base), 2, JIT_AS_SUPERVISOR, false);
    jit_check_store(e->v, GVA((uint32_t)tss->at), 8, JIT_AS_SUPERVISOR, false);
}

static void find_task(struct emu *e, uint16_t selector, enum emu_task_cause cause,
                      struct emu_descriptor *tss)
{
    unsigned vector = cause == EMU_TASK_IRET ? EX_TS : EX_GP;
    if (selector & 4)
        emu_fault(e, vector, selector);
    emu_descriptor_load(e, selector, vector, tss);
    unsigned wanted = cause == EMU_TASK_IRET ? SYS_TSS16_BUSY : SYS_TSS16;
    unsigned type = emu_system_type(tss);
    if (type != wanted && type != (wanted | 8))
        emu_fault(e, vector, selector);
    if (!(tss->attr & SEG_P))
        emu_fault(e, EX_NP, selector);
    if (tss->limit < (tss_is_wide(tss->attr) ? TSS_BYTES : TSS16_BYTES) - 1u)
        emu_fault(e, EX_TS, selector);
}

static void leave_task(struct emu *e, enum emu_task_cause cause)
{
    struct emu_descriptor old;
    bool stays_busy = cause == EMU_TASK_CALL || cause == EMU_TASK_EVENT;
    if (!stays_busy && emu_descriptor_try(e, e->s->tr.selector, &old))
        emu_descriptor_set_busy(e, &old, false);
    save_task(e, e->s->rflags & ~(uint64_t)(cause == EMU_TASK_IRET ? FL_NT : 0));
}

static void enter_task(struct emu *e, struct emu_descriptor *tss, enum emu_task_cause cause,
                       struct task *task)
{
    struct x86_state *s = e->s;
    if (cause == EMU_TASK_CALL || cause == EMU_TASK_EVENT) {
        jit_store(e->v, GVA((uint32_t)tss->base), s->tr.selector, 2, JIT_AS_SUPERVISOR, false);
        task->flags |= FL_NT;
    }
    if (cause != EMU_TASK_IRET)
        emu_descriptor_set_busy(e, tss, true);
    s->tr = emu_descriptor_segment(tss);
    s->tr.attr |= 2;
    s->cr0 |= CR0_TS;
}

static void load_registers(struct emu *e, const struct task *task)
{
    enum { KNOWN = FL_ARITH | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_RF | FL_VM | FL_AC |
                   FL_VIF | FL_VIP | FL_ID };
    struct x86_state *s = e->s;
    if ((s->cr0 & CR0_PG) && tss_is_wide(s->tr.attr) && s->cr3 != task->cr3) {
        s->cr3 = task->cr3;
        jit_flush_nonglobal(e->v);
    }
    for (unsigned n = 0; n < TASK_GPRS; n++)
        s->gpr[n] = task->gpr[n];
    s->rip = task->eip;
    s->rflags = (task->flags & KNOWN) | FL_FIXED;
    s->ldtr = emu_null_segment(task->ldt, 0);
    // Until each is checked it is as unusable as a null selector.
    for (unsigned n = 0; n < X86_SEGMENTS; n++)
        s->seg[n] = task->flags & FL_VM ? emu_v86_segment(task->seg[n])
                                        : emu_null_segment(task->seg[n], 0);
    s->cpl = 3;  // until there is a stack, an exception gets one from the TSS
    s->dr7 &= ~0x155ull;  // local breakpoints end with the task
    jit_mode_changed(e->v);
    jit_commit(e->v);  // from here on a fault is the new task's
}

static void load_ldt(struct emu *e, uint16_t selector)
{
    struct emu_descriptor d;
    if (emu_null(selector))
        return;
    if (selector & 4)
        emu_fault(e, EX_TS, selector);
    emu_descriptor_load(e, selector, EX_TS, &d);
    if (emu_system_type(&d) != SYS_LDT || !(d.attr & SEG_P))
        emu_fault(e, EX_TS, selector);
    e->s->ldtr = emu_descriptor_segment(&d);
}

static void load_code(struct emu *e, uint16_t selector)
{
    struct emu_descriptor d;
    unsigned rpl = selector & 3;
    emu_descriptor_load(e, selector, EX_TS, &d);
    unsigned dpl = emu_dpl(d.attr);
    if (!emu_is_code(&d) || (d.attr & SEG_CONFORMING ? dpl > rpl : dpl != rpl))
        emu_fault(e, EX_TS, selector);
    if (!(d.attr & SEG_P))
        emu_fault(e, EX_NP, selector);
    emu_descriptor_accessed(e, &d);
    e->s->seg[X86_CS] = emu_descriptor_segment(&d);
}

static void load_data(struct emu *e, unsigned segment, uint16_t selector)
{
    struct emu_descriptor d;
    if (emu_null(selector))
        return;
    emu_descriptor_load(e, selector, EX_TS, &d);
    bool code = emu_is_code(&d);
    if (!(d.attr & SEG_S) || (code && !(d.attr & SEG_READABLE)))
        emu_fault(e, EX_TS, selector);
    bool conforming = code && (d.attr & SEG_CONFORMING);
    if (!conforming && ((selector & 3u) > emu_dpl(d.attr) || e->s->cpl > emu_dpl(d.attr)))
        emu_fault(e, EX_TS, selector);
    if (!(d.attr & SEG_P))
        emu_fault(e, EX_NP, selector);
    emu_descriptor_accessed(e, &d);
    e->s->seg[segment] = emu_descriptor_segment(&d);
}

static void load_segments(struct emu *e, const struct task *task)
{
    static const uint8_t data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    load_ldt(e, task->ldt);
    if (task->flags & FL_VM)
        return;
    unsigned cpl = task->seg[X86_CS] & 3;
    e->s->seg[X86_SS] = emu_check_stack(e, task->seg[X86_SS], cpl, EX_TS, false);
    e->s->cpl = cpl;
    jit_commit(e->v);
    load_code(e, task->seg[X86_CS]);
    for (unsigned n = 0; n < ARRAY_SIZE(data); n++)
        load_data(e, data[n], task->seg[data[n]]);
    jit_mode_changed(e->v);
}

void emu_task_switch(struct emu *e, uint16_t selector, enum emu_task_cause cause,
                     const uint32_t *error_code)
{
    struct emu_descriptor tss;
    struct task task;
    find_task(e, selector, cause, &tss);
    read_task(e, &tss, &task);
    check_stores(e, &tss);
    leave_task(e, cause);
    enter_task(e, &tss, cause, &task);
    load_registers(e, &task);
    load_segments(e, &task);
    if (error_code) {
        emu_push(e, *error_code, tss_is_wide(tss.attr) ? 4 : 2);
        jit_commit(e->v);  // it is below what a fault or trap before the first instruction pushes
    }
    if (task.eip > e->s->seg[X86_CS].limit)
        emu_gp(e);
    if (task.trap) {
        e->s->dr6 |= 1 << 15;  // BT
        jit_raise(e->v, EX_DB, 0);
    }
    jit_check_interrupts(e->v);
}
