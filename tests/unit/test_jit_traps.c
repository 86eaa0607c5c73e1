// SPDX-License-Identifier: GPL-2.0-or-later
//
// Traps that engines fall into, on one vCPU: what of the guest's flags reaches C, rights that change under
// warm tables and warm code, instructions that a CPU model hides. Others are in test_jit_traps_events.c
// (interrupts, steps and branches), test_jit_traps_vec.c (vector registers) and test_jit_traps2.c (two vCPUs).
#include "tests/unit/jit_programs.h"

// --- the host's flags in C ----------------------------------------------------------------------

static uint64_t flags_in_c;
static unsigned looks_in_c;

static void look_at_flags(struct world *w)
{
    (void)w;
    flags_in_c |= __builtin_ia32_readeflags_u64();
    looks_in_c++;
}

enum { HOSTS_ALONE = FL_TF | FL_DF | FL_NT | FL_AC, IOPL_3 = FL_IOPL };

GUEST(touches, "mov eax, [rbx]\nmov [rbx], eax\nadd [rbx], ecx\nlock xadd [rbx], ecx\npush [rbx]\nmov edx, 0x300\n"
      "out dx, al\nin al, dx\nmov rdi, rbx\nmov esi, 0x40008\nmov ecx, 2\nrep movsd\nmov ecx, 2\nrep outsb\nmov rdi, rbx\n"
      "insb\npushfq\npop r12" END);

static void touch_with(struct world *w, unsigned cpl, uint64_t cr0, uint64_t flags)
{
    world_state(w, w->s, cpl);
    w->s->cr0 |= cr0;
    w->s->rflags |= flags | IOPL_3;
    w->s->gpr[X86_RBX] = 0x41000;
    flags_in_c = looks_in_c = 0;
    assert_int_equal(RUN(w, touches), DONE);
    assert_true(looks_in_c >= 13);
    assert_int_equal(flags_in_c & HOSTS_ALONE, 0);
    assert_int_equal(w->s->gpr[X86_R12] & (flags | FL_IOPL), flags | IOPL_3);
}

IN_BOTH_MODES_OF(no_flag_of_the_guest_reaches_a_device, .touched = look_at_flags)
{
    static const uint64_t flags[] = {FL_DF, FL_NT, FL_AC, FL_DF | FL_NT | FL_AC};
    *world_pte(w, 0x41000) = WORLD_DEVICE | PTE_P | PTE_W | PTE_U;
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
            touch_with(w, cpl, 0, flags[i]);
            touch_with(w, cpl, CR0_AM, flags[i]);
        }
}

GUEST(faults_and_interrupts, "mov eax, [0x50000]" END);

// The stack of every gate is a device, so a fault and an interrupt push into it.
IN_BOTH_MODES_OF(no_flag_of_the_guest_reaches_what_delivers, .touched = look_at_flags)
{
    *world_pte(w, 0x50000) = 0;
    *world_pte(w, WORLD_IST_TOP - 1) = WORLD_DEVICE | PTE_P | PTE_W;
    for (unsigned cpl = 0; cpl <= 3; cpl += 3)
        for (unsigned nmi = 0; nmi < 2; nmi++) {
            world_state(w, w->s, cpl);
            w->s->nmi_blocked = 0;
            w->s->cr0 |= CR0_AM;
            w->s->rflags |= FL_DF | FL_NT | FL_AC;
            if (nmi)
                w->vcpu[0]->ops->nmi(w->vcpu[0]);
            flags_in_c = looks_in_c = 0;
            assert_int_equal(RUN(w, faults_and_interrupts), nmi ? EX_NMI : EX_PF);
            assert_true(looks_in_c >= 5);
            assert_int_equal(flags_in_c & HOSTS_ALONE, 0);
        }
}

GUEST(steps_over_a_device, "mov eax, [0x41000]\nnop" END);

IN_BOTH_MODES_OF(a_single_step_is_the_guests_alone, .touched = look_at_flags)
{
    *world_pte(w, 0x41000) = WORLD_DEVICE | PTE_P | PTE_W;
    w->s->rflags |= FL_TF | FL_NT | FL_DF;
    flags_in_c = looks_in_c = 0;
    assert_int_equal(RUN(w, steps_over_a_device), EX_DB);
    assert_int_equal(pushed(w, PUSHED_RIP), WORLD_CODE + 7);
    assert_int_equal(w->s->dr6 & 0xe00f, 0x4000);
    assert_true(looks_in_c >= 1);
    assert_int_equal(flags_in_c & HOSTS_ALONE, 0);
}

