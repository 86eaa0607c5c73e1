// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/emulate_world.h"

#define TEST(name) static void name(void **unused)
#define GPR(n) (v->state.gpr[X86_##n])

// --- modes ---

TEST(the_way_from_real_mode_to_long_mode)
{
    (void)unused;
    struct jit_vcpu *v = world_real();
    struct x86_state *s = &v->state;
    uint64_t idtr = s->idtr.base;
    world_tables(v);
    s->idtr.base = idtr;
    s->gdtr = (struct x86_table){0};
    world_put(v, 0x500, GDT_LIMIT, 2);
    world_put(v, 0x502, GDT, 4);
    assert_int_equal(RUN(v, 0x0f, 0x01, 0x16, 0x00, 0x05), NOT_RAISED);  // lgdt [0x500]
    assert_int_equal(s->gdtr.base, GDT);
    assert_int_equal(s->gdtr.limit, GDT_LIMIT);
    GPR(RAX) = CR0_PE;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xc0), NOT_RAISED);  // mov cr0, eax
    assert_int_equal(s->cr0, CR0_PE | CR0_ET);
    assert_int_equal(RUN(v, 0x66, 0xea, 0x00, 0x90, 0x00, 0x00, SEL_CODE0, 0x00), NOT_RAISED);
    assert_int_equal(s->rip, 0x9000);
    assert_true(s->seg[X86_CS].attr & SEG_DB);
    GPR(RAX) = SEL_DATA0;
    assert_int_equal(RUN(v, 0x8e, 0xd8), NOT_RAISED);  // mov ds, eax
    assert_int_equal(s->seg[X86_DS].limit, 0xffffffff);
    assert_int_equal(RUN(v, 0x8e, 0xd0), NOT_RAISED);  // mov ss, eax
    assert_int_equal(s->mov_ss_shadow, 1);
    GPR(RAX) = CR4_PAE;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xe0), NOT_RAISED);
    s->efer = EFER_LME;
    GPR(RAX) = CR0_PE | CR0_PG;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xc0), NOT_RAISED);
    assert_true(s->efer & EFER_LMA);
    assert_int_not_equal(v->flushes_all, 0);
    GPR(RSP) = STACK0;
    assert_int_equal(RUN(v, 0x6a, SEL_CODE64), NOT_RAISED);
    GPR(RAX) = 0x9100;
    assert_int_equal(RUN(v, 0x50), NOT_RAISED);
    assert_int_equal(RUN(v, 0xcb), NOT_RAISED);  // lret
    assert_int_equal(world_mode(v), INSN_64);
    assert_int_equal(s->rip, 0x9100);
    world_destroy(v);
}

TEST(control_registers_refuse_what_the_architecture_forbids)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    GPR(RAX) = v->state.cr0 & ~(uint64_t)CR0_PG;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xc0), EX_GP);  // paging can't end in 64-bit mode
    GPR(RAX) = CR0_PE | CR0_PG | CR0_NW;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xc0), EX_GP);
    GPR(RAX) = UINT64_C(1) << 32 | v->state.cr0;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xc0), EX_GP);
    GPR(RAX) = v->state.cr4 & ~(uint64_t)CR4_PAE;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xe0), EX_GP);
    GPR(RAX) = v->state.cr4 | CR4_LA57;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xe0), EX_GP);
    GPR(RAX) = UINT64_C(1) << 60;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xd8), EX_GP);
    GPR(RAX) = 0x5000;
    assert_int_equal(RUN(v, 0x0f, 0x22, 0xd8), NOT_RAISED);
    assert_int_equal(v->flushes_nonglobal, 1);
    GPR(RAX) = 16;
    assert_int_equal(RUN(v, 0x44, 0x0f, 0x22, 0xc0), EX_GP);  // mov cr8, rax
    world_destroy(v);
}

