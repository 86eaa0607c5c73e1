// SPDX-License-Identifier: GPL-2.0-or-later
//
// What -device makes: the drivers that there are, and how each is built from its properties and plugged in.
//
// Everything is made before the machine is powered up, so what can't be is told, under its option, before
// the guest has run. The machine owns the devices from then on.
#pragma once

#include "guest/control/inventory.h"
#include "guest/control/options.h"
#include "guest/machine/q35.h"

// Before the machine: what is soldered to a board in the end. Serial ports take the places that -serial left.
int devices_configure(struct options *options, struct q35_config *config, struct err *err);
// After: in order, then a name for each card and disk in the lists.
int devices_plug(struct options *options, struct q35 *q35, struct err *err);
struct inventory_net *devices_nets(void);
