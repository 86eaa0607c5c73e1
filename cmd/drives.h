// SPDX-License-Identifier: GPL-2.0-or-later
//
// The disks' contents of this process: every -drive and -blockdev, open from before the machine is made
// until after it has ended.
#pragma once

#include "guest/control/inventory.h"
#include "guest/control/options.h"

struct drive {
    struct option_drive *option;
    struct block *block;
    struct io_thread *thread;
    bool taken;  // a device uses it
    char qdev[128], node[32];  // node: for monitors, where the option names none
    struct inventory_disk entry;
};

// Each on the thread that its device will be on. The sentence names the option.
int drives_open(struct options *options, struct err *err);
struct drive *drives_find(const char *id);  // null: none
struct inventory_disk *drives_list(void);
// What was written and is still in a cache is on the disk when this returns. No device uses any.
void drives_close(void);
