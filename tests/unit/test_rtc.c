// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/device_bench.h"

#include "guest/device/rtc.h"

enum { INDEX, DATA };
enum { SEC, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WDAY, MDAY, MON, YEAR, A, B, C, D, CENTURY = 0x32 };

// Thursday, 29 February 2024, 23:59:58 UTC.
enum { START_S = 1709251198 };

static struct wire irq;
static struct clock *test_clock;
static struct rtc rtc;

static uint8_t get(unsigned reg)
{
    device_write(&rtc.dev, INDEX, reg, 1);
    return device_read(&rtc.dev, DATA, 1);
}

static void put(unsigned reg, uint8_t value)
{
    device_write(&rtc.dev, INDEX, reg, 1);
    device_write(&rtc.dev, DATA, value, 1);
}

static int setup(void **state)
{
    (void)state;
    irq = wire();
    test_clock = clock_create_manual();
    rtc_init(&rtc, &irq.line, test_clock, START_S);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rtc_finish(&rtc);
    clock_destroy(test_clock);
    return 0;
}

static void assert_time(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t hour,
                        uint8_t minute, uint8_t second)
{
    assert_int_equal(get(CENTURY), century);
    assert_int_equal(get(YEAR), year);
    assert_int_equal(get(MON), month);
    assert_int_equal(get(MDAY), day);
    assert_int_equal(get(HOUR), hour);
    assert_int_equal(get(MIN), minute);
    assert_int_equal(get(SEC), second);
}

static void it_starts_at_the_given_time_and_goes_on(void **state)
{
    (void)state;
    assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
    assert_int_equal(get(WDAY), 5);
    clock_advance(test_clock, 2 * SECOND);
    assert_time(0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00);
    assert_int_equal(get(WDAY), 6);
    assert_int_equal(get(D), 0x80);
}

static void binary_and_twelve_hours(void **state)
{
    (void)state;
    put(B, 0x04);
    assert_time(20, 24, 2, 29, 0x80 | 11, 59, 58);
    put(B, 0x00);
    assert_int_equal(get(HOUR), 0x91);
    clock_advance(test_clock, 2 * SECOND);
    assert_int_equal(get(HOUR), 0x12);  // midnight
}

static void the_guest_sets_the_time_under_set(void **state)
{
    (void)state;
    clock_advance(test_clock, 300 * MS);
    put(B, 0x82);
    put(CENTURY, 0x19), put(YEAR, 0x99), put(MON, 0x12), put(MDAY, 0x31);
    put(HOUR, 0x23), put(MIN, 0x59), put(SEC, 0x59);
    clock_advance(test_clock, 10 * SECOND);
    assert_time(0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59);
    put(B, 0x02);
    clock_advance(test_clock, 699 * MS);
    assert_int_equal(get(SEC), 0x59);
    clock_advance(test_clock, 1 * MS);  // the divider ran on
    assert_time(0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00);
}

// What Linux' mach_set_cmos_time relies on.
static void a_released_divider_updates_half_a_second_later(void **state)
{
    (void)state;
    clock_advance(test_clock, 123 * MS);
    put(B, 0x82);
    put(A, 0x76);
    put(SEC, 0x10);
    put(A, 0x26);
    put(B, 0x02);
    clock_advance(test_clock, 499 * MS);
    assert_int_equal(get(SEC), 0x10);
    clock_advance(test_clock, 1 * MS);
    assert_int_equal(get(SEC), 0x11);
}

static void uip_warns_before_an_update(void **state)
{
    (void)state;
    clock_advance(test_clock, SECOND - 245 * US);
    assert_int_equal(get(A), 0x26);
    clock_advance(test_clock, 1 * US);
    assert_int_equal(get(A), 0xa6);
    assert_int_equal(get(SEC), 0x58);
    clock_advance(test_clock, 244 * US);
    assert_int_equal(get(A), 0x26);
    assert_int_equal(get(SEC), 0x59);
}

