// SPDX-License-Identifier: GPL-2.0-or-later
//
// A request waits in its queue until there is something to give, so nothing is ever in flight.
#include "guest/virtio/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { QUEUE_SIZE = 8, PCI_CLASS_OTHERS = 0x00ff00 };
enum { REQUEST_BYTES_MAX = 4096 };  // the device may use less of a buffer (5.4.6.1); Linux asks for 64 bytes
enum { REQUESTS_A_TURN = 8 };       // then others of the thread have theirs
enum { AHEAD_BYTES = 64 };          // at once of a file, which may have few
enum { AGAIN_MS = 50 };             // and is asked again

const struct virtio_rng_config virtio_rng_default = {.max_bytes = INT64_MAX, .period_ms = 1 << 16};

struct virtio_rng {
    struct virtio_device vdev;
    struct virtio_rng_config config;
    // I/O thread
    uv_timer_t *period;  // lives until the loop has closed it
    uint64_t left_bytes; // of this period
    int fd;              // -1: the host kernel
    uv_timer_t *again;   // as period
    uint8_t ahead[AHEAD_BYTES];  // read, and not given yet
    size_t ahead_bytes;
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

static ssize_t take_ahead(struct virtio_rng *rng, uint8_t *random, size_t bytes)
{
    bytes = bytes < rng->ahead_bytes ? bytes : rng->ahead_bytes;
    rng->ahead_bytes -= bytes;
    memcpy(random, rng->ahead + rng->ahead_bytes, bytes);
    return (ssize_t)bytes;
}

static void serve(struct virtio_rng *rng, const struct virtio_chain *chain)
{
    uint8_t random[REQUEST_BYTES_MAX];
    size_t wanted = wanted_bytes(rng, chain);
    ssize_t bytes = rng->fd < 0 ? getrandom(random, wanted, 0) : take_ahead(rng, random, wanted);
    if (bytes < 0)
        bytes = 0;
    virtio_chain_write(chain, rng->vdev.memory, 0, random, (size_t)bytes);
    virtio_push(&rng->vdev, 0, chain->head, (uint32_t)bytes);
    if (rng->config.max_bytes < INT64_MAX)
        rng->left_bytes -= (uint64_t)bytes;
}

static void on_again(uv_timer_t *timer)
{
    struct virtio_rng *rng = timer->data;
    virtio_device_kick(&rng->vdev, 0);
}

// A request is taken only when there is something to give. Of an empty queue none can be, but the attempt
// asks for the next notification. A file at its end may grow.
static bool may_take(struct virtio_rng *rng)
{
    if (rng->fd < 0 || rng->ahead_bytes || virtio_queue_is_empty(&rng->vdev.queue[0]))
        return true;
    ssize_t bytes = read(rng->fd, rng->ahead, sizeof rng->ahead);
    if (bytes > 0)
        rng->ahead_bytes = (size_t)bytes;
    else
        uv_timer_start(rng->again, on_again, AGAIN_MS, 0);
    return bytes > 0;
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
    while (served < REQUESTS_A_TURN && rng->left_bytes && may_take(rng) && virtio_pop(vdev, queue, &chain)) {
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
    uv_timer_stop(to_rng(vdev)->again);
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

static void open_timers(void *opaque)
{
    struct virtio_rng *rng = opaque;
    uv_timer_t *timers[] = {rng->period, rng->again};
    for (int i = 0; i < 2; i++) {
        uv_timer_init(io_thread_loop(rng->vdev.thread), timers[i]);
        timers[i]->data = rng;
    }
}

static void free_timer(uv_handle_t *timer)
{
    free(timer);
}

static void close_timers(void *opaque)
{
    struct virtio_rng *rng = opaque;
    uv_close((uv_handle_t *)rng->period, free_timer);
    uv_close((uv_handle_t *)rng->again, free_timer);
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
    uv_timer_t *period = calloc(1, sizeof *period), *again = calloc(1, sizeof *again);
    if (!rng || !period || !again) {
        free(rng);
        free(period);
        free(again);
        err_set(err, -ENOMEM, "no memory for virtio-rng");
        return NULL;
    }
    rng->config = *config;
    rng->period = period;
    rng->again = again;
    rng->fd = -1;
    virtio_device_init(&rng->vdev, &rng_dev_ops, &rng_ops, thread, memory, 1, QUEUE_SIZE);
    io_thread_call(thread, open_timers, rng);
    return rng;
}

void virtio_rng_read_from(struct virtio_rng *rng, int fd)
{
    rng->fd = fd;
}

void virtio_rng_destroy(struct virtio_rng *rng)
{
    if (!rng)
        return;
    io_thread_call(rng->vdev.thread, close_timers, rng);
    virtio_device_finish(&rng->vdev);
    free(rng);
}

struct virtio_device *virtio_rng_device(struct virtio_rng *rng)
{
    return &rng->vdev;
}
