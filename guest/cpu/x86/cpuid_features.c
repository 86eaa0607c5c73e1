// SPDX-License-Identifier: GPL-2.0-or-later
//
// The names of feature bits (SDM volume 2 "CPUID", APM volume 3 appendix E; the KVM leaf: Linux,
// Documentation/virt/kvm/x86/cpuid.rst).
#include "guest/cpu/x86/cpuid_features.h"

#include <string.h>

static const char *const names[X86_NAMED_WORDS][64] = {
    [X86_1_EDX] = {
        [0] = "fpu", [1] = "vme", [2] = "de", [3] = "pse", [4] = "tsc", [5] = "msr", [6] = "pae",
        [7] = "mce", [8] = "cx8", [9] = "apic", [11] = "sep", [12] = "mtrr", [13] = "pge",
        [14] = "mca", [15] = "cmov", [16] = "pat", [17] = "pse36", [18] = "pn", [19] = "clflush",
        [21] = "ds", [22] = "acpi", [23] = "mmx", [24] = "fxsr", [25] = "sse", [26] = "sse2",
        [27] = "ss", [28] = "ht", [29] = "tm", [30] = "ia64", [31] = "pbe",
    },
    [X86_1_ECX] = {
        [0] = "pni", [1] = "pclmulqdq", [2] = "dtes64", [3] = "monitor", [4] = "ds-cpl",
        [5] = "vmx", [6] = "smx", [7] = "est", [8] = "tm2", [9] = "ssse3", [10] = "cid",
        [12] = "fma", [13] = "cx16", [14] = "xtpr", [15] = "pdcm", [17] = "pcid", [18] = "dca",
        [19] = "sse4.1", [20] = "sse4.2", [21] = "x2apic", [22] = "movbe", [23] = "popcnt",
        [24] = "tsc-deadline", [25] = "aes", [26] = "xsave", [28] = "avx", [29] = "f16c",
        [30] = "rdrand", [31] = "hypervisor",
    },
    [X86_7_EBX] = {
        [0] = "fsgsbase", [1] = "tsc-adjust", [2] = "sgx", [3] = "bmi1", [4] = "hle", [5] = "avx2",
        [7] = "smep", [8] = "bmi2", [9] = "erms", [10] = "invpcid", [11] = "rtm", [14] = "mpx",
        [16] = "avx512f", [17] = "avx512dq", [18] = "rdseed", [19] = "adx", [20] = "smap",
        [21] = "avx512ifma", [22] = "pcommit", [23] = "clflushopt", [24] = "clwb",
        [25] = "intel-pt", [26] = "avx512pf", [27] = "avx512er", [28] = "avx512cd",
        [29] = "sha-ni", [30] = "avx512bw", [31] = "avx512vl",
    },
    [X86_7_ECX] = {
        [1] = "avx512vbmi", [2] = "umip", [3] = "pku", [5] = "waitpkg", [6] = "avx512vbmi2",
        [8] = "gfni", [9] = "vaes", [10] = "vpclmulqdq", [11] = "avx512vnni",
        [12] = "avx512bitalg", [14] = "avx512-vpopcntdq", [16] = "la57", [22] = "rdpid",
        [24] = "bus-lock-detect", [25] = "cldemote", [27] = "movdiri", [28] = "movdir64b",
        [30] = "sgxlc", [31] = "pks",
    },
    [X86_7_EDX] = {
        [2] = "avx512-4vnniw", [3] = "avx512-4fmaps", [4] = "fsrm", [8] = "avx512-vp2intersect",
        [10] = "md-clear", [14] = "serialize", [16] = "tsx-ldtrk", [19] = "arch-lbr",
        [22] = "amx-bf16", [23] = "avx512-fp16", [24] = "amx-tile", [25] = "amx-int8",
        [26] = "spec-ctrl", [27] = "stibp", [29] = "arch-capabilities", [30] = "core-capability",
        [31] = "ssbd",
    },
    [X86_7_1_EAX] = {
        [4] = "avx-vnni", [5] = "avx512-bf16",
    },
    [X86_D_1_EAX] = {
        [0] = "xsaveopt", [1] = "xsavec", [2] = "xgetbv1", [3] = "xsaves", [4] = "xfd",
    },
    [X86_80000001_EDX] = {
        [11] = "syscall", [20] = "nx", [22] = "mmxext", [25] = "fxsr-opt", [26] = "pdpe1gb",
        [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow",
    },
    [X86_80000001_ECX] = {
        [0] = "lahf-lm", [1] = "cmp-legacy", [2] = "svm", [3] = "extapic", [4] = "cr8legacy",
        [5] = "abm", [6] = "sse4a", [7] = "misalignsse", [8] = "3dnowprefetch", [9] = "osvw",
        [10] = "ibs", [11] = "xop", [12] = "skinit", [13] = "wdt", [15] = "lwp", [16] = "fma4",
        [17] = "tce", [19] = "nodeid-msr", [21] = "tbm", [22] = "topoext", [23] = "perfctr-core",
        [24] = "perfctr-nb",
    },
    [X86_80000007_EDX] = {
        [8] = "invtsc",
    },
    [X86_80000008_EBX] = {
        [0] = "clzero", [2] = "xsaveerptr", [9] = "wbnoinvd", [12] = "ibpb", [14] = "ibrs",
        [15] = "amd-stibp", [24] = "amd-ssbd", [25] = "virt-ssbd", [26] = "amd-no-ssb",
        [29] = "btc-no",
    },
    [X86_40000001_EAX] = {
        [0] = "kvmclock-old", [1] = "kvm-nopiodelay", [2] = "kvm-mmu", [3] = "kvmclock",
        [4] = "kvm-asyncpf", [5] = "kvm-steal-time", [6] = "kvm-pv-eoi", [7] = "kvm-pv-unhalt",
        [9] = "kvm-pv-tlb-flush", [11] = "kvm-pv-ipi", [12] = "kvm-poll-control",
        [13] = "kvm-pv-sched-yield", [14] = "kvm-asyncpf-int", [15] = "kvm-msi-ext-dest-id",
        [24] = "kvmclock-stable-bit",
    },
    [X86_6_EAX] = {
        [2] = "arat",
    },
    [X86_80000021_EAX] = {
        [2] = "lfence-always-serializing", [6] = "null-sel-clr-base", [8] = "auto-ibrs",
        [29] = "srso-no",
    },
    [X86_ARCH_CAPABILITIES] = {
        [0] = "rdctl-no", [1] = "ibrs-all", [2] = "rsba", [3] = "skip-l1dfl-vmentry",
        [4] = "ssb-no", [5] = "mds-no", [6] = "pschange-mc-no", [7] = "tsx-ctrl", [8] = "taa-no",
        [13] = "sbdr-ssdp-no", [14] = "fbsdp-no", [15] = "psdp-no", [17] = "fb-clear",
        [20] = "bhi-no", [24] = "pbrsb-no", [26] = "gds-no", [27] = "rfds-no", [62] = "its-no",
    },
};

static const char *const word_texts[X86_NAMED_WORDS] = {
    [X86_1_EDX] = "CPUID.01H:EDX", [X86_1_ECX] = "CPUID.01H:ECX",
    [X86_7_EBX] = "CPUID.07H:EBX", [X86_7_ECX] = "CPUID.07H:ECX", [X86_7_EDX] = "CPUID.07H:EDX",
    [X86_7_1_EAX] = "CPUID.07H:EAX", [X86_D_1_EAX] = "CPUID.0DH:EAX",
    [X86_80000001_EDX] = "CPUID.80000001H:EDX", [X86_80000001_ECX] = "CPUID.80000001H:ECX",
    [X86_80000007_EDX] = "CPUID.80000007H:EDX", [X86_80000008_EBX] = "CPUID.80000008H:EBX",
    [X86_40000001_EAX] = "CPUID.40000001H:EAX", [X86_6_EAX] = "CPUID.06H:EAX",
    [X86_80000021_EAX] = "CPUID.80000021H:EAX", [X86_ARCH_CAPABILITIES] = "MSR(10AH)",
};

// Other spellings that QEMU knows.
static const struct { const char *name, *is; } aliases[] = {
    {"sse3", "pni"}, {"sse4-1", "sse4.1"}, {"sse4-2", "sse4.2"}, {"xd", "nx"}, {"i64", "lm"},
    {"ffxsr", "fxsr-opt"}, {"pclmuldq", "pclmulqdq"},
};

enum { KVMCLOCK_OLD = 0, KVMCLOCK = 3 };  // two sets of MSR numbers of one feature

const char *x86_word_text(unsigned word)
{
    return word_texts[word];
}

const char *x86_feature_name(unsigned word, unsigned bit)
{
    return names[word][bit];
}

static bool same_name(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((a[i] == '_' ? '-' : a[i]) != b[i])
            return false;
    return b[length] == 0;
}

static const char *resolve(const char *name, size_t *length)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (same_name(name, aliases[i].name, *length)) {
            *length = strlen(aliases[i].is);
            return aliases[i].is;
        }
    }
    return name;
}

