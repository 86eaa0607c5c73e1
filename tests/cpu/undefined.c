// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which flags the manual leaves undefined, followed along every path that the program may take: on each
// instruction's entry, those that are undefined on any way to it.
#include <Zydis/Zydis.h>
#include <string.h>

#include "tests/cpu/program.h"

struct step {
    uint32_t tested, written, undefined;
    bool falls_through, goes_anywhere;  // a return or an indirect jump may lead to every instruction
    int target;                         // or NO_INSTRUCTION
};

struct flow {
    struct step step[INSTRUCTIONS_MAX];
    uint32_t entry[INSTRUCTIONS_MAX + 1];  // the last: at the program's end
    unsigned count;
    bool changed;
};

static void take_branch(struct step *s, const struct instruction *from, const ZydisDecodedInstruction *z)
{
    bool direct = from->fix_bytes && from->target != NO_INSTRUCTION && z->raw.imm[0].is_relative;
    switch (z->meta.category) {
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
        s->falls_through = false;
        s->goes_anywhere = !direct;
        break;
    case ZYDIS_CATEGORY_COND_BR: s->goes_anywhere = !direct; break;
    default: return;
    }
    s->target = direct ? from->target : NO_INSTRUCTION;
}

// With a count of zero these leave all flags as they are.
static bool may_do_nothing(const ZydisDecodedInstruction *z)
{
    bool repeated = z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
    return repeated || z->meta.category == ZYDIS_CATEGORY_SHIFT || z->meta.category == ZYDIS_CATEGORY_ROTATE ||
           z->mnemonic == ZYDIS_MNEMONIC_SHLD || z->mnemonic == ZYDIS_MNEMONIC_SHRD;
}

// A dropped instruction, or bytes that are none, is a step that does nothing.
static void take_step(struct step *s, const struct instruction *from, const uint8_t *bytes)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction z;
    *s = (struct step){.falls_through = true, .target = NO_INSTRUCTION};
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (from->dropped || !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, INSTRUCTION_BYTES, &z)))
        return;
    take_branch(s, from, &z);
    if (!z.cpu_flags)
        return;
    s->tested = z.cpu_flags->tested;
    if (!may_do_nothing(&z))
        s->written = z.cpu_flags->modified | z.cpu_flags->set_0 | z.cpu_flags->set_1;
    s->undefined = z.cpu_flags->undefined;
}

static void lead_to(struct flow *f, unsigned index, uint32_t undefined)
{
    f->changed |= undefined & ~f->entry[index];
    f->entry[index] |= undefined;
}

static void pass(struct flow *f, unsigned index)
{
    const struct step *s = &f->step[index];
    uint32_t after = (f->entry[index] & ~s->written) | s->undefined;
    if (s->falls_through)
        lead_to(f, index + 1, after);
    if (s->target != NO_INSTRUCTION)
        lead_to(f, s->target, after);
    for (unsigned i = 0; s->goes_anywhere && i <= f->count; i++)
        lead_to(f, i, after);
}

static void follow(struct flow *f, const struct program *program, const uint8_t *image)
{
    f->count = program->count;
    for (unsigned i = 0; i < f->count; i++)
        take_step(&f->step[i], &program->instructions[i], image + (instruction_address(program, i) - CODE_ADDRESS));
    do {
        f->changed = false;
        for (unsigned i = 0; i < f->count; i++)
            pass(f, i);
    } while (f->changed);
}

// An end that lies at no instruction, as in modified code, is like every one at once.
static uint32_t undefined_at(const struct flow *f, const struct program *program, uint64_t rip)
{
    uint32_t all = 0;
    if (rip > instruction_address(program, f->count))
        return f->entry[f->count];
    for (unsigned i = f->count + 1; i-- > 0;) {
        if (instruction_address(program, i) == rip)
            return f->entry[i];
        all |= f->entry[i];
    }
    return all;
}

uint64_t program_undefined_flags(const struct program *program, const uint8_t image[IMAGE_BYTES], uint64_t rip,
                                 bool *consumed)
{
    struct flow f = {0};
    follow(&f, program, image);
    *consumed = false;
    for (unsigned i = 0; i < f.count; i++)
        *consumed |= f.step[i].tested & f.entry[i];
    return undefined_at(&f, program, rip);
}
