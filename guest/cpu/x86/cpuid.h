// SPDX-License-Identifier: GPL-2.0-or-later
//
// CPU models: what CPUID answers (SDM volume 2 "CPUID"; APM volume 3, appendix E). A model is a
// named set of features, as QEMU's -cpu names them, cut down to what the engine supports. Topology
// and the sizes of leaf 0xD are computed at each query.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct x86_state;

// MAXPHYADDR of every model, as the page walk and the MSRs check it. Where an engine maps less or
// more, it is this that must change, not a model.
enum { X86_PHYSICAL_BITS = 40 };

// Feature words, with their CPUID leaf and register.
enum x86_word { X86_1_EDX, X86_1_ECX, X86_7_EBX, X86_7_ECX, X86_7_EDX, X86_7_1_EAX, X86_D_1_EAX,
                X86_80000001_EDX, X86_80000001_ECX, X86_80000007_EDX, X86_80000008_EBX,
                X86_40000001_EAX, X86_6_EAX, X86_80000021_EAX, X86_WORDS };

struct x86_model {
    char name[32];
    char vendor[13];
    char brand[49];
    uint8_t family, model, stepping;  // as displayed, extended parts included
    uint32_t words[X86_WORDS];
    uint64_t xcr0;                     // the XCR0 bits that a guest may set
    uint8_t physical_bits, linear_bits;
    bool hypervisor;                   // shows leaf 0x40000000 with the KVM signature
    uint32_t sockets, cores, threads;  // per the machine, per socket, per core
    uint64_t tsc_hz;                   // leaf 0x15 and 0x40000010; 0: unknown
    uint32_t level, xlevel;            // the highest basic and extended leaf
    uint64_t arch_capabilities;        // IA32_ARCH_CAPABILITIES, if the feature is there
};

// Canonical for this CPU's width, whatever CR4.LA57 is: what MSRs and the bases of segments and tables must be (SDM
// volume 3, 4.5).
static inline bool x86_is_canonical_base(const struct x86_model *model, uint64_t address)
{
    unsigned unused = 64 - model->linear_bits;
    return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

// What an engine can do: a model's words are masked with these.
struct x86_support {
    uint32_t words[X86_WORDS];
    uint64_t xcr0;
    // "host" for an engine on hardware; null for software. Warnings name it (software is "TCG", as in
    // QEMU), and only software's guests are told by default that they need no mitigations.
    const char *who;
};

// Parses -cpu's value: "max", "qemu64,+avx2,-x2apic,vendor=..." and so on. Features that the
// model asks for by default and support lacks are left out with a warning, those asked for by name
// (with enforce) are an error. An unknown model or property is -EINVAL with QEMU's sentence.
int x86_model_parse(struct x86_model *model, const char *spec, const struct x86_support *support,
                    struct err *err);
// The features that msr.c, apic.c and pvclock.c implement alone, for an engine of ours to offer on
// top of its own: x2APIC, the TSC's MSRs, MTRR, PAT, MCA, ARCH_CAPABILITIES, the paravirtual clock …
void x86_support_software(struct x86_support *support);
// The APIC id of the vCPU with this index: fields for thread, core and socket, each as wide as its
// count needs. Index 0 has id 0.
uint32_t x86_apic_id(const struct x86_model *model, unsigned index);
// For -cpu help.
void x86_model_list(void (*each)(const char *name, const char *description, void *opaque), void *opaque);

static inline bool x86_has(const struct x86_model *m, enum x86_word word, unsigned bit)
{
    return m->words[word] >> bit & 1;
}
// CR4's bits, each of which exists with the feature that it enables.
uint64_t x86_cr4_offered(const struct x86_model *model);

struct x86_cpuid { uint32_t eax, ebx, ecx, edx; };
// The answer for this vCPU now: state gives what follows from CR4, XCR0 and the APIC.
struct x86_cpuid x86_cpuid(const struct x86_model *model, const struct x86_state *state,
                           uint32_t leaf, uint32_t subleaf);
