// SPDX-License-Identifier: GPL-2.0-or-later
//
// Random page tables, control bits and accesses: the engine, with its tables warm, against the model of
// walk_model.c, which walks afresh each time. [--seconds N] [--seed N]
//
// Both work on a RAM of their own, and these are compared after every access, A and D bits and all. Tables
// are changed as software may: where the processor may hold what was there (SDM volume 3, 4.10.4), INVLPG or a
// flush follows; where it may not (nothing was there, or rights only grew), nothing does. So the engine must
// do exactly what the model does: no stale entry, no fault that isn't due. Its lookup is tried as translated code makes
// it, and C only where that misses. What changes control registers is the emulator's own instruction.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest/cpu/jit/code.h"
#include "tests/cpu/walk_model.h"
#include "tests/unit/jit_world.h"

enum { FRAMES = 8, TABLES_AT = 0x100000, LEVELS = 5, TABLES_A_LEVEL = 2, TABLE_PAGES = LEVELS * TABLES_A_LEVEL,
       RAM_BYTES = 2 << 20, ADDRESSES = 72, STEPS = 3000 };
enum form { TWO_LEVELS, PAE, FOUR_LEVELS, FIVE_LEVELS, FORMS };

static struct run {
    struct world world;
    struct jit_vcpu *v;
    struct x86_state *s;
    uint8_t *shadow;            // the model's RAM
    enum form form;
    bool has_1g_pages;
    uint64_t address[ADDRESSES];
    unsigned addresses;
    uint64_t near;              // the one that is being tried
    uint64_t accesses, faults, hits, changes, silent;
    uint64_t seed, random;
} r;

static uint64_t next_random(void)
{
    r.random ^= r.random << 13;
    r.random ^= r.random >> 7;
    r.random ^= r.random << 17;
    return r.random * UINT64_C(0x2545f4914f6cdd1d) >> 8;
}
static unsigned below(unsigned n) { return next_random() % n; }
static bool one_in(unsigned n) { return below(n) == 0; }

static bool is_long(void) { return r.form >= FOUR_LEVELS; }
static unsigned entry_bytes(void) { return r.form == TWO_LEVELS ? 4 : 8; }
static unsigned levels(void) { return (unsigned[]){2, 3, 4, 5}[r.form]; }
static uint64_t table_at(unsigned level, unsigned which) { return TABLES_AT + ((level - 1) * TABLES_A_LEVEL + which) * PAGE_BYTES; }

// --- the model's side ----------------------------------------------------------------------------------

static struct model model_now(void)
{
    const struct x86_state *s = r.s;
    return (struct model){.memory = r.shadow, .memory_bytes = RAM_BYTES, .cr0 = s->cr0, .cr3 = s->cr3, .cr4 = s->cr4,
                          .efer = s->efer, .pkru = s->pkru, .cpl = s->cpl, .ac = s->rflags & FL_AC,
                          .has_1g_pages = r.has_1g_pages};
}

// The same without consequences.
static struct model_answer look(uint64_t va)
{
    struct model m = model_now();
    m.quiet = true;
    return model_access(&m, va, MODEL_READ, false);
}

struct expected { int vector; uint32_t code; uint64_t cr2; uint64_t gpa[2]; unsigned first_bytes; };

static struct expected expect(uint64_t va, unsigned size_bytes, enum model_kind kind, bool implicit)
{
    struct model m = model_now();
    unsigned here = PAGE_BYTES - (va & (PAGE_BYTES - 1));
    struct expected x = {.vector = -1, .first_bytes = size_bytes < here ? size_bytes : here};
    for (unsigned part = 0; part < 1 + (size_bytes > here); part++) {
        uint64_t at = part ? va + here : va;
        struct model_answer a = model_access(&m, at, kind, implicit);
        x.gpa[part] = a.gpa;
        if (a.faults)
            return (struct expected){.vector = EX_PF, .code = a.code, .cr2 = at};
    }
    return x;
}

static uint64_t gpa_of_byte(const struct expected *x, unsigned i)
{
    return i < x->first_bytes ? x->gpa[0] + i : x->gpa[1] + (i - x->first_bytes);
}

static uint64_t shadow_load(const struct expected *x, unsigned size_bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size_bytes; i++) {
        uint64_t gpa = gpa_of_byte(x, i);
        value |= (uint64_t)(gpa < RAM_BYTES ? r.shadow[gpa] : 0xff) << 8 * i;
    }
    return value;
}