TEST(privileged_instructions_fault_in_user_mode)
{
    (void)unused;
    struct jit_vcpu *v = world_long(3);
    assert_int_equal(RUN(v, 0xf4), EX_GP);
    assert_int_equal(RUN(v, 0xfa), EX_GP);
    assert_int_equal(RUN(v, 0xfb), EX_GP);
    assert_int_equal(RUN(v, 0x0f, 0x32), EX_GP);
    assert_int_equal(RUN(v, 0x0f, 0x30), EX_GP);
    assert_int_equal(RUN(v, 0x0f, 0x20, 0xc0), EX_GP);
    assert_int_equal(RUN(v, 0x0f, 0x06), EX_GP);
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xf8), EX_GP);  // swapgs
    assert_int_equal(RUN(v, 0x0f, 0x09), EX_GP);
    assert_int_equal(RUN(v, 0x0f, 0x01, 0x38), EX_GP);
    assert_int_equal(RUN(v, 0x0f, 0x0b), EX_UD);
    v->state.cr4 |= CR4_TSD;
    assert_int_equal(RUN(v, 0x0f, 0x31), EX_GP);
    v->state.cr4 |= CR4_UMIP;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0x00), EX_GP);
    assert_int_equal(v->state.rip, CODE);
    world_destroy(v);
}

// --- system calls ---

TEST(syscall_and_sysret_go_there_and_back)
{
    (void)unused;
    struct jit_vcpu *v = world_long(3);
    struct x86_state *s = &v->state;
    s->star = (uint64_t)0x33 << 48 | (uint64_t)SEL_CODE64 << 32;
    s->lstar = 0xffffffff81000000;
    s->sfmask = FL_IF | FL_DF | FL_AC;
    s->rflags = FL_FIXED | FL_IF | FL_ZF | FL_RF;
    assert_int_equal(RUN(v, 0x0f, 0x05), NOT_RAISED);
    assert_true(s->rip == 0xffffffff81000000);
    assert_int_equal(GPR(RCX), CODE + 2);
    assert_int_equal(GPR(R11), FL_FIXED | FL_IF | FL_ZF);
    assert_int_equal(s->rflags, FL_FIXED | FL_ZF);
    assert_int_equal(s->cpl, 0);
    assert_int_equal(s->seg[X86_SS].selector, SEL_CODE64 + 8);
    assert_int_equal(RUN(v, 0x48, 0x0f, 0x07), NOT_RAISED);
    assert_int_equal(s->rip, CODE + 2);
    assert_int_equal(s->cpl, 3);
    assert_int_equal(s->seg[X86_CS].selector, 0x43);
    assert_int_equal(s->seg[X86_SS].selector, 0x3b);
    assert_int_equal(s->rflags, FL_FIXED | FL_IF | FL_ZF);
    assert_int_not_equal(v->checks, 0);
    s->efer &= ~(uint64_t)EFER_SCE;
    assert_int_equal(RUN(v, 0x0f, 0x05), EX_UD);
    world_destroy(v);
}

TEST(sysret_to_a_non_canonical_address_faults_in_the_kernel_on_intel_only)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    v->state.star = (uint64_t)0x33 << 48;
    GPR(RCX) = UINT64_C(1) << 47;
    strcpy(v->model.vendor, "GenuineIntel");
    assert_int_equal(RUN(v, 0x48, 0x0f, 0x07), EX_GP);
    assert_int_equal(v->state.cpl, 0);
    strcpy(v->model.vendor, "AuthenticAMD");
    assert_int_equal(RUN(v, 0x48, 0x0f, 0x07), NOT_RAISED);
    assert_int_equal(v->state.cpl, 3);
    world_destroy(v);
}

TEST(sysenter_and_sysexit)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(3);
    struct x86_state *s = &v->state;
    strcpy(v->model.vendor, "GenuineIntel");
    assert_int_equal(RUN(v, 0x0f, 0x34), EX_GP);
    s->sysenter_cs = SEL_CODE0;
    s->sysenter_eip = 0x9000;
    s->sysenter_esp = 0x9800;
    s->rflags |= FL_IF;
    assert_int_equal(RUN(v, 0x0f, 0x34), NOT_RAISED);
    assert_int_equal(s->rip, 0x9000);
    assert_int_equal(GPR(RSP), 0x9800);
    assert_int_equal(s->cpl, 0);
    assert_false(s->rflags & FL_IF);
    GPR(RDX) = 0x8100;
    GPR(RCX) = STACK3;
    assert_int_equal(RUN(v, 0x0f, 0x35), NOT_RAISED);
    assert_int_equal(s->cpl, 3);
    assert_int_equal(s->seg[X86_CS].selector, SEL_CODE0 + 16 + 3);
    world_destroy(v);
}

