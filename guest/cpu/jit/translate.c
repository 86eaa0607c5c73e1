// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/translate.h"

#include <time.h>

static void op_copy(struct trace *t, struct emit *e, unsigned base, unsigned index)
{
    copy_memory(e, &t->now->insn, t->map, base, index);
}

static void emit_copy(struct trace *t)
{
    const struct insn *in = &t->now->insn;
    if (in->mem_bytes) {
        flags_before_clobber(t);
        emit_effective_address(t, in);
        emit_access(t, in->mem_bytes, in->mem_written, in->mem_read, op_copy);
    } else {
        if (flags_wanted_in_host(t))
            flags_to_host(t);
        note_fault_site(t, &t->hot);
        copy_registers(&t->hot, in, t->map);
    }
    flags_after(t);
}

static void emit_copy_masked(struct trace *t)
{
    const struct insn *in = &t->now->insn;
    flags_before_clobber(t);
    emit_effective_address(t, in);
    emit_access_or_emulate(t, in->mem_bytes, in->mem_written, op_copy);
}

// lea takes no segment base, and disturbs no flags.
static void emit_lea_insn(struct trace *t)
{
    struct insn in = t->now->insn;
    unsigned to = regmap_host(t->map, in.op[0].reg);
    in.segment = X86_DS;
    emit_effective_address(t, &in);
    if (in.operand_bytes == 2)
        emit8(&t->hot, 0x66);
    emit_rr(&t->hot, 0x89, t->map->t0, to, in.operand_bytes == 8 ? EMIT_W : 0);
}

// --- the stack ------------------------------------------------------------------------------

static bool in_64(const struct trace *t) { return (t->want->mode & MODE_CODE) == INSN_64; }

// What one push moves.
static unsigned word(const struct trace *t) { return in_64(t) ? 8 : t->now->insn.operand_bytes; }

// t0 = the linear address of the stack's top, plus bytes.
static void emit_stack_address(struct trace *t, int32_t bytes)
{
    const struct regmap *m = t->map;
    t->on_stack = true;
    emit_lea_sized(&t->hot, m->t0, m->home, bytes, in_64(t));
    if (in_64(t))
        return;
    if (!(t->want->mode & MODE_STACK32))
        emit_rr(&t->hot, 0x0fb7, m->t0, m->t0, 0);  // movzx t0d, t0w
    emit_segment(t, X86_SS, word(t));
}

static void emit_rsp_add(struct trace *t, struct emit *e, int32_t bytes)
{
    const struct regmap *m = t->map;
    if (in_64(t) || t->want->mode & MODE_STACK32) {
        emit_lea_sized(e, m->home, m->home, bytes, in_64(t));
        return;
    }
    emit_lea_sized(e, m->t1, m->home, bytes, false);
    emit8(e, 0x66);
    emit_rr(e, 0x89, m->t1, m->home, 0);
}

// mov between reg and [base + index], of a stack word's size.
static void emit_word(struct trace *t, struct emit *e, unsigned opcode, unsigned reg, unsigned base, unsigned index)
{
    if (word(t) == 2)
        emit8(e, 0x66);
    emit_rm(e, opcode, reg, base, index, 1, 0, word(t) == 8 ? EMIT_W : 0);
}

// RSP moves together with the store: one that hit code may leave behind it.
static void op_store_register(struct trace *t, struct emit *e, unsigned base, unsigned index)
{
    emit_word(t, e, 0x89, regmap_host(t->map, t->now->insn.op[0].reg), base, index);
    emit_rsp_add(t, e, -(int32_t)word(t));
}

static void op_store_immediate(struct trace *t, struct emit *e, unsigned base, unsigned index)
{
    emit_word(t, e, 0xc7, 0, base, index);
    emit_bytes(e, (const uint8_t *)&t->now->insn.imm, word(t) == 2 ? 2 : 4);
    emit_rsp_add(t, e, -(int32_t)word(t));
}

static void op_store_scratch(struct trace *t, struct emit *e, unsigned base, unsigned index)
{
    (void)base, (void)index;
    emit_rm(e, 0x8d, t->map->t1, t->map->t1, t->map->t0, 1, 0, EMIT_W);
    emit_load_gs(e, t->map->t0, GS(scratch));
    emit_word(t, e, 0x89, t->map->t0, t->map->t1, INSN_NO_REG);
    emit_rsp_add(t, e, -(int32_t)word(t));
}

