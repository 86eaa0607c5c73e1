// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/directed.h"

#include <Zydis/Zydis.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/cpu/generate.h"

// Where a page ends: between two that are alike, before the read-only one, before nothing, behind nothing,
// beyond 32 bits, and at the canonical addresses' end.
static const uint64_t edges[] = {
    DATA_ADDRESS + PROGRAM_PAGE, DATA_ADDRESS + DATA_PAGES * PROGRAM_PAGE,
    DATA_ADDRESS + (DATA_PAGES + 1) * PROGRAM_PAGE, DATA_ADDRESS, HIGH_ADDRESS + PROGRAM_PAGE, BIT(47),
};
static const uint8_t distances[] = {0, 1, 2, 3, 4, 6, 7, 8, 9, 15, 16, 31};

static const uint64_t lefts[] = {0, 1, 0x80, 0x80007fff, UINT64_MAX, 0x923456789abcdef0};
static const uint64_t rights[] = {0, 1, 8, 9, 17, 31, 32, 0xff, 0xfedcba9876543210};
static const uint32_t flags[] = {0, FL_ARITH};

static unsigned in_order(unsigned *variant, unsigned count)
{
    unsigned index = *variant % count;
    *variant /= count;
    return index;
}

static unsigned edges_of(const struct directed_case *c)
{
    return ARRAY_SIZE(edges) - (c->pointers & DIRECTED_BELOW_END ? 1 : 0);
}

unsigned directed_variants(const struct directed_case *c)
{
    unsigned pointers = c->pointers ? edges_of(c) * ARRAY_SIZE(distances) : 1;
    unsigned values = c->values ? ARRAY_SIZE(lefts) * ARRAY_SIZE(rights) * ARRAY_SIZE(flags) : 1;
    return pointers * values;
}

// Pointers to different lines of the data, and vector registers with numbers in them.
static void start_registers(struct registers *r)
{
    static const uint8_t no_x87[32] = {0x7f, 0x03, [24] = 0x80, 0x1f};
    struct program with_vectors;
    generate(&with_vectors, 1, false, false);
    *r = with_vectors.start;
    memcpy(r->xsave, no_x87, sizeof no_x87);
    for (unsigned i = 0; i < X86_GPRS; i++)
        r->gpr[i] = DATA_ADDRESS + PROGRAM_PAGE + 0x400 + 64 * i;
    r->gpr[X86_RSP] = STACK_ADDRESS + PROGRAM_PAGE;
    r->rflags = FL_FIXED | FL_IF;
}

static void vary(struct registers *r, const struct directed_case *c, unsigned variant)
{
    if (c->pointers) {
        uint64_t address = edges[in_order(&variant, edges_of(c))];
        address -= distances[in_order(&variant, ARRAY_SIZE(distances))];
        for (unsigned i = 0; i < X86_GPRS; i++)
            if (c->pointers >> i & 1)
                r->gpr[i] = address;
    }
    if (c->values) {
        r->gpr[X86_RAX] = lefts[in_order(&variant, ARRAY_SIZE(lefts))];
        r->gpr[X86_RCX] = rights[in_order(&variant, ARRAY_SIZE(rights))];
        r->rflags |= flags[in_order(&variant, ARRAY_SIZE(flags))];
        r->gpr[X86_RDX] = r->gpr[X86_RCX] >> 7;
    }
}

// Bytes that are no instruction stand alone.
static unsigned length_at(const ZydisDecoder *decoder, const uint8_t *code, size_t left)
{
    ZydisDecodedInstruction insn;
    return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, code, left, &insn)) ? insn.length : 1;
}

void directed_make(struct program *program, const struct directed_case *c, unsigned variant)
{
    ZydisDecoder decoder;
    const uint8_t *end = c[1].code;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    *program = (struct program){.image_seed = 1, .code_offset = c->offset};
    start_registers(&program->start);
    vary(&program->start, c, variant);
    for (const uint8_t *code = c->code; code < end;) {
        unsigned length = length_at(&decoder, code, end - code);
        assert(program->count < INSTRUCTIONS_MAX);
        struct instruction *insn = &program->instructions[program->count++];
        *insn = (struct instruction){.length = length, .target = NO_INSTRUCTION};
        memcpy(insn->bytes, code, length);
        code += length;
    }
}
