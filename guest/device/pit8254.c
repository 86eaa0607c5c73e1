// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/pit8254.h"

#include <errno.h>
#include <stdbool.h>

#include "base/bits.h"
#include "guest/device/ticks.h"

// "Mode Definitions": interrupt on terminal count, hardware-retriggerable one-shot, rate generator,
// square wave, software- and hardware-triggered strobe.
enum { MODE_TERMINAL, MODE_ONE_SHOT, MODE_RATE, MODE_SQUARE, MODE_STROBE, MODE_TRIGGERED_STROBE };
enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
enum { CONTROL_BCD = 0x01, CONTROL_READ_BACK = 3 };
// "Read-Back Command": the first two are active low.
enum { READ_BACK_STATUS_OFF = 0x10, READ_BACK_COUNT_OFF = 0x20, READ_BACK_FIRST_CHANNEL = 0x02 };
enum { STATUS_NULL_COUNT = 0x40, STATUS_OUT = 0x80 };
enum { PORT61_GATE2 = 0x01, PORT61_WRITABLE = 0x0f, PORT61_REFRESH = 0x10, PORT61_OUT2 = 0x20 };

enum { TIMER = 0, SPEAKER = 2 };
enum { REFRESH_NS = 15085 };  // a row of memory at a time, by channel 1 of the first PCs
#define NEVER_TICK UINT64_MAX

static struct pit8254 *to_pit(struct device *dev)
{
    return container_of(dev, struct pit8254, dev);
}

static uint64_t now_tick(const struct pit8254 *p)
{
    return ticks_of_ns(clock_now_ns(p->clock), PIT8254_HZ);
}

static uint32_t modulus(const struct pit8254_channel *c)
{
    return c->bcd ? 10000 : 0x10000;
}