// Of a call, whose block ends with it: RSP moves with the jump.
static void op_store_return(struct trace *t, struct emit *e, unsigned base, unsigned index)
{
    const struct regmap *m = t->map;
    (void)base, (void)index;
    emit_rm(e, 0x8d, m->t1, m->t1, m->t0, 1, 0, EMIT_W);
    emit_load_gs(e, m->t0, PAGE_VA(t->want->page));
    emit_lea(e, m->t0, m->t0, t->now->offset + t->now->insn.length);
    if (!in_64(t) && !(t->want->mode & MODE_FLAT))
        emit_gs(e, 0x2b, m->t0, SEGMENT_BASE(X86_CS), EMIT_W);
    emit_word(t, e, 0x89, m->t0, m->t1, INSN_NO_REG);
}

// t0 = what the address in t1 + t0 holds.
static void op_load(struct trace *t, struct emit *e, unsigned base, unsigned index)
{
    if (word(t) == 2)
        emit_rm(e, 0x0fb7, t->map->t0, base, index, 1, 0, 0);
    else
        emit_rm(e, 0x8b, t->map->t0, base, index, 1, 0, word(t) == 8 ? EMIT_W : 0);
}

static void emit_push_with(struct trace *t, emit_access_op *op)
{
    emit_stack_address(t, -(int32_t)word(t));
    emit_access(t, word(t), true, false, op);
}

static void emit_load_memory_operand(struct trace *t)
{
    emit_effective_address(t, &t->now->insn);
    emit_access(t, word(t), false, true, op_load);
}

// t0 = a register, as wide as a stack word.
static void emit_load_register(struct trace *t, unsigned gpr)
{
    unsigned from = regmap_host(t->map, gpr);
    if (word(t) == 2)
        emit_rr(&t->hot, 0x0fb7, t->map->t0, from, 0);
    else
        emit_rr(&t->hot, 0x8b, t->map->t0, from, word(t) == 8 ? EMIT_W : 0);
}

// t0 = the first operand, a register or memory.
static void emit_load_operand(struct trace *t)
{
    if (t->now->insn.op[0].kind == INSN_MEM)
        emit_load_memory_operand(t);
    else
        emit_load_register(t, t->now->insn.op[0].reg);
}

static void emit_push(struct trace *t)
{
    flags_before_clobber(t);
    switch (t->now->insn.op[0].kind) {
    case INSN_REG: emit_push_with(t, op_store_register); break;
    case INSN_IMM: emit_push_with(t, op_store_immediate); break;
    default:
        emit_load_operand(t);
        emit_store_gs(&t->hot, t->map->t0, GS(scratch));
        emit_push_with(t, op_store_scratch);
    }
}

static void emit_load_top(struct trace *t)
{
    emit_stack_address(t, 0);
    emit_access(t, word(t), false, true, op_load);
}

static void emit_pop(struct trace *t)
{
    unsigned to = regmap_host(t->map, t->now->insn.op[0].reg);
    flags_before_clobber(t);
    emit_load_top(t);
    emit_rsp_add(t, &t->hot, word(t));
    if (word(t) == 2)
        emit8(&t->hot, 0x66);
    emit_rr(&t->hot, 0x89, t->map->t0, to, word(t) == 8 ? EMIT_W : 0);
}

static void emit_leave(struct trace *t)
{
    const struct regmap *m = t->map;
    flags_before_clobber(t);
    t->on_stack = true;
    emit_rr(&t->hot, 0x8b, m->t0, X86_RBP, in_64(t) ? EMIT_W : 0);
    if (!in_64(t))
        emit_segment(t, X86_SS, word(t));
    emit_access(t, word(t), false, true, op_load);
    emit_lea_sized(&t->hot, m->home, X86_RBP, word(t), in_64(t));
    emit_rr(&t->hot, 0x89, m->t0, X86_RBP, in_64(t) ? EMIT_W : 0);
}

// --- branches -------------------------------------------------------------------------------

static void emit_jcc_insn(struct trace *t)
{
    const struct insn *in = &t->now->insn;
    flags_to_host(t);
    unsigned condition = in->bytes[in->imm_at - 1] & 15;
    emit_link_if(t, condition, scanned_target(t->now), t->now->live_after);
    emit_link(t, t->end, t->now->live_after, t->end >= PAGE_BYTES && t->block->page[1]);
}

