// SPDX-License-Identifier: GPL-2.0-or-later
//
// Operations with an explicit memory operand, each with every way to name an address (SDM volume 2, 2.1 and 2.3).
#include "tests/cpu/bounds.h"

enum effect {
    READS, LOADS, LOADS_ZERO, LOADS_SIGN, LOADS_VECTOR, STORES, STORES_VALUE, STORES_VECTOR, STORES_HIGH, INVERTS, SWAPS,
    ADDS, COMPARES, COMPARES_16, SETS_BIT, NOTHING, SAVES,
};
enum { OPERAND = X86_RDX, VECTOR = 2, BIT_SET = 5 };

struct op {
    const char *name;
    uint8_t effect, size, opcode, map, reg, pp, imm, alignment;
    bool w, vex, l, lock, gpr;  // gpr: 66 says its size
    uint64_t value;             // STORES_VALUE
};
#define GPR_SIZES(text, effect_, byte_, word_, ...)                                                       \
    {text "b", effect_, 1, byte_, __VA_ARGS__}, {text "w", effect_, 2, word_, .gpr = true, __VA_ARGS__},          \
    {text "d", effect_, 4, word_, .gpr = true, __VA_ARGS__}, {text "q", effect_, 8, word_, .w = true, __VA_ARGS__}

