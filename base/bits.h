// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bits, alignment and byte order. Little-endian fields of tables and wire formats are types of
// their own, so that a raw field can't be used as a number by mistake; they have no alignment.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BIT(n) (UINT64_C(1) << (n))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static inline uint64_t align_up(uint64_t value, uint64_t power_of_two)
{
    return (value + power_of_two - 1) & ~(power_of_two - 1);
}
static inline uint64_t align_down(uint64_t value, uint64_t power_of_two)
{
    return value & ~(power_of_two - 1);
}
// The low size_bytes (1, 2, 4 or 8) of all ones.
static inline uint64_t size_mask(unsigned size_bytes)
{
    return UINT64_MAX >> (64 - 8 * size_bytes);
}

struct le16 { uint8_t b[2]; };
struct le32 { uint8_t b[4]; };
struct le64 { uint8_t b[8]; };

static inline uint16_t le16_get(struct le16 v) { uint16_t n; memcpy(&n, v.b, 2); return n; }
static inline uint32_t le32_get(struct le32 v) { uint32_t n; memcpy(&n, v.b, 4); return n; }
static inline uint64_t le64_get(struct le64 v) { uint64_t n; memcpy(&n, v.b, 8); return n; }
static inline struct le16 le16(uint16_t n) { struct le16 v; memcpy(v.b, &n, 2); return v; }
static inline struct le32 le32(uint32_t n) { struct le32 v; memcpy(v.b, &n, 4); return v; }
static inline struct le64 le64(uint64_t n) { struct le64 v; memcpy(v.b, &n, 8); return v; }
