// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/device_bench.h"

#include "guest/device/pit8254.h"
#include "guest/device/ticks.h"

enum { CONTROL = 3, PORT61 = 4 };

static struct wire irq;
static struct clock *test_clock;
static struct pit8254 pit;

static uint8_t in(unsigned reg) { return device_read(&pit.dev, reg, 1); }
static void out(unsigned reg, uint8_t v) { device_write(&pit.dev, reg, v, 1); }

static int setup(void **state)
{
    (void)state;
    irq = wire();
    test_clock = clock_create_manual();
    pit8254_init(&pit, &irq.line, test_clock);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pit8254_finish(&pit);
    clock_destroy(test_clock);
    return 0;
}

// To the nanosecond at which the counter has seen `pulses` more CLK pulses.
static void clk(uint64_t pulses)
{
    uint64_t now = clock_now_ns(test_clock);
    clock_advance(test_clock, ns_of_ticks(ticks_of_ns(now, PIT8254_HZ) + pulses, PIT8254_HZ) - now);
}

static void program(unsigned channel, unsigned mode, unsigned bcd, uint16_t count)
{
    out(CONTROL, channel << 6 | 0x30 | mode << 1 | bcd);
    out(channel, count);
    out(channel, count >> 8);
}

static uint16_t latched(unsigned channel)
{
    out(CONTROL, channel << 6);
    uint16_t low = in(channel);
    return low | in(channel) << 8;
}

static bool out_pin(unsigned channel)
{
    out(CONTROL, 0xe0 | 2 << channel);  // read back the status
    return in(channel) & 0x80;
}

static void mode_0_rises_once_after_the_count(void **state)
{
    (void)state;
    program(0, 0, 0, 4);
    assert_false(irq.level);
    irq.edges = 0;
    clk(4);
    assert_int_equal(latched(0), 1);
    assert_false(irq.level);
    clk(1);
    assert_true(irq.level);  // N + 1 pulses after the write
    assert_int_equal(latched(0), 0);
    clk(1);
    assert_int_equal(latched(0), 0xffff);
    clk(200000);
    assert_int_equal(irq.edges, 1);
}

static void mode_0_stops_at_the_first_byte_and_by_the_gate(void **state)
{
    (void)state;
    out(PORT61, 1);
    program(2, 0, 0, 100);
    clk(11);
    assert_int_equal(latched(2), 90);
    out(PORT61, 0);
    clk(50);
    assert_int_equal(latched(2), 90);
    out(PORT61, 1);
    clk(10);
    assert_int_equal(latched(2), 80);
    out(2, 5);
    clk(500);
    assert_false(out_pin(2));
    out(2, 0);
    clk(6);
    assert_true(out_pin(2));
}

static void mode_1_is_triggered_by_the_gate(void **state)
{
    (void)state;
    program(2, 1, 0, 10);
    clk(50);
    assert_true(out_pin(2));
    out(PORT61, 1);
    clk(1);
    assert_false(out_pin(2));
    clk(5);
    out(PORT61, 0);
    out(PORT61, 1);  // again
    clk(10);
    assert_false(out_pin(2));
    clk(1);
    assert_true(out_pin(2));
}

static void mode_2_interrupts_each_period(void **state)
{
    (void)state;
    program(0, 2, 0, 11932);  // 100 Hz
    irq.edges = 0;
    clock_advance(test_clock, SECOND);
    assert_int_equal(irq.edges, 99);  // the hundredth ends a little later: 11932 > 11931.82
    clk(100);
    assert_int_equal(irq.edges, 100);
}

static void mode_2_is_low_for_the_last_pulse(void **state)
{
    (void)state;
    out(PORT61, 1);
    program(2, 2, 0, 5);
    clk(1);
    for (unsigned i = 0; i < 20; i++, clk(1)) {
        assert_int_equal(latched(2), 5 - i % 5);
        assert_int_equal(out_pin(2), i % 5 != 4);
    }
}

static void mode_2_takes_a_new_count_at_the_end_of_the_period(void **state)
{
    (void)state;
    out(PORT61, 1);
    program(2, 2, 0, 10);
    clk(4);
    out(2, 20);
    out(2, 0);
    assert_int_equal(latched(2), 7);
    clk(6);
    assert_int_equal(latched(2), 1);
    clk(1);
    assert_int_equal(latched(2), 20);
    clk(19);
    assert_int_equal(latched(2), 1);
    clk(1);
    assert_int_equal(latched(2), 20);
}

static void mode_3_is_a_square_wave_counting_by_twos(void **state)
{
    (void)state;
    out(PORT61, 1);
    for (unsigned n = 6; n < 8; n++) {
        program(2, 3, 0, n);
        clk(1);
        for (unsigned i = 0; i < 3 * n; i++, clk(1)) {
            unsigned phase = i % n, high = (n + 1) / 2;
            assert_int_equal(out_pin(2), phase < high);
            assert_int_equal(latched(2), (n & ~1u) - 2 * (phase < high ? phase : phase - high));
        }
    }
}

static void mode_3_takes_a_new_count_at_the_half(void **state)
{
    (void)state;
    program(0, 3, 0, 1000);
    clk(1);
    irq.edges = 0;
    clk(100);
    out(0, 2000 & 0xff);
    out(0, 2000 >> 8);
    clk(400);
    assert_false(out_pin(0));  // the high half was still 500 long, the low one is 1000
    clk(999);
    assert_int_equal(irq.edges, 0);
    clk(1);
    assert_int_equal(irq.edges, 1);
    clk(2000);
    assert_int_equal(irq.edges, 2);
}

