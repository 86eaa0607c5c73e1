// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the files of the local APIC share: bits of its registers, and how they are read while
// another thread may be setting them.
//
// Every change of a register happens under apic->lock, except TPR, which only the vCPU's own
// thread changes; and every change is one atomic store. So the vCPU's own thread, and an arbiter
// looking for the lowest priority, may read without the lock.
#pragma once

#include "guest/cpu/x86/apic.h"
#include "guest/cpu/x86/cpuid.h"

enum {
    BASE_BSP = 1 << 8, BASE_X2APIC = 1 << 10, BASE_ENABLE = 1 << 11,
    SVR_ENABLE = 1 << 8, SVR_WRITABLE = 0x3ff,
    LVT_MASKED = 1 << 16, LVT_MODE_SHIFT = 8,
    LVT_TIMER_SHIFT = 17,
    ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVE_ILLEGAL = 1 << 6, ESR_REGISTER = 1 << 7,
    ESR_BITS = 0xff,
    FIRST_VECTOR = 16,  // those below are the CPU's own (SDM 11.5.2)
    DIVIDE_WRITABLE = 0xb,
};
#define APIC_DEFAULT_BASE UINT64_C(0xfee00000)
// What IA32_APIC_BASE may hold: the flags and a page's address.
#define APIC_BASE_WRITABLE                                                                 \
    (BASE_BSP | BASE_X2APIC | BASE_ENABLE | (((UINT64_C(1) << X86_PHYSICAL_BITS) - 1) & ~UINT64_C(0xfff)))
enum apic_mode { MODE_FIXED, MODE_LOWEST, MODE_SMI, MODE_RESERVED, MODE_NMI, MODE_INIT, MODE_SIPI,
                 MODE_EXTINT };
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

// An ExtINT message has arrived; beside the requests that the engine takes.
#define REQUEST_EXTINT (UINT32_C(1) << 31)
#define REQUESTS_TAKEN ((uint32_t)(APIC_REQUEST_NMI | APIC_REQUEST_INIT | APIC_REQUEST_SIPI | APIC_REQUEST_SMI))

// An interrupt message on the way to one or more APICs.
struct apic_message {
    uint32_t destination;
    bool logical, broadcast;
    bool arbitrate;        // to the one with the lowest priority
    bool level_triggered;
    uint8_t mode, vector;  // enum apic_mode
};

static inline uint32_t apic_get(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline void apic_put(uint32_t *at, uint32_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}
static inline uint64_t apic_get64(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline void apic_put64(uint64_t *at, uint64_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline bool apic_enabled(const struct apic *apic)
{
    return apic_get64(&apic->state->apic.base) & BASE_ENABLE;
}
static inline bool apic_x2(const struct apic *apic)
{
    uint64_t both = BASE_ENABLE | BASE_X2APIC;
    return (apic_get64(&apic->state->apic.base) & both) == both;
}
static inline bool apic_software_enabled(const struct apic *apic)
{
    return apic_get(&apic->state->apic.svr) & SVR_ENABLE;
}
static inline uint32_t apic_x2_ldr(uint32_t id) { return id >> 4 << 16 | 1u << (id & 15); }

// apic.c
uint8_t apic_ppr(struct apic *apic);
void apic_announce(struct apic *apic);  // own thread, no lock held: wakes if something is pending
// All with the lock held. The first two tell whether something new is pending.
bool apic_raise(struct apic *apic, uint8_t vector, bool level_triggered);
bool apic_local(struct apic *apic, unsigned lvt);  // a local source, through its LVT entry
void apic_error(struct apic *apic, uint32_t esr_bit);
void apic_request(struct apic *apic, uint32_t request);

// apic_registers.c: the bits of each local vector that exist.
extern const uint32_t apic_lvt_writable[APIC_LVTS];

// apic_timer.c; all with the lock held
void apic_timer_start(struct apic *apic, uint32_t initial);
void apic_timer_divide(struct apic *apic, uint32_t divide);
void apic_timer_lvt(struct apic *apic, uint32_t value);
void apic_timer_deadline(struct apic *apic, uint64_t tsc);
uint32_t apic_timer_count(struct apic *apic);
void apic_timer_stop(struct apic *apic);
void apic_timer_resume(struct apic *apic);  // registers were loaded
void apic_timer_fired(struct clock_timer *timer);  // takes the lock

// apic_bus.c; no lock held
void apic_bus_join(struct apic_bus *bus, struct apic *apic);
void apic_bus_leave(struct apic_bus *bus, struct apic *apic);
void apic_send(struct apic *apic, uint64_t icr);
void apic_deliver(struct apic *apic, const struct apic_message *message);
