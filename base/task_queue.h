// SPDX-License-Identifier: GPL-2.0-or-later
//
// What other threads ask of a loop's thread: tasks, run in the order in which they were posted. And how
// such a loop sleeps: its thread may have something to let go of before, and to take up after.
//
// A task that posts another lets the loop's other events have their turn first.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

#include "base/loop_sleep.h"

struct task;

struct task_queue {
    uv_async_t wake;
    pthread_mutex_t lock;  // guards all below
    bool attached;
    struct task *first, *last;
};
#define TASK_QUEUE_INITIALIZER {.lock = PTHREAD_MUTEX_INITIALIZER}

// The loop's thread, or before it runs. Tasks that were posted earlier wait until then. 0 or a
// negative number of libuv's.
int task_queue_attach(struct task_queue *queue, uv_loop_t *loop);
void task_queue_detach(struct task_queue *queue);  // the handle closes in the loop's next turn
void task_queue_post(struct task_queue *queue, void (*run)(void *opaque), void *opaque);  // any thread

// Runs loop until *stop, which something that runs on it sets. sleep may be null.
void loop_run_with(uv_loop_t *loop, const bool *stop, const struct loop_sleep *sleep);
