// SPDX-License-Identifier: GPL-2.0-or-later
//
// Opens what -chardev describes (QEMU, qapi/char.json).
#pragma once

#include "guest/chr/backend.h"
#include "guest/control/options.h"

// Null and a sentence that names the option.
struct chr_backend *chardev_open(struct option_chardev *chardev, struct err *err);
