// SPDX-License-Identifier: GPL-2.0-or-later
//
// Traps about vector and x87 registers: what CR0, CR4 and XCR0 switch off is off at the next instruction, warm
// as the code may be, and no save area shows more than the guest may see.
#include "guest/cpu/jit/emu_vec.h"
#include "tests/unit/jit_programs.h"

enum { HANDLER = 0x50000, AREA = 0x40400, AREA_BYTES = 0xc00 };

static void handle(struct world *w, unsigned vector, const uint8_t *code, size_t size_bytes)
{
    uint64_t *gate = world_word(w, WORLD_IDT) + 2 * vector, at = HANDLER + vector * 0x40;
    memcpy(w->ram.host + at, code, size_bytes);
    *gate = (*gate & UINT64_C(0xffffffff0000)) | (at & 0xffff) | (at >> 16 & 0xffff) << 48;
}
#define HANDLE(w, vector, name) handle(w, vector, name, SIZE(name))

static void set_vectors(struct world *w)
{
    xs_put(w->s->xsave, XS_FCW, 0x37f, 2);
    xs_put(w->s->xsave, XS_MXCSR, 0x1f80, 4);
    memset(w->s->xsave + XS_XMM, 0x11, 256);
    memset(w->s->xsave + XS_YMM_HIGH, 0x22, 256);
    xs_put(w->s->xsave, XS_BV, XCR0_X87 | XCR0_SSE | XCR0_AVX, 8);
    w->s->gpr[X86_RBX] = AREA;
}

// --- what is switched off ------------------------------------------------------------------------

// Twenty times: switched off (R14 is CR0 then), the instruction, which faults if it heeds that, and the handler
// switches it on again; and once more.
#define SWITCHED(name, instruction)                                                              \
    GUEST(name, "mov r15, cr0\nmov ecx, 20\n1: mov cr0, r14\n" instruction "\nmov cr0, r15\n" instruction "\ndec ecx\njnz 1b" END)
SWITCHED(s_x87, "fnop");
SWITCHED(s_x87_memory, "fld dword ptr [rbx]\nfstp st");
SWITCHED(s_control, "fnstcw [rbx]");
SWITCHED(s_mmx, "paddb mm0, mm0");
SWITCHED(s_emms, "emms");
SWITCHED(s_sse, "addps xmm0, xmm0");
SWITCHED(s_sse_memory, "movdqa xmm0, [rbx]");
SWITCHED(s_mxcsr, "stmxcsr [rbx]");
SWITCHED(s_avx, "vaddps ymm0, ymm0, ymm0");
SWITCHED(s_avx_128, "vmovdqu xmm0, [rbx]");
SWITCHED(s_zeroupper, "vzeroupper");
SWITCHED(s_fxsave, "fxsave [rbx]");
SWITCHED(s_xsave, "mov eax, 7\nxor edx, edx\nxsave [rbx]");
SWITCHED(s_fwait, "fwait");
SWITCHED(s_fence, "sfence");
SWITCHED(s_movnti, "movnti [rbx], eax");
SWITCHED(s_crc, "crc32 eax, bl");
SWITCHED(s_bmi, "andn eax, ebx, ecx");
static const struct { const uint8_t *code, *end; int by_ts, by_em; } switched[] = {
    {s_x87, s_x87_end, EX_NM, EX_NM}, {s_x87_memory, s_x87_memory_end, EX_NM, EX_NM}, {s_control, s_control_end, EX_NM, EX_NM},
    {s_mmx, s_mmx_end, EX_NM, EX_UD}, {s_emms, s_emms_end, EX_NM, EX_UD},
    {s_sse, s_sse_end, EX_NM, EX_UD}, {s_sse_memory, s_sse_memory_end, EX_NM, EX_UD}, {s_mxcsr, s_mxcsr_end, EX_NM, EX_UD},
    {s_avx, s_avx_end, EX_NM, 0}, {s_avx_128, s_avx_128_end, EX_NM, 0}, {s_zeroupper, s_zeroupper_end, EX_NM, 0},
    {s_fxsave, s_fxsave_end, EX_NM, EX_NM}, {s_xsave, s_xsave_end, EX_NM, 0}, {s_fwait, s_fwait_end, EX_NM, 0},
    {s_fence, s_fence_end, 0, 0}, {s_movnti, s_movnti_end, 0, 0}, {s_crc, s_crc_end, 0, 0}, {s_bmi, s_bmi_end, 0, 0},
};
GUEST(notes_nm, "mov cr0, r15\ninc r8\niretq");
GUEST(notes_ud, "mov cr0, r15\ninc r9\niretq");

