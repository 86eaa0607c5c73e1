// SPDX-License-Identifier: GPL-2.0-or-later
//
// Emulated instructions, from translated code and from the run loop.
#include <Zydis/Mnemonic.h>

#include "guest/cpu/jit/code.h"
#include "guest/cpu/jit/emulate.h"

// Does the emulator call code that may use vector registers (devices, timers, models)?
static bool calls_outside(const struct insn *in)
{
    switch (in->mnemonic) {
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_INSB:
    case ZYDIS_MNEMONIC_INSW:
    case ZYDIS_MNEMONIC_INSD:
    case ZYDIS_MNEMONIC_OUTSB:
    case ZYDIS_MNEMONIC_OUTSW:
    case ZYDIS_MNEMONIC_OUTSD:
    case ZYDIS_MNEMONIC_RDMSR:
    case ZYDIS_MNEMONIC_WRMSR:
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_XSETBV:
    case ZYDIS_MNEMONIC_VMCALL:
    case ZYDIS_MNEMONIC_VMMCALL:
    case ZYDIS_MNEMONIC_HLT: return true;
    case ZYDIS_MNEMONIC_MOV: return in->op[0].kind == INSN_REG && !in->op[0].gpr;  // CR8 and its like
    default: return false;
    }
}

static void check_vectors(struct jit_vcpu *v, const struct insn *in)
{
    const struct x86_state *s = &v->state;
    bool ts = s->cr0 & CR0_TS, em = s->cr0 & CR0_EM;
    if (in->vex && (!(s->cr0 & CR0_PE) || s->rflags & FL_VM))
        jit_raise(v, EX_UD, 0);
    if (in->mnemonic == ZYDIS_MNEMONIC_FWAIT)
        return;  // it has a condition of its own
    switch (in->vectors) {
    case INSN_X87:
        if (ts || em)
            jit_raise(v, EX_NM, 0);
        return;
    case INSN_MMX:
    case INSN_SSE:
        if (em || (in->vectors == INSN_SSE && !(s->cr4 & CR4_OSFXSR)))
            jit_raise(v, EX_UD, 0);
        break;
    case INSN_AVX:
        if (!(s->cr4 & CR4_OSXSAVE) || (s->xcr0 & (XCR0_SSE | XCR0_AVX)) != (XCR0_SSE | XCR0_AVX))
            jit_raise(v, EX_UD, 0);
        break;
    default: return;
    }
    if (ts)
        jit_raise(v, EX_NM, 0);
}

// On a CPU without them, TZCNT and LZCNT are BSF and BSR with a prefix that means nothing.
static bool exists(const struct jit_vcpu *v, const struct insn *in)
{
    return v->jit->allowed[in->isa] || in->mnemonic == ZYDIS_MNEMONIC_TZCNT || in->mnemonic == ZYDIS_MNEMONIC_LZCNT;
}

static void keep_before(struct jit_vcpu *v)
{
    const struct x86_state *s = &v->state;
    for (unsigned i = 0; i < X86_GPRS; i++)
        v->before.gpr[i] = s->gpr[i];
    v->before.rip = s->rip;
    v->before.rflags = s->rflags;
    v->before.cpl = s->cpl;
}

void jit_commit(struct jit_vcpu *v)
{
    keep_before(v);
}

void jit_emulate_one(struct jit_vcpu *v, const struct insn *in)
{
    v->count.emulated++;
    v->mnemonic = in->mnemonic;
    keep_before(v);
    v->emulating = true;
    if (!exists(v, in))
        jit_raise(v, EX_UD, 0);
    check_vectors(v, in);
    if (calls_outside(in)) {
        jit_vectors_save(v);
        jit_count_tell(v);
    }
    jit_emulate(v, in);
    v->emulating = false;
}

void jit_emulate_site(struct jit_vcpu *v, const struct emulate_site *site)
{
    const struct insn *in = &v->jit->code->insns[site->insn];
    v->state.rip = jit_rip_of_site(v, site->site);
    uint64_t next = v->state.rip + in->length;
    jit_compose_flags(v);
    v->leave = false;
    uint64_t began = call_began(v);
    jit_emulate_one(v, in);
    call_ended(v, began);
    if (jit_counts(v) && !atomic_load(&v->run))
        v->leave = true;  // what it raised or armed is seen before the next instruction
    if (v->leave || v->state.rip != next || v->state.sti_shadow || v->state.mov_ss_shadow) {
        jit_count_over(v);
        v->exit_kind = JIT_EXIT_LEAVE;
        v->resume = (uint64_t)code_executable(v->jit->code, v->jit->code->leave);
        return;
    }
    jit_split_flags(v);
    if (in->mode != INSN_64)
        jit_copy_limits(v);
    if (!v->vectors_live)
        jit_vectors_load(v);
    v->resume = (uint64_t)(site + 1);
}