static const struct op ops[] = {
    GPR_SIZES("mov r,m", LOADS, 0x8a, 0x8b, .reg = OPERAND), GPR_SIZES("mov m,r", STORES, 0x88, 0x89, .reg = OPERAND),
    GPR_SIZES("cmp m,r", READS, 0x38, 0x39, .reg = OPERAND), GPR_SIZES("not", INVERTS, 0xf6, 0xf7, .reg = 2),
    GPR_SIZES("lock not", INVERTS, 0xf6, 0xf7, .reg = 2, .lock = true),
    GPR_SIZES("xchg", SWAPS, 0x86, 0x87, .reg = OPERAND), GPR_SIZES("xadd", ADDS, 0xc0, 0xc1, .map = 1, .reg = OPERAND),
    GPR_SIZES("lock xadd", ADDS, 0xc0, 0xc1, .map = 1, .reg = OPERAND, .lock = true),
    GPR_SIZES("cmpxchg", COMPARES, 0xb0, 0xb1, .map = 1, .reg = OPERAND),
    GPR_SIZES("lock cmpxchg", COMPARES, 0xb0, 0xb1, .map = 1, .reg = OPERAND, .lock = true),
    {"mov m,imm", STORES_VALUE, 1, 0xc6, .imm = 1, .value = 0x5a},
    {"movzx r,m8", LOADS_ZERO, 1, 0xb6, .map = 1, .reg = OPERAND, .w = true},
    {"movzx r,m16", LOADS_ZERO, 2, 0xb7, .map = 1, .reg = OPERAND, .w = true},
    {"movsx r,m8", LOADS_SIGN, 1, 0xbe, .map = 1, .reg = OPERAND, .w = true},
    {"movsxd", LOADS_SIGN, 4, 0x63, .reg = OPERAND, .w = true},
    {"setz", STORES_VALUE, 1, 0x94, .map = 1},
    {"bt m,imm", READS, 4, 0xba, .map = 1, .reg = 4, .imm = 1, .gpr = true},
    {"bts m,imm", SETS_BIT, 4, 0xba, .map = 1, .reg = 5, .imm = 1, .gpr = true},
    {"lock bts m,imm", SETS_BIT, 4, 0xba, .map = 1, .reg = 5, .imm = 1, .gpr = true, .lock = true},
    {"lock cmpxchg16b", COMPARES_16, 16, 0xc7, .map = 1, .reg = 1, .w = true, .lock = true, .alignment = 16},
    {"movnti", STORES, 8, 0xc3, .map = 1, .reg = OPERAND, .w = true},
    {"clflush", READS, 1, 0xae, .map = 1, .reg = 7},
    {"prefetcht0", NOTHING, 1, 0x18, .map = 1, .reg = 1}, {"nop", NOTHING, 4, 0x1f, .map = 1},
    {"sldt", STORES_VALUE, 2, 0x00, .map = 1, .value = 0}, {"str", STORES_VALUE, 2, 0x00, .map = 1, .reg = 1, .value = WORLD_TR},
    {"verr", READS, 2, 0x00, .map = 1, .reg = 4},

    {"movups x,m", LOADS_VECTOR, 16, 0x10, .map = 1, .reg = VECTOR}, {"movups m,x", STORES_VECTOR, 16, 0x11, .map = 1, .reg = VECTOR},
    {"movaps x,m", LOADS_VECTOR, 16, 0x28, .map = 1, .reg = VECTOR, .alignment = 16},
    {"movaps m,x", STORES_VECTOR, 16, 0x29, .map = 1, .reg = VECTOR, .alignment = 16},
    {"movss x,m", LOADS_VECTOR, 4, 0x10, .map = 1, .reg = VECTOR, .pp = 0xf3},
    {"movsd m,x", STORES_VECTOR, 8, 0x11, .map = 1, .reg = VECTOR, .pp = 0xf2},
    {"movq x,m", LOADS_VECTOR, 8, 0x7e, .map = 1, .reg = VECTOR, .pp = 0xf3},
    {"movlps m,x", STORES_VECTOR, 8, 0x13, .map = 1, .reg = VECTOR},
    {"movntdq", STORES_VECTOR, 16, 0xe7, .map = 1, .reg = VECTOR, .pp = 0x66, .alignment = 16},
    {"lddqu", LOADS_VECTOR, 16, 0xf0, .map = 1, .reg = VECTOR, .pp = 0xf2},
    {"ucomisd x,m", READS, 8, 0x2e, .map = 1, .reg = VECTOR, .pp = 0x66},
    {"pcmpistri", READS, 16, 0x63, .map = 3, .reg = VECTOR, .pp = 0x66, .imm = 1},
    {"vmovdqu x,m", LOADS_VECTOR, 16, 0x6f, .map = 1, .reg = VECTOR, .pp = 0xf3, .vex = true},
    {"vmovdqu y,m", LOADS_VECTOR, 32, 0x6f, .map = 1, .reg = VECTOR, .pp = 0xf3, .vex = true, .l = true},
    {"vmovdqu m,y", STORES_VECTOR, 32, 0x7f, .map = 1, .reg = VECTOR, .pp = 0xf3, .vex = true, .l = true},
    {"vmovdqa y,m", LOADS_VECTOR, 32, 0x6f, .map = 1, .reg = VECTOR, .pp = 0x66, .vex = true, .l = true, .alignment = 32},
    {"vmovdqa m,y", STORES_VECTOR, 32, 0x7f, .map = 1, .reg = VECTOR, .pp = 0x66, .vex = true, .l = true, .alignment = 32},
    {"vmovntdq m,y", STORES_VECTOR, 32, 0xe7, .map = 1, .reg = VECTOR, .pp = 0x66, .vex = true, .l = true, .alignment = 32},
    {"vextracti128 m,y", STORES_HIGH, 16, 0x39, .map = 3, .reg = VECTOR, .pp = 0x66, .vex = true, .l = true, .imm = 1},
    {"fld m64", READS, 8, 0xdd, .reg = 0}, {"fld m80", READS, 10, 0xdb, .reg = 5}, {"fild m16", READS, 2, 0xdf, .reg = 0},
    {"fnstcw", STORES_VALUE, 2, 0xd9, .reg = 7, .value = 0x37f},
    {"fst m64", STORES_VALUE, 8, 0xdd, .reg = 2, .value = UINT64_C(0x3ff0000000000000)},
    {"fist m32", STORES_VALUE, 4, 0xdb, .reg = 2, .value = 1},
    {"stmxcsr", STORES_VALUE, 4, 0xae, .map = 1, .reg = 3, .value = 0x1f80},
    {"fxsave", SAVES, 0, 0xae, .map = 1, .reg = 0, .alignment = 16}, {"xsave", SAVES, 1, 0xae, .map = 1, .reg = 4, .alignment = 64},
    {"fnsave", SAVES, 2, 0xdd, .reg = 6}, {"fnstenv", SAVES, 3, 0xd9, .reg = 6},
};
static const uint16_t area_bytes[] = {512, 576, 108, 28}, area_bytes_16[] = {512, 576, 94, 14};
enum { XSAVE_NUMBER = 1, XSAVE_BYTES = 832, XSAVE_HEADER = 512 };

