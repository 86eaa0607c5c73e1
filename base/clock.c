// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <x86intrin.h>

struct clock {
    pthread_mutex_t lock;
    pthread_cond_t changed;  // for the thread: an earlier deadline, resumed, or ending
    pthread_cond_t fired;    // a fire has returned
    pthread_t thread;
    bool manual, counted, ending;  // counted: manual, too
    void (*told)(void *opaque);    // of an earlier deadline; the lock is held
    void *opaque;

    // The time, which is read without the lock: sequence is odd while it changes. Every word is
    // stored with release and loaded with acquire, so whoever sees a new word sees a new sequence.
    uint32_t sequence;
    bool running;
    uint64_t base_ns;  // running: host time minus guest time; otherwise the time shown

    struct clock_timer **heap;  // [1] is the earliest; [0] is unused, so that 0 means "not armed"
    uint32_t armed, capacity;
    // The deadline that the thread sleeps for; 0 while it doesn't sleep. Only an earlier one wakes it:
    // timers are armed far more often than they fire.
    uint64_t sleeps_until_ns;
    struct clock_timer *firing;  // compared, never followed: fire may free its timer
    pthread_t firing_thread;
};

static uint64_t host_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set_time(struct clock *clock, bool running, uint64_t base_ns)
{
    __atomic_store_n(&clock->sequence, clock->sequence + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&clock->running, running, __ATOMIC_RELEASE);
    __atomic_store_n(&clock->base_ns, base_ns, __ATOMIC_RELEASE);
    __atomic_store_n(&clock->sequence, clock->sequence + 1, __ATOMIC_RELEASE);
}

struct reading { bool running; uint64_t base_ns; };

static struct reading read_time(const struct clock *clock)
{
    struct reading reading;
    uint32_t before;
    do {
        before = __atomic_load_n(&clock->sequence, __ATOMIC_ACQUIRE);
        reading.running = __atomic_load_n(&clock->running, __ATOMIC_ACQUIRE);
        reading.base_ns = __atomic_load_n(&clock->base_ns, __ATOMIC_ACQUIRE);
    } while (before & 1 || before != __atomic_load_n(&clock->sequence, __ATOMIC_ACQUIRE));
    return reading;
}

uint64_t clock_now_ns(struct clock *clock)
{
    struct reading reading = read_time(clock);
    bool flows = reading.running && !clock->manual;
    return flows ? host_now_ns() - reading.base_ns : reading.base_ns;
}

// Guest times are any 64-bit number (a snapshot's), so sums are made as distances from now.
uint64_t clock_host_deadline_ns(struct clock *clock, uint64_t deadline_ns)
{
    struct reading reading = read_time(clock);
    if (!reading.running)
        return UINT64_MAX;
    if (clock->manual)
        return deadline_ns <= reading.base_ns ? 0 : UINT64_MAX;
    uint64_t host_ns = host_now_ns(), now_ns = host_ns - reading.base_ns;
    if (deadline_ns <= now_ns)
        return host_ns;
    return deadline_ns - now_ns > UINT64_MAX - host_ns ? UINT64_MAX
                                                       : host_ns + (deadline_ns - now_ns);
}

// The heap: a parent is never later than its children, which are at 2i and 2i + 1.

static void heap_put(struct clock *clock, uint32_t index, struct clock_timer *timer)
{
    clock->heap[index] = timer;
    timer->heap_index = index;
}

static void heap_rise(struct clock *clock, uint32_t index, struct clock_timer *timer)
{
    for (; index > 1 && clock->heap[index / 2]->deadline_ns > timer->deadline_ns; index /= 2)
        heap_put(clock, index, clock->heap[index / 2]);
    heap_put(clock, index, timer);
}

static void heap_sink(struct clock *clock, uint32_t index, struct clock_timer *timer)
{
    for (uint32_t child; (child = 2 * index) <= clock->armed; index = child) {
        if (child < clock->armed &&
            clock->heap[child + 1]->deadline_ns < clock->heap[child]->deadline_ns)
            child++;
        if (clock->heap[child]->deadline_ns >= timer->deadline_ns)
            break;
        heap_put(clock, index, clock->heap[child]);
    }
    heap_put(clock, index, timer);
}

