// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/options.h"

#include <ctype.h>
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

bool options_is_help(const char *word)
{
    return !strcmp(word, "help") || !strcmp(word, "?");
}

bool options_asks_help(const char *argument, const struct keyvals *kv)
{
    size_t length = strcspn(argument, ",");
    bool asks = (length == 4 && !strncmp(argument, "help", 4)) || (length == 1 && *argument == '?');
    for (unsigned i = 0; i < kv->count; i++)
        asks |= options_is_help(kv->item[i].key);
    return asks;
}

int options_with_keyvals(struct options *o, const char *argument, const char *implied,
                         int (*use)(struct options *o, struct keyvals *kv, struct err *err),
                         struct err *err)
{
    struct keyvals kv;
    int rc = keyvals_parse_any(&kv, argument, implied, err);
    if (rc < 0)
        return rc;
    rc = use(o, &kv, err);
    if (rc == 0)
        rc = keyvals_all_taken(&kv, err);
    keyvals_finish(&kv);
    return rc;
}

int options_choose(struct keyvals *kv, const char *key, const char *const *values, int *choice,
                   struct err *err)
{
    const char *value = keyvals_take(kv, key);
    if (!value)
        return 0;
    for (int i = 0; values[i]; i++)
        if (!strcmp(values[i], value)) {
            *choice = i;
            return 0;
        }
    return err_set(err, -EINVAL, "Parameter '%s' does not accept value '%s'", key, value);
}

int options_set_id(char to[OPTIONS_ID_BYTES], const char *id, struct err *err)
{
    static const char others[] = "0123456789-._";
    size_t length = 0;
    while (isalpha((unsigned char)id[length]) || (length && id[length] && strchr(others, id[length])))
        length++;
    if (!length || id[length])
        return err_set(err, -EINVAL, "Parameter 'id' expects an identifier\n"
                       "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
    if (length >= OPTIONS_ID_BYTES)
        return err_set(err, -EINVAL, "id '%.20s...' is longer than %d characters", id,
                       OPTIONS_ID_BYTES - 1);
    memcpy(to, id, length + 1);
    return 0;
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
    *o = (struct options){.hpet = true, .i8042 = true, .vcpus = 1, .sockets = 1, .cores = 1,
                          .threads = 1, .ram_bytes = 128 << 20, .machine = OPTIONS_MACHINE};
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
    if (rc == 0)
        rc = options_default_devices(o, err);
    if (rc == 0)
        rc = options_default_nics(o, err);
    return rc < 0 ? rc : options_default_disks(o, err);
}

static void finish_tables(struct option_table *table, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        keyvals_finish(&table[i].properties);
}

static void finish_devices(struct options *o)
{
    for (unsigned i = 0; i < o->chardevs; i++)
        keyvals_finish(&o->chardev[i].properties);
    for (unsigned i = 0; i < o->drives; i++)
        free((char *)o->drive[i].config.path);
    for (unsigned i = 0; i < o->devices; i++)
        keyvals_finish(&o->device[i].properties);
    for (unsigned i = 0; i < o->netdevs; i++)
        keyvals_finish(&o->netdev[i].properties);
    for (unsigned i = 0; i < o->objects; i++)
        keyvals_finish(&o->object[i].properties);
}

void options_finish(struct options *o)
{
    char *strings[] = {o->cpu, o->kernel, o->initrd, o->append, o->name, o->pidfile, o->log_items,
                       o->log_file};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
    finish_devices(o);
    finish_tables(o->smbios, o->smbioses);
    finish_tables(o->fw_cfg, o->fw_cfgs);
    options_net_finish(o);
}
