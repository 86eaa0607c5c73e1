// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/device_bench.h"

#include "guest/device/ich9_pm.h"

enum { STATUS = 0, ENABLE = 2, CONTROL = 4, TIMER = 8, GPE_STATUS = 0x20, GPE_ENABLE = 0x28,
       APM = ICH9_PM_APM };
enum { BUTTON = 1 << 8 };

static struct wire sci;
static struct power_log power;
static struct clock *test_clock;
static struct ich9_pm pm;

static uint64_t get(unsigned reg, unsigned size) { return device_read(&pm.dev, reg, size); }
static void put(unsigned reg, unsigned size, uint64_t v) { device_write(&pm.dev, reg, v, size); }

static int setup(void **state)
{
    (void)state;
    sci = wire();
    power = power_log();
    test_clock = clock_create_manual();
    ich9_pm_init(&pm, &sci.line, &power.sink, test_clock);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ich9_pm_finish(&pm);
    clock_destroy(test_clock);
    return 0;
}

static void the_timer_counts_24_bits(void **state)
{
    (void)state;
    clock_advance(test_clock, SECOND);
    assert_int_equal(get(TIMER, 4), 3579545);
    clock_advance(test_clock, 4 * SECOND);
    assert_int_equal(get(TIMER, 4), 5 * 3579545 - (1 << 24));
    assert_int_equal(get(TIMER + 2, 1), (5 * 3579545 - (1 << 24)) >> 16);
}

static void the_timer_interrupts_at_each_half(void **state)
{
    (void)state;
    put(APM, 1, ICH9_ACPI_ENABLE);
    put(ENABLE, 2, 1);
    clock_advance(test_clock, 2343 * UINT64_C(1000000));
    assert_false(sci.level);
    clock_advance(test_clock, 1 * MS);
    assert_true(sci.level);
    assert_int_equal(get(STATUS, 2), 1);
    put(STATUS, 2, 1);
    assert_false(sci.level);
    clock_advance(test_clock, 2344 * UINT64_C(1000000));
    assert_true(sci.level);
}

static void the_timer_status_is_there_without_an_interrupt(void **state)
{
    (void)state;
    clock_advance(test_clock, 3 * SECOND);
    assert_int_equal(get(STATUS, 2), 1);
    put(STATUS, 2, 1);
    assert_int_equal(get(STATUS, 2), 0);
}

static void port_b2_hands_over_acpi(void **state)
{
    (void)state;
    assert_int_equal(get(CONTROL, 2), 0);
    put(APM, 1, ICH9_ACPI_ENABLE);
    assert_int_equal(get(CONTROL, 2), 1);
    put(APM, 1, ICH9_ACPI_DISABLE);
    assert_int_equal(get(CONTROL, 2), 0);
    put(APM, 2, 0x5501);
    assert_int_equal(get(APM, 2), 0x5501);
}

static void the_power_button_raises_the_sci(void **state)
{
    (void)state;
    ich9_pm_power_button(&pm);
    assert_false(sci.level);
    put(STATUS, 2, BUTTON);
    put(ENABLE, 2, BUTTON);
    put(APM, 1, ICH9_ACPI_ENABLE);
    ich9_pm_power_button(&pm);
    assert_true(sci.level);
    assert_int_equal(get(STATUS, 2), BUTTON);
    put(STATUS, 2, BUTTON);
    assert_false(sci.level);
}

static void sleeping_in_s5_switches_off(void **state)
{
    (void)state;
    put(CONTROL, 2, 7 << 10);
    assert_int_equal(power.requests, 0);
    put(CONTROL, 2, 7 << 10 | 1 << 13);
    assert_int_equal(power.requests, 1);
    assert_int_equal(power.last, POWER_OFF);
    assert_int_equal(get(CONTROL, 2), 7 << 10);
    put(CONTROL + 1, 1, 5 << 2 | 1 << 5);  // S3: not there
    assert_int_equal(power.requests, 1);
    put(CONTROL + 1, 1, 1 << 5);  // as QEMU's tables call S5
    assert_int_equal(power.requests, 2);
}

static void general_purpose_events_are_gated_by_their_enables(void **state)
{
    (void)state;
    put(APM, 1, ICH9_ACPI_ENABLE);
    ich9_pm_event(&pm, 33);
    assert_int_equal(get(GPE_STATUS + 4, 4), 2);
    assert_false(sci.level);
    put(GPE_ENABLE + 4, 1, 2);
    assert_true(sci.level);
    put(GPE_STATUS, 8, UINT64_C(2) << 32);
    assert_false(sci.level);
    assert_int_equal(get(GPE_ENABLE, 8), UINT64_C(2) << 32);
}

static void bytes_and_words_reach_their_part_of_a_register(void **state)
{
    (void)state;
    put(ENABLE + 1, 1, 0x05);
    assert_int_equal(get(STATUS, 4), 0x05000000);
    put(0x30, 4, 0x11223344);
    put(0x31, 2, 0xaabb);
    assert_int_equal(get(0x30, 4), 0x11aabb44);
    put(0x2e, 8, UINT64_MAX);  // crosses into SMI_EN and SMI_STS
    assert_int_equal(get(0x28, 8), UINT64_C(0xffff000000000000));
    assert_int_equal(get(0x30, 4), 0xffffffff);
    assert_int_equal(get(0x60, 8), 0);
}

static void a_loaded_state_is_checked_and_goes_on(void **state)
{
    (void)state;
    put(APM, 1, ICH9_ACPI_ENABLE);
    put(ENABLE, 2, 1);
    clock_timer_cancel(&pm.timer);
    assert_int_equal(device_loaded(&pm.dev, NULL), 0);
    device_started(&pm.dev);
    clock_advance(test_clock, 3 * SECOND);
    assert_true(sci.level);
    pm.pm1_control = 1 << 13;
    assert_int_equal(device_loaded(&pm.dev, NULL), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_timer_counts_24_bits),
        TEST(the_timer_interrupts_at_each_half),
        TEST(the_timer_status_is_there_without_an_interrupt),
        TEST(port_b2_hands_over_acpi),
        TEST(the_power_button_raises_the_sci),
        TEST(sleeping_in_s5_switches_off),
        TEST(general_purpose_events_are_gated_by_their_enables),
        TEST(bytes_and_words_reach_their_part_of_a_register),
        TEST(a_loaded_state_is_checked_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
