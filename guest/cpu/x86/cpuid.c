// SPDX-License-Identifier: GPL-2.0-or-later
//
// What CPUID answers, leaf by leaf (SDM volume 2 "CPUID", table 3-8; APM volume 3, appendix E).
#include "guest/cpu/x86/cpuid.h"

#include <string.h>

#include "guest/cpu/x86/state.h"

enum { BASE_ENABLED = 1 << 11 };  // IA32_APIC_BASE
enum { EDX_APIC = 1 << 9, EDX_HTT = 1 << 28, ECX_OSXSAVE = 1 << 27, ECX7_OSPKE = 1 << 4,
       ECX_CMP_LEGACY = 1 << 1 };
enum { D_XSAVEC = 1 << 1, D_XSAVES = 1 << 3 };
enum { XSAVE_LEGACY_BYTES = 512 + 64 };
// The bits of 1.EDX that AMD repeats in 0x80000001.EDX.
enum { EDX_ALIASED = 0x0183f3ff };
enum { KVM_LEAF = 0x40000000, KVM_LAST = 0x40000010 };
enum { BUS_HZ = 1000000000 };  // of the APIC timer; see apic.h

struct query {
    const struct x86_model *m;
    const struct x86_state *s;
    uint32_t leaf, subleaf;
};

static unsigned width(uint32_t count)
{
    return count <= 1 ? 0 : 32 - __builtin_clz(count - 1);
}

static unsigned core_shift(const struct x86_model *m) { return width(m->threads); }
static unsigned socket_shift(const struct x86_model *m) { return core_shift(m) + width(m->cores); }
static uint32_t threads_per_socket(const struct x86_model *m) { return m->cores * m->threads; }
static bool is_amd(const struct x86_model *m) { return strcmp(m->vendor, "AuthenticAMD") == 0; }

uint32_t x86_apic_id(const struct x86_model *m, unsigned index)
{
    uint32_t thread = index % m->threads, core = index / m->threads % m->cores;
    uint32_t socket = index / threads_per_socket(m);
    return socket << socket_shift(m) | core << core_shift(m) | thread;
}

static uint32_t signature(const struct x86_model *m)
{
    uint32_t family = m->family < 15 ? m->family : 15, extended = m->family - family;
    return extended << 20 | (m->model >> 4) << 16 | family << 8 | (m->model & 15) << 4 | m->stepping;
}

static uint32_t text_word(const char *text, unsigned at)
{
    uint32_t word;
    memcpy(&word, text + at, 4);
    return word;
}

static struct x86_cpuid vendor_leaf(const struct x86_model *m, uint32_t level)
{
    return (struct x86_cpuid){level, text_word(m->vendor, 0), text_word(m->vendor, 8),
                              text_word(m->vendor, 4)};
}

static struct x86_cpuid leaf_1(const struct query *q)
{
    uint32_t logical = threads_per_socket(q->m);
    struct x86_cpuid r = {.eax = signature(q->m), .ecx = q->m->words[X86_1_ECX],
                          .edx = q->m->words[X86_1_EDX]};
    r.ebx = q->s->apic.id << 24 | (logical & 0xff) << 16 | 64 / 8 << 8;  // CLFLUSH: 64 bytes
    if (q->s->cr4 & CR4_OSXSAVE)
        r.ecx |= ECX_OSXSAVE;
    if (!(q->s->apic.base & BASE_ENABLED))
        r.edx &= ~(uint32_t)EDX_APIC;
    if (logical > 1)
        r.edx |= EDX_HTT;
    return r;
}

// MONITOR watches a line of 64 bytes; MWAIT has one state, C1, and may let masked interrupts end it.
static struct x86_cpuid leaf_5(const struct x86_model *m)
{
    enum { EXTENSIONS = 1, INTERRUPTS_BREAK = 2, ONE_C1 = 1 << 4 };
    bool monitor = x86_has(m, X86_1_ECX, 3);
    return monitor ? (struct x86_cpuid){64, 64, EXTENSIONS | INTERRUPTS_BREAK, ONE_C1} : (struct x86_cpuid){0};
}

