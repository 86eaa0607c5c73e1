// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/hpet.h"

#include <errno.h>
#include <stdbool.h>

#include "base/bits.h"
#include "guest/device/ticks.h"

// Registers of 64 bits (section 2.3.1, table 2).
enum { CAPABILITIES = 0x00, CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0, TIMER0 = 0x100,
       TIMER_STRIDE = 0x20 };
enum { TIMER_CONFIG = 0x00, TIMER_COMPARE = 0x08 };

enum { TICK_NS = 10, TICK_FS = 10000000, REVISION = 1 };
enum { CAP_TIMERS_SHIFT = 8, CAP_64BIT = 1 << 13, CAP_LEGACY = 1 << 15, CAP_VENDOR_SHIFT = 16,
       VENDOR_INTEL = 0x8086 };
enum { CONFIG_ENABLE = 1, CONFIG_LEGACY = 2 };

enum { T_LEVEL = 1 << 1, T_ENABLE = 1 << 2, T_PERIODIC = 1 << 3, T_CAN_REPEAT = 1 << 4,
       T_IS_64BIT = 1 << 5, T_SET_VALUE = 1 << 6, T_32BIT = 1 << 8, T_ROUTE_SHIFT = 9,
       T_ROUTE = 0x1f << T_ROUTE_SHIFT, T_ROUTES_SHIFT = 32 };
enum { T_WRITABLE = T_LEVEL | T_ENABLE | T_PERIODIC | T_SET_VALUE | T_32BIT | T_ROUTE };

// Lines by number: the GSIs, then the two that the legacy route takes over.
enum { LINE_LEGACY = HPET_PINS, LINE_NONE = HPET_PINS + 2 };

static struct hpet *to_hpet(struct device *dev)
{
    return container_of(dev, struct hpet, dev);
}

static uint64_t counter_at(const struct hpet *h, uint64_t now_ns)
{
    if (!(h->config & CONFIG_ENABLE))
        return h->counter;
    return h->counter + elapsed_ns(now_ns, h->counter_ns) / TICK_NS;
}

static uint64_t width_mask(const struct hpet_timer *t)
{
    return t->config & T_32BIT ? UINT32_MAX : UINT64_MAX;
}

static uint64_t after_ticks(uint64_t ns, unsigned __int128 ticks)
{
    unsigned __int128 at = ns + ticks * TICK_NS;
    return at < NEVER_NS ? (uint64_t)at : NEVER_NS;
}

// A match is equality, so a comparator that was just passed waits for the counter to come round.
static void schedule(struct hpet *h, struct hpet_timer *t, uint64_t now_ns)
{
    t->due_ns = NEVER_NS;
    if (!(h->config & CONFIG_ENABLE))
        return;
    uint64_t distance = (t->compare - counter_at(h, now_ns) - 1) & width_mask(t);
    uint64_t phase = elapsed_ns(now_ns, h->counter_ns) % TICK_NS;
    t->due_ns = after_ticks(now_ns - phase, (unsigned __int128)distance + 1);
}

static void schedule_all(struct hpet *h, uint64_t now_ns)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        schedule(h, &h->timers[i], now_ns);
}

static bool is_legacy(const struct hpet *h, unsigned timer)
{
    return h->config & CONFIG_LEGACY && timer < 2;
}

static unsigned line_of(const struct hpet *h, unsigned timer)
{
    unsigned route = (h->timers[timer].config & T_ROUTE) >> T_ROUTE_SHIFT;
    if (is_legacy(h, timer))
        return LINE_LEGACY + timer;
    return route < HPET_PINS && h->lines.gsi[route] ? route : LINE_NONE;
}

static struct irq_line *line_at(struct hpet *h, unsigned line)
{
    if (line < HPET_PINS)
        return h->lines.gsi[line];
    return line == LINE_LEGACY ? h->lines.timer : h->lines.rtc;
}

static bool interrupts(const struct hpet *h, const struct hpet_timer *t)
{
    return h->config & CONFIG_ENABLE && t->config & T_ENABLE;
}

