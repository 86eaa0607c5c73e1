// SPDX-License-Identifier: GPL-2.0-or-later
//
// Instruction sets on the engine as a whole: what CPUID hides is #UD, also where the host would run it; what
// it shows works. Results that the host CPU can judge are cpu_diff's business; here are those of the
// manuals.
#include "guest/cpu/jit/emu_fpu.h"
#include "tests/unit/jit_programs.h"

enum { AREA = 0x40400, AREA_BYTES = 0xc00, LINE = 64, ABSENT = WORLD_DATA + 8 * PAGE_BYTES, DEVICE_PAGE = ABSENT + PAGE_BYTES };

// --- hidden and shown ----------------------------------------------------------------------------

// One instruction of each set, with RBX and RDX at memory. In the order of the host's features that it needs.
GUEST(i_gfni, "gf2p8mulb xmm0, xmm1" END);
GUEST(i_vex_gfni, "vgf2p8mulb ymm0, ymm1, ymm2" END);
GUEST(i_gfni_memory, "vgf2p8affineqb ymm0, ymm1, [rbx], 5" END);
GUEST(i_vaes, "vaesenc ymm0, ymm1, ymm2" END);
GUEST(i_vaes_memory, "vaesdeclast ymm0, ymm1, [rbx]" END);
GUEST(i_aes, "vaesenc xmm0, xmm1, xmm2" END);
GUEST(i_vpclmul, "vpclmulqdq ymm0, ymm1, ymm2, 1" END);
GUEST(i_pclmul, "vpclmulqdq xmm0, xmm1, xmm2, 1" END);
GUEST(i_vnni, ".byte 0xc4, 0xe2, 0x75, 0x50, 0xc2" END);           // {vex} vpdpbusd ymm0, ymm1, ymm2
GUEST(i_movdiri, ".byte 0x48, 0x0f, 0x38, 0xf9, 0x03" END);        // movdiri [rbx], rax
GUEST(i_movdir64b, ".byte 0x66, 0x0f, 0x38, 0xf8, 0x13" END);      // movdir64b rdx, [rbx]
GUEST(i_clzero, "mov rax, rdx\n.byte 0x0f, 0x01, 0xfc" END);
GUEST(i_serialize, ".byte 0x0f, 0x01, 0xe8" END);
GUEST(i_xsavec, "xsavec [rbx]" END);
GUEST(i_xsaves, "xsaves [rbx]" END);
GUEST(i_xrstors, "xor eax, eax\nbts qword ptr [rbx + 520], 63\nxrstors [rbx]" END);
GUEST(i_monitor, "xor ecx, ecx\nmov rax, rbx\nmonitor" END);
GUEST(i_mwait, "xor ecx, ecx\nxor eax, eax\nmwait" END);

static const struct shown {
    const uint8_t *code, *end;
    const char *features;  // of -cpu, each with its sign to come
    enum x86_word word;
    unsigned bit;
} shown[] = {
    {i_gfni, i_gfni_end, "gfni", X86_7_ECX, 8}, {i_vex_gfni, i_vex_gfni_end, "gfni", X86_7_ECX, 8},
    {i_gfni_memory, i_gfni_memory_end, "gfni", X86_7_ECX, 8},
    {i_vaes, i_vaes_end, "vaes", X86_7_ECX, 9}, {i_vaes_memory, i_vaes_memory_end, "vaes", X86_7_ECX, 9},
    {i_aes, i_aes_end, "aes", X86_1_ECX, 25}, {i_vpclmul, i_vpclmul_end, "vpclmulqdq", X86_7_ECX, 10},
    {i_pclmul, i_pclmul_end, "pclmulqdq", X86_1_ECX, 1}, {i_vnni, i_vnni_end, "avx-vnni", X86_7_1_EAX, 4},
    {i_movdiri, i_movdiri_end, "movdiri", X86_7_ECX, 27}, {i_movdir64b, i_movdir64b_end, "movdir64b", X86_7_ECX, 28},
    {i_clzero, i_clzero_end, "clzero", X86_80000008_EBX, 0}, {i_serialize, i_serialize_end, "serialize", X86_7_EDX, 14},
    {i_xsavec, i_xsavec_end, "xsavec", X86_D_1_EAX, 1}, {i_xsaves, i_xsaves_end, "xsaves", X86_D_1_EAX, 3},
    {i_xrstors, i_xrstors_end, "xsaves", X86_D_1_EAX, 3}, {i_monitor, i_monitor_end, "monitor", X86_1_ECX, 3},
    {i_mwait, i_mwait_end, "monitor", X86_1_ECX, 3},
};

