// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver with memory of its own (device_steps.h): DMA descriptors anywhere, of any length, that
// lie over each other and over the end of RAM.
#include "tests/fuzz/device_steps.h"

#include <endian.h>

#include "guest/device/fw_cfg.h"

enum { RAM_BYTES = 1 << 14 };

static struct ram ram;
static struct mem *memory;

static void create_memory(void)
{
    mem_thread_online();
    memory = mem_create(1 << 30);
    check(ram_open(&ram, RAM_BYTES, NULL) == 0);
    check(mem_add_ram(memory, GPA(0), &ram, 0, RAM_BYTES, false, NULL) == 0);
}

static void run_dma(struct fw_cfg *fw, struct steps *s, bool anywhere)
{
    struct { uint32_t control, length; uint64_t address; } d;
    uint64_t at = anywhere ? take(s, 8) : take(s, 2) % RAM_BYTES;
    d.control = htobe32((uint32_t)(take(s, 1) % 64 << 16 | take(s, 1)));
    d.length = htobe32((uint32_t)take(s, anywhere ? 4 : 2));
    d.address = htobe64(take(s, anywhere ? 8 : 2));
    mem_dma_write(memory, GPA(at), &d, sizeof d);
    device_write(&fw->dev, 4, htobe64(at), 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct fw_cfg fw;
    struct steps s = {data, size_bytes, NULL, 0};
    if (!memory)
        create_memory();
    memset(ram.host, 0, RAM_BYTES);
    fw_cfg_init(&fw, memory);
    for (unsigned i = 0, files = take(&s, 1) % 8; i < files; i++)
        fw_cfg_add_file(&fw, (char[]){'f', (char)('a' + i), 0}, data, size_bytes, NULL);
    for (unsigned i = 0, own; goes_on(&s, i); i++) {
        if (!step(&s, &fw.dev, FW_CFG_PORTS, &own))
            run_dma(&fw, &s, own & 1);
        check_loadable(&fw.dev);
    }
    fw_cfg_finish(&fw);
    return 0;
}
