// SPDX-License-Identifier: GPL-2.0-or-later
//
// The emulator against the host CPU: random instructions are emulated, then the same bytes run
// natively with the same registers and memory; registers, flags and memory must be the same, the
// flags that manuals call undefined too. The guest's memory lies at its own address in the host.
#include <Zydis/Zydis.h>

#include "tests/unit/emulate_native.h"

enum { ORIGIN = 0x10000000, MIDDLE = ORIGIN + WORLD_BYTES / 2, WINDOW = 16 << 10, ROUNDS = 60000 };

// --- making instructions ---

static const uint8_t one_byte[] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15,
    0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x50, 0x51, 0x53, 0x54, 0x56, 0x57,
    0x58, 0x5b, 0x5c, 0x5d, 0x63, 0x68, 0x69, 0x6a, 0x6b, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x8b, 0x8d, 0x8f, 0x90, 0x91, 0x92, 0x95, 0x98, 0x99, 0x9e, 0x9f, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,
    0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xb0, 0xb3, 0xb7, 0xb8, 0xbd, 0xc0, 0xc1, 0xc6, 0xc7, 0xc8, 0xc9, 0xd0,
    0xd1, 0xd2, 0xd3, 0xd7, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfc, 0xfd, 0xfe, 0xff,
};
static const uint8_t two_byte[] = {
    0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x90, 0x91,
    0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa3, 0xa4, 0xa5, 0xab,
    0xac, 0xad, 0xaf, 0xb0, 0xb1, 0xb3, 0xb6, 0xb7, 0xb8, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3,
    0xc7, 0xc8, 0xcb, 0xcd,
};
static const uint8_t vex_38[] = {0xf2, 0xf3, 0xf5, 0xf6, 0xf7};

static bool is_string(uint8_t opcode)
{
    return (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf);
}

static uint8_t *make_vex(uint8_t *at)
{
    bool rorx = chance(10);
    *at++ = 0xc4;
    *at++ = (next_random() & 0xe0) | (rorx ? 3 : 2);
    *at++ = (next_random() & 0xf8) | (rorx ? 3 : next_random() & 3);
    if (rorx)
        at[-1] |= 0x78;
    *at++ = rorx ? 0xf0 : vex_38[next_random() % sizeof vex_38];
    return at;
}

static uint8_t *make_legacy(uint8_t *at)
{
    unsigned map = next_random() % 16;
    uint8_t opcode = map < 9 ? one_byte[next_random() % sizeof one_byte] : two_byte[next_random() % sizeof two_byte];
    if (chance(25))
        *at++ = 0x66;
    if (chance(8))
        *at++ = 0x67;
    if (map < 9 && is_string(opcode) && chance(60))
        *at++ = chance(50) ? 0xf2 : 0xf3;
    if (map >= 9 && (opcode == 0xb8 || opcode == 0xbc || opcode == 0xbd) && chance(60))
        *at++ = 0xf3;
    if (map == 15)
        *at++ = chance(50) ? 0xf2 : 0xf3;
    if (chance(6))
        *at++ = 0xf0;
    if (chance(60))
        *at++ = 0x40 | (next_random() & 15);
    if (map >= 9)
        *at++ = 0x0f;
    if (map >= 14) {
        *at++ = 0x38;
        opcode = chance(30) ? 0xf6 : 0xf0 + (next_random() & 1);
    }
    *at++ = opcode;
    return at;
}

static void make(uint8_t bytes[32])
{
    uint8_t *at = chance(12) ? make_vex(bytes) : make_legacy(bytes);
    while (at < bytes + 32)
        *at++ = next_random();
    if (chance(20))  // short immediates and displacements
        memset(bytes + 6, chance(50) ? 0 : 0xff, 26);
}

// Control flow, segment registers and flags as a whole have tests of their own.
static bool comparable(const struct insn *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_RDRAND:
    case ZYDIS_MNEMONIC_RDSEED:
    case ZYDIS_MNEMONIC_RDPID:
    case ZYDIS_MNEMONIC_XRSTORS:
    case ZYDIS_MNEMONIC_XABORT:
    case ZYDIS_MNEMONIC_XBEGIN:
    case ZYDIS_MNEMONIC_WRUSSD:
    case ZYDIS_MNEMONIC_WRUSSQ:
    case ZYDIS_MNEMONIC_WRSSD:
    case ZYDIS_MNEMONIC_WRSSQ:
    case ZYDIS_MNEMONIC_PREFETCHW: return false;
    default: break;
    }
    for (unsigned n = 0; n < insn->operands; n++)
        if (insn->op[n].kind == INSN_REG && !insn->op[n].gpr)
            return false;
    return insn->base != INSN_RIP && insn->segment != X86_FS && insn->segment != X86_GS &&
           insn->isa != ZYDIS_ISA_SET_SSE4 && insn->form != INSN_SKIP;
}

