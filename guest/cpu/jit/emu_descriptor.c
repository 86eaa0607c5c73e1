// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/emu_segment.h"

static void unpack(struct emu_descriptor *d)
{
    uint64_t raw = d->raw;
    uint32_t limit = (raw & 0xffff) | (raw >> 32 & 0xf0000);
    d->attr = raw >> 40 & 0xf0ff;
    d->base = (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000);
    d->limit = d->attr & SEG_G ? limit << 12 | 0xfff : limit;
}

static bool find(struct emu *e, uint16_t selector, unsigned size, uint64_t *at)
{
    const struct x86_state *s = e->s;
    uint32_t offset = selector & 0xfff8;
    if (selector & 4) {
        *at = s->ldtr.base + offset;
        return (s->ldtr.attr & SEG_P) && offset + size - 1 <= s->ldtr.limit;
    }
    *at = s->gdtr.base + offset;
    return offset + size - 1 <= s->gdtr.limit;
}

bool emu_descriptor_try(struct emu *e, uint16_t selector, struct emu_descriptor *d)
{
    d->selector = selector;
    if (emu_null(selector) || !find(e, selector, 8, &d->at))
        return false;
    if (!emu_long_mode(e->s))
        d->at = (uint32_t)d->at;
    d->raw = emu_load_at(e, d->at, 8, JIT_AS_SUPERVISOR, false);
    unpack(d);
    return true;
}

void emu_descriptor_load(struct emu *e, uint16_t selector, unsigned vector, struct emu_descriptor *d)
{
    if (!emu_descriptor_try(e, selector, d))
        emu_fault(e, vector, selector);
}

void emu_descriptor_widen(struct emu *e, struct emu_descriptor *d, unsigned vector)
{
    if (!emu_long_mode(e->s))
        return;
    uint64_t at;
    if (!find(e, d->selector, 16, &at))
        emu_fault(e, vector, d->selector);
    uint64_t upper = emu_load_at(e, d->at + 8, 8, JIT_AS_SUPERVISOR, false);
    if (upper >> 40 & 0x1f)  // the type field of the upper half (SDM figure 8-4)
        emu_fault(e, vector, d->selector);
    d->base |= upper << 32;
}

// The bits of the type change under a bus lock, as another CPU may load the same descriptor.
static void change_type(struct emu *e, const struct emu_descriptor *d, uint8_t clear, uint8_t set)
{
    gva_t at = GVA(d->at + 5);
    uint8_t old, wanted;
    do {
        old = jit_load(e->v, at, 1, JIT_AS_SUPERVISOR, false);
        wanted = (old & ~clear) | set;
    } while (!jit_cmpxchg(e->v, at, &old, &wanted, 1, JIT_AS_SUPERVISOR));
}

void emu_descriptor_accessed(struct emu *e, struct emu_descriptor *d)
{
    if (!(d->attr & SEG_S) || (d->attr & SEG_ACCESSED))
        return;
    change_type(e, d, 0, SEG_ACCESSED);
    d->attr |= SEG_ACCESSED;
}

void emu_descriptor_set_busy(struct emu *e, const struct emu_descriptor *d, bool busy)
{
    change_type(e, d, busy ? 0 : 2, busy ? 2 : 0);
}

struct x86_segment emu_descriptor_segment(const struct emu_descriptor *d)
{
    return (struct x86_segment){.base = d->base, .limit = d->limit, .selector = d->selector,
                                .attr = d->attr};
}

void emu_check_long_bits(struct emu *e, const struct emu_descriptor *d)
{
    if (emu_long_mode(e->s) && (d->attr & SEG_L) && (d->attr & SEG_DB))
        emu_fault(e, EX_GP, d->selector);
}

// SDM volume 3, 5.8.1: a conforming segment may be entered from any outer level, another one only
// from its own, with an RPL that is no weaker. The caller's level stays.
void emu_check_code(struct emu *e, struct emu_descriptor *d, unsigned level, bool check_rpl)
{
    if (!emu_is_code(d))
        emu_fault(e, EX_GP, d->selector);
    unsigned dpl = emu_dpl(d->attr);
    bool allowed = d->attr & SEG_CONFORMING
        ? dpl <= level
        : dpl == level && (!check_rpl || (d->selector & 3u) <= level);
    if (!allowed)
        emu_fault(e, EX_GP, d->selector);
    emu_check_long_bits(e, d);
    if (!(d->attr & SEG_P))
        emu_fault(e, EX_NP, d->selector);
}

