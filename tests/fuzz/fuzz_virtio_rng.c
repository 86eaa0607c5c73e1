// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver of the random number device (virtio_world.h), with and without a quota.
#include "tests/fuzz/virtio_world.h"

#include "guest/virtio/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct world w;
    world_open(&w, data, size_bytes);
    struct virtio_rng_config config = virtio_rng_default;
    if (take(&w.s, 1) & 1)
        config = (struct virtio_rng_config){take(&w.s, 2), 1 + (uint32_t)take(&w.s, 1)};
    struct virtio_rng *rng = virtio_rng_create(&config, w.thread, w.memory, NULL);
    check(rng);
    world_plug(&w, virtio_rng_device(rng));
    for (unsigned i = 0, own; goes_on(&w.s, i); i++)
        world_step(&w, &own);
    world_unplug(&w);
    virtio_rng_destroy(rng);
    world_close(&w);
    return 0;
}