enum { NONE = INSN_NO_REG };
struct form {
    uint8_t base, index, scale, disp_bytes, prefix;
    bool narrow, rip, absolute;
    int32_t disp;
};
static const struct form forms_64[] = {
    {X86_RAX, NONE, 1, .disp = 0}, {X86_RSP, NONE, 1, .disp = 0}, {X86_RBP, NONE, 1, 1, .disp = 0}, {X86_R12, NONE, 1, .disp = 0}, {X86_R13, NONE, 1, 1, .disp = 127},
    {X86_RSI, NONE, 1, 1, .disp = -128}, {X86_RDI, NONE, 1, 4, .disp = 0x7ffffff0}, {X86_R11, X86_RCX, 1, .disp = 0}, {X86_R15, X86_R14, 2, 1, .disp = 5},
    {X86_RBX, X86_R13, 4, 4, .disp = INT32_MIN}, {X86_RSP, X86_RCX, 8, 1, .disp = 16}, {NONE, X86_RCX, 8, 4, .disp = -64},
    {.base = NONE, .index = NONE, .rip = true}, {.base = NONE, .index = NONE, .absolute = true},
    {X86_R8, NONE, 1, .prefix = 0x64}, {X86_RBP, X86_RCX, 4, 4, 0x65, .disp = 0x1234567},
    {X86_RAX, NONE, 1, .narrow = true}, {X86_RBX, X86_R9, 2, 4, .narrow = true, .disp = -4}, {X86_R10, NONE, 1, 1, 0x65, .narrow = true, .disp = 64},
};
static const struct form forms_32[] = {
    {X86_RAX, NONE, 1, .disp = 0}, {X86_RSP, NONE, 1, .disp = 0}, {X86_RBP, NONE, 1, 1, .disp = 0}, {X86_RSI, NONE, 1, 1, .disp = -128}, {X86_RDI, NONE, 1, 4, .disp = 0x7ffffff0},
    {X86_RBX, X86_RCX, 1, .disp = 0}, {X86_RBP, X86_RCX, 4, 4, .disp = INT32_MIN}, {NONE, X86_RCX, 8, 4, .disp = -64}, {.base = NONE, .index = NONE, .absolute = true},
    {X86_RAX, NONE, 1, .prefix = 0x64}, {X86_RBX, X86_RSI, 2, 1, 0x65, .disp = 1}, {X86_RCX, NONE, 1, .prefix = 0x26}, {X86_RCX, NONE, 1, .prefix = 0x36},
    {X86_RBX, X86_RSI, 1, .narrow = true}, {X86_RBP, X86_RDI, 1, 1, .narrow = true, .disp = -1}, {X86_RSI, NONE, 1, 4, .narrow = true, .disp = 0x7ff0},
};
static const struct form *const forms[] = {forms_64, forms_32, forms_32};
static const uint8_t counts[] = {ARRAY_SIZE(forms_64), ARRAY_SIZE(forms_32), ARRAY_SIZE(forms_32)};

unsigned forms_count(enum bounds_mode mode) { return counts[mode] * ARRAY_SIZE(ops); }

static unsigned address_bytes(const struct trial *t, const struct form *f)
{
    if (t->mode == BOUNDS_64)
        return f->narrow ? 4 : 8;
    return (t->mode == BOUNDS_16) != f->narrow ? 2 : 4;
}

static unsigned segment_of(const struct form *f)
{
    switch (f->prefix) {
    case 0x64: return X86_FS;
    case 0x65: return X86_GS;
    case 0x26: return X86_ES;
    case 0x36: return X86_SS;
    default: return f->base == X86_RSP || f->base == X86_RBP ? X86_SS : X86_DS;
    }
}

// --- encoding ---------------------------------------------------------------------------------

static void put_vex(struct trial *t, const struct op *o, unsigned base, unsigned index)
{
    unsigned pp = o->pp == 0x66 ? 1 : o->pp == 0xf3 ? 2 : o->pp == 0xf2 ? 3 : 0;
    trial_put(t, 0xc4);
    trial_put(t, 0x80 | (index & 8 ? 0 : 0x40) | (base & 8 ? 0 : 0x20) | o->map);
    trial_put(t, 0x78 | o->l << 2 | pp);
}