TEST(swapgs_exchanges_bases)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    v->state.seg[X86_GS].base = 0x1111;
    v->state.kernel_gs_base = 0xffff888000000000;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xf8), NOT_RAISED);
    assert_true(v->state.seg[X86_GS].base == 0xffff888000000000);
    assert_int_equal(v->state.kernel_gs_base, 0x1111);
    GPR(RAX) = UINT64_C(1) << 50;
    assert_int_equal(RUN(v, 0xf3, 0x48, 0x0f, 0xae, 0xd0), EX_GP);  // wrfsbase rax
    GPR(RAX) = 0x7000;
    assert_int_equal(RUN(v, 0xf3, 0x48, 0x0f, 0xae, 0xd0), NOT_RAISED);
    assert_int_equal(v->state.seg[X86_FS].base, 0x7000);
    world_destroy(v);
}

// --- IRET ---

static void frame64(struct jit_vcpu *v, uint64_t rip, uint16_t cs, uint64_t flags, uint64_t rsp, uint16_t ss)
{
    const uint64_t words[] = {rip, cs, flags, rsp, ss};
    GPR(RSP) = STACK0 - sizeof words;
    for (unsigned n = 0; n < ARRAY_SIZE(words); n++)
        world_put(v, GPR(RSP) + 8 * n, words[n], 8);
}

TEST(iretq_to_user_keeps_the_bases_of_null_segments)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    struct x86_state *s = &v->state;
    s->seg[X86_FS] = (struct x86_segment){.base = 0x7f0000001000};
    s->nmi_blocked = 1;
    frame64(v, 0x8800, SEL_CODE64_3, FL_FIXED | FL_IF | FL_RF, STACK3, SEL_DATA3);
    assert_int_equal(RUN(v, 0x48, 0xcf), NOT_RAISED);
    assert_int_equal(s->rip, 0x8800);
    assert_int_equal(s->cpl, 3);
    assert_int_equal(GPR(RSP), STACK3);
    assert_int_equal(s->rflags, FL_FIXED | FL_IF | FL_RF);
    assert_true(s->seg[X86_FS].base == 0x7f0000001000);
    assert_int_equal(s->seg[X86_DS].attr & SEG_P, 0);  // the kernel's DS had DPL 0
    assert_int_equal(s->nmi_blocked, 0);
    world_destroy(v);
}

TEST(iretq_checks_before_it_changes)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    struct x86_state before = v->state;
    frame64(v, UINT64_C(1) << 47, SEL_CODE64_3, FL_FIXED, STACK3, SEL_DATA3);
    assert_int_equal(RUN(v, 0x48, 0xcf), EX_GP);
    frame64(v, 0x8800, SEL_DATA0, FL_FIXED, STACK3, SEL_DATA3);
    assert_int_equal(RUN(v, 0x48, 0xcf), EX_GP);
    assert_int_equal(v->code, SEL_DATA0);
    frame64(v, 0x8800, SEL_CODE64_3, FL_FIXED, STACK3, SEL_DATA0);
    assert_int_equal(RUN(v, 0x48, 0xcf), EX_GP);
    assert_int_equal(v->code, SEL_DATA0);
    frame64(v, 0x8800, SEL_CODE64_3, FL_FIXED, STACK3, 0);
    assert_int_equal(RUN(v, 0x48, 0xcf), EX_GP);  // level 3 has no null SS
    v->state.rflags |= FL_NT;
    assert_int_equal(RUN(v, 0x48, 0xcf), EX_GP);
    assert_memory_equal(before.seg, v->state.seg, sizeof before.seg);
    assert_int_equal(v->state.cpl, 0);
    world_destroy(v);
}

TEST(iretq_within_the_kernel_may_have_a_null_ss)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    frame64(v, 0x8800, SEL_CODE64, FL_FIXED, STACK0 - 0x100, 0);
    assert_int_equal(RUN(v, 0x48, 0xcf), NOT_RAISED);
    assert_int_equal(GPR(RSP), STACK0 - 0x100);
    assert_int_equal(v->state.seg[X86_SS].selector, 0);
    world_destroy(v);
}

