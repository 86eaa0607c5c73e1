// SPDX-License-Identifier: GPL-2.0-or-later
//
// Resource descriptors: what a device uses, and what a bridge passes on (ACPI 6.4, 6.4.2 and 6.4.3).
#include <assert.h>

#include "base/bits.h"
#include "guest/firmware/aml.h"

static void put(struct aml *a, const void *data, size_t size_bytes)
{
    bytes_put(a->out, data, size_bytes);
}

// 6.4.2.5: decodes 16 bits, at a fixed place.
void aml_io(struct aml *a, uint16_t base, uint8_t ports)
{
    uint8_t low = (uint8_t)base, high = (uint8_t)(base >> 8);
    put(a, (uint8_t[]){0x47, 1, low, high, low, high, 1, ports}, 8);
}

// 6.4.2.1, the form of two bytes.
void aml_irq(struct aml *a, unsigned irq)
{
    assert(irq < 16);
    put(a, (uint8_t[]){0x22, (uint8_t)(1u << irq), (uint8_t)(1u << irq >> 8)}, 3);
}

// 6.4.3.4.
void aml_memory32(struct aml *a, uint32_t base, uint32_t size_bytes, bool writable)
{
    put(a, (uint8_t[]){0x86, 9, 0, writable}, 4);
    put(a, le32(base).b, 4);
    put(a, le32(size_bytes).b, 4);
}

// 6.4.3.6.
void aml_interrupts(struct aml *a, const uint32_t *gsis, uint8_t count)
{
    enum { CONSUMER = 1, SHARED = 8 };  // and neither edge nor low
    put(a, (uint8_t[]){0x89, (uint8_t)(2 + 4 * count), 0, CONSUMER | SHARED, count}, 5);
    for (unsigned i = 0; i < count; i++)
        put(a, le32(gsis[i]).b, 4);
}

// 6.4.3.5: a producer, decoding positively, both ends of it fixed. The numbers have width_bytes.
enum window_kind { WINDOW_MEMORY, WINDOW_IO, WINDOW_BUS };
enum { BOTH_ENDS_FIXED = 0x0c, WRITABLE = 1, CACHEABLE = 2, ENTIRE_RANGE = 3 };

static void window(struct aml *a, unsigned width_bytes, enum window_kind kind, uint8_t flags, uint64_t first,
                   uint64_t last)
{
    static const uint8_t tags[] = {[2] = 0x88, [4] = 0x87, [8] = 0x8a};
    const uint64_t numbers[] = {0, first, last, 0, last - first + 1};  // granularity ... translation, length
    put(a, (uint8_t[]){tags[width_bytes], (uint8_t)(3 + 5 * width_bytes), 0, (uint8_t)kind,
                       BOTH_ENDS_FIXED, flags}, 6);
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
        put(a, le64(numbers[i]).b, width_bytes);
}

void aml_bus_window(struct aml *a, uint16_t first, uint16_t last)
{
    window(a, 2, WINDOW_BUS, 0, first, last);
}

void aml_io_window(struct aml *a, uint16_t first, uint16_t last)
{
    window(a, 2, WINDOW_IO, ENTIRE_RANGE, first, last);
}

void aml_memory_window32(struct aml *a, uint32_t first, uint32_t last, bool cacheable)
{
    window(a, 4, WINDOW_MEMORY, WRITABLE | (cacheable ? CACHEABLE : 0), first, last);
}

void aml_memory_window64(struct aml *a, uint64_t first, uint64_t last)
{
    window(a, 8, WINDOW_MEMORY, WRITABLE | CACHEABLE, first, last);
}