static void heap_remove(struct clock *clock, struct clock_timer *timer)
{
    uint32_t index = timer->heap_index;
    struct clock_timer *last = clock->heap[clock->armed--];
    timer->heap_index = 0;
    if (timer == last)
        return;
    heap_sink(clock, index, last);
    heap_rise(clock, last->heap_index, last);
}

// There are as many entries as timers in the program, so this stops growing early; with no memory
// for a few pointers then, nothing can be saved.
static void heap_insert(struct clock *clock, struct clock_timer *timer)
{
    if (clock->armed + 1 >= clock->capacity) {
        clock->capacity = clock->capacity ? 2 * clock->capacity : 16;
        clock->heap = reallocarray(clock->heap, clock->capacity, sizeof clock->heap[0]);
        if (!clock->heap)
            abort();
    }
    heap_rise(clock, ++clock->armed, timer);
}

// Takes the earliest timer out and fires it. The lock is held, but not while it fires.
static void fire_first(struct clock *clock)
{
    struct clock_timer *timer = clock->heap[1];
    heap_remove(clock, timer);
    clock->firing = timer;
    clock->firing_thread = pthread_self();
    pthread_mutex_unlock(&clock->lock);
    timer->fire(timer);
    pthread_mutex_lock(&clock->lock);
    clock->firing = NULL;
    pthread_cond_broadcast(&clock->fired);
}

static void sleep_until(struct clock *clock, uint64_t deadline_ns)
{
    uint64_t host_ns = clock_host_deadline_ns(clock, deadline_ns);
    struct timespec at = {(time_t)(host_ns / 1000000000u), (long)(host_ns % 1000000000u)};
    clock->sleeps_until_ns = deadline_ns;
    if (host_ns == UINT64_MAX)
        pthread_cond_wait(&clock->changed, &clock->lock);
    else
        pthread_cond_timedwait(&clock->changed, &clock->lock, &at);
    clock->sleeps_until_ns = 0;
}

static void *clock_thread(void *opaque)
{
    struct clock *clock = opaque;
    prctl(PR_SET_NAME, "clock");
    prctl(PR_SET_TIMERSLACK, 1UL);  // otherwise the kernel may be 50 us late on purpose
    pthread_mutex_lock(&clock->lock);
    while (!clock->ending) {
        uint64_t next_ns = clock->armed ? clock->heap[1]->deadline_ns : UINT64_MAX;
        if (clock->running && clock->armed && next_ns <= clock_now_ns(clock))
            fire_first(clock);
        else
            sleep_until(clock, next_ns);
    }
    pthread_mutex_unlock(&clock->lock);
    return NULL;
}

static struct clock *create(bool manual)
{
    struct clock *clock = calloc(1, sizeof *clock);
    if (!clock)
        return NULL;
    clock->manual = manual;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&clock->lock, NULL);
    pthread_cond_init(&clock->changed, &monotonic);
    pthread_cond_init(&clock->fired, NULL);
    pthread_condattr_destroy(&monotonic);
    return clock;
}

static void release(struct clock *clock)
{
    pthread_cond_destroy(&clock->fired);
    pthread_cond_destroy(&clock->changed);
    pthread_mutex_destroy(&clock->lock);
    free(clock->heap);
    free(clock);
}

struct clock *clock_create(struct err *err)
{
    struct clock *clock = create(false);
    int failed = clock ? pthread_create(&clock->thread, NULL, clock_thread, clock) : ENOMEM;
    if (!failed)
        return clock;
    err_set(err, -failed, "can't start the clock: %s", strerror(failed));
    if (clock)
        release(clock);
    return NULL;
}

struct clock *clock_create_manual(void)
{
    struct clock *clock = create(true);
    if (!clock)
        abort();
    clock->running = true;
    return clock;
}

struct clock *clock_create_counted(struct err *err)
{
    struct clock *clock = create(true);
    if (clock)
        clock->counted = true;
    else
        err_set(err, -ENOMEM, "no memory for a clock");
    return clock;
}

