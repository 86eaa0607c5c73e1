// SPDX-License-Identifier: GPL-2.0-or-later
//
// What may be written to which register, and what follows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <x86intrin.h>

#include <cmocka.h>

#include "guest/cpu/x86/apic.h"
#include "guest/cpu/x86/msr.h"

#define EFER 0xc0000080u
#define LSTAR 0xc0000082u
#define SFMASK 0xc0000084u
#define FS_BASE 0xc0000100u
#define TSC_AUX 0xc0000103u

static struct world {
    struct x86_support support;
    struct x86_model m;
    struct x86_state s;
    struct apic apic;
    struct apic_bus *bus;
    struct clock *clock;
} w;

static void wake(void *opaque) { (void)opaque; }
static void eoi(void *opaque, uint8_t vector) { (void)opaque, (void)vector; }
static const struct apic_ops ops = {.wake = wake, .eoi = eoi};

static void use(const char *spec) { assert_int_equal(x86_model_parse(&w.m, spec, &w.support, NULL), 0); }

static int setup(void **state)
{
    (void)state;
    w = (struct world){.support.xcr0 = 7};
    memset(w.support.words, 0xff, sizeof(w.support.words));
    w.clock = clock_create_manual();
    w.bus = apic_bus_create(1);
    x86_reset(&w.s, 0, false);
    apic_init(&w.apic, w.bus, &w.s, w.clock, 1000000000, &ops, NULL);
    apic_reset(&w.apic, false);
    use("Haswell");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    apic_finish(&w.apic);
    apic_bus_destroy(w.bus);
    clock_destroy(w.clock);
    return 0;
}

static int wr(uint32_t index, uint64_t value) { return x86_msr_write(&w.s, &w.m, &w.apic, index, value); }
static int rd(uint32_t index, uint64_t *value) { return x86_msr_read(&w.s, &w.m, &w.apic, index, value); }

static uint64_t get(uint32_t index)
{
    uint64_t value;
    assert_int_equal(rd(index, &value), X86_MSR_DONE);
    return value;
}

static void addresses_must_be_canonical(void **state)
{
    (void)state;
    static const uint32_t addresses[] = {LSTAR, 0xc0000083, FS_BASE, 0xc0000101, 0xc0000102, 0x175, 0x176};
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        assert_int_equal(wr(addresses[i], UINT64_C(0xffff800000000000)), X86_MSR_DONE);
        assert_int_equal(wr(addresses[i], UINT64_C(0x0000800000000000)), X86_MSR_FAULT);
        assert_int_equal(get(addresses[i]), UINT64_C(0xffff800000000000));
    }
    assert_int_equal(w.s.seg[X86_FS].base, UINT64_C(0xffff800000000000));
    assert_int_equal(wr(SFMASK, UINT64_C(1) << 32), X86_MSR_FAULT);
}

static void efer_has_rules(void **state)
{
    (void)state;
    assert_int_equal(wr(EFER, EFER_SCE | EFER_LME | EFER_NXE), X86_MSR_MODE);
    assert_int_equal(get(EFER), EFER_SCE | EFER_LME | EFER_NXE);
    assert_int_equal(wr(EFER, EFER_LME | EFER_LMA), X86_MSR_MODE);
    assert_int_equal(get(EFER), EFER_LME);  // LMA is the CPU's
    w.s.cr0 |= CR0_PG;
    w.s.efer |= EFER_LMA;
    assert_int_equal(wr(EFER, 0), X86_MSR_FAULT);
    assert_int_equal(wr(EFER, EFER_LME), X86_MSR_MODE);
    assert_int_equal(get(EFER), EFER_LME | EFER_LMA);
    assert_int_equal(wr(EFER, EFER_LME | 1 << 12), X86_MSR_FAULT);  // SVM isn't there
    assert_int_equal(wr(EFER, EFER_LME | 1 << 1), X86_MSR_FAULT);
    use("Haswell,-nx");
    assert_int_equal(wr(EFER, EFER_LME | EFER_NXE), X86_MSR_FAULT);
}