// Digits above nine, which a guest may well write, count for what they are.
static uint32_t from_bcd(uint16_t v)
{
    return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static uint16_t to_bcd(uint32_t n)
{
    return n / 1000 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10;
}

// A count of zero is the largest one.
static uint32_t pulses(const struct pit8254_channel *c, uint16_t count)
{
    uint32_t n = (c->bcd ? from_bcd(count) : count) % modulus(c);
    return n ? n : modulus(c);
}

static bool repeats(const struct pit8254_channel *c)
{
    return c->mode == MODE_RATE || c->mode == MODE_SQUARE;
}

static bool needs_trigger(const struct pit8254_channel *c)
{
    return c->mode == MODE_ONE_SHOT || c->mode == MODE_TRIGGERED_STROBE;
}

static bool counts(const struct pit8254_channel *c)
{
    return c->loaded && (c->gate || needs_trigger(c));
}

// CLK pulses since the count was loaded; negative before the pulse that loads it.
static int64_t elapsed(const struct pit8254_channel *c, uint64_t tick)
{
    return counts(c) ? (int64_t)(tick - c->start_tick) : (int64_t)c->counted_ticks;
}

static uint32_t high_pulses(uint32_t n)
{
    return (n + 1) / 2;  // of a square wave
}

static bool output(const struct pit8254_channel *c, uint64_t tick)
{
    int64_t e = elapsed(c, tick), n = pulses(c, c->element);
    bool running = counts(c) && e >= 0;
    switch (c->mode) {
    case MODE_TERMINAL: return c->loaded && e >= n;
    case MODE_ONE_SHOT: return !(running && e < n);
    case MODE_RATE: return !(running && e % n == n - 1);
    case MODE_SQUARE: return !(running && e % n >= high_pulses(n));
    default: return !(running && e == n);
    }
}

// A square wave counts by twos, from an even number, twice a period ("Mode 3").
static uint32_t square_counter(uint32_t n, uint64_t e)
{
    uint32_t phase = e % n;
    return (n & ~1u) - 2 * (phase >= high_pulses(n) ? phase - high_pulses(n) : phase);
}

static uint16_t counter(const struct pit8254_channel *c, uint64_t tick)
{
    if (!c->loaded)
        return c->count;
    int64_t since = elapsed(c, tick);
    uint64_t e = since > 0 ? since : 0;
    uint32_t n = pulses(c, c->element), value;
    if (c->mode == MODE_RATE)
        value = n - e % n;
    else if (c->mode == MODE_SQUARE)
        value = square_counter(n, e);
    else
        value = n + modulus(c) - e % modulus(c);  // goes on from the top after zero
    value %= modulus(c);
    return c->bcd ? to_bcd(value) : value;
}

// The pulse after this one moves the count into the counting element.
static void load(struct pit8254_channel *c, uint64_t tick)
{
    c->element = c->count;
    c->loaded = 1;
    c->reloads = 0;
    c->start_tick = tick + 1;
    c->counted_ticks = 0;
}

// Where the current period, or half of a square wave, ends.
static uint64_t period_end(const struct pit8254_channel *c, uint64_t e)
{
    uint32_t n = pulses(c, c->element), phase = e % n;
    uint64_t begin = c->start_tick + (e - phase);
    bool high_half = c->mode == MODE_SQUARE && phase < high_pulses(n);
    return begin + (high_half ? high_pulses(n) : n);
}

// A count written to a running rate generator or square wave has waited for switch_tick.
static void settle(struct pit8254_channel *c, uint64_t tick)
{
    if (!c->reloads || !repeats(c) || !counts(c) || tick < c->switch_tick)
        return;
    uint32_t old = pulses(c, c->element);
    bool low_half = (c->switch_tick - c->start_tick) % old != 0;
    load(c, c->switch_tick - 1);
    if (low_half)
        c->start_tick -= high_pulses(pulses(c, c->element));
}

static void count_written(struct pit8254_channel *c, uint64_t tick)
{
    c->written = 1;
    int64_t e = elapsed(c, tick);
    if (needs_trigger(c)) {
        c->reloads = 1;
    } else if (!repeats(c) || !c->loaded || e < 0) {
        load(c, tick);
    } else {
        c->reloads = 1;
        c->switch_tick = c->gate ? period_end(c, e) : NEVER_TICK >> 2;
    }
}

static void write_count(struct pit8254_channel *c, uint8_t byte, uint64_t tick)
{
    if (c->access == ACCESS_BOTH && !c->write_high) {
        c->low_byte = byte;
        c->write_high = 1;
        if (c->mode == MODE_TERMINAL)
            c->loaded = 0;  // "writing the first byte disables counting"
        return;
    }
    uint8_t low = c->access == ACCESS_BOTH ? c->low_byte : byte;
    c->count = c->access == ACCESS_LOW ? low : c->access == ACCESS_HIGH ? byte << 8 : byte << 8 | low;
    c->write_high = 0;
    count_written(c, tick);
}

static void set_gate(struct pit8254_channel *c, bool gate, uint64_t tick)
{
    if (gate == c->gate)
        return;
    int64_t e = elapsed(c, tick);
    c->gate = gate;
    if (!gate)
        c->counted_ticks = e > 0 ? e : 0;
    else if (!repeats(c) && !needs_trigger(c))
        c->start_tick = tick - c->counted_ticks;
    else if (c->written)
        load(c, tick);
}

static void latch_count(struct pit8254_channel *c, uint64_t tick)
{
    if (c->count_latched)
        return;
    c->latched_count = counter(c, tick);
    c->count_latched = 1;
}

static bool null_count(const struct pit8254_channel *c, uint64_t tick)
{
    return !c->loaded || c->reloads || elapsed(c, tick) < 0;
}

static void latch_status(struct pit8254_channel *c, uint64_t tick)
{
    if (c->status_latched)
        return;
    c->latched_status = (output(c, tick) ? STATUS_OUT : 0) |
                        (null_count(c, tick) ? STATUS_NULL_COUNT : 0) | c->access << 4 |
                        c->mode << 1 | c->bcd;
    c->status_latched = 1;
}

static void read_back(struct pit8254 *p, uint8_t command, uint64_t tick)
{
    for (unsigned i = 0; i < PIT8254_CHANNELS; i++) {
        if (!(command & READ_BACK_FIRST_CHANNEL << i))
            continue;
        if (!(command & READ_BACK_COUNT_OFF))
            latch_count(&p->channels[i], tick);
        if (!(command & READ_BACK_STATUS_OFF))
            latch_status(&p->channels[i], tick);
    }
}

static void set_mode(struct pit8254_channel *c, uint8_t control)
{
    uint8_t mode = control >> 1 & 7;
    *c = (struct pit8254_channel){
        .mode = mode > MODE_TRIGGERED_STROBE ? mode & 3 : mode,  // the upper bit is "don't care"
        .bcd = control & CONTROL_BCD,
        .access = control >> 4 & 3,
        .gate = c->gate,
        .count = c->count,
    };
}

static void write_control(struct pit8254 *p, uint8_t control, uint64_t tick)
{
    unsigned channel = control >> 6;
    if (channel == CONTROL_READ_BACK)
        read_back(p, control, tick);
    else if ((control >> 4 & 3) == ACCESS_LATCH)
        latch_count(&p->channels[channel], tick);
    else
        set_mode(&p->channels[channel], control);
}

static uint8_t read_counter(struct pit8254_channel *c, uint64_t tick)
{
    if (c->status_latched) {
        c->status_latched = 0;
        return c->latched_status;
    }
    uint16_t value = c->count_latched ? c->latched_count : counter(c, tick);
    bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);
    c->read_high = c->access == ACCESS_BOTH && !high;
    if (!c->read_high)
        c->count_latched = 0;
    return high ? value >> 8 : value;
}

