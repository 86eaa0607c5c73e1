// SPDX-License-Identifier: GPL-2.0-or-later
//
// The two ports by which a PC resets itself: 0xcf9, the reset control register, and 0x92, the fast
// reset and A20 gate of the PS/2 (ICH9 data sheet, "Processor Interface Registers"). A20 is never
// masked here, and reads so.
#pragma once

#include "guest/bus/power.h"
#include "guest/device/device.h"

// Register offsets of port 0xcf9 and port 0x92.
enum { RESET_CONTROL_CF9, RESET_CONTROL_PORT92, RESET_CONTROL_REGION_BYTES };

struct reset_control {
    struct device dev;
    struct power_sink *power;  // not owned
    uint8_t cf9, port92;
};

void reset_control_init(struct reset_control *control, struct power_sink *power);
void reset_control_finish(struct reset_control *control);
