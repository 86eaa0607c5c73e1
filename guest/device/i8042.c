// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/i8042.h"

#include <errno.h>

#include "base/log.h"

enum { STATUS_FULL = 0x01, STATUS_SYSTEM = 0x04, STATUS_COMMAND = 0x08, STATUS_UNLOCKED = 0x10,
       STATUS_MOUSE = 0x20 };
enum { MODE_KEYBOARD_IRQ = 0x01, MODE_MOUSE_IRQ = 0x02, MODE_SYSTEM = 0x04, MODE_NO_KEYBOARD = 0x10,
       MODE_NO_MOUSE = 0x20, MODE_TRANSLATE = 0x40 };
enum { OUTPUT_NOT_RESET = 0x01, OUTPUT_A20 = 0x02, OUTPUT_KEYBOARD = 0x10, OUTPUT_MOUSE = 0x20 };
enum { READ_MODE = 0x20, WRITE_MODE = 0x60, HAS_PASSWORD = 0xa4, DISABLE_MOUSE = 0xa7,
       ENABLE_MOUSE = 0xa8, TEST_MOUSE = 0xa9, SELF_TEST = 0xaa, TEST_KEYBOARD = 0xab,
       DISABLE_KEYBOARD = 0xad, ENABLE_KEYBOARD = 0xae, READ_INPUT_PORT = 0xc0, READ_OUTPUT_PORT = 0xd0,
       WRITE_OUTPUT_PORT = 0xd1, FROM_KEYBOARD = 0xd2, FROM_MOUSE = 0xd3, TO_MOUSE = 0xd4,
       CLOSE_A20 = 0xdd, OPEN_A20 = 0xdf, PULSE = 0xf0 };
enum { PASSED = 0x00, SELF_TEST_PASSED = 0x55, NO_PASSWORD = 0xf1, INPUT_PORT = 0x80, RELEASE = 0xf0 };

static struct i8042 *to_i8042(struct device *dev)
{
    return container_of(dev, struct i8042, dev);
}

static void drive(struct i8042 *c)
{
    irq_set(c->keyboard_irq, c->full && !c->from_mouse && c->mode & MODE_KEYBOARD_IRQ);
    irq_set(c->mouse_irq, c->full && c->from_mouse && c->mode & MODE_MOUSE_IRQ);
}

static void put(struct i8042 *c, uint8_t byte, bool from_mouse)
{
    c->output = byte;
    c->full = true;
    c->from_mouse = from_mouse;
}

// Of set 2 a key's release is a prefix, of set 1 a bit.
static void put_from_keyboard(struct i8042 *c)
{
    uint8_t byte = ps2_take(&c->keyboard.queue);
    bool translate = c->mode & MODE_TRANSLATE;
    if (translate && byte == RELEASE) {
        c->translating_release = true;
        return;
    }
    if (translate)
        byte = ps2_translate(byte) | (c->translating_release ? 0x80 : 0);
    c->translating_release = false;
    put(c, byte, false);
}

// The next byte into the buffer. Each turn takes one, so it ends.
static void fill(struct i8042 *c)
{
    while (!c->full) {
        if (c->answer_waits) {
            c->answer_waits = false;
            put(c, c->answer, c->answer_from_mouse);
        } else if (!(c->mode & MODE_NO_KEYBOARD) && !ps2_is_empty(&c->keyboard.queue)) {
            put_from_keyboard(c);
        } else if (!(c->mode & MODE_NO_MOUSE) && !ps2_is_empty(&c->mouse.queue)) {
            put(c, ps2_take(&c->mouse.queue), true);
            ps2_mouse_report(&c->mouse);
        } else {
            break;
        }
    }
    drive(c);
}

static void answer(struct i8042 *c, uint8_t byte, bool from_mouse)
{
    c->answer = byte;
    c->answer_waits = true;
    c->answer_from_mouse = from_mouse;
}

static void write_output_port(struct i8042 *c, uint8_t value)
{
    c->output_port = value & ~(OUTPUT_KEYBOARD | OUTPUT_MOUSE);
    if (!(value & OUTPUT_NOT_RESET))
        power_request(c->power, POWER_RESET, 0);
}

