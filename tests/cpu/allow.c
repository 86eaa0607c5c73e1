// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/allow.h"

#include <cpuid.h>

#include "base/bits.h"

static bool extensions[ZYDIS_ISA_EXT_MAX_VALUE + 1];

// Instruction sets that x86-64 implies, or that have no CPUID bit of their own that matters.
static const ZydisISAExt always[] = {
    ZYDIS_ISA_EXT_BASE, ZYDIS_ISA_EXT_LONGMODE, ZYDIS_ISA_EXT_X87, ZYDIS_ISA_EXT_MMX, ZYDIS_ISA_EXT_SSE,
    ZYDIS_ISA_EXT_SSE2, ZYDIS_ISA_EXT_PAUSE, ZYDIS_ISA_EXT_CLFSH,
};
static const struct { ZydisISAExt extension; enum x86_word word; uint8_t bit; } offered[] = {
    {ZYDIS_ISA_EXT_SSE3, X86_1_ECX, 0},        {ZYDIS_ISA_EXT_SSSE3, X86_1_ECX, 9},
    {ZYDIS_ISA_EXT_SSE4, X86_1_ECX, 20},       {ZYDIS_ISA_EXT_PCLMULQDQ, X86_1_ECX, 1},
    {ZYDIS_ISA_EXT_AES, X86_1_ECX, 25},        {ZYDIS_ISA_EXT_AVXAES, X86_1_ECX, 25},
    {ZYDIS_ISA_EXT_AVX, X86_1_ECX, 28},        {ZYDIS_ISA_EXT_F16C, X86_1_ECX, 29},
    {ZYDIS_ISA_EXT_FMA, X86_1_ECX, 12},        {ZYDIS_ISA_EXT_MOVBE, X86_1_ECX, 22},
    {ZYDIS_ISA_EXT_BMI1, X86_7_EBX, 3},        {ZYDIS_ISA_EXT_BMI2, X86_7_EBX, 8},
    {ZYDIS_ISA_EXT_AVX2, X86_7_EBX, 5},        {ZYDIS_ISA_EXT_AVX2GATHER, X86_7_EBX, 5},
    {ZYDIS_ISA_EXT_ADOX_ADCX, X86_7_EBX, 19},  {ZYDIS_ISA_EXT_SHA, X86_7_EBX, 29},
    {ZYDIS_ISA_EXT_CLFLUSHOPT, X86_7_EBX, 23}, {ZYDIS_ISA_EXT_CLWB, X86_7_EBX, 24},
    {ZYDIS_ISA_EXT_GFNI, X86_7_ECX, 8},        {ZYDIS_ISA_EXT_VAES, X86_7_ECX, 9},
    {ZYDIS_ISA_EXT_VPCLMULQDQ, X86_7_ECX, 10}, {ZYDIS_ISA_EXT_MOVDIR, X86_7_ECX, 28},
    {ZYDIS_ISA_EXT_CLZERO, X86_80000008_EBX, 0},
    {ZYDIS_ISA_EXT_AVX_VNNI, X86_7_1_EAX, 4},  {ZYDIS_ISA_EXT_LZCNT, X86_80000001_ECX, 5},
};

static void host_words(uint32_t words[X86_WORDS])
{
    uint32_t a, b, c, d;
    __cpuid(1, a, b, c, d);
    words[X86_1_ECX] = c;
    __cpuid_count(7, 0, a, b, c, d);
    words[X86_7_EBX] = b;
    words[X86_7_ECX] = c;
    __cpuid_count(7, 1, a, b, c, d);
    words[X86_7_1_EAX] = a;
    __cpuid(0x80000001, a, b, c, d);
    words[X86_80000001_ECX] = c;
    __cpuid(0x80000008, a, b, c, d);
    words[X86_80000008_EBX] = b;
}

void allow_prepare(const struct x86_support *support)
{
    uint32_t words[X86_WORDS] = {0};
    host_words(words);
    for (unsigned i = 0; support && i < X86_WORDS; i++)
        words[i] &= support->words[i];
    for (size_t i = 0; i < ARRAY_SIZE(always); i++)
        extensions[always[i]] = true;
    for (size_t i = 0; i < ARRAY_SIZE(offered); i++)
        extensions[offered[i].extension] = words[offered[i].word] >> offered[i].bit & 1;
}

static bool category_allowed(ZydisInstructionCategory category)
{
    switch (category) {
    case ZYDIS_CATEGORY_CALL: case ZYDIS_CATEGORY_COND_BR: case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_RET: case ZYDIS_CATEGORY_INTERRUPT: case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET: case ZYDIS_CATEGORY_SYSTEM: case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP: case ZYDIS_CATEGORY_SEGOP: case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT: case ZYDIS_CATEGORY_RDRAND: case ZYDIS_CATEGORY_RDSEED:
    case ZYDIS_CATEGORY_MPX: case ZYDIS_CATEGORY_CET:
        return false;
    default:
        return true;
    }
}

static bool mnemonic_allowed(ZydisMnemonic mnemonic, bool x87_pointers)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_CPUID: case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI:
    case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1:  // vendors differ in whether these have operands
        return false;
    case ZYDIS_MNEMONIC_ENTER:  // in a snippet; with random sizes, which page faults first is the CPU's choice
        return false;
    case ZYDIS_MNEMONIC_FNSTENV: case ZYDIS_MNEMONIC_FNSAVE: case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
        return x87_pointers;
    default:
        return true;
    }
}

static bool operand_allowed(const ZydisDecodedOperand *operand)
{
    if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return operand->mem.segment != ZYDIS_REGISTER_FS;  // the harness has its thread there
    if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return operand->type != ZYDIS_OPERAND_TYPE_POINTER;
    switch (ZydisRegisterGetClass(operand->reg.value)) {
    case ZYDIS_REGCLASS_SEGMENT: case ZYDIS_REGCLASS_CONTROL: case ZYDIS_REGCLASS_DEBUG:
    case ZYDIS_REGCLASS_TEST: case ZYDIS_REGCLASS_TABLE: case ZYDIS_REGCLASS_BOUND:
        return false;
    default:
        return true;
    }
}

// 0F 0D with a register is a NOP for Intel and undefined for AMD.
static bool is_prefetch_of_register(const ZydisDecodedInstruction *insn)
{
    return insn->opcode_map == ZYDIS_OPCODE_MAP_0F && insn->opcode == 0x0d && insn->raw.modrm.mod == 3;
}

bool allowed(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands, bool x87_pointers)
{
    if (insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && insn->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
        return false;
    if (insn->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED || !extensions[insn->meta.isa_ext] ||
        !category_allowed(insn->meta.category) || !mnemonic_allowed(insn->mnemonic, x87_pointers) ||
        is_prefetch_of_register(insn))
        return false;
    for (unsigned i = 0; i < insn->operand_count; i++)
        if (!operand_allowed(&operands[i]))
            return false;
    return true;
}
