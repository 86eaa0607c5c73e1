// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/firmware/aml.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "base/bits.h"

enum { ZERO_OP = 0x00, ONE_OP = 0x01, NAME_OP = 0x08, BYTE_PREFIX = 0x0a, WORD_PREFIX = 0x0b,
       DWORD_PREFIX = 0x0c, STRING_PREFIX = 0x0d, QWORD_PREFIX = 0x0e, SCOPE_OP = 0x10,
       BUFFER_OP = 0x11, PACKAGE_OP = 0x12, METHOD_OP = 0x14, DUAL_NAME_PREFIX = 0x2e,
       MULTI_NAME_PREFIX = 0x2f, EXT_PREFIX = 0x5b, LOCAL0_OP = 0x60, ARG0_OP = 0x68,
       IF_OP = 0xa0, ELSE_OP = 0xa1, CREATE_DWORD_FIELD_OP = 0x8a, EXT_REGION_OP = 0x80,
       EXT_FIELD_OP = 0x81, EXT_DEVICE_OP = 0x82, ONES_OP = 0xff };
enum { NAME_SEGMENT_BYTES = 4, NAME_SEGMENTS = 8 };
enum { FIELD_BY_BYTES_PRESERVED = 0x01 };  // 20.2.5.2, FieldFlags

void aml_init(struct aml *a, struct bytes *out)
{
    *a = (struct aml){.out = out};
}

static void put(struct aml *a, const void *data, size_t size_bytes)
{
    bytes_put(a->out, data, size_bytes);
}

static void put_byte(struct aml *a, uint8_t byte)
{
    put(a, &byte, 1);
}

// 20.2.3; the shortest form. Returns its length.
static size_t encode_integer(uint8_t out[9], uint64_t value)
{
    static const struct { uint64_t max; uint8_t prefix, bytes; } forms[] = {
        {UINT8_MAX, BYTE_PREFIX, 1}, {UINT16_MAX, WORD_PREFIX, 2},
        {UINT32_MAX, DWORD_PREFIX, 4}, {UINT64_MAX, QWORD_PREFIX, 8},
    };
    unsigned i = 0;
    if (value <= 1 || value == UINT64_MAX) {
        out[0] = value == UINT64_MAX ? ONES_OP : value ? ONE_OP : ZERO_OP;
        return 1;
    }
    while (value > forms[i].max)
        i++;
    out[0] = forms[i].prefix;
    memcpy(out + 1, le64(value).b, forms[i].bytes);
    return 1u + forms[i].bytes;
}

// 20.2.4. One byte holds 6 bits; of more, the first holds the low 4 and how many follow. A length of a
// body counts itself, one of a field does not. Returns its length.
static size_t encode_number(uint8_t out[4], size_t number, bool counts_itself)
{
    size_t more = 0;
    while (number + (counts_itself ? 1 + more : 0) >= (more ? UINT64_C(1) << (4 + 8 * more) : 64))
        more++;
    assert(more <= 3);
    size_t length = number + (counts_itself ? 1 + more : 0);
    out[0] = (uint8_t)(more ? more << 6 | (length & 15) : length);
    for (size_t i = 0; i < more; i++)
        out[1 + i] = (uint8_t)(length >> (4 + 8 * i));
    return 1 + more;
}

static void begin(struct aml *a, bool buffer)
{
    assert(a->depth < AML_DEPTH);
    a->open[a->depth].start = a->out->size_bytes;
    a->open[a->depth++].buffer = buffer;
}

// What is inside is whole by now, so the lengths can be put before it, innermost first.
void aml_end(struct aml *a)
{
    uint8_t code[9];
    assert(a->depth);
    size_t start = a->open[--a->depth].start;
    if (a->open[a->depth].buffer) {
        put(a, (uint8_t[]){0x79, 0}, 2);  // end tag; a checksum of 0 is always right (6.4.2.9)
        bytes_insert(a->out, start, code, encode_integer(code, a->out->size_bytes - start));
    }
    bytes_insert(a->out, start, code, encode_number(code, a->out->size_bytes - start, true));
}

// Four characters, filled up with '_' (20.2.2). Returns what follows.
static const char *put_segment(struct aml *a, const char *path)
{
    char segment[NAME_SEGMENT_BYTES] = {'_', '_', '_', '_'};
    unsigned n = 0;
    while (*path && *path != '.') {
        assert(n < NAME_SEGMENT_BYTES && (isupper((unsigned char)*path) || *path == '_' ||
                                          (n && isdigit((unsigned char)*path))));
        segment[n++] = *path++;
    }
    assert(n);
    put(a, segment, sizeof segment);
    return *path ? path + 1 : path;
}

void aml_path(struct aml *a, const char *path)
{
    for (; *path == '\\' || *path == '^'; path++)
        put_byte(a, (uint8_t)*path);
    unsigned segments = *path != 0;
    for (const char *p = path; (p = strchr(p, '.')); p++)
        segments++;
    assert(segments && segments <= NAME_SEGMENTS);
    if (segments == 2)
        put_byte(a, DUAL_NAME_PREFIX);
    else if (segments > 2)
        put(a, (uint8_t[]){MULTI_NAME_PREFIX, (uint8_t)segments}, 2);
    while (*path)
        path = put_segment(a, path);
}

