// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/chr/watch.h"

#include <stdlib.h>

#include "base/loop.h"

struct watch {
    union {
        uv_handle_t handle;
        uv_poll_t poll;
        uv_idle_t idle;  // where there is nothing to wait for
    };
    bool always, enabled;
    int events;
    void (*ready)(void *opaque);
    void *opaque;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;  // an error is found by whoever reads or writes
    struct watch *w = poll->data;
    w->ready(w->opaque);
}

static void on_idle(uv_idle_t *idle)
{
    struct watch *w = idle->data;
    w->ready(w->opaque);
}

struct watch *watch_create(int fd, enum watch_for what, void (*ready)(void *opaque), void *opaque)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct watch){.events = what == WATCH_READ ? UV_READABLE : UV_WRITABLE,
                        .ready = ready, .opaque = opaque};
    w->always = uv_poll_init(loop(), &w->poll, fd) != 0;
    if (w->always)
        uv_idle_init(loop(), &w->idle);
    w->handle.data = w;
    return w;
}

void watch_enable(struct watch *w, bool enabled)
{
    if (w->enabled == enabled)
        return;
    w->enabled = enabled;
    if (w->always)
        enabled ? uv_idle_start(&w->idle, on_idle) : uv_idle_stop(&w->idle);
    else
        enabled ? uv_poll_start(&w->poll, w->events, on_poll) : uv_poll_stop(&w->poll);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watch_destroy(struct watch *w)
{
    if (!w)
        return;
    watch_enable(w, false);
    uv_close(&w->handle, on_closed);
}
