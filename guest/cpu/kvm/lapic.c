// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's local APIC as x86_apic (KVM_GET_LAPIC, KVM_SET_LAPIC): a page of registers at the
// offsets of xAPIC (SDM volume 3, table "Local APIC Register Address Map"), in x2APIC mode too.
//
// The timer is the difference: we keep guest times of its start and its next tick, the kernel a
// count that is left. Both count at 1 GHz before the divider.
#include <string.h>

#include "guest/cpu/kvm/internal.h"
#include "guest/cpu/x86/apic.h"

enum {
    REG_ID = 0x20, REG_TPR = 0x80, REG_LDR = 0xd0, REG_DFR = 0xe0, REG_SVR = 0xf0,
    REG_ISR = 0x100, REG_TMR = 0x180, REG_IRR = 0x200, REG_ESR = 0x280, REG_CMCI = 0x2f0,
    REG_ICR = 0x300, REG_ICR_HIGH = 0x310, REG_LVT_TIMER = 0x320, REG_TIMER_INITIAL = 0x380,
    REG_TIMER_CURRENT = 0x390, REG_TIMER_DIVIDE = 0x3e0, REG_STRIDE = 0x10,
};
enum { LVT_MASKED = 1 << 16, LVT_EXTINT = 7 << 8, TIMER_MODE = 3 << 17, TIMER_TSC_DEADLINE = 2 << 17,
       TIMER_PERIODIC = 1 << 17 };
enum { BASE_X2APIC = 1 << 10 };
enum { MSR_TSC_DEADLINE = 0x6e0 };

static uint32_t get(const struct kvm_lapic_state *k, unsigned offset)
{
    uint32_t value;
    memcpy(&value, k->regs + offset, sizeof value);
    return value;
}

static void set(struct kvm_lapic_state *k, unsigned offset, uint32_t value)
{
    memcpy(k->regs + offset, &value, sizeof value);
}

// LVT entries in the order of APIC_LVT_*: CMCI lies apart from the others.
static unsigned lvt_offset(unsigned lvt)
{
    return lvt == APIC_LVT_CMCI ? REG_CMCI : REG_LVT_TIMER + (lvt - APIC_LVT_TIMER) * REG_STRIDE;
}

// The divide configuration register: bits 0, 1 and 3; 111 divides by 1, 000 by 2.
static uint64_t divider(const struct x86_apic *apic)
{
    unsigned code = (apic->timer_divide & 3) | (apic->timer_divide >> 1 & 4);
    return UINT64_C(1) << ((code + 1) & 7);
}

static bool counts_down(const struct x86_apic *apic)
{
    return apic->timer_initial && (apic->lvt[APIC_LVT_TIMER] & TIMER_MODE) != TIMER_TSC_DEADLINE;
}

static void get_timer(struct kvm_vcpu *v, const struct kvm_lapic_state *k, struct x86_apic *apic)
{
    apic->timer_initial = get(k, REG_TIMER_INITIAL);
    apic->timer_divide = get(k, REG_TIMER_DIVIDE);
    apic->timer_fire_ns = apic->timer_start_ns = 0;
    uint64_t left = get(k, REG_TIMER_CURRENT), deadline = 0;
    if (kvm_get_msr(v, MSR_TSC_DEADLINE, &deadline))
        apic->tsc_deadline = deadline;
    if (!counts_down(apic))
        return;
    bool periodic = (apic->lvt[APIC_LVT_TIMER] & TIMER_MODE) == TIMER_PERIODIC;
    uint64_t now = clock_now_ns(v->vcpu.engine->config.clock), period = apic->timer_initial * divider(apic);
    uint64_t fire = now + left * divider(apic);
    apic->timer_start_ns = fire > period ? fire - period : 0;
    apic->timer_fire_ns = left || periodic ? fire : 0;
}

