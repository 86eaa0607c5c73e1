// SPDX-License-Identifier: GPL-2.0-or-later
//
// The page walk (SDM volume 3, 4.3 to 4.7). One loop serves every format, since they
// differ only in the width of an index, the size of an entry and the bits that must be zero.
//
// As on silicon, the accessed bit of an upper level is set as soon as the walk passes it; the leaf
// gets A and D together, and only when the access is allowed.
#include "guest/cpu/x86/paging.h"

#include "base/bits.h"
#include "guest/cpu/x86/cpuid.h"

enum {
    PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2, PTE_A = 1 << 5, PTE_D = 1 << 6,
    PTE_PS = 1 << 7, PTE_G = 1 << 8,
};
#define PTE_NX BIT(63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)
// Bits low to high, both included.
#define BITS(low, high) ((UINT64_MAX >> (63 - (high))) & (UINT64_MAX << (low)))
// What a PDPTE of PAE paging must not have (SDM table 4-8).
#define PDPTE_RESERVED (BITS(X86_PHYSICAL_BITS, 63) | BITS(5, 8) | BITS(1, 2))

enum format { FORMAT_32, FORMAT_PAE, FORMAT_LONG };  // FORMAT_LONG: 4 or 5 levels

struct walk {
    const struct x86_state *state;
    struct mem *memory;
    struct x86_page *page;
    uint64_t address;
    enum format format;
    enum x86_access access;
    unsigned level;   // 5: PML5, 4: PML4, 3: PDPT, 2: page directory, 1: page table
    uint64_t table;   // where the table of this level lies
    uint64_t rights;  // PTE_W, PTE_U, and PTE_NX inverted: what every level grants
    unsigned key;     // of the leaf, where page->keyed
};

enum step { STEP_DOWN, STEP_LEAF, STEP_ABSENT, STEP_RESERVED, STEP_DENIED, STEP_AGAIN };

static unsigned entry_bytes(const struct walk *w)
{
    return w->format == FORMAT_32 ? 4 : 8;
}

// The lowest address bit that indexes this level's table.
static unsigned level_shift(const struct walk *w)
{
    return PAGE_BITS + (w->level - 1) * (w->format == FORMAT_32 ? 10 : 9);
}

static uint64_t entry_at(const struct walk *w)
{
    uint64_t mask = w->format == FORMAT_32 ? 1023 : w->format == FORMAT_PAE && w->level == 3 ? 3 : 511;
    return w->table + (w->address >> level_shift(w) & mask) * entry_bytes(w);
}

static uint64_t entry_load(const struct walk *w, uint64_t at)
{
    void *slot = mem_ram_at(w->memory, GPA(at), entry_bytes(w), false);
    if (w->format == FORMAT_32)
        return slot ? __atomic_load_n((uint32_t *)slot, __ATOMIC_ACQUIRE) : UINT32_MAX;
    return slot ? __atomic_load_n((uint64_t *)slot, __ATOMIC_ACQUIRE) : UINT64_MAX;
}

