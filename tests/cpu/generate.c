// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/generate.h"

#include <Zydis/Zydis.h>
#include <assert.h>

#include "tests/cpu/allow.h"

static ZydisDecoder decoder;

void generator_prepare(const struct x86_support *support)
{
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    allow_prepare(support);
}

static uint32_t below(struct generator *g, uint32_t limit) { return random_below(&g->random, limit); }
static bool percent(struct generator *g, unsigned n) { return random_percent(&g->random, n); }

void forget(struct generator *g, unsigned gpr)
{
    g->low[gpr] = g->high[gpr] = g->small[gpr] = false;
}

// Most are aligned and inside; many straddle a page, the read-only page behind the data, or its end.
uint64_t random_address(struct generator *g, bool low)
{
    uint64_t base = low ? DATA_ADDRESS : HIGH_ADDRESS;
    uint32_t page = below(g, DATA_PAGES) * PROGRAM_PAGE;
    switch (below(g, 16)) {
    case 0: case 1: case 2: return base + page + PROGRAM_PAGE - 1 - below(g, 64);
    case 3: return base + DATA_PAGES * PROGRAM_PAGE - 1 - below(g, 64);        // before the read-only page
    case 4: return base + (DATA_PAGES + 1) * PROGRAM_PAGE - 1 - below(g, 64);  // before nothing
    case 5: return base + below(g, 32);
    case 6: case 7: return base + page + below(g, PROGRAM_PAGE);
    default: return base + page + below(g, PROGRAM_PAGE / 64) * 64;
    }
}

static uint64_t boundary_value(struct generator *g)
{
    static const uint64_t values[] = {
        0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, UINT32_MAX, INT32_MAX, 0x80000000, 0x8000, 0x7f, 0x80,
        0xff, 0xffff, UINT64_C(0xffffffff80000000), UINT64_C(0x0000800000000000),
        UINT64_C(0x00007fffffffffff), UINT64_C(0xffff7fffffffffff),
    };
    return values[below(g, ARRAY_SIZE(values))];
}

static uint64_t start_value(struct generator *g, unsigned gpr)
{
    uint32_t kind = below(g, 100);
    forget(g, gpr);
    g->low[gpr] = kind < 35;
    g->high[gpr] = kind >= 35 && kind < 55;
    g->small[gpr] = kind >= 55 && kind < 75;
    if (kind < 55)
        return random_address(g, kind < 35);
    if (kind < 75)
        return below(g, 65);
    return kind < 88 ? random_u64(&g->random) : boundary_value(g);
}

static double random_double(struct generator *g)
{
    return (double)(int64_t)random_u64(&g->random) / (double)(UINT64_C(1) << below(g, 64));
}

// One 16-byte lane: numbers of the sizes that instructions take, small indices, and anything.
static void random_lane(struct generator *g, uint8_t *lane)
{
    uint64_t words[2] = {random_u64(&g->random), random_u64(&g->random)};
    double doubles[2] = {random_double(g), random_double(g)};
    float floats[4] = {doubles[0], doubles[1], 1.5f, random_double(g)};
    uint32_t indices[4] = {below(g, 64), below(g, 64), below(g, 64), below(g, 64)};
    const void *kinds[] = {words, doubles, floats, indices};
    memcpy(lane, kinds[below(g, 4)], 16);
    if (percent(g, 5))
        memset(lane, percent(g, 50) ? 0 : 0xff, 16);
}

static void random_x87(struct generator *g, uint8_t *area)
{
    uint16_t fcw = percent(g, 80) ? 0x037f : 0x0040 | (random_u64(&g->random) & 0x0f3f);
    uint16_t fsw = (random_u64(&g->random) & 0x4700) | below(g, 8) << 11;
    memcpy(area, &fcw, 2);
    memcpy(area + 2, &fsw, 2);
    area[4] = percent(g, 50) ? 0xff : random_u64(&g->random);  // FTW: a bit per valid register
    for (unsigned i = 0; i < 8; i++) {
        long double number = random_double(g);
        memcpy(area + 32 + 16 * i, &number, 10);
        if (percent(g, 15))
            random_lane(g, area + 32 + 16 * i);
        memset(area + 32 + 16 * i + 10, 0, 6);
    }
}

