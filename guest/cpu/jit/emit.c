// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/emit.h"

static unsigned scale_bits(unsigned scale)
{
    return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

void emit_address(struct emit *e, unsigned reg, unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    unsigned field = (reg & 7) << 3;
    bool sib = index != INSN_NO_REG || base == INSN_NO_REG || (base & 7) == 4;
    if (base == INSN_NO_REG) {  // without a base the displacement is 32 bits wide
        emit8(e, field | 4);
        emit8(e, scale_bits(scale) << 6 | (index == INSN_NO_REG ? 4 : index & 7) << 3 | 5);
        emit32(e, disp);
        return;
    }
    bool none = disp == 0 && (base & 7) != 5, small = disp == (int8_t)disp;
    unsigned mod = none ? 0x00 : small ? 0x40 : 0x80;
    emit8(e, mod | field | (sib ? 4 : base & 7));
    if (sib)
        emit8(e, scale_bits(scale) << 6 | (index == INSN_NO_REG ? 4 : index & 7) << 3 | (base & 7));
    if (!none && small)
        emit8(e, disp);
    else if (!none)
        emit32(e, disp);
}
