// SPDX-License-Identifier: GPL-2.0-or-later
#include <Zydis/Mnemonic.h>
#include <errno.h>

#include "guest/cpu/jit/translate.h"

static bool vectors_enabled(const struct insn *in, uint32_t mode)
{
    switch (in->vectors) {
    case INSN_X87:
    case INSN_MMX: return mode & MODE_X87;
    case INSN_SSE: return mode & MODE_SSE;
    case INSN_AVX: return mode & MODE_AVX;
    default: return true;
    }
}

static bool is_stack_form(enum insn_form form)
{
    return form == INSN_PUSH || form == INSN_POP || form == INSN_LEAVE || form == INSN_CALL ||
           form == INSN_RET || form == INSN_JMP_INDIRECT || form == INSN_CALL_INDIRECT || form == INSN_LOOP;
}

static bool has_memory(const struct insn *in)
{
    for (unsigned i = 0; i < in->operands; i++)
        if (in->op[i].kind == INSN_MEM)
            return true;
    return false;
}

static bool has_high_byte(const struct insn *in)
{
    for (unsigned i = 0; i < in->operands; i++)
        if (in->op[i].kind == INSN_REG && in->op[i].high_byte)
            return true;
    return false;
}

static bool segments_allow(const struct insn *in, uint32_t mode)
{
    if (mode & MODE_SIMPLE)
        return true;
    return mode & MODE_FLAT && in->segment != X86_FS && in->segment != X86_GS;
}

// Where 66 says the size of an operand, so that it can be turned for 16-bit code (copy.c).
static bool is_sized_by_prefix(const struct insn *in)
{
    switch (in->mnemonic) {
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_SFENCE:
    case ZYDIS_MNEMONIC_MOVNTI:
    case ZYDIS_MNEMONIC_ADCX:
    case ZYDIS_MNEMONIC_ADOX: return false;
    default: return !in->vectors && !in->vex;
    }
}

static bool form_is_made_outside_64(const struct insn *in, uint32_t mode)
{
    bool wide = (mode & MODE_CODE) == INSN_32;
    unsigned natural = wide ? 4 : 2;
    switch (in->form) {
    case INSN_LEA:
    case INSN_SKIP:
    case INSN_CLI:
    case INSN_STI: return true;
    case INSN_COPY_MASKED: return wide;
    case INSN_COPY:
        // 82 is an alias of 80 that 64-bit mode lacks. What a prefix means for vectors differs.
        return in->bytes[in->opcode_at] != 0x82 && (wide || is_sized_by_prefix(in));
    case INSN_JMP:
    case INSN_JCC: return in->operand_bytes == natural;
    case INSN_PUSH: return in->operand_bytes == natural && in->op[0].kind != INSN_MEM;
    case INSN_POP:
    case INSN_CALL:
    case INSN_RET:
    case INSN_JMP_INDIRECT:
    case INSN_CALL_INDIRECT: return in->operand_bytes == natural;
    case INSN_LEAVE: return in->operand_bytes == 4 && mode & MODE_STACK32;
    default: return false;
    }
}

static enum insn_form form_outside_64(const struct insn *in, uint32_t mode)
{
    bool touches = has_memory(in) && in->form != INSN_LEA;
    if (in->mem_written && in->segment == X86_CS)
        return INSN_EMULATE;  // which real mode allows
    if (!form_is_made_outside_64(in, mode) || ((touches || is_stack_form(in->form)) && !segments_allow(in, mode)))
        return INSN_EMULATE;
    return in->form;
}

static enum insn_form form_in_64(const struct insn *in)
{
    switch (in->form) {
    case INSN_JMP:
    case INSN_JCC:
    case INSN_LOOP:
    case INSN_PUSH:
    case INSN_POP:
    case INSN_LEAVE:
    case INSN_CALL:
    case INSN_RET:
    case INSN_JMP_INDIRECT:
    case INSN_CALL_INDIRECT:
        for (unsigned i = 0; i < in->opcode_at; i++)
            if (in->bytes[i] == 0x66)
                return INSN_EMULATE;
        if (in->form == INSN_LOOP && in->address_bytes != 8)
            return INSN_EMULATE;
        if (in->mnemonic == ZYDIS_MNEMONIC_LOOPE || in->mnemonic == ZYDIS_MNEMONIC_LOOPNE)
            return INSN_EMULATE;
        return in->form;
    default: return in->form;
    }
}

