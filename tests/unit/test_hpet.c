// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/device_bench.h"

#include "guest/device/hpet.h"
#include "guest/device/ticks.h"

enum { CAP = 0x00, CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0 };
enum { ENABLE = 1, LEGACY = 2 };
enum { T_LEVEL = 2, T_ENABLE = 4, T_PERIODIC = 8, T_SET = 0x40, T_32BIT = 0x100 };

static struct wire timer, rtc, gsi20;
static struct clock *test_clock;
static struct hpet hpet;

static uint64_t get(unsigned reg) { return device_read(&hpet.dev, reg, 8); }
static void put(unsigned reg, uint64_t value) { device_write(&hpet.dev, reg, value, 8); }
static void put32(unsigned reg, uint32_t value) { device_write(&hpet.dev, reg, value, 4); }
static unsigned conf(unsigned n) { return 0x100 + 0x20 * n; }
static unsigned comp(unsigned n) { return 0x108 + 0x20 * n; }

static int setup(void **state)
{
    (void)state;
    timer = rtc = gsi20 = wire();
    test_clock = clock_create_manual();
    struct hpet_lines lines = {.timer = &timer.line, .rtc = &rtc.line, .gsi[20] = &gsi20.line};
    hpet_init(&hpet, &lines, test_clock);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hpet_finish(&hpet);
    clock_destroy(test_clock);
    return 0;
}

static void it_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(get(CAP), 0x009896808086a201);
    assert_int_equal(get(conf(0)) >> 32, 1 << 20);
    assert_int_equal(get(conf(0)) & 0x30, 0x30);
    assert_int_equal(device_read(&hpet.dev, 4, 4), 10000000);
}

static void the_counter_runs_only_while_enabled(void **state)
{
    (void)state;
    clock_advance(test_clock, SECOND);
    assert_int_equal(get(COUNTER), 0);
    put(CONFIG, ENABLE);
    clock_advance(test_clock, SECOND);
    assert_int_equal(get(COUNTER), 100000000);
    put(CONFIG, 0);
    clock_advance(test_clock, SECOND);
    assert_int_equal(get(COUNTER), 100000000);
    put(COUNTER, UINT64_C(0xffffffff00000000));
    put32(COUNTER, 5);
    put(CONFIG, ENABLE);
    clock_advance(test_clock, 10);
    assert_int_equal(get(COUNTER), UINT64_C(0xffffffff00000006));
    assert_int_equal(device_read(&hpet.dev, COUNTER + 4, 4), 0xffffffff);
}

// Linux' hpet_clkevt_legacy_resume and hpet_clkevt_set_next_event.
static void one_shot_over_the_legacy_route(void **state)
{
    (void)state;
    put(CONFIG, ENABLE | LEGACY);
    put32(conf(0), T_ENABLE | T_32BIT);
    put32(comp(0), device_read(&hpet.dev, COUNTER, 4) + 1000);
    clock_advance(test_clock, 9999);
    assert_int_equal(timer.edges, 0);
    clock_advance(test_clock, 1);
    assert_int_equal(timer.edges, 1);
    clock_advance(test_clock, 40 * SECOND);
    assert_int_equal(timer.edges, 1);
    clock_advance(test_clock, 3 * SECOND);  // a 32-bit timer matches again as the counter wraps
    assert_int_equal(timer.edges, 2);
}

// Linux' hpet_clkevt_set_state_periodic.
static void periodic_takes_its_first_match_and_then_its_period(void **state)
{
    (void)state;
    put(CONFIG, ENABLE | LEGACY);
    put32(conf(0), T_ENABLE | T_PERIODIC | T_SET | T_32BIT);
    put32(comp(0), 100000);
    put32(comp(0), 400000);  // 4 ms
    clock_advance(test_clock, 1 * MS);
    assert_int_equal(timer.edges, 1);
    assert_int_equal(get(comp(0)), 500000);
    clock_advance(test_clock, 40 * MS);
    assert_int_equal(timer.edges, 11);
    assert_int_equal(get(conf(0)) & T_SET, 0);
}

static void a_level_is_held_until_its_status_is_cleared(void **state)
{
    (void)state;
    put(CONFIG, ENABLE);
    put(conf(2), T_ENABLE | T_LEVEL | 20 << 9);
    put(comp(2), 100);
    clock_advance(test_clock, 1000);
    assert_true(gsi20.level);
    assert_int_equal(get(STATUS), 4);
    put(STATUS, 3);
    assert_true(gsi20.level);
    put(STATUS, 4);
    assert_false(gsi20.level);
}

