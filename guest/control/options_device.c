// SPDX-License-Identifier: GPL-2.0-or-later
//
// -device and -object: what is plugged in, and what those are given.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/device_types.h"
#include "guest/control/options.h"

static int check_id(struct options *o, struct option_device *d, const char *id, struct err *err)
{
    int rc = options_set_id(d->id, id, err);
    for (unsigned i = 0; i < o->devices && rc == 0; i++)
        if (!strcmp(o->device[i].id, id))
            rc = err_set(err, -EINVAL, "Duplicate ID '%s' for device", id);
    return rc;
}

int options_add_device(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *driver = keyvals_take(kv, "driver"), *id = keyvals_take(kv, "id");
    if (!driver)
        return err_set(err, -EINVAL, "Parameter 'driver' is missing");
    if (o->devices == OPTIONS_DEVICES)
        return err_set(err, -EINVAL, "more than %d devices", OPTIONS_DEVICES);
    struct option_device *d = &o->device[o->devices];
    *d = (struct option_device){.use = o->current, .type = device_type_find(driver)};
    int rc = id ? check_id(o, d, id, err) : 0;
    if (rc == 0 && !d->type)
        rc = err_set(err, -EINVAL, "'%s' is not a valid device model name", driver);
    if (rc == 0)
        rc = device_type_check(d->type, kv, err);
    if (rc < 0)
        return rc;
    d->properties = *kv;
    *kv = (struct keyvals){0};
    o->devices++;
    return 0;
}

static int print_driver(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *driver = keyvals_take(kv, "driver");
    const struct device_type *type = driver ? device_type_find(driver) : NULL;
    if (!type)
        return err_set(err, -EINVAL, "'%s' is not a valid device model name", driver ? driver : "");
    device_type_print(type);
    o->then = OPTIONS_EXIT;
    return 0;
}

int option_device(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    if (options_is_help(argument)) {
        device_types_print();
        o->then = OPTIONS_EXIT;
        return 0;
    }
    int rc = keyvals_parse_any(&kv, argument, "driver", err);
    if (rc < 0)
        return rc;
    rc = options_asks_help(argument, &kv) ? print_driver(o, &kv, err) : options_add_device(o, &kv, err);
    keyvals_finish(&kv);
    return rc;
}

static int add_disk(struct options *o, const struct option_drive *drive, struct err *err)
{
    struct keyvals kv = {0};
    o->current = drive->use;
    int rc = keyvals_set(&kv, "driver", "virtio-blk-pci", err);
    if (rc == 0)
        rc = keyvals_set(&kv, "drive", drive->id, err);
    if (rc == 0)
        rc = options_add_device(o, &kv, err);
    keyvals_finish(&kv);
    return rc;
}

int options_default_disks(struct options *o, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < o->drives && rc == 0; i++)
        if (o->drive[i].virtio)
            rc = add_disk(o, &o->drive[i], err);
    return rc < 0 ? options_blame(&o->current, rc, err) : 0;
}

static const struct object_type {
    const char *name;
    const char *keys[7];
    const char *help;
} object_types[] = {
    {"iothread", {"poll-max-ns", "poll-grow", "poll-shrink", "aio-max-batch", "thread-pool-min",
                  "thread-pool-max"},
     "  aio-max-batch=<int>\n  poll-grow=<int>\n  poll-max-ns=<int>\n  poll-shrink=<int>\n"
     "  thread-pool-max=<int>\n  thread-pool-min=<int>"},
    {"rng-builtin", {0}, NULL},
    {"rng-random", {"filename"}, "  filename=<string>"},
};

struct option_object *options_find_object(struct options *o, const char *id)
{
    for (unsigned i = 0; i < o->objects; i++)
        if (!strcmp(o->object[i].id, id))
            return &o->object[i];
    return NULL;
}

static const struct object_type *find_object_type(const char *name, struct err *err)
{
    static const char *const later[] = {"authz-list", "authz-list-file", "authz-pam", "authz-simple", "can-bus",
        "can-host-socketcan", "colo-compare", "cryptodev-backend", "cryptodev-backend-builtin",
        "cryptodev-vhost-user", "dbus-vmstate", "filter-buffer", "filter-dump", "filter-mirror",
        "filter-redirector", "filter-replay", "filter-rewriter", "input-barrier", "input-linux", "main-loop",
        "memory-backend-epc", "memory-backend-file", "memory-backend-memfd", "memory-backend-ram",
        "pef-guest", "pr-manager-helper", "qtest", "rng-egd", "secret", "secret_keyring", "sev-guest",
        "thread-context", "throttle-group", "tls-cipher-suites", "tls-creds-anon", "tls-creds-psk",
        "tls-creds-x509", "x-remote-object", "x-vfio-user-server"};
    for (size_t i = 0; i < sizeof object_types / sizeof object_types[0]; i++)
        if (!strcmp(object_types[i].name, name))
            return &object_types[i];
    if (options_holds(later, sizeof later / sizeof later[0], name))
        err_set(err, -ENOTSUP, "qom-type=%s is not supported yet", name);
    else
        err_set(err, -EINVAL, "Parameter 'qom-type' does not accept value '%s'", name);
    return NULL;
}

