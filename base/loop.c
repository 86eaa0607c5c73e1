// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/loop.h"

#include <pthread.h>
#include <stdlib.h>

static uv_loop_t the_loop;
static struct task_queue tasks = TASK_QUEUE_INITIALIZER;
static bool stopped;

static void create_loop(void)
{
    if (uv_loop_init(&the_loop) || task_queue_attach(&tasks, &the_loop))
        abort();  // no descriptors at the very start: nothing of this process can work
}

uv_loop_t *loop(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, create_loop);
    return &the_loop;
}

void loop_run(const struct loop_sleep *sleep)
{
    stopped = false;
    loop_run_with(loop(), &stopped, sleep);
}

// Tasks after it still run; the loop returns when they have.
static void stop(void *opaque)
{
    (void)opaque;
    stopped = true;
}

void loop_stop(void)
{
    loop_post(stop, NULL);
}

void loop_post(void (*run)(void *opaque), void *opaque)
{
    task_queue_post(&tasks, run, opaque);
}
