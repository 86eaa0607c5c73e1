// SPDX-License-Identifier: GPL-2.0-or-later
//
// Counted execution (-icount): guest time is the number of instructions executed, each 2^shift ns, and
// everything that reads time or waits for it (TSC, APIC timer, PIT, HPET, RTC, PM timer) sees that. So what
// a guest does follows from how it was started, and interrupts of timers come at the same instruction each time.
//
// The vCPU has a budget of instructions up to the earliest timer. A block's head takes its length from it, or
// leaves if less is left; the rest runs in blocks of one instruction. In front of each instruction a block
// notes how many of it are not over (`unfinished`), so whoever leaves in its middle can give them back, and C
// knows the time inside a block. An instruction counts once it is over: one that faults does not, and of a
// repeated string each stretch between two interruptible points does.
//
// An instruction that touches a device runs in a block of its own. What it arms or raises is then seen
// before the next instruction.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest/cpu/jit/code.h"

enum { BUDGET_MAX = 1 << 30 };  // translated code looks at the upper half of the difference only
enum { NS_PER_S = 1000000000 };

static struct clock *clock_of(const struct jit_vcpu *v) { return v->vcpu.engine->config.clock; }

uint64_t jit_count_now_ns(const struct jit_vcpu *v)
{
    return v->counted.ends_ns - ((v->counted.budget + v->counted.unfinished) << v->jit->count.shift);
}

static void grant(struct jit_vcpu *v)
{
    unsigned shift = v->jit->count.shift;
    uint64_t now_ns = jit_count_now_ns(v);
    atomic_store(&v->counted.news, false);
    uint64_t deadline_ns = clock_deadline_ns(clock_of(v));
    uint64_t left = deadline_ns > now_ns ? (deadline_ns - now_ns - 1) >> shift : 0;
    v->counted.budget = (left < BUDGET_MAX ? left : BUDGET_MAX - 1) + 1;
    v->counted.ends_ns = now_ns + ((uint64_t)v->counted.budget << shift);
}

static void start_at(struct jit_vcpu *v, uint64_t now_ns)
{
    v->counted.budget = v->counted.unfinished = 0;
    v->counted.ends_ns = now_ns;
}

// The clock may have been set, by a snapshot.
void jit_count_begin(struct jit_vcpu *v)
{
    if (jit_counts(v))
        start_at(v, clock_now_ns(clock_of(v)));
}

void jit_count_tell(struct jit_vcpu *v)
{
    if (jit_counts(v))
        clock_set(clock_of(v), jit_count_now_ns(v));
}

void jit_count_follow(struct jit_vcpu *v)
{
    if (v->counted.budget > 0 && !atomic_load(&v->counted.news))
        return;
    jit_vectors_save(v);
    clock_advance(clock_of(v), jit_count_now_ns(v) - clock_now_ns(clock_of(v)));
    grant(v);
}

// Any thread. Whoever runs comes out to look; whoever sleeps wakes up.
void jit_count_earlier(void *opaque)
{
    struct jit_vcpu *v = opaque;
    atomic_store(&v->counted.news, true);
    jit_kick(v);
}

static uint64_t host_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

// Until somebody wakes it, at most for so long. How long that was.
static uint64_t sleep_for(struct jit_vcpu *v, uint32_t seen, uint64_t ns)
{
    uint64_t began_ns = host_now_ns(), end_ns = began_ns + ns;
    struct timespec at = {end_ns / NS_PER_S, end_ns % NS_PER_S};
    uint64_t began = __builtin_ia32_rdtsc();
    jit_world_leave(v);
    mem_thread_offline();
    syscall(SYS_futex, &v->wakes, FUTEX_WAIT_BITSET_PRIVATE, seen, ns == UINT64_MAX ? NULL : &at, NULL,
            FUTEX_BITSET_MATCH_ANY);
    mem_thread_online();
    jit_world_enter(v);
    v->spent.halted += __builtin_ia32_rdtsc() - began;
    return host_now_ns() - began_ns;
}

// Nothing is executed, so time goes on by itself: to the next timer at once, or as the host's does. With no
// timer there is nothing that it could be measured by.
static void pass_time(struct jit_vcpu *v, uint32_t seen)
{
    uint64_t now_ns = jit_count_now_ns(v), deadline_ns = clock_deadline_ns(clock_of(v));
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0, passed_ns = left_ns;
    if (deadline_ns == UINT64_MAX) {
        sleep_for(v, seen, UINT64_MAX);
        return;
    }
    if (v->jit->count.sleeps && left_ns)
        passed_ns = sleep_for(v, seen, left_ns);
    start_at(v, now_ns + (passed_ns < left_ns ? passed_ns : left_ns));
}

void jit_count_halted(struct jit_vcpu *v)
{
    uint32_t seen = atomic_load(&v->wakes);
    jit_count_follow(v);
    atomic_store(&v->waiting, 1);
    if (!atomic_load(&v->requests) && !apic_has_work(&v->apic)) {
        v->count.halts++;
        pass_time(v, seen);
    }
    atomic_store(&v->waiting, 0);
    jit_count_follow(v);
}
