// SPDX-License-Identifier: GPL-2.0-or-later
//
// Are two outcomes the same? States that mean the same are made equal first: a component that XSTATE_BV
// says is in its initial state, reserved bytes of the XSAVE area, empty padding.
#pragma once

#include "tests/cpu/program.h"

struct comparison {
    bool dead_flags_may_differ;  // at a fault, in the optimized mode (guest/cpu/jit/README.md)
    bool x87_pointers;           // FIP, FDP and FOP too
    uint64_t undefined_flags;    // that the program leaves undefined
    bool area_faulted;           // anywhere in the page that it faulted on
    bool user_bit_differs;       // the engine ran at level 0, the host can't
};

// The area with every component there, as XRSTOR would make it.
void expand_xsave(const uint8_t xsave[XSAVE_USED_BYTES], uint8_t area[XSAVE_USED_BYTES]);
bool outcomes_equal(const struct outcome *host, const struct outcome *guest, const struct comparison *how);
// Prints each difference, one a line.
void outcomes_print(const struct outcome *host, const struct outcome *guest, const struct comparison *how);