// Which lines should be high: those of level-triggered timers with their status set, and, while
// the legacy route is off, what the 8254 and the RTC drive.
static uint32_t wanted(const struct hpet *h)
{
    uint32_t lines = 0;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        const struct hpet_timer *t = &h->timers[i];
        if (interrupts(h, t) && t->config & T_LEVEL && h->status & BIT(i))
            lines |= BIT(line_of(h, i));
    }
    for (unsigned i = 0; i < 2; i++)
        if (h->input_levels[i] && !(h->config & CONFIG_LEGACY))
            lines |= BIT(LINE_LEGACY + i);
    return lines & (BIT(LINE_NONE) - 1);
}

static void set_lines(struct hpet *h, uint32_t lines, uint32_t levels)
{
    for (unsigned line = 0; line < LINE_NONE; line++)
        if (lines & BIT(line))
            irq_set(line_at(h, line), levels & BIT(line));
}

static void drive_lines(struct hpet *h)
{
    uint32_t levels = wanted(h), changed = levels ^ h->driven;
    h->driven = levels;
    set_lines(h, changed, levels);
}

static void raise(struct hpet *h, unsigned timer)
{
    const struct hpet_timer *t = &h->timers[timer];
    unsigned line = line_of(h, timer);
    if (t->config & T_LEVEL) {
        h->status |= BIT(timer);
    } else if (interrupts(h, t) && line != LINE_NONE && !(h->driven & BIT(line))) {
        irq_set(line_at(h, line), true);
        irq_set(line_at(h, line), false);
    }
}

// A timer that repeats goes on to its next match that is still to come, however many it has missed;
// one in 32-bit mode matches again whenever the counter's lower half comes round.
static void advance(struct hpet_timer *t, uint64_t now_ns)
{
    uint64_t step = t->config & T_PERIODIC ? t->period : 0;
    if (!step)
        step = t->config & T_32BIT ? BIT(32) : 0;
    if (!step) {
        t->due_ns = NEVER_NS;
        return;
    }
    uint64_t steps = (now_ns - t->due_ns) / TICK_NS / step + 1;
    t->compare = (t->compare + steps * step) & width_mask(t);
    t->due_ns = after_ticks(t->due_ns, (unsigned __int128)steps * step);
}

static void catch_up(struct hpet *h, uint64_t now_ns)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        if (now_ns < h->timers[i].due_ns || h->timers[i].due_ns == NEVER_NS)
            continue;
        advance(&h->timers[i], now_ns);
        raise(h, i);
    }
    drive_lines(h);
}

// A level-triggered timer with its status set has nothing to add until that is cleared.
static bool awaited(const struct hpet *h, unsigned timer)
{
    const struct hpet_timer *t = &h->timers[timer];
    bool is_high = t->config & T_LEVEL && h->status & BIT(timer);
    return interrupts(h, t) && !is_high && line_of(h, timer) != LINE_NONE;
}

static uint64_t deadline(const struct hpet *h, unsigned timer, uint64_t now_ns)
{
    const struct hpet_timer *t = &h->timers[timer];
    if (!awaited(h, timer))
        return NEVER_NS;
    if (!(t->config & T_PERIODIC))
        return t->due_ns;
    return later(t->due_ns, saturating_add(now_ns, PERIODIC_FLOOR_NS));
}

static void arm(struct hpet *h, uint64_t now_ns)
{
    uint64_t at = NEVER_NS;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        at = earlier(at, deadline(h, i, now_ns));
    arm_or_cancel(&h->clock_timer, at);
}

static void fire(struct clock_timer *timer)
{
    struct hpet *h = container_of(timer, struct hpet, clock_timer);
    pthread_mutex_lock(&h->dev.lock);
    uint64_t now = clock_now_ns(h->clock);
    catch_up(h, now);
    arm(h, now);
    pthread_mutex_unlock(&h->dev.lock);
}

static void set_input(struct irq_line *line, bool level)
{
    struct hpet_input *input = container_of(line, struct hpet_input, line);
    struct hpet *h = input->hpet;
    pthread_mutex_lock(&h->dev.lock);
    h->input_levels[input->number] = level;
    drive_lines(h);
    pthread_mutex_unlock(&h->dev.lock);
}

static uint64_t routes(const struct hpet *h)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < HPET_PINS; i++)
        mask |= h->lines.gsi[i] ? BIT(i) : 0;
    return mask;
}

