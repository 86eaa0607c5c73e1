// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/emu_string.h"

#include "guest/cpu/jit/emu_host.h"
#include "guest/cpu/jit/emu_ops.h"

enum { BUDGET_BYTES = 64 << 10, ONE_COSTS_BYTES = 64 };

void emu_string_step(struct emu_string *str, bool si, bool di)
{
    uint64_t step = str->down ? -(uint64_t)str->size_bytes : str->size_bytes;
    if (si)
        str->si = (str->si + step) & str->mask;
    if (di)
        str->di = (str->di + step) & str->mask;
}

// The last segment prefix wins; in 64-bit mode the others than FS and GS are no prefixes at all.
static unsigned source_segment(const struct emu *e)
{
    unsigned segment = X86_DS;
    for (unsigned n = 0; n < e->i->opcode_at; n++)
        switch (e->i->bytes[n]) {
        case 0x26: segment = emu_64bit(e->s) ? segment : X86_ES; break;
        case 0x2e: segment = emu_64bit(e->s) ? segment : X86_CS; break;
        case 0x36: segment = emu_64bit(e->s) ? segment : X86_SS; break;
        case 0x3e: segment = emu_64bit(e->s) ? segment : X86_DS; break;
        case 0x64: segment = X86_FS; break;
        case 0x65: segment = X86_GS; break;
        }
    return segment;
}

static struct emu_string begin(const struct emu *e, unsigned size_bytes)
{
    uint64_t mask = size_mask(e->i->address_bytes);
    const uint64_t *gpr = e->s->gpr;
    return (struct emu_string){.si = gpr[X86_RSI] & mask, .di = gpr[X86_RDI] & mask,
                               .count = gpr[X86_RCX] & mask, .mask = mask, .size_bytes = size_bytes,
                               .segment = source_segment(e), .down = e->s->rflags & FL_DF};
}

// Only registers that moved are written: a 32-bit write clears the upper half.
static void put_moved(struct x86_state *s, unsigned reg, uint64_t value, uint64_t mask, unsigned size)
{
    if (value != (s->gpr[reg] & mask))
        emu_set_reg(s, reg, value, size);
}

static void put_registers(struct emu *e, const struct emu_string *str, bool repeated)
{
    unsigned size = e->i->address_bytes;
    put_moved(e->s, X86_RSI, str->si, str->mask, size);
    put_moved(e->s, X86_RDI, str->di, str->mask, size);
    if (repeated)
        put_moved(e->s, X86_RCX, str->count, str->mask, size);
}

static bool stops(const struct emu *e, enum emu_repeat repeat)
{
    bool equal = e->s->rflags & FL_ZF;
    return (repeat == EMU_REP_WHILE_EQUAL && !equal) || (repeat == EMU_REP_WHILE_UNEQUAL && equal);
}

// Some elements; returns what they cost of the budget.
static uint64_t run_some(struct emu *e, struct emu_string *str, emu_string_one *one,
                         emu_string_many *many, uint64_t budget)
{
    uint64_t limit = budget / str->size_bytes;
    limit = limit < str->count ? limit : str->count;
    uint64_t done = many && limit > 1 ? many(e, str, limit) : 0;
    if (done) {
        str->count -= done;
        return done * str->size_bytes;
    }
    one(e, str);
    str->count = (str->count - 1) & str->mask;
    return jit_is_counted(e->v) ? str->size_bytes : ONE_COSTS_BYTES;
}

// In the middle, RF keeps an instruction breakpoint from being met again, and is in what an interrupt pushes
// (SDM volume 3, 18.3.1.1; what a trap pushes has it clear on AMD's CPUs and in Bochs).
static void set_place(struct x86_state *s, bool ended, uint64_t rip)
{
    s->rip = rip;
    s->rflags = ended ? s->rflags & ~(uint64_t)FL_RF : s->rflags | FL_RF;
}

static void run_repeated(struct emu *e, struct emu_string *str, emu_string_one *one,
                         emu_string_many *many, enum emu_repeat repeat)
{
    uint64_t next = e->s->rip;
    // With TF set there is a trap after each element.
    uint64_t budget = e->s->rflags & FL_TF ? str->size_bytes : BUDGET_BYTES;
    while (str->count && budget) {
        e->s->rip = e->start;
        uint64_t cost = run_some(e, str, one, many, budget);
        put_registers(e, str, true);
        bool ended = !str->count || stops(e, repeat);
        set_place(e->s, ended, ended ? next : e->start);
        jit_commit(e->v);
        if (ended)
            return;
        budget -= cost < budget ? cost : budget;
    }
}

