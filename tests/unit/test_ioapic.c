// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/device_bench.h"

#include "guest/device/ioapic.h"

enum { SELECT = 0x00, WINDOW = 0x10, END = 0x40 };
enum { MASKED = 1 << 16, LEVEL = 1 << 15, LOGICAL = 1 << 11 };

static struct {
    struct msi_sink sink;
    struct ioapic_watch watch;
    struct irq_end end;
    unsigned sent, ended, routes;
    uint64_t address;
    uint32_t data;
    uint32_t route_data;
    bool route_masked;
} w;
static struct ioapic io;

static void sink_send(struct msi_sink *sink, uint64_t address, uint32_t data)
{
    (void)sink;
    w.sent++;
    w.address = address;
    w.data = data;
}

static void watch_route(struct ioapic_watch *watch, unsigned pin, uint64_t address, uint32_t data,
                        bool masked)
{
    (void)watch, (void)pin, (void)address;
    w.routes++;
    w.route_data = data;
    w.route_masked = masked;
}

static void end_ended(struct irq_end *end)
{
    (void)end;
    w.ended++;
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.sink.send = sink_send;
    w.watch.route_changed = watch_route;
    w.end.ended = end_ended;
    ioapic_init(&io, &w.sink, &w.watch);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ioapic_finish(&io);
    return 0;
}

static uint32_t get(unsigned reg)
{
    device_write(&io.dev, SELECT, reg, 4);
    return device_read(&io.dev, WINDOW, 4);
}

static void put(unsigned reg, uint32_t value)
{
    device_write(&io.dev, SELECT, reg, 4);
    device_write(&io.dev, WINDOW, value, 4);
}

static void route(unsigned pin, uint32_t low, uint8_t destination)
{
    put(0x11 + 2 * pin, (uint32_t)destination << 24);
    put(0x10 + 2 * pin, low);
}

static void drive(unsigned pin, bool level) { irq_set(ioapic_pin(&io, pin), level); }

static void it_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(get(1), 0x00170020);
    put(0, 0xffffffff);
    assert_int_equal(get(0), 0x0f000000);
    assert_int_equal(get(0x10 + 2 * 23), MASKED);
    assert_int_equal(get(0x40), 0);
}

static void an_edge_is_sent_once(void **state)
{
    (void)state;
    route(4, 0x31, 2);
    drive(4, true);
    assert_int_equal(w.sent, 1);
    assert_int_equal(w.address, 0xfee02000);
    assert_int_equal(w.data, 0x4031);
    drive(4, true);
    assert_int_equal(w.sent, 1);
    drive(4, false);
    drive(4, true);
    assert_int_equal(w.sent, 2);
}

static void a_masked_edge_is_lost(void **state)
{
    (void)state;
    route(4, MASKED | 0x31, 0);
    drive(4, true);
    route(4, 0x31, 0);
    assert_int_equal(w.sent, 0);
}

static void a_level_waits_for_its_end(void **state)
{
    (void)state;
    route(9, LEVEL | 0x41, 0);
    drive(9, true);
    drive(9, false);
    drive(9, true);
    assert_int_equal(w.sent, 1);
    assert_int_equal(w.data, 0xc041);
    assert_int_equal(get(0x10 + 18), LEVEL | 0x4041);
    ioapic_eoi(&io, 0x42);
    assert_int_equal(w.sent, 1);
    ioapic_eoi(&io, 0x41);
    assert_int_equal(w.sent, 2);
    drive(9, false);
    ioapic_eoi(&io, 0x41);
    assert_int_equal(w.sent, 2);
    assert_int_equal(get(0x10 + 18), LEVEL | 0x41);
}

static void a_masked_level_is_sent_when_unmasked(void **state)
{
    (void)state;
    route(9, MASKED | LEVEL | 0x41, 0);
    drive(9, true);
    assert_int_equal(w.sent, 0);
    route(9, LEVEL | 0x41, 0);
    assert_int_equal(w.sent, 1);
}

static void the_eoi_register_ends_too(void **state)
{
    (void)state;
    route(9, LEVEL | 0x41, 0);
    drive(9, true);
    device_write(&io.dev, END, 0x41, 4);
    assert_int_equal(w.sent, 2);
}

static void turning_to_edge_forgets_the_service(void **state)
{
    (void)state;
    route(9, LEVEL | 0x41, 0);
    drive(9, true);
    route(9, MASKED | 0x41, 0);
    route(9, MASKED | LEVEL | 0x41, 0);
    assert_int_equal(get(0x10 + 18), MASKED | LEVEL | 0x41);
}

static void destinations_and_delivery_modes_become_messages(void **state)
{
    (void)state;
    route(0, 0x700, 0);  // ExtINT
    drive(0, true);
    assert_int_equal(w.data, 0x4700);
    route(1, LOGICAL | 0x100 | 0x55, 0xff);  // lowest priority
    drive(1, true);
    assert_int_equal(w.address, 0xfeeff004);
    assert_int_equal(w.data, 0x4155);
    route(2, LEVEL | 0x400, 1);  // NMI is an edge whatever is asked
    drive(2, true);
    assert_int_equal(w.data, 0x4400);
    assert_int_equal(get(0x14), LEVEL | 0x400);
}

static void whoever_drives_a_level_hears_of_its_end(void **state)
{
    (void)state;
    ioapic_listen(&io, 16, &w.end);
    route(16, LEVEL | 0x61, 0);
    drive(16, true);
    assert_int_equal(w.ended, 0);
    drive(16, false);
    ioapic_eoi(&io, 0x61);
    assert_int_equal(w.ended, 1);
}

static void an_engine_can_follow_the_routes(void **state)
{
    (void)state;
    unsigned before = w.routes;
    route(9, LEVEL | 0x41, 0);
    assert_int_equal(w.routes, before + 2);
    assert_int_equal(w.route_data, 0xc041);
    assert_false(w.route_masked);
    device_reset(&io.dev);
    assert_true(w.route_masked);
}

static void read_only_bits_stay(void **state)
{
    (void)state;
    route(3, 0xffffffff & ~LEVEL, 0xff);
    assert_int_equal(get(0x16), 0x12fff & ~LEVEL);
    assert_int_equal(get(0x17), 0xff000000);
}

static void a_loaded_level_is_sent_when_started(void **state)
{
    (void)state;
    route(9, LEVEL | 0x41, 0);
    io.levels = 1 << 9;
    assert_int_equal(device_loaded(&io.dev, NULL), 0);
    assert_int_equal(w.sent, 0);
    device_started(&io.dev);
    assert_int_equal(w.sent, 1);
    io.entries[3] = 1 << 14;
    struct err err = {0};
    assert_int_equal(device_loaded(&io.dev, &err), -EINVAL);
    assert_non_null(strstr(err.text, "entry 3"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_says_what_it_is),
        TEST(an_edge_is_sent_once),
        TEST(a_masked_edge_is_lost),
        TEST(a_level_waits_for_its_end),
        TEST(a_masked_level_is_sent_when_unmasked),
        TEST(the_eoi_register_ends_too),
        TEST(turning_to_edge_forgets_the_service),
        TEST(destinations_and_delivery_modes_become_messages),
        TEST(whoever_drives_a_level_hears_of_its_end),
        TEST(an_engine_can_follow_the_routes),
        TEST(read_only_bits_stay),
        TEST(a_loaded_level_is_sent_when_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
