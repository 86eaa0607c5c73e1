// SPDX-License-Identifier: GPL-2.0-or-later
//
// libslirp's sockets and timers in the I/O thread's event loop. At the end of each turn of the loop libslirp
// hears which sockets are ready, and is then asked for which it waits, if anything has happened to
// it since it last was. libuv tells the kernel only of what differs from before, mostly nothing.
#include <stdlib.h>

#include "base/log.h"
#include "guest/net/user_internal.h"

enum { READ_BITS = SLIRP_POLL_IN | SLIRP_POLL_HUP | SLIRP_POLL_ERR };

static struct user_socket *socket_of(const struct user *u, int fd)
{
    return fd >= 0 && (unsigned)fd < u->sockets_room ? u->socket[fd] : NULL;
}

static void handle_closed(struct user *u)
{
    if (--u->handles == 0 && u->closed)
        sem_post(u->closed);
}

static void socket_closed(uv_handle_t *handle)
{
    struct user_socket *s = handle->data;
    handle_closed(s->user);
    free(s);
}

static void drop_socket(struct user_socket *s)
{
    struct user *u = s->user;
    u->socket[s->fd] = NULL;
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    u->sockets--;
    uv_close((uv_handle_t *)&s->poll, socket_closed);
}

static bool make_room(struct user *u, unsigned fd)
{
    if (fd < u->sockets_room)
        return true;
    unsigned room = (fd + 64) & ~63u;
    struct user_socket **socket = realloc(u->socket, room * sizeof *socket);
    if (!socket)
        return false;
    for (unsigned i = u->sockets_room; i < room; i++)
        socket[i] = NULL;
    u->socket = socket;
    u->sockets_room = room;
    return true;
}

static struct user_socket *watch_socket(struct user *u, int fd)
{
    struct user_socket *s = fd >= 0 && make_room(u, fd) ? calloc(1, sizeof *s) : NULL;
    if (!s || uv_poll_init(io_thread_loop(u->net.thread), &s->poll, fd)) {
        log_guest("net", "socket %d can't be watched", fd);
        free(s);
        return NULL;
    }
    s->poll.data = s;
    s->user = u;
    s->fd = fd;
    s->next = u->all;
    s->link = &u->all;
    if (s->next)
        s->next->link = &s->next;
    u->all = u->socket[fd] = s;
    u->sockets++;
    u->handles++;
    return s;
}

// libslirp has just opened it. One of that number was closed without a word.
static void socket_opened(int fd, void *opaque)
{
    struct user_socket *s = socket_of(opaque, fd);
    if (s)
        drop_socket(s);
}

static void socket_closes(int fd, void *opaque)
{
    struct user_socket *s = socket_of(opaque, fd);
    if (s)
        drop_socket(s);
}

static int want(int fd, int events, void *opaque)
{
    struct user *u = opaque;
    struct user_socket *s = socket_of(u, fd);
    if (!s)
        s = watch_socket(u, fd);
    if (!s)
        return -1;
    s->wanted = events;
    s->fill = u->fill;
    return fd;
}

// An error is reported with no events: libuv has stopped to watch, and so it is asked to anew.
static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct user_socket *s = poll->data;
    s->user->any_ready = true;
    if (status < 0) {
        s->watched = 0;
        s->ready = s->wanted | SLIRP_POLL_ERR;
        return;
    }
    s->ready |= events & UV_READABLE ? SLIRP_POLL_IN : 0;
    s->ready |= events & UV_WRITABLE ? SLIRP_POLL_OUT : 0;
    s->ready |= events & UV_PRIORITIZED ? SLIRP_POLL_PRI : 0;
}

static int uv_events(int wanted)
{
    return (wanted & READ_BITS & ~SLIRP_POLL_ERR ? UV_READABLE : 0) |
           (wanted & SLIRP_POLL_OUT ? UV_WRITABLE : 0) |
           (wanted & SLIRP_POLL_PRI ? UV_PRIORITIZED : 0);
}

