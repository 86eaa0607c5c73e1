// SPDX-License-Identifier: GPL-2.0-or-later
//
// Segment registers, descriptor-table registers, and instructions that look at descriptors.
#include "guest/cpu/jit/emu_ops.h"

static void load_register(struct emu *e, unsigned segment, uint16_t selector)
{
    emu_load_segment(e, segment, selector);
    if (segment == X86_SS)
        e->s->mov_ss_shadow = 1;  // so that MOV ESP follows undisturbed (SDM volume 3, 6.8.3)
}

void emu_mov_segment(struct emu *e)
{
    const struct insn_operand *op = e->i->op;
    if (emu_opcode(e) == 0x8c) {
        emu_put(e, 0, e->s->seg[op[1].reg].selector);
        return;
    }
    if (op[0].reg == X86_CS)
        emu_ud(e);
    load_register(e, op[0].reg, emu_get_as(e, 1, 2));
}

void emu_lxs(struct emu *e)
{
    static const uint8_t two_byte[] = {[2] = X86_SS, [4] = X86_FS, [5] = X86_GS};
    uint8_t opcode = emu_opcode(e);
    unsigned segment = opcode == 0xc4 ? X86_ES : opcode == 0xc5 ? X86_DS : two_byte[emu_opcode2(e) & 7];
    if (!emu_is_memory(e, 1))
        emu_ud(e);
    unsigned size = e->i->op[0].size;
    uint64_t offset = emu_mem(e, 0, size);
    uint16_t selector = emu_mem(e, size, 2);
    emu_load_segment(e, segment, selector);
    emu_put(e, 0, offset);
}

static void set_zf(struct emu *e, bool on)
{
    e->s->rflags = on ? e->s->rflags | FL_ZF : e->s->rflags & ~(uint64_t)FL_ZF;
}

static bool visible(const struct emu *e, const struct emu_descriptor *d)
{
    unsigned dpl = emu_dpl(d->attr);
    bool conforming = emu_is_code(d) && (d->attr & SEG_CONFORMING);
    return conforming || (e->s->cpl <= dpl && (d->selector & 3u) <= dpl);
}

// Which system descriptors LAR and LSL know (SDM volume 2, tables of LAR and LSL).
static bool type_in(const struct emu *e, const struct emu_descriptor *d, uint32_t legacy, uint32_t longs)
{
    if (d->attr & SEG_S)
        return true;
    return (emu_long_mode(e->s) ? longs : legacy) >> (d->attr & SEG_TYPE) & 1;
}

void emu_lar(struct emu *e)
{
    enum { LEGACY = 1 << SYS_TSS16 | 1 << SYS_LDT | 1 << SYS_TSS16_BUSY | 1 << SYS_CALL16 |
                    1 << SYS_TASK_GATE | 1 << SYS_TSS | 1 << SYS_TSS_BUSY | 1 << SYS_CALL,
           LONG = 1 << SYS_LDT | 1 << SYS_TSS | 1 << SYS_TSS_BUSY | 1 << SYS_CALL };
    struct emu_descriptor d;
    emu_need_protected(e);
    bool found = emu_descriptor_try(e, emu_get_as(e, 1, 2), &d) && type_in(e, &d, LEGACY, LONG) &&
                 visible(e, &d);
    if (found)
        emu_put(e, 0, d.raw >> 32 & 0x00ffff00);
    set_zf(e, found);
}

void emu_lsl(struct emu *e)
{
    enum { LEGACY = 1 << SYS_TSS16 | 1 << SYS_LDT | 1 << SYS_TSS16_BUSY | 1 << SYS_TSS | 1 << SYS_TSS_BUSY,
           LONG = 1 << SYS_LDT | 1 << SYS_TSS | 1 << SYS_TSS_BUSY };
    struct emu_descriptor d;
    emu_need_protected(e);
    bool found = emu_descriptor_try(e, emu_get_as(e, 1, 2), &d) && type_in(e, &d, LEGACY, LONG) &&
                 visible(e, &d);
    if (found)
        emu_put(e, 0, d.limit);
    set_zf(e, found);
}

void emu_verr(struct emu *e)
{
    struct emu_descriptor d;
    emu_need_protected(e);
    bool found = emu_descriptor_try(e, emu_get_as(e, 0, 2), &d) && (d.attr & SEG_S);
    set_zf(e, found && visible(e, &d) && (!emu_is_code(&d) || (d.attr & SEG_READABLE)));
}