static uint8_t read_output_port(const struct i8042 *c)
{
    return c->output_port | (!c->full ? 0 : c->from_mouse ? OUTPUT_MOUSE : OUTPUT_KEYBOARD);
}

static void set_mode(struct i8042 *c, uint8_t set, uint8_t clear)
{
    c->mode = (uint8_t)((c->mode & ~clear) | set);
}

// Bit 0 is the processor's reset line, pulsed where it is 0.
static void pulse(struct i8042 *c, uint8_t bits)
{
    if (!(bits & OUTPUT_NOT_RESET))
        power_request(c->power, POWER_RESET, 0);
}

static void self_test(struct i8042 *c)
{
    c->self_tested = true;
    answer(c, SELF_TEST_PASSED, false);
}

static void write_command(struct i8042 *c, uint8_t command)
{
    c->last_was_command = true;
    c->command = 0;
    switch (command) {
    case READ_MODE: answer(c, c->mode, false); break;
    case HAS_PASSWORD: answer(c, NO_PASSWORD, false); break;
    case DISABLE_MOUSE: set_mode(c, MODE_NO_MOUSE, 0); break;
    case ENABLE_MOUSE: set_mode(c, 0, MODE_NO_MOUSE); break;
    case TEST_MOUSE: case TEST_KEYBOARD: answer(c, PASSED, false); break;
    case SELF_TEST: self_test(c); break;
    case DISABLE_KEYBOARD: set_mode(c, MODE_NO_KEYBOARD, 0); break;
    case ENABLE_KEYBOARD: set_mode(c, 0, MODE_NO_KEYBOARD); break;
    case READ_INPUT_PORT: answer(c, INPUT_PORT, false); break;
    case READ_OUTPUT_PORT: answer(c, read_output_port(c), false); break;
    case CLOSE_A20: c->output_port &= ~OUTPUT_A20; break;
    case OPEN_A20: c->output_port |= OUTPUT_A20; break;
    case WRITE_MODE: case WRITE_OUTPUT_PORT: case FROM_KEYBOARD: case FROM_MOUSE: case TO_MOUSE:
        c->command = command;
        break;
    case PULSE ... 0xff: pulse(c, command); break;
    default: log_guest("i8042", "command %#x is unknown", command); break;
    }
}

// Talking to a device starts its clock again, if it was stopped.
static void write_data(struct i8042 *c, uint8_t value)
{
    uint8_t command = c->command;
    c->last_was_command = false;
    c->command = 0;
    switch (command) {
    case WRITE_MODE: c->mode = value; break;
    case WRITE_OUTPUT_PORT: write_output_port(c, value); break;
    case FROM_KEYBOARD: answer(c, value, false); break;
    case FROM_MOUSE: answer(c, value, true); break;
    case TO_MOUSE:
        set_mode(c, 0, MODE_NO_MOUSE);
        ps2_mouse_write(&c->mouse, value);
        break;
    default:
        set_mode(c, 0, MODE_NO_KEYBOARD);
        ps2_keyboard_write(&c->keyboard, value);
        break;
    }
}

static uint8_t read_data(struct i8042 *c)
{
    c->full = false;
    drive(c);
    return c->output;
}

static uint8_t read_status(const struct i8042 *c)
{
    return STATUS_UNLOCKED | (c->full ? STATUS_FULL : 0) | (c->full && c->from_mouse ? STATUS_MOUSE : 0) |
           (c->self_tested || c->mode & MODE_SYSTEM ? STATUS_SYSTEM : 0) |
           (c->last_was_command ? STATUS_COMMAND : 0);
}

static uint64_t i8042_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct i8042 *c = to_i8042(dev);
    (void)size_bytes;
    if (offset == I8042_STATUS)
        return read_status(c);
    uint8_t byte = read_data(c);
    fill(c);
    return byte;
}

static void i8042_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct i8042 *c = to_i8042(dev);
    (void)size_bytes;
    if (offset == I8042_STATUS)
        write_command(c, (uint8_t)value);
    else
        write_data(c, (uint8_t)value);
    fill(c);
}

