// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which instructions exist for a guest: what the engine can offer on this host, and which of
// Zydis' instruction sets a CPU model has. What CPUID hides raises #UD.
#include <Zydis/Zydis.h>
#include <cpuid.h>

#include "guest/cpu/jit/isa.h"
#include "base/bits.h"

enum { EAX, EBX, ECX, EDX };

// Features that are the host CPU's own, because their instructions are copied.
static const struct { enum x86_word word; uint32_t leaf, subleaf; uint8_t reg; uint32_t bits; } from_host[] = {
    {X86_1_EDX, 1, 0, EDX, BIT(0) | BIT(4) | BIT(8) | BIT(15) | BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26)},
    {X86_1_ECX, 1, 0, ECX, BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) |
                           BIT(25) | BIT(26) | BIT(28) | BIT(29) | BIT(30)},
    {X86_7_EBX, 7, 0, EBX, BIT(3) | BIT(5) | BIT(8) | BIT(9) | BIT(18) | BIT(19) | BIT(23) | BIT(24) | BIT(29)},
    {X86_7_ECX, 7, 0, ECX, BIT(8) | BIT(9) | BIT(10) | BIT(28)},  // GFNI, VAES, VPCLMULQDQ, MOVDIR64B
    {X86_7_EDX, 7, 0, EDX, BIT(4)},
    {X86_7_1_EAX, 7, 1, EAX, BIT(4)},  // AVX-VNNI
    {X86_80000001_ECX, 0x80000001, 0, ECX, BIT(0) | BIT(5) | BIT(8)},
};
// Features that the engine makes, whatever the host has.
static const struct { enum x86_word word; uint32_t bits; } own[] = {
    // DE, PSE, MSR, PAE, MCE, SEP, PGE, MCA, PAT, PSE36
    {X86_1_EDX, BIT(2) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(9) | BIT(11) | BIT(13) | BIT(14) | BIT(16) | BIT(17)},
    {X86_1_ECX, BIT(3) | BIT(17) | BIT(31)},            // MONITOR, PCID; a hypervisor is there
    {X86_7_EBX, BIT(0) | BIT(7) | BIT(10) | BIT(20)},   // FSGSBASE, SMEP, INVPCID, SMAP
    {X86_7_ECX, BIT(2) | BIT(3) | BIT(16) | BIT(22) | BIT(27)},  // UMIP, PKU, LA57, RDPID, MOVDIRI
    {X86_7_EDX, BIT(14)},                              // SERIALIZE
    {X86_D_1_EAX, BIT(0) | BIT(1) | BIT(2) | BIT(3)},  // XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES
    {X86_80000008_EBX, BIT(0) | BIT(9)},               // CLZERO, WBNOINVD
    {X86_80000001_EDX, BIT(11) | BIT(20) | BIT(26) | BIT(27) | BIT(29)},  // SYSCALL, NX, 1G, RDTSCP, LM
};

static void add_host_features(struct x86_support *s)
{
    for (unsigned i = 0; i < ARRAY_SIZE(from_host); i++) {
        uint32_t r[4] = {0};
        __get_cpuid_count(from_host[i].leaf, from_host[i].subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]);
        s->words[from_host[i].word] |= r[from_host[i].reg] & from_host[i].bits;
    }
}

const struct x86_support *jit_support(void)
{
    static struct x86_support support;
    if (support.xcr0)
        return &support;
    add_host_features(&support);
    for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
        support.words[own[i].word] |= own[i].bits;
    x86_support_software(&support);
    // AMD's copies of leaf 1's bits.
    support.words[X86_80000001_EDX] |= support.words[X86_1_EDX] & 0x0183f3ff;
    support.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_PKRU | (support.words[X86_1_ECX] & BIT(28) ? XCR0_AVX : 0);
    return &support;
}

