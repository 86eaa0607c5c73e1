// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/chr/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "guest/chr/kinds.h"

enum { RING_DEFAULT_BYTES = 1 << 16, RING_LIMIT_BYTES = 1 << 30 };

struct ring {
    struct chr_backend base;
    pthread_mutex_t lock;
    uint8_t *bytes;
    uint32_t size_bytes;
    uint64_t written, taken;  // since the beginning of time; their difference is at most the size
};

static struct ring *to_ring(struct chr *chr)
{
    return (struct ring *)chr;
}

static void ring_write(struct chr *chr, const uint8_t *bytes, size_t size_bytes)
{
    struct ring *r = to_ring(chr);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < size_bytes; i++)
        r->bytes[r->written++ & (r->size_bytes - 1)] = bytes[i];
    if (r->written - r->taken > r->size_bytes)
        r->taken = r->written - r->size_bytes;
    pthread_mutex_unlock(&r->lock);
}

static void ring_room_changed(struct chr *chr)
{
    (void)chr;
}

static void ring_close(struct chr_backend *b)
{
    struct ring *r = to_ring(&b->chr);
    pthread_mutex_destroy(&r->lock);
    free(r->bytes);
    free(r);
}

static const struct chr_ops ring_chr_ops = {chr_backend_attach, ring_write, ring_room_changed};
static const struct chr_backend_ops ring_ops = {.close = ring_close};

ssize_t chr_ring_read(struct chr_backend *b, uint8_t *bytes, size_t size_bytes)
{
    if (b->ops != &ring_ops)
        return -EINVAL;
    struct ring *r = to_ring(&b->chr);
    size_t n = 0;
    pthread_mutex_lock(&r->lock);
    while (n < size_bytes && r->taken < r->written)
        bytes[n++] = r->bytes[r->taken++ & (r->size_bytes - 1)];
    pthread_mutex_unlock(&r->lock);
    return n;
}

struct chr_backend *chr_ring_open(const struct chr_config *config, struct err *err)
{
    uint32_t size = config->size_bytes ? config->size_bytes : RING_DEFAULT_BYTES;
    if (size & (size - 1) || size > RING_LIMIT_BYTES) {
        err_set(err, -EINVAL, "size of ringbuf chardev must be power of two");
        return NULL;
    }
    struct ring *r = calloc(1, sizeof *r);
    uint8_t *bytes = malloc(size);
    if (!r || !bytes) {
        free(r);
        free(bytes);
        err_set(err, -ENOMEM, "%s: no memory for a ring of %u bytes", config->label, size);
        return NULL;
    }
    chr_backend_init(&r->base, &ring_chr_ops, &ring_ops, config->label, "ringbuf");
    pthread_mutex_init(&r->lock, NULL);
    r->bytes = bytes;
    r->size_bytes = size;
    return &r->base;
}
