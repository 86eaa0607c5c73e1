// SPDX-License-Identifier: GPL-2.0-or-later
//
// Traps about events on one vCPU: which comes first, what waits, what is lost; NMIs, shadows, single steps, RF;
// and which side of a branch faults.
#include "tests/unit/jit_programs.h"

// --- NMIs ---------------------------------------------------------------------------------------------

static unsigned nmis_left;

static void send_nmi(struct world *w)
{
    if (!nmis_left)
        return;
    nmis_left--;
    w->vcpu[0]->ops->nmi(w->vcpu[0]);
}

static void set_gate(struct world *w, unsigned vector, uint64_t handler)
{
    uint64_t *gate = world_word(w, WORLD_IDT) + 2 * vector;
    *gate = (*gate & UINT64_C(0xffffffff0000)) | (handler & 0xffff) | (handler >> 16 & 0xffff) << 48;
    *gate = (*gate & ~UINT64_C(0xff00000000)) | UINT64_C(0x0100000000);
}

enum { HANDLER = 0x50000, HANDLER_2 = 0x51000 };

static void handle(struct world *w, unsigned vector, uint64_t at, const uint8_t *code, size_t size_bytes)
{
    memcpy(w->ram.host + at, code, size_bytes);
    set_gate(w, vector, at);
}
#define HANDLE(w, vector, at, name) handle(w, vector, at, name, SIZE(name))

// Events from outside are looked for at backward jumps.
#define SETTLE "mov r9d, 3\n9: dec r9d\njnz 9b\n"
GUEST(asks_for_nmi, "xor ecx, ecx\nmov edx, 0x300\nout dx, al\n" SETTLE END);
GUEST(asks_for_more, "inc ecx\ncmp ecx, 1\njne 1f\nout dx, al\nout dx, al\nout dx, al\n" SETTLE "mov [0x40000], ecx\n1: iretq");

// In the handler of the first three more are sent: they are one, and it waits for IRET.
IN_BOTH_MODES_OF(of_nmis_in_an_nmi_one_is_left, .touched = send_nmi)
{
    HANDLE(w, EX_NMI, HANDLER, asks_for_more);
    for (unsigned sent = 1; sent <= 4; sent++) {
        world_state(w, w->s, 0);
        nmis_left = sent;
        assert_int_equal(RUN(w, asks_for_nmi), DONE);
        assert_int_equal(w->s->gpr[X86_RCX], sent > 1 ? 2 : 1);
        assert_int_equal(*world_word(w, WORLD_DATA), 1);
        assert_int_equal(w->s->nmi_blocked | w->s->nmi_pending, 0);
    }
}

GUEST(irets_from_nowhere, "inc ecx\ncmp ecx, 1\njne 1f\nmov rsp, 0x52000\niretq\n1:" END);
GUEST(asks_and_goes_on, "out dx, al\n" SETTLE "hlt");

IN_BOTH_MODES_OF(an_iret_that_faults_lets_nmis_in, .touched = send_nmi)
{
    *world_pte(w, 0x52000) = 0;
    HANDLE(w, EX_NMI, HANDLER, irets_from_nowhere);
    HANDLE(w, EX_PF, HANDLER_2, asks_and_goes_on);
    nmis_left = 2;
    assert_int_equal(RUN(w, asks_for_nmi), DONE);
    assert_int_equal(w->s->gpr[X86_RCX], 2);
    assert_int_equal(w->s->cr2, 0x52000);
    assert_in_range(pushed(w, PUSHED_RIP), HANDLER_2 + 1, HANDLER_2 + SIZE(asks_and_goes_on));
}

LABEL(breaks_here);
GUEST(irets_at_a_breakpoint, "inc ecx\n" HERE(breaks_here) "iretq");
GUEST(asks_in_the_breakpoint, "out dx, al\n" SETTLE "mov [0x40000], ecx" END);

// A breakpoint before IRET is none of IRET's faults.
IN_BOTH_MODES_OF(an_iret_that_has_not_begun_lets_no_nmi_in, .touched = send_nmi)
{
    HANDLE(w, EX_NMI, HANDLER, irets_at_a_breakpoint);
    HANDLE(w, EX_DB, HANDLER_2, asks_in_the_breakpoint);
    w->s->dr[0] = HANDLER + (breaks_here - irets_at_a_breakpoint);
    w->s->dr7 = 0x402;
    nmis_left = 2;
    assert_int_equal(RUN(w, asks_for_nmi), DONE);
    assert_int_equal(*world_word(w, WORLD_DATA), 1);
    assert_int_equal(w->s->gpr[X86_RCX], 1);
    assert_true(w->s->nmi_blocked);
}

