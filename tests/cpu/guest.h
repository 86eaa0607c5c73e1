// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs a program on the software engine, in the smallest VM that can: one vCPU, page tables that map the
// windows at their addresses, and an interrupt table whose every gate leads, on a stack of its own, to
// an OUT to the port of the vector's number and a HLT. Nothing else of the guest's code runs.
//
// Each run gets physical pages for its code that the engine has not seen; when they are used up,
// the engine is made anew. So a failing program fails alone, too.
#pragma once

#include "base/err.h"
#include "guest/cpu/x86/cpuid.h"
#include "tests/cpu/program.h"

struct guest_options {
    bool one_instruction_blocks;
    bool supervisor;  // at privilege level 0 instead of 3
    bool counted;     // instructions are counted, for guest_run_interrupted
};

struct guest;
struct guest *guest_create(const struct guest_options *options, struct err *err);
void guest_destroy(struct guest *guest);
void guest_run(struct guest *guest, const struct program *program, const uint8_t image[IMAGE_BYTES],
               struct outcome *outcome);
// The same, with an interrupt that comes once exactly so many instructions were executed. Its handler runs on
// a stack of its own, notes what it finds (`at`, but for the vector), and returns.
struct interruption {
    uint64_t after;
    bool came;
    struct outcome at;
};
enum { HANDLER_INSTRUCTIONS = 2, NEVER_INTERRUPTED = 1 << 30 };
void guest_run_interrupted(struct guest *guest, const struct program *program, const uint8_t image[IMAGE_BYTES],
                           struct outcome *outcome, struct interruption *interruption);
// How many instructions the last run took, up to and with the one that told its end.
uint64_t guest_executed(const struct guest *guest);
const struct x86_support *guest_support(void);