// LOOP and JRCXZ. Neither reads or changes flags.
static void emit_loop(struct trace *t)
{
    struct emit *e = &t->hot;
    bool decrements = (t->now->insn.bytes[t->now->insn.opcode_at] & 3) == 2;
    if (decrements)
        emit_lea(e, X86_RCX, X86_RCX, -1);
    emit8(e, 0xe3);  // jrcxz over a jump
    emit8(e, 5);
    uint8_t *not_zero = emit_jmp(e, e->at);
    bool follows = t->end >= PAGE_BYTES && t->block->page[1];
    int32_t zero = decrements ? t->end : scanned_target(t->now), other = decrements ? scanned_target(t->now) : t->end;
    emit_link(t, zero, t->now->live_after, decrements && follows);
    emit_target(not_zero, e->at);
    emit_link(t, other, t->now->live_after, !decrements && follows);
}

static void emit_call_insn(struct trace *t)
{
    flags_before_clobber(t);
    emit_push_with(t, op_store_return);
    emit_rsp_add(t, &t->hot, -(int32_t)word(t));
    emit_link(t, scanned_target(t->now), FL_ARITH, false);
}

// Outside 64-bit mode RSP's width varies, and no target is ever refused: it moves at once.
static void emit_indirect_moving(struct trace *t, int32_t rsp_add)
{
    if (!in_64(t))
        emit_rsp_add(t, &t->hot, rsp_add);
    emit_indirect(t, in_64(t) ? rsp_add : 0);
}

// A call to where no code can be pushes nothing: the emulator raises what is due.
static void emit_refuse_target(struct trace *t)
{
    const struct regmap *m = t->map;
    struct emit *e = &t->hot;
    enum { SHL = 4, SAR = 7, BEYOND_BITS = 16 };
    emit_mov(e, m->t1, m->t0);
    emit_rr(e, 0xc1, SHL, m->t1, EMIT_W);
    emit8(e, BEYOND_BITS);
    emit_rr(e, 0xc1, SAR, m->t1, EMIT_W);
    emit8(e, BEYOND_BITS);
    emit_rr(e, 0x3b, m->t1, m->t0, EMIT_W);
    uint8_t *canonical = emit_jcc(e, 4, e->at);
    emit_emulate(t, e, &t->now->insn);
    emit_link(t, t->end, FL_ARITH, t->end >= PAGE_BYTES && t->block->page[1]);
    emit_target(canonical, e->at);
}

static void emit_call_indirect(struct trace *t)
{
    flags_before_clobber(t);
    emit_load_operand(t);
    if (in_64(t))
        emit_refuse_target(t);
    emit_store_gs(&t->hot, t->map->t0, GS(scratch));
    emit_push_with(t, op_store_return);
    emit_load_gs(&t->hot, t->map->t0, GS(scratch));
    emit_indirect_moving(t, -(int32_t)word(t));
}

static void emit_jmp_indirect(struct trace *t)
{
    flags_before_clobber(t);
    emit_load_operand(t);
    emit_indirect(t, 0);
}

static void emit_ret(struct trace *t)
{
    const struct insn *in = &t->now->insn;
    flags_before_clobber(t);
    emit_load_top(t);
    emit_indirect_moving(t, word(t) + (in->operands ? (int32_t)(in->imm & 0xffff) : 0));
}

// --- the interrupt flag ---------------------------------------------------------------------

static void emit_set_if(struct emit *e, uint32_t value)
{
    emit_gs(e, 0xc7, 0, GS(interrupt_flag), EMIT_W);
    emit32(e, value);
}

static void emit_emulated(struct trace *t)
{
    if (t->flags == FLAGS_HOST && t->live_now)
        emit_flags_save(&t->hot, t->map);
    emit_emulate(t, &t->hot, &t->now->insn);
    t->flags = FLAGS_SAVED;
}

// What lay beyond a segment's limit: the emulator raises what is due. Flags are saved or dead there.
static void emit_limit_path(struct trace *t)
{
    struct emit *c = &t->cold;
    if (!t->limit_jumps)
        return;
    for (unsigned i = 0; i < t->limit_jumps; i++)
        emit_target(t->limit_jump[i], c->at);
    t->limit_jumps = 0;
    emit_emulate(t, c, &t->now->insn);
    if (t->flags != FLAGS_SAVED)
        emit_flags_restore(c, t->map->t0);
    emit_jmp(c, t->hot.at);
}

