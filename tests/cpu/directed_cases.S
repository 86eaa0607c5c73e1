// SPDX-License-Identifier: GPL-2.0-or-later
//
// The cases of directed.h. CASE name, pointers, values, offset begins one; it reaches to the next. What a
// register holds at first: directed.c. Behind a case's code there is int3 to the end of the window.
#include "tests/cpu/directed_where.h"

        .intel_syntax noprefix
        .set    P_RBX, 1 << 3
        .set    P_RBP, 1 << 5
        .set    P_RSI, 1 << 6
        .set    P_RDI, 1 << 7
        .set    BELOW_END, 1 << 31              // not at the canonical addresses' end
        .set    VALUES, 1

        .macro  CASE name:req, pointers=0, values=0, offset=0x100
        .section .rodata.directed_names, "a"
1:      .asciz  "\name"
        .section .rodata.directed_code, "a"
2:
        .section .data.rel.ro.directed, "aw"
        .quad   1b, 2b
        .long   \pointers, \values, \offset, 0
        .section .rodata.directed_code
        .endm

        .globl  directed_cases, directed_count
        .section .data.rel.ro.directed, "aw"
        .p2align 3
directed_cases:

#include "tests/cpu/directed_memory.inc"
#include "tests/cpu/directed_stack.inc"
#include "tests/cpu/directed_values.inc"
#include "tests/cpu/directed_float.inc"
#include "tests/cpu/directed_self.inc"

        .section .rodata.directed_code
2:
        .section .data.rel.ro.directed
        .quad   0, 2b, 0, 0                     // where the last case ends
        .section .rodata
        .p2align 2
directed_count:
        .long   (directed_end - directed_cases) / 32 - 1
        .section .data.rel.ro.directed
directed_end:
        .section .note.GNU-stack, "", @progbits