static void watch(struct user_socket *s)
{
    int events = s->fill == s->user->fill ? uv_events(s->wanted) : 0;
    if (events == s->watched)
        return;
    s->watched = events;
    if (events)
        uv_poll_start(&s->poll, events, on_ready);
    else
        uv_poll_stop(&s->poll);
}

static void on_timeout(uv_timer_t *timer)
{
    struct user *u = timer->data;
    u->timed_out = true;
}

static void ask(struct user *u)
{
    uint32_t timeout_ms = UINT32_MAX;
    u->changed = false;
    u->fill++;
    user_enter();
    slirp_pollfds_fill(u->slirp, &timeout_ms, want, u);
    user_leave();
    for (struct user_socket *s = u->all; s; s = s->next)
        watch(s);
    if (timeout_ms == UINT32_MAX)
        uv_timer_stop(&u->timeout);
    else
        uv_timer_start(&u->timeout, on_timeout, timeout_ms, 0);
}

static int ready(int fd, void *opaque)
{
    struct user_socket *s = socket_of(opaque, fd);
    return s ? s->ready : 0;
}

static void tell(struct user *u)
{
    u->any_ready = u->timed_out = false;
    user_enter();
    slirp_pollfds_poll(u->slirp, 0, ready, u);
    user_leave();
    for (struct user_socket *s = u->all; s; s = s->next)
        s->ready = 0;
    u->changed = true;
}

static void on_turn(uv_check_t *check)
{
    struct user *u = check->data;
    if (u->any_ready || u->timed_out)
        tell(u);
    if (u->changed)
        ask(u);
    user_flush(u);
}

static int64_t now_ns(void *opaque)
{
    (void)opaque;
    return uv_hrtime();
}

// libslirp has one timer: of router advertisements.
static void on_router_timer(uv_timer_t *timer)
{
    struct user *u = timer->data;
    user_enter();
    slirp_handle_timer(u->slirp, SLIRP_TIMER_RA, u->router_opaque);
    user_leave();
    u->changed = true;
}

static void *new_timer(SlirpTimerId id, void *cb_opaque, void *opaque)
{
    struct user *u = opaque;
    (void)id;
    u->router_opaque = cb_opaque;
    return &u->router_timer;
}

static void free_timer(void *timer, void *opaque)
{
    (void)opaque;
    uv_timer_stop(timer);
}

static void set_timer(void *timer, int64_t expire_ms, void *opaque)
{
    int64_t now_ms = now_ns(opaque) / 1000000;
    uv_timer_start(timer, on_router_timer, expire_ms > now_ms ? expire_ms - now_ms : 0, 0);
}

static void notify(void *opaque)
{
    ((struct user *)opaque)->changed = true;
}

static void guest_error(const char *message, void *opaque)
{
    (void)opaque;
    log_guest("net", "%s", message);
}

const SlirpCb user_callbacks = {
    .send_packet = user_to_guest,
    .guest_error = guest_error,
    .clock_get_ns = now_ns,
    .timer_new_opaque = new_timer,
    .timer_free = free_timer,
    .timer_mod = set_timer,
    .register_poll_fd = socket_opened,
    .unregister_poll_fd = socket_closes,
    .notify = notify,
};

void user_poll_start(struct user *u)
{
    uv_loop_t *loop = io_thread_loop(u->net.thread);
    uv_check_init(loop, &u->check);
    uv_timer_init(loop, &u->timeout);
    uv_timer_init(loop, &u->router_timer);
    u->check.data = u->timeout.data = u->router_timer.data = u;
    u->handles = 3;
    u->changed = true;
    uv_check_start(&u->check, on_turn);
}

static void on_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void user_poll_finish(struct user *u, sem_t *closed)
{
    u->closed = closed;
    while (u->all)
        drop_socket(u->all);
    uv_close((uv_handle_t *)&u->check, on_closed);
    uv_close((uv_handle_t *)&u->timeout, on_closed);
    uv_close((uv_handle_t *)&u->router_timer, on_closed);
}
