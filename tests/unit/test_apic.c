// SPDX-License-Identifier: GPL-2.0-or-later
//
// Three local APICs on a bus, with a clock moved by hand.
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <x86intrin.h>

#include <cmocka.h>

#include "guest/cpu/x86/apic.h"

enum { CPUS = 3 };
enum { ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0,
       ESR = 0x280, ICR = 0x300, ICR_HIGH = 0x310, TIMER = 0x320, LINT0 = 0x350, LVT_ERROR = 0x370,
       INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0 };
enum { MASKED = 1 << 16, PERIODIC = 1 << 17, DEADLINE = 2 << 17, LOGICAL = 1 << 11, LOWEST = 1 << 8,
       NMI = 4 << 8, INIT = 5 << 8, SIPI = 6 << 8, ASSERT = 1 << 14, LEVEL = 1 << 15 };
enum { SELF = 1 << 18, ALL = 2 << 18, OTHERS = 3 << 18 };
enum { DIVIDE_BY_1 = 0xb };
#define MSR_BASE 0x1bu
#define X2(reg) (0x800u + (reg) / 16)
#define BY_1 DIVIDE_BY_1

static struct world {
    struct x86_state s[CPUS];
    struct apic a[CPUS];
    struct apic_bus *bus;
    struct clock *clock;
    unsigned wakes[CPUS];
    int eoi;
} w;

static void wake(void *opaque) { ++*(unsigned *)opaque; }
static void eoi(void *opaque, uint8_t vector) { (void)opaque; w.eoi = vector; }
static const struct apic_ops ops = {.wake = wake, .eoi = eoi};

static int setup(void **state)
{
    (void)state;
    w = (struct world){.eoi = -1};
    w.clock = clock_create_manual();
    w.bus = apic_bus_create(CPUS);
    for (unsigned i = 0; i < CPUS; i++) {
        x86_reset(&w.s[i], i, false);
        w.s[i].run_state = X86_RUNNING;
        w.s[i].rflags |= FL_IF;
        apic_init(&w.a[i], w.bus, &w.s[i], w.clock, 1000000000, &ops, &w.wakes[i]);
        apic_reset(&w.a[i], false);
        apic_write(&w.a[i], SVR, 0x1ff);
        apic_write(&w.a[i], DFR, UINT32_MAX);
        apic_write(&w.a[i], LDR, 1u << (24 + i));
        w.wakes[i] = 0;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++)
        apic_finish(&w.a[i]);
    apic_bus_destroy(w.bus);
    clock_destroy(w.clock);
    return 0;
}

static void ipi(unsigned from, uint32_t destination, uint32_t low)
{
    apic_write(&w.a[from], ICR_HIGH, destination << 24);
    apic_write(&w.a[from], ICR, low);
}

static void expect_pending(int a, int b, int c)
{
    assert_int_equal(apic_pending(&w.a[0]), a);
    assert_int_equal(apic_pending(&w.a[1]), b);
    assert_int_equal(apic_pending(&w.a[2]), c);
}

static bool enter_x2(unsigned cpu)
{
    return apic_msr_write(&w.a[cpu], MSR_BASE, w.s[cpu].apic.base | 0xc00);
}

static void a_reset_apic_is_as_the_manual_says(void **state)
{
    (void)state;
    apic_reset(&w.a[1], false);
    assert_int_equal(apic_read(&w.a[1], ID), 1u << 24);
    assert_int_equal(apic_read(&w.a[1], VERSION), 0x50014);
    assert_int_equal(apic_read(&w.a[1], SVR), 0xff);
    assert_int_equal(apic_read(&w.a[1], DFR), UINT32_MAX);
    assert_int_equal(apic_read(&w.a[1], LINT0), MASKED);
    assert_int_equal(apic_read(&w.a[1], 0x10), 0);
}

static void a_physical_ipi_reaches_its_target_and_wakes_it(void **state)
{
    (void)state;
    ipi(0, 2, 0x41);
    expect_pending(-1, -1, 0x41);
    assert_int_equal(w.wakes[1], 0);
    assert_int_equal(w.wakes[2], 1);
    assert_true(apic_has_work(&w.a[2]));
    w.s[2].rflags = 0;
    assert_false(apic_has_work(&w.a[2]));  // HLT with IF clear
}