// A tick that is due or past fires at once: with a count of one.
static uint32_t count_left(struct kvm_vcpu *v, const struct x86_apic *apic)
{
    if (!counts_down(apic) || !apic->timer_fire_ns)
        return 0;
    uint64_t now = clock_now_ns(v->vcpu.engine->config.clock);
    uint64_t left = apic->timer_fire_ns > now ? (apic->timer_fire_ns - now) / divider(apic) : 1;
    return left > apic->timer_initial ? apic->timer_initial : left ? left : 1;
}

void kvm_get_lapic(struct kvm_vcpu *v)
{
    struct kvm_lapic_state k;
    if (!kvm_vcpu_ioctl(v, KVM_GET_LAPIC, &k, "local APIC"))
        return;
    struct x86_apic *apic = &v->state.apic;  // base and id: SREGS have the one, the other is fixed
    apic->tpr = get(&k, REG_TPR);
    apic->ldr = get(&k, REG_LDR);
    apic->dfr = get(&k, REG_DFR);
    apic->svr = get(&k, REG_SVR);
    apic->esr = get(&k, REG_ESR);
    apic->esr_pending = 0;
    apic->icr = get(&k, REG_ICR) | (uint64_t)get(&k, REG_ICR_HIGH) << 32;
    for (unsigned i = 0; i < APIC_LVTS; i++)
        apic->lvt[i] = get(&k, lvt_offset(i));
    for (unsigned i = 0; i < 8; i++) {
        apic->isr[i] = get(&k, REG_ISR + i * REG_STRIDE);
        apic->tmr[i] = get(&k, REG_TMR + i * REG_STRIDE);
        apic->irr[i] = get(&k, REG_IRR + i * REG_STRIDE);
    }
    get_timer(v, &k, apic);
}

void kvm_put_lapic(struct kvm_vcpu *v)
{
    const struct x86_apic *apic = &v->state.apic;
    struct kvm_lapic_state k = {0};
    set(&k, REG_ID, apic->base & BASE_X2APIC ? apic->id : apic->id << 24);
    set(&k, REG_TPR, apic->tpr);
    set(&k, REG_LDR, apic->ldr);
    set(&k, REG_DFR, apic->dfr);
    set(&k, REG_SVR, apic->svr);
    set(&k, REG_ESR, apic->esr);
    set(&k, REG_ICR, apic->icr);
    set(&k, REG_ICR_HIGH, apic->icr >> 32);
    for (unsigned i = 0; i < APIC_LVTS; i++)
        set(&k, lvt_offset(i), apic->lvt[i]);
    for (unsigned i = 0; i < 8; i++) {
        set(&k, REG_ISR + i * REG_STRIDE, apic->isr[i]);
        set(&k, REG_TMR + i * REG_STRIDE, apic->tmr[i]);
        set(&k, REG_IRR + i * REG_STRIDE, apic->irr[i]);
    }
    set(&k, REG_TIMER_INITIAL, apic->timer_initial);
    set(&k, REG_TIMER_DIVIDE, apic->timer_divide);
    set(&k, REG_TIMER_CURRENT, count_left(v, apic));
    if (!kvm_vcpu_ioctl(v, KVM_SET_LAPIC, &k, "local APIC"))
        return;
    // Zero too: it disarms what the kernel's timer may still hold from before.
    if ((apic->lvt[APIC_LVT_TIMER] & TIMER_MODE) == TIMER_TSC_DEADLINE)
        kvm_set_msr(v, MSR_TSC_DEADLINE, apic->tsc_deadline);
    kvm_routes_from_state(kvm_engine_of(v), apic);
}

// SDM volume 3, "Local APIC State After Power-Up or Reset"; LINT0 of the boot CPU lets the 8259
// through, as firmware sets it up (virtual wire mode, MultiProcessor Specification 3.6.2.2).
void kvm_reset_lapic(struct x86_apic *apic, unsigned index)
{
    *apic = (struct x86_apic){.base = apic->base, .id = apic->id, .dfr = UINT32_MAX, .svr = 0xff};
    for (unsigned i = 0; i < APIC_LVTS; i++)
        apic->lvt[i] = LVT_MASKED;
    if (index == 0)
        apic->lvt[APIC_LVT_LINT0] = LVT_EXTINT;
}