// --- compare and exchange -----------------------------------------------------------------------

GUEST(cmpxchg_1, "cmpxchg [rbx], cl" END);
GUEST(cmpxchg_4, "cmpxchg [rbx], ecx" END);
GUEST(cmpxchg_8, "cmpxchg [rbx], rcx" END);
GUEST(cmpxchg_pair_8, "cmpxchg8b [rbx]" END);
GUEST(cmpxchg_pair_16, "cmpxchg16b [rbx]" END);
GUEST(lock_cmpxchg_1, "lock cmpxchg [rbx], cl" END);
GUEST(lock_cmpxchg_4, "lock cmpxchg [rbx], ecx" END);
GUEST(lock_cmpxchg_8, "lock cmpxchg [rbx], rcx" END);
GUEST(lock_cmpxchg_pair_8, "lock cmpxchg8b [rbx]" END);
GUEST(lock_cmpxchg_pair_16, "lock cmpxchg16b [rbx]" END);
static const struct { const uint8_t *code, *end; } exchanges[] = {
    {cmpxchg_1, cmpxchg_1_end}, {cmpxchg_4, cmpxchg_4_end}, {cmpxchg_8, cmpxchg_8_end},
    {cmpxchg_pair_8, cmpxchg_pair_8_end}, {cmpxchg_pair_16, cmpxchg_pair_16_end},
    {lock_cmpxchg_1, lock_cmpxchg_1_end}, {lock_cmpxchg_4, lock_cmpxchg_4_end},
    {lock_cmpxchg_8, lock_cmpxchg_8_end}, {lock_cmpxchg_pair_8, lock_cmpxchg_pair_8_end},
    {lock_cmpxchg_pair_16, lock_cmpxchg_pair_16_end},
};
GUEST(reads_first, "mov rsi, [rbx]\nlea r8, [rip + 1f]\njmp r8\n1:");

// Behind a load, so that the page is known already, for reading.
static int exchange(struct world *w, size_t form, unsigned cpl)
{
    uint8_t code[64];
    memcpy(code, reads_first, SIZE(reads_first));
    memcpy(code + SIZE(reads_first), exchanges[form].code, exchanges[form].end - exchanges[form].code);
    world_state(w, w->s, cpl);
    w->s->gpr[X86_RAX] = 0x1111;
    w->s->gpr[X86_RBX] = WORLD_DATA;
    w->s->gpr[X86_RCX] = w->s->gpr[X86_RDX] = 0x2222;
    return run_code(w, code, SIZE(reads_first) + (exchanges[form].end - exchanges[form].code));
}

IN_BOTH_MODES(an_exchange_that_fails_needs_write_permission)
{
    for (size_t form = 0; form < ARRAY_SIZE(exchanges); form++)
        for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
            *world_pte(w, WORLD_DATA) = WORLD_DATA | PTE_P | PTE_U;
            assert_int_equal(exchange(w, form, cpl), EX_PF);
            assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT | PF_WRITE | (cpl ? PF_USER : 0));
            assert_int_equal(w->s->cr2, WORLD_DATA);
            assert_int_equal(w->s->gpr[X86_RAX], 0x1111);
            assert_int_equal(w->s->gpr[X86_RDX], 0x2222);
            assert_int_equal(*world_pte(w, WORLD_DATA) & PTE_D, 0);
        }
}

IN_BOTH_MODES(an_exchange_that_fails_sets_d)
{
    for (size_t form = 0; form < ARRAY_SIZE(exchanges); form++) {
        *world_pte(w, WORLD_DATA) = WORLD_DATA | PTE_P | PTE_U | PTE_W;
        *world_word(w, WORLD_DATA) = 0x3333;
        assert_int_equal(exchange(w, form, 0), DONE);
        assert_int_equal(w->s->gpr[X86_RAX] & 0xff, 0x33);
        assert_int_equal(*world_word(w, WORLD_DATA), 0x3333);
        assert_int_equal(*world_pte(w, WORLD_DATA) & PTE_D, PTE_D);
    }
}

