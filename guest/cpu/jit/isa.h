// SPDX-License-Identifier: GPL-2.0-or-later
//
// Instruction sets by CPU model.
#pragma once

#include <stdbool.h>

#include "guest/cpu/jit/engine.h"

// Marks in allowed (by ZydisISASet) the sets whose instructions a guest of this model may run.
void isa_allow(bool *allowed, const struct x86_model *model);
