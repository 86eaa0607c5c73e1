// SPDX-License-Identifier: GPL-2.0-or-later
//
// Re-emitting guest instructions of form INSN_COPY.
#pragma once

#include "guest/cpu/jit/code.h"

// An instruction without a memory operand.
void copy_registers(struct emit *e, const struct insn *in, const struct regmap *m);
// One whose memory operand lies at host address base + index (INSN_NO_REG: base alone).
void copy_memory(struct emit *e, const struct insn *in, const struct regmap *m, unsigned base, unsigned index);
// MOV to or from an absolute address (A0 to A3).
bool copy_is_moffs(const struct insn *in);
