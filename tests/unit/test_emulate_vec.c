// SPDX-License-Identifier: GPL-2.0-or-later
//
// Vector instructions as the emulator does them, where random ones (test_emulate_vec_host.c) don't
// come: faults in the middle, elements that are masked out at the end of what is mapped, segments,
// 16-bit code.
#include "guest/cpu/jit/emu_vec.h"
#include "tests/unit/emulate_world.h"

#define TEST(name) static void name(void **unused)

enum { DATA = 0x40000, DATA_END = DATA + PAGE_BYTES };

static uint8_t *xmm(struct jit_vcpu *v, unsigned reg) { return v->vectors + XS_XMM + 16 * reg; }
static uint8_t *high(struct jit_vcpu *v, unsigned reg) { return v->vectors + XS_YMM_HIGH + 16 * reg; }

static void set_dwords(uint8_t *at, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    memcpy(at, (const uint32_t[]){a, b, c, d}, 16);
}

static struct jit_vcpu *vector_world(void)
{
    struct jit_vcpu *v = world_long(3);
    xs_put(v->vectors, XS_FCW, 0x37f, 2);
    xs_put(v->vectors, XS_MXCSR, 0x1f80, 4);
    xs_put(v->vectors, XS_BV, 7, 8);
    v->page[DATA_END >> PAGE_BITS] = PAGE_ABSENT;
    for (unsigned n = 0; n < PAGE_BYTES; n += 4)
        world_put(v, DATA + n, n, 4);
    return v;
}
#define GATHER(v) RUN(v, 0xc4, 0xe2, 0x69, 0x90, 0x04, 0x0b)       // vpgatherdd xmm0, [rbx+xmm1], xmm2
#define LOAD_MASKED(v) RUN(v, 0xc4, 0xe2, 0x71, 0x8c, 0x03)        // vpmaskmovd xmm0, xmm1, [rbx]
#define STORE_MASKED(v) RUN(v, 0xc4, 0xe2, 0x71, 0x8e, 0x03)       // vpmaskmovd [rbx], xmm1, xmm0
#define STORE_MASKED_4(v) RUN(v, 0xc4, 0xe2, 0x75, 0x2f, 0x03)     // vmaskmovpd [rbx], ymm1, ymm0

TEST(a_gather_keeps_what_it_has_when_it_faults_and_may_be_run_again)
{
    (void)unused;
    struct jit_vcpu *v = vector_world();
    v->state.gpr[X86_RBX] = DATA_END - 16;
    set_dwords(xmm(v, 0), 1, 2, 3, 4);
    set_dwords(xmm(v, 1), 0, 4, 16, 8);
    set_dwords(xmm(v, 2), 0x80000000, 0x7fffffff, 0xffffffff, 0x80000000);
    set_dwords(high(v, 0), 9, 9, 9, 9);
    assert_int_equal(GATHER(v), EX_PF);
    assert_int_equal(v->state.cr2, DATA_END);
    assert_memory_equal(xmm(v, 0), ((const uint32_t[]){PAGE_BYTES - 16, 2, 3, 4}), 16);
    assert_memory_equal(xmm(v, 2) + 8, ((const uint32_t[]){0xffffffff, 0x80000000}), 8);
    assert_int_equal(xs_get(xmm(v, 2), 0, 8) & 0x8000000080000000, 0);
    v->page[DATA_END >> PAGE_BITS] = 0;
    world_put(v, DATA_END, 77, 4);
    assert_int_equal(GATHER(v), NOT_RAISED);
    assert_memory_equal(xmm(v, 0), ((const uint32_t[]){PAGE_BYTES - 16, 2, 77, PAGE_BYTES - 8}), 16);
    assert_memory_equal(xmm(v, 2), ((const uint32_t[4]){0}), 16);
    assert_memory_equal(high(v, 0), ((const uint32_t[4]){0}), 16);
    world_destroy(v);
}

