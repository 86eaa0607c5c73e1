// SPDX-License-Identifier: GPL-2.0-or-later
//
// The keyboard controller of a PC, an 8042 with a keyboard and a mouse (IBM Personal System/2 Hardware
// Interface Technical Reference, "Keyboard and Auxiliary Device Controller"). Ports 0x60, data, and 0x64,
// status and command. Its other duties: it holds address line 20 (a bit here, since A20 is always open)
// and can pulse the processor's reset line.
//
// The output buffer has one byte. Filling it raises IRQ 1 or 12, and reading it lets the line fall, so
// that each byte is an edge.
//
// Threads: keys and the mouse come from any thread, with no lock held; else as device.h.
#pragma once

#include "guest/bus/irq.h"
#include "guest/bus/power.h"
#include "guest/device/device.h"
#include "guest/device/ps2.h"

enum { I8042_DATA, I8042_STATUS, I8042_REGION_BYTES };  // offsets: port 0x60, port 0x64
enum { I8042_IRQ_KEYBOARD = 1, I8042_IRQ_MOUSE = 12 };

struct i8042 {
    struct device dev;
    struct irq_line *keyboard_irq, *mouse_irq;  // not owned
    struct power_sink *power;

    uint8_t mode;         // the command byte
    uint8_t output_port;
    uint8_t command;      // that waits for its operand; 0: none
    bool last_was_command, self_tested;
    uint8_t output;       // the buffer
    bool full, from_mouse;
    uint8_t answer;       // the controller's own, which waits for the buffer
    bool answer_waits, answer_from_mouse;
    bool translating_release;
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
};

// As after power-up: nothing is translated, both devices are enabled.
void i8042_init(struct i8042 *c, struct irq_line *keyboard_irq, struct irq_line *mouse_irq,
                struct power_sink *power);
void i8042_finish(struct i8042 *c);

// For a display or the monitor. As ps2_keyboard_key and ps2_mouse_move; buttons are those that are down.
bool i8042_key(struct i8042 *c, uint16_t code, bool down);
void i8042_mouse(struct i8042 *c, int dx, int dy, int dz, uint8_t buttons);
