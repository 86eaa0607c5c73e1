// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/emulate_world.h"
#include "guest/cpu/jit/emu_fpu.h"

#define TEST(name) static void name(void **unused)
#define GPR(n) (v->state.gpr[X86_##n])
enum { AREA = 0x30000, AVX_AT = 576, AVX_BYTES = 256 };

// Registers with contents; x87, SSE and AVX in use; host pointers where XSAVE leaves them.
static struct jit_vcpu *world_with_vectors(void)
{
    struct jit_vcpu *v = world_long(0);
    for (unsigned n = 0; n < AVX_AT + AVX_BYTES; n++)
        v->vectors[n] = 0x40 + n * 7;
    memset(v->vectors + XS_BV, 0, 64);
    xs_put(v->vectors, XS_FCW, 0x37f, 2);
    xs_put(v->vectors, XS_FSW, 0x3800, 2);
    xs_put(v->vectors, XS_FIP, 0x5555deadbeef, 8);
    xs_put(v->vectors, XS_FDP, 0x7fffdeadbeef, 8);
    xs_put(v->vectors, XS_MXCSR, 0x1fa0, 4);
    xs_put(v->vectors, XS_BV, 7, 8);
    GPR(RBX) = AREA;
    GPR(RAX) = 7;
    memset(v->bytes + AREA, 0xee, 4096);
    return v;
}
#define XSAVE(v) RUN(v, 0x48, 0x0f, 0xae, 0x23)
#define XRSTOR(v) RUN(v, 0x48, 0x0f, 0xae, 0x2b)
#define XSAVEC(v) RUN(v, 0x48, 0x0f, 0xc7, 0x23)
#define XSAVEOPT(v) RUN(v, 0x48, 0x0f, 0xae, 0x33)
#define FXSAVE(v) RUN(v, 0x48, 0x0f, 0xae, 0x03)
#define FXRSTOR(v) RUN(v, 0x48, 0x0f, 0xae, 0x0b)

TEST(no_save_form_shows_host_pointers)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    memset(v->bytes + AREA + XS_BV, 0, 64);
    assert_int_equal(XSAVE(v), NOT_RAISED);
    assert_int_equal(world_get(v, AREA + XS_FIP, 8), 0);
    assert_int_equal(world_get(v, AREA + XS_FDP, 8), 0);
    memset(v->bytes + AREA, 0xee, 512);
    assert_int_equal(FXSAVE(v), NOT_RAISED);
    assert_int_equal(world_get(v, AREA + XS_FIP, 8), 0);
    assert_int_equal(world_get(v, AREA + XS_FDP, 8), 0);
    assert_int_equal(RUN(v, 0xd9, 0x33), NOT_RAISED);  // fnstenv
    assert_int_equal(world_get(v, AREA + 12, 4), 0);
    assert_int_equal(world_get(v, AREA + 20, 4), 0);
    world_destroy(v);
}

TEST(xsave_writes_what_was_asked_for_and_nothing_else)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    world_put(v, AREA + XS_BV, 0x100, 8);
    GPR(RAX) = XCR0_SSE;
    assert_int_equal(XSAVE(v), NOT_RAISED);
    assert_memory_equal(v->bytes + AREA + XS_XMM, v->vectors + XS_XMM, XMM_BYTES);
    assert_int_equal(world_get(v, AREA, 8), 0xeeeeeeeeeeeeeeee);
    assert_int_equal(world_get(v, AREA + AVX_AT, 8), 0xeeeeeeeeeeeeeeee);
    assert_int_equal(world_get(v, AREA + XS_MXCSR, 4), 0x1fa0);
    assert_int_equal(world_get(v, AREA + XS_BV, 8), 0x102);
    world_destroy(v);
}

