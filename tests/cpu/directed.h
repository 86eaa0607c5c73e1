// SPDX-License-Identifier: GPL-2.0-or-later
//
// Programs for what random ones seldom hit, written out in directed_cases.S. A case is a few instructions and
// what is varied about them: registers that are moved over the ends of pages, or operands and flags.
#pragma once

#include "tests/cpu/program.h"

struct directed_case {
    const char *name;
    const uint8_t *code;  // to the next case's
    uint32_t pointers;    // GPRs, as bits, that hold the varied address; and DIRECTED_BELOW_END
    uint32_t values;      // are RAX, RCX, RDX and the flags varied?
    uint32_t offset;      // of the code in its window
    uint32_t unused;
};
#define DIRECTED_BELOW_END BIT(31)  // not at the canonical addresses' end
extern const struct directed_case directed_cases[];
extern const unsigned directed_count;

unsigned directed_variants(const struct directed_case *c);
void directed_make(struct program *program, const struct directed_case *c, unsigned variant);