TEST(user_iret_does_not_touch_if_and_iopl)
{
    (void)unused;
    struct jit_vcpu *v = world_long(3);
    v->state.rflags |= FL_IF;
    GPR(RSP) = STACK3 - 40;
    const uint64_t words[] = {0x8800, SEL_CODE64_3, FL_FIXED | FL_IOPL | FL_AC, STACK3, SEL_DATA3};
    for (unsigned n = 0; n < 5; n++)
        world_put(v, GPR(RSP) + 8 * n, words[n], 8);
    assert_int_equal(RUN(v, 0x48, 0xcf), NOT_RAISED);
    assert_int_equal(v->state.rflags, FL_FIXED | FL_IF | FL_AC);
    world_destroy(v);
}

// --- far transfers ---

TEST(far_calls_check_selectors)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(3);
    assert_int_equal(RUN(v, 0x9a, 0, 0x90, 0, 0, 0, 0), EX_GP);
    assert_int_equal(v->code, 0);
    assert_int_equal(RUN(v, 0x9a, 0, 0x90, 0, 0, SEL_CODE0, 0), EX_GP);
    assert_int_equal(v->code, SEL_CODE0);
    assert_int_equal(RUN(v, 0x9a, 0, 0x90, 0, 0, SEL_DATA3, 0), EX_GP);
    assert_int_equal(RUN(v, 0x9a, 0, 0x90, 0, 0, 0xf8, 1), EX_GP);  // beyond the table
    assert_int_equal(v->code, 0x1f8);
    assert_int_equal(RUN(v, 0x9a, 0, 0x90, 0, 0, SEL_CONFORMING, 0), NOT_RAISED);
    assert_int_equal(v->state.cpl, 3);
    assert_int_equal(v->state.seg[X86_CS].selector, SEL_CONFORMING | 3);
    assert_int_equal(world_get(v, STACK3 - 4, 4), SEL_CODE3);
    assert_int_equal(world_get(v, STACK3 - 8, 4), CODE + 7);
    world_destroy(v);
}

TEST(a_call_gate_takes_parameters_to_the_inner_stack)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(3);
    world_put(v, GDT + SEL_GATE, (HANDLER & 0xffff) | (uint64_t)SEL_CODE0 << 16 | (uint64_t)2 << 32 |
              (uint64_t)0xec << 40, 8);
    GPR(RSP) = STACK3 - 8;
    world_put(v, STACK3 - 8, 0x2222222211111111, 8);
    assert_int_equal(RUN(v, 0x9a, 0, 0, 0, 0, SEL_GATE | 3, 0), NOT_RAISED);
    assert_int_equal(v->state.cpl, 0);
    assert_int_equal(v->state.rip, HANDLER);
    assert_int_equal(GPR(RSP), STACK0 - 24);
    assert_int_equal(world_get(v, STACK0 - 4, 4), SEL_DATA3);
    assert_int_equal(world_get(v, STACK0 - 8, 4), STACK3 - 8);
    assert_true(world_get(v, STACK0 - 16, 8) == 0x2222222211111111);
    assert_int_equal(world_get(v, STACK0 - 24, 4), CODE + 7);
    assert_int_equal(RUN(v, 0xca, 8, 0), NOT_RAISED);  // retf 8 releases them on both stacks
    assert_int_equal(v->state.cpl, 3);
    assert_int_equal(GPR(RSP), STACK3);
    assert_int_equal(v->state.seg[X86_SS].selector, SEL_DATA3);
    world_destroy(v);
}

TEST(a_jump_to_a_tss_switches_tasks)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(0);
    world_put(v, TSS2 + 0x20, 0x7777, 4);
    world_put(v, TSS2 + 0x24, FL_FIXED, 4);
    const uint16_t segments[] = {SEL_DATA0, SEL_CODE0, SEL_DATA0, SEL_DATA0, 0, 0};
    for (unsigned n = 0; n < 6; n++)
        world_put(v, TSS2 + 0x48 + 4 * n, segments[n], 4);
    assert_int_equal(RUN(v, 0xea, 0, 0, 0, 0, SEL_TSS2, 0), NOT_RAISED);
    assert_int_equal(v->state.rip, 0x7777);
    assert_int_equal(world_get(v, TSS + 0x20, 4), CODE + 7);
    assert_false(v->state.rflags & FL_NT);
    assert_int_equal(RUN(v, 0xea, 0, 0, 0, 0, SEL_TSS2, 0), EX_GP);  // it is busy
    world_destroy(v);
}

