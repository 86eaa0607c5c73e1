// SPDX-License-Identifier: GPL-2.0-or-later
//
// Counters that run at a frequency of their own on a guest's nanoseconds. Both directions agree:
// a counter shows `ticks` from the first nanosecond that ns_of_ticks names. Everything saturates, as
// a guest or a forged snapshot may bring any number.
#pragma once

#include <stdint.h>

#include "base/clock.h"

#define NEVER_NS UINT64_MAX

enum { NS_PER_SECOND = 1000000000 };

// A timer that repeats is served at most this often, whatever period the guest programmed: what it
// reads stays exact, and interrupts that it could not serve anyway fall together.
enum { PERIODIC_FLOOR_NS = 50000 };

// hz is at most NS_PER_SECOND.
static inline uint64_t ticks_of_ns(uint64_t ns, uint32_t hz)
{
    return (unsigned __int128)ns * hz / NS_PER_SECOND;
}

static inline uint64_t ns_of_ticks(uint64_t ticks, uint32_t hz)
{
    unsigned __int128 ns = ((unsigned __int128)ticks * NS_PER_SECOND + hz - 1) / hz;
    return ns < NEVER_NS ? (uint64_t)ns : NEVER_NS;
}

static inline uint64_t saturating_add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

// The time from then to now, and none where a loaded snapshot claims that `then` is yet to come.
static inline uint64_t elapsed_ns(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline void arm_or_cancel(struct clock_timer *timer, uint64_t deadline_ns)
{
    if (deadline_ns == NEVER_NS)
        clock_timer_cancel(timer);
    else
        clock_timer_arm(timer, deadline_ns);
}
