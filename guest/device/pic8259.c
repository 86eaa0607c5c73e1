// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/pic8259.h"

#include <errno.h>
#include <stdbool.h>

#include "base/bits.h"

enum { CASCADE = 2, DEFAULT_INPUT = 7 };
// ICW1 and the marks that tell OCW3 from OCW2, all at the even port.
enum { ICW1_IC4 = 0x01, ICW1_SINGLE = 0x02, ICW1_LEVEL = 0x08, ICW1_MARK = 0x10, OCW3_MARK = 0x08 };
enum { ICW4_8086 = 0x01, ICW4_AEOI = 0x02, ICW4_NESTED = 0x10 };
// OCW2's commands are its upper three bits.
enum { OCW2_ROTATE_AEOI_OFF, OCW2_EOI, OCW2_NOP, OCW2_SPECIFIC_EOI, OCW2_ROTATE_AEOI_ON,
       OCW2_ROTATE_EOI, OCW2_SET_PRIORITY, OCW2_ROTATE_SPECIFIC_EOI };
enum { OCW3_RIS = 0x01, OCW3_RR = 0x02, OCW3_POLL = 0x04, OCW3_SMM = 0x20, OCW3_ESMM = 0x40 };
enum { POLL_PENDING = 0x80 };

// The timer, the keyboard, the cascade, the RTC and the coprocessor are always edges (ICH9, ELCR1
// and ELCR2).
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

static struct pic8259 *to_pic(struct device *dev)
{
    return container_of(dev, struct pic8259, dev);
}

// The set bit of inputs that has the highest priority, or -1.
static int highest(const struct pic8259_chip *c, uint8_t inputs)
{
    for (unsigned i = 1; i <= 8 && inputs; i++) {
        unsigned input = (c->lowest + i) & 7;
        if (inputs & BIT(input))
            return input;
    }
    return -1;
}

static unsigned rank(const struct pic8259_chip *c, unsigned input)
{
    return (input - c->lowest - 1) & 7;
}

// What in service holds back requests. In special mask mode a masked input does not ("Special Mask
// Mode"); in special fully nested mode the first controller lets the cascade interrupt itself.
static uint8_t blocking(const struct pic8259_chip *c, bool first)
{
    uint8_t inputs = c->isr;
    if (c->special_mask)
        inputs &= ~c->imr;
    if (first && c->icw4 & ICW4_NESTED)
        inputs &= ~BIT(CASCADE);
    return inputs;
}

// The input that would be served now, or -1.
static int pending(const struct pic8259_chip *c, bool first)
{
    if (c->init_step)
        return -1;
    int request = highest(c, c->irr & ~c->imr);
    int service = highest(c, blocking(c, first));
    if (request < 0 || (service >= 0 && rank(c, service) <= rank(c, request)))
        return -1;
    return request;
}

// The second controller's output is a level at the first one's IR2; the first one's is INTR.
static void update(struct pic8259 *p)
{
    struct pic8259_chip *first = &p->chip[0];
    bool cascade = pending(&p->chip[1], false) >= 0;
    first->irr = cascade ? first->irr | BIT(CASCADE) : first->irr & ~BIT(CASCADE);
    bool level = pending(first, true) >= 0;
    if (level == p->intr_level)
        return;
    p->intr_level = level;
    irq_set(p->intr, level);
}

static void set_input(struct pic8259_chip *c, unsigned input, bool level)
{
    uint8_t bit = BIT(input);
    bool rises = level && !(c->levels & bit);
    c->levels = level ? c->levels | bit : c->levels & ~bit;
    if (c->elcr & bit)
        c->irr = level ? c->irr | bit : c->irr & ~bit;
    else if (rises)
        c->irr |= bit;
}

static void set_pin(struct irq_line *line, bool level)
{
    struct pic8259_pin *pin = container_of(line, struct pic8259_pin, line);
    struct pic8259 *p = pin->pic;
    if (pin->number == CASCADE)
        return;
    pthread_mutex_lock(&p->dev.lock);
    set_input(&p->chip[pin->number >> 3], pin->number & 7, level);
    update(p);
    pthread_mutex_unlock(&p->dev.lock);
}

static void serve(struct pic8259_chip *c, unsigned input)
{
    uint8_t bit = BIT(input);
    if (!(c->elcr & bit))
        c->irr &= ~bit;
    if (!(c->icw4 & ICW4_AEOI))
        c->isr |= bit;
    else if (c->rotate_on_aeoi)
        c->lowest = input;
}

// One controller's part of an acknowledge cycle: the input, IR7 if the request went away.
static unsigned acknowledge(struct pic8259_chip *c, bool first)
{
    int input = pending(c, first);
    if (input < 0)
        return DEFAULT_INPUT;
    serve(c, input);
    return input;
}

