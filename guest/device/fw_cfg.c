// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/fw_cfg.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/device/fw_cfg_items.h"

enum { SELECTOR = 0, DATA = 1, DMA_HIGH = 4, DMA_LOW = 8 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16, DMA_KEY_SHIFT = 16 };
enum { KEY_IGNORED = 0x4000 };  // was for writing
#define DMA_SIGNATURE UINT64_C(0x51454d5520434647)  // "QEMU CFG"
enum { PIECE_BYTES = 4096 };

// Big-endian, as the device has it in memory.
struct dma_descriptor {
    uint32_t control, length;
    uint64_t address;
};

static struct fw_cfg *to_fw_cfg(struct device *dev)
{
    return container_of(dev, struct fw_cfg, dev);
}

static const struct fw_cfg_item *selected(const struct fw_cfg *fw)
{
    return fw_cfg_find(fw, fw->selected);
}

static void select_item(struct fw_cfg *fw, uint16_t key)
{
    fw->selected = key & ~KEY_IGNORED;
    fw->at = 0;
}

static uint64_t left(const struct fw_cfg *fw)
{
    const struct fw_cfg_item *item = selected(fw);
    return item ? item->size_bytes - fw->at : 0;
}

// Beyond its end an item, and all of one that isn't there, reads 0.
static uint8_t read_byte(struct fw_cfg *fw)
{
    return left(fw) ? selected(fw)->bytes[fw->at++] : 0;
}

static int copy_out(struct fw_cfg *fw, uint64_t address, uint64_t size_bytes)
{
    static const uint8_t zeroes[PIECE_BYTES];
    uint64_t from_item = left(fw) < size_bytes ? left(fw) : size_bytes;
    int rc = from_item ? mem_dma_write(fw->memory, GPA(address), selected(fw)->bytes + fw->at, from_item) : 0;
    fw->at += from_item;
    for (uint64_t done = from_item; done < size_bytes && rc == 0;) {
        uint64_t piece = size_bytes - done < PIECE_BYTES ? size_bytes - done : PIECE_BYTES;
        rc = mem_dma_write(fw->memory, GPA(address + done), zeroes, piece);
        done += piece;
    }
    return rc;
}

static void skip(struct fw_cfg *fw, uint64_t size_bytes)
{
    fw->at += left(fw) < size_bytes ? left(fw) : size_bytes;
}

// What the descriptor's control becomes: 0, or an error.
static uint32_t transfer(struct fw_cfg *fw, const struct dma_descriptor *d)
{
    uint32_t control = be32toh(d->control), length = be32toh(d->length);
    uint64_t address = be64toh(d->address);
    if (control & DMA_SELECT)
        select_item(fw, control >> DMA_KEY_SHIFT);
    if (control & DMA_READ)
        return length > FW_CFG_FILE_BYTES_MAX || copy_out(fw, address, length) < 0 ? DMA_ERROR : 0;
    if (control & DMA_WRITE)
        return length ? DMA_ERROR : 0;  // nothing may be written
    if (control & DMA_SKIP)
        skip(fw, length);
    return 0;
}

static void run_dma(struct fw_cfg *fw)
{
    struct dma_descriptor d;
    uint64_t at = fw->dma_address;
    fw->dma_address = 0;
    uint32_t control = DMA_ERROR;
    if (mem_dma_read(fw->memory, GPA(at), &d, sizeof d) == 0)
        control = transfer(fw, &d);
    control = htobe32(control);
    mem_dma_write(fw->memory, GPA(at), &control, sizeof control);
}

// The register reads as a signature, so that a driver knows of DMA. Bytes are in memory's order.
static uint64_t read_signature(uint64_t offset, unsigned size_bytes)
{
    uint64_t bytes = htobe64(DMA_SIGNATURE) >> 8 * (offset - DMA_HIGH);
    return bytes & size_mask(size_bytes);
}

static uint64_t fw_cfg_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    if (offset >= DMA_HIGH)
        return read_signature(offset, size_bytes);
    return size_bytes == 1 && offset <= DATA ? read_byte(to_fw_cfg(dev)) : 0;
}

static void write_dma(struct fw_cfg *fw, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    if (size_bytes == 8 && offset == DMA_HIGH)
        fw->dma_address = htobe64(value);
    else if (size_bytes == 4 && offset == DMA_LOW)
        fw->dma_address |= htobe32((uint32_t)value);
    else
        return;
    run_dma(fw);
}

static void fw_cfg_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct fw_cfg *fw = to_fw_cfg(dev);
    if (offset == SELECTOR && size_bytes == 2)
        select_item(fw, (uint16_t)value);
    else if (offset == DMA_HIGH && size_bytes == 4)
        fw->dma_address = (uint64_t)htobe32((uint32_t)value) << 32;
    else if (offset >= DMA_HIGH)
        write_dma(fw, offset, value, size_bytes);
}

static void fw_cfg_reset(struct device *dev)
{
    struct fw_cfg *fw = to_fw_cfg(dev);
    select_item(fw, FW_CFG_SIGNATURE);
    fw->dma_address = 0;
}

static int fw_cfg_loaded(struct device *dev, struct err *err)
{
    struct fw_cfg *fw = to_fw_cfg(dev);
    const struct fw_cfg_item *item = selected(fw);
    if (fw->at <= (item ? item->size_bytes : 0))
        return 0;
    return err_set(err, -EINVAL, "fw_cfg: position %llu is beyond the end of item %#x",
                   (unsigned long long)fw->at, fw->selected);
}

static void fw_cfg_started(struct device *dev)
{
    (void)dev;
}

static const struct state_field fw_cfg_state[] = {
    STATE_FIELD(struct fw_cfg, selected, 1),
    STATE_FIELD(struct fw_cfg, at, 1),
    STATE_FIELD(struct fw_cfg, dma_address, 1),
    {0},
};

static const struct device_ops fw_cfg_ops = {
    .name = "fw_cfg",
    .state_version = 1,
    .state = fw_cfg_state,
    .read = fw_cfg_read,
    .write = fw_cfg_write,
    .reset = fw_cfg_reset,
    .loaded = fw_cfg_loaded,
    .started = fw_cfg_started,
};

void fw_cfg_init(struct fw_cfg *fw, struct mem *memory)
{
    *fw = (struct fw_cfg){.dev.ops = &fw_cfg_ops, .memory = memory};
    pthread_mutex_init(&fw->dev.lock, NULL);
    fw_cfg_init_items(fw);
}

void fw_cfg_finish(struct fw_cfg *fw)
{
    for (unsigned i = 0; i < fw->count; i++)
        free(fw->item[i].owned);
    pthread_mutex_destroy(&fw->dev.lock);
}
