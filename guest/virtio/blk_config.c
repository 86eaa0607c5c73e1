// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "base/bits.h"
#include "guest/virtio/blk_internal.h"

// 5.2.4
struct blk_config {
    struct le64 capacity;  // in sectors
    struct le32 size_max, seg_max;
    struct le16 cylinders;
    uint8_t heads, sectors;
    struct le32 blk_size;
    uint8_t physical_block_exp, alignment_offset;
    struct le16 min_io_size;  // in logical blocks, as the next
    struct le32 opt_io_size;
    uint8_t writeback, unused0;
    struct le16 num_queues;
    struct le32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
    struct le32 max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
};
_Static_assert(sizeof(struct blk_config) == BLK_CONFIG_BYTES, "as in the specification");

uint64_t blk_features(const struct virtio_blk *v)
{
    const struct virtio_blk_config *c = &v->config;
    uint64_t features = BIT(BLK_F_SEG_MAX) | BIT(BLK_F_GEOMETRY) | BIT(BLK_F_BLK_SIZE) | BIT(BLK_F_FLUSH) |
                        BIT(BLK_F_TOPOLOGY);
    bool read_only = c->block->info.read_only;
    features |= read_only ? BIT(BLK_F_RO) : 0;
    features |= c->no_config_wce ? 0 : BIT(BLK_F_CONFIG_WCE);
    features |= c->num_queues > 1 ? BIT(BLK_F_MQ) : 0;
    features |= c->no_discard || read_only ? 0 : BIT(BLK_F_DISCARD);
    features |= c->no_write_zeroes || read_only ? 0 : BIT(BLK_F_WRITE_ZEROES);
    return features;
}

// What a PC of the time would have made of a disk of this size.
static void set_geometry(struct blk_config *config, uint64_t sectors, uint32_t logical_sectors)
{
    uint64_t cylinders = sectors / (16 * 63);
    cylinders = cylinders < 2 ? 2 : cylinders > 16383 ? 16383 : cylinders;
    config->cylinders = le16((uint16_t)cylinders);
    config->heads = 16;
    config->sectors = logical_sectors > 63 ? 0 : (uint8_t)(63 & ~(logical_sectors - 1));
}

static uint8_t log2_of(uint32_t n)
{
    return (uint8_t)__builtin_ctz(n);
}

static void set_limits(struct blk_config *config, uint32_t logical_sectors)
{
    config->max_discard_sectors = config->max_write_zeroes_sectors = le32(BLK_MAX_SECTORS);
    config->max_discard_seg = config->max_write_zeroes_seg = le32(1);
    config->discard_sector_alignment = le32(logical_sectors);
    config->write_zeroes_may_unmap = 1;
}

// A request's header and status are a segment each.
static uint32_t segments_max(unsigned queue_size)
{
    return (queue_size < VIRTIO_SEGMENTS_MAX ? queue_size : VIRTIO_SEGMENTS_MAX) - 2;
}

static void fill(struct virtio_blk *v, struct blk_config *config)
{
    const struct virtio_blk_config *c = &v->config;
    uint64_t sectors = c->block->info.size_bytes / BLK_SECTOR_BYTES;
    uint32_t logical = c->logical_block_bytes, logical_sectors = logical / BLK_SECTOR_BYTES;
    config->capacity = le64(align_down(sectors, logical_sectors));
    config->seg_max = le32(segments_max(c->queue_size));
    set_geometry(config, sectors, logical_sectors);
    config->blk_size = le32(logical);
    config->physical_block_exp = log2_of(c->physical_block_bytes / logical);
    config->min_io_size = le16((uint16_t)(c->min_io_bytes / logical));
    config->opt_io_size = le32(c->opt_io_bytes / logical);
    config->writeback = __atomic_load_n(&v->wce, __ATOMIC_RELAXED);
    config->num_queues = le16((uint16_t)c->num_queues);
    set_limits(config, logical_sectors);
}

void blk_config_read(struct virtio_device *vdev, unsigned offset, void *bytes, unsigned size_bytes)
{
    struct blk_config config = {0};
    fill(blk_of(vdev), &config);
    memcpy(bytes, (const uint8_t *)&config + offset, size_bytes);
}

// Only writeback is the driver's to write, and only if it was offered (5.2.5).
void blk_config_write(struct virtio_device *vdev, unsigned offset, const void *bytes, unsigned size_bytes)
{
    struct virtio_blk *v = blk_of(vdev);
    unsigned at = offsetof(struct blk_config, writeback);
    if (v->config.no_config_wce || offset > at || offset + size_bytes <= at)
        return;
    bool wce = ((const uint8_t *)bytes)[at - offset] & 1;
    __atomic_store_n(&v->wce, wce, __ATOMIC_RELAXED);
}
