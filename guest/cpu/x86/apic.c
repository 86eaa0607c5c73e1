// SPDX-License-Identifier: GPL-2.0-or-later
//
// The heart of the local APIC: what is pending, what is in service, and what may be delivered
// (SDM volume 3, 11.8 "Handling Interrupts").
#include "guest/cpu/x86/apic.h"

#include <errno.h>
#include <string.h>

#include "guest/cpu/x86/apic_registers.h"

static int highest(const uint32_t bits[8])
{
    for (int i = 7; i >= 0; i--) {
        uint32_t word = apic_get(&bits[i]);
        if (word)
            return i * 32 + 31 - __builtin_clz(word);
    }
    return -1;
}

static bool vector_is_set(const uint32_t bits[8], uint8_t vector)
{
    return apic_get(&bits[vector / 32]) >> vector % 32 & 1;
}

static void vector_put(uint32_t bits[8], uint8_t vector, bool value)
{
    uint32_t mask = 1u << vector % 32, old = apic_get(&bits[vector / 32]);
    apic_put(&bits[vector / 32], value ? old | mask : old & ~mask);
}

// The processor priority: of the task, or of the interrupt in service (SDM 11.8.3.1).
uint8_t apic_ppr(struct apic *apic)
{
    uint32_t tpr = apic_get(&apic->state->apic.tpr);
    int in_service = highest(apic->state->apic.isr);
    if (in_service < 0 || tpr >> 4 >= (unsigned)in_service >> 4)
        return tpr;
    return in_service & 0xf0;
}

// The 8259's wire passes where LINT0 is ExtINT, and where there is no APIC on its way (SDM 11.4.3).
static bool extint_passes(struct apic *apic)
{
    if (apic_get(&apic->requests) & REQUEST_EXTINT)
        return true;
    if (!__atomic_load_n(&apic->extint, __ATOMIC_ACQUIRE))
        return false;
    uint32_t lint0 = apic_get(&apic->state->apic.lvt[APIC_LVT_LINT0]);
    return !apic_enabled(apic)
           || (!(lint0 & LVT_MASKED) && (lint0 >> LVT_MODE_SHIFT & 7) == MODE_EXTINT);
}

int apic_pending(struct apic *apic)
{
    if (extint_passes(apic))
        return APIC_EXTINT;
    if (!apic_enabled(apic))
        return -1;
    int vector = highest(apic->state->apic.irr);
    return vector >= 0 && (vector & 0xf0) > (apic_ppr(apic) & 0xf0) ? vector : -1;
}

void apic_announce(struct apic *apic)
{
    if (apic_pending(apic) >= 0 || apic_get(&apic->requests))
        apic->ops->wake(apic->opaque);
}

// While waiting for a SIPI a CPU hears nothing else (SDM 9.4.3); with IF clear, HLT ends by requests only.
bool apic_has_work(struct apic *apic)
{
    uint32_t requests = apic_get(&apic->requests) & REQUESTS_TAKEN;
    if (apic->state->run_state == X86_WAIT_SIPI)
        return requests & (APIC_REQUEST_INIT | APIC_REQUEST_SIPI);
    return requests || (apic->state->rflags & FL_IF && apic_pending(apic) >= 0);
}

void apic_accept(struct apic *apic, uint8_t vector)
{
    pthread_mutex_lock(&apic->lock);
    vector_put(apic->state->apic.irr, vector, false);
    vector_put(apic->state->apic.isr, vector, true);
    pthread_mutex_unlock(&apic->lock);
}

void apic_eoi(struct apic *apic)
{
    pthread_mutex_lock(&apic->lock);
    int vector = highest(apic->state->apic.isr);
    if (vector >= 0)
        vector_put(apic->state->apic.isr, vector, false);
    bool level = vector >= 0 && vector_is_set(apic->state->apic.tmr, vector);
    pthread_mutex_unlock(&apic->lock);

    if (level)
        apic->ops->eoi(apic->opaque, vector);
    apic_announce(apic);
}

uint8_t apic_cr8(struct apic *apic)
{
    return apic->state->apic.tpr >> 4;
}

void apic_set_cr8(struct apic *apic, uint8_t value)
{
    apic_put(&apic->state->apic.tpr, (value & 15) << 4);
    apic_announce(apic);
}

bool apic_raise(struct apic *apic, uint8_t vector, bool level_triggered)
{
    struct x86_apic *r = &apic->state->apic;
    if (!apic_enabled(apic) || !apic_software_enabled(apic))
        return false;
    if (vector < FIRST_VECTOR) {
        apic_error(apic, ESR_RECEIVE_ILLEGAL);
        return true;
    }
    vector_put(r->tmr, vector, level_triggered);
    if (vector_is_set(r->irr, vector))
        return false;  // whoever set it has told the vCPU
    vector_put(r->irr, vector, true);
    return true;
}

// A SIPI that comes before an INIT is for the CPU as it was; one after it is for the CPU as it
// will be.
void apic_request(struct apic *apic, uint32_t request)
{
    if (request == APIC_REQUEST_INIT)
        __atomic_fetch_and(&apic->requests, ~(uint32_t)APIC_REQUEST_SIPI, __ATOMIC_ACQ_REL);
    __atomic_fetch_or(&apic->requests, request, __ATOMIC_ACQ_REL);
}

