// SPDX-License-Identifier: GPL-2.0-or-later
//
// A source of random numbers for the guest, from the host kernel or from a file (Virtual I/O Device 1.2,
// section 5.4).
// At most max_bytes in each period, which begins with the first request after the last one; as QEMU's
// virtio-rng-pci.
//
// Threads: made and ended by the main thread; the rest as virtio.h.
#pragma once

#include "guest/virtio/virtio.h"

enum { VIRTIO_RNG_VECTORS = 2 };  // of MSI-X, unless said

struct virtio_rng_config {
    uint64_t max_bytes;  // at most INT64_MAX, which is without limit
    uint32_t period_ms;  // 1 to INT32_MAX
};
extern const struct virtio_rng_config virtio_rng_default;

struct virtio_rng;
// memory and thread, whose loop is a mem reader, are lent. Null with a sentence: no memory, or a property
// that can't be, in QEMU's words.
struct virtio_rng *virtio_rng_create(const struct virtio_rng_config *config, struct io_thread *thread,
                                     struct mem *memory, struct err *err);
// Before the guest runs: from now on they are read from fd, which is lent and does not block (-1: the
// kernel). Where it has nothing, a request waits.
void virtio_rng_read_from(struct virtio_rng *rng, int fd);
void virtio_rng_destroy(struct virtio_rng *rng);  // its transport is gone
struct virtio_device *virtio_rng_device(struct virtio_rng *rng);
