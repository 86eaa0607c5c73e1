// SPDX-License-Identifier: GPL-2.0-or-later
//
// A request waits in its queue until there is something to give, so nothing is ever in flight.
#include "guest/virtio/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum { QUEUE_SIZE = 8, PCI_CLASS_OTHERS = 0x00ff00 };
enum { REQUEST_BYTES_MAX = 4096 };  // the device may use less of a buffer (5.4.6.1); Linux asks for 64 bytes
enum { REQUESTS_A_TURN = 8 };       // then others of the thread have theirs

const struct virtio_rng_config virtio_rng_default = {.max_bytes = INT64_MAX, .period_ms = 1 << 16};

struct virtio_rng {
    struct virtio_device vdev;
    struct virtio_rng_config config;
    // I/O thread
    uv_timer_t *period;  // lives until the loop has closed it
    uint64_t left_bytes; // of this period
};

static struct virtio_rng *to_rng(struct virtio_device *vdev)
{
    return container_of(vdev, struct virtio_rng, vdev);
}

static size_t wanted_bytes(const struct virtio_rng *rng, const struct virtio_chain *chain)
{
    uint64_t bytes = chain->writable_bytes;
    if (bytes > REQUEST_BYTES_MAX)
        bytes = REQUEST_BYTES_MAX;
    return bytes < rng->left_bytes ? bytes : rng->left_bytes;
}

static void serve(struct virtio_rng *rng, const struct virtio_chain *chain)
{
    uint8_t random[REQUEST_BYTES_MAX];
    ssize_t bytes = getrandom(random, wanted_bytes(rng, chain), 0);
    if (bytes < 0)
        bytes = 0;
    virtio_chain_write(chain, rng->vdev.memory, 0, random, (size_t)bytes);
    virtio_push(&rng->vdev, 0, chain->head, (uint32_t)bytes);
    if (rng->config.max_bytes < INT64_MAX)
        rng->left_bytes -= (uint64_t)bytes;
}

static void on_period(uv_timer_t *timer)
{
    struct virtio_rng *rng = timer->data;
    rng->left_bytes = rng->config.max_bytes;
    virtio_device_kick(&rng->vdev, 0);
}

// Runs only while there is something to limit, and not while the guest is paused.
static void begin_period(struct virtio_rng *rng)
{
    if (rng->config.max_bytes < INT64_MAX && !uv_is_active((uv_handle_t *)rng->period))
        uv_timer_start(rng->period, on_period, rng->config.period_ms, 0);
}

static void rng_kick(struct virtio_device *vdev, unsigned queue)
{
    struct virtio_rng *rng = to_rng(vdev);
    struct virtio_chain chain;
    if (!virtio_queue_is_empty(&vdev->queue[queue]))
        begin_period(rng);
    unsigned served = 0;
    while (served < REQUESTS_A_TURN && rng->left_bytes && virtio_pop(vdev, queue, &chain)) {
        serve(rng, &chain);
        served++;
    }
    virtio_flush_used(vdev, queue);
    if (served == REQUESTS_A_TURN)
        virtio_device_kick(vdev, queue);
}

static void rng_activate(struct virtio_device *vdev)
{
    to_rng(vdev)->left_bytes = to_rng(vdev)->config.max_bytes;
}

static void rng_stop(struct virtio_device *vdev, bool keep)
{
    (void)keep;
    uv_timer_stop(to_rng(vdev)->period);
    virtio_stopped(vdev);
}

static const struct virtio_ops rng_ops = {
    .name = "virtio-rng",
    .type = VIRTIO_TYPE_RNG,
    .pci_class = PCI_CLASS_OTHERS,
    .activate = rng_activate,
    .kick = rng_kick,
    .stop = rng_stop,
};

static void rng_reset(struct device *dev)
{
    (void)dev;
}

static int rng_loaded(struct device *dev, struct err *err)
{
    (void)dev;
    (void)err;
    return 0;
}

static const struct state_field rng_state[] = {{0}};

static const struct device_ops rng_dev_ops = {
    .name = "virtio-rng",
    .state_version = 1,
    .state = rng_state,
    .reset = rng_reset,
    .loaded = rng_loaded,
    .started = rng_reset,
};

static void open_timer(void *opaque)
{
    struct virtio_rng *rng = opaque;
    uv_timer_init(io_thread_loop(rng->vdev.thread), rng->period);
    rng->period->data = rng;
}

static void free_timer(uv_handle_t *timer)
{
    free(timer);
}

static void close_timer(void *opaque)
{
    uv_close(opaque, free_timer);
}

static int check(const struct virtio_rng_config *config, struct err *err)
{
    if (!config->period_ms || config->period_ms > INT32_MAX)
        return err_set(err, -EINVAL, "'period' parameter expects a positive integer");
    if (config->max_bytes > INT64_MAX)
        return err_set(err, -EINVAL, "'max-bytes' parameter must be non-negative, and less than 2^63");
    return 0;
}

struct virtio_rng *virtio_rng_create(const struct virtio_rng_config *config, struct io_thread *thread,
                                     struct mem *memory, struct err *err)
{
    if (check(config, err))
        return NULL;
    struct virtio_rng *rng = calloc(1, sizeof *rng);
    uv_timer_t *timer = calloc(1, sizeof *timer);
    if (!rng || !timer) {
        free(rng);
        free(timer);
        err_set(err, -ENOMEM, "no memory for virtio-rng");
        return NULL;
    }
    rng->config = *config;
    rng->period = timer;
    virtio_device_init(&rng->vdev, &rng_dev_ops, &rng_ops, thread, memory, 1, QUEUE_SIZE);
    io_thread_call(thread, open_timer, rng);
    return rng;
}

void virtio_rng_destroy(struct virtio_rng *rng)
{
    if (!rng)
        return;
    io_thread_call(rng->vdev.thread, close_timer, rng->period);
    virtio_device_finish(&rng->vdev);
    free(rng);
}

struct virtio_device *virtio_rng_device(struct virtio_rng *rng)
{
    return &rng->vdev;
}