GUEST(nops, "nop\nnop\nnop" END);

// By the manual an NMI may wait for a shadow's end; here it does (SDM volume 2, "STI").
IN_BOTH_MODES(an_nmi_waits_for_the_end_of_a_shadow)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        world_state(w, w->s, 0);
        w->s->nmi_blocked = 0;
        w->s->sti_shadow = kind == 0;
        w->s->mov_ss_shadow = kind == 1;
        w->s->nmi_pending = 1;
        assert_int_equal(RUN(w, nops), EX_NMI);
        assert_int_equal(pushed(w, PUSHED_RIP), WORLD_CODE + (kind < 2));
    }
}

IN_BOTH_MODES(an_nmi_ends_a_halt_and_comes_back_behind_it)
{
    memcpy(w->ram.host + WORLD_CODE, nops, SIZE(nops));
    w->s->run_state = X86_HALTED;
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    w->vcpu[0]->ops->nmi(w->vcpu[0]);
    w->vcpu[0]->ops->nmi(w->vcpu[0]);
    assert_int_equal(world_run(w), EX_NMI);
    assert_int_equal(pushed(w, PUSHED_RIP), WORLD_CODE);
}

// --- interrupts and their order -----------------------------------------------------------------------

enum { APIC = 0x1f0000, VECTOR = 0x80 };

static void with_apic(struct world *w)
{
    *world_pte(w, APIC) = 0xfee00000 | PTE_P | PTE_W;
    w->s->apic.svr = 0x1ff;
}

#define INTERRUPT_MYSELF "mov dword ptr [0x1f0300], 0x44080\n"
LABEL(both_pend);
GUEST(asks_for_both, "xor ecx, ecx\nmov edx, 0x300\n" INTERRUPT_MYSELF "out dx, al\n" SETTLE "sti\n" HERE(both_pend) "nop\nnop" END);
GUEST(notes_nmi, "shl ecx, 4\nor ecx, 1\ncmp ecx, 1\njne 1f\nout dx, al\n1: iretq");
GUEST(notes_interrupt, "shl ecx, 4\nor ecx, 2\nmov dword ptr [0x1f00b0], 0\nmov rax, [rsp]\nmov [0x40000], rax\niretq");

// The first NMI comes at OUT. The one asked for in its handler comes at IRET; and the interrupt at STI.
IN_BOTH_MODES_OF(nmis_and_interrupts_come_in_order, .touched = send_nmi)
{
    with_apic(w);
    HANDLE(w, EX_NMI, HANDLER, notes_nmi);
    HANDLE(w, VECTOR, HANDLER_2, notes_interrupt);
    nmis_left = 2;
    assert_int_equal(RUN(w, asks_for_both), DONE);
    assert_int_equal(w->s->gpr[X86_RCX], 0x112);
    assert_int_equal(*world_word(w, WORLD_DATA), AT(both_pend, asks_for_both) + 1);
}

LABEL(sti_steps);
GUEST(steps_over_sti, INTERRUPT_MYSELF "pushfq\nor dword ptr [rsp], 0x100\npopfq\nsti\n" HERE(sti_steps) "nop\nnop\nnop" END);
GUEST(notes_step, "shl r8, 8\nmov al, [rsp]\nmov r8b, al\niretq");
GUEST(ends_with_interrupt, "mov rbx, [rsp]" END);

// A trap comes behind STI, as behind anything else; the interrupt waits one instruction, and for that trap.
IN_BOTH_MODES(a_trap_in_stis_shadow_comes_before_the_interrupt)
{
    with_apic(w);
    HANDLE(w, EX_DB, HANDLER, notes_step);
    HANDLE(w, VECTOR, HANDLER_2, ends_with_interrupt);
    w->s->gpr[X86_R8] = 0;
    assert_int_equal(RUN(w, steps_over_sti), DONE);
    uint8_t after_sti = AT(sti_steps, steps_over_sti);
    assert_true(w->s->gpr[X86_R8] == after_sti || w->s->gpr[X86_R8] == (uint64_t)(after_sti << 8 | (after_sti + 1)));
    uint64_t interrupted = w->s->gpr[X86_RBX];
    assert_int_equal(interrupted & 0xff, w->s->gpr[X86_R8] & 0xff);
}

