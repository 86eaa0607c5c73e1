// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/json_text.h"

#include <string.h>

struct writer {
    struct text *text;
    bool pretty;
    int depth;
};

static void write_value(struct writer *w, struct json_object *value);

static void put(struct writer *w, const char *string)
{
    text_add(w->text, string, strlen(string));
}

static void new_line(struct writer *w)
{
    if (!w->pretty)
        return;
    put(w, "\n");
    for (int i = 0; i < w->depth; i++)
        put(w, "    ");
}

static void before_item(struct writer *w, bool first)
{
    if (!first)
        put(w, w->pretty ? "," : ", ");
    new_line(w);
}

static void write_string(struct writer *w, const char *string)
{
    struct json_object *copy = json_object_new_string(string);
    put(w, json_object_to_json_string_ext(copy, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(copy);
}

static void write_object(struct writer *w, struct json_object *object)
{
    bool first = true;
    put(w, "{");
    w->depth++;
    json_object_object_foreach(object, key, value) {
        before_item(w, first);
        first = false;
        write_string(w, key);
        put(w, ": ");
        write_value(w, value);
    }
    w->depth--;
    if (!first)
        new_line(w);
    put(w, "}");
}

static void write_array(struct writer *w, struct json_object *array)
{
    size_t count = json_object_array_length(array);
    put(w, "[");
    w->depth++;
    for (size_t i = 0; i < count; i++) {
        before_item(w, i == 0);
        write_value(w, json_object_array_get_idx(array, i));
    }
    w->depth--;
    if (count)
        new_line(w);
    put(w, "]");
}

static void write_value(struct writer *w, struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_object: write_object(w, value); break;
    case json_type_array: write_array(w, value); break;
    default:
        put(w, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                              JSON_C_TO_STRING_NOSLASHESCAPE));
    }
}

void json_text(struct text *text, struct json_object *value, bool pretty)
{
    struct writer w = {text, pretty, 0};
    write_value(&w, value);
}