static struct x86_cpuid leaf_7(const struct query *q)
{
    const uint32_t *words = q->m->words;
    if (q->subleaf == 1)
        return (struct x86_cpuid){.eax = words[X86_7_1_EAX]};
    if (q->subleaf != 0)
        return (struct x86_cpuid){0};
    struct x86_cpuid r = {words[X86_7_1_EAX] ? 1 : 0, words[X86_7_EBX], words[X86_7_ECX], words[X86_7_EDX]};
    if (q->s->cr4 & CR4_PKE)
        r.ecx |= ECX7_OSPKE;
    return r;
}

// The caches that leaves 4 and 0x8000001D, 0x80000005 and 0x80000006 tell of.
enum { CACHE_DATA = 1, CACHE_CODE = 2, CACHE_UNIFIED = 3, CACHES = 4 };
static const struct cache { uint8_t type, level; uint16_t ways; uint32_t size_kib; } caches[CACHES] = {
    {CACHE_DATA, 1, 8, 32}, {CACHE_CODE, 1, 8, 32}, {CACHE_UNIFIED, 2, 8, 512}, {CACHE_UNIFIED, 3, 16, 16384},
};

// The first three belong to a core, the last to a socket.
static struct x86_cpuid cache_leaf(const struct query *q, bool intel)
{
    if (q->subleaf >= CACHES)
        return (struct x86_cpuid){0};
    const struct cache *c = &caches[q->subleaf];
    unsigned sharing = c->level == 3 ? socket_shift(q->m) : core_shift(q->m);
    uint32_t sets = c->size_kib * 1024 / 64 / c->ways;
    struct x86_cpuid r = {
        .eax = c->type | c->level << 5 | 1 << 8 | ((1u << sharing) - 1) << 14,
        .ebx = 63 | (c->ways - 1u) << 22,
        .ecx = sets - 1,
    };
    if (intel)
        r.eax |= ((1u << width(q->m->cores)) - 1) << 26;
    return r;
}

static struct x86_cpuid leaf_0b(const struct query *q)
{
    struct x86_cpuid r = {.ecx = q->subleaf & 0xff, .edx = q->s->apic.id};
    enum { LEVEL_SMT = 1, LEVEL_CORE = 2 };
    if (q->subleaf == 0) {
        r.eax = core_shift(q->m);
        r.ebx = q->m->threads;
        r.ecx |= LEVEL_SMT << 8;
    } else if (q->subleaf == 1) {
        r.eax = socket_shift(q->m);
        r.ebx = threads_per_socket(q->m);
        r.ecx |= LEVEL_CORE << 8;
    }
    return r;
}

// The standard layout: each component has a place, whatever else is enabled (SDM volume 1, 13.4.1).
static const struct component { uint16_t offset, size_bytes; } components[] = {
    [2] = {576, 256}, [3] = {960, 64}, [4] = {1024, 64}, [5] = {1088, 64}, [6] = {1152, 512},
    [7] = {1664, 1024}, [9] = {2688, 8},
};
enum { COMPONENTS = sizeof(components) / sizeof(components[0]) };

static uint32_t standard_bytes(uint64_t xcr0)
{
    uint32_t bytes = XSAVE_LEGACY_BYTES;
    for (unsigned i = 2; i < COMPONENTS; i++)
        if (xcr0 >> i & 1)
            bytes = components[i].offset + components[i].size_bytes;
    return bytes;
}

static uint32_t compacted_bytes(uint64_t xcr0)
{
    uint32_t bytes = XSAVE_LEGACY_BYTES;
    for (unsigned i = 2; i < COMPONENTS; i++)
        if (xcr0 >> i & 1)
            bytes += components[i].size_bytes;
    return bytes;
}

static struct x86_cpuid leaf_0d_1(const struct query *q)
{
    uint32_t features = q->m->words[X86_D_1_EAX];
    struct x86_cpuid r = {.eax = features};
    if (features & (D_XSAVEC | D_XSAVES))
        r.ebx = compacted_bytes(q->s->xcr0 | q->s->xss);
    return r;
}