bool x86_feature_find(const char *name, size_t length, struct x86_feature *feature)
{
    name = resolve(name, &length);
    for (unsigned word = 0; word < X86_NAMED_WORDS; word++)
        for (unsigned bit = 0; bit < 64; bit++)
            if (names[word][bit] && same_name(name, names[word][bit], length)) {
                *feature = (struct x86_feature){word, bit};
                return true;
            }
    return false;
}

static void set_bit(struct x86_model *m, unsigned word, unsigned bit, bool on)
{
    uint64_t mask = UINT64_C(1) << bit;
    if (word == X86_ARCH_CAPABILITIES)
        m->arch_capabilities = on ? m->arch_capabilities | mask : m->arch_capabilities & ~mask;
    else
        m->words[word] = on ? m->words[word] | mask : m->words[word] & ~mask;
}

void x86_feature_set(struct x86_model *m, struct x86_feature feature, bool on)
{
    set_bit(m, feature.word, feature.bit, on);
    if (feature.word == X86_40000001_EAX && feature.bit == KVMCLOCK)
        set_bit(m, feature.word, KVMCLOCK_OLD, on);
}

static void set_all(struct x86_model *m, const char *list, bool on)
{
    while (list && *list) {
        size_t length = strcspn(list, " ");
        struct x86_feature feature;
        if (x86_feature_find(list, length, &feature))
            x86_feature_set(m, feature, on);
        list += length;
        list += strspn(list, " ");
    }
}

void x86_features_add(struct x86_model *m, const char *list)
{
    set_all(m, list, true);
}

void x86_features_remove(struct x86_model *m, const char *list)
{
    set_all(m, list, false);
}

void x86_model_features(struct x86_model *m, const struct x86_model_entry *entry)
{
    const char *from = entry->alias_of ? entry->alias_of : entry->parent;
    const struct x86_model_entry *parent = from ? x86_model_find(from) : NULL;
    if (parent)
        x86_model_features(m, parent);
    set_all(m, entry->features, true);
    set_all(m, entry->without, false);
}

void x86_support_software(struct x86_support *support)
{
    struct x86_model m = {0};
    x86_features_add(&m, "apic tsc msr mce mca mtrr pat x2apic tsc-deadline tsc-adjust hypervisor arat"
                         " invtsc arch-capabilities spec-ctrl stibp ssbd ibrs ibpb amd-stibp amd-ssbd"
                         " amd-no-ssb btc-no srso-no kvmclock kvm-nopiodelay kvmclock-stable-bit"
                         " topoext cmp-legacy ht osvw");
    for (unsigned word = 0; word < X86_WORDS; word++)
        support->words[word] |= m.words[word];
}
