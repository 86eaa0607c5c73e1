// SPDX-License-Identifier: GPL-2.0-or-later
//
// The CPU models. Those with a QEMU name have the vendor, family and features that QEMU 7.2 reports for
// them with -accel tcg (query-cpu-model-expansion; its default vme=off included); a child's
// features are those of its parent and its own. "max" and "host" are whatever the
// engine supports.
//
// What is told about mitigations. Which bugs a CPU has was read in Linux's cpu_set_bug_bits
// (arch/x86/kernel/cpu/common.c, of a kernel that knows BHI and RFDS); what each then costs (bugs.c)
// was not read line by line, and no guest has shown it: a test of
// /sys/devices/system/cpu/vulnerabilities in Debian's kernel must. Linux decides from tables of
// families, from IA32_ARCH_CAPABILITIES (which it reads whatever the vendor is, if CPUID 7.EDX[29] is
// set), and from a few bits of leaves 0x80000008 and 0x80000021. So that nothing costs:
//   Meltdown, L1TF (PTI)     RDCL_NO; AMD needs nothing
//   Spectre v2 (retpolines)  IBRS_ALL: "Enhanced IBRS", SPEC_CTRL is written once a CPU and no retpoline
//                            is made, on AMD too; what stays is filling the return stack at a
//                            context switch. Only VIA's family 7 is believed not to need that.
//   Retbleed (return thunks) Skylake, Zen 1 and 2 are in the table of the affected: enhanced IBRS
//                            is enough for the first, the others take BTC_NO
//   SRSO (safe return)       Zen 1 to 4: SRSO_NO
//   SSB                      SSB_NO; AMD's bit is in leaf 0x80000008; family 0xf needs none
//   BHI (clearing a history in each system call)  BHI_NO; AMD needs nothing
//   MDS, TAA, MMIO data, GDS, RFDS, ITS, PBRSB (VERW, software sequences)  their own _NO bits;
//                            RSBA and RRSBA stay clear
//   Spectre v1               can't be denied; LFENCE after SWAPGS is left out where SMAP works
//   SRBDS                    can't be denied for Ivy Bridge to Skylake; costs nothing
// IBPB is not offered by default on AMD, so no MSR is written at a context switch. The property
// mitigations=on leaves all of this out: then the kernel sees the old CPU that the model is.
#include <stddef.h>
#include <string.h>

#include "guest/cpu/x86/cpuid_features.h"

#define INTEL "GenuineIntel"
#define AMD "AuthenticAMD"
#define QEMU_BRAND "QEMU Virtual CPU version 2.5+"