static void random_xsave(struct generator *g, uint8_t *area)
{
    enum { MXCSR_RESET = 0x1f80, MXCSR_ROUNDING = 0xe040 };
    uint32_t mxcsr = MXCSR_RESET | (percent(g, 30) ? random_u64(&g->random) & MXCSR_ROUNDING : 0);
    if (percent(g, 8))
        mxcsr = random_u64(&g->random) & 0xffff;
    uint64_t present = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    memset(area, 0, XSAVE_USED_BYTES);
    random_x87(g, area);
    memcpy(area + 24, &mxcsr, sizeof mxcsr);
    memcpy(area + XSAVE_HEADER_AT, &present, sizeof present);
    for (unsigned i = 0; i < 16; i++) {
        random_lane(g, area + 160 + 16 * i);
        random_lane(g, area + XSAVE_YMM_AT + 16 * i);
    }
}

static void random_registers(struct generator *g, struct registers *r)
{
    for (unsigned i = 0; i < X86_GPRS; i++)
        r->gpr[i] = start_value(g, i);
    forget(g, X86_RSP);
    r->gpr[X86_RSP] = STACK_ADDRESS + PROGRAM_PAGE + below(g, 256) * 8;
    if (percent(g, 5))
        r->gpr[X86_RSP] = STACK_ADDRESS + below(g, 2 * PROGRAM_PAGE);
    r->rflags = FL_FIXED | FL_IF | (random_u64(&g->random) & FL_ARITH) | (percent(g, 10) ? FL_DF : 0);
    random_xsave(g, r->xsave);
}

unsigned random_pointer(struct generator *g, bool low)
{
    for (unsigned tries = 0; tries < 32; tries++) {
        unsigned gpr = below(g, X86_GPRS);
        if (g->low[gpr] || (!low && g->high[gpr]))
            return gpr;
    }
    return X86_RSP;
}

struct instruction *append(struct generator *g, const void *bytes, unsigned length)
{
    assert(g->program->count < INSTRUCTIONS_MAX && length <= INSTRUCTION_BYTES);
    struct instruction *insn = &g->program->instructions[g->program->count++];
    *insn = (struct instruction){.length = length, .target = NO_INSTRUCTION};
    memcpy(insn->bytes, bytes, length);
    return insn;
}

// An instruction in the making.
struct draft {
    uint8_t bytes[48];
    unsigned used;
    uint8_t rex_at, vex_at;  // 0: none
    uint64_t rip_target;
    uint8_t disp_at;         // of a RIP-relative displacement; 0: none
    bool address32;
};

static void put(struct draft *d, uint8_t byte) { d->bytes[d->used++] = byte; }

static void put_number(struct draft *d, uint64_t number, unsigned size_bytes)
{
    memcpy(d->bytes + d->used, &number, size_bytes);
    d->used += size_bytes;
}

// The fourth bit of a register's number: in REX as it is, in VEX inverted. Without a prefix it is lost,
// and the operand becomes another register.
static void put_high_bit(struct draft *d, unsigned bit, unsigned gpr)
{
    uint8_t *rex = &d->bytes[d->rex_at], *vex = &d->bytes[d->vex_at];
    if (d->rex_at)
        *rex = (*rex & ~(1 << bit)) | (gpr >> 3) << bit;
    else if (d->vex_at)
        *vex = (*vex & ~(0x20 << bit)) | (gpr >> 3 ^ 1) << (5 + bit);
}

static unsigned random_small(struct generator *g)
{
    for (unsigned tries = 0; tries < 16; tries++) {
        unsigned gpr = below(g, X86_GPRS);
        if (g->small[gpr] && gpr != X86_RSP)
            return gpr;
    }
    return X86_RSP;  // as an index: none
}

