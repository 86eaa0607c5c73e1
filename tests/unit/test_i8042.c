// SPDX-License-Identifier: GPL-2.0-or-later
//
// The keyboard controller as drivers talk to it, byte by byte.
#include "tests/unit/device_bench.h"

#include "guest/device/i8042.h"

static struct wire keyboard_irq, mouse_irq;
static struct power_log power;
static struct i8042 c;

static int setup(void **state)
{
    (void)state;
    keyboard_irq = wire();
    mouse_irq = wire();
    power = power_log();
    i8042_init(&c, &keyboard_irq.line, &mouse_irq.line, &power.sink);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    i8042_finish(&c);
    return 0;
}

static void command(uint8_t byte) { device_write(&c.dev, I8042_STATUS, byte, 1); }
static void data(uint8_t byte) { device_write(&c.dev, I8042_DATA, byte, 1); }
static uint8_t status(void) { return device_read(&c.dev, I8042_STATUS, 1); }
static uint8_t get(void) { return device_read(&c.dev, I8042_DATA, 1); }
static void to_mouse(uint8_t byte) { command(0xd4); data(byte); }
static void set_mode(uint8_t mode) { command(0x60); data(mode); }

// Whether exactly these bytes come, all from the mouse or all not.
static void expect(bool from_mouse, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(status() & 0x21, from_mouse ? 0x21 : 0x01);
        assert_int_equal(get(), bytes[i]);
    }
    assert_int_equal(status() & 1, 0);
}
#define EXPECT(...) expect(false, (uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))
#define EXPECT_MOUSE(...) expect(true, (uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void the_controller_tests_itself(void **state)
{
    (void)state;
    assert_int_equal(status(), 0x10);
    command(0xaa);
    EXPECT(0x55);
    assert_int_equal(status() & 0x0c, 0x0c);
    command(0xab);
    EXPECT(0);
    command(0xa9);
    EXPECT(0);
    command(0xa4);
    EXPECT(0xf1);
    set_mode(0x47);
    assert_int_equal(status() & 0x08, 0);
    command(0x20);
    EXPECT(0x47);
    command(0xa7);
    command(0xad);
    command(0x20);
    EXPECT(0x77);
    command(0xa8);
    command(0xae);
    command(0x20);
    EXPECT(0x47);
}

// What Linux does to find out whether there is a mouse and whether its interrupt works.
static void bytes_come_back_as_if_from_a_device(void **state)
{
    (void)state;
    command(0xd3);
    data(0x5a);
    assert_true(mouse_irq.level && !keyboard_irq.level);
    EXPECT_MOUSE(0x5a);
    assert_false(mouse_irq.level);
    command(0xd2);
    data(0xa5);
    assert_true(keyboard_irq.level);
    EXPECT(0xa5);
    set_mode(0);
    command(0xd3);
    data(1);
    assert_false(mouse_irq.level);
    set_mode(2);
    assert_true(mouse_irq.level);
}

static void each_byte_is_an_edge(void **state)
{
    (void)state;
    data(0xf2);
    assert_int_equal(keyboard_irq.edges, 1);
    assert_int_equal(get(), 0xfa);
    assert_int_equal(keyboard_irq.edges, 2);
    assert_int_equal(get(), 0xab);
    assert_int_equal(get(), 0x83);
    assert_int_equal(keyboard_irq.edges, 3);
    assert_false(keyboard_irq.level);
    assert_int_equal(get(), 0x83);  // an empty buffer shows its last byte
}

static void the_keyboard_answers(void **state)
{
    (void)state;
    data(0xff);
    EXPECT(0xfa, 0xaa);
    data(0xed);
    EXPECT(0xfa);
    data(7);
    EXPECT(0xfa);
    assert_int_equal(c.keyboard.leds, 7);
    data(0xee);
    EXPECT(0xee);
    data(0xfe);
    EXPECT(0xee);
    data(0xf0);
    EXPECT(0xfa);
    data(0);
    EXPECT(0xfa, 2);
    data(0xf0);
    EXPECT(0xfa);
    data(3);
    EXPECT(0xfe);
    data(0xf3);
    EXPECT(0xfa);
    data(0xf4);  // a command in place of the operand
    EXPECT(0xfa);
    data(0x42);
    EXPECT(0xfe);
}

