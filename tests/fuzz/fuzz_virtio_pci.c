// SPDX-License-Identifier: GPL-2.0-or-later
//
// The transport, with a device type that keeps its requests in flight until a step lets one end, so that
// every reset and pause may come in the middle; some it holds back over a pause and a snapshot, as a disk does
// with writes that found no space.
#include "tests/fuzz/virtio_world.h"

enum { QUEUES = 3, SIZE = 64, HELD_MAX = QUEUES * SIZE };

struct fake {
    struct virtio_device vdev;
    uint8_t held[QUEUES * SIZE];  // by head. State
    bool popped[QUEUES * SIZE];   // what of held is popped here: not after a snapshot was loaded
    struct { uint8_t queue; uint16_t head; } flying[HELD_MAX];
    unsigned flying_count;
    bool stopping, holds_back;
};

static struct fake *fake_of(struct virtio_device *vdev) { return (struct fake *)vdev; }

static void fly(struct fake *f, unsigned queue, uint16_t head)
{
    check(f->flying_count < HELD_MAX && head < SIZE);
    f->flying[f->flying_count].queue = (uint8_t)queue;
    f->flying[f->flying_count++].head = head;
}

static void fake_kick(struct virtio_device *vdev, unsigned queue)
{
    static struct virtio_chain chain;
    unsigned left = SIZE;
    while (left-- && virtio_pop(vdev, queue, &chain)) {
        check(chain.readable_count + chain.writable_count && chain.readable_count + chain.writable_count <= VIRTIO_SEGMENTS_MAX);
        virtio_chain_write(&chain, vdev->memory, 0, "written", 8);
        fly(fake_of(vdev), queue, chain.head);
    }
    virtio_flush_used(vdev, queue);
}

static void fake_activate(struct virtio_device *vdev)
{
    static struct virtio_chain chain;
    struct fake *f = fake_of(vdev);
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (!f->held[i])
            continue;
        f->held[i] = 0;
        if (f->popped[i] || virtio_queue_pop_again(&vdev->queue[i / SIZE], i % SIZE, &chain) > 0)
            fly(f, i / SIZE, i % SIZE);
        else
            virtio_break(vdev, "a head that was held back can't be");
        f->popped[i] = false;
    }
}

static void land(struct fake *f, unsigned n)
{
    unsigned queue = f->flying[n].queue;
    uint16_t head = f->flying[n].head;
    f->flying[n] = f->flying[--f->flying_count];
    virtio_push(&f->vdev, queue, head, head);
    virtio_flush_used(&f->vdev, queue);
    if (f->stopping && !f->flying_count) {
        f->stopping = false;
        virtio_stopped(&f->vdev);
    }
}

static void land_one(void *opaque)
{
    struct fake *f = opaque;
    if (f->flying_count)
        land(f, f->flying_count / 2);
}

static void land_all(void *opaque)
{
    struct fake *f = opaque;
    while (f->flying_count)
        land(f, f->flying_count - 1);
}

static void land_all_later(void *opaque)
{
    io_thread_post(((struct fake *)opaque)->vdev.thread, land_all, opaque);
}

static void let_end(struct world *w)
{
    io_thread_post(w->thread, land_all_later, fake_of(w->vdev));
}

static void forget_held(struct fake *f)
{
    memset(f->held, 0, sizeof f->held);
    memset(f->popped, 0, sizeof f->popped);
}

static void hold_back_half(struct fake *f)
{
    for (unsigned left = f->flying_count / 2; left--;) {
        f->flying_count--;
        unsigned n = f->flying[f->flying_count].queue * SIZE + f->flying[f->flying_count].head;
        check(!f->held[n]);
        f->held[n] = f->popped[n] = true;
    }
}

static void fake_stop(struct virtio_device *vdev, bool keep)
{
    struct fake *f = fake_of(vdev);
    if (!keep)
        forget_held(f);
    else if (f->holds_back)
        hold_back_half(f);
    f->stopping = f->flying_count;
    if (!f->flying_count)
        virtio_stopped(vdev);
}

static void fake_config_read(struct virtio_device *vdev, unsigned offset, void *bytes, unsigned size_bytes)
{
    check(offset + size_bytes <= vdev->config_bytes);
    memset(bytes, 0x5a, size_bytes);
}

static void fake_reset(struct device *dev)
{
    forget_held((struct fake *)dev);
}

static int fake_loaded(struct device *dev, struct err *err)
{
    (void)err;
    memset(((struct fake *)dev)->popped, 0, sizeof ((struct fake *)dev)->popped);
    return 0;
}

static void fake_started(struct device *dev) { (void)dev; }

static const struct state_field fake_state[] = {STATE_ARRAY(struct fake, held, 1), {0}};
static const struct device_ops fake_dev_ops = {
    .name = "virtio-fake", .state_version = 1, .state = fake_state, .reset = fake_reset, .loaded = fake_loaded,
    .started = fake_started,
};
static const struct virtio_ops fake_ops = {
    .name = "virtio-fake", .type = VIRTIO_TYPE_BLOCK, .pci_class = 0x010000, .config_read = fake_config_read,
    .activate = fake_activate, .kick = fake_kick, .stop = fake_stop,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct world w;
    static struct fake fake;
    memset(&fake, 0, sizeof fake);
    world_open(&w, data, size_bytes);
    fake.vdev.offered = 0xf;
    fake.vdev.config_bytes = 13;
    fake.holds_back = take(&w.s, 1) & 1;
    virtio_device_init(&fake.vdev, &fake_dev_ops, &fake_ops, w.thread, w.memory, QUEUES, SIZE);
    world_plug(&w, &fake.vdev);
    w.let_end = let_end;
    for (unsigned i = 0, own; goes_on(&w.s, i); i++)
        if (!world_step(&w, &own))
            io_thread_call(w.thread, own & 1 ? land_one : land_all, &fake);
    world_unplug(&w);
    virtio_device_finish(&fake.vdev);
    world_close(&w);
    return 0;
}