static void shorthands_reach_self_all_or_others(void **state)
{
    (void)state;
    ipi(1, 0, 0x50 | SELF);
    expect_pending(-1, 0x50, -1);
    ipi(1, 0, 0x60 | OTHERS);
    expect_pending(0x60, 0x50, 0x60);
    ipi(1, 0, 0x70 | ALL);
    expect_pending(0x70, 0x70, 0x70);
}

static void a_flat_logical_destination_is_a_mask(void **state)
{
    (void)state;
    ipi(0, 5, 0x41 | LOGICAL);
    expect_pending(0x41, -1, 0x41);
}

static void a_cluster_destination_names_cluster_and_members(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        apic_write(&w.a[i], DFR, 0x0fffffff);
        apic_write(&w.a[i], LDR, (i == 2 ? 0x21u : 0x11u << i) << 24);  // 0x11, 0x22, 0x21
    }
    ipi(0, 0x23, 0x41 | LOGICAL);
    expect_pending(-1, 0x41, 0x41);
    ipi(0, 0xff, 0x51 | LOGICAL);
    expect_pending(0x51, 0x51, 0x51);
}

static void physical_ff_is_everybody(void **state)
{
    (void)state;
    ipi(0, 0xff, 0x41);
    expect_pending(0x41, 0x41, 0x41);
}

static void lowest_priority_goes_to_the_least_busy(void **state)
{
    (void)state;
    apic_write(&w.a[0], TPR, 0x30);
    apic_write(&w.a[1], TPR, 0x10);
    apic_write(&w.a[2], TPR, 0x20);
    ipi(0, 7, 0x41 | LOGICAL | LOWEST);
    expect_pending(-1, 0x41, -1);
}

static void priority_holds_back_what_is_not_above_it(void **state)
{
    (void)state;
    apic_write(&w.a[0], TPR, 0x4f);
    ipi(1, 0, 0x4e);
    expect_pending(-1, -1, -1);
    ipi(1, 0, 0x51);
    expect_pending(0x51, -1, -1);
    apic_accept(&w.a[0], 0x51);
    assert_int_equal(apic_read(&w.a[0], PPR), 0x50);
    ipi(1, 0, 0x5f);
    expect_pending(-1, -1, -1);  // the same class
    ipi(1, 0, 0x61);
    expect_pending(0x61, -1, -1);
}

static void lowering_the_priority_wakes_for_what_waited(void **state)
{
    (void)state;
    apic_set_cr8(&w.a[0], 15);
    ipi(1, 0, 0xe1);
    expect_pending(-1, -1, -1);
    w.wakes[0] = 0;
    apic_set_cr8(&w.a[0], 3);
    assert_int_equal(w.wakes[0], 1);
    assert_int_equal(apic_read(&w.a[0], TPR), 0x30);
    assert_int_equal(apic_cr8(&w.a[0]), 3);
}

static void eoi_ends_the_highest_in_service(void **state)
{
    (void)state;
    ipi(1, 0, 0x41);
    apic_accept(&w.a[0], 0x41);
    ipi(1, 0, 0x61);
    apic_accept(&w.a[0], 0x61);
    apic_write(&w.a[0], EOI, 0);
    assert_int_equal(apic_read(&w.a[0], PPR), 0x40);
    apic_write(&w.a[0], EOI, 0);
    assert_int_equal(apic_read(&w.a[0], PPR), 0);
    assert_int_equal(w.eoi, -1);  // both were edges
}

static void the_eoi_of_a_level_is_told(void **state)
{
    (void)state;
    apic_bus_msi(w.bus, 0xfee01000, 0x71 | LEVEL | ASSERT);
    expect_pending(-1, 0x71, -1);
    apic_accept(&w.a[1], 0x71);
    apic_eoi(&w.a[1]);
    assert_int_equal(w.eoi, 0x71);
}

static void msis_know_physical_logical_and_redirected(void **state)
{
    (void)state;
    apic_bus_msi(w.bus, 0xfee02000, 0x41);
    expect_pending(-1, -1, 0x41);
    apic_bus_msi(w.bus, 0xfee03004, 0x51);
    expect_pending(0x51, 0x51, 0x41);
    apic_write(&w.a[0], TPR, 0xf0);
    apic_write(&w.a[1], TPR, 0xf0);
    apic_bus_msi(w.bus, 0xfee0700c, 0x61);
    expect_pending(-1, -1, 0x61);
    apic_bus_msi(w.bus, 0xdee00000, 0xf1);
    apic_bus_msi(w.bus, 0x1fee00000, 0xf1);
    expect_pending(-1, -1, 0x61);
}

