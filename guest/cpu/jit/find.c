// SPDX-License-Identifier: GPL-2.0-or-later
//
// From a guest address to a block: the mode, the page, the block, the translator.
#include "base/bits.h"
#include "guest/cpu/jit/code.h"

static bool flat(const struct x86_segment *s) { return s->base == 0 && s->limit == UINT32_MAX; }

static bool simple(const struct x86_segment *s)
{
    uint16_t wanted = SEG_P | SEG_S | SEG_WRITABLE;
    return (s->attr & (wanted | SEG_CODE | SEG_EXPAND_DOWN)) == wanted;
}

static bool readable_code(const struct x86_segment *s)
{
    uint16_t wanted = SEG_P | SEG_S | SEG_READABLE;  // real mode's CS is a data segment
    return (s->attr & wanted) == wanted;
}

static bool all_simple(const struct x86_state *s)
{
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        if (i != X86_CS && !simple(&s->seg[i]))
            return false;
    return readable_code(&s->seg[X86_CS]);
}

// FS and GS may be anything, null mostly.
static bool all_flat(const struct x86_state *s)
{
    static const uint8_t data[] = {X86_DS, X86_ES, X86_SS};
    for (unsigned i = 0; i < sizeof data; i++)
        if (!flat(&s->seg[data[i]]) || !simple(&s->seg[data[i]]))
            return false;
    return flat(&s->seg[X86_CS]) && readable_code(&s->seg[X86_CS]);
}

static uint32_t code_mode(const struct x86_state *s)
{
    uint16_t cs = s->seg[X86_CS].attr;
    if (s->efer & EFER_LMA && cs & SEG_L)
        return INSN_64;
    return (cs & SEG_DB ? INSN_32 : INSN_16) | (all_flat(s) ? MODE_FLAT : 0) | (all_simple(s) ? MODE_SIMPLE : 0) |
           (s->seg[X86_SS].attr & SEG_DB ? MODE_STACK32 : 0);
}

static uint32_t vector_mode(const struct x86_state *s)
{
    if (s->cr0 & CR0_TS)
        return 0;
    uint32_t legacy = s->cr0 & CR0_EM ? 0 : MODE_X87 | (s->cr4 & CR4_OSFXSR ? MODE_SSE : 0);
    bool avx = s->cr4 & CR4_OSXSAVE && (s->xcr0 & (XCR0_SSE | XCR0_AVX)) == (XCR0_SSE | XCR0_AVX);
    return legacy | (avx ? MODE_AVX : 0);
}

uint32_t jit_mode(struct jit_vcpu *v)
{
    const struct x86_state *s = &v->state;
    bool ac = s->cpl < 3 && s->cr4 & CR4_SMAP && s->rflags & FL_AC;
    bool aligned = s->cpl == 3 && s->cr0 & CR0_AM && s->rflags & FL_AC;
    return code_mode(s) | s->cpl << MODE_CPL_SHIFT | (aligned ? MODE_ALIGNED : 0) | (ac ? MODE_AC : 0) | vector_mode(s);
}

uint64_t jit_linear_pc(const struct jit_vcpu *v)
{
    const struct x86_state *s = &v->state;
    if (s->efer & EFER_LMA && s->seg[X86_CS].attr & SEG_L)
        return s->rip;
    return (uint32_t)(s->seg[X86_CS].base + s->rip);
}

static void check_fetch(struct jit_vcpu *v, uint32_t mode)
{
    const struct x86_state *s = &v->state;
    bool good = (mode & MODE_CODE) == INSN_64 ? x86_is_canonical(s, s->rip)
                                              : s->rip <= s->seg[X86_CS].limit;
    if (!good)
        jit_raise(v, EX_GP, 0);
}

// With the world stopped (or before it ran): no vCPU holds anything of the cache.
void jit_forget_code(struct jit_engine *jit, struct jit_vcpu *v)
{
    jit_world_stop(v);
    code_empty(jit->code);
    for (unsigned i = 0; i < jit->created; i++) {
        jit_fetch_flush(jit->vcpus[i], true);
        for (unsigned c = 0; c < JIT_CONTEXTS; c++)
            jit_jumps_flush(jit->vcpus[i], c);
        jit->vcpus[i]->link = 0;
    }
    jit_world_start(v);
}

static bool page_follows(const struct jit_vcpu *v, uint32_t page, uint32_t next)
{
    return v->pages[next].negated && v->pages[next].va == v->pages[page].va + PAGE_BYTES;
}

