// SPDX-License-Identifier: GPL-2.0-or-later
//
// sendkey presses its keys one after the other, and lets them go in the opposite order; between two of these
// steps a short time passes, since the guest has to take each from the keyboard's small buffer. Further keys
// wait behind them.
#include "guest/control/hmp_input.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "guest/device/i8042.h"

enum { STEPS_MAX = 1024, STEP_MS = 10, KEYS_MAX = 16 };  // a line's further keys are left out, as in QEMU

struct step {
    struct i8042 *keyboard;
    uint16_t code;
    bool down;
    int after_ms;  // until the next
};

// Of this process's keyboard.
static struct step steps[STEPS_MAX];
static unsigned first, waiting;
static uv_timer_t timer;
static uint8_t buttons;

// A full keyboard loses what is typed.
static void take_step(uv_timer_t *handle)
{
    if (!waiting)
        return;
    struct step s = steps[first];
    first = (first + 1) % STEPS_MAX;
    waiting--;
    i8042_key(s.keyboard, s.code, s.down);
    uv_timer_start(handle, take_step, (uint64_t)s.after_ms, 0);
}

static void add_step(struct i8042 *keyboard, uint16_t code, bool down, int after_ms)
{
    if (waiting == STEPS_MAX)
        return;
    steps[(first + waiting) % STEPS_MAX] = (struct step){keyboard, code, down, after_ms};
    waiting++;
}

static void type(struct i8042 *keyboard, const uint16_t *codes, unsigned count, int hold_ms)
{
    int after_ms = hold_ms > 0 ? hold_ms : STEP_MS;
    for (unsigned i = 0; i < count; i++)
        add_step(keyboard, codes[i], true, after_ms);
    for (unsigned i = count; i-- > 0;)
        add_step(keyboard, codes[i], false, after_ms);
    if (!timer.loop)
        uv_timer_init(loop(), &timer);
    if (!uv_is_active((uv_handle_t *)&timer))
        take_step(&timer);
}

void hmp_input_stop(void)
{
    waiting = 0;
}

// "ctrl-alt-delete". 0: a name is wrong, which was said.
static unsigned read_keys(struct hmp *hmp, const char *text, uint16_t codes[KEYS_MAX])
{
    unsigned count = 0;
    for (;; text++) {
        size_t length = strcspn(text, "- \t");
        uint16_t code = hmp_key_code(text, length);
        if (!code) {
            hmp_say(hmp, "invalid parameter: %.*s", (int)length, text);
            return 0;
        }
        if (count < KEYS_MAX)
            codes[count++] = code;
        text += length;
        if (*text != '-')
            return count;
    }
}

// A number that fits 32 bits, or is absent. False: it is none, which was said.
static bool read_int(struct hmp *hmp, const char *name, const char *text, int *number)
{
    char *end;
    text += strspn(text, " \t");
    if (!*text)
        return true;
    long long value = strtoll(text, &end, 0);
    if (*end)
        hmp_say(hmp, "invalid char '%c' in expression", *end);
    else if (value < 0 || value > INT_MAX)
        hmp_say(hmp, "'%s' has failed: integer is for 32-bit values", name);
    *number = (int)value;
    return !*end && value >= 0 && value <= INT_MAX;
}

void hmp_sendkey(struct hmp *hmp, const char *arguments)
{
    uint16_t codes[KEYS_MAX];
    int hold_ms = 0;
    if (!*arguments) {
        hmp_say(hmp, "sendkey: string expected");
        return;
    }
    if (!read_int(hmp, "sendkey", arguments + strcspn(arguments, " \t"), &hold_ms))
        return;
    unsigned count = read_keys(hmp, arguments, codes);
    if (count && hmp->vm->inventory.keyboard)
        type(hmp->vm->inventory.keyboard, codes, count, hold_ms);
}

// What a mouse can tell at once is less than this by far.
static int bounded(long distance)
{
    enum { FAR = 1 << 15 };
    return distance > FAR ? FAR : distance < -FAR ? -FAR : (int)distance;
}

// To the right and down; the wheel turns up where dz is positive.
void hmp_mouse_move(struct hmp *hmp, const char *arguments)
{
    struct i8042 *mouse = hmp->vm->inventory.keyboard;
    const char *at[3] = {"", "", ""};
    for (unsigned i = 0; i < 3 && *arguments; i++) {
        at[i] = arguments;
        arguments += strcspn(arguments, " \t");
        arguments += strspn(arguments, " \t");
    }
    if (*arguments)
        hmp_say(hmp, "mouse_move: extraneous characters at the end of line");
    else if (!*at[1])
        hmp_say(hmp, "mouse_move: string expected");
    else if (mouse) {
        long dz = strtol(at[2], NULL, 0);
        i8042_mouse(mouse, bounded(strtol(at[0], NULL, 0)), -bounded(strtol(at[1], NULL, 0)),
                    dz > 0 ? -1 : dz < 0, buttons);
    }
}

// Its bits are a PS/2 mouse's own: left, right, middle.
void hmp_mouse_button(struct hmp *hmp, const char *arguments)
{
    int state = 0;
    if (!*arguments)
        hmp_say(hmp, "unexpected end of expression");
    else if (strpbrk(arguments, " \t"))
        hmp_say(hmp, "mouse_button: extraneous characters at the end of line");
    else if (read_int(hmp, "mouse_button", arguments, &state)) {
        buttons = state & (PS2_LEFT | PS2_RIGHT | PS2_MIDDLE);
        if (hmp->vm->inventory.keyboard)
            i8042_mouse(hmp->vm->inventory.keyboard, 0, 0, 0, buttons);
    }
}
