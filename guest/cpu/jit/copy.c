// SPDX-License-Identifier: GPL-2.0-or-later
//
// Re-emits a guest instruction with the same operation: its bytes, with ModRM, SIB and the REX or VEX
// bits patched. Guest RSP lives in another register; a memory operand lies at a host address.
#include "guest/cpu/jit/copy.h"

#include <Zydis/Mnemonic.h>

#include "guest/cpu/x86/state.h"

static bool is_rex(const struct insn *in, uint8_t byte)
{
    return in->mode == INSN_64 && (byte & 0xf0) == 0x40;
}

// Prefixes that are part of the operation: 66, F2, F3 and F0, in their order.
// In 16-bit code 66 has the opposite meaning, but for vector instructions, whose opcode it belongs to.
static void emit_prefixes(struct emit *e, const struct insn *in)
{
    bool turned = in->mode == INSN_16 && in->vectors == INSN_NO_VECTORS;
    if (turned && in->operand_bytes == 2)
        emit8(e, 0x66);
    for (unsigned i = 0; i < in->opcode_at; i++) {
        uint8_t b = in->bytes[i];
        if (b == 0x66 ? !turned : !is_rex(in, b) && (b == 0xf2 || b == 0xf3 || b == 0xf0))
            emit8(e, b);
    }
}

static unsigned field(const struct insn *in, unsigned which, unsigned value, const struct regmap *m)
{
    return in->rsp_fields & which ? m->home : value;
}

static const struct insn_operand *high_byte_operand(const struct insn *in)
{
    for (unsigned i = 0; i < in->operands; i++)
        if (in->op[i].kind == INSN_REG && in->op[i].high_byte)
            return &in->op[i];
    return NULL;
}

static bool immediate_names_register(const struct insn *in)
{
    return in->mnemonic == ZYDIS_MNEMONIC_VBLENDVPS || in->mnemonic == ZYDIS_MNEMONIC_VBLENDVPD ||
           in->mnemonic == ZYDIS_MNEMONIC_VPBLENDVB;
}

// Outside 64-bit mode there are eight registers, and the bit for the others means nothing.
static void emit_tail(struct emit *e, const struct insn *in)
{
    if (in->mode != INSN_64 && immediate_names_register(in))
        emit8(e, in->bytes[in->imm_at] & 0x7f);
    else
        emit_bytes(e, in->bytes + in->imm_at, in->length - in->imm_at);
}

static void emit_vex(struct emit *e, const struct insn *in, const struct regmap *m, unsigned reg, unsigned index,
                     unsigned base)
{
    const uint8_t *p = in->bytes + in->opcode_at;
    bool short_form = p[-2] == 0xc5;
    uint8_t map = short_form ? 1 : p[-2] & 0x1f, last = p[-1];
    unsigned vvvv = field(in, INSN_FIELD_VVVV, ~last >> 3 & (in->mode == INSN_64 ? 15 : 7), m);
    uint8_t w = in->rex_w ? 0x80 : 0;
    emit8(e, 0xc4);
    emit8(e, (reg & 8 ? 0 : 0x80) | (index & 8 ? 0 : 0x40) | (base & 8 ? 0 : 0x20) | map);
    emit8(e, w | (~vvvv & 15) << 3 | (last & 7));
    emit8(e, *p);
}

static void emit_rex_opcode(struct emit *e, const struct insn *in, unsigned reg, unsigned index, unsigned base)
{
    emit_prefixes(e, in);
    emit_rex(e, in->rex_w, reg, index, base, in->rex);
    unsigned end = in->has_modrm ? in->modrm_at : in->imm_at;
    emit_bytes(e, in->bytes + in->opcode_at, end - in->opcode_at);
}

// 40 to 4F are INC and DEC outside 64-bit mode, and REX in it.
static void emit_short_inc(struct emit *e, const struct insn *in, const struct regmap *m)
{
    uint8_t opcode = in->bytes[in->opcode_at];
    unsigned reg = field(in, INSN_FIELD_OPCODE, opcode & 7, m);
    emit_prefixes(e, in);
    emit_rex(e, 0, 0, 0, reg, false);
    emit8(e, 0xff);
    emit8(e, 0xc0 | (opcode & 8) | (reg & 7));
}

