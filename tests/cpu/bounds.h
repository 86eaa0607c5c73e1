// SPDX-License-Identifier: GPL-2.0-or-later
//
// What bounds.c runs: one guest instruction at a time, aimed at an address where something changes, and beside it a
// model that says which bytes of guest RAM it may touch. The model knows page tables as a list of pages, and nothing
// of lookups.
#pragma once

#include "guest/cpu/jit/code.h"
#include "tests/unit/jit_world.h"

// RAM ends within what the page tables map. The instruction stands at BOUNDS_CODE, and `int 0xf0` behind it.
enum { BOUNDS_RAM = 0x80000, BOUNDS_CODE = 0x20000, BOUNDS_DONE = 0xf0, BOUNDS_STACK = 0x6f00 };
enum bounds_mode { BOUNDS_64, BOUNDS_32, BOUNDS_16, BOUNDS_MODES };

struct trial {
    enum bounds_mode mode;
    unsigned cpl;
    bool flat;                    // outside 64-bit code: segments have base 0 and no limit
    uint64_t random;              // the state of trial_random
    uint64_t address, other;      // linear: what it is aimed at
    char name[64];
    uint8_t code[40];
    unsigned code_bytes;
    struct x86_state *state;      // that it begins with

    // What the model says: an exception, or none (-1); registers and RAM afterwards.
    int vector;
    uint32_t error;
    uint64_t cr2;
    uint64_t gpr[X86_GPRS];
    uint16_t ignored;             // registers whose value isn't looked at
    uint8_t *xsave, *ram;
    // Areas of several accesses: which bytes are written is not said, only that no others are. It ends well if all of
    // it is reached, and not unless what is written in any case is (of XSAVE, the header).
    uint64_t loose_at, loose_bytes, loose_least;
    bool or_stack;                // #GP may be #SS: of two reasons, CPUs choose
};

uint64_t trial_random(struct trial *t);
static inline uint64_t trial_below(struct trial *t, uint64_t limit) { return trial_random(t) % limit; }
void trial_put(struct trial *t, uint8_t byte);
void trial_put_number(struct trial *t, uint64_t number, unsigned size_bytes);
// A register, before and (unless the model says otherwise) after.
void trial_set(struct trial *t, unsigned reg, uint64_t value);
// Sets `bytes` of a register's value afterwards, as instructions do: 4 clear the upper half.
void trial_after(struct trial *t, unsigned reg, uint64_t value, unsigned size_bytes);

// bounds_model.c
void model_tables(struct world *w);
// False if it faults, or something did before. Size is 64 at most, or less than a page.
bool model_may(struct trial *t, uint64_t va, unsigned size_bytes, bool write, bool stack);
void model_fault(struct trial *t, unsigned vector, uint32_t error, uint64_t cr2);
void model_get(struct trial *t, uint64_t va, void *bytes, unsigned size_bytes);
void model_put(struct trial *t, uint64_t va, const void *bytes, unsigned size_bytes);
bool model_is_ram(struct trial *t, uint64_t va, uint32_t *at);  // where in RAM; false: none, or not written
bool model_is_reserved(struct trial *t, uint64_t va);           // the tests' own pages: not to be aimed at

// bounds_forms.c: an operation with an explicit memory operand. False: there is none such in this mode.
unsigned forms_count(enum bounds_mode mode);
bool forms_make(struct trial *t, unsigned number);
// bounds_hidden.c: what reaches memory by other ways.
extern const unsigned hidden_count;
bool hidden_make(struct trial *t, unsigned number);
