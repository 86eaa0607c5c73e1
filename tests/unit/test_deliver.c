// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/emulate_world.h"

#define TEST(name) static void name(void **state)
#define UNUSED (void)state

TEST(real_mode_pushes_three_words_and_clears_if)
{
    UNUSED;
    struct jit_vcpu *v = world_real();
    world_put(v, 0x21 * 4, 0x12340056, 4);
    v->state.rflags |= FL_IF;
    assert_int_equal(world_deliver(v, JIT_EVENT_INTERRUPT, 0x21, 0), NOT_RAISED);
    assert_int_equal(v->state.seg[X86_CS].selector, 0x1234);
    assert_int_equal(v->state.seg[X86_CS].base, 0x12340);
    assert_int_equal(v->state.rip, 0x56);
    assert_int_equal(v->state.gpr[X86_RSP], 0x7000 - 6);
    assert_int_equal(world_get(v, 0x6ffa, 2), CODE);
    assert_int_equal(world_get(v, 0x6ffe, 2), FL_IF | FL_FIXED);
    assert_false(v->state.rflags & FL_IF);
    world_destroy(v);
}

TEST(real_mode_ivt_limit_is_gp)
{
    UNUSED;
    struct jit_vcpu *v = world_real();
    v->state.idtr.limit = 0x83;
    assert_int_equal(world_deliver(v, JIT_EVENT_INTERRUPT, 0x21, 0), EX_GP);
    assert_int_equal(v->state.gpr[X86_RSP], 0x7000);
    world_destroy(v);
}

TEST(long_mode_aligns_the_stack_and_pushes_five_words_and_a_code)
{
    UNUSED;
    struct jit_vcpu *v = world_long(0);
    gate(v, EX_PF, SEL_CODE64, 0xffffffff80009000, 14, 0, 0);
    v->state.gpr[X86_RSP] = STACK0 - 4;
    v->state.rflags |= FL_IF | FL_TF;
    assert_int_equal(world_deliver(v, JIT_EVENT_FAULT, EX_PF, 7), NOT_RAISED);
    assert_int_equal(v->state.gpr[X86_RSP], STACK0 - 16 - 48);
    uint64_t sp = v->state.gpr[X86_RSP];
    assert_int_equal(world_get(v, sp, 8), 7);
    assert_int_equal(world_get(v, sp + 8, 8), CODE);
    assert_int_equal(world_get(v, sp + 16, 8), SEL_CODE64);
    assert_int_equal(world_get(v, sp + 24, 8), FL_IF | FL_TF | FL_FIXED | FL_RF);
    assert_int_equal(world_get(v, sp + 32, 8), STACK0 - 4);
    assert_int_equal(world_get(v, sp + 40, 8), SEL_DATA0);
    assert_true(v->state.rip == 0xffffffff80009000);
    assert_false(v->state.rflags & (FL_IF | FL_TF));
    world_destroy(v);
}

TEST(long_mode_from_user_takes_rsp0_and_a_null_ss)
{
    UNUSED;
    struct jit_vcpu *v = world_long(3);
    gate(v, 0x80, SEL_CODE64, HANDLER, 14, 3, 0);
    assert_int_equal(world_deliver(v, JIT_EVENT_SOFTWARE, 0x80, 0), NOT_RAISED);
    assert_int_equal(v->state.gpr[X86_RSP], STACK0 - 40);
    assert_int_equal(v->state.seg[X86_SS].selector, 0);
    assert_int_equal(v->state.cpl, 0);
    assert_int_equal(world_get(v, STACK0 - 8, 8), SEL_DATA3);
    world_destroy(v);
}

TEST(an_ist_stack_is_used_even_at_the_same_level)
{
    UNUSED;
    struct jit_vcpu *v = world_long(0);
    gate(v, 2, SEL_CODE64, HANDLER, 14, 0, 1);
    assert_int_equal(world_deliver(v, JIT_EVENT_NMI, 2, 0), NOT_RAISED);
    assert_int_equal(v->state.gpr[X86_RSP], IST1 - 40);
    assert_int_equal(v->state.seg[X86_SS].selector, SEL_DATA0);
    assert_int_equal(v->state.nmi_blocked, 1);
    world_destroy(v);
}

TEST(software_interrupt_needs_the_gates_dpl)
{
    UNUSED;
    struct jit_vcpu *v = world_long(3);
    gate(v, 0x20, SEL_CODE64, HANDLER, 14, 0, 0);
    assert_int_equal(world_deliver(v, JIT_EVENT_SOFTWARE, 0x20, 0), EX_GP);
    assert_int_equal(v->code, 0x20 << 3 | 2);
    assert_int_equal(world_deliver(v, JIT_EVENT_INTERRUPT, 0x20, 0), NOT_RAISED);
    world_destroy(v);
}