static void put_opcode(struct trial *t, const struct op *o, const struct form *f)
{
    unsigned base = f->base == NONE ? 0 : f->base, index = f->index == NONE ? 0 : f->index;
    uint8_t rex = 0x40 | o->w << 3 | (index & 8) >> 2 | base >> 3;
    if (o->vex) {
        put_vex(t, o, base, index);
    } else {
        if (o->gpr && (t->mode == BOUNDS_16) == (o->size == 4))
            trial_put(t, 0x66);
        if (o->pp)
            trial_put(t, o->pp);
        if (t->mode == BOUNDS_64 && (rex != 0x40 || o->size == 1))
            trial_put(t, rex);
        if (o->map)
            trial_put(t, 0x0f);
        if (o->map > 1)
            trial_put(t, o->map == 2 ? 0x38 : 0x3a);
    }
    trial_put(t, o->opcode);
}

// The forms with two bytes of address know BX, BP, SI and DI.
static void put_modrm_16(struct trial *t, unsigned reg, const struct form *f)
{
    unsigned rm = f->base == NONE ? 6 : f->index == NONE ? (f->base == X86_RSI ? 4 : f->base == X86_RDI ? 5 : f->base == X86_RBP ? 6 : 7)
                                      : (f->base == X86_RBP ? 2 : 0) | (f->index == X86_RDI);
    unsigned mod = f->base == NONE ? 0 : f->disp_bytes == 1 ? 1 : f->disp_bytes ? 2 : 0;
    trial_put(t, mod << 6 | reg << 3 | rm);
    trial_put_number(t, f->disp, f->base == NONE || mod == 2 ? 2 : mod);
}

static void put_modrm(struct trial *t, unsigned reg, const struct form *f)
{
    unsigned scale = f->scale == 8 ? 3 : f->scale == 4 ? 2 : f->scale == 2 ? 1 : 0;
    bool sib = !f->rip && (f->base == NONE || f->index != NONE || (f->base & 7) == X86_RSP);
    unsigned mod = f->base == NONE ? 0 : f->disp_bytes == 1 ? 1 : f->disp_bytes ? 2 : 0;
    trial_put(t, mod << 6 | reg << 3 | (sib ? 4 : f->rip ? 5 : f->base & 7));
    if (sib)
        trial_put(t, scale << 6 | (f->index == NONE ? 4 : f->index & 7) << 3 | (f->base == NONE ? 5 : f->base & 7));
    trial_put_number(t, f->disp, f->base == NONE ? 4 : f->disp_bytes);
}

static void encode(struct trial *t, const struct op *o, const struct form *f, unsigned address)
{
    if (o->lock)
        trial_put(t, 0xf0);
    if (f->prefix)
        trial_put(t, f->prefix);
    if (f->narrow)
        trial_put(t, 0x67);
    put_opcode(t, o, f);
    if (address == 2)
        put_modrm_16(t, o->reg, f);
    else
        put_modrm(t, o->reg, f);
    if (o->imm)
        trial_put(t, o->effect == STORES_VALUE ? o->value : o->effect == STORES_HIGH ? 1 : BIT_SET);
}

// --- aiming -----------------------------------------------------------------------------------

// A segment, outside 64-bit code, such that the offset leads to the address: without a limit, or with one that just
// allows the access, or just doesn't.
static uint64_t aim_segment(struct trial *t, unsigned segment, unsigned address, unsigned size)
{
    static const uint32_t edges[] = {0, 1, 0x10, 0xff0, 0x7ffe, 0xfff0, 0xfffc, 0xffff};
    struct x86_segment *s = &t->state->seg[segment];
    uint64_t offset = trial_below(t, 3) ? edges[trial_below(t, ARRAY_SIZE(edges))] : trial_random(t) & size_mask(address);
    uint32_t limits[] = {UINT32_MAX, offset + size - 1, offset + size - 2, 0xffff};
    if (t->flat)
        return (uint32_t)t->address;
    s->base = (uint32_t)(t->address - offset);
    s->limit = limits[trial_below(t, ARRAY_SIZE(limits))];
    return offset;
}

