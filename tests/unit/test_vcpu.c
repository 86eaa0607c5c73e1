// SPDX-License-Identifier: GPL-2.0-or-later
//
// The vCPU's thread, with an engine that counts instead of executing. The three functions of
// mem that the thread calls are fakes too, so that a test can see whether a sleeper is offline.
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "guest/cpu/vcpu.h"

static atomic_int online;
static atomic_uint quiescent;
void mem_thread_online(void) { atomic_fetch_add(&online, 1); }
void mem_thread_offline(void) { atomic_fetch_sub(&online, 1); }
void mem_quiescent(void) { atomic_fetch_add(&quiescent, 1); }

struct fake {
    struct vcpu vcpu;
    struct x86_state state;
    pthread_mutex_t lock;
    pthread_cond_t kicked;
    bool kick;
    atomic_uint runs, gets;
    atomic_int next_exit;  // returned once instead of waiting for a kick; -1: none
    uint64_t work;         // the vCPU thread's own, read by others only while it is paused
    bool destroyed;
    atomic_uint shutdowns, debugs, failures;
    atomic_bool paused_in_event;
    bool mask_right;
};

static void check_mask(struct fake *f)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    f->mask_right = sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1 &&
                    sigismember(&mask, SIGALRM) == 1 && sigismember(&mask, SIGSEGV) == 0 &&
                    sigismember(&mask, VCPU_KICK_SIGNAL) == 0;
}

// "Runs" until it is kicked, as HLT would.
static enum vcpu_exit fake_run(struct vcpu *vcpu)
{
    struct fake *f = (struct fake *)vcpu;
    check_mask(f);
    f->work++;
    atomic_fetch_add(&f->runs, 1);
    int why = atomic_exchange(&f->next_exit, -1);
    if (why >= 0)
        return why;
    pthread_mutex_lock(&f->lock);
    while (!f->kick)
        pthread_cond_wait(&f->kicked, &f->lock);
    f->kick = false;
    pthread_mutex_unlock(&f->lock);
    return VCPU_EXIT_KICKED;
}

static void fake_kick(struct vcpu *vcpu)
{
    struct fake *f = (struct fake *)vcpu;
    pthread_mutex_lock(&f->lock);
    f->kick = true;
    pthread_cond_signal(&f->kicked);
    pthread_mutex_unlock(&f->lock);
}

static void fake_get(struct vcpu *vcpu)
{
    struct fake *f = (struct fake *)vcpu;
    f->state.rip = f->work;
    atomic_fetch_add(&f->gets, 1);
}

static void fake_put(struct vcpu *vcpu) { (void)vcpu; }
static void fake_debug(struct vcpu *vcpu, const struct vcpu_debug *debug) { (void)vcpu, (void)debug; }
static void fake_destroy(struct vcpu *vcpu) { ((struct fake *)vcpu)->destroyed = true; }

static const struct vcpu_ops fake_ops = {fake_run, fake_kick, fake_get, fake_put, fake_debug, fake_put,
                                         fake_destroy, NULL};

static void on_event(struct vcpu *vcpu, atomic_uint *counter)
{
    atomic_store(&((struct fake *)vcpu)->paused_in_event, vcpu_is_paused(vcpu));
    atomic_fetch_add(counter, 1);
}
static void on_shutdown(void *f, struct vcpu *v) { on_event(v, &((struct fake *)f)->shutdowns); }
static void on_debug(void *f, struct vcpu *v) { on_event(v, &((struct fake *)f)->debugs); }
static void on_failed(void *f, struct vcpu *v) { on_event(v, &((struct fake *)f)->failures); }