static int vector_of(struct pic8259 *p)
{
    struct pic8259_chip *first = &p->chip[0], *second = &p->chip[1];
    unsigned input = acknowledge(first, true);
    if (input != CASCADE)
        return first->vector | input;
    return second->vector | acknowledge(second, false);
}

int pic8259_acknowledge(struct pic8259 *pic)
{
    pthread_mutex_lock(&pic->dev.lock);
    int vector = vector_of(pic);
    update(pic);
    pthread_mutex_unlock(&pic->dev.lock);
    return vector;
}

// ICW1 clears everything but the vector, the input lines and their modes ("Initialization Command
// Words 1 and 2"); edges must come anew.
static void begin_init(struct pic8259_chip *c, uint8_t icw1)
{
    c->icw1 = icw1 & (ICW1_IC4 | ICW1_SINGLE | ICW1_LEVEL);
    c->icw4 = 0;
    c->irr = c->levels & c->elcr;
    c->imr = c->isr = 0;
    c->lowest = 7;
    c->read_isr = c->polled = c->special_mask = c->rotate_on_aeoi = 0;
    c->init_step = 2;
}

static void write_icw(struct pic8259_chip *c, uint8_t value)
{
    uint8_t after_icw3 = c->icw1 & ICW1_IC4 ? 4 : 0;
    switch (c->init_step) {
    case 2:
        c->vector = value & 0xf8;
        c->init_step = c->icw1 & ICW1_SINGLE ? after_icw3 : 3;
        break;
    case 3: c->init_step = after_icw3; break;  // a PC's cascade is soldered
    default:
        c->icw4 = value & (ICW4_8086 | ICW4_AEOI | ICW4_NESTED);
        c->init_step = 0;
        break;
    }
}

// The input that an unspecific EOI ends. A masked one in special mask mode is not ended by it.
static int in_service(const struct pic8259_chip *c)
{
    return highest(c, c->special_mask ? c->isr & ~c->imr : c->isr);
}

static void end_of_interrupt(struct pic8259_chip *c, int input, bool rotate)
{
    if (input < 0)
        return;
    c->isr &= ~BIT(input);
    if (rotate)
        c->lowest = input;
}

static void write_ocw2(struct pic8259_chip *c, uint8_t value)
{
    unsigned input = value & 7;
    switch (value >> 5) {
    case OCW2_ROTATE_AEOI_OFF: c->rotate_on_aeoi = 0; break;
    case OCW2_ROTATE_AEOI_ON: c->rotate_on_aeoi = 1; break;
    case OCW2_EOI: end_of_interrupt(c, in_service(c), false); break;
    case OCW2_ROTATE_EOI: end_of_interrupt(c, in_service(c), true); break;
    case OCW2_SPECIFIC_EOI: end_of_interrupt(c, input, false); break;
    case OCW2_ROTATE_SPECIFIC_EOI: end_of_interrupt(c, input, true); break;
    case OCW2_SET_PRIORITY: c->lowest = input; break;
    case OCW2_NOP: break;
    }
}

static void write_ocw3(struct pic8259_chip *c, uint8_t value)
{
    if (value & OCW3_RR)
        c->read_isr = value & OCW3_RIS;
    if (value & OCW3_ESMM)
        c->special_mask = !!(value & OCW3_SMM);
    c->polled = !!(value & OCW3_POLL);
}

static void write_command(struct pic8259_chip *c, uint8_t value)
{
    if (value & ICW1_MARK)
        begin_init(c, value);
    else if (value & OCW3_MARK)
        write_ocw3(c, value);
    else
        write_ocw2(c, value);
}

static void write_data(struct pic8259_chip *c, uint8_t value)
{
    if (c->init_step)
        write_icw(c, value);
    else
        c->imr = value;
}

static void write_elcr(struct pic8259 *p, unsigned which, uint8_t value)
{
    struct pic8259_chip *c = &p->chip[which];
    uint8_t before = c->elcr;
    c->elcr = value & elcr_writable[which];
    // What is a level now follows its line; what was one has had no edge yet.
    c->irr = (c->irr & ~(before | c->elcr)) | (c->levels & c->elcr);
}

// The read after a poll command is an acknowledge cycle ("Poll Command").
static uint8_t read_poll(struct pic8259_chip *c, bool first)
{
    c->polled = 0;
    int input = pending(c, first);
    if (input < 0)
        return 0;
    serve(c, input);
    return POLL_PENDING | input;
}

static uint8_t read_register(struct pic8259 *p, unsigned reg)
{
    if (reg >= PIC8259_ELCR)
        return p->chip[reg & 1].elcr;
    struct pic8259_chip *c = &p->chip[reg >> 1];
    if (c->polled)
        return read_poll(c, reg < PIC8259_SECOND);
    if (reg & 1)
        return c->imr;
    return c->read_isr ? c->isr : c->irr;
}