// Upper halves that an address of fewer bytes ignores hold anything.
static void set_part(struct trial *t, unsigned reg, uint64_t value, unsigned address)
{
    uint64_t mask = size_mask(address);
    trial_set(t, reg, ((value & mask) | (trial_random(t) & ~mask)) & size_mask(t->mode == BOUNDS_64 ? 8 : 4));
}

static void set_address_registers(struct trial *t, const struct form *f, uint64_t offset, unsigned address)
{
    uint64_t index = trial_random(t) & size_mask(address);
    if (f->base == NONE && f->index != NONE)
        index = (offset - f->disp) / f->scale;
    if (f->index != NONE)
        set_part(t, f->index, index, address);
    if (f->base != NONE)
        set_part(t, f->base, offset - f->disp - (f->index == NONE ? 0 : t->state->gpr[f->index] * f->scale), address);
}

static uint64_t offset_of(const struct trial *t, const struct form *f, unsigned address)
{
    uint64_t offset = (int64_t)f->disp;
    if (f->rip)
        offset += BOUNDS_CODE + t->code_bytes;
    if (f->base != NONE)
        offset += t->state->gpr[f->base];
    if (f->index != NONE)
        offset += t->state->gpr[f->index] * f->scale;
    return offset & size_mask(address);
}

// False: beyond the segment's limit.
static bool linear(struct trial *t, const struct form *f, uint64_t offset, unsigned size, uint64_t *va)
{
    unsigned segment = segment_of(f);
    const struct x86_segment *s = &t->state->seg[segment];
    if (t->mode == BOUNDS_64) {
        *va = offset + (segment == X86_FS || segment == X86_GS ? s->base : 0);
        return true;
    }
    *va = (uint32_t)(s->base + offset);
    if (offset + size - 1 <= s->limit)
        return true;
    model_fault(t, segment == X86_SS ? EX_SS : EX_GP, 0, 0);
    return false;
}

// --- what it does ------------------------------------------------------------------------------

static void load_vector(struct trial *t, const struct op *o, const uint8_t *bytes)
{
    uint8_t whole[32] = {0}, *xmm = t->xsave + 160 + 16 * VECTOR, *high = t->xsave + 576 + 16 * VECTOR;
    memcpy(whole, bytes, o->size);
    memcpy(xmm, whole, 16);
    if (o->vex)
        memcpy(high, whole + 16, 16);
}

static void take_vector(struct trial *t, const struct op *o, uint8_t *bytes)
{
    const uint8_t *xmm = t->xsave + 160 + 16 * VECTOR, *high = t->xsave + 576 + 16 * VECTOR;
    memcpy(bytes, o->effect == STORES_HIGH ? high : xmm, 16);
    memcpy(bytes + 16, high, 16);
}

static uint64_t sign_extended(uint64_t value, unsigned size) { return (int64_t)(value << (64 - 8 * size)) >> (64 - 8 * size); }

// Registers from the operand; what is left in `bytes` is stored.
static void apply(struct trial *t, const struct op *o, uint8_t bytes[32])
{
    uint64_t old, value = t->state->gpr[OPERAND];
    memcpy(&old, bytes, 8);
    old &= o->size < 8 ? size_mask(o->size) : UINT64_MAX;
    switch (o->effect) {
    case LOADS: trial_after(t, OPERAND, old, o->size); break;
    case LOADS_ZERO: trial_after(t, OPERAND, old, 8); break;
    case LOADS_SIGN: trial_after(t, OPERAND, sign_extended(old, o->size), 8); break;
    case LOADS_VECTOR: load_vector(t, o, bytes); break;
    case STORES: memcpy(bytes, &value, 8); break;
    case STORES_VALUE: memcpy(bytes, &o->value, 8); break;
    case STORES_VECTOR:
    case STORES_HIGH: take_vector(t, o, bytes); break;
    case INVERTS: old = ~old; memcpy(bytes, &old, 8); break;
    case SWAPS: trial_after(t, OPERAND, old, o->size); memcpy(bytes, &value, 8); break;
    case ADDS: value += old; trial_after(t, OPERAND, old, o->size); memcpy(bytes, &value, 8); break;
    case COMPARES:
        if (((t->state->gpr[X86_RAX] ^ old) & size_mask(o->size)) == 0)
            memcpy(bytes, &value, 8);
        else
            trial_after(t, X86_RAX, old, o->size);
        break;
    case COMPARES_16:
        memcpy(&t->gpr[X86_RAX], bytes, 8);
        memcpy(&t->gpr[X86_RDX], bytes + 8, 8);
        break;
    case SETS_BIT: bytes[0] |= 1 << BIT_SET; break;
    default: break;
    }
    if (o->map == 3)
        t->ignored |= 1 << X86_RCX;  // PCMPISTRI's result
}

