// SPDX-License-Identifier: GPL-2.0-or-later
//
// The argument of a QEMU option: key=value,key,nokey. `key` alone means key=on and `nokey` means
// key=off, except at the beginning, where an option may have a key that is implied and the word is
// its value. A comma inside a value is written twice. Of a key that comes again the last counts, but
// where it makes a list.
//
// Who reads the values takes them one by one, with their types; what nobody took is an error.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct keyval {
    char *key, *value;
    bool taken;
};

enum { KEYVALS_MAX = 64 };

struct keyvals {
    unsigned count;
    struct keyval item[KEYVALS_MAX];
};

// implied may be null. -EINVAL and a sentence.
int keyvals_parse(struct keyvals *kv, const char *text, const char *implied, struct err *err);
void keyvals_finish(struct keyvals *kv);
// A JSON object, as these options take it too: its members' members have a dot between the names, and
// a list's elements the same name.
int keyvals_from_json(struct keyvals *kv, const char *text, struct err *err);
// Either, as the first character tells.
int keyvals_parse_any(struct keyvals *kv, const char *text, const char *implied, struct err *err);
int keyvals_set(struct keyvals *kv, const char *key, const char *value, struct err *err);

// Each marks key as taken. Without it they leave *value as it was and return 0; a value of the
// wrong type is -EINVAL with QEMU's sentence. The text stays kv's.
const char *keyvals_take(struct keyvals *kv, const char *key);  // null: not there
// A list's values, one a call, in their order; *at begins at 0. Null: no more.
const char *keyvals_take_each(struct keyvals *kv, const char *key, unsigned *at);
int keyvals_bool(struct keyvals *kv, const char *key, bool *value, struct err *err);
int keyvals_number(struct keyvals *kv, const char *key, uint64_t *value, struct err *err);
// A number with a suffix k, M, G, T, P or E; without one it counts in default_unit bytes.
int keyvals_size(struct keyvals *kv, const char *key, uint64_t default_unit, uint64_t *value,
                 struct err *err);
// "Invalid parameter 'foo'" for the first that was not taken.
int keyvals_all_taken(const struct keyvals *kv, struct err *err);

// "1.5G": -EINVAL if it is no size, -ERANGE if it needs more than 64 bits.
int parse_size(const char *text, uint64_t default_unit, uint64_t *size_bytes);
int parse_bool(const char *text, bool *value);  // on, yes, true, y; off, no, false, n
