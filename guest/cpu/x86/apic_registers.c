// SPDX-License-Identifier: GPL-2.0-or-later
//
// The local APIC's registers as a guest sees them, in its page (SDM table 11-1) and as MSRs
// (table 11-6), and IA32_APIC_BASE (11.12.1, 11.12.5).
#include "guest/cpu/x86/apic_registers.h"

#include "base/log.h"

// Offsets in the page; an x2APIC MSR is 0x800 + offset / 16.
enum {
    REG_ID = 0x20, REG_VERSION = 0x30, REG_TPR = 0x80, REG_APR = 0x90, REG_PPR = 0xa0,
    REG_EOI = 0xb0, REG_RRD = 0xc0, REG_LDR = 0xd0, REG_DFR = 0xe0, REG_SVR = 0xf0,
    REG_ISR = 0x100, REG_TMR = 0x180, REG_IRR = 0x200, REG_VECTORS_END = 0x280, REG_ESR = 0x280,
    REG_ICR = 0x300, REG_ICR_HIGH = 0x310, REG_LVT_TIMER = 0x320, REG_LVT_ERROR = 0x370,
    REG_INITIAL = 0x380, REG_CURRENT = 0x390, REG_DIVIDE = 0x3e0, REG_SELF_IPI = 0x3f0,
};
enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800, MSR_X2APIC_END = 0x900 };
// An integrated APIC whose last local vector is number 5: no CMCI, since MCG_CAP has none; no
// suppression of EOI broadcasts.
enum { VERSION = 0x14 | 5 << 16 };
enum { ICR_WRITABLE = 0xccfff, ICR_STATUS = 1 << 12, LVT_READ_ONLY = 1 << 12 | 1 << 14 };

const uint32_t apic_lvt_writable[APIC_LVTS] = {
    [APIC_LVT_CMCI] = 0x107ff, [APIC_LVT_TIMER] = 0x700ff, [APIC_LVT_THERMAL] = 0x107ff,
    [APIC_LVT_PERF] = 0x107ff, [APIC_LVT_LINT0] = 0x1a7ff, [APIC_LVT_LINT1] = 0x1a7ff,
    [APIC_LVT_ERROR] = 0x100ff,
};

static bool is_lvt(uint32_t reg)
{
    return reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR;
}

static unsigned lvt_index(uint32_t reg)
{
    return APIC_LVT_TIMER + (reg - REG_LVT_TIMER) / 16;
}

static uint32_t read_vectors(const struct x86_apic *r, uint32_t reg)
{
    unsigned word = reg / 16 & 7;
    if (reg < REG_TMR)
        return apic_get(&r->isr[word]);
    return apic_get(reg < REG_IRR ? &r->tmr[word] : &r->irr[word]);
}

// False: there is no such register.
static bool read_register(struct apic *apic, uint32_t reg, uint32_t *value)
{
    const struct x86_apic *r = &apic->state->apic;
    bool known = true;
    switch (reg) {
    case REG_ID:
        *value = apic_x2(apic) ? apic->id : apic->id << 24;
        break;
    case REG_VERSION:
        *value = VERSION;
        break;
    case REG_TPR:
        *value = r->tpr;
        break;
    case REG_PPR:
        *value = apic_ppr(apic);
        break;
    case REG_LDR:
        *value = r->ldr;
        break;
    case REG_DFR:
        *value = r->dfr;
        break;
    case REG_SVR:
        *value = r->svr;
        break;
    case REG_ESR:
        *value = r->esr;
        break;
    case REG_ICR:
        *value = r->icr;
        break;
    case REG_ICR_HIGH:
        *value = r->icr >> 32;
        break;
    case REG_INITIAL:
        *value = r->timer_initial;
        break;
    case REG_CURRENT:
        *value = apic_timer_count(apic);
        break;
    case REG_DIVIDE:
        *value = r->timer_divide;
        break;
    case REG_EOI: case REG_APR: case REG_RRD:  // write-only, and what later APICs no longer have
        *value = 0;
        break;
    default:
        known = is_lvt(reg) || (reg >= REG_ISR && reg < REG_VECTORS_END);
        *value = !known ? 0 : is_lvt(reg) ? r->lvt[lvt_index(reg)] : read_vectors(r, reg);
    }
    return known;
}

