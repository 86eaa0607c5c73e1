// SPDX-License-Identifier: GPL-2.0-or-later
//
// The software engine's own structs: a vCPU with everything that translated code reaches through
// %gs, and the engine. Private to this folder.
//
// %gs of a vCPU's thread points at its struct jit_vcpu. The struct is one anonymous mapping, several
// megabytes of it never touched; a table that is all zeros is empty.
//
// Threads: a jit_vcpu belongs to its thread, but for `run` (any thread clears it), the request
// words, `safe`, and the lookup tables, which another vCPU may change while this one is safe.
#pragma once

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

#include "guest/cpu/jit/access.h"
#include "guest/cpu/jit/engine.h"
#include "guest/cpu/jit/insn.h"
#include "guest/cpu/vcpu.h"
#include "guest/cpu/x86/apic.h"

// For whom memory is looked up. Code is translated for one of them.
enum { JIT_USER, JIT_SUPERVISOR, JIT_SUPERVISOR_AC, JIT_CONTEXTS };

// One guest page, as translated code looks it up: tag ^ address is below 4096 where it may be read
// (written). An entry that holds nothing has tags of another slot, so that no address matches.
struct tlb_entry {
    uint64_t read, write;
    uint64_t host;  // of the page
    uint64_t info;  // TLB_*
};
enum { TLB_BITS = 12, TLB_ENTRIES = 1 << TLB_BITS };
enum { TLB_VALID = 1, TLB_GLOBAL = 2, TLB_KEYED = 4 };  // keyed: PKRU was looked at

// Where an indirect jump goes: by the low 16 bits of the guest address.
struct jump_entry {
    uint64_t address;  // of the target; an empty entry has one of another slot
    uint8_t *host;     // executable address of the block's saved-flags entry
};
enum { JUMP_ENTRIES = 1 << 16 };

// Where a translated page runs in the current address space.
struct page_word {
    uint64_t va;       // of the page, while something of it may be running
    uint64_t negated;  // 1 - va; 0: not known to be mapped
};
enum { CODE_PAGES_MAX = 1 << 18 };

// Executable pages that were checked: each has its page_word set, and no other page has.
struct fetch_entry {
    uint64_t tag;      // va | 1; 0: empty
    uint32_t page;     // index of the code page
    uint32_t global;
};
enum { FETCH_BITS = 12, FETCH_ENTRIES = 1 << FETCH_BITS };

// Filled slots of a table, so that emptying it costs what was filled.
struct slot_log {
    uint32_t count;    // beyond the capacity: everything must be cleared
    uint16_t slot[8192];
};

// Why translated code came back to C.
enum jit_exit { JIT_EXIT_LINK = 1, JIT_EXIT_SITE, JIT_EXIT_JUMP, JIT_EXIT_LEAVE, JIT_EXIT_HOST_FAULT };

enum { BLOCK_INSNS = 48 };  // of a block, at most

enum { BOUNCE_BYTES = 256 };

// What a slow access is in the middle of (memory.c).
struct bounce {
    uint32_t size_bytes;
    uint32_t first_bytes;   // on the first page
    bool in_place;          // the operation ran on the page itself
    uint8_t *at;            // in bytes, as aligned as the guest's address
    uint8_t *host[2];       // where the pages' parts belong; null: a device, at gpa
    gpa_t gpa[2];
    _Alignas(64) uint8_t bytes[BOUNCE_BYTES];
};

struct jit_vcpu {
    struct vcpu vcpu;

    // What translated code reads and writes besides registers and tables.
    struct jit_vcpu *self;
    _Atomic uint64_t run;       // nonzero: may stay in translated code
    uint64_t flags;             // arithmetic flags as lahf and seto leave them in ax
    uint64_t interrupt_flag;    // EFLAGS.IF while in translated code
    uint64_t interrupt_waits;   // nonzero: STI must look at once
    uint64_t exit_kind, exit_link, exit_site;
    int32_t exit_rsp_add;       // what an indirect jump out has yet to add
    uint64_t scratch;
    uint64_t limit[X86_SEGMENTS];  // the segments', outside 64-bit code
    uint64_t resume;            // where a stub goes after its C function
    uint64_t access_host;       // what a slow access gives back
    uint64_t host_rsp;