static void nmi_init_and_sipi_are_requests_taken_once(void **state)
{
    (void)state;
    uint8_t vector = 0;
    ipi(0, 1, NMI | 2);
    ipi(0, 1, INIT | ASSERT | LEVEL);
    ipi(0, 1, SIPI | 0x9a);
    assert_int_equal(apic_take(&w.a[1], &vector), APIC_REQUEST_NMI | APIC_REQUEST_INIT | APIC_REQUEST_SIPI);
    assert_int_equal(vector, 0x9a);
    assert_int_equal(apic_take(&w.a[1], &vector), 0);
    ipi(0, 1, INIT | LEVEL);  // de-assert
    assert_int_equal(apic_take(&w.a[1], &vector), 0);
}

static void an_init_forgets_an_earlier_sipi_and_keeps_a_later_one(void **state)
{
    (void)state;
    uint8_t vector;
    ipi(0, 1, SIPI | 1);
    ipi(0, 1, INIT | ASSERT);
    assert_int_equal(apic_take(&w.a[1], &vector), APIC_REQUEST_INIT);
    ipi(0, 1, SIPI | 2);
    apic_reset(&w.a[1], true);
    assert_int_equal(apic_take(&w.a[1], &vector), APIC_REQUEST_SIPI);
    assert_int_equal(vector, 2);
}

static void waiting_for_sipi_hears_nothing_else(void **state)
{
    (void)state;
    w.s[1].run_state = X86_WAIT_SIPI;
    ipi(0, 1, NMI);
    ipi(0, 1, 0x41);
    assert_false(apic_has_work(&w.a[1]));
    ipi(0, 1, SIPI | 8);
    assert_true(apic_has_work(&w.a[1]));
}

static void a_software_disabled_apic_takes_only_requests(void **state)
{
    (void)state;
    apic_write(&w.a[1], SVR, 0xff);
    assert_true(apic_read(&w.a[1], TIMER) & MASKED);
    apic_write(&w.a[1], TIMER, 0x41);
    assert_true(apic_read(&w.a[1], TIMER) & MASKED);
    ipi(0, 1, 0x41);
    expect_pending(-1, -1, -1);
    ipi(0, 1, NMI);
    uint8_t vector;
    assert_int_equal(apic_take(&w.a[1], &vector), APIC_REQUEST_NMI);
}

static void illegal_vectors_are_errors_and_no_interrupts(void **state)
{
    (void)state;
    apic_write(&w.a[0], LVT_ERROR, 0xfe);
    ipi(0, 1, 0x0f);
    expect_pending(0xfe, -1, -1);
    assert_int_equal(apic_read(&w.a[0], ESR), 0);
    apic_write(&w.a[0], ESR, 0);
    assert_int_equal(apic_read(&w.a[0], ESR), 0x20);
    apic_bus_msi(w.bus, 0xfee02000, 3);
    apic_write(&w.a[2], ESR, 0);
    assert_int_equal(apic_read(&w.a[2], ESR), 0x40);
    apic_write(&w.a[1], LVT_ERROR, 5);  // must not report itself for ever
    apic_read(&w.a[1], 0x3d0);
    apic_write(&w.a[1], ESR, 0);
    assert_int_equal(apic_read(&w.a[1], ESR), 0xc0);
}

static void the_8259s_wire_passes_as_extint(void **state)
{
    (void)state;
    apic_write(&w.a[0], LINT0, 7 << 8);
    apic_bus_extint(w.bus, true);
    assert_int_equal(apic_pending(&w.a[0]), APIC_EXTINT);
    assert_int_equal(w.wakes[0], 1);
    apic_bus_extint(w.bus, false);
    expect_pending(-1, -1, -1);
    apic_bus_extint(w.bus, true);
    apic_write(&w.a[0], LINT0, MASKED | 7 << 8);
    expect_pending(-1, -1, -1);
    apic_msr_write(&w.a[0], MSR_BASE, 0xfee00100);  // no APIC in the way
    assert_int_equal(apic_pending(&w.a[0]), APIC_EXTINT);
}

