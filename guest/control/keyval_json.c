// SPDX-License-Identifier: GPL-2.0-or-later
//
// -device, -blockdev, -netdev and -object take JSON too. It becomes what the other form would have been,
// so that there is one reader of each option.
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "guest/control/keyval.h"

enum { NAME_BYTES = 256, DEPTH = 8 };

static int add_object(struct keyvals *kv, const char *prefix, struct json_object *object, struct err *err);

static int add_value(struct keyvals *kv, const char *name, struct json_object *value, struct err *err)
{
    int rc = 0;
    switch (json_object_get_type(value)) {
    case json_type_object:
        return add_object(kv, name, value, err);
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(value) && rc == 0; i++)
            rc = add_value(kv, name, json_object_array_get_idx(value, i), err);
        return rc;
    case json_type_boolean:
        return keyvals_set(kv, name, json_object_get_boolean(value) ? "on" : "off", err);
    case json_type_null:
        return err_set(err, -EINVAL, "Invalid parameter type for '%s', expected: string", name);
    default:
        return keyvals_set(kv, name, json_object_get_string(value), err);
    }
}

static int add_object(struct keyvals *kv, const char *prefix, struct json_object *object, struct err *err)
{
    char name[NAME_BYTES];
    int rc = 0;
    json_object_object_foreach(object, key, value) {
        int length = snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (length >= (int)sizeof name)
            return err_set(err, -EINVAL, "Parameter '%.100s' is unexpected", key);
        rc = add_value(kv, name, value, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static struct json_object *parse_text(const char *text, struct err *err)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
    if (!tokener) {
        err_set(err, -ENOMEM, "out of memory");
        return NULL;
    }
    struct json_object *object = json_tokener_parse_ex(tokener, text, -1);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    if (error == json_tokener_continue || error == json_tokener_error_parse_eof)
        err_set(err, -EINVAL, "JSON parse error, premature EOI");
    else if (error != json_tokener_success || text[end + strspn(text + end, " \t\r\n")])
        err_set(err, -EINVAL, "JSON parse error, %s",
                error == json_tokener_success ? "expecting value" : json_tokener_error_desc(error));
    bool good = !*err->text;
    json_tokener_free(tokener);
    if (!good)
        json_object_put(object);
    return good ? object : NULL;
}

int keyvals_from_json(struct keyvals *kv, const char *text, struct err *err)
{
    struct err why = {0};
    *kv = (struct keyvals){0};
    struct json_object *object = parse_text(text, &why);
    if (!object)
        return err_set(err, -EINVAL, "%s", why.text);
    int rc = add_object(kv, "", object, err);
    json_object_put(object);
    if (rc < 0)
        keyvals_finish(kv);
    return rc;
}

int keyvals_parse_any(struct keyvals *kv, const char *text, const char *implied, struct err *err)
{
    return *text == '{' ? keyvals_from_json(kv, text, err) : keyvals_parse(kv, text, implied, err);
}