static void i8042_reset(struct device *dev)
{
    struct i8042 *c = to_i8042(dev);
    c->mode = MODE_KEYBOARD_IRQ | MODE_MOUSE_IRQ;
    c->output_port = OUTPUT_NOT_RESET | OUTPUT_A20;
    c->command = c->output = c->answer = 0;
    c->last_was_command = c->self_tested = c->translating_release = false;
    c->full = c->from_mouse = c->answer_waits = c->answer_from_mouse = false;
    ps2_keyboard_reset(&c->keyboard);
    ps2_mouse_reset(&c->mouse);
    drive(c);
}

static int i8042_loaded(struct device *dev, struct err *err)
{
    struct i8042 *c = to_i8042(dev);
    bool waits = !c->command || c->command == WRITE_MODE || c->command == WRITE_OUTPUT_PORT ||
                 (c->command >= FROM_KEYBOARD && c->command <= TO_MOUSE);
    if (!waits || !ps2_keyboard_is_valid(&c->keyboard) || !ps2_mouse_is_valid(&c->mouse))
        return err_set(err, -EINVAL, "i8042: its state is impossible");
    return 0;
}

static void i8042_started(struct device *dev)
{
    fill(to_i8042(dev));
}

#define FIELD(member) STATE_FIELD(struct i8042, member, 1)
#define QUEUE(device)                                                                          \
    STATE_ARRAY(struct i8042, device.queue.fifo, 1), FIELD(device.queue.head),                 \
    FIELD(device.queue.used), STATE_ARRAY(struct i8042, device.queue.reply, 1),                \
    FIELD(device.queue.reply_used), FIELD(device.queue.last), FIELD(device.queue.in_a_code)

static const struct state_field i8042_state[] = {
    FIELD(mode), FIELD(output_port), FIELD(command), FIELD(last_was_command), FIELD(self_tested),
    FIELD(output), FIELD(full), FIELD(from_mouse),
    FIELD(answer), FIELD(answer_waits), FIELD(answer_from_mouse), FIELD(translating_release),
    QUEUE(keyboard),
    FIELD(keyboard.command), FIELD(keyboard.set), FIELD(keyboard.leds), FIELD(keyboard.enabled),
    QUEUE(mouse),
    FIELD(mouse.command), FIELD(mouse.type), FIELD(mouse.resolution), FIELD(mouse.rate),
    STATE_ARRAY(struct i8042, mouse.rates, 1), FIELD(mouse.enabled), FIELD(mouse.remote),
    FIELD(mouse.wraps), FIELD(mouse.scales), FIELD(mouse.buttons), FIELD(mouse.sent_buttons),
    FIELD(mouse.dx), FIELD(mouse.dy), FIELD(mouse.dz),
    {0},
};

static const struct device_ops i8042_ops = {
    .name = "i8042",
    .state_version = 1,
    .state = i8042_state,
    .read = i8042_read,
    .write = i8042_write,
    .reset = i8042_reset,
    .loaded = i8042_loaded,
    .started = i8042_started,
};

void i8042_init(struct i8042 *c, struct irq_line *keyboard_irq, struct irq_line *mouse_irq,
                struct power_sink *power)
{
    *c = (struct i8042){.dev.ops = &i8042_ops, .keyboard_irq = keyboard_irq, .mouse_irq = mouse_irq,
                        .power = power};
    pthread_mutex_init(&c->dev.lock, NULL);
    i8042_reset(&c->dev);
}

void i8042_finish(struct i8042 *c)
{
    pthread_mutex_destroy(&c->dev.lock);
}

bool i8042_key(struct i8042 *c, uint16_t code, bool down)
{
    pthread_mutex_lock(&c->dev.lock);
    bool taken = ps2_keyboard_key(&c->keyboard, code, down);
    fill(c);
    pthread_mutex_unlock(&c->dev.lock);
    return taken;
}

void i8042_mouse(struct i8042 *c, int dx, int dy, int dz, uint8_t buttons)
{
    pthread_mutex_lock(&c->dev.lock);
    ps2_mouse_move(&c->mouse, dx, dy, dz, buttons);
    fill(c);
    pthread_mutex_unlock(&c->dev.lock);
}
