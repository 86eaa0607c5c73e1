// SPDX-License-Identifier: GPL-2.0-or-later
//
// CPU models, as -cpu names them, and the answers that follow.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guest/cpu/x86/cpuid.h"
#include "guest/cpu/x86/state.h"

static struct world {
    struct x86_support support;
    struct x86_model m;
    struct x86_state s;
    struct err err;
} w;

static int setup(void **state)
{
    (void)state;
    w = (struct world){.support.xcr0 = 7};
    memset(w.support.words, 0xff, sizeof(w.support.words));
    x86_reset(&w.s, 0, false);
    return 0;
}

static int parse(const char *spec) { return x86_model_parse(&w.m, spec, &w.support, &w.err); }
static struct x86_cpuid ask(uint32_t leaf, uint32_t subleaf) { return x86_cpuid(&w.m, &w.s, leaf, subleaf); }

static void qemu64_is_what_qemu_says(void **state)
{
    (void)state;
    assert_int_equal(parse("qemu64"), 0);
    struct x86_cpuid r = ask(0, 0);
    assert_memory_equal(&r.ebx, "Auth", 4);
    assert_int_equal(r.eax, 13);
    r = ask(1, 0);
    assert_int_equal(r.eax, 0x00060fb1);
    assert_true(r.edx >> 26 & 1);
    assert_int_equal(ask(0x80000001, 0).ecx & 1, 1);
    char brand[49] = {0};
    for (unsigned i = 0; i < 3; i++)
        memcpy(brand + i * 16, &(struct x86_cpuid){ask(0x80000002 + i, 0).eax, ask(0x80000002 + i, 0).ebx,
                                                   ask(0x80000002 + i, 0).ecx, ask(0x80000002 + i, 0).edx}, 16);
    assert_string_equal(brand, "QEMU Virtual CPU version 2.5+");
}

static void names_of_qemu_exist(void **state)
{
    (void)state;
    static const char *const names[] = {
        "max", "host", "qemu64", "qemu32", "kvm64", "base", "Nehalem", "Westmere", "SandyBridge", "IvyBridge",
        "Haswell", "Haswell-noTSX", "Haswell-v4", "Broadwell", "Skylake-Client", "Skylake-Client-v3", "EPYC",
        "EPYC-v3", "EPYC-Rome", "x86-64-v1", "x86-64-v2", "x86-64-v3",
    };
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(parse(names[i]), 0);
}

