// SPDX-License-Identifier: GPL-2.0-or-later
//
// The code cache: translated blocks, by guest-physical page, offset, mode and register map.
//
// The cache is one memfd, mapped twice: writable for the translator, executable for vCPUs. Blocks'
// hot parts grow in one half, their cold parts (slow paths, exits) in the other. Nothing is freed
// singly: a killed block's entry becomes a jump to a stub that leaves, and jumps to it are undone;
// when a half is full, or there are too many pages, the world is stopped and the cache emptied.
//
// Threads: everything here happens under code->lock, but for jumping into blocks. Only aligned words
// of code that others may be running are patched: a jump's displacement or a block's first 8 bytes.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/cpu/jit/emit.h"
#include "guest/cpu/jit/vcpu.h"

// A block's mode: everything besides its bytes that its meaning depends on.
enum {
    MODE_CODE = 3,            // enum insn_mode
    MODE_CPL_SHIFT = 2,       // 2 bits
    MODE_AC = 1 << 4,         // supervisor under SMAP with EFLAGS.AC
    MODE_FLAT = 1 << 5,       // outside 64-bit code: CS, DS, ES and SS have base 0 and no limit, and are simple
    MODE_X87 = 1 << 6, MODE_SSE = 1 << 7, MODE_AVX = 1 << 8,  // enabled, and do not raise #NM
    MODE_ONE = 1 << 9,        // one instruction a block, no chaining: the reference
    MODE_STACK32 = 1 << 10,   // SS.B
    MODE_ALIGNED = 1 << 12,   // alignment checks at CPL 3: the emulator makes them
    MODE_SIMPLE = 1 << 11,    // outside 64-bit code: every segment is present, expands up, and may be
                              // read and (but for CS) written; only base and limit are looked at
};
static inline unsigned mode_cpl(uint32_t mode) { return mode >> MODE_CPL_SHIFT & 3; }
static inline unsigned mode_context(uint32_t mode)
{
    return mode_cpl(mode) == 3 ? JIT_USER : mode & MODE_AC ? JIT_SUPERVISOR_AC : JIT_SUPERVISOR;
}

// Which host registers are free. home holds guest RSP; t0 and t1 hold nothing. The guest registers
// that bear the three numbers are in the vCPU's state.
struct regmap {
    uint8_t home, t0, t1;
};
enum { REGMAPS = 120, REGMAP_CANONICAL = 0 };
const struct regmap *regmap(unsigned index);
// The map for code that uses these registers, as near to `entry` as can be; -1 if there is none.
int regmap_choose(unsigned entry, uint16_t used);
static inline unsigned regmap_host(const struct regmap *m, unsigned gpr) { return gpr == 4 ? m->home : gpr; }
static inline bool regmap_is_free(const struct regmap *m, unsigned reg)
{
    return reg == m->home || reg == m->t0 || reg == m->t1;
}

struct block;

// A page of guest RAM with translated code, for user or for supervisor code.
struct code_page {
    uint64_t ram_page;
    bool user;
    struct block *blocks;         // those with bytes here, by block->next_in_page
    uint64_t decoded[PAGE_BYTES / 64];
};

// A direct exit of a block: a jump that is patched to its target once that exists.
struct link {
    uint8_t *displacement;        // of the jump
    uint8_t *stub;                // where it goes while unlinked
    struct block *source, *target;
    struct link *next_incoming;   // of target
    int32_t offset;               // target's, from the source's page; may lie outside the page
    bool saved_flags;             // flags are in memory, not in the host's
    bool follows;                 // the target's page was just compared (straddling block)
    bool wraps;                   // a 16-bit branch: IP is truncated
};

enum { BLOCK_RANGES = 3 };
struct block {
    struct block *hash_next;
    struct block *next_in_page[2];
    uint32_t page[2];             // indices; the second is 0 unless it straddles
    uint16_t offset;
    uint16_t mode;
    uint8_t entry_map, map;
    bool dead;
    // Bytes that it was made from, in page[0] (and, beyond 4096, page[1]): its own, and those that
    // liveness looked at.
    struct { uint16_t at, bytes; } range[BLOCK_RANGES];
    uint8_t *jump_entry;          // for indirect jumps, with the address in t0; null: not in this map
    uint8_t *saved_entry;         // flags in memory
    uint8_t *host_entry;          // flags in the host's
    uint8_t *dead_stub[2];        // where the entries go when it is killed
    struct link *incoming;
};

// Where a host fault may come from a guest instruction.
struct fault_site {
    uint32_t host;                // offset in the cache of the instruction
    uint32_t site;                // code page << 12 | offset
    uint8_t map;
    uint8_t flags_in_host;
    uint16_t mode;
};

