// SPDX-License-Identifier: GPL-2.0-or-later
//
// Programs for fuzz_guest_code: bytes of guest code, made from opcode skeletons or of nothing but
// chance.
//
// An input is a header, which says where and how its code runs, and the code.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum guest_code_kind { CODE_64, CODE_64_USER, CODE_COMPAT_32, CODE_COMPAT_16, CODE_LEGACY_32, CODE_REAL, CODE_KINDS };

struct guest_code_header {
    uint8_t kind;       // enum guest_code_kind, modulo CODE_KINDS
    uint8_t options;    // GUEST_CODE_*
    uint8_t registers;  // which values they begin with
    uint8_t place;      // in the page, from its end
};
enum { GUEST_CODE_ONE = 1, GUEST_CODE_SMAP = 2, GUEST_CODE_TWO_VCPUS = 4, GUEST_CODE_NO_SSE = 8,
       GUEST_CODE_TRAP = 16, GUEST_CODE_SMALL_SEGMENTS = 32 };
enum { GUEST_CODE_MAX = 512 };

// A whole input of at most max_bytes; its size.
size_t guest_code_generate(uint8_t *input, size_t max_bytes, uint64_t seed);
// Some instructions for an input of this kind, in place of what is at `at`.
void guest_code_mutate(uint8_t *input, size_t size_bytes, uint64_t seed);
// Addresses at which something changes: ends of pages, of RAM, of the address space.
uint64_t guest_code_address(uint64_t random);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
