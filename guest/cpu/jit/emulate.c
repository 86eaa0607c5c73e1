// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/emulate.h"

#include <Zydis/Zydis.h>

#include "base/log.h"
#include "guest/cpu/jit/emu_ops.h"

#define OP(name, function) [ZYDIS_MNEMONIC_##name] = emu_##function
static emu_op *const operations[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
    OP(ADD, add), OP(OR, or), OP(ADC, adc), OP(SBB, sbb), OP(AND, and), OP(SUB, sub), OP(XOR, xor),
    OP(CMP, cmp), OP(TEST, test), OP(INC, inc), OP(DEC, dec), OP(NEG, neg), OP(NOT, not),
    OP(SHL, shl), OP(SHR, shr), OP(SAR, sar), OP(ROL, rol), OP(ROR, ror), OP(RCL, rcl), OP(RCR, rcr),
    OP(SHLD, shld), OP(SHRD, shrd), OP(MUL, mul), OP(IMUL, imul), OP(DIV, div), OP(IDIV, idiv),

    OP(BT, bt), OP(BTS, bts), OP(BTR, btr), OP(BTC, btc), OP(BSF, bsf), OP(BSR, bsr),
    OP(TZCNT, tzcnt), OP(LZCNT, lzcnt), OP(POPCNT, popcnt), OP(BSWAP, bswap), OP(CRC32, crc32),
    OP(ANDN, andn), OP(BEXTR, bextr), OP(BLSI, blsi), OP(BLSR, blsr), OP(BLSMSK, blsmsk),
    OP(BZHI, bzhi), OP(PDEP, pdep), OP(PEXT, pext), OP(RORX, rorx), OP(SARX, sarx), OP(SHLX, shlx),
    OP(SHRX, shrx), OP(MULX, mulx), OP(ADCX, adcx), OP(ADOX, adox),
    OP(SETO, setcc), OP(SETNO, setcc), OP(SETB, setcc), OP(SETNB, setcc), OP(SETZ, setcc),
    OP(SETNZ, setcc), OP(SETBE, setcc), OP(SETNBE, setcc), OP(SETS, setcc), OP(SETNS, setcc),
    OP(SETP, setcc), OP(SETNP, setcc), OP(SETL, setcc), OP(SETNL, setcc), OP(SETLE, setcc),
    OP(SETNLE, setcc),
    OP(CMOVO, cmovcc), OP(CMOVNO, cmovcc), OP(CMOVB, cmovcc), OP(CMOVNB, cmovcc), OP(CMOVZ, cmovcc),
    OP(CMOVNZ, cmovcc), OP(CMOVBE, cmovcc), OP(CMOVNBE, cmovcc), OP(CMOVS, cmovcc),
    OP(CMOVNS, cmovcc), OP(CMOVP, cmovcc), OP(CMOVNP, cmovcc), OP(CMOVL, cmovcc),
    OP(CMOVNL, cmovcc), OP(CMOVLE, cmovcc), OP(CMOVNLE, cmovcc),

    OP(DAA, daa), OP(DAS, das), OP(AAA, aaa), OP(AAS, aas), OP(AAM, aam), OP(AAD, aad),
    OP(MOV, mov), OP(MOVZX, movzx), OP(MOVSX, movsx), OP(MOVSXD, movsx), OP(MOVBE, movbe),
    OP(MOVNTI, movnti), OP(XCHG, xchg), OP(CMPXCHG, cmpxchg), OP(CMPXCHG8B, cmpxchg8b),
    OP(CMPXCHG16B, cmpxchg16b), OP(XADD, xadd), OP(LEA, lea), OP(XLAT, xlat), OP(CBW, cbw),
    OP(CWDE, cwde), OP(CDQE, cdqe), OP(CWD, cwd), OP(CDQ, cdq), OP(CQO, cqo), OP(SALC, salc),
    OP(PUSH, push_op), OP(POP, pop_op), OP(PUSHA, pusha), OP(PUSHAD, pusha), OP(POPA, popa),
    OP(POPAD, popa), OP(PUSHF, pushf), OP(PUSHFD, pushf), OP(PUSHFQ, pushf), OP(POPF, popf),
    OP(POPFD, popf), OP(POPFQ, popf), OP(ENTER, enter), OP(LEAVE, leave),
    OP(CLI, cli), OP(STI, sti), OP(CLD, cld), OP(STD, std), OP(CLC, clc), OP(STC, stc),
    OP(CMC, cmc), OP(LAHF, lahf), OP(SAHF, sahf),

    OP(JMP, jmp), OP(CALL, call), OP(RET, ret), OP(LOOP, loop), OP(LOOPE, loop), OP(LOOPNE, loop),
    OP(JCXZ, jcxz), OP(JECXZ, jcxz), OP(JRCXZ, jcxz),
    OP(JO, jcc), OP(JNO, jcc), OP(JB, jcc), OP(JNB, jcc), OP(JZ, jcc), OP(JNZ, jcc), OP(JBE, jcc),
    OP(JNBE, jcc), OP(JS, jcc), OP(JNS, jcc), OP(JP, jcc), OP(JNP, jcc), OP(JL, jcc), OP(JNL, jcc),
    OP(JLE, jcc), OP(JNLE, jcc),
    OP(INT, int), OP(INT3, int3), OP(INT1, int1), OP(INTO, into), OP(BOUND, bound),
    OP(IRET, iret), OP(IRETD, iret), OP(IRETQ, iret),

    OP(MOVSB, movs), OP(MOVSW, movs), OP(MOVSD, movs), OP(MOVSQ, movs),
    OP(STOSB, stos), OP(STOSW, stos), OP(STOSD, stos), OP(STOSQ, stos),
    OP(LODSB, lods), OP(LODSW, lods), OP(LODSD, lods), OP(LODSQ, lods),
    OP(SCASB, scas), OP(SCASW, scas), OP(SCASD, scas), OP(SCASQ, scas),
    OP(CMPSB, cmps), OP(CMPSW, cmps), OP(CMPSD, cmps), OP(CMPSQ, cmps),
    OP(INSB, ins), OP(INSW, ins), OP(INSD, ins), OP(OUTSB, outs), OP(OUTSW, outs), OP(OUTSD, outs),
    OP(IN, in), OP(OUT, out),

    OP(LDS, lxs), OP(LES, lxs), OP(LFS, lxs), OP(LGS, lxs), OP(LSS, lxs), OP(LAR, lar), OP(LSL, lsl),
    OP(VERR, verr), OP(VERW, verw), OP(ARPL, arpl), OP(LGDT, lgdt), OP(LIDT, lidt), OP(SGDT, sgdt),
    OP(SIDT, sidt), OP(LLDT, lldt), OP(LTR, ltr), OP(SLDT, sldt), OP(STR, str),
    OP(CLTS, clts), OP(LMSW, lmsw), OP(SMSW, smsw), OP(INVLPG, invlpg), OP(INVPCID, invpcid),
    OP(INVD, invd), OP(WBINVD, invd), OP(XGETBV, xgetbv), OP(XSETBV, xsetbv),
    OP(RDPKRU, rdpkru), OP(WRPKRU, wrpkru),
    OP(HLT, hlt), OP(RDMSR, rdmsr), OP(WRMSR, wrmsr), OP(RDTSC, rdtsc), OP(RDTSCP, rdtscp),
    OP(RDPID, rdpid), OP(RDPMC, rdpmc), OP(CPUID, cpuid), OP(MONITOR, monitor), OP(MWAIT, mwait),
    OP(VMCALL, hypercall), OP(VMMCALL, hypercall), OP(STAC, stac), OP(CLAC, clac),
    OP(RDRAND, rdrand), OP(RDSEED, rdseed), OP(CLFLUSH, clflush), OP(CLFLUSHOPT, clflush),
    OP(CLWB, clflush), OP(CLZERO, clzero), OP(MOVDIRI, movdiri), OP(MOVDIR64B, movdir64b),
    OP(SERIALIZE, serialize),
    OP(SYSCALL, syscall), OP(SYSRET, sysret), OP(SYSENTER, sysenter), OP(SYSEXIT, sysexit),
    OP(SWAPGS, swapgs), OP(RDFSBASE, rdfsbase), OP(RDGSBASE, rdgsbase), OP(WRFSBASE, wrfsbase),
    OP(WRGSBASE, wrgsbase),

    OP(FXSAVE, fxsave), OP(FXSAVE64, fxsave), OP(FXRSTOR, fxrstor), OP(FXRSTOR64, fxrstor),
    OP(XSAVE, xsave), OP(XSAVE64, xsave), OP(XSAVEOPT, xsaveopt), OP(XSAVEOPT64, xsaveopt),
    OP(XSAVEC, xsavec), OP(XSAVEC64, xsavec), OP(XRSTOR, xrstor), OP(XRSTOR64, xrstor),
    OP(XSAVES, xsaves), OP(XSAVES64, xsaves), OP(XRSTORS, xrstors), OP(XRSTORS64, xrstors),
    OP(FNSTENV, fnstenv), OP(FLDENV, fldenv), OP(FNSAVE, fnsave), OP(FRSTOR, frstor),
    OP(FWAIT, fwait), OP(STMXCSR, stmxcsr), OP(LDMXCSR, ldmxcsr),

    OP(MASKMOVDQU, maskmovdqu), OP(VMASKMOVDQU, maskmovdqu), OP(MASKMOVQ, maskmovq),
    OP(VMASKMOVPS, maskmov_dwords), OP(VPMASKMOVD, maskmov_dwords),
    OP(VMASKMOVPD, maskmov_qwords), OP(VPMASKMOVQ, maskmov_qwords),
    OP(VGATHERDPS, gather), OP(VGATHERDPD, gather), OP(VGATHERQPS, gather), OP(VGATHERQPD, gather),
    OP(VPGATHERDD, gather), OP(VPGATHERDQ, gather), OP(VPGATHERQD, gather), OP(VPGATHERQQ, gather),

    OP(NOP, nop), OP(PAUSE, pause), OP(ENDBR32, nop), OP(ENDBR64, nop), OP(MFENCE, fence),
    OP(LFENCE, fence), OP(SFENCE, fence), OP(PREFETCH, nop), OP(PREFETCHW, nop),
    OP(PREFETCHWT1, nop), OP(PREFETCHNTA, nop), OP(PREFETCHT0, nop), OP(PREFETCHT1, nop),
    OP(PREFETCHT2, nop), OP(CLDEMOTE, nop),
    OP(UD0, ud_op), OP(UD1, ud_op), OP(UD2, ud_op), OP(INVALID, too_long),
};