// Where nothing waits, STI is a store; else C delivers after its shadow.
static void emit_sti(struct trace *t)
{
    struct emit *e = &t->hot, *c = &t->cold;
    emit_mov(e, t->map->t0, X86_RCX);
    emit_load_gs(e, X86_RCX, GS(interrupt_waits));
    emit8(e, 0xe3);
    emit8(e, 3 + 5);
    emit_mov(e, X86_RCX, t->map->t0);
    emit_jmp(e, c->at);
    emit_mov(e, X86_RCX, t->map->t0);
    emit_set_if(e, 1);
    if (t->flags == FLAGS_HOST && t->live_now)
        emit_flags_save(c, t->map);
    emit_emulate(t, c, &t->now->insn);
    if (t->flags != FLAGS_SAVED)
        emit_flags_restore(c, t->map->t0);
    emit_jmp(c, e->at);
}

// --- the block ------------------------------------------------------------------------------

static void emit_step(struct trace *t)
{
    switch (t->now->form) {
    case INSN_COPY: emit_copy(t); break;
    case INSN_COPY_MASKED: emit_copy_masked(t); break;
    case INSN_SKIP: break;
    case INSN_LEA: emit_lea_insn(t); break;
    case INSN_PUSH: emit_push(t); break;
    case INSN_POP: emit_pop(t); break;
    case INSN_LEAVE: emit_leave(t); break;
    case INSN_JMP: emit_link(t, scanned_target(t->now), t->now->live_after, false); break;
    case INSN_JCC: emit_jcc_insn(t); break;
    case INSN_LOOP: emit_loop(t); break;
    case INSN_CALL: emit_call_insn(t); break;
    case INSN_RET: emit_ret(t); break;
    case INSN_JMP_INDIRECT: emit_jmp_indirect(t); break;
    case INSN_CALL_INDIRECT: emit_call_indirect(t); break;
    case INSN_CLI: emit_set_if(&t->hot, 0); break;
    case INSN_STI: emit_sti(t); break;
    default: emit_emulated(t); break;
    }
}

// An aligned nop of five bytes, to be patched into a jump when the block is killed. What pads is
// run, so it is made of nops too.
static uint8_t *emit_entry(struct emit *e)
{
    while ((uintptr_t)e->at & 7)
        emit8(e, 0x90);
    uint8_t *entry = e->at;
    emit_bytes(e, (const uint8_t[]){0x0f, 0x1f, 0x44, 0, 0}, 5);
    return entry;
}

// Does the page run where the jump goes? Flags are in memory.
static void emit_jump_entry(struct trace *t)
{
    struct emit *e = &t->hot;
    const struct regmap *m = regmap(REGMAP_CANONICAL);
    t->block->jump_entry = e->at;
    emit_load_gs(e, m->t1, PAGE_NEGATED(t->block->page[0]));  // 1 - va
    emit_rr(e, 0x03, m->t1, m->t0, EMIT_W);
    emit_rr(e, 0x81, 7, m->t1, EMIT_W);
    emit32(e, t->block->offset + 1);
    emit_jcc(e, CC_NE, code_stub(t->code, STUB_JUMP, REGMAP_CANONICAL));
}

static void emit_entries(struct trace *t)
{
    struct block *b = t->block;
    const struct regmap *entry = regmap(b->entry_map);
    if (b->entry_map == REGMAP_CANONICAL && !(b->mode & MODE_ONE))
        emit_jump_entry(t);
    b->dead_stub[0] = t->cold.at;
    emit_site_exit(t, &t->cold, b->entry_map, b->offset);
    b->saved_entry = b->host_entry = emit_entry(&t->hot);
    if (t->live_in) {
        emit_flags_restore(&t->hot, entry->t0);
        b->host_entry = emit_entry(&t->hot);
        b->dead_stub[1] = t->cold.at;
        emit_flags_save(&t->cold, entry);
        emit_site_exit(t, &t->cold, b->entry_map, b->offset);
    }
    emit_map_change(&t->hot, entry, t->map);
}

