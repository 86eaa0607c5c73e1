// SPDX-License-Identifier: GPL-2.0-or-later
//
// A thread with an event loop of its own (libuv), for a back end and the queues that it serves. What
// lives on it is made, used and ended there, so it needs no locks; other threads post tasks to it
// and ring its bells.
//
// Threads: any, unless said otherwise. Making and ending belongs to the main thread.
#pragma once

#include <stdatomic.h>
#include <uv.h>

#include "base/err.h"
#include "base/task_queue.h"

struct io_thread;
// name: at most 15 bytes, as tools show it. sleep may be null; it outlives the thread.
struct io_thread *io_thread_create(const char *name, const struct loop_sleep *sleep, struct err *err);
// Runs what was posted, closes nothing of others: all handles on its loop are closed by then.
void io_thread_destroy(struct io_thread *thread);

uv_loop_t *io_thread_loop(struct io_thread *thread);  // for use on its own thread
bool io_thread_is_current(const struct io_thread *thread);
void io_thread_post(struct io_thread *thread, void (*task)(void *opaque), void *opaque);
// The same, and returns when the task has. On the thread itself, it just calls. No lock that anything
// on the thread takes may be held, nor may the caller be a mem reader that is online.
void io_thread_call(struct io_thread *thread, void (*task)(void *opaque), void *opaque);

// A bell: rung by anybody, with device locks held, it calls answer soon on its thread, once for any
// number of rings before. What the ringer wrote before, answer sees.
struct io_bell {
    struct io_thread *thread;
    void (*answer)(struct io_bell *bell);
    uv_async_t async;
};
void io_bell_init(struct io_bell *bell, struct io_thread *thread, void (*answer)(struct io_bell *bell));
void io_bell_ring(struct io_bell *bell);
void io_bell_finish(struct io_bell *bell);  // when it returns, answer is not called any more
