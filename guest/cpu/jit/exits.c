// SPDX-License-Identifier: GPL-2.0-or-later
//
// Flags on the move, register maps on the move, and the ways out of a block.
#include "guest/cpu/jit/translate.h"

// ah = SF, ZF, AF, PF, CF; al = OF.
void emit_flags_save(struct emit *e, const struct regmap *m)
{
    emit_mov(e, m->t0, X86_RAX);
    emit8(e, 0x9f);               // lahf
    emit_rr(e, 0x0f90, 0, X86_RAX, 0);  // seto al
    emit_gs(e, 0x89, X86_RAX, GS(flags), 0);
    emit_mov(e, X86_RAX, m->t0);
}

void emit_flags_restore(struct emit *e, unsigned temporary)
{
    emit_mov(e, temporary, X86_RAX);
    emit_gs(e, 0x8b, X86_RAX, GS(flags), 0);
    emit8(e, 0x04);               // add al, 0x7f: OF again
    emit8(e, 0x7f);
    emit8(e, 0x9e);               // sahf
    emit_mov(e, X86_RAX, temporary);
}

void flags_before_clobber(struct trace *t)
{
    if (t->flags == FLAGS_HOST && t->live_now)
        emit_flags_save(&t->hot, t->map);
    t->flags = FLAGS_SAVED;
}

bool flags_wanted_in_host(const struct trace *t)
{
    const struct scanned *s = t->now;
    if (s->form != INSN_COPY)
        return false;
    return s->insn.flags_read || (s->insn.flags_changed && s->live_after & ~s->insn.flags_written);
}

void flags_to_host(struct trace *t)
{
    if (t->flags == FLAGS_SAVED) {
        emit_flags_restore(&t->hot, t->map->t0);
        t->flags = FLAGS_BOTH;
    }
}

void flags_after(struct trace *t)
{
    if (t->now->form == INSN_COPY && t->now->insn.flags_changed)
        t->flags = FLAGS_HOST;
}

void emit_map_change(struct emit *e, const struct regmap *from, const struct regmap *to)
{
    const uint8_t freed[] = {to->home, to->t0, to->t1}, taken[] = {from->home, from->t0, from->t1};
    for (unsigned i = 0; i < 3; i++)
        if (!regmap_is_free(from, freed[i]))
            emit_store_gs(e, freed[i], GPR(freed[i]));
    if (to->home != from->home)
        emit_mov(e, to->home, from->home);
    for (unsigned i = 0; i < 3; i++)
        if (!regmap_is_free(to, taken[i]))
            emit_load_gs(e, taken[i], GPR(taken[i]));
}

void emit_site_exit(struct trace *t, struct emit *e, unsigned map, unsigned offset)
{
    emit_set_gs(e, GS(exit_site), site_of(t, offset));
    emit_set_gs(e, GS(exit_kind), JIT_EXIT_SITE);
    emit_jmp(e, code_stub(t->code, STUB_EXIT, map));
}

static struct link *new_link(struct trace *t, int32_t target, uint32_t live, bool follows)
{
    struct code *c = t->code;
    struct link *l = &c->links[c->link_count++];
    *l = (struct link){.source = t->block, .offset = target, .follows = follows, .stub = t->cold.at,
                       .saved_flags = t->flags == FLAGS_SAVED,
                       .wraps = t->ends_in_branch && t->now->insn.operand_bytes == 2};
    struct emit *e = &t->cold;
    if (t->flags == FLAGS_HOST && live)
        emit_flags_save(e, t->map);
    emit_set_gs(e, GS(exit_link), l - c->links);
    emit_set_gs(e, GS(exit_kind), JIT_EXIT_LINK);
    emit_jmp(e, code_stub(c, STUB_EXIT, t->map_index));
    return l;
}

