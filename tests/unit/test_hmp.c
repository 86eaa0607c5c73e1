// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/device_bench.h"

#include "base/loop.h"
#include "guest/control/hmp.h"
#include "guest/control/hmp_input.h"
#include "guest/device/i8042.h"
#include "tests/unit/control_fake.h"

static struct mem *memory, *ports;
static struct ram ram;

static int setup(void **state)
{
    (void)state;
    mem_thread_online();
    memory = mem_create(1 << 20);
    ports = mem_create(65536);
    ram_open(&ram, 8192, NULL);
    memcpy(ram.host, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    mem_add_ram(memory, GPA(0), &ram, 0, 8192, false, NULL);
    fake_init(memory, ports);
    fake.state.gpr[X86_RAX] = 0x1122334455667788;
    fake.state.rip = 0xfff0;
    return hmp_open(&fake.chr.chr, &fake.vm, NULL);
}

static int teardown(void **state)
{
    (void)state;
    hmp_close_all();
    mem_destroy(memory);
    mem_destroy(ports);
    ram_close(&ram);
    mem_thread_offline();
    return 0;
}

static const char *run(const char *line)
{
    static struct text text;
    text_finish(&text);
    hmp_execute(&fake.vm, line, &text);
    return text.at ? text.at : "";
}

static void greets_prompts_and_echoes(void **state)
{
    (void)state;
    assert_string_equal(fake.sent, "QEMU 7.2.0 monitor - type 'help' for more information\r\n(qemu) ");
    fake_forget();
    fake_type("info sx\177tatus\r");
    assert_string_equal(fake.sent, "info sx\b \btatus\r\nVM status: running\r\n(qemu) ");
    fake_forget();
    fake_type("\033[A\r");
    assert_string_equal(fake.sent, "info status\r\nVM status: running\r\n(qemu) ");
}

static void a_line_is_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * HMP_LINE_BYTES; i++)
        fake_type("y");
    fake_forget();
    fake_type("\n");
    assert_non_null(strstr(fake.sent, "unknown command: 'yyy"));
    fake_forget();
    fake_type("stop\n");
    assert_string_equal(fake.asked, "stop ");
}

static void acts_on_the_machine(void **state)
{
    (void)state;
    run("stop"); run("c"); run("system_reset"); run("system_powerdown"); run("nmi");
    run("migrate -d \"file:/tmp/x y\""); run("gdbserver none"); run("q");
    assert_string_equal(fake.asked, "stop cont reset powerdown nmi file:/tmp/x y no gdb host-qmp-quit ");
    assert_string_equal(run("stop now"), "stop: extraneous characters at the end of line\r\n");
    assert_string_equal(run("bogus 1"), "unknown command: 'bogus'\r\n");
    assert_string_equal(run("info bogus"), "unknown command: 'info bogus'\r\n");
    assert_string_equal(run(""), "");
    assert_non_null(strstr(run("migrate tcp:x"), "valid migration protocol"));
}

static struct i8042 *plug_keyboard(void)
{
    static struct wire line;
    static struct power_log power;
    static struct i8042 c;
    line = wire();
    i8042_init(&c, &line.line, &line.line, &power.sink);
    fake.vm.inventory.keyboard = &c;
    return &c;
}

// What the guest reads, as the loop goes on.
static void expect_bytes(struct i8042 *c, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        while (!(device_read(&c->dev, I8042_STATUS, 1) & 1))
            uv_run(loop(), UV_RUN_ONCE);
        assert_int_equal(device_read(&c->dev, I8042_DATA, 1), bytes[i]);
    }
    assert_int_equal(device_read(&c->dev, I8042_STATUS, 1) & 1, 0);
}

static void types_keys(void **state)
{
    (void)state;
    assert_string_equal(run("sendkey a"), "");  // there is no keyboard
    struct i8042 *c = plug_keyboard();
    static const uint8_t codes[] = {0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14, 0x1c, 0xf0, 0x1c};
    assert_string_equal(run("sendkey ctrl-alt-delete 1"), "");
    assert_string_equal(run("sendkey 0x1e  2"), "");  // waits for its turn
    expect_bytes(c, codes, sizeof codes);
    assert_string_equal(run("sendkey"), "sendkey: string expected\r\n");
    assert_string_equal(run("sendkey a-bogus"), "invalid parameter: bogus\r\n");
    assert_string_equal(run("sendkey a-"), "invalid parameter: \r\n");
    assert_string_equal(run("sendkey A"), "invalid parameter: A\r\n");
    assert_string_equal(run("sendkey a x"), "invalid char 'x' in expression\r\n");
    assert_string_equal(run("sendkey a -1"), "'sendkey' has failed: integer is for 32-bit values\r\n");
    expect_bytes(c, NULL, 0);
    for (int i = 0; i < 2000; i++)
        run("sendkey a-b");  // those that don't fit are lost
    hmp_input_stop();
    i8042_finish(c);
}