void emu_string_run(struct emu *e, unsigned size_bytes, emu_string_one *one, emu_string_many *many,
                    enum emu_repeat repeat)
{
    struct emu_string str = begin(e, size_bytes);
    if (e->i->repne && repeat != EMU_REP)
        repeat = EMU_REP_WHILE_UNEQUAL;
    if (e->i->rep || e->i->repne) {
        run_repeated(e, &str, one, many, repeat);
        return;
    }
    one(e, &str);
    put_registers(e, &str, false);
}

// How many elements from offset on lie on plain memory of one page, in the direction of DF; and
// where in the host the first one is.
struct run {
    uint8_t *host;
    uint64_t elements;
};

static uint64_t elements_before_wrap(const struct emu_string *str, uint64_t offset, bool down)
{
    if (down)
        return offset / str->size_bytes + 1;
    return (str->mask - offset) / str->size_bytes + (str->mask == UINT64_MAX ? 0 : 1);
}

static bool segment_covers(const struct emu *e, const struct emu_string *str, unsigned segment,
                           uint64_t offset, uint64_t elements)
{
    if (emu_64bit(e->s))
        return true;
    uint64_t bytes = elements * str->size_bytes;
    uint64_t low = str->down ? offset + str->size_bytes - bytes : offset;
    const struct x86_segment *seg = &e->s->seg[segment];
    return emu_segment_covers(seg, low, bytes) && (seg->base & 0xffffffff) + low + bytes <= BIT(32);
}

static struct run plain_run(struct emu *e, const struct emu_string *str, unsigned segment,
                            uint64_t offset, bool write, uint64_t limit)
{
    size_t available = 0;
    unsigned size = str->size_bytes;
    gva_t at = emu_linear(e, segment, offset, size, write);
    if ((at.u & (PAGE_BYTES - 1)) + size > PAGE_BYTES)
        return (struct run){0};
    uint8_t *host = jit_span(e->v, at, write, JIT_AS_CPL, &available);
    if (!host)
        return (struct run){0};
    uint64_t elements = str->down ? (at.u & (PAGE_BYTES - 1)) / size + 1 : available / size;
    uint64_t before_wrap = elements_before_wrap(str, offset, str->down);
    elements = elements < before_wrap ? elements : before_wrap;
    elements = elements < limit ? elements : limit;
    if (!segment_covers(e, str, segment, offset, elements))
        return (struct run){0};
    return (struct run){host, elements};
}

static void move_on(struct emu_string *str, uint64_t elements, bool si, bool di)
{
    uint64_t step = elements * str->size_bytes;
    step = str->down ? -step : step;
    if (si)
        str->si = (str->si + step) & str->mask;
    if (di)
        str->di = (str->di + step) & str->mask;
}

static void movs_one(struct emu *e, struct emu_string *str)
{
    uint64_t value = emu_load(e, str->segment, str->si, str->size_bytes);
    emu_store(e, X86_ES, str->di, value, str->size_bytes);
    emu_string_step(str, true, true);
}

// The host's own instruction on the same element size overlaps as the guest's would.
static uint64_t movs_many(struct emu *e, struct emu_string *str, uint64_t limit)
{
    struct run from = plain_run(e, str, str->segment, str->si, false, limit);
    if (!from.elements)
        return 0;
    struct run to = plain_run(e, str, X86_ES, str->di, true, from.elements);
    if (!to.elements)
        return 0;
    host_movs(to.host, from.host, to.elements, str->size_bytes, str->down);
    move_on(str, to.elements, true, true);
    return to.elements;
}

static void stos_one(struct emu *e, struct emu_string *str)
{
    emu_store(e, X86_ES, str->di, emu_reg(e->s, X86_RAX, str->size_bytes), str->size_bytes);
    emu_string_step(str, false, true);
}

static uint64_t stos_many(struct emu *e, struct emu_string *str, uint64_t limit)
{
    struct run to = plain_run(e, str, X86_ES, str->di, true, limit);
    if (!to.elements)
        return 0;
    host_stos(to.host, e->s->gpr[X86_RAX], to.elements, str->size_bytes, str->down);
    move_on(str, to.elements, false, true);
    return to.elements;
}

