// SPDX-License-Identifier: GPL-2.0-or-later
//
// Guest code reaches guest RAM and nothing else: every form of memory operand that the translator or the emulator has,
// in 64-, 32- and 16-bit code at level 0 and 3, aimed at the ends of pages, of RAM, of a device and of ROM, at both
// ends of the address space and around the hole in its middle, and at the host's own addresses: of RAM, the lookup
// tables, the vCPU's struct, both mappings of the code cache, the C stack. Each either faults as a CPU would or touches
// exactly the bytes of RAM that a model says. Each runs twice, with its page looked up anew and known already; the
// second time, nothing of the engine's memory may change besides the vCPU's state.
//
// bounds [--count N] [--seed N] [--one 1]: --one is the mode of one instruction a block. Ends with `N passed, N failed`.
#include "tests/cpu/bounds.h"

enum { FAILURES_MAX = 20, JUMPS_PARTS = 32 };

struct bench {
    struct world w;
    struct jit_vcpu *v;
    struct x86_state begin, state;
    uint8_t pristine[BOUNDS_RAM], model[BOUNDS_RAM], xsave[X86_XSAVE_BYTES];
    uint64_t seed, number;
    unsigned failed;
    uint64_t passed, skipped, vectors[256];
};

// --- a trial's parts ----------------------------------------------------------------------------

uint64_t trial_random(struct trial *t)
{
    uint64_t z = t->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void trial_put(struct trial *t, uint8_t byte) { t->code[t->code_bytes++] = byte; }

void trial_put_number(struct trial *t, uint64_t number, unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++)
        trial_put(t, number >> 8 * i);
}

void trial_set(struct trial *t, unsigned reg, uint64_t value) { t->state->gpr[reg] = t->gpr[reg] = value; }

void trial_after(struct trial *t, unsigned reg, uint64_t value, unsigned size_bytes)
{
    uint64_t mask = size_mask(size_bytes);
    t->gpr[reg] = size_bytes == 4 ? value & mask : (t->gpr[reg] & ~mask) | (value & mask);
}

// --- where it is aimed --------------------------------------------------------------------------

static uint64_t host_address(struct bench *b, struct trial *t)
{
    const struct code *c = b->v->jit->code;
    uint8_t here;
    const void *places[] = {
        b->v, &b->v->state.gpr[trial_below(t, X86_GPRS)], &b->v->tlb[trial_below(t, JIT_CONTEXTS)][trial_below(t, TLB_ENTRIES)],
        &b->v->jumps[JIT_USER][trial_below(t, JUMP_ENTRIES)], &b->v->pages[1], &b->v->fetch[0][0], b->v->jit, b->v->jit->ram_pages,
        c, c->writable, c->executable, c->hot.at, c->executable + (c->cold.at - c->writable), c->blocks, c->hash,
        b->w.ram.host, b->w.ram.host + BOUNDS_RAM, b->w.ram.host - WORLD_CANARY, &here, b->v + 1,
    };
    uint64_t at = (uint64_t)places[trial_below(t, ARRAY_SIZE(places))];
    // As it is; or what would lead there, added to where RAM is.
    return trial_below(t, 2) ? at : at - (uint64_t)b->w.ram.host;
}