static struct x86_cpuid leaf_0d(const struct query *q)
{
    uint64_t possible = q->m->xcr0;
    if (!possible || q->subleaf >= COMPONENTS)
        return (struct x86_cpuid){0};
    if (q->subleaf == 0)
        return (struct x86_cpuid){possible, standard_bytes(q->s->xcr0), standard_bytes(possible),
                                  possible >> 32};
    if (q->subleaf == 1)
        return leaf_0d_1(q);
    if (!(possible >> q->subleaf & 1))
        return (struct x86_cpuid){0};
    const struct component *c = &components[q->subleaf];
    return (struct x86_cpuid){c->size_bytes, c->offset, 0, 0};
}

// The crystal is the bus of the APIC timer; the TSC is its multiple by ebx / eax.
static struct x86_cpuid leaf_15(const struct x86_model *m)
{
    if (!m->tsc_hz)
        return (struct x86_cpuid){0};
    return (struct x86_cpuid){BUS_HZ / 1000, m->tsc_hz / 1000, BUS_HZ, 0};
}

static struct x86_cpuid leaf_16(const struct x86_model *m)
{
    uint32_t mhz = m->tsc_hz / 1000000;
    return m->tsc_hz ? (struct x86_cpuid){mhz, mhz, 100, 0} : (struct x86_cpuid){0};
}

static struct x86_cpuid basic_leaf(const struct query *q)
{
    switch (q->leaf) {
    case 0:
        return vendor_leaf(q->m, q->m->level);
    case 1:
        return leaf_1(q);
    case 2:  // "see leaf 4" (descriptor 0xff)
        return is_amd(q->m) ? (struct x86_cpuid){0} : (struct x86_cpuid){.eax = 0xff01};
    case 4:
        return is_amd(q->m) ? (struct x86_cpuid){0} : cache_leaf(q, true);
    case 5:
        return leaf_5(q->m);
    case 6:
        return (struct x86_cpuid){.eax = q->m->words[X86_6_EAX]};
    case 7:
        return leaf_7(q);
    case 0xb:
        return leaf_0b(q);
    case 0xd:
        return leaf_0d(q);
    case 0x15:
        return leaf_15(q->m);
    case 0x16:
        return leaf_16(q->m);
    default:  // 9, 0xa, 0x14: no cache access, no counters, no trace
        return (struct x86_cpuid){0};
    }
}

// Linux, Documentation/virt/kvm/x86/cpuid.rst; 0x40000010 is VMware's leaf of frequencies in kHz.
static struct x86_cpuid hypervisor_leaf(const struct query *q)
{
    static const char kvm[12] = "KVMKVMKVM";
    switch (q->leaf) {
    case KVM_LEAF:
        return (struct x86_cpuid){KVM_LAST, text_word(kvm, 0), text_word(kvm, 4), text_word(kvm, 8)};
    case KVM_LEAF + 1:
        return (struct x86_cpuid){.eax = q->m->words[X86_40000001_EAX]};
    case KVM_LAST:
        if (q->m->tsc_hz)
            return (struct x86_cpuid){.eax = q->m->tsc_hz / 1000, .ebx = BUS_HZ / 1000};
        return (struct x86_cpuid){0};
    default:
        return (struct x86_cpuid){0};
    }
}

static struct x86_cpuid leaf_80000001(const struct query *q)
{
    struct x86_cpuid r = {.ecx = q->m->words[X86_80000001_ECX], .edx = q->m->words[X86_80000001_EDX]};
    if (!is_amd(q->m))
        return r;
    r.eax = signature(q->m);
    r.edx |= leaf_1(q).edx & EDX_ALIASED;
    if (threads_per_socket(q->m) > 1)
        r.ecx |= ECX_CMP_LEGACY;
    return r;
}

static struct x86_cpuid brand_leaf(const struct query *q)
{
    unsigned at = (q->leaf - 0x80000002) * 16;
    return (struct x86_cpuid){text_word(q->m->brand, at), text_word(q->m->brand, at + 4),
                              text_word(q->m->brand, at + 8), text_word(q->m->brand, at + 12)};
}

