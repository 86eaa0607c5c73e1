// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/migrate/state.h"
#include "guest/migrate/vcpu_state.h"

struct toy {
    uint8_t a;
    uint16_t list[4];
    uint64_t wide;
    bool flag, flags[2];
    uint32_t added;
};
static const struct state_field toy_1[] = {
    STATE_FIELD(struct toy, a, 1), STATE_ARRAY(struct toy, list, 1), STATE_FIELD(struct toy, wide, 1),
    STATE_FIELD(struct toy, flag, 1), STATE_ARRAY(struct toy, flags, 1), {0},
};
static const struct state_field toy_2[] = {
    STATE_FIELD(struct toy, added, 2), STATE_FIELD(struct toy, flag, 1),
    STATE_ARRAY(struct toy, flags, 1), STATE_FIELD(struct toy, wide, 1),
    STATE_ARRAY(struct toy, list, 1), STATE_FIELD(struct toy, a, 1), {0},
};
static const struct state_table table_1 = {"toy", 1, toy_1}, table_2 = {"toy", 2, toy_2};
static const struct toy sample = {
    .a = 1, .list = {2, 3, 4, 0xfedc}, .wide = UINT64_C(0x8877665544332211), .flag = true,
    .flags = {false, true}, .added = 77,
};

static int fd;
static struct err err;

static int setup(void **state)
{
    (void)state;
    fd = memfd_create("stream", MFD_CLOEXEC);
    err = (struct err){0};
    return fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    return close(fd);
}

static void save(const struct state_table *table, const void *base)
{
    struct stream stream;
    assert_int_equal(stream_open_write(&stream, fd, &err), 0);
    assert_int_equal(state_save(&stream, table, base, &err), 0);
    assert_int_equal(stream_flush(&stream, &err), 0);
    stream_close(&stream);
}

static int load(const struct state_table *table, void *base)
{
    struct stream stream;
    struct stream_section section;
    lseek(fd, 0, SEEK_SET);
    int code = stream_open_read(&stream, fd, &err);
    if (code == 0)
        code = stream_next(&stream, &section, &err);
    if (code == 0)
        code = state_load(&stream, &section, table, base, &err);
    stream_close(&stream);
    return code;
}

static void refused(const struct state_table *table, const char *sentence)
{
    struct toy toy = {0};
    assert_int_equal(load(table, &toy), -EINVAL);
    if (!strstr(err.text, sentence))
        fail_msg("\"%s\" doesn't say \"%s\"", err.text, sentence);
    assert_null(strchr(err.text, '\n'));
}

static void what_was_saved_is_loaded(void **state)
{
    (void)state;
    struct toy toy = {0};
    save(&table_1, &sample);
    assert_int_equal(load(&table_1, &toy), 0);
    assert_memory_equal(toy.list, sample.list, sizeof toy.list);
    assert_true(toy.a == 1 && toy.wide == sample.wide && toy.flag && !toy.flags[0] && toy.flags[1]);
    assert_int_equal(toy.added, 0);
}

static void an_older_stream_leaves_newer_fields_alone(void **state)
{
    (void)state;
    struct toy toy = {.added = 5};
    save(&table_1, &sample);
    assert_int_equal(load(&table_2, &toy), 0);
    assert_int_equal(toy.added, 5);
    assert_int_equal(toy.list[3], 0xfedc);
}

static void a_newer_version_is_refused_by_name(void **state)
{
    (void)state;
    save(&table_2, &sample);
    refused(&table_1, "section toy of the snapshot has version 2; this program knows 1");
}

static void an_unknown_field_is_refused_by_name(void **state)
{
    (void)state;
    static const struct state_field with_extra[] = {
        STATE_FIELD(struct toy, a, 1), STATE_FIELD(struct toy, added, 1), {0},
    };
    save(&(struct state_table){"toy", 1, with_extra}, &sample);
    refused(&table_1, "section toy of the snapshot, field added: this program doesn't know it");
}

static void a_missing_field_is_refused_by_name(void **state)
{
    (void)state;
    static const struct state_field without[] = {
        STATE_FIELD(struct toy, a, 1), STATE_ARRAY(struct toy, list, 1), STATE_FIELD(struct toy, flag, 1),
        STATE_ARRAY(struct toy, flags, 1), {0},
    };
    save(&(struct state_table){"toy", 1, without}, &sample);
    refused(&table_1, "field wide: it is missing");
}

static void a_field_twice_is_refused(void **state)
{
    (void)state;
    static const struct state_field twice[] = {
        STATE_FIELD(struct toy, a, 1), STATE_FIELD(struct toy, a, 1), {0},
    };
    save(&(struct state_table){"toy", 1, twice}, &sample);
    refused(&table_1, "field a: it is there twice");
}

static void another_size_is_refused(void **state)
{
    (void)state;
    static const struct state_field other[] = {
        {"a", 0, 1, 2, 1, false}, {0},
    };
    save(&(struct state_table){"toy", 1, other}, &sample);
    refused(&table_1, "field a: it has 2 elements of 1 bytes, not 1 of 1");
}

static void a_field_from_the_future_of_its_section_is_refused(void **state)
{
    (void)state;
    save(&(struct state_table){"toy", 1, toy_2}, &sample);
    refused(&table_2, "field added: it is newer than its section");
}