TEST(a_gather_that_uses_a_register_twice_is_undefined)
{
    (void)unused;
    struct jit_vcpu *v = vector_world();
    v->state.gpr[X86_RBX] = DATA;
    assert_int_equal(RUN(v, 0xc4, 0xe2, 0x71, 0x90, 0x04, 0x0b), EX_UD);  // the mask is the index
    assert_int_equal(RUN(v, 0xc4, 0xe2, 0x79, 0x90, 0x04, 0x0b), EX_UD);  // the mask is the destination
    world_destroy(v);
}

TEST(masked_out_elements_are_not_accessed)
{
    (void)unused;
    struct jit_vcpu *v = vector_world();
    v->state.gpr[X86_RBX] = DATA_END - 8;
    set_dwords(xmm(v, 0), 1, 2, 3, 4);
    set_dwords(xmm(v, 1), 0, 0x80000000, 0, 0x7fffffff);
    assert_int_equal(STORE_MASKED(v), NOT_RAISED);
    assert_int_equal(world_get(v, DATA_END - 8, 8), UINT64_C(2) << 32 | (PAGE_BYTES - 8));
    assert_int_equal(LOAD_MASKED(v), NOT_RAISED);
    assert_memory_equal(xmm(v, 0), ((const uint32_t[]){0, 2, 0, 0}), 16);
    v->page[DATA >> PAGE_BITS] = PAGE_READ_ONLY;
    set_dwords(xmm(v, 1), 0, 0, 0, 0);
    assert_int_equal(STORE_MASKED(v), NOT_RAISED);
    v->state.gpr[X86_RBX] = DATA_END;
    assert_int_equal(LOAD_MASKED(v), NOT_RAISED);
    world_destroy(v);
}

TEST(a_masked_store_that_faults_stores_nothing)
{
    (void)unused;
    struct jit_vcpu *v = vector_world();
    v->state.gpr[X86_RBX] = DATA_END - 16;
    memset(xmm(v, 1), 0xff, 16);
    memset(high(v, 1), 0xff, 16);
    memset(xmm(v, 0), 0x55, 16);
    assert_int_equal(STORE_MASKED_4(v), EX_PF);
    assert_int_equal(v->state.cr2, DATA_END);
    assert_int_equal(v->code, PF_WRITE | PF_USER);
    assert_int_equal(world_get(v, DATA_END - 16, 4), PAGE_BYTES - 16);
    world_destroy(v);
}

TEST(a_byte_masked_store_writes_the_chosen_bytes)
{
    (void)unused;
    struct jit_vcpu *v = vector_world();
    v->state.gpr[X86_RDI] = DATA;
    memset(v->bytes + DATA, 0xee, 16);
    set_dwords(xmm(v, 0), 0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d);
    set_dwords(xmm(v, 1), 0x80008000, 0, 0x7f7f7f7f, 0xff000000);
    assert_int_equal(RUN(v, 0x66, 0x0f, 0xf7, 0xc1), NOT_RAISED);
    assert_int_equal(world_get(v, DATA, 8), 0xeeeeeeee04ee02ee);
    assert_int_equal(world_get(v, DATA + 8, 8), 0x10eeeeeeeeeeeeee);
    world_destroy(v);
}