static void prepare(struct world *w)
{
    xs_put(w->s->xsave, XS_FCW, 0x37f, 2);
    xs_put(w->s->xsave, XS_MXCSR, 0x1f80, 4);
    for (unsigned n = 0; n < XMM_BYTES; n++)
        w->s->xsave[XS_XMM + n] = n * 5 + 1;
    xs_put(w->s->xsave, XS_BV, XCR0_X87 | XCR0_SSE | XCR0_AVX, 8);
    memset(w->ram.host + AREA, 0, AREA_BYTES);
    *world_pte(w, ABSENT) = 0;
    *world_pte(w, DEVICE_PAGE) = WORLD_DEVICE | PTE_P | PTE_W | PTE_U;
    w->s->gpr[X86_RAX] = 7;
    w->s->gpr[X86_RBX] = AREA;
    w->s->gpr[X86_RDX] = AREA + 0x800;
}

static int outcome_of(const struct shown *s, const char *cpu, bool one)
{
    struct world w = {.one = one, .cpu = cpu};
    world_open(&w);
    prepare(&w);
    w.s->gpr[X86_RDX] = s->code == i_xsavec || s->code == i_xsaves || s->code == i_xrstors ? 0 : w.s->gpr[X86_RDX];
    alarm(HANG_SECONDS);
    int vector = run_code(&w, s->code, s->end - s->code);
    alarm(0);
    assert_true(world_canaries_live(&w));
    world_close(&w);
    return vector;
}

static void what_is_hidden_is_undefined_and_what_is_shown_works(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(shown); i++) {
        const struct shown *s = &shown[i / 2];
        bool offered = jit_support()->words[s->word] >> s->bit & 1;
        char with[64], without[64];
        snprintf(with, sizeof with, "max,%s=on", s->features);
        snprintf(without, sizeof without, "max,%s=off", s->features);
        int shows = outcome_of(s, with, i & 1), hides = outcome_of(s, without, i & 1);
        if (hides != EX_UD || shows != (offered ? DONE : EX_UD))
            fail_msg("%s, instruction %zu: vector %d shown, %d hidden", s->features, i / 2, shows, hides);
    }
}

// --- whole lines ----------------------------------------------------------------------------------

static bool line_is(const uint8_t *line, uint8_t value)
{
    for (unsigned n = 0; n < LINE; n++)
        if (line[n] != value)
            return false;
    return true;
}

GUEST(clears_line, ".byte 0x0f, 0x01, 0xfc" END);

IN_BOTH_MODES(clzero_clears_the_line_that_its_address_is_in)
{
    prepare(w);
    memset(w->ram.host + AREA, 0xee, AREA_BYTES);
    w->s->gpr[X86_RAX] = AREA + 2 * LINE + 17;
    assert_int_equal(RUN(w, clears_line), DONE);
    assert_true(line_is(w->ram.host + AREA + LINE, 0xee));
    assert_true(line_is(w->ram.host + AREA + 2 * LINE, 0));
    assert_true(line_is(w->ram.host + AREA + 3 * LINE, 0xee));
    world_state(w, w->s, 3);
    w->s->gpr[X86_RAX] = ABSENT + 17;
    assert_int_equal(RUN(w, clears_line), EX_PF);
    assert_int_equal(w->s->cr2 & ~UINT64_C(63), ABSENT);
}