static void the_periodic_interrupt_waits_for_register_c(void **state)
{
    (void)state;
    put(B, 0x42);  // 1024 Hz
    clock_advance(test_clock, 976 * US);
    assert_false(irq.level);
    clock_advance(test_clock, 1 * US);
    assert_true(irq.level);
    clock_advance(test_clock, 100 * MS);
    assert_int_equal(irq.edges, 1);
    assert_int_equal(get(C), 0xc0);
    assert_false(irq.level);
    assert_int_equal(get(C), 0x00);
    unsigned served = 0;
    for (unsigned i = 0; i < 100000; i++, clock_advance(test_clock, 10 * US))
        if (irq.level)
            served++, get(C);
    assert_in_range(served, 1023, 1025);
}

static void the_update_interrupt_comes_each_second(void **state)
{
    (void)state;
    put(B, 0x12);
    clock_advance(test_clock, SECOND - 1);
    assert_false(irq.level);
    clock_advance(test_clock, 1);
    assert_true(irq.level);
    assert_int_equal(get(C) & 0x90, 0x90);
    clock_advance(test_clock, SECOND);
    assert_int_equal(irq.edges, 2);
}

static void the_alarm_comes_when_the_time_matches(void **state)
{
    (void)state;
    put(HOUR_ALARM, 0x00), put(MIN_ALARM, 0x01), put(SEC_ALARM, 0x30);
    put(B, 0x22);
    clock_advance(test_clock, 91 * SECOND);
    assert_false(irq.level);
    clock_advance(test_clock, 1 * SECOND);
    assert_true(irq.level);
    assert_int_equal(get(C) & 0xa0, 0xa0);
    clock_advance(test_clock, 86399 * SECOND);
    assert_false(irq.level);
    clock_advance(test_clock, 1 * SECOND);
    assert_true(irq.level);
}

static void an_alarm_has_wildcards_and_may_be_impossible(void **state)
{
    (void)state;
    put(HOUR_ALARM, 0xff), put(MIN_ALARM, 0xc0), put(SEC_ALARM, 0x05);
    put(B, 0x22);
    clock_advance(test_clock, 7 * SECOND);
    assert_true(irq.level);
    get(C);
    clock_advance(test_clock, 60 * SECOND);
    assert_true(irq.level);
    put(SEC_ALARM, 0x7a);
    get(C);
    clock_advance(test_clock, 100000 * SECOND);
    assert_false(irq.level);
}

static void set_stops_updates_and_clears_uie(void **state)
{
    (void)state;
    put(B, 0x92);
    assert_int_equal(get(B), 0x82);
    clock_advance(test_clock, 5 * SECOND);
    assert_int_equal(get(C), 0x40);  // only the periodic flag
}

static void nonsense_in_the_registers_is_taken_as_a_calendar_would(void **state)
{
    (void)state;
    put(B, 0x86);
    for (unsigned reg = SEC; reg <= YEAR; reg++)
        put(reg, 0xff);
    put(CENTURY, 0xff);
    put(B, 0x06);
    clock_advance(test_clock, SECOND);
    assert_int_equal(get(CENTURY), 99);
    assert_int_equal(get(YEAR), 99);
}

static void ram_keeps_and_reset_spares_it(void **state)
{
    (void)state;
    put(0x0f, 0x0a);
    put(0x7f, 0x55);
    put(B, 0x72);
    device_reset(&rtc.dev);
    assert_int_equal(get(0x0f), 0x0a);
    assert_int_equal(get(0xff), 0x55);  // the upper bit is the NMI mask
    assert_int_equal(get(B), 0x02);
    assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
}

static void firmware_finds_the_memory_size(void **state)
{
    (void)state;
    rtc_set_memory(&rtc, UINT64_C(2) << 30, UINT64_C(2) << 30);
    assert_int_equal(get(0x15) | get(0x16) << 8, 640);
    assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
    assert_int_equal(get(0x34) | get(0x35) << 8, ((2 << 10) - 16) * 16);
    assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 0x8000);
}

static void a_loaded_state_is_checked_and_goes_on(void **state)
{
    (void)state;
    put(B, 0x12);
    clock_timer_cancel(&rtc.timer);
    assert_int_equal(device_loaded(&rtc.dev, NULL), 0);
    device_started(&rtc.dev);
    clock_advance(test_clock, SECOND);
    assert_true(irq.level);
    rtc.base_s = INT64_MAX;
    struct err err = {0};
    assert_int_equal(device_loaded(&rtc.dev, &err), -EINVAL);
    assert_non_null(strstr(err.text, "out of range"));
}