// --- debug exceptions ---------------------------------------------------------------------------------

LABEL(watched_and_stepped);
GUEST(stores_stepped, "mov [0x40000], eax\n" HERE(watched_and_stepped) "nop" END);

// Two reasons are one exception.
IN_BOTH_MODES(a_step_and_a_watched_store_are_one_exception)
{
    w->s->dr[1] = WORLD_DATA;
    w->s->dr7 = 0xd00408;
    w->s->rflags |= FL_TF;
    assert_int_equal(RUN(w, stores_stepped), EX_DB);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(watched_and_stepped, stores_stepped));
    assert_int_equal(w->s->dr6 & 0xe00f, 0x4002);
}

GUEST(stores_nowhere, "mov [0x50000], eax" END);

// A fault's instruction has not stored, so nothing was watched; the breakpoint before it comes first.
IN_BOTH_MODES(breakpoints_and_faults_come_in_order)
{
    *world_pte(w, 0x50000) = 0;
    w->s->dr[0] = 0x50000;
    w->s->dr7 = 0xd0402;
    assert_int_equal(RUN(w, stores_nowhere), EX_PF);
    assert_int_equal(w->s->dr6 & 0xe00f, 0);
    assert_true(pushed(w, PUSHED_FLAGS) & FL_RF);
    world_state(w, w->s, 0);
    w->s->dr[0] = WORLD_CODE;
    w->s->dr7 = 0x402;
    assert_int_equal(RUN(w, stores_nowhere), EX_DB);
    assert_int_equal(w->s->dr6 & 0xe00f, 1);
}

GUEST(fills_much, "rep stosb" END);

// RF lets the whole of a repeated instruction pass, however often the engine comes back to it.
IN_BOTH_MODES(rf_holds_until_a_repeated_instruction_ends)
{
    w->s->dr[0] = WORLD_CODE;
    w->s->dr7 = 0x402;
    w->s->rflags |= FL_RF;
    w->s->gpr[X86_RDI] = 0x80000;
    w->s->gpr[X86_RCX] = 0x60000;
    assert_int_equal(RUN(w, fills_much), DONE);
    assert_int_equal(w->s->gpr[X86_RCX], 0);
    assert_int_equal(w->s->rflags & FL_RF, 0);
}

GUEST(asks_while_it_reads, "rep insb" END);

// What an interrupt in the middle of one pushes has RF (SDM volume 3, "Instruction-Breakpoint Exception Condition").
IN_BOTH_MODES_OF(an_interrupt_within_a_repeated_instruction_pushes_rf, .touched = send_nmi)
{
    nmis_left = 1;
    w->s->gpr[X86_RDI] = WORLD_DATA;
    w->s->gpr[X86_RCX] = 20000;
    w->s->gpr[X86_RDX] = 0x300;
    assert_int_equal(RUN(w, asks_while_it_reads), EX_NMI);
    assert_int_equal(pushed(w, PUSHED_RIP), WORLD_CODE);
    assert_true(pushed(w, PUSHED_FLAGS) & FL_RF);
    assert_in_range(w->s->gpr[X86_RCX], 1, 19999);
}

GUEST(locks_across, "lock bts [rdi], rax" END);
GUEST(adds_across, "lock add [rdi], rax" END);

// An instruction that starts over to have the world to itself has RF still.
IN_BOTH_MODES_OF(rf_outlives_a_locked_instructions_second_start, .vcpus = 2)
{
    for (unsigned emulated = 0; emulated < 2; emulated++) {
        world_state(w, w->s, 0);
        w->s->dr[0] = WORLD_CODE;
        w->s->dr7 = 0x402;
        w->s->rflags |= FL_RF;
        w->s->gpr[X86_RDI] = WORLD_DATA + PAGE_BYTES - (emulated ? 12 : 4);
        w->s->gpr[X86_RAX] = emulated ? 64 + 63 : 1;
        assert_int_equal(emulated ? RUN(w, locks_across) : RUN(w, adds_across), DONE);
        assert_int_equal(w->s->rflags & FL_RF, 0);
    }
}

// --- the canonical addresses' end ---------------------------------------------------------------------