static void shadow_store(const struct expected *x, unsigned size_bytes, uint64_t value)
{
    for (unsigned i = 0; i < size_bytes; i++)
        if (gpa_of_byte(x, i) < RAM_BYTES)
            r.shadow[gpa_of_byte(x, i)] = value >> 8 * i;
}

// --- the engine's side ---------------------------------------------------------------------------------

static struct { uint64_t va, value; unsigned size_bytes; enum model_kind kind; bool implicit; const uint8_t *bytes; uint32_t page; } try;
static struct insn order;

static void run_order(void) { jit_emulate_one(r.v, &order); }

static void run_access(void)
{
    enum jit_as as = try.implicit ? JIT_AS_SUPERVISOR : JIT_AS_CPL;
    if (try.kind == MODEL_FETCH)
        try.page = jit_fetch_page(r.v, try.va, &try.bytes);
    else if (try.kind == MODEL_WRITE)
        jit_store(r.v, GVA(try.va), try.value, try.size_bytes, as, false);
    else
        try.value = jit_load(r.v, GVA(try.va), try.size_bytes, as, false);
}

// The vector that it raised, or -1.
static int attempt(void (*what)(void))
{
    r.v->raised = -1;
    r.v->mode = jit_mode(r.v);
    if (__builtin_setjmp(r.v->unwind) == 0)
        what();
    r.v->emulating = false;
    return r.v->raised;
}

// What lookup.c emits. False: a miss.
static bool look_up(void)
{
    uint64_t value = try.value;
    struct tlb_entry *e = &r.v->tlb[jit_context(r.v, JIT_AS_CPL)][try.va >> PAGE_BITS & (TLB_ENTRIES - 1)];
    uint64_t offset = try.va ^ (try.kind == MODEL_WRITE ? e->write : e->read);
    if (try.kind == MODEL_FETCH || try.implicit || offset > PAGE_BYTES - try.size_bytes)
        return false;
    try.value = 0;
    memcpy(try.kind == MODEL_WRITE ? (void *)(e->host + offset) : &try.value,
           try.kind == MODEL_WRITE ? (void *)&value : (void *)(e->host + offset), try.size_bytes);
    r.hits++;
    return true;
}

static bool same_memory(void)
{
    const uint8_t *ram = r.world.ram.host;
    return !memcmp(ram, r.shadow, FRAMES * PAGE_BYTES) &&
           !memcmp(ram + TABLES_AT, r.shadow + TABLES_AT, TABLE_PAGES * PAGE_BYTES);
}

static bool fail(const char *what, const struct expected *x, int vector)
{
    static const char *const forms[] = {"two levels", "PAE", "four levels", "five levels"}, *const kinds[] = {"read", "write", "fetch"};
    struct model_answer a = look(try.va);
    printf("seed %llu, %s: %s of %u bytes at %llx, level %u%s%s: %s\n", (unsigned long long)r.seed, forms[r.form],
           kinds[try.kind], try.size_bytes, (unsigned long long)try.va, r.s->cpl, try.implicit ? ", implicit" : "",
           r.s->rflags & FL_AC ? ", AC" : "", what);
    printf("  expected vector %d code %x cr2 %llx gpa %llx; got vector %d code %x cr2 %llx\n", x->vector, x->code,
           (unsigned long long)x->cr2, (unsigned long long)x->gpa[0], vector, r.v->raised_code, (unsigned long long)r.s->cr2);
    printf("  cr0 %llx cr4 %llx efer %llx pkru %x, entries", (unsigned long long)r.s->cr0, (unsigned long long)r.s->cr4,
           (unsigned long long)r.s->efer, r.s->pkru);
    for (unsigned i = 0; i < a.depth; i++)
        printf(" %llx", a.entry[i] < RAM_BYTES ? *(unsigned long long *)(r.shadow + a.entry[i]) : ~0ull);
    printf("\n");
    return false;
}

static bool compare(struct expected *x, int vector, uint64_t shadow_value)
{
    if (vector != x->vector)
        return fail("another outcome", x, vector);
    if (vector >= 0 && (r.v->raised_code != x->code || r.s->cr2 != x->cr2))
        return fail("another page fault", x, vector);
    if (vector < 0 && try.kind == MODEL_READ && try.value != shadow_value)
        return fail("another value", x, vector);
    bool in_ram = x->gpa[0] < RAM_BYTES;
    if (vector < 0 && try.kind == MODEL_FETCH &&
        (in_ram != (try.page != 0) || (in_ram && try.bytes != r.world.ram.host + align_down(x->gpa[0], PAGE_BYTES))))
        return fail("another page of code", x, vector);
    return same_memory() || fail("memory differs", x, vector);
}

