// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver of any virtio device over PCI: registers in every width, configuration space, rings made
// by the rules or of nothing but chance, memory that changes between looks, reset, pause, snapshot and machine
// reset at any moment. The device's I/O thread is real; each step ends when it has answered.
//
// Besides what the sanitizers see: a state that a guest has reached is never refused, and at the end a reset
// completes.
#pragma once

#include "guest/virtio/pci.h"
#include "tests/fuzz/device_steps.h"

enum {
    WORLD_RAM_BYTES = 1 << 18, WORLD_LOW_BYTES = WORLD_RAM_BYTES / 2, WORLD_HIGH_BASE = 1 << 20,
    WORLD_RINGS = 0x1000, WORLD_RING_BYTES = 0x4000,  // of queue n: from WORLD_RINGS + n * WORLD_RING_BYTES
    WORLD_BUFFERS = 0x11000,
};

struct world {
    struct steps s;
    struct ram ram;
    struct mem *memory, *ports;
    struct io_thread *thread;
    struct msi_sink msi;
    struct pci_root root;
    struct pci_bus bus;
    struct virtio_device *vdev;
    struct virtio_pci *vp;
    struct pci_function *f;
    uint16_t available[VIRTIO_QUEUES_MAX];  // by the rules
    // Something that will end what is in flight, if nobody else does it: before a pause.
    void (*let_end)(struct world *w);
};

static inline void world_nothing(void *opaque) { (void)opaque; }
static inline void world_msi(struct msi_sink *sink, uint64_t address, uint32_t data)
{
    (void)sink; (void)address; (void)data;
}

// A bell that was rung is answered: the first call may overtake it, the second can't.
static inline void world_settle(struct world *w)
{
    io_thread_call(w->thread, world_nothing, NULL);
    io_thread_call(w->thread, world_nothing, NULL);
}

static inline void world_open(struct world *w, const uint8_t *data, size_t size_bytes)
{
    static struct io_thread *thread;
    if (!thread)
        thread = io_thread_create("virtio", &mem_reader_sleep, NULL);
    *w = (struct world){.s = {data, size_bytes, NULL, 0}, .thread = thread, .msi = {world_msi}};
    w->memory = mem_create(UINT64_C(1) << 46);
    w->ports = mem_create(65536);
    check(ram_open(&w->ram, WORLD_RAM_BYTES, NULL) == 0);
    check(mem_add_ram(w->memory, GPA(0), &w->ram, 0, WORLD_LOW_BYTES, false, NULL) == 0);
    check(mem_add_ram(w->memory, GPA(WORLD_LOW_BYTES), &w->ram, WORLD_LOW_BYTES, PAGE_BYTES, false, NULL) == 0);
    check(mem_add_ram(w->memory, GPA(WORLD_HIGH_BASE), &w->ram, WORLD_LOW_BYTES + PAGE_BYTES,
                      WORLD_LOW_BYTES - PAGE_BYTES, true, NULL) == 0);
    w->root = (struct pci_root){.memory = w->memory, .ports = w->ports, .msi = &w->msi};
    pci_bus_init(&w->bus, &w->root, NULL);
}

static inline void world_plug(struct world *w, struct virtio_device *vdev)
{
    struct virtio_pci_config config = {.vectors = vdev->queue_count + 1, .indirect = true, .event_index = true};
    w->vdev = vdev;
    w->vp = virtio_pci_create(vdev, &config, NULL);
    check(w->vp);
    w->f = virtio_pci_function(w->vp);
    check(pci_bus_plug(&w->bus, w->f, -1, NULL) == 0);
    pci_config_write(w->f, 4, 6, 2);
}

static inline uint64_t bar_read(struct world *w, unsigned offset, unsigned size_bytes)
{
    return device_read(&w->f->dev, PCI_BAR_OFFSET(4) + offset, size_bytes);
}
static inline void bar_write(struct world *w, unsigned offset, uint64_t value, unsigned size_bytes)
{
    device_write(&w->f->dev, PCI_BAR_OFFSET(4) + offset, value, size_bytes);
}

