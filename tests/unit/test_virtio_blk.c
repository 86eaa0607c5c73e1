// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>

#include "virtio_blk_world.h"

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK, IOERR, UNSUPP, NONE = 0xee };
enum { NEXT = 1, WRITE = 2 };
enum { F_FLUSH = 9, F_CONFIG_WCE = 11, F_DISCARD = 13, F_WRITE_ZEROES = 14 };
enum { CONFIG_WCE = 32 };

static struct blk_world w;

static int setup_with(struct virtio_blk_config config)
{
    world_open(&w, config);
    world_start(&w, BIT(F_FLUSH) | BIT(F_CONFIG_WCE) | BIT(F_DISCARD) | BIT(F_WRITE_ZEROES));
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_with((struct virtio_blk_config){.serial = "KONUK-0001"});
}

static int setup_stop(void **state)
{
    (void)state;
    return setup_with((struct virtio_blk_config){.read_policy = VIRTIO_BLK_STOP,
                                                 .write_policy = VIRTIO_BLK_ENOSPC});
}

static void complete_some(void *opaque)
{
    node_complete(&w.node, *(unsigned *)opaque);
}

static void complete(unsigned count)
{
    io_thread_call(w.thread, complete_some, &count);
}

static int teardown(void **state)
{
    (void)state;
    complete(UINT32_MAX);
    virtio_device_stop(w.vdev);
    world_settle(&w);
    assert_int_equal(w.stops, 1);
    world_close(&w);
    return 0;
}

// A request of three descriptors from 3 * n on, its parts at a page of its own; data of 0 bytes is none.
static uint8_t *part(unsigned n) { return w.ram.host + 0x40000 + n * 0x4000; }
static uint8_t *data(unsigned n) { return part(n) + 512; }
static uint8_t *status(unsigned n) { return part(n) + 256; }

static void build(unsigned queue, unsigned n, uint32_t type, uint64_t sector, uint32_t size_bytes)
{
    uint64_t at = (uint64_t)(part(n) - w.ram.host);
    bool out = type == OUT || type == DISCARD || type == WRITE_ZEROES;
    uint16_t first = (uint16_t)(3 * n);
    memset(part(n), 0, 32);
    memcpy(part(n), &type, 4);
    memcpy(part(n) + 8, &sector, 8);
    *status(n) = NONE;
    put_descriptor(&w, queue, first,
                   (struct world_descriptor){at, 16, NEXT, (uint16_t)(first + (size_bytes ? 1 : 2))});
    put_descriptor(&w, queue, first + 1, (struct world_descriptor){
        at + 512, size_bytes, (uint16_t)(NEXT | (out ? 0 : WRITE)), (uint16_t)(first + 2)});
    put_descriptor(&w, queue, first + 2, (struct world_descriptor){at + 256, 1, WRITE, 0});
    make_available(&w, queue, first);
}

static void kick(unsigned queue)
{
    virtio_device_kick(w.vdev, queue);
    world_settle(&w);
}

static uint8_t do_one(uint32_t type, uint64_t sector, uint32_t size_bytes)
{
    build(0, 0, type, sector, size_bytes);
    kick(0);
    complete(UINT32_MAX);
    return *status(0);
}

static uint8_t do_segment(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    memcpy(data(0), &sector, 8);
    memcpy(data(0) + 8, &sectors, 4);
    memcpy(data(0) + 12, &flags, 4);
    return do_one(type, 0, 16);
}

static void data_goes_both_ways(void **state)
{
    (void)state;
    memset(data(0), 0x77, 4096);
    assert_int_equal(do_one(OUT, 8, 4096), OK);
    assert_int_equal(w.node.bytes[4096], 0x77);
    assert_int_equal(w.node.bytes[8192], 0);
    memset(data(0), 0, 4096);
    assert_int_equal(do_one(IN, 8, 4096), OK);
    assert_int_equal(data(0)[4095], 0x77);
    assert_int_equal(used_index(&w, 0), 2);
    assert_int_equal(w.interrupts[0], 2);
    assert_int_equal(do_one(IN, 0, 0), OK);
}

static void a_batch_is_one_interrupt(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        build(1, i, IN, i, 512);
    kick(1);
    assert_int_equal(w.node.waiting, 5);
    assert_int_equal(used_index(&w, 1), 0);
    complete(5);
    assert_int_equal(used_index(&w, 1), 5);
    assert_int_equal(w.interrupts[1], 1);
    assert_int_equal(w.interrupts[0], 0);
}

static void what_is_out_of_bounds_is_an_error(void **state)
{
    (void)state;
    enum { SECTORS = WORLD_DISK_BYTES / 512 };
    assert_int_equal(do_one(IN, SECTORS, 512), IOERR);
    assert_int_equal(do_one(IN, SECTORS - 1, 1024), IOERR);
    assert_int_equal(do_one(OUT, UINT64_MAX / 512 + 1, 512), IOERR);
    assert_int_equal(do_one(OUT, UINT64_MAX, 512), IOERR);
    assert_int_equal(do_one(IN, 0, 511), IOERR);
    assert_int_equal(do_one(IN, SECTORS - 1, 512), OK);
    assert_int_equal(do_one(77, 0, 512), UNSUPP);
    assert_int_equal(w.errors, 0);  // the guest's, not the host's
}