static uint64_t any_address(struct bench *b, struct trial *t)
{
    static const uint16_t pages[] = {0, 0x0f, 0x10, 0x11, 0x1f, 0x21, 0x22, 0x23, 0x25, 0x27, 0x29, 0x2a, 0x30, 0x7d, 0x7e, 0x7f, 0x7f, 0x7f,
                                     0x80, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x1fd, 0x1fe, 0x1ff, 0x1ff};
    static const int16_t offsets[] = {0, 1, 8, 16, 64, 2040, -1, -2, -3, -4, -5, -7, -8, -9, -10, -15, -16, -17, -24, -31, -32, -33, -48, -64, -108, -512};
    static const uint64_t halves[] = {0, 0, 0, UINT64_C(0x7fffffe00000), UINT64_C(0xffff800000000000), UINT64_C(0xffffffffffe00000), 0xffe00000,
                                      UINT64_C(0x7f0000000000)};
    static const uint64_t odd[] = {UINT64_C(0x800000000000), UINT64_C(0xffff800000000000), UINT64_C(0x8000000000000000), UINT64_C(0xffff000000000000),
                                   UINT64_C(0x0001000000000000), UINT64_C(0x100000000), 0, UINT64_C(0x7fffffffffffffff)};
    uint64_t offset = (int64_t)offsets[trial_below(t, ARRAY_SIZE(offsets))];
    switch (trial_below(t, 8)) {
    case 0: return host_address(b, t) + (trial_below(t, 2) ? 0 : offset);
    case 1: return odd[trial_below(t, ARRAY_SIZE(odd))] + offset;
    case 2: return trial_random(t) >> trial_below(t, 64);
    default:
        return halves[trial_below(t, ARRAY_SIZE(halves))] + ((uint64_t)pages[trial_below(t, ARRAY_SIZE(pages))] << PAGE_BITS) + offset;
    }
}

// --- making it ----------------------------------------------------------------------------------

static void make_segments(struct trial *t)
{
    struct x86_state *s = t->state;
    uint16_t dpl = t->cpl << SEG_DPL_SHIFT, code = t->mode == BOUNDS_32 ? 0xc09b : 0x809b;
    if (t->mode == BOUNDS_64) {
        s->seg[X86_FS].base = trial_below(t, 2) ? UINT64_C(0xffffffff12345678) : UINT64_C(0x7fff00000fff);
        s->seg[X86_GS].base = trial_below(t, 2) ? UINT64_C(0xffff888012340001) : 1;
        return;
    }
    s->seg[X86_CS] = (struct x86_segment){0, UINT32_MAX, t->cpl ? 0x23 : 0x08, code | dpl};
    if (t->mode == BOUNDS_16) {
        s->seg[X86_CS].base = BOUNDS_CODE;
        s->rip = 0;
    }
    for (unsigned i = 0; i < X86_GPRS; i++)
        trial_set(t, i, i < 8 ? (uint32_t)s->gpr[i] : 0);
}

static void make_registers(struct bench *b, struct trial *t)
{
    *t->state = b->begin;
    world_state(&b->w, t->state, t->cpl);
    for (unsigned i = 0; i < X86_GPRS; i++)
        trial_set(t, i, trial_random(t));
    make_segments(t);
    memcpy(t->xsave, t->state->xsave, X86_XSAVE_BYTES);
}

static bool make_trial(struct bench *b, struct trial *t)
{
    unsigned n = b->number / (2 * BOUNDS_MODES), explicit = forms_count(b->number % BOUNDS_MODES);
    memcpy(b->model, b->pristine, BOUNDS_RAM);
    *t = (struct trial){.mode = b->number % BOUNDS_MODES, .cpl = b->number / BOUNDS_MODES % 2 ? 3 : 0,
                        .random = b->seed + b->number * 1000, .vector = -1, .state = &b->state, .ram = b->model, .xsave = b->xsave};
    t->flat = trial_below(t, 3) == 0;
    make_registers(b, t);
    t->address = any_address(b, t);
    t->other = any_address(b, t);
    // As many of the hidden ones as of the others.
    t->flat |= n & 1;
    bool made = n & 1 ? hidden_make(t, n / 2 % hidden_count) : forms_make(t, n / 2 % explicit);
    return made;
}

// What changes the tests' own code or stack proves nothing.
static bool is_clear(struct trial *t)
{
    uint64_t at[] = {t->address, t->other, t->loose_at};
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
        for (int64_t around = -1024; around <= 1024; around += 1024)
            if (model_is_reserved(t, at[i] + around))
                return false;
    return true;
}

// --- running it ---------------------------------------------------------------------------------