    struct x86_state state;

    // C's own.
    struct jit_engine *jit;
    struct apic apic;
    uint32_t mode;              // of the code being run, without MODE_ONE; see code.h
    bool leave;                 // after the instruction being emulated, go to the run loop
    bool in_code;               // state.rflags is not whole, and rip is at `site`
    uint32_t site;
    uint16_t mnemonic;          // of the last emulated instruction
    bool emulating;             // a raise puts `before` back
    bool shut_down;             // triple fault
    int raised;                 // by jit_raise: EX_*, or -1
    uint32_t raised_code;
    int delivering;             // the exception under way, or -1
    uint32_t link;              // that brought us here, to be linked to what is found; 0: none
    uint64_t link_pc;           // linear; and it was made in
    uint64_t link_epoch;        // this life of the code cache
    uint32_t wakes_seen;
    uint32_t host_fault;        // the vector that a host signal stands for
    uint64_t undefined_at;      // where the host raised #UD last, and may not have meant it
    bool clock_known;
    uint64_t clock_zero_ns;     // host time at which the guest's clock showed 0
    bool debug_skip;            // the breakpoint at the first instruction was reported already
    void *unwind[5];            // __builtin_setjmp
    struct { uint64_t gpr[X86_GPRS], rip, rflags; uint8_t cpl; } before;  // jit_commit's
    struct bounce bounce;
    struct vec_host *vec_host;  // where vector instructions run that the emulator has
    bool vectors_live;          // the guest's vector registers are in the host's
    struct vcpu_debug debug;
    bool debug_watching;        // debug has data watchpoints
    bool watching;              // ... or the guest's debug registers do: every access is looked at
    unsigned breakpoint_hits;   // of the guest's, by the running instruction, as in DR6
    bool watch_hit;
    bool wants_world;           // the next instruction runs with the world stopped
    bool has_world;             // it does: stopping it once more means nothing

    // Requests from other threads, taken by the run loop.
    _Atomic uint32_t requests;  // JIT_REQUEST_*
    _Atomic uint32_t safe;      // not in translated code, and will not enter while the world is stopped
    _Atomic uint32_t wakes;     // counts kicks; a halted vCPU waits on it
    _Atomic uint32_t waiting;
    bool thread_ready;

    struct tlb_entry tlb[JIT_CONTEXTS][TLB_ENTRIES];
    struct slot_log tlb_log[JIT_CONTEXTS][2];    // not global, global
    struct fetch_entry fetch[2][FETCH_ENTRIES];  // user, supervisor
    struct slot_log fetch_log[2][2];
    struct jump_entry jumps[JIT_CONTEXTS][JUMP_ENTRIES];
    struct slot_log jump_log[JIT_CONTEXTS];
    uint64_t large_pages[64], huge_pages;        // where fills came from pages of more than 4 KiB
    uint32_t jump_mode[JIT_CONTEXTS];            // the mode that a context's jumps are for
    struct page_word pages[CODE_PAGES_MAX];

    struct { uint64_t entries, links, jumps, emulated, misses, fills, bounces, walks, flushes, kills,
             halts, interrupts, exceptions, world_stops; } count;
    // Time by the host's TSC: in jit_run, in translated code with its calls to C, in one of 64 such
    // calls, and asleep.
    struct { uint64_t run, code, sampled_calls, halted; } spent;
    uint32_t calls;
    // FERR# and IGNNE# (ferr.c); the next instruction ignores what is pending, which is masked while it runs.
    struct { _Atomic bool asserted, ignored; bool ignores_next; uint8_t masked; uint16_t fcw; } ferr;
    struct { const uint64_t *line; uint64_t was[8]; bool waits, by_masked; } monitor;  // monitor.c
    uint64_t run_began;

    // Counted execution (count.c); else all of it stays 0. At the end, so that nothing else moves.
    struct {
        int64_t budget;      // instructions that may still begin once the block that runs is over
        uint64_t unfinished; // of that block, those that are not over yet
        uint64_t ends_ns;    // guest time when the budget is used up
        _Atomic bool news;   // a timer was armed before that
        bool one;            // the instruction that runs, or is next, runs alone
    } counted;
};
enum { JIT_REQUEST_STOP = 1, JIT_REQUEST_NMI = 2, JIT_REQUEST_FLUSH = 4 };