static void emit_opcode_register(struct emit *e, const struct insn *in, const struct regmap *m)
{
    unsigned end = in->imm_at, last = end - 1;
    unsigned reg = field(in, INSN_FIELD_OPCODE, (in->bytes[last] & 7) | (in->rex & 1 ? 8 : 0), m);
    emit_prefixes(e, in);
    emit_rex(e, in->rex_w, 0, 0, reg, in->rex);
    emit_bytes(e, in->bytes + in->opcode_at, last - in->opcode_at);
    emit8(e, (in->bytes[last] & ~7) | (reg & 7));
    emit_tail(e, in);
}

void copy_registers(struct emit *e, const struct insn *in, const struct regmap *m)
{
    if (in->mode != INSN_64 && !in->vex && (in->bytes[in->opcode_at] & 0xf0) == 0x40) {
        emit_short_inc(e, in, m);
        return;
    }
    if (in->mode == INSN_64 && !in->rsp_fields) {
        emit_bytes(e, in->bytes, in->length);
        return;
    }
    if (in->rsp_fields & INSN_FIELD_OPCODE) {
        emit_opcode_register(e, in, m);
        return;
    }
    unsigned reg = field(in, INSN_FIELD_REG, (in->modrm >> 3 & 7) | (in->rex & 4 ? 8 : 0), m);
    unsigned rm = field(in, INSN_FIELD_RM, (in->modrm & 7) | (in->rex & 1 ? 8 : 0), m);
    if (in->vex)
        emit_vex(e, in, m, reg, 0, rm);
    else
        emit_rex_opcode(e, in, in->has_modrm ? reg : 0, 0, in->has_modrm ? rm : 0);
    if (in->has_modrm)
        emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
    emit_tail(e, in);
}

// MOV between the accumulator and an absolute address, as the ordinary form.
static void emit_moffs(struct emit *e, const struct insn *in, unsigned base, unsigned index)
{
    static const uint8_t opcodes[] = {0x8a, 0x8b, 0x88, 0x89};
    emit_prefixes(e, in);
    emit_rex(e, in->rex_w, 0, index == INSN_NO_REG ? 0 : index, base, false);
    emit8(e, opcodes[in->bytes[in->opcode_at] & 3]);
    emit_address(e, X86_RAX, base, index, 1, 0);
}

bool copy_is_moffs(const struct insn *in)
{
    return !in->vex && !in->has_modrm && (in->bytes[in->opcode_at] & 0xfc) == 0xa0;
}

static void emit_with_memory(struct emit *e, const struct insn *in, const struct regmap *m, unsigned reg,
                             unsigned base, unsigned index)
{
    unsigned x = index == INSN_NO_REG ? 0 : index;
    if (in->vex)
        emit_vex(e, in, m, reg, x, base);
    else
        emit_rex_opcode(e, in, reg, x, base);
    emit_address(e, reg, base, index, 1, 0);
    emit_tail(e, in);
}

void copy_memory(struct emit *e, const struct insn *in, const struct regmap *m, unsigned base, unsigned index)
{
    if (copy_is_moffs(in)) {
        emit_moffs(e, in, base, index);
        return;
    }
    unsigned reg = field(in, INSN_FIELD_REG, (in->modrm >> 3 & 7) | (in->rex & 4 ? 8 : 0), m);
    const struct insn_operand *high = high_byte_operand(in);
    if (high) {  // AH to BH can't stand beside a REX prefix: use the low byte's place meanwhile
        emit_rr(e, 0x86, high->reg, high->reg + 4, 0);
        emit_with_memory(e, in, m, high->reg, base, index);
        emit_rr(e, 0x86, high->reg, high->reg + 4, 0);
    } else {
        emit_with_memory(e, in, m, reg, base, index);
    }
}
