// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver, and a user who types and moves (device_steps.h). A wire is high only while a byte
// waits, for one of the two devices; what a user did ends after a bounded number of bytes.
#include "tests/fuzz/device_steps.h"

#include "guest/bus/power.h"
#include "guest/device/i8042.h"

// A wheel that was turned as far as is counted comes in packets of four bytes, seven steps each.
enum { BYTES_MAX = 32768 };

static void ignore(struct power_sink *sink, enum power_request request, int code)
{
    (void)sink, (void)code;
    check(request == POWER_RESET);
}

static void drain(struct i8042 *c)
{
    unsigned bytes = 0;
    for (; device_read(&c->dev, I8042_STATUS, 1) & 1; bytes++)
        device_read(&c->dev, I8042_DATA, 1);
    check(bytes < BYTES_MAX);
}

static void use(struct i8042 *c, struct steps *s, unsigned how)
{
    switch (how & 3) {
    case 0: i8042_key(c, (uint16_t)take(s, 2), take(s, 1) & 1); break;
    case 1: i8042_mouse(c, (int)take(s, 4), (int)take(s, 4), (int8_t)take(s, 1), (uint8_t)take(s, 1)); break;
    case 2: drain(c); break;
    case 3:
        device_write(&c->dev, I8042_STATUS, 0xd4, 1);
        device_write(&c->dev, I8042_DATA, take(s, 1), 1);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {data, size_bytes, NULL, 0};
    struct fuzz_wire keyboard = {.line.set = fuzz_wire_set}, mouse = {.line.set = fuzz_wire_set};
    struct power_sink power = {ignore};
    struct i8042 c;
    i8042_init(&c, &keyboard.line, &mouse.line, &power);
    for (unsigned i = 0, own; goes_on(&s, i); i++) {
        if (!step(&s, &c.dev, I8042_REGION_BYTES, &own))
            use(&c, &s, own);
        check(!(keyboard.level && mouse.level));
        check(c.full || (!keyboard.level && !mouse.level));
        check_loadable(&c.dev);
    }
    i8042_finish(&c);
    return 0;
}