// What is known of a page of RAM.
struct ram_page {
    uint32_t code[2];           // code page index for user and supervisor; 0: none. Under the code lock
    _Atomic uint64_t writers;   // vCPUs (modulo 64) that may hold a write fill
    _Atomic bool is_code;       // blocks were made from it: stores are looked at
    uint8_t stores;             // to it since a block was made; under the code lock
};

struct code;  // code.h

struct jit_engine {
    struct engine engine;
    struct apic_bus *apics;
    unsigned created;
    struct jit_vcpu **vcpus;
    struct ram_page *ram_pages;  // by page of config.ram
    struct code *code;
    struct engine_count count;   // config.count
    bool allowed[1 + 512];       // by ZydisISASet: the model offers it
    struct x86_model model;      // config.model, with the TSC's frequency
    uint64_t tsc_hz, tsc_offset;
    pthread_mutex_t world;       // held while the world is stopped
    _Atomic uint32_t world_stopping;
};

// Around a call from translated code to C: one in 64 is timed.
static inline uint64_t call_began(struct jit_vcpu *v)
{
    return ++v->calls & 63 ? 0 : __builtin_ia32_rdtsc();
}
static inline void call_ended(struct jit_vcpu *v, uint64_t began)
{
    if (began)
        v->spent.sampled_calls += __builtin_ia32_rdtsc() - began;
}

static inline struct jit_vcpu *jit_vcpu_of(struct vcpu *vcpu) { return (struct jit_vcpu *)vcpu; }

static inline uint64_t ram_page_of(const struct jit_engine *jit, const void *host)
{
    return ((const uint8_t *)host - jit->engine.config.ram->host) >> PAGE_BITS;
}

// tlb.c
void jit_tlb_init(struct jit_vcpu *v);
// The slow path of translated code: makes `size_bytes` at address reachable, or raises.
struct access_site;
void jit_miss(struct jit_vcpu *v, uint64_t address, const struct access_site *site);
void jit_bounce_commit(struct jit_vcpu *v, const struct access_site *site);
// Drops write fills of a page of RAM from this vCPU's table.
void jit_tlb_drop_writes(struct jit_vcpu *v, const uint8_t *host_page);
void jit_note_page_size(struct jit_vcpu *v, uint64_t va, unsigned page_bits);
unsigned jit_context(const struct jit_vcpu *v, enum jit_as as);

uint64_t jit_rip_of_site(const struct jit_vcpu *v, uint32_t site);

// fetch.c: executable pages. Finds the code page that holds linear address, checked for the mode's
// privilege, with its word set. Raises page faults. *bytes: the page's. 0: it is no RAM.
uint32_t jit_fetch_page(struct jit_vcpu *v, uint64_t address, const uint8_t **bytes);
uint64_t jit_fetch_address(struct jit_vcpu *v, uint64_t address);  // canonical, or wrapped
void jit_fetch_flush(struct jit_vcpu *v, bool global_too);
void jit_fetch_flush_page(struct jit_vcpu *v, uint64_t va);
void jit_jumps_flush(struct jit_vcpu *v, unsigned context);

// find.c: the block at state.rip, made if there is none. Null: not in RAM, or of a kind that is not
// made (jit_run emulates it). Raises what fetching raises.
struct block *jit_find(struct jit_vcpu *v, uint32_t mode, unsigned entry_map);
uint32_t jit_mode(struct jit_vcpu *v);
uint64_t jit_linear_pc(const struct jit_vcpu *v);
void jit_forget_code(struct jit_engine *jit, struct jit_vcpu *v);  // empties the cache

// Marks a page of RAM as code: when this returns, no vCPU writes to it unseen.
void jit_make_code(struct jit_vcpu *v, uint64_t ram_page);

