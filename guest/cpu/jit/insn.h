// SPDX-License-Identifier: GPL-2.0-or-later
//
// One decoded guest instruction, compact: what the translator and the emulator need of it. Made
// from Zydis' decoder by insn_decode.
#pragma once

#include <stdbool.h>
#include <stddef.h>
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

    // For the translator only. Where the parts are in bytes; which fields name general registers.
    uint8_t opcode_at, modrm_at, imm_at;  // imm_at: the first byte behind ModRM, SIB and displacement
    uint8_t rex;                          // the REX byte, or its equivalent from a VEX prefix; 0: none
    uint8_t form;                         // enum insn_form
    uint8_t vectors;                      // enum insn_vectors: which registers it needs enabled
    uint16_t isa;                         // ZydisISASet
    uint16_t gprs;                        // general registers that it names or implies, as bits
    uint8_t rsp_fields;                   // INSN_FIELD_*: the fields that name RSP
    uint8_t mem_bytes;                    // size of the explicit memory operand, 0 if there is none
    bool mem_read, mem_written;
    bool x87_waits;                       // a pending x87 exception is raised before it does anything
    uint8_t alignment;                    // that the memory operand must have (#GP), or 1
    uint32_t flags_read, flags_written;   // FL_*, of the arithmetic ones; written: surely overwritten
    uint32_t flags_changed;               // perhaps overwritten
};

enum { INSN_FIELD_REG = 1, INSN_FIELD_RM = 2, INSN_FIELD_VVVV = 4, INSN_FIELD_OPCODE = 8 };
enum insn_vectors { INSN_NO_VECTORS, INSN_X87, INSN_MMX, INSN_SSE, INSN_AVX };

// How the translator treats an instruction.
enum insn_form {
    INSN_EMULATE,   // by jit_emulate, in C
    INSN_COPY,      // re-emitted, registers and memory operand patched
    INSN_COPY_MASKED,  // likewise, but not all of the operand is accessed: only on a plain page
    INSN_SKIP,      // does nothing here: nop, prefetch, endbr
    INSN_LEA,
    INSN_PUSH, INSN_POP, INSN_LEAVE,
    INSN_JMP, INSN_JCC, INSN_CALL, INSN_RET, INSN_JMP_INDIRECT, INSN_CALL_INDIRECT,
    INSN_LOOP,      // LOOP, LOOPE, LOOPNE, JCXZ, JECXZ, JRCXZ
    INSN_CLI, INSN_STI,
};

// Decodes the instruction at bytes. 0; -EINVAL: it is none (#UD); -ERANGE: more than available
// bytes are needed (at most INSN_BYTES_MAX). The bytes may be the guest's own memory, which another
// vCPU changes meanwhile: they are read once.
int insn_decode(struct insn *insn, const uint8_t *bytes, size_t available, enum insn_mode mode);