static inline void world_quiesce(struct world *w)
{
    if (w->let_end)
        w->let_end(w);
    device_quiesce(&w->f->dev);
}

static inline void world_resume(struct world *w)
{
    device_resume(&w->f->dev);
    world_settle(w);
}

// A reset by the driver completes, whatever it did before. Then no more is there of the transport.
static inline void world_unplug(struct world *w)
{
    bar_write(w, 20, 0, 1);
    world_settle(w);
    world_quiesce(w);
    check((bar_read(w, 20, 1) & 0xff) == 0);
    virtio_pci_destroy(w->vp);
}

static inline void world_close(struct world *w)
{
    mem_destroy(w->memory);
    mem_destroy(w->ports);
    ram_close(&w->ram);
}

static inline void step_register(struct world *w)
{
    static const struct { uint8_t offset, size_bytes; } registers[] = {
        {0, 4}, {8, 4}, {12, 4}, {16, 2}, {20, 1}, {22, 2}, {24, 2}, {26, 2}, {28, 2}, {32, 8}, {40, 8}, {48, 8},
    };
    unsigned n = take(&w->s, 1) % 12;
    bar_write(w, registers[n].offset, take(&w->s, 1 + n / 9), registers[n].size_bytes);
}

static inline void step_bar(struct world *w, unsigned bar, unsigned bar_bytes)
{
    unsigned choice = take(&w->s, 1), size_bytes = 1 << (choice & 3);
    uint64_t offset = take_offset(&w->s, bar_bytes, size_bytes);
    if (choice & 4)
        device_write(&w->f->dev, PCI_BAR_OFFSET(bar) + offset, take(&w->s, size_bytes), size_bytes);
    else
        device_read(&w->f->dev, PCI_BAR_OFFSET(bar) + offset, size_bytes);
}

static inline void step_config(struct world *w)
{
    unsigned choice = take(&w->s, 1), size_bytes = 1 << (choice % 3), reg = take(&w->s, 1);
    reg -= reg % size_bytes;
    if (choice & 4)
        pci_config_write(w->f, reg, (uint32_t)take(&w->s, size_bytes), size_bytes);
    else
        pci_config_read(w->f, reg, size_bytes);
}

static inline uint64_t rings_of(unsigned queue)
{
    return WORLD_RINGS + (uint64_t)(queue % 4) * WORLD_RING_BYTES;
}

static inline void set_up_queue(struct world *w, unsigned n, unsigned size)
{
    uint64_t at = rings_of(n);
    bar_write(w, 22, n, 2);
    bar_write(w, 24, size, 2);
    bar_write(w, 26, n + 1, 2);
    bar_write(w, 32, at, 8);
    bar_write(w, 40, at + 0x1000, 8);
    bar_write(w, 48, at + 0x2000, 8);
    bar_write(w, 28, 1, 2);
    memset(w->ram.host + at, 0, WORLD_RING_BYTES);
    w->available[n] = 0;
}

// As a driver does it: features of the input's choice, all that are offered, some queues.
static inline void step_bring_up(struct world *w)
{
    uint64_t features = w->vdev->offered | BIT(VIRTIO_F_VERSION_1) |
                        (take(&w->s, 1) % 4 * BIT(VIRTIO_F_INDIRECT_DESC));
    unsigned choice = take(&w->s, 1);
    features &= ~take(&w->s, 3);
    pci_config_write(w->f, 4, 6, 2);
    if (w->f->msix_at)
        pci_config_write(w->f, w->f->msix_at + 2, choice & 1 ? 0x8000 : 0, 2);
    bar_write(w, 20, 3, 1);
    for (unsigned i = 0; i < 2; i++) {
        bar_write(w, 8, i, 4);
        bar_write(w, 12, (uint32_t)(features >> (32 * i)), 4);
    }
    bar_write(w, 20, 11, 1);
    for (unsigned n = 0; n < w->vdev->queue_count; n++)
        if (choice & 2 || n == 0)
            set_up_queue(w, n, 1 << (choice >> 4 & 7));
    bar_write(w, 20, 15, 1);
}