static void write_register(struct pic8259 *p, unsigned reg, uint8_t value)
{
    if (reg >= PIC8259_ELCR)
        write_elcr(p, reg & 1, value);
    else if (reg & 1)
        write_data(&p->chip[reg >> 1], value);
    else
        write_command(&p->chip[reg >> 1], value);
}

static uint64_t pic_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct pic8259 *p = to_pic(dev);
    uint64_t value = 0;
    for (unsigned i = 0; i < size_bytes && offset + i < PIC8259_REGION_BYTES; i++) {
        value |= (uint64_t)read_register(p, offset + i) << (8 * i);
        update(p);
    }
    return value;
}

static void pic_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct pic8259 *p = to_pic(dev);
    for (unsigned i = 0; i < size_bytes && offset + i < PIC8259_REGION_BYTES; i++) {
        write_register(p, offset + i, value >> (8 * i));
        update(p);
    }
}

// The data sheet leaves open what a controller does before ICW1; here all inputs are masked, as
// nobody has a vector for them. The lines belong to the devices behind them and keep their levels.
static void pic_reset(struct device *dev)
{
    struct pic8259 *p = to_pic(dev);
    for (unsigned i = 0; i < 2; i++)
        p->chip[i] = (struct pic8259_chip){
            .levels = p->chip[i].levels, .imr = 0xff, .lowest = 7};
    update(p);
}

static int chip_loaded(struct pic8259_chip *c, unsigned which, struct err *err)
{
    if (c->lowest > 7 || c->vector & 7)
        return err_set(err, -EINVAL, "i8259: priority %u or vector %#x is impossible", c->lowest,
                       c->vector);
    if (c->init_step == 1 || c->init_step > 4)
        return err_set(err, -EINVAL, "i8259: there is no initialization step %u", c->init_step);
    if (c->elcr & ~elcr_writable[which])
        return err_set(err, -EINVAL, "i8259: edge/level register %#x is impossible", c->elcr);
    if ((c->read_isr | c->polled | c->special_mask | c->rotate_on_aeoi) > 1)
        return err_set(err, -EINVAL, "i8259: a flag is neither 0 nor 1");
    return 0;
}

static int pic_loaded(struct device *dev, struct err *err)
{
    struct pic8259 *p = to_pic(dev);
    for (unsigned i = 0; i < 2; i++) {
        int result = chip_loaded(&p->chip[i], i, err);
        if (result < 0)
            return result;
    }
    return 0;
}

static void pic_started(struct device *dev)
{
    struct pic8259 *p = to_pic(dev);
    update(p);
    irq_set(p->intr, p->intr_level);
}

#define CHIP_STATE(n)                                        \
    STATE_FIELD(struct pic8259, chip[n].irr, 1),             \
    STATE_FIELD(struct pic8259, chip[n].imr, 1),             \
    STATE_FIELD(struct pic8259, chip[n].isr, 1),             \
    STATE_FIELD(struct pic8259, chip[n].levels, 1),          \
    STATE_FIELD(struct pic8259, chip[n].elcr, 1),            \
    STATE_FIELD(struct pic8259, chip[n].vector, 1),          \
    STATE_FIELD(struct pic8259, chip[n].lowest, 1),          \
    STATE_FIELD(struct pic8259, chip[n].init_step, 1),       \
    STATE_FIELD(struct pic8259, chip[n].icw1, 1),            \
    STATE_FIELD(struct pic8259, chip[n].icw4, 1),            \
    STATE_FIELD(struct pic8259, chip[n].read_isr, 1),        \
    STATE_FIELD(struct pic8259, chip[n].polled, 1),          \
    STATE_FIELD(struct pic8259, chip[n].special_mask, 1),    \
    STATE_FIELD(struct pic8259, chip[n].rotate_on_aeoi, 1)

static const struct state_field pic_state[] = {CHIP_STATE(0), CHIP_STATE(1), {0}};

static const struct device_ops pic_ops = {
    .name = "isa-i8259",
    .state_version = 1,
    .state = pic_state,
    .read = pic_read,
    .write = pic_write,
    .reset = pic_reset,
    .loaded = pic_loaded,
    .started = pic_started,
};

void pic8259_init(struct pic8259 *pic, struct irq_line *intr)
{
    *pic = (struct pic8259){.dev.ops = &pic_ops, .intr = intr};
    pthread_mutex_init(&pic->dev.lock, NULL);
    for (unsigned i = 0; i < PIC8259_PINS; i++)
        pic->pins[i] = (struct pic8259_pin){{set_pin}, pic, i};
    pic_reset(&pic->dev);
}

void pic8259_finish(struct pic8259 *pic)
{
    pthread_mutex_destroy(&pic->dev.lock);
}

struct irq_line *pic8259_pin(struct pic8259 *pic, unsigned number)
{
    return &pic->pins[number].line;
}
