// SPDX-License-Identifier: GPL-2.0-or-later
//
// Programs that try one form of instruction: registers drawn anew, the memory operand in every place that
// differs to a lookup, by every way to address it.
#include <Zydis/Mnemonic.h>

#include "tests/cpu/forms.h"
#include "tests/cpu/generate.h"

// Where memory operands lie. INTO: across the page's end into one that can only be read, or isn't there.
enum place { ALIGNED, ANYWHERE, CROSSING, INTO_CONSTANT, CONSTANT, INTO_ABSENT, ABSENT, NOT_CANONICAL, PLACES };
enum addressing { BY_BASE, BY_RSP, BY_R12, BY_R13, BY_RBP, BY_INDEX, BY_RIP, BY_BASE_32, BY_GS, ABSOLUTE, ADDRESSINGS };
enum { MEMORY_VARIANTS = 3 * PLACES, REGISTER_VARIANTS = 8, TRIES = 24 };

struct form_case {
    struct generator g;
    const struct form *form;
    enum place place;
    enum addressing addressing;
    uint64_t address;
    uint8_t reg, vvvv, rm, base, index, scale;
    bool keep_reg;           // it is part of the opcode
    int32_t displacement;
    uint8_t bytes[48];
    unsigned used;
    struct laid_out look;
};

static uint32_t below(struct form_case *c, uint32_t limit) { return random_below(&c->g.random, limit); }
static bool percent(struct form_case *c, unsigned n) { return random_percent(&c->g.random, n); }
static uint64_t *gpr(struct form_case *c, unsigned number) { return &c->g.program->start.gpr[number]; }

unsigned form_variants(const struct form *form)
{
    return form->memory_bytes ? MEMORY_VARIANTS : REGISTER_VARIANTS;
}

// --- where ---------------------------------------------------------------------------------------

static uint64_t before(struct form_case *c, uint64_t edge)
{
    unsigned size = c->form->memory_bytes;
    return edge - 1 - (size > 2 ? below(c, size - 1) : 0);
}

static uint64_t address_at(struct form_case *c, enum place place, bool high)
{
    uint64_t data = high ? HIGH_ADDRESS : DATA_ADDRESS, constant = data + DATA_PAGES * PROGRAM_PAGE;
    switch (place) {
    case ALIGNED: return data + below(c, DATA_PAGES * PROGRAM_PAGE / 64 - 1) * 64;
    case ANYWHERE: return data + below(c, DATA_PAGES * PROGRAM_PAGE - 64);
    case CROSSING: return before(c, data + (1 + below(c, DATA_PAGES - 1)) * PROGRAM_PAGE);
    case INTO_CONSTANT: return before(c, constant);
    case CONSTANT: return constant + below(c, PROGRAM_PAGE / 64 - 1) * 64;
    case INTO_ABSENT: return before(c, constant + PROGRAM_PAGE);
    case ABSENT: return constant + PROGRAM_PAGE + below(c, PROGRAM_PAGE / 64) * 64;
    default: return BIT(47) + below(c, PROGRAM_PAGE / 64) * 64;
    }
}

static bool is_low(enum addressing addressing)
{
    return addressing == BY_RIP || addressing == BY_BASE_32 || addressing == ABSOLUTE;
}

static void choose_place(struct form_case *c, unsigned variant)
{
    c->place = variant % PLACES;
    c->addressing = (variant + c->form->key) % ADDRESSINGS;
    if (c->place == NOT_CANONICAL && is_low(c->addressing))
        c->addressing = BY_BASE;
    c->address = address_at(c, c->place, !is_low(c->addressing) && percent(c, 30));
}

// --- the bytes -----------------------------------------------------------------------------------

static void put(struct form_case *c, uint8_t byte) { c->bytes[c->used++] = byte; }

static void put_number(struct form_case *c, uint64_t number, unsigned size_bytes)
{
    memcpy(c->bytes + c->used, &number, size_bytes);
    c->used += size_bytes;
}

static void put_opcode(struct form_case *c, unsigned base, unsigned index)
{
    const struct form *f = c->form;
    uint8_t high = c->reg >> 3 << 2 | index >> 3 << 1 | base >> 3;
    if (f->memory && c->addressing == BY_BASE_32)
        put(c, 0x67);
    if (f->memory && c->addressing == BY_GS)
        put(c, 0x65);
    for (unsigned i = 0; i < 3 && f->prefixes[i]; i++)
        put(c, f->prefixes[i]);
    if (f->vex) {
        put(c, 0xc4);
        put(c, (~high & 7) << 5 | f->map);
        put(c, f->vex_last | (~c->vvvv & 15) << 3);
    } else {
        if (f->rex || high || percent(c, 40))
            put(c, 0x40 | f->rex | high);
        if (f->map)
            put(c, 0x0f);
        if (f->map > 1)
            put(c, f->map == 2 ? 0x38 : 0x3a);
    }
    put(c, f->has_modrm || c->keep_reg ? f->opcode : (f->opcode & ~7) | (c->rm & 7));  // which may name a register
}

