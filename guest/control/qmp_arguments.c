// SPDX-License-Identifier: GPL-2.0-or-later
//
// The arguments of a QMP command, checked against the signature in its table.
#include <errno.h>
#include <string.h>

#include "guest/control/qmp.h"

struct parameter {
    const char *name;
    size_t length;
    char type;
    bool optional;
};

// The next of "uri:s blk:b?"; false at the end.
static bool next_parameter(const char **signature, struct parameter *p)
{
    const char *at = *signature;
    if (!*at)
        return false;
    p->name = at;
    p->length = strcspn(at, ":");
    p->type = at[p->length + 1];
    at += p->length + 2;
    p->optional = *at == '?';
    at += p->optional;
    *signature = at + (*at == ' ');
    return true;
}

static bool named(const char *signature, const char *name)
{
    struct parameter p;
    while (next_parameter(&signature, &p))
        if (strlen(name) == p.length && !memcmp(p.name, name, p.length))
            return true;
    return false;
}

static int check_type(const struct parameter *p, struct json_object *value, struct err *err)
{
    static const struct { char letter; enum json_type type; const char *name; } types[] = {
        {'s', json_type_string, "string"}, {'b', json_type_boolean, "boolean"},
        {'i', json_type_int, "integer"}, {'a', json_type_array, "array"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].letter == p->type && !json_object_is_type(value, types[i].type))
            return err_set(err, -EINVAL, "Invalid parameter type for '%.*s', expected: %s",
                           (int)p->length, p->name, types[i].name);
    return 0;
}

static int check_parameter(const struct parameter *p, struct json_object *arguments, struct err *err)
{
    char name[64] = {0};
    struct json_object *value = NULL;
    memcpy(name, p->name, p->length < sizeof name ? p->length : sizeof name - 1);
    if (json_object_object_get_ex(arguments, name, &value))
        return check_type(p, value, err);
    return p->optional ? 0 : err_set(err, -EINVAL, "Parameter '%s' is missing", name);
}

int qmp_check_arguments(const struct qmp_command *command, struct json_object *arguments,
                        struct err *err)
{
    struct parameter p;
    const char *signature = command->arguments;
    int rc = 0;
    while (rc == 0 && next_parameter(&signature, &p))
        rc = check_parameter(&p, arguments, err);
    if (rc < 0 || !arguments)
        return rc;
    json_object_object_foreach(arguments, key, value) {
        (void)value;
        if (!named(command->arguments, key))
            rc = err_set(err, -EINVAL, "Parameter '%.100s' is unexpected", key);
    }
    return rc;
}
