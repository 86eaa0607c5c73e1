// SPDX-License-Identifier: GPL-2.0-or-later
//
// Guest time and the timers on it. A clock counts nanoseconds while the guest runs and stands
// still while it is paused, so a stopped guest misses no tick. A clock has one thread, on which
// its timers fire; a manual clock, for tests and fuzzers, has none and moves when told. A counted
// clock is moved by the vCPU whose instructions it counts, and its timers fire on that thread.
//
// Threads: every function may be called from any thread, with device locks held. fire is called
// on the clock's thread, with no lock held; it takes its device's lock itself. Cancelling
// does not wait: a fire that has begun may still be waiting for that lock, so after taking it
// the device looks at its own state (is a deadline set, and has it passed?) before it acts.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct clock;
struct clock *clock_create(struct err *err);  // paused, at 0; null on failure
struct clock *clock_create_manual(void);      // running, at 0
struct clock *clock_create_counted(struct err *err);  // paused, at 0; null on failure
void clock_destroy(struct clock *clock);       // no timer is armed any more

uint64_t clock_now_ns(struct clock *clock);
void clock_pause(struct clock *clock);
void clock_resume(struct clock *clock);
// Returns when no fire is under way: after clock_pause, no timer of this clock acts any more. No
// lock that a fire takes may be held.
void clock_settle(struct clock *clock);
void clock_set(struct clock *clock, uint64_t now_ns);  // while paused: a loaded snapshot
// A manual or counted clock only: moves on, firing in order all that falls due, each at its own time. A
// paused one stays where it is. clock_set moves it without firing anything, running or not.
void clock_advance(struct clock *clock, uint64_t by_ns);
// When the earliest timer will fire; UINT64_MAX: none is armed.
uint64_t clock_deadline_ns(struct clock *clock);
// A counted clock only: whoever moves it is told that a timer was armed that is earlier than all others.
// Called with locks held, on any thread; null: nobody is told any more.
void clock_on_earlier(struct clock *clock, void (*told)(void *opaque), void *opaque);
// What guests' TSCs are offsets from: the host's TSC; for a counted clock, which must be alone to decide
// what a guest sees of time, its nanoseconds.
uint64_t clock_tsc(struct clock *clock);

// The host's CLOCK_MONOTONIC time at which a running clock will show deadline_ns: for a halted
// vCPU, which waits by itself. UINT64_MAX while paused.
uint64_t clock_host_deadline_ns(struct clock *clock, uint64_t deadline_ns);

struct clock_timer {
    struct clock *clock;
    void (*fire)(struct clock_timer *timer);
    uint64_t deadline_ns;  // private from here on
    uint32_t heap_index;   // 0: not armed
};
void clock_timer_init(struct clock_timer *timer, struct clock *clock,
                      void (*fire)(struct clock_timer *timer));
void clock_timer_arm(struct clock_timer *timer, uint64_t deadline_ns);  // or moves it
void clock_timer_cancel(struct clock_timer *timer);
// Cancels and waits until a fire under way has returned. No lock that fire takes may be held.
void clock_timer_finish(struct clock_timer *timer);