static void memory_types_must_exist(void **state)
{
    (void)state;
    assert_int_equal(get(0x277), UINT64_C(0x0007040600070406));
    assert_int_equal(wr(0x277, UINT64_C(0x0007010600070106)), X86_MSR_DONE);
    assert_int_equal(wr(0x277, 2), X86_MSR_FAULT);
    assert_int_equal(wr(0x277, UINT64_C(8) << 56), X86_MSR_FAULT);
    assert_int_equal(wr(0x250, UINT64_C(0x0606060606060606)), X86_MSR_DONE);
    assert_int_equal(wr(0x26f, 7), X86_MSR_FAULT);
    assert_int_equal(wr(0x2ff, 0xc06), X86_MSR_DONE);
    assert_int_equal(wr(0x2ff, 0x106), X86_MSR_FAULT);
    assert_int_equal(wr(0x200, 0x80000006), X86_MSR_DONE);
    assert_int_equal(wr(0x200, 0x80000106), X86_MSR_FAULT);
    assert_int_equal(wr(0x201, UINT64_C(0xff80000800)), X86_MSR_DONE);
    assert_int_equal(wr(0x201, UINT64_C(0xfff80000800)), X86_MSR_FAULT);
    assert_int_equal(wr(0xfe, 0), X86_MSR_FAULT);
    assert_int_equal(get(0xfe), 0x508);
    uint64_t value;
    assert_int_equal(rd(0x210, &value), X86_MSR_FAULT);
}

static void the_tsc_and_its_adjustment_move_together(void **state)
{
    (void)state;
    assert_int_equal(wr(0x10, 0), X86_MSR_TSC);
    uint64_t first = get(0x10), adjust = get(0x3b);
    assert_true(first < UINT64_C(1000000000000));
    assert_int_equal(wr(0x3b, adjust + UINT64_C(5000000000000)), X86_MSR_TSC);
    assert_true(get(0x10) >= first + UINT64_C(5000000000000));
    assert_int_equal(get(0x3b), adjust + UINT64_C(5000000000000));
    assert_int_equal(get(0x3b), w.s.tsc_offset);  // since the reset
}

static void tsc_aux_has_32_bits_and_comes_with_rdtscp(void **state)
{
    (void)state;
    assert_int_equal(wr(TSC_AUX, 5), X86_MSR_DONE);
    assert_int_equal(get(TSC_AUX), 5);
    assert_int_equal(wr(TSC_AUX, UINT64_C(1) << 32), X86_MSR_FAULT);
    use("qemu64");
    assert_int_equal(wr(TSC_AUX, 5), X86_MSR_FAULT);
}

static void arch_capabilities_are_read_only(void **state)
{
    (void)state;
    assert_int_equal(get(0x10a), w.m.arch_capabilities);
    assert_int_equal(wr(0x10a, 0), X86_MSR_FAULT);
    use("Haswell,mitigations=on");
    uint64_t value;
    assert_int_equal(rd(0x10a, &value), X86_MSR_FAULT);
}

static void enhanced_ibrs_has_its_switch(void **state)
{
    (void)state;
    assert_int_equal(wr(0x48, 1), X86_MSR_DONE);
    assert_int_equal(get(0x48), 1);
    assert_int_equal(wr(0x48, 1 << 3), X86_MSR_FAULT);
    assert_int_equal(wr(0x49, 1), X86_MSR_FAULT);  // IBPB isn't offered
    use("Haswell-IBRS");
    assert_int_equal(wr(0x49, 1), X86_MSR_DONE);
    assert_int_equal(wr(0x49, 2), X86_MSR_FAULT);
    uint64_t value;
    assert_int_equal(rd(0x49, &value), X86_MSR_FAULT);
}

static void machine_check_banks_are_cleared_whole(void **state)
{
    (void)state;
    assert_int_equal(get(0x179) & 0xff, X86_MCE_BANKS);
    assert_int_equal(get(0x400), UINT64_MAX);
    assert_int_equal(wr(0x400 + 4 * 4, UINT64_MAX ^ 1 << 10), X86_MSR_DONE);
    assert_int_equal(wr(0x401, 0), X86_MSR_DONE);
    assert_int_equal(wr(0x401, 1), X86_MSR_FAULT);
    assert_int_equal(wr(0x17b, 5), X86_MSR_FAULT);
    uint64_t value;
    assert_int_equal(rd(0x400 + 4 * X86_MCE_BANKS, &value), X86_MSR_FAULT);
}

static void the_microcode_revision_is_asked_for_as_intel_says(void **state)
{
    (void)state;
    assert_int_equal(wr(0x8b, 0), X86_MSR_DONE);
    assert_int_equal(get(0x8b), UINT64_C(0x100000000));
    assert_int_equal(wr(0x79, 0x1234), X86_MSR_DONE);
    use("EPYC");
    assert_int_equal(get(0x8b), 0x01000065);
}

