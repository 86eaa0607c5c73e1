// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/chr/mux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"

enum { WAITING_KEYS = 4096 };

struct port {
    struct chr chr;
    struct mux *mux;
    const struct chr_front *front;
    void *opaque;
    uint32_t starved;  // atomic: keys wait for room
    size_t head, used;
    uint8_t keys[WAITING_KEYS];
};

struct mux {
    struct chr_backend base;
    struct chr_backend *below;
    unsigned ports, focus;
    bool escaped;
    struct port port[CHR_MUX_PORTS];
};

static uint8_t escape_key = 1;  // Ctrl-A
static void (*ask_exit)(void);

static struct mux *to_mux(struct chr_backend *b)
{
    return (struct mux *)b;
}

static void say(struct mux *m, const char *text)
{
    m->below->chr.ops->write(&m->below->chr, (const uint8_t *)text, strlen(text));
}

static void notify(struct port *p, enum chr_event event)
{
    if (p->front && p->chr.event)
        p->chr.event(p->opaque, event);
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t n = a < b ? a : b;
    return n < c ? n : c;
}

// The flag is raised before the second look, so that room made in between is not missed.
static size_t room_or_starve(struct port *p)
{
    size_t room = p->front->room(p->opaque);
    if (room)
        return room;
    __atomic_store_n(&p->starved, 1, __ATOMIC_SEQ_CST);
    return p->front->room(p->opaque);
}

// Gives the front what waits, as far as it has room.
static void pump(struct port *p)
{
    while (p->used && p->front) {
        size_t n = least(room_or_starve(p), p->used, WAITING_KEYS - p->head);
        if (!n)
            return;
        p->front->receive(p->opaque, p->keys + p->head, n);
        p->head = (p->head + n) % WAITING_KEYS;
        p->used -= n;
    }
}

static void queue(struct port *p, uint8_t key)
{
    if (p->used == WAITING_KEYS)
        return;
    p->keys[(p->head + p->used++) % WAITING_KEYS] = key;
}

static void move_focus(struct mux *m)
{
    m->focus = (m->focus + 1) % m->ports;
    notify(&m->port[m->focus], CHR_FOCUSED);
}

static void help(struct mux *m)
{
    char escape[] = {'C', '-', (char)(escape_key + '@'), 0};
    static const char *const keys[] = {
        " h    this help\r\n", " x    end the virtual machine\r\n",
        " b    send a break\r\n", " c    switch between console and monitor\r\n",
    };
    say(m, "\r\n");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        say(m, escape);
        say(m, keys[i]);
    }
}

static void escaped_key(struct mux *m, uint8_t key)
{
    struct port *p = &m->port[m->focus];
    switch (key) {
    case 'h': case '?': help(m); break;
    case 'c': move_focus(m); break;
    case 'b': if (p->front) p->front->line_break(p->opaque); break;
    case 'x':
        say(m, "QEMU: Terminated\r\n");
        if (ask_exit)
            ask_exit();
        break;
    default:
        if (key == escape_key)
            queue(p, key);
    }
}

static void mux_receive(void *opaque, const uint8_t *bytes, size_t size_bytes)
{
    struct mux *m = opaque;
    if (!m->ports)
        return;
    for (size_t i = 0; i < size_bytes; i++) {
        bool escaped = m->escaped;
        m->escaped = !escaped && bytes[i] == escape_key;
        if (escaped)
            escaped_key(m, bytes[i]);
        else if (!m->escaped)
            queue(&m->port[m->focus], bytes[i]);
    }
    for (unsigned i = 0; i < m->ports; i++)
        pump(&m->port[i]);
}

static size_t mux_room(void *opaque)
{
    (void)opaque;
    return WAITING_KEYS;
}

static void mux_break(void *opaque)
{
    struct mux *m = opaque;
    struct port *p = &m->port[m->focus];
    if (p->front)
        p->front->line_break(p->opaque);
}

static const struct chr_front mux_front = {mux_room, mux_receive, mux_break};

// Only who has the focus hears that somebody came: the others greet when they get it.
static void mux_event(void *opaque, enum chr_event event)
{
    struct mux *m = opaque;
    m->base.opened = event != CHR_CLOSED;
    m->escaped = false;
    for (unsigned i = 0; i < m->ports; i++)
        if (event == CHR_CLOSED || i == m->focus)
            notify(&m->port[i], event);
}

static void port_attach(struct chr *chr, const struct chr_front *front, void *opaque)
{
    struct port *p = (struct port *)chr;
    p->opaque = opaque;
    p->front = front;
    if (p->mux->base.opened && p == &p->mux->port[p->mux->focus])
        notify(p, CHR_OPENED);
    pump(p);
}

static void port_write(struct chr *chr, const uint8_t *bytes, size_t size_bytes)
{
    struct chr *below = &((struct port *)chr)->mux->below->chr;
    below->ops->write(below, bytes, size_bytes);
}

static void pump_posted(void *opaque)
{
    pump(opaque);
}

static void port_room_changed(struct chr *chr)
{
    struct port *p = (struct port *)chr;
    if (__atomic_exchange_n(&p->starved, 0, __ATOMIC_ACQ_REL))
        loop_post(pump_posted, p);
}

static const struct chr_ops port_ops = {port_attach, port_write, port_room_changed};

// Tasks that were posted before find it without fronts, but there.
static void mux_close(struct chr_backend *b)
{
    struct mux *m = to_mux(b);
    for (unsigned i = 0; i < m->ports; i++)
        m->port[i].front = NULL;
    loop_post(free, m);
}

static const struct chr_backend_ops mux_ops = {.close = mux_close};

struct chr_backend *chr_mux_create(struct chr_backend *below)
{
    struct mux *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    chr_backend_init(&m->base, NULL, &mux_ops, below->label, below->filename);
    m->below = below;
    below->chr.event = mux_event;
    below->chr.ops->attach(&below->chr, &mux_front, m);
    return &m->base;
}

struct chr *chr_mux_port(struct chr_backend *mux)
{
    struct mux *m = to_mux(mux);
    if (m->ports == CHR_MUX_PORTS)
        return NULL;
    struct port *p = &m->port[m->ports++];
    *p = (struct port){.chr.ops = &port_ops, .mux = m};
    return &p->chr;
}

struct chr_backend *chr_mux_of(struct chr *chr)
{
    return chr->ops == &port_ops ? ((struct port *)chr)->mux->below : NULL;
}

void chr_mux_on_exit(void (*ask)(void))
{
    ask_exit = ask;
}

int chr_mux_escape(unsigned key)
{
    if (key > 255)
        return -EINVAL;
    escape_key = key;
    return 0;
}
