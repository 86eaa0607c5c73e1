// SPDX-License-Identifier: GPL-2.0-or-later
//
// Descriptors (SDM volume 3, 3.4 and 3.5) and what loads them into segment registers.
//
// Everything here that starts with emu_check or emu_descriptor only reads and raises; what it
// hands back is put into the state by emu_set_segment once nothing can fault any more.
#pragma once

#include "guest/cpu/jit/emu_core.h"

// Types of system descriptors (SDM table 3-2).
enum { SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5,
       SYS_INTERRUPT16 = 6, SYS_TRAP16 = 7, SYS_TSS = 9, SYS_TSS_BUSY = 11, SYS_CALL = 12,
       SYS_INTERRUPT = 14, SYS_TRAP = 15 };
enum { ATTR_CODE64 = 0xa09b, ATTR_CODE32 = 0xc09b, ATTR_DATA = 0xc093, ATTR_V86 = 0xf3 };

struct emu_descriptor {
    uint64_t at;       // linear address
    uint64_t raw;      // the eight bytes
    uint64_t base;
    uint32_t limit;    // in bytes
    uint16_t attr;     // as in struct x86_segment
    uint16_t selector;
};

static inline bool emu_null(uint16_t selector)
{
    return !(selector & ~3);
}
static inline unsigned emu_system_type(const struct emu_descriptor *d)  // or SEG_S set: none
{
    return d->attr & (SEG_S | SEG_TYPE);
}
static inline bool emu_is_code(const struct emu_descriptor *d)
{
    return (d->attr & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
}
static inline bool emu_is_writable_data(const struct emu_descriptor *d)
{
    return (d->attr & (SEG_S | SEG_CODE | SEG_WRITABLE)) == (SEG_S | SEG_WRITABLE);
}

// False if the selector lies outside its table.
bool emu_descriptor_try(struct emu *e, uint16_t selector, struct emu_descriptor *d);
// Raises vector(selector) for null and for what lies outside.
void emu_descriptor_load(struct emu *e, uint16_t selector, unsigned vector, struct emu_descriptor *d);
// In long mode system descriptors have 16 bytes: takes the upper half of the base.
void emu_descriptor_widen(struct emu *e, struct emu_descriptor *d, unsigned vector);
// Sets the accessed bit in memory; may fault.
void emu_descriptor_accessed(struct emu *e, struct emu_descriptor *d);
void emu_descriptor_set_busy(struct emu *e, const struct emu_descriptor *d, bool busy);
struct x86_segment emu_descriptor_segment(const struct emu_descriptor *d);

// A far transfer's code segment. level is the privilege that it will run at.
void emu_check_code(struct emu *e, struct emu_descriptor *d, unsigned level, bool check_rpl);
void emu_check_long_bits(struct emu *e, const struct emu_descriptor *d);  // L and D exclude each other
// The target's offset: within the limit, or canonical; else #GP(0).
void emu_check_target(struct emu *e, const struct emu_descriptor *cs, uint64_t offset);
// The stack segment of a return to `level` (vector #GP), or of a TSS (vector #TS). Allows null where
// 64-bit mode does.
struct x86_segment emu_check_stack(struct emu *e, uint16_t selector, unsigned level, unsigned vector,
                                   bool to_64bit);
// What a MOV, POP or LxS into a segment register would load; raises what it raises.
struct x86_segment emu_check_segment(struct emu *e, unsigned segment, uint16_t selector);

void emu_set_segment(struct emu *e, unsigned segment, const struct x86_segment *value);
void emu_load_segment(struct emu *e, unsigned segment, uint16_t selector);  // check and set
struct x86_segment emu_real_segment(const struct x86_state *s, unsigned segment, uint16_t selector);
struct x86_segment emu_v86_segment(uint16_t selector);
struct x86_segment emu_null_segment(uint16_t selector, unsigned level);
// CS, with cpl: what follows from it is derived again.
void emu_enter_code(struct emu *e, const struct emu_descriptor *cs, unsigned level, uint64_t rip);
void emu_set_cpl(struct emu *e, unsigned level);
// After a return to less privilege: data segments that it may not see become null.
void emu_drop_segments(struct emu *e, unsigned level);
