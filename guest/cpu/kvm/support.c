// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the host's KVM lets a guest have (KVM_GET_SUPPORTED_CPUID), less what x86_state has no
// place for: a feature with registers that a snapshot would lose isn't offered.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/cpu/kvm/engine.h"
#include "guest/cpu/kvm/internal.h"

enum { CPUID_ENTRIES = 256 };
struct cpuid_table {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entries[CPUID_ENTRIES];
};

enum cpuid_register { EAX, EBX, ECX, EDX };

#define KVM_FEATURES_KEPT (BIT(0) | BIT(1) | BIT(3) | BIT(6) | BIT(7) | BIT(24))

// without: what is left out, and why.
static const struct word {
    uint32_t leaf, subleaf;
    enum cpuid_register reg;
    uint32_t without;
} words[X86_WORDS] = {
    [X86_1_EDX] = {1, 0, EDX, 0},
    // VMX; PDCM (performance counters)
    [X86_1_ECX] = {1, 0, ECX, BIT(5) | BIT(15)},
    // SGX, MPX, Intel PT; AVX-512: F, DQ, IFMA, PF, ER, CD, BW, VL
    [X86_7_EBX] = {7, 0, EBX, BIT(2) | BIT(14) | BIT(25) | BIT(16) | BIT(17) | BIT(21) | BIT(26) |
                              BIT(27) | BIT(28) | BIT(30) | BIT(31)},
    // protection keys, shadow stacks, SGX_LC, supervisor keys, UMWAIT; AVX-512's parts
    [X86_7_ECX] = {7, 0, ECX, BIT(3) | BIT(4) | BIT(7) | BIT(30) | BIT(31) | BIT(5) |
                              BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14)},
    // user interrupts, IBT, AMX; AVX-512's parts
    [X86_7_EDX] = {7, 0, EDX, BIT(5) | BIT(20) | BIT(22) | BIT(24) | BIT(25) | BIT(2) | BIT(3) |
                              BIT(8) | BIT(23)},
    // AVX512_BF16, FRED, LKGS, AMX_FP16, LAM
    [X86_7_1_EAX] = {7, 1, EAX, BIT(5) | BIT(17) | BIT(18) | BIT(21) | BIT(26)},
    // XFD
    [X86_D_1_EAX] = {0xd, 1, EAX, BIT(4)},
    [X86_80000001_EDX] = {0x80000001, 0, EDX, 0},
    // SVM, IBS, SKINIT, LWP, performance counters
    [X86_80000001_ECX] = {0x80000001, 0, ECX, BIT(2) | BIT(10) | BIT(12) | BIT(15) | BIT(23) |
                                              BIT(24) | BIT(28)},
    [X86_80000007_EDX] = {0x80000007, 0, EDX, 0},
    // VIRT_SSBD (its own MSR)
    [X86_80000008_EBX] = {0x80000008, 0, EBX, BIT(25)},
    // all but the clock, the I/O delay hint, PV EOI, PV unhalt, and the clock's stable bit
    [X86_40000001_EAX] = {0x40000001, 0, EAX, ~(uint32_t)KVM_FEATURES_KEPT},
    [X86_6_EAX] = {6, 0, EAX, ~(uint32_t)BIT(2)},  // all but ARAT
};

static uint32_t find(const struct cpuid_table *t, uint32_t leaf, uint32_t subleaf, enum cpuid_register reg)
{
    for (unsigned i = 0; i < t->head.nent; i++) {
        const struct kvm_cpuid_entry2 *e = &t->entries[i];
        bool has_subleaf = e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
        if (e->function == leaf && (!has_subleaf || e->index == subleaf))
            return (const uint32_t[]){e->eax, e->ebx, e->ecx, e->edx}[reg];
    }
    return 0;
}

static bool has(int kvm, int capability)
{
    return ioctl(kvm, KVM_CHECK_EXTENSION, (unsigned long)capability) > 0;
}

// What the kernel's local APIC gives does not stand in the table of every kernel.
static void add_from_lapic(struct x86_support *s, int kvm)
{
    s->words[X86_1_ECX] |= BIT(21) | BIT(31);  // x2APIC; a hypervisor is there
    if (has(kvm, KVM_CAP_TSC_DEADLINE_TIMER))
        s->words[X86_1_ECX] |= BIT(24);
    s->words[X86_6_EAX] |= BIT(2);  // KVM's APIC timer never stops
}

