// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/forms.h"

#include <Zydis/Zydis.h>
#include <stdlib.h>

#include "tests/cpu/allow.h"

enum { FORMS_MAX = 16384, SLOTS = 4 * FORMS_MAX };

struct finder {
    struct form *list;
    unsigned count;
    uint64_t seen[SLOTS];  // keys, by hash
};

static const ZydisDecoder *decoder(void)
{
    static ZydisDecoder d;
    if (d.machine_mode != ZYDIS_MACHINE_MODE_LONG_64 || !d.stack_width)
        ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return &d;
}

static void mix(uint64_t *key, uint64_t value)
{
    *key = (*key ^ value) * UINT64_C(0x100000001b3);
    *key ^= *key >> 29;
}

static void mix_operand(uint64_t *key, const ZydisDecodedOperand *o)
{
    mix(key, o->type | o->encoding << 4 | o->visibility << 12 | (uint64_t)o->size << 16);
    if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
        mix(key, ZydisRegisterGetClass(o->reg.value));
    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
        mix(key, o->mem.type);
}

static uint64_t key_of(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    const uint64_t counts = ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
    uint64_t key = UINT64_C(0xcbf29ce484222325);
    mix(&key, z->mnemonic | z->encoding << 16 | z->opcode_map << 20 | (z->attributes & counts) << 24);
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
        mix(&key, z->raw.vex.W | z->raw.vex.L << 1 | z->raw.vex.pp << 2);
    for (unsigned i = 0; i < z->operand_count; i++)
        mix_operand(&key, &operands[i]);
    return key;
}

// Direct branches are no matter of allow.c, which is about what may stand anywhere in a program. A 66 prefix there
// is each vendor's own.
static bool is_relative(const ZydisDecodedInstruction *z)
{
    return z->raw.imm[0].is_relative && z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && !(z->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) && z->meta.isa_set != ZYDIS_ISA_SET_RTM;
}

// The hidden memory operands of strings, stacks and the like, too, if no other says how large it is.
static unsigned memory_bytes(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    unsigned largest = 0;
    for (unsigned i = 0; i < z->operand_count; i++)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[i].size / 8 > largest)
            largest = operands[i].size / 8;
    return largest > 64 ? 64 : largest;
}

static bool has_vsib(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    for (unsigned i = 0; i < z->operand_count; i++)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[i].mem.type == ZYDIS_MEMOP_TYPE_VSIB)
            return true;
    return false;
}

struct laid_out form_look(const uint8_t bytes[INSTRUCTION_BYTES])
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder(), bytes, INSTRUCTION_BYTES, &z, operands)) ||
        (!is_relative(&z) && !allowed(&z, operands, false)))
        return (struct laid_out){0};
    bool has_modrm = z.attributes & ZYDIS_ATTRIB_HAS_MODRM;
    return (struct laid_out){
        .key = key_of(&z, operands), .mnemonic = z.mnemonic, .length = z.length,
        .memory_bytes = memory_bytes(&z, operands), .disp_at = z.raw.disp.offset, .disp_bytes = z.raw.disp.size / 8,
        .imm_at = z.raw.imm[0].offset, .imm_bytes = z.raw.imm[0].size / 8, .has_modrm = has_modrm,
        .memory = has_modrm && z.raw.modrm.mod != 3, .vsib = has_vsib(&z, operands), .relative = is_relative(&z),
    };
}

// --- the walk ------------------------------------------------------------------------------------

static bool is_new(struct finder *f, uint64_t key)
{
    unsigned slot = key % SLOTS;
    while (f->seen[slot] && f->seen[slot] != key)
        slot = (slot + 1) % SLOTS;
    bool fresh = !f->seen[slot];
    f->seen[slot] = key;
    return fresh;
}

