// SPDX-License-Identifier: GPL-2.0-or-later
//
// Traps that engines fall into, on one vCPU: what of the guest's flags reaches C, rights that change under
// warm tables and warm code, instructions that a CPU model hides, NMIs, shadows and single steps.
// test_jit_traps2.c has those between two vCPUs, test_jit_traps_vec.c those of vector registers.
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

GUEST(sets_pke, "mov rax, cr4\nbts rax, 22\nmov cr4, rax" END);
GUEST(sets_pcide, "mov rax, cr4\nbts rax, 17\nmov cr4, rax" END);
GUEST(reads_pkru, "xor ecx, ecx\nrdpkru" END);
GUEST(writes_pkru, "xor ecx, ecx\nxor edx, edx\nxor eax, eax\nwrpkru" END);
GUEST(invalidates_pcid, "mov eax, 2\ninvpcid rax, [0x40000]" END);

// What the engine has not, CR4 does not take.
IN_BOTH_MODES(there_are_no_keys_and_no_pcids)
{
    assert_int_equal(RUN(w, sets_pke), EX_GP);
    assert_int_equal(RUN(w, sets_pcide), EX_GP);
    assert_int_equal(RUN(w, reads_pkru), EX_UD);
    assert_int_equal(RUN(w, writes_pkru), EX_UD);
    assert_int_equal(RUN(w, invalidates_pcid), EX_UD);
    assert_int_equal(w->s->cr4 & (CR4_PKE | CR4_PCIDE), 0);
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
        cmocka_unit_test(there_are_no_keys_and_no_pcids),
        cmocka_unit_test(what_has_no_bmi_scans_bits),
        cmocka_unit_test(what_has_bmi_counts_zeros),
        cmocka_unit_test(what_a_model_hides_is_undefined),
        cmocka_unit_test(what_a_model_shows_runs),
        cmocka_unit_test(umip_and_tsd_forbid_users_what_ran_before),
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
        cmocka_unit_test(the_last_prefix_before_the_opcode_is_rex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