// --- rights that change under warm tables --------------------------------------------------------

LABEL(smap_fault);
GUEST(smap_comes_and_goes,
      "mov ecx, 20\n1: stac\nmov eax, [0x50000]\nadd [0x50000], ecx\nclac\npush 0x40002\npopfq\nadd eax, [0x50000]\npush 2\npopfq\n"
      "dec ecx\njnz 1b\n" HERE(smap_fault) "mov eax, [0x50000]" END);

IN_BOTH_MODES(smap_is_obeyed_at_the_next_instruction)
{
    for (uint64_t va = WORLD_CODE; va < WORLD_STACK + PAGE_BYTES; va += PAGE_BYTES)
        *world_pte(w, va) &= ~(uint64_t)(va == 0x50000 ? 0 : PTE_U);
    w->s->cr4 |= CR4_SMAP;
    w->s->gpr[X86_RSP] = WORLD_STACK;
    *world_pte(w, WORLD_STACK - 1) &= ~(uint64_t)PTE_U;
    assert_int_equal(RUN(w, smap_comes_and_goes), EX_PF);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(smap_fault, smap_comes_and_goes));
    assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT);
    assert_int_equal(*(uint32_t *)(w->ram.host + 0x50000), 210);
}

// SMAP switched on and off between two loads of the same loop.
LABEL(smap_by_cr4_fault);
GUEST(smap_by_cr4,
      "mov rdx, cr4\nmov rsi, rdx\nbts rsi, 21\nmov ecx, 20\n"
      "1: mov cr4, rsi\nmov cr4, rdx\nmov eax, [0x50000]\ndec ecx\njnz 1b\nmov cr4, rsi\n" HERE(smap_by_cr4_fault)
      "mov eax, [0x50000]" END);

IN_BOTH_MODES(smap_takes_effect_by_cr4)
{
    assert_int_equal(RUN(w, smap_by_cr4), EX_PF);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(smap_by_cr4_fault, smap_by_cr4));
}

LABEL(smep_fault);
GUEST(smep_here, "mov rdx, cr4\nmov rsi, rdx\nbts rsi, 20\nmov cr4, rsi\n" HERE(smep_fault) "mov cr4, rdx" END);
GUEST(smep_of_a_call, "mov ecx, 20\n1: call rbx\ndec ecx\njnz 1b\nmov rdx, cr4\nbts rdx, 20\nmov cr4, rdx\ncall rbx" END);
GUEST(returns, "ret");

// The page that runs is a user's itself.
IN_BOTH_MODES(smep_is_obeyed_at_the_next_instruction)
{
    assert_int_equal(RUN(w, smep_here), EX_PF);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(smep_fault, smep_here));
    assert_int_equal(w->s->cr2, AT(smep_fault, smep_here));
    assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT | PF_FETCH);
    *world_pte(w, WORLD_CODE) &= ~(uint64_t)PTE_U;
    world_state(w, w->s, 0);
    PUT(w, 0x50000, returns);
    w->s->gpr[X86_RBX] = 0x50000;
    assert_int_equal(RUN(w, smep_of_a_call), EX_PF);
    assert_int_equal(w->s->cr2, 0x50000);
    assert_int_equal(w->s->gpr[X86_RCX], 0);
}

LABEL(nxe_fault);
GUEST(nxe_goes, "mov ecx, 0xc0000080\nrdmsr\nmov esi, [0x50000]\ncall rbx\nbtr eax, 11\nmov edi, [0x50000]\nwrmsr\n" HERE(nxe_fault)
      "mov esi, [0x50000]" END);
LABEL(nxe_comes_fault);
GUEST(nxe_comes, "mov ecx, 0xc0000080\nrdmsr\nbts eax, 11\nwrmsr\n" HERE(nxe_comes_fault) "mov esi, [0x50000]\ncall rsi" END);

