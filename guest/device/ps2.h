// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is at the other end of an 8042's two cables: a keyboard and a mouse (IBM Personal System/2
// Hardware Interface Technical Reference, "Keyboard and Auxiliary Device"; Microsoft's IntelliMouse and
// its Explorer for wheel and buttons). Bytes go both ways at once; a command is answered before the
// next byte is looked at, and a new one cancels what is left of an answer.
//
// Threads: none; whoever holds one has a lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PS2_FIFO_BYTES = 16, PS2_REPLY_BYTES = 5 };
enum { PS2_ACK = 0xfa, PS2_RESEND = 0xfe, PS2_PASSED = 0xaa };

// Bytes to the host: answers, and what the user does.
struct ps2_queue {
    uint8_t fifo[PS2_FIFO_BYTES], head, used;
    uint8_t reply[PS2_REPLY_BYTES], reply_used;
    uint8_t last;    // that was taken, for 0xfe (resend)
    bool in_a_code;  // the last byte of the FIFO taken was a prefix
};
bool ps2_put(struct ps2_queue *q, const uint8_t *bytes, unsigned count);  // all of them, or false
void ps2_reply(struct ps2_queue *q, const uint8_t *bytes, unsigned count);
bool ps2_is_empty(const struct ps2_queue *q);
uint8_t ps2_take(struct ps2_queue *q);
void ps2_clear(struct ps2_queue *q);
bool ps2_queue_is_valid(const struct ps2_queue *q);  // after a load

struct ps2_keyboard {
    struct ps2_queue queue;
    uint8_t command;  // that waits for its operand; 0: none
    uint8_t set;      // of scan codes: 1 or 2
    uint8_t leds;     // scroll, num, caps lock
    bool enabled;
};
void ps2_keyboard_reset(struct ps2_keyboard *k);
void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t byte);
bool ps2_keyboard_is_valid(const struct ps2_keyboard *k);
// A key by its code of set 1: 0x1e is A, 0xe048 the up arrow, PS2_KEY_PAUSE. False: the FIFO is full, or
// there is no such key; nothing was done.
enum { PS2_KEY_PAUSE = 0xe11d };
bool ps2_keyboard_key(struct ps2_keyboard *k, uint16_t code, bool down);
// What an 8042 makes of a byte of set 2 when it translates; prefix 0xf0 is the caller's.
uint8_t ps2_translate(uint8_t byte);

struct ps2_mouse {
    struct ps2_queue queue;
    uint8_t command;
    uint8_t type;         // 0: plain; 3: with a wheel; 4: with five buttons
    uint8_t resolution, rate, rates[3];  // the last rates that were set, for the types' secret
    bool enabled, remote, wraps, scales;
    uint8_t buttons, sent_buttons;
    int32_t dx, dy, dz;   // not reported yet; dy up, dz down
};
enum { PS2_LEFT = 1, PS2_RIGHT = 2, PS2_MIDDLE = 4, PS2_SIDE = 8, PS2_EXTRA = 16 };
void ps2_mouse_reset(struct ps2_mouse *m);
void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte);
bool ps2_mouse_is_valid(const struct ps2_mouse *m);
void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, uint8_t buttons);
void ps2_mouse_report(struct ps2_mouse *m);  // what there is to tell, as far as the FIFO has room
