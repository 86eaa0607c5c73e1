// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/rtc.h"

#include <errno.h>
#include <stdbool.h>

#include "base/bits.h"
#include "guest/device/rtc_time.h"
#include "guest/device/ticks.h"

enum { INDEX_PORT, DATA_PORT };
enum { INDEX_MASK = 0x7f };

// Register C's flags stand where register B's enables do.
enum { C_UPDATE = B_UPDATE, C_ALARM = B_ALARM, C_PERIODIC = B_PERIODIC, C_FLAGS = 0x70, C_IRQ = 0x80 };
enum { D_VALID = 0x80 };

// What a PC's firmware keeps in the RAM, by the conventions of the AT and of Bochs' firmware.
enum { CMOS_BASE_KB = 0x15, CMOS_EXTENDED_KB = 0x17, CMOS_EXTENDED_KB_COPY = 0x30,
       CMOS_ABOVE_16M = 0x34, CMOS_ABOVE_4G = 0x5b };

enum { CRYSTAL_HZ = 32768, UPDATE_WARNING_NS = 244000 };

static struct rtc *to_rtc(struct device *dev)
{
    return container_of(dev, struct rtc, dev);
}

static uint64_t now_ns(const struct rtc *r)
{
    return earlier(clock_now_ns(r->clock), RTC_LATEST_NS);
}

// Table 5: rates 1 and 2 are those of 8 and 9. 0: no periodic interrupt.
static unsigned period_shift(const struct rtc *r)
{
    unsigned rate = r->cmos[REG_A] & A_RATE;
    return rate && rate <= 2 ? rate + 6 : rate ? rate - 1 : 0;
}

static uint64_t period_index(const struct rtc *r, uint64_t at_ns)
{
    return ticks_of_ns(rtc_since_base_ns(r, at_ns), CRYSTAL_HZ) >> period_shift(r);
}

static bool periodic_runs(const struct rtc *r)
{
    return rtc_divider_runs(r) && r->cmos[REG_A] & A_RATE;
}

static void take_updates(struct rtc *r, int64_t before, int64_t after)
{
    if (!rtc_updates(r) || after <= before)
        return;
    r->cmos[REG_C] |= C_UPDATE | (rtc_next_alarm(r, before) <= after ? C_ALARM : 0);
}

// Takes into register C what has happened since the last look.
static void catch_up(struct rtc *r, uint64_t at_ns)
{
    if (periodic_runs(r) && period_index(r, at_ns) != period_index(r, r->seen_ns))
        r->cmos[REG_C] |= C_PERIODIC;
    take_updates(r, rtc_seconds_at(r, r->seen_ns), rtc_seconds_at(r, at_ns));
    r->seen_ns = at_ns;
}

static uint64_t next_period_ns(const struct rtc *r, uint64_t at_ns)
{
    uint64_t tick = (period_index(r, at_ns) + 1) << period_shift(r);
    int64_t at = r->base_ns + (int64_t)earlier(ns_of_ticks(tick, CRYSTAL_HZ), RTC_LATEST_NS);
    return at > 0 ? at : 0;
}

// When register C gets a flag that would interrupt and isn't there yet.
static uint64_t next_event_ns(const struct rtc *r, uint64_t at_ns)
{
    uint8_t awaited = r->cmos[REG_B] & C_FLAGS & ~r->cmos[REG_C];
    uint64_t at = NEVER_NS;
    if (awaited & C_PERIODIC && periodic_runs(r))
        at = next_period_ns(r, at_ns);
    if (!rtc_updates(r))
        return at;
    int64_t seconds = rtc_seconds_at(r, at_ns);
    if (awaited & C_UPDATE)
        at = earlier(at, rtc_at_seconds_ns(r, seconds + 1));
    if (awaited & C_ALARM)
        at = earlier(at, rtc_at_seconds_ns(r, rtc_next_alarm(r, seconds)));
    return at;
}

static bool interrupts(const struct rtc *r)
{
    return r->cmos[REG_C] & r->cmos[REG_B] & C_FLAGS;
}

static void drive(struct rtc *r, uint64_t at_ns)
{
    irq_set(r->irq, interrupts(r));
    uint64_t next = next_event_ns(r, at_ns), real_ns = clock_now_ns(r->clock);
    if (next <= real_ns)  // a forged time, or one that passed just now: no endless firing
        next = saturating_add(real_ns, PERIODIC_FLOOR_NS);
    arm_or_cancel(&r->timer, next);
}

static void fire(struct clock_timer *timer)
{
    struct rtc *r = container_of(timer, struct rtc, timer);
    pthread_mutex_lock(&r->dev.lock);
    uint64_t now = now_ns(r);
    catch_up(r, now);
    drive(r, now);
    pthread_mutex_unlock(&r->dev.lock);
}

