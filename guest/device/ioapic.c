// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/ioapic.h"

#include <errno.h>

#include "base/bits.h"

// Offsets in the 4 KiB page, and the registers behind the window.
enum { IOREGSEL = 0x00, IOWIN = 0x10, IOEOI = 0x40 };
enum { IOAPICID = 0, IOAPICVER = 1, IOAPICARB = 2, IOREDTBL = 0x10 };

enum { VERSION = 0x20, ID_MASK = 0x0f000000 };

// A redirection entry ("IOREDTBL[23:0]").
enum { ENTRY_LOGICAL = 1 << 11, ENTRY_REMOTE_IRR = 1 << 14, ENTRY_LEVEL = 1 << 15,
       ENTRY_MASKED = 1 << 16, ENTRY_DESTINATION_SHIFT = 56 };
static const uint64_t entry_writable = 0xff0000000001afff;
static const uint64_t entry_valid = 0xff0000000001efff;

enum { DELIVERY_FIXED, DELIVERY_LOWEST };

// SDM volume 3, "Message Address Register Format" and "Message Data Register Format".
enum { MSI_LOGICAL = 1 << 2, MSI_DESTINATION_SHIFT = 12, MSI_ASSERT = 1 << 14, MSI_LEVEL = 1 << 15 };
static const uint64_t msi_base = 0xfee00000;

static struct ioapic *to_ioapic(struct device *dev)
{
    return container_of(dev, struct ioapic, dev);
}

static unsigned delivery_mode(uint64_t entry)
{
    return entry >> 8 & 7;
}

// SMI, NMI, INIT and ExtINT are edges whatever the trigger mode says.
static bool is_level(uint64_t entry)
{
    return entry & ENTRY_LEVEL && delivery_mode(entry) <= DELIVERY_LOWEST;
}

static uint64_t message_address(uint64_t entry)
{
    uint64_t destination = entry >> ENTRY_DESTINATION_SHIFT;
    return msi_base | destination << MSI_DESTINATION_SHIFT | (entry & ENTRY_LOGICAL ? MSI_LOGICAL : 0);
}

static uint32_t message_data(uint64_t entry)
{
    return (entry & 0x7ff) | MSI_ASSERT | (is_level(entry) ? MSI_LEVEL : 0);
}

static void send(struct ioapic *io, unsigned pin)
{
    uint64_t entry = io->entries[pin];
    if (is_level(entry))
        io->entries[pin] |= ENTRY_REMOTE_IRR;
    msi_send(io->msi, message_address(entry), message_data(entry));
}

// A level pin is sent while its line is high and no processor has it in service.
static void serve_level(struct ioapic *io, unsigned pin)
{
    uint64_t entry = io->entries[pin];
    if (is_level(entry) && io->levels & BIT(pin) && !(entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)))
        send(io, pin);
}

static void set_level(struct ioapic *io, unsigned pin, bool level)
{
    bool rises = level && !(io->levels & BIT(pin));
    io->levels = level ? io->levels | BIT(pin) : io->levels & ~BIT(pin);
    if (is_level(io->entries[pin]))
        serve_level(io, pin);
    else if (rises && !(io->entries[pin] & ENTRY_MASKED))
        send(io, pin);
}

static void set_pin(struct irq_line *line, bool level)
{
    struct ioapic_pin *pin = container_of(line, struct ioapic_pin, line);
    pthread_mutex_lock(&pin->ioapic->dev.lock);
    set_level(pin->ioapic, pin->number, level);
    pthread_mutex_unlock(&pin->ioapic->dev.lock);
}

static void end_pin(struct ioapic *io, unsigned pin)
{
    io->entries[pin] &= ~(uint64_t)ENTRY_REMOTE_IRR;
    if (io->pins[pin].end)
        io->pins[pin].end->ended(io->pins[pin].end);
    serve_level(io, pin);
}

static void end_vector(struct ioapic *io, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = io->entries[pin];
        if (entry & ENTRY_REMOTE_IRR && (entry & 0xff) == vector)
            end_pin(io, pin);
    }
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
    pthread_mutex_lock(&ioapic->dev.lock);
    end_vector(ioapic, vector);
    pthread_mutex_unlock(&ioapic->dev.lock);
}

static void tell_route(struct ioapic *io, unsigned pin)
{
    uint64_t entry = io->entries[pin];
    if (io->watch)
        io->watch->route_changed(io->watch, pin, message_address(entry), message_data(entry),
                                 entry & ENTRY_MASKED);
}