// L1: KiB, ways, one line a tag, bytes a line. The TLBs are invented.
static struct x86_cpuid leaf_80000005(const struct x86_model *m)
{
    uint32_t l1 = 32u << 24 | 8 << 16 | 1 << 8 | 64;
    return is_amd(m) ? (struct x86_cpuid){0xff20ff20, 0xff20ff20, l1, l1} : (struct x86_cpuid){0};
}

// L2 in KiB, L3 in 512 KiB; 6 stands for 8 ways, 8 for 16.
static struct x86_cpuid leaf_80000006(const struct x86_model *m)
{
    uint32_t l2 = caches[2].size_kib << 16 | 6 << 12 | 1 << 8 | 64;
    uint32_t l3 = (caches[3].size_kib / 512) << 18 | 8 << 12 | 1 << 8 | 64;
    return is_amd(m) ? (struct x86_cpuid){0x42004200, 0x42004200, l2, l3} : (struct x86_cpuid){.ecx = l2};
}

static struct x86_cpuid leaf_80000008(const struct x86_model *m)
{
    struct x86_cpuid r = {.eax = m->physical_bits | m->linear_bits << 8, .ebx = m->words[X86_80000008_EBX]};
    if (is_amd(m))
        r.ecx = (threads_per_socket(m) - 1) | socket_shift(m) << 12;
    return r;
}

static struct x86_cpuid leaf_8000001e(const struct query *q)
{
    uint32_t id = q->s->apic.id, core = id >> core_shift(q->m) & ((1u << width(q->m->cores)) - 1);
    return (struct x86_cpuid){id, core | (q->m->threads - 1) << 8, id >> socket_shift(q->m) & 0xff, 0};
}

static struct x86_cpuid extended_leaf(const struct query *q)
{
    bool topology = x86_has(q->m, X86_80000001_ECX, 22) && is_amd(q->m);
    switch (q->leaf) {
    case 0x80000000:
        return vendor_leaf(q->m, q->m->xlevel);
    case 0x80000001:
        return leaf_80000001(q);
    case 0x80000002: case 0x80000003: case 0x80000004:
        return brand_leaf(q);
    case 0x80000005:
        return leaf_80000005(q->m);
    case 0x80000006:
        return leaf_80000006(q->m);
    case 0x80000007:
        return (struct x86_cpuid){.edx = q->m->words[X86_80000007_EDX]};
    case 0x80000008:
        return leaf_80000008(q->m);
    case 0x8000001d:
        return topology ? cache_leaf(q, false) : (struct x86_cpuid){0};
    case 0x8000001e:
        return topology ? leaf_8000001e(q) : (struct x86_cpuid){0};
    case 0x80000021:
        return (struct x86_cpuid){.eax = q->m->words[X86_80000021_EAX]};
    default:
        return (struct x86_cpuid){0};
    }
}

// Leaves 0x15 and 0x16 are shown where the frequency is known, whatever the model's level was.
static uint32_t basic_level(const struct x86_model *m)
{
    return m->tsc_hz && m->level >= 0xd && m->level < 0x16 ? 0x16 : m->level;
}

struct x86_cpuid x86_cpuid(const struct x86_model *model, const struct x86_state *state,
                           uint32_t leaf, uint32_t subleaf)
{
    struct query q = {.m = model, .s = state, .leaf = leaf, .subleaf = subleaf};
    if (leaf >= 0x80000000 && leaf <= model->xlevel)
        return extended_leaf(&q);
    if (leaf >= KVM_LEAF && leaf <= KVM_LAST && model->hypervisor)
        return hypervisor_leaf(&q);
    if (leaf <= basic_level(model)) {
        struct x86_cpuid r = basic_leaf(&q);
        r.eax = leaf == 0 ? basic_level(model) : r.eax;
        return r;
    }
    if (is_amd(model))
        return (struct x86_cpuid){0};
    q.leaf = basic_level(model);  // Intel: the highest basic leaf answers for all others
    return basic_leaf(&q);
}