static uint8_t read_register_a(const struct rtc *r, uint64_t at_ns)
{
    uint64_t fraction = rtc_since_base_ns(r, at_ns) % NS_PER_SECOND;
    bool soon = rtc_updates(r) && fraction >= NS_PER_SECOND - UPDATE_WARNING_NS;
    return r->cmos[REG_A] | (soon ? A_UIP : 0);
}

// Reading register C clears it, and with it the interrupt.
static uint8_t read_register_c(struct rtc *r, uint64_t at_ns)
{
    catch_up(r, at_ns);
    uint8_t value = r->cmos[REG_C] | (interrupts(r) ? C_IRQ : 0);
    r->cmos[REG_C] = 0;
    drive(r, at_ns);
    return value;
}

static uint8_t read_cmos(struct rtc *r, unsigned reg)
{
    uint64_t now = now_ns(r);
    if (rtc_is_time_register(reg) && rtc_updates(r))
        return rtc_time_register(r, reg, now);
    switch (reg) {
    case REG_A: return read_register_a(r, now);
    case REG_C: return read_register_c(r, now);
    default: return r->cmos[reg];
    }
}

static void write_control(struct rtc *r, unsigned reg, uint8_t value, uint64_t at_ns)
{
    bool ran = rtc_divider_runs(r), updated = rtc_updates(r);
    if (updated)
        rtc_freeze(r, at_ns);
    if (reg == REG_A)
        r->cmos[REG_A] = value & A_WRITABLE;
    else
        r->cmos[REG_B] = value & B_SET ? value & ~B_UPDATE : value;  // SET clears UIE
    if (updated && rtc_updates(r))
        return;
    if (!ran && rtc_divider_runs(r))
        rtc_release_divider(r, at_ns);
    else if (rtc_updates(r))
        rtc_thaw(r, at_ns);
}

static void write_time(struct rtc *r, unsigned reg, uint8_t value, uint64_t at_ns)
{
    bool running = rtc_updates(r);
    if (running)
        rtc_freeze(r, at_ns);
    r->cmos[reg] = value;
    if (running)
        rtc_thaw(r, at_ns);
}

static void write_clock(struct rtc *r, unsigned reg, uint8_t value)
{
    uint64_t now = now_ns(r);
    catch_up(r, now);
    if (reg == REG_A || reg == REG_B)
        write_control(r, reg, value, now);
    else if (rtc_is_time_register(reg))
        write_time(r, reg, value, now);
    else
        r->cmos[reg] = value;  // an alarm
    drive(r, now);
}

static void write_cmos(struct rtc *r, unsigned reg, uint8_t value)
{
    if (reg <= REG_B || reg == CENTURY)
        write_clock(r, reg, value);
    else if (reg != REG_C && reg != REG_D)
        r->cmos[reg] = value;
}

// The index port can't be read back.
static uint64_t rtc_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct rtc *r = to_rtc(dev);
    uint64_t value = 0;
    for (unsigned i = 0; i < size_bytes; i++) {
        uint8_t byte = offset + i == DATA_PORT ? read_cmos(r, r->index & INDEX_MASK) : 0xff;
        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void rtc_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct rtc *r = to_rtc(dev);
    for (unsigned i = 0; i < size_bytes; i++) {
        uint8_t byte = value >> (8 * i);
        if (offset + i == INDEX_PORT)
            r->index = byte;
        else if (offset + i == DATA_PORT)
            write_cmos(r, r->index & INDEX_MASK, byte);
    }
}

// The battery keeps the time and the RAM; the reset pin clears the enables and the flags.
static void rtc_reset(struct device *dev)
{
    struct rtc *r = to_rtc(dev);
    uint64_t now = now_ns(r);
    r->index = 0;
    r->cmos[REG_B] &= ~(B_PERIODIC | B_ALARM | B_UPDATE | B_SQUARE_WAVE);
    r->cmos[REG_C] = 0;
    r->seen_ns = now;
    drive(r, now);
}

static int rtc_loaded(struct device *dev, struct err *err)
{
    struct rtc *r = to_rtc(dev);
    if (r->base_s != rtc_clamp(r->base_s))
        return err_set(err, -EINVAL, "mc146818rtc: time %lld is out of range", (long long)r->base_s);
    if (r->base_ns < -NS_PER_SECOND || r->base_ns > RTC_LATEST_NS || r->weekday_offset > 6)
        return err_set(err, -EINVAL, "mc146818rtc: the time's base is out of range");
    if (r->cmos[REG_A] & ~A_WRITABLE || r->cmos[REG_C] & ~C_FLAGS || r->cmos[REG_D] != D_VALID)
        return err_set(err, -EINVAL, "mc146818rtc: registers A, C, D are %#x, %#x, %#x",
                       r->cmos[REG_A], r->cmos[REG_C], r->cmos[REG_D]);
    return 0;
}

