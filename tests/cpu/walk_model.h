// SPDX-License-Identifier: GPL-2.0-or-later
//
// Address translation written down once more, from SDM volume 3, chapter 4, and from nothing else: what
// walk_diff.c compares the engine with. It shares no code with guest/cpu/x86/paging.c on purpose.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum model_kind { MODEL_READ, MODEL_WRITE, MODEL_FETCH };

struct model {
    uint8_t *memory;         // A and D bits are set here
    uint64_t memory_bytes;   // beyond, everything reads as ones
    uint64_t cr0, cr3, cr4, efer;
    uint32_t pkru;
    unsigned cpl;
    bool ac, has_1g_pages;
    bool quiet;              // sets no bits
};

struct model_answer {
    bool faults;
    uint32_t code;           // of the page fault
    uint64_t gpa;
    unsigned page_bits;
    unsigned depth;
    uint64_t entry[5];       // where the entries lie that were looked at
};

// One access within a page. implicit: the processor's own, as a supervisor whatever the level is.
struct model_answer model_access(struct model *m, uint64_t va, enum model_kind kind, bool implicit);