static int64_t host_now_ns;

static int64_t host_ns(void)
{
    return host_now_ns;
}

static void follow_the_host(void)
{
    host_now_ns = INT64_C(1709251198) * SECOND;
    rtc_follow(&rtc, host_ns);
}

static void pause_for(int64_t ns)
{
    clock_pause(test_clock);
    device_quiesce(&rtc.dev);
    host_now_ns += ns;
    clock_resume(test_clock);
    device_resume(&rtc.dev);
}

static void the_time_stands_while_the_guest_is_paused(void **state)
{
    (void)state;
    pause_for(INT64_C(3600) * SECOND);
    assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
}

// Fractions of a second add up, in both directions.
static void or_it_follows_the_hosts(void **state)
{
    (void)state;
    follow_the_host();
    pause_for(0);
    assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
    pause_for(INT64_C(3601) * SECOND + SECOND / 2);
    assert_time(0x20, 0x24, 0x03, 0x01, 0x00, 0x59, 0x59);
    for (unsigned i = 0; i < 9; i++)
        pause_for(SECOND / 2);
    assert_time(0x20, 0x24, 0x03, 0x01, 0x01, 0x00, 0x04);
    pause_for(-(int64_t)SECOND / 2);
    assert_time(0x20, 0x24, 0x03, 0x01, 0x01, 0x00, 0x03);
    clock_advance(test_clock, SECOND / 2);
    host_now_ns += SECOND / 2;
    pause_for(0);
    assert_time(0x20, 0x24, 0x03, 0x01, 0x01, 0x00, 0x04);
    assert_int_equal(device_loaded(&rtc.dev, NULL), 0);
}

static void an_alarm_passed_in_a_pause_comes_at_its_end(void **state)
{
    (void)state;
    follow_the_host();
    put(HOUR_ALARM, 0x00);
    put(MIN_ALARM, 0x30);
    put(SEC_ALARM, 0x00);
    put(B, 0x22);
    pause_for(INT64_C(600) * SECOND);
    assert_false(irq.level);
    pause_for(INT64_C(3600) * SECOND);
    assert_true(irq.level);
    assert_int_equal(get(C) & 0xb0, 0xb0);
}

static void the_last_year_is_the_last(void **state)
{
    (void)state;
    follow_the_host();
    rtc.base_s = INT64_C(253402300799);
    for (unsigned i = 0; i < 9; i++)
        pause_for(SECOND / 2);
    assert_int_equal(get(CENTURY), 0x99);
    assert_int_equal(device_loaded(&rtc.dev, NULL), 0);
}

static void a_snapshot_without_the_hosts_time_stands(void **state)
{
    (void)state;
    follow_the_host();
    rtc.host_lead_ns = 0;
    pause_for(INT64_C(3600) * SECOND);
    assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
    rtc.host_lead_ns = INT64_MIN;
    pause_for(0);
    assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_starts_at_the_given_time_and_goes_on),
        TEST(binary_and_twelve_hours),
        TEST(the_guest_sets_the_time_under_set),
        TEST(a_released_divider_updates_half_a_second_later),
        TEST(uip_warns_before_an_update),
        TEST(the_periodic_interrupt_waits_for_register_c),
        TEST(the_update_interrupt_comes_each_second),
        TEST(the_alarm_comes_when_the_time_matches),
        TEST(an_alarm_has_wildcards_and_may_be_impossible),
        TEST(set_stops_updates_and_clears_uie),
        TEST(nonsense_in_the_registers_is_taken_as_a_calendar_would),
        TEST(ram_keeps_and_reset_spares_it),
        TEST(firmware_finds_the_memory_size),
        TEST(a_loaded_state_is_checked_and_goes_on),
        TEST(the_time_stands_while_the_guest_is_paused),
        TEST(or_it_follows_the_hosts),
        TEST(an_alarm_passed_in_a_pause_comes_at_its_end),
        TEST(the_last_year_is_the_last),
        TEST(a_snapshot_without_the_hosts_time_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
