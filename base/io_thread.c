// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/io_thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct io_thread {
    uv_loop_t loop;
    struct task_queue tasks;
    const struct loop_sleep *sleep;
    pthread_t thread;
    bool stop;
};

static void *run(void *opaque)
{
    struct io_thread *t = opaque;
    if (t->sleep)
        t->sleep->after();
    loop_run_with(&t->loop, &t->stop, t->sleep);
    task_queue_detach(&t->tasks);
    uv_run(&t->loop, UV_RUN_DEFAULT);  // until all that was closed is
    if (t->sleep)
        t->sleep->before();
    return NULL;
}

// Signals are the main thread's and the vCPUs'.
static int start(struct io_thread *t, const char *name)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        pthread_setname_np(t->thread, name);
    return rc;
}

struct io_thread *io_thread_create(const char *name, const struct loop_sleep *sleep, struct err *err)
{
    struct io_thread *t = calloc(1, sizeof *t);
    if (!t) {
        err_set(err, -ENOMEM, "no memory for I/O thread %s", name);
        return NULL;
    }
    t->tasks = (struct task_queue)TASK_QUEUE_INITIALIZER;
    t->sleep = sleep;
    int rc = -uv_loop_init(&t->loop);
    if (rc) {
        free(t);
        err_set(err, -rc, "I/O thread %s: %s", name, strerror(rc));
        return NULL;
    }
    rc = -task_queue_attach(&t->tasks, &t->loop);
    if (rc == 0 && (rc = start(t, name)) == 0)
        return t;
    err_set(err, -rc, "I/O thread %s: %s", name, strerror(rc));
    if (t->tasks.attached)
        task_queue_detach(&t->tasks);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    uv_loop_close(&t->loop);
    free(t);
    return NULL;
}

static void stop(void *opaque)
{
    ((struct io_thread *)opaque)->stop = true;
}

void io_thread_destroy(struct io_thread *t)
{
    if (!t)
        return;
    io_thread_post(t, stop, t);
    pthread_join(t->thread, NULL);
    uv_loop_close(&t->loop);
    free(t);
}

uv_loop_t *io_thread_loop(struct io_thread *t)
{
    return &t->loop;
}

bool io_thread_is_current(const struct io_thread *t)
{
    return pthread_equal(pthread_self(), t->thread);
}

void io_thread_post(struct io_thread *t, void (*task)(void *opaque), void *opaque)
{
    task_queue_post(&t->tasks, task, opaque);
}

struct call {
    void (*task)(void *opaque);
    void *opaque;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void make_call(void *opaque)
{
    struct call *call = opaque;
    call->task(call->opaque);
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->changed);
    pthread_mutex_unlock(&call->lock);
}

void io_thread_call(struct io_thread *t, void (*task)(void *opaque), void *opaque)
{
    struct call call = {task, opaque, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    if (io_thread_is_current(t)) {
        task(opaque);
        return;
    }
    io_thread_post(t, make_call, &call);
    pthread_mutex_lock(&call.lock);
    while (!call.done)
        pthread_cond_wait(&call.changed, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_mutex_destroy(&call.lock);
    pthread_cond_destroy(&call.changed);
}

static void on_async(uv_async_t *async)
{
    struct io_bell *bell = async->data;
    bell->answer(bell);
}

static void open_bell(void *opaque)
{
    struct io_bell *bell = opaque;
    bell->async.data = bell;
    if (uv_async_init(&bell->thread->loop, &bell->async, on_async))
        abort();  // it allocates nothing once the loop has its first handle
}

void io_bell_init(struct io_bell *bell, struct io_thread *thread, void (*answer)(struct io_bell *bell))
{
    bell->thread = thread;
    bell->answer = answer;
    io_thread_call(thread, open_bell, bell);
}

void io_bell_ring(struct io_bell *bell)
{
    uv_async_send(&bell->async);
}

// The close callback comes in the loop's next turn, after which nothing points to the handle.
struct closing {
    struct io_bell *bell;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void on_closed(uv_handle_t *handle)
{
    struct closing *closing = handle->data;
    pthread_mutex_lock(&closing->lock);
    closing->done = true;
    pthread_cond_signal(&closing->changed);
    pthread_mutex_unlock(&closing->lock);
}

// On the thread, where a ring that is still to be answered finds the bell, or a handle that is closing.
static void close_bell(void *opaque)
{
    struct closing *closing = opaque;
    closing->bell->async.data = closing;
    uv_close((uv_handle_t *)&closing->bell->async, on_closed);
}

void io_bell_finish(struct io_bell *bell)
{
    struct closing closing = {bell, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    io_thread_post(bell->thread, close_bell, &closing);
    pthread_mutex_lock(&closing.lock);
    while (!closing.done)
        pthread_cond_wait(&closing.changed, &closing.lock);
    pthread_mutex_unlock(&closing.lock);
    pthread_mutex_destroy(&closing.lock);
    pthread_cond_destroy(&closing.changed);
}
