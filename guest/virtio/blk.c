// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/virtio/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/virtio/blk_internal.h"

enum { PCI_CLASS_STORAGE_SCSI = 0x010000 };  // as QEMU's

static unsigned queue_of_word(unsigned word)
{
    return word / BLK_HEAD_WORDS;
}

static unsigned head_of(unsigned word, uint64_t bits)
{
    return word % BLK_HEAD_WORDS * 64 + (unsigned)__builtin_ctzll(bits);
}

static void take_up(struct virtio_blk *v, unsigned queue, unsigned head)
{
    struct blk_request *r = blk_request_of(v, queue, head);
    if (r->held) {
        blk_submit_again(r);
        return;
    }
    *blk_held_word(v, queue, head) &= ~BIT(head % 64);
    if (virtio_queue_pop_again(&v->vdev.queue[queue], (uint16_t)head, &v->chain) > 0)
        blk_handle(v, queue);
    else
        virtio_break(&v->vdev, "a request that was held back is not there any more");
}

// What fails at once again is held back for the next time.
static void blk_activate(struct virtio_device *vdev)
{
    struct virtio_blk *v = blk_of(vdev);
    v->forgetting = false;
    for (unsigned word = 0; !vdev->broken && word < ARRAY_SIZE(v->held); word++)
        for (uint64_t bits = v->held[word]; bits; bits &= bits - 1)
            take_up(v, queue_of_word(word), head_of(word, bits));
    blk_tell(v);
}

// No more than the queue holds: one whose driver adds while we look must not keep the thread. The rest
// waits for its next kick, for which the queue asks only when it was found empty; so we kick ourselves.
static void blk_kick(struct virtio_device *vdev, unsigned queue)
{
    struct virtio_blk *v = blk_of(vdev);
    unsigned left = vdev->queue[queue].size;
    while (left && virtio_pop(vdev, queue, &v->chain)) {
        blk_handle(v, queue);
        left--;
    }
    if (!left)
        virtio_device_kick(vdev, queue);
    blk_tell(v);
}

static void forget_held(struct virtio_blk *v)
{
    for (unsigned word = 0; word < ARRAY_SIZE(v->held); word++)
        for (uint64_t bits = v->held[word]; bits; bits &= bits - 1) {
            struct blk_request *r = blk_request_of(v, queue_of_word(word), head_of(word, bits));
            if (r->held)
                blk_forget(r);
        }
    memset(v->held, 0, sizeof v->held);
}

static bool starts_with_wce(const struct virtio_blk *v)
{
    return v->config.block->info.writeback;
}

static void blk_stop(struct virtio_device *vdev, bool keep)
{
    struct virtio_blk *v = blk_of(vdev);
    v->forgetting = !keep;
    if (!keep) {
        forget_held(v);
        __atomic_store_n(&v->wce, starts_with_wce(v), __ATOMIC_RELAXED);
    }
    if (v->in_flight)
        v->stopping = true;
    else
        virtio_stopped(vdev);
}

static void blk_reset(struct device *dev)
{
    struct virtio_blk *v = container_of(dev, struct virtio_blk, vdev.dev);
    forget_held(v);
    __atomic_store_n(&v->wce, starts_with_wce(v), __ATOMIC_RELAXED);
}

// The queues have been started anew: nothing is popped.
static int blk_loaded(struct device *dev, struct err *err)
{
    struct virtio_blk *v = container_of(dev, struct virtio_blk, vdev.dev);
    for (unsigned i = 0; i < v->config.num_queues * v->config.queue_size; i++)
        v->requests[i].held = false;
    for (unsigned word = 0; word < ARRAY_SIZE(v->held); word++)
        for (uint64_t bits = v->held[word]; bits; bits &= bits - 1) {
            unsigned queue = queue_of_word(word), head = head_of(word, bits);
            if (queue >= v->config.num_queues || head >= v->config.queue_size)
                return err_set(err, -EINVAL, "virtio-blk: there is no head %u of queue %u", head, queue);
        }
    return 0;
}

static void blk_started(struct device *dev)
{
    (void)dev;
}

static const struct state_field blk_state[] = {
    STATE_FIELD(struct virtio_blk, wce, 1),
    STATE_ARRAY(struct virtio_blk, held, 1),
    {0},
};

static const struct device_ops blk_dev_ops = {
    .name = "virtio-blk",
    .state_version = 1,
    .state = blk_state,
    .reset = blk_reset,
    .loaded = blk_loaded,
    .started = blk_started,
};

static const struct virtio_ops blk_ops = {
    .name = "virtio-blk",
    .type = VIRTIO_TYPE_BLOCK,
    .pci_class = PCI_CLASS_STORAGE_SCSI,
    .config_read = blk_config_read,
    .config_write = blk_config_write,
    .activate = blk_activate,
    .kick = blk_kick,
    .stop = blk_stop,
};