bool apic_local(struct apic *apic, unsigned lvt)
{
    uint32_t entry = apic->state->apic.lvt[lvt];
    if (entry & LVT_MASKED)
        return false;
    if (lvt == APIC_LVT_TIMER || lvt == APIC_LVT_ERROR)  // these have no delivery mode
        return apic_raise(apic, entry, false);
    switch (entry >> LVT_MODE_SHIFT & 7) {
    case MODE_FIXED:
        return apic_raise(apic, entry, false);
    case MODE_SMI:
        apic_request(apic, APIC_REQUEST_SMI);
        return true;
    case MODE_NMI:
        apic_request(apic, APIC_REQUEST_NMI);
        return true;
    case MODE_INIT:
        apic_request(apic, APIC_REQUEST_INIT);
        return true;
    default:
        return false;
    }
}

// An error is reported once until ESR is written (SDM 11.5.3). An error entry with an illegal
// vector of its own must not report itself.
void apic_error(struct apic *apic, uint32_t esr_bit)
{
    struct x86_apic *r = &apic->state->apic;
    if (r->esr_pending & esr_bit)
        return;
    r->esr_pending |= esr_bit;
    apic_local(apic, APIC_LVT_ERROR);
}

uint32_t apic_take(struct apic *apic, uint8_t *sipi_vector)
{
    pthread_mutex_lock(&apic->lock);
    uint32_t requests = __atomic_fetch_and(&apic->requests, ~REQUESTS_TAKEN, __ATOMIC_ACQ_REL);
    *sipi_vector = apic->sipi_vector;
    pthread_mutex_unlock(&apic->lock);
    return requests & REQUESTS_TAKEN;
}

void apic_init(struct apic *apic, struct apic_bus *bus, struct x86_state *state, struct clock *clock,
               uint64_t tsc_hz, const struct apic_ops *ops, void *opaque)
{
    *apic = (struct apic){.state = state, .bus = bus, .clock = clock, .tsc_hz = tsc_hz, .ops = ops,
                          .opaque = opaque, .id = state->apic.id};
    pthread_mutex_init(&apic->lock, NULL);
    clock_timer_init(&apic->timer, clock, apic_timer_fired);
    apic_reset(apic, false);
    apic_bus_join(bus, apic);
}

void apic_finish(struct apic *apic)
{
    apic_bus_leave(apic->bus, apic);
    clock_timer_finish(&apic->timer);
    pthread_mutex_destroy(&apic->lock);
}

static void clear_vectors(uint32_t bits[8])
{
    for (unsigned i = 0; i < 8; i++)
        apic_put(&bits[i], 0);
}

static void reset_registers(struct apic *apic)
{
    struct x86_apic *r = &apic->state->apic;
    apic_timer_stop(apic);
    apic_put(&r->tpr, 0);
    apic_put(&r->ldr, apic_x2(apic) ? apic_x2_ldr(apic->id) : 0);
    apic_put(&r->dfr, UINT32_MAX);
    apic_put(&r->svr, 0xff);
    for (unsigned i = 0; i < APIC_LVTS; i++)
        apic_put(&r->lvt[i], LVT_MASKED);
    clear_vectors(r->isr);
    clear_vectors(r->tmr);
    clear_vectors(r->irr);
    r->esr = r->esr_pending = r->timer_initial = r->timer_divide = 0;
    r->icr = r->tsc_deadline = r->timer_start_ns = 0;
}

void apic_reset(struct apic *apic, bool init)
{
    struct x86_apic *r = &apic->state->apic;
    pthread_mutex_lock(&apic->lock);
    if (!init) {
        __atomic_store_n(&apic->requests, 0, __ATOMIC_RELEASE);
        apic_put64(&r->base, (r->base & BASE_BSP) | BASE_ENABLE | APIC_DEFAULT_BASE);
        r->id = apic->id;
    }
    reset_registers(apic);
    // Virtual wire, as every firmware leaves it: a kernel that is loaded without one must get the
    // 8259's interrupts too.
    if (!init && r->base & BASE_BSP)
        apic_put(&r->lvt[APIC_LVT_LINT0], MODE_EXTINT << LVT_MODE_SHIFT);
    pthread_mutex_unlock(&apic->lock);
}

static const char *what_is_wrong(const struct apic *apic)
{
    const struct x86_apic *r = &apic->state->apic;
    if (r->id != apic->id)
        return "it is another CPU's";
    if (r->base & ~APIC_BASE_WRITABLE || (r->base & (BASE_ENABLE | BASE_X2APIC)) == BASE_X2APIC)
        return "IA32_APIC_BASE is not possible";
    if (r->tpr > 0xff || r->svr & ~SVR_WRITABLE || r->esr & ~ESR_BITS || r->esr_pending & ~ESR_BITS)
        return "TPR, SVR or ESR has reserved bits";
    if ((r->isr[0] | r->irr[0] | r->tmr[0]) & 0xffff)
        return "a vector below 16 is pending or in service";
    if (r->timer_divide & ~DIVIDE_WRITABLE)
        return "the timer's divider has reserved bits";
    for (unsigned i = 0; i < APIC_LVTS; i++)
        if (r->lvt[i] & ~apic_lvt_writable[i])
            return "a local vector has reserved bits";
    return NULL;
}

int apic_loaded(struct apic *apic, struct err *err)
{
    const char *wrong = what_is_wrong(apic);
    if (wrong)
        return err_set(err, -EINVAL, "APIC %u: %s", apic->id, wrong);
    pthread_mutex_lock(&apic->lock);
    struct x86_apic *r = &apic->state->apic;
    r->dfr |= 0x0fffffff;
    if (apic_x2(apic))
        r->ldr = apic_x2_ldr(apic->id);
    apic_timer_resume(apic);
    pthread_mutex_unlock(&apic->lock);
    return 0;
}