static uint64_t pointer(void)
{
    return MIDDLE + next_random() % 4096 - 2048;
}

static uint64_t value(void)
{
    static const uint64_t edges[] = {0, 1, ~UINT64_C(0), 0x80, 0x7f, 0x8000, 0x7fffffff, 0x80000000, INT64_MAX,
                                     UINT64_C(1) << 63};
    if (chance(25))
        return edges[next_random() % ARRAY_SIZE(edges)];
    uint64_t random = next_random();
    return chance(30) ? random >> (next_random() & 63) : random;
}

// Registers with which the instruction's memory operands lie within the window.
static void choose_registers(struct x86_state *s, const struct insn *insn)
{
    for (unsigned n = 0; n < X86_GPRS; n++)
        s->gpr[n] = value();
    s->gpr[X86_RSP] = pointer();
    if (insn->mnemonic == ZYDIS_MNEMONIC_LEAVE || insn->mnemonic == ZYDIS_MNEMONIC_ENTER)
        s->gpr[X86_RBP] = pointer();
    if (insn->mnemonic == ZYDIS_MNEMONIC_XLAT)
        s->gpr[X86_RBX] = pointer();
    if (is_string(insn->bytes[insn->opcode_at])) {
        s->gpr[X86_RSI] = pointer();
        s->gpr[X86_RDI] = chance(50) ? s->gpr[X86_RSI] + next_random() % 32 - 16 : pointer();
        s->gpr[X86_RCX] = next_random() % 200;
    }
    bool bit_base = insn->mem_bytes && insn->operands > 1 && insn->op[1].kind == INSN_REG;
    if (bit_base && (insn->mnemonic == ZYDIS_MNEMONIC_BT || insn->mnemonic == ZYDIS_MNEMONIC_BTS ||
                     insn->mnemonic == ZYDIS_MNEMONIC_BTR || insn->mnemonic == ZYDIS_MNEMONIC_BTC))
        s->gpr[insn->op[1].reg] = next_random() % 20000 - 10000;
    uint64_t target = pointer() - insn->disp;
    if (insn->mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
        target = (pointer() & ~UINT64_C(15)) - insn->disp;
    if (insn->base < X86_GPRS && insn->base != insn->index)
        s->gpr[insn->base] = target - (insn->index < X86_GPRS ? s->gpr[insn->index] * insn->scale : 0);
    else if (insn->index < X86_GPRS)
        s->gpr[insn->index] = target / (insn->scale + (insn->base == insn->index));
    s->rflags = FL_FIXED | FL_IF | (next_random() & (FL_ARITH | (chance(20) ? FL_DF : 0)));
}

// Half of the compare-and-exchanges find what they look for.
static void help_cmpxchg(struct jit_vcpu *v, const struct insn *insn)
{
    uint64_t at = insn->disp;
    if (insn->mnemonic == ZYDIS_MNEMONIC_CMPXCHG && insn->op[0].kind == INSN_REG && chance(50))
        v->state.gpr[X86_RAX] = v->state.gpr[insn->op[0].reg];
    if (!insn->mem_bytes || insn->base >= X86_GPRS || chance(50))
        return;
    at += v->state.gpr[insn->base] + (insn->index < X86_GPRS ? v->state.gpr[insn->index] * insn->scale : 0);
    if (at < MIDDLE - WINDOW / 4 || at > MIDDLE + WINDOW / 4)
        return;
    uint64_t *gpr = v->state.gpr;
    if (insn->mnemonic == ZYDIS_MNEMONIC_CMPXCHG)
        memcpy((void *)at, &gpr[X86_RAX], 8);
    if (insn->mnemonic == ZYDIS_MNEMONIC_CMPXCHG8B)
        memcpy((void *)at, &(uint64_t){(uint32_t)gpr[X86_RAX] | gpr[X86_RDX] << 32}, 8);
    if (insn->mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
        memcpy((void *)at, &(uint64_t[2]){gpr[X86_RAX], gpr[X86_RDX]}, 16);
}

// --- comparing ---

static bool divides(uint16_t mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_DIV || mnemonic == ZYDIS_MNEMONIC_IDIV;
}

static void complain(const struct insn *insn, const struct registers *before, const struct x86_state *emulated)
{
    fprintf(stderr, "%s:", ZydisMnemonicGetString(insn->mnemonic));
    for (unsigned n = 0; n < insn->length; n++)
        fprintf(stderr, " %02x", insn->bytes[n]);
    fprintf(stderr, "\nflags before %llx, emulated %llx, native %llx\n", (long long)before->rflags,
            (long long)emulated->rflags, (long long)context->registers.rflags);
    for (unsigned n = 0; n < X86_GPRS; n++)
        if (emulated->gpr[n] != context->registers.gpr[n])
            fprintf(stderr, "r%u before %llx, emulated %llx, native %llx\n", n, (long long)before->gpr[n],
                    (long long)emulated->gpr[n], (long long)context->registers.gpr[n]);
}

static bool same_state(const struct insn *insn, const struct x86_state *emulated)
{
    uint64_t mask = divides(insn->mnemonic) ? FL_DF : FL_ARITH | FL_DF;
    return !((emulated->rflags ^ context->registers.rflags) & mask) &&
           !memcmp(emulated->gpr, context->registers.gpr, sizeof context->registers.gpr);
}

static bool compare(struct jit_vcpu *v, const struct insn *insn)
{
    static uint8_t before[WINDOW], after[WINDOW];
    uint8_t *window = (uint8_t *)(uintptr_t)(MIDDLE - WINDOW / 2);
    struct registers registers = {.rflags = v->state.rflags};
    memcpy(registers.gpr, v->state.gpr, sizeof registers.gpr);
    memcpy(before, window, WINDOW);
    int raised = world_run(v, insn->bytes, insn->length);
    if (raised != NOT_RAISED && raised != EX_DE)
        return true;  // not to be run natively: it might hit this program's own memory
    memcpy(after, window, WINDOW);
    memcpy(window, before, WINDOW);
    context->registers = registers;
    int vector = run_natively(insn->bytes, insn->length);
    bool same = vector >= 0 ? vector == EX_DE && raised == EX_DE && !memcmp(after, before, WINDOW)
                       : raised == NOT_RAISED && same_state(insn, &v->state) && !memcmp(after, window, WINDOW);
    if (!same) {
        fprintf(stderr, "raised %d, natively %d%s\n", raised, vector,
                memcmp(after, window, WINDOW) ? ", memory differs" : "");
        complain(insn, &registers, &v->state);
    }
    return same;
}

static void setup(struct jit_vcpu *v)
{
    world_tables_long_user(v);
    for (unsigned n = 0; n < WORLD_PAGES; n++) {
        uint64_t at = ORIGIN + ((uint64_t)n << PAGE_BITS);
        if (at < MIDDLE - WINDOW / 2 || at >= MIDDLE + WINDOW / 2)
            v->page[n] = PAGE_ABSENT;
    }
    for (unsigned n = 0; n < WORLD_BYTES; n += 8)
        world_put(v, ORIGIN + n, next_random(), 8);
}

static void random_instructions_do_what_the_host_does(void **state)
{
    (void)state;
    struct jit_vcpu *v = world_create(ORIGIN);
    unsigned done = 0, failed = 0;
    setup(v);
    catch_signals();  // after cmocka has set its own handlers
    for (unsigned round = 0; round < ROUNDS * 8 && done < ROUNDS && failed < 10; round++) {
        uint8_t bytes[32];
        struct insn insn;
        make(bytes);
        if (insn_decode(&insn, bytes, sizeof bytes, INSN_64) || !comparable(&insn))
            continue;
        choose_registers(&v->state, &insn);
        help_cmpxchg(v, &insn);
        done++;
        failed += !compare(v, &insn);
    }
    assert_int_equal(failed, 0);
    assert_true(done > ROUNDS / 4);
    world_destroy(v);
}

int main(void)
{
    if (!native_prepare())
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_instructions_do_what_the_host_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