static void rtc_started(struct device *dev)
{
    struct rtc *r = to_rtc(dev);
    uint64_t now = now_ns(r);
    catch_up(r, now);
    drive(r, now);
}

static int64_t host_lead_ns(const struct rtc *r)
{
    return r->host_ns() - (int64_t)now_ns(r);
}

// The guest's clock runs again; the host's has gone on meanwhile.
static void follow_host(struct rtc *r)
{
    uint64_t now = now_ns(r);
    int64_t lead = host_lead_ns(r), passed_ns;
    bool known = r->host_lead_ns && !__builtin_sub_overflow(lead, r->host_lead_ns, &passed_ns);
    r->host_lead_ns = lead;
    if (!known || passed_ns < -RTC_LATEST_NS || passed_ns > RTC_LATEST_NS)
        return;
    catch_up(r, now);
    int64_t before = rtc_seconds_at(r, now);
    rtc_jump(r, passed_ns);
    take_updates(r, before, rtc_seconds_at(r, now));
    drive(r, now);
}

static void rtc_resume(struct device *dev)
{
    struct rtc *r = to_rtc(dev);
    pthread_mutex_lock(&dev->lock);
    if (r->host_ns)
        follow_host(r);
    pthread_mutex_unlock(&dev->lock);
}

static const struct state_field rtc_state[] = {
    STATE_FIELD(struct rtc, index, 1),
    STATE_ARRAY(struct rtc, cmos, 1),
    STATE_FIELD(struct rtc, base_s, 1),
    STATE_FIELD(struct rtc, base_ns, 1),
    STATE_FIELD(struct rtc, seen_ns, 1),
    STATE_FIELD(struct rtc, weekday_offset, 1),
    STATE_FIELD(struct rtc, host_lead_ns, 2),
    {0},
};

static const struct device_ops rtc_ops = {
    .name = "mc146818rtc",
    .state_version = 2,
    .state = rtc_state,
    .read = rtc_read,
    .write = rtc_write,
    .reset = rtc_reset,
    .loaded = rtc_loaded,
    .started = rtc_started,
    .resume = rtc_resume,
};

void rtc_init(struct rtc *rtc, struct irq_line *irq, struct clock *clock, int64_t start_s)
{
    *rtc = (struct rtc){.dev.ops = &rtc_ops, .irq = irq, .clock = clock};
    pthread_mutex_init(&rtc->dev.lock, NULL);
    clock_timer_init(&rtc->timer, clock, fire);
    rtc->cmos[REG_A] = 0x26;  // 32768 Hz, 1024 Hz periodic: what every firmware sets
    rtc->cmos[REG_B] = B_24H;
    rtc->cmos[REG_D] = D_VALID;
    rtc->base_s = rtc_clamp(start_s);
    rtc->base_ns = now_ns(rtc);
    rtc_reset(&rtc->dev);
}

void rtc_follow(struct rtc *rtc, int64_t (*host_ns)(void))
{
    rtc->host_ns = host_ns;
    rtc->host_lead_ns = host_lead_ns(rtc);
}

void rtc_finish(struct rtc *rtc)
{
    clock_timer_finish(&rtc->timer);
    pthread_mutex_destroy(&rtc->dev.lock);
}

static void put_word(struct rtc *r, unsigned reg, uint64_t value)
{
    uint16_t word = earlier(value, UINT16_MAX);
    r->cmos[reg] = word;
    r->cmos[reg + 1] = word >> 8;
}

static uint64_t beyond(uint64_t size_bytes, uint64_t limit_bytes)
{
    return size_bytes > limit_bytes ? size_bytes - limit_bytes : 0;
}

void rtc_set_memory(struct rtc *rtc, uint64_t below_4g_bytes, uint64_t above_4g_bytes)
{
    uint64_t blocks = above_4g_bytes >> 16;
    put_word(rtc, CMOS_BASE_KB, 640);
    put_word(rtc, CMOS_EXTENDED_KB, beyond(below_4g_bytes, 1 << 20) >> 10);
    put_word(rtc, CMOS_EXTENDED_KB_COPY, beyond(below_4g_bytes, 1 << 20) >> 10);
    put_word(rtc, CMOS_ABOVE_16M, beyond(below_4g_bytes, 16 << 20) >> 16);
    for (unsigned i = 0; i < 3; i++)
        rtc->cmos[CMOS_ABOVE_4G + i] = blocks >> (8 * i);
}