static void lint0_may_also_be_fixed(void **state)
{
    (void)state;
    apic_write(&w.a[0], LINT0, 0x31);
    apic_bus_extint(w.bus, true);
    expect_pending(0x31, -1, -1);
}

static void an_extint_message_lasts_until_the_wire_falls(void **state)
{
    (void)state;
    apic_bus_msi(w.bus, 0xfee00000, 7 << 8);
    assert_int_equal(apic_pending(&w.a[0]), APIC_EXTINT);
    uint8_t vector;
    assert_int_equal(apic_take(&w.a[0], &vector), 0);
    apic_bus_extint(w.bus, false);
    expect_pending(-1, -1, -1);
}

static void a_one_shot_timer_fires_once_and_counts_down(void **state)
{
    (void)state;
    apic_write(&w.a[0], DIVIDE, 3);  // by 16
    apic_write(&w.a[0], TIMER, 0x41);
    apic_write(&w.a[0], INITIAL, 1000);
    assert_int_equal(apic_timer_deadline_ns(&w.a[0]), 16000);
    clock_advance(w.clock, 8000);
    assert_int_equal(apic_read(&w.a[0], CURRENT), 500);
    clock_advance(w.clock, 8000);
    expect_pending(0x41, -1, -1);
    assert_int_equal(apic_read(&w.a[0], CURRENT), 0);
    apic_accept(&w.a[0], 0x41);
    apic_eoi(&w.a[0]);
    clock_advance(w.clock, 100000000);
    expect_pending(-1, -1, -1);
    assert_int_equal(apic_timer_deadline_ns(&w.a[0]), UINT64_MAX);
}

static void a_periodic_timer_makes_one_of_what_it_missed(void **state)
{
    (void)state;
    apic_write(&w.a[0], DIVIDE, BY_1);
    apic_write(&w.a[0], TIMER, 0x41 | PERIODIC);
    apic_write(&w.a[0], INITIAL, 1000000);
    for (unsigned i = 0; i < 3; i++) {
        clock_advance(w.clock, 1000000);
        expect_pending(0x41, -1, -1);
        apic_accept(&w.a[0], 0x41);
        apic_eoi(&w.a[0]);
    }
    assert_int_equal(apic_timer_deadline_ns(&w.a[0]), 4000000);
    clock_pause(w.clock);
    clock_set(w.clock, 1000500000);  // a long sleep
    clock_resume(w.clock);
    apic_timer_poll(&w.a[0]);
    expect_pending(0x41, -1, -1);
    assert_int_equal(apic_timer_deadline_ns(&w.a[0]), 1001000000);
}

static void a_tiny_period_is_stretched(void **state)
{
    (void)state;
    apic_write(&w.a[0], DIVIDE, BY_1);
    apic_write(&w.a[0], TIMER, 0x41 | PERIODIC);
    apic_write(&w.a[0], INITIAL, 1);
    assert_int_equal(apic_timer_deadline_ns(&w.a[0]), 100000);
    assert_int_equal(apic_read(&w.a[0], CURRENT), 1);
}

static void a_new_divider_keeps_the_count(void **state)
{
    (void)state;
    apic_write(&w.a[0], DIVIDE, BY_1);
    apic_write(&w.a[0], TIMER, 0x41);
    apic_write(&w.a[0], INITIAL, 1000);
    clock_advance(w.clock, 400);
    apic_write(&w.a[0], DIVIDE, 0);  // by 2
    assert_int_equal(apic_read(&w.a[0], CURRENT), 600);
    assert_int_equal(apic_timer_deadline_ns(&w.a[0]), 400 + 1200);
}

static void a_masked_timer_runs_out_unheard(void **state)
{
    (void)state;
    apic_write(&w.a[0], DIVIDE, BY_1);
    apic_write(&w.a[0], TIMER, 0x41 | MASKED);
    apic_write(&w.a[0], INITIAL, 1000);
    assert_int_equal(apic_timer_deadline_ns(&w.a[0]), UINT64_MAX);
    clock_advance(w.clock, 2000);
    apic_write(&w.a[0], TIMER, 0x41);
    expect_pending(-1, -1, -1);
}

