// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/drives.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/io_threads.h"
#include "cmd/report.h"
#include "guest/control/device_types.h"
#include "guest/mem/mem.h"

static struct drive drives[OPTIONS_DRIVES];
static unsigned count;

struct drive *drives_find(const char *id)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(drives[i].option->id, id))
            return &drives[i];
    return NULL;
}

// The one of the device that names it, if that was given one.
static const char *iothread_of(struct options *o, const char *id)
{
    for (unsigned i = 0; i < o->devices; i++) {
        struct option_device *d = &o->device[i];
        if (d->type->kind != DEVICE_VIRTIO_BLK)
            continue;
        const char *drive = keyvals_take(&d->properties, "drive");
        if (drive && !strcmp(drive, id))
            return keyvals_take(&d->properties, "iothread");
    }
    return NULL;
}

static struct io_thread *choose_thread(struct options *o, const char *id, struct err *err)
{
    char name[OPTIONS_ID_BYTES + 8];
    const char *iothread = iothread_of(o, id);
    struct io_thread *found = iothread ? io_threads_find(iothread) : NULL;
    snprintf(name, sizeof name, "disk-%s", id);
    return found ? found : io_threads_create(name, err);
}

static void describe(struct drive *d)
{
    struct option_drive *o = d->option;
    struct option_drive *file = o->file ? o->file : o;
    snprintf(d->node, sizeof d->node, "#block%03u", count);
    d->entry = (struct inventory_disk){
        .device = o->blockdev ? "" : o->id, .node = o->blockdev ? o->id : d->node, .block = d->block,
        .format = "raw", .filename = file->config.path, .cache = o->config.cache,
        .detect_zeroes = o->config.detect_zeroes,
    };
}

// A raw node over a node that stands elsewhere is that file, opened as both want it; the file's own name
// is not for devices then.
static int open_one(struct options *o, struct option_drive *option, struct err *err)
{
    struct drive *d = &drives[count];
    const struct option_drive *named = option->file ? option->file : option;
    struct block_config config = option->config;
    config.path = named->config.path;
    *d = (struct drive){.option = option, .thread = choose_thread(o, option->id, err)};
    d->block = d->thread ? block_open(&config, d->thread, err) : NULL;
    if (!d->block)
        return options_blame(&named->use, -EINVAL, err);
    describe(d);
    if (count)
        drives[count - 1].entry.next = &d->entry;
    count++;
    return 0;
}

int drives_open(struct options *o, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < o->drives && rc == 0; i++)
        if (!o->drive[i].user)
            rc = open_one(o, &o->drive[i], err);
    return rc;
}

struct inventory_disk *drives_list(void)
{
    return count ? &drives[0].entry : NULL;
}

static void flush(struct drive *d)
{
    struct block_request request = {.operation = BLOCK_FLUSH};
    int rc = d->block->info.read_only ? 0 : block_call(d->block, &request);
    if (rc < 0)
        report("%s: could not be written out: %s", d->entry.filename, strerror(-rc));
}

void drives_close(void)
{
    mem_thread_offline();
    for (unsigned i = 0; i < count; i++)
        flush(&drives[i]);
    while (count)
        block_close(drives[--count].block);
    mem_thread_online();
}