static int check(int kvm, struct err *err)
{
    static const struct { int capability; const char *name; } needed[] = {
        {KVM_CAP_SPLIT_IRQCHIP, "split interrupt controllers"}, {KVM_CAP_SIGNAL_MSI, "MSIs"},
        {KVM_CAP_IRQ_ROUTING, "interrupt routes"}, {KVM_CAP_IMMEDIATE_EXIT, "immediate exit"},
        {KVM_CAP_X2APIC_API, "32-bit APIC ids"}, {KVM_CAP_XSAVE, "XSAVE"}, {KVM_CAP_XCRS, "XCR0"},
        {KVM_CAP_DEBUGREGS, "debug registers"}, {KVM_CAP_VCPU_EVENTS, "vCPU events"},
        {KVM_CAP_ADJUST_CLOCK, "a clock that can be set"}, {KVM_CAP_READONLY_MEM, "read-only memory"},
        {KVM_CAP_SET_GUEST_DEBUG, "guest debugging"}, {KVM_CAP_MP_STATE, "the multiprocessor state"},
    };
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return err_set(err, -ENOTSUP, "kvm: the kernel's interface is not version %d", KVM_API_VERSION);
    for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
        if (!has(kvm, needed[i].capability))
            return err_set(err, -ENOTSUP, "kvm: the kernel's KVM lacks %s", needed[i].name);
    return 0;
}

static int read_support(int kvm, struct x86_support *s, struct err *err)
{
    struct cpuid_table table = {.head.nent = CPUID_ENTRIES};
    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &table))
        return err_set(err, -errno, "kvm: supported CPUID: %s", strerror(errno));
    for (unsigned i = 0; i < X86_WORDS; i++)
        s->words[i] = find(&table, words[i].leaf, words[i].subleaf, words[i].reg) & ~words[i].without;
    s->xcr0 = find(&table, 0xd, 0, EAX) & (XCR0_X87 | XCR0_SSE | XCR0_AVX);
    add_from_lapic(s, kvm);
    return 0;
}

const struct x86_support *kvm_support(struct err *err)
{
    static struct x86_support support;
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        err_set(err, -errno, "Could not access KVM kernel module: %s", strerror(errno));
        return NULL;
    }
    int error = check(kvm, err);
    if (!error)
        error = read_support(kvm, &support, err);
    close(kvm);
    return error ? NULL : &support;
}

// ---- a vCPU's answers

static void add(struct cpuid_table *t, struct kvm_vcpu *v, uint32_t leaf, uint32_t subleaf, bool by_subleaf)
{
    if (t->head.nent == CPUID_ENTRIES)
        return;
    struct x86_cpuid c = x86_cpuid(v->vcpu.engine->config.model, &v->state, leaf, subleaf);
    t->entries[t->head.nent++] = (struct kvm_cpuid_entry2){
        .function = leaf, .index = subleaf, .flags = by_subleaf ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
        .eax = c.eax, .ebx = c.ebx, .ecx = c.ecx, .edx = c.edx,
    };
}

// Leaves whose answer depends on ECX, and how many subleaves are asked for at most (SDM, CPUID).
static unsigned subleaves(uint32_t leaf)
{
    switch (leaf) {
    case 4: case 0x8000001d: return 8;
    case 7: return 2;
    case 0xb: case 0x1f: return 4;
    case 0xd: return 64;
    default: return 0;
    }
}

static bool is_empty(const struct kvm_cpuid_entry2 *e)
{
    return !e->eax && !e->ebx && !e->ecx && !e->edx;
}

static void add_leaf(struct cpuid_table *t, struct kvm_vcpu *v, uint32_t leaf)
{
    if (!subleaves(leaf))
        add(t, v, leaf, 0, false);
    for (unsigned i = 0; i < subleaves(leaf); i++) {
        add(t, v, leaf, i, true);
        // Leaves 0 and 1 of 0xD mean something when they are zero; a hole in it is just absent.
        if (leaf == 0xd && i > 1 && is_empty(&t->entries[t->head.nent - 1]))
            t->head.nent--;
    }
}

static void add_range(struct cpuid_table *t, struct kvm_vcpu *v, uint32_t first, uint32_t most)
{
    uint32_t last = x86_cpuid(v->vcpu.engine->config.model, &v->state, first, 0).eax;
    if (last < first)
        last = first;
    for (uint32_t leaf = first; leaf <= last && leaf <= first + most; leaf++)
        add_leaf(t, v, leaf);
}

int kvm_set_cpuid(struct kvm_vcpu *v, struct err *err)
{
    struct cpuid_table table = {0};
    add_range(&table, v, 0, 0x20);
    if (v->vcpu.engine->config.model->hypervisor)
        add_range(&table, v, 0x40000000, 0x10);
    add_range(&table, v, 0x80000000, 0x22);
    if (ioctl(v->fd, KVM_SET_CPUID2, &table))
        return err_set(err, -errno, "kvm: vCPU %u: CPUID: %s", v->vcpu.index, strerror(errno));
    return 0;
}