static void errors_are_qemus_sentences(void **state)
{
    (void)state;
    static const struct { const char *spec, *text; } cases[] = {
        {"", "-cpu option cannot be empty"},
        {"foo", "unable to find CPU model 'foo'"},
        {"qemu64,+bar", "Property 'qemu64-x86_64-cpu.bar' not found"},
        {"qemu64,bar=on", "can't apply global qemu64-x86_64-cpu.bar=on: Property 'qemu64-x86_64-cpu.bar' not found"},
        {"qemu64,avx=7", "can't apply global qemu64-x86_64-cpu.avx=7: Parameter 'avx' expects 'on' or 'off'"},
        {"qemu64,family=zz", "can't apply global qemu64-x86_64-cpu.family=zz: Parameter 'family' expects int64"},
        {"qemu64,vendor=abc",
         "can't apply global qemu64-x86_64-cpu.vendor=abc: Property '.vendor' doesn't take value 'abc'"},
        {"qemu64,level=0x1ffffffff",
         "can't apply global qemu64-x86_64-cpu.level=0x1ffffffff: Parameter 'level' expects uint32_t"},
        {"qemu64,hv-relaxed=on", "-cpu qemu64: hv-relaxed: not supported yet"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(parse(cases[i].spec) < 0);
        assert_string_equal(w.err.text, cases[i].text);
    }
}

static void features_are_set_and_cleared_by_name(void **state)
{
    (void)state;
    assert_int_equal(parse("qemu64,+avx2,-sse3,rdrand=on,cx16=off,sse4_1=on"), 0);
    assert_true(x86_has(&w.m, X86_7_EBX, 5));
    assert_false(x86_has(&w.m, X86_1_ECX, 0));
    assert_true(x86_has(&w.m, X86_1_ECX, 30));
    assert_false(x86_has(&w.m, X86_1_ECX, 13));
    assert_true(x86_has(&w.m, X86_1_ECX, 19));
    assert_int_equal(parse("qemu64,-avx,+avx"), 0);
    assert_false(x86_has(&w.m, X86_1_ECX, 28));
}

static void identity_can_be_overridden(void **state)
{
    (void)state;
    assert_int_equal(parse("max,vendor=GenuineIntel,family=6,model=142,stepping=10,model-id=A CPU,level=7"), 0);
    struct x86_cpuid r = ask(0, 0);
    assert_int_equal(r.eax, 7);
    assert_memory_equal(&r.ecx, "ntel", 4);
    assert_int_equal(ask(1, 0).eax, 0x000806ea);
    assert_string_equal(w.m.brand, "A CPU");
}

static void enforce_refuses_what_the_engine_lacks(void **state)
{
    (void)state;
    w.support.words[X86_7_EBX] &= ~(1u << 5);
    assert_int_equal(parse("Haswell-noTSX,check=off"), 0);
    assert_false(x86_has(&w.m, X86_7_EBX, 5));
    assert_true(parse("Haswell-noTSX,enforce") < 0);
    assert_string_equal(w.err.text, "TCG doesn't support requested features");
}

static void an_engine_without_a_thing_gets_no_warning_for_the_unasked(void **state)
{
    (void)state;
    memset(w.support.words, 0, sizeof(w.support.words));
    w.support.words[X86_1_EDX] = UINT32_MAX;
    w.support.words[X86_1_ECX] = ~(1u << 21 | 1u << 3);  // no x2APIC, no MONITOR
    w.support.words[X86_80000001_EDX] = UINT32_MAX;
    w.support.words[X86_80000001_ECX] = ~4u;             // no SVM
    assert_int_equal(parse("qemu64,enforce"), 0);
    assert_false(x86_has(&w.m, X86_80000001_ECX, 2));
    assert_true(parse("qemu64,+svm,enforce") < 0);
}

static void max_is_all_that_is_supported_and_named(void **state)
{
    (void)state;
    assert_int_equal(parse("max"), 0);
    assert_true(x86_has(&w.m, X86_7_EBX, 5) && x86_has(&w.m, X86_1_ECX, 24));
    assert_false(x86_has(&w.m, X86_1_EDX, 10));  // has no name
    memset(&w.support, 0, sizeof(w.support));
    assert_int_equal(parse("max"), 0);
    for (unsigned i = 0; i < X86_WORDS; i++)
        assert_int_equal(w.m.words[i], 0);
}

static void software_needs_no_mitigations_unless_asked(void **state)
{
    (void)state;
    assert_int_equal(parse("Skylake-Client"), 0);
    assert_true(x86_has(&w.m, X86_7_EDX, 29));
    assert_int_equal(w.m.arch_capabilities & 0x123, 0x123);  // RDCL_NO, IBRS_ALL, MDS_NO, TAA_NO
    assert_int_equal(w.m.arch_capabilities & 4, 0);          // RSBA
    assert_int_equal(parse("EPYC"), 0);
    assert_true(ask(0x80000008, 0).ebx >> 29 & 1);   // BTC_NO
    assert_true(ask(0x80000021, 0).eax >> 29 & 1);   // SRSO_NO
    assert_false(ask(0x80000008, 0).ebx >> 12 & 1);  // no IBPB
    assert_int_equal(parse("EPYC,mitigations=on"), 0);
    assert_int_equal(w.m.arch_capabilities, 0);
    assert_false(ask(0x80000008, 0).ebx >> 29 & 1);
    w.support.who = "host";
    assert_int_equal(parse("Skylake-Client"), 0);
    assert_int_equal(w.m.arch_capabilities, 0);
}

static void the_kvm_leaf_can_be_hidden(void **state)
{
    (void)state;
    assert_int_equal(parse("qemu64"), 0);
    struct x86_cpuid r = ask(0x40000000, 0);
    assert_memory_equal(&r.ebx, "KVMK", 4);
    assert_int_equal(ask(0x40000001, 0).eax, 1 | 2 | 8 | 1 << 24);
    assert_true(ask(1, 0).ecx >> 31);
    assert_int_equal(parse("qemu64,kvm=off"), 0);
    assert_int_equal(ask(0x40000000, 0).ebx, 0);
    assert_true(ask(1, 0).ecx >> 31);
    assert_int_equal(parse("qemu64,-hypervisor,-kvmclock"), 0);
    assert_false(ask(1, 0).ecx >> 31);
    assert_int_equal(ask(0x40000001, 0).eax & 9, 0);
}

static void osxsave_ospke_and_apic_follow_the_state(void **state)
{
    (void)state;
    assert_int_equal(parse("max"), 0);
    assert_false(ask(1, 0).ecx >> 27 & 1);
    assert_true(ask(1, 0).edx >> 9 & 1);
    w.s.cr4 = CR4_OSXSAVE | CR4_PKE;
    w.s.apic.base = 0;
    assert_true(ask(1, 0).ecx >> 27 & 1);
    assert_false(ask(1, 0).edx >> 9 & 1);
    assert_true(ask(7, 0).ecx >> 4 & 1);
}

static void leaf_d_follows_xcr0(void **state)
{
    (void)state;
    assert_int_equal(parse("max"), 0);
    w.s.xcr0 = 1;
    assert_int_equal(ask(0xd, 0).eax, 7);
    assert_int_equal(ask(0xd, 0).ebx, 576);
    assert_int_equal(ask(0xd, 0).ecx, 832);
    w.s.xcr0 = 7;
    assert_int_equal(ask(0xd, 0).ebx, 832);
    assert_int_equal(ask(0xd, 1).ebx, 832);
    assert_int_equal(ask(0xd, 2).eax, 256);
    assert_int_equal(ask(0xd, 2).ebx, 576);
    assert_int_equal(ask(0xd, 5).eax, 0);
    assert_int_equal(ask(0xd, 0xffffffff).eax, 0);
    assert_int_equal(parse("max,-xsave"), 0);
    assert_int_equal(ask(0xd, 0).eax, 0);
    assert_int_equal(w.m.xcr0, 0);
}

// XSAVE's areas: PKRU at its place of Intel's in the standard form, packed behind AVX in the compacted one, where no
// component is aligned.
static void leaf_d_tells_both_forms(void **state)
{
    (void)state;
    w.support.xcr0 = 7 | 1 << 9;
    assert_int_equal(parse("max"), 0);
    w.s.xcr0 = 7 | 1 << 9;
    assert_int_equal(ask(0xd, 0).ebx, 2688 + 8);
    assert_int_equal(ask(0xd, 1).eax & 15, 15);
    assert_int_equal(ask(0xd, 1).ebx, 832 + 8);
    assert_int_equal(ask(0xd, 1).ecx | ask(0xd, 1).edx, 0);  // IA32_XSS has no bits
    assert_int_equal(ask(0xd, 2).ecx | ask(0xd, 9).ecx, 0);
    assert_int_equal(parse("max,-xsavec,-xsaves"), 0);
    assert_int_equal(ask(0xd, 1).ebx, 0);
}

static void monitor_is_for_those_who_ask(void **state)
{
    (void)state;
    assert_int_equal(parse("EPYC"), 0);
    assert_false(ask(1, 0).ecx >> 3 & 1);
    assert_int_equal(ask(5, 0).ecx, 0);
    assert_int_equal(parse("max"), 0);
    assert_false(ask(1, 0).ecx >> 3 & 1);
    assert_int_equal(parse("qemu32,monitor=on"), 0);
    assert_true(ask(1, 0).ecx >> 3 & 1);
    assert_int_equal(ask(5, 0).eax, 64);
    assert_int_equal(ask(5, 0).ecx, 3);
    assert_int_equal(ask(5, 0).edx, 0x10);
    w.support.who = "host";
    assert_int_equal(parse("EPYC"), 0);
    assert_true(ask(1, 0).ecx >> 3 & 1);
}

static void topology_agrees_between_leaves(void **state)
{
    (void)state;
    assert_int_equal(parse("Haswell"), 0);
    w.m.sockets = 2, w.m.cores = 3, w.m.threads = 2;
    static const uint32_t ids[12] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13};
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(x86_apic_id(&w.m, i), ids[i]);
    w.s.apic.id = 9;
    assert_int_equal(ask(1, 0).ebx >> 24, 9);
    assert_int_equal(ask(1, 0).ebx >> 16 & 0xff, 6);
    assert_true(ask(1, 0).edx >> 28 & 1);
    assert_int_equal(ask(0xb, 0).eax, 1);
    assert_int_equal(ask(0xb, 0).ecx, 0x100);
    assert_int_equal(ask(0xb, 1).eax, 3);
    assert_int_equal(ask(0xb, 1).ebx, 6);
    assert_int_equal(ask(0xb, 1).ecx, 0x201);
    assert_int_equal(ask(0xb, 2).ecx, 2);
    assert_int_equal(ask(0xb, 1).edx, 9);
    assert_int_equal(ask(4, 0).eax >> 14 & 0xfff, 1);
    assert_int_equal(ask(4, 3).eax >> 14 & 0xfff, 7);
    assert_int_equal(ask(4, 0).eax >> 26, 3);
    assert_int_equal(ask(4, 4).eax, 0);
}