static void it_tells_its_serial(void **state)
{
    (void)state;
    memset(data(0), 0xaa, 64);
    assert_int_equal(do_one(GET_ID, 0, 20), OK);
    assert_string_equal((char *)data(0), "KONUK-0001");
    memset(data(0), 0xaa, 64);
    assert_int_equal(do_one(GET_ID, 0, 4), OK);
    assert_memory_equal(data(0), "KONU\xaa", 5);
}

static void discard_and_zeroes_follow_the_rules(void **state)
{
    (void)state;
    memset(w.node.bytes, 1, sizeof w.node.bytes);
    assert_int_equal(do_segment(DISCARD, 2, 2, 0), OK);
    assert_int_equal(w.node.bytes[1023], 1);
    assert_int_equal(w.node.bytes[1024], 0);
    assert_int_equal(do_segment(WRITE_ZEROES, 8, 1, 1), OK);
    assert_int_equal(w.node.bytes[4096], 0);
    assert_int_equal(do_segment(DISCARD, 2, 2, 1), UNSUPP);
    assert_int_equal(do_segment(WRITE_ZEROES, 2, 2, 2), UNSUPP);
    assert_int_equal(do_segment(DISCARD, UINT64_MAX, 2, 0), IOERR);
    assert_int_equal(do_segment(DISCARD, 0, UINT32_MAX, 0), IOERR);
    assert_int_equal(do_one(DISCARD, 0, 32), UNSUPP);  // two segments
    assert_int_equal(do_one(DISCARD, 0, 0), UNSUPP);
}

static void the_driver_may_turn_the_cache_off(void **state)
{
    (void)state;
    uint8_t off = 0, seen;
    build(0, 0, OUT, 0, 512);
    kick(0);
    assert_int_equal(w.node.first->flags, 0);
    complete(1);
    w.vdev->ops->config_write(w.vdev, CONFIG_WCE, &off, 1);
    w.vdev->ops->config_read(w.vdev, CONFIG_WCE, &seen, 1);
    assert_int_equal(seen, 0);
    build(0, 0, OUT, 0, 512);
    kick(0);
    assert_int_equal(w.node.first->flags, BLOCK_FUA);
    complete(1);
    assert_int_equal(do_one(FLUSH, 0, 0), OK);
    assert_int_equal(w.node.flushes, 1);
}

static void errors_are_reported(void **state)
{
    (void)state;
    w.node.fails = -EIO;
    assert_int_equal(do_one(IN, 0, 512), IOERR);
    assert_int_equal(w.last_error, EIO);
    assert_false(w.last_write);
    assert_string_equal(w.last_action, "report");
    assert_int_equal(do_one(FLUSH, 0, 0), IOERR);
    assert_true(w.last_write);
    assert_int_equal(w.errors, 2);
}

static void pause_and_resume(void)
{
    virtio_device_quiesce(w.vdev);
    virtio_device_resume(w.vdev);
    world_settle(&w);
}

static void an_error_that_stops_is_tried_again(void **state)
{
    (void)state;
    memset(data(0), 0x42, 512);
    w.node.fails = -ENOSPC;
    assert_int_equal(do_one(OUT, 0, 512), NONE);
    assert_string_equal(w.last_action, "stop");
    assert_int_equal(used_index(&w, 0), 0);
    kick(0);
    assert_int_equal(w.node.waiting, 0);  // not before the machine goes on
    pause_and_resume();
    assert_int_equal(w.node.waiting, 1);
    complete(1);  // and fails again
    assert_int_equal(w.errors, 2);
    w.node.fails = 0;
    pause_and_resume();
    complete(1);
    assert_int_equal(*status(0), OK);
    assert_int_equal(w.node.bytes[0], 0x42);
    assert_int_equal(used_index(&w, 0), 1);
    w.node.fails = -EIO;  // werror=enospc reports the rest
    assert_int_equal(do_one(OUT, 0, 512), IOERR);
}