static bool access_once(void)
{
    static const unsigned sizes[] = {1, 2, 4, 8};
    r.s->cpl = one_in(2) ? 3 : 0;
    r.s->rflags = FL_FIXED | (one_in(3) ? FL_AC : 0);
    try.kind = below(5) < 2 ? MODEL_READ : one_in(3) ? MODEL_FETCH : MODEL_WRITE;
    try.implicit = try.kind != MODEL_FETCH && one_in(6);
    try.size_bytes = try.kind == MODEL_FETCH ? 1 : sizes[below(4)];
    if (one_in(4))
        r.near = r.address[below(r.addresses)];
    try.va = r.near + (one_in(8) ? PAGE_BYTES - 1 - below(8) : below(PAGE_BYTES - 8));
    uint64_t value = try.value = try.kind == MODEL_WRITE ? next_random() & size_mask(try.size_bytes) : 0;
    struct expected x = expect(try.va, try.size_bytes, try.kind, try.implicit);
    uint64_t shadow_value = x.vector < 0 && try.kind == MODEL_READ ? shadow_load(&x, try.size_bytes) : 0;
    if (x.vector < 0 && try.kind == MODEL_WRITE)
        shadow_store(&x, try.size_bytes, value);
    int vector = look_up() ? -1 : attempt(run_access);
    r.accesses++;
    r.faults += vector >= 0;
    return compare(&x, vector, shadow_value);
}

// --- instructions that change what addresses mean --------------------------------------------------------

// In the kernel, with general registers as given. False: it was refused.
static bool execute(const uint8_t *bytes, size_t size_bytes, uint64_t rax, uint64_t rcx, uint64_t rdx)
{
    world_need(insn_decode(&order, bytes, size_bytes, is_long() ? INSN_64 : INSN_32) == 0, "no instruction");
    r.s->cpl = 0;
    r.s->gpr[X86_RAX] = rax;
    r.s->gpr[X86_RCX] = rcx;
    r.s->gpr[X86_RDX] = rdx;
    return attempt(run_order) < 0;
}
#define EXECUTE(rax, rcx, rdx, ...) \
    execute((const uint8_t[]){__VA_ARGS__}, sizeof (const uint8_t[]){__VA_ARGS__}, rax, rcx, rdx)

static bool write_cr0(uint64_t value) { return EXECUTE(value, 0, 0, 0x0f, 0x22, 0xc0); }
static bool write_cr3(uint64_t value) { return EXECUTE(value, 0, 0, 0x0f, 0x22, 0xd8); }
static bool write_cr4(uint64_t value) { return EXECUTE(value, 0, 0, 0x0f, 0x22, 0xe0); }
static bool write_efer(uint64_t value) { return EXECUTE(value, 0xc0000080, 0, 0x0f, 0x30); }
static bool write_pkru(uint32_t value) { return EXECUTE(value, 0, 0, 0x0f, 0x01, 0xef); }
static bool invlpg(uint64_t va) { return EXECUTE(va, 0, 0, 0x0f, 0x01, 0x38); }

static void flush_everything(void)
{
    uint64_t cr4 = r.s->cr4;
    bool done = cr4 & CR4_PGE || one_in(2) ? write_cr4(cr4 ^ CR4_PGE) && write_cr4(cr4) : write_cr3(r.s->cr3);
    if (!done)  // PAE's pointers are bad, say
        jit_flush_all(r.v);
}

static void change_control(void)
{
    static const uint32_t cr4_bits[] = {CR4_PGE, CR4_SMEP, CR4_SMAP, CR4_PKE, CR4_PCIDE};
    switch (below(6)) {
    case 0: write_cr0(r.s->cr0 ^ CR0_WP); break;
    case 1:
    case 2: write_cr4(r.s->cr4 ^ cr4_bits[below(ARRAY_SIZE(cr4_bits))]); break;
    case 3: write_efer(r.s->efer ^ EFER_NXE); break;
    case 4: write_pkru(one_in(2) ? 0 : next_random() & next_random() & next_random()); break;
    default:
        if (one_in(2) && !(r.s->cr4 & CR4_PGE))
            write_cr3(table_at(levels(), below(TABLES_A_LEVEL)) | (r.s->cr4 & CR4_PCIDE ? below(4) : 0));
        else
            invlpg(r.address[below(r.addresses)]);
    }
}

// --- tables -------------------------------------------------------------------------------------------

