// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/walk_model.h"

#include <string.h>

#include "base/bits.h"

enum { PRESENT = 1, WRITE = 2, USER = 4, ACCESSED = 0x20, DIRTY = 0x40, LARGE = 0x80 };
enum { CODE_PRESENT = 1, CODE_WRITE = 2, CODE_USER = 4, CODE_RESERVED = 8, CODE_FETCH = 16, CODE_KEY = 32 };
enum { CR0_WP_BIT = 16, CR0_PG_BIT = 31, CR4_PSE_BIT = 4, CR4_PAE_BIT = 5, CR4_LA57_BIT = 12, CR4_SMEP_BIT = 20,
       CR4_SMAP_BIT = 21, CR4_PKE_BIT = 22, EFER_LMA_BIT = 10, EFER_NXE_BIT = 11, PHYSICAL_BITS = 40 };

static bool on(uint64_t word, unsigned bit) { return word >> bit & 1; }
static bool any(uint64_t word, unsigned low, unsigned high) { return word << (63 - high) >> (63 - high + low); }

struct place {
    bool two_levels, pae, wide;  // one of them
    unsigned level;
    uint64_t at;
};

static uint64_t load(const struct model *m, const struct place *p)
{
    unsigned bytes = p->two_levels ? 4 : 8;
    uint64_t value = p->two_levels ? UINT32_MAX : UINT64_MAX;
    if (p->at + bytes <= m->memory_bytes) {
        value = 0;
        memcpy(&value, m->memory + p->at, bytes);
    }
    return value;
}

static void mark(struct model *m, const struct place *p, unsigned bits)
{
    if (!m->quiet && p->at + 4 <= m->memory_bytes)
        m->memory[p->at] |= bits;
}

static bool is_large(const struct model *m, const struct place *p, uint64_t e)
{
    if (!(e & LARGE) || p->level == 1 || p->level > 3)
        return false;
    if (p->two_levels)
        return on(m->cr4, CR4_PSE_BIT);
    return p->level == 2 || p->wide;
}

static bool has_reserved_bits(const struct model *m, const struct place *p, uint64_t e)
{
    bool large = is_large(m, p, e);
    if (p->two_levels)
        return large && on(e, 21);
    if (p->pae && p->level == 3)
        return any(e, 1, 2) || any(e, 5, 8) || any(e, PHYSICAL_BITS, 63);
    if (any(e, PHYSICAL_BITS, p->wide ? 51 : 62) || (on(e, 63) && !on(m->efer, EFER_NXE_BIT)))
        return true;
    if (p->level > 3 && e & LARGE)
        return true;
    if (large && p->level == 3 && !m->has_1g_pages)
        return true;
    return large && any(e, 13, p->level == 2 ? 20 : 29);
}

struct access {
    struct model *m;
    uint64_t va;
    enum model_kind kind;
    bool user, implicit;
    bool can_write, is_users, can_execute;  // as far as every level grants it
    struct model_answer answer;
};

static void grant(struct access *a, const struct place *p, uint64_t e)
{
    if (p->pae && p->level == 3)
        return;
    a->can_write = a->can_write && e & WRITE;
    a->is_users = a->is_users && e & USER;
    a->can_execute = a->can_execute && (p->two_levels || !on(e, 63));
}

static bool key_denies(const struct access *a, const struct place *p, uint64_t leaf)
{
    const struct model *m = a->m;
    if (!p->wide || !on(m->cr4, CR4_PKE_BIT) || !a->is_users || a->kind == MODEL_FETCH)
        return false;
    unsigned key = m->pkru >> 2 * (leaf >> 59 & 15);
    return key & 1 || (key & 2 && a->kind == MODEL_WRITE && (a->user || on(m->cr0, CR0_WP_BIT)));
}