static inline uint64_t take_address(struct world *w)
{
    unsigned choice = take(&w->s, 1);
    switch (choice & 7) {
    case 0: return WORLD_LOW_BYTES - (choice >> 3);
    case 1: return WORLD_LOW_BYTES + PAGE_BYTES - (choice >> 3);
    case 2: return WORLD_HIGH_BASE + (choice >> 3);
    case 3: return UINT64_MAX - (choice >> 3);
    case 4: return take(&w->s, 8);
    case 5: return take(&w->s, 3);
    default: return WORLD_BUFFERS + (choice >> 3) * 0x100u;
    }
}

// A descriptor of a queue's table, or of an indirect table.
static inline void step_descriptor(struct world *w)
{
    unsigned choice = take(&w->s, 1);
    uint64_t table = choice & 4 ? WORLD_BUFFERS : rings_of(choice);
    struct { struct le64 address; struct le32 size_bytes; struct le16 flags, next; } d;
    d.address = le64(take_address(w));
    d.size_bytes = le32((uint32_t)take(&w->s, 1 + (choice >> 3 & 3)));
    d.flags = le16((uint16_t)(choice >> 5));
    d.next = le16((uint16_t)take(&w->s, 1));
    memcpy(w->ram.host + table + take(&w->s, 1) % 64 * sizeof d, &d, sizeof d);
}

static inline void step_available(struct world *w)
{
    unsigned n = take(&w->s, 1) % w->vdev->queue_count, size = w->vdev->queue[n].size;
    if (!size)
        return;
    uint16_t head = (uint16_t)take(&w->s, 1), at = w->available[n]++ % size;
    memcpy(w->ram.host + rings_of(n) + 0x1004 + 2 * at, &head, 2);
    memcpy(w->ram.host + rings_of(n) + 0x1002, &w->available[n], 2);
    bar_write(w, 0x3000 + 4 * n, 0, 2);
}

static inline void step_memory(struct world *w)
{
    uint64_t at = take(&w->s, 3) % (WORLD_RAM_BYTES - 8);
    unsigned bytes = 1 + take(&w->s, 1) % 8;
    uint64_t value = take(&w->s, bytes);
    memcpy(w->ram.host + at, &value, bytes);
}

static inline void step_machine_reset(struct world *w)
{
    world_quiesce(w);
    device_reset(&w->f->dev);
    device_reset(&w->vdev->dev);
    world_resume(w);
}

// Saved and loaded into itself: nothing that its own thread keeps is kept. Perhaps by a stranger.
static inline void step_snapshot(struct world *w)
{
    world_quiesce(w);
    check(device_loaded(&w->f->dev, NULL) == 0);
    check(device_loaded(&w->vdev->dev, NULL) == 0);
    unsigned choice = take(&w->s, 1);
    if (choice & 1)
        step_forge(&w->s, choice & 2 ? &w->vdev->dev : &w->f->dev);
    check(device_loaded(&w->f->dev, NULL) == 0);
    device_started(&w->f->dev);
    device_started(&w->vdev->dev);
    world_resume(w);
}

// One step. False: it was an opcode of the fuzzer's own, from 0 up, in *own.
static inline bool world_step(struct world *w, unsigned *own)
{
    unsigned opcode = take(&w->s, 1);
    bool taken = true;
    switch (opcode & 15) {
    case 0: step_register(w); break;
    case 1: step_bar(w, 4, 0x4000); break;
    case 2: step_bar(w, 1, 0x1000); break;
    case 3: step_config(w); break;
    case 4: step_bring_up(w); break;
    case 5: case 6: step_descriptor(w); break;
    case 7: case 8: step_available(w); break;
    case 9: step_memory(w); break;
    case 10: bar_write(w, 20, 0, 1); break;
    case 11: if ((opcode >> 4) < 4) step_machine_reset(w); break;
    case 12: world_quiesce(w); world_resume(w); break;
    case 13: step_snapshot(w); break;
    default: *own = opcode >> 4; taken = false;
    }
    world_settle(w);
    return taken;
}