// Turning a pin to edge forgets that it was in service: that is how systems without the EOI
// register end a vector by hand.
static void write_entry(struct ioapic *io, unsigned pin, uint64_t value, uint64_t half)
{
    uint64_t writable = entry_writable & half;
    uint64_t entry = (io->entries[pin] & ~writable) | (value & writable);
    if (!is_level(entry))
        entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
    io->entries[pin] = entry;
    tell_route(io, pin);
    serve_level(io, pin);
}

static uint32_t read_window(const struct ioapic *io)
{
    unsigned index = io->select - IOREDTBL;
    if (index < 2 * IOAPIC_PINS)
        return io->entries[index / 2] >> (index & 1 ? 32 : 0);
    switch (io->select) {
    case IOAPICID:
    case IOAPICARB: return io->id;  // the arbitration id follows the id ("IOAPICARB")
    case IOAPICVER: return VERSION | (IOAPIC_PINS - 1) << 16;
    default: return 0;
    }
}

static void write_window(struct ioapic *io, uint32_t value)
{
    unsigned index = io->select - IOREDTBL;
    if (index < 2 * IOAPIC_PINS && index & 1)
        write_entry(io, index / 2, (uint64_t)value << 32, 0xffffffff00000000);
    else if (index < 2 * IOAPIC_PINS)
        write_entry(io, index / 2, value, 0xffffffff);
    else if (io->select == IOAPICID)
        io->id = value & ID_MASK;
}

// The registers are dwords at three addresses; the rest of the page is empty.
static uint64_t ioapic_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct ioapic *io = to_ioapic(dev);
    switch (offset) {
    case IOREGSEL: return io->select;
    case IOWIN: return read_window(io) & size_mask(size_bytes);
    default: return 0;
    }
}

static void ioapic_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct ioapic *io = to_ioapic(dev);
    if (offset == IOREGSEL)
        io->select = value;
    else if (offset == IOWIN && size_bytes >= 4)
        write_window(io, value);
    else if (offset == IOEOI)
        end_vector(io, value);
}

// The lines belong to the devices behind them and keep their levels.
static void ioapic_reset(struct device *dev)
{
    struct ioapic *io = to_ioapic(dev);
    io->id = io->select = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        io->entries[pin] = ENTRY_MASKED;
        tell_route(io, pin);
    }
}

static int ioapic_loaded(struct device *dev, struct err *err)
{
    struct ioapic *io = to_ioapic(dev);
    if (io->levels >> IOAPIC_PINS || io->id & ~ID_MASK)
        return err_set(err, -EINVAL, "ioapic: lines %#x or id %#x do not exist", io->levels, io->id);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = io->entries[pin];
        if (entry & ~entry_valid || (entry & ENTRY_REMOTE_IRR && !is_level(entry)))
            return err_set(err, -EINVAL, "ioapic: entry %u is %#llx", pin, (unsigned long long)entry);
    }
    return 0;
}

// What was sent before the save is in some local APIC already; a level pin that still waits goes now.
static void ioapic_started(struct device *dev)
{
    struct ioapic *io = to_ioapic(dev);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        tell_route(io, pin);
        serve_level(io, pin);
    }
}

static const struct state_field ioapic_state[] = {
    STATE_ARRAY(struct ioapic, entries, 1),
    STATE_FIELD(struct ioapic, levels, 1),
    STATE_FIELD(struct ioapic, id, 1),
    STATE_FIELD(struct ioapic, select, 1),
    {0},
};

static const struct device_ops ioapic_ops = {
    .name = "ioapic",
    .state_version = 1,
    .state = ioapic_state,
    .read = ioapic_read,
    .write = ioapic_write,
    .reset = ioapic_reset,
    .loaded = ioapic_loaded,
    .started = ioapic_started,
};

void ioapic_init(struct ioapic *ioapic, struct msi_sink *msi, struct ioapic_watch *watch)
{
    *ioapic = (struct ioapic){.dev.ops = &ioapic_ops, .msi = msi, .watch = watch};
    pthread_mutex_init(&ioapic->dev.lock, NULL);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->pins[pin] = (struct ioapic_pin){{set_pin}, ioapic, NULL, pin};
    ioapic_reset(&ioapic->dev);
}

void ioapic_finish(struct ioapic *ioapic)
{
    pthread_mutex_destroy(&ioapic->dev.lock);
}

struct irq_line *ioapic_pin(struct ioapic *ioapic, unsigned number)
{
    return &ioapic->pins[number].line;
}

void ioapic_listen(struct ioapic *ioapic, unsigned number, struct irq_end *end)
{
    ioapic->pins[number].end = end;
}
