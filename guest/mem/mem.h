// SPDX-License-Identifier: GPL-2.0-or-later
//
// An address space: which addresses are RAM, which belong to a device, and which to nobody.
// A machine has two: guest-physical memory and the 64 KiB of ports. Both are a `struct mem`.
//
// RAM of a machine is one memfd mapping (`struct ram`), contiguous in the host; an address
// space shows parts of it at guest addresses (below and above the PCI hole). Everything else
// is a region with read and write operations. A read that nobody answers gives all ones, a write
// is lost, as on a PC.
//
// Regions are kept sorted; each change builds a new array and publishes it whole. Readers take
// no lock: a thread that calls the functions marked [reader] must be registered by
// mem_thread_online (liburcu, QSBR) and call mem_quiescent now and then while it holds no
// pointer from here. Changes may come from any thread and at any time, inside an access too (a guest
// moves a BAR by a write): they are serialized inside, and none waits; the old array is freed once
// no reader can see it. Who frees what a removed region was lent calls mem_settle in between.
//
// An access is made once, in the size that the guest used; one that crosses a region's end is
// made as single bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop_sleep.h"
#include "guest/mem/addr.h"

// Guest RAM. The mapping's address never changes while the struct lives.
struct ram {
    uint8_t *host;        // page-aligned
    uint64_t size_bytes;  // a multiple of PAGE_BYTES
    int fd;               // the memfd, for a second mapping; owned by the ram
};
int ram_open(struct ram *ram, uint64_t size_bytes, struct err *err);  // -ENOMEM, -EINVAL
void ram_close(struct ram *ram);

// size_bytes is 1, 2, 4 or 8; offset + size_bytes is within the region. Called without a lock.
struct mem_ops {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size_bytes);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes);
};

struct mem;
struct mem *mem_create(uint64_t size_bytes);  // size of the space: 1 << 46, or 65536 for ports
void mem_destroy(struct mem *mem);

// Shows ram[offset, offset + size_bytes) at base. Everything is page-aligned. Returns 0, or with a
// sentence -EINVAL, -EEXIST (overlaps another region), or -EAGAIN (MEM_OLD_ARRAYS are still seen by
// a reader: somebody makes changes faster than readers let go).
int mem_add_ram(struct mem *mem, gpa_t base, struct ram *ram, uint64_t offset, uint64_t size_bytes,
                bool read_only, struct err *err);
// ops is const for the region's life; opaque is lent; of name the first 31 bytes are kept.
int mem_add_io(struct mem *mem, gpa_t base, uint64_t size_bytes, const struct mem_ops *ops,
               void *opaque, const char *name, struct err *err);
// The region that begins at base. Accesses that have found it may still be under way. 0 or -EAGAIN.
int mem_remove(struct mem *mem, gpa_t base);
// Returns when no reader can see any more what was removed before. Not inside an access, nor with a
// lock that a device takes in its operations.
void mem_settle(void);
enum { MEM_OLD_ARRAYS = 1024 };

void mem_thread_online(void);   // this thread may read from now on
void mem_thread_offline(void);  // and no longer; also around anything that blocks for long
void mem_quiescent(void);       // this thread holds no pointer from a mem
extern const struct loop_sleep mem_reader_sleep;  // for a loop whose thread is a reader

// [reader] The host address of RAM at gpa, if [gpa, gpa + size_bytes) lies in one RAM region;
// null otherwise, or if for_write and the region is read-only.
void *mem_ram_at(struct mem *mem, gpa_t gpa, uint64_t size_bytes, bool for_write);
// [reader] One access of 1, 2, 4 or 8 bytes, to RAM or a device.
uint64_t mem_read(struct mem *mem, gpa_t gpa, unsigned size_bytes);
void mem_write(struct mem *mem, gpa_t gpa, uint64_t value, unsigned size_bytes);
// An engine that keeps what it derived from RAM hears of each write by mem_write and mem_dma_write: after
// it is done, on the writer's thread, before the writer goes on (so before a device tells the guest).
// One observer a space; set before there are writers. Writes by vCPUs are the engine's own.
void mem_observe_writes(struct mem *mem, void (*wrote)(void *opaque, uint8_t *host, size_t size_bytes),
                        void *opaque);
// An engine that keeps what it derived from an address space hears of each change: after it is
// published, on the thread that makes it, device locks held; it doesn't block. One observer a space.
void mem_observe_changes(struct mem *mem, void (*changed)(void *opaque), void *opaque);
// For what wrote to RAM by an address from mem_ram_at (a readv into a guest's buffers): tells the
// observer of writes, before the guest is told. Any thread.
void mem_wrote(struct mem *mem, void *host, size_t size_bytes);
// [reader] Reaches RAM only, page by page. -EFAULT where it meets anything else; what lay
// before that is done.
int mem_dma_read(struct mem *mem, gpa_t gpa, void *bytes, size_t size_bytes);
int mem_dma_write(struct mem *mem, gpa_t gpa, const void *bytes, size_t size_bytes);

// For ACPI, firmware and E820: calls each for every region, in order of address.
struct mem_range {
    gpa_t base;
    uint64_t size_bytes;
    bool ram, read_only;
    const char *name;
};
void mem_each(struct mem *mem, void (*each)(const struct mem_range *range, void *opaque), void *opaque);