// A block whose second page is not the one that follows now is of no use here.
static bool fits(struct jit_vcpu *v, struct block *b, uint64_t pc)
{
    const uint8_t *bytes;
    if (!b->page[1])
        return true;
    if (!page_follows(v, b->page[0], b->page[1]) &&
        jit_fetch_page(v, (pc | (PAGE_BYTES - 1)) + 1, &bytes) != b->page[1]) {
        pthread_mutex_lock(&v->jit->code->lock);
        if (!b->dead)
            code_kill(v->jit->code, b);
        pthread_mutex_unlock(&v->jit->code->lock);
        return false;
    }
    return true;
}

static uint64_t ram_page(const struct jit_vcpu *v, uint32_t page) { return v->jit->code->pages[page].ram_page; }

static void mark_as_code(struct jit_vcpu *v, const struct translation *t)
{
    jit_make_code(v, ram_page(v, t->page));
    if (t->next_page)
        jit_make_code(v, ram_page(v, t->next_page));
}

// Stores may have made a page data again in between.
static bool is_marked(const struct jit_vcpu *v, const struct translation *t)
{
    const struct ram_page *pages = v->jit->ram_pages;
    return atomic_load(&pages[ram_page(v, t->page)].is_code) &&
           (!t->next_page || atomic_load(&pages[ram_page(v, t->next_page)].is_code));
}

// Null: the caller looks again if the cache was emptied meanwhile (its epoch has ended: indices of pages
// mean nothing any more), which happens wherever this vCPU waits for others.
static struct block *make(struct jit_vcpu *v, struct translation *t, uint64_t pc, uint64_t epoch)
{
    struct code *c = v->jit->code;
    jit_vectors_save(v);
    for (unsigned tries = 0; tries < 4; tries++) {
        mark_as_code(v, t);
        pthread_mutex_lock(&c->lock);
        bool stale = c->emptied != epoch, room = code_has_room(c), marked = !stale && is_marked(v, t);
        struct block *b = stale ? NULL : code_find(c, t->page, t->offset, t->mode, t->entry_map);
        if (!b && room && marked)
            b = translate(c, t);
        pthread_mutex_unlock(&c->lock);
        if (b || stale)
            return b;
        if (!marked)
            continue;
        if (!room) {
            jit_forget_code(v->jit, v);
            return NULL;
        }
        uint64_t next = (pc | (PAGE_BYTES - 1)) + 1;
        t->next_page = jit_fetch_page(v, next, &t->next_bytes);
        if (!t->next_page || t->next_page == t->page || !page_follows(v, t->page, t->next_page))
            return NULL;
    }
    return NULL;
}

static struct block *find_in_page(struct jit_vcpu *v, uint32_t page, unsigned offset, uint32_t mode, unsigned entry_map)
{
    struct code *c = v->jit->code;
    pthread_mutex_lock(&c->lock);
    struct block *b = code_find(c, page, offset, mode, entry_map);
    pthread_mutex_unlock(&c->lock);
    return b;
}

// Code that is reached with many register maps gets few translations; the link changes the map then.
static unsigned map_to_use(struct jit_vcpu *v, const struct translation *t)
{
    struct code *c = v->jit->code;
    if (t->entry_map == REGMAP_CANONICAL)
        return t->entry_map;
    pthread_mutex_lock(&c->lock);
    unsigned variants = code_variants(c, t->page, t->offset, t->mode);
    pthread_mutex_unlock(&c->lock);
    return variants < CODE_VARIANTS_MAX ? t->entry_map : REGMAP_CANONICAL;
}

struct block *jit_find(struct jit_vcpu *v, uint32_t mode, unsigned entry_map)
{
    uint64_t pc = jit_linear_pc(v);
    check_fetch(v, mode);
    for (unsigned tries = 0; tries < 4; tries++) {
        uint64_t epoch = v->jit->code->emptied;
        struct translation t = {.offset = pc & (PAGE_BYTES - 1), .va = align_down(pc, PAGE_BYTES), .mode = mode,
                                .entry_map = entry_map};
        t.page = jit_fetch_page(v, pc, &t.bytes);
        if (!t.page)
            return NULL;
        struct block *b = find_in_page(v, t.page, t.offset, mode, entry_map);
        if (!b) {
            t.entry_map = map_to_use(v, &t);
            b = make(v, &t, pc, epoch);
            if (!b && epoch == v->jit->code->emptied)
                return NULL;
        }
        if (b && fits(v, b, pc))
            return b;
    }
    return NULL;
}