TEST(a_16_bit_segments_base_and_limit_hold_for_vectors)
{
    (void)unused;
    struct jit_vcpu *v = world_real();
    v->state.seg[X86_DS].base = 0x12340;
    v->state.gpr[X86_RBX] = 0xabcd0010;
    xs_put(v->vectors, XS_MXCSR, 0x1f80, 4);
    xs_put(v->vectors, XS_FCW, 0x37f, 2);
    xs_put(v->vectors, XS_BV, 7, 8);
    set_dwords(v->bytes + 0x12350, 1, 2, 3, 4);
    assert_int_equal(RUN(v, 0x66, 0x0f, 0x6f, 0x07), NOT_RAISED);              // movdqa xmm0, [bx]
    assert_int_equal(RUN(v, 0x66, 0x0f, 0xfe, 0x07), NOT_RAISED);              // paddd xmm0, [bx]
    assert_int_equal(RUN(v, 0xf3, 0x0f, 0x7f, 0x47, 0x10), NOT_RAISED);        // movdqu [bx+16], xmm0
    assert_memory_equal(v->bytes + 0x12360, ((const uint32_t[]){2, 4, 6, 8}), 16);
    assert_int_equal(RUN(v, 0x67, 0x66, 0x0f, 0x6f, 0x03), EX_GP);             // movdqa xmm0, [ebx]
    v->state.gpr[X86_RBX] = v->state.gpr[X86_RBP] = 0xfff8;
    assert_int_equal(RUN(v, 0xf3, 0x0f, 0x6f, 0x07), EX_GP);                   // movdqu xmm0, [bx]
    assert_int_equal(RUN(v, 0xf3, 0x0f, 0x6f, 0x46, 0), EX_SS);                // movdqu xmm0, [bp]
    assert_int_equal(RUN(v, 0xdd, 0x07), NOT_RAISED);                          // fld qword [bx]
    assert_int_equal(RUN(v, 0xdb, 0x7f, 0x00), EX_GP);                         // fstp tword [bx]
    world_destroy(v);
}

TEST(general_registers_and_flags_go_in_and_out)
{
    (void)unused;
    struct jit_vcpu *v = world_real();
    xs_put(v->vectors, XS_MXCSR, 0x1f80, 4);
    xs_put(v->vectors, XS_BV, 7, 8);
    v->state.gpr[X86_RSP] = 0xffffffff12345678;
    assert_int_equal(RUN(v, 0x66, 0x0f, 0x6e, 0xc4), NOT_RAISED);  // movd xmm0, esp
    assert_int_equal(xs_get(xmm(v, 0), 0, 8), 0x12345678);
    assert_int_equal(RUN(v, 0x66, 0x0f, 0x7e, 0xc5), NOT_RAISED);  // movd ebp, xmm0
    assert_int_equal(v->state.gpr[X86_RBP], 0x12345678);
    v->state.rflags |= FL_OF | FL_SF;
    assert_int_equal(RUN(v, 0x0f, 0x2f, 0xc0), NOT_RAISED);        // comiss xmm0, xmm0
    assert_int_equal(v->state.rflags & FL_ARITH, FL_ZF);
    v->state.rflags |= FL_CF;
    assert_int_equal(RUN(v, 0x66, 0x0f, 0x6f, 0xc8), NOT_RAISED);  // movdqa xmm1, xmm0
    assert_int_equal(v->state.rflags & FL_ARITH, FL_ZF | FL_CF);
    world_destroy(v);
}

TEST(fwait_needs_both_mp_and_ts_to_raise_nm)
{
    (void)unused;
    struct jit_vcpu *v = vector_world();
    v->state.cr0 |= CR0_TS | CR0_EM;
    assert_int_equal(RUN(v, 0x9b), NOT_RAISED);
    v->state.cr0 |= CR0_MP;
    assert_int_equal(RUN(v, 0x9b), EX_NM);
    v->state.cr0 &= ~(uint64_t)CR0_TS;
    xs_put(v->vectors, XS_FCW, 0x37e, 2);
    xs_put(v->vectors, XS_FSW, 0x8081, 2);
    assert_int_equal(RUN(v, 0x9b), EX_MF);
    world_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gather_keeps_what_it_has_when_it_faults_and_may_be_run_again),
        cmocka_unit_test(a_gather_that_uses_a_register_twice_is_undefined),
        cmocka_unit_test(masked_out_elements_are_not_accessed),
        cmocka_unit_test(a_masked_store_that_faults_stores_nothing),
        cmocka_unit_test(a_byte_masked_store_writes_the_chosen_bytes),
        cmocka_unit_test(a_16_bit_segments_base_and_limit_hold_for_vectors),
        cmocka_unit_test(general_registers_and_flags_go_in_and_out),
        cmocka_unit_test(fwait_needs_both_mp_and_ts_to_raise_nm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