// --- segment registers ---

TEST(data_segments_are_checked)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(3);
    GPR(RAX) = SEL_DATA0;
    assert_int_equal(RUN(v, 0x8e, 0xd8), EX_GP);
    assert_int_equal(v->code, SEL_DATA0);
    GPR(RAX) = SEL_TSS;
    assert_int_equal(RUN(v, 0x8e, 0xd8), EX_GP);
    GPR(RAX) = 0;
    assert_int_equal(RUN(v, 0x8e, 0xd0), EX_GP);  // null SS
    assert_int_equal(RUN(v, 0x8e, 0xd8), NOT_RAISED);
    GPR(RBX) = 0x100;
    assert_int_equal(RUN(v, 0x8a, 0x03), EX_GP);  // a load through null DS
    assert_int_equal(RUN(v, 0x36, 0x8a, 0x03), NOT_RAISED);
    GPR(RAX) = SEL_CODE3;
    assert_int_equal(RUN(v, 0x8e, 0xc0), NOT_RAISED);
    assert_int_equal(RUN(v, 0x26, 0x88, 0x03), EX_GP);  // a store into code
    world_destroy(v);
    v = world_protected(0);
    GPR(RAX) = SEL_ABSENT;
    assert_int_equal(RUN(v, 0x8e, 0xd8), EX_NP);
    assert_int_equal(RUN(v, 0x8e, 0xd0), EX_SS);
    assert_int_equal(RUN(v, 0x8e, 0xc8), EX_UD);
    world_destroy(v);
}

TEST(a_load_sets_the_accessed_bit)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(0);
    world_put(v, GDT + (SEL_DATA3 & ~7) + 5, 0xf2, 1);
    GPR(RAX) = SEL_DATA3;
    assert_int_equal(RUN(v, 0x8e, 0xd8), NOT_RAISED);
    assert_int_equal(world_get(v, GDT + (SEL_DATA3 & ~7) + 5, 1), 0xf3);
    assert_int_equal(v->state.seg[X86_DS].attr, 0xc0f3);
    world_destroy(v);
}

TEST(limits_hold_expand_down_too)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(0);
    v->state.seg[X86_DS].limit = 0xfff;
    GPR(RBX) = 0xffd;
    assert_int_equal(RUN(v, 0x8b, 0x03), EX_GP);
    GPR(RBX) = 0xffc;
    assert_int_equal(RUN(v, 0x8b, 0x03), NOT_RAISED);
    v->state.seg[X86_DS].attr |= SEG_EXPAND_DOWN;
    assert_int_equal(RUN(v, 0x8b, 0x03), EX_GP);
    GPR(RBX) = 0x1000;
    assert_int_equal(RUN(v, 0x8b, 0x03), NOT_RAISED);
    world_destroy(v);
}

TEST(lsl_and_lar_answer_without_faults)
{
    (void)unused;
    struct jit_vcpu *v = world_long(3);
    GPR(RAX) = SEL_DATA3;
    assert_int_equal(RUN(v, 0x0f, 0x03, 0xd8), NOT_RAISED);  // lsl ebx, eax
    assert_int_equal(GPR(RBX), 0xffffffff);
    assert_true(v->state.rflags & FL_ZF);
    GPR(RAX) = 0xfff8;
    assert_int_equal(RUN(v, 0x0f, 0x03, 0xd8), NOT_RAISED);
    assert_false(v->state.rflags & FL_ZF);
    GPR(RAX) = SEL_DATA3;
    assert_int_equal(RUN(v, 0x0f, 0x02, 0xd8), NOT_RAISED);
    assert_int_equal(GPR(RBX), 0xcff300);
    GPR(RAX) = SEL_DATA0;
    assert_int_equal(RUN(v, 0x0f, 0x00, 0xe0), NOT_RAISED);  // verr ax
    assert_false(v->state.rflags & FL_ZF);
    world_destroy(v);
}

