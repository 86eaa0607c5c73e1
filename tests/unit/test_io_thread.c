// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <unistd.h>

#include "base/io_thread.h"

static int befores, afters;
static void before(void) { befores++; }
static void after(void) { afters++; }
static const struct loop_sleep sleep_ops = {before, after};

static struct io_thread *thread;

static int setup(void **state)
{
    (void)state;
    befores = afters = 0;
    thread = io_thread_create("test", &sleep_ops, NULL);
    return thread ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    io_thread_destroy(thread);
    return 0;
}

static void add(void *opaque)
{
    assert_true(io_thread_is_current(thread));
    ++*(int *)opaque;
}

static void a_call_returns_when_the_task_has(void **state)
{
    (void)state;
    int count = 0;
    for (int i = 1; i <= 100; i++) {
        io_thread_call(thread, add, &count);
        assert_int_equal(count, i);
    }
    assert_false(io_thread_is_current(thread));
}

static void posted_tasks_run_before_a_later_call(void **state)
{
    (void)state;
    int count = 0;
    for (int i = 0; i < 1000; i++)
        io_thread_post(thread, add, &count);
    io_thread_call(thread, add, &count);
    assert_int_equal(count, 1001);
}

struct counting_bell {
    struct io_bell bell;
    int written, seen, answers;
};

static void answer(struct io_bell *bell)
{
    struct counting_bell *b = (struct counting_bell *)bell;
    __atomic_store_n(&b->seen, __atomic_load_n(&b->written, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    b->answers++;
}

static void nothing(void *opaque) { (void)opaque; }

static void a_bell_is_answered_after_the_last_ring(void **state)
{
    (void)state;
    struct counting_bell b = {0};
    io_bell_init(&b.bell, thread, answer);
    for (int i = 1; i <= 1000; i++) {
        __atomic_store_n(&b.written, i, __ATOMIC_RELAXED);
        io_bell_ring(&b.bell);
    }
    for (int tries = 0; tries < 1000 && b.written != __atomic_load_n(&b.seen, __ATOMIC_RELAXED); tries++)
        io_thread_call(thread, nothing, NULL);
    io_bell_finish(&b.bell);
    assert_int_equal(b.seen, 1000);
    assert_in_range(b.answers, 1, 1000);
}

static void sleep_a_moment(void *opaque)
{
    (void)opaque;
    usleep(20000);
}

// The bell was rung while the thread was busy, and is finished before it could be answered.
static void a_bell_is_finished_with_a_ring_under_way(void **state)
{
    (void)state;
    struct counting_bell b = {0};
    io_bell_init(&b.bell, thread, answer);
    io_thread_post(thread, sleep_a_moment, NULL);
    usleep(5000);
    io_bell_ring(&b.bell);
    io_bell_finish(&b.bell);
    assert_in_range(b.answers, 0, 1);
}

static void sleeps_are_announced(void **state)
{
    (void)state;
    io_thread_call(thread, nothing, NULL);
    io_thread_destroy(thread);
    assert_true(afters > 0);
    assert_int_equal(befores, afters);
    thread = NULL;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_returns_when_the_task_has),
        TEST(posted_tasks_run_before_a_later_call),
        TEST(a_bell_is_answered_after_the_last_ring),
        TEST(a_bell_is_finished_with_a_ring_under_way),
        TEST(sleeps_are_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