GUEST(moves_line, ".byte 0x66, 0x0f, 0x38, 0xf8, 0x13" END);

static void begin_move(struct world *w, uint64_t to)
{
    world_state(w, w->s, 0);
    prepare(w);
    for (unsigned n = 0; n < LINE; n++)
        w->ram.host[AREA + 3 + n] = n + 1;
    w->s->gpr[X86_RBX] = AREA + 3;
    w->s->gpr[X86_RDX] = to;
}

IN_BOTH_MODES(movdir64b_moves_a_line_to_an_aligned_place)
{
    if (!(jit_support()->words[X86_7_ECX] >> 28 & 1))
        return;
    begin_move(w, AREA + 0x400);
    assert_int_equal(RUN(w, moves_line), DONE);
    assert_memory_equal(w->ram.host + AREA + 0x400, w->ram.host + AREA + 3, LINE);
    begin_move(w, AREA + 0x408);
    assert_int_equal(RUN(w, moves_line), EX_GP);
    begin_move(w, ABSENT);
    assert_int_equal(RUN(w, moves_line), EX_PF);
    assert_int_equal(w->s->cr2, ABSENT);
    begin_move(w, DEVICE_PAGE + 2 * LINE);
    w->accesses = 0;
    assert_int_equal(RUN(w, moves_line), DONE);
    assert_int_equal(w->accesses, LINE / 8);
    assert_int_equal(w->access[7].offset, 3 * LINE - 8);
    assert_int_equal(w->access[0].value, UINT64_C(0x0807060504030201));
}

// A line over code that has run: the code is another at once.
GUEST(moves_code, "call r12\nmov r8, rax\n.byte 0x66, 0x0f, 0x38, 0xf8, 0x13\ncall r12\nmov r9, rax" END);
GUEST(returns_1, "mov eax, 1\nret");
GUEST(returns_2, "mov eax, 2\nret");

IN_BOTH_MODES(movdir64b_meets_code)
{
    if (!(jit_support()->words[X86_7_ECX] >> 28 & 1))
        return;
    prepare(w);
    w->s->gpr[X86_RDX] = w->s->gpr[X86_R12] = WORLD_CODE + 8 * LINE;
    PUT(w, WORLD_CODE + 8 * LINE, returns_1);
    PUT(w, AREA, returns_2);
    assert_int_equal(RUN(w, moves_code), DONE);
    assert_int_equal(w->s->gpr[X86_R8], 1);
    assert_int_equal(w->s->gpr[X86_R9], 2);
}

// --- the save area's compacted form -----------------------------------------------------------------

GUEST(round_trip, "mov eax, 7\nxor edx, edx\nxsaves [rbx]\nvpxor ymm0, ymm0, ymm0\nvpxor ymm5, ymm5, ymm5\n"
      "mov eax, 7\nxor edx, edx\nxrstors [rbx]\nxor ecx, ecx\ninc ecx\nxgetbv\nmov r8, rax" END);

IN_BOTH_MODES(xsaves_and_xrstors_are_inverse)
{
    uint8_t before[XMM_BYTES];
    prepare(w);
    memcpy(before, w->s->xsave + XS_XMM, sizeof before);
    assert_int_equal(RUN(w, round_trip), DONE);
    assert_memory_equal(w->s->xsave + XS_XMM, before, sizeof before);
    assert_true(*world_word(w, AREA + XS_COMP_BV) == (BIT(63) | 7));
    assert_true(*world_word(w, AREA + XS_BV) & XCR0_SSE);
    assert_int_equal(w->s->gpr[X86_R8] & ~7, 0);
    assert_true(w->s->gpr[X86_R8] & XCR0_SSE);
}

GUEST(only_restores, "mov eax, 7\nxor edx, edx\nxrstors [rbx]" END);
GUEST(only_saves, "mov eax, 7\nxor edx, edx\nxsaves [rbx]" END);