// Every cycle of direct jumps has a backward one; leaves if the vCPU was asked to.
static void emit_run_check(struct trace *t, const struct link *l, uint32_t live)
{
    struct emit *e = &t->hot;
    if (t->flags == FLAGS_SAVED || !live) {
        emit_gs(e, 0x83, 7, GS(run), EMIT_W);  // cmp qword gs:[run], 0
        emit8(e, 0);
        emit_jcc(e, CC_E, l->stub);
        return;
    }
    emit_mov(e, t->map->t0, X86_RCX);
    emit_load_gs(e, X86_RCX, GS(run));
    emit8(e, 0xe3);                            // jrcxz over the next two
    emit8(e, 3 + 2);
    emit_mov(e, X86_RCX, t->map->t0);
    emit8(e, 0xeb);                            // jmp over the two of the exit
    emit8(e, 3 + 5);
    emit_mov(e, X86_RCX, t->map->t0);
    emit_jmp(e, l->stub);
}

static bool is_backward(const struct trace *t, int32_t target)
{
    return target >= 0 && target < PAGE_BYTES && target <= t->step[t->steps - 1].offset;
}

void emit_link(struct trace *t, int32_t target, uint32_t live, bool follows)
{
    struct link *l = new_link(t, target, live, follows);
    if (is_backward(t, target))
        emit_run_check(t, l, live);
    emit_align_jump(&t->hot, 1);
    l->displacement = emit_jmp(&t->hot, l->stub);
}

void emit_link_if(struct trace *t, unsigned condition, int32_t target, uint32_t live)
{
    if (!is_backward(t, target)) {
        struct link *l = new_link(t, target, live, false);
        emit_align_jump(&t->hot, 2);
        l->displacement = emit_jcc(&t->hot, condition, l->stub);
        return;
    }
    uint8_t *over = emit_jcc(&t->hot, condition ^ 1, t->hot.at);
    emit_link(t, target, live, false);
    emit_target(over, t->hot.at);
}

void emit_indirect(struct trace *t, int32_t rsp_add)
{
    struct emit *e = &t->hot, *c = &t->cold;
    const struct regmap *m = regmap(REGMAP_CANONICAL);
    if (t->map_index != REGMAP_CANONICAL) {
        emit_store_gs(e, t->map->t0, GS(scratch));
        emit_map_change(e, t->map, m);
        emit_load_gs(e, m->t0, GS(scratch));
    }
    uint32_t table = offsetof(struct jit_vcpu, jumps) +
                     sizeof(struct jump_entry) * JUMP_ENTRIES * mode_context(t->want->mode);
    uint8_t *cold = c->at;
    emit_store_gs(c, m->t0, GS(scratch));
    emit_set_gs(c, GS(exit_kind), JIT_EXIT_JUMP);
    emit_set_gs(c, GS(exit_site), site_of(t, t->now->offset));
    emit_set_gs(c, GS(exit_rsp_add), rsp_add);
    emit_jmp(c, code_stub(t->code, STUB_EXIT, REGMAP_CANONICAL));
    bool in_64 = (t->want->mode & MODE_CODE) == INSN_64;
    if (t->want->mode & MODE_ONE || (!in_64 && !(t->want->mode & MODE_FLAT))) {
        emit_jmp(e, cold);  // where CS has a base and a limit, C looks at them
        return;
    }
    emit_gs(e, 0x83, 7, GS(run), EMIT_W);
    emit8(e, 0);
    emit_jcc(e, CC_E, cold);
    emit_rr(e, 0x0fb7, m->t1, m->t0, 0);  // movzx t1d, t0w
    emit_rr(e, 0xc1, 4, m->t1, 0);        // shl t1d, 4
    emit8(e, 4);
    emit_gs_at(e, 0x3b, m->t0, m->t1, table + offsetof(struct jump_entry, address), EMIT_W);
    emit_jcc(e, CC_NE, cold);
    if (rsp_add)
        emit_lea(e, m->home, m->home, rsp_add);
    emit_gs_at(e, 0xff, 4, m->t1, table + offsetof(struct jump_entry, host), 0);
}

void emit_emulate(struct trace *t, struct emit *e, const struct insn *in)
{
    struct code *c = t->code;
    c->insns[c->insn_count] = *in;
    struct emulate_site d = {.site = site_of(t, t->now->offset), .insn = c->insn_count++};
    emit_call(e, code_stub(c, STUB_EMULATE, t->map_index));
    emit_bytes(e, (const uint8_t *)&d, sizeof d);
}
