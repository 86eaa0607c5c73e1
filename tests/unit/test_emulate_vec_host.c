// SPDX-License-Identifier: GPL-2.0-or-later
//
// Vector instructions as the emulator does them, against the host CPU: random ones, the same bytes with
// the same registers and memory.
#include <Zydis/Zydis.h>

#include "guest/cpu/jit/emu_vec.h"
#include "guest/cpu/jit/engine.h"
#include "guest/cpu/jit/isa.h"
#include "tests/unit/emulate_native.h"

enum { ORIGIN = 0x10000000, MIDDLE = ORIGIN + WORLD_BYTES / 2, WINDOW = 16 << 10, ROUNDS = 60000 };
#define TEST(name) static void name(void **unused)

// --- making instructions ---

static uint8_t *make_legacy(uint8_t *at)
{
    static const uint8_t prefixes[] = {0x66, 0xf2, 0xf3};
    if (chance(60))
        *at++ = prefixes[next_random() % 3];
    if (chance(5))
        *at++ = 0x67;
    if (chance(50))
        *at++ = 0x40 | (next_random() & 15);
    *at++ = 0x0f;
    unsigned map = next_random() % 4;
    if (map >= 2)
        *at++ = map == 2 ? 0x38 : 0x3a;
    *at++ = next_random();
    return at;
}

static uint8_t *make_vex(uint8_t *at)
{
    static const uint8_t sparse[] = {0x2c, 0x2d, 0x2e, 0x2f, 0x8c, 0x8e, 0x90, 0x91, 0x92, 0x93};
    unsigned map = 1 + next_random() % 3;
    if (chance(5))
        *at++ = 0x67;
    *at++ = 0xc4;
    *at++ = (next_random() & 0xe0) | map;
    *at++ = next_random();
    if (chance(50) && map != 2)
        at[-1] |= 0x78;
    *at++ = map == 2 && chance(40) ? sparse[next_random() % sizeof sparse] : next_random();
    return at;
}

static void make(uint8_t bytes[32])
{
    unsigned kind = next_random() % 8;
    uint8_t *at = bytes;
    if (kind < 3)
        at = make_legacy(at);
    else if (kind < 7)
        at = make_vex(at);
    else
        *at++ = 0xd8 | (next_random() & 7);
    while (at < bytes + 32)
        *at++ = next_random();
    if (chance(30))  // a short displacement
        memset(bytes + 7, chance(50) ? 0 : 0xff, 25);
}

static bool allowed[512];  // by instruction set: what the "max" model offers

// Not those that show the x87 pointers, which the guest never sees.
static bool comparable(const struct insn *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FRSTOR: return false;
    default: break;
    }
    return insn->vectors && allowed[insn->isa] && insn->base != INSN_RIP && insn->form != INSN_SKIP;
}

// --- choosing registers ---

static uint64_t pointer(void)
{
    uint64_t at = MIDDLE + next_random() % 4096 - 2048;
    return chance(50) ? at & ~UINT64_C(63) : at;
}

static bool is_gather(const struct insn *insn)
{
    return insn->isa == ZYDIS_ISA_SET_AVX2GATHER;
}

static void choose_registers(struct x86_state *s, const struct insn *insn)
{
    for (unsigned n = 0; n < X86_GPRS; n++)
        s->gpr[n] = next_random() >> (next_random() & 63);
    uint64_t target = pointer() - insn->disp;
    bool general = insn->index < X86_GPRS && !is_gather(insn);
    if (insn->base < X86_GPRS && insn->base != insn->index)
        s->gpr[insn->base] = target - (general ? s->gpr[insn->index] * insn->scale : 0);
    else if (general)
        s->gpr[insn->index] = target / (insn->scale + (insn->base == insn->index));
    if (is_gather(insn) && insn->base < X86_GPRS)
        s->gpr[insn->base] = target;
    if (insn->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ || insn->mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU ||
        insn->mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU)
        s->gpr[X86_RDI] = pointer();
    s->rflags = FL_FIXED | FL_IF | (next_random() & FL_ARITH);
}

static uint64_t element(void)
{
    static const uint64_t edges[] = {0, 0x3ff0000000000000, 0x7ff0000000000000, 0xfff8000000000000, 0x3f80000040000000,
                                     0x8000000080000000, 0x7f800000ffc00000, 1, 0x7fefffffffffffff, 0xbff8000000000000};
    return chance(30) ? edges[next_random() % ARRAY_SIZE(edges)] : next_random();
}

static void choose_x87(uint8_t *area)
{
    xs_put(area, XS_FCW, chance(70) ? 0x37f : 0x340 | (next_random() & 0xc3f), 2);
    xs_put(area, XS_FSW, next_random() & (chance(90) ? 0x7f00 : 0x7f7f), 2);
    area[XS_FTW] = next_random();
    for (unsigned n = 0; n < 8; n++) {
        xs_put(area, XS_ST + 16 * n, element() | (chance(90) ? UINT64_C(1) << 63 : 0), 8);
        xs_put(area, XS_ST + 16 * n + 8, chance(80) ? 0x3fff - 32 + next_random() % 64 : next_random(), 2);
    }
    uint16_t fsw = xs_get(area, XS_FSW, 2), pending = fsw & ~xs_get(area, XS_FCW, 2) & 0x3f;
    xs_put(area, XS_FSW, pending ? fsw | 0x8080 : fsw, 2);
}