static unsigned bytes_of(const struct trial *t, const struct op *o)
{
    if (o->effect != SAVES)
        return o->size;
    return (t->mode == BOUNDS_16 ? area_bytes_16 : area_bytes)[o->size];
}

static bool is_write(const struct op *o)
{
    return o->effect != READS && o->effect != LOADS && o->effect != LOADS_ZERO && o->effect != LOADS_SIGN && o->effect != LOADS_VECTOR;
}

static void act(struct trial *t, const struct op *o, const struct form *f, unsigned address)
{
    uint8_t bytes[32];
    uint64_t va;
    unsigned size = bytes_of(t, o);
    bool stack = segment_of(f) == X86_SS;
    if (o->effect == NOTHING || !linear(t, f, offset_of(t, f, address), size, &va))
        return;
    if (o->alignment && va & (o->alignment - 1u)) {
        model_fault(t, EX_GP, 0, 0);
        t->or_stack = o->effect == SAVES && stack;
        return;
    }
    if (o->effect == SAVES) {
        t->loose_at = va;
        t->loose_bytes = o->size == XSAVE_NUMBER ? XSAVE_BYTES : size;
        t->loose_least = o->size == XSAVE_NUMBER ? XSAVE_HEADER : 0;
        return;
    }
    if (!model_may(t, va, size, is_write(o), stack))
        return;
    model_get(t, va, bytes, size);
    apply(t, o, bytes);
    if (is_write(o))
        model_put(t, va, bytes, size);
}

// Near the end of the flat 4 GiB, CPUs differ: what wraps there isn't tried.
static bool wraps_flat(const struct trial *t, uint64_t offset, unsigned size)
{
    return t->mode != BOUNDS_64 && t->flat && offset + size - 1 > UINT32_MAX;
}

// Two bytes of address: BX or BP, SI or DI, or one of both.
static bool exists_in_16(const struct form *f)
{
    bool index = f->index == X86_RSI || f->index == X86_RDI;
    if (f->index != NONE)
        return index && f->scale == 1 && (f->base == X86_RBX || f->base == X86_RBP);
    return f->base == NONE || f->base == X86_RSI || f->base == X86_RDI || f->base == X86_RBX || (f->base == X86_RBP && f->disp_bytes);
}

static bool exists(const struct trial *t, const struct op *o, const struct form *f)
{
    return t->mode == BOUNDS_64 || (!o->w && (address_bytes(t, f) == 4 || exists_in_16(f)));
}

bool forms_make(struct trial *t, unsigned number)
{
    const struct op *o = &ops[number % ARRAY_SIZE(ops)];
    struct form f = forms[t->mode][number / ARRAY_SIZE(ops)];
    unsigned address = address_bytes(t, &f), segment = segment_of(&f);
    if (!exists(t, o, &f))
        return false;
    snprintf(t->name, sizeof t->name, "%s, form %zu", o->name, number / ARRAY_SIZE(ops));
    uint64_t offset = t->mode == BOUNDS_64 ? t->address - (segment == X86_FS || segment == X86_GS ? t->state->seg[segment].base : 0)
                                           : aim_segment(t, segment, address, bytes_of(t, o));
    set_address_registers(t, &f, offset, address);
    if (f.absolute)
        f.disp = address == 2 ? (int16_t)offset : (int32_t)offset;
    encode(t, o, &f, address);
    if (f.rip) {
        f.disp = offset - (BOUNDS_CODE + t->code_bytes);
        t->code_bytes = 0;
        encode(t, o, &f, address);
    }
    if (wraps_flat(t, offset_of(t, &f, address), bytes_of(t, o)))
        return false;
    act(t, o, &f, address);
    return true;
}
