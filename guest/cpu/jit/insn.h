// SPDX-License-Identifier: GPL-2.0-or-later
//
// One decoded guest instruction, compact: what the translator and the emulator need of it. Made
// from Zydis' decoder by insn_decode.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum insn_mode { INSN_16, INSN_32, INSN_64 };  // CS.D and CS.L

enum { INSN_NO_REG = 0xff, INSN_RIP = 0xfe };
enum { INSN_BYTES_MAX = 15 };

enum insn_operand_kind { INSN_NONE, INSN_REG, INSN_MEM, INSN_IMM, INSN_OTHER };

// An explicit operand. reg is the number in its class (GPR 0–15, segment 0–5, CR, DR, vector).
struct insn_operand {
    uint8_t kind;      // enum insn_operand_kind
    uint8_t size;      // bytes; 0: not a number of bytes that matters
    uint8_t reg;
    bool high_byte;    // AH, CH, DH, BH: reg is 0 to 3
    bool gpr;          // reg is a general register
    bool read, written;
};

struct insn {
    uint16_t mnemonic;   // ZydisMnemonic
    uint8_t length;
    uint8_t mode;        // enum insn_mode
    uint8_t operand_bytes;  // effective operand size: 1, 2, 4 or 8 (8 for 64-bit push, call, …)
    uint8_t address_bytes;  // effective address size: 2, 4 or 8
    uint8_t stack_bytes;    // width of SP that implicit stack accesses use is the mode's (SS.B)
    bool lock, rep, repne, rex_w, vex;
    bool has_modrm;
    uint8_t modrm;
    uint8_t operands;    // explicit ones
    struct insn_operand op[4];
    // The memory operand, if some op is INSN_MEM (or a string instruction's source segment).
    uint8_t segment;     // effective: X86_DS unless overridden or a stack base
    uint8_t base, index; // GPR, INSN_RIP or INSN_NO_REG
    uint8_t scale;       // 1, 2, 4 or 8
    int64_t disp;        // sign-extended; an absolute address for moffs
    uint64_t imm;        // the first immediate, sign-extended where the instruction does; for a relative
                         // branch the displacement from the next instruction; far: the offset
    uint64_t imm2;       // ENTER's nesting level; far: the selector
    uint8_t bytes[INSN_BYTES_MAX + 1];

    // For the translator only: where the parts are in bytes.
    uint8_t opcode_at, opcode_bytes, modrm_at, imm_at;
    uint8_t map, prefix66, prefix_rep;  // map: 0 one-byte, 1 0F, 2 0F38, 3 0F3A
    uint32_t flags_read, flags_written, flags_defined;  // FL_*; defined: surely overwritten
    uint8_t form;        // enum insn_form: how the translator treats it
};