static void a_tsc_deadline_fires_when_the_tsc_gets_there(void **state)
{
    (void)state;
    apic_write(&w.a[0], TIMER, 0x41 | DEADLINE);
    uint64_t deadline = __rdtsc() + w.s[0].tsc_offset + UINT64_C(3600000000000), value;  // an hour
    assert_true(apic_msr_write(&w.a[0], 0x6e0, deadline));
    assert_true(apic_msr_read(&w.a[0], 0x6e0, &value));
    assert_int_equal(value, deadline);
    clock_advance(w.clock, UINT64_C(3500000000000));
    expect_pending(-1, -1, -1);
    clock_advance(w.clock, UINT64_C(101000000000));
    expect_pending(0x41, -1, -1);
    assert_true(apic_msr_read(&w.a[0], 0x6e0, &value));
    assert_int_equal(value, 0);
}

static void a_tsc_deadline_in_the_past_fires_at_once(void **state)
{
    (void)state;
    apic_write(&w.a[0], TIMER, 0x41 | DEADLINE);
    clock_advance(w.clock, 1);
    apic_msr_write(&w.a[0], 0x6e0, 1);
    expect_pending(0x41, -1, -1);
}

static void a_moved_tsc_moves_its_deadline(void **state)
{
    (void)state;
    apic_write(&w.a[0], TIMER, 0x41 | DEADLINE);
    uint64_t deadline = __rdtsc() + w.s[0].tsc_offset + UINT64_C(3600000000000);
    apic_msr_write(&w.a[0], 0x6e0, deadline);
    w.s[0].tsc_offset += UINT64_C(3600000000000);
    clock_advance(w.clock, 1);
    apic_tsc_changed(&w.a[0]);
    apic_timer_poll(&w.a[0]);
    expect_pending(0x41, -1, -1);
}

static void leaving_deadline_mode_disarms(void **state)
{
    (void)state;
    apic_write(&w.a[0], TIMER, 0x41 | DEADLINE);
    apic_msr_write(&w.a[0], 0x6e0, UINT64_MAX);
    assert_int_not_equal(apic_timer_deadline_ns(&w.a[0]), UINT64_MAX);
    apic_write(&w.a[0], INITIAL, 5);  // ignored here
    apic_write(&w.a[0], TIMER, 0x41);
    assert_int_equal(apic_timer_deadline_ns(&w.a[0]), UINT64_MAX);
    assert_int_equal(apic_read(&w.a[0], INITIAL), 0);
}

static void x2apic_is_entered_from_xapic_and_left_by_disabling(void **state)
{
    (void)state;
    assert_true(enter_x2(1));
    assert_false(apic_msr_write(&w.a[1], MSR_BASE, 0xfee00800));
    assert_false(apic_msr_write(&w.a[1], MSR_BASE, 0xfee00400));
    assert_true(apic_msr_write(&w.a[1], MSR_BASE, 0xfee00000));
    assert_false(apic_msr_write(&w.a[1], MSR_BASE, 0xfee00c00));
    assert_true(apic_msr_write(&w.a[1], MSR_BASE, 0xfee00800));
    assert_int_equal(apic_read(&w.a[1], SVR), 0xff);  // as after a reset
    assert_false(apic_msr_write(&w.a[1], MSR_BASE, 0xfee00a00));
    assert_false(apic_msr_write(&w.a[1], MSR_BASE, UINT64_C(0x100fee00800)));
}

static void the_bsp_bit_stays(void **state)
{
    (void)state;
    assert_true(apic_msr_write(&w.a[0], MSR_BASE, 0xfee00800));
    assert_true(apic_msr_write(&w.a[1], MSR_BASE, 0xfee00900));
    assert_int_equal(w.s[0].apic.base, 0xfee00900);
    assert_int_equal(w.s[1].apic.base, 0xfee00800);
}

