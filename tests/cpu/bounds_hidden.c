// SPDX-License-Identifier: GPL-2.0-or-later
//
// What reaches memory without saying so in a ModRM byte, or by more than that says: the stack, strings, absolute
// addresses, XLAT, bit tests whose offset is a register, masked stores, gathers, cross-page pairs.
#include <cpuid.h>

#include "tests/cpu/bounds.h"

enum { XMM_AT = 160, YMM_AT = 576, SOURCE = 1, MASK = 2, MASK_YMM = 3 };

static void put_bytes(struct trial *t, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        trial_put(t, bytes[i]);
}
#define PUT(t, ...) put_bytes(t, (const uint8_t[]){__VA_ARGS__}, sizeof (const uint8_t[]){__VA_ARGS__})

static bool in_64(const struct trial *t) { return t->mode == BOUNDS_64; }
static unsigned word(const struct trial *t) { return in_64(t) ? 8 : t->mode == BOUNDS_32 ? 4 : 2; }
static uint64_t masked(const struct trial *t, uint64_t value) { return in_64(t) ? value : (uint32_t)value; }

// Beyond 4 GiB nothing is tried (bounds_forms.c); outside 64-bit code segments are flat here.
static bool fits(const struct trial *t, unsigned size_bytes)
{
    return in_64(t) || ((uint32_t)t->address + UINT64_C(1) * size_bytes <= UINT32_MAX && (uint32_t)t->address >= size_bytes);
}

static bool store(struct trial *t, uint64_t va, uint64_t value, unsigned size_bytes, bool stack)
{
    if (!model_may(t, va, size_bytes, true, stack))
        return false;
    model_put(t, va, &value, size_bytes);
    return true;
}

static bool load(struct trial *t, uint64_t va, uint64_t *value, unsigned size_bytes, bool stack)
{
    *value = 0;
    if (!model_may(t, va, size_bytes, false, stack))
        return false;
    model_get(t, va, value, size_bytes);
    return true;
}

// --- the stack --------------------------------------------------------------------------------

static void aim_stack(struct trial *t, int64_t before)
{
    trial_set(t, X86_RSP, masked(t, t->address + before));
}

static void moved(struct trial *t, int64_t bytes)
{
    trial_after(t, X86_RSP, t->state->gpr[X86_RSP] + bytes, in_64(t) ? 8 : 4);
}

static void push(struct trial *t, uint64_t value)
{
    aim_stack(t, word(t));
    if (store(t, t->address, value, word(t), true))
        moved(t, -(int64_t)word(t));
}

static void push_register(struct trial *t)
{
    PUT(t, 0x52);
    push(t, t->state->gpr[X86_RDX]);
}

static void push_immediate(struct trial *t)
{
    PUT(t, 0x6a, 0x85);
    push(t, (int64_t)-0x7b);
}

static void push_flags(struct trial *t)
{
    PUT(t, 0x9c);
    push(t, FL_FIXED);
}

// To the instruction behind it.
static void call(struct trial *t)
{
    PUT(t, 0xe8);
    trial_put_number(t, 0, t->mode == BOUNDS_16 ? 2 : 4);
    push(t, t->state->rip + t->code_bytes);
}

static void pop_register(struct trial *t)
{
    uint64_t value;
    PUT(t, 0x5a);
    aim_stack(t, 0);
    if (!load(t, t->address, &value, word(t), true))
        return;
    trial_after(t, X86_RDX, value, word(t));
    moved(t, word(t));
}

static void leave(struct trial *t)
{
    uint64_t value;
    PUT(t, 0xc9);
    trial_set(t, X86_RBP, masked(t, t->address));
    if (!load(t, t->address, &value, word(t), true))
        return;
    trial_after(t, X86_RSP, t->state->gpr[X86_RBP] + word(t), in_64(t) ? 8 : 4);
    trial_after(t, X86_RBP, value, word(t));
}

static void enter(struct trial *t)
{
    PUT(t, 0xc8, 0, 0, 0);
    aim_stack(t, word(t));
    if (!store(t, t->address, t->state->gpr[X86_RBP], word(t), true))
        return;
    moved(t, -(int64_t)word(t));
    trial_after(t, X86_RBP, t->address, word(t));
}

// Where nobody answers it would return to the last address: that isn't tried.
static void ret(struct trial *t)
{
    uint64_t value;
    PUT(t, 0xc3);
    aim_stack(t, 0);
    if (!load(t, t->address, &value, word(t), true))
        return;
    if ((uint64_t)((int64_t)(value << 16) >> 16) == value)
        t->code_bytes = 0;
    else
        model_fault(t, EX_GP, 0, 0);
}

