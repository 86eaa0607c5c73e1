// SPDX-License-Identifier: GPL-2.0-or-later
//
// Near branches, software interrupts, and single flags.
#include "guest/cpu/jit/emu_host.h"
#include "guest/cpu/jit/emu_ops.h"

// Near branches in 64-bit mode are 64 bits wide, whatever the prefix (Intel's rule).
static unsigned branch_bytes(const struct emu *e)
{
    return e->i->mode == INSN_64 ? 8 : emu_operand_bytes(e);
}

static bool is_far(const struct emu *e)
{
    uint8_t opcode = emu_opcode(e), reg = e->i->modrm >> 3 & 7;
    return opcode == 0x9a || opcode == 0xea || (opcode == 0xff && (reg == 3 || reg == 5));
}

static uint64_t branch_target(struct emu *e, unsigned size)
{
    if (e->i->op[0].kind == INSN_IMM)
        return e->s->rip + e->i->imm;
    return emu_get_as(e, 0, size);
}

void emu_jmp(struct emu *e)
{
    if (is_far(e)) {
        emu_far_jmp(e);
        return;
    }
    unsigned size = branch_bytes(e);
    emu_branch(e, branch_target(e, size), size);
}

void emu_call(struct emu *e)
{
    if (is_far(e)) {
        emu_far_call(e);
        return;
    }
    unsigned size = branch_bytes(e);
    uint64_t back = e->s->rip, target = branch_target(e, size);
    emu_branch(e, target, size);
    emu_push(e, back, size);
}

void emu_ret(struct emu *e)
{
    uint8_t opcode = emu_opcode(e);
    if (opcode == 0xca || opcode == 0xcb) {
        emu_far_ret(e);
        return;
    }
    unsigned size = branch_bytes(e);
    struct emu_stack stack;
    emu_stack_current(e, &stack);
    emu_branch(e, emu_stack_pop(e, &stack, size), size);
    if (opcode == 0xc2)
        emu_stack_skip(&stack, e->i->imm & 0xffff);
    emu_stack_use(e, &stack);
}

static void branch_if(struct emu *e, bool taken)
{
    if (taken)
        emu_branch(e, e->s->rip + e->i->imm, branch_bytes(e));
}

void emu_jcc(struct emu *e)
{
    uint8_t opcode = emu_opcode(e);
    branch_if(e, emu_condition(e->s, opcode == 0x0f ? emu_opcode2(e) : opcode));
}

void emu_loop(struct emu *e)
{
    unsigned size = e->i->address_bytes;
    uint64_t count = (e->s->gpr[X86_RCX] - 1) & size_mask(size);
    bool zero = e->s->rflags & FL_ZF, taken = count;
    if (emu_opcode(e) == 0xe0)
        taken = taken && !zero;
    else if (emu_opcode(e) == 0xe1)
        taken = taken && zero;
    branch_if(e, taken);
    emu_set_reg(e->s, X86_RCX, count, size);
}

void emu_jcxz(struct emu *e)
{
    branch_if(e, !emu_reg(e->s, X86_RCX, e->i->address_bytes));
}

void emu_int(struct emu *e)
{
    if (emu_v86(e->s) && emu_iopl(e->s) < 3)
        emu_gp(e);
    jit_deliver(e->v, JIT_EVENT_SOFTWARE, e->i->imm & 0xff, 0);
}

void emu_int3(struct emu *e)
{
    jit_deliver(e->v, JIT_EVENT_SOFTWARE, EX_BP, 0);
}

// Like the hardware's own #DB: no check of the gate's DPL (SDM volume 2, "INT1").
void emu_int1(struct emu *e)
{
    jit_deliver(e->v, JIT_EVENT_TRAP, EX_DB, 0);
}

void emu_into(struct emu *e)
{
    if (e->s->rflags & FL_OF)
        jit_deliver(e->v, JIT_EVENT_SOFTWARE, EX_OF, 0);
}

void emu_bound(struct emu *e)
{
    unsigned size = e->i->op[0].size;
    int64_t index = emu_sign_extend(emu_get(e, 0), size);
    int64_t low = emu_sign_extend(emu_mem(e, 0, size), size);
    int64_t high = emu_sign_extend(emu_mem(e, size, size), size);
    if (index < low || index > high)
        jit_raise(e->v, EX_BR, 0);
}

static void need_iopl(struct emu *e)
{
    if (e->s->cpl > emu_iopl(e->s))
        emu_gp(e);
}

void emu_cli(struct emu *e)
{
    need_iopl(e);
    e->s->rflags &= ~(uint64_t)FL_IF;
}

void emu_sti(struct emu *e)
{
    need_iopl(e);
    if (!(e->s->rflags & FL_IF))
        e->s->sti_shadow = 1;
    e->s->rflags |= FL_IF;
    jit_check_interrupts(e->v);
}

void emu_cld(struct emu *e)
{
    e->s->rflags &= ~(uint64_t)FL_DF;
}

void emu_std(struct emu *e)
{
    e->s->rflags |= FL_DF;
}

void emu_clc(struct emu *e)
{
    e->s->rflags &= ~(uint64_t)FL_CF;
}

void emu_stc(struct emu *e)
{
    e->s->rflags |= FL_CF;
}

void emu_cmc(struct emu *e)
{
    e->s->rflags ^= FL_CF;
}

void emu_lahf(struct emu *e)
{
    uint64_t ah = (e->s->rflags & 0xd5) | FL_FIXED;
    e->s->gpr[X86_RAX] = (e->s->gpr[X86_RAX] & ~UINT64_C(0xff00)) | ah << 8;
}

void emu_sahf(struct emu *e)
{
    uint32_t of = e->s->rflags & FL_OF;
    emu_set_flags(e->s, of | (e->s->gpr[X86_RAX] >> 8 & 0xd5));
}
