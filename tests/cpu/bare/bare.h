// SPDX-License-Identifier: GPL-2.0-or-later
//
// The common part of the bare-metal images: it enters each case in its mode from known state, catches
// whatever ends it, and prints what is different from before, one line a case. It runs in flat 32-bit
// protected mode without paging (with paging and in compatibility mode around paged cases), with
// interrupts off. There is one processor and nothing else runs.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

enum { AX, CX, DX, BX, SP, BP, SI, DI };

struct state {
    uint64_t gpr[16], ip, flags;
    uint32_t cs, ss, ds, es, fs, gs;
    uint32_t vector, cr0;
    uint64_t cr2, dr6;
    uint64_t handler_sp;        // where the pushed frame is
    uint32_t handler_ss, unused;
};
_Static_assert(sizeof(struct state) == STATE_BYTES, "layout.h says the same");

// Made by the macros of cases.inc.
struct one_case {
    const char *name;
    uint32_t start, end;    // linear addresses
    uint32_t mode;
    uint32_t flags;         // EFLAGS at its beginning
    uint32_t flags_mask;    // which of them are printed
    uint32_t cr0, cr4;      // bits that are set for it
    uint32_t trace;         // vectors whose handler logs and returns
    uint32_t no_error;      // 1: what ends it pushes no error code, although its vector's fault does
};

struct trace_record {
    uint32_t vector, ip, flags, dr6;
};

extern const struct one_case cases[], cases_end[];
extern struct state in, out;
// For 16-bit code, which can reach only its own segment.
struct low {
    struct state in, out;
    uint32_t trace_mask, trace_count;
    struct trace_record trace[TRACE_MAX];
};
extern struct low low_data;     // at LOW_BASE + its address

// tables.c; the GDT is in start.S
extern uint64_t gdt[GDT_ENTRIES], ldt[4], idt32[VECTORS], idt64[2 * VECTORS];
extern uint32_t tss32[26 + 64], tss_other[26], tss64[26];
extern uint16_t tss16[22];
void tables_init(void);
void tables_load(bool in_long_mode);
uint32_t segment_base(uint32_t selector);
bool stack_is_16(uint32_t selector);

// print.c
void print_init(void);
void print(const char *text);
void print_hex(uint64_t value, unsigned digits);
void print_number(uint64_t value);   // as few digits as it has

// paging.c
void paging_init(void);

// modes.c
struct mode {
    uint8_t family;             // enum family
    uint8_t paging;             // enum paging
    uint8_t bits;
    bool user, flat;
    uint16_t cs, ds, ss;
};
enum family { IN_REAL, IN_PROTECTED, IN_V86, IN_LONG };
enum paging { NO_PAGING, TWO_LEVELS, PAE, FOUR_LEVELS };
extern const struct mode modes[];
void mode_run(const struct one_case *c);

// watch.c: memory whose changes are printed and undone
void watch_init(void);
void watch_begin(void);
void watch_report(const struct one_case *c);
void watch_forget(uint32_t address, uint32_t bytes);  // the harness wrote there
void watch_accept(const uint32_t *word);              // is no news

// report.c
void report(const struct one_case *c);
void print_value(const struct one_case *c, uint64_t value, unsigned digits);  // 0: as many as it has

// enter.S
void enter_real(void);
void enter_protected(void);
void enter_by_iret(void);
void enter_long(void);
