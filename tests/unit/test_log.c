// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char folder[] = "/tmp/konuk-log-XXXXXX";
static char path[64];
static int real_stderr;

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    assert_int_equal(log_to_file(path, NULL), 0);
    real_stderr = dup(STDERR_FILENO);
    assert_int_equal(log_enable("none", NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    unlink(path);
    rmdir(folder);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return 0;
}

// Warnings would come out in the middle of the test's report.
static void mute_stderr(void)
{
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    close(null);
}

static const char *logged(void)
{
    static char text[65536];
    FILE *file = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static unsigned lines(const char *text)
{
    unsigned count = 0;
    while ((text = strchr(text, '\n')))
        count++, text++;
    return count;
}

static void only_what_was_asked_for_is_written(void **state)
{
    (void)state;
    assert_int_equal(log_enable("jit,apic", NULL), 0);
    log_debug("jit", "block %d", 7);
    log_info("uart", "not this");
    log_info("ji", "nor this");
    log_info("apic", "timer");
    assert_string_equal(logged(), "jit: block 7\napic: timer\n");
}

static void all_and_none_mean_what_they_say(void **state)
{
    (void)state;
    assert_int_equal(log_enable("all", NULL), 0);
    assert_true(log_wants("anything"));
    assert_int_equal(log_enable("none,rtc", NULL), 0);
    assert_false(log_wants("anything"));
    assert_true(log_wants("rtc"));
}

static void warnings_are_always_written_with_the_program_name(void **state)
{
    (void)state;
    mute_stderr();
    log_warn("rtc", "late by %d s", 3);
    log_error("rtc", "gone");
    assert_string_equal(logged(), "test_log: warning: rtc: late by 3 s\ntest_log: rtc: gone\n");
}

static void a_line_is_one_line_whatever_is_in_it(void **state)
{
    (void)state;
    assert_int_equal(log_enable("all", NULL), 0);
    log_info("qmp", "%s", "a\nb\x1b[2J\x7f");
    assert_string_equal(logged(), "qmp: a?b?[2J?\n");
}

static void an_endless_line_is_cut(void **state)
{
    (void)state;
    assert_int_equal(log_enable("all", NULL), 0);
    log_info("x", "%*s", 10000, "");
    assert_int_equal(lines(logged()), 1);
    assert_true(strlen(logged()) <= 2048);
}

static void a_guest_gets_eight_lines_a_site(void **state)
{
    (void)state;
    assert_int_equal(log_enable("all", NULL), 0);
    for (int i = 0; i < 100; i++)
        log_guest("uart", "again %d", i);
    log_guest("uart", "another site");
    assert_int_equal(lines(logged()), 9);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(log_enable("jit,,apic", &err), -EINVAL);
    assert_int_equal(log_enable("J", &err), -EINVAL);
    assert_string_equal(err.text, "-d: 'J' is not the name of a subsystem");
    assert_int_equal(log_to_file("/tmp/%s", &err), -EINVAL);
    assert_int_equal(log_to_file("/tmp/%d%d", &err), -EINVAL);
    assert_int_equal(log_to_file("/nonexistent/log", &err), -ENOENT);
    assert_string_equal(err.text, "/nonexistent/log: No such file or directory");
}

static void the_process_id_goes_into_the_path(void **state)
{
    (void)state;
    char pattern[80], expected[80];
    snprintf(pattern, sizeof pattern, "%s/%%d.log", folder);
    snprintf(expected, sizeof expected, "%s/%d.log", folder, (int)getpid());
    assert_int_equal(log_to_file(pattern, NULL), 0);
    assert_int_equal(unlink(expected), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_what_was_asked_for_is_written),
        TEST(all_and_none_mean_what_they_say),
        TEST(warnings_are_always_written_with_the_program_name),
        TEST(a_line_is_one_line_whatever_is_in_it),
        TEST(an_endless_line_is_cut),
        TEST(a_guest_gets_eight_lines_a_site),
        TEST(nonsense_is_refused),
        TEST(the_process_id_goes_into_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
