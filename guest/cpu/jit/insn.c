// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/insn.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <string.h>

#include "guest/cpu/x86/state.h"

static const ZydisDecoder *decoder(enum insn_mode mode)
{
    static ZydisDecoder decoders[3];
    static bool ready;
    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
        // Two threads may do this at once; both write the same.
        ZydisDecoderInit(&decoders[INSN_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
        ZydisDecoderInit(&decoders[INSN_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
        ZydisDecoderInit(&decoders[INSN_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
    }
    return &decoders[mode];
}

static bool is_gpr(ZydisRegister r)
{
    ZydisRegisterClass c = ZydisRegisterGetClass(r);
    return c == ZYDIS_REGCLASS_GPR8 || c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 ||
           c == ZYDIS_REGCLASS_GPR64;
}

static bool is_high_byte(ZydisRegister r)
{
    return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH;
}

static uint8_t number(ZydisRegister r)
{
    if (r == ZYDIS_REGISTER_NONE)
        return INSN_NO_REG;
    if (is_high_byte(r))
        return r - ZYDIS_REGISTER_AH;
    if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B)
        return r - ZYDIS_REGISTER_SPL + 4;
    if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
        return INSN_RIP;
    return ZydisRegisterGetId(r);
}

static uint8_t field_of(ZydisOperandEncoding encoding)
{
    switch (encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG: return INSN_FIELD_REG;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM: return INSN_FIELD_RM;
    case ZYDIS_OPERAND_ENCODING_NDSNDD: return INSN_FIELD_VVVV;
    case ZYDIS_OPERAND_ENCODING_OPCODE: return INSN_FIELD_OPCODE;
    default: return 0;
    }
}

static void use_gpr(struct insn *insn, ZydisRegister r)
{
    if (is_gpr(r))
        insn->gprs |= 1u << number(r);
}

static void take_register(struct insn *insn, const ZydisDecodedOperand *from)
{
    use_gpr(insn, from->reg.value);
    if (is_gpr(from->reg.value) && number(from->reg.value) == X86_RSP &&
        !is_high_byte(from->reg.value))
        insn->rsp_fields |= field_of(from->encoding);
}

static void take_memory(struct insn *insn, const ZydisDecodedOperand *from)
{
    const ZydisDecodedOperandMem *mem = &from->mem;
    insn->segment = number(mem->segment);
    insn->base = number(mem->base);
    insn->index = number(mem->index);
    insn->scale = mem->scale ? mem->scale : 1;
    insn->disp = mem->disp.has_displacement ? mem->disp.value : 0;
    use_gpr(insn, mem->base);
    use_gpr(insn, mem->index);
}

static void take_explicit(struct insn *insn, const ZydisDecodedOperand *from)
{
    struct insn_operand *to = &insn->op[insn->operands++];
    to->size = from->size / 8 > 255 ? 0 : from->size / 8;
    to->read = from->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    to->written = from->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    switch (from->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        to->kind = INSN_REG;
        to->reg = number(from->reg.value);
        to->high_byte = is_high_byte(from->reg.value);
        to->gpr = is_gpr(from->reg.value);
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        to->kind = INSN_MEM;
        if (from->mem.type == ZYDIS_MEMOP_TYPE_AGEN) {
            to->read = false;
        } else {
            insn->mem_bytes = from->size / 8 > 255 ? 255 : from->size / 8;
            insn->mem_read |= to->read;
            insn->mem_written |= to->written;
        }
        take_memory(insn, from);
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        to->kind = INSN_IMM;
        break;
    case ZYDIS_OPERAND_TYPE_POINTER:
        to->kind = INSN_IMM;
        insn->imm = from->ptr.offset;
        insn->imm2 = from->ptr.segment;
        break;
    default:
        to->kind = INSN_OTHER;
    }
}

// True if an operand that the bytes don't name reaches memory (strings, XLAT, MASKMOV, stack).
static bool take_operands(struct insn *insn, const ZydisDecodedInstruction *z,
                          const ZydisDecodedOperand *operands)
{
    bool hidden_memory = false, named = false;
    insn->segment = X86_DS;
    insn->base = insn->index = INSN_NO_REG;
    insn->scale = 1;
    for (unsigned i = 0; i < z->operand_count; i++) {
        const ZydisDecodedOperand *from = &operands[i];
        bool seen = i < z->operand_count_visible;
        if (from->type == ZYDIS_OPERAND_TYPE_REGISTER)
            take_register(insn, from);
        if (from->type == ZYDIS_OPERAND_TYPE_MEMORY && from->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM &&
            from->encoding != ZYDIS_OPERAND_ENCODING_DISP16_32_64)
            hidden_memory = true;
        if (from->type == ZYDIS_OPERAND_TYPE_MEMORY && from->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
            hidden_memory = true;
        if (seen && insn->operands < 4) {
            take_explicit(insn, from);
            named |= from->type == ZYDIS_OPERAND_TYPE_MEMORY;
        } else if (from->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            use_gpr(insn, from->mem.base);
            use_gpr(insn, from->mem.index);
            // MOVDIR64B's bytes name its source, and the destination's segment is not that one's.
            if (!named && from->mem.segment != ZYDIS_REGISTER_ES && from->mem.segment != ZYDIS_REGISTER_SS)
                insn->segment = number(from->mem.segment);
        }
    }
    return hidden_memory;
}

static bool keeps_undefined_flags(ZydisMnemonic mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR:
    case ZYDIS_MNEMONIC_TZCNT:
    case ZYDIS_MNEMONIC_LZCNT:
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_IMUL:
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV: return true;
    default: return false;
    }
}

static void take_flags(struct insn *insn, const ZydisDecodedInstruction *z)
{
    const ZydisAccessedFlags *f = z->cpu_flags;
    if (!f)
        return;
    insn->flags_read = f->tested & FL_ARITH;
    insn->flags_changed = (f->modified | f->set_0 | f->set_1 | f->undefined) & FL_ARITH;
    // What a manual calls undefined is written on silicon, but for these, which leave some of it alone
    // on one CPU or another.
    insn->flags_written = keeps_undefined_flags(z->mnemonic)
                              ? (f->modified | f->set_0 | f->set_1) & FL_ARITH : insn->flags_changed;
    // A count of zero leaves all flags as they are.
    if (z->meta.category == ZYDIS_CATEGORY_SHIFT || z->meta.category == ZYDIS_CATEGORY_ROTATE ||
        z->mnemonic == ZYDIS_MNEMONIC_SHLD || z->mnemonic == ZYDIS_MNEMONIC_SHRD)
        if (insn->flags_changed)
            insn->flags_written = 0;
}

static enum insn_vectors vectors_of(const ZydisDecodedInstruction *z)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_FCOMI:
    case ZYDIS_MNEMONIC_FCOMIP:
    case ZYDIS_MNEMONIC_FUCOMI:
    case ZYDIS_MNEMONIC_FUCOMIP:   // of the Pentium Pro's set
    case ZYDIS_MNEMONIC_FISTTP: return INSN_X87;  // of SSE3's, where it has 32 bits
    // Of vector sets, but on general registers.
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_SFENCE:
    case ZYDIS_MNEMONIC_MOVNTI:
    case ZYDIS_MNEMONIC_CRC32: return INSN_NO_VECTORS;
    default: break;
    }
    bool vex_gpr = z->meta.isa_set == ZYDIS_ISA_SET_BMI1 || z->meta.isa_set == ZYDIS_ISA_SET_BMI2;
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
        return vex_gpr ? INSN_NO_VECTORS : INSN_AVX;
    switch (z->meta.isa_set) {
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_SSE3X87: return INSN_X87;
    case ZYDIS_ISA_SET_PENTIUMMMX: return INSN_MMX;
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
    case ZYDIS_ISA_SET_SSE4:
    case ZYDIS_ISA_SET_SSE42:
    case ZYDIS_ISA_SET_SSE4A:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_AES:
    case ZYDIS_ISA_SET_PCLMULQDQ:
    case ZYDIS_ISA_SET_SHA:
    case ZYDIS_ISA_SET_GFNI: return INSN_SSE;
    default: return INSN_NO_VECTORS;
    }
}

// Which of the allow-listed sets' instructions act on the host as on the guest. A mnemonic that is
// not a plain computation stands in the second list.
static bool set_is_plain(const ZydisDecodedInstruction *z)
{
    switch (z->meta.isa_set) {
    case ZYDIS_ISA_SET_SSE:   // the fences, MOVNTI and CRC32 among them
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE42:
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_I486REAL:
    case ZYDIS_ISA_SET_PENTIUMREAL:
    case ZYDIS_ISA_SET_PPRO:
    case ZYDIS_ISA_SET_LONGMODE:
    case ZYDIS_ISA_SET_LAHF:
    case ZYDIS_ISA_SET_CMOV:
    case ZYDIS_ISA_SET_CMPXCHG16B:
    case ZYDIS_ISA_SET_POPCNT:
    case ZYDIS_ISA_SET_LZCNT:
    case ZYDIS_ISA_SET_BMI1:
    case ZYDIS_ISA_SET_BMI2:
    case ZYDIS_ISA_SET_ADOX_ADCX:
    case ZYDIS_ISA_SET_MOVBE:
    case ZYDIS_ISA_SET_RDRAND:
    case ZYDIS_ISA_SET_RDSEED:
    case ZYDIS_ISA_SET_PAUSE:
    case ZYDIS_ISA_SET_F16C:
    case ZYDIS_ISA_SET_FMA:
    case ZYDIS_ISA_SET_AVX:
    case ZYDIS_ISA_SET_AVX2:
    case ZYDIS_ISA_SET_AVXAES:
    case ZYDIS_ISA_SET_AVX_GFNI:
    case ZYDIS_ISA_SET_VAES:
    case ZYDIS_ISA_SET_VPCLMULQDQ:
    case ZYDIS_ISA_SET_AVX_VNNI:
        return true;
    default:  // what is left is x87, MMX and the SSE sets that vectors_of names; VEX has to be named above
        return z->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX && vectors_of(z) != INSN_NO_VECTORS;
    }
}

static bool category_is_plain(ZydisInstructionCategory category)
{
    switch (category) {
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_STRINGOP:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_DECIMAL:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_PUSH:
    case ZYDIS_CATEGORY_POP:
    case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT:
        return false;
    default:
        return true;
    }
}

static bool mnemonic_is_plain(const ZydisDecodedInstruction *z, const struct insn *insn)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_CLD:
    case ZYDIS_MNEMONIC_STD:
    case ZYDIS_MNEMONIC_CLI:
    case ZYDIS_MNEMONIC_STI:
    case ZYDIS_MNEMONIC_SALC:
    case ZYDIS_MNEMONIC_XLAT:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_BOUND:
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDPMC:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_LDS:
    case ZYDIS_MNEMONIC_LES:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
        return false;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
        return !(insn->mem_bytes && insn->op[1].kind == INSN_REG);  // reaches outside its operand
    case ZYDIS_MNEMONIC_MOV:
        for (unsigned i = 0; i < insn->operands; i++)  // segment, control and debug registers
            if (insn->op[i].kind == INSN_REG && !insn->op[i].gpr)
                return false;
        return true;
    default:
        return true;
    }
}

