// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/loop.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct task {
    void (*run)(void *opaque);
    void *opaque;
    struct task *next;
};

static uv_loop_t the_loop;
static uv_async_t wake;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool created;  // guarded by lock, as is the list
static struct task *first, **last = &first;

// Runs what was there when it began: a task that posts another lets the loop's other events
// have their turn first. Tasks after a loop_stop still run; the loop returns when they have.
static void run_tasks(uv_async_t *async)
{
    (void)async;
    pthread_mutex_lock(&lock);
    struct task *tasks = first;
    first = NULL;
    last = &first;
    pthread_mutex_unlock(&lock);
    while (tasks) {
        struct task task = *tasks;
        free(tasks);
        tasks = task.next;
        task.run(task.opaque);
    }
}

static void create_loop(void)
{
    if (uv_loop_init(&the_loop) || uv_async_init(&the_loop, &wake, run_tasks))
        abort();  // no descriptors at the very start: nothing of this process can work
    pthread_mutex_lock(&lock);
    created = true;
    if (first)
        uv_async_send(&wake);
    pthread_mutex_unlock(&lock);
}

uv_loop_t *loop(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, create_loop);
    return &the_loop;
}

void loop_run(void)
{
    uv_run(loop(), UV_RUN_DEFAULT);
}

static void stop_task(void *opaque)
{
    (void)opaque;
    uv_stop(&the_loop);
}

void loop_stop(void)
{
    loop_post(stop_task, NULL);
}

void loop_post(void (*run)(void *opaque), void *opaque)
{
    struct task *task = malloc(sizeof *task);
    if (!task)
        abort();
    *task = (struct task){run, opaque, NULL};
    pthread_mutex_lock(&lock);
    *last = task;
    last = &task->next;
    if (created)
        uv_async_send(&wake);
    pthread_mutex_unlock(&lock);
}