void aml_begin_scope(struct aml *a, const char *path)
{
    put_byte(a, SCOPE_OP);
    begin(a, false);
    aml_path(a, path);
}

void aml_begin_device(struct aml *a, const char *name)
{
    put(a, (uint8_t[]){EXT_PREFIX, EXT_DEVICE_OP}, 2);
    begin(a, false);
    aml_path(a, name);
}

void aml_begin_method(struct aml *a, const char *name, unsigned arguments, bool serialized)
{
    assert(arguments <= 7);
    put_byte(a, METHOD_OP);
    begin(a, false);
    aml_path(a, name);
    put_byte(a, (uint8_t)(arguments | (serialized ? 8 : 0)));
}

void aml_begin_if(struct aml *a)
{
    put_byte(a, IF_OP);
    begin(a, false);
}

void aml_begin_else(struct aml *a)
{
    put_byte(a, ELSE_OP);
    begin(a, false);
}

void aml_begin_package(struct aml *a, uint8_t elements)
{
    put_byte(a, PACKAGE_OP);
    begin(a, false);
    put_byte(a, elements);
}

void aml_begin_resources(struct aml *a)
{
    put_byte(a, BUFFER_OP);
    begin(a, true);
}

// 20.2.5.2.
void aml_region(struct aml *a, const char *name, enum aml_space space, uint64_t offset, uint64_t size_bytes)
{
    put(a, (uint8_t[]){EXT_PREFIX, EXT_REGION_OP}, 2);
    aml_path(a, name);
    put_byte(a, (uint8_t)space);
    aml_integer(a, offset);
    aml_integer(a, size_bytes);
}

void aml_begin_fields(struct aml *a, const char *region)
{
    put(a, (uint8_t[]){EXT_PREFIX, EXT_FIELD_OP}, 2);
    begin(a, false);
    aml_path(a, region);
    put_byte(a, FIELD_BY_BYTES_PRESERVED);
}

void aml_field(struct aml *a, const char *name, unsigned bits)
{
    uint8_t length[4];
    put_segment(a, name);
    put(a, length, encode_number(length, bits, false));
}

void aml_field_gap(struct aml *a, unsigned bits)
{
    uint8_t length[4];
    put_byte(a, 0);
    put(a, length, encode_number(length, bits, false));
}

void aml_begin_dword_field(struct aml *a)
{
    put_byte(a, CREATE_DWORD_FIELD_OP);
}

void aml_end_dword_field(struct aml *a, uint64_t byte, const char *name)
{
    aml_integer(a, byte);
    aml_path(a, name);
}

void aml_name(struct aml *a, const char *path)
{
    put_byte(a, NAME_OP);
    aml_path(a, path);
}

void aml_integer(struct aml *a, uint64_t value)
{
    uint8_t code[9];
    put(a, code, encode_integer(code, value));
}

void aml_string(struct aml *a, const char *ascii)
{
    put_byte(a, STRING_PREFIX);
    put(a, ascii, strlen(ascii) + 1);
}

static uint32_t hex_digit(char c)
{
    assert(isxdigit((unsigned char)c));
    return (uint32_t)(isdigit((unsigned char)c) ? c - '0' : toupper((unsigned char)c) - 'A' + 10);
}

// 19.3.4: three letters of five bits and four hexadecimal digits, stored big-endian.
void aml_eisa_id(struct aml *a, const char *id)
{
    uint32_t code = 0;
    assert(strlen(id) == 7);
    for (unsigned i = 0; i < 3; i++)
        code = code << 5 | ((uint32_t)(id[i] - 0x40) & 0x1f);
    for (unsigned i = 3; i < 7; i++)
        code = code << 4 | hex_digit(id[i]);
    put_byte(a, DWORD_PREFIX);
    code = __builtin_bswap32(code);
    put(a, le32(code).b, 4);
}

void aml_buffer(struct aml *a, const void *bytes, uint8_t size_bytes)
{
    put_byte(a, BUFFER_OP);
    begin(a, false);
    aml_integer(a, size_bytes);
    put(a, bytes, size_bytes);
    aml_end(a);
}

// 19.6.142: of "aabbccdd-eeff-gghh-iijj-kkllmmnnoopp" the first three groups are stored little-endian.
void aml_uuid(struct aml *a, const char *uuid)
{
    static const uint8_t place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t bytes[16];
    assert(strlen(uuid) == 36);
    for (unsigned i = 0; i < 16; i++) {
        uuid += *uuid == '-';
        bytes[place[i]] = (uint8_t)(hex_digit(uuid[0]) << 4 | hex_digit(uuid[1]));
        uuid += 2;
    }
    aml_buffer(a, bytes, sizeof bytes);
}

void aml_op(struct aml *a, enum aml_op op)
{
    put_byte(a, (uint8_t)op);
}

void aml_argument(struct aml *a, unsigned number)
{
    assert(number < 7);
    put_byte(a, (uint8_t)(ARG0_OP + number));
}

void aml_local(struct aml *a, unsigned number)
{
    assert(number < 8);
    put_byte(a, (uint8_t)(LOCAL0_OP + number));
}
