// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/chr/backend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/chr/kinds.h"
#include "guest/chr/mux.h"

static struct chr_backend *backends;

static struct chr_backend *(*const openers[])(const struct chr_config *, struct err *) = {
    [CHR_NULL] = chr_null_open, [CHR_STDIO] = chr_stdio_open, [CHR_FILE] = chr_file_open,
    [CHR_PIPE] = chr_pipe_open, [CHR_PTY] = chr_pty_open, [CHR_SOCKET] = chr_socket_open,
    [CHR_RINGBUF] = chr_ring_open,
};

// In the order of their making, which is how query-chardev lists them.
static void enlist(struct chr_backend *b)
{
    struct chr_backend **end = &backends;
    while (*end)
        end = &(*end)->next;
    *end = b;
}

struct chr_backend *chr_open(const struct chr_config *config, struct err *err)
{
    if (chr_find(config->label)) {
        err_set(err, -EEXIST, "Chardev with id '%s' already exists", config->label);
        return NULL;
    }
    struct chr_backend *b = openers[config->kind](config, err);
    if (!b)
        return NULL;
    if (config->mux)
        b->mux = chr_mux_create(b);
    enlist(b);
    return b;
}

struct chr_backend *chr_find(const char *label)
{
    for (struct chr_backend *b = backends; b; b = b->next)
        if (!strcmp(b->label, label))
            return b;
    return NULL;
}

struct chr *chr_take(struct chr_backend *b, struct err *err)
{
    struct chr *port = b->mux ? chr_mux_port(b->mux) : b->taken ? NULL : &b->chr;
    if (!port)
        err_set(err, -EBUSY, "Device '%s' is in use", b->label);
    b->taken = true;
    return port;
}

size_t chr_backlog_bytes(struct chr *chr)
{
    struct chr_backend *b = chr_mux_of(chr);
    if (!b)
        b = (struct chr_backend *)chr;
    return b->ops->backlog_bytes ? b->ops->backlog_bytes(b) : 0;
}

void chr_each(void (*each)(struct chr_backend *b, void *opaque), void *opaque)
{
    for (struct chr_backend *b = backends; b; b = b->next)
        each(b, opaque);
}

void chr_close_all(void)
{
    while (backends) {
        struct chr_backend *b = backends;
        backends = b->next;
        if (b->mux)
            chr_backend_free(b->mux);
        chr_backend_free(b);
    }
}

void chr_backend_init(struct chr_backend *b, const struct chr_ops *chr_ops,
                      const struct chr_backend_ops *ops, const char *label, const char *filename)
{
    *b = (struct chr_backend){.chr.ops = chr_ops, .ops = ops};
    b->label = strdup(label);
    b->filename = strdup(filename);
}

void chr_backend_free(struct chr_backend *b)
{
    free(b->label);
    free(b->filename);
    b->ops->close(b);
}

void chr_backend_attach(struct chr *chr, const struct chr_front *front, void *opaque)
{
    struct chr_backend *b = (struct chr_backend *)chr;
    b->front_opaque = opaque;
    b->front = front;
    if (b->opened && chr->event)
        chr->event(opaque, CHR_OPENED);
}

void chr_backend_event(struct chr_backend *b, enum chr_event event)
{
    if (event == CHR_OPENED || event == CHR_CLOSED)
        b->opened = event == CHR_OPENED;
    if (b->front && b->chr.event)
        b->chr.event(b->front_opaque, event);
}

void chr_backend_rename(struct chr_backend *b, const char *format, ...)
{
    char *name = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&name, format, args) < 0)
        name = NULL;
    va_end(args);
    if (!name)
        return;
    free(b->filename);
    b->filename = name;
}
