// SPDX-License-Identifier: GPL-2.0-or-later
//
// The event loop of a process: one libuv loop on the main thread. Character back ends, the
// monitor and gdb live on it. Nothing on it may block.
#pragma once

#include <uv.h>

#include "base/err.h"
#include "base/task_queue.h"

// The loop; created on first use, by the main thread.
uv_loop_t *loop(void);
// Runs until loop_stop. Main thread. sleep may be null.
void loop_run(const struct loop_sleep *sleep);
// Any thread: makes loop_run return soon.
void loop_stop(void);
// Any thread: runs task(opaque) on the loop's thread, in order of the calls.
void loop_post(void (*task)(void *opaque), void *opaque);
