// SPDX-License-Identifier: GPL-2.0-or-later
//
// How C code of the engine touches guest memory and raises exceptions. Everything here runs on
// the vCPU's thread, inside an instruction that is being emulated.
//
// A fault does not return: it abandons the instruction (jit_raise, a long jump to the run loop). So
// an emulated instruction checks and reads everything first and changes registers and memory
// last. The run loop restores gpr, rip and rflags as they were when the instruction (or the current
// iteration of a REP) began, so those may be changed on the way: call jit_commit after each
// iteration to make what was done so far stay.
//
// This code is compiled without vector instructions (-mgeneral-regs-only): the guest's vector
// registers are live in the host's. jit_vectors_save puts them into state->xsave, jit_vectors_load
// takes them from there.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/cpu/vcpu.h"
#include "guest/cpu/x86/apic.h"
#include "guest/cpu/x86/paging.h"

struct jit_vcpu;
struct insn;

// What C code of the engine sees of its vCPU.
struct x86_state *jit_state(struct jit_vcpu *v);
const struct x86_model *jit_model(struct jit_vcpu *v);
struct apic *jit_apic(struct jit_vcpu *v);
struct mem *jit_ports(struct jit_vcpu *v);
struct mem *jit_memory(struct jit_vcpu *v);
struct clock *jit_clock(struct jit_vcpu *v);

// Raises a fault: event delivery starts over with this vector. For #PF, CR2 is set by the
// accessors. Vectors without an error code ignore it. Never returns.
_Noreturn void jit_raise(struct jit_vcpu *v, unsigned vector, uint32_t error_code);
void jit_commit(struct jit_vcpu *v);

// Who accesses: JIT_AS_CPL with the current privilege and AC; JIT_AS_SUPERVISOR for the descriptor
// tables and TSS (implicit supervisor access), JIT_AS_USER for CPL 3 rules from any level.
enum jit_as { JIT_AS_CPL, JIT_AS_SUPERVISOR, JIT_AS_USER };

// Linear addresses; outside 64-bit mode the caller has wrapped them to 32 bits. A non-canonical
// one raises #GP(0), or #SS(0) if stack. Sizes 1, 2, 4, 8. MMIO is accessed once.
uint64_t jit_load(struct jit_vcpu *v, gva_t at, unsigned size_bytes, enum jit_as as, bool stack);
void jit_store(struct jit_vcpu *v, gva_t at, uint64_t value, unsigned size_bytes, enum jit_as as,
               bool stack);
// Raises what a store would, but stores nothing: before several stores that must happen together.
void jit_check_store(struct jit_vcpu *v, gva_t at, unsigned size_bytes, enum jit_as as, bool stack);
// Whole blocks, page by page; faults before the first byte is stored. RAM or MMIO.
void jit_load_bytes(struct jit_vcpu *v, gva_t at, void *bytes, size_t size_bytes, enum jit_as as);
void jit_store_bytes(struct jit_vcpu *v, gva_t at, const void *bytes, size_t size_bytes, enum jit_as as);
// The host address of guest RAM at `at`, good until the instruction ends, and in *size_bytes how
// many bytes from there are on the page; null if it is no plain RAM (MMIO, a page that holds
// translated code and is to be written): then use load and store. Raises page faults.
uint8_t *jit_span(struct jit_vcpu *v, gva_t at, bool for_write, enum jit_as as, size_t *size_bytes);
// One operand to be worked on: checked, and its bytes if `read`, at an address that is as aligned as
// the guest's, up to 64 bytes; good until the next access. jit_close stores what was written there.
enum { OPERAND_BYTES_MAX = 64 };
void *jit_open(struct jit_vcpu *v, gva_t at, unsigned size_bytes, bool read, bool write, bool stack);
void jit_close(struct jit_vcpu *v);
// Runs a vector instruction itself on the host, on the state's registers and flags and the guest's
// vector registers, its memory operand (if it has one) being at `memory`. Raises what it raises.
void jit_run_on_host(struct jit_vcpu *v, const struct insn *insn, void *memory);
// Atomic compare and exchange of 1, 2, 4, 8 or 16 bytes with what the guest's page holds.
bool jit_cmpxchg(struct jit_vcpu *v, gva_t at, void *expected, const void *desired,
                 unsigned size_bytes, enum jit_as as);

// What changed under the translator's feet.
void jit_mode_changed(struct jit_vcpu *v);          // CS, SS, CPL, CR0, CR4, EFER, XCR0, AC, segments' bases
void jit_breakpoints_port(struct jit_vcpu *v, uint16_t port, unsigned size_bytes);  // is one there?
void jit_flush_all(struct jit_vcpu *v);             // every translation of an address, global ones too
void jit_flush_nonglobal(struct jit_vcpu *v);       // MOV CR3
void jit_flush_keyed(struct jit_vcpu *v);           // PKRU: accesses, not fetches
void jit_flush_page(struct jit_vcpu *v, gva_t at);  // INVLPG
// Does an interrupt or request wait, so that the run loop should look at once? Set after STI, POPF, IRET…
void jit_check_interrupts(struct jit_vcpu *v);
void jit_halt(struct jit_vcpu *v);                  // after this instruction: HLT
void jit_monitor(struct jit_vcpu *v, gva_t at);     // raises what a load would
void jit_mwait(struct jit_vcpu *v, bool by_masked); // after this instruction; masked interrupts end it, too
_Noreturn void jit_shutdown(struct jit_vcpu *v);    // triple fault

uint64_t jit_guest_tsc(struct jit_vcpu *v);
// Is time counted in instructions, so that how much one does must not depend on how fast it is done?
bool jit_is_counted(struct jit_vcpu *v);

void jit_vectors_save(struct jit_vcpu *v);  // nothing if they are there already
void jit_vectors_load(struct jit_vcpu *v);  // likewise
