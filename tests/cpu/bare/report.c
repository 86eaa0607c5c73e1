// SPDX-License-Identifier: GPL-2.0-or-later
//
// One line a case: what ended it, where, what was pushed, and what is different from its beginning.
#include "bare.h"

enum { FL_VM = 0x20000, PAGE_FAULT = 14, DEBUG = 1, HARNESS_DWORDS = 3 };

extern char gate_target[], gate_target16[], gate_target64[];

// What was pushed, of the size that its mode has; sp and ss are the interrupted ones.
struct frame {
    bool has_error;
    uint64_t error, ip, flags, sp;
    uint32_t cs, ss, gs, fs, ds, es;
};

static bool pushes_error(const struct one_case *c, uint32_t vector)
{
    enum { WITH_ERROR = 1 << 8 | 0x1f << 10 | 1 << 17 };
    return !c->no_error && vector < 32 && WITH_ERROR >> vector & 1;
}

static void read_frame16(struct frame *f)
{
    uint32_t base = out.handler_ss << 4, sp = (uint32_t)out.handler_sp;
    uint16_t word[3];
    for (unsigned i = 0; i < 3; i++)
        word[i] = *(uint16_t *)(base + (uint16_t)(sp + 2 * i));
    *f = (struct frame){.ip = word[0], .cs = word[1], .flags = word[2], .ss = out.handler_ss};
    f->sp = (sp & 0xffff0000) | (uint16_t)(sp + 6);
    watch_forget(base + (uint16_t)sp, 6);
}

static uint32_t stack_address(uint32_t offset)
{
    uint32_t sp = (uint32_t)out.handler_sp + offset;
    return segment_base(out.handler_ss) + (stack_is_16(out.handler_ss) ? (uint16_t)sp : sp);
}

static uint32_t pop32(uint32_t *offset)
{
    uint32_t value = *(uint32_t *)stack_address(*offset);
    *offset += 4;
    return value;
}

static void forget_frame32(uint32_t bytes)
{
    for (int32_t at = -4 * HARNESS_DWORDS; at < (int32_t)bytes; at += 4)
        watch_forget(stack_address((uint32_t)at), 4);
}

static void read_outer_segments(struct frame *f, uint32_t *at)
{
    f->es = pop32(at);
    f->ds = pop32(at);
    f->fs = pop32(at);
    f->gs = pop32(at);
}

static void read_frame32(struct frame *f)
{
    uint32_t at = 0;
    f->error = f->has_error ? pop32(&at) : 0;
    f->ip = pop32(&at);
    f->cs = pop32(&at);
    f->flags = pop32(&at);
    if (f->flags & FL_VM || f->cs & 3) {
        f->sp = pop32(&at);
        f->ss = pop32(&at);
    } else {
        uint32_t sp = (uint32_t)out.handler_sp;
        f->sp = stack_is_16(out.handler_ss) ? (sp & 0xffff0000) | (uint16_t)(sp + at) : sp + at;
        f->ss = out.handler_ss;
    }
    if (f->flags & FL_VM)
        read_outer_segments(f, &at);
    forget_frame32(at);
}

// Paging is off again.
static uint32_t physical(uint32_t address)
{
    return address >= USER_ALIAS && address < USER_ALIAS + 0x400000 ? address - USER_ALIAS : address;
}

static void read_frame64(struct frame *f)
{
    uint64_t *at = (uint64_t *)physical((uint32_t)out.handler_sp);
    f->error = f->has_error ? *at++ : 0;
    f->ip = at[0];
    f->cs = (uint32_t)at[1];
    f->flags = at[2];
    f->sp = at[3];
    f->ss = (uint32_t)at[4];
    watch_forget(physical((uint32_t)out.handler_sp), f->has_error ? 48 : 40);
}

static void read_frame(const struct one_case *c, struct frame *f)
{
    enum family family = modes[c->mode].family;
    f->has_error = family != IN_REAL && pushes_error(c, out.vector);
    if (family == IN_REAL)
        read_frame16(f);
    else if (family == IN_LONG)
        read_frame64(f);
    else
        read_frame32(f);
}

