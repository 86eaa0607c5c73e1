// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the parts of the translator share while a block is being made: scan.c reads guest
// instructions and decides what each becomes and which flags live; translate.c emits the block;
// lookup.c emits memory accesses; exits.c emits the ways out.
#pragma once

#include "guest/cpu/jit/code.h"
#include "guest/cpu/jit/copy.h"
#include "guest/cpu/x86/state.h"

enum { LOOK_AHEAD = 5 };

// Where the guest's arithmetic flags are.
enum flags_place { FLAGS_HOST, FLAGS_SAVED, FLAGS_BOTH };

struct scanned {
    struct insn insn;
    enum insn_form form;     // what it becomes here
    uint16_t offset;         // in the page
    uint32_t live_after;     // flags that somebody may still read
};
// Where a direct branch goes, in the offsets of the steps.
static inline int32_t scanned_target(const struct scanned *s)
{
    return s->offset + s->insn.length + (int32_t)s->insn.imm;
}

struct trace {
    struct code *code;
    struct translation *want;
    struct block *block;
    struct scanned step[BLOCK_INSNS];
    unsigned steps;
    uint16_t end;            // offset behind the last instruction
    bool ends_in_branch;
    uint32_t live_in;
    struct emit hot, cold;
    unsigned map_index;
    const struct regmap *map;
    enum flags_place flags;
    uint32_t live_now;       // before the instruction being emitted
    uint8_t *limit_jump[2];  // of that instruction: where a segment's limit was exceeded
    unsigned limit_jumps;
    bool on_stack;           // the address in t0 is one in SS: #SS where others raise #GP
    const struct scanned *now;
};

#define GPR(n) (offsetof(struct jit_vcpu, state) + offsetof(struct x86_state, gpr) + 8 * (n))
#define GS(field) offsetof(struct jit_vcpu, field)
enum { CC_E = 4, CC_NE = 5 };  // condition codes, as in Jcc
#define SEGMENT_BASE(n)                                                                        \
    (offsetof(struct jit_vcpu, state) + offsetof(struct x86_state, seg) + sizeof(struct x86_segment) * (n))
#define PAGE_VA(index) (offsetof(struct jit_vcpu, pages) + sizeof(struct page_word) * (index))
#define PAGE_NEGATED(index) (PAGE_VA(index) + offsetof(struct page_word, negated))

static inline uint32_t site_of(const struct trace *t, unsigned offset)
{
    return t->want->page << PAGE_BITS | (offset & (PAGE_BYTES - 1));
}

// scan.c: fills in step, end, live_in and the block's ranges. False: the page that follows is needed.
bool scan_block(struct trace *t);

// Flags (exits.c). save: to memory, if anybody may read them and they are only in the host's.
void emit_flags_save(struct emit *e, const struct regmap *m);
void emit_flags_restore(struct emit *e, unsigned temporary);
void flags_before_clobber(struct trace *t);
// If the instruction reads flags, or changes some and leaves others: they must be in the host's.
bool flags_wanted_in_host(const struct trace *t);
void flags_to_host(struct trace *t);
void flags_after(struct trace *t);

// lookup.c
// t0 = the linear address of the instruction's memory operand. Flags may be clobbered.
void emit_effective_address(struct trace *t, const struct insn *in);
// t0, an offset in a segment, becomes linear. Beyond the limit, the instruction is emulated.
void emit_segment(struct trace *t, unsigned segment, unsigned size_bytes);
// An access at the address in t0. emit_op(t, e, base, index) emits what touches the memory at base +
// index; a second copy of it may go to the cold part.
typedef void emit_access_op(struct trace *t, struct emit *e, unsigned base, unsigned index);
void emit_access(struct trace *t, unsigned size_bytes, bool write, bool read_too, emit_access_op *op);
// An access that is made only where it hits the table; else the instruction is emulated.
void emit_access_or_emulate(struct trace *t, unsigned size_bytes, bool write, emit_access_op *op);
void note_fault_site(struct trace *t, struct emit *e);

// exits.c
void emit_map_change(struct emit *e, const struct regmap *from, const struct regmap *to);
void emit_link(struct trace *t, int32_t target, uint32_t live, bool follows);       // jmp
void emit_link_if(struct trace *t, unsigned condition, int32_t target, uint32_t live);
// To the address in t0; flags are saved. RSP moves only once that is known to be canonical.
void emit_indirect(struct trace *t, int32_t rsp_add);
void emit_emulate(struct trace *t, struct emit *e, const struct insn *in);
void emit_site_exit(struct trace *t, struct emit *e, unsigned map, unsigned offset);
