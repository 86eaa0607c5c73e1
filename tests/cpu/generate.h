// SPDX-License-Identifier: GPL-2.0-or-later
//
// Makes random programs. The same seed gives the same program wherever the host has, and the engine
// offers, the same instruction sets.
//
// Two sources are mixed: single instructions, which are random bytes laid out as an instruction and
// kept if Zydis decodes them as one that a user may run and whose result depends on nothing but the
// program; and snippets, short idioms for what random bytes rarely hit (branches, calls, strings,
// locked operations, division, modified code). Registers mostly start as pointers into the windows,
// often close to a page's end, as small numbers, or as boundary values, and the generator keeps track of
// which still are.
#pragma once

#include "guest/cpu/x86/cpuid.h"
#include "tests/cpu/program.h"

struct generator {
    struct randomness random;
    struct program *program;
    bool low[X86_GPRS], high[X86_GPRS], small[X86_GPRS];  // what a register surely still holds
    bool x87_pointers;  // instructions that store FIP and FDP are made, too
    bool supervisor;    // it will run at level 0 on the engine: nothing that level 3 does otherwise
};

// Which instruction sets may be used: the host's, and of those only what support has (null: all).
void generator_prepare(const struct x86_support *support);
void generate(struct program *program, uint64_t seed, bool x87_pointers, bool supervisor);

// For snippets.c and form_cases.c.
void random_start(struct generator *g);  // registers, and where the code lies
struct instruction *append(struct generator *g, const void *bytes, unsigned length);
bool append_random(struct generator *g);  // any one instruction; false: the program is full
unsigned random_pointer(struct generator *g, bool low);  // a GPR that holds one
void forget(struct generator *g, unsigned gpr);
uint64_t random_address(struct generator *g, bool low);  // in or near a data window
void append_snippet(struct generator *g);