static bool does_nothing(const ZydisDecodedInstruction *z)
{
    switch (z->meta.category) {
    case ZYDIS_CATEGORY_NOP: return z->mnemonic == ZYDIS_MNEMONIC_NOP;
    case ZYDIS_CATEGORY_WIDENOP: return true;
    case ZYDIS_CATEGORY_PREFETCH: return true;
    case ZYDIS_CATEGORY_CET: return z->mnemonic == ZYDIS_MNEMONIC_ENDBR32 || z->mnemonic == ZYDIS_MNEMONIC_ENDBR64;
    default: return false;
    }
}

static bool near_branch(const ZydisDecodedInstruction *z)
{
    return z->meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR || z->meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT;
}

static enum insn_form form_of_branch(const ZydisDecodedInstruction *z, const struct insn *insn)
{
    if (z->meta.isa_set == ZYDIS_ISA_SET_RTM)
        return INSN_EMULATE;
    bool direct = insn->operands && insn->op[0].kind == INSN_IMM;
    switch (z->meta.category) {
    case ZYDIS_CATEGORY_CALL: return direct ? INSN_CALL : INSN_CALL_INDIRECT;
    case ZYDIS_CATEGORY_UNCOND_BR: return direct ? INSN_JMP : INSN_JMP_INDIRECT;
    case ZYDIS_CATEGORY_RET: return INSN_RET;
    default: break;
    }
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ: return INSN_LOOP;
    default: return z->meta.category == ZYDIS_CATEGORY_COND_BR ? INSN_JCC : INSN_EMULATE;
    }
}

