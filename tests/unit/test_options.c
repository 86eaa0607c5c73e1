// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <string.h>

#include "guest/control/device_types.h"
#include "guest/control/options.h"

static struct options o;
static struct err err;
static char line_copy[512];

// Parses a line whose words are separated by '|'; null on success, else the sentence.
static const char *parse(const char *line)
{
    char *argv[32] = {(char *)"qemu-system-x86_64"};
    int argc = 1;
    strcpy(line_copy, line);
    for (char *word = strtok(line_copy, "|"); word; word = strtok(NULL, "|"))
        argv[argc++] = word;
    options_finish(&o);
    err.text[0] = 0;
    return options_parse(&o, argc, argv, &err) < 0 ? err.text : NULL;
}

static void keys_values_switches_and_commas(void **state)
{
    struct keyvals kv;
    (void)state;
    assert_int_equal(keyvals_parse(&kv, "first,path=/a,,b,server,nowait,wait=on,empty=", "kind", &err), 0);
    assert_string_equal(keyvals_take(&kv, "kind"), "first");
    assert_string_equal(keyvals_take(&kv, "path"), "/a,b");
    assert_string_equal(keyvals_take(&kv, "server"), "on");
    assert_string_equal(keyvals_take(&kv, "wait"), "on");
    assert_int_equal(keyvals_all_taken(&kv, &err), -EINVAL);
    assert_string_equal(err.text, "Invalid parameter 'empty'");
    assert_string_equal(keyvals_take(&kv, "empty"), "");
    assert_int_equal(keyvals_all_taken(&kv, &err), 0);
    keyvals_finish(&kv);
}

static void sizes_have_suffixes(void **state)
{
    uint64_t size;
    (void)state;
    assert_int_equal(parse_size("512", 1 << 20, &size), 0);
    assert_int_equal(size, 512 << 20);
    assert_int_equal(parse_size("1.5G", 1, &size), 0);
    assert_int_equal(size, 3ull << 29);
    assert_int_equal(parse_size("0x10k", 1, &size), 0);
    assert_int_equal(size, 16384);
    assert_int_equal(parse_size("16E", 1, &size), -ERANGE);
    assert_int_equal(parse_size("99999999999999999999", 1, &size), -ERANGE);
    for (const char *const *bad = (const char *const[]){"", "M", "-1", "1Q", "1MM", " 1", NULL}; *bad; bad++)
        assert_int_equal(parse_size(*bad, 1, &size), -EINVAL);
}

static void defaults_are_a_pc_with_one_vcpu(void **state)
{
    (void)state;
    assert_null(parse(""));
    assert_int_equal(o.vcpus, 1);
    assert_int_equal(o.ram_bytes, 128 << 20);
    assert_string_equal(o.machine, "pc-q35-7.2");
    assert_int_equal(o.serials, 1);
    assert_int_equal(o.monitors, 0);
    assert_null(parse("-nodefaults"));
    assert_int_equal(o.serials, 0);
}

static void takes_one_dash_or_two(void **state)
{
    (void)state;
    assert_null(parse("--m|2G|--name|a,,b"));
    assert_int_equal(o.ram_bytes, 2ull << 30);
    assert_string_equal(o.name, "a,b");
}

static void topology_is_completed(void **state)
{
    (void)state;
    assert_null(parse("-smp|4"));
    assert_int_equal(o.sockets * 100 + o.cores * 10 + o.threads, 141);
    assert_null(parse("-smp|8,sockets=2,threads=2"));
    assert_int_equal(o.cores, 2);
    assert_null(parse("-smp|sockets=2,dies=2,cores=3"));
    assert_int_equal(o.vcpus, 12);
    assert_int_equal(o.cores, 6);
}