// push [m]: of two operands, the one that is read comes first.
static void push_memory(struct trial *t)
{
    uint64_t value;
    PUT(t, 0xff, 0x36);
    trial_set(t, X86_RSI, masked(t, t->other));
    aim_stack(t, word(t));
    if (load(t, masked(t, t->other), &value, word(t), false) && store(t, t->address, value, word(t), true))
        moved(t, -(int64_t)word(t));
}

static void pop_memory(struct trial *t)
{
    uint64_t value;
    PUT(t, 0x8f, 0x06);
    trial_set(t, X86_RSI, masked(t, t->other));
    aim_stack(t, 0);
    if (load(t, t->address, &value, word(t), true) && store(t, masked(t, t->other), value, word(t), false))
        moved(t, word(t));
}

// --- strings ----------------------------------------------------------------------------------

enum { MOVS = 0xa4, CMPS = 0xa6, STOS = 0xaa, LODS = 0xac, SCAS = 0xae };

static bool string_element(struct trial *t, unsigned opcode, unsigned size)
{
    uint64_t value = t->gpr[X86_RAX], old, si = t->gpr[X86_RSI], di = t->gpr[X86_RDI];
    bool from = opcode == MOVS || opcode == CMPS || opcode == LODS, to = opcode == MOVS || opcode == STOS;
    if (from && !load(t, si, &value, size, false))
        return false;
    if (to && !store(t, di, value, size, false))
        return false;
    if ((opcode == CMPS || opcode == SCAS) && !load(t, di, &old, size, false))
        return false;
    if (opcode == LODS)
        trial_after(t, X86_RAX, value, size);
    return true;
}

static void string_move(struct trial *t, unsigned opcode, unsigned size)
{
    int64_t step = t->state->rflags & FL_DF ? -(int64_t)size : size;
    if (opcode != STOS && opcode != SCAS)
        t->gpr[X86_RSI] = masked(t, t->gpr[X86_RSI] + step);
    if (opcode != LODS)
        t->gpr[X86_RDI] = masked(t, t->gpr[X86_RDI] + step);
}

static bool near_end(const struct trial *t, uint64_t va) { return !in_64(t) && (va > 0xffff0000 || va < 0x10000); }

// Element by element: what was done before a fault stays. The comparisons don't repeat here.
static void string(struct trial *t, unsigned opcode, bool repeats)
{
    unsigned size = 1 << trial_below(t, in_64(t) ? 4 : 3), count = repeats ? trial_below(t, 70) : 1;
    if (repeats)
        PUT(t, 0xf3);
    if (size == 2 ? t->mode != BOUNDS_16 : size == 4 && t->mode == BOUNDS_16)
        PUT(t, 0x66);
    if (t->mode == BOUNDS_16)
        PUT(t, 0x67);
    if (size == 8)
        PUT(t, 0x48);
    trial_put(t, opcode | (size > 1));
    trial_set(t, X86_RSI, masked(t, t->address));
    trial_set(t, X86_RDI, masked(t, t->other));
    if (repeats)
        trial_set(t, X86_RCX, count);
    t->state->rflags |= trial_below(t, 2) ? FL_DF : 0;
    if (near_end(t, t->state->gpr[X86_RSI]) || near_end(t, t->state->gpr[X86_RDI]))
        t->code_bytes = 0;
    for (; count && string_element(t, opcode, size); count--) {
        string_move(t, opcode, size);
        if (repeats)
            t->gpr[X86_RCX]--;
    }
}

static void movs(struct trial *t) { string(t, MOVS, false); }
static void cmps(struct trial *t) { string(t, CMPS, false); }
static void stos(struct trial *t) { string(t, STOS, false); }
static void lods(struct trial *t) { string(t, LODS, false); }
static void scas(struct trial *t) { string(t, SCAS, false); }
static void rep_movs(struct trial *t) { string(t, MOVS, true); }
static void rep_stos(struct trial *t) { string(t, STOS, true); }
static void rep_lods(struct trial *t) { string(t, LODS, true); }

// --- others -----------------------------------------------------------------------------------

// With 67, an address of 32 bits, which no longer leads to where it was aimed.
static void absolute(struct trial *t)
{
    unsigned size = 1 << trial_below(t, in_64(t) ? 4 : 3);
    bool narrow = in_64(t) && trial_below(t, 4) == 0, write = trial_below(t, 2);
    uint64_t value, at = narrow || !in_64(t) ? (uint32_t)t->address : t->address;
    if (narrow || t->mode == BOUNDS_16)
        PUT(t, 0x67);
    if (size == 2 ? t->mode != BOUNDS_16 : size == 4 && t->mode == BOUNDS_16)
        PUT(t, 0x66);
    if (size == 8)
        PUT(t, 0x48);
    trial_put(t, 0xa0 | write << 1 | (size > 1));
    trial_put_number(t, at, narrow || !in_64(t) ? 4 : 8);
    if (write)
        store(t, at, t->state->gpr[X86_RAX], size, false);
    else if (load(t, at, &value, size, false))
        trial_after(t, X86_RAX, value, size);
}