static int setup(void **state)
{
    struct fake *f = calloc(1, sizeof *f);
    f->vcpu = (struct vcpu){.ops = &fake_ops, .state = &f->state};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->kicked, NULL);
    atomic_store(&f->next_exit, -1);
    struct vcpu_events events = {on_shutdown, on_debug, on_failed, f};
    assert_int_equal(vcpu_start(&f->vcpu, &events, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fake *f = *state;
    vcpu_destroy(&f->vcpu);
    assert_true(f->destroyed);
    assert_int_equal(atomic_load(&online), 0);
    free(f);
    return 0;
}

// Waiting here is bounded by the test's time limit.
static void until_at_least(atomic_uint *counter, unsigned n)
{
    while (atomic_load(counter) < n)
        sched_yield();
}

static void pause_and_wait(struct fake *f)
{
    vcpu_pause(&f->vcpu);
    vcpu_wait_paused(&f->vcpu);
}

static void starts_paused(void **state)
{
    struct fake *f = *state;
    assert_true(vcpu_is_paused(&f->vcpu));
    vcpu_wait_paused(&f->vcpu);
    assert_int_equal(atomic_load(&f->runs), 0);
}

static void pausing_brings_the_state_up_to_date(void **state)
{
    struct fake *f = *state;
    vcpu_resume(&f->vcpu);
    until_at_least(&f->runs, 1);
    pause_and_wait(f);
    assert_true(vcpu_is_paused(&f->vcpu));
    assert_int_equal(f->state.rip, f->work);
    assert_true(f->mask_right);
}

static void a_pause_that_follows_a_resume_at_once_is_not_lost(void **state)
{
    struct fake *f = *state;
    for (unsigned i = 0; i < 2000; i++) {
        vcpu_resume(&f->vcpu);
        pause_and_wait(f);
        assert_int_equal(f->state.rip, f->work);
    }
}

static void a_kick_only_runs_it_again(void **state)
{
    struct fake *f = *state;
    vcpu_resume(&f->vcpu);
    for (unsigned i = 1; i < 100; i++) {
        until_at_least(&f->runs, i);
        fake_kick(&f->vcpu);
    }
    until_at_least(&f->runs, 100);
    assert_true(atomic_load(&quiescent) > 0);
    assert_false(vcpu_is_paused(&f->vcpu));
}

static void a_paused_one_holds_up_no_reader(void **state)
{
    struct fake *f = *state;
    vcpu_resume(&f->vcpu);
    until_at_least(&f->runs, 1);
    assert_int_equal(atomic_load(&online), 1);
    pause_and_wait(f);
    while (atomic_load(&online))
        sched_yield();
}

static void exits_pause_it_and_are_told_once(void **state)
{
    struct fake *f = *state;
    static const enum vcpu_exit exits[] = {VCPU_EXIT_SHUTDOWN, VCPU_EXIT_DEBUG, VCPU_EXIT_ERROR};
    atomic_uint *const counters[] = {&f->shutdowns, &f->debugs, &f->failures};
    for (unsigned i = 0; i < 3; i++) {
        atomic_store(&f->next_exit, exits[i]);
        vcpu_resume(&f->vcpu);
        until_at_least(counters[i], 1);
        vcpu_wait_paused(&f->vcpu);
        assert_true(atomic_load(&f->paused_in_event));
        assert_int_equal(f->state.rip, f->work);
        assert_int_equal(atomic_load(counters[i]), 1);
    }
}

static void a_running_one_can_be_destroyed(void **state)
{
    struct fake *f = *state;
    vcpu_resume(&f->vcpu);
    until_at_least(&f->runs, 1);
}

static void a_reset_is_the_architectures_where_the_engine_has_none(void **state)
{
    struct fake *f = *state;
    f->state.gpr[X86_RAX] = 1;
    f->state.apic.id = 1;
    vcpu_reset(&f->vcpu);
    assert_int_equal(f->state.gpr[X86_RAX], 0);
    assert_int_equal(f->state.rip, 0xfff0);
    assert_int_equal(f->state.run_state, X86_WAIT_SIPI);
}

static struct fake *resumed_by_another;
static void *resume_forty_times(void *opaque)
{
    (void)opaque;
    for (unsigned i = 0; i < 40; i++)
        vcpu_resume(&resumed_by_another->vcpu);
    return NULL;
}

static void any_thread_may_ask(void **state)
{
    struct fake *f = resumed_by_another = *state;
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, resume_forty_times, NULL), 0);
    for (unsigned i = 0; i < 40; i++)
        vcpu_pause(&f->vcpu);
    pthread_join(other, NULL);
    pause_and_wait(f);
    assert_true(vcpu_is_paused(&f->vcpu));
}

#define VCPU_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VCPU_TEST(starts_paused),
        VCPU_TEST(pausing_brings_the_state_up_to_date),
        VCPU_TEST(a_pause_that_follows_a_resume_at_once_is_not_lost),
        VCPU_TEST(a_kick_only_runs_it_again),
        VCPU_TEST(a_paused_one_holds_up_no_reader),
        VCPU_TEST(exits_pause_it_and_are_told_once),
        VCPU_TEST(a_running_one_can_be_destroyed),
        VCPU_TEST(a_reset_is_the_architectures_where_the_engine_has_none),
        VCPU_TEST(any_thread_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
