// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/device_bench.h"

#include "guest/device/pic8259.h"

enum { FIRST, FIRST_DATA, SECOND_, SECOND_DATA, ELCR1, ELCR2 };

static struct wire intr;
static struct pic8259 pic;

static uint8_t in(unsigned reg) { return device_read(&pic.dev, reg, 1); }
static void out(unsigned reg, uint8_t v) { device_write(&pic.dev, reg, v, 1); }
static void drive(unsigned irq, bool level) { irq_set(pic8259_pin(&pic, irq), level); }
static void pulse(unsigned irq) { drive(irq, true), drive(irq, false); }

// As a PC's firmware and Linux do it; icw4 goes to both.
static void initialize(uint8_t icw4)
{
    for (unsigned chip = 0; chip < 2; chip++) {
        out(2 * chip, 0x11);
        out(2 * chip + 1, chip ? 0x38 : 0x30);
        out(2 * chip + 1, chip ? 2 : 4);
        out(2 * chip + 1, icw4);
    }
}

static int setup(void **state)
{
    (void)state;
    intr = wire();
    pic8259_init(&pic, &intr.line);
    initialize(0x01);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pic8259_finish(&pic);
    return 0;
}

static void an_edge_is_requested_acknowledged_and_ended(void **state)
{
    (void)state;
    pulse(4);
    assert_true(intr.level);
    assert_int_equal(in(FIRST), 0x10);  // IRR
    assert_int_equal(pic8259_acknowledge(&pic), 0x34);
    assert_false(intr.level);
    out(FIRST, 0x0b);
    assert_int_equal(in(FIRST), 0x10);  // ISR
    pulse(4);
    assert_false(intr.level);  // in service: not again
    out(FIRST, 0x20);
    assert_true(intr.level);
}

static void a_held_line_is_one_edge(void **state)
{
    (void)state;
    drive(3, true);
    assert_int_equal(pic8259_acknowledge(&pic), 0x33);
    out(FIRST, 0x20);
    drive(3, true);
    assert_false(intr.level);
    drive(3, false);
    drive(3, true);
    assert_true(intr.level);
}

static void the_second_controller_goes_through_the_cascade(void **state)
{
    (void)state;
    pulse(8);
    pulse(14);
    assert_int_equal(pic8259_acknowledge(&pic), 0x38);
    assert_false(intr.level);  // 14 is lower than what is in service
    pulse(9);
    assert_false(intr.level);
    out(SECOND_, 0x20);
    out(FIRST, 0x62);
    assert_int_equal(pic8259_acknowledge(&pic), 0x39);
    out(SECOND_, 0x20);
    out(FIRST, 0x20);
    assert_int_equal(pic8259_acknowledge(&pic), 0x3e);
}

static void the_highest_priority_interrupts_the_lower(void **state)
{
    (void)state;
    pulse(5);
    assert_int_equal(pic8259_acknowledge(&pic), 0x35);
    pulse(6);
    assert_false(intr.level);
    pulse(1);
    assert_int_equal(pic8259_acknowledge(&pic), 0x31);
    out(FIRST, 0x20);  // ends 1, the highest in service
    out(FIRST, 0x0b);
    assert_int_equal(in(FIRST), 0x20);
}

static void a_request_that_went_away_gives_the_default(void **state)
{
    (void)state;
    pulse(3);
    out(FIRST_DATA, 0x08);
    assert_false(intr.level);
    assert_int_equal(pic8259_acknowledge(&pic), 0x37);
    out(FIRST, 0x0b);
    assert_int_equal(in(FIRST), 0);  // nothing is in service
    out(FIRST_DATA, 0);
    assert_true(intr.level);
}

static void a_level_of_the_second_that_drops_gives_irq_15(void **state)
{
    (void)state;
    out(ELCR2, 0x08);
    drive(11, true);
    pulse(12);
    assert_int_equal(pic8259_acknowledge(&pic), 0x3b);
    drive(11, false);
    out(SECOND_, 0x20);
    out(FIRST, 0x20);
    assert_true(intr.level);
    out(SECOND_DATA, 0x10);
    assert_false(intr.level);
    assert_int_equal(pic8259_acknowledge(&pic), 0x37);  // the cascade went away as well
}

static void a_level_stays_requested_while_it_is_high(void **state)
{
    (void)state;
    out(ELCR1, 0xff);
    assert_int_equal(in(ELCR1), 0xf8);
    out(ELCR2, 0xff);
    assert_int_equal(in(ELCR2), 0xde);
    drive(5, true);
    assert_int_equal(pic8259_acknowledge(&pic), 0x35);
    out(FIRST, 0x20);
    assert_true(intr.level);
    drive(5, false);
    assert_false(intr.level);
}