static int check_object_keys(const struct object_type *type, const struct keyvals *kv, struct err *err)
{
    size_t keys = 0;
    while (type->keys[keys])
        keys++;
    for (unsigned i = 0; i < kv->count; i++) {
        const char *key = kv->item[i].key;
        if (strcmp(key, "qom-type") && strcmp(key, "id") && !options_holds(type->keys, keys, key))
            return err_set(err, -EINVAL, "Invalid parameter '%s'", key);
    }
    return 0;
}

static int read_hint(struct keyvals *kv, const char *key, int64_t *value, struct err *err)
{
    const char *text = keyvals_take(kv, key);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    *value = strtoll(text, &end, 0);
    if (!*text || *end || errno)
        return err_set(err, -EINVAL, "Parameter '%s' expects an int64 value", key);
    return *value >= 0 ? 0 : err_set(err, -ERANGE, "%s value must be in range [0, %" PRId64 "]", key, INT64_MAX);
}

// Hints about how to be fast, of QEMU's event loop: ours sleeps in the kernel and takes what there is. They
// are checked, and change nothing.
static int check_hints(struct keyvals *kv, struct err *err)
{
    static const char *const others[] = {"poll-max-ns", "poll-grow", "poll-shrink", "aio-max-batch"};
    int64_t value, least = 0, most = 64;  // of threads, QEMU's defaults
    int rc = 0;
    for (size_t i = 0; i < sizeof others / sizeof others[0] && rc == 0; i++)
        rc = read_hint(kv, others[i], &value, err);
    if (rc == 0)
        rc = read_hint(kv, "thread-pool-min", &least, err);
    if (rc == 0)
        rc = read_hint(kv, "thread-pool-max", &most, err);
    if (rc == 0 && (least > most || !most || most > INT32_MAX))
        rc = err_set(err, -ERANGE, "bad thread-pool-min/thread-pool-max values");
    return rc;
}

static int use_object(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *name = keyvals_take(kv, "qom-type"), *id = keyvals_take(kv, "id");
    if (!name)
        return err_set(err, -EINVAL, "Parameter 'qom-type' is missing");
    const struct object_type *type = find_object_type(name, err);
    if (!type)
        return -EINVAL;
    if (!id)
        return err_set(err, -EINVAL, "Parameter 'id' is missing");
    if (o->objects == OPTIONS_OBJECTS)
        return err_set(err, -EINVAL, "more than %d objects", OPTIONS_OBJECTS);
    struct option_object *object = &o->object[o->objects];
    *object = (struct option_object){.use = o->current};
    int rc = check_object_keys(type, kv, err);
    if (rc == 0)
        rc = check_hints(kv, err);
    if (rc == -ERANGE)
        o->current.option = NULL;  // as QEMU says it
    if (rc == 0)
        rc = options_set_id(object->id, id, err);
    if (rc == 0 && options_find_object(o, id))
        rc = err_set(err, -EINVAL, "Duplicate ID '%s' for object", id);
    if (rc < 0)
        return rc;
    strcpy(object->type, type->name);
    object->properties = *kv;
    *kv = (struct keyvals){0};
    o->objects++;
    return 0;
}

static int print_object(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *name = keyvals_take(kv, "qom-type");
    const struct object_type *type = find_object_type(name ? name : "", err);
    if (!type)
        return -EINVAL;
    if (type->help)
        printf("%s options:\n%s\n", type->name, type->help);
    else
        printf("There are no options for %s.\n", type->name);
    o->then = OPTIONS_EXIT;
    return 0;
}

int option_object(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    if (options_is_help(argument)) {
        puts("List of user creatable objects:");
        for (size_t i = 0; i < sizeof object_types / sizeof object_types[0]; i++)
            printf("  %s\n", object_types[i].name);
        o->then = OPTIONS_EXIT;
        return 0;
    }
    int rc = keyvals_parse_any(&kv, argument, "qom-type", err);
    if (rc < 0)
        return rc;
    rc = options_asks_help(argument, &kv) ? print_object(o, &kv, err) : use_object(o, &kv, err);
    keyvals_finish(&kv);
    return rc;
}