const struct x86_model_entry x86_models[] = {
    {.name = "max", .vendor = AMD, .brand = "Konuk CPU", .family = 15, .model = 107, .stepping = 1,
     .level = 13, .xlevel = 0x8000001f},
    {.name = "host", .alias_of = "max"},
    {.name = "base", .vendor = "", .brand = ""},
    {.name = "qemu32", .vendor = INTEL, .brand = QEMU_BRAND, .family = 6, .model = 6, .stepping = 3,
     .level = 4, .xlevel = 0x80000004,
     .features = "fpu de pse tsc msr pae mce cx8 apic sep pge cmov pat mmx fxsr sse sse2 pni"},
    {.name = "qemu64", .vendor = AMD, .brand = QEMU_BRAND, .family = 15, .model = 107, .stepping = 1,
     .level = 13, .xlevel = 0x8000000a, .parent = "kvm64", .features = "lahf-lm svm"},
    {.name = "kvm64", .vendor = INTEL, .brand = "Common KVM processor", .family = 15, .model = 6,
     .stepping = 1, .level = 13, .xlevel = 0x80000008, .parent = "qemu32",
     .features = "mtrr mca pse36 clflush cx16 syscall nx lm"},
    {.name = "x86-64-v1", .vendor = AMD, .brand = "Konuk CPU (x86-64-v1)", .family = 15, .model = 107,
     .stepping = 1, .level = 13, .xlevel = 0x8000000a, .parent = "kvm64"},
    {.name = "x86-64-v2", .vendor = AMD, .brand = "Konuk CPU (x86-64-v2)", .family = 15, .model = 107,
     .stepping = 1, .level = 13, .xlevel = 0x8000000a, .parent = "x86-64-v1",
     .features = "lahf-lm popcnt sse4.1 sse4.2 ssse3"},
    {.name = "x86-64-v3", .vendor = AMD, .brand = "Konuk CPU (x86-64-v3)", .family = 15, .model = 107,
     .stepping = 1, .level = 13, .xlevel = 0x8000000a, .parent = "x86-64-v2",
     .features = "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave xsaveopt aes pclmulqdq"},
    {.name = "Nehalem", .vendor = INTEL, .brand = "Intel Core i7 9xx (Nehalem Class Core i7)",
     .family = 6, .model = 26, .stepping = 3, .level = 11, .xlevel = 0x80000008, .parent = "kvm64",
     .features = "ssse3 sse4.1 sse4.2 popcnt lahf-lm"},
    {.name = "Nehalem-IBRS", .alias_of = "Nehalem", .brand = "Intel Core i7 9xx (Nehalem Core i7, IBRS update)",
     .features = "spec-ctrl"},
    {.name = "Westmere", .vendor = INTEL, .brand = "Westmere E56xx/L56xx/X56xx (Nehalem-C)",
     .family = 6, .model = 44, .stepping = 1, .level = 11, .xlevel = 0x80000008, .parent = "Nehalem",
     .features = "pclmulqdq aes arat"},
    {.name = "SandyBridge", .vendor = INTEL, .brand = "Intel Xeon E312xx (Sandy Bridge)", .family = 6,
     .model = 42, .stepping = 1, .level = 13, .xlevel = 0x80000008, .parent = "Westmere",
     .features = "x2apic tsc-deadline xsave avx xsaveopt rdtscp"},
    {.name = "IvyBridge", .vendor = INTEL, .brand = "Intel Xeon E3-12xx v2 (Ivy Bridge)", .family = 6,
     .model = 58, .stepping = 9, .level = 13, .xlevel = 0x80000008, .parent = "SandyBridge",
     .features = "f16c rdrand fsgsbase smep erms"},
    {.name = "Haswell-noTSX", .vendor = INTEL, .brand = "Intel Core Processor (Haswell, no TSX)",
     .family = 6, .model = 60, .stepping = 1, .level = 13, .xlevel = 0x80000008,
     .parent = "IvyBridge", .features = "fma pcid movbe bmi1 avx2 bmi2 invpcid abm"},
    {.name = "Haswell", .vendor = INTEL, .brand = "Intel Core Processor (Haswell)", .family = 6,
     .model = 60, .stepping = 4, .level = 13, .xlevel = 0x80000008, .parent = "Haswell-noTSX",
     .features = "hle rtm"},
    {.name = "Haswell-IBRS", .alias_of = "Haswell", .brand = "Intel Core Processor (Haswell, IBRS)",
     .features = "spec-ctrl"},
    {.name = "Haswell-noTSX-IBRS", .alias_of = "Haswell-noTSX",
     .brand = "Intel Core Processor (Haswell, no TSX, IBRS)", .features = "spec-ctrl"},
    {.name = "Haswell-v1", .alias_of = "Haswell"},
    {.name = "Haswell-v2", .alias_of = "Haswell-noTSX"},
    {.name = "Haswell-v3", .alias_of = "Haswell-IBRS"},
    {.name = "Haswell-v4", .alias_of = "Haswell-noTSX-IBRS"},
    {.name = "Broadwell-noTSX", .vendor = INTEL, .brand = "Intel Core Processor (Broadwell, no TSX)",
     .family = 6, .model = 61, .stepping = 2, .level = 13, .xlevel = 0x80000008,
     .parent = "Haswell-noTSX", .features = "rdseed adx smap 3dnowprefetch"},
    {.name = "Broadwell", .vendor = INTEL, .brand = "Intel Core Processor (Broadwell)", .family = 6,
     .model = 61, .stepping = 2, .level = 13, .xlevel = 0x80000008, .parent = "Broadwell-noTSX",
     .features = "hle rtm"},
    {.name = "Skylake-Client", .vendor = INTEL, .brand = "Intel Core Processor (Skylake)", .family = 6,
     .model = 94, .stepping = 3, .level = 13, .xlevel = 0x80000008, .parent = "Broadwell",
     .features = "xsavec xgetbv1"},
    {.name = "Skylake-Client-IBRS", .alias_of = "Skylake-Client",
     .brand = "Intel Core Processor (Skylake, IBRS)", .features = "spec-ctrl"},
    {.name = "Skylake-Client-noTSX-IBRS", .alias_of = "Skylake-Client",
     .brand = "Intel Core Processor (Skylake, IBRS, no TSX)", .features = "spec-ctrl",
     .without = "hle rtm"},
    {.name = "Skylake-Client-v1", .alias_of = "Skylake-Client"},
    {.name = "Skylake-Client-v2", .alias_of = "Skylake-Client-IBRS"},
    {.name = "Skylake-Client-v3", .alias_of = "Skylake-Client-noTSX-IBRS"},
    {.name = "EPYC", .vendor = AMD, .brand = "AMD EPYC Processor", .family = 23, .model = 1,
     .stepping = 2, .level = 13, .xlevel = 0x8000001e, .parent = "Broadwell-noTSX",
     .features = "monitor clflushopt sha-ni xsavec xgetbv1 mmxext fxsr-opt pdpe1gb svm cr8legacy sse4a"
                 " misalignsse osvw topoext",
     .without = "pcid x2apic tsc-deadline erms invpcid"},
    {.name = "EPYC-IBPB", .alias_of = "EPYC", .brand = "AMD EPYC Processor (with IBPB)",
     .features = "ibpb"},
    {.name = "EPYC-v1", .alias_of = "EPYC"},
    {.name = "EPYC-v2", .alias_of = "EPYC-IBPB"},
    {.name = "EPYC-v3", .alias_of = "EPYC", .features = "ibpb xsaves perfctr-core clzero xsaveerptr"},
    {.name = "EPYC-Rome", .vendor = AMD, .brand = "AMD EPYC-Rome Processor", .family = 23, .model = 49,
     .stepping = 0, .level = 13, .xlevel = 0x8000001e, .parent = "EPYC-v3",
     .features = "clwb umip rdpid wbnoinvd amd-stibp"},
    {.name = "qemu32-v1", .alias_of = "qemu32"},
    {.name = "qemu64-v1", .alias_of = "qemu64"},
    {.name = "kvm64-v1", .alias_of = "kvm64"},
    {.name = "Nehalem-v1", .alias_of = "Nehalem"},
    {.name = "Nehalem-v2", .alias_of = "Nehalem-IBRS"},
    {.name = "EPYC-Rome-v1", .alias_of = "EPYC-Rome"},
    {0},
};

