// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <string.h>

#include "guest/firmware/aml.h"

static struct bytes out;
static struct aml a;

static int setup(void **state)
{
    (void)state;
    aml_init(&a, &out);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bytes_free(&out);
    return 0;
}

#define assert_written(...)                                                   \
    do {                                                                      \
        static const uint8_t expected[] = {__VA_ARGS__};                      \
        assert_int_equal(out.size_bytes, sizeof expected);                    \
        assert_memory_equal(out.data, expected, sizeof expected);             \
        bytes_free(&out);                                                     \
    } while (0)

static void integers_take_the_shortest_form(void **state)
{
    (void)state;
    aml_integer(&a, 0);
    assert_written(0x00);
    aml_integer(&a, 1);
    assert_written(0x01);
    aml_integer(&a, 2);
    assert_written(0x0a, 2);
    aml_integer(&a, 0x100);
    assert_written(0x0b, 0, 1);
    aml_integer(&a, 0x10000);
    assert_written(0x0c, 0, 0, 1, 0);
    aml_integer(&a, UINT64_C(1) << 32);
    assert_written(0x0e, 0, 0, 0, 0, 1, 0, 0, 0);
    aml_integer(&a, UINT64_MAX);
    assert_written(0xff);
}

static void names_are_segments_of_four(void **state)
{
    (void)state;
    aml_path(&a, "RTC");
    assert_written('R', 'T', 'C', '_');
    aml_path(&a, "\\_SB.PCI0");
    assert_written('\\', 0x2e, '_', 'S', 'B', '_', 'P', 'C', 'I', '0');
    aml_path(&a, "^^A.B.C1");
    assert_written('^', '^', 0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_', 'C', '1', '_', '_');
}

static void eisa_ids_are_packed(void **state)
{
    (void)state;
    aml_eisa_id(&a, "PNP0A03");
    assert_written(0x0c, 0x41, 0xd0, 0x0a, 0x03);
}

static void methods_have_flags_and_a_body(void **state)
{
    (void)state;
    aml_begin_method(&a, "_STA", 1, true);
    aml_op(&a, AML_RETURN), aml_argument(&a, 0);
    aml_end(&a);
    assert_written(0x14, 8, '_', 'S', 'T', 'A', 0x09, 0xa4, 0x68);
}

static void packages_count_their_elements(void **state)
{
    (void)state;
    aml_begin_package(&a, 2);
    aml_integer(&a, 5), aml_string(&a, "x");
    aml_end(&a);
    assert_written(0x12, 7, 2, 0x0a, 5, 0x0d, 'x', 0);
}

static void resources_are_a_buffer_with_an_end_tag(void **state)
{
    (void)state;
    aml_begin_resources(&a);
    aml_io(&a, 0x3f8, 8);
    aml_irq(&a, 12);
    aml_end(&a);
    assert_written(0x11, 16, 0x0a, 13, 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x00, 0x10, 0x79, 0);
}

// 20.2.4: a length of 63 is the most that one byte says.
static void a_body_of_any_size_has_its_true_length(void **state)
{
    static const size_t sizes[] = {1, 57, 58, 59, 4088, 4089, 4090, 4091, 70000, 900000};
    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        aml_begin_scope(&a, "XXXX");
        for (size_t n = 0; n < sizes[i]; n++)
            aml_integer(&a, 0);
        aml_end(&a);
        size_t more = out.data[1] >> 6, length = more ? out.data[1] & 15 : out.data[1] & 63;
        for (size_t n = 0; n < more; n++)
            length |= (size_t)out.data[2 + n] << (4 + 8 * n);
        assert_int_equal(length, out.size_bytes - 1);
        assert_int_equal(out.size_bytes, 2 + more + 4 + sizes[i]);
        assert_int_equal(more, length <= 63 ? 0 : length <= 0xfff ? 1 : length <= 0xfffff ? 2 : 3);
        bytes_free(&out);
    }
}

static void nested_lengths_count_each_other(void **state)
{
    (void)state;
    aml_begin_scope(&a, "\\_SB");
    aml_begin_device(&a, "D");
    aml_name(&a, "_UID"), aml_integer(&a, 1);
    aml_end(&a);
    aml_end(&a);
    assert_written(0x10, 19, '\\', '_', 'S', 'B', '_', 0x5b, 0x82, 11, 'D', '_', '_', '_', 0x08,
                   '_', 'U', 'I', 'D', 1);
}

static void too_much_is_an_error_and_writes_nothing_more(void **state)
{
    struct err err = {0};
    (void)state;
    aml_begin_scope(&a, "\\_SB");
    for (unsigned n = 0; n < BYTES_LIMIT; n++)
        aml_integer(&a, UINT64_C(1) << 40);
    aml_end(&a);
    assert_in_range(out.size_bytes, BYTES_LIMIT - 9, BYTES_LIMIT);
    assert_int_equal(bytes_result(&out, "the test", &err), -E2BIG);
    assert_string_equal(err.text, "the test is larger than 1048576 bytes");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(integers_take_the_shortest_form),
        TEST(names_are_segments_of_four),
        TEST(eisa_ids_are_packed),
        TEST(methods_have_flags_and_a_body),
        TEST(packages_count_their_elements),
        TEST(resources_are_a_buffer_with_an_end_tag),
        TEST(a_body_of_any_size_has_its_true_length),
        TEST(nested_lengths_count_each_other),
        TEST(too_much_is_an_error_and_writes_nothing_more),
    };
    return cmocka_run_group_tests_name("aml", tests, NULL, NULL);
}