static void a_route_that_is_not_there_goes_nowhere(void **state)
{
    (void)state;
    put(CONFIG, ENABLE);
    put(conf(0), T_ENABLE | 21 << 9);
    put(comp(0), 100);
    clock_advance(test_clock, 1000);
    put(conf(1), T_ENABLE | T_LEVEL | 31 << 9);
    put(comp(1), 300);
    clock_advance(test_clock, 10000);
    assert_int_equal(get(STATUS), 2);
    assert_int_equal(gsi20.edges + timer.edges + rtc.edges, 0);
}

static void the_legacy_route_takes_over_the_pit_and_the_rtc(void **state)
{
    (void)state;
    irq_set(hpet_legacy_timer(&hpet), true);
    assert_true(timer.level);
    put(CONFIG, LEGACY | ENABLE);
    assert_false(timer.level);
    irq_set(hpet_legacy_rtc(&hpet), true);
    assert_false(rtc.level);
    put(conf(1), T_ENABLE);
    put(comp(1), 100);
    clock_advance(test_clock, 1000);
    assert_int_equal(rtc.edges, 1);
    put(CONFIG, 0);
    assert_true(rtc.level);
    assert_true(timer.level);
}

static void a_passed_comparator_waits_for_the_counter(void **state)
{
    (void)state;
    put(CONFIG, ENABLE | LEGACY);
    clock_advance(test_clock, 10000);
    put(conf(0), T_ENABLE);
    put(comp(0), 999);
    clock_advance(test_clock, 100 * SECOND);
    assert_int_equal(timer.edges, 0);
    put(COUNTER, 0);
    clock_advance(test_clock, 9990);
    assert_int_equal(timer.edges, 1);
}

static void a_long_pause_is_one_interrupt(void **state)
{
    (void)state;
    put(CONFIG, ENABLE | LEGACY);
    put(conf(0), T_ENABLE | T_PERIODIC | T_SET);
    put(comp(0), 100000);
    clock_pause(test_clock);
    clock_set(test_clock, 3600 * SECOND + 5);
    clock_resume(test_clock);
    clock_advance(test_clock, 1);
    assert_int_equal(timer.edges, 1);
    assert_int_equal(get(comp(0)), 360000100000);
    clock_advance(test_clock, MS);
    assert_int_equal(timer.edges, 2);
}

static void a_tiny_period_does_not_storm(void **state)
{
    (void)state;
    put(CONFIG, ENABLE | LEGACY);
    put(conf(0), T_ENABLE | T_PERIODIC | T_SET);
    put(comp(0), 1);
    clock_advance(test_clock, 10 * MS);
    assert_in_range(timer.edges, 100, 10 * MS / PERIODIC_FLOOR_NS);
}

static void narrow_and_unaligned_accesses_do_no_harm(void **state)
{
    (void)state;
    device_write(&hpet.dev, CONFIG, 1, 1);
    device_write(&hpet.dev, CONFIG + 2, 1, 4);
    device_write(&hpet.dev, CONFIG - 4, UINT64_MAX, 8);
    assert_int_equal(get(CONFIG), 0);
    assert_int_equal(device_read(&hpet.dev, 1023, 1), 0);
    assert_int_equal(device_read(&hpet.dev, 2, 2), 0x8086);
}

static void a_loaded_state_is_checked_and_goes_on(void **state)
{
    (void)state;
    put(CONFIG, ENABLE);
    put(conf(0), T_ENABLE | T_LEVEL | 20 << 9);
    put(comp(0), 100);
    clock_timer_cancel(&hpet.clock_timer);
    assert_int_equal(device_loaded(&hpet.dev, NULL), 0);
    device_started(&hpet.dev);
    clock_advance(test_clock, 1000);
    assert_true(gsi20.level);
    hpet.timers[2].config = 1;
    struct err err = {0};
    assert_int_equal(device_loaded(&hpet.dev, &err), -EINVAL);
    assert_non_null(strstr(err.text, "timer 2"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_says_what_it_is),
        TEST(the_counter_runs_only_while_enabled),
        TEST(one_shot_over_the_legacy_route),
        TEST(periodic_takes_its_first_match_and_then_its_period),
        TEST(a_level_is_held_until_its_status_is_cleared),
        TEST(a_route_that_is_not_there_goes_nowhere),
        TEST(the_legacy_route_takes_over_the_pit_and_the_rtc),
        TEST(a_passed_comparator_waits_for_the_counter),
        TEST(a_long_pause_is_one_interrupt),
        TEST(a_tiny_period_does_not_storm),
        TEST(narrow_and_unaligned_accesses_do_no_harm),
        TEST(a_loaded_state_is_checked_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
