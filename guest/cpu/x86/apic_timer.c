// SPDX-License-Identifier: GPL-2.0-or-later
//
// The local APIC's timer (SDM volume 3, 11.5.4). Nothing counts: the count is computed from the
// guest time of the next tick. The input clock is 1 GHz, so that a count is a nanosecond before
// it is divided.
#include "guest/cpu/x86/apic_registers.h"

// A guest that asks for a million ticks a second gets fewer: each would cost the host more than
// the guest.
enum { PERIOD_MIN_NS = 100000 };

static unsigned timer_mode(const struct apic *apic)
{
    return apic->state->apic.lvt[APIC_LVT_TIMER] >> LVT_TIMER_SHIFT & 3;
}

// Bits 0, 1 and 3 say by which power of two, 7 meaning none (SDM figure 11-10).
static unsigned divide_shift(uint32_t divide)
{
    return (((divide & 3) | (divide & 8) >> 1) + 1) & 7;
}

static uint64_t period_ns(const struct apic *apic)
{
    const struct x86_apic *r = &apic->state->apic;
    uint64_t period = (uint64_t)r->timer_initial << divide_shift(r->timer_divide);
    return timer_mode(apic) == TIMER_PERIODIC && period < PERIOD_MIN_NS ? PERIOD_MIN_NS : period;
}

// Lets the clock tell of the next tick, if there is one that anybody hears.
static void rearm(struct apic *apic)
{
    const struct x86_apic *r = &apic->state->apic;
    if (r->timer_fire_ns == 0 || r->lvt[APIC_LVT_TIMER] & LVT_MASKED)
        clock_timer_cancel(&apic->timer);
    else
        clock_timer_arm(&apic->timer, r->timer_fire_ns);
}

// 0 means that there is no tick, so one that is due at time 0 is due at 1.
static void set_fire(struct apic *apic, uint64_t fire_ns)
{
    apic_put64(&apic->state->apic.timer_fire_ns, fire_ns ? fire_ns : 1);
    rearm(apic);
}

void apic_timer_stop(struct apic *apic)
{
    apic_put64(&apic->state->apic.timer_fire_ns, 0);
    apic->state->apic.tsc_deadline = 0;
    rearm(apic);
}

// Fires what is due. Ticks missed in a long pause become one: the guest would only find them in
// the same IRR bit.
static bool fire_due(struct apic *apic)
{
    struct x86_apic *r = &apic->state->apic;
    uint64_t now = clock_now_ns(apic->clock), fire = r->timer_fire_ns;
    if (fire == 0 || fire > now)
        return false;
    if (timer_mode(apic) == TIMER_PERIODIC) {
        uint64_t period = period_ns(apic);
        set_fire(apic, fire + period * ((now - fire) / period + 1));
    } else {
        apic_timer_stop(apic);
    }
    return apic_local(apic, APIC_LVT_TIMER);
}

void apic_timer_fired(struct clock_timer *timer)
{
    struct apic *apic = (struct apic *)((char *)timer - offsetof(struct apic, timer));
    pthread_mutex_lock(&apic->lock);
    bool news = fire_due(apic);
    rearm(apic);
    pthread_mutex_unlock(&apic->lock);
    if (news)
        apic->ops->wake(apic->opaque);
}

void apic_timer_poll(struct apic *apic)
{
    pthread_mutex_lock(&apic->lock);
    bool news = fire_due(apic);
    pthread_mutex_unlock(&apic->lock);
    if (news)
        apic_announce(apic);
}

uint64_t apic_timer_deadline_ns(struct apic *apic)
{
    uint64_t fire = apic_get64(&apic->state->apic.timer_fire_ns);
    bool masked = apic_get(&apic->state->apic.lvt[APIC_LVT_TIMER]) & LVT_MASKED;
    return fire && !masked ? fire : UINT64_MAX;
}

void apic_timer_start(struct apic *apic, uint32_t initial)
{
    struct x86_apic *r = &apic->state->apic;
    if (timer_mode(apic) == TIMER_DEADLINE)
        return;
    r->timer_initial = initial;
    if (initial == 0) {
        apic_timer_stop(apic);
        return;
    }
    r->timer_start_ns = clock_now_ns(apic->clock);
    set_fire(apic, r->timer_start_ns + period_ns(apic));
}

uint32_t apic_timer_count(struct apic *apic)
{
    const struct x86_apic *r = &apic->state->apic;
    fire_due(apic);
    uint64_t now = clock_now_ns(apic->clock);
    if (timer_mode(apic) == TIMER_DEADLINE || r->timer_fire_ns <= now)
        return 0;
    unsigned shift = divide_shift(r->timer_divide);
    uint64_t count = (r->timer_fire_ns - now + (UINT64_C(1) << shift) - 1) >> shift;
    return count < r->timer_initial ? count : r->timer_initial;
}

// The count stays, and goes on at the new rate.
void apic_timer_divide(struct apic *apic, uint32_t divide)
{
    struct x86_apic *r = &apic->state->apic;
    uint64_t count = apic_timer_count(apic);
    r->timer_divide = divide & DIVIDE_WRITABLE;
    if (count)
        set_fire(apic, clock_now_ns(apic->clock) + (count << divide_shift(r->timer_divide)));
}

// What was due under the old entry happens under the old entry. Going to or from TSC-deadline mode
// disarms the timer (SDM 11.5.4.1).
void apic_timer_lvt(struct apic *apic, uint32_t value)
{
    fire_due(apic);
    unsigned before = timer_mode(apic);
    apic_put(&apic->state->apic.lvt[APIC_LVT_TIMER], value);
    if ((before == TIMER_DEADLINE) != (timer_mode(apic) == TIMER_DEADLINE)) {
        apic->state->apic.timer_initial = 0;
        apic_timer_stop(apic);
    }
    rearm(apic);
}

// When the guest's TSC will reach tsc, at most a century from now.
static uint64_t time_of_tsc(const struct apic *apic, uint64_t tsc)
{
    uint64_t now_ns = clock_now_ns(apic->clock), now_tsc = clock_tsc(apic->clock) + apic->state->tsc_offset;
    if (tsc <= now_tsc)
        return now_ns;
    unsigned __int128 ns = (unsigned __int128)(tsc - now_tsc) * 1000000000u / apic->tsc_hz + 1;
    uint64_t limit = UINT64_C(1) << 61;
    return now_ns + (ns < limit ? (uint64_t)ns : limit);
}

void apic_timer_deadline(struct apic *apic, uint64_t tsc)
{
    if (timer_mode(apic) != TIMER_DEADLINE || apic->tsc_hz == 0)
        return;
    apic_timer_stop(apic);
    apic->state->apic.tsc_deadline = tsc;
    if (tsc)
        set_fire(apic, time_of_tsc(apic, tsc));
}

void apic_tsc_changed(struct apic *apic)
{
    pthread_mutex_lock(&apic->lock);
    uint64_t tsc = apic->state->apic.tsc_deadline;
    if (tsc)
        apic_timer_deadline(apic, tsc);
    pthread_mutex_unlock(&apic->lock);
}

void apic_timer_resume(struct apic *apic)
{
    uint64_t tsc = apic->state->apic.tsc_deadline;
    if (timer_mode(apic) == TIMER_DEADLINE)
        apic_timer_deadline(apic, tsc);
    else
        apic->state->apic.tsc_deadline = 0;
    rearm(apic);
}
