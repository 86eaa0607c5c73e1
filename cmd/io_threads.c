// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/io_threads.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest/mem/mem.h"

enum { THREADS = OPTIONS_DRIVES + OPTIONS_NETDEVS + OPTIONS_OBJECTS + 1 };

static struct io_thread *threads[THREADS];
static unsigned count;
static struct io_thread *shared;

static struct named_thread {
    struct inventory_thread entry;
    struct io_thread *thread;
} named[OPTIONS_OBJECTS];
static unsigned named_count;

struct io_thread *io_threads_create(const char *name, struct err *err)
{
    char short_name[16];
    if (count == THREADS) {
        err_set(err, -ENOSPC, "too many I/O threads");
        return NULL;
    }
    snprintf(short_name, sizeof short_name, "%s", name);
    struct io_thread *thread = io_thread_create(short_name, &mem_reader_sleep, err);
    if (thread)
        threads[count++] = thread;
    return thread;
}

static void tell_id(void *opaque)
{
    *(int *)opaque = (int)syscall(SYS_gettid);
}

static int open_named(struct option_object *object, struct err *err)
{
    struct named_thread *n = &named[named_count];
    n->thread = io_threads_create(object->id, err);
    if (!n->thread)
        return options_blame(&object->use, -ENOMEM, err);
    named_count++;
    n->entry.id = object->id;
    mem_thread_offline();
    io_thread_call(n->thread, tell_id, &n->entry.thread_id);
    mem_thread_online();
    return 0;
}

int io_threads_open(struct options *o, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < o->objects && rc == 0; i++)
        if (!strcmp(o->object[i].type, "iothread"))
            rc = open_named(&o->object[i], err);
    for (unsigned i = 0; i + 1 < named_count; i++)
        named[i].entry.next = &named[i + 1].entry;
    return rc;
}

struct io_thread *io_threads_find(const char *id)
{
    for (unsigned i = 0; i < named_count; i++)
        if (!strcmp(named[i].entry.id, id))
            return named[i].thread;
    return NULL;
}

struct io_thread *io_threads_shared(struct err *err)
{
    if (!shared)
        shared = io_threads_create("devices", err);
    return shared;
}

struct inventory_thread *io_threads_list(void)
{
    return named_count ? &named[0].entry : NULL;
}

void io_threads_close(void)
{
    while (count)
        io_thread_destroy(threads[--count]);
}