TEST(ltr_marks_the_tss_busy)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    GPR(RAX) = SEL_TSS;
    assert_int_equal(RUN(v, 0x0f, 0x00, 0xd8), NOT_RAISED);
    assert_int_equal(world_get(v, GDT + SEL_TSS + 5, 1), 0x8b);
    assert_int_equal(v->state.tr.base, TSS);
    assert_int_equal(RUN(v, 0x0f, 0x00, 0xd8), EX_GP);
    assert_int_equal(v->code, SEL_TSS);
    world_destroy(v);
}

// --- ports and strings ---

TEST(ports_follow_iopl_and_the_bitmap)
{
    (void)unused;
    struct jit_vcpu *v = world_long(3);
    world_put(v, TSS + 0x66, 0x68, 2);
    world_put(v, TSS + 0x68 + 0x3f8 / 8, 0xffff, 2);
    assert_int_equal(RUN(v, 0xe6, 0x80), NOT_RAISED);  // the bit is clear
    GPR(RDX) = 0x3f8;
    assert_int_equal(RUN(v, 0xee), EX_GP);
    GPR(RDX) = 0xfff8;
    assert_int_equal(RUN(v, 0xee), EX_GP);  // beyond the limit
    v->state.rflags |= FL_IOPL;
    v->port_value = 0x12345678;
    assert_int_equal(RUN(v, 0xec), NOT_RAISED);
    assert_int_equal(GPR(RAX) & 0xff, 0x78);
    GPR(RAX) = ~UINT64_C(0);
    assert_int_equal(RUN(v, 0xed), NOT_RAISED);
    assert_int_equal(GPR(RAX), 0x12345678);
    world_destroy(v);
}

TEST(rep_movs_stops_at_a_fault_with_what_is_done_committed)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    GPR(RSI) = 0x30000;
    GPR(RDI) = 0x40000 - 32;
    GPR(RCX) = 100;
    v->page[0x40] = PAGE_READ_ONLY;
    assert_int_equal(RUN(v, 0xf3, 0xa4), EX_PF);
    assert_int_equal(GPR(RCX), 68);
    assert_int_equal(GPR(RSI), 0x30020);
    assert_int_equal(GPR(RDI), 0x40000);
    assert_int_equal(v->state.rip, CODE);
    v->page[0x40] = 0;
    assert_int_equal(RUN(v, 0xf3, 0xa4), NOT_RAISED);
    assert_int_equal(GPR(RCX), 0);
    assert_int_equal(v->state.rip, CODE + 2);
    world_destroy(v);
}

TEST(a_long_rep_lets_interrupts_in)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    unsigned calls = 0;
    GPR(RDI) = 0x30000;
    GPR(RCX) = 0x40000;
    GPR(RAX) = 0x5a;
    do {
        assert_int_equal(RUN(v, 0xf3, 0xaa), NOT_RAISED);
        calls++;
    } while (v->state.rip == CODE);
    assert_in_range(calls, 3, 8);
    assert_int_equal(GPR(RCX), 0);
    assert_int_equal(world_get(v, 0x30000, 1), 0x5a);
    assert_int_equal(world_get(v, 0x6ffff, 1), 0x5a);
    world_destroy(v);
}

TEST(sixteen_bit_strings_wrap_at_64k)
{
    (void)unused;
    struct jit_vcpu *v = world_real();
    GPR(RSI) = 0x100;
    GPR(RDI) = 0xffff0000 | 0xfffe;
    GPR(RCX) = 4;
    world_put(v, 0x100, 0x44332211, 4);
    assert_int_equal(RUN(v, 0xf3, 0xa4), NOT_RAISED);
    assert_int_equal(world_get(v, 0xfffe, 2), 0x2211);
    assert_int_equal(world_get(v, 0, 2), 0x4433);
    assert_int_equal(GPR(RDI), 0xffff0002);
    world_destroy(v);
}