// Four at a time, since each waits for the one before.
static uint64_t hash(uint64_t so_far, const void *at, size_t bytes)
{
    const uint64_t *words = at, prime = UINT64_C(0x100000001b3);
    uint64_t h[4] = {so_far, 1, 2, 3};
    size_t n = bytes / 8, i = 0;
    for (; i + 4 <= n; i += 4)
        for (unsigned k = 0; k < 4; k++)
            h[k] = (h[k] ^ words[i + k]) * prime;
    for (; i < n; i++)
        h[0] = (h[0] ^ words[i]) * prime;
    return ((h[0] * prime ^ h[1]) * prime ^ h[2]) * prime ^ h[3];
}

// Everything that the engine has besides the vCPU's state and counters: generated code and its tables, what is known
// of pages, C's own memory; and of where jumps go a part, another each time.
static uint64_t engine_hash(const struct bench *b)
{
    const struct code *c = b->v->jit->code;
    uint64_t h = hash(1, c->hot.start, c->hot.at - c->hot.start);
    h = hash(h, c->cold.start, c->cold.at - c->cold.start);
    h = hash(h, c->blocks, c->block_count * sizeof *c->blocks);
    h = hash(h, c->links, c->link_count * sizeof *c->links);
    h = hash(h, c->insns, c->insn_count * sizeof *c->insns);
    h = hash(h, c->pages, c->page_count * sizeof *c->pages);
    h = hash(h, b->v->pages, c->page_count * sizeof *b->v->pages);
    h = hash(h, &b->v->jumps[b->number % JIT_CONTEXTS][b->number % JUMPS_PARTS * (JUMP_ENTRIES / JUMPS_PARTS)],
             JUMP_ENTRIES / JUMPS_PARTS * sizeof(struct jump_entry));
    h = hash(h, b->v->jit->ram_pages, (BOUNDS_RAM >> PAGE_BITS) * sizeof *b->v->jit->ram_pages);
    return hash(h, b->v->jit, sizeof *b->v->jit);
}

static int run(struct bench *b)
{
    memcpy(b->w.ram.host, b->pristine, BOUNDS_RAM);
    *b->w.s = b->state;
    b->w.accesses = 0;
    return world_run(&b->w);
}

static void wrote_code(struct bench *b)
{
    mem_wrote(b->w.memory, b->w.ram.host + BOUNDS_CODE, sizeof ((struct trial *)0)->code);
}

static void place_code(struct bench *b, struct trial *t)
{
    static const uint8_t end[] = {0xcd, BOUNDS_DONE};
    memset(b->pristine + BOUNDS_CODE, 0xf4, sizeof t->code);
    memcpy(b->pristine + BOUNDS_CODE, t->code, t->code_bytes);
    memcpy(b->pristine + BOUNDS_CODE + t->code_bytes, end, sizeof end);
    memcpy(b->model + BOUNDS_CODE, b->pristine + BOUNDS_CODE, sizeof t->code);
    memcpy(b->w.ram.host, b->pristine, BOUNDS_RAM);
    wrote_code(b);
}

// --- judging it ---------------------------------------------------------------------------------

static bool has_code(int vector) { return vector == EX_PF || vector == EX_GP || vector == EX_SS; }

// What the exception pushed: -1 its error code, 0 RIP, 3 RSP.
static uint64_t frame_word(const struct bench *b, int which)
{
    uint64_t value;
    memcpy(&value, b->w.ram.host + WORLD_IST_TOP - 40 + 8 * which, 8);
    return value;
}

static const char *wrong_registers(const struct bench *b, const struct trial *t, int vector)
{
    uint64_t rip = t->state->rip + (vector == BOUNDS_DONE ? t->code_bytes + 2 : 0);
    for (unsigned i = 0; i < X86_GPRS; i++) {
        uint64_t found = i == X86_RSP ? frame_word(b, 3) : b->w.s->gpr[i];
        if (found != t->gpr[i] && !(t->ignored & 1 << i))
            return "a register";
    }
    if (frame_word(b, 0) != rip)
        return "RIP";
    if (memcmp(b->w.s->xsave + 160, t->xsave + 160, 256) || memcmp(b->w.s->xsave + 576, t->xsave + 576, 256))
        return "a vector register";
    return NULL;
}