// Without NXE the bit is a reserved one.
IN_BOTH_MODES(nxe_is_obeyed_at_the_next_instruction)
{
    PUT(w, 0x51000, returns);
    *world_pte(w, 0x50000) |= PTE_NX;
    w->s->gpr[X86_RBX] = 0x51000;
    assert_int_equal(RUN(w, nxe_goes), EX_PF);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(nxe_fault, nxe_goes));
    assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT | PF_RESERVED);
    assert_int_equal(w->s->efer & EFER_NXE, 0);
    world_state(w, w->s, 0);
    w->s->efer &= ~(uint64_t)EFER_NXE;
    *world_word(w, 0x50000) = 0x50008;
    assert_int_equal(RUN(w, nxe_comes), EX_PF);
    assert_int_equal(w->s->cr2, 0x50008);
    assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT | PF_FETCH);
}

// --- what a CPU model hides ------------------------------------------------------------------------

GUEST(counts_zeros,
      "mov edi, 3\n1: mov ebx, 0x00f00000\nmov eax, 0x55\nmov ecx, 0x55\ntzcnt eax, ebx\nlzcnt ecx, ebx\n"
      "mov [0x40000], bx\nmov qword ptr [0x40008], 0x300\nmov esi, 0x77\ntzcnt si, [0x40000]\nsetz dl\n"
      "tzcnt r8, [0x40008]\nlzcnt r9, [0x40008]\nmov r10d, 0x66\nlzcnt r10w, [0x40000]\nsetz dh\ndec edi\njnz 1b" END);

// TZCNT is BSF then, and LZCNT is BSR: ZF tells of the source, and of zero nothing is written.
IN_BOTH_MODES_OF(what_has_no_bmi_scans_bits, .cpu = "max,-bmi1,-abm")
{
    assert_int_equal(RUN(w, counts_zeros), DONE);
    assert_int_equal(w->s->gpr[X86_RAX], 20);
    assert_int_equal(w->s->gpr[X86_RCX], 23);
    assert_int_equal(w->s->gpr[X86_RSI], 0x77);
    assert_int_equal(w->s->gpr[X86_RDX] & 0xffff, 0x0101);
    assert_int_equal(w->s->gpr[X86_R8], 8);
    assert_int_equal(w->s->gpr[X86_R9], 9);
    assert_int_equal(w->s->gpr[X86_R10], 0x66);
}

IN_BOTH_MODES(what_has_bmi_counts_zeros)
{
    assert_int_equal(RUN(w, counts_zeros), DONE);
    assert_int_equal(w->s->gpr[X86_RAX], 20);
    assert_int_equal(w->s->gpr[X86_RCX], 8);
    assert_int_equal(w->s->gpr[X86_RSI], 16);
    assert_int_equal(w->s->gpr[X86_RDX] & 0xffff, 0);
    assert_int_equal(w->s->gpr[X86_R9], 54);
    assert_int_equal(w->s->gpr[X86_R10], 16);
}

GUEST(has_popcnt, "popcnt eax, ebx" END);
GUEST(has_movbe, "movbe eax, [rbx]" END);
GUEST(has_movbe_store, "movbe [rbx], eax" END);
GUEST(has_adcx, "adcx eax, ebx" END);
GUEST(has_adox, "adox rax, [rbx]" END);
GUEST(has_andn, "andn eax, ebx, ecx" END);
GUEST(has_blsr, "blsr rax, [rbx]" END);
GUEST(has_bextr, "bextr eax, ebx, ecx" END);
GUEST(has_bzhi, "bzhi eax, ebx, ecx" END);
GUEST(has_mulx, "mulx eax, ebx, ecx" END);
GUEST(has_pdep, "pdep eax, ebx, ecx" END);
GUEST(has_pext, "pext rax, rbx, [rbx]" END);
GUEST(has_rorx, "rorx eax, ebx, 7" END);
GUEST(has_shlx, "shlx eax, ebx, ecx" END);
GUEST(has_crc32, "crc32 eax, bl" END);
GUEST(has_cx16, "cmpxchg16b [rbx]" END);
GUEST(has_rdrand, "rdrand eax" END);
GUEST(has_rdtscp, "rdtscp" END);
GUEST(has_lahf, "lahf" END);
GUEST(has_rdfsbase, "rdfsbase rax" END);
GUEST(has_clflushopt, "clflushopt [rbx]" END);
GUEST(has_stac, "stac" END);
GUEST(has_rdpid, "rdpid rax" END);
static const struct { const uint8_t *code, *end; } hidden[] = {
    {has_popcnt, has_popcnt_end}, {has_movbe, has_movbe_end}, {has_movbe_store, has_movbe_store_end},
    {has_adcx, has_adcx_end}, {has_adox, has_adox_end}, {has_andn, has_andn_end}, {has_blsr, has_blsr_end},
    {has_bextr, has_bextr_end}, {has_bzhi, has_bzhi_end}, {has_mulx, has_mulx_end}, {has_pdep, has_pdep_end},
    {has_pext, has_pext_end}, {has_rorx, has_rorx_end}, {has_shlx, has_shlx_end}, {has_crc32, has_crc32_end},
    {has_cx16, has_cx16_end}, {has_rdrand, has_rdrand_end}, {has_rdtscp, has_rdtscp_end}, {has_lahf, has_lahf_end}, {has_rdfsbase, has_rdfsbase_end},
    {has_clflushopt, has_clflushopt_end}, {has_stac, has_stac_end}, {has_rdpid, has_rdpid_end},
};

