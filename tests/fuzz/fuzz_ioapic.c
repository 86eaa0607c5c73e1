// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver, noisy lines and ends of interrupt (device_steps.h). A message goes to the local
// APICs' address range, carries nothing but its fields, and a step sends at most one a pin; a
// level pin in service is not sent again.
#include "tests/fuzz/device_steps.h"

#include "guest/device/ioapic.h"

static unsigned sent;

static void sink_send(struct msi_sink *sink, uint64_t address, uint32_t data)
{
    (void)sink;
    sent++;
    check((address & ~UINT64_C(0xff004)) == 0xfee00000);
    check((data & ~0xc7ffu) == 0 && data & 0x4000);
}

static void check_entries(const struct ioapic *io)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = io->entries[pin];
        bool waits = io->levels & BIT(pin) && (entry & 0x1c000) == 0x8000 && (entry & 0x600) == 0;
        check(!waits);  // a high level line that is neither masked nor in service was sent
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {data, size_bytes, NULL, 0};
    struct msi_sink sink = {sink_send};
    struct ioapic io;
    ioapic_init(&io, &sink, NULL);
    for (unsigned i = 0, own; goes_on(&s, i); i++) {
        sent = 0;
        if (!step(&s, &io.dev, IOAPIC_REGION_BYTES, &own)) {
            unsigned operand = take(&s, 1);
            if (own & 1)
                ioapic_eoi(&io, operand);
            else if (own & 2)
                irq_set(ioapic_pin(&io, operand % IOAPIC_PINS), operand & 128);
            else
                device_write(&io.dev, own & 4 ? 0x10 : 0, take(&s, 4), 4);
        }
        check(sent <= IOAPIC_PINS);
        check_entries(&io);
        check_loadable(&io.dev);
    }
    ioapic_finish(&io);
    return 0;
}
