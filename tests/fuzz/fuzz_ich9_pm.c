// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver, a clock that jumps, the power button and events (device_steps.h). The SCI is
// what the registers say, and only a write to the sleep bits switches the machine off.
#include "tests/fuzz/device_steps.h"

#include "guest/device/ich9_pm.h"

static unsigned requests;

static void take_request(struct power_sink *sink, enum power_request request, int exit_code)
{
    (void)sink, (void)exit_code;
    check(request == POWER_OFF);
    requests++;
}

static bool sci(const struct ich9_pm *pm)
{
    return pm->pm1_control & 1 && (pm->pm1_status & pm->pm1_enable & 0x521 ||
                                   pm->gpe0_status & pm->gpe0_enable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {data, size_bytes, clock_create_manual(), 0};
    struct fuzz_wire wire = {.line.set = fuzz_wire_set};
    struct power_sink sink = {take_request};
    struct ich9_pm pm;
    ich9_pm_init(&pm, &wire.line, &sink, s.clock);
    for (unsigned i = 0, own; goes_on(&s, i); i++) {
        requests = 0;
        if (!step(&s, &pm.dev, ICH9_PM_REGION_BYTES, &own)) {
            if (own & 1)
                ich9_pm_event(&pm, take(&s, 1) & 63);
            else
                ich9_pm_power_button(&pm);
        }
        clock_advance(s.clock, 0);
        check(wire.level == sci(&pm));
        check(requests <= 1);
        check_loadable(&pm.dev);
    }
    ich9_pm_finish(&pm);
    clock_destroy(s.clock);
    return 0;
}