static enum insn_form decide(const struct trace *t, const struct insn *in)
{
    uint32_t mode = t->want->mode;
    if (!t->code->jit->allowed[in->isa] || !vectors_enabled(in, mode))
        return INSN_EMULATE;
    if ((in->form == INSN_CLI || in->form == INSN_STI) && mode_cpl(mode) != 0)
        return INSN_EMULATE;
    if (in->form == INSN_COPY && in->mem_bytes > 64)
        return INSN_EMULATE;
    if (mode & MODE_ALIGNED && (has_memory(in) || is_stack_form(in->form)))
        return INSN_EMULATE;
    if (in->form == INSN_COPY && has_memory(in) && !in->mem_bytes)
        return INSN_EMULATE;
    if (has_high_byte(in) && (in->rsp_fields || in->mnemonic == ZYDIS_MNEMONIC_CMPXCHG))
        return INSN_EMULATE;  // it can't stand beside a REX prefix, or AL is used as well
    return (mode & MODE_CODE) == INSN_64 ? form_in_64(in) : form_outside_64(in, mode);
}

static bool is_branch(enum insn_form form)
{
    return form == INSN_JMP || form == INSN_JCC || form == INSN_CALL || form == INSN_RET || form == INSN_LOOP ||
           form == INSN_JMP_INDIRECT || form == INSN_CALL_INDIRECT;
}

// Does control never (or hardly ever) come to the instruction behind this emulated one, or does it
// change what the code that follows means?
static bool ends_block(const struct scanned *s)
{
    if (s->form != INSN_EMULATE)
        return is_branch(s->form);
    if (is_branch(s->insn.form))
        return true;
    switch (s->insn.mnemonic) {
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSENTER:
    case ZYDIS_MNEMONIC_SYSEXIT:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_STAC:
    case ZYDIS_MNEMONIC_CLAC:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFQ: return true;
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_RET: return true;
    case ZYDIS_MNEMONIC_MOV: return s->insn.op[0].kind == INSN_REG && !s->insn.op[0].gpr;
    default: return false;
    }
}

// Decodes at offset of the page, which may reach into the next. -ERANGE: that one is needed.
static int decode_at(const struct translation *w, unsigned offset, bool may_straddle, struct insn *in)
{
    unsigned here = PAGE_BYTES - offset;
    int r = insn_decode(in, w->bytes + offset, here, w->mode & MODE_CODE);
    if (r != -ERANGE || here >= INSN_BYTES_MAX || !may_straddle || !w->next_bytes)
        return r;
    uint8_t both[2 * INSN_BYTES_MAX];
    memcpy(both, w->bytes + offset, here);
    memcpy(both + here, w->next_bytes, INSN_BYTES_MAX);
    return insn_decode(in, both, INSN_BYTES_MAX, w->mode & MODE_CODE);
}

// Bytes that are no instruction: emulated, which raises #UD. All that were looked at count: when one of them
// changes, they may be an instruction.
static void make_undefined(struct insn *in, const struct translation *w, unsigned offset)
{
    unsigned here = PAGE_BYTES - offset, length = here < INSN_BYTES_MAX && !w->next_bytes ? here : INSN_BYTES_MAX;
    *in = (struct insn){.mnemonic = ZYDIS_MNEMONIC_UD2, .length = length, .mode = w->mode & MODE_CODE, .form = INSN_EMULATE};
}

