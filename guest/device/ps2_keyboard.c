// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/ps2.h"

enum { SET_LEDS = 0xed, ECHO = 0xee, SCAN_CODE_SET = 0xf0, IDENTIFY = 0xf2, TYPEMATIC = 0xf3,
       ENABLE = 0xf4, DISABLE = 0xf5, DEFAULTS = 0xf6, ALL_KEYS_FIRST = 0xf7, ALL_KEYS_LAST = 0xfa,
       RESEND = 0xfe, RESET = 0xff };
enum { PREFIX = 0xe0, RELEASE = 0xf0, RELEASED = 0x80 };

// Set 2 to set 1, as the controller's ROM has it. Above, all but two codes stay as they are.
static const uint8_t to_set1[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};
enum { SET2_F7 = 0x83, SET1_F7 = 0x41, SET2_SYSRQ = 0x84, SET1_SYSRQ = 0x54 };

uint8_t ps2_translate(uint8_t byte)
{
    if (byte == SET2_F7)
        return SET1_F7;
    if (byte == SET2_SYSRQ)
        return SET1_SYSRQ;
    return byte < sizeof to_set1 ? to_set1[byte] : byte;
}

// 0: no key of set 2 has it.
static uint8_t to_set2(uint8_t code)
{
    if (code == SET1_F7)
        return SET2_F7;
    if (code == SET1_SYSRQ)
        return SET2_SYSRQ;
    for (unsigned i = 1; i < sizeof to_set1; i++)
        if (to_set1[i] == code)
            return (uint8_t)i;
    return 0;
}

static void set_defaults(struct ps2_keyboard *k, bool enabled)
{
    k->set = 2;
    k->leds = 0;
    k->enabled = enabled;
}

void ps2_keyboard_reset(struct ps2_keyboard *k)
{
    ps2_clear(&k->queue);
    k->command = 0;
    set_defaults(k, true);
}

static void reply(struct ps2_keyboard *k, uint8_t byte)
{
    ps2_reply(&k->queue, &byte, 1);
}

static void acknowledge_with(struct ps2_keyboard *k, uint8_t byte)
{
    ps2_reply(&k->queue, (uint8_t[]){PS2_ACK, byte}, 2);
}

// A set that it does not have (3) is refused, as by keyboards that never had it.
static void choose_set(struct ps2_keyboard *k, uint8_t set)
{
    if (set == 0) {
        acknowledge_with(k, k->set);
    } else if (set > 2) {
        reply(k, PS2_RESEND);
    } else {
        k->set = set;
        reply(k, PS2_ACK);
    }
}

static void take_operand(struct ps2_keyboard *k, uint8_t byte)
{
    uint8_t command = k->command;
    k->command = 0;
    if (command == SCAN_CODE_SET) {
        choose_set(k, byte);
        return;
    }
    if (command == SET_LEDS)
        k->leds = byte & 7;
    reply(k, PS2_ACK);
}

static void begin(struct ps2_keyboard *k, uint8_t command)
{
    k->command = command;
    reply(k, PS2_ACK);
}

static void restore(struct ps2_keyboard *k, bool enabled, const uint8_t *answer, unsigned count)
{
    ps2_clear(&k->queue);
    set_defaults(k, enabled);
    ps2_reply(&k->queue, answer, count);
}

static void take_command(struct ps2_keyboard *k, uint8_t byte)
{
    static const uint8_t passed[] = {PS2_ACK, PS2_PASSED};
    switch (byte) {
    case SET_LEDS: case SCAN_CODE_SET: case TYPEMATIC: begin(k, byte); break;
    case ECHO: reply(k, ECHO); break;
    case IDENTIFY: ps2_reply(&k->queue, (uint8_t[]){PS2_ACK, 0xab, 0x83}, 3); break;
    case ENABLE: ps2_clear(&k->queue); k->enabled = true; reply(k, PS2_ACK); break;
    case DISABLE: restore(k, false, passed, 1); break;
    case DEFAULTS: restore(k, true, passed, 1); break;
    case ALL_KEYS_FIRST ... ALL_KEYS_LAST: reply(k, PS2_ACK); break;  // of set 3
    case RESEND: reply(k, k->queue.last); break;
    case RESET: restore(k, true, passed, 2); break;
    default: reply(k, PS2_RESEND); break;
    }
}

// A command in the place of an operand is one (from 0xed on; no operand is so large).
void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t byte)
{
    if (k->command && byte < SET_LEDS) {
        take_operand(k, byte);
        return;
    }
    k->command = 0;
    take_command(k, byte);
}

bool ps2_keyboard_is_valid(const struct ps2_keyboard *k)
{
    bool waits = !k->command || k->command == SET_LEDS || k->command == SCAN_CODE_SET ||
                 k->command == TYPEMATIC;
    return waits && (k->set == 1 || k->set == 2) && k->leds < 8 && ps2_queue_is_valid(&k->queue);
}

// It has no code for its release, and sends that with its make.
static bool pause_key(struct ps2_keyboard *k, bool down)
{
    static const uint8_t set1[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5},
                         set2[] = {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77};
    if (!down)
        return true;
    return k->set == 1 ? ps2_put(&k->queue, set1, sizeof set1) : ps2_put(&k->queue, set2, sizeof set2);
}

bool ps2_keyboard_key(struct ps2_keyboard *k, uint16_t code, bool down)
{
    uint8_t key = code & 0xff, high = code >> 8, bytes[3];
    unsigned count = 0;
    if (!k->enabled)
        return true;
    if (code == PS2_KEY_PAUSE)
        return pause_key(k, down);
    if ((high && high != PREFIX) || !key || key >= RELEASED || !to_set2(key))
        return false;
    if (high)
        bytes[count++] = PREFIX;
    if (k->set == 2 && !down)
        bytes[count++] = RELEASE;
    bytes[count++] = k->set == 2 ? to_set2(key) : down ? key : key | RELEASED;
    return ps2_put(&k->queue, bytes, count);
}
