// SPDX-License-Identifier: GPL-2.0-or-later
//
// A port at which a test guest ends its process: writing n asks for exit status (n << 1) | 1, which
// is never 0. The interface is that of QEMU's isa-debug-exit; its usual place is port 0x501.
#pragma once

#include "guest/bus/power.h"
#include "guest/device/device.h"

enum { DEBUG_EXIT_REGION_BYTES = 2 };

struct debug_exit {
    struct device dev;
    struct power_sink *power;  // not owned
};

void debug_exit_init(struct debug_exit *exit, struct power_sink *power);
void debug_exit_finish(struct debug_exit *exit);