IN_BOTH_MODES(xrstors_wants_the_compacted_form_and_level_0)
{
    prepare(w);
    assert_int_equal(RUN(w, only_restores), EX_GP);       // of the standard form
    world_state(w, w->s, 0);
    *world_word(w, AREA + XS_COMP_BV) = BIT(63) | 15;     // a component that isn't there
    assert_int_equal(RUN(w, only_restores), EX_GP);
    world_state(w, w->s, 3);
    *world_word(w, AREA + XS_COMP_BV) = BIT(63) | 7;
    assert_int_equal(RUN(w, only_restores), EX_GP);
    world_state(w, w->s, 3);
    assert_int_equal(RUN(w, only_saves), EX_GP);
    world_state(w, w->s, 0);
    w->s->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    assert_int_equal(RUN(w, only_saves), EX_UD);
}

GUEST(writes_xss, "mov ecx, 0xda0\nxor edx, edx\nwrmsr\nrdmsr\nmov r8, rax" END);

IN_BOTH_MODES(xss_holds_nothing_but_0)
{
    prepare(w);
    w->s->gpr[X86_RAX] = 0;
    assert_int_equal(RUN(w, writes_xss), DONE);
    assert_int_equal(w->s->gpr[X86_R8], 0);
    world_state(w, w->s, 0);
    w->s->gpr[X86_RAX] = 1 << 8;
    assert_int_equal(RUN(w, writes_xss), EX_GP);
}

// --- UMIP and RDPMC -----------------------------------------------------------------------------------

GUEST(u_sgdt, "sgdt [rbx]" END);
GUEST(u_sidt, "sidt [rbx]" END);
GUEST(u_sldt, "sldt eax" END);
GUEST(u_str, "str eax" END);
GUEST(u_smsw, "smsw eax" END);
GUEST(u_rdpmc, "xor ecx, ecx\nrdpmc" END);

static int at_level(struct world *w, const uint8_t *code, const uint8_t *end, unsigned cpl, uint64_t cr4)
{
    world_state(w, w->s, cpl);
    prepare(w);
    w->s->cr4 |= cr4;
    return run_code(w, code, end - code);
}

IN_BOTH_MODES(umip_hides_the_systems_tables_from_users)
{
    static const struct { const uint8_t *code, *end; } told[] = {
        {u_sgdt, u_sgdt_end}, {u_sidt, u_sidt_end}, {u_sldt, u_sldt_end}, {u_str, u_str_end}, {u_smsw, u_smsw_end}};
    for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
        assert_int_equal(at_level(w, told[i].code, told[i].end, 0, CR4_UMIP), DONE);
        assert_int_equal(at_level(w, told[i].code, told[i].end, 3, 0), DONE);  // the TSS lets OUT pass
        assert_int_equal(at_level(w, told[i].code, told[i].end, 3, CR4_UMIP), EX_GP);
        assert_int_equal(pushed(w, PUSHED_RIP), WORLD_CODE);
        assert_int_equal(pushed(w, PUSHED_ERROR), 0);
    }
}

IN_BOTH_MODES(there_are_no_performance_counters)
{
    assert_int_equal(at_level(w, u_rdpmc, u_rdpmc_end, 0, CR4_PCE), EX_GP);
    assert_int_equal(at_level(w, u_rdpmc, u_rdpmc_end, 3, CR4_PCE), EX_GP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_hidden_is_undefined_and_what_is_shown_works),
        cmocka_unit_test(clzero_clears_the_line_that_its_address_is_in),
        cmocka_unit_test(movdir64b_moves_a_line_to_an_aligned_place), cmocka_unit_test(movdir64b_meets_code),
        cmocka_unit_test(xsaves_and_xrstors_are_inverse),
        cmocka_unit_test(xrstors_wants_the_compacted_form_and_level_0), cmocka_unit_test(xss_holds_nothing_but_0),
        cmocka_unit_test(umip_hides_the_systems_tables_from_users), cmocka_unit_test(there_are_no_performance_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