static unsigned lay_out(const struct form *form, uint8_t *bytes)
{
    static const uint8_t escapes[][2] = {{0, 0}, {0x0f, 0}, {0x0f, 0x38}, {0x0f, 0x3a}};
    unsigned used = 0;
    for (unsigned i = 0; i < 3 && form->prefixes[i]; i++)
        bytes[used++] = form->prefixes[i];
    if (form->vex) {
        bytes[used++] = 0xc4;
        bytes[used++] = 0xe0 | form->map;
        bytes[used++] = form->vex_last | 0x78;  // vvvv: 0
    } else {
        if (form->rex)
            bytes[used++] = form->rex;
        for (unsigned i = 0; i < 2 && escapes[form->map][i]; i++)
            bytes[used++] = escapes[form->map][i];
    }
    bytes[used++] = form->opcode;
    bytes[used++] = form->modrm;
    return used;
}

// A SIB byte, where there is one, names RBX and register 1; a gather's registers must differ.
static void try_form(struct finder *f, struct form form)
{
    uint8_t bytes[INSTRUCTION_BYTES + 8] = {0};
    unsigned used = lay_out(&form, bytes);
    if ((form.modrm & 0xc7) == 4)
        bytes[used] = 0x0b;
    struct laid_out look = form_look(bytes);
    if (!look.key || f->count == FORMS_MAX || !is_new(f, look.key))
        return;
    form.key = look.key;
    form.mnemonic = look.mnemonic;
    form.has_modrm = look.has_modrm;
    form.memory = look.memory;
    form.memory_bytes = look.memory_bytes;
    f->list[f->count++] = form;
}

// Every value of reg, with memory at [RBX] or a SIB byte, and with each register.
static void each_modrm(struct finder *f, struct form form)
{
    for (unsigned modrm = 0xc0; modrm < 0x100; modrm++) {
        form.modrm = modrm;
        try_form(f, form);
    }
    for (unsigned reg = 0; reg < 8; reg++) {
        form.modrm = reg << 3 | 3;
        try_form(f, form);
        form.modrm = reg << 3 | 4;  // for gathers, which want a SIB byte
        try_form(f, form);
    }
}

// What comes before an opcode in the first map, and leads on in the second.
static bool is_prefix(unsigned map, uint8_t byte)
{
    if (map)
        return map == 1 && (byte == 0x38 || byte == 0x3a);
    static const uint8_t prefixes[] = {0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x62, 0x64, 0x65, 0x66, 0x67, 0xc4, 0xc5, 0xf0, 0xf2, 0xf3};
    return (byte & 0xf0) == 0x40 || memchr(prefixes, byte, sizeof prefixes);
}

// 67 counts where it makes RCX ECX.
static void each_legacy(struct finder *f)
{
    static const uint8_t prefixes[][3] = {{0}, {0x66}, {0xf3}, {0xf2}, {0xf0}, {0x66, 0xf3}, {0x66, 0xf2}, {0x66, 0xf0}, {0x67}};
    for (unsigned i = 0; i < 4 * 256 * ARRAY_SIZE(prefixes) * 2; i++) {
        struct form form = {.opcode = i, .map = i >> 8 & 3, .rex = i >> 10 & 1 ? 0x48 : 0};
        memcpy(form.prefixes, prefixes[i >> 11], 3);
        if (!is_prefix(form.map, form.opcode))
            each_modrm(f, form);
    }
}

static void each_vex(struct finder *f)
{
    for (unsigned i = 0; i < 3 * 256 * 16; i++) {
        struct form form = {.vex = true, .opcode = i, .map = 1 + i / 4096, .vex_last = (i >> 8 & 7) | (i >> 11 & 1) << 7};
        each_modrm(f, form);
    }
}

struct form *forms_find(unsigned *count)
{
    struct finder *f = calloc(1, sizeof *f);
    struct form *list = f->list = calloc(FORMS_MAX, sizeof *f->list);
    each_legacy(f);
    each_vex(f);
    *count = f->count;
    free(f);
    return list;
}