static const char *wrong_ram(const struct bench *b, const struct trial *t)
{
    const uint8_t *found = b->w.ram.host;
    if (!world_canaries_live(&b->w))
        return "memory around RAM";
    if (memcmp(found, t->ram, BOUNDS_STACK) || memcmp(found + WORLD_IST_TOP, t->ram + WORLD_IST_TOP, BOUNDS_RAM - WORLD_IST_TOP))
        return "RAM";
    return NULL;
}

static const char *wrong(const struct bench *b, const struct trial *t, int vector)
{
    if (vector != (t->vector < 0 ? BOUNDS_DONE : t->vector) && !(t->or_stack && vector == EX_SS))
        return "the exception";
    if (has_code(vector) && frame_word(b, -1) != t->error)
        return "the error code";
    if (vector == EX_PF && b->w.s->cr2 != t->cr2)
        return "CR2";
    const char *what = wrong_registers(b, t, vector);
    return what ? what : wrong_ram(b, t);
}

static bool reaches(struct trial *t, uint64_t va, unsigned size_bytes)
{
    t->vector = -1;
    return model_may(t, va, size_bytes, true, false);
}

// An area: what it may write becomes what was found there, so that everything else is compared.
static const char *wrong_area(const struct bench *b, struct trial *t, int vector)
{
    uint32_t at;
    bool all = reaches(t, t->loose_at, t->loose_bytes), least = reaches(t, t->loose_at + t->loose_least, 1);
    if (vector == BOUNDS_DONE ? !least : all)
        return "that it ended well";
    uint64_t distance = b->w.s->cr2 - t->loose_at;
    if (vector == EX_PF && ((t->mode == BOUNDS_64 ? distance : (uint32_t)distance) >= t->loose_bytes || reaches(t, b->w.s->cr2, 1)))
        return "CR2";
    if (vector != BOUNDS_DONE && vector != EX_PF && vector != EX_GP && vector != EX_SS)
        return "the exception";
    for (unsigned i = 0; i < t->loose_bytes; i++)
        if (model_is_ram(t, t->loose_at + i, &at))
            t->ram[at] = b->w.ram.host[at];
    return wrong_ram(b, t);
}

static void tell(struct bench *b, const struct trial *t, int vector, const char *what, unsigned turn)
{
    static const char *modes[] = {"64-bit", "32-bit", "16-bit"};
    printf("--seed %llu --only %llu: %s, %s, level %u, at 0x%llx and 0x%llx: %s is wrong in run %u: vector %d, expected %d; CR2 0x%llx, expected 0x%llx\n   ",
           (unsigned long long)b->seed, (unsigned long long)b->number, t->name, modes[t->mode], t->cpl, (unsigned long long)t->address,
           (unsigned long long)t->other, what, turn + 1, vector, t->vector, (unsigned long long)b->w.s->cr2, (unsigned long long)t->cr2);
    for (unsigned i = 0; i < t->code_bytes; i++)
        printf(" %02x", t->code[i]);
    printf("\n");
    for (unsigned i = 0; i < X86_GPRS; i++)
        if (i != X86_RSP && b->w.s->gpr[i] != t->gpr[i])
            printf("    register %u: 0x%llx, expected 0x%llx\n", i, (unsigned long long)b->w.s->gpr[i], (unsigned long long)t->gpr[i]);
}

