// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver and a clock that jumps (device_steps.h). However short the period, interrupts
// are no more frequent than PERIODIC_FLOOR_NS allows, and the next edge is always awaited.
#include "tests/fuzz/device_steps.h"

#include "guest/device/pit8254.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {data, size_bytes, clock_create_manual(), 0};
    struct fuzz_wire irq = {.line.set = fuzz_wire_set};
    struct pit8254 pit;
    pit8254_init(&pit, &irq.line, s.clock);
    for (unsigned i = 0, own; goes_on(&s, i); i++) {
        irq.edges = 0;
        if (!step(&s, &pit.dev, PIT8254_REGION_BYTES, &own))
            device_write(&pit.dev, own % PIT8254_REGION_BYTES, take(&s, 1), 1);
        check(irq.edges <= s.advanced_ns / PERIODIC_FLOOR_NS + 4);
        check(pit.edge_tick == UINT64_MAX || pit.timer.heap_index ||
              ns_of_ticks(pit.edge_tick, PIT8254_HZ) == NEVER_NS);
        check_loadable(&pit.dev);
    }
    pit8254_finish(&pit);
    clock_destroy(s.clock);
    return 0;
}