static uint8_t read_port61(const struct pit8254 *p, uint64_t tick)
{
    bool refresh = clock_now_ns(p->clock) / REFRESH_NS & 1;
    return p->port61 | (refresh ? PORT61_REFRESH : 0) |
           (output(&p->channels[SPEAKER], tick) ? PORT61_OUT2 : 0);
}

static uint8_t read_register(struct pit8254 *p, unsigned reg, uint64_t tick)
{
    switch (reg) {
    case PIT8254_CONTROL: return 0xff;  // "no operation"
    case PIT8254_PORT61: return read_port61(p, tick);
    default: return read_counter(&p->channels[reg], tick);
    }
}

static void write_register(struct pit8254 *p, unsigned reg, uint8_t value, uint64_t tick)
{
    switch (reg) {
    case PIT8254_CONTROL: write_control(p, value, tick); break;
    case PIT8254_PORT61:
        p->port61 = value & PORT61_WRITABLE;
        set_gate(&p->channels[SPEAKER], value & PORT61_GATE2, tick);
        break;
    default: write_count(&p->channels[reg], value, tick); break;
    }
}

static uint64_t rise_after(const struct pit8254_channel *c, uint64_t tick)
{
    int64_t e = elapsed(c, tick);
    uint32_t n = pulses(c, c->element);
    if (!counts(c) || (repeats(c) && n < 2))
        return NEVER_TICK;  // a count of 1 is illegal in those modes, and never toggles
    if (repeats(c))
        return c->start_tick + (e < 0 ? n : ((uint64_t)e / n + 1) * n);
    bool strobe = c->mode == MODE_STROBE || c->mode == MODE_TRIGGERED_STROBE;
    int64_t rise = n + strobe;
    return e < rise ? c->start_tick + rise : NEVER_TICK;
}

static uint64_t next_rise(struct pit8254_channel c, uint64_t tick)
{
    uint64_t rise = rise_after(&c, tick);
    if (!c.reloads || !repeats(&c) || c.switch_tick >= rise)
        return rise;
    settle(&c, c.switch_tick);
    return rise_after(&c, later(tick, c.switch_tick));
}

static void settle_all(struct pit8254 *p, uint64_t tick)
{
    for (unsigned i = 0; i < PIT8254_CHANNELS; i++)
        settle(&p->channels[i], tick);
}

// Output 0 has risen since it was last looked at: the controllers get to see an edge, and one
// only if there were many. Nothing wakes for a falling output, which no controller looks for.
static void catch_up(struct pit8254 *p, uint64_t tick)
{
    settle_all(p, tick);
    if (tick < p->edge_tick)
        return;
    p->edge_tick = NEVER_TICK;
    irq_set(p->irq, false);
    irq_set(p->irq, true);
}

static void drive(struct pit8254 *p, uint64_t tick)
{
    const struct pit8254_channel *timer = &p->channels[TIMER];
    irq_set(p->irq, output(timer, tick));
    p->edge_tick = next_rise(*timer, tick);
    if (p->edge_tick == NEVER_TICK) {
        clock_timer_cancel(&p->timer);
        return;
    }
    uint64_t at_ns = ns_of_ticks(p->edge_tick, PIT8254_HZ);
    if (repeats(timer))
        at_ns = later(at_ns, saturating_add(clock_now_ns(p->clock), PERIODIC_FLOOR_NS));
    arm_or_cancel(&p->timer, at_ns);
}

static void fire(struct clock_timer *timer)
{
    struct pit8254 *p = container_of(timer, struct pit8254, timer);
    pthread_mutex_lock(&p->dev.lock);
    uint64_t tick = now_tick(p);
    if (tick >= p->edge_tick) {
        catch_up(p, tick);
        drive(p, tick);
    }
    pthread_mutex_unlock(&p->dev.lock);
}

static uint64_t pit_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct pit8254 *p = to_pit(dev);
    uint64_t value = 0, tick = now_tick(p);
    settle_all(p, tick);
    for (unsigned i = 0; i < size_bytes && offset + i < PIT8254_REGION_BYTES; i++)
        value |= (uint64_t)read_register(p, offset + i, tick) << (8 * i);
    return value;
}

static void pit_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct pit8254 *p = to_pit(dev);
    uint64_t tick = now_tick(p);
    catch_up(p, tick);
    for (unsigned i = 0; i < size_bytes && offset + i < PIT8254_REGION_BYTES; i++)
        write_register(p, offset + i, value >> (8 * i), tick);
    drive(p, tick);
}