static void lods_one(struct emu *e, struct emu_string *str)
{
    emu_set_reg(e->s, X86_RAX, emu_load(e, str->segment, str->si, str->size_bytes), str->size_bytes);
    emu_string_step(str, true, false);
}

static void compare(struct emu *e, unsigned size, uint64_t a, uint64_t b)
{
    uint32_t flags = e->s->rflags;
    host_sub(size, a, b, &flags);
    emu_set_flags(e->s, flags);
}

static void scas_one(struct emu *e, struct emu_string *str)
{
    uint64_t value = emu_load(e, X86_ES, str->di, str->size_bytes);
    compare(e, str->size_bytes, emu_reg(e->s, X86_RAX, str->size_bytes), value);
    emu_string_step(str, false, true);
}

static void cmps_one(struct emu *e, struct emu_string *str)
{
    uint64_t a = emu_load(e, str->segment, str->si, str->size_bytes);
    uint64_t b = emu_load(e, X86_ES, str->di, str->size_bytes);
    compare(e, str->size_bytes, a, b);
    emu_string_step(str, true, true);
}

// One access of the element's size, aligned or not: another vCPU may write it at the same time.
typedef volatile uint16_t __attribute__((may_alias, aligned(1))) any16;
typedef volatile uint32_t __attribute__((may_alias, aligned(1))) any32;
typedef volatile uint64_t __attribute__((may_alias, aligned(1))) any64;

static uint64_t element(const uint8_t *at, unsigned size)
{
    switch (size) {
    case 1: return *(const volatile uint8_t *)at;
    case 2: return *(const any16 *)at;
    case 4: return *(const any32 *)at;
    default: return *(const any64 *)at;
    }
}

// Elements up to and with the first at which the comparison ends the instruction.
static uint64_t scas_many(struct emu *e, struct emu_string *str, uint64_t limit)
{
    struct run run = plain_run(e, str, X86_ES, str->di, false, limit);
    unsigned size = str->size_bytes;
    int64_t step = str->down ? -(int64_t)size : (int64_t)size;
    uint64_t wanted = emu_reg(e->s, X86_RAX, size), value = 0, n = 0;
    while (n < run.elements) {
        value = element(run.host + (int64_t)n++ * step, size);
        if ((value == wanted) == e->i->repne)
            break;
    }
    if (n)
        compare(e, size, wanted, value);
    move_on(str, n, false, true);
    return n;
}

static uint64_t cmps_many(struct emu *e, struct emu_string *str, uint64_t limit)
{
    struct run from = plain_run(e, str, str->segment, str->si, false, limit);
    if (!from.elements)
        return 0;
    struct run to = plain_run(e, str, X86_ES, str->di, false, from.elements);
    unsigned size = str->size_bytes;
    int64_t step = str->down ? -(int64_t)size : (int64_t)size;
    uint64_t a = 0, b = 0, n = 0;
    while (n < to.elements) {
        a = element(from.host + (int64_t)n * step, size);
        b = element(to.host + (int64_t)n++ * step, size);
        if ((a == b) == e->i->repne)
            break;
    }
    if (n)
        compare(e, size, a, b);
    move_on(str, n, true, true);
    return n;
}

static unsigned element_bytes(const struct emu *e)
{
    return emu_opcode(e) & 1 ? emu_operand_bytes(e) : 1;
}

// MOVSD and CMPSD are also the names of SSE instructions.
void emu_movs(struct emu *e)
{
    if (emu_opcode(e) == 0x0f)
        emu_ud(e);
    emu_string_run(e, element_bytes(e), movs_one, movs_many, EMU_REP);
}

void emu_cmps(struct emu *e)
{
    if (emu_opcode(e) == 0x0f)
        emu_ud(e);
    emu_string_run(e, element_bytes(e), cmps_one, cmps_many, EMU_REP_WHILE_EQUAL);
}

void emu_stos(struct emu *e)
{
    emu_string_run(e, element_bytes(e), stos_one, stos_many, EMU_REP);
}

void emu_lods(struct emu *e)
{
    emu_string_run(e, element_bytes(e), lods_one, NULL, EMU_REP);
}

void emu_scas(struct emu *e)
{
    emu_string_run(e, element_bytes(e), scas_one, scas_many, EMU_REP_WHILE_EQUAL);
}