TEST(strings_on_devices_go_element_by_element)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    v->page[0x50] = PAGE_DEVICE;
    GPR(RDI) = 0x50000;
    GPR(RSI) = 0x30000;
    GPR(RCX) = 8;
    assert_int_equal(RUN(v, 0xf3, 0xa5), NOT_RAISED);
    assert_int_equal(v->stores, 8);
    world_destroy(v);
}

// --- the rest ---

TEST(decimal_adjustment)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(0);
    GPR(RAX) = 0xae;
    v->state.rflags = FL_FIXED;
    assert_int_equal(RUN(v, 0x27), NOT_RAISED);  // SDM's own example of DAA
    assert_int_equal(GPR(RAX), 0x14);
    assert_int_equal(v->state.rflags, FL_FIXED | FL_CF | FL_AF | FL_PF);
    GPR(RAX) = 0x2f;
    v->state.rflags = FL_FIXED | FL_CF;
    assert_int_equal(RUN(v, 0x2f), NOT_RAISED);
    assert_int_equal(GPR(RAX), 0xc9);
    GPR(RAX) = 0x47;
    assert_int_equal(RUN(v, 0xd4, 10), NOT_RAISED);
    assert_int_equal(GPR(RAX), 0x0701);
    assert_int_equal(RUN(v, 0xd5, 10), NOT_RAISED);
    assert_int_equal(GPR(RAX), 71);
    assert_int_equal(RUN(v, 0xd4, 0), EX_DE);
    GPR(RAX) = 0x0b;
    v->state.rflags = FL_FIXED;
    assert_int_equal(RUN(v, 0x37), NOT_RAISED);
    assert_int_equal(GPR(RAX), 0x0101);
    world_destroy(v);
}

TEST(pusha_and_popa_are_inverse)
{
    (void)unused;
    struct jit_vcpu *v = world_protected(0);
    uint64_t before[8];
    for (unsigned n = 0; n < 8; n++)
        if (n != X86_RSP)
            v->state.gpr[n] = 0x1000 + n;
    memcpy(before, v->state.gpr, sizeof before);
    assert_int_equal(RUN(v, 0x60), NOT_RAISED);
    assert_int_equal(GPR(RSP), STACK0 - 32);
    assert_int_equal(world_get(v, STACK0 - 20, 4), STACK0);
    memset(v->state.gpr, 0, 4 * 8);
    assert_int_equal(RUN(v, 0x61), NOT_RAISED);
    assert_memory_equal(before, v->state.gpr, sizeof before);
    v->page[(STACK0 - 32) >> PAGE_BITS] = PAGE_READ_ONLY;
    assert_int_equal(RUN(v, 0x60), EX_PF);
    assert_int_equal(GPR(RSP), STACK0);
    world_destroy(v);
}

TEST(popf_obeys_privilege)
{
    (void)unused;
    struct jit_vcpu *v = world_long(3);
    v->state.rflags = FL_FIXED | FL_IF;
    world_put(v, STACK3, FL_IOPL | FL_TF | FL_CF | FL_ID, 8);
    assert_int_equal(RUN(v, 0x9d), NOT_RAISED);
    assert_int_equal(v->state.rflags, FL_FIXED | FL_IF | FL_TF | FL_CF | FL_ID);
    world_destroy(v);
    v = world_long(0);
    world_put(v, STACK0, FL_IOPL | FL_IF, 8);
    assert_int_equal(RUN(v, 0x9d), NOT_RAISED);
    assert_int_equal(v->state.rflags, FL_FIXED | FL_IF | FL_IOPL);
    assert_int_not_equal(v->checks, 0);
    world_destroy(v);
}

TEST(sti_shadows_the_next_instruction_only_when_if_was_clear)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    assert_int_equal(RUN(v, 0xfb), NOT_RAISED);
    assert_int_equal(v->state.sti_shadow, 1);
    v->state.sti_shadow = 0;
    assert_int_equal(RUN(v, 0xfb), NOT_RAISED);
    assert_int_equal(v->state.sti_shadow, 0);
    world_destroy(v);
}

