// SPDX-License-Identifier: GPL-2.0-or-later
//
// Vector and x87 instructions on the engine as a whole: accesses in parts, exceptions that the host
// raises, and what of the host must not be seen. Each program runs in both modes of the engine.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include "guest/cpu/jit/emu_vec.h"
#include "tests/unit/jit_world.h"

#define GUEST(name, text)                                                                      \
    extern const uint8_t name[], name##_end[];                                                 \
    __asm__(".pushsection .rodata\n" #name ":\n.intel_syntax noprefix\n" text                  \
            "\nout 0xf0, al\nhlt\n.att_syntax prefix\n" #name "_end:\n.popsection\n")
enum { DONE = 0xf0, ABSENT = WORLD_DATA + PAGE_BYTES, DEVICE = WORLD_DATA + 4 * PAGE_BYTES };

static uint64_t pushed_rip(struct world *w) { return *world_word(w, WORLD_IST_TOP - 40); }  // no error code
static uint32_t *dwords(struct world *w, unsigned reg) { return (uint32_t *)(w->s->xsave + XS_XMM + 16 * reg); }

static void set_dwords(struct world *w, unsigned reg, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    memcpy(dwords(w, reg), (const uint32_t[]){a, b, c, d}, 16);
    memset(w->s->xsave + XS_YMM_HIGH, 0, 256);
    xs_put(w->s->xsave, XS_BV, XCR0_X87 | XCR0_SSE | XCR0_AVX, 8);
}

static void start(struct world *w, bool one)
{
    *w = (struct world){.one = one};
    world_open(w);
    *world_pte(w, ABSENT) = 0;
    *world_pte(w, DEVICE) = WORLD_DEVICE | PTE_P | PTE_W;
    xs_put(w->s->xsave, XS_FCW, 0x37f, 2);
    xs_put(w->s->xsave, XS_MXCSR, 0x1f80, 4);
    alarm(50);  // a hang ends the test
}

static int run(struct world *w, const uint8_t *code, size_t size_bytes)
{
    memcpy(w->ram.host + WORLD_CODE, code, size_bytes);
    w->s->rip = w->s->efer & EFER_LMA && w->s->seg[X86_CS].attr & SEG_L ? WORLD_CODE : 0;
    w->s->run_state = X86_RUNNING;
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    return world_run(w);
}
#define RUN(w, name) run(w, name, name##_end - name)

#define IN_BOTH_MODES(name)                                                                    \
    static void name##_in(struct world *w);                                                    \
    static void name(void **unused)                                                            \
    {                                                                                          \
        struct world w;                                                                        \
        (void)unused;                                                                          \
        for (unsigned one = 0; one < 2; one++) {                                               \
            start(&w, one);                                                                    \
            name##_in(&w);                                                                     \
            assert_true(world_canaries_live(&w));                                              \
            world_close(&w);                                                                   \
        }                                                                                      \
    }                                                                                          \
    static void name##_in(struct world *w)

// --- accesses in parts ----------------------------------------------------------------------------

GUEST(store_masked, "mov ecx, 3\n1: vpmaskmovd [rbx], xmm1, xmm0\nadd rbx, rdx\nloop 1b");
GUEST(load_masked, "mov ecx, 3\n1: vpmaskmovd xmm0, xmm1, [rbx]\nloop 1b");
GUEST(gather, "vpgatherdd xmm0, [rbx + xmm1], xmm2");
GUEST(store_byte_masked, "mov rdi, rbx\nmaskmovdqu xmm0, xmm1");

IN_BOTH_MODES(a_masked_move_at_the_end_of_a_page_touches_what_is_chosen)
{
    w->s->gpr[X86_RBX] = ABSENT - 16;
    w->s->gpr[X86_RDX] = 4;
    set_dwords(w, 0, 1, 2, 3, 4);
    set_dwords(w, 1, 0, UINT32_MAX, 0, 0);
    memset(w->ram.host + ABSENT - 16, 0xee, 32);
    assert_int_equal(RUN(w, store_masked), DONE);  // at -12, -8 and -4: the last two cross
    assert_memory_equal(w->ram.host + ABSENT - 16, ((const uint32_t[]){0xeeeeeeee, 2, 2, 2, 0xeeeeeeee}), 20);
    w->s->gpr[X86_RBX] = ABSENT - 8;
    assert_int_equal(RUN(w, load_masked), DONE);
    assert_memory_equal(dwords(w, 0), ((const uint32_t[]){0, 2, 0, 0}), 16);
    w->s->gpr[X86_RBX] = ABSENT - 4;
    assert_int_equal(RUN(w, load_masked), EX_PF);
    assert_int_equal(w->s->cr2, ABSENT);
    assert_memory_equal(dwords(w, 0), ((const uint32_t[]){0, 2, 0, 0}), 16);
}

IN_BOTH_MODES(a_masked_store_leaves_a_read_only_page_alone)
{
    *world_pte(w, WORLD_DATA) &= ~(uint64_t)PTE_W;
    w->s->gpr[X86_RBX] = WORLD_DATA;
    w->s->gpr[X86_RDX] = 0;
    set_dwords(w, 0, 1, 2, 3, 4);
    set_dwords(w, 1, 0, 0, 0, 0);
    assert_int_equal(RUN(w, store_masked), DONE);
    assert_int_equal(*world_pte(w, WORLD_DATA) & PTE_D, 0);
    set_dwords(w, 1, 0, 0, 0, UINT32_MAX);
    assert_int_equal(RUN(w, store_masked), EX_PF);
    assert_int_equal(w->s->cr2, WORLD_DATA + 12);
}

IN_BOTH_MODES(a_device_sees_the_chosen_elements_only)
{
    w->s->gpr[X86_RBX] = DEVICE;
    w->answer = 0x12345678;
    set_dwords(w, 1, 0, UINT32_MAX, 0, UINT32_MAX);
    assert_int_equal(RUN(w, load_masked), DONE);
    assert_memory_equal(dwords(w, 0), ((const uint32_t[]){0, 0x12345678, 0, 0x12345678}), 16);
    assert_int_equal(w->accesses, 6);
    assert_int_equal(w->access[1].offset, 12);
    assert_int_equal(w->access[1].size_bytes, 4);
    w->accesses = 0;
    assert_int_equal(RUN(w, store_byte_masked), DONE);
    assert_int_equal(w->accesses, 8);
    assert_int_equal(w->access[0].offset, 4);
    assert_int_equal(w->access[0].value, 0x78);
}

// The number doesn't fit, and that is unmasked: an exception is pending, and nothing was stored.
GUEST(stores_nothing, "mov word ptr [rsp - 8], 0x37e\nfldcw [rsp - 8]\nfild dword ptr [rsp - 64]\n"
      "fld1\nfscale\nfistp dword ptr [rbx]\nfnclex");

IN_BOTH_MODES(an_x87_store_that_stores_nothing_leaves_two_pages_as_they_are)
{
    uint64_t at = WORLD_DATA + 3 * PAGE_BYTES - 2;
    w->s->gpr[X86_RBX] = at;
    *(uint32_t *)(w->ram.host + WORLD_STACK - 64) = 100;  // 2^100
    memcpy(w->ram.host + at, &(uint32_t){0x12345678}, 4);
    w->s->xsave[XS_FTW] = 0;
    assert_int_equal(RUN(w, stores_nothing), DONE);
    assert_memory_equal(w->ram.host + at, &(uint32_t){0x12345678}, 4);
}

IN_BOTH_MODES(and_a_device_behind_memory_is_not_read_for_that)
{
    w->s->gpr[X86_RBX] = DEVICE - 2;
    *(uint32_t *)(w->ram.host + WORLD_STACK - 64) = 100;
    memcpy(w->ram.host + DEVICE - 2, "ab", 2);
    w->s->xsave[XS_FTW] = 0;
    assert_int_equal(RUN(w, stores_nothing), DONE);
    assert_memory_equal(w->ram.host + DEVICE - 2, "ab", 2);
    for (unsigned i = 0; i < w->accesses; i++)
        assert_true(w->access[i].write && !w->access[i].value);
}

IN_BOTH_MODES(a_gather_goes_on_where_it_faulted)
{
    w->s->gpr[X86_RBX] = ABSENT - 16;
    set_dwords(w, 0, 1, 2, 3, 4);
    set_dwords(w, 1, 0, 4, 16, 8);
    set_dwords(w, 2, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
    memcpy(w->ram.host + ABSENT - 16, (const uint32_t[]){10, 11, 12, 13, 14}, 20);
    assert_int_equal(RUN(w, gather), EX_PF);
    assert_int_equal(w->s->cr2, ABSENT);
    assert_memory_equal(dwords(w, 0), ((const uint32_t[]){10, 11, 3, 4}), 16);
    assert_memory_equal(dwords(w, 2), ((const uint32_t[]){0, 0, UINT32_MAX, UINT32_MAX}), 16);
    *world_pte(w, ABSENT) = ABSENT | PTE_P;
    *(uint32_t *)(w->ram.host + ABSENT - 16) = 99;  // is not loaded again
    assert_int_equal(RUN(w, gather), DONE);
    assert_memory_equal(dwords(w, 0), ((const uint32_t[]){10, 11, 14, 12}), 16);
    assert_memory_equal(dwords(w, 2), ((const uint32_t[]){0, 0, 0, 0}), 16);
}

// --- exceptions that the host raises --------------------------------------------------------------

#define DIVIDE_BY_ZERO "fninit\nmov word ptr [rbx], 0x37b\nfldcw [rbx]\nfld1\nfldz\nfdivp st(1), st\n"
GUEST(waits, DIVIDE_BY_ZERO "mov eax, 1\nfnstsw ax\n.globl waits_here\nwaits_here: fld1");
GUEST(waits_behind_exit, DIVIDE_BY_ZERO "xor eax, eax\ncpuid\nmov rbx, rsi\nmov eax, [rbx]\n"
                         ".globl waits_behind_exit_here\nwaits_behind_exit_here: fstp qword ptr [rsi]");
GUEST(clears, DIVIDE_BY_ZERO "fnclex\nfld1\nfwait");
GUEST(divides, ".globl divides_here\ndivides_here: divps xmm0, xmm1");
GUEST(loads_mxcsr, "ldmxcsr [rbx]");
GUEST(fwaits, "fwait");
GUEST(points, "fninit\nfld1\nfadd qword ptr [rbx]");
extern const uint8_t waits_here[], waits_behind_exit_here[], divides_here[];

IN_BOTH_MODES(an_x87_exception_is_told_at_the_next_instruction_that_waits)
{
    w->s->gpr[X86_RBX] = WORLD_DATA;
    w->s->gpr[X86_RSI] = DEVICE;
    assert_int_equal(RUN(w, waits), EX_MF);
    assert_int_equal(pushed_rip(w), WORLD_CODE + (waits_here - waits));
    w->s->gpr[X86_RBX] = WORLD_DATA;
    assert_int_equal(RUN(w, waits_behind_exit), EX_MF);
    assert_int_equal(pushed_rip(w), WORLD_CODE + (waits_behind_exit_here - waits_behind_exit));
    w->s->gpr[X86_RBX] = WORLD_DATA;
    assert_int_equal(RUN(w, clears), DONE);
}

IN_BOTH_MODES(an_sse_exception_is_xm_or_else_ud)
{
    set_dwords(w, 0, 0x3f800000, 0, 0, 0);
    set_dwords(w, 1, 0, 0, 0, 0);
    xs_put(w->s->xsave, XS_MXCSR, 0x1f80 & ~0x200u, 4);
    assert_int_equal(RUN(w, divides), EX_XM);
    assert_int_equal(pushed_rip(w), WORLD_CODE);
    w->s->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
    assert_int_equal(RUN(w, divides), EX_UD);
}

IN_BOTH_MODES(what_16_bit_code_raises_comes_from_the_host_too)
{
    w->s->seg[X86_CS] = (struct x86_segment){WORLD_CODE, 0xffff, 8, 0x9b};
    set_dwords(w, 0, 0x3f800000, 0, 0, 0);
    set_dwords(w, 1, 0, 0, 0, 0);
    xs_put(w->s->xsave, XS_MXCSR, 0x1f80 & ~0x200u, 4);
    assert_int_equal(RUN(w, divides), EX_XM);
    assert_int_equal(pushed_rip(w), 0);
    assert_int_equal(xs_get(w->s->xsave, XS_MXCSR, 4) & 4, 4);
}

IN_BOTH_MODES(mxcsrs_reserved_bits_fault)
{
    w->s->gpr[X86_RBX] = WORLD_DATA;
    memcpy(w->ram.host + WORLD_DATA, (const uint32_t[]){0x80001f80}, 4);
    assert_int_equal(RUN(w, loads_mxcsr), EX_GP);
    assert_int_equal(xs_get(w->s->xsave, XS_MXCSR, 4), 0x1f80);
}

IN_BOTH_MODES(fwait_needs_both_mp_and_ts)
{
    w->s->cr0 = (w->s->cr0 & ~(uint64_t)CR0_MP) | CR0_TS;
    assert_int_equal(RUN(w, fwaits), DONE);
    w->s->cr0 = (w->s->cr0 & ~(uint64_t)CR0_TS) | CR0_EM | CR0_MP;
    assert_int_equal(RUN(w, fwaits), DONE);
    w->s->cr0 |= CR0_TS;
    assert_int_equal(RUN(w, fwaits), EX_NM);
}

IN_BOTH_MODES(the_state_holds_no_host_pointers)
{
    static const uint8_t nothing[XS_MXCSR - XS_FOP];
    w->s->gpr[X86_RBX] = WORLD_DATA;
    assert_int_equal(RUN(w, points), DONE);
    assert_memory_equal(w->s->xsave + XS_FOP, nothing, sizeof nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_masked_move_at_the_end_of_a_page_touches_what_is_chosen),
        cmocka_unit_test(a_masked_store_leaves_a_read_only_page_alone),
        cmocka_unit_test(a_device_sees_the_chosen_elements_only),
        cmocka_unit_test(an_x87_store_that_stores_nothing_leaves_two_pages_as_they_are),
        cmocka_unit_test(and_a_device_behind_memory_is_not_read_for_that),
        cmocka_unit_test(a_gather_goes_on_where_it_faulted),
        cmocka_unit_test(an_x87_exception_is_told_at_the_next_instruction_that_waits),
        cmocka_unit_test(an_sse_exception_is_xm_or_else_ud),
        cmocka_unit_test(what_16_bit_code_raises_comes_from_the_host_too),
        cmocka_unit_test(mxcsrs_reserved_bits_fault),
        cmocka_unit_test(fwait_needs_both_mp_and_ts),
        cmocka_unit_test(the_state_holds_no_host_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