static uint64_t index_bits(void) { return r.form == TWO_LEVELS ? 10 : 9; }

// Every address is made of a few indices a level, the last of them in frames that are there.
static void make_addresses(void)
{
    static const unsigned choice[LEVELS + 1][3] = {{0}, {0, 1, 5}, {0, 1, 1}, {0, 1, 1}, {0, 511, 0}, {0, 0x134, 511}};
    r.addresses = 0;
    for (unsigned n = 0; n < 3 * 2 * 2 * 2 * 3 && r.addresses < ADDRESSES; n++) {
        unsigned rest = n;
        uint64_t va = 0;
        bool is_new = true;
        for (unsigned level = 1; level <= levels(); level++) {
            unsigned choices = level == 1 || level == 5 ? 3 : 2;
            va |= (uint64_t)choice[level][rest % choices] << (PAGE_BITS + (level - 1) * index_bits());
            rest /= choices;
        }
        if (is_long())
            va = (uint64_t)((int64_t)(va << (r.form == FIVE_LEVELS ? 7 : 16)) >> (r.form == FIVE_LEVELS ? 7 : 16));
        for (unsigned i = 0; i < r.addresses; i++)
            is_new &= r.address[i] != va;
        if (is_new)
            r.address[r.addresses++] = va;
    }
}

static uint64_t random_target(unsigned level, bool large)
{
    if (large)
        return one_in(4) ? UINT64_C(0x40000000) : 0;
    if (level == 1)
        return one_in(10) ? 0x300000 : below(FRAMES) * PAGE_BYTES;
    return one_in(100) ? UINT64_C(0x12345000) : table_at(level - 1, below(TABLES_A_LEVEL));
}

// Ignored or reserved, and in large pages' entries more of that.
static uint64_t odd_bits(bool large)
{
    static const uint64_t bits[] = {BIT(40), BIT(51), BIT(52), BIT(58), BIT(9), BIT(11), BIT(62), BIT(13), BIT(20), BIT(21)};
    return bits[below(ARRAY_SIZE(bits) - (large ? 0 : 3))];
}

static uint64_t random_entry(unsigned level)
{
    bool pointer = r.form == PAE && level == 3, ps = level > 1 && !pointer && one_in(level > 3 ? 80 : 8);
    bool large = ps && level <= 3 && (r.form != TWO_LEVELS || r.s->cr4 & CR4_PSE);
    uint64_t e = random_target(level, large) | (one_in(level > 1 ? 60 : 12) ? 0 : PTE_P) | (ps ? PTE_PS : 0);
    if (pointer)
        return e | (one_in(60) ? odd_bits(false) : 0);
    e |= (one_in(level > 1 ? 20 : 4) ? 0 : PTE_W) | (one_in(level > 1 ? 12 : 4) ? 0 : PTE_U) | (one_in(3) ? PTE_G : 0) | (one_in(8) ? PTE_A : 0) |
         (one_in(8) ? PTE_D : 0);
    if (r.form == TWO_LEVELS)
        return (e | (one_in(40) ? odd_bits(large) : 0)) & UINT32_MAX;
    e |= (one_in(level > 1 ? 30 : 5) ? PTE_NX : 0) | (one_in(40) ? odd_bits(large) : 0);
    return is_long() && one_in(2) ? e | (uint64_t)below(3) << 59 : e;
}

static uint64_t get_entry(uint64_t at)
{
    uint64_t e = 0;
    memcpy(&e, r.shadow + at, entry_bytes());
    return e;
}

static void put_entry(uint64_t at, uint64_t e)
{
    memcpy(r.shadow + at, &e, entry_bytes());
    memcpy(r.world.ram.host + at, &e, entry_bytes());
}

static uint64_t random_place(unsigned *level)
{
    uint64_t va = r.address[below(r.addresses)];
    *level = 1 + below(levels());
    unsigned mask = r.form == PAE && *level == 3 ? 3 : (1 << index_bits()) - 1;
    unsigned index = va >> (PAGE_BITS + (*level - 1) * index_bits()) & mask;
    return table_at(*level, below(TABLES_A_LEVEL)) + index * entry_bytes();
}

// Does the new entry grant all that is held of the old one? (In PAE's pointers every bit is reserved.)
static bool grows(unsigned level, uint64_t old, uint64_t now)
{
    if (!(old & PTE_P) || old == now)
        return true;
    bool may_grow = r.form != PAE || level < 3;
    uint64_t gained = now & ~old, lost = old & ~now;
    return may_grow && !(gained & ~(uint64_t)PTE_W) && !(lost & ~PTE_NX);
}