void emu_check_target(struct emu *e, const struct emu_descriptor *cs, uint64_t offset)
{
    bool to_64bit = emu_long_mode(e->s) && (cs->attr & SEG_L);
    if (to_64bit ? !x86_is_canonical(e->s, offset) : offset > cs->limit)
        emu_gp(e);
}

struct x86_segment emu_null_segment(uint16_t selector, unsigned level)
{
    return (struct x86_segment){.selector = selector, .attr = level << SEG_DPL_SHIFT};
}

struct x86_segment emu_check_stack(struct emu *e, uint16_t selector, unsigned level, unsigned vector,
                                   bool to_64bit)
{
    if (emu_null(selector)) {
        if (vector == EX_GP && to_64bit && level != 3 && (selector & 3u) == level)
            return emu_null_segment(selector, level);
        emu_fault(e, vector, 0);
    }
    struct emu_descriptor d;
    emu_descriptor_load(e, selector, vector, &d);
    if ((selector & 3u) != level || !emu_is_writable_data(&d) || emu_dpl(d.attr) != level)
        emu_fault(e, vector, selector);
    if (!(d.attr & SEG_P))
        emu_fault(e, EX_SS, selector);
    emu_descriptor_accessed(e, &d);
    return emu_descriptor_segment(&d);
}

static struct x86_segment check_data(struct emu *e, uint16_t selector)
{
    struct emu_descriptor d;
    emu_descriptor_load(e, selector, EX_GP, &d);
    bool code = emu_is_code(&d), data = (d.attr & (SEG_S | SEG_CODE)) == SEG_S;
    if (!data && !(code && (d.attr & SEG_READABLE)))
        emu_fault(e, EX_GP, selector);
    bool conforming = code && (d.attr & SEG_CONFORMING);
    unsigned dpl = emu_dpl(d.attr);
    if (!conforming && ((selector & 3u) > dpl || e->s->cpl > dpl))
        emu_fault(e, EX_GP, selector);
    if (!(d.attr & SEG_P))
        emu_fault(e, EX_NP, selector);
    emu_descriptor_accessed(e, &d);
    return emu_descriptor_segment(&d);
}

struct x86_segment emu_check_segment(struct emu *e, unsigned segment, uint16_t selector)
{
    const struct x86_state *s = e->s;
    if (emu_v86(s))
        return emu_v86_segment(selector);
    if (!emu_protected(s))
        return emu_real_segment(s, segment, selector);
    if (segment == X86_SS)
        return emu_check_stack(e, selector, s->cpl, EX_GP, emu_64bit(s));
    if (emu_null(selector))
        return emu_null_segment(selector, 0);
    return check_data(e, selector);
}

struct x86_segment emu_v86_segment(uint16_t selector)
{
    return (struct x86_segment){.base = selector << 4, .limit = 0xffff, .selector = selector,
                                .attr = ATTR_V86};
}

// Real mode keeps the limit and size that protected mode left ("unreal mode").
struct x86_segment emu_real_segment(const struct x86_state *s, unsigned segment, uint16_t selector)
{
    struct x86_segment value = s->seg[segment];
    value.selector = selector;
    value.base = (uint32_t)selector << 4;
    value.attr = (value.attr & (SEG_DB | SEG_G)) | SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED;
    return value;
}

void emu_set_segment(struct emu *e, unsigned segment, const struct x86_segment *value)
{
    e->s->seg[segment] = *value;
    jit_mode_changed(e->v);
}

void emu_load_segment(struct emu *e, unsigned segment, uint16_t selector)
{
    struct x86_segment value = emu_check_segment(e, segment, selector);
    emu_set_segment(e, segment, &value);
}

void emu_set_cpl(struct emu *e, unsigned level)
{
    e->s->cpl = level;
    jit_mode_changed(e->v);
}

void emu_enter_code(struct emu *e, const struct emu_descriptor *cs, unsigned level, uint64_t rip)
{
    struct x86_segment value = emu_descriptor_segment(cs);
    value.selector = (cs->selector & ~3) | level;
    e->s->seg[X86_CS] = value;
    e->s->rip = rip;
    emu_set_cpl(e, level);
}

void emu_drop_segments(struct emu *e, unsigned level)
{
    static const uint8_t data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    for (unsigned n = 0; n < ARRAY_SIZE(data); n++) {
        struct x86_segment *seg = &e->s->seg[data[n]];
        bool conforming = (seg->attr & (SEG_CODE | SEG_CONFORMING)) == (SEG_CODE | SEG_CONFORMING);
        // FS and GS of 64-bit code are null and have a base: those stay.
        if ((seg->attr & SEG_P) && !conforming && emu_dpl(seg->attr) < level)
            *seg = emu_null_segment(0, 0);
    }
    jit_mode_changed(e->v);
}
