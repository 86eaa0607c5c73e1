// SPDX-License-Identifier: GPL-2.0-or-later
//
// MONITOR and MWAIT (SDM volume 3, 10.10.4). The run loop sleeps here, behind MWAIT, until an interrupt, a request,
// or a store to the monitored line. Nothing tells of a store, so the line's content is compared with what it
// was at MONITOR: at once for a few microseconds, then after sleeps that grow up to a millisecond. A store of
// what was there already doesn't wake; a wake for nothing is what software expects, so whoever stops the vCPU
// finds it behind MWAIT, awake.
//
// Threads: the vCPU's.
#include <time.h>

#include "base/bits.h"
#include "guest/cpu/jit/code.h"

enum { SPIN_NS = 5000, FIRST_SLEEP_NS = 15625, LONGEST_SLEEP_NS = 1000000 };

static uint64_t word_now(const struct jit_vcpu *v, unsigned n)
{
    return __atomic_load_n(&v->monitor.line[n], __ATOMIC_RELAXED);
}

// The line stays where it is as long as the machine has its RAM. A device's is never seen to change, so it isn't
// waited for.
void jit_monitor(struct jit_vcpu *v, gva_t at)
{
    size_t size;
    uint8_t *host = jit_span(v, at, false, JIT_AS_CPL, &size);
    v->monitor.line = host ? (const uint64_t *)((uintptr_t)host & ~(uintptr_t)63) : NULL;
    for (unsigned n = 0; host && n < ARRAY_SIZE(v->monitor.was); n++)
        v->monitor.was[n] = word_now(v, n);
}

static bool line_changed(const struct jit_vcpu *v)
{
    for (unsigned n = 0; n < ARRAY_SIZE(v->monitor.was); n++)
        if (word_now(v, n) != v->monitor.was[n])
            return true;
    return false;
}

static bool is_woken(struct jit_vcpu *v, bool by_masked)
{
    return line_changed(v) || !atomic_load(&v->run) || atomic_load(&v->requests) || v->state.nmi_pending ||
           apic_has_work(&v->apic) || (by_masked && apic_pending(&v->apic) >= 0);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void spin(struct jit_vcpu *v, bool by_masked)
{
    for (uint64_t end = now_ns() + SPIN_NS; !is_woken(v, by_masked) && now_ns() < end;)
        __builtin_ia32_pause();
}

void jit_mwait(struct jit_vcpu *v, bool by_masked)
{
    v->monitor.waits = v->monitor.line && !jit_counts(v);  // where instructions are the clock, none waits for the host's
    v->monitor.by_masked = by_masked;
    v->leave = true;
}

void jit_mwait_sleep(struct jit_vcpu *v)
{
    bool by_masked = v->monitor.by_masked;
    jit_vectors_save(v);
    spin(v, by_masked);
    for (uint64_t ns = FIRST_SLEEP_NS; !is_woken(v, by_masked); ns = ns < LONGEST_SLEEP_NS ? 2 * ns : ns)
        jit_doze(v, now_ns() + ns);
    v->monitor.waits = false;
    v->monitor.line = NULL;
}