static bool is_masked_move(const ZydisDecodedInstruction *z)
{
    return z->mnemonic == ZYDIS_MNEMONIC_VMASKMOVPS || z->mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD ||
           z->mnemonic == ZYDIS_MNEMONIC_VPMASKMOVD || z->mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ;
}

// What can't be said with a REX prefix, which RSP's home may need: AH to BH; and F3 before XCHG, which then may be
// PAUSE.
static bool repeats_for_nothing(const ZydisDecodedInstruction *z, const struct insn *insn)
{
    for (unsigned i = 0; i < z->raw.prefix_count; i++)
        if (z->raw.prefixes[i].value == 0xf2 || z->raw.prefixes[i].value == 0xf3)
            return insn->rsp_fields & INSN_FIELD_OPCODE;
    return false;
}

static bool names_high_byte(const struct insn *insn)
{
    for (unsigned i = 0; i < insn->operands; i++)
        if (insn->op[i].kind == INSN_REG && insn->op[i].high_byte)
            return true;
    return false;
}

static enum insn_form form_of(const ZydisDecodedInstruction *z, const struct insn *insn, bool hidden_memory)
{
    if (does_nothing(z))
        return INSN_SKIP;
    if (near_branch(z))
        return form_of_branch(z, insn);
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_PUSH: return insn->op[0].kind == INSN_REG && !insn->op[0].gpr ? INSN_EMULATE : INSN_PUSH;
    case ZYDIS_MNEMONIC_POP: return insn->op[0].kind == INSN_REG && insn->op[0].gpr ? INSN_POP : INSN_EMULATE;
    case ZYDIS_MNEMONIC_LEAVE: return INSN_LEAVE;
    case ZYDIS_MNEMONIC_LEA: return INSN_LEA;
    case ZYDIS_MNEMONIC_CLI: return INSN_CLI;
    case ZYDIS_MNEMONIC_STI: return INSN_STI;
    default: break;
    }
    if (hidden_memory || z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
        z->encoding == ZYDIS_INSTRUCTION_ENCODING_XOP || z->encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW)
        return INSN_EMULATE;
    if (is_masked_move(z))
        return INSN_COPY_MASKED;
    if (insn->rsp_fields && (names_high_byte(insn) || repeats_for_nothing(z, insn)))
        return INSN_EMULATE;
    bool plain = set_is_plain(z) && category_is_plain(z->meta.category) && mnemonic_is_plain(z, insn);
    return plain ? INSN_COPY : INSN_EMULATE;
}

