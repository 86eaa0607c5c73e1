// SPDX-License-Identifier: GPL-2.0-or-later
//
// The driver's side of a split virtqueue, for tests of virtio devices: memory of two parts with a hole
// between, rings at fixed places of it, chains made of descriptors one by one. It keeps to the rules unless a
// test writes into guest memory itself.
#pragma once

#include "tests/unit/device_bench.h"

#include "guest/virtio/queue.h"

enum {
    DRIVER_LOW_BYTES = 1 << 20, DRIVER_HIGH_BYTES = 1 << 18,  // in this order in the host
    DRIVER_HIGH_BASE = 1 << 24,
    DRIVER_RINGS = 0x1000, DRIVER_RING_BYTES = 0x8000,  // of queue n: from DRIVER_RINGS + n * DRIVER_RING_BYTES
    DRIVER_BUFFERS = 0x80000,
};
enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4 };

struct driver_memory {
    struct ram ram;
    struct mem *mem;
    unsigned wrote;  // times that the engine was told
};

struct driver_queue {
    struct driver_memory *memory;
    uint16_t size, available, used_seen;
    uint64_t descriptors_at, available_at, used_at;
};

static inline void driver_wrote(void *opaque, uint8_t *host, size_t size_bytes)
{
    struct driver_memory *m = opaque;
    assert_true(host >= m->ram.host && host + size_bytes <= m->ram.host + m->ram.size_bytes);
    __atomic_fetch_add(&m->wrote, 1, __ATOMIC_RELAXED);
}

static inline void driver_memory_open(struct driver_memory *m)
{
    *m = (struct driver_memory){.mem = mem_create(UINT64_C(1) << 46)};
    assert_int_equal(ram_open(&m->ram, DRIVER_LOW_BYTES + DRIVER_HIGH_BYTES, NULL), 0);
    assert_int_equal(mem_add_ram(m->mem, GPA(0), &m->ram, 0, DRIVER_LOW_BYTES, false, NULL), 0);
    assert_int_equal(mem_add_ram(m->mem, GPA(DRIVER_HIGH_BASE), &m->ram, DRIVER_LOW_BYTES, DRIVER_HIGH_BYTES,
                                 false, NULL), 0);
    mem_observe_writes(m->mem, driver_wrote, m);
}

static inline void driver_memory_close(struct driver_memory *m)
{
    mem_destroy(m->mem);
    ram_close(&m->ram);
}

// Guest memory by its address; all of a test's is in the low part.
static inline void *guest(const struct driver_memory *m, uint64_t address)
{
    return m->ram.host + address;
}

static inline void guest16(const struct driver_memory *m, uint64_t address, uint16_t value)
{
    __atomic_store_n((uint16_t *)guest(m, address), value, __ATOMIC_SEQ_CST);
}

static inline uint16_t guest16_get(const struct driver_memory *m, uint64_t address)
{
    return __atomic_load_n((uint16_t *)guest(m, address), __ATOMIC_SEQ_CST);
}

static inline struct driver_queue driver_queue(struct driver_memory *m, unsigned n, uint16_t size)
{
    uint64_t at = DRIVER_RINGS + (uint64_t)n * DRIVER_RING_BYTES;
    struct driver_queue d = {m, size, 0, 0, at, at + 0x4000, at + 0x5000};
    memset(guest(m, at), 0, DRIVER_RING_BYTES);
    return d;
}

// For a queue that a test starts without a transport.
static inline void driver_tell(const struct driver_queue *d, struct virtio_queue *q)
{
    *q = (struct virtio_queue){
        .size = d->size, .size_max = d->size, .enabled = true, .broken = true,
        .descriptors = d->descriptors_at, .available = d->available_at, .used = d->used_at,
    };
}

struct driver_descriptor {
    struct le64 address;
    struct le32 size_bytes;
    struct le16 flags, next;
};

static inline void descriptor_at(const struct driver_memory *m, uint64_t table, unsigned n, uint64_t address,
                                 uint32_t size_bytes, uint16_t flags, uint16_t next)
{
    struct driver_descriptor d = {le64(address), le32(size_bytes), le16(flags), le16(next)};
    memcpy(guest(m, table + n * sizeof d), &d, sizeof d);
}

static inline void descriptor(const struct driver_queue *d, unsigned n, uint64_t address, uint32_t size_bytes,
                              uint16_t flags, uint16_t next)
{
    descriptor_at(d->memory, d->descriptors_at, n, address, size_bytes, flags, next);
}

static inline void make_available(struct driver_queue *d, uint16_t head)
{
    guest16(d->memory, d->available_at + 4 + 2 * (d->available % d->size), head);
    guest16(d->memory, d->available_at + 2, ++d->available);
}

static inline uint16_t used_index(const struct driver_queue *d)
{
    return guest16_get(d->memory, d->used_at + 2);
}

// The next used entry; false: there is none.
static inline bool take_used(struct driver_queue *d, uint32_t *head, uint32_t *written_bytes)
{
    if (used_index(d) == d->used_seen)
        return false;
    const uint8_t *entry = guest(d->memory, d->used_at + 4 + 8 * (d->used_seen++ % d->size));
    memcpy(head, entry, 4);
    memcpy(written_bytes, entry + 4, 4);
    return true;
}

static inline void want_no_interrupts(const struct driver_queue *d, bool none)
{
    guest16(d->memory, d->available_at, none);
}

static inline void want_interrupt_after(const struct driver_queue *d, uint16_t used_event)
{
    guest16(d->memory, d->available_at + 4 + 2 * d->size, used_event);
}

static inline uint16_t device_flags(const struct driver_queue *d)
{
    return guest16_get(d->memory, d->used_at);
}

static inline uint16_t device_event(const struct driver_queue *d)
{
    return guest16_get(d->memory, d->used_at + 4 + 8 * d->size);
}
