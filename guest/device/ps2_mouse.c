// SPDX-License-Identifier: GPL-2.0-or-later
#include <limits.h>
#include <string.h>

#include "guest/device/ps2.h"

enum { SCALE_1_1 = 0xe6, SCALE_2_1 = 0xe7, SET_RESOLUTION = 0xe8, STATUS = 0xe9, STREAM = 0xea,
       READ = 0xeb, END_WRAP = 0xec, WRAP = 0xee, REMOTE = 0xf0, IDENTIFY = 0xf2, SET_RATE = 0xf3,
       ENABLE = 0xf4, DISABLE = 0xf5, DEFAULTS = 0xf6, RESEND = 0xfe, RESET = 0xff };
enum { PLAIN = 0, WHEEL = 3, EXPLORER = 4 };
enum { PACKET_ALWAYS = 0x08, PACKET_X_SIGN = 0x10, PACKET_Y_SIGN = 0x20 };
enum { DEFAULT_RATE = 100, DEFAULT_RESOLUTION = 2 };

static void set_defaults(struct ps2_mouse *m)
{
    m->resolution = DEFAULT_RESOLUTION;
    m->rate = DEFAULT_RATE;
    m->enabled = m->remote = m->scales = false;
    m->dx = m->dy = m->dz = 0;
}

void ps2_mouse_reset(struct ps2_mouse *m)
{
    ps2_clear(&m->queue);
    m->command = 0;
    m->type = PLAIN;
    m->wraps = false;
    m->buttons = m->sent_buttons = 0;
    memset(m->rates, 0, sizeof m->rates);
    set_defaults(m);
}

static void reply(struct ps2_mouse *m, uint8_t byte)
{
    ps2_reply(&m->queue, &byte, 1);
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

// What a packet can say of a movement, taken off what is left to say.
static int part_of(int32_t *left, int low, int high)
{
    int part = clamp(*left, low, high);
    *left -= part;
    return part;
}

static unsigned packet(struct ps2_mouse *m, uint8_t bytes[4])
{
    int x = part_of(&m->dx, -255, 255), y = part_of(&m->dy, -255, 255);
    bytes[0] = (uint8_t)(PACKET_ALWAYS | (m->buttons & 7) | (x < 0 ? PACKET_X_SIGN : 0) |
                         (y < 0 ? PACKET_Y_SIGN : 0));
    bytes[1] = (uint8_t)x;
    bytes[2] = (uint8_t)y;
    m->sent_buttons = m->buttons;
    if (m->type == WHEEL)
        bytes[3] = (uint8_t)part_of(&m->dz, -127, 127);
    else if (m->type == EXPLORER)
        bytes[3] = (uint8_t)((part_of(&m->dz, -7, 7) & 0xf) | (m->buttons & 0x18) << 1);
    else
        m->dz = 0;
    return m->type == PLAIN ? 3 : 4;
}

static void answer_read(struct ps2_mouse *m)
{
    uint8_t answer[5] = {PS2_ACK};
    unsigned count = packet(m, answer + 1);
    ps2_reply(&m->queue, answer, 1 + count);
}

static void answer_status(struct ps2_mouse *m)
{
    uint8_t buttons = (m->buttons & PS2_LEFT ? 4 : 0) | (m->buttons & PS2_MIDDLE ? 2 : 0) |
                      (m->buttons & PS2_RIGHT ? 1 : 0);
    uint8_t status = (m->remote ? 0x40 : 0) | (m->enabled ? 0x20 : 0) | (m->scales ? 0x10 : 0) | buttons;
    ps2_reply(&m->queue, (uint8_t[]){PS2_ACK, status, m->resolution, m->rate}, 4);
}

// A driver that knows of the wheel sets these three rates in a row.
static void set_rate(struct ps2_mouse *m, uint8_t rate)
{
    m->rate = rate;
    memmove(m->rates, m->rates + 1, 2);
    m->rates[2] = rate;
    if (m->rates[0] == 200 && m->rates[1] == 100 && m->rates[2] == 80)
        m->type = WHEEL;
    if (m->rates[0] == 200 && m->rates[1] == 200 && m->rates[2] == 80)
        m->type = EXPLORER;
}

static void take_operand(struct ps2_mouse *m, uint8_t byte)
{
    uint8_t command = m->command;
    m->command = 0;
    if (command == SET_RATE)
        set_rate(m, byte);
    else
        m->resolution = byte & 3;
    reply(m, PS2_ACK);
}

static void reset_by_command(struct ps2_mouse *m)
{
    uint8_t buttons = m->buttons;
    ps2_mouse_reset(m);
    m->buttons = m->sent_buttons = buttons;
    ps2_reply(&m->queue, (uint8_t[]){PS2_ACK, PS2_PASSED, PLAIN}, 3);
}

static void take_command(struct ps2_mouse *m, uint8_t byte)
{
    uint8_t last = m->queue.last;
    reply(m, PS2_ACK);
    switch (byte) {
    case SCALE_1_1: m->scales = false; break;
    case SCALE_2_1: m->scales = true; break;
    case SET_RESOLUTION: case SET_RATE: m->command = byte; break;
    case STATUS: answer_status(m); break;
    case STREAM: m->remote = false; break;
    case READ: answer_read(m); break;
    case END_WRAP: break;
    case WRAP: m->wraps = true; break;
    case REMOTE: m->remote = true; break;
    case IDENTIFY: ps2_reply(&m->queue, (uint8_t[]){PS2_ACK, m->type}, 2); break;
    case ENABLE: m->enabled = true; break;
    case DISABLE: m->enabled = false; break;
    case DEFAULTS: set_defaults(m); break;
    case RESEND: reply(m, last); break;
    case RESET: reset_by_command(m); break;
    default: reply(m, PS2_RESEND); break;
    }
}

// Any byte ends a packet that was on its way.
void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte)
{
    ps2_clear(&m->queue);
    if (m->wraps && byte != END_WRAP && byte != RESET) {
        reply(m, byte);
        return;
    }
    m->wraps = false;
    if (m->command && byte < SCALE_1_1) {
        take_operand(m, byte);
        return;
    }
    m->command = 0;
    take_command(m, byte);
}

static bool is_distance(int32_t d)
{
    return d >= -SHRT_MAX && d <= SHRT_MAX;
}

bool ps2_mouse_is_valid(const struct ps2_mouse *m)
{
    bool waits = !m->command || m->command == SET_RATE || m->command == SET_RESOLUTION;
    return waits && (m->type == PLAIN || m->type == WHEEL || m->type == EXPLORER) &&
           m->resolution < 4 && is_distance(m->dx) && is_distance(m->dy) && is_distance(m->dz) &&
           ps2_queue_is_valid(&m->queue);
}

void ps2_mouse_report(struct ps2_mouse *m)
{
    uint8_t bytes[4];
    while (m->enabled && !m->remote && !m->wraps && PS2_FIFO_BYTES - m->queue.used >= 4 &&
           (m->dx || m->dy || m->dz || m->buttons != m->sent_buttons))
        ps2_put(&m->queue, bytes, packet(m, bytes));
}

// What a mouse that nobody listens to would have to say is forgotten beyond a metre or two.
static int32_t add(int32_t sum, int by)
{
    return clamp(sum + clamp(by, -SHRT_MAX, SHRT_MAX), -SHRT_MAX, SHRT_MAX);
}

void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, uint8_t buttons)
{
    m->buttons = buttons & 0x1f;
    if (!m->enabled)
        return;
    m->dx = add(m->dx, dx);
    m->dy = add(m->dy, dy);
    m->dz = add(m->dz, dz);
    ps2_mouse_report(m);
}
