// SPDX-License-Identifier: GPL-2.0-or-later
//
// Paging (SDM volume 3, chapter 4): 2-level, PAE, 4-level and 5-level tables, 4K, 2M/4M and 1G pages, NX,
// WP, SMEP, SMAP, user pages' protection keys. The walk is the same for a TLB fill, a debugger and a dump.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest/cpu/x86/state.h"
#include "guest/mem/mem.h"

enum x86_access {
    X86_READ = 0, X86_WRITE = 1, X86_FETCH = 2,
    X86_USER = 4,      // made at CPL 3 (else supervisor)
    X86_IMPLICIT = 8,  // a supervisor access by the CPU itself (GDT, IDT, TSS): ignores EFLAGS.AC
    X86_QUIET = 16,    // sets no A or D bit, and permissions don't matter: a debugger looks
};

enum { X86_R = 1, X86_W = 2, X86_X = 4 };

struct x86_page {
    gpa_t gpa;          // of the address that was asked for
    uint8_t page_bits;  // 12, 21, 22 or 30: the size that the tables gave
    // What each privilege may do here under the current CR0, CR4, EFER and PKRU, whether or not A and D
    // are set: X86_R, X86_W, X86_X. supervisor is with EFLAGS.AC clear (or an implicit access in
    // spite of AC), supervisor_ac with it set.
    uint8_t user, supervisor, supervisor_ac;
    bool dirty;         // D is set in the leaf (after the walk); true with paging off
    bool global;        // G with CR4.PGE; true with paging off
    bool keyed;         // a user page under CR4.PKE: PKRU counts
    uint8_t depth;      // entries read, outermost first
    struct { gpa_t at; uint64_t value; } entry[5];  // for revalidation: what each holds now
};

// Translates address under state's CR0, CR3, CR4, EFER, PKRU and EFLAGS.AC. Sets A, and D for a write, by
// compare-and-swap on the entry, in the order that the hardware does. Returns 0, or -1 with the
// page-fault error code in *code (the caller sets CR2). With paging off it maps one to one. A non-
// canonical address is the caller's to check. An entry outside RAM reads as all ones and its A bit
// is not written.
int x86_walk(const struct x86_state *state, struct mem *memory, gva_t address,
             enum x86_access access, struct x86_page *page, uint32_t *code);

// PAE: reads the four PDPTEs that MOV CR3 loads are checked for reserved bits (SDM 4.4.1).
// False: #GP(0).
bool x86_pdptes_valid(const struct x86_state *state, struct mem *memory, uint64_t cr3);