// INVLPG for each page that led through the entry, at any place in it.
static void invalidate(uint64_t at, const struct model_answer *before)
{
    for (unsigned i = 0; i < r.addresses; i++)
        for (unsigned n = 0; n < before[i].depth; n++)
            if (before[i].entry[n] == at) {
                uint64_t within = BIT(before[i].page_bits) - 1;
                invlpg((r.address[i] & ~within) | (next_random() & within));
            }
}

static void change_entry(void)
{
    static struct model_answer before[ADDRESSES];
    unsigned level;
    uint64_t at = random_place(&level), old = get_entry(at), now = random_entry(level);
    if (one_in(3))
        now = old ^ (one_in(2) ? PTE_W : one_in(2) && entry_bytes() == 8 ? PTE_NX : PTE_P);
    for (unsigned i = 0; i < r.addresses; i++)
        before[i] = look(r.address[i]);
    put_entry(at, now);
    r.changes++;
    if (grows(level, old, now))
        r.silent++;
    else if (level > 1 && one_in(2))
        flush_everything();
    else
        invalidate(at, before);
}

static void start_run(uint64_t seed, bool has_1g_pages)
{
    r.seed = seed;
    r.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    r.form = below(FORMS);
    r.has_1g_pages = has_1g_pages;
    world_state(&r.world, r.s, 0);
    bool wide = is_long();
    r.s->seg[X86_CS].attr = wide ? 0xa09b : 0xc09b;
    r.s->efer = (one_in(4) ? 0 : EFER_NXE) | (wide ? EFER_LME | EFER_LMA : 0);
    r.s->cr4 = (r.form == TWO_LEVELS ? (one_in(4) ? 0 : CR4_PSE) : CR4_PAE) | (r.form == FIVE_LEVELS ? CR4_LA57 : 0);
    r.s->cr3 = table_at(levels(), 0);
    r.s->pkru = 0;
    r.world.vcpu[0]->ops->put_state(r.world.vcpu[0]);
    for (unsigned i = 0; i < FRAMES * PAGE_BYTES; i += 8)
        *world_word(&r.world, i) = next_random();
    memset(r.world.ram.host + TABLES_AT, 0, TABLE_PAGES * PAGE_BYTES);
    memcpy(r.shadow, r.world.ram.host, RAM_BYTES);
    make_addresses();
    r.near = r.address[0];
    for (unsigned level, i = 0; i < 200; i++) {
        uint64_t at = random_place(&level);
        put_entry(at, random_entry(level) | PTE_P);
    }
}

static bool run_seed(uint64_t seed, bool has_1g_pages)
{
    start_run(seed, has_1g_pages);
    for (unsigned i = 0; i < STEPS; i++) {
        mem_quiescent();
        if (one_in(50))
            change_control();
        else if (one_in(12))
            change_entry();
        if (!access_once())
            return false;
    }
    return true;
}

static unsigned run_until(time_t end, uint64_t *seed, bool has_1g_pages, unsigned *passed)
{
    unsigned failed = 0;
    memset(&r.world, 0, sizeof r.world);
    r.world.cpu = has_1g_pages ? "max,la57=on,pku=on,pcid=on" : "max,la57=on,pku=on,pcid=on,pdpe1gb=off";
    world_open(&r.world);
    r.v = jit_vcpu_of(r.world.vcpu[0]);
    r.s = &r.v->state;
    do {
        bool good = run_seed(*seed, has_1g_pages);
        *passed += good;
        failed += !good;
        ++*seed;
    } while (time(NULL) < end && failed < 5);
    world_close(&r.world);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned seconds = 5, passed = 0, failed = 0;
    uint64_t seed = 1;
    for (int i = 1; i + 1 < argc; i += 2)
        if (!strcmp(argv[i], "--seconds"))
            seconds = strtoul(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "--seed"))
            seed = strtoull(argv[i + 1], NULL, 0);
    time_t now = time(NULL);
    r.shadow = malloc(RAM_BYTES);
    world_need(r.shadow, "no memory");
    failed += run_until(now + seconds / 2, &seed, true, &passed);
    failed += run_until(now + seconds, &seed, false, &passed);
    printf("%llu accesses (%llu by the tables, %llu faults), %llu changes of tables, %llu of them without INVLPG\n",
           (unsigned long long)r.accesses, (unsigned long long)r.hits, (unsigned long long)r.faults,
           (unsigned long long)r.changes, (unsigned long long)r.silent);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