static int32_t random_displacement(struct generator *g, unsigned size_bytes)
{
    int32_t near = percent(g, 50) ? (int32_t)below(g, 4) * 16 : (int32_t)below(g, 128) - 64;
    return size_bytes == 1 || percent(g, 90) ? near : (int32_t)below(g, 2 * PROGRAM_PAGE) - PROGRAM_PAGE;
}

static void put_based_operand(struct generator *g, struct draft *d, uint8_t reg)
{
    unsigned base = random_pointer(g, d->address32), index = random_small(g);
    bool sib = percent(g, 25) || (base & 7) == X86_RSP;
    unsigned mod = below(g, 3);
    if ((base & 7) == X86_RBP && mod == 0)
        mod = 1;
    put_high_bit(d, 0, base);
    put(d, mod << 6 | reg << 3 | (sib ? 4 : base & 7));
    if (sib) {
        put_high_bit(d, 1, index);
        put(d, below(g, 4) << 6 | (index & 7) << 3 | (base & 7));
    }
    if (mod)
        put_number(d, random_displacement(g, mod == 1 ? 1 : 4), mod == 1 ? 1 : 4);
}

static void put_absolute_operand(struct generator *g, struct draft *d, uint8_t reg)
{
    put(d, reg << 3 | 4);
    put(d, 0x25);  // SIB: no base, no index
    put_high_bit(d, 1, X86_RSP);
    put_number(d, random_address(g, true), 4);
}

static void put_rip_operand(struct generator *g, struct draft *d, uint8_t reg)
{
    put(d, reg << 3 | 5);
    d->disp_at = d->used;
    d->rip_target = random_address(g, true);
    put_number(d, 0, 4);
}

static void put_modrm(struct generator *g, struct draft *d)
{
    uint8_t reg = below(g, 8);
    uint32_t kind = below(g, 100);
    if (kind < 45)
        put(d, 0xc0 | reg << 3 | below(g, 8));
    else if (kind < 90)
        put_based_operand(g, d, reg);
    else if (kind < 95)
        put_absolute_operand(g, d, reg);
    else
        put_rip_operand(g, d, reg);
}

