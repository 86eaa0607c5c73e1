// SPDX-License-Identifier: GPL-2.0-or-later
//
// The loop of the string instructions: registers, REP, and when to let interrupts in.
#pragma once

#include "guest/cpu/jit/emu_core.h"

enum emu_repeat { EMU_REP, EMU_REP_WHILE_EQUAL, EMU_REP_WHILE_UNEQUAL };

// Registers of a string instruction while it runs: offsets, wrapped to the address size.
struct emu_string {
    uint64_t si, di, count;
    uint64_t mask;         // of the address size
    unsigned size_bytes;   // of an element
    unsigned segment;      // of SI
    bool down;             // DF
};

// Advances by one element.
void emu_string_step(struct emu_string *str, bool si, bool di);
// One element; may fault.
typedef void emu_string_one(struct emu *e, struct emu_string *str);
// Up to `limit` elements at once where memory is plain: returns how many were done, 0: use one.
typedef uint64_t emu_string_many(struct emu *e, struct emu_string *str, uint64_t limit);
// Runs the instruction. Each chunk is committed, and after some 64 KiB of work it returns with rip
// at the instruction, so that an interrupt waits no longer.
void emu_string_run(struct emu *e, unsigned size_bytes, emu_string_one *one, emu_string_many *many,
                    enum emu_repeat repeat);
