// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <pthread.h>

#include "base/loop.h"

static int order[2000];
static int count;

static void note(void *opaque)
{
    order[count++] = (int)(intptr_t)opaque;
}

static void posts_before_the_loop_exists_are_kept(void **state)
{
    (void)state;
    count = 0;
    loop_post(note, (void *)1);
    loop_post(note, (void *)2);
    loop_stop();
    loop_run(NULL);
    assert_int_equal(count, 2);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
}

static void post_again(void *opaque)
{
    note(opaque);
    loop_post(note, (void *)5);
    loop_stop();
}

static void a_task_may_post_another(void **state)
{
    (void)state;
    count = 0;
    loop_post(post_again, (void *)4);
    loop_run(NULL);
    assert_int_equal(count, 2);
    assert_int_equal(order[1], 5);
}

static void *post_many(void *opaque)
{
    for (intptr_t i = 0; i < 1000; i++)
        loop_post(note, (void *)((intptr_t)opaque + i));
    return NULL;
}

static void tasks_of_one_thread_keep_their_order(void **state)
{
    (void)state;
    pthread_t threads[2];
    count = 0;
    pthread_create(&threads[0], NULL, post_many, (void *)0);
    pthread_create(&threads[1], NULL, post_many, (void *)10000);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    loop_stop();
    loop_run(NULL);
    assert_int_equal(count, 2000);
    int next[2] = {0, 10000};
    for (int i = 0; i < count; i++)
        assert_int_equal(order[i], next[order[i] >= 10000]++);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_before_the_loop_exists_are_kept),
        cmocka_unit_test(a_task_may_post_another),
        cmocka_unit_test(tasks_of_one_thread_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