// Nothing of the block was run.
static void emit_leave_head(struct trace *t)
{
    if (t->live_in)
        emit_flags_save(&t->cold, t->map);
    emit_site_exit(t, &t->cold, t->map_index, t->block->offset);
}

// The page that follows must be the one that the block was made from.
static void emit_straddle_check(struct trace *t)
{
    struct emit *e = &t->hot, *c = &t->cold;
    const struct regmap *m = t->map;
    emit_load_gs(e, m->t0, PAGE_VA(t->block->page[0]));
    emit_mov(e, m->t1, X86_RCX);
    emit_load_gs(e, X86_RCX, PAGE_NEGATED(t->block->page[1]));
    emit_rm(e, 0x8d, X86_RCX, X86_RCX, m->t0, 1, PAGE_BYTES - 1, EMIT_W);
    emit8(e, 0xe3);
    emit8(e, 3 + 5);
    emit_mov(e, X86_RCX, m->t1);
    emit_jmp(e, c->at);
    emit_mov(e, X86_RCX, m->t1);
    emit_leave_head(t);
}

// The block's length goes off the budget; where that is too short, nothing was run. Flags are not touched.
static void emit_count_block(struct trace *t)
{
    struct emit *e = &t->hot, *c = &t->cold;
    const struct regmap *m = t->map;
    emit_load_gs(e, m->t1, GS(counted.budget));
    emit_lea(e, m->t1, m->t1, -(int32_t)t->steps);
    emit_mov(e, m->t0, X86_RCX);
    emit_store_gs(e, m->t1, GS(counted.budget));
    emit_gs(e, 0x8b, X86_RCX, GS(counted.budget) + 4, 0);
    emit8(e, 0xe3);  // jrcxz: not negative
    emit8(e, 3 + 5);
    emit_mov(e, X86_RCX, m->t0);
    emit_jmp(e, c->at);
    emit_mov(e, X86_RCX, m->t0);
    emit_lea(c, m->t1, m->t1, t->steps);
    emit_store_gs(c, m->t1, GS(counted.budget));
    emit_leave_head(t);
}

static void emit_block(struct trace *t)
{
    emit_entries(t);
    if (t->block->page[1])
        emit_straddle_check(t);
    bool counts = t->code->jit->count.on;
    if (counts)
        emit_count_block(t);
    t->flags = FLAGS_HOST;
    for (unsigned i = 0; i < t->steps; i++) {
        t->now = &t->step[i];
        t->live_now = i ? t->step[i - 1].live_after : t->live_in;
        if (counts)
            emit_set_gs(&t->hot, GS(counted.unfinished), t->steps - i);
        emit_step(t);
        emit_limit_path(t);
    }
    if (!t->ends_in_branch || t->now->form == INSN_EMULATE)
        emit_link(t, t->end, t->now->live_after, t->end >= PAGE_BYTES && t->block->page[1]);
}

static struct block *new_block(struct code *c, const struct translation *w)
{
    struct block *b = &c->blocks[c->block_count];
    *b = (struct block){.page = {w->page}, .offset = w->offset, .mode = w->mode, .entry_map = w->entry_map};
    return b;
}

static void make_stubs(struct code *c, unsigned map)
{
    for (unsigned kind = 0; kind < STUB_KINDS; kind++)
        code_stub(c, kind, map);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

struct block *translate(struct code *c, struct translation *w)
{
    uint64_t began = now_ns();
    code_make_ready(c);
    static __thread struct trace t;
    t.code = c;
    t.want = w;
    t.block = new_block(c, w);
    t.steps = 0;
    t.ends_in_branch = false;
    t.limit_jumps = 0;
    w->needs_next = false;
    if (!scan_block(&t))
        return NULL;
    if (t.end > PAGE_BYTES)
        t.block->page[1] = w->next_page;
    t.block->map = t.map_index;
    make_stubs(c, t.map_index);
    make_stubs(c, w->entry_map);
    make_stubs(c, REGMAP_CANONICAL);
    t.hot.at = c->hot.at;
    t.cold.at = c->cold.at;
    emit_block(&t);
    c->hot.at = t.hot.at;
    c->cold.at = t.cold.at;
    c->block_count++;
    code_add(c, t.block);
    c->translated_blocks++;
    c->translated_insns += t.steps;
    c->translate_ns += now_ns() - began;
    return t.block;
}
