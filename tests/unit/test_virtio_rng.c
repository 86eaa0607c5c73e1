// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/virtio_driver.h"

#include <fcntl.h>
#include <unistd.h>

#include "guest/virtio/rng.h"

enum { SIZE = 8, BYTES = 64, REQUEST_BYTES_MAX = 4096 };

// A transport that only counts.
struct counting {
    struct virtio_transport transport;
    unsigned interrupts, failures, stops;
};
static struct counting *counting(struct virtio_transport *t) { return (struct counting *)t; }
static void count_interrupt(struct virtio_transport *t, unsigned queue)
{
    assert_int_equal(queue, 0);
    counting(t)->interrupts++;
}
static void count_failure(struct virtio_transport *t) { counting(t)->failures++; }
static void count_stop(struct virtio_transport *t) { counting(t)->stops++; }

static struct driver_memory m;
static struct driver_queue d;
static struct io_thread *thread;
static struct counting transport;
static struct virtio_rng *rng;
static struct virtio_device *vdev;

static void nothing(void *opaque) { (void)opaque; }
static void settle(void)
{
    io_thread_call(thread, nothing, NULL);
    io_thread_call(thread, nothing, NULL);
}

static int setup(void **state)
{
    (void)state;
    driver_memory_open(&m);
    thread = io_thread_create("rng", &mem_reader_sleep, NULL);
    d = driver_queue(&m, 0, SIZE);
    return 0;
}

static void connect_device(void)
{
    vdev = virtio_rng_device(rng);
    transport = (struct counting){{count_interrupt, count_stop, count_failure, count_stop}, 0, 0, 0};
    vdev->transport = &transport.transport;
    driver_tell(&d, &vdev->queue[0]);
    virtio_device_start(vdev);
    settle();
}

static void begin(uint64_t max_bytes, uint32_t period_ms)
{
    struct virtio_rng_config config = {max_bytes, period_ms};
    rng = virtio_rng_create(&config, thread, m.mem, NULL);
    assert_non_null(rng);
    connect_device();
}

static int teardown(void **state)
{
    (void)state;
    virtio_rng_destroy(rng);
    rng = NULL;
    io_thread_destroy(thread);
    driver_memory_close(&m);
    return 0;
}

static void ask(uint16_t head, uint32_t size_bytes)
{
    memset(guest(&m, DRIVER_BUFFERS + head * 0x4000u), 0, 0x4000);
    descriptor(&d, head, DRIVER_BUFFERS + head * 0x4000u, size_bytes, D_WRITE, 0);
    make_available(&d, head);
    virtio_device_kick(vdev, 0);
}

// What the next request was given; 0 if none has come back in a second.
static uint32_t answer(void)
{
    uint32_t head, bytes;
    for (unsigned tries = 0; tries < 1000; tries++, usleep(1000))
        if (take_used(&d, &head, &bytes))
            return bytes;
    return 0;
}

static bool is_zero(uint16_t head, uint32_t from, uint32_t size_bytes)
{
    const uint8_t *at = guest(&m, DRIVER_BUFFERS + head * 0x4000u + from);
    for (uint32_t i = 0; i < size_bytes; i++)
        if (at[i])
            return false;
    return true;
}

static void it_gives_what_is_asked_for(void **state)
{
    (void)state;
    begin(INT64_MAX, 1 << 16);
    for (uint16_t i = 0; i < 100; i++) {
        ask(i % SIZE, BYTES);
        assert_int_equal(answer(), BYTES);
        settle();
        assert_int_equal(transport.interrupts, i + 1);
        assert_false(is_zero(i % SIZE, 0, BYTES));
        assert_true(is_zero(i % SIZE, BYTES, 0x4000 - BYTES));
    }
}

static void a_large_request_gets_less(void **state)
{
    (void)state;
    begin(INT64_MAX, 1 << 16);
    ask(0, 0x4000);
    assert_int_equal(answer(), REQUEST_BYTES_MAX);
    assert_true(is_zero(0, REQUEST_BYTES_MAX, 0x4000 - REQUEST_BYTES_MAX));
    descriptor(&d, 1, DRIVER_BUFFERS, 16, 0, 0);  // nothing to write to
    make_available(&d, 1);
    virtio_device_kick(vdev, 0);
    settle();
    assert_int_equal(used_index(&d), 2);
}