static void automatic_end_can_rotate(void **state)
{
    (void)state;
    initialize(0x03);
    out(FIRST, 0x80);  // rotate in AEOI mode
    pulse(3);
    pulse(6);
    assert_int_equal(pic8259_acknowledge(&pic), 0x33);
    pulse(3);
    assert_int_equal(pic8259_acknowledge(&pic), 0x36);  // 3 is the lowest now
    assert_int_equal(pic8259_acknowledge(&pic), 0x33);
}

static void priorities_can_be_set_and_rotated(void **state)
{
    (void)state;
    out(FIRST, 0xc4);  // 5 is the highest
    pulse(1);
    pulse(5);
    assert_int_equal(pic8259_acknowledge(&pic), 0x35);
    out(FIRST, 0xa0);  // rotate on EOI: 5 is the lowest
    pulse(5);
    pulse(6);
    assert_int_equal(pic8259_acknowledge(&pic), 0x36);
}

static void special_mask_lets_lower_priorities_through(void **state)
{
    (void)state;
    pulse(1);
    assert_int_equal(pic8259_acknowledge(&pic), 0x31);
    pulse(6);
    assert_false(intr.level);
    out(FIRST, 0x68);
    out(FIRST_DATA, 0x02);
    assert_true(intr.level);
    assert_int_equal(pic8259_acknowledge(&pic), 0x36);
    out(FIRST, 0x20);  // ends 6, not the masked 1
    out(FIRST, 0x0b);
    assert_int_equal(in(FIRST), 0x02);
}

static void special_fully_nested_lets_the_cascade_nest(void **state)
{
    (void)state;
    initialize(0x11);
    pulse(14);
    assert_int_equal(pic8259_acknowledge(&pic), 0x3e);
    pulse(8);
    assert_true(intr.level);
    assert_int_equal(pic8259_acknowledge(&pic), 0x38);
}

static void polling_acknowledges(void **state)
{
    (void)state;
    out(FIRST, 0x0c);
    assert_int_equal(in(FIRST), 0);
    pulse(6);
    out(FIRST, 0x0c);
    assert_int_equal(in(FIRST), 0x86);
    assert_false(intr.level);
    out(FIRST, 0x0b);
    assert_int_equal(in(FIRST), 0x40);
}

static void the_mask_reads_back_as_linux_probes_it(void **state)
{
    (void)state;
    out(SECOND_DATA, 0xff);
    out(FIRST_DATA, 0xfb);
    assert_int_equal(in(FIRST_DATA), 0xfb);
    assert_int_equal(in(SECOND_DATA), 0xff);
}

static void initializing_forgets_edges_but_not_lines(void **state)
{
    (void)state;
    pulse(3);
    drive(4, true);
    initialize(0x01);
    assert_false(intr.level);
    drive(4, true);
    assert_false(intr.level);
}

static void nothing_interrupts_before_it_is_initialized(void **state)
{
    (void)state;
    pulse(0);
    device_reset(&pic.dev);
    assert_false(intr.level);
    pulse(1);
    assert_false(intr.level);
}

static void a_loaded_state_is_checked_and_drives_its_line_when_started(void **state)
{
    (void)state;
    pulse(4);
    intr.level = false;
    assert_int_equal(device_loaded(&pic.dev, NULL), 0);
    assert_false(intr.level);
    device_started(&pic.dev);
    assert_true(intr.level);
    pic.chip[1].lowest = 8;
    struct err err = {0};
    assert_int_equal(device_loaded(&pic.dev, &err), -EINVAL);
    assert_non_null(strstr(err.text, "8"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_edge_is_requested_acknowledged_and_ended),
        TEST(a_held_line_is_one_edge),
        TEST(the_second_controller_goes_through_the_cascade),
        TEST(the_highest_priority_interrupts_the_lower),
        TEST(a_request_that_went_away_gives_the_default),
        TEST(a_level_of_the_second_that_drops_gives_irq_15),
        TEST(a_level_stays_requested_while_it_is_high),
        TEST(automatic_end_can_rotate),
        TEST(priorities_can_be_set_and_rotated),
        TEST(special_mask_lets_lower_priorities_through),
        TEST(special_fully_nested_lets_the_cascade_nest),
        TEST(polling_acknowledges),
        TEST(the_mask_reads_back_as_linux_probes_it),
        TEST(initializing_forgets_edges_but_not_lines),
        TEST(nothing_interrupts_before_it_is_initialized),
        TEST(a_loaded_state_is_checked_and_drives_its_line_when_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
