// SPDX-License-Identifier: GPL-2.0-or-later
//
// A struct's state in a stream, by its table of fields (guest/device/device.h): one section,
// whose fields carry their names, so that a stream of another version is read by name.
//
// On load:
// - a field that is newer than the section's version keeps the value it has (the reset value);
// - a field that the version should have and that isn't there, one that nobody knows, one of
//   another size, a second one of the same name, or a version newer than ours is refused;
// - an array may be shorter than ours in a section of an older version; the rest keeps its value.
// Every refusal is a sentence that names section and field. Values are not judged here, except
// that a bool is 0 or 1: that is ops->loaded's.
#pragma once

#include <stdint.h>

#include "guest/device/device.h"
#include "guest/migrate/stream.h"

enum { STATE_FIELDS_MAX = 512, STATE_BYTES_MAX = 1 << 20 };

struct state_table {
    const char *section;
    uint32_t version;
    const struct state_field *fields;
};

int state_save(struct stream *stream, const struct state_table *table, const void *base,
               struct err *err);
// stream_next gave section; takes all of it, and its checksum, before it touches base.
int state_load(struct stream *stream, const struct stream_section *section,
               const struct state_table *table, void *base, struct err *err);
