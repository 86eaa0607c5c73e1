// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/bits.h"
#include "base/clock.h"

enum { MS = 1000000 };

// Timers that write down when they fired; under a lock, as a device's would.
struct probe {
    struct clock_timer timer;
    char letter;
    uint64_t again_ns;  // re-arms itself this much later while `times` lasts
    int times;
};
static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    char letters[256];
    uint64_t at_ns[256];
    unsigned count;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void probe_fire(struct clock_timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    pthread_mutex_lock(&seen.lock);
    seen.letters[seen.count] = probe->letter;
    seen.at_ns[seen.count++] = clock_now_ns(timer->clock);
    if (probe->times-- > 0)
        clock_timer_arm(timer, timer->deadline_ns + probe->again_ns);
    pthread_cond_broadcast(&seen.more);
    pthread_mutex_unlock(&seen.lock);
}

static void wait_for(unsigned count)
{
    pthread_mutex_lock(&seen.lock);
    while (seen.count < count)
        pthread_cond_wait(&seen.more, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
}

static struct clock *clk;
static struct probe a, b, c;

static void start(struct clock *made)
{
    clk = made;
    memset(seen.letters, 0, sizeof seen.letters);
    seen.count = 0;
    struct probe *probes[] = {&a, &b, &c};
    for (int i = 0; i < 3; i++) {
        *probes[i] = (struct probe){.letter = (char)('a' + i)};
        clock_timer_init(&probes[i]->timer, clk, probe_fire);
    }
}
static int setup_manual(void **state) { (void)state; start(clock_create_manual()); return 0; }
static int setup_counted(void **state) { (void)state; start(clock_create_counted(NULL)); return 0; }
static int setup_real(void **state) { (void)state; start(clock_create(NULL)); return 0; }

static int teardown(void **state)
{
    (void)state;
    clock_timer_finish(&a.timer);
    clock_timer_finish(&b.timer);
    clock_timer_finish(&c.timer);
    clock_destroy(clk);
    return 0;
}

static void timers_fire_in_order_each_at_its_own_time(void **state)
{
    (void)state;
    clock_timer_arm(&c.timer, 30);
    clock_timer_arm(&a.timer, 10);
    clock_timer_arm(&b.timer, 20);
    clock_advance(clk, 25);
    assert_string_equal(seen.letters, "ab");
    assert_int_equal(seen.at_ns[0], 10);
    assert_int_equal(seen.at_ns[1], 20);
    assert_int_equal(clock_now_ns(clk), 25);
    clock_advance(clk, 5);
    assert_string_equal(seen.letters, "abc");
}

static void a_timer_may_arm_itself_while_it_fires(void **state)
{
    (void)state;
    a.again_ns = 10;
    a.times = 3;
    clock_timer_arm(&a.timer, 10);
    clock_timer_arm(&b.timer, 25);
    clock_advance(clk, 1000);
    assert_string_equal(seen.letters, "aabaa");
    assert_int_equal(seen.at_ns[4], 40);
}

static void a_cancelled_timer_stays_silent(void **state)
{
    (void)state;
    clock_timer_arm(&a.timer, 10);
    clock_timer_arm(&b.timer, 10);
    clock_timer_cancel(&a.timer);
    clock_timer_cancel(&a.timer);
    clock_advance(clk, 10);
    assert_string_equal(seen.letters, "b");
}

static void arming_again_moves_a_timer_both_ways(void **state)
{
    (void)state;
    clock_timer_arm(&a.timer, 10);
    clock_timer_arm(&b.timer, 20);
    clock_timer_arm(&a.timer, 30);
    clock_timer_arm(&c.timer, 40);
    clock_timer_arm(&c.timer, 5);
    clock_advance(clk, 100);
    assert_string_equal(seen.letters, "cba");
}

static void a_deadline_in_the_past_fires_now(void **state)
{
    (void)state;
    clock_advance(clk, 100);
    clock_timer_arm(&a.timer, 50);
    clock_advance(clk, 0);
    assert_string_equal(seen.letters, "a");
    assert_int_equal(seen.at_ns[0], 100);
}

static void a_paused_manual_clock_stays_where_it_is(void **state)
{
    (void)state;
    clock_timer_arm(&a.timer, 10);
    clock_pause(clk);
    clock_advance(clk, 100);
    assert_int_equal(clock_now_ns(clk), 0);
    clock_resume(clk);
    clock_advance(clk, 10);
    assert_string_equal(seen.letters, "a");
}

// Against a plain array, 20,000 steps of arming, cancelling and time.
static void the_heap_agrees_with_a_list(void **state)
{
    (void)state;
    enum { TIMERS = 64 };
    struct probe many[TIMERS];
    uint64_t due[TIMERS];
    for (int i = 0; i < TIMERS; i++) {
        many[i] = (struct probe){.letter = 'x'};
        clock_timer_init(&many[i].timer, clk, probe_fire);
        due[i] = UINT64_MAX;
    }
    srand(1);
    for (int step = 0; step < 20000; step++) {
        int i = rand() % TIMERS, expected = 0;
        uint64_t now = clock_now_ns(clk), by = (uint64_t)(rand() % 8);
        if (rand() % 4)
            clock_timer_arm(&many[i].timer, due[i] = now + (uint64_t)(rand() % 500));
        else
            clock_timer_cancel(&many[i].timer), due[i] = UINT64_MAX;
        for (int j = 0; j < TIMERS; j++)
            if (due[j] <= now + by)
                expected++, due[j] = UINT64_MAX;
        seen.count = 0;
        clock_advance(clk, by);
        assert_int_equal(seen.count, expected);
        for (unsigned j = 1; j < seen.count; j++)
            assert_true(seen.at_ns[j - 1] <= seen.at_ns[j]);
    }
    for (int i = 0; i < TIMERS; i++)
        clock_timer_finish(&many[i].timer);
}

static void a_real_clock_fires_in_order_and_not_early(void **state)
{
    (void)state;
    clock_timer_arm(&b.timer, 4 * MS);
    clock_timer_arm(&a.timer, 2 * MS);
    clock_resume(clk);
    wait_for(2);
    assert_string_equal(seen.letters, "ab");
    assert_true(seen.at_ns[0] >= 2 * MS);
    assert_true(seen.at_ns[1] >= 4 * MS);
}

static void an_earlier_deadline_wakes_the_thread(void **state)
{
    (void)state;
    clock_resume(clk);
    clock_timer_arm(&a.timer, UINT64_C(3600000) * MS);
    clock_timer_arm(&b.timer, clock_now_ns(clk) + MS);
    wait_for(1);
    assert_string_equal(seen.letters, "b");
}

static void a_paused_clock_stands_still_and_goes_on_from_there(void **state)
{
    (void)state;
    clock_resume(clk);
    while (!clock_now_ns(clk))
        continue;
    clock_pause(clk);
    uint64_t stopped = clock_now_ns(clk);
    clock_timer_arm(&a.timer, stopped);
    nanosleep(&(struct timespec){0, 5 * MS}, NULL);
    assert_int_equal(clock_now_ns(clk), stopped);
    assert_int_equal(clock_host_deadline_ns(clk, stopped), UINT64_MAX);
    assert_int_equal(seen.count, 0);
    clock_resume(clk);
    assert_true(clock_now_ns(clk) - stopped < UINT64_C(5000) * MS);
    wait_for(1);
}

static void a_loaded_time_is_continued_however_large(void **state)
{
    (void)state;
    uint64_t loaded = UINT64_MAX - UINT64_C(3600000) * MS;
    clock_set(clk, loaded);
    clock_timer_arm(&a.timer, loaded + MS);
    clock_timer_arm(&b.timer, UINT64_MAX);
    clock_resume(clk);
    wait_for(1);
    assert_true(clock_now_ns(clk) >= loaded + MS);
    assert_int_equal(seen.letters[0], 'a');
    clock_timer_cancel(&b.timer);
}

static void a_host_deadline_is_where_the_guest_deadline_falls(void **state)
{
    (void)state;
    clock_resume(clk);
    struct timespec host;
    clock_gettime(CLOCK_MONOTONIC, &host);
    uint64_t before = (uint64_t)host.tv_sec * 1000 * MS + (uint64_t)host.tv_nsec;
    uint64_t in_a_second = clock_host_deadline_ns(clk, clock_now_ns(clk) + 1000 * MS);
    assert_in_range(in_a_second, before + 1000 * MS, before + UINT64_C(60000) * MS);
    assert_int_equal(clock_host_deadline_ns(clk, UINT64_MAX), UINT64_MAX);
}

static void finish_waits_for_a_fire_under_way(void **state)
{
    (void)state;
    a.again_ns = 1;
    a.times = 100;
    clock_timer_arm(&a.timer, 0);
    clock_resume(clk);
    wait_for(1);
    clock_timer_finish(&a.timer);
    pthread_mutex_lock(&seen.lock);
    unsigned count = seen.count;
    pthread_mutex_unlock(&seen.lock);
    nanosleep(&(struct timespec){0, 2 * MS}, NULL);
    pthread_mutex_lock(&seen.lock);
    assert_int_equal(seen.count, count);
    pthread_mutex_unlock(&seen.lock);
}

static void a_paused_and_settled_clock_fires_nothing(void **state)
{
    (void)state;
    a.again_ns = 1;
    a.times = 200;
    clock_timer_arm(&a.timer, 0);
    clock_resume(clk);
    wait_for(1);
    clock_pause(clk);
    clock_settle(clk);
    unsigned count = seen.count;  // with no lock: nobody writes it now
    nanosleep(&(struct timespec){0, 2 * MS}, NULL);
    assert_int_equal(seen.count, count);
}

static struct clock_timer *earliest;
static unsigned tellings;
static void told(void *opaque)
{
    earliest = opaque;
    tellings++;
}

static void a_counted_clocks_mover_hears_of_earlier_deadlines(void **state)
{
    (void)state;
    clock_resume(clk);
    clock_on_earlier(clk, told, &a.timer);
    assert_int_equal(clock_deadline_ns(clk), UINT64_MAX);
    clock_timer_arm(&a.timer, 100);
    clock_timer_arm(&b.timer, 200);
    clock_timer_arm(&c.timer, 50);
    assert_int_equal(tellings, 2);
    assert_ptr_equal(earliest, &a.timer);
    assert_int_equal(clock_deadline_ns(clk), 50);
    clock_set(clk, 70);
    assert_int_equal(seen.count, 0);
    assert_int_equal(clock_tsc(clk), 70);
    clock_advance(clk, 30);
    assert_string_equal(seen.letters, "ca");
    assert_int_equal(seen.at_ns[0], 70);
    assert_int_equal(clock_now_ns(clk), 100);
    clock_on_earlier(clk, NULL, NULL);
    clock_timer_arm(&a.timer, 110);
    assert_int_equal(tellings, 2);
}

#define MANUAL(test) cmocka_unit_test_setup_teardown(test, setup_manual, teardown)
#define COUNTED(test) cmocka_unit_test_setup_teardown(test, setup_counted, teardown)
#define REAL(test) cmocka_unit_test_setup_teardown(test, setup_real, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MANUAL(timers_fire_in_order_each_at_its_own_time),
        MANUAL(a_timer_may_arm_itself_while_it_fires),
        MANUAL(a_cancelled_timer_stays_silent),
        MANUAL(arming_again_moves_a_timer_both_ways),
        MANUAL(a_deadline_in_the_past_fires_now),
        MANUAL(a_paused_manual_clock_stays_where_it_is),
        MANUAL(the_heap_agrees_with_a_list),
        COUNTED(a_counted_clocks_mover_hears_of_earlier_deadlines),
        REAL(a_real_clock_fires_in_order_and_not_early),
        REAL(an_earlier_deadline_wakes_the_thread),
        REAL(a_paused_clock_stands_still_and_goes_on_from_there),
        REAL(a_loaded_time_is_continued_however_large),
        REAL(a_host_deadline_is_where_the_guest_deadline_falls),
        REAL(finish_waits_for_a_fire_under_way),
        REAL(a_paused_and_settled_clock_fires_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