static void switch_off(struct world *w, size_t i, uint64_t bit, int by)
{
    world_state(w, w->s, 0);
    set_vectors(w);
    w->s->gpr[X86_R14] = w->s->cr0 | bit;
    w->s->gpr[X86_R8] = w->s->gpr[X86_R9] = 0;
    assert_int_equal(run_code(w, switched[i].code, switched[i].end - switched[i].code), DONE);
    if (w->s->gpr[X86_R8] != (by == EX_NM ? 20 : 0) || w->s->gpr[X86_R9] != (by == EX_UD ? 20 : 0))
        fail_msg("instruction %zu under %#llx: #NM %llu times, #UD %llu times", i, (unsigned long long)bit,
                 (unsigned long long)w->s->gpr[X86_R8], (unsigned long long)w->s->gpr[X86_R9]);
}

IN_BOTH_MODES(ts_and_em_are_obeyed_at_the_next_instruction)
{
    HANDLE(w, EX_NM, notes_nm);
    HANDLE(w, EX_UD, notes_ud);
    for (size_t i = 0; i < ARRAY_SIZE(switched); i++) {
        switch_off(w, i, CR0_TS, switched[i].by_ts);
        switch_off(w, i, CR0_EM, switched[i].by_em);
    }
}

// R14 is CR4 with something off, R15 with all of it.
#define SWITCHED_4(name, instruction)                                                            \
    GUEST(name, "mov r15, cr4\nmov ecx, 20\n1: mov cr4, r14\n" instruction "\nmov cr4, r15\n" instruction "\ndec ecx\njnz 1b" END)
SWITCHED_4(f_sse, "addps xmm0, xmm0");
SWITCHED_4(f_avx, "vaddps ymm0, ymm0, ymm0");
SWITCHED_4(f_xgetbv, "mov esi, ecx\nxor ecx, ecx\nxgetbv\nmov ecx, esi");
SWITCHED_4(f_xsave, "mov eax, 7\nxor edx, edx\nxsave [rbx]");
SWITCHED_4(f_xsaveopt, "mov eax, 7\nxor edx, edx\nxsaveopt [rbx]");
SWITCHED_4(f_mmx, "paddb mm0, mm0");
SWITCHED_4(f_bmi, "andn eax, ebx, ecx");
static const struct { const uint8_t *code, *end; uint32_t bit; bool faults; } by_cr4[] = {
    {f_sse, f_sse_end, CR4_OSFXSR, true}, {f_mmx, f_mmx_end, CR4_OSFXSR, false}, {f_avx, f_avx_end, CR4_OSXSAVE, true},
    {f_xgetbv, f_xgetbv_end, CR4_OSXSAVE, true}, {f_xsave, f_xsave_end, CR4_OSXSAVE, true},
    {f_xsaveopt, f_xsaveopt_end, CR4_OSXSAVE, true}, {f_sse, f_sse_end, CR4_OSXSAVE, false}, {f_bmi, f_bmi_end, CR4_OSXSAVE, false},
};
GUEST(notes_ud_4, "mov cr4, r15\ninc r9\niretq");

IN_BOTH_MODES(osfxsr_and_osxsave_are_obeyed_at_the_next_instruction)
{
    HANDLE(w, EX_UD, notes_ud_4);
    for (size_t i = 0; i < ARRAY_SIZE(by_cr4); i++) {
        world_state(w, w->s, 0);
        set_vectors(w);
        w->s->gpr[X86_R14] = w->s->cr4 & ~(uint64_t)by_cr4[i].bit;
        w->s->gpr[X86_R9] = 0;
        assert_int_equal(run_code(w, by_cr4[i].code, by_cr4[i].end - by_cr4[i].code), DONE);
        assert_int_equal(w->s->gpr[X86_R9], by_cr4[i].faults ? 20 : 0);
    }
}