// Outside 64-bit mode, W means nothing where it would choose a general register's size.
static bool vex_w_is_ignored(const ZydisDecodedInstruction *z)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_VMOVD:
    case ZYDIS_MNEMONIC_VPINSRD:
    case ZYDIS_MNEMONIC_VPEXTRD:
    case ZYDIS_MNEMONIC_VCVTSI2SS:
    case ZYDIS_MNEMONIC_VCVTSI2SD:
    case ZYDIS_MNEMONIC_VCVTSS2SI:
    case ZYDIS_MNEMONIC_VCVTSD2SI:
    case ZYDIS_MNEMONIC_VCVTTSS2SI:
    case ZYDIS_MNEMONIC_VCVTTSD2SI: return true;
    default: return z->meta.isa_set == ZYDIS_ISA_SET_BMI1 || z->meta.isa_set == ZYDIS_ISA_SET_BMI2;
    }
}

// R, X, B and W of a two- or three-byte VEX prefix, put as in a REX byte. Outside 64-bit mode there are
// eight registers only, whatever the bits say (SDM volume 2, 2.3.5).
static uint8_t rex_of_vex(const uint8_t *vex, const ZydisDecodedInstruction *z)
{
    if (vex[0] == 0xc5)
        return 0x40 | (vex[1] & 0x80 ? 0 : 4);
    uint8_t w = vex[2] & 0x80 ? 8 : 0;
    if (z->machine_mode != ZYDIS_MACHINE_MODE_LONG_64)
        return 0x40 | (vex_w_is_ignored(z) ? 0 : w);
    return 0x40 | (~vex[1] >> 5 & 7) | w;
}

static uint8_t tail_offset(const struct insn *insn, const ZydisDecodedInstruction *z)
{
    if (z->raw.disp.size)
        return z->raw.disp.offset + z->raw.disp.size / 8;
    if (z->attributes & ZYDIS_ATTRIB_HAS_SIB)
        return z->raw.sib.offset + 1;
    if (insn->has_modrm)
        return z->raw.modrm.offset + 1;
    if (insn->vex || insn->bytes[insn->opcode_at] != 0x0f)
        return insn->opcode_at + 1;
    uint8_t second = insn->bytes[insn->opcode_at + 1];
    return insn->opcode_at + (second == 0x38 || second == 0x3a ? 3 : 2);
}

