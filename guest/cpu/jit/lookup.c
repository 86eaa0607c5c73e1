// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory operands: the effective address, and the inline lookup of the page in the vCPU's table.
//
//     lea  t0, [EA]
//     rorx t1, t0, 7            ; the slot's offset: bits 12 to 23 of the address, times 32
//     and  t1d, 0x1ffe0
//     xor  t0, gs:[t1 + tag]    ; the offset in the page, if the tag matches
//     cmp  t0, 4096 - size
//     ja   miss
//     mov  t1, gs:[t1 + host]
//     op   [t1 + t0]
//
// A miss calls C (tlb.c), which gives the host address, or a bounce buffer for what is no plain page
// (devices, accesses across pages, pages with code): then a copy of the operation runs on that, and
// C is called once more to finish.
#include <Zydis/Mnemonic.h>

#include "guest/cpu/jit/translate.h"

static void emit_immediate(struct emit *e, unsigned reg, int64_t value)
{
    if (value == (int32_t)value) {
        emit_rr(e, 0xc7, 0, reg, EMIT_W);
        emit32(e, value);
    } else {
        emit_rex(e, 1, 0, 0, reg, false);
        emit8(e, 0xb8 | (reg & 7));
        emit64(e, value);
    }
}

void emit_effective_address(struct trace *t, const struct insn *in)
{
    struct emit *e = &t->hot;
    const struct regmap *m = t->map;
    unsigned wide = in->address_bytes == 8 ? EMIT_W : 0;
    if (in->base == INSN_RIP) {
        emit_load_gs(e, m->t0, PAGE_VA(t->want->page));
        emit_rm(e, 0x8d, m->t0, m->t0, INSN_NO_REG, 1, t->now->offset + in->length + in->disp, wide);
    } else if (in->base == INSN_NO_REG && in->index == INSN_NO_REG) {
        emit_immediate(e, m->t0, wide ? in->disp : (int64_t)(uint32_t)in->disp);
    } else {
        unsigned base = in->base == INSN_NO_REG ? INSN_NO_REG : regmap_host(m, in->base);
        if (wide && in->index == INSN_NO_REG && !in->disp)
            emit_mov(e, m->t0, base);
        else
            emit_rm(e, 0x8d, m->t0, base, in->index, in->scale, in->disp, wide);
    }
    if (in->address_bytes == 2)
        emit_rr(e, 0x0fb7, m->t0, m->t0, 0);  // movzx t0d, t0w
    t->on_stack = in->segment == X86_SS;
    if (in->form != INSN_LEA)
        emit_segment(t, in->segment, in->mem_bytes ? in->mem_bytes : 1);
}

void emit_segment(struct trace *t, unsigned segment, unsigned size_bytes)
{
    struct emit *e = &t->hot;
    const struct regmap *m = t->map;
    bool thread_segment = segment == X86_FS || segment == X86_GS, in_64 = (t->want->mode & MODE_CODE) == INSN_64;
    if (!thread_segment && (in_64 || t->want->mode & MODE_FLAT))
        return;
    if (!in_64) {
        emit_lea(e, m->t1, m->t0, size_bytes - 1);
        emit_gs(e, 0x3b, m->t1, GS(limit) + 8 * segment, EMIT_W);
        t->limit_jump[t->limit_jumps++] = emit_jcc(e, 7, t->cold.at);
    }
    emit_gs(e, 0x03, m->t0, SEGMENT_BASE(segment), EMIT_W);
    if (!in_64)
        emit_rr(e, 0x89, m->t0, m->t0, 0);  // mov t0d, t0d: linear addresses wrap at 4 GiB
}

static void emit_rorx(struct emit *e, unsigned to, unsigned from, unsigned bits)
{
    emit8(e, 0xc4);
    emit8(e, (to & 8 ? 0 : 0x80) | 0x40 | (from & 8 ? 0 : 0x20) | 3);
    emit8(e, 0xfb);
    emit8(e, 0xf0);
    emit8(e, 0xc0 | (to & 7) << 3 | (from & 7));
    emit8(e, bits);
}

static uint32_t tlb_field(const struct trace *t, size_t field)
{
    return offsetof(struct jit_vcpu, tlb) + sizeof(struct tlb_entry) * TLB_ENTRIES * mode_context(t->want->mode) + field;
}

