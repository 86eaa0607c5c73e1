// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/keyval.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A copy of what stands at *text up to a single comma, without the doubling. Moves *text behind it.
static char *take_value(const char **text)
{
    const char *from = *text;
    char *value = malloc(strlen(from) + 1), *to = value;
    if (!value)
        return NULL;
    while (*from && (*from != ',' || from[1] == ',')) {
        from += *from == ',';
        *to++ = *from++;
    }
    *to = 0;
    *text = *from ? from + 1 : from;
    return value;
}

// Takes ownership of both.
static int add(struct keyvals *kv, char *key, char *value, struct err *err)
{
    int rc = 0;
    if (!key || !value)
        rc = err_set(err, -ENOMEM, "out of memory");
    else if (kv->count == KEYVALS_MAX)
        rc = err_set(err, -EINVAL, "more than %d parameters", KEYVALS_MAX);
    if (rc < 0) {
        free(key);
        free(value);
    } else {
        kv->item[kv->count++] = (struct keyval){key, value, false};
    }
    return rc;
}

// A word without '=': the implied key's value, or a switch.
static int add_word(struct keyvals *kv, char *word, const char *implied, struct err *err)
{
    if (implied)
        return add(kv, strdup(implied), word, err);
    bool off = word && !strncmp(word, "no", 2) && word[2];
    char *key = word ? strdup(off ? word + 2 : word) : NULL;
    free(word);
    return add(kv, key, strdup(off ? "off" : "on"), err);
}

static int add_next(struct keyvals *kv, const char **text, const char *implied, struct err *err)
{
    size_t key_bytes = strcspn(*text, "=,");
    if ((*text)[key_bytes] != '=')
        return add_word(kv, take_value(text), implied, err);
    char *key = strndup(*text, key_bytes);
    *text += key_bytes + 1;
    return add(kv, key, take_value(text), err);
}

int keyvals_parse(struct keyvals *kv, const char *text, const char *implied, struct err *err)
{
    int rc = 0;
    *kv = (struct keyvals){0};
    for (bool first = true; *text && rc == 0; first = false)
        rc = add_next(kv, &text, first ? implied : NULL, err);
    if (rc < 0)
        keyvals_finish(kv);
    return rc;
}

void keyvals_finish(struct keyvals *kv)
{
    for (unsigned i = 0; i < kv->count; i++) {
        free(kv->item[i].key);
        free(kv->item[i].value);
    }
    kv->count = 0;
}

int keyvals_set(struct keyvals *kv, const char *key, const char *value, struct err *err)
{
    return add(kv, strdup(key), strdup(value), err);
}

const char *keyvals_take(struct keyvals *kv, const char *key)
{
    const char *value = NULL;
    for (unsigned i = 0; i < kv->count; i++) {
        if (strcmp(kv->item[i].key, key))
            continue;
        kv->item[i].taken = true;
        value = kv->item[i].value;
    }
    return value;
}

const char *keyvals_take_each(struct keyvals *kv, const char *key, unsigned *at)
{
    while (*at < kv->count) {
        struct keyval *item = &kv->item[(*at)++];
        if (strcmp(item->key, key))
            continue;
        item->taken = true;
        return item->value;
    }
    return NULL;
}

int parse_bool(const char *text, bool *value)
{
    static const char *const on[] = {"on", "yes", "true", "y"}, *const off[] = {"off", "no", "false", "n"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, on[i]) && strcmp(text, off[i]))
            continue;
        *value = !strcmp(text, on[i]);
        return 0;
    }
    return -EINVAL;
}

int keyvals_bool(struct keyvals *kv, const char *key, bool *value, struct err *err)
{
    const char *text = keyvals_take(kv, key);
    if (text && parse_bool(text, value) < 0)
        return err_set(err, -EINVAL, "Parameter '%s' expects 'on' or 'off'", key);
    return 0;
}

int keyvals_number(struct keyvals *kv, const char *key, uint64_t *value, struct err *err)
{
    const char *text = keyvals_take(kv, key);
    if (!text)
        return 0;
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 0);
    if (!isdigit((unsigned char)*text) || *end || errno)
        return err_set(err, -EINVAL, "Parameter '%s' expects a number", key);
    *value = number;
    return 0;
}

static int suffix_shift(char suffix)
{
    static const char suffixes[] = "bkmgtpe";
    const char *at = suffix ? strchr(suffixes, tolower((unsigned char)suffix)) : NULL;
    return at ? 10 * (int)(at - suffixes) : -1;
}

// Whole numbers stay exact; a fraction ("1.5G") goes through a double, which has bits enough.
int parse_size(const char *text, uint64_t default_unit, uint64_t *size_bytes)
{
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    char *end, *fraction_end;
    errno = 0;
    uint64_t whole = strtoull(text, &end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
    if (errno)
        return -ERANGE;
    double fraction = *end == '.' ? strtod(end, &fraction_end) : 0;
    if (*end == '.')
        end = fraction_end;
    int shift = suffix_shift(*end);
    if (*end && (shift < 0 || end[1]))
        return -EINVAL;
    uint64_t unit = *end ? UINT64_C(1) << shift : default_unit;
    uint64_t rest = (uint64_t)(fraction * (double)unit);
    if (__builtin_mul_overflow(whole, unit, size_bytes) ||
        __builtin_add_overflow(*size_bytes, rest, size_bytes))
        return -ERANGE;
    return 0;
}

int keyvals_size(struct keyvals *kv, const char *key, uint64_t default_unit, uint64_t *value,
                 struct err *err)
{
    const char *text = keyvals_take(kv, key);
    if (!text || parse_size(text, default_unit, value) == 0)
        return 0;
    return err_set(err, -EINVAL, "Parameter '%s' expects a non-negative number below 2^64", key);
}

int keyvals_all_taken(const struct keyvals *kv, struct err *err)
{
    for (unsigned i = 0; i < kv->count; i++)
        if (!kv->item[i].taken)
            return err_set(err, -EINVAL, "Invalid parameter '%s'", kv->item[i].key);
    return 0;
}
