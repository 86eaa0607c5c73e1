// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/program.h"

#include <Zydis/Zydis.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

const struct window windows[WINDOWS] = {
    [WINDOW_CODE] = {CODE_ADDRESS, CODE_PAGES, true, true},
    [WINDOW_DATA] = {DATA_ADDRESS, DATA_PAGES, true, false},
    [WINDOW_CONSTANT] = {DATA_ADDRESS + DATA_PAGES * PROGRAM_PAGE, 1, false, false},
    [WINDOW_STACK] = {STACK_ADDRESS, 2, true, false},
    [WINDOW_HIGH] = {HIGH_ADDRESS, DATA_PAGES, true, false},
    [WINDOW_HIGH_CONSTANT] = {HIGH_ADDRESS + DATA_PAGES * PROGRAM_PAGE, 1, false, false},
};

uint64_t random_u64(struct randomness *r)  // splitmix64
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t random_below(struct randomness *r, uint32_t limit)
{
    return (random_u64(r) >> 32) * limit >> 32;
}

bool random_percent(struct randomness *r, unsigned percent)
{
    return random_below(r, 100) < percent;
}

uint64_t instruction_address(const struct program *program, unsigned index)
{
    uint64_t address = CODE_ADDRESS + program->code_offset;
    for (unsigned i = 0; i < index; i++)
        address += program->instructions[i].dropped ? 0 : program->instructions[i].length;
    return address;
}

static void place_instruction(const struct program *program, unsigned index, uint8_t *code)
{
    const struct instruction *insn = &program->instructions[index];
    uint64_t address = instruction_address(program, index);
    uint8_t *at = code + (address - CODE_ADDRESS);
    memcpy(at, insn->bytes, insn->length);
    if (!insn->fix_bytes)
        return;
    uint64_t target = insn->target == NO_INSTRUCTION
                          ? insn->target_address
                          : instruction_address(program, insn->target) + insn->target_offset;
    uint64_t distance = target - (address + insn->length);
    memcpy(at + insn->fix_at, &distance, insn->fix_bytes);
}

// Memory holds all that instructions like to meet: small numbers, floats, and anything.
static uint64_t random_word(struct randomness *r)
{
    uint64_t bits = random_u64(r);
    double number = (double)(int32_t)bits / 1024;
    switch (bits >> 61) {
    case 0: return bits & 0x3f;
    case 1: memcpy(&bits, &number, sizeof bits); return bits;
    case 2: return 0x3f80000040490fdb ^ (bits & 0x000fff00000fff00);  // two floats
    case 3: return bits & 0x0000003f0000003f;
    default: return bits;
    }
}

void program_image(struct program *program, uint8_t image[IMAGE_BYTES])
{
    struct randomness r = {program->image_seed};
    enum { INT3 = 0xcc };
    memset(image, INT3, CODE_PAGES * PROGRAM_PAGE);
    for (size_t at = CODE_PAGES * PROGRAM_PAGE; at < IMAGE_BYTES; at += 8) {
        uint64_t word = random_word(&r);
        memcpy(image + at, &word, 8);
    }
    for (unsigned i = 0; i < program->count; i++)
        if (!program->instructions[i].dropped)
            place_instruction(program, i, image);
    program->start.rip = instruction_address(program, 0);
}

bool program_moves_area(const uint8_t image[IMAGE_BYTES], uint64_t address)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    uint64_t at = address - CODE_ADDRESS;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (at > CODE_PAGES * PROGRAM_PAGE - INSTRUCTION_BYTES ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, image + at, INSTRUCTION_BYTES, &insn)))
        return false;
    switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_FLDENV: case ZYDIS_MNEMONIC_FNSTENV: case ZYDIS_MNEMONIC_FRSTOR: case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FXRSTOR: case ZYDIS_MNEMONIC_FXRSTOR64: case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXSAVE64:
        return true;
    default: return false;
    }
}

void program_print(const struct program *program, const uint8_t image[IMAGE_BYTES])
{
    for (unsigned i = 0; i < program->count; i++) {
        if (program->instructions[i].dropped)
            continue;
        uint64_t address = instruction_address(program, i);
        const uint8_t *bytes = image + (address - CODE_ADDRESS);
        ZydisDisassembledInstruction text;
        ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, address, bytes, INSTRUCTION_BYTES, &text);
        printf("    %" PRIx64 "  ", address);
        for (unsigned b = 0; b < program->instructions[i].length; b++)
            printf("%02x", bytes[b]);
        printf("%*s%s\n", 32 - 2 * program->instructions[i].length, "", text.text);
    }
}