static bool entry_swap(const struct walk *w, void *slot, uint64_t old, uint64_t new)
{
    if (w->format == FORMAT_32) {
        uint32_t expected = old;
        return __atomic_compare_exchange_n((uint32_t *)slot, &expected, (uint32_t)new, false,
                                           __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    return __atomic_compare_exchange_n((uint64_t *)slot, &old, new, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

// Sets bits in the entry that was just read. False: it has changed meanwhile. What is in ROM or
// not RAM at all stays as it is.
static bool entry_mark(struct walk *w, uint64_t bits)
{
    uint64_t *value = &w->page->entry[w->page->depth - 1].value;
    if ((*value & bits) == bits || w->access & X86_QUIET)
        return true;
    void *slot = mem_ram_at(w->memory, w->page->entry[w->page->depth - 1].at, entry_bytes(w), true);
    if (!slot)
        return true;
    if (!entry_swap(w, slot, *value, *value | bits))
        return false;
    *value |= bits;
    return true;
}

static bool is_leaf(const struct walk *w, uint64_t entry)
{
    if (w->level == 1)
        return true;
    if (!(entry & PTE_PS) || w->level >= 4)
        return false;
    if (w->level == 3)
        return w->format == FORMAT_LONG;
    return w->format != FORMAT_32 || w->state->cr4 & CR4_PSE;
}

// The bits that must be zero in a present entry (SDM tables 4-4 to 4-6, 4-8 to 4-11, 4-15 to 4-20).
static uint64_t reserved_bits(const struct walk *w, bool leaf)
{
    bool large = leaf && w->level > 1;
    if (w->format == FORMAT_32)
        return large ? BIT(21) : 0;
    if (w->format == FORMAT_PAE && w->level == 3)
        return PDPTE_RESERVED;
    uint64_t bits = w->format == FORMAT_PAE ? BITS(X86_PHYSICAL_BITS, 62) : BITS(X86_PHYSICAL_BITS, 51);
    if (!(w->state->efer & EFER_NXE))
        bits |= PTE_NX;
    if (w->level >= 4 || (w->level == 3 && w->state->no_1g_pages))
        bits |= PTE_PS;
    return large ? bits | BITS(13, level_shift(w) - 1) : bits;
}

static void take_key(struct walk *w, uint64_t leaf)
{
    const struct x86_state *s = w->state;
    w->page->keyed = s->cr4 & CR4_PKE && w->format == FORMAT_LONG && w->rights & PTE_U;
    w->key = leaf >> 59 & 15;
}

// What PKRU forbids here (SDM 4.6.2): nothing to fetches, and writing to the supervisor only under WP.
static uint8_t denied_by_key(const struct walk *w, bool user)
{
    enum { ACCESS_DISABLE = 1, WRITE_DISABLE = 2 };
    unsigned bits = w->page->keyed ? w->state->pkru >> 2 * w->key : 0;
    if (bits & ACCESS_DISABLE)
        return X86_R | X86_W;
    return bits & WRITE_DISABLE && (user || w->state->cr0 & CR0_WP) ? X86_W : 0;
}

// What user and supervisor may do, from the rights that all levels granted (SDM 4.6).
static void fill_rights(struct walk *w)
{
    const struct x86_state *s = w->state;
    bool writable = w->rights & PTE_W, user = w->rights & PTE_U;
    uint8_t execute = w->rights & PTE_NX ? X86_X : 0;
    uint8_t read_write = X86_R | (writable || !(s->cr0 & CR0_WP) ? X86_W : 0);

    read_write &= ~denied_by_key(w, false);
    w->page->user = user ? ((X86_R | (writable ? X86_W : 0)) & ~denied_by_key(w, true)) | execute : 0;
    if (user && s->cr4 & CR4_SMEP)
        execute = 0;
    w->page->supervisor_ac = read_write | execute;
    w->page->supervisor = user && s->cr4 & CR4_SMAP ? execute : read_write | execute;
}

static uint8_t needed(enum x86_access access)
{
    return access & X86_FETCH ? X86_X : access & X86_WRITE ? X86_W : X86_R;
}

static bool is_allowed(const struct walk *w)
{
    if (w->access & X86_QUIET)
        return true;
    uint8_t need = needed(w->access);
    if (w->access & X86_USER)
        return w->page->user & need;
    bool ac = w->state->rflags & FL_AC && !(w->access & X86_IMPLICIT);
    return (ac ? w->page->supervisor_ac : w->page->supervisor) & need;
}

static uint64_t leaf_base(const struct walk *w, uint64_t entry)
{
    if (w->format == FORMAT_32 && w->level == 2)  // PSE-36 (SDM 4.3): bits 13 to 20 are 32 to 39
        return (entry & BITS(22, 31)) | (entry & BITS(13, 20)) << 19;
    return entry & PTE_ADDRESS & ~(BIT(level_shift(w)) - 1);
}

static enum step finish_leaf(struct walk *w, uint64_t entry)
{
    struct x86_page *page = w->page;
    bool writes = w->access & X86_WRITE;
    take_key(w, entry);
    fill_rights(w);
    if (!is_allowed(w))
        return STEP_DENIED;
    if (!entry_mark(w, writes ? PTE_A | PTE_D : PTE_A))
        return STEP_AGAIN;
    page->page_bits = level_shift(w);
    page->gpa = GPA(leaf_base(w, entry) | (w->address & (BIT(page->page_bits) - 1)));
    page->dirty = page->entry[page->depth - 1].value & PTE_D;
    page->global = entry & PTE_G && w->state->cr4 & CR4_PGE;
    return STEP_LEAF;
}

static enum step step(struct walk *w)
{
    uint64_t at = entry_at(w), entry = entry_load(w, at);
    w->page->entry[w->page->depth].at = GPA(at);
    w->page->entry[w->page->depth++].value = entry;
    if (!(entry & PTE_P))
        return STEP_ABSENT;
    bool leaf = is_leaf(w, entry), pdpte = w->format == FORMAT_PAE && w->level == 3;
    if (entry & reserved_bits(w, leaf))
        return STEP_RESERVED;
    if (!pdpte)  // which has neither rights nor an accessed bit
        w->rights &= entry ^ PTE_NX;
    if (leaf)
        return finish_leaf(w, entry);
    if (!pdpte && !entry_mark(w, PTE_A))
        return STEP_AGAIN;
    w->table = entry & PTE_ADDRESS;
    w->level--;
    return STEP_DOWN;
}

static void start(struct walk *w)
{
    static const struct { uint64_t root; uint8_t levels; } formats[] = {
        [FORMAT_32] = {BITS(12, 31), 2},
        [FORMAT_PAE] = {BITS(5, 31), 3},
        [FORMAT_LONG] = {BITS(12, X86_PHYSICAL_BITS - 1), 4},
    };
    w->table = w->state->cr3 & formats[w->format].root;
    w->level = formats[w->format].levels + (w->format == FORMAT_LONG && w->state->cr4 & CR4_LA57);
    w->rights = UINT64_MAX;
    w->page->depth = 0;
    w->page->keyed = false;
}

// An entry that changes under the walk makes it begin again: what the old value led to may not
// raise a fault any more. Whoever changed it got further, so this ends.
static enum step walk(struct walk *w)
{
    enum step result;
    do {
        start(w);
        while ((result = step(w)) == STEP_DOWN)
            ;
    } while (result == STEP_AGAIN);
    return result;
}

// SDM 4.7. The fetch bit exists only where fetches can be denied. The key's bit tells of the key, whatever
// else forbids the access.
static uint32_t fault_code(const struct walk *w, enum step why)
{
    const struct x86_state *s = w->state;
    bool fetch_bit = (s->cr4 & CR4_PAE && s->efer & EFER_NXE) || s->cr4 & CR4_SMEP;
    uint32_t code = why == STEP_ABSENT ? 0 : PF_PRESENT;
    if (why == STEP_RESERVED)
        code |= PF_RESERVED;
    if (w->access & X86_WRITE)
        code |= PF_WRITE;
    if (w->access & X86_USER)
        code |= PF_USER;
    if (denied_by_key(w, w->access & X86_USER) & needed(w->access))
        code |= PF_PKEY;
    return w->access & X86_FETCH && fetch_bit ? code | PF_FETCH : code;
}

static void map_unpaged(struct x86_page *page, gva_t address)
{
    page->gpa = GPA(address.u);
    page->page_bits = PAGE_BITS;
    page->user = page->supervisor = page->supervisor_ac = X86_R | X86_W | X86_X;
    page->dirty = page->global = true;
    page->keyed = false;
    page->depth = 0;
}

int x86_walk(const struct x86_state *state, struct mem *memory, gva_t address,
             enum x86_access access, struct x86_page *page, uint32_t *code)
{
    if (!(state->cr0 & CR0_PG)) {
        map_unpaged(page, address);
        return 0;
    }
    struct walk w = {
        .state = state, .memory = memory, .page = page, .address = address.u, .access = access,
        .format = state->efer & EFER_LMA ? FORMAT_LONG : state->cr4 & CR4_PAE ? FORMAT_PAE : FORMAT_32,
    };
    enum step result = walk(&w);
    if (result == STEP_LEAF)
        return 0;
    *code = fault_code(&w, result);
    return -1;
}

bool x86_pdptes_valid(const struct x86_state *state, struct mem *memory, uint64_t cr3)
{
    struct walk w = {.state = state, .memory = memory, .format = FORMAT_PAE, .level = 3};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = entry_load(&w, (cr3 & BITS(5, 31)) + i * 8);
        if (entry & PTE_P && entry & PDPTE_RESERVED)
            return false;
    }
    return true;
}