// Which flags the code at target may read, as far as the page and a few instructions tell. What was
// looked at belongs to the block.
static uint32_t look_ahead(struct trace *t, int32_t target, unsigned range)
{
    if (target < 0 || target >= PAGE_BYTES)
        return FL_ARITH;
    uint32_t unknown = FL_ARITH, live = 0;
    int32_t at = target;
    for (unsigned i = 0; i < LOOK_AHEAD && unknown && at < PAGE_BYTES; i++) {
        struct insn in;
        if (decode_at(t->want, at, false, &in) < 0)
            break;
        enum insn_form form = decide(t, &in);
        if (form == INSN_EMULATE)
            break;
        live |= in.flags_read & unknown;
        if (is_branch(form))
            break;
        unknown &= ~in.flags_written;
        at += in.length;
    }
    t->block->range[range].at = target;
    t->block->range[range].bytes = at - target;
    return live | unknown;
}

static uint32_t live_at_end(struct trace *t)
{
    const struct scanned *last = &t->step[t->steps - 1];
    switch (last->form) {
    case INSN_JMP: return look_ahead(t, scanned_target(last), 1);
    case INSN_JCC:
    case INSN_LOOP: return look_ahead(t, scanned_target(last), 1) | look_ahead(t, t->end, 2);
    default: return t->ends_in_branch ? FL_ARITH : look_ahead(t, t->end, 1);
    }
}

static void find_live_flags(struct trace *t)
{
    uint32_t live = t->want->mode & MODE_ONE ? FL_ARITH : live_at_end(t);
    for (unsigned i = t->steps; i-- > 0;) {
        struct scanned *s = &t->step[i];
        s->live_after = live;
        if (s->form == INSN_EMULATE)
            live = FL_ARITH;
        else
            live = (live & ~s->insn.flags_written) | s->insn.flags_read;
        if (t->want->mode & MODE_ONE)
            live = FL_ARITH;
    }
    t->live_in = live;
}

static unsigned steps_wanted(const struct trace *t)
{
    return t->want->mode & MODE_ONE ? 1 : BLOCK_INSNS;
}

// A direct branch out of the canonical addresses faults itself, before it moves RSP: the emulator knows. (Where a
// page runs at two addresses, and only one is so near the end, the first that is asked for decides.)
static bool leads_nowhere(const struct trace *t, const struct scanned *s)
{
    if ((t->want->mode & MODE_CODE) != INSN_64)
        return false;
    uint64_t target = t->want->va + scanned_target(s);
    bool direct = s->form == INSN_JMP || s->form == INSN_JCC || s->form == INSN_LOOP || s->form == INSN_CALL;
    return direct && (int64_t)(target << 16) >> 16 != (int64_t)target;
}

bool scan_block(struct trace *t)
{
    struct translation *w = t->want;
    unsigned offset = w->offset, limit = steps_wanted(t);
    uint16_t used = 0;
    bool ended = false;
    while (t->steps < limit && !ended && offset < PAGE_BYTES) {
        struct scanned *s = &t->step[t->steps];
        int r = decode_at(w, offset, t->steps == 0, &s->insn);
        if (r == -ERANGE && t->steps)
            break;  // it straddles: a block of its own
        if (r == -ERANGE && !w->next_bytes) {
            w->needs_next = true;
            return false;
        }
        if (r < 0)
            make_undefined(&s->insn, w, offset);
        s->form = decide(t, &s->insn);
        s->offset = offset;
        if (leads_nowhere(t, s))
            s->form = INSN_EMULATE;
        uint16_t with = used | (s->form == INSN_EMULATE ? 0 : s->insn.gprs);
        int map = regmap_choose(w->entry_map, with);
        if (map < 0)
            break;
        used = with;
        t->map_index = map;
        t->steps++;
        offset += s->insn.length;
        ended = ends_block(s);
        t->ends_in_branch = is_branch(s->form);
    }
    if (t->step[t->steps - 1].form == INSN_STI)
        t->step[t->steps - 1].form = INSN_EMULATE;  // its shadow reaches beyond the block
    t->map = regmap(t->map_index);
    t->end = offset;
    t->block->range[0].at = w->offset;
    t->block->range[0].bytes = offset - w->offset;
    find_live_flags(t);
    return true;
}