struct arena {
    uint8_t *start, *at, *end;    // writable mapping
    uint8_t *ready;               // up to here the pages are there
};
struct site_list {
    struct fault_site *site;
    _Atomic uint32_t count;
    uint32_t capacity;
};

enum { STUB_ENTER, STUB_EXIT, STUB_JUMP, STUB_MISS, STUB_COMMIT, STUB_EMULATE, STUB_KINDS };

struct code {
    pthread_mutex_t lock;
    struct jit_engine *jit;
    int fd;
    uint8_t *writable, *executable;
    uint64_t size_bytes;
    struct arena hot, cold;
    uint8_t *stub[STUB_KINDS][REGMAPS];  // writable addresses; null: not made yet
    uint8_t *leave;                      // writable address
    uint8_t *fixed_end;                  // of what survives emptying the cold half
    struct code_page *pages;             // [CODE_PAGES_MAX]; index 0 is not used
    uint32_t page_count;
    struct block **hash;                 // [CODE_HASH]
    struct block *blocks;
    uint32_t block_count;
    struct link *links;
    uint32_t link_count;
    struct insn *insns;                  // that are emulated; desc in code points here
    uint32_t insn_count;
    struct site_list hot_sites, cold_sites;
    uint64_t emptied, translated_blocks, translated_insns, translate_ns;
};
enum { CODE_HASH = 1 << 18, CODE_BLOCKS_MAX = 1 << 20, CODE_LINKS_MAX = 1 << 21, CODE_INSNS_MAX = 1 << 18 };

struct code *code_create(struct jit_engine *jit, uint64_t size_bytes, struct err *err);
void code_destroy(struct code *code);
// For statistics: what the tables beside the code have taken of the host's memory, and the same of any
// mapping.
uint64_t code_table_bytes(const struct code *c);
uint64_t jit_resident_bytes(void *start, size_t size_bytes);
static inline uint8_t *code_executable(const struct code *c, const uint8_t *writable)
{
    return c->executable + (writable - c->writable);
}
uint8_t *code_stub(struct code *code, unsigned kind, unsigned map);
void stubs_init(struct code *code);

// Is there room for another block, whatever it needs? If not, the caller empties.
bool code_has_room(const struct code *code);
void code_make_ready(struct code *code);  // before a translation
void code_empty(struct code *code);  // with the world stopped

// The code page of this page of RAM, made if it is new.
uint32_t code_page_of(struct code *code, uint64_t ram_page, bool user);
struct block *code_find(struct code *code, uint32_t page, unsigned offset, uint32_t mode, unsigned entry_map);
void code_add(struct code *code, struct block *block);
void code_kill(struct code *code, struct block *block);
void code_link(struct code *code, struct link *link, struct block *target);
// How many register maps there are translations of this code for.
unsigned code_variants(const struct code *code, uint32_t page, unsigned offset, uint32_t mode);
enum { CODE_VARIANTS_MAX = 4 };
// A store to [offset, offset + bytes) of a page: kills what was made from those bytes. True if anything was.
bool code_store(struct code *code, uint64_t ram_page, unsigned offset, unsigned size_bytes);

// The translator (translate.c). page[1] of the block is found through next_page: the RAM page that follows in
// the guest's address space, or UINT64_MAX if it isn't known, when an instruction that needs it makes
// the call return null with *needs_next set.
struct translation {
    uint32_t page;
    unsigned offset;
    uint64_t va;                   // of the page, for the vCPU that asks
    uint32_t mode;
    unsigned entry_map;
    const uint8_t *bytes;          // of the page
    const uint8_t *next_bytes;     // of the page that follows; null: not known
    uint32_t next_page;            // its index
    bool needs_next;
};
struct block *translate(struct code *code, struct translation *t);

// Descriptors that follow a call to a stub in cold code.
struct access_site {
    uint32_t site;
    uint8_t size_bytes;
    uint8_t write;                 // else read
    uint8_t read_too;              // a write that reads first
    uint8_t context;
    uint8_t length;                // of the instruction
    uint8_t stack;                 // through SS: #SS where others raise #GP
    uint8_t lock;                  // atomic against everyone
    uint8_t ends;                  // the block ends with this instruction, and is not over at the access
    uint8_t alignment;             // what the instruction demands, or 1
    uint8_t x87_waits;             // a pending x87 exception comes before anything about the access
};
enum { ACCESS_FAST_RETURN = sizeof(struct access_site), ACCESS_BOUNCE_RETURN = ACCESS_FAST_RETURN + 5 };
struct emulate_site {
    uint32_t site;
    uint32_t insn;                 // index in code->insns
};