static int run_hidden(struct world *w, size_t i)
{
    world_state(w, w->s, 0);
    w->s->cr4 |= CR4_FSGSBASE;
    w->s->gpr[X86_RBX] = WORLD_DATA;
    return run_code(w, hidden[i].code, hidden[i].end - hidden[i].code);
}

#define HIDES "-popcnt,-movbe,-adx,-bmi1,-bmi2,-sse4.2,-cx16,-rdrand,-rdtscp,-lahf-lm,-fsgsbase,-clflushopt,-smap,-rdpid"
IN_BOTH_MODES_OF(what_a_model_hides_is_undefined, .cpu = "max," HIDES)
{
    for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
        assert_int_equal(run_hidden(w, i), EX_UD);
        assert_int_equal(pushed(w, PUSHED_RIP), WORLD_CODE);
    }
}

IN_BOTH_MODES(what_a_model_shows_runs)
{
    for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
        if (run_hidden(w, i) != DONE)
            fail_msg("instruction %zu", i);
}

// --- what CR4 forbids to users ------------------------------------------------------------------------

GUEST(stores_gdt, "sgdt [rbx]\nmov eax, 1" END);
GUEST(stores_idt, "sidt [rbx]\nmov eax, 1" END);
GUEST(stores_ldt, "sldt eax\nmov eax, 1" END);
GUEST(stores_tr, "str [rbx]\nmov eax, 1" END);
GUEST(stores_msw, "smsw rax\nmov eax, 1" END);
GUEST(reads_tsc, "rdtsc\nmov eax, 1" END);
GUEST(reads_tscp, "rdtscp\nmov eax, 1" END);
static const struct { const uint8_t *code, *end; uint32_t cr4; } forbidden[] = {
    {stores_gdt, stores_gdt_end, CR4_UMIP}, {stores_idt, stores_idt_end, CR4_UMIP}, {stores_ldt, stores_ldt_end, CR4_UMIP},
    {stores_tr, stores_tr_end, CR4_UMIP}, {stores_msw, stores_msw_end, CR4_UMIP}, {reads_tsc, reads_tsc_end, CR4_TSD},
    {reads_tscp, reads_tscp_end, CR4_TSD},
};

// The same translation, with the bit clear, set, and in the kernel.
IN_BOTH_MODES(umip_and_tsd_forbid_users_what_ran_before)
{
    for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
        for (unsigned turn = 0; turn < 6; turn++) {
            unsigned cpl = turn % 3 == 2 ? 0 : 3;
            bool forbids = turn % 3 != 0;
            world_state(w, w->s, cpl);
            w->s->rflags |= FL_IOPL;
            w->s->cr4 |= forbids ? forbidden[i].cr4 : 0;
            w->s->gpr[X86_RBX] = WORLD_DATA;
            int vector = run_code(w, forbidden[i].code, forbidden[i].end - forbidden[i].code);
            assert_int_equal(vector, forbids && cpl ? EX_GP : DONE);
        }
}

// --- implicit accesses ----------------------------------------------------------------------------------