static void a_shorter_array_is_loaded_from_an_older_version_only(void **state)
{
    (void)state;
    static const struct state_field shorter[] = {
        STATE_FIELD(struct toy, a, 1), {"list", offsetof(struct toy, list), 2, 3, 1, false},
        STATE_FIELD(struct toy, wide, 1), STATE_FIELD(struct toy, flag, 1),
        STATE_ARRAY(struct toy, flags, 1), {0},
    };
    struct toy toy = {.list = {9, 9, 9, 9}};
    save(&(struct state_table){"toy", 1, shorter}, &sample);
    assert_int_equal(load(&table_2, &toy), 0);
    assert_int_equal(toy.list[2], 4);
    assert_int_equal(toy.list[3], 9);
    refused(&table_1, "field list: it has 3 elements of 2 bytes, not 4 of 2");
}

static void a_bool_is_true_or_false(void **state)
{
    (void)state;
    static const struct state_field forged[] = {
        STATE_FIELD(struct toy, a, 1), STATE_ARRAY(struct toy, list, 1), STATE_FIELD(struct toy, wide, 1),
        {"flag", offsetof(struct toy, wide), 1, 1, 1, false}, STATE_ARRAY(struct toy, flags, 1), {0},
    };
    save(&(struct state_table){"toy", 1, forged}, &sample);
    refused(&table_1, "field flag: it is neither true nor false");
}

// Whatever single byte is altered, and wherever the file is cut, nothing is loaded.
static void every_altered_byte_and_every_cut_is_refused(void **state)
{
    (void)state;
    save(&table_1, &sample);
    off_t end = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < end; at++) {
        uint8_t byte, other;
        struct toy toy = {0};
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = byte ^ (1 << at % 8);
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        assert_int_equal(load(&table_1, &toy), -EINVAL);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_true(toy.a == 0 && toy.wide == 0 && err.text[0]);
    }
    for (off_t at = end - 1; at >= 0; at--) {
        assert_int_equal(ftruncate(fd, at), 0);
        refused(&table_1, "the snapshot ends too early");
    }
}

static void a_section_that_claims_to_be_huge_costs_nothing(void **state)
{
    (void)state;
    struct stream stream;
    assert_int_equal(stream_open_write(&stream, fd, &err), 0);
    stream_begin(&stream, "toy", 1, UINT64_MAX, &err);
    stream_flush(&stream, &err);
    stream_close(&stream);
    refused(&table_1, "section toy of the snapshot is too long");
}

static void the_format_is_little_endian_and_stays_as_documented(void **state)
{
    (void)state;
    static const struct state_field fields[] = {STATE_ARRAY(struct toy, list, 1), {0}};
    static const uint8_t expected[] = {
        'K', 'O', 'N', 'U', 'K', 'S', 'N', 'P', 1, 0, 0, 0, 0, 0, 0, 0,
        18, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3, 't', 'o', 'y',
        4, 0, 0, 0, 2, 4, 'l', 'i', 's', 't', 2, 0, 3, 0, 4, 0, 0xdc, 0xfe,
    };
    uint8_t found[sizeof expected + 4];
    save(&(struct state_table){"toy", 7, fields}, &sample);
    assert_int_equal(pread(fd, found, sizeof found, 0), sizeof found);
    assert_memory_equal(found, expected, sizeof expected);
}

static void a_full_disk_is_reported_once_and_first(void **state)
{
    (void)state;
    struct stream stream;
    static uint8_t bytes[3 << 20];
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(stream_open_write(&stream, full, &err), 0);
    stream_begin(&stream, "big", 1, sizeof bytes, &err);
    assert_int_equal(stream_put(&stream, bytes, sizeof bytes, &err), -ENOSPC);
    assert_int_equal(stream_end(&stream, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "No space left"));
    stream_close(&stream);
    close(full);
}

// Every byte of the state is in the table, except the padding between members.
static void the_vcpu_table_covers_the_whole_state(void **state)
{
    (void)state;
    uint8_t *covered = calloc(1, sizeof(struct x86_state));
    for (const struct state_field *f = vcpu_state_fields; f->name; f++)
        for (uint32_t i = 0; i < f->size_bytes * f->count; i++)
            assert_int_equal(covered[f->offset_bytes + i]++, 0);
    unsigned run = 0;
    for (size_t i = 0; i < sizeof(struct x86_state); i++) {
        run = covered[i] ? 0 : run + 1;
        bool before_xsave = i < offsetof(struct x86_state, xsave) &&
                            i >= offsetof(struct x86_state, apic) + sizeof(struct x86_apic);
        if (run >= 8 && !before_xsave)
            fail_msg("no field covers offset %zu", i);
    }
    free(covered);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_loaded),
        TEST(an_older_stream_leaves_newer_fields_alone),
        TEST(a_newer_version_is_refused_by_name),
        TEST(an_unknown_field_is_refused_by_name),
        TEST(a_missing_field_is_refused_by_name),
        TEST(a_field_twice_is_refused),
        TEST(another_size_is_refused),
        TEST(a_field_from_the_future_of_its_section_is_refused),
        TEST(a_shorter_array_is_loaded_from_an_older_version_only),
        TEST(a_bool_is_true_or_false),
        TEST(every_altered_byte_and_every_cut_is_refused),
        TEST(a_section_that_claims_to_be_huge_costs_nothing),
        TEST(the_format_is_little_endian_and_stays_as_documented),
        TEST(a_full_disk_is_reported_once_and_first),
        TEST(the_vcpu_table_covers_the_whole_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