static bool is_power_of_two(uint32_t n)
{
    return n && !(n & (n - 1));
}

static int check_block_size(const char *name, uint32_t size_bytes, struct err *err)
{
    if (size_bytes >= BLK_SECTOR_BYTES && size_bytes <= 2 << 20 && is_power_of_two(size_bytes))
        return 0;
    return err_set(err, -EINVAL, "parameter %s must be a power of 2 between 512 and 2097152", name);
}

static int check(const struct virtio_blk_config *c, struct err *err)
{
    if (c->num_queues > VIRTIO_QUEUES_MAX)
        return err_set(err, -EINVAL, "num-queues property must be at most %d", VIRTIO_QUEUES_MAX);
    if (c->queue_size <= 2)
        return err_set(err, -EINVAL, "invalid queue-size property (%u), must be > 2", c->queue_size);
    if (!is_power_of_two(c->queue_size) || c->queue_size > VIRTIO_QUEUE_SIZE_MAX)
        return err_set(err, -EINVAL, "invalid queue-size property (%u), must be a power of 2 (max %d)",
                       c->queue_size, VIRTIO_QUEUE_SIZE_MAX);
    int failed = check_block_size("logical_block_size", c->logical_block_bytes, err);
    if (!failed)
        failed = check_block_size("physical_block_size", c->physical_block_bytes, err);
    if (!failed && c->logical_block_bytes > c->physical_block_bytes)
        return err_set(err, -EINVAL, "logical_block_size > physical_block_size not supported");
    if (!failed && (c->min_io_bytes % c->logical_block_bytes || c->opt_io_bytes % c->logical_block_bytes))
        return err_set(err, -EINVAL, "min_io_size and opt_io_size must be multiples of logical_block_size");
    return failed;
}

static struct virtio_blk_config with_defaults(const struct virtio_blk_config *config)
{
    struct virtio_blk_config c = *config;
    c.num_queues = c.num_queues ? c.num_queues : 1;
    c.queue_size = c.queue_size ? c.queue_size : 256;
    c.logical_block_bytes = c.logical_block_bytes ? c.logical_block_bytes : BLK_SECTOR_BYTES;
    c.physical_block_bytes = c.physical_block_bytes ? c.physical_block_bytes : c.logical_block_bytes;
    return c;
}

// The node tells of its batches on the I/O thread.
static void on_batch(void *opaque)
{
    blk_tell(opaque);
}

static void attach(void *opaque)
{
    struct virtio_blk *v = opaque;
    v->config.block->batch_done = on_batch;
    v->config.block->batch_opaque = v;
}

static void detach(void *opaque)
{
    struct virtio_blk *v = opaque;
    v->config.block->batch_done = NULL;
}

static struct virtio_blk *create(const struct virtio_blk_config *c, struct err *err)
{
    struct virtio_blk *v = calloc(1, sizeof *v);
    if (v)
        v->requests = calloc((size_t)c->num_queues * c->queue_size, sizeof *v->requests);
    if (v && v->requests)
        return v;
    free(v);
    err_set(err, -ENOMEM, "no memory for virtio-blk");
    return NULL;
}

struct virtio_blk *virtio_blk_create(const struct virtio_blk_config *config, struct io_thread *thread,
                                     struct mem *memory, struct err *err)
{
    struct virtio_blk_config c = with_defaults(config);
    struct virtio_blk *v = check(&c, err) ? NULL : create(&c, err);
    if (!v)
        return NULL;
    v->config = c;
    v->config.serial = NULL;
    if (config->serial)
        memcpy(v->serial, config->serial, strnlen(config->serial, sizeof v->serial));
    v->wce = starts_with_wce(v);
    virtio_device_init(&v->vdev, &blk_dev_ops, &blk_ops, thread, memory, c.num_queues, c.queue_size);
    v->vdev.offered = blk_features(v);
    v->vdev.config_bytes = BLK_CONFIG_BYTES;
    io_thread_call(thread, attach, v);
    return v;
}

void virtio_blk_destroy(struct virtio_blk *v)
{
    if (!v)
        return;
    io_thread_call(v->vdev.thread, detach, v);
    virtio_device_finish(&v->vdev);
    forget_held(v);
    for (struct blk_pieces *next, *pieces = v->free_pieces; pieces; pieces = next) {
        next = pieces->next;
        free(pieces);
    }
    free(v->requests);
    free(v);
}

struct virtio_device *virtio_blk_device(struct virtio_blk *v)
{
    return &v->vdev;
}