void emu_verw(struct emu *e)
{
    struct emu_descriptor d;
    emu_need_protected(e);
    bool found = emu_descriptor_try(e, emu_get_as(e, 0, 2), &d);
    set_zf(e, found && visible(e, &d) && emu_is_writable_data(&d));
}

void emu_arpl(struct emu *e)
{
    emu_need_protected(e);
    uint16_t selector = emu_get_as(e, 0, 2);
    unsigned rpl = emu_get_as(e, 1, 2) & 3;
    bool weaker = (selector & 3u) < rpl;
    if (weaker)
        emu_put(e, 0, (selector & ~3) | rpl);
    set_zf(e, weaker);
}

static void load_table(struct emu *e, struct x86_table *table)
{
    bool wide = emu_64bit(e->s);
    emu_need_cpl0(e);
    uint32_t limit = emu_mem(e, 0, 2);
    uint64_t base = emu_mem(e, 2, wide ? 8 : 4);
    if (!wide && emu_operand_bytes(e) == 2)
        base &= 0xffffff;
    if (wide && !emu_canonical_base(e, base))
        emu_gp(e);
    *table = (struct x86_table){.base = base, .limit = limit};
}

void emu_lgdt(struct emu *e)
{
    load_table(e, &e->s->gdtr);
}

void emu_lidt(struct emu *e)
{
    load_table(e, &e->s->idtr);
}

static void check_umip(struct emu *e)
{
    if ((e->s->cr4 & CR4_UMIP) && e->s->cpl)
        emu_gp(e);
}

static void store_table(struct emu *e, const struct x86_table *table)
{
    check_umip(e);
    unsigned size = emu_64bit(e->s) ? 8 : 4;
    uint64_t offset = emu_offset(e), mask = size_mask(e->i->address_bytes);
    gva_t base = emu_linear(e, e->i->segment, (offset + 2) & mask, size, true);
    jit_check_store(e->v, base, size, JIT_AS_CPL, e->i->segment == X86_SS);
    emu_store(e, e->i->segment, offset, table->limit, 2);
    emu_store(e, e->i->segment, (offset + 2) & mask, table->base & size_mask(size), size);
}

void emu_sgdt(struct emu *e)
{
    store_table(e, &e->s->gdtr);
}

void emu_sidt(struct emu *e)
{
    store_table(e, &e->s->idtr);
}

static void check_base(struct emu *e, const struct emu_descriptor *d)
{
    if (emu_long_mode(e->s) && !emu_canonical_base(e, d->base))
        emu_fault(e, EX_GP, d->selector);
}

void emu_lldt(struct emu *e)
{
    struct emu_descriptor d;
    emu_need_protected(e);
    emu_need_cpl0(e);
    uint16_t selector = emu_get_as(e, 0, 2);
    if (emu_null(selector)) {
        e->s->ldtr = emu_null_segment(selector, 0);
        return;
    }
    if (selector & 4)
        emu_fault(e, EX_GP, selector);
    emu_descriptor_load(e, selector, EX_GP, &d);
    if (emu_system_type(&d) != SYS_LDT)
        emu_fault(e, EX_GP, selector);
    if (!(d.attr & SEG_P))
        emu_fault(e, EX_NP, selector);
    emu_descriptor_widen(e, &d, EX_GP);
    check_base(e, &d);
    e->s->ldtr = emu_descriptor_segment(&d);
}

void emu_ltr(struct emu *e)
{
    struct emu_descriptor d;
    emu_need_protected(e);
    emu_need_cpl0(e);
    uint16_t selector = emu_get_as(e, 0, 2);
    if (selector & 4)
        emu_fault(e, EX_GP, selector);
    emu_descriptor_load(e, selector, EX_GP, &d);
    bool short_tss = emu_system_type(&d) == SYS_TSS16 && !emu_long_mode(e->s);
    if (emu_system_type(&d) != SYS_TSS && !short_tss)
        emu_fault(e, EX_GP, selector);
    if (!(d.attr & SEG_P))
        emu_fault(e, EX_NP, selector);
    emu_descriptor_widen(e, &d, EX_GP);
    check_base(e, &d);
    emu_descriptor_set_busy(e, &d, true);
    d.attr |= 2;
    e->s->tr = emu_descriptor_segment(&d);
}

void emu_sldt(struct emu *e)
{
    emu_need_protected(e);
    check_umip(e);
    emu_put(e, 0, e->s->ldtr.selector);
}

void emu_str(struct emu *e)
{
    emu_need_protected(e);
    check_umip(e);
    emu_put(e, 0, e->s->tr.selector);
}