static void accelerators_keep_their_order(void **state)
{
    (void)state;
    assert_null(parse("-M|q35,accel=kvm:tcg,hpet=off"));
    assert_int_equal(o.accels, 2);
    assert_string_equal(o.accel[0].name, "kvm");
    assert_string_equal(o.accel[1].name, "jit");
    assert_false(o.hpet);
    assert_null(parse("-accel|tcg,thread=multi,tb-size=64,stats=on,one-insn-per-tb=on"));
    assert_int_equal(o.accel[0].cache_bytes, 64 << 20);
    assert_true(o.accel[0].statistics && o.accel[0].one_instruction_blocks);
}

static void instructions_are_counted_if_a_shift_is_given(void **state)
{
    (void)state;
    assert_null(parse("-icount|shift=3,sleep=off"));
    assert_true(o.count.on && o.count.shift == 3 && !o.count.sleeps);
    assert_null(parse("-icount|0xa"));
    assert_true(o.count.on && o.count.shift == 10 && o.count.sleeps);
    assert_null(parse("-icount|sleep=off"));
    assert_false(o.count.on);
    assert_non_null(parse("-icount|11"));
    assert_non_null(parse("-icount|auto"));
    assert_non_null(parse("-icount|1,rr=replay,rrfile=x"));
}

static void nographic_shares_the_terminal(void **state)
{
    (void)state;
    assert_null(parse("-nographic"));
    assert_string_equal(o.serial[0].chardev, "serial0");
    assert_string_equal(o.monitor[0].chardev, "serial0");
    assert_string_equal(keyvals_take(&o.chardev[0].properties, "mux"), "on");
    assert_string_equal(keyvals_take(&o.chardev[0].properties, "signal"), "off");
    assert_null(parse("-nographic|-serial|file:/x"));
    assert_int_equal(o.monitors, 1);
    assert_string_equal(o.monitor[0].chardev, "compat_monitor0");
    assert_null(parse("-nographic|-serial|mon:stdio"));
    assert_int_equal(o.monitors, 1);
}

static void short_device_forms_become_chardevs(void **state)
{
    (void)state;
    assert_null(parse("-serial|tcp:[::1]:4444,server=on,wait=off|-qmp|unix:/q,server,nowait|-serial|none"));
    assert_string_equal(keyvals_take(&o.chardev[0].properties, "host"), "::1");
    assert_string_equal(keyvals_take(&o.chardev[0].properties, "port"), "4444");
    assert_string_equal(keyvals_take(&o.chardev[1].properties, "path"), "/q");
    assert_string_equal(keyvals_take(&o.chardev[1].properties, "wait"), "off");
    assert_true(o.monitor[0].control);
    assert_int_equal(o.serials, 2);
    assert_string_equal(o.serial[1].chardev, "");
}

static void the_rest_is_understood(void **state)
{
    (void)state;
    assert_null(parse("-uuid|12345678-9abc-def0-1234-56789abcdef0|-rtc|base=2006-06-17T16:01:21|-S|-s"));
    assert_int_equal(o.uuid[0] << 8 | o.uuid[15], 0x12f0);
    assert_int_equal(o.rtc_date, 1150560081);
    assert_true(o.start_paused);
    assert_string_equal(o.gdb.argument, "tcp::1234");
    assert_null(parse("-no-reboot|-action|shutdown=pause,panic=none"));
    assert_int_equal(o.reboot, REBOOT_SHUTDOWN);
    assert_int_equal(o.shutdown, SHUTDOWN_PAUSE);
    assert_null(parse("-nodefaults|-device|isa-debug-exit,iobase=0xf4,iosize=0x04"));
    assert_int_equal(device_number(o.device[0].type, &o.device[0].properties, "iobase"), 0xf4);
    assert_null(parse("-boot|order=cd,strict=on|-M|q35,i8042=off|-vga|none"));
    assert_false(o.i8042);
}