static void emit_descriptor(struct trace *t, struct emit *e, unsigned size_bytes, bool write, bool read_too)
{
    const struct scanned *s = t->now;
    struct access_site d = {.site = site_of(t, s->offset), .size_bytes = size_bytes, .write = write,
                            .read_too = read_too, .context = mode_context(t->want->mode),
                            .length = s->insn.length, .lock = s->insn.lock || s->insn.mnemonic == ZYDIS_MNEMONIC_XCHG,
                            .alignment = s->insn.alignment, .x87_waits = s->insn.x87_waits,
                            .stack = t->on_stack,
                            .ends = s->form == INSN_CALL || s->form == INSN_CALL_INDIRECT};
    emit_bytes(e, (const uint8_t *)&d, sizeof d);
}

void note_fault_site(struct trace *t, struct emit *e)
{
    struct site_list *list = e == &t->hot ? &t->code->hot_sites : &t->code->cold_sites;
    uint32_t n = atomic_load_explicit(&list->count, memory_order_relaxed);
    list->site[n] = (struct fault_site){.host = e->at - t->code->writable, .site = site_of(t, t->now->offset),
                                        .map = t->map_index, .flags_in_host = t->flags != FLAGS_SAVED,
                                        .mode = t->want->mode};
    atomic_store_explicit(&list->count, n + 1, memory_order_release);
}

// The operation itself, with the flags where it wants them.
static void emit_op(struct trace *t, struct emit *e, emit_access_op *op)
{
    const struct regmap *m = t->map;
    unsigned index = m->t0;
    if (flags_wanted_in_host(t)) {
        emit_rm(e, 0x8d, m->t1, m->t1, m->t0, 1, 0, EMIT_W);
        emit_flags_restore(e, m->t0);
        index = INSN_NO_REG;
        t->flags = FLAGS_BOTH;
    }
    note_fault_site(t, e);
    op(t, e, m->t1, index);
}

// The lookup; a miss goes to the cold part's end, with t1 the slot's offset and t0 xor-ed with its tag.
static void emit_lookup(struct trace *t, uint32_t tag, unsigned size_bytes)
{
    const struct regmap *m = t->map;
    struct emit *e = &t->hot;
    emit_rorx(e, m->t1, m->t0, PAGE_BITS - 5);
    emit_rr(e, 0x81, 4, m->t1, 0);  // and t1d, mask
    emit32(e, (TLB_ENTRIES - 1) * sizeof(struct tlb_entry));
    emit_gs_at(e, 0x33, m->t0, m->t1, tag, EMIT_W);
    emit_rr(e, 0x81, 7, m->t0, EMIT_W);  // cmp t0, 4096 - size
    emit32(e, PAGE_BYTES - size_bytes);
    emit_jcc(e, 7, t->cold.at);
    emit_gs_at(e, 0x8b, m->t1, m->t1, tlb_field(t, offsetof(struct tlb_entry, host)), EMIT_W);
}

static uint32_t tag_field(const struct trace *t, bool write)
{
    return tlb_field(t, write ? offsetof(struct tlb_entry, write) : offsetof(struct tlb_entry, read));
}

void emit_access_or_emulate(struct trace *t, unsigned size_bytes, bool write, emit_access_op *op)
{
    emit_lookup(t, tag_field(t, write), size_bytes);
    t->flags = FLAGS_SAVED;
    emit_op(t, &t->hot, op);
    emit_emulate(t, &t->cold, &t->now->insn);
    emit_jmp(&t->cold, t->hot.at);
}

void emit_access(struct trace *t, unsigned size_bytes, bool write, bool read_too, emit_access_op *op)
{
    const struct regmap *m = t->map;
    struct emit *e = &t->hot, *c = &t->cold;
    uint32_t tag = tag_field(t, write);
    emit_lookup(t, tag, size_bytes);
    uint8_t *fast = e->at;

    emit_gs_at(c, 0x33, m->t0, m->t1, tag, EMIT_W);
    emit_call(c, code_stub(t->code, STUB_MISS, t->map_index));
    emit_descriptor(t, c, size_bytes, write, read_too);
    emit_jmp(c, fast);

    if (t->flags == FLAGS_HOST)
        t->flags = FLAGS_SAVED;  // dead, since flags_before_clobber left them
    enum flags_place before = t->flags = FLAGS_SAVED;
    emit_op(t, e, op);
    if (!write)
        return;
    t->flags = before;
    emit_op(t, c, op);
    bool changed = t->now->insn.flags_changed && t->now->form == INSN_COPY, host = changed || t->flags == FLAGS_BOTH;
    if (changed)
        emit_flags_save(c, m);
    emit_call(c, code_stub(t->code, STUB_COMMIT, t->map_index));
    emit_descriptor(t, c, size_bytes, write, read_too);
    if (host)
        emit_flags_restore(c, m->t0);
    emit_jmp(c, e->at);
}
