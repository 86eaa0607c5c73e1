// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where everything is, for C and for assembly. Offsets in `struct state` are those of bare.h.
#pragma once

#define IMAGE_BASE    0x100000

// Physical memory below the image. What a case writes to DATA and STACK is printed.
#define LOW_SEGMENT   0x3000    // 16-bit code
#define LOW_BASE      0x30000
#define DATA_SEGMENT  0x1000
#define DATA_BASE     0x10000
#define STACK_SEGMENT 0x2000
#define STACK_BASE    0x20000
#define WATCH_BASE    DATA_BASE
#define WATCH_BYTES   0x20000
#define TRACE_MAX     32        // events that are logged, TRACE_BYTES each
#define TRACE_BYTES   16
#define VECTORS       256
#define STUB_BYTES    16        // of a vector's first code

// Page tables, from 4 MiB on, each a page; see paging.c for who uses which.
#define TABLES_BASE   0x400000
#define PD2           0x400000  // two levels, 4-byte entries
#define PT2           0x401000
#define PDPT_PAE      0x402000  // of PAE paging
#define PDPT4         0x403000
#define PML4          0x404000
#define PD_LOW        0x405000  // 0 to 1 GiB
#define PD_WINDOW     0x406000  // 1 to 2 GiB
#define PD_HIGH       0x407000  // 3 to 4 GiB
#define PT_WINDOW     0x408000
#define TABLES_BYTES  0x9000
// The window: 16 pages of 4 KiB onto DATA, then a large page onto physical 0 at LARGE_WINDOW, and the
// first 4 MiB once more for user mode at USER_ALIAS.
#define WINDOW        0x40000000
#define LARGE_WINDOW  0x40400000
#define USER_ALIAS    0x40800000

// Selectors.
#define CODE32        0x08
#define DATA32        0x10
#define CODE16        0x18
#define DATA16        0x20
#define STACK16       0x28
#define CODE64        0x30
#define USER_CODE32   0x3b
#define USER_DATA32   0x43
#define USER_CODE64   0x4b
#define TASK32        0x50
#define TASK64        0x58      // two slots
#define TASK_OTHER    0x68
#define TASK_GATE     0x73
#define CALL_GATE     0x7b      // 32 bits, two parameters, to gate_target
#define CALL_GATE16   0x83
#define LOCAL         0x148     // the LDT; two slots
#define SMALL         0x90      // data, limit 0xff
#define DOWN32        0x98      // expand-down, offsets from 0x100 to 0xffffffff
#define DOWN16        0xa0      // expand-down, offsets from 0x100 to 0xffff
#define READ_ONLY     0xa8
#define EXECUTE_ONLY  0xb0
#define CONFORMING    0xb8
#define ABSENT_DATA   0xc0
#define ABSENT_CODE   0xc8
#define DPL1_DATA     0xd0
#define DPL1_CODE     0xd8
#define TASK16        0xe0
#define ABSENT_GATE   0xe8
#define CALL_GATE64   0xf0      // two slots
#define BAD_TYPE      0x100     // system type 0
#define SMALL_STACK   0x108     // data, limit 0xff, B
#define DATA_BASED    0x110     // base DATA_BASE, 4 GiB
#define STACK_BASED   0x118     // base STACK_BASE, 4 GiB, B
#define USER_CODE16   0x123     // base LOW_BASE
#define USER_SMALL    0x12b
#define CODE_LIMITED  0x130     // flat code whose limit ends in the image: see tables.c
#define GATE_TO_DATA  0x13b     // a call gate whose target is no code
#define BUSY_TASK     0x140
#define GDT_ENTRIES   48

// struct state
#define S_GPR         0
#define S_IP          128
#define S_FLAGS       136
#define S_CS          144
#define S_SS          148
#define S_DS          152
#define S_ES          156
#define S_FS          160
#define S_GS          164
#define S_VECTOR      168
#define S_CR0         172
#define S_CR2         176
#define S_DR6         184
#define S_HANDLER_SP  192
#define S_HANDLER_SS  200
#define STATE_BYTES   208

// How a case is entered; modes.c has what each means.
#define REAL16   0
#define PROT16   1
#define PROT32   2
#define USER32   3
#define V86      4
#define PAGED32  5   // two levels, PSE
#define PAGED32U 6
#define PAE32    7
#define PAE32U   8
#define LONG64   9
#define LONG64U  10
#define COMPAT32 11  // ring 3
#define COMPAT16 12  // ring 0, 16-bit code under long mode
#define BASED32  13  // as PROT32, with DS, ES and SS that have bases
