// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int options_blame(const struct option_use *use, int code, struct err *err)
{
    char who[256];
    if (!use->option)
        return code;
    snprintf(who, sizeof who, use->argument ? "%s %s" : "%s", use->option, use->argument);
    return err_prefix(err, code, who);
}

bool options_holds(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

int options_copy(char **to, const char *from, struct err *err)
{
    if (!from)
        return 0;
    free(*to);
    *to = strdup(from);
    return *to ? 0 : err_set(err, -ENOMEM, "out of memory");
}

// Parses what stands at argv[*at] and moves *at to what follows. A table's function reports; the
// option itself is put before its sentence, as QEMU does.
static int parse_next(struct options *o, int argc, char **argv, int *at, struct err *err)
{
    const char *word = argv[(*at)++];
    if (*word != '-')
        return err_set(err, -EINVAL, "%s: disk images are not supported yet", word);
    o->current = (struct option_use){word, NULL};
    const struct option *option = option_find(word + (word[1] == '-' ? 2 : 1));
    if (!option)
        return err_set(err, -EINVAL, "%s: invalid option", word);
    if (option->has_argument && *at == argc)
        return err_set(err, -EINVAL, "%s: requires an argument", word);
    if (option->has_argument)
        o->current.argument = argv[(*at)++];
    if (!option->parse)
        return err_set(err, -EINVAL, "%s: not supported yet", word);
    int rc = option->parse(o, o->current.argument, err);
    return rc < 0 ? options_blame(&o->current, rc, err) : rc;
}

static void set_defaults(struct options *o)
{
    *o = (struct options){.hpet = true, .vcpus = 1, .sockets = 1, .cores = 1, .threads = 1,
                          .ram_bytes = 128 << 20, .debug_exit_base = 0x501, .debug_exit_bytes = 2,
                          .machine = OPTIONS_MACHINE};
}

static int check_kernel(const struct options *o, struct err *err)
{
    if (o->kernel)
        return 0;
    if (o->initrd)
        return err_set(err, -EINVAL, "-initrd only allowed with -kernel option");
    if (o->append)
        return err_set(err, -EINVAL, "-append only allowed with -kernel option");
    return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct err *err)
{
    set_defaults(o);
    int rc = 0;
    for (int at = 1; at < argc && rc == 0 && o->then == OPTIONS_RUN;)
        rc = parse_next(o, argc, argv, &at, err);
    o->current = (struct option_use){0};
    if (rc < 0 || o->then == OPTIONS_EXIT)
        return rc;
    rc = check_kernel(o, err);
    return rc < 0 ? rc : options_default_devices(o, err);
}

void options_finish(struct options *o)
{
    char *strings[] = {o->cpu, o->kernel, o->initrd, o->append, o->name, o->pidfile, o->log_items,
                       o->log_file};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
    for (unsigned i = 0; i < o->chardevs; i++)
        keyvals_finish(&o->chardev[i].properties);
}