static void x2apic_registers_have_their_own_rules(void **state)
{
    (void)state;
    uint64_t value;
    assert_false(apic_msr_read(&w.a[1], X2(ID), &value));  // not in this mode
    enter_x2(1);
    assert_true(apic_msr_read(&w.a[1], X2(ID), &value));
    assert_int_equal(value, 1);
    assert_true(apic_msr_read(&w.a[1], X2(LDR), &value));
    assert_int_equal(value, 2);
    const uint32_t unreadable[] = {X2(DFR), X2(ICR_HIGH), X2(EOI), 0x83f, X2(0x90), X2(0xc0), X2(0)};
    for (unsigned i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++)
        assert_false(apic_msr_read(&w.a[1], unreadable[i], &value));
    const uint32_t unwritable[] = {X2(ID), X2(VERSION), X2(PPR), X2(LDR), X2(0x100), X2(0x180), X2(0x200),
                                   X2(CURRENT), X2(DFR), X2(ICR_HIGH)};
    for (unsigned i = 0; i < sizeof(unwritable) / sizeof(unwritable[0]); i++)
        assert_false(apic_msr_write(&w.a[1], unwritable[i], 0));
    assert_false(apic_msr_write(&w.a[1], X2(EOI), 1));
    assert_false(apic_msr_write(&w.a[1], X2(ESR), 1));
    assert_false(apic_msr_write(&w.a[1], X2(TPR), 0x100));
    assert_false(apic_msr_write(&w.a[1], X2(SVR), UINT64_C(1) << 32));
    assert_false(apic_msr_write(&w.a[1], X2(ICR), 1 << 13));
    assert_true(apic_msr_write(&w.a[1], X2(EOI), 0));
    assert_true(apic_msr_write(&w.a[1], X2(TIMER), 0x41 | DEADLINE));
    assert_int_equal(apic_read(&w.a[1], ID), UINT32_MAX);  // the page is gone
}

static void x2apic_ipis_have_wide_destinations(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++)
        enter_x2(i);
    assert_true(apic_msr_write(&w.a[0], X2(ICR), UINT64_C(2) << 32 | 0x41));
    expect_pending(-1, -1, 0x41);
    assert_true(apic_msr_write(&w.a[0], X2(ICR), UINT64_C(3) << 32 | 0x51 | LOGICAL));
    expect_pending(0x51, 0x51, 0x41);
    assert_true(apic_msr_write(&w.a[0], X2(ICR), UINT64_C(0x10003) << 32 | 0x61 | LOGICAL));
    expect_pending(0x51, 0x51, 0x41);
    assert_true(apic_msr_write(&w.a[0], X2(ICR), UINT64_C(0xff) << 32 | 0x71));
    expect_pending(0x51, 0x51, 0x41);
    assert_true(apic_msr_write(&w.a[0], X2(ICR), UINT64_C(0xffffffff) << 32 | 0x81));
    expect_pending(0x81, 0x81, 0x81);
    assert_true(apic_msr_write(&w.a[1], 0x83f, 0x91));
    expect_pending(0x81, 0x91, 0x81);
    apic_bus_msi(w.bus, 0xfeeff000, 0xa1);
    expect_pending(0xa1, 0xa1, 0xa1);
}

static void a_loaded_state_is_checked(void **state)
{
    (void)state;
    struct x86_apic good = w.s[1].apic;
    assert_int_equal(apic_loaded(&w.a[1], NULL), 0);
    w.s[1].apic.id = 0;
    assert_true(apic_loaded(&w.a[1], NULL) < 0);
    w.s[1].apic = good;
    w.s[1].apic.base = 0xfee00400;
    assert_true(apic_loaded(&w.a[1], NULL) < 0);
    w.s[1].apic = good;
    w.s[1].apic.irr[0] = 1;
    assert_true(apic_loaded(&w.a[1], NULL) < 0);
    w.s[1].apic = good;
    w.s[1].apic.lvt[APIC_LVT_TIMER] = 1u << 31;
    assert_true(apic_loaded(&w.a[1], NULL) < 0);
}

static void a_loaded_timer_goes_on(void **state)
{
    (void)state;
    w.s[1].apic.lvt[APIC_LVT_TIMER] = 0x41;
    w.s[1].apic.timer_initial = 1000;
    w.s[1].apic.timer_fire_ns = 500;
    assert_int_equal(apic_loaded(&w.a[1], NULL), 0);
    clock_advance(w.clock, 500);
    expect_pending(-1, 0x41, -1);
}

// A vCPU's thread that halts as an engine's does: it sleeps only while apic_has_work says no, and
// wake comes under the sleeper's lock.
static struct sleeper {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    struct x86_state s;
    struct apic apic;
    uint32_t received;
} sleeper = {.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};

