// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/block/block.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest/block/file.h"
#include "guest/block/probe.h"

struct block *block_open(const struct block_config *config, struct io_thread *thread, struct err *err)
{
    const char *format = config->format;
    if (format && strcmp(format, "raw")) {
        err_set(err, -ENOTSUP, probe_is_known(format) ? "Block format '%s' is not supported yet"
                                                      : "Unknown driver '%s'", format);
        return NULL;
    }
    return file_open(config, thread, err);
}

void block_init(struct block *b, const struct block_ops *ops, struct io_thread *thread)
{
    *b = (struct block){.ops = ops, .thread = thread, .info.block_bytes = 512};
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void block_submit(struct block *b, struct block_request *request)
{
    assert(io_thread_is_current(b->thread));
    request->block = b;
    request->next = NULL;
    request->progress_bytes = 0;
    request->marks = 0;
    request->begin_ns = now_ns();
    b->in_flight++;
    b->ops->submit(b, request);
}

static void count(struct block *b, const struct block_request *request, int result)
{
    enum block_operation operation = request->operation;
    if (result < 0) {
        b->stats.failed[operation]++;
        return;
    }
    b->stats.operations[operation]++;
    b->stats.bytes[operation] += operation == BLOCK_FLUSH ? 0 : request->size_bytes;
    b->stats.ns[operation] += now_ns() - request->begin_ns;
}

static void tell_drained(struct block *b)
{
    void (*drained)(void *opaque) = b->drained;
    if (!drained || b->in_flight)
        return;
    b->drained = NULL;
    drained(b->drained_opaque);
}

void block_finish(struct block_request *request, int result)
{
    struct block *b = request->block;
    assert(b->in_flight);
    count(b, request, result);
    request->result = result;
    b->in_flight--;
    request->done(request);  // which may free it, or submit it again
}

void block_finish_batch(struct block *b)
{
    if (b->batch_done)
        b->batch_done(b->batch_opaque);
    tell_drained(b);
}

static void drained_already(void *opaque)
{
    tell_drained(opaque);
}

void block_drain(struct block *b, void (*drained)(void *opaque), void *opaque)
{
    assert(!b->drained);
    b->drained = drained;
    b->drained_opaque = opaque;
    if (!b->in_flight)
        io_thread_post(b->thread, drained_already, b);
}

// Something that another thread waits for.
struct wait {
    struct block *block;
    struct block_request request;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over;
};

static void end_wait(void *opaque)
{
    struct wait *wait = opaque;
    pthread_mutex_lock(&wait->lock);
    wait->over = true;
    pthread_cond_signal(&wait->changed);
    pthread_mutex_unlock(&wait->lock);
}

static void run_and_wait(struct wait *wait, void (*task)(void *opaque))
{
    pthread_mutex_init(&wait->lock, NULL);
    pthread_cond_init(&wait->changed, NULL);
    io_thread_post(wait->block->thread, task, wait);
    pthread_mutex_lock(&wait->lock);
    while (!wait->over)
        pthread_cond_wait(&wait->changed, &wait->lock);
    pthread_mutex_unlock(&wait->lock);
    pthread_mutex_destroy(&wait->lock);
    pthread_cond_destroy(&wait->changed);
}

static void call_done(struct block_request *request)
{
    end_wait((char *)request - offsetof(struct wait, request));
}

static void submit_call(void *opaque)
{
    struct wait *wait = opaque;
    block_submit(wait->block, &wait->request);
}

int block_call(struct block *b, struct block_request *request)
{
    struct wait wait = {.block = b, .request = *request};
    wait.request.done = call_done;
    run_and_wait(&wait, submit_call);
    return request->result = wait.request.result;
}

static void drain_call(void *opaque)
{
    struct wait *wait = opaque;
    block_drain(wait->block, end_wait, wait);
}

void block_close(struct block *b)
{
    if (!b)
        return;
    struct wait wait = {.block = b};
    run_and_wait(&wait, drain_call);
    b->ops->close(b);
    free(b->path);
    free(b);
}