static void translation_makes_set_1_of_set_2(void **state)
{
    (void)state;
    assert_true(i8042_key(&c, 0x1e, true) && i8042_key(&c, 0x1e, false));
    EXPECT(0x1c, 0xf0, 0x1c);
    set_mode(0x45);
    i8042_key(&c, 0x1e, true);
    i8042_key(&c, 0x1e, false);
    i8042_key(&c, 0xe048, true);
    i8042_key(&c, 0xe048, false);
    EXPECT(0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8);
    i8042_key(&c, PS2_KEY_PAUSE, true);
    i8042_key(&c, PS2_KEY_PAUSE, false);
    EXPECT(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    i8042_key(&c, 0x41, true);
    i8042_key(&c, 0x54, true);
    EXPECT(0x41, 0x54);
    data(0xf2);
    EXPECT(0xfa, 0xab, 0x41);
}

// Every key of set 1 that there is comes out of the translation as it went in.
static void every_key_survives_the_way(void **state)
{
    (void)state;
    unsigned keys = 0;
    set_mode(0x45);
    for (uint16_t code = 1; code < 0x80; code++) {
        if (!i8042_key(&c, code, true))
            continue;
        i8042_key(&c, code, false);
        EXPECT((uint8_t)code, (uint8_t)(code | 0x80));
        keys++;
    }
    assert_true(keys > 110);
    assert_false(i8042_key(&c, 0, true) || i8042_key(&c, 0x80, true) || i8042_key(&c, 0xe11e, true));
}

static void keys_in_set_1_without_translation(void **state)
{
    (void)state;
    data(0xf0);
    get();
    data(1);
    EXPECT(0xfa);
    i8042_key(&c, 0xe01d, true);
    i8042_key(&c, 0xe01d, false);
    EXPECT(0xe0, 0x1d, 0xe0, 0x9d);
}

static void a_full_keyboard_loses_whole_keys(void **state)
{
    (void)state;
    unsigned pressed = 0;
    while (i8042_key(&c, 0xe048, true))
        pressed++;
    assert_int_equal(pressed, (PS2_FIFO_BYTES + 1) / 2);
    for (unsigned i = 0; i < pressed; i++) {
        assert_int_equal(get(), 0xe0);
        assert_int_equal(get(), 0x75);
    }
    EXPECT_MOUSE();
}

static void an_answer_does_not_cut_a_key_in_two(void **state)
{
    (void)state;
    i8042_key(&c, 0xe048, false);
    assert_int_equal(get(), 0xe0);
    data(0xed);
    EXPECT(0xf0, 0x75, 0xfa);
}

static void a_disabled_keyboard_keeps_its_bytes(void **state)
{
    (void)state;
    command(0xad);
    i8042_key(&c, 0x1e, true);
    assert_int_equal(status() & 1, 0);
    command(0xae);
    EXPECT(0x1c);
    data(0xf5);
    EXPECT(0xfa);
    assert_true(i8042_key(&c, 0x1e, true));
    assert_int_equal(status() & 1, 0);
}

static void the_mouse_answers(void **state)
{
    (void)state;
    to_mouse(0xff);
    EXPECT_MOUSE(0xfa, 0xaa, 0);
    to_mouse(0xe9);
    EXPECT_MOUSE(0xfa, 0, 2, 100);
    to_mouse(0xe1);
    EXPECT_MOUSE(0xfe);
    to_mouse(0xee);
    EXPECT_MOUSE(0xfa);
    to_mouse(0xf4);
    EXPECT_MOUSE(0xf4);
    to_mouse(0xec);
    EXPECT_MOUSE(0xfa);
    to_mouse(0xeb);
    EXPECT_MOUSE(0xfa, 8, 0, 0);
    command(0x20);
    EXPECT(3);  // sending turned the mouse on again
}

static void set_rates(uint8_t a, uint8_t b, uint8_t z)
{
    const uint8_t rates[] = {a, b, z};
    for (unsigned i = 0; i < 3; i++) {
        to_mouse(0xf3);
        EXPECT_MOUSE(0xfa);
        to_mouse(rates[i]);
        EXPECT_MOUSE(0xfa);
    }
}

static void three_rates_turn_on_the_wheel(void **state)
{
    (void)state;
    set_rates(200, 100, 80);
    to_mouse(0xf2);
    EXPECT_MOUSE(0xfa, 3);
    to_mouse(0xf4);
    EXPECT_MOUSE(0xfa);
    i8042_mouse(&c, 5, -3, 1, PS2_LEFT);
    EXPECT_MOUSE(0x29, 5, 0xfd, 1);
    set_rates(200, 200, 80);
    to_mouse(0xf2);
    EXPECT_MOUSE(0xfa, 4);
    i8042_mouse(&c, 0, 0, -1, PS2_SIDE);
    EXPECT_MOUSE(0x08, 0, 0, 0x1f);
}

static void a_long_way_takes_several_packets(void **state)
{
    (void)state;
    i8042_mouse(&c, 9, 9, 9, 0);  // nobody listens
    to_mouse(0xf4);
    EXPECT_MOUSE(0xfa);
    i8042_mouse(&c, 600, -300, 0, 0);
    EXPECT_MOUSE(0x28, 255, 1, 0x28, 255, 0xd3, 0x08, 90, 0);
    for (unsigned i = 0; i < 100; i++)
        i8042_mouse(&c, 32767, 32767, 32767, 0);
    unsigned bytes = 0;
    for (; status() & 1; bytes++)
        get();
    assert_true(bytes <= 3 * 140);
    to_mouse(0xf0);  // remote: only when asked
    EXPECT_MOUSE(0xfa);
    i8042_mouse(&c, 1, 2, 0, 0);
    assert_int_equal(status() & 1, 0);
    to_mouse(0xeb);
    EXPECT_MOUSE(0xfa, 8, 1, 2);
}

static void the_reset_line_and_a20(void **state)
{
    (void)state;
    command(0xd0);
    EXPECT(3);
    command(0xdd);
    command(0xd0);
    EXPECT(1);
    command(0xd1);
    data(3);
    assert_int_equal(power.requests, 0);
    command(0xff);
    assert_int_equal(power.requests, 0);
    command(0xfe);
    assert_int_equal(power.requests, 1);
    command(0xd1);
    data(2);
    assert_int_equal(power.requests, 2);
    assert_int_equal(power.last, POWER_RESET);
}

static void a_stranger_state_is_refused(void **state)
{
    (void)state;
    assert_int_equal(device_loaded(&c.dev, NULL), 0);
    c.keyboard.queue.head = PS2_FIFO_BYTES;
    assert_int_equal(device_loaded(&c.dev, NULL), -EINVAL);
    device_reset(&c.dev);
    c.mouse.queue.reply_used = PS2_REPLY_BYTES + 1;
    assert_int_equal(device_loaded(&c.dev, NULL), -EINVAL);
    device_reset(&c.dev);
    c.mouse.dx = INT32_MAX;
    assert_int_equal(device_loaded(&c.dev, NULL), -EINVAL);
    device_reset(&c.dev);
    c.command = 0x20;
    assert_int_equal(device_loaded(&c.dev, NULL), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_controller_tests_itself),
        TEST(bytes_come_back_as_if_from_a_device),
        TEST(each_byte_is_an_edge),
        TEST(the_keyboard_answers),
        TEST(translation_makes_set_1_of_set_2),
        TEST(every_key_survives_the_way),
        TEST(keys_in_set_1_without_translation),
        TEST(a_full_keyboard_loses_whole_keys),
        TEST(an_answer_does_not_cut_a_key_in_two),
        TEST(a_disabled_keyboard_keeps_its_bytes),
        TEST(the_mouse_answers),
        TEST(three_rates_turn_on_the_wheel),
        TEST(a_long_way_takes_several_packets),
        TEST(the_reset_line_and_a20),
        TEST(a_stranger_state_is_refused),
    };
    return cmocka_run_group_tests_name("i8042", tests, NULL, NULL);
}
