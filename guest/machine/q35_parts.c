// SPDX-License-Identifier: GPL-2.0-or-later
//
// The list of a machine's devices: what is reset, saved, quiesced and ended with it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/machine/q35_internal.h"

enum { NAME_BYTES_MAX = 63 };  // what a snapshot's section may have

static int check_name(const struct q35 *q, const char *name, struct err *err)
{
    if (!*name || strlen(name) > NAME_BYTES_MAX)
        return err_set(err, -EINVAL, "device name '%.80s' doesn't have 1 to %d characters", name,
                       NAME_BYTES_MAX);
    for (unsigned i = 0; i < q->device_count; i++)
        if (!strcmp(q->devices[i].name, name))
            return err_set(err, -EEXIST, "device '%s' is there already", name);
    return 0;
}

// An array that was moved is kept, even if the other can't follow.
static int make_room(struct q35 *q)
{
    unsigned room = q->device_room ? 2 * q->device_room : 32;
    if (q->device_count < q->device_room)
        return 0;
    struct snapshot_device *devices = realloc(q->devices, room * sizeof *devices);
    if (!devices)
        return -ENOMEM;
    q->devices = devices;
    struct q35_part *parts = realloc(q->parts, room * sizeof *parts);
    if (!parts)
        return -ENOMEM;
    q->parts = parts;
    q->device_room = room;
    return 0;
}

int q35_add_device(struct q35 *q, const char *name, struct device *dev, void (*finish)(void *dev),
                   struct err *err)
{
    int rc = check_name(q, name, err);
    if (rc < 0)
        return rc;
    char *copy = strdup(name);
    if (!copy || make_room(q) < 0) {
        free(copy);
        return err_set(err, -ENOMEM, "no memory for device '%s'", name);
    }
    q->parts[q->device_count] = (struct q35_part){copy, finish};
    q->devices[q->device_count++] = (struct snapshot_device){copy, dev};
    return 0;
}

void q35_own(struct q35 *q, const char *name, struct device *dev, void (*finish)(void *dev))
{
    int rc = q35_add_device(q, name, dev, finish, NULL);
    if (rc < 0)
        q->own_result = rc;
}

void q35_quiesce(void *opaque)
{
    struct q35 *q = opaque;
    for (unsigned i = 0; i < q->device_count; i++)
        device_quiesce(q->devices[i].dev);
}

void q35_resume(void *opaque)
{
    struct q35 *q = opaque;
    for (unsigned i = 0; i < q->device_count; i++)
        device_resume(q->devices[i].dev);
}

// A device may have to wait for its I/O thread, so this thread holds up no reader meanwhile.
void q35_reset_devices(struct q35 *q)
{
    mem_thread_offline();
    for (unsigned i = 0; i < q->device_count; i++)
        device_reset(q->devices[i].dev);
    for (unsigned i = 0; i < q->device_count; i++)
        device_started(q->devices[i].dev);
    mem_thread_online();
}

void q35_finish_devices(struct q35 *q)
{
    while (q->device_count) {
        unsigned last = --q->device_count;
        if (q->parts[last].finish)
            q->parts[last].finish(q->devices[last].dev);
        free(q->parts[last].name);
    }
    free(q->devices);
    free(q->parts);
}
