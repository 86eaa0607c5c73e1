// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the differential CPU test runs: a short sequence of 64-bit user-mode instructions over a
// few pages, the registers it starts with, and what is seen at its end. The host CPU
// (host.h) and an engine (guest.h) run the same program at the same addresses; every byte must agree.
//
// The pages are windows at fixed addresses. All of them together are one image of IMAGE_BYTES, in
// the order of the table. Between windows nothing is mapped. One more window shows the code's pages again.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "guest/cpu/x86/state.h"

enum { PROGRAM_PAGE = 4096 };

struct window {
    uint64_t address;
    uint32_t pages;
    bool writable, executable;
};
enum { WINDOW_CODE, WINDOW_DATA, WINDOW_CONSTANT, WINDOW_STACK, WINDOW_HIGH, WINDOW_HIGH_CONSTANT, WINDOWS };
#define ALIAS_ADDRESS UINT64_C(0x10030000)  // the code, writable
enum { CODE_PAGES = 4, DATA_PAGES = 4, IMAGE_PAGES = 2 * CODE_PAGES + DATA_PAGES + 4,
       IMAGE_BYTES = IMAGE_PAGES * PROGRAM_PAGE };
#define CODE_ADDRESS UINT64_C(0x10000000)
#define DATA_ADDRESS UINT64_C(0x10010000)   // then a read-only page, then nothing
#define STACK_ADDRESS UINT64_C(0x10020000)
#define HIGH_ADDRESS UINT64_C(0x3f5500010000)  // as DATA, beyond 32 bits
#define GS_BASE (DATA_ADDRESS + 0x800)
extern const struct window windows[WINDOWS];

// x87, SSE and AVX in the standard XSAVE layout: what is compared.
enum { XSAVE_HEADER_AT = 512, XSAVE_YMM_AT = 576, XSAVE_USED_BYTES = 832 };

enum { INSTRUCTION_BYTES = 15, INSTRUCTIONS_MAX = 48, NO_INSTRUCTION = -1 };

// Bytes with, perhaps, one 1- or 4-byte field that is filled in once addresses are known: the distance
// from the instruction's end to another instruction (plus bytes into it) or to an address.
struct instruction {
    uint8_t bytes[INSTRUCTION_BYTES];
    uint8_t length;
    uint8_t fix_at, fix_bytes;  // 0 bytes: nothing to fill in
    int8_t target;              // an instruction's index; INSTRUCTIONS: the end
    uint8_t target_offset;
    uint64_t target_address;    // used where target is NO_INSTRUCTION
    bool dropped;               // by the minimizer: occupies nothing
};

struct registers {
    uint64_t gpr[X86_GPRS], rip, rflags;
    _Alignas(64) uint8_t xsave[XSAVE_USED_BYTES];
};

struct program {
    struct instruction instructions[INSTRUCTIONS_MAX];
    unsigned count;
    struct registers start;  // rip is set by program_image
    uint64_t image_seed;
    uint32_t code_offset;    // of the first instruction, from CODE_ADDRESS
};

// How it ended: by int3 (vector 3) behind the last instruction, or by an exception.
struct outcome {
    uint32_t vector, error_code;
    uint64_t cr2;  // of a page fault, else 0
    struct registers registers;
    uint8_t image[IMAGE_BYTES];
};
enum { OUTCOME_TIMEOUT = 256, OUTCOME_DIED = 257 };

// A small generator of numbers, the same everywhere.
struct randomness { uint64_t state; };
uint64_t random_u64(struct randomness *r);
uint32_t random_below(struct randomness *r, uint32_t limit);
bool random_percent(struct randomness *r, unsigned percent);

// Fills image with what memory holds at the start, code included, and sets start.rip.
void program_image(struct program *program, uint8_t image[IMAGE_BYTES]);
uint64_t instruction_address(const struct program *program, unsigned index);
// Flags that may be undefined, by the manual, where the program ended at rip. Sets *consumed if an
// instruction may have read such a flag, so that anything may follow. image: at the start.
uint64_t program_undefined_flags(const struct program *program, const uint8_t image[IMAGE_BYTES], uint64_t rip,
                                 bool *consumed);
// Is the instruction at address one that loads or saves many words, so that it is the CPU's choice which is first?
bool program_moves_area(const uint8_t image[IMAGE_BYTES], uint64_t address);
// Prints the program, one instruction a line.
void program_print(const struct program *program, const uint8_t image[IMAGE_BYTES]);