// A gather's indices are small.
static void choose_index(uint8_t *area, unsigned reg, bool qwords)
{
    unsigned size = qwords ? 8 : 4;
    for (unsigned n = 0; n < 16 / size; n++) {
        xs_put(area, XS_XMM + 16 * reg + size * n, next_random() % 500 - 250, size);
        xs_put(area, XS_YMM_HIGH + 16 * reg + size * n, next_random() % 500 - 250, size);
    }
}

static void choose_vectors(uint8_t *area, const struct insn *insn)
{
    memset(area, 0, X86_XSAVE_BYTES);
    choose_x87(area);
    xs_put(area, XS_MXCSR, chance(80) ? 0x1f80 : (next_random() & 0xffff), 4);
    for (unsigned n = 0; n < 256; n += 8) {
        xs_put(area, XS_XMM + n, element(), 8);
        xs_put(area, XS_YMM_HIGH + n, element(), 8);
    }
    xs_put(area, XS_BV, 7, 8);
    if (is_gather(insn))
        choose_index(area, insn->index, insn->bytes[insn->opcode_at] & 1);
}

// --- comparing ---

enum { COMPARED_BYTES = XS_YMM_HIGH + 256 };

// What differs without meaning: where x87 was last, which components were in use.
static void forget(uint8_t *area)
{
    memset(area + XS_FOP, 0, XS_MXCSR - XS_FOP);
    memset(area + XS_MXCSR_MASK, 0, 4);
    memset(area + 416, 0, XS_EXTENDED - 416);
}

static void complain(const struct insn *insn, struct jit_vcpu *v, int raised, int vector)
{
    fprintf(stderr, "%s:", ZydisMnemonicGetString(insn->mnemonic));
    for (unsigned n = 0; n < insn->length; n++)
        fprintf(stderr, " %02x", insn->bytes[n]);
    fprintf(stderr, "\nraised %d, natively %d; flags %llx, natively %llx\n", raised, vector,
            (long long)v->state.rflags, (long long)context->registers.rflags);
    for (unsigned n = 0; n < COMPARED_BYTES; n++)
        if (v->vectors[n] != context->vectors[n])
            fprintf(stderr, "[%u]: %02x, natively %02x\n", n, v->vectors[n], context->vectors[n]);
}

static bool same(struct jit_vcpu *v)
{
    return !((v->state.rflags ^ context->registers.rflags) & FL_ARITH) &&
           !memcmp(v->state.gpr, context->registers.gpr, sizeof v->state.gpr) &&
           !memcmp(v->vectors, context->vectors, COMPARED_BYTES);
}

static bool compare(struct jit_vcpu *v, const struct insn *insn)
{
    static uint8_t before[WINDOW], after[WINDOW];
    uint8_t *window = (uint8_t *)(uintptr_t)(MIDDLE - WINDOW / 2);
    context->registers.rflags = v->state.rflags;
    memcpy(context->registers.gpr, v->state.gpr, sizeof v->state.gpr);
    memcpy(context->vectors, v->vectors, sizeof v->vectors);
    memcpy(before, window, WINDOW);
    uint64_t rsp = v->state.gpr[X86_RSP];
    int raised = world_run(v, insn->bytes, insn->length);
    if (raised == EX_PF)
        return true;  // not to be run natively: it might hit this program's own memory
    memcpy(after, window, WINDOW);
    memcpy(window, before, WINDOW);
    int vector = run_natively(insn->bytes, insn->length);
    if (vector >= 0)
        context->registers.gpr[X86_RSP] = rsp;  // the handler's
    forget(v->vectors);
    forget(context->vectors);
    bool equal = raised == vector && same(v) && !memcmp(after, window, WINDOW);
    if (!equal)
        complain(insn, v, raised, vector);
    return equal;
}

static struct jit_vcpu *window_world(void)
{
    struct jit_vcpu *v = emulated = world_create(ORIGIN);
    struct err err = {0};
    assert_int_equal(x86_model_parse(&v->model, "max", jit_support(), &err), 0);
    isa_allow(allowed, &v->model);
    world_tables_long_user(v);
    for (unsigned n = 0; n < WORLD_PAGES; n++) {
        uint64_t at = ORIGIN + ((uint64_t)n << PAGE_BITS);
        if (at < MIDDLE - WINDOW / 2 || at >= MIDDLE + WINDOW / 2)
            v->page[n] = PAGE_ABSENT;
    }
    for (unsigned n = 0; n < WORLD_BYTES; n += 8)
        world_put(v, ORIGIN + n, element(), 8);
    return v;
}

TEST(random_instructions_do_what_the_host_does)
{
    (void)unused;
    struct jit_vcpu *v = window_world();
    unsigned done = 0, failed = 0;
    catch_signals();
    for (unsigned round = 0; round < ROUNDS * 8 && done < ROUNDS && failed < 10; round++) {
        uint8_t bytes[32];
        struct insn insn;
        make(bytes);
        if (insn_decode(&insn, bytes, sizeof bytes, INSN_64) || !comparable(&insn))
            continue;
        choose_registers(&v->state, &insn);
        choose_vectors(v->vectors, &insn);
        done++;
        failed += !compare(v, &insn);
    }
    assert_int_equal(failed, 0);
    assert_true(done > ROUNDS / 4);
    world_destroy(v);
    emulated = NULL;
}

int main(void)
{
    if (!native_prepare())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_instructions_do_what_the_host_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
