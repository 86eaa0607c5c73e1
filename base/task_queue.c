// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/task_queue.h"

#include <poll.h>
#include <stdlib.h>

struct task {
    void (*run)(void *opaque);
    void *opaque;
    struct task *next;
};

// Runs what was there when it began.
static void run_tasks(uv_async_t *wake)
{
    struct task_queue *queue = wake->data;
    pthread_mutex_lock(&queue->lock);
    struct task *tasks = queue->first;
    queue->first = queue->last = NULL;
    pthread_mutex_unlock(&queue->lock);
    while (tasks) {
        struct task task = *tasks;
        free(tasks);
        tasks = task.next;
        task.run(task.opaque);
    }
}

int task_queue_attach(struct task_queue *queue, uv_loop_t *loop)
{
    int rc = uv_async_init(loop, &queue->wake, run_tasks);
    if (rc)
        return rc;
    queue->wake.data = queue;
    pthread_mutex_lock(&queue->lock);
    queue->attached = true;
    if (queue->first)
        uv_async_send(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
    return 0;
}

void task_queue_detach(struct task_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->attached = false;
    pthread_mutex_unlock(&queue->lock);
    uv_close((uv_handle_t *)&queue->wake, NULL);
}

void task_queue_post(struct task_queue *queue, void (*run)(void *opaque), void *opaque)
{
    struct task *task = malloc(sizeof *task);
    if (!task)
        abort();
    *task = (struct task){run, opaque, NULL};
    pthread_mutex_lock(&queue->lock);
    if (queue->last)
        queue->last->next = task;
    else
        queue->first = task;
    queue->last = task;
    if (queue->attached)
        uv_async_send(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}

// libuv calls back in the middle of its sleeping, so it is made to look only, and the sleep is ours.
void loop_run_with(uv_loop_t *loop, const bool *stop, const struct loop_sleep *sleep)
{
    struct pollfd wait = {.fd = uv_backend_fd(loop), .events = POLLIN};
    while (uv_run(loop, UV_RUN_NOWAIT), !*stop) {
        if (sleep)
            sleep->before();
        poll(&wait, 1, uv_backend_timeout(loop));
        if (sleep)
            sleep->after();
    }
}
