// SPDX-License-Identifier: GPL-2.0-or-later
//
// Little-endian fields of a structure that is known by its offsets.
#pragma once

#include "base/bits.h"

static inline uint16_t get16(const uint8_t *at) { return le16_get((struct le16){{at[0], at[1]}}); }
static inline uint32_t get32(const uint8_t *at) { return get16(at) | (uint32_t)get16(at + 2) << 16; }
static inline uint64_t get64(const uint8_t *at) { return get32(at) | (uint64_t)get32(at + 4) << 32; }
static inline void put16(uint8_t *at, uint16_t n) { memcpy(at, le16(n).b, 2); }
static inline void put32(uint8_t *at, uint32_t n) { memcpy(at, le32(n).b, 4); }
static inline void put64(uint8_t *at, uint64_t n) { memcpy(at, le64(n).b, 8); }