static void amd_tells_topology_its_own_way(void **state)
{
    (void)state;
    assert_int_equal(parse("EPYC"), 0);
    w.m.cores = 4, w.m.threads = 2;
    w.s.apic.id = 5;
    assert_int_equal(ask(0x80000008, 0).ecx, 7 | 3 << 12);
    assert_int_equal(ask(0x8000001e, 0).eax, 5);
    assert_int_equal(ask(0x8000001e, 0).ebx, 2 | 1 << 8);
    assert_int_equal(ask(0x8000001d, 3).eax & 0xff, 3 | 3 << 5);
    assert_true(ask(0x80000001, 0).ecx >> 1 & 1);
    assert_int_equal(ask(4, 0).eax, 0);
    assert_int_equal(ask(0x80000001, 0).edx & 1, 1);  // FPU, again
}

static void wide_addresses_are_for_those_who_ask(void **state)
{
    (void)state;
    assert_int_equal(parse("max"), 0);
    assert_int_equal(ask(7, 0).ecx >> 16 & 1, 0);
    assert_int_equal(ask(0x80000008, 0).eax >> 8 & 0xff, 48);
    assert_int_equal(parse("max,la57=on"), 0);
    assert_int_equal(ask(7, 0).ecx >> 16 & 1, 1);
    assert_int_equal(ask(0x80000008, 0).eax >> 8 & 0xff, 57);
}