// The data sheet leaves the state after power-up open; no channel counts until it is programmed.
static void pit_reset(struct device *dev)
{
    struct pit8254 *p = to_pit(dev);
    for (unsigned i = 0; i < PIT8254_CHANNELS; i++)
        p->channels[i] = (struct pit8254_channel){
            .mode = MODE_SQUARE, .access = ACCESS_BOTH, .gate = i != SPEAKER};
    p->port61 = 0;
    p->edge_tick = NEVER_TICK;
    drive(p, now_tick(p));
}

// A start may lie before the clock's beginning: half a period of a square wave.
static bool tick_is_sane(uint64_t tick)
{
    return tick + (NEVER_TICK >> 2) <= NEVER_TICK >> 1;
}

static int channel_loaded(const struct pit8254_channel *c, struct err *err)
{
    uint8_t flags = c->bcd | c->gate | c->loaded | c->written | c->reloads | c->write_high |
                    c->read_high | c->count_latched | c->status_latched;
    if (c->mode > MODE_TRIGGERED_STROBE || !c->access || c->access > ACCESS_BOTH || flags > 1)
        return err_set(err, -EINVAL, "isa-pit: a channel in mode %u, access %u is impossible",
                       c->mode, c->access);
    if (!tick_is_sane(c->start_tick) || !tick_is_sane(c->switch_tick) ||
        !tick_is_sane(c->counted_ticks))
        return err_set(err, -EINVAL, "isa-pit: a channel's time is impossible");
    return 0;
}

static int pit_loaded(struct device *dev, struct err *err)
{
    struct pit8254 *p = to_pit(dev);
    for (unsigned i = 0; i < PIT8254_CHANNELS; i++) {
        int result = channel_loaded(&p->channels[i], err);
        if (result < 0)
            return result;
    }
    if (p->port61 & ~PORT61_WRITABLE || !p->channels[0].gate || !p->channels[1].gate ||
        p->channels[SPEAKER].gate != (p->port61 & PORT61_GATE2))
        return err_set(err, -EINVAL, "isa-pit: the gates do not agree with port 0x61");
    return 0;
}

static void pit_started(struct device *dev)
{
    struct pit8254 *p = to_pit(dev);
    uint64_t tick = now_tick(p);
    catch_up(p, tick);
    drive(p, tick);
}

#define CHANNEL_STATE(n)                                       \
    STATE_FIELD(struct pit8254, channels[n].mode, 1),          \
    STATE_FIELD(struct pit8254, channels[n].bcd, 1),           \
    STATE_FIELD(struct pit8254, channels[n].access, 1),        \
    STATE_FIELD(struct pit8254, channels[n].gate, 1),          \
    STATE_FIELD(struct pit8254, channels[n].loaded, 1),        \
    STATE_FIELD(struct pit8254, channels[n].written, 1),       \
    STATE_FIELD(struct pit8254, channels[n].reloads, 1),       \
    STATE_FIELD(struct pit8254, channels[n].write_high, 1),    \
    STATE_FIELD(struct pit8254, channels[n].read_high, 1),     \
    STATE_FIELD(struct pit8254, channels[n].low_byte, 1),      \
    STATE_FIELD(struct pit8254, channels[n].count_latched, 1), \
    STATE_FIELD(struct pit8254, channels[n].status_latched, 1),\
    STATE_FIELD(struct pit8254, channels[n].latched_status, 1),\
    STATE_FIELD(struct pit8254, channels[n].latched_count, 1), \
    STATE_FIELD(struct pit8254, channels[n].count, 1),         \
    STATE_FIELD(struct pit8254, channels[n].element, 1),       \
    STATE_FIELD(struct pit8254, channels[n].start_tick, 1),    \
    STATE_FIELD(struct pit8254, channels[n].switch_tick, 1),   \
    STATE_FIELD(struct pit8254, channels[n].counted_ticks, 1)

static const struct state_field pit_state[] = {
    CHANNEL_STATE(0), CHANNEL_STATE(1), CHANNEL_STATE(2),
    STATE_FIELD(struct pit8254, edge_tick, 1),
    STATE_FIELD(struct pit8254, port61, 1),
    {0},
};

static const struct device_ops pit_ops = {
    .name = "isa-pit",
    .state_version = 1,
    .state = pit_state,
    .read = pit_read,
    .write = pit_write,
    .reset = pit_reset,
    .loaded = pit_loaded,
    .started = pit_started,
};

void pit8254_init(struct pit8254 *pit, struct irq_line *irq, struct clock *clock)
{
    *pit = (struct pit8254){.dev.ops = &pit_ops, .irq = irq, .clock = clock};
    pthread_mutex_init(&pit->dev.lock, NULL);
    clock_timer_init(&pit->timer, clock, fire);
    pit_reset(&pit->dev);
}

void pit8254_finish(struct pit8254 *pit)
{
    clock_timer_finish(&pit->timer);
    pthread_mutex_destroy(&pit->dev.lock);
}
