// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver, a clock that jumps and the two legacy inputs (device_steps.h). However short
// the periods, interrupts are bounded by the time that went by; a line stands as the device
// remembers it.
#include "tests/fuzz/device_steps.h"

#include "guest/device/hpet.h"

enum { WIRES = HPET_PINS + 2 };

static struct fuzz_wire wires[WIRES];

static unsigned edges(void)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < WIRES; i++)
        sum += wires[i].edges;
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {data, size_bytes, clock_create_manual(), 0};
    for (unsigned i = 0; i < WIRES; i++)
        wires[i] = (struct fuzz_wire){.line.set = fuzz_wire_set};
    struct hpet_lines lines = {.timer = &wires[HPET_PINS].line, .rtc = &wires[HPET_PINS + 1].line};
    for (unsigned i = 0; i < HPET_PINS; i += 2)  // the odd ones are not there
        lines.gsi[i] = &wires[i].line;
    struct hpet hpet;
    hpet_init(&hpet, &lines, s.clock);
    for (unsigned i = 0, own; goes_on(&s, i); i++) {
        unsigned before = edges();
        if (!step(&s, &hpet.dev, HPET_REGION_BYTES, &own))
            irq_set(own & 1 ? hpet_legacy_timer(&hpet) : hpet_legacy_rtc(&hpet), own & 2);
        check(edges() - before <= 2 * HPET_TIMERS * (s.advanced_ns / PERIODIC_FLOOR_NS + 2));
        for (unsigned n = 0; n < WIRES; n++)
            check(wires[n].level == !!(hpet.driven & BIT(n)));
        check_loadable(&hpet.dev);
    }
    hpet_finish(&hpet);
    clock_destroy(s.clock);
    return 0;
}
