// SPDX-License-Identifier: GPL-2.0-or-later
//
// Kicks, halting, and stopping the world. A vCPU is either safe (outside translated code, and not
// going to enter while the world is stopped) or runs until it sees `run` cleared, which it does at the
// next backward jump, indirect jump or change of page, and comes to the run loop's head.
//
// Nobody who waits here holds a lock.
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest/cpu/jit/code.h"

static void wake(struct jit_vcpu *v)
{
    atomic_fetch_add(&v->wakes, 1);
    if (atomic_load(&v->waiting))
        syscall(SYS_futex, &v->wakes, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void jit_kick(struct jit_vcpu *v)
{
    atomic_store(&v->run, 0);
    wake(v);
}

void jit_world_leave(struct jit_vcpu *v)
{
    atomic_store(&v->safe, 1);
}

void jit_world_enter(struct jit_vcpu *v)
{
    struct jit_engine *jit = v->jit;
    for (;;) {
        atomic_store(&v->safe, 0);
        if (!atomic_load(&jit->world_stopping))
            return;
        atomic_store(&v->safe, 1);
        pthread_mutex_lock(&jit->world);  // held while it is stopped
        pthread_mutex_unlock(&jit->world);
    }
}

static void wait_until_safe(struct jit_vcpu *v)
{
    for (unsigned spins = 0; !atomic_load(&v->safe); spins++) {
        atomic_store(&v->run, 0);
        if (spins > 50)
            sched_yield();
    }
}

void jit_world_stop(struct jit_vcpu *v)
{
    struct jit_engine *jit = v ? v->jit : NULL;
    if (!jit || v->has_world)
        return;
    v->count.world_stops++;
    atomic_store(&v->safe, 1);
    pthread_mutex_lock(&jit->world);
    atomic_store(&jit->world_stopping, 1);
    for (unsigned i = 0; i < jit->created; i++)
        if (jit->vcpus[i] != v)
            wait_until_safe(jit->vcpus[i]);
}

void jit_world_start(struct jit_vcpu *v)
{
    if (!v || v->has_world)
        return;
    atomic_store(&v->jit->world_stopping, 0);
    pthread_mutex_unlock(&v->jit->world);
    jit_world_enter(v);
}

static bool nothing_to_do(struct jit_vcpu *v)
{
    return !atomic_load(&v->requests) && !apic_has_work(&v->apic);
}

void jit_doze(struct jit_vcpu *v, uint64_t until_ns)
{
    uint32_t seen = atomic_load(&v->wakes);
    atomic_store(&v->waiting, 1);
    if (nothing_to_do(v)) {
        uint64_t deadline = apic_timer_deadline_ns(&v->apic);
        if (deadline != UINT64_MAX)
            deadline = clock_host_deadline_ns(v->vcpu.engine->config.clock, deadline);
        if (deadline > until_ns)
            deadline = until_ns;
        struct timespec at = {deadline / 1000000000, deadline % 1000000000};
        v->count.halts++;
        uint64_t began = __builtin_ia32_rdtsc();
        jit_world_leave(v);
        mem_thread_offline();
        syscall(SYS_futex, &v->wakes, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline == UINT64_MAX ? NULL : &at, NULL,
                FUTEX_BITSET_MATCH_ANY);
        mem_thread_online();
        jit_world_enter(v);
        v->spent.halted += __builtin_ia32_rdtsc() - began;
    }
    atomic_store(&v->waiting, 0);
    apic_timer_poll(&v->apic);
}

void jit_wait(struct jit_vcpu *v)
{
    if (jit_counts(v))
        jit_count_halted(v);
    else
        jit_doze(v, UINT64_MAX);
}