// run.c
enum vcpu_exit jit_run(struct vcpu *vcpu);
void jit_compose_flags(struct jit_vcpu *v);  // translated code's parts into state.rflags
void jit_split_flags(struct jit_vcpu *v);
void jit_copy_limits(struct jit_vcpu *v);
// Abandons the emulated instruction, to run it with every other vCPU standing still.
_Noreturn void jit_start_over_with_world(struct jit_vcpu *v);

// emulate_site.c: emulated instructions, called from translated code.
struct emulate_site;
void jit_emulate_site(struct jit_vcpu *v, const struct emulate_site *site);
void jit_emulate_one(struct jit_vcpu *v, const struct insn *insn);

// breakpoint.c: the guest's debug registers
static inline bool jit_breakpoints_armed(const struct jit_vcpu *v)
{
    return v->state.dr7 & 0xff;
}
void jit_breakpoints_follow(struct jit_vcpu *v);         // before an instruction: DR7 may be another
unsigned jit_breakpoints_at(const struct jit_vcpu *v);   // what the next instruction's fetch meets
void jit_breakpoints_watch(struct jit_vcpu *v, uint64_t va, unsigned size_bytes, bool write);

// ferr.c: x87 exceptions with CR0.NE clear
void jit_ferr(struct jit_vcpu *v);           // instead of #MF
void jit_ferr_mask(struct jit_vcpu *v);      // around an instruction that ignores it
void jit_ferr_unmask(struct jit_vcpu *v);
void jit_ferr_follow(struct jit_vcpu *v);    // behind each instruction while it is asserted
void jit_ferr_ignore(struct jit_vcpu *v);    // any thread: IGNNE#

// monitor.c: what MWAIT asked for; the run loop does it
void jit_mwait_sleep(struct jit_vcpu *v);

// world.c: asking vCPUs to leave translated code.
void jit_kick(struct jit_vcpu *v);           // any thread
void jit_world_stop(struct jit_vcpu *v);     // v: the caller's vCPU, which is safe meanwhile; or null
void jit_world_start(struct jit_vcpu *v);
void jit_world_enter(struct jit_vcpu *v);    // safe no longer; waits while the world is stopped
void jit_world_leave(struct jit_vcpu *v);
void jit_doze(struct jit_vcpu *v, uint64_t until_ns);  // as jit_wait, no longer than to this host time
void jit_wait(struct jit_vcpu *v);           // halted: until there is something to do

// count.c: guest time by the instructions executed. Nothing here does anything unless jit->count.on.
void jit_count_begin(struct jit_vcpu *v);    // jit_run was entered
void jit_count_follow(struct jit_vcpu *v);   // between blocks: fires what is due, grants a new budget
uint64_t jit_count_now_ns(const struct jit_vcpu *v);
void jit_count_tell(struct jit_vcpu *v);     // the clock shows what it is; code that looks at it comes next
void jit_count_halted(struct jit_vcpu *v);   // jit_wait's other half: on to the next timer
void jit_count_earlier(void *v);             // for clock_on_earlier
static inline bool jit_counts(const struct jit_vcpu *v) { return v->jit->count.on; }
// What became of the instructions of a block: all are over; the last isn't, after all; one more is; those
// that are not get lost.
static inline void jit_count_block_over(struct jit_vcpu *v) { v->counted.unfinished = 0; }
static inline void jit_count_not_over(struct jit_vcpu *v) { v->counted.unfinished = jit_counts(v); }
static inline void jit_count_over(struct jit_vcpu *v)
{
    if (v->counted.unfinished)
        v->counted.unfinished--;
}
static inline void jit_count_give_back(struct jit_vcpu *v)
{
    v->counted.budget += v->counted.unfinished;
    v->counted.unfinished = 0;
}
// An instruction that runs in no block.
static inline void jit_count_alone(struct jit_vcpu *v)
{
    v->counted.unfinished = jit_counts(v);
    v->counted.budget -= v->counted.unfinished;
}
// Too few are left for any block: they run one by one. So does what touches a device.
static inline bool jit_count_is_short(const struct jit_vcpu *v)
{
    return jit_counts(v) && (v->counted.budget < BLOCK_INSNS || v->counted.one);
}

// signal.c
void jit_signals_install(void);
bool jit_thread_prepare(struct jit_vcpu *v); // %gs and the signal stack of this thread
