// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which instructions a random program may hold: those of user mode, of instruction sets that both
// sides have, whose result depends on nothing but registers and memory, and that don't jump (branches
// come from snippets, which know where to).
#pragma once

#include <Zydis/Zydis.h>

#include "guest/cpu/x86/cpuid.h"

void allow_prepare(const struct x86_support *support);
bool allowed(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands, bool x87_pointers);