static void put_sib_operand(struct form_case *c)
{
    unsigned mod = c->displacement == 0 && (c->base & 7) != 5 ? 0 : c->displacement == (int8_t)c->displacement ? 1 : 2;
    bool sib = c->index != X86_RSP || (c->base & 7) == X86_RSP;
    put(c, mod << 6 | (c->reg & 7) << 3 | (sib ? 4 : c->base & 7));
    if (sib)
        put(c, c->scale << 6 | (c->index & 7) << 3 | (c->base & 7));
    if (mod)
        put_number(c, c->displacement, mod == 1 ? 1 : 4);
}

static void put_operand(struct form_case *c)
{
    if (!c->form->memory)
        put(c, 0xc0 | (c->reg & 7) << 3 | (c->rm & 7));
    else if (c->addressing == BY_RIP)
        put(c, (c->reg & 7) << 3 | 5), put_number(c, 0, 4);
    else if (c->addressing == ABSOLUTE)
        put(c, (c->reg & 7) << 3 | 4), put(c, 0x25), put_number(c, c->address, 4);
    else
        put_sib_operand(c);
}

static void lay_out(struct form_case *c)
{
    bool based = c->form->memory && c->addressing != BY_RIP && c->addressing != ABSOLUTE;
    c->used = 0;
    put_opcode(c, c->form->memory ? (based ? c->base : 0) : c->rm, based && c->index != X86_RSP ? c->index : 0);
    if (c->form->has_modrm)
        put_operand(c);
    put_number(c, random_u64(&c->g.random), 8);
}

static void choose_base(struct form_case *c)
{
    static const uint8_t fixed[] = {[BY_RSP] = X86_RSP, [BY_R12] = X86_R12, [BY_R13] = X86_R13, [BY_RBP] = X86_RBP};
    bool is_fixed = c->addressing >= BY_RSP && c->addressing <= BY_RBP;
    do
        c->base = is_fixed ? fixed[c->addressing] : below(c, X86_GPRS);
    while (!is_fixed && c->base == X86_RSP);
    c->index = X86_RSP;  // none
    c->scale = below(c, 4);
    while (c->addressing == BY_INDEX && (c->index == X86_RSP || c->index == c->base))
        c->index = below(c, X86_GPRS);
    static const int32_t displacements[] = {0, 8, -64, 127, 0x1234, -0x2345};
    c->displacement = displacements[below(c, ARRAY_SIZE(displacements))];
}

static void choose_registers(struct form_case *c, unsigned tries)
{
    c->keep_reg = tries > TRIES / 2;
    c->reg = c->keep_reg ? c->form->modrm >> 3 & 7 : below(c, 16);
    c->rm = tries > TRIES * 3 / 4 ? c->form->modrm & 7 : below(c, 16);
    c->vvvv = tries > 3 && tries % 4 ? 0 : below(c, 16);
    choose_base(c);
}

// Of some forms reg or R/M is part of the opcode, and others want no VVVV: so several are tried.
static bool choose_bytes(struct form_case *c)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        choose_registers(c, tries);
        lay_out(c);
        c->look = form_look(c->bytes);
        if (c->look.key != c->form->key && c->form->memory) {  // a gather: its index is a vector's
            c->index = c->index == X86_RSP ? 1 + below(c, 3) : c->index;
            lay_out(c);
            c->look = form_look(c->bytes);
        }
        if (c->look.key == c->form->key)
            return true;
    }
    return false;
}

// --- what registers hold -------------------------------------------------------------------------

// Indices near enough to stay within the window, mostly.
static void set_vector_index(struct form_case *c)
{
    uint8_t *area = c->g.program->start.xsave;
    for (unsigned i = 0; i < 8; i++) {
        uint32_t small = i % 2 && percent(c, 70) ? 0 : below(c, 64) - 8;
        memcpy((i < 4 ? area + 160 : area + XSAVE_YMM_AT) + 16 * c->index + 4 * (i % 4), &small, 4);
    }
}

static bool repeats(const struct form *form)
{
    return form->prefixes[0] == 0xf2 || form->prefixes[0] == 0xf3 || form->prefixes[1] == 0xf2 || form->prefixes[1] == 0xf3;
}

