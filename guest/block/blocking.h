// SPDX-License-Identifier: GPL-2.0-or-later
//
// One request, done by calls that block; any thread. Begins where request->progress_bytes says.
#pragma once

#include "guest/block/file.h"

int blocking_run(struct file *f, struct block_request *request);  // 0 or -errno