static void feature_control_locks(void **state)
{
    (void)state;
    assert_int_equal(get(0x3a), 0);
    assert_int_equal(wr(0x3a, 1), X86_MSR_DONE);
    assert_int_equal(wr(0x3a, 5), X86_MSR_FAULT);
    assert_int_equal(get(0x3a), 1);
}

static void amd_has_what_linux_reads_without_care(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(rd(0xc0010015, &value), X86_MSR_FAULT);
    use("EPYC");
    assert_true(get(0xc0010015) >> 24 & 1);
    assert_true(get(0xc0011029) & 2);
    assert_int_equal(get(0xc0010055), 0);
    assert_int_equal(get(0xc001001d), 0);
    assert_int_equal(get(0xc0010010), 0);
    assert_int_equal(get(0xc0010004), 0);
    assert_int_equal(wr(0xc0010015, 1 << 6), X86_MSR_DONE);
    assert_int_equal(rd(0x3a, &value), X86_MSR_FAULT);
}

static void the_clocks_are_told_to_the_engine(void **state)
{
    (void)state;
    static const uint32_t clocks[] = {0x11, 0x12, 0x4b564d00, 0x4b564d01};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(wr(clocks[i], 0x1001), X86_MSR_CLOCK);
    assert_int_equal(w.s.kvm_system_time, 0x1001);
    assert_int_equal(wr(0x4b564d02, 1), X86_MSR_FAULT);
    assert_int_equal(wr(0x4b564d04, 1), X86_MSR_FAULT);
    use("Haswell,-kvmclock");
    assert_int_equal(wr(0x12, 1), X86_MSR_FAULT);
    assert_int_equal(wr(0x4b564d01, 1), X86_MSR_FAULT);
}

static void the_apics_registers_are_the_apics(void **state)
{
    (void)state;
    assert_int_equal(get(0x1b), 0xfee00900);
    assert_int_equal(wr(0x1b, 0xfee00d00), X86_MSR_DONE);
    assert_int_equal(get(0x802), 0);
    assert_int_equal(wr(0x6e0, 0), X86_MSR_DONE);
    use("Haswell,-x2apic,-tsc-deadline");
    uint64_t value;
    assert_int_equal(rd(0x802, &value), X86_MSR_FAULT);
    assert_int_equal(wr(0x1b, 0xfee00d00), X86_MSR_FAULT);
    assert_int_equal(wr(0x6e0, 0), X86_MSR_FAULT);
}

static void unknown_registers_fault(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(rd(0x12345, &value), X86_MSR_FAULT);
    assert_int_equal(wr(0xffffffff, 0), X86_MSR_FAULT);
    assert_int_equal(rd(0x186, &value), X86_MSR_FAULT);
    assert_int_equal(rd(0x606, &value), X86_MSR_FAULT);
}

