// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/migrate/state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

// Host and stream are both little-endian (base/bits.h), so elements are copied as they are.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are copied as they are");

// Before each field's elements; the name follows it.
struct field_header {
    struct le32 count;
    uint8_t element_bytes;
    uint8_t name_bytes;
};

static size_t value_bytes(const struct state_field *f)
{
    return (size_t)f->size_bytes * f->count;
}

static size_t section_bytes(const struct state_table *table)
{
    size_t bytes = 0;
    for (const struct state_field *f = table->fields; f->name; f++)
        bytes += sizeof(struct field_header) + strlen(f->name) + value_bytes(f);
    assert(bytes <= STATE_BYTES_MAX);
    return bytes;
}

static void put_field(struct stream *stream, const struct state_field *f, const uint8_t *base,
                      struct err *err)
{
    size_t name_bytes = strlen(f->name);
    assert(name_bytes <= UINT8_MAX);
    struct field_header header = {le32(f->count), f->size_bytes, name_bytes};
    stream_put(stream, &header, sizeof header, err);
    stream_put(stream, f->name, name_bytes, err);
    stream_put(stream, base + f->offset_bytes, value_bytes(f), err);
}

int state_save(struct stream *stream, const struct state_table *table, const void *base,
               struct err *err)
{
    stream_begin(stream, table->section, table->version, section_bytes(table), err);
    for (const struct state_field *f = table->fields; f->name; f++)
        put_field(stream, f, base, err);
    return stream_end(stream, err);
}

// A section while it is taken apart.
struct reader {
    const struct state_table *table;
    uint32_t version;
    const uint8_t *at, *end;
    bool seen[STATE_FIELDS_MAX];
};

// One field as the stream has it: lengths checked against the section's end, no more.
struct item {
    char name[UINT8_MAX + 1];
    uint32_t count;
    uint8_t element_bytes;
    const uint8_t *value;
};

static int bad_section(const struct reader *r, const char *what, struct err *err)
{
    return err_set(err, -EINVAL, "section %s of the snapshot %s", r->table->section, what);
}

static int bad_field(const struct reader *r, const char *field, const char *what, struct err *err)
{
    return err_set(err, -EINVAL, "section %s of the snapshot, field %s: %s", r->table->section,
                   field, what);
}

static int next_item(struct reader *r, struct item *item, struct err *err)
{
    struct field_header header;
    if ((size_t)(r->end - r->at) < sizeof header)
        return bad_section(r, "ends within a field", err);
    memcpy(&header, r->at, sizeof header);
    r->at += sizeof header;
    if (r->end - r->at < header.name_bytes)
        return bad_section(r, "ends within a field's name", err);
    *item = (struct item){.count = le32_get(header.count), .element_bytes = header.element_bytes};
    for (unsigned i = 0; i < header.name_bytes; i++)
        item->name[i] = r->at[i] > ' ' && r->at[i] <= '~' ? r->at[i] : '?';
    r->at += header.name_bytes;
    uint64_t bytes = (uint64_t)item->count * item->element_bytes;
    if ((uint64_t)(r->end - r->at) < bytes)
        return bad_field(r, item->name, "it is longer than the section", err);
    item->value = r->at;
    r->at += bytes;
    return 0;
}

static const struct state_field *find_field(const struct state_table *table, const char *name)
{
    for (const struct state_field *f = table->fields; f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

static int check_values(const struct reader *r, const struct state_field *f, const struct item *item,
                        struct err *err)
{
    for (uint32_t i = 0; f->boolean && i < item->count; i++)
        if (item->value[i] > 1)
            return bad_field(r, f->name, "it is neither true nor false", err);
    return 0;
}

static int check_item(struct reader *r, const struct state_field *f, const struct item *item,
                      struct err *err)
{
    if (!f)
        return bad_field(r, item->name, "this program doesn't know it", err);
    if (f->since_version > r->version)
        return bad_field(r, item->name, "it is newer than its section", err);
    bool short_enough = r->version < r->table->version ? item->count <= f->count
                                                       : item->count == f->count;
    if (item->element_bytes != f->size_bytes || !short_enough)
        return err_set(err, -EINVAL, "section %s of the snapshot, field %s: it has %u elements of "
                       "%u bytes, not %u of %u", r->table->section, f->name, item->count,
                       item->element_bytes, f->count, f->size_bytes);
    size_t index = f - r->table->fields;
    assert(index < STATE_FIELDS_MAX);
    if (r->seen[index])
        return bad_field(r, f->name, "it is there twice", err);
    r->seen[index] = true;
    return check_values(r, f, item, err);
}

static int check_complete(const struct reader *r, struct err *err)
{
    for (const struct state_field *f = r->table->fields; f->name; f++)
        if (f->since_version <= r->version && !r->seen[f - r->table->fields])
            return bad_field(r, f->name, "it is missing", err);
    return 0;
}

static int load_fields(struct reader *r, uint8_t *base, struct err *err)
{
    struct item item;
    while (r->at < r->end) {
        int code = next_item(r, &item, err);
        if (code < 0)
            return code;
        const struct state_field *f = find_field(r->table, item.name);
        code = check_item(r, f, &item, err);
        if (code < 0)
            return code;
        memcpy(base + f->offset_bytes, item.value, (size_t)item.count * item.element_bytes);
    }
    return check_complete(r, err);
}

static int take_section(struct stream *stream, const struct stream_section *section, uint8_t *bytes,
                        struct err *err)
{
    int code = stream_take(stream, bytes, section->size_bytes, err);
    return code < 0 ? code : stream_finish(stream, err);
}

int state_load(struct stream *stream, const struct stream_section *section,
               const struct state_table *table, void *base, struct err *err)
{
    struct reader r = {.table = table, .version = section->version};
    if (section->version > table->version)
        return err_set(err, -EINVAL, "section %s of the snapshot has version %u; this program knows "
                       "%u", section->name, section->version, table->version);
    if (section->size_bytes > STATE_BYTES_MAX)
        return bad_section(&r, "is too long", err);
    uint8_t *bytes = malloc(section->size_bytes + 1);
    if (!bytes)
        return err_set(err, -ENOMEM, "no memory to load section %s", section->name);
    r.at = bytes;
    r.end = bytes + section->size_bytes;
    int code = take_section(stream, section, bytes, err);
    if (code == 0)
        code = load_fields(&r, base, err);
    free(bytes);
    return code;
}