static bool denied(const struct access *a)
{
    const struct model *m = a->m;
    if (a->kind == MODEL_FETCH)
        return !a->can_execute || (a->user ? !a->is_users : a->is_users && on(m->cr4, CR4_SMEP_BIT));
    if (a->user ? !a->is_users : a->is_users && on(m->cr4, CR4_SMAP_BIT) && (a->implicit || !m->ac))
        return true;
    return a->kind == MODEL_WRITE && !a->can_write && (a->user || on(m->cr0, CR0_WP_BIT));
}

static bool fault(struct access *a, uint32_t code)
{
    const struct model *m = a->m;
    bool tells_fetch = on(m->cr4, CR4_SMEP_BIT) || (on(m->cr4, CR4_PAE_BIT) && on(m->efer, EFER_NXE_BIT));
    code |= (a->kind == MODEL_WRITE ? CODE_WRITE : 0) | (a->user ? CODE_USER : 0);
    code |= a->kind == MODEL_FETCH && tells_fetch ? CODE_FETCH : 0;
    a->answer.faults = true;
    a->answer.code = code;
    return false;
}

static uint64_t leaf_address(const struct place *p, uint64_t e, uint64_t va, unsigned bits)
{
    uint64_t page = e & UINT64_C(0x000ffffffffff000);
    if (p->two_levels)
        page = bits == 22 ? (e & 0xffc00000) | (e >> 13 & 0xff) << 32 : e & 0xfffff000;
    return page >> bits << bits | (va & (BIT(bits) - 1));
}

static bool finish(struct access *a, const struct place *p, uint64_t e, unsigned shift)
{
    bool by_key = key_denies(a, p, e);
    a->answer.page_bits = shift;
    if (by_key || denied(a))
        return fault(a, CODE_PRESENT | (by_key ? CODE_KEY : 0));
    mark(a->m, p, a->kind == MODEL_WRITE ? ACCESSED | DIRTY : ACCESSED);
    a->answer.gpa = leaf_address(p, e, a->va, shift);
    return false;
}

// Looks at one entry. False: that was the last.
static bool step(struct access *a, struct place *p, uint64_t *table)
{
    unsigned shift = 12 + (p->level - 1) * (p->two_levels ? 10 : 9);
    unsigned mask = p->two_levels ? 1023 : p->pae && p->level == 3 ? 3 : 511;
    p->at = *table + (a->va >> shift & mask) * (p->two_levels ? 4 : 8);
    uint64_t e = load(a->m, p);
    a->answer.entry[a->answer.depth++] = p->at;
    if (!(e & PRESENT))
        return fault(a, 0);
    if (has_reserved_bits(a->m, p, e))
        return fault(a, CODE_PRESENT | CODE_RESERVED);
    grant(a, p, e);
    if (p->level == 1 || is_large(a->m, p, e))
        return finish(a, p, e, shift);
    if (!(p->pae && p->level == 3))
        mark(a->m, p, ACCESSED);
    *table = p->two_levels ? e & 0xfffff000 : e & UINT64_C(0x000ffffffffff000);
    p->level--;
    return true;
}

struct model_answer model_access(struct model *m, uint64_t va, enum model_kind kind, bool implicit)
{
    struct access a = {.m = m, .va = va, .kind = kind, .user = m->cpl == 3 && !implicit, .implicit = implicit,
                       .can_write = true, .is_users = true, .can_execute = true, .answer = {.gpa = va, .page_bits = 12}};
    bool wide = on(m->efer, EFER_LMA_BIT), pae = !wide && on(m->cr4, CR4_PAE_BIT);
    struct place p = {.two_levels = !wide && !pae, .pae = pae, .wide = wide,
                      .level = wide ? 4 + on(m->cr4, CR4_LA57_BIT) : pae ? 3 : 2};
    uint64_t table = m->cr3 & (wide ? UINT64_C(0xfffffff000) : pae ? 0xffffffe0 : 0xfffff000);
    if (on(m->cr0, CR0_PG_BIT))
        while (step(&a, &p, &table))
            ;
    return a.answer;
}