static void take_encoding(struct insn *insn, const ZydisDecodedInstruction *z)
{
    insn->lock = z->attributes & ZYDIS_ATTRIB_HAS_LOCK;
    insn->rep = z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE);
    insn->repne = z->attributes & ZYDIS_ATTRIB_HAS_REPNE;
    insn->vex = z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
    insn->has_modrm = z->attributes & ZYDIS_ATTRIB_HAS_MODRM;
    insn->modrm_at = insn->has_modrm ? z->raw.modrm.offset : 0;
    insn->modrm = insn->has_modrm ? insn->bytes[insn->modrm_at] : 0;
    if (insn->vex) {
        insn->rex = rex_of_vex(insn->bytes + z->raw.vex.offset, z);
        insn->opcode_at = z->raw.vex.offset + z->raw.vex.size;
    } else {
        insn->opcode_at = z->raw.prefix_count;
        if (z->attributes & ZYDIS_ATTRIB_HAS_REX)
            insn->rex = insn->bytes[z->raw.rex.offset];
    }
    insn->rex_w = insn->rex & 8;
    insn->imm_at = tail_offset(insn, z);
    if (z->raw.imm[0].size)
        insn->imm = z->raw.imm[0].is_signed ? (uint64_t)z->raw.imm[0].value.s : z->raw.imm[0].value.u;
    if (z->raw.imm[1].size)
        insn->imm2 = z->raw.imm[1].value.u;
}

// SDM volume 1, "Memory alignment": legacy SSE operands of 16 bytes must be aligned, but for those
// that say otherwise; VEX ones only where the name says so.
static uint8_t alignment_of(const ZydisDecodedInstruction *z, const struct insn *insn)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTDQA:
    case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTPD: return insn->mem_bytes ? insn->mem_bytes : 1;
    case ZYDIS_MNEMONIC_CMPXCHG16B: return 16;
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM: return 1;
    default: break;
    }
    // AMD's CPUs don't look at it for these; where the host's does, it says so itself.
    if (z->meta.isa_set == ZYDIS_ISA_SET_SHA)
        return 1;
    return insn->vectors == INSN_SSE && insn->mem_bytes == 16 ? 16 : 1;
}

// SDM volume 1, 8.6: all x87 instructions but the "no-wait" ones, and everything with an MMX register.
static bool waits_for_x87(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands, const struct insn *insn)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FNCLEX:
    case ZYDIS_MNEMONIC_FNSTCW:
    case ZYDIS_MNEMONIC_FNSTSW:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE: return false;
    default: break;
    }
    for (unsigned i = 0; i < z->operand_count_visible; i++)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(operands[i].reg.value) == ZYDIS_REGCLASS_MMX)
            return true;
    return insn->vectors == INSN_X87;
}

static bool sib_without_base(const struct insn *insn)
{
    return insn->has_modrm && (insn->modrm & 0xc7) == 0x04 && (insn->bytes[insn->modrm_at + 1] & 7) == 5 &&
           insn->address_bytes != 2;
}

// Zydis counts the 128-bit VPCLMULQDQ as AVX, but a CPU that lacks PCLMULQDQ lacks that too.
static uint16_t isa_of(const ZydisDecodedInstruction *z)
{
    bool carryless = z->mnemonic == ZYDIS_MNEMONIC_VPCLMULQDQ && z->meta.isa_set == ZYDIS_ISA_SET_AVX;
    return carryless ? ZYDIS_ISA_SET_PCLMULQDQ : z->meta.isa_set;
}

int insn_decode(struct insn *insn, const uint8_t *bytes, size_t available, enum insn_mode mode)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t copy[INSN_BYTES_MAX];
    if (available > INSN_BYTES_MAX)
        available = INSN_BYTES_MAX;
    memcpy(copy, bytes, available);
    ZyanStatus status = ZydisDecoderDecodeFull(decoder(mode), copy, available, &z, operands);
    if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ||
        (status == ZYDIS_STATUS_NO_MORE_DATA && available == INSN_BYTES_MAX)) {
        *insn = (struct insn){.length = 1, .mode = mode, .form = INSN_EMULATE};  // of no mnemonic: #GP
        return 0;
    }
    if (status == ZYDIS_STATUS_NO_MORE_DATA)
        return -ERANGE;
    if (!ZYAN_SUCCESS(status))
        return -EINVAL;
    *insn = (struct insn){.mnemonic = z.mnemonic, .length = z.length, .mode = mode, .isa = isa_of(&z),
                          .operand_bytes = z.operand_width / 8, .address_bytes = z.address_width / 8,
                          .stack_bytes = z.stack_width / 8};
    memcpy(insn->bytes, copy, z.length);
    take_encoding(insn, &z);
    bool hidden_memory = take_operands(insn, &z, operands);
    if (sib_without_base(insn)) {  // Zydis names r13d there under a 67 prefix and REX.B
        insn->base = INSN_NO_REG;
        insn->disp = z.raw.disp.value;
    }
    take_flags(insn, &z);
    insn->vectors = vectors_of(&z);
    insn->alignment = alignment_of(&z, insn);
    insn->x87_waits = waits_for_x87(&z, operands, insn);
    insn->form = form_of(&z, insn, hidden_memory);
    return 0;
}