static void mode_4_strobes_once(void **state)
{
    (void)state;
    program(0, 4, 0, 100);  // Linux' one-shot clock event
    irq.edges = 0;
    clk(101);
    assert_int_equal(irq.edges, 0);
    clk(1);
    assert_int_equal(irq.edges, 1);
    clk(100000);
    assert_int_equal(irq.edges, 1);
}

static void mode_5_strobes_after_a_trigger(void **state)
{
    (void)state;
    program(2, 5, 0, 3);
    clk(10);
    assert_true(out_pin(2));
    out(PORT61, 1);
    clk(4);
    assert_false(out_pin(2));
    clk(1);
    assert_true(out_pin(2));
}

static void modes_6_and_7_are_2_and_3(void **state)
{
    (void)state;
    program(0, 7, 0, 100);
    out(CONTROL, 0xe2);
    assert_int_equal(in(0) & 0x0e, 3 << 1);
}

static void bcd_counts_in_decimal(void **state)
{
    (void)state;
    program(0, 0, 1, 0x1000);
    clk(2);
    assert_int_equal(latched(0), 0x0999);
    program(0, 0, 1, 0);  // 10000
    clk(2);
    assert_int_equal(latched(0), 0x9999);
}

static void a_latch_holds_until_it_is_read(void **state)
{
    (void)state;
    program(0, 2, 0, 50000);
    clk(1);
    out(CONTROL, 0x00);
    clk(1000);
    out(CONTROL, 0x00);  // ignored: one is held already
    assert_int_equal(in(0), 50000 & 0xff);
    assert_int_equal(in(0), 50000 >> 8);
    assert_int_equal(latched(0), 49000);
}

static void read_back_gives_status_before_count(void **state)
{
    (void)state;
    program(0, 2, 0, 50000);
    out(CONTROL, 0xc2);
    assert_int_equal(in(0), 0x80 | 0x40 | 0x30 | 2 << 1);  // the count is not loaded yet
    in(0), in(0);
    clk(1);
    out(CONTROL, 0xc2);
    assert_int_equal(in(0), 0x80 | 0x30 | 2 << 1);
    assert_int_equal(in(0), 50000 & 0xff);
    assert_int_equal(in(0), 50000 >> 8);
}

// Linux: quick_pit_calibrate and pit_calibrate_tsc.
static void channel_2_measures_time_for_linux(void **state)
{
    (void)state;
    out(PORT61, (in(PORT61) & ~2) | 1);
    out(CONTROL, 0xb0);
    unsigned count = PIT8254_HZ / 20;  // 50 ms
    out(2, count);
    out(2, count >> 8);
    uint64_t start = clock_now_ns(test_clock);
    while (!(in(PORT61) & 0x20))
        clock_advance(test_clock, 1000);
    uint64_t took = clock_now_ns(test_clock) - start;
    assert_in_range(took, 50 * MS - 5 * US, 50 * MS + 5 * US);
}

static void port_61_toggles_refresh_and_keeps_its_bits(void **state)
{
    (void)state;
    out(PORT61, 0xff);
    assert_int_equal(in(PORT61) & 0xcf, 0x0f);
    uint8_t before = in(PORT61) & 0x10;
    clock_advance(test_clock, 15085);
    assert_int_not_equal(in(PORT61) & 0x10, before);
}

static void a_long_pause_is_one_interrupt(void **state)
{
    (void)state;
    program(0, 2, 0, 1193);
    clk(1);
    irq.edges = 0;
    clock_pause(test_clock);
    clock_set(test_clock, 3600 * SECOND);  // as if its thread had not run for an hour
    clock_resume(test_clock);
    clock_advance(test_clock, 1);
    assert_in_range(irq.edges, 1, 2);
}

static void a_tiny_period_does_not_storm(void **state)
{
    (void)state;
    program(0, 2, 0, 2);
    irq.edges = 0;
    clock_advance(test_clock, 10 * MS);
    assert_in_range(irq.edges, 100, 10 * MS / PERIODIC_FLOOR_NS);
}

static void a_loaded_state_is_checked_and_goes_on(void **state)
{
    (void)state;
    program(0, 0, 0, 1000);
    irq.edges = 0;
    clock_timer_cancel(&pit.timer);  // a new process has armed nothing
    assert_int_equal(device_loaded(&pit.dev, NULL), 0);
    device_started(&pit.dev);
    clk(1001);
    assert_int_equal(irq.edges, 1);
    pit.channels[1].mode = 6;
    assert_int_equal(device_loaded(&pit.dev, NULL), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(mode_0_rises_once_after_the_count),
        TEST(mode_0_stops_at_the_first_byte_and_by_the_gate),
        TEST(mode_1_is_triggered_by_the_gate),
        TEST(mode_2_interrupts_each_period),
        TEST(mode_2_is_low_for_the_last_pulse),
        TEST(mode_2_takes_a_new_count_at_the_end_of_the_period),
        TEST(mode_3_is_a_square_wave_counting_by_twos),
        TEST(mode_3_takes_a_new_count_at_the_half),
        TEST(mode_4_strobes_once),
        TEST(mode_5_strobes_after_a_trigger),
        TEST(modes_6_and_7_are_2_and_3),
        TEST(bcd_counts_in_decimal),
        TEST(a_latch_holds_until_it_is_read),
        TEST(read_back_gives_status_before_count),
        TEST(channel_2_measures_time_for_linux),
        TEST(port_61_toggles_refresh_and_keeps_its_bits),
        TEST(a_long_pause_is_one_interrupt),
        TEST(a_tiny_period_does_not_storm),
        TEST(a_loaded_state_is_checked_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