static void protection_keys_bring_component_9(void **state)
{
    (void)state;
    w.support.xcr0 = 0x207;
    assert_int_equal(parse("max,pku=on"), 0);
    w.s.xcr0 = 0x207;
    assert_int_equal(ask(0xd, 0).eax, 0x207);
    assert_int_equal(ask(0xd, 0).ebx, 2688 + 8);
    assert_int_equal(ask(0xd, 9).eax, 8);
    assert_int_equal(ask(0xd, 9).ebx, 2688);
    assert_int_equal(parse("max,pku=off"), 0);
    assert_int_equal(ask(0xd, 0).eax, 7);
    assert_int_equal(ask(0xd, 9).eax, 0);
}

static void frequencies_agree(void **state)
{
    (void)state;
    assert_int_equal(parse("Haswell"), 0);
    assert_int_equal(ask(0, 0).eax, 13);
    w.m.tsc_hz = 2399998000;
    assert_int_equal(ask(0, 0).eax, 0x16);
    struct x86_cpuid r = ask(0x15, 0);
    assert_int_equal((uint64_t)r.ecx * r.ebx / r.eax, w.m.tsc_hz);
    assert_int_equal(ask(0x40000010, 0).eax, 2399998);
    assert_int_equal(ask(0x40000010, 0).ebx, 1000000);
    assert_true(ask(0x80000007, 0).edx >> 8 & 1);
}

static void leaves_beyond_the_last_are_the_vendors_way(void **state)
{
    (void)state;
    w.s.xcr0 = 7;
    assert_int_equal(parse("Haswell"), 0);
    assert_int_equal(ask(0x77, 0).ebx, ask(0xd, 0).ebx);
    assert_int_equal(ask(0xffffffff, 0).ebx, ask(0xd, 0).ebx);
    assert_int_equal(parse("EPYC"), 0);
    assert_int_equal(ask(0x77, 0).ebx, 0);
    assert_int_equal(ask(0xa, 0).eax, 0);
}

static unsigned listed;
static void count(const char *name, const char *description, void *opaque)
{
    (void)opaque;
    assert_non_null(name);
    assert_non_null(description);
    listed++;
}

static void the_list_has_every_model(void **state)
{
    (void)state;
    listed = 0;
    x86_model_list(count, NULL);
    assert_true(listed > 20);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(qemu64_is_what_qemu_says), TEST(names_of_qemu_exist), TEST(errors_are_qemus_sentences),
        TEST(features_are_set_and_cleared_by_name), TEST(identity_can_be_overridden),
        TEST(enforce_refuses_what_the_engine_lacks),
        TEST(an_engine_without_a_thing_gets_no_warning_for_the_unasked),
        TEST(max_is_all_that_is_supported_and_named), TEST(software_needs_no_mitigations_unless_asked),
        TEST(the_kvm_leaf_can_be_hidden), TEST(osxsave_ospke_and_apic_follow_the_state),
        TEST(leaf_d_follows_xcr0), TEST(leaf_d_tells_both_forms), TEST(monitor_is_for_those_who_ask),
        TEST(topology_agrees_between_leaves),
        TEST(amd_tells_topology_its_own_way), TEST(frequencies_agree),
        TEST(wide_addresses_are_for_those_who_ask), TEST(protection_keys_bring_component_9),
        TEST(leaves_beyond_the_last_are_the_vendors_way), TEST(the_list_has_every_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
