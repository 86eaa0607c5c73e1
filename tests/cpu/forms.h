// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every form of instruction that a user may run and this host and the engine have, found by trying the
// opcode maps with each prefix on Zydis' decoder; and programs of one instruction that try a form.
//
// A form is what the engine may treat differently: mnemonic, encoding, prefixes that count, W, L and pp,
// and of each operand its kind, size, field and class of register. For each, one encoding is kept. Which
// registers, which immediate, how memory is addressed and where it lies, and what registers and memory hold
// is the case's.
#pragma once

#include "tests/cpu/program.h"

struct form {
    uint64_t key;
    uint8_t prefixes[3];  // in their order; 0: none
    uint8_t rex, map, opcode, modrm;
    uint8_t vex_last;     // W, L and pp of a VEX prefix
    bool vex, has_modrm;
    bool memory;          // by ModRM
    uint8_t memory_bytes; // of the largest memory operand, hidden ones too; 0: none
    uint16_t mnemonic;    // ZydisMnemonic
};

// The list, to be freed by the caller. generator_prepare comes first.
struct form *forms_find(unsigned *count);

// What is known of an instruction that was laid out (forms.c): its form's key, 0 if it is none that counts.
struct laid_out {
    uint64_t key;
    uint16_t mnemonic;
    uint8_t length, memory_bytes, disp_at, disp_bytes, imm_at, imm_bytes;
    bool has_modrm, memory, vsib;
    bool relative;        // a direct branch: imm is its distance
};
struct laid_out form_look(const uint8_t bytes[INSTRUCTION_BYTES]);

unsigned form_variants(const struct form *form);
// False: this variant can't be had of the form.
bool form_make(struct program *program, const struct form *form, unsigned variant, uint64_t seed);