// Sets that a feature bit stands for. All others that are listed without one are in every CPU.
static const struct { uint16_t set; uint8_t word, bit; } by_feature[] = {
    {ZYDIS_ISA_SET_CMOV, X86_1_EDX, 15}, {ZYDIS_ISA_SET_FCMOV, X86_1_EDX, 15},
    {ZYDIS_ISA_SET_PENTIUMMMX, X86_1_EDX, 23}, {ZYDIS_ISA_SET_FXSAVE, X86_1_EDX, 24},
    {ZYDIS_ISA_SET_FXSAVE64, X86_1_EDX, 24}, {ZYDIS_ISA_SET_SSE, X86_1_EDX, 25},
    {ZYDIS_ISA_SET_SSEMXCSR, X86_1_EDX, 25}, {ZYDIS_ISA_SET_SSE2, X86_1_EDX, 26},
    {ZYDIS_ISA_SET_SSE2MMX, X86_1_EDX, 26}, {ZYDIS_ISA_SET_CLFSH, X86_1_EDX, 19},
    {ZYDIS_ISA_SET_SSE3, X86_1_ECX, 0}, {ZYDIS_ISA_SET_SSE3X87, X86_1_ECX, 0},
    {ZYDIS_ISA_SET_PCLMULQDQ, X86_1_ECX, 1}, {ZYDIS_ISA_SET_SSSE3, X86_1_ECX, 9},
    {ZYDIS_ISA_SET_SSSE3MMX, X86_1_ECX, 9}, {ZYDIS_ISA_SET_FMA, X86_1_ECX, 12},
    {ZYDIS_ISA_SET_CMPXCHG16B, X86_1_ECX, 13}, {ZYDIS_ISA_SET_SSE4, X86_1_ECX, 19},
    {ZYDIS_ISA_SET_SSE42, X86_1_ECX, 20}, {ZYDIS_ISA_SET_MOVBE, X86_1_ECX, 22},
    {ZYDIS_ISA_SET_POPCNT, X86_1_ECX, 23}, {ZYDIS_ISA_SET_AES, X86_1_ECX, 25},
    {ZYDIS_ISA_SET_XSAVE, X86_1_ECX, 26}, {ZYDIS_ISA_SET_AVX, X86_1_ECX, 28},
    {ZYDIS_ISA_SET_AVXAES, X86_1_ECX, 25}, {ZYDIS_ISA_SET_F16C, X86_1_ECX, 29},
    {ZYDIS_ISA_SET_RDRAND, X86_1_ECX, 30}, {ZYDIS_ISA_SET_RDWRFSGS, X86_7_EBX, 0},
    {ZYDIS_ISA_SET_BMI1, X86_7_EBX, 3}, {ZYDIS_ISA_SET_AVX2, X86_7_EBX, 5},
    {ZYDIS_ISA_SET_AVX2GATHER, X86_7_EBX, 5}, {ZYDIS_ISA_SET_BMI2, X86_7_EBX, 8},
    {ZYDIS_ISA_SET_INVPCID, X86_7_EBX, 10}, {ZYDIS_ISA_SET_RDSEED, X86_7_EBX, 18},
    {ZYDIS_ISA_SET_ADOX_ADCX, X86_7_EBX, 19}, {ZYDIS_ISA_SET_SMAP, X86_7_EBX, 20},
    {ZYDIS_ISA_SET_CLFLUSHOPT, X86_7_EBX, 23}, {ZYDIS_ISA_SET_CLWB, X86_7_EBX, 24},
    {ZYDIS_ISA_SET_SHA, X86_7_EBX, 29}, {ZYDIS_ISA_SET_RDPID, X86_7_ECX, 22},
    {ZYDIS_ISA_SET_PKU, X86_7_ECX, 3},
    {ZYDIS_ISA_SET_GFNI, X86_7_ECX, 8}, {ZYDIS_ISA_SET_AVX_GFNI, X86_7_ECX, 8},
    {ZYDIS_ISA_SET_VAES, X86_7_ECX, 9}, {ZYDIS_ISA_SET_VPCLMULQDQ, X86_7_ECX, 10},
    {ZYDIS_ISA_SET_SERIALIZE, X86_7_EDX, 14}, {ZYDIS_ISA_SET_AVX_VNNI, X86_7_1_EAX, 4},
    {ZYDIS_ISA_SET_XSAVEOPT, X86_D_1_EAX, 0}, {ZYDIS_ISA_SET_XSAVEC, X86_D_1_EAX, 1},
    {ZYDIS_ISA_SET_XSAVES, X86_D_1_EAX, 3}, {ZYDIS_ISA_SET_CLZERO, X86_80000008_EBX, 0},
    {ZYDIS_ISA_SET_MONITOR, X86_1_ECX, 3},
    {ZYDIS_ISA_SET_LAHF, X86_80000001_ECX, 0}, {ZYDIS_ISA_SET_LZCNT, X86_80000001_ECX, 5},
    {ZYDIS_ISA_SET_RDTSCP, X86_80000001_EDX, 27}, {ZYDIS_ISA_SET_LONGMODE, X86_80000001_EDX, 29},
};
static const uint16_t in_every_cpu[] = {
    0, ZYDIS_ISA_SET_I86, ZYDIS_ISA_SET_I186, ZYDIS_ISA_SET_I286REAL, ZYDIS_ISA_SET_I286PROTECTED, ZYDIS_ISA_SET_I386,
    ZYDIS_ISA_SET_I486, ZYDIS_ISA_SET_I486REAL, ZYDIS_ISA_SET_PENTIUMREAL, ZYDIS_ISA_SET_PPRO, ZYDIS_ISA_SET_X87,
    ZYDIS_ISA_SET_PAUSE, ZYDIS_ISA_SET_FAT_NOP, ZYDIS_ISA_SET_SSE_PREFETCH, ZYDIS_ISA_SET_PREFETCH_NOP,
    ZYDIS_ISA_SET_AMD, ZYDIS_ISA_SET_RDPMC, ZYDIS_ISA_SET_CET, ZYDIS_ISA_SET_CLDEMOTE,
    ZYDIS_ISA_SET_VTX, ZYDIS_ISA_SET_SVM,  // VMCALL and VMMCALL; the emulator refuses the rest
    ZYDIS_ISA_SET_BMI1, ZYDIS_ISA_SET_LZCNT,  // overridden below: their prefixes mean nothing on old CPUs
};

void isa_allow(bool *allowed, const struct x86_model *model)
{
    for (unsigned i = 0; i < ARRAY_SIZE(in_every_cpu); i++)
        allowed[in_every_cpu[i]] = true;
    for (unsigned i = 0; i < ARRAY_SIZE(by_feature); i++)
        allowed[by_feature[i].set] = x86_has(model, by_feature[i].word, by_feature[i].bit);
    // AMD3DNOW's set holds PREFETCHW, whose bit is its own.
    allowed[ZYDIS_ISA_SET_PREFETCHWT1] = true;
    // One set for MOVDIRI and MOVDIR64B; the emulator looks which.
    allowed[ZYDIS_ISA_SET_MOVDIR] = x86_has(model, X86_7_ECX, 27) || x86_has(model, X86_7_ECX, 28);
}