static uint64_t read_timer(struct hpet *h, unsigned timer, unsigned reg)
{
    struct hpet_timer *t = &h->timers[timer];
    switch (reg) {
    case TIMER_CONFIG: return t->config | T_CAN_REPEAT | T_IS_64BIT | routes(h) << T_ROUTES_SHIFT;
    case TIMER_COMPARE: return t->compare;
    default: return 0;
    }
}

static uint64_t read_register(struct hpet *h, uint64_t reg, uint64_t now_ns)
{
    switch (reg) {
    case CAPABILITIES:
        return (uint64_t)TICK_FS << 32 | (uint32_t)VENDOR_INTEL << CAP_VENDOR_SHIFT | CAP_LEGACY |
               CAP_64BIT | (HPET_TIMERS - 1) << CAP_TIMERS_SHIFT | REVISION;
    case CONFIG: return h->config;
    case COUNTER: return counter_at(h, now_ns);
    default: break;
    }
    catch_up(h, now_ns);
    if (reg == STATUS)
        return h->status;
    if (reg >= TIMER0 && reg < TIMER0 + HPET_TIMERS * TIMER_STRIDE)
        return read_timer(h, (reg - TIMER0) / TIMER_STRIDE, reg % TIMER_STRIDE);
    return 0;
}

static void write_config(struct hpet *h, uint32_t value, uint64_t now_ns)
{
    uint32_t config = value & (CONFIG_ENABLE | CONFIG_LEGACY);
    bool toggles = (config ^ h->config) & CONFIG_ENABLE;
    if (toggles) {
        h->counter = counter_at(h, now_ns);
        h->counter_ns = now_ns;
    }
    h->config = config;
    if (toggles)
        schedule_all(h, now_ns);
}

static void write_counter(struct hpet *h, uint64_t value, uint64_t now_ns)
{
    h->counter = value;
    h->counter_ns = now_ns;
    schedule_all(h, now_ns);
}

// "Timer N Configuration and Capabilities": a timer in 32-bit mode has 32-bit registers.
static void write_timer_config(struct hpet *h, unsigned timer, uint64_t value, uint64_t now_ns)
{
    struct hpet_timer *t = &h->timers[timer];
    uint64_t before = t->config;
    t->config = value & T_WRITABLE;
    t->compare &= width_mask(t);
    t->period &= width_mask(t);
    if (!(t->config & T_LEVEL))
        h->status &= ~BIT(timer);
    if ((before ^ t->config) & T_32BIT)
        schedule(h, t, now_ns);
}

static uint64_t merge(uint64_t before, uint64_t value, uint64_t mask)
{
    return (before & ~mask) | (value & mask);
}

// A repeating timer takes what is written as its period, and as its next match only when told to
// (Tn_VAL_SET_CNF, once).
static void write_compare(struct hpet *h, struct hpet_timer *t, uint64_t value, uint64_t mask,
                          uint64_t now_ns)
{
    bool repeats = t->config & T_PERIODIC;
    if (repeats)
        t->period = merge(t->period, value, mask) & width_mask(t);
    if (repeats && !(t->config & T_SET_VALUE))
        return;
    t->compare = merge(t->compare, value, mask) & width_mask(t);
    t->config &= ~(uint64_t)T_SET_VALUE;
    schedule(h, t, now_ns);
}

static void write_timer(struct hpet *h, unsigned timer, unsigned reg, uint64_t value, uint64_t mask,
                        uint64_t now_ns)
{
    struct hpet_timer *t = &h->timers[timer];
    if (reg == TIMER_CONFIG)
        write_timer_config(h, timer, merge(t->config, value, mask), now_ns);
    else if (reg == TIMER_COMPARE)
        write_compare(h, t, value, mask, now_ns);
}

static void write_register(struct hpet *h, uint64_t reg, uint64_t value, uint64_t mask, uint64_t now_ns)
{
    switch (reg) {
    case CONFIG: write_config(h, merge(h->config, value, mask), now_ns); break;
    case STATUS: h->status &= ~(value & mask); break;
    case COUNTER: write_counter(h, merge(counter_at(h, now_ns), value, mask), now_ns); break;
    default:
        if (reg >= TIMER0 && reg < TIMER0 + HPET_TIMERS * TIMER_STRIDE)
            write_timer(h, (reg - TIMER0) / TIMER_STRIDE, reg % TIMER_STRIDE, value, mask, now_ns);
        break;
    }
}