// At the end of the lower half, and of the page (1fffe0 of RAM).
enum { LAST_AT = 0x1fffe0 };
#define LAST_PAGE (BIT(47) - PAGE_BYTES)
GUEST(jumps_beyond, "nop\n.byte 0xeb, 0x7d");
GUEST(jumps_far_beyond, "nop\n.byte 0xe9\n.long 0x1000");
GUEST(branches_beyond, "stc\n.byte 0x72, 0x7d");
GUEST(calls_beyond, "nop\n.byte 0xe8\n.long 0x1000");
GUEST(loops_beyond, "nop\n.byte 0xe2, 0x7d");
GUEST(loops_equal_beyond, "nop\n.byte 0xe3, 0x7d");
static const struct { const uint8_t *code, *end; uint64_t rcx; } beyond[] = {
    {jumps_beyond, jumps_beyond_end, 0}, {jumps_far_beyond, jumps_far_beyond_end, 0}, {branches_beyond, branches_beyond_end, 0},
    {calls_beyond, calls_beyond_end, 0}, {loops_beyond, loops_beyond_end, 5}, {loops_equal_beyond, loops_equal_beyond_end, 0},
};

static void map_last_page(struct world *w)
{
    *world_word(w, WORLD_PML4 + 255 * 8) = WORLD_PDPT | PTE_P | PTE_W;
    *world_word(w, WORLD_PDPT + 511 * 8) = WORLD_PD | PTE_P | PTE_W;
    *world_word(w, WORLD_PD + 511 * 8) = WORLD_PT | PTE_P | PTE_W;
}

// The branch faults, not what it leads to, and nothing of it has happened.
IN_BOTH_MODES(a_branch_beyond_the_canonical_addresses_faults_itself)
{
    map_last_page(w);
    for (size_t i = 0; i < ARRAY_SIZE(beyond); i++) {
        world_state(w, w->s, 0);
        *world_word(w, WORLD_STACK - 8) = 0x5555;
        memset(w->ram.host + LAST_AT, 0x90, 0x20);
        memcpy(w->ram.host + LAST_AT, beyond[i].code, beyond[i].end - beyond[i].code);
        w->s->gpr[X86_RCX] = beyond[i].rcx;
        assert_int_equal(run_at(w, LAST_PAGE + LAST_AT % PAGE_BYTES), EX_GP);
        assert_true(pushed(w, PUSHED_RIP) == LAST_PAGE + LAST_AT % PAGE_BYTES + 1);
        assert_int_equal(w->s->gpr[X86_RCX], beyond[i].rcx);
        assert_int_equal(pushed(w, PUSHED_RSP), WORLD_STACK);
        assert_int_equal(*world_word(w, WORLD_STACK - 8), 0x5555);
    }
}

GUEST(runs_on, "nop\nnop");

// What runs on over the end faults behind it.
IN_BOTH_MODES(running_on_over_the_canonical_addresses_faults_there)
{
    map_last_page(w);
    PUT(w, LAST_AT + 0x1e, runs_on);
    assert_int_equal(run_at(w, BIT(47) - 2), EX_GP);
    assert_true(pushed(w, PUSHED_RIP) == BIT(47));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_nmis_in_an_nmi_one_is_left),
        cmocka_unit_test(an_iret_that_faults_lets_nmis_in),
        cmocka_unit_test(an_iret_that_has_not_begun_lets_no_nmi_in),
        cmocka_unit_test(an_nmi_waits_for_the_end_of_a_shadow),
        cmocka_unit_test(an_nmi_ends_a_halt_and_comes_back_behind_it),
        cmocka_unit_test(nmis_and_interrupts_come_in_order),
        cmocka_unit_test(a_trap_in_stis_shadow_comes_before_the_interrupt),
        cmocka_unit_test(a_step_and_a_watched_store_are_one_exception),
        cmocka_unit_test(breakpoints_and_faults_come_in_order),
        cmocka_unit_test(rf_holds_until_a_repeated_instruction_ends),
        cmocka_unit_test(an_interrupt_within_a_repeated_instruction_pushes_rf),
        cmocka_unit_test(rf_outlives_a_locked_instructions_second_start),
        cmocka_unit_test(a_branch_beyond_the_canonical_addresses_faults_itself),
        cmocka_unit_test(running_on_over_the_canonical_addresses_faults_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
