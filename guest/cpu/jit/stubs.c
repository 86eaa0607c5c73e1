// SPDX-License-Identifier: GPL-2.0-or-later
//
// The borders of translated code: entering it, leaving it, and its calls to C. While a stub runs, the
// guest's registers move between the host's and the vCPU's state, as the register map says. C's
// callee-saved registers are on the host stack from enter to leave.
#include "guest/cpu/jit/code.h"
#include "guest/cpu/x86/state.h"

#define GPR(n) (offsetof(struct jit_vcpu, state) + offsetof(struct x86_state, gpr) + 8 * (n))
#define GS(field) offsetof(struct jit_vcpu, field)

static const uint8_t callee_saved[] = {X86_RBX, X86_RBP, X86_R12, X86_R13, X86_R14, X86_R15};

static void emit_save(struct emit *e, const struct regmap *m)
{
    for (unsigned r = 0; r < X86_GPRS; r++)
        if (r == X86_RSP)
            emit_store_gs(e, m->home, GPR(r));
        else if (!regmap_is_free(m, r))
            emit_store_gs(e, r, GPR(r));
}

static void emit_load(struct emit *e, const struct regmap *m)
{
    for (unsigned r = 0; r < X86_GPRS; r++)
        if (r == X86_RSP)
            emit_load_gs(e, m->home, GPR(r));
        else if (!regmap_is_free(m, r))
            emit_load_gs(e, r, GPR(r));
}

static void emit_push(struct emit *e, unsigned reg)
{
    emit_rex(e, 0, 0, 0, reg, false);
    emit8(e, 0x50 | (reg & 7));
}
static void emit_pop(struct emit *e, unsigned reg)
{
    emit_rex(e, 0, 0, 0, reg, false);
    emit8(e, 0x58 | (reg & 7));
}
static void emit_jmp_gs(struct emit *e, uint32_t disp) { emit_gs(e, 0xff, 4, disp, 0); }

static void emit_call_c(struct emit *e, const void *function)
{
    emit8(e, 0x48);
    emit8(e, 0xb8);  // mov rax, imm64
    emit64(e, (uint64_t)function);
    emit_rr(e, 0xff, 2, X86_RAX, 0);
}

// void enter(const uint8_t *code): the host stack is aligned for calls from inside.
static void make_enter(struct emit *e, const struct regmap *m)
{
    for (unsigned i = 0; i < sizeof callee_saved; i++)
        emit_push(e, callee_saved[i]);
    emit_rr(e, 0x83, 5, X86_RSP, EMIT_W);  // sub rsp, 8
    emit8(e, 8);
    emit_store_gs(e, X86_RSP, GS(host_rsp));
    emit_store_gs(e, X86_RDI, GS(resume));
    emit_load(e, m);
    emit_jmp_gs(e, GS(resume));
}

static void make_leave(struct emit *e)
{
    emit_rr(e, 0x83, 0, X86_RSP, EMIT_W);  // add rsp, 8
    emit8(e, 8);
    for (unsigned i = sizeof callee_saved; i-- > 0;)
        emit_pop(e, callee_saved[i]);
    emit8(e, 0xc3);
}

// The descriptor's address is on the stack, in place of a return address: mov rdi, self; pop reg.
static void emit_arguments(struct emit *e, unsigned descriptor)
{
    emit_pop(e, descriptor);
    emit_load_gs(e, X86_RDI, GS(self));
}

static void make_miss(struct emit *e, const struct regmap *m)
{
    emit_save(e, m);
    emit_mov(e, X86_RSI, m->t0);
    emit_arguments(e, X86_RDX);
    emit_call_c(e, jit_miss);
    emit_load(e, m);
    emit_load_gs(e, m->t1, GS(access_host));
    emit_rr(e, 0x31, m->t0, m->t0, 0);  // the offset is in t1 already
    emit_jmp_gs(e, GS(resume));
}

static void make_call(struct emit *e, const struct regmap *m, const void *function)
{
    emit_save(e, m);
    emit_arguments(e, X86_RSI);
    emit_call_c(e, function);
    emit_load(e, m);
    emit_jmp_gs(e, GS(resume));
}

static void make_exit(struct emit *e, const struct regmap *m, const uint8_t *leave)
{
    emit_save(e, m);
    emit_jmp(e, leave);
}

// Where an indirect jump went, its page doesn't run now: C finds out what does. RSP has moved already.
static void make_jump(struct emit *e, const struct regmap *m, const uint8_t *exit)
{
    emit_store_gs(e, m->t0, GS(scratch));
    emit_set_gs(e, GS(exit_kind), JIT_EXIT_JUMP);
    emit_set_gs(e, GS(exit_rsp_add), 0);
    emit_jmp(e, exit);
}

uint8_t *code_stub(struct code *c, unsigned kind, unsigned map)
{
    if (c->stub[kind][map])
        return c->stub[kind][map];
    const struct regmap *m = regmap(map);
    const uint8_t *exit = kind == STUB_JUMP ? code_stub(c, STUB_EXIT, map) : NULL;
    struct emit e = {c->cold.at};
    uint8_t *start = e.at;
    switch (kind) {
    case STUB_ENTER: make_enter(&e, m); break;
    case STUB_EXIT: make_exit(&e, m, c->leave); break;
    case STUB_JUMP: make_jump(&e, m, exit); break;
    case STUB_MISS: make_miss(&e, m); break;
    case STUB_COMMIT: make_call(&e, m, jit_bounce_commit); break;
    default: make_call(&e, m, jit_emulate_site); break;
    }
    c->cold.at = e.at;
    return c->stub[kind][map] = start;
}

void stubs_init(struct code *c)
{
    struct emit e = {c->cold.at};
    c->leave = e.at;
    make_leave(&e);
    c->cold.at = c->fixed_end = e.at;
}
