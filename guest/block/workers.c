// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/block/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "guest/block/blocking.h"

struct workers {
    struct file *file;
    struct io_bell bell;
    pthread_attr_t attributes;
    unsigned count;
    pthread_t thread[WORKERS_MAX];
    pthread_mutex_t lock;  // guards all below
    pthread_cond_t changed;
    struct block_request *first, *last;  // to do
    struct block_request *done;
    unsigned idle, to_do;
    bool end;
};

static struct block_request *take(struct workers *w)
{
    struct block_request *request = w->first;
    w->first = request->next;
    if (!w->first)
        w->last = NULL;
    w->to_do--;
    return request;
}

static void give_back(struct workers *w, struct block_request *request)
{
    bool first = !w->done;
    request->next = w->done;
    w->done = request;
    if (first)
        io_bell_ring(&w->bell);
}

static void *work(void *opaque)
{
    struct workers *w = opaque;
    pthread_mutex_lock(&w->lock);
    while (!w->end) {
        if (!w->first) {
            w->idle++;
            pthread_cond_wait(&w->changed, &w->lock);
            w->idle--;
            continue;
        }
        struct block_request *request = take(w);
        pthread_mutex_unlock(&w->lock);
        request->result = blocking_run(w->file, request);
        pthread_mutex_lock(&w->lock);
        give_back(w, request);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static struct block_request *take_done(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    struct block_request *done = w->done;
    w->done = NULL;
    pthread_mutex_unlock(&w->lock);
    return done;
}

static void on_done(struct io_bell *bell)
{
    struct workers *w = (struct workers *)((char *)bell - offsetof(struct workers, bell));
    struct file *f = w->file;
    struct block_request *next;
    for (struct block_request *request = take_done(w); request; request = next) {
        next = request->next;
        file_done(request, request->result);
    }
    block_finish_batch(&f->b);
}

// Signals are the main thread's and the vCPUs'.
static int add_thread(struct workers *w)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread[w->count], &w->attributes, work, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return -rc;
    pthread_setname_np(w->thread[w->count++], "konuk-block");
    return 0;
}

struct workers *workers_create(struct file *f, struct err *err)
{
    struct workers *w = calloc(1, sizeof *w);
    if (!w) {
        err_set(err, -ENOMEM, "no memory for block threads");
        return NULL;
    }
    w->file = f;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    pthread_attr_init(&w->attributes);
    pthread_attr_setstacksize(&w->attributes, 128 << 10);
    io_bell_init(&w->bell, f->b.thread, on_done);
    int failed = add_thread(w);  // later ones may fail, this one may not
    if (!failed)
        return w;
    err_set(err, failed, "block thread: %s", strerror(-failed));
    workers_destroy(w);
    return NULL;
}

void workers_destroy(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->end = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->count; i++)
        pthread_join(w->thread[i], NULL);
    io_bell_finish(&w->bell);
    pthread_attr_destroy(&w->attributes);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w);
}

void workers_submit(struct workers *w, struct block_request *request)
{
    request->next = NULL;
    pthread_mutex_lock(&w->lock);
    if (w->last)
        w->last->next = request;
    else
        w->first = request;
    w->last = request;
    bool add = ++w->to_do > w->idle && w->count < WORKERS_MAX;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    if (add)
        add_thread(w);
}