const struct x86_model_entry *x86_model_find(const char *name)
{
    for (const struct x86_model_entry *entry = x86_models; entry->name; entry++)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

// What a paravirtualized guest wants whatever its model, and what no engine does unless asked.
void x86_model_defaults(struct x86_model *model, const struct x86_support *support)
{
    struct x86_model extra = {0};
    x86_features_add(&extra, "hypervisor x2apic tsc-deadline tsc-adjust invtsc arat kvmclock"
                             " kvm-nopiodelay kvmclock-stable-bit");
    for (unsigned word = 0; word < X86_WORDS; word++)
        model->words[word] |= extra.words[word] & support->words[word];

    struct x86_model unwanted = {0};
    x86_features_add(&unwanted, "monitor svm acpi");
    for (unsigned word = 0; word < X86_WORDS; word++)
        model->words[word] &= ~(unwanted.words[word] & ~support->words[word]);
    if (!support->who)  // in software MWAIT hears of a store late: for those who ask
        x86_features_remove(model, "monitor");
}

void x86_model_no_mitigations(struct x86_model *model)
{
    x86_features_add(model, "arch-capabilities rdctl-no ibrs-all skip-l1dfl-vmentry ssb-no mds-no"
                            " pschange-mc-no taa-no sbdr-ssdp-no fbsdp-no psdp-no bhi-no pbrsb-no"
                            " gds-no rfds-no its-no");
    if (strcmp(model->vendor, AMD) == 0)
        x86_features_add(model, "ibrs amd-no-ssb btc-no srso-no");
}