static void a_queue_full_of_requests_is_served(void **state)
{
    (void)state;
    begin(INT64_MAX, 1 << 16);
    for (unsigned round = 0; round < 20; round++) {
        for (uint16_t i = 0; i < SIZE; i++)
            ask(i, BYTES);
        for (unsigned i = 0; i < SIZE; i++)
            assert_int_equal(answer(), BYTES);
    }
}

static void so_much_in_a_period(void **state)
{
    (void)state;
    begin(100, 50);
    ask(0, BYTES);
    ask(1, BYTES);
    ask(2, BYTES);
    settle();
    assert_int_equal(used_index(&d), 2);
    assert_int_equal(answer(), BYTES);
    assert_int_equal(answer(), 100 - BYTES);
    assert_int_equal(answer(), BYTES);  // of the next one
}

static void quota_of_nothing(void **state)
{
    (void)state;
    begin(0, 1);
    ask(0, BYTES);
    usleep(20000);
    settle();
    assert_int_equal(used_index(&d), 0);
}

static void it_stands_still_while_paused(void **state)
{
    (void)state;
    begin(BYTES, 5);
    ask(0, BYTES);
    settle();
    ask(1, BYTES);
    virtio_device_quiesce(vdev);
    uint16_t before = used_index(&d);
    usleep(30000);
    assert_int_equal(used_index(&d), before);
    virtio_device_resume(vdev);
    assert_int_equal(answer(), BYTES);
    assert_int_equal(answer(), BYTES);
    virtio_device_stop(vdev);
    settle();
    assert_int_equal(transport.stops, 1);
}

static int source[2];

static void begin_from_a_pipe(void)
{
    struct virtio_rng_config config = virtio_rng_default;
    assert_int_equal(pipe2(source, O_NONBLOCK), 0);
    rng = virtio_rng_create(&config, thread, m.mem, NULL);
    assert_non_null(rng);
    virtio_rng_read_from(rng, source[0]);
    connect_device();
}

static void a_file_gives_what_it_has(void **state)
{
    (void)state;
    begin_from_a_pipe();
    ask(0, BYTES);
    settle();
    assert_int_equal(used_index(&d), 0);
    assert_int_equal(write(source[1], "abc", 3), 3);
    assert_int_equal(answer(), 3);
    char text[200] = "it comes in its order or not, but each byte comes once";
    assert_int_equal(write(source[1], text, sizeof text), sizeof text);
    for (unsigned left = sizeof text, i = 1; left; i++) {
        ask(i % SIZE, 50);
        unsigned got = answer();
        assert_in_range(got, 1, left < 50 ? left : 50);
        left -= got;
    }
    ask(7, BYTES);
    settle();
    virtio_device_stop(vdev);
    settle();
    assert_int_equal(transport.stops, 1);
    close(source[0]);
    close(source[1]);
}

static void impossible_properties(void **state)
{
    (void)state;
    static const struct { struct virtio_rng_config config; const char *sentence; } wrong[] = {
        {{100, 0}, "'period' parameter expects a positive integer"},
        {{100, UINT32_MAX}, "'period' parameter expects a positive integer"},
        {{UINT64_C(1) << 63, 1}, "'max-bytes' parameter must be non-negative, and less than 2^63"},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct err err = {0};
        assert_null(virtio_rng_create(&wrong[i].config, thread, m.mem, &err));
        assert_string_equal(err.text, wrong[i].sentence);
    }
    rng = virtio_rng_create(&virtio_rng_default, thread, m.mem, NULL);
    assert_non_null(rng);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_gives_what_is_asked_for),
        TEST(a_large_request_gets_less),
        TEST(a_queue_full_of_requests_is_served),
        TEST(so_much_in_a_period),
        TEST(quota_of_nothing),
        TEST(it_stands_still_while_paused),
        TEST(a_file_gives_what_it_has),
        TEST(impossible_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