// Accesses are meant to be aligned and of 32 or 64 bits; a narrower read gives its part.
static uint64_t hpet_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct hpet *h = to_hpet(dev);
    unsigned shift = 8 * (offset & 7);
    return read_register(h, offset & ~UINT64_C(7), clock_now_ns(h->clock)) >> shift &
           size_mask(size_bytes);
}

static void hpet_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct hpet *h = to_hpet(dev);
    if (size_bytes < 4 || offset % size_bytes)
        return;
    uint64_t now = clock_now_ns(h->clock);
    unsigned shift = 8 * (offset & 7);
    catch_up(h, now);
    write_register(h, offset & ~UINT64_C(7), value << shift, size_mask(size_bytes) << shift, now);
    drive_lines(h);
    arm(h, now);
}

// The inputs belong to the 8254 and the RTC and keep their levels.
static void hpet_reset(struct device *dev)
{
    struct hpet *h = to_hpet(dev);
    h->config = h->status = 0;
    h->counter = h->counter_ns = 0;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        h->timers[i] = (struct hpet_timer){.compare = UINT64_MAX, .due_ns = NEVER_NS};
    drive_lines(h);
    arm(h, clock_now_ns(h->clock));
}

static int hpet_loaded(struct device *dev, struct err *err)
{
    struct hpet *h = to_hpet(dev);
    if (h->config & ~(CONFIG_ENABLE | CONFIG_LEGACY) || h->status >> HPET_TIMERS ||
        (h->input_levels[0] | h->input_levels[1]) > 1)
        return err_set(err, -EINVAL, "hpet: configuration %#x or status %#x is impossible", h->config,
                       h->status);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        const struct hpet_timer *t = &h->timers[i];
        if (t->config & ~(uint64_t)T_WRITABLE || (t->compare | t->period) & ~width_mask(t))
            return err_set(err, -EINVAL, "hpet: timer %u has configuration %#llx", i,
                           (unsigned long long)t->config);
    }
    return 0;
}

static void hpet_started(struct device *dev)
{
    struct hpet *h = to_hpet(dev);
    uint64_t now = clock_now_ns(h->clock);
    catch_up(h, now);
    set_lines(h, BIT(LINE_LEGACY) | BIT(LINE_LEGACY + 1), h->driven);
    arm(h, now);
}

#define TIMER_STATE(n)                             \
    STATE_FIELD(struct hpet, timers[n].config, 1), \
    STATE_FIELD(struct hpet, timers[n].compare, 1),\
    STATE_FIELD(struct hpet, timers[n].period, 1), \
    STATE_FIELD(struct hpet, timers[n].due_ns, 1)

static const struct state_field hpet_state[] = {
    STATE_FIELD(struct hpet, config, 1),
    STATE_FIELD(struct hpet, status, 1),
    STATE_FIELD(struct hpet, counter, 1),
    STATE_FIELD(struct hpet, counter_ns, 1),
    TIMER_STATE(0), TIMER_STATE(1), TIMER_STATE(2),
    STATE_ARRAY(struct hpet, input_levels, 1),
    {0},
};

static const struct device_ops hpet_ops = {
    .name = "hpet",
    .state_version = 1,
    .state = hpet_state,
    .read = hpet_read,
    .write = hpet_write,
    .reset = hpet_reset,
    .loaded = hpet_loaded,
    .started = hpet_started,
};

void hpet_init(struct hpet *hpet, const struct hpet_lines *lines, struct clock *clock)
{
    *hpet = (struct hpet){.dev.ops = &hpet_ops, .lines = *lines, .clock = clock};
    pthread_mutex_init(&hpet->dev.lock, NULL);
    for (unsigned i = 0; i < 2; i++)
        hpet->inputs[i] = (struct hpet_input){{set_input}, hpet, i};
    clock_timer_init(&hpet->clock_timer, clock, fire);
    hpet_reset(&hpet->dev);
}

void hpet_finish(struct hpet *hpet)
{
    clock_timer_finish(&hpet->clock_timer);
    pthread_mutex_destroy(&hpet->dev.lock);
}

struct irq_line *hpet_legacy_timer(struct hpet *hpet)
{
    return &hpet->inputs[0].line;
}

struct irq_line *hpet_legacy_rtc(struct hpet *hpet)
{
    return &hpet->inputs[1].line;
}
