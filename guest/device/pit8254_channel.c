// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/pit8254_channel.h"

#include <errno.h>

#include "base/bits.h"
#include "guest/device/ticks.h"

// "Mode Definitions": interrupt on terminal count, hardware-retriggerable one-shot, rate generator,
// square wave, software- and hardware-triggered strobe.
enum { MODE_TERMINAL, MODE_ONE_SHOT, MODE_RATE, MODE_SQUARE, MODE_STROBE, MODE_TRIGGERED_STROBE };
enum { ACCESS_LOW = 1, ACCESS_HIGH, ACCESS_BOTH };
enum { CONTROL_BCD = 0x01 };
enum { STATUS_NULL_COUNT = 0x40, STATUS_OUT = 0x80 };

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

bool pit8254_repeats(const struct pit8254_channel *c)
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

bool pit8254_output(const struct pit8254_channel *c, uint64_t tick)
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
void pit8254_settle(struct pit8254_channel *c, uint64_t tick)
{
    if (!c->reloads || !pit8254_repeats(c) || !counts(c) || tick < c->switch_tick)
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
    } else if (!pit8254_repeats(c) || !c->loaded || e < 0) {
        load(c, tick);
    } else {
        c->reloads = 1;
        c->switch_tick = c->gate ? period_end(c, e) : PIT8254_NEVER_TICK >> 2;
    }
}

void pit8254_write(struct pit8254_channel *c, uint8_t byte, uint64_t tick)
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

void pit8254_gate(struct pit8254_channel *c, bool gate, uint64_t tick)
{
    if (gate == c->gate)
        return;
    int64_t e = elapsed(c, tick);
    c->gate = gate;
    if (!gate)
        c->counted_ticks = e > 0 ? e : 0;
    else if (!pit8254_repeats(c) && !needs_trigger(c))
        c->start_tick = tick - c->counted_ticks;
    else if (c->written)
        load(c, tick);
}

void pit8254_latch_count(struct pit8254_channel *c, uint64_t tick)
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

void pit8254_latch_status(struct pit8254_channel *c, uint64_t tick)
{
    if (c->status_latched)
        return;
    c->latched_status = (pit8254_output(c, tick) ? STATUS_OUT : 0) |
                        (null_count(c, tick) ? STATUS_NULL_COUNT : 0) | c->access << 4 |
                        c->mode << 1 | c->bcd;
    c->status_latched = 1;
}

void pit8254_channel_reset(struct pit8254_channel *c, bool gate)
{
    *c = (struct pit8254_channel){.mode = MODE_SQUARE, .access = ACCESS_BOTH, .gate = gate};
}

void pit8254_set_mode(struct pit8254_channel *c, uint8_t control)
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

uint8_t pit8254_read(struct pit8254_channel *c, uint64_t tick)
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

static uint64_t rise_after(const struct pit8254_channel *c, uint64_t tick)
{
    int64_t e = elapsed(c, tick);
    uint32_t n = pulses(c, c->element);
    if (!counts(c) || (pit8254_repeats(c) && n < 2))
        return PIT8254_NEVER_TICK;  // a count of 1 is illegal in those modes, and never toggles
    if (pit8254_repeats(c))
        return c->start_tick + (e < 0 ? n : ((uint64_t)e / n + 1) * n);
    bool strobe = c->mode == MODE_STROBE || c->mode == MODE_TRIGGERED_STROBE;
    int64_t rise = n + strobe;
    return e < rise ? c->start_tick + rise : PIT8254_NEVER_TICK;
}

uint64_t pit8254_next_rise(struct pit8254_channel c, uint64_t tick)
{
    uint64_t rise = rise_after(&c, tick);
    if (!c.reloads || !pit8254_repeats(&c) || c.switch_tick >= rise)
        return rise;
    pit8254_settle(&c, c.switch_tick);
    return rise_after(&c, later(tick, c.switch_tick));
}

// A start may lie before the clock's beginning: half a period of a square wave.
static bool tick_is_sane(uint64_t tick)
{
    return tick + (PIT8254_NEVER_TICK >> 2) <= PIT8254_NEVER_TICK >> 1;
}

int pit8254_channel_loaded(const struct pit8254_channel *c, struct err *err)
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
