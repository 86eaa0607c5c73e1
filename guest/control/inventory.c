// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/inventory.h"

#include <string.h>
#include <sys/stat.h>

#include "guest/mem/mem.h"

struct reading {
    const struct block *block;
    struct inventory_stats *stats;
};

_Static_assert(sizeof(struct inventory_stats) == sizeof((struct block *)0)->stats, "the same counters");

static void read_stats(void *opaque)
{
    struct reading *r = opaque;
    memcpy(r->stats, &r->block->stats, sizeof *r->stats);
}

// The I/O thread may be waiting for readers, and this thread is one.
void inventory_read_stats(const struct inventory_disk *disk, struct inventory_stats *stats)
{
    struct reading r = {disk->block, stats};
    mem_thread_offline();
    io_thread_call(disk->block->thread, read_stats, &r);
    mem_thread_online();
}

uint64_t inventory_allocated_bytes(const struct inventory_disk *disk)
{
    struct stat st;
    return stat(disk->filename, &st) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}