static uint64_t next_rip(const struct x86_state *s, const struct insn *insn)
{
    uint64_t next = s->rip + insn->length;
    return insn->mode == INSN_64 ? next : (uint32_t)next;
}

static bool returns_flags(uint16_t mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_IRET || mnemonic == ZYDIS_MNEMONIC_IRETD ||
           mnemonic == ZYDIS_MNEMONIC_IRETQ;
}

// Names that a string instruction and one of SSE2 share.
static bool is_homonym(const struct insn *insn)
{
    return insn->mnemonic == ZYDIS_MNEMONIC_MOVSD || insn->mnemonic == ZYDIS_MNEMONIC_CMPSD;
}

// What has no code of its own here but may be copied (insn.c) is a vector instruction in circumstances
// that the translator declines.
static emu_op *operation_of(const struct insn *insn)
{
    emu_op *operation = insn->mnemonic <= ZYDIS_MNEMONIC_MAX_VALUE ? operations[insn->mnemonic] : NULL;
    bool copied = insn->form == INSN_COPY && insn->vectors && insn->mem_bytes <= OPERAND_BYTES_MAX;
    return copied && (!operation || is_homonym(insn)) ? emu_vec : operation;
}

void jit_emulate(struct jit_vcpu *v, const struct insn *insn)
{
    struct emu e = {.v = v, .s = jit_state(v), .i = insn};
    emu_op *operation = operation_of(insn);
    e.start = e.s->rip;
    if (!operation) {
        emu_leave_house(&e);
        log_guest("jit", "instruction %s is not emulated: #UD", ZydisMnemonicGetString(insn->mnemonic));
        emu_ud(&e);
    }
    // RF holds for one instruction (SDM volume 3, 18.3.1.1); only IRET leaves it set for the next.
    if (!returns_flags(insn->mnemonic))
        e.s->rflags &= ~(uint64_t)FL_RF;
    e.s->rip = next_rip(e.s, insn);
    operation(&e);
}
