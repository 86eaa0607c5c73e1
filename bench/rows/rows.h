// SPDX-License-Identifier: GPL-2.0-or-later
//
// The work that bench/cpu measures. A row does its work `times` times and returns a sum of what came out, so
// that nothing can be left out; what it needs before, it makes at its first call.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct row {
    const char *name;
    uint64_t (*work)(uint64_t times);
};
extern const struct row integer_rows[], float_rows[], kernel_rows[];  // end with a null name

// A generator that every row may use (xorshift64; Marsaglia, "Xorshift RNGs", 2003).
static inline uint64_t row_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void row_fail(const char *what);  // with errno's reason; ends the program