// What guests read and write at boot, with the answers that KVM gives (arch/x86/kvm/x86.c and svm.c), but for the
// thermal and RAPL ones: those come from the SDM, volume 4, and there is no RAPL. NO: faults.
#define NO X86_MSR_FAULT
enum { OK = X86_MSR_DONE };
static const struct row { uint32_t index; int read; uint64_t holds, write; int wrote; } intel[] = {
    {0x17, OK, 0, 0, NO}, {0x2a, OK, 0, 5, OK}, {0x2c, OK, 1 << 24, 0, OK}, {0x34, OK, 0, 0, NO},
    {0x8b, OK, UINT64_C(0x100000000), 1, NO}, {0xcd, OK, 3, 3, NO}, {0xce, OK, 0, 0, NO}, {0xfe, OK, 0x508, 0x508, NO},
    {0x11e, OK, 0xbe702111, 0, OK}, {0x140, OK, 0, 0, OK}, {0x179, OK, 0x100010a, 0, NO}, {0x17a, OK, 0, 0, OK},
    {0x17b, OK, UINT64_MAX, UINT64_MAX, OK}, {0x198, OK, 0, 0, NO}, {0x199, OK, 0, 0, NO}, {0x19b, OK, 0, 3, OK},
    {0x19c, OK, 0, 0, OK}, {0x1a0, OK, 0x1801, 0x1801, OK}, {0x1a2, OK, 100 << 16, 0, NO}, {0x1b1, OK, 0, 0, OK},
    {0x1b2, OK, 0, 0, OK}, {0x1d9, OK, 0, 1 << 6, NO}, {0x1db, OK, 0, 0, NO}, {0x1fc, OK, 0, 1, OK},
    {0x280, NO, 0, 0, NO}, {0x345, NO, 0, 0, NO}, {0x38f, NO, 0, 0, NO}, {0x400, OK, UINT64_MAX, 0, OK},
    {0x401, OK, 0, 1, NO}, {0x402, OK, 0, 1, NO}, {0x403, OK, 0, 0, OK}, {0x606, NO, 0, 0, NO}, {0x611, NO, 0, 0, NO},
    {0xc001001f, NO, 0, 0, NO}, {0xc0011029, NO, 0, 0, NO}, {0xe1, NO, 0, 0, NO}, {0x122, NO, 0, 0, NO},
}, amd[] = {
    {0x17, NO, 0, 0, NO}, {0x3a, NO, 0, 0, NO}, {0x8b, OK, 0x1000065, 0, OK}, {0x179, OK, 0x100010a, 0, NO},
    {0x198, NO, 0, 0, NO}, {0x1a0, OK, 0x1801, 0, OK}, {0x1a2, NO, 0, 0, NO}, {0x1db, OK, 0, 0, NO},
    {0xc0010000, OK, 0, 0, OK}, {0xc0010010, OK, 0, 0, OK}, {0xc0010015, OK, 1 << 24, 1 << 24 | 1 << 4, OK},
    {0xc001001b, OK, 0x20000000, 0x20000000, OK}, {0xc001001f, OK, 0, UINT64_C(1) << 46, OK}, {0xc0010020, NO, 0, 0x1234, OK},
    {0xc0010055, OK, 0, 0, OK}, {0xc0010058, OK, 0, 0, OK}, {0xc0010061, NO, 0, 0, NO}, {0xc0010117, NO, 0, 0, NO},
    {0xc0010140, OK, 5, 0, NO}, {0xc0010141, OK, 0, 0, NO}, {0xc0010299, NO, 0, 0, NO}, {0xc0011020, OK, 0, 1 << 10, OK},
    {0xc0011022, OK, 0, 0, OK}, {0xc0011029, OK, 2, 2, OK}, {0xc001102a, OK, 0, 0, OK}, {0xc001102c, OK, 0, 0, OK},
};

static void check_rows(const struct row *rows, size_t count)
{
    for (const struct row *r = rows; r < rows + count; r++) {
        uint64_t value = 0;
        int read = rd(r->index, &value), wrote;
        if (read != r->read || (read == OK && value != r->holds))
            fail_msg("MSR %#x reads %#llx, %d", r->index, (unsigned long long)value, read);
        if ((wrote = wr(r->index, r->write)) != r->wrote)
            fail_msg("MSR %#x takes %#llx: %d", r->index, (unsigned long long)r->write, wrote);
    }
}

static void what_guests_look_at_is_as_on_other_hypervisors(void **state)
{
    (void)state;
    use("Skylake-Client");
    check_rows(intel, sizeof intel / sizeof intel[0]);
    use("EPYC");
    x86_reset(&w.s, 0, false);
    check_rows(amd, sizeof amd / sizeof amd[0]);
}

static void misc_enable_tells_of_monitor(void **state)
{
    (void)state;
    use("Haswell,monitor=on");
    assert_true(get(0x1a0) >> 18 & 1);
    assert_int_equal(wr(0x1a0, 1), X86_MSR_DONE);
    assert_true(get(0x1a0) >> 18 & 1);
    use("Haswell");
    assert_false(get(0x1a0) >> 18 & 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_must_be_canonical), TEST(efer_has_rules), TEST(memory_types_must_exist),
        TEST(the_tsc_and_its_adjustment_move_together),
        TEST(tsc_aux_has_32_bits_and_comes_with_rdtscp), TEST(arch_capabilities_are_read_only),
        TEST(enhanced_ibrs_has_its_switch), TEST(machine_check_banks_are_cleared_whole),
        TEST(the_microcode_revision_is_asked_for_as_intel_says), TEST(feature_control_locks),
        TEST(amd_has_what_linux_reads_without_care), TEST(the_clocks_are_told_to_the_engine),
        TEST(the_apics_registers_are_the_apics), TEST(unknown_registers_fault),
        TEST(what_guests_look_at_is_as_on_other_hypervisors), TEST(misc_enable_tells_of_monitor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