TEST(xsave_and_xrstor_are_inverse)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    uint8_t before[X86_XSAVE_BYTES];
    memcpy(before, v->vectors, sizeof before);
    memset(v->bytes + AREA + XS_BV, 0, 64);
    assert_int_equal(XSAVE(v), NOT_RAISED);
    memset(v->vectors, 0, sizeof v->vectors);
    assert_int_equal(XRSTOR(v), NOT_RAISED);
    assert_memory_equal(v->vectors + XS_ST, before + XS_ST, X87_BYTES + XMM_BYTES);
    assert_memory_equal(v->vectors + AVX_AT, before + AVX_AT, AVX_BYTES);
    assert_int_equal(xs_get(v->vectors, XS_MXCSR, 4), 0x1fa0);
    assert_int_equal(xs_get(v->vectors, XS_BV, 8), 7);
    world_destroy(v);
}

TEST(xsavec_packs_and_xrstor_reads_it_back)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    uint8_t before[X86_XSAVE_BYTES];
    memset(v->bytes + AREA + XS_BV, 0, 64);
    xs_put(v->vectors, XS_BV, XCR0_X87 | XCR0_AVX, 8);
    memcpy(before, v->vectors, sizeof before);
    assert_int_equal(XSAVEC(v), NOT_RAISED);
    assert_true(world_get(v, AREA + XS_COMP_BV, 8) == (UINT64_C(1) << 63 | 7));
    assert_int_equal(world_get(v, AREA + XS_BV, 8), 7);  // SSE too, since MXCSR is not its initial value
    memset(v->vectors, 0x55, sizeof v->vectors);
    assert_int_equal(XRSTOR(v), NOT_RAISED);
    assert_memory_equal(v->vectors + AVX_AT, before + AVX_AT, AVX_BYTES);
    assert_int_equal(xs_get(v->vectors, XS_MXCSR, 4), 0x1fa0);
    world_destroy(v);
}

TEST(xrstor_initializes_what_is_absent)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    memset(v->bytes + AREA, 0, 4096);
    world_put(v, AREA + XS_MXCSR, 0x1f80, 4);
    assert_int_equal(XRSTOR(v), NOT_RAISED);
    assert_int_equal(xs_get(v->vectors, XS_FCW, 2), 0x37f);
    assert_int_equal(xs_get(v->vectors, XS_XMM, 8), 0);
    assert_int_equal(xs_get(v->vectors, AVX_AT, 8), 0);
    assert_int_equal(xs_get(v->vectors, XS_BV, 8), 0);
    world_destroy(v);
}

TEST(xrstor_refuses_a_bad_header_and_changes_nothing)
{
    (void)unused;
    static const struct { unsigned at; uint64_t value; } bad[] = {
        {XS_BV, 8}, {XS_BV, UINT64_C(1) << 63}, {XS_COMP_BV, 1}, {XS_COMP_BV, UINT64_C(1) << 63 | 0x20},
        {XS_RESERVED, 1}, {XS_MXCSR, 0x10000},
    };
    for (unsigned n = 0; n < ARRAY_SIZE(bad); n++) {
        struct jit_vcpu *v = world_with_vectors();
        uint8_t before[X86_XSAVE_BYTES];
        memcpy(before, v->vectors, sizeof before);
        memset(v->bytes + AREA, 0, 4096);
        world_put(v, AREA + bad[n].at, bad[n].value, 8);
        assert_int_equal(XRSTOR(v), EX_GP);
        memset(before + XS_FOP, 0, XS_MXCSR - XS_FOP);  // host pointers
        xs_put(before, XS_MXCSR_MASK, MXCSR_KNOWN, 4);
        assert_memory_equal(before, v->vectors, sizeof before);
        world_destroy(v);
    }
}

TEST(xsaveopt_skips_what_is_initial)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    xs_put(v->vectors, XS_BV, XCR0_SSE, 8);
    world_put(v, AREA + XS_BV, 7, 8);
    assert_int_equal(XSAVEOPT(v), NOT_RAISED);
    assert_int_equal(world_get(v, AREA, 8), 0xeeeeeeeeeeeeeeee);
    assert_int_equal(world_get(v, AREA + AVX_AT, 8), 0xeeeeeeeeeeeeeeee);
    assert_int_equal(world_get(v, AREA + XS_BV, 8), XCR0_SSE);
    world_destroy(v);
}