// In the second run nothing is new to the engine: so none of its memory changes, unless it emptied its cache meanwhile.
static bool run_trial(struct bench *b, struct trial *t)
{
    const char *what = NULL;
    int vector = -1;
    unsigned turn = 0;
    place_code(b, t);
    uint64_t emptied = b->v->jit->code->emptied;
    for (; turn < 2 && !what; turn++) {
        uint64_t before = turn ? engine_hash(b) : 0;
        vector = run(b);
        what = t->loose_bytes ? wrong_area(b, t, vector) : wrong(b, t, vector);
        if (!what && turn && emptied == b->v->jit->code->emptied && engine_hash(b) != before)
            what = "the engine's memory";
    }
    b->vectors[vector & 255]++;
    if (what)
        tell(b, t, vector, what, turn - 1);
    return !what;
}

static void run_number(struct bench *b)
{
    struct trial t;
    if (!make_trial(b, &t) || !is_clear(&t))
        b->skipped++;
    else if (run_trial(b, &t))
        b->passed++;
    else
        b->failed++;
}

// --- all of it ----------------------------------------------------------------------------------

static void make_vectors(struct x86_state *s)
{
    static const uint8_t one[10] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f};
    static const uint16_t fcw = 0x37f, fsw = 7 << 11;
    static const uint32_t mxcsr = 0x1f80;
    for (unsigned i = 160; i < 832; i++)
        s->xsave[i] = i < 416 || i >= 576 ? i * 13 + 5 : 0;
    memcpy(s->xsave, &fcw, 2);
    memcpy(s->xsave + 2, &fsw, 2);
    s->xsave[4] = 0x80;
    memcpy(s->xsave + 24, &mxcsr, 4);
    memcpy(s->xsave + 32, one, sizeof one);
    memset(s->xsave + 512, 0, 64);
    s->xsave[512] = XCR0_X87 | XCR0_SSE | XCR0_AVX;
}

// Above the tables RAM holds bytes that make no canonical address, and no host's.
static void bench_open(struct bench *b, bool one)
{
    b->w = (struct world){.ram_bytes = BOUNDS_RAM, .one = one, .manual_clock = true, .cache_bytes = 2 << 20};
    world_open(&b->w);
    b->v = jit_vcpu_of(b->w.vcpu[0]);
    b->w.answer = UINT64_MAX;
    model_tables(&b->w);
    for (unsigned i = 0x10000; i < BOUNDS_RAM; i++)
        b->w.ram.host[i] = 0x80 | i * 7 | i >> 12;
    make_vectors(b->w.s);
    memcpy(b->pristine, b->w.ram.host, BOUNDS_RAM);
    b->begin = *b->w.s;
    b->w.vcpu[0]->ops->put_state(b->w.vcpu[0]);
}

static void run_all(struct bench *b, uint64_t count)
{
    for (b->number = 0; b->number < count && b->failed < FAILURES_MAX; b->number++) {
        run_number(b);
        mem_quiescent();
    }
    printf("%llu ended well, %llu #PF, %llu #GP, %llu #SS; %llu tries led nowhere\n", (unsigned long long)b->vectors[BOUNDS_DONE],
           (unsigned long long)b->vectors[EX_PF], (unsigned long long)b->vectors[EX_GP], (unsigned long long)b->vectors[EX_SS],
           (unsigned long long)b->skipped);
}

int main(int argc, char **argv)
{
    static struct bench b;
    uint64_t count = 100000, only = UINT64_MAX, one = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t *option = !strcmp(argv[i], "--seed") ? &b.seed : !strcmp(argv[i], "--only") ? &only :
                           !strcmp(argv[i], "--one") ? &one : &count;
        *option = strtoull(argv[i + 1], NULL, 0);
    }
    bench_open(&b, one);
    if (only != UINT64_MAX) {
        b.number = only;
        run_number(&b);
    } else {
        run_all(&b, count);
    }
    world_close(&b.w);
    bool seen = only != UINT64_MAX || (b.vectors[BOUNDS_DONE] && b.vectors[EX_PF] && b.vectors[EX_GP] && b.vectors[EX_SS]);
    printf("%llu passed, %u failed\n", (unsigned long long)b.passed, b.failed + !seen);
    return b.failed || !seen;
}