// Clearing the enable bit masks every local vector, and keeps them masked (SDM 11.4.7.2).
static void write_svr(struct apic *apic, uint32_t value)
{
    struct x86_apic *r = &apic->state->apic;
    apic_put(&r->svr, value & SVR_WRITABLE);
    if (value & SVR_ENABLE)
        return;
    apic_timer_lvt(apic, r->lvt[APIC_LVT_TIMER] | LVT_MASKED);
    for (unsigned i = 0; i < APIC_LVTS; i++)
        apic_put(&r->lvt[i], r->lvt[i] | LVT_MASKED);
}

static void write_lvt(struct apic *apic, unsigned lvt, uint32_t value)
{
    value &= apic_lvt_writable[lvt];
    if (!apic_software_enabled(apic))
        value |= LVT_MASKED;
    if (lvt == APIC_LVT_TIMER)
        apic_timer_lvt(apic, value);
    else
        apic_put(&apic->state->apic.lvt[lvt], value);
}

// A write shows the errors since the last one (SDM 11.5.3).
static void write_esr(struct x86_apic *r)
{
    r->esr = r->esr_pending;
    r->esr_pending = 0;
}

static bool write_locked(struct apic *apic, uint32_t reg, uint32_t value)
{
    struct x86_apic *r = &apic->state->apic;
    switch (reg) {
    case REG_TPR:
        apic_put(&r->tpr, value & 0xff);
        return true;
    case REG_LDR:
        apic_put(&r->ldr, value & 0xff000000);
        return true;
    case REG_DFR:
        apic_put(&r->dfr, value | 0x0fffffff);
        return true;
    case REG_SVR:
        write_svr(apic, value);
        return true;
    case REG_ESR:
        write_esr(r);
        return true;
    case REG_ICR_HIGH:
        r->icr = (uint32_t)r->icr | (uint64_t)(value & 0xff000000) << 32;
        return true;
    case REG_INITIAL:
        apic_timer_start(apic, value);
        return true;
    case REG_DIVIDE:
        apic_timer_divide(apic, value);
        return true;
    case REG_ID: case REG_VERSION: case REG_APR: case REG_PPR: case REG_RRD: case REG_CURRENT:
        return true;  // read-only
    default:
        if (is_lvt(reg))
            write_lvt(apic, lvt_index(reg), value);
        return is_lvt(reg) || (reg >= REG_ISR && reg < REG_VECTORS_END);
    }
}

static void note_bad_register(struct apic *apic, uint32_t offset)
{
    log_guest("apic", "APIC %u: no register at %#x", apic->id, offset);
    apic_error(apic, ESR_REGISTER);
}

uint32_t apic_read(struct apic *apic, uint32_t offset)
{
    uint32_t value = 0;
    if (!apic_enabled(apic) || apic_x2(apic))
        return UINT32_MAX;  // the page isn't there
    pthread_mutex_lock(&apic->lock);
    if (!(offset & 15) && !read_register(apic, offset, &value))
        note_bad_register(apic, offset);
    pthread_mutex_unlock(&apic->lock);
    apic_announce(apic);
    return value;
}

static void write_register(struct apic *apic, uint32_t reg, uint32_t value)
{
    pthread_mutex_lock(&apic->lock);
    if (!write_locked(apic, reg, value))
        note_bad_register(apic, reg);
    pthread_mutex_unlock(&apic->lock);
    apic_announce(apic);
}

static void write_icr(struct apic *apic, uint64_t value)
{
    apic->state->apic.icr = value;
    apic_send(apic, value);
}

void apic_write(struct apic *apic, uint32_t offset, uint32_t value)
{
    if (!apic_enabled(apic) || apic_x2(apic) || offset & 15)
        return;
    if (offset == REG_EOI)
        apic_eoi(apic);
    else if (offset == REG_ICR)
        write_icr(apic, (apic->state->apic.icr & ~(uint64_t)UINT32_MAX) | (value & ICR_WRITABLE));
    else
        write_register(apic, offset, value);
}

// What an x2APIC MSR lets be read (SDM table 11-6).
static bool x2_readable(uint32_t reg)
{
    switch (reg) {
    case REG_EOI: case REG_APR: case REG_RRD: case REG_DFR: case REG_ICR_HIGH: case REG_SELF_IPI:
        return false;
    default:
        return true;
    }
}

static bool x2_read(struct apic *apic, uint32_t reg, uint64_t *value)
{
    uint32_t low;
    if (!apic_x2(apic) || !x2_readable(reg))
        return false;
    pthread_mutex_lock(&apic->lock);
    bool known = read_register(apic, reg, &low);
    pthread_mutex_unlock(&apic->lock);
    *value = reg == REG_ICR ? apic->state->apic.icr : low;
    apic_announce(apic);
    return known;
}

