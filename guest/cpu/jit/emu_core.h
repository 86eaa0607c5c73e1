// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the emulated instructions share: their context, operands, segmentation and the stack.
//
// An instruction is a function of `struct emu`. When it is entered, state->rip is already the next
// instruction's address; one that branches overwrites it. It reads and checks all that can fault
// before it changes anything but general registers, rip and rflags, which the run loop restores
// (access.h).
#pragma once

#include "base/bits.h"
#include "guest/cpu/jit/access.h"
#include "guest/cpu/jit/insn.h"

struct emu {
    struct jit_vcpu *v;
    struct x86_state *s;
    const struct insn *i;  // null while an event is delivered
    uint64_t start;        // the instruction's own address
    bool external;         // the EXT bit of error codes: an event that no INT instruction asked for
};
typedef void emu_op(struct emu *e);

static inline bool emu_long_mode(const struct x86_state *s)
{
    return s->efer & EFER_LMA;
}
static inline bool emu_64bit(const struct x86_state *s)
{
    return (s->efer & EFER_LMA) && (s->seg[X86_CS].attr & SEG_L);
}
static inline bool emu_v86(const struct x86_state *s)
{
    return s->rflags & FL_VM;
}
// Segments have descriptors: protected mode, and not virtual-8086.
static inline bool emu_protected(const struct x86_state *s)
{
    return (s->cr0 & CR0_PE) && !(s->rflags & FL_VM);
}
static inline unsigned emu_iopl(const struct x86_state *s)
{
    return (s->rflags & FL_IOPL) >> 12;
}
static inline unsigned emu_dpl(uint16_t attr)
{
    return attr >> SEG_DPL_SHIFT & 3;
}
// What may be loaded as the base of a segment or table, or named to be invalidated: whatever is canonical in
// the widest mode that the CPU has, whether or not CR4.LA57 is set (Intel's 5-Level Paging white paper, 2.3).
bool emu_canonical_base(const struct emu *e, uint64_t address);
static inline uint8_t emu_opcode(const struct emu *e)
{
    return e->i->bytes[e->i->opcode_at];
}
static inline uint8_t emu_opcode2(const struct emu *e)  // behind 0F
{
    return e->i->bytes[e->i->opcode_at + 1];
}
static inline int64_t emu_sign_extend(uint64_t value, unsigned size_bytes)
{
    unsigned shift = 64 - 8 * size_bytes;
    return (int64_t)(value << shift) >> shift;
}

// Before a call of code that is compiled with vector instructions (devices, APIC, CPUID, paging, the
// log): the guest's registers are taken out of its way. The run loop puts them back.
static inline void emu_leave_house(struct emu *e)
{
    jit_vectors_save(e->v);
}

// Faults. A selector's code keeps its index and TI; EXT is added.
_Noreturn void emu_fault(struct emu *e, unsigned vector, uint16_t selector);
_Noreturn void emu_gp(struct emu *e);  // #GP(0)
_Noreturn void emu_ud(struct emu *e);
void emu_need_cpl0(struct emu *e);        // else #GP(0)
void emu_need_protected(struct emu *e);   // else #UD: an instruction that real mode doesn't know
void emu_need_feature(struct emu *e, enum x86_word word, unsigned bit);  // else #UD

// General registers.
uint64_t emu_reg(const struct x86_state *s, unsigned reg, unsigned size_bytes);
void emu_set_reg(struct x86_state *s, unsigned reg, uint64_t value, unsigned size_bytes);

// Memory by segment and offset, with the checks of SDM volume 3, 5.3 to 5.5.
gva_t emu_linear(struct emu *e, unsigned segment, uint64_t offset, unsigned size_bytes, bool write);
uint64_t emu_load(struct emu *e, unsigned segment, uint64_t offset, unsigned size_bytes);
void emu_store(struct emu *e, unsigned segment, uint64_t offset, uint64_t value, unsigned size_bytes);
// A linear address that may wrap at 4 GiB outside 64-bit mode.
uint64_t emu_load_at(struct emu *e, uint64_t at, unsigned size_bytes, enum jit_as as, bool stack);
void emu_store_at(struct emu *e, uint64_t at, uint64_t value, unsigned size_bytes, enum jit_as as,
                  bool stack);
bool emu_segment_covers(const struct x86_segment *segment, uint64_t offset, unsigned size_bytes);
bool emu_segment_allows(const struct x86_segment *segment, bool write);

// The instruction's operands.
uint64_t emu_offset(const struct emu *e);  // of the memory operand
gva_t emu_address(struct emu *e, unsigned size_bytes, bool write);
uint64_t emu_mem(struct emu *e, unsigned displacement, unsigned size_bytes);
uint64_t emu_get(struct emu *e, unsigned operand);                // in the operand's own size
uint64_t emu_get_as(struct emu *e, unsigned operand, unsigned size_bytes);  // immediates too
void emu_put(struct emu *e, unsigned operand, uint64_t value);
unsigned emu_operand_bytes(const struct emu *e);  // by mode, 66 and REX.W; 64-bit mode's default is 4
bool emu_has_prefix(const struct emu *e, uint8_t prefix);
bool emu_is_memory(const struct emu *e, unsigned operand);
// op[operand] = compute(size, op[operand], b, flags), atomically with LOCK; then the flags.
typedef uint64_t emu_compute(unsigned size_bytes, uint64_t a, uint64_t b, uint32_t *flags);
void emu_modify(struct emu *e, unsigned operand, emu_compute *compute, uint64_t b);
// Sets the near branch target after its checks; size_bytes is that of the instruction pointer.
void emu_branch(struct emu *e, uint64_t target, unsigned size_bytes);
void emu_set_flags(struct x86_state *s, uint32_t arithmetic);

// A stack: the current one, or the one that is about to become it.
struct emu_stack {
    struct x86_segment segment;
    uint64_t sp;
    unsigned sp_bytes;     // 2, 4 or 8: what wraps
    bool flat;             // 64-bit mode: no base, no limit
    enum jit_as as;
    uint16_t fault_code;   // of #SS: 0, or the selector of a new stack
};
void emu_stack_current(struct emu *e, struct emu_stack *stack);
void emu_stack_new(struct emu *e, struct emu_stack *stack, const struct x86_segment *segment,
                   uint64_t sp, unsigned cpl, bool flat);
void emu_stack_push(struct emu *e, struct emu_stack *stack, uint64_t value, unsigned size_bytes);
uint64_t emu_stack_pop(struct emu *e, struct emu_stack *stack, unsigned size_bytes);
// Raises what `count` pushes would.
void emu_stack_room(struct emu *e, const struct emu_stack *stack, unsigned count, unsigned size_bytes);
void emu_stack_skip(struct emu_stack *stack, int64_t bytes);  // moves SP, with its wrap
void emu_stack_use(struct emu *e, const struct emu_stack *stack);  // RSP takes its SP
void emu_push(struct emu *e, uint64_t value, unsigned size_bytes);
uint64_t emu_pop(struct emu *e, unsigned size_bytes);