static void xlat(struct trial *t)
{
    uint64_t value;
    PUT(t, 0xd7);
    trial_set(t, X86_RBX, masked(t, t->address - (t->state->gpr[X86_RAX] & 0xff)));
    if (t->mode == BOUNDS_16 || near_end(t, masked(t, t->address)))
        t->code_bytes = 0;
    else if (load(t, masked(t, t->address), &value, 1, false))
        trial_after(t, X86_RAX, value, 1);
}

// bt, bts, btr and btc [rsi], rcx: the offset is signed, and reaches anywhere (SDM volume 2, 3.1.1.9).
static void bit_test(struct trial *t)
{
    enum { BT, BTS, BTR, BTC };
    unsigned kind = trial_below(t, 4), size = in_64(t) && trial_below(t, 2) ? 8 : 4, bits = 8 * size;
    int64_t offset = size == 8 ? (int64_t)trial_random(t) : (int32_t)trial_random(t);
    uint64_t value, bit = BIT((uint64_t)offset % bits), words = offset >> (size == 8 ? 6 : 5);
    if (kind != BT && trial_below(t, 2))
        PUT(t, 0xf0);
    if (size == 8)
        PUT(t, 0x48);
    PUT(t, 0x0f, 0xa3 | kind << 3, 0x0e);
    trial_set(t, X86_RCX, masked(t, offset));
    trial_set(t, X86_RSI, masked(t, t->address - words * size));
    if (t->mode == BOUNDS_16 || near_end(t, masked(t, t->address)))
        t->code_bytes = 0;
    else if (kind == BT)
        load(t, masked(t, t->address), &value, size, false);
    else if (model_may(t, masked(t, t->address), size, true, false)) {
        model_get(t, masked(t, t->address), &value, size);
        value = kind == BTS ? value | bit : kind == BTR ? value & ~bit : value ^ bit;
        model_put(t, masked(t, t->address), &value, size);
    }
}

static void set_mask(struct trial *t, unsigned reg, unsigned element_bytes)
{
    for (unsigned i = 0; i < 32; i += element_bytes) {
        uint8_t *at = t->state->xsave + (i < 16 ? XMM_AT : YMM_AT - 16) + 16 * reg + i;
        at[element_bytes - 1] = trial_random(t);
    }
    memcpy(t->xsave, t->state->xsave, X86_XSAVE_BYTES);
}

static const uint8_t *vector_at(const struct trial *t, unsigned reg, unsigned i)
{
    return t->state->xsave + (i < 16 ? XMM_AT : YMM_AT - 16) + 16 * reg + i;
}

// All of it must be reachable, whatever the mask says (as on AMD's CPUs).
static void maskmovdqu(struct trial *t)
{
    PUT(t, 0x66, 0x0f, 0xf7, 0xca);  // xmm1, xmm2
    trial_set(t, X86_RDI, t->address);
    set_mask(t, MASK, 1);
    if (!model_may(t, t->address, 8, true, false) || !model_may(t, t->address + 8, 8, true, false))
        return;
    for (unsigned i = 0; i < 16; i++)
        if (*vector_at(t, MASK, i) & 0x80)
            model_put(t, t->address + i, vector_at(t, SOURCE, i), 1);
}

// Only elements that the mask names are reached.
static void vpmaskmovd_store(struct trial *t)
{
    PUT(t, 0xc4, 0xe2, 0x6d, 0x8e, 0x0e);  // [rsi], ymm2, ymm1
    trial_set(t, X86_RSI, t->address);
    set_mask(t, MASK, 4);
    for (unsigned i = 0; i < 32; i += 4)
        if (*vector_at(t, MASK, i + 3) & 0x80 && !model_may(t, t->address + i, 4, true, false))
            return;
    for (unsigned i = 0; i < 32; i += 4)
        if (*vector_at(t, MASK, i + 3) & 0x80)
            model_put(t, t->address + i, vector_at(t, SOURCE, i), 4);
}