TEST(alignment_and_enable_bits_are_checked)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    GPR(RBX) = AREA + 16;
    assert_int_equal(XSAVE(v), EX_GP);
    assert_int_equal(FXSAVE(v), NOT_RAISED);
    GPR(RBX) = AREA + 8;
    assert_int_equal(FXSAVE(v), EX_GP);
    GPR(RBX) = AREA;
    v->state.cr0 |= CR0_TS;
    assert_int_equal(XSAVE(v), EX_NM);
    assert_int_equal(FXRSTOR(v), EX_NM);
    assert_int_equal(RUN(v, 0xd9, 0x33), EX_NM);  // fnstenv
    v->state.cr4 &= ~(uint64_t)CR4_OSXSAVE;
    assert_int_equal(XSAVE(v), EX_UD);
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xd0), EX_UD);
    world_destroy(v);
}

TEST(fxsave_and_fxrstor_are_inverse)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    uint8_t before[X86_XSAVE_BYTES];
    memcpy(before, v->vectors, sizeof before);
    assert_int_equal(FXSAVE(v), NOT_RAISED);
    assert_int_equal(world_get(v, AREA + 416, 8), 0xeeeeeeeeeeeeeeee);
    memset(v->vectors, 0, AVX_AT);
    assert_int_equal(FXRSTOR(v), NOT_RAISED);
    assert_memory_equal(v->vectors + XS_ST, before + XS_ST, X87_BYTES + XMM_BYTES);
    world_put(v, AREA + XS_MXCSR, 0x10000, 4);
    assert_int_equal(FXRSTOR(v), EX_GP);
    world_destroy(v);
}

TEST(the_environments_tags_come_and_go)
{
    (void)unused;
    struct jit_vcpu *v = world_with_vectors();
    v->vectors[XS_FTW] = 0x81;  // TOP is 7: physical 7 is ST0, 0 is ST1
    memset(v->vectors + XS_ST, 0, 2 * 16);
    xs_put(v->vectors, XS_ST + 16 + 8, 0x3fff, 2);
    xs_put(v->vectors, XS_ST + 16, UINT64_C(1) << 63, 8);
    assert_int_equal(RUN(v, 0xd9, 0x33), NOT_RAISED);
    assert_int_equal(world_get(v, AREA + 8, 2), 0x7ffc);  // 7 holds zero, 0 a number, the others nothing
    assert_int_equal(xs_get(v->vectors, XS_FCW, 2) & 0x3f, 0x3f);
    v->vectors[XS_FTW] = 0;
    assert_int_equal(RUN(v, 0xd9, 0x23), NOT_RAISED);
    assert_int_equal(v->vectors[XS_FTW], 0x81);
    assert_int_equal(RUN(v, 0xdb, 0xe3), NOT_RAISED);
    assert_int_equal(v->vectors[XS_FTW], 0);
    world_destroy(v);
}

TEST(xsetbv_takes_what_the_model_has)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    GPR(RAX) = 7;
    GPR(RDX) = 0;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xd1), NOT_RAISED);
    assert_int_equal(v->state.xcr0, 7);
    GPR(RAX) = 5;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xd1), EX_GP);
    GPR(RAX) = 6;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xd1), EX_GP);
    GPR(RAX) = 0xe7;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xd1), EX_GP);
    GPR(RCX) = 1;
    GPR(RAX) = 7;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xd1), EX_GP);
    world_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_save_form_shows_host_pointers),
        cmocka_unit_test(xsave_writes_what_was_asked_for_and_nothing_else),
        cmocka_unit_test(xsave_and_xrstor_are_inverse),
        cmocka_unit_test(xsavec_packs_and_xrstor_reads_it_back),
        cmocka_unit_test(xrstor_initializes_what_is_absent),
        cmocka_unit_test(xrstor_refuses_a_bad_header_and_changes_nothing),
        cmocka_unit_test(xsaveopt_skips_what_is_initial),
        cmocka_unit_test(alignment_and_enable_bits_are_checked),
        cmocka_unit_test(fxsave_and_fxrstor_are_inverse),
        cmocka_unit_test(the_environments_tags_come_and_go),
        cmocka_unit_test(xsetbv_takes_what_the_model_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