enum { ROUNDS = 2000 };

static void wake_sleeper(void *opaque)
{
    (void)opaque;
    pthread_mutex_lock(&sleeper.lock);
    pthread_cond_signal(&sleeper.woken);
    pthread_mutex_unlock(&sleeper.lock);
}

static void halt(void)
{
    pthread_mutex_lock(&sleeper.lock);
    while (!apic_has_work(&sleeper.apic))
        pthread_cond_wait(&sleeper.woken, &sleeper.lock);
    pthread_mutex_unlock(&sleeper.lock);
}

static void *run_sleeper(void *unused)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        halt();
        uint8_t sipi;
        int vector = apic_pending(&sleeper.apic);
        if (vector >= 0) {
            apic_accept(&sleeper.apic, vector);
            apic_eoi(&sleeper.apic);
        } else if (!apic_take(&sleeper.apic, &sipi)) {
            return unused;
        }
        __atomic_fetch_add(&sleeper.received, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void no_wake_up_is_lost_between_threads(void **state)
{
    (void)state;
    static const struct apic_ops sleeper_ops = {.wake = wake_sleeper, .eoi = eoi};
    struct apic_bus *bus = apic_bus_create(1);
    pthread_t thread;
    x86_reset(&sleeper.s, 0, false);
    sleeper.s.rflags |= FL_IF;
    apic_init(&sleeper.apic, bus, &sleeper.s, w.clock, 1000000000, &sleeper_ops, NULL);
    apic_reset(&sleeper.apic, false);
    apic_write(&sleeper.apic, SVR, 0x1ff);
    pthread_create(&thread, NULL, run_sleeper, &w);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        apic_bus_msi(bus, 0xfee00000, i % 3 == 0 ? (uint32_t)NMI : 0x40 + i % 100);
        while (__atomic_load_n(&sleeper.received, __ATOMIC_ACQUIRE) != i + 1)
            sched_yield();  // a lost one hangs here, until the runner's time limit
    }
    void *result;
    pthread_join(thread, &result);
    assert_null(result);
    apic_finish(&sleeper.apic);
    apic_bus_destroy(bus);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reset_apic_is_as_the_manual_says), TEST(a_physical_ipi_reaches_its_target_and_wakes_it),
        TEST(shorthands_reach_self_all_or_others), TEST(a_flat_logical_destination_is_a_mask),
        TEST(a_cluster_destination_names_cluster_and_members), TEST(physical_ff_is_everybody),
        TEST(lowest_priority_goes_to_the_least_busy), TEST(priority_holds_back_what_is_not_above_it),
        TEST(lowering_the_priority_wakes_for_what_waited), TEST(eoi_ends_the_highest_in_service),
        TEST(the_eoi_of_a_level_is_told), TEST(msis_know_physical_logical_and_redirected),
        TEST(nmi_init_and_sipi_are_requests_taken_once),
        TEST(an_init_forgets_an_earlier_sipi_and_keeps_a_later_one),
        TEST(waiting_for_sipi_hears_nothing_else), TEST(a_software_disabled_apic_takes_only_requests),
        TEST(illegal_vectors_are_errors_and_no_interrupts), TEST(the_8259s_wire_passes_as_extint),
        TEST(lint0_may_also_be_fixed), TEST(an_extint_message_lasts_until_the_wire_falls),
        TEST(a_one_shot_timer_fires_once_and_counts_down),
        TEST(a_periodic_timer_makes_one_of_what_it_missed), TEST(a_tiny_period_is_stretched),
        TEST(a_new_divider_keeps_the_count), TEST(a_masked_timer_runs_out_unheard),
        TEST(a_tsc_deadline_fires_when_the_tsc_gets_there), TEST(a_tsc_deadline_in_the_past_fires_at_once),
        TEST(a_moved_tsc_moves_its_deadline), TEST(leaving_deadline_mode_disarms),
        TEST(x2apic_is_entered_from_xapic_and_left_by_disabling), TEST(the_bsp_bit_stays),
        TEST(x2apic_registers_have_their_own_rules), TEST(x2apic_ipis_have_wide_destinations),
        TEST(a_loaded_state_is_checked), TEST(a_loaded_timer_goes_on),
        TEST(no_wake_up_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