static void print_place(const struct one_case *c, uint64_t ip, bool is_16)
{
    uint64_t at = is_16 ? ip + LOW_BASE : ip;
    if (at >= USER_ALIAS && at - USER_ALIAS <= c->end && at - USER_ALIAS >= c->start)
        at -= USER_ALIAS;
    print(" ");
    if (at == c->end) {
        print("end");
    } else if (at == (uint32_t)gate_target || at == (uint32_t)gate_target64 ||
               at == LOW_BASE + (uint32_t)gate_target16) {
        print("gate");
    } else if (at >= c->start && at < c->end) {
        print("+");
        print_number(at - c->start);
    } else {
        print("ip=");
        print_number(ip);
    }
}

// A number, or a place in the case as its distance from the case's beginning: where the case is doesn't
// matter. (16-bit code is at small numbers, which mean other things, too.)
void print_value(const struct one_case *c, uint64_t value, unsigned digits)
{
    uint64_t at = value - (value >= USER_ALIAS ? USER_ALIAS : 0);
    bool is_place = c->start >= IMAGE_BASE && at >= c->start && at <= c->end;
    if (is_place)
        print("+");
    if (is_place || !digits)
        print_number(is_place ? at - c->start : value);
    else
        print_hex(value, digits);
}

static void print_changed(const struct one_case *c, const char *name, uint64_t now, uint64_t before)
{
    if (now == before)
        return;
    print(" ");
    print(name);
    print("=");
    print_value(c, now, 0);
}

static void print_vector(const struct frame *f)
{
    static const char *const names[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#09", "#TS", "#NP", "#SS", "#GP",
        "#PF", "#15", "#MF", "#AC", "#MC", "#XM",
    };
    print(" ");
    if (out.vector < sizeof names / sizeof names[0]) {
        print(names[out.vector]);
    } else {
        print("int");
        print_number(out.vector);
    }
    if (f->has_error) {
        print("(");
        print_number(f->error);
        print(")");
    }
}

static void print_registers(const struct one_case *c, const struct frame *f)
{
    static const char *const names[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
                                        "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    unsigned count = modes[c->mode].family == IN_LONG ? 16 : 8;
    out.gpr[SP] = f->sp;
    for (unsigned i = 0; i < count; i++)
        print_changed(c, names[i], out.gpr[i], in.gpr[i]);
    print_changed(c, "fl", f->flags & c->flags_mask, in.flags & c->flags_mask);
}

static void print_segments(const struct one_case *c, const struct frame *f)
{
    bool v86 = f->flags & FL_VM;
    print_changed(c, "cs", f->cs, in.cs);
    print_changed(c, "ss", f->ss, in.ss);
    print_changed(c, "ds", v86 ? f->ds : out.ds, in.ds);
    print_changed(c, "es", v86 ? f->es : out.es, in.es);
    print_changed(c, "fs", v86 ? f->fs : out.fs, in.fs);
    print_changed(c, "gs", v86 ? f->gs : out.gs, in.gs);
    if (v86)
        print_changed(c, "handler", out.ds | out.es | out.fs | out.gs, 0);
}

static void print_control(const struct one_case *c)
{
    enum { CR0_ON = 0x33, CR0_PG = INT32_MIN, DR6_RESET = 0xffff0ff0 };
    const struct mode *m = &modes[c->mode];
    uint32_t cr0 = CR0_ON | c->cr0 | (m->paging ? CR0_PG : 0);
    print_changed(c, "cr0", out.cr0, m->family == IN_REAL ? cr0 & ~1u : cr0);
    if (out.vector == PAGE_FAULT)
        print_changed(c, "cr2", out.cr2, UINT64_MAX);
    if (out.vector == DEBUG)
        print_changed(c, "dr6", out.dr6, DR6_RESET);
}

static void print_trace(const struct one_case *c)
{
    const struct low *low = (const struct low *)(LOW_BASE + (uint32_t)&low_data);
    for (unsigned i = 0; i < low->trace_count && i < TRACE_MAX; i++) {
        const struct trace_record *t = &low->trace[i];
        print(" [");
        print_number(t->vector);
        print_place(c, t->ip, modes[c->mode].bits == 16);
        print_changed(c, "fl", t->flags & c->flags_mask, in.flags & c->flags_mask);
        if (t->vector == DEBUG)
            print_changed(c, "dr6", t->dr6, 0xffff0ff0);
        print("]");
    }
}

void report(const struct one_case *c)
{
    struct frame f = {0};
    read_frame(c, &f);
    print(c->name);
    print(":");
    print_vector(&f);
    print_place(c, f.ip, modes[c->mode].bits == 16);
    print_registers(c, &f);
    print_segments(c, &f);
    print_control(c);
    print_trace(c);
    watch_report(c);
    print("\n");
}
