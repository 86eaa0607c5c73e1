// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/rng_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct rng_source {
    const char *id;
    int fd;
} sources[OPTIONS_OBJECTS];
static unsigned count;

static int open_source(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        return fd;
    close(fd);
    return -EISDIR;
}

static int add_source(struct option_object *object, struct err *err)
{
    const char *path = keyvals_take(&object->properties, "filename");
    path = path ? path : "/dev/urandom";
    int fd = open_source(path);
    if (fd < 0)
        return err_set(err, fd, "Could not open '%s': %s", path, strerror(-fd));
    sources[count++] = (struct rng_source){object->id, fd};
    return 0;
}

int rng_sources_open(struct options *o, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < o->objects && rc == 0; i++)
        if (!strcmp(o->object[i].type, "rng-random"))
            rc = add_source(&o->object[i], err);
    return rc;
}

int rng_sources_find(const char *id)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(sources[i].id, id))
            return sources[i].fd;
    return -1;
}

void rng_sources_close(void)
{
    while (count)
        close(sources[--count].fd);
}
