// SPDX-License-Identifier: GPL-2.0-or-later
//
// QEMU's paravirtual panic notifier (its docs/specs/pvpanic): one port. Reading it says which events may
// be reported; writing reports: bit 0, the guest has panicked; bit 1, it has, and runs a crash kernel now.
//
// Threads: as device.h.
#pragma once

#include "guest/bus/power.h"
#include "guest/device/device.h"

enum { PVPANIC_PORT = 0x505, PVPANIC_PORTS = 1 };
enum { PVPANIC_PANICKED = 1, PVPANIC_CRASHLOADED = 2 };

struct pvpanic {
    struct device dev;
    struct power_sink *power;  // not owned
    uint8_t events;
};

void pvpanic_init(struct pvpanic *p, struct power_sink *power, uint8_t events);
void pvpanic_finish(struct pvpanic *p);