// The bits that may be set in a write; 0 also for what can't be written (see x2_writes).
static uint32_t x2_writable_bits(uint32_t reg)
{
    switch (reg) {
    case REG_TPR: case REG_SELF_IPI:
        return 0xff;
    case REG_SVR:
        return SVR_WRITABLE;
    case REG_DIVIDE:
        return DIVIDE_WRITABLE;
    case REG_INITIAL:
        return UINT32_MAX;
    default:
        return is_lvt(reg) ? apic_lvt_writable[lvt_index(reg)] | LVT_READ_ONLY : 0;
    }
}

static bool x2_is_writable(uint32_t reg)
{
    return reg == REG_EOI || reg == REG_ESR || x2_writable_bits(reg);
}

static bool x2_write_icr(struct apic *apic, uint64_t value)
{
    if ((uint32_t)value & ~(ICR_WRITABLE | ICR_STATUS))
        return false;
    write_icr(apic, value & ~(uint64_t)ICR_STATUS);
    return true;
}

static bool x2_write(struct apic *apic, uint32_t reg, uint64_t value)
{
    if (!apic_x2(apic))
        return false;
    if (reg == REG_ICR)
        return x2_write_icr(apic, value);
    if (!x2_is_writable(reg) || value & ~(uint64_t)x2_writable_bits(reg))
        return false;
    if (reg == REG_EOI)
        apic_eoi(apic);
    else if (reg == REG_SELF_IPI)
        apic_deliver(apic, &(struct apic_message){.mode = MODE_FIXED, .vector = value});
    else
        write_register(apic, reg, value);
    return true;
}

// Which changes of mode exist (SDM figure 11-25): x2APIC is entered from xAPIC only, and left only by
// disabling.
static bool base_is_possible(uint64_t old, uint64_t new)
{
    bool was_on = old & BASE_ENABLE, was_x2 = old & BASE_X2APIC;
    bool on = new & BASE_ENABLE, x2 = new & BASE_X2APIC;
    if (new & ~APIC_BASE_WRITABLE || (x2 && !on))
        return false;
    return was_x2 ? x2 || !on : !x2 || was_on;
}

static bool write_base(struct apic *apic, uint64_t value)
{
    struct x86_apic *r = &apic->state->apic;
    if (!base_is_possible(r->base, value))
        return false;
    bool enters_x2 = value & BASE_X2APIC && !(r->base & BASE_X2APIC), leaves = r->base & BASE_ENABLE;
    pthread_mutex_lock(&apic->lock);
    apic_put64(&r->base, (value & ~(uint64_t)BASE_BSP) | (r->base & BASE_BSP));
    if (enters_x2) {
        apic_put(&r->ldr, apic_x2_ldr(apic->id));
        r->icr = (uint32_t)r->icr;
    }
    pthread_mutex_unlock(&apic->lock);
    if (leaves && !(value & BASE_ENABLE))
        apic_reset(apic, true);  // all but the base is lost (SDM 11.4.3)
    apic_announce(apic);
    return true;
}

static uint64_t read_deadline(struct apic *apic)
{
    pthread_mutex_lock(&apic->lock);
    uint64_t tsc = apic->state->apic.tsc_deadline;
    pthread_mutex_unlock(&apic->lock);
    return tsc;
}

bool apic_msr_read(struct apic *apic, uint32_t index, uint64_t *value)
{
    if (index >= MSR_X2APIC && index < MSR_X2APIC_END)
        return x2_read(apic, (index - MSR_X2APIC) * 16, value);
    if (index == MSR_APIC_BASE)
        *value = apic->state->apic.base;
    else if (index == MSR_TSC_DEADLINE)
        *value = read_deadline(apic);
    return index == MSR_APIC_BASE || index == MSR_TSC_DEADLINE;
}

static void write_deadline(struct apic *apic, uint64_t tsc)
{
    pthread_mutex_lock(&apic->lock);
    apic_timer_deadline(apic, tsc);
    pthread_mutex_unlock(&apic->lock);
    apic_timer_poll(apic);  // one in the past fires at once
}

bool apic_msr_write(struct apic *apic, uint32_t index, uint64_t value)
{
    if (index >= MSR_X2APIC && index < MSR_X2APIC_END)
        return x2_write(apic, (index - MSR_X2APIC) * 16, value);
    if (index == MSR_APIC_BASE)
        return write_base(apic, value);
    if (index == MSR_TSC_DEADLINE)
        write_deadline(apic, value);
    return index == MSR_TSC_DEADLINE;
}