// As a snapshot does: the state is saved while paused, and put into a device that was reset.
static void what_is_held_back_survives_a_snapshot(void **state)
{
    (void)state;
    const struct state_field *field = w.vdev->dev.ops->state;
    while (strcmp(field->name, "held"))
        field++;
    uint64_t *held = (uint64_t *)((char *)&w.vdev->dev + field->offset_bytes);
    size_t size_bytes = field->size_bytes * field->count;
    w.node.fails = -EIO;
    build(0, 1, IN, 3, 512);
    kick(0);
    complete(1);
    assert_int_equal(*status(1), NONE);
    virtio_device_quiesce(w.vdev);
    uint64_t *saved = malloc(size_bytes);
    memcpy(saved, held, size_bytes);
    uint16_t next_available = w.vdev->queue[0].next_available;
    virtio_device_forget(w.vdev);
    device_reset(&w.vdev->dev);
    assert_int_equal(held[0], 0);
    memcpy(held, saved, size_bytes);
    free(saved);
    assert_int_equal(device_loaded(&w.vdev->dev, NULL), 0);
    w.vdev->queue[0].next_available = next_available;
    virtio_device_start(w.vdev);
    virtio_device_resume(w.vdev);
    world_settle(&w);
    assert_int_equal(w.node.waiting, 1);
    w.node.fails = 0;
    complete(1);
    assert_int_equal(*status(1), OK);
    assert_int_equal(used_index(&w, 0), 1);
    held[WORLD_QUEUES * VIRTIO_QUEUE_SIZE_MAX / 64] = 1;
    assert_int_equal(device_loaded(&w.vdev->dev, NULL), -EINVAL);
    held[WORLD_QUEUES * VIRTIO_QUEUE_SIZE_MAX / 64] = 0;
    held[0] = BIT(WORLD_QUEUE_SIZE);
    assert_int_equal(device_loaded(&w.vdev->dev, NULL), -EINVAL);
    held[0] = 0;
}

static void a_reset_waits_and_forgets(void **state)
{
    (void)state;
    w.node.fails = -EIO;
    build(0, 0, IN, 0, 512);
    build(0, 1, IN, 0, 512);
    kick(0);
    complete(1);  // held back
    virtio_device_stop(w.vdev);
    world_settle(&w);
    assert_int_equal(w.stops, 0);
    complete(1);
    assert_int_equal(w.stops, 1);
    w.stops = 0;
    w.node.fails = 0;
    world_start(&w, 0);
    assert_int_equal(w.node.waiting, 0);
    assert_int_equal(do_one(FLUSH, 0, 0), OK);
    assert_int_equal(do_segment(DISCARD, 0, 1, 0), UNSUPP);  // not negotiated this time
    build(0, 0, OUT, 0, 512);
    kick(0);
    assert_int_equal(w.node.first->flags, BLOCK_FUA);  // who doesn't know of the cache has none
}

static void a_request_without_status_breaks_the_device(void **state)
{
    (void)state;
    put_descriptor(&w, 0, 0, (struct world_descriptor){0x40000, 16, 0, 0});
    make_available(&w, 0, 0);
    kick(0);
    assert_int_equal(w.failures, 1);
    build(0, 1, IN, 0, 512);
    kick(0);
    assert_int_equal(w.node.waiting, 0);
    virtio_device_stop(w.vdev);
    world_settle(&w);
    world_start(&w, 0);
    w.stops = 0;
    assert_int_equal(do_one(IN, 0, 512), OK);
}

static void its_configuration_is_qemus(void **state)
{
    (void)state;
    uint8_t bytes[60], expected[60] = {
        [1] = 8,                     // 2048 sectors
        [12] = 14,                   // segments
        [16] = 2, [18] = 16, 63,     // cylinders, heads, sectors
        [21] = 2,                    // 512 bytes
        [32] = 1, [34] = 2,          // cache, queues
        [36] = 0xff, 0xff, 0x3f, 0, 1, [44] = 1,
        [48] = 0xff, 0xff, 0x3f, 0, 1, [56] = 1,
    };
    w.vdev->ops->config_read(w.vdev, 0, bytes, sizeof bytes);
    assert_memory_equal(bytes, expected, sizeof bytes);
    assert_int_equal(w.vdev->offered, 0x7e54);
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    struct virtio_blk_config config = {.block = &w.node.b, .queue_size = 100};
    assert_null(virtio_blk_create(&config, w.thread, w.memory, &err));
    assert_string_equal(err.text, "invalid queue-size property (100), must be a power of 2 (max 1024)");
    config = (struct virtio_blk_config){.block = &w.node.b, .logical_block_bytes = 1000};
    assert_null(virtio_blk_create(&config, w.thread, w.memory, &err));
    config = (struct virtio_blk_config){.block = &w.node.b, .logical_block_bytes = 4096,
                                        .physical_block_bytes = 512};
    assert_null(virtio_blk_create(&config, w.thread, w.memory, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(data_goes_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_is_one_interrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_out_of_bounds_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(it_tells_its_serial, setup, teardown),
        cmocka_unit_test_setup_teardown(discard_and_zeroes_follow_the_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(the_driver_may_turn_the_cache_off, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_are_reported, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_that_stops_is_tried_again, setup_stop, teardown),
        cmocka_unit_test_setup_teardown(what_is_held_back_survives_a_snapshot, setup_stop, teardown),
        cmocka_unit_test_setup_teardown(a_reset_waits_and_forgets, setup_stop, teardown),
        cmocka_unit_test_setup_teardown(a_request_without_status_breaks_the_device, setup, teardown),
        cmocka_unit_test_setup_teardown(its_configuration_is_qemus, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_out_of_range_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