static bool tests_bits(const struct form *form)
{
    return form->mnemonic == ZYDIS_MNEMONIC_BT || form->mnemonic == ZYDIS_MNEMONIC_BTC ||
           form->mnemonic == ZYDIS_MNEMONIC_BTR || form->mnemonic == ZYDIS_MNEMONIC_BTS;
}

// Operands that the bytes don't name. One of two pointers is often a good one.
static void set_hidden_pointers(struct form_case *c)
{
    uint64_t other = percent(c, 50) ? c->address : address_at(c, percent(c, 50) ? ALIGNED : ANYWHERE, percent(c, 30));
    if (c->form->memory || !c->form->memory_bytes)
        return;
    bool swapped = percent(c, 50);
    *gpr(c, X86_RSI) = swapped ? other : c->address;
    *gpr(c, X86_RDI) = swapped ? c->address : other;
    *gpr(c, X86_RBX) = c->address - (*gpr(c, X86_RAX) & 0xff);
    *gpr(c, X86_RSP) = *gpr(c, X86_RBP) = c->address;
    if (c->form->mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU || c->form->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ||
        c->form->mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU)
        *gpr(c, X86_RDI) = c->address;
}

static void set_plain(struct form_case *c)
{
    if (percent(c, 50) || repeats(c->form))
        *gpr(c, X86_RCX) = below(c, 9);
    if (percent(c, 50))
        *gpr(c, X86_RDX) = 0;
    if (c->form->has_modrm && tests_bits(c->form) && percent(c, 80))
        *gpr(c, c->reg) = (int64_t)below(c, 2048) - 1024;
    if (c->form->mnemonic == ZYDIS_MNEMONIC_CLZERO)
        *gpr(c, X86_RAX) = c->address;
    if (c->form->mnemonic == ZYDIS_MNEMONIC_MOVDIR64B)
        *gpr(c, c->reg) = address_at(c, percent(c, 80) ? ALIGNED : c->place, false);
}

static void set_base(struct form_case *c)
{
    if (!c->form->memory || c->addressing == BY_RIP || c->addressing == ABSOLUTE)
        return;
    uint64_t base = c->address - c->displacement - (c->addressing == BY_GS ? GS_BASE : 0);
    if (c->look.vsib)
        set_vector_index(c);
    else if (c->index != X86_RSP) {
        *gpr(c, c->index) = below(c, 64);
        base -= *gpr(c, c->index) << c->scale;
    }
    *gpr(c, c->base) = base;
}

// --- the program ---------------------------------------------------------------------------------

static void fix_addresses(struct form_case *c, struct instruction *insn)
{
    if (c->form->memory && c->addressing == BY_RIP) {
        insn->fix_at = c->look.disp_at;
        insn->fix_bytes = 4;
        insn->target_address = c->address;
    } else if (!c->form->has_modrm && c->look.disp_bytes == 8) {
        memcpy(insn->bytes + c->look.disp_at, &c->address, 8);
    }
}

// The host's kernel can't return to a stack pointer that isn't canonical: an instruction loads it.
static void load_rsp(struct form_case *c)
{
    uint8_t mov_rsp[10] = {0x48, 0xbc};
    uint64_t *rsp = gpr(c, X86_RSP);
    if (*rsp < BIT(47))
        return;
    memcpy(mov_rsp + 2, rsp, 8);
    append(&c->g, mov_rsp, sizeof mov_rsp);
    *rsp = STACK_ADDRESS + PROGRAM_PAGE;
}

// Over an instruction that tells whether it was taken.
static void make_branch(struct form_case *c, struct instruction *insn)
{
    static const uint8_t lea_r8[] = {0x4d, 0x8d, 0x40, 0x01};
    insn->fix_at = c->look.imm_at;
    insn->fix_bytes = c->look.imm_bytes;
    insn->target = c->g.program->count + 1;
    append(&c->g, lea_r8, sizeof lea_r8);
}

bool form_make(struct program *program, const struct form *form, unsigned variant, uint64_t seed)
{
    struct form_case c = {.g = {.random = {seed ^ form->key ^ variant * UINT64_C(0x9e3779b97f4a7c15)}, .program = program},
                          .form = form};
    *program = (struct program){.image_seed = random_u64(&c.g.random)};
    random_start(&c.g);
    choose_place(&c, variant);
    if (!choose_bytes(&c))
        return false;
    set_hidden_pointers(&c);
    set_plain(&c);
    set_base(&c);
    load_rsp(&c);
    struct instruction *insn = append(&c.g, c.bytes, c.look.length);
    if (c.look.relative)
        make_branch(&c, insn);
    else
        fix_addresses(&c, insn);
    return true;
}