void clock_destroy(struct clock *clock)
{
    if (!clock)
        return;
    pthread_mutex_lock(&clock->lock);
    assert(!clock->armed);
    clock->ending = true;
    pthread_cond_broadcast(&clock->changed);
    pthread_mutex_unlock(&clock->lock);
    if (!clock->manual)
        pthread_join(clock->thread, NULL);
    release(clock);
}

void clock_pause(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    if (clock->running)
        set_time(clock, false, clock_now_ns(clock));
    pthread_mutex_unlock(&clock->lock);
}

void clock_resume(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    if (!clock->running)
        set_time(clock, true, clock->manual ? clock->base_ns : host_now_ns() - clock->base_ns);
    pthread_cond_broadcast(&clock->changed);
    pthread_mutex_unlock(&clock->lock);
}

void clock_settle(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    while (clock->firing && !pthread_equal(clock->firing_thread, pthread_self()))
        pthread_cond_wait(&clock->fired, &clock->lock);
    pthread_mutex_unlock(&clock->lock);
}

void clock_set(struct clock *clock, uint64_t now_ns)
{
    pthread_mutex_lock(&clock->lock);
    assert(clock->manual || !clock->running);
    set_time(clock, clock->running, now_ns);
    pthread_mutex_unlock(&clock->lock);
}

void clock_advance(struct clock *clock, uint64_t by_ns)
{
    pthread_mutex_lock(&clock->lock);
    assert(clock->manual);
    uint64_t end_ns = clock->base_ns + by_ns;
    while (clock->running && clock->armed && clock->heap[1]->deadline_ns <= end_ns) {
        if (clock->heap[1]->deadline_ns > clock->base_ns)
            set_time(clock, true, clock->heap[1]->deadline_ns);
        fire_first(clock);
    }
    if (clock->running)
        set_time(clock, true, end_ns);
    pthread_mutex_unlock(&clock->lock);
}

uint64_t clock_deadline_ns(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    uint64_t deadline_ns = clock->armed ? clock->heap[1]->deadline_ns : UINT64_MAX;
    pthread_mutex_unlock(&clock->lock);
    return deadline_ns;
}

void clock_on_earlier(struct clock *clock, void (*told)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&clock->lock);
    assert(clock->counted);
    clock->told = told;
    clock->opaque = opaque;
    pthread_mutex_unlock(&clock->lock);
}

uint64_t clock_tsc(struct clock *clock)
{
    return clock->counted ? clock_now_ns(clock) : __rdtsc();
}

void clock_timer_init(struct clock_timer *timer, struct clock *clock,
                      void (*fire)(struct clock_timer *timer))
{
    *timer = (struct clock_timer){.clock = clock, .fire = fire};
}

void clock_timer_arm(struct clock_timer *timer, uint64_t deadline_ns)
{
    struct clock *clock = timer->clock;
    pthread_mutex_lock(&clock->lock);
    if (timer->heap_index)
        heap_remove(clock, timer);
    timer->deadline_ns = deadline_ns;
    heap_insert(clock, timer);
    if (deadline_ns < clock->sleeps_until_ns)
        pthread_cond_broadcast(&clock->changed);
    if (clock->told && timer->heap_index == 1)
        clock->told(clock->opaque);
    pthread_mutex_unlock(&clock->lock);
}

void clock_timer_cancel(struct clock_timer *timer)
{
    pthread_mutex_lock(&timer->clock->lock);
    if (timer->heap_index)
        heap_remove(timer->clock, timer);
    pthread_mutex_unlock(&timer->clock->lock);
}

// A fire that is waited for may arm its timer again, hence the loop.
void clock_timer_finish(struct clock_timer *timer)
{
    struct clock *clock = timer->clock;
    pthread_mutex_lock(&clock->lock);
    while (clock->firing == timer && !pthread_equal(clock->firing_thread, pthread_self()))
        pthread_cond_wait(&clock->fired, &clock->lock);
    if (timer->heap_index)
        heap_remove(clock, timer);
    pthread_mutex_unlock(&clock->lock);
}