static void vpmaskmovq_load(struct trial *t)
{
    uint8_t zero[8] = {0};
    PUT(t, 0xc4, 0xe2, 0xed, 0x8c, 0x0e);  // ymm1, ymm2, [rsi]
    trial_set(t, X86_RSI, t->address);
    set_mask(t, MASK, 8);
    for (unsigned i = 0; i < 32; i += 8)
        if (*vector_at(t, MASK, i + 7) & 0x80 && !model_may(t, t->address + i, 8, false, false))
            return;
    for (unsigned i = 0; i < 32; i += 8) {
        uint8_t *to = t->xsave + (vector_at(t, SOURCE, i) - t->state->xsave);
        memcpy(to, zero, 8);
        if (*vector_at(t, MASK, i + 7) & 0x80)
            model_get(t, t->address + i, to, 8);
    }
}

// vpgatherqq ymm1, [rsi + ymm2], ymm3: each element from an address of its own; what was loaded before a fault stays.
static void vpgatherqq(struct trial *t)
{
    const uint64_t targets[] = {t->address, t->other, t->address + 8, t->other - 8};
    PUT(t, 0xc4, 0xe2, 0xe5, 0x91, 0x0c, 0x16);
    trial_set(t, X86_RSI, trial_random(t));
    for (unsigned i = 0; i < 4; i++) {
        uint64_t index = targets[i] - t->state->gpr[X86_RSI];
        memcpy((uint8_t *)vector_at(t, MASK, 8 * i), &index, 8);
    }
    set_mask(t, MASK_YMM, 8);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *to = t->xsave + (vector_at(t, SOURCE, 8 * i) - t->state->xsave);
        uint8_t *mask = t->xsave + (vector_at(t, MASK_YMM, 8 * i) - t->state->xsave);
        if (mask[7] & 0x80) {
            if (!model_may(t, targets[i], 8, false, false))
                return;
            model_get(t, targets[i], to, 8);
        }
        memset(mask, 0, 8);
    }
}

// The line that RAX is in.
static void clzero(struct trial *t)
{
    static const uint8_t zeros[64];
    PUT(t, 0x0f, 0x01, 0xfc);
    trial_set(t, X86_RAX, t->address);
    if (model_may(t, t->address & ~UINT64_C(63), sizeof zeros, true, false))
        model_put(t, t->address & ~UINT64_C(63), zeros, sizeof zeros);
}

// movdir64b rdi, [rsi]
static void movdir64b(struct trial *t)
{
    uint8_t line[64];
    PUT(t, 0x66, 0x0f, 0x38, 0xf8, 0x3e);
    trial_set(t, X86_RDI, t->address & ~UINT64_C(63));
    trial_set(t, X86_RSI, t->other);
    if (!model_may(t, t->other, sizeof line, false, false))
        return;
    model_get(t, t->other, line, sizeof line);
    if (model_may(t, t->address & ~UINT64_C(63), sizeof line, true, false))
        model_put(t, t->address & ~UINT64_C(63), line, sizeof line);
}

static bool exists(const char *name)
{
    uint32_t a, b = 0, c = 0, d;
    if (!strcmp(name, "movdir64b"))
        return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c >> 28 & 1;
    return true;
}

// --- all of them --------------------------------------------------------------------------------

static const struct { const char *name; void (*make)(struct trial *t); bool wide; } hidden[] = {
    {"push r", push_register, false}, {"push imm", push_immediate, false}, {"pushf", push_flags, false}, {"call", call, false},
    {"pop r", pop_register, false}, {"leave", leave, false}, {"enter", enter, false}, {"ret", ret, true},
    {"push m", push_memory, true}, {"pop m", pop_memory, true},
    {"movs", movs, false}, {"cmps", cmps, false}, {"stos", stos, false}, {"lods", lods, false}, {"scas", scas, false},
    {"rep movs", rep_movs, false}, {"rep stos", rep_stos, false}, {"rep lods", rep_lods, false},
    {"mov moffs", absolute, false}, {"xlat", xlat, false}, {"bt m,r", bit_test, false}, {"maskmovdqu", maskmovdqu, true},
    {"vpmaskmovd", vpmaskmovd_store, true}, {"vpmaskmovq", vpmaskmovq_load, true}, {"vpgatherqq", vpgatherqq, true}, {"clzero", clzero, true},
    {"movdir64b", movdir64b, true},
};
const unsigned hidden_count = ARRAY_SIZE(hidden);

// False too where it was aimed at something that isn't tried.
bool hidden_make(struct trial *t, unsigned number)
{
    if (!exists(hidden[number].name) || (!in_64(t) && (hidden[number].wide || !t->flat || !fits(t, 1 << 12))))
        return false;
    t->address = masked(t, t->address);
    snprintf(t->name, sizeof t->name, "%s", hidden[number].name);
    hidden[number].make(t);
    return t->code_bytes;
}