TEST(faults_of_a_hardware_event_have_ext)
{
    UNUSED;
    struct jit_vcpu *v = world_long(0);
    assert_int_equal(world_deliver(v, JIT_EVENT_INTERRUPT, 0x30, 0), EX_GP);
    assert_int_equal(v->code, 0x30 << 3 | 3);
    gate(v, 0x30, SEL_CODE64, HANDLER, 14, 0, 0);
    world_put(v, IDT + 0x30 * 16 + 5, 0x0e, 1);
    assert_int_equal(world_deliver(v, JIT_EVENT_INTERRUPT, 0x30, 0), EX_NP);
    assert_int_equal(v->code, 0x30 << 3 | 3);
    gate(v, 0x30, SEL_DATA0, HANDLER, 14, 0, 0);
    assert_int_equal(world_deliver(v, JIT_EVENT_INTERRUPT, 0x30, 0), EX_GP);
    assert_int_equal(v->code, SEL_DATA0 | 1);
    world_destroy(v);
}

TEST(a_handler_in_long_mode_must_be_64_bit)
{
    UNUSED;
    struct jit_vcpu *v = world_long(0);
    gate(v, 0x30, SEL_CODE0, HANDLER, 14, 0, 0);
    assert_int_equal(world_deliver(v, JIT_EVENT_SOFTWARE, 0x30, 0), EX_GP);
    assert_int_equal(v->code, SEL_CODE0);
    world_destroy(v);
}

TEST(a_fault_on_the_new_stack_changes_nothing)
{
    UNUSED;
    struct jit_vcpu *v = world_long(3);
    gate(v, 0x80, SEL_CODE64, HANDLER, 14, 3, 0);
    v->page[(STACK0 - 1) >> PAGE_BITS] = PAGE_READ_ONLY;
    struct x86_state before = v->state;
    assert_int_equal(world_deliver(v, JIT_EVENT_SOFTWARE, 0x80, 0), EX_PF);
    assert_int_equal(v->code, PF_PRESENT | PF_WRITE);
    assert_memory_equal(before.gpr, v->state.gpr, sizeof before.gpr);
    assert_memory_equal(before.seg, v->state.seg, sizeof before.seg);
    assert_int_equal(before.cpl, v->state.cpl);
    assert_int_equal(v->stores, 0);
    world_destroy(v);
}

TEST(protected_mode_to_inner_level_switches_stacks)
{
    UNUSED;
    struct jit_vcpu *v = world_protected(3);
    gate(v, EX_GP, SEL_CODE0, HANDLER, 15, 0, 0);
    v->state.rflags |= FL_IF;
    assert_int_equal(world_deliver(v, JIT_EVENT_FAULT, EX_GP, 0x18), NOT_RAISED);
    assert_int_equal(v->state.gpr[X86_RSP], STACK0 - 24);
    assert_int_equal(world_get(v, STACK0 - 24, 4), 0x18);
    assert_int_equal(world_get(v, STACK0 - 20, 4), CODE);
    assert_int_equal(world_get(v, STACK0 - 16, 4), SEL_CODE3);
    assert_int_equal(world_get(v, STACK0 - 8, 4), STACK3);
    assert_int_equal(world_get(v, STACK0 - 4, 4), SEL_DATA3);
    assert_int_equal(v->state.seg[X86_SS].selector, SEL_DATA0);
    assert_true(v->state.rflags & FL_IF);  // a trap gate
    world_destroy(v);
}

TEST(a_sixteen_bit_gate_pushes_words)
{
    UNUSED;
    struct jit_vcpu *v = world_protected(0);
    gate(v, 0x21, SEL_CODE0, HANDLER, 6, 0, 0);
    assert_int_equal(world_deliver(v, JIT_EVENT_INTERRUPT, 0x21, 0), NOT_RAISED);
    assert_int_equal(v->state.gpr[X86_RSP], STACK0 - 6);
    assert_int_equal(world_get(v, STACK0 - 6, 2), CODE);
    world_destroy(v);
}

static struct jit_vcpu *world_v86(void)
{
    struct jit_vcpu *v = world_protected(0);
    struct x86_state *s = &v->state;
    s->rflags |= FL_VM;
    s->cpl = 3;
    for (unsigned n = 0; n < X86_SEGMENTS; n++)
        s->seg[n] = (struct x86_segment){.base = 0x100 * n << 4, .limit = 0xffff, .selector = 0x100 * n, .attr = 0xf3};
    s->gpr[X86_RSP] = 0x1000;
    return v;
}

TEST(v86_mode_leaves_through_level_0_with_all_segments)
{
    UNUSED;
    struct jit_vcpu *v = world_v86();
    gate(v, EX_GP, SEL_CODE0, HANDLER, 14, 0, 0);
    assert_int_equal(world_deliver(v, JIT_EVENT_FAULT, EX_GP, 0), NOT_RAISED);
    assert_int_equal(v->state.gpr[X86_RSP], STACK0 - 40);
    assert_int_equal(world_get(v, STACK0 - 4, 4), 0x100 * X86_GS);
    assert_int_equal(world_get(v, STACK0 - 16, 4), 0x100 * X86_ES);
    assert_true(world_get(v, STACK0 - 28, 4) & FL_VM);
    assert_false(v->state.rflags & FL_VM);
    assert_int_equal(v->state.seg[X86_DS].attr & SEG_P, 0);
    assert_int_equal(v->state.cpl, 0);
    // And IRET goes back.
    v->state.gpr[X86_RSP] += 4;
    assert_int_equal(RUN(v, 0xcf), NOT_RAISED);
    assert_true(v->state.rflags & FL_VM);
    assert_int_equal(v->state.seg[X86_GS].base, 0x100 * X86_GS << 4);
    assert_int_equal(v->state.gpr[X86_RSP], 0x1000);
    assert_int_equal(v->state.cpl, 3);
    world_destroy(v);
}