// The first lines are those of QEMU 7.2, as it says them.
static void errors_have_qemus_shape(void **state)
{
    static const char *const cases[][2] = {
        {"-bogus", "-bogus: invalid option"},
        {"--", "--: invalid option"},
        {"-m", "-m: requires an argument"},
        {"-m|abc", "-m abc: Parameter 'size' expects a non-negative number below 2^64"},
        {"-m|size=1,foo=1", "-m size=1,foo=1: Invalid parameter 'foo'"},
        {"-smp|abc", "Parameter 'smp.cpus' expects integer"},
        {"-smp|foo=1", "Parameter 'smp.foo' is unexpected"},
        {"-smp|4,maxcpus=2", "Invalid CPU topology: maxcpus must be equal to or greater than smp: "
         "sockets (1) * dies (1) * cores (2) * threads (1) == maxcpus (2) < smp_cpus (4)"},
        {"-smp|2,sockets=3", "Invalid CPU topology: product of the hierarchy must match maxcpus: "
         "sockets (3) * dies (1) * cores (0) * threads (1) != maxcpus (2)"},
        {"-M|bogus", "unsupported machine type\nUse -machine help to list supported machines"},
        {"-M|q35,bogus=1", "Property 'pc-q35-7.2-machine.bogus' not found"},
        {"-M|accel=bogus", "invalid accelerator bogus"},
        {"-accel|bogus", "-accel bogus: invalid accelerator bogus"},
        {"-accel|tcg,thread=foo", "-accel tcg,thread=foo: Invalid 'thread' setting foo"},
        {"-chardev|bogus,id=a", "-chardev bogus,id=a: 'bogus' is not a valid char driver name"},
        {"-chardev|stdio", "-chardev stdio: chardev: no id specified"},
        {"-serial|bogus", "-serial bogus: 'bogus' is not a valid char driver"},
        {"-mon|foo=1", "-mon foo=1: Invalid parameter 'foo'"},
        {"-uuid|zz", "-uuid zz: failed to parse UUID string: wrong format"},
        {"-rtc|base=foo", "invalid datetime format\nvalid formats: '2006-06-17T16:01:21' or '2006-06-17'"},
        {"-action|reboot=bogus", "-action reboot=bogus: Parameter 'reboot' does not accept value 'bogus'"},
        {"-display|bogus", "-display bogus: Parameter 'type' does not accept value 'bogus'"},
        {"-device|bogus", "-device bogus: 'bogus' is not a valid device model name"},
        {"-incoming|bogus", "-incoming bogus: unknown migration protocol: bogus"},
        {"-object|rng-random,id=a,foo=1", "-object rng-random,id=a,foo=1: Invalid parameter 'foo'"},
        {"-object|rng-builtin,id=a,foo=1", "-object rng-builtin,id=a,foo=1: Invalid parameter 'foo'"},
        {"-device|{\"driver\":\"pvpanic\"", "-device {\"driver\":\"pvpanic\": JSON parse error, premature EOI"},
        {"-drive|file=x,if=virtio,index=1|-drive|file=y,if=virtio,index=1",
         "-drive file=y,if=virtio,index=1: drive with bus=1, unit=0 (index=1) exists"},
        {"-append|x", "-append only allowed with -kernel option"},
        {"-nographic|-daemonize", "-nographic cannot be used with -daemonize"},
        {"-spice|port=1", "-spice: not supported yet"},
        {"-usb", "-usb: not supported yet"},
        {"-spice", "-spice: requires an argument"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *sentence = parse(cases[i][0]);
        assert_non_null(sentence);
        assert_string_equal(sentence, cases[i][1]);
    }
}

static int finish(void **state)
{
    (void)state;
    options_finish(&o);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_values_switches_and_commas),
        cmocka_unit_test(sizes_have_suffixes),
        cmocka_unit_test(defaults_are_a_pc_with_one_vcpu),
        cmocka_unit_test(takes_one_dash_or_two),
        cmocka_unit_test(topology_is_completed),
        cmocka_unit_test(accelerators_keep_their_order),
        cmocka_unit_test(instructions_are_counted_if_a_shift_is_given),
        cmocka_unit_test(nographic_shares_the_terminal),
        cmocka_unit_test(short_device_forms_become_chardevs),
        cmocka_unit_test(the_rest_is_understood),
        cmocka_unit_test(errors_have_qemus_shape),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
