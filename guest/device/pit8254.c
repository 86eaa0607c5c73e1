// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/pit8254.h"

#include <errno.h>
#include <stdbool.h>

#include "base/bits.h"
#include "guest/device/ticks.h"

enum { CONTROL_READ_BACK = 3, CONTROL_LATCH = 0 };  // for a channel, and for its access
// "Read-Back Command": the first two are active low.
enum { READ_BACK_STATUS_OFF = 0x10, READ_BACK_COUNT_OFF = 0x20, READ_BACK_FIRST_CHANNEL = 0x02 };
enum { PORT61_GATE2 = 0x01, PORT61_WRITABLE = 0x0f, PORT61_REFRESH = 0x10, PORT61_OUT2 = 0x20 };

enum { TIMER = 0, SPEAKER = 2 };
enum { REFRESH_NS = 15085 };  // a row of memory at a time, by channel 1 of the first PCs

static struct pit8254 *to_pit(struct device *dev)
{
    return container_of(dev, struct pit8254, dev);
}

static uint64_t now_tick(const struct pit8254 *p)
{
    return ticks_of_ns(clock_now_ns(p->clock), PIT8254_HZ);
}

static void read_back(struct pit8254 *p, uint8_t command, uint64_t tick)
{
    for (unsigned i = 0; i < PIT8254_CHANNELS; i++) {
        if (!(command & READ_BACK_FIRST_CHANNEL << i))
            continue;
        if (!(command & READ_BACK_COUNT_OFF))
            pit8254_latch_count(&p->channels[i], tick);
        if (!(command & READ_BACK_STATUS_OFF))
            pit8254_latch_status(&p->channels[i], tick);
    }
}

static void write_control(struct pit8254 *p, uint8_t control, uint64_t tick)
{
    unsigned channel = control >> 6;
    if (channel == CONTROL_READ_BACK)
        read_back(p, control, tick);
    else if ((control >> 4 & 3) == CONTROL_LATCH)
        pit8254_latch_count(&p->channels[channel], tick);
    else
        pit8254_set_mode(&p->channels[channel], control);
}

static uint8_t read_port61(const struct pit8254 *p, uint64_t tick)
{
    bool refresh = clock_now_ns(p->clock) / REFRESH_NS & 1;
    return p->port61 | (refresh ? PORT61_REFRESH : 0) |
           (pit8254_output(&p->channels[SPEAKER], tick) ? PORT61_OUT2 : 0);
}

static uint8_t read_register(struct pit8254 *p, unsigned reg, uint64_t tick)
{
    switch (reg) {
    case PIT8254_CONTROL: return 0xff;  // "no operation"
    case PIT8254_PORT61: return read_port61(p, tick);
    default: return pit8254_read(&p->channels[reg], tick);
    }
}

static void write_register(struct pit8254 *p, unsigned reg, uint8_t value, uint64_t tick)
{
    switch (reg) {
    case PIT8254_CONTROL: write_control(p, value, tick); break;
    case PIT8254_PORT61:
        p->port61 = value & PORT61_WRITABLE;
        pit8254_gate(&p->channels[SPEAKER], value & PORT61_GATE2, tick);
        break;
    default: pit8254_write(&p->channels[reg], value, tick); break;
    }
}

static void settle_all(struct pit8254 *p, uint64_t tick)
{
    for (unsigned i = 0; i < PIT8254_CHANNELS; i++)
        pit8254_settle(&p->channels[i], tick);
}

// Output 0 has risen since it was last looked at: the controllers get to see an edge, and one
// only if there were many. Nothing wakes for a falling output, which no controller looks for.
static void catch_up(struct pit8254 *p, uint64_t tick)
{
    settle_all(p, tick);
    if (tick < p->edge_tick)
        return;
    p->edge_tick = PIT8254_NEVER_TICK;
    irq_set(p->irq, false);
    irq_set(p->irq, true);
}

static void drive(struct pit8254 *p, uint64_t tick)
{
    const struct pit8254_channel *timer = &p->channels[TIMER];
    irq_set(p->irq, pit8254_output(timer, tick));
    p->edge_tick = pit8254_next_rise(*timer, tick);
    if (p->edge_tick == PIT8254_NEVER_TICK) {
        clock_timer_cancel(&p->timer);
        return;
    }
    uint64_t at_ns = ns_of_ticks(p->edge_tick, PIT8254_HZ);
    if (pit8254_repeats(timer))
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
        pit8254_channel_reset(&p->channels[i], i != SPEAKER);
    p->port61 = 0;
    p->edge_tick = PIT8254_NEVER_TICK;
    drive(p, now_tick(p));
}

static int pit_loaded(struct device *dev, struct err *err)
{
    struct pit8254 *p = to_pit(dev);
    for (unsigned i = 0; i < PIT8254_CHANNELS; i++) {
        int result = pit8254_channel_loaded(&p->channels[i], err);
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