TEST(int_in_v86_mode_needs_iopl_3)
{
    UNUSED;
    struct jit_vcpu *v = world_v86();
    v->state.seg[X86_CS].attr = 0xf3;
    gate(v, 0x21, SEL_CODE0, HANDLER, 14, 3, 0);
    assert_int_equal(RUN(v, 0xcd, 0x21), EX_GP);
    v->state.rflags |= FL_IOPL;
    assert_int_equal(RUN(v, 0xcd, 0x21), NOT_RAISED);
    assert_int_equal(world_get(v, STACK0 - 36, 4), CODE + 2);
    world_destroy(v);
}

TEST(a_task_gate_switches_tasks_and_iret_comes_back)
{
    UNUSED;
    struct jit_vcpu *v = world_protected(0);
    struct x86_state *s = &v->state;
    gate(v, EX_DF, SEL_TSS2, 0, 5, 0, 0);
    world_put(v, TSS2 + 0x20, 0x7777, 4);
    world_put(v, TSS2 + 0x24, FL_FIXED, 4);
    world_put(v, TSS2 + 0x38, 0x6000, 4);
    const uint16_t segments[] = {SEL_DATA0, SEL_CODE0, SEL_DATA0, SEL_DATA0, 0, 0};
    for (unsigned n = 0; n < 6; n++)
        world_put(v, TSS2 + 0x48 + 4 * n, segments[n], 4);
    s->gpr[X86_RBX] = 0x12345678;
    assert_int_equal(world_deliver(v, JIT_EVENT_FAULT, EX_DF, 0), NOT_RAISED);
    assert_int_equal(s->rip, 0x7777);
    assert_int_equal(s->tr.selector, SEL_TSS2);
    assert_int_equal(s->gpr[X86_RSP], 0x6000 - 4);  // the error code
    assert_true(s->rflags & FL_NT);
    assert_true(s->cr0 & CR0_TS);
    assert_int_equal(world_get(v, TSS2, 2), SEL_TSS);
    assert_int_equal(world_get(v, TSS + 0x34, 4), 0x12345678);
    assert_int_equal(world_get(v, GDT + SEL_TSS2 + 5, 1), 0x8b);
    world_put(v, GDT + SEL_TSS + 5, 0x8b, 1);
    assert_int_equal(RUN(v, 0xcf), NOT_RAISED);
    assert_int_equal(s->tr.selector, SEL_TSS);
    assert_int_equal(s->rip, CODE);
    assert_int_equal(s->gpr[X86_RBX], 0x12345678);
    assert_int_equal(world_get(v, GDT + SEL_TSS2 + 5, 1), 0x89);
    world_destroy(v);
}

TEST(fault_combinations_are_the_sdms)
{
    UNUSED;
    assert_int_equal(jit_combine_faults(EX_GP, EX_NP), EX_DF);
    assert_int_equal(jit_combine_faults(EX_GP, EX_PF), EX_PF);
    assert_int_equal(jit_combine_faults(EX_PF, EX_PF), EX_DF);
    assert_int_equal(jit_combine_faults(EX_PF, EX_GP), EX_DF);
    assert_int_equal(jit_combine_faults(EX_UD, EX_GP), EX_GP);
    assert_int_equal(jit_combine_faults(EX_DB, EX_PF), EX_PF);
    assert_int_equal(jit_combine_faults(EX_DF, EX_PF), -1);
    assert_int_equal(jit_combine_faults(EX_DF, EX_GP), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_mode_pushes_three_words_and_clears_if),
        cmocka_unit_test(real_mode_ivt_limit_is_gp),
        cmocka_unit_test(long_mode_aligns_the_stack_and_pushes_five_words_and_a_code),
        cmocka_unit_test(long_mode_from_user_takes_rsp0_and_a_null_ss),
        cmocka_unit_test(an_ist_stack_is_used_even_at_the_same_level),
        cmocka_unit_test(software_interrupt_needs_the_gates_dpl),
        cmocka_unit_test(faults_of_a_hardware_event_have_ext),
        cmocka_unit_test(a_handler_in_long_mode_must_be_64_bit),
        cmocka_unit_test(a_fault_on_the_new_stack_changes_nothing),
        cmocka_unit_test(protected_mode_to_inner_level_switches_stacks),
        cmocka_unit_test(a_sixteen_bit_gate_pushes_words),
        cmocka_unit_test(v86_mode_leaves_through_level_0_with_all_segments),
        cmocka_unit_test(int_in_v86_mode_needs_iopl_3),
        cmocka_unit_test(a_task_gate_switches_tasks_and_iret_comes_back),
        cmocka_unit_test(fault_combinations_are_the_sdms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
