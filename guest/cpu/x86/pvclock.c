// SPDX-License-Identifier: GPL-2.0-or-later
//
// A guest's time is system_time + ((TSC - tsc_timestamp) shifted by tsc_shift) * mul / 2^32, in
// nanoseconds (Linux: Documentation/virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW). The version is odd
// while the page changes; a reader tries again.
#include "guest/cpu/x86/pvclock.h"

#include <pthread.h>
#include <time.h>

enum { ENABLE = 1, TSC_STABLE = 1 };

// As the guest reads them.
struct time_page {
    uint32_t version;
    uint32_t pad;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad2[2];
};
struct wall_clock_page {
    uint32_t version, seconds, nanoseconds;
};

enum { NS_PER_S = 1000000000 };

// Shifts first, so that the multiplier has its top bit set: 10^9 / tsc_hz as mul * 2^(shift - 32).
static void scale(uint64_t tsc_hz, uint32_t *mul, int8_t *shift)
{
    *shift = 0;
    while (tsc_hz > UINT64_C(2) * NS_PER_S) {
        tsc_hz >>= 1;
        --*shift;
    }
    while (tsc_hz <= NS_PER_S) {
        tsc_hz <<= 1;
        ++*shift;
    }
    *mul = ((uint64_t)NS_PER_S << 32) / tsc_hz;
}

// Since the page says that TSCs agree, all vCPUs must be told of one and the same moment: readings a
// while apart would differ by how much the TSC and the host's clock drift. So the moment is taken once
// and kept until the clock has been stopped (its origin on the host's clock tells), of which a new
// one is due for everybody. A process has one VM, so there is one moment.
struct moment {
    const struct clock *clock;
    uint64_t origin_ns, host_tsc, guest_ns;
};

static struct moment common_moment(struct clock *clock)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct moment kept;
    uint64_t far_ns = UINT64_C(1) << 62, origin_ns = clock_host_deadline_ns(clock, far_ns);
    pthread_mutex_lock(&lock);
    if (kept.clock != clock || kept.origin_ns != origin_ns || origin_ns == UINT64_MAX)
        kept = (struct moment){clock, origin_ns, clock_tsc(clock), clock_now_ns(clock)};
    struct moment moment = kept;
    pthread_mutex_unlock(&lock);
    return moment;
}

// Between the two versions. Each store is a release, so it is not seen before the odd version.
static void fill(struct time_page *page, const struct time_page *value)
{
    uint32_t version = (__atomic_load_n(&page->version, __ATOMIC_RELAXED) & ~1u) + 1;
    __atomic_store_n(&page->version, version, __ATOMIC_RELAXED);
    __atomic_store_n(&page->tsc_timestamp, value->tsc_timestamp, __ATOMIC_RELEASE);
    __atomic_store_n(&page->system_time, value->system_time, __ATOMIC_RELEASE);
    __atomic_store_n(&page->tsc_to_system_mul, value->tsc_to_system_mul, __ATOMIC_RELEASE);
    __atomic_store_n(&page->tsc_shift, value->tsc_shift, __ATOMIC_RELEASE);
    __atomic_store_n(&page->flags, value->flags, __ATOMIC_RELEASE);
    __atomic_store_n(&page->version, version + 1, __ATOMIC_RELEASE);
}

// A structure that crosses the end of its RAM page, or lies elsewhere, gets nothing; so do addresses that
// are not aligned to 4 (bit 1 is reserved).
void pvclock_update(struct x86_state *state, struct mem *memory, struct clock *clock, uint64_t tsc_hz)
{
    uint64_t address = state->kvm_system_time & ~UINT64_C(1);
    if (!(state->kvm_system_time & ENABLE) || address & 3 || tsc_hz == 0)
        return;
    struct time_page *page = mem_ram_at(memory, GPA(address), sizeof(*page), true);
    if (!page || (uintptr_t)page & 7)
        return;
    struct time_page value = {.flags = TSC_STABLE};
    scale(tsc_hz, &value.tsc_to_system_mul, &value.tsc_shift);
    struct moment moment = common_moment(clock);
    value.system_time = moment.guest_ns;
    value.tsc_timestamp = moment.host_tsc + state->tsc_offset;
    fill(page, &value);
}

// The wall clock is that of the moment at which guest time was 0: a guest adds the two.
void pvclock_wall_clock(struct x86_state *state, struct mem *memory, struct clock *clock)
{
    struct timespec now;
    struct wall_clock_page *page;
    page = mem_ram_at(memory, GPA(state->kvm_wall_clock), sizeof(*page), true);
    if (!page || (uintptr_t)page & 3)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t boot = (uint64_t)now.tv_sec * NS_PER_S + now.tv_nsec - clock_now_ns(clock);
    uint32_t version = (__atomic_load_n(&page->version, __ATOMIC_RELAXED) & ~1u) + 1;
    __atomic_store_n(&page->version, version, __ATOMIC_RELAXED);
    __atomic_store_n(&page->seconds, (uint32_t)(boot / NS_PER_S), __ATOMIC_RELEASE);
    __atomic_store_n(&page->nanoseconds, (uint32_t)(boot % NS_PER_S), __ATOMIC_RELEASE);
    __atomic_store_n(&page->version, version + 1, __ATOMIC_RELEASE);
}
