// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/device_bench.h"

#include "guest/bus/irq_fanout.h"
#include "guest/device/debug_exit.h"
#include "guest/device/reset_control.h"
#include "guest/device/x87_error.h"
#include "guest/mem/mem.h"

static struct power_log power;
static struct reset_control control;
static struct debug_exit debug;
static struct device_window windows[3];
static struct mem *ports;

static int setup(void **state)
{
    (void)state;
    power = power_log();
    mem_thread_online();
    ports = mem_create(65536);
    reset_control_init(&control, &power.sink);
    debug_exit_init(&debug, &power.sink);
    struct device *dev = &control.dev;
    assert_int_equal(device_map(&windows[0], dev, RESET_CONTROL_CF9, ports, GPA(0xcf9), 1, NULL), 0);
    assert_int_equal(device_map(&windows[1], dev, RESET_CONTROL_PORT92, ports, GPA(0x92), 1, NULL), 0);
    assert_int_equal(device_map(&windows[2], &debug.dev, 0, ports, GPA(0x501), 2, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
        device_unmap(&windows[i]);
    mem_destroy(ports);
    mem_thread_offline();
    reset_control_finish(&control);
    debug_exit_finish(&debug);
    return 0;
}

static uint8_t in(uint16_t port) { return mem_read(ports, GPA(port), 1); }
static void out(uint16_t port, uint8_t v) { mem_write(ports, GPA(port), v, 1); }

static void port_cf9_resets_when_its_bit_rises(void **state)
{
    (void)state;
    out(0xcf9, 0x02);
    assert_int_equal(in(0xcf9), 0x02);
    assert_int_equal(power.requests, 0);
    out(0xcf9, 0x06);
    out(0xcf9, 0x06);
    assert_int_equal(power.requests, 1);
    assert_int_equal(power.last, POWER_RESET);
    device_reset(&control.dev);
    assert_int_equal(in(0xcf9), 0);
}

static void port_92_resets_and_never_masks_a20(void **state)
{
    (void)state;
    assert_int_equal(in(0x92), 0x02);
    out(0x92, 0x00);
    assert_int_equal(in(0x92), 0x02);
    out(0x92, 0x03);
    assert_int_equal(power.requests, 1);
    assert_int_equal(power.last, POWER_RESET);
}

static void debug_exit_gives_an_odd_status(void **state)
{
    (void)state;
    out(0x501, 0x2a);
    assert_int_equal(power.last, POWER_EXIT);
    assert_int_equal(power.exit_code, 0x55);
    mem_write(ports, GPA(0x501), 0xffff, 2);
    assert_int_equal(power.exit_code, 0xff);
}

static void what_is_not_mapped_reads_all_ones(void **state)
{
    (void)state;
    assert_int_equal(in(0x93), 0xff);
    assert_int_equal(mem_read(ports, GPA(0x91), 4), 0xffff02ff);
}

static void a_forged_state_is_refused(void **state)
{
    (void)state;
    control.cf9 = 0x80;
    assert_int_equal(device_loaded(&control.dev, NULL), -EINVAL);
}

static void a_fanout_drives_both_ends(void **state)
{
    (void)state;
    struct wire a = wire(), b = wire();
    struct irq_fanout fanout;
    irq_fanout_init(&fanout, &a.line, &b.line);
    irq_set(&fanout.line, true);
    assert_true(a.level && b.level);
    irq_fanout_init(&fanout, NULL, &b.line);
    irq_set(&fanout.line, false);
    assert_true(a.level && !b.level);
}

static void count(void *opaque) { ++*(unsigned *)opaque; }

static void an_x87_error_lasts_until_port_f0_is_written(void **state)
{
    (void)state;
    struct wire irq = wire();
    struct x87_error error;
    struct device_window window;
    unsigned ignored = 0;
    x87_error_init(&error, &irq.line, count, &ignored);
    assert_int_equal(device_map(&window, &error.dev, 0, ports, GPA(X87_ERROR_PORT), 1, NULL), 0);
    x87_error_raise(&error);
    assert_true(irq.level);
    irq.level = false;
    device_started(&error.dev);  // as after loading
    assert_true(irq.level && ignored == 0);
    out(0xf0, 0);
    assert_true(!irq.level && ignored == 1);
    x87_error_raise(&error);
    device_reset(&error.dev);
    assert_false(irq.level);
    assert_int_equal(in(0xf0), 0xff);
    device_unmap(&window);
    x87_error_finish(&error);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(port_cf9_resets_when_its_bit_rises),
        TEST(port_92_resets_and_never_masks_a20),
        TEST(debug_exit_gives_an_odd_status),
        TEST(what_is_not_mapped_reads_all_ones),
        TEST(a_forged_state_is_refused),
        TEST(a_fanout_drives_both_ends),
        TEST(an_x87_error_lasts_until_port_f0_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
