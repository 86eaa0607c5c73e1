// SPDX-License-Identifier: GPL-2.0-or-later
//
// A device's life on its I/O thread. Its transport asks by setting bits and ringing the bell; the
// answer takes them in the order start, stop, kicks, since a start is asked for only after the stop before
// it is complete.
#include "guest/virtio/virtio.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"

enum { ASKED_START = 1, ASKED_STOP = 2 };

// Of a device that is suspended or not active, the other members may be another thread's at the moment;
// the atomic load is one that a compiler doesn't make before it has to.
static bool is_running(const struct virtio_device *vdev)
{
    return !vdev->suspended && vdev->active && !vdev->stopping &&
           !__atomic_load_n(&vdev->broken, __ATOMIC_RELAXED);
}

static void kick(struct virtio_device *vdev, uint64_t queues)
{
    for (; queues && is_running(vdev); queues &= queues - 1) {
        unsigned queue = (unsigned)__builtin_ctzll(queues);
        if (vdev->queue[queue].enabled)
            vdev->ops->kick(vdev, queue);
    }
}

static int start_queues(struct virtio_device *vdev, struct err *err)
{
    for (unsigned i = 0; i < vdev->queue_count; i++) {
        struct virtio_queue *q = &vdev->queue[i];
        int rc = q->enabled ? virtio_queue_start(q, vdev->memory, virtio_has(vdev, VIRTIO_F_EVENT_IDX), err) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static void stop_queues(struct virtio_device *vdev)
{
    for (unsigned i = 0; i < vdev->queue_count; i++)
        virtio_queue_stop(&vdev->queue[i]);
}

// A back end may still come with something meanwhile (a frame), and finds queues that are empty.
static void pause_queues(struct virtio_device *vdev, bool pause)
{
    for (unsigned i = 0; i < vdev->queue_count; i++) {
        struct virtio_queue *q = &vdev->queue[i];
        q->paused = pause;
        if (!pause)
            virtio_queue_set_kicks(q, q->kicks);
    }
}

// Kicks from before it was active are covered by a look at every queue. A broken device is active too, and
// is stopped like any other; its queues give nothing.
static void activate(struct virtio_device *vdev)
{
    struct err err = {0};
    __atomic_store_n(&vdev->kicked, 0, __ATOMIC_SEQ_CST);
    if (!vdev->broken && start_queues(vdev, &err)) {
        stop_queues(vdev);
        virtio_break(vdev, err.text);
    }
    vdev->active = true;
    vdev->ops->activate(vdev);
    kick(vdev, UINT64_MAX >> (64 - vdev->queue_count));
}

static void wake_waiter(struct virtio_device *vdev)
{
    sem_t *waiter = vdev->waiter;
    vdev->waiter = NULL;
    if (waiter)
        sem_post(waiter);
}

static void stop(struct virtio_device *vdev, bool keep)
{
    vdev->keeping = keep;
    vdev->stopping = true;
    vdev->ops->stop(vdev, keep);
}

void virtio_stopped(struct virtio_device *vdev)
{
    assert(vdev->active && vdev->stopping);
    vdev->stopping = false;
    if (vdev->keeping) {
        pause_queues(vdev, true);
    } else {
        vdev->active = false;
        stop_queues(vdev);
        device_reset(&vdev->dev);
        vdev->transport->stopped(vdev->transport);
    }
    wake_waiter(vdev);
}

static void answer(struct io_bell *bell)
{
    struct virtio_device *vdev = container_of(bell, struct virtio_device, bell);
    if (vdev->suspended)
        return;
    unsigned asked = __atomic_exchange_n(&vdev->asked, 0, __ATOMIC_SEQ_CST);
    uint64_t kicked = __atomic_exchange_n(&vdev->kicked, 0, __ATOMIC_SEQ_CST);
    if (asked & ASKED_START)
        activate(vdev);
    if (asked & ASKED_STOP)
        stop(vdev, false);  // and perhaps it is the transport's already, which looks at all queues at a start
    else
        kick(vdev, kicked);
}

static void ask(struct virtio_device *vdev, unsigned what)
{
    __atomic_fetch_or(&vdev->asked, what, __ATOMIC_SEQ_CST);
    io_bell_ring(&vdev->bell);
}

void virtio_device_start(struct virtio_device *vdev)
{
    ask(vdev, ASKED_START);
}

void virtio_device_stop(struct virtio_device *vdev)
{
    ask(vdev, ASKED_STOP);
}

void virtio_device_kick(struct virtio_device *vdev, unsigned queue)
{
    if (!__atomic_fetch_or(&vdev->kicked, BIT(queue), __ATOMIC_SEQ_CST))
        io_bell_ring(&vdev->bell);
}

void virtio_device_cut_off(struct virtio_device *vdev, bool cut_off)
{
    bool was_cut_off = __atomic_exchange_n(&vdev->cut_off, cut_off, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; was_cut_off && !cut_off && i < vdev->queue_count; i++)
        virtio_device_kick(vdev, i);
}

struct quiescing {
    struct virtio_device *vdev;
    sem_t done;
};

static void quiesce(void *opaque)
{
    struct quiescing *quiescing = opaque;
    struct virtio_device *vdev = quiescing->vdev;
    answer(&vdev->bell);
    bool suspended = vdev->suspended;
    vdev->suspended = true;
    vdev->waiter = &quiescing->done;
    if (vdev->active && !vdev->stopping && !suspended)
        stop(vdev, true);
    else if (!vdev->stopping)
        wake_waiter(vdev);
}

void virtio_device_quiesce(struct virtio_device *vdev)
{
    struct quiescing quiescing = {.vdev = vdev};
    sem_init(&quiescing.done, 0, 0);
    io_thread_post(vdev->thread, quiesce, &quiescing);
    while (sem_wait(&quiescing.done) && errno == EINTR)
        continue;
    sem_destroy(&quiescing.done);
}

static void resume(void *opaque)
{
    struct virtio_device *vdev = opaque;
    bool goes_on = vdev->suspended && vdev->active;
    vdev->suspended = false;
    if (goes_on) {
        pause_queues(vdev, false);
        vdev->ops->activate(vdev);
    }
    answer(&vdev->bell);
    if (goes_on)
        kick(vdev, UINT64_MAX >> (64 - vdev->queue_count));
}

void virtio_device_resume(struct virtio_device *vdev)
{
    io_thread_post(vdev->thread, resume, vdev);
}

void virtio_device_forget(struct virtio_device *vdev)
{
    assert(vdev->suspended && !vdev->stopping);
    __atomic_store_n(&vdev->asked, 0, __ATOMIC_SEQ_CST);
    vdev->active = false;
    stop_queues(vdev);
}

void virtio_device_init(struct virtio_device *vdev, const struct device_ops *dev_ops,
                        const struct virtio_ops *ops, struct io_thread *thread, struct mem *memory,
                        unsigned queues, unsigned queue_size_max)
{
    assert(queues && queues <= VIRTIO_QUEUES_MAX && queue_size_max <= VIRTIO_QUEUE_SIZE_MAX);
    vdev->dev.ops = dev_ops;
    pthread_mutex_init(&vdev->dev.lock, NULL);
    vdev->ops = ops;
    vdev->thread = thread;
    vdev->memory = memory;
    vdev->queue_count = queues;
    for (unsigned i = 0; i < queues; i++)
        vdev->queue[i] = (struct virtio_queue){.size_max = (uint16_t)queue_size_max, .broken = true};
    io_bell_init(&vdev->bell, thread, answer);
}

void virtio_device_finish(struct virtio_device *vdev)
{
    io_bell_finish(&vdev->bell);
    pthread_mutex_destroy(&vdev->dev.lock);
}

// What a broken device still had in flight is lost to its driver, which must reset it anyway.
void virtio_push_many(struct virtio_device *vdev, unsigned queue, const struct virtio_used *used,
                      unsigned count)
{
    if (!vdev->broken)
        virtio_queue_push_many(&vdev->queue[queue], used, count);
}

void virtio_push(struct virtio_device *vdev, unsigned queue, uint16_t head, uint32_t written_bytes)
{
    virtio_push_many(vdev, queue, &(struct virtio_used){head, written_bytes}, 1);
}

void virtio_flush_used(struct virtio_device *vdev, unsigned queue)
{
    if (!vdev->broken && virtio_queue_must_interrupt(&vdev->queue[queue]))
        vdev->transport->interrupt(vdev->transport, queue);
}

bool virtio_pop(struct virtio_device *vdev, unsigned queue, struct virtio_chain *chain)
{
    if (!is_running(vdev) || !vdev->queue[queue].enabled || __atomic_load_n(&vdev->cut_off, __ATOMIC_RELAXED))
        return false;
    int rc = virtio_queue_pop(&vdev->queue[queue], chain);
    if (rc < 0)
        virtio_break(vdev, "a queue is broken");
    return rc > 0;
}

void virtio_break(struct virtio_device *vdev, const char *what)
{
    if (vdev->broken)
        return;
    log_guest("virtio", "%s: %s; it waits for a reset", vdev->ops->name, what);
    vdev->broken = true;
    vdev->transport->failed(vdev->transport);
}

void virtio_config_changed(struct virtio_device *vdev)
{
    vdev->transport->config_changed(vdev->transport);
}
