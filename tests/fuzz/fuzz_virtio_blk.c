// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver of virtio-blk: descriptors, headers and rings of its choice, kicks, configuration writes, resets
// and pauses in the middle of I/O, and a node that completes late, in any order, and fails.
#include <errno.h>

#include "device_steps.h"
#include "tests/unit/virtio_blk_world.h"

enum { AREA = 0x40000, AREA_BYTES = 0x10000 };

static struct blk_world w;
static bool running;

static void complete_some(void *opaque)
{
    node_complete(&w.node, *(unsigned *)opaque);
}

static void complete(unsigned count)
{
    io_thread_call(w.thread, complete_some, &count);
}

static void stop(void)
{
    unsigned stops = w.stops;
    if (!running)
        return;
    virtio_device_stop(w.vdev);
    world_settle(&w);
    complete(UINT32_MAX);
    check(w.stops == stops + 1 && !w.node.waiting);
    running = false;
}

// Mostly where requests are, and of a size that fits.
static void step_descriptor(struct steps *s)
{
    unsigned shape = take(s, 1);
    struct world_descriptor d = {AREA + take(s, 2), take(s, 1), take(s, 1) & 7, take(s, 1) % 32};
    if (shape & 1)
        d.size_bytes *= 512;
    if ((shape & 0xc0) == 0xc0)
        d.address = take(s, 8);
    if ((shape & 0x30) == 0x30)
        d.size_bytes = (uint32_t)take(s, 4);
    put_descriptor(&w, shape >> 1 & 1, shape >> 2 & 15, d);
}

static void step_header(struct steps *s)
{
    uint8_t *at = w.ram.host + AREA + take(s, 2) % (AREA_BYTES - 32);
    uint32_t type = (uint32_t)take(s, 1) & 15;
    uint64_t sector = take(s, 2);
    memcpy(at, &type, 4);
    memcpy(at + 8, &sector, 8);
    memset(at + 16, (int)take(s, 1), 16);
}

static void step_poke(struct steps *s)
{
    uint8_t *at = w.ram.host + RING_BASE + take(s, 2) % (AREA + AREA_BYTES - RING_BASE);
    *at = (uint8_t)take(s, 1);
}

static void step_kick(struct steps *s)
{
    unsigned queue = take(s, 1) & 1;
    virtio_device_kick(w.vdev, queue);
    world_settle(&w);
}

static void step_complete(struct steps *s)
{
    static const int results[] = {0, 0, -EIO, -ENOSPC};
    unsigned how = take(s, 1);
    w.node.fails = results[how & 3];
    complete(1 + (how >> 2 & 3));
}

static void step_config(struct steps *s)
{
    uint8_t bytes[8] = {(uint8_t)take(s, 1)};
    unsigned size_bytes = 1u << (take(s, 1) & 3), offset = take(s, 1) % (w.vdev->config_bytes - size_bytes + 1);
    w.vdev->ops->config_write(w.vdev, offset, bytes, size_bytes);
    w.vdev->ops->config_read(w.vdev, offset, bytes, size_bytes);
}

static void finish_pause(void *opaque)
{
    (void)opaque;
    node_complete(&w.node, UINT32_MAX);
}

// What is in flight completes meanwhile. What a guest has reached can be loaded again.
static void step_pause(struct steps *s)
{
    w.node.fails = take(s, 1) & 1 ? -ENOSPC : 0;
    io_thread_post(w.thread, finish_pause, NULL);
    virtio_device_quiesce(w.vdev);
    check(!w.node.waiting && w.vdev->dev.ops->state);
    virtio_device_resume(w.vdev);
    world_settle(&w);
}

static void step_restart(struct steps *s)
{
    uint64_t features = take(s, 2) | (take(s, 1) & 1 ? BIT(VIRTIO_F_EVENT_IDX) : 0);
    stop();
    world_start(&w, features & (w.vdev->offered | BIT(VIRTIO_F_EVENT_IDX)));
    running = true;
}

static void one_step(struct steps *s)
{
    switch (take(s, 1) % 16) {
    case 0: case 1: case 2: case 3: case 4: step_descriptor(s); break;
    case 5: case 6: step_header(s); break;
    case 7: step_poke(s); break;
    case 8: case 9: make_available(&w, take(s, 1) & 1, (uint16_t)(take(s, 1) % 18)); break;
    case 10: case 11: step_kick(s); break;
    case 12: step_complete(s); break;
    case 13: step_config(s); break;
    case 14: step_pause(s); break;
    case 15: step_restart(s); break;
    }
}

static void begin(void)
{
    w.node.fails = 0;
    memset(w.ram.host, 0, WORLD_RAM_BYTES);
    world_start(&w, w.vdev->offered);
    running = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {.data = data, .left_bytes = size_bytes};
    if (!w.blk)
        world_open(&w, (struct virtio_blk_config){.serial = "fuzz", .read_policy = VIRTIO_BLK_STOP,
                                                  .write_policy = VIRTIO_BLK_ENOSPC});
    begin();
    for (unsigned n = 0; goes_on(&s, n); n++)
        one_step(&s);
    stop();
    return 0;
}