GUEST(loads_from_ldt, "stac\nmov eax, [0x52000]\nmov eax, 0x0c\nmov fs, eax" END);

// A descriptor is read for the processor itself, which AC does not concern (SDM volume 3, 4.6.1).
IN_BOTH_MODES(ac_does_not_open_users_pages_to_the_processor)
{
    for (uint64_t va = WORLD_CODE; va < 0x52000; va += PAGE_BYTES)
        *world_pte(w, va) &= ~(uint64_t)PTE_U;
    world_word(w, 0x52000)[1] = UINT64_C(0x00cf93000000ffff);
    w->s->ldtr = (struct x86_segment){0x52000, 0xf, 0x50, 0x82};
    assert_int_equal(RUN(w, loads_from_ldt), DONE);
    w->s->cr4 |= CR4_SMAP;
    w->s->rflags &= ~(uint64_t)FL_AC;
    assert_int_equal(RUN(w, loads_from_ldt), EX_PF);
    assert_int_equal(w->s->cr2, 0x52008);
    assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT);
}

// --- prefixes --------------------------------------------------------------------------------------

GUEST(orders_prefixes,
      "mov rax, -1\nmov ebx, 1\n.byte 0x48, 0x66, 0x01, 0xd8\nmov rcx, rax\n"          // REX, then 66: add ax, bx
      "mov rax, -1\n.byte 0x66, 0x48, 0x01, 0xd8\nmov rdx, rax\n"                       // add rax, rbx
      "mov rax, 0x7700040000\n.byte 0x67, 0x48, 0x8b, 0x30\n"                           // mov rsi, [eax]
      ".byte 0x48, 0x67, 0x8b, 0x38\n"                                                  // mov edi, [eax]
      ".byte 0x4c, 0x40, 0x8b, 0x2c, 0x25, 0, 0, 4, 0\n"                                // the last REX: mov ebp, [0x40000]
      "mov r8, 0x1234567800000000\nor r8, 9\ntest eax, eax\ncmovz r8d, ebx\n"           // is not taken
      "mov r9d, 0x40008\n.byte 0x66, 0x67, 0x41, 0x8b, 0x41, 0xf8\nmov r10, rax" END);  // mov ax, [r9d - 8]

IN_BOTH_MODES(the_last_prefix_before_the_opcode_is_rex)
{
    *world_word(w, WORLD_DATA) = UINT64_C(0x8877665544332211);
    assert_int_equal(RUN(w, orders_prefixes), DONE);
    assert_true(w->s->gpr[X86_RCX] == UINT64_C(0xffffffffffff0000));
    assert_int_equal(w->s->gpr[X86_RDX], 0);
    assert_true(w->s->gpr[X86_RSI] == UINT64_C(0x8877665544332211));
    assert_int_equal(w->s->gpr[X86_RDI], 0x44332211);
    assert_int_equal(w->s->gpr[X86_RBP], 0x44332211);
    assert_int_equal(w->s->gpr[X86_R8], 9);
    assert_int_equal(w->s->gpr[X86_R10], 0x7700042211);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_flag_of_the_guest_reaches_a_device),
        cmocka_unit_test(no_flag_of_the_guest_reaches_what_delivers),
        cmocka_unit_test(a_single_step_is_the_guests_alone),
        cmocka_unit_test(an_exchange_that_fails_needs_write_permission),
        cmocka_unit_test(an_exchange_that_fails_sets_d),
        cmocka_unit_test(smap_is_obeyed_at_the_next_instruction),
        cmocka_unit_test(smap_takes_effect_by_cr4),
        cmocka_unit_test(smep_is_obeyed_at_the_next_instruction),
        cmocka_unit_test(nxe_is_obeyed_at_the_next_instruction),
        cmocka_unit_test(what_has_no_bmi_scans_bits),
        cmocka_unit_test(what_has_bmi_counts_zeros),
        cmocka_unit_test(what_a_model_hides_is_undefined),
        cmocka_unit_test(what_a_model_shows_runs),
        cmocka_unit_test(umip_and_tsd_forbid_users_what_ran_before),
        cmocka_unit_test(ac_does_not_open_users_pages_to_the_processor),
        cmocka_unit_test(the_last_prefix_before_the_opcode_is_rex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
