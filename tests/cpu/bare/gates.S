// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where the gates of tables.c lead: to what ends a case.
#include "layout.h"
    .text
    .code32
    .globl gate_target, gate_target64, limit_end, gate_target16
gate_target:
    ud2
    .code64
gate_target64:
    ud2
    .code32
limit_end:
    .section .low, "awx"
    .code16
gate_target16:
    ud2