static void moves_the_mouse(void **state)
{
    (void)state;
    assert_string_equal(run("mouse_move 1 2"), "");
    struct i8042 *c = plug_keyboard();
    device_write(&c->dev, I8042_STATUS, 0xd4, 1);
    device_write(&c->dev, I8042_DATA, 0xf4, 1);
    assert_int_equal(device_read(&c->dev, I8042_DATA, 1), 0xfa);
    run("mouse_move 5 3");
    expect_bytes(c, (uint8_t[]){0x28, 5, 0xfd}, 3);
    run("mouse_button 2");
    expect_bytes(c, (uint8_t[]){0x0a, 0, 0}, 3);
    run("mouse_move -1 -1");  // what is down stays down
    expect_bytes(c, (uint8_t[]){0x1a, 0xff, 1}, 3);
    run("mouse_button 0");
    expect_bytes(c, (uint8_t[]){0x08, 0, 0}, 3);
    run("mouse_move 99999999999999999999 -99999999999999999999 7");
    assert_string_equal(run("mouse_move 1"), "mouse_move: string expected\r\n");
    assert_string_equal(run("mouse_move 1 2 3 4"), "mouse_move: extraneous characters at the end of line\r\n");
    assert_string_equal(run("mouse_button"), "unexpected end of expression\r\n");
    assert_string_equal(run("mouse_button x"), "invalid char 'x' in expression\r\n");
    i8042_finish(c);
}

static void says_what_the_machine_is(void **state)
{
    (void)state;
    fake.status = "prelaunch";
    assert_string_equal(run("info status"), "VM status: paused (prelaunch)\r\n");
    assert_string_equal(run("info name"), "guest\r\n");
    assert_string_equal(run("info uuid"), "00000000-0000-0000-0000-000000000000\r\n");
    assert_string_equal(run("info cpus"), "* CPU #0: thread_id=1000\r\n  CPU #1: thread_id=1001\r\n");
    assert_string_equal(run("info jit"), "blocks 7\r\n");
    assert_non_null(strstr(run("info mtree"), "0000000000000000-0000000000001fff (prio 0, ram)"));
    assert_non_null(strstr(run("info registers"), "RAX=1122334455667788"));
    assert_string_equal(run("info registers 7"), "CPU#7 not available\r\n");
    assert_non_null(strstr(run("help"), "xp /fmt addr -- "));
    assert_string_equal(run("help s"), "stop|s  -- pause the guest\r\n");
}

static void dumps_memory_and_prints_numbers(void **state)
{
    (void)state;
    assert_string_equal(run("xp/2x 0"), "0000000000000000: 0x04030201 0x08070605\r\n");
    assert_string_equal(run("xp /3xb 1"), "0000000000000001: 0x02 0x03 0x04\r\n");
    assert_string_equal(run("x /1xg 0"), "0000000000000000: 0x0807060504030201\r\n");
    assert_string_equal(run("xp/2x 0x1ffc"), "0000000000001ffc: 0x00000000 Cannot access memory\r\n");
    assert_string_equal(run("p 0x10+2*3"), "0x36\r\n");
    assert_string_equal(run("p $eax"), "0x55667788\r\n");
    assert_string_equal(run("p/d 0-1"), "-1\r\n");
    assert_string_equal(run("print $nope"), "print: invalid expression\r\n");
    assert_string_equal(run("x/999999x 0"), "x: invalid format or address\r\n");
    assert_string_equal(run("x/0x 0"), "x: invalid format or address\r\n");
    assert_string_equal(run("x"), "x: invalid format or address\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(greets_prompts_and_echoes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(acts_on_the_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(types_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(moves_the_mouse, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_the_machine_is, setup, teardown),
        cmocka_unit_test_setup_teardown(dumps_memory_and_prints_numbers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