GUEST(asks_for_osxsave, "mov eax, 1\ncpuid\nmov esi, ecx\nmov rax, cr4\nbtr eax, 18\nmov cr4, rax\nmov eax, 1\ncpuid\nmov edi, ecx" END);

IN_BOTH_MODES(cpuid_follows_osxsave)
{
    assert_int_equal(RUN(w, asks_for_osxsave), DONE);
    assert_true(w->s->gpr[X86_RSI] >> 27 & 1);
    assert_false(w->s->gpr[X86_RDI] >> 27 & 1);
}

// --- XCR0 ----------------------------------------------------------------------------------------

GUEST(narrows, "mov r10d, 20\n1: xor ecx, ecx\nxor edx, edx\nmov eax, r8d\nxsetbv\naddps xmm1, xmm1\nfld1\nfstp st\nandn eax, ebx, ecx\n"
      "vpaddd ymm2, ymm2, ymm2\nvpaddd xmm3, xmm3, xmm3\ndec r10d\njnz 1b" END);
GUEST(widens, "inc r9d\nxor ecx, ecx\nxor edx, edx\nmov eax, 7\nxsetbv\niretq");

// The upper halves are kept while they can't be reached.
IN_BOTH_MODES(avx_is_undefined_where_xcr0_is_narrow)
{
    for (unsigned xcr0 = 1; xcr0 <= 7; xcr0 += 2) {
        if (xcr0 == 5)
            continue;
        world_state(w, w->s, 0);
        set_vectors(w);
        HANDLE(w, EX_UD, widens);
        w->s->gpr[X86_R8] = xcr0;
        w->s->gpr[X86_R9] = 0;
        assert_int_equal(RUN(w, narrows), DONE);
        assert_int_equal(w->s->gpr[X86_R9], xcr0 == 7 ? 0 : 20);
        for (unsigned i = 0; i < 16; i++)
            assert_int_equal(w->s->xsave[XS_YMM_HIGH + i], 0x22);
        assert_int_equal(xs_get(w->s->xsave, XS_YMM_HIGH + 2 * 16, 4), UINT32_C(0x22222222) << 20);
    }
}

GUEST(saves_narrowly, "xor ecx, ecx\nxor edx, edx\nmov eax, r8d\nxsetbv\nmov eax, -1\nmov edx, -1\nxsave [rbx]" END);
GUEST(saves_narrowly_opt, "xor ecx, ecx\nxor edx, edx\nmov eax, r8d\nxsetbv\nmov eax, -1\nmov edx, -1\nxsaveopt [rbx]" END);

static void expect_bytes(struct world *w, unsigned from, unsigned to, uint8_t value)
{
    for (unsigned i = from; i < to; i++)
        if (w->ram.host[AREA + i] != value)
            fail_msg("byte %u of the area is %#x", i, w->ram.host[AREA + i]);
}

static void save_narrowly(struct world *w, unsigned xcr0, const uint8_t *code, size_t size_bytes)
{
    world_state(w, w->s, 0);
    set_vectors(w);
    memset(w->ram.host + AREA, 0xcc, AREA_BYTES);
    memset(w->ram.host + AREA + XS_BV, 0, 64);
    w->s->gpr[X86_R8] = xcr0;
    assert_int_equal(run_code(w, code, size_bytes), DONE);
    assert_int_equal(*world_word(w, AREA + XS_BV) & ~(uint64_t)xcr0, 0);
    expect_bytes(w, XS_BV + 8, XS_EXTENDED, 0);
    expect_bytes(w, XS_XMM, XS_XMM + 256, xcr0 & XCR0_SSE ? 0x11 : 0xcc);
    expect_bytes(w, XS_YMM_HIGH, XS_YMM_HIGH + 256, xcr0 & XCR0_AVX ? 0x22 : 0xcc);
    expect_bytes(w, XS_XMM + 256, XS_LEGACY_BYTES, 0xcc);
    expect_bytes(w, XS_YMM_HIGH + 256, AREA_BYTES, 0xcc);
    if (!(xcr0 & XCR0_SSE))
        expect_bytes(w, XS_MXCSR, XS_ST, 0xcc);
}

