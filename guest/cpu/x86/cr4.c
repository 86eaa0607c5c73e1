// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/bits.h"
#include "guest/cpu/x86/cpuid.h"
#include "guest/cpu/x86/state.h"

uint64_t x86_cr4_offered(const struct x86_model *model)
{
    static const struct { uint32_t bits; uint8_t word, bit; } offers[] = {
        {CR4_VME | CR4_PVI, X86_1_EDX, 1}, {CR4_DE, X86_1_EDX, 2}, {CR4_PSE, X86_1_EDX, 3},
        {CR4_TSD, X86_1_EDX, 4}, {CR4_PAE, X86_1_EDX, 6}, {CR4_MCE, X86_1_EDX, 7},
        {CR4_PGE, X86_1_EDX, 13}, {CR4_OSFXSR, X86_1_EDX, 24}, {CR4_OSXMMEXCPT, X86_1_EDX, 25},
        {CR4_PCIDE, X86_1_ECX, 17}, {CR4_OSXSAVE, X86_1_ECX, 26}, {CR4_FSGSBASE, X86_7_EBX, 0},
        {CR4_SMEP, X86_7_EBX, 7}, {CR4_SMAP, X86_7_EBX, 20}, {CR4_UMIP, X86_7_ECX, 2},
        {CR4_PKE, X86_7_ECX, 3}, {CR4_LA57, X86_7_ECX, 16},
    };
    uint64_t offered = CR4_PCE;  // belongs to RDPMC, which has no CPUID bit
    for (unsigned i = 0; i < ARRAY_SIZE(offers); i++)
        if (x86_has(model, offers[i].word, offers[i].bit))
            offered |= offers[i].bits;
    return offered;
}