TEST(near_branches_check_canonicality_and_limits)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    GPR(RAX) = UINT64_C(1) << 47;
    assert_int_equal(RUN(v, 0xff, 0xd0), EX_GP);
    assert_int_equal(GPR(RSP), STACK0);
    GPR(RAX) = 0x8123;
    assert_int_equal(RUN(v, 0xff, 0xd0), NOT_RAISED);
    assert_int_equal(v->state.rip, 0x8123);
    assert_int_equal(RUN(v, 0xc3), NOT_RAISED);
    assert_int_equal(v->state.rip, CODE + 2);
    GPR(RSP) = (UINT64_C(1) << 47) + 16;
    assert_int_equal(RUN(v, 0x50), EX_SS);
    world_destroy(v);
    v = world_real();
    v->state.rip = 0xfff0;
    assert_int_equal(RUN(v, 0xeb, 0x20), NOT_RAISED);  // wraps
    assert_int_equal(v->state.rip, 0x12);
    world_destroy(v);
}

TEST(hypercalls_that_are_not_there_say_so)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    v->model.hypervisor = true;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xd9), NOT_RAISED);
    assert_int_equal((int64_t)GPR(RAX), -1000);
    v->model.hypervisor = false;
    assert_int_equal(RUN(v, 0x0f, 0x01, 0xc1), EX_UD);
    world_destroy(v);
}

TEST(a_debug_register_access_under_gd_is_db)
{
    (void)unused;
    struct jit_vcpu *v = world_long(0);
    v->state.dr7 = 0x400 | 1 << 13;
    assert_int_equal(RUN(v, 0x0f, 0x21, 0xc0), EX_DB);
    assert_true(v->state.dr6 & 1 << 13);
    assert_int_equal(RUN(v, 0x0f, 0x21, 0xf8), NOT_RAISED);
    assert_int_equal(GPR(RAX), 0x400);
    v->state.cr4 |= CR4_DE;
    assert_int_equal(RUN(v, 0x0f, 0x21, 0xe0), EX_UD);
    world_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_way_from_real_mode_to_long_mode),
        cmocka_unit_test(control_registers_refuse_what_the_architecture_forbids),
        cmocka_unit_test(privileged_instructions_fault_in_user_mode),
        cmocka_unit_test(syscall_and_sysret_go_there_and_back),
        cmocka_unit_test(sysret_to_a_non_canonical_address_faults_in_the_kernel_on_intel_only),
        cmocka_unit_test(sysenter_and_sysexit),
        cmocka_unit_test(swapgs_exchanges_bases),
        cmocka_unit_test(iretq_to_user_keeps_the_bases_of_null_segments),
        cmocka_unit_test(iretq_checks_before_it_changes),
        cmocka_unit_test(iretq_within_the_kernel_may_have_a_null_ss),
        cmocka_unit_test(user_iret_does_not_touch_if_and_iopl),
        cmocka_unit_test(far_calls_check_selectors),
        cmocka_unit_test(a_call_gate_takes_parameters_to_the_inner_stack),
        cmocka_unit_test(a_jump_to_a_tss_switches_tasks),
        cmocka_unit_test(data_segments_are_checked),
        cmocka_unit_test(a_load_sets_the_accessed_bit),
        cmocka_unit_test(limits_hold_expand_down_too),
        cmocka_unit_test(lsl_and_lar_answer_without_faults),
        cmocka_unit_test(ltr_marks_the_tss_busy),
        cmocka_unit_test(ports_follow_iopl_and_the_bitmap),
        cmocka_unit_test(rep_movs_stops_at_a_fault_with_what_is_done_committed),
        cmocka_unit_test(a_long_rep_lets_interrupts_in),
        cmocka_unit_test(sixteen_bit_strings_wrap_at_64k),
        cmocka_unit_test(strings_on_devices_go_element_by_element),
        cmocka_unit_test(decimal_adjustment),
        cmocka_unit_test(pusha_and_popa_are_inverse),
        cmocka_unit_test(popf_obeys_privilege),
        cmocka_unit_test(sti_shadows_the_next_instruction_only_when_if_was_clear),
        cmocka_unit_test(near_branches_check_canonicality_and_limits),
        cmocka_unit_test(hypercalls_that_are_not_there_say_so),
        cmocka_unit_test(a_debug_register_access_under_gd_is_db),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