static void put_prefixes(struct generator *g, struct draft *d)
{
    static const struct { uint8_t byte, percent; } prefixes[] = {
        {0x66, 18}, {0xf3, 10}, {0xf2, 8}, {0xf0, 5}, {0x67, 4}, {0x65, 4}, {0x3e, 1}, {0x2e, 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (percent(g, prefixes[i].percent))
            put(d, prefixes[i].byte);
    d->address32 = memchr(d->bytes, 0x67, d->used);
}

static void put_legacy(struct generator *g, struct draft *d)
{
    static const uint8_t maps[][2] = {{0, 0}, {0x0f, 0}, {0x0f, 0x38}, {0x0f, 0x3a}};
    unsigned map = below(g, 100);
    map = map < 52 ? 0 : map < 84 ? 1 : map < 93 ? 2 : 3;
    put_prefixes(g, d);
    if (percent(g, 60)) {
        d->rex_at = d->used;
        put(d, 0x40 | below(g, 16));
        // Index 0 means "none": a REX that is the first byte gets a harmless prefix before it.
        if (!d->rex_at) {
            d->bytes[1] = d->bytes[0];
            d->bytes[0] = 0x3e;
            d->rex_at = 1;
            d->used = 2;
        }
    }
    for (unsigned i = 0; i < 2 && maps[map][i]; i++)
        put(d, maps[map][i]);
    bool x87 = map == 0 && percent(g, 12);
    put(d, x87 ? 0xd8 + below(g, 8) : below(g, 256));
}

static void put_vex(struct generator *g, struct draft *d)
{
    if (percent(g, 5))
        put(d, 0x65);
    put(d, 0xc4);
    d->vex_at = d->used;
    put(d, below(g, 8) << 5 | (1 + below(g, 3)));
    put(d, random_u64(&g->random));  // W, vvvv, L, pp
    put(d, below(g, 256));
}

static const ZydisDecodedOperand *memory_operand(const ZydisDecodedInstruction *insn,
                                                 const ZydisDecodedOperand *operands)
{
    for (unsigned i = 0; i < insn->operand_count; i++)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return &operands[i];
    return NULL;
}

static void note_writes(struct generator *g, const ZydisDecodedInstruction *insn,
                        const ZydisDecodedOperand *operands)
{
    for (unsigned i = 0; i < insn->operand_count; i++) {
        if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER ||
            !(operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        ZydisRegister whole =
            ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operands[i].reg.value);
        if (whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15)
            forget(g, whole - ZYDIS_REGISTER_RAX);
    }
}

// Absolute 64-bit addresses (A0 to A3) would be random otherwise.
static void aim_moffs(struct generator *g, const ZydisDecodedInstruction *insn, struct draft *d)
{
    if (insn->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || (insn->opcode & 0xfc) != 0xa0 ||
        insn->raw.disp.size != 64)
        return;
    uint64_t address = random_address(g, percent(g, 50));
    memcpy(d->bytes + insn->raw.disp.offset, &address, 8);
}

// Random words are mostly out of reach as indices; so most gathers are kept only if they won't fault.
static bool worth_keeping(struct generator *g, const ZydisDecodedInstruction *insn,
                          const ZydisDecodedOperand *operands)
{
    const ZydisDecodedOperand *memory = memory_operand(insn, operands);
    if (!memory || memory->mem.type != ZYDIS_MEMOP_TYPE_MEM)
        return true;
    ZydisRegister base = memory->mem.base;
    if (base < ZYDIS_REGISTER_RAX || base > ZYDIS_REGISTER_R15)
        return true;
    unsigned gpr = base - ZYDIS_REGISTER_RAX;
    bool reachable = g->low[gpr] || g->high[gpr] || gpr == X86_RSP;
    return reachable || percent(g, 10);
}

static bool try_random(struct generator *g)
{
    struct draft d = {0};
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (percent(g, 28))
        put_vex(g, &d);
    else
        put_legacy(g, &d);
    put_modrm(g, &d);
    put_number(&d, random_u64(&g->random), 8);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, d.bytes, INSTRUCTION_BYTES, &insn, operands)) ||
        !allowed(&insn, operands, g->x87_pointers) || !worth_keeping(g, &insn, operands))
        return false;
    aim_moffs(g, &insn, &d);
    struct instruction *out = append(g, d.bytes, insn.length);
    bool rip_relative = d.disp_at && insn.raw.disp.offset == d.disp_at && insn.raw.disp.size == 32;
    if (rip_relative) {
        out->fix_at = d.disp_at;
        out->fix_bytes = 4;
        out->target_address = d.rip_target;
    }
    note_writes(g, &insn, operands);
    return true;
}

bool append_random(struct generator *g)
{
    if (g->program->count == INSTRUCTIONS_MAX)
        return false;
    while (!try_random(g))
        ;
    return true;
}

void random_start(struct generator *g)
{
    random_registers(g, &g->program->start);
    g->program->code_offset =
        random_percent(&g->random, 30) ? PROGRAM_PAGE - below(g, 48) : below(g, 2 * PROGRAM_PAGE);
}

void generate(struct program *program, uint64_t seed, bool x87_pointers, bool supervisor)
{
    struct generator g = {.random = {seed}, .program = program, .x87_pointers = x87_pointers,
                          .supervisor = supervisor};
    *program = (struct program){.image_seed = seed ^ 0x5bd1e995};
    random_start(&g);
    enum { SNIPPET_ROOM = 12 };
    for (unsigned parts = 1 + below(&g, 6); parts && program->count < INSTRUCTIONS_MAX - SNIPPET_ROOM; parts--)
        if (percent(&g, 30))
            append_snippet(&g);
        else
            append_random(&g);
}