IN_BOTH_MODES(a_save_area_holds_what_xcr0_enables)
{
    static const unsigned values[] = {1, 3, 7};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        save_narrowly(w, values[i], saves_narrowly, SIZE(saves_narrowly));
        save_narrowly(w, values[i], saves_narrowly_opt, SIZE(saves_narrowly_opt));
    }
}

GUEST(restores, "xor ecx, ecx\nxor edx, edx\nmov eax, 7\nxsetbv\nxsave [rbx]\nmov eax, 3\nxsetbv\nmov eax, -1\nmov edx, -1\nxrstor [rbx]" END);

IN_BOTH_MODES(what_xcr0_does_not_enable_is_not_restored)
{
    memset(w->ram.host + AREA, 0, AREA_BYTES);
    set_vectors(w);
    assert_int_equal(RUN(w, restores), EX_GP);
}

// --- x87's pointers --------------------------------------------------------------------------------

// With an exception pending, which is when AMD's CPUs keep them.
#define PENDING "fninit\nmov word ptr [0x40000], 0x37b\nfldcw [0x40000]\nfld1\nfldz\nmov dword ptr [0x40008], 0\nfdiv dword ptr [0x40008]\n"
GUEST(stores_environment, PENDING "fnstenv [rbx]" END);
GUEST(saves_x87, PENDING "fnsave [rbx]" END);
GUEST(saves_x87_16, PENDING ".byte 0x66\nfnsave [rbx]" END);
GUEST(saves_fx, PENDING "fxsave [rbx]" END);
GUEST(saves_fx_64, PENDING "fxsave64 [rbx]" END);
GUEST(saves_x, PENDING "mov eax, -1\nmov edx, -1\nxsave [rbx]" END);
GUEST(saves_x_64, PENDING "mov eax, -1\nmov edx, -1\nxsave64 [rbx]" END);
GUEST(saves_x_opt, PENDING "mov eax, -1\nmov edx, -1\nxsaveopt [rbx]" END);
static const struct { const uint8_t *code, *end; unsigned from, to; } savers[] = {
    {stores_environment, stores_environment_end, 12, 26}, {saves_x87, saves_x87_end, 12, 26}, {saves_x87_16, saves_x87_16_end, 6, 14},
    {saves_fx, saves_fx_end, 6, 24}, {saves_fx_64, saves_fx_64_end, 6, 24}, {saves_x, saves_x_end, 6, 24},
    {saves_x_64, saves_x_64_end, 6, 24}, {saves_x_opt, saves_x_opt_end, 6, 24},
};

IN_BOTH_MODES(no_save_area_shows_where_the_host_is)
{
    for (size_t i = 0; i < ARRAY_SIZE(savers); i++) {
        world_state(w, w->s, 0);
        set_vectors(w);
        memset(w->ram.host + AREA, 0, AREA_BYTES);
        assert_int_equal(run_code(w, savers[i].code, savers[i].end - savers[i].code), DONE);
        assert_int_equal(w->ram.host[AREA], 0x7b);
        expect_bytes(w, savers[i].from, savers[i].to, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ts_and_em_are_obeyed_at_the_next_instruction),
        cmocka_unit_test(osfxsr_and_osxsave_are_obeyed_at_the_next_instruction),
        cmocka_unit_test(cpuid_follows_osxsave),
        cmocka_unit_test(avx_is_undefined_where_xcr0_is_narrow),
        cmocka_unit_test(a_save_area_holds_what_xcr0_enables),
        cmocka_unit_test(what_xcr0_does_not_enable_is_not_restored),
        cmocka_unit_test(no_save_area_shows_where_the_host_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
