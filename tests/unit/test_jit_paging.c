// SPDX-License-Identifier: GPL-2.0-or-later
//
// Paging on the real engine, with warm tables and warm code: process-context identifiers, the fifth level
// and its addresses, protection keys. The page walk by itself is in test_paging.c.
#include "tests/unit/jit_programs.h"

// --- what a model has not -------------------------------------------------------------------------

GUEST(sets_pke, "mov rax, cr4\nbts rax, 22\nmov cr4, rax" END);
GUEST(sets_pcide, "mov rax, cr4\nbts rax, 17\nmov cr4, rax" END);
GUEST(sets_la57, "mov rax, cr4\nbts rax, 12\nmov cr4, rax" END);
GUEST(reads_pkru, "xor ecx, ecx\nrdpkru" END);
GUEST(writes_pkru, "xor ecx, ecx\nxor edx, edx\nxor eax, eax\nwrpkru" END);
GUEST(invalidates_pcid, "mov eax, 2\ninvpcid rax, [0x40000]" END);
GUEST(enables_pkru, "xor ecx, ecx\nxor edx, edx\nmov eax, 0x203\nxsetbv" END);

IN_BOTH_MODES_OF(what_a_model_has_not_cr4_does_not_take, .cpu = "max,-pku,-pcid,-invpcid,-la57")
{
    assert_int_equal(RUN(w, sets_pke), EX_GP);
    assert_int_equal(RUN(w, sets_pcide), EX_GP);
    assert_int_equal(RUN(w, sets_la57), EX_GP);
    assert_int_equal(RUN(w, reads_pkru), EX_UD);
    assert_int_equal(RUN(w, writes_pkru), EX_UD);
    assert_int_equal(RUN(w, invalidates_pcid), EX_UD);
    assert_int_equal(RUN(w, enables_pkru), EX_GP);
    assert_int_equal(w->s->cr4 & (CR4_PKE | CR4_PCIDE | CR4_LA57), 0);
}

// --- process-context identifiers (SDM volume 3, 4.10.1) ----------------------------------------------

#define WITH_PCIDS IN_BOTH_MODES_OF
#define PCIDS .cpu = "max,pcid=on,invpcid=on"

static int with_cr3(struct world *w, uint64_t cr3, const uint8_t *code, size_t size_bytes)
{
    world_state(w, w->s, 0);
    w->s->cr3 = cr3;
    return run_code(w, code, size_bytes);
}

WITH_PCIDS(pcide_wants_a_pcid_of_0_first, PCIDS)
{
    assert_int_equal(with_cr3(w, WORLD_PML4 | 1, sets_pcide, SIZE(sets_pcide)), EX_GP);
    assert_int_equal(with_cr3(w, WORLD_PML4 | 0x800, sets_pcide, SIZE(sets_pcide)), EX_GP);
    assert_int_equal(with_cr3(w, WORLD_PML4, sets_pcide, SIZE(sets_pcide)), DONE);
    assert_int_equal(w->s->cr4 & CR4_PCIDE, CR4_PCIDE);
}

LABEL(pcide_32);
// Through compatibility mode out of long mode, where PCIDE can't be.
GUEST(leaves_long_mode, "mov rax, cr4\nbts rax, 17\nmov cr4, rax\npush 0x08\nlea rax, [rip + 1f]\npush rax\nrex.W retf\n"
      "1:\n.code32\nmov eax, cr0\nbtr eax, 31\n" HERE(pcide_32) "mov cr0, eax\n.code64\n" END);

WITH_PCIDS(paging_stays_on_while_pcide_is_set, PCIDS)
{
    assert_int_equal(RUN(w, leaves_long_mode), EX_GP);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(pcide_32, leaves_long_mode));
    assert_true(w->s->efer & EFER_LMA);
}

GUEST(writes_cr3, "mov cr3, rsi\nmov rdi, cr3" END);

static int write_cr3(struct world *w, bool pcide, uint64_t value)
{
    world_state(w, w->s, 0);
    w->s->cr4 |= pcide ? CR4_PCIDE : 0;
    w->s->gpr[X86_RSI] = value;
    return RUN(w, writes_cr3);
}

WITH_PCIDS(bit_63_of_cr3_is_an_order_and_not_kept, PCIDS)
{
    assert_int_equal(write_cr3(w, true, WORLD_PML4 | 0xabc | BIT(63)), DONE);
    assert_true(w->s->gpr[X86_RDI] == (WORLD_PML4 | 0xabc));
    assert_int_equal(write_cr3(w, false, WORLD_PML4 | BIT(63)), EX_GP);
    assert_int_equal(write_cr3(w, true, WORLD_PML4 | BIT(62)), EX_GP);
    assert_int_equal(write_cr3(w, true, WORLD_PML4 | BIT(X86_PHYSICAL_BITS)), EX_GP);
    assert_int_equal(write_cr3(w, false, WORLD_PML4 | 0xfff), DONE);
}

// rsi: type; the descriptor at 0x40000.
GUEST(invalidates, "invpcid rsi, [0x40000]" END);

static int invalidate(struct world *w, unsigned cpl, bool pcide, uint64_t type, uint64_t pcid, uint64_t address)
{
    world_state(w, w->s, cpl);
    w->s->cr4 |= pcide ? CR4_PCIDE : 0;
    w->s->gpr[X86_RSI] = type;
    world_word(w, WORLD_DATA)[0] = pcid;
    world_word(w, WORLD_DATA)[1] = address;
    return RUN(w, invalidates);
}

WITH_PCIDS(invpcid_refuses_what_it_must, PCIDS)
{
    enum { ONE_ADDRESS, ONE_PCID, ALL, ALL_BUT_GLOBAL };
    for (uint64_t type = ONE_ADDRESS; type <= ALL_BUT_GLOBAL; type++) {
        bool named = type <= ONE_PCID;
        assert_int_equal(invalidate(w, 0, true, type, 0xfff, 0), DONE);
        assert_int_equal(invalidate(w, 0, false, type, 0, 0), DONE);
        assert_int_equal(invalidate(w, 0, false, type, 1, 0), named ? EX_GP : DONE);
        assert_int_equal(invalidate(w, 0, true, type, 0x1000, 0), EX_GP);
        assert_int_equal(invalidate(w, 0, true, type, BIT(63), 0), EX_GP);
        assert_int_equal(invalidate(w, 0, true, type, 0, BIT(47)), type == ONE_ADDRESS ? EX_GP : DONE);
        assert_int_equal(invalidate(w, 3, true, type, 0, 0), EX_GP);
        *world_pte(w, WORLD_DATA) &= ~(uint64_t)PTE_P;
        assert_int_equal(invalidate(w, 0, true, type, 0, 0), EX_PF);
        *world_pte(w, WORLD_DATA) |= PTE_P;
    }
    assert_int_equal(invalidate(w, 0, true, 4, 0, 0), EX_GP);
    assert_int_equal(invalidate(w, 0, true, BIT(32), 0, 0), EX_GP);
}

// A page and the code in another are warm, and go; what the order at 1: is follows.
#define TAKEN_AWAY(name, order)                                                                \
    LABEL(name##_stale);                                                                       \
    GUEST(name, "mov ecx, 3\n1: mov eax, [0x50000]\ncall rbx\ndec ecx\njnz 1b\nmov qword ptr [rdx], 0\n" order \
          "\n" HERE(name##_stale) "mov eax, [0x50000]" END)
GUEST(just_returns, "ret");

TAKEN_AWAY(taken_by_cr3, "mov rax, cr3\nmov cr3, rax");
TAKEN_AWAY(taken_by_address, "mov eax, 0\ninvpcid rax, [0x40000]");
TAKEN_AWAY(taken_by_pcid, "mov eax, 1\ninvpcid rax, [0x40000]");
TAKEN_AWAY(taken_by_all, "mov eax, 2\ninvpcid rax, [0x40000]");
TAKEN_AWAY(taken_by_all_but_global, "mov eax, 3\ninvpcid rax, [0x40000]");
TAKEN_AWAY(taken_by_pcide, "mov rax, cr4\nbtr rax, 17\nmov cr4, rax");
TAKEN_AWAY(taken_by_pge, "mov rax, cr4\nbtc rax, 7\nmov cr4, rax");
static const struct { const uint8_t *code, *end, *stale; bool global_too; } taken[] = {
    {taken_by_cr3, taken_by_cr3_end, taken_by_cr3_stale, false},
    {taken_by_address, taken_by_address_end, taken_by_address_stale, false},
    {taken_by_pcid, taken_by_pcid_end, taken_by_pcid_stale, false},
    {taken_by_all, taken_by_all_end, taken_by_all_stale, true},
    {taken_by_all_but_global, taken_by_all_but_global_end, taken_by_all_but_global_stale, false},
    {taken_by_pcide, taken_by_pcide_end, taken_by_pcide_stale, true},
    {taken_by_pge, taken_by_pge_end, taken_by_pge_stale, true},
};

static void take_away(struct world *w, size_t i, bool global)
{
    world_tables(w);
    *world_pte(w, 0x50000) |= global ? PTE_G : 0;
    world_state(w, w->s, 0);
    w->s->cr4 |= CR4_PCIDE;
    w->s->cr3 |= 7;
    PUT(w, 0x51000, just_returns);
    w->s->gpr[X86_RBX] = 0x51000;
    w->s->gpr[X86_RDX] = (uint64_t)((uint8_t *)world_pte(w, 0x50000) - w->ram.host);
    world_word(w, WORLD_DATA)[0] = 7;
    world_word(w, WORLD_DATA)[1] = 0x50008;
    assert_int_equal(run_code(w, taken[i].code, taken[i].end - taken[i].code), EX_PF);
    assert_int_equal(pushed(w, PUSHED_RIP), WORLD_CODE + (uint64_t)(taken[i].stale - taken[i].code));
    assert_int_equal(w->s->cr2, 0x50000);
}

WITH_PCIDS(what_must_go_goes, PCIDS)
{
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
        take_away(w, i, false);
        if (taken[i].global_too)
            take_away(w, i, true);
    }
}

// --- the fifth level ----------------------------------------------------------------------------------

enum { PML5 = 0xc000 };
#define HIGH UINT64_C(0x0012000000000000)
#define TOP UINT64_C(0xff34000000000000)
#define LAST_57 (BIT(56) - PAGE_BYTES)
#define LA57 .cpu = "max,la57=on"

// The first 2 MiB are at 0, HIGH and TOP, and the data page is the last one of the lower half.
static void five_levels(struct world *w, unsigned cpl)
{
    uint64_t rights = PTE_P | PTE_W | PTE_U;
    world_state(w, w->s, cpl);
    w->s->cr4 |= CR4_LA57 | CR4_FSGSBASE;
    w->s->cr3 = PML5;
    uint64_t *pml5 = world_word(w, PML5), *pml4 = world_word(w, WORLD_PML4), *pdpt = world_word(w, WORLD_PDPT),
             *pd = world_word(w, WORLD_PD);
    pml5[0] = pml5[HIGH >> 48] = pml5[TOP >> 48 & 511] = pml5[255] = WORLD_PML4 | rights;
    pml4[511] = WORLD_PDPT | rights;
    pdpt[511] = WORLD_PD | rights;
    pd[511] = WORLD_PT | rights;
    world_word(w, WORLD_PT)[511] = WORLD_DATA | rights;
}

GUEST(sets_la57_off, "mov rax, cr4\nbtr rax, 12\nmov cr4, rax" END);

IN_BOTH_MODES_OF(la57_does_not_change_in_long_mode, LA57)
{
    assert_int_equal(RUN(w, sets_la57), EX_GP);
    five_levels(w, 0);
    assert_int_equal(RUN(w, sets_la57_off), EX_GP);
    assert_int_equal(w->s->cr4 & CR4_LA57, CR4_LA57);
}

GUEST(enters_five_levels,
      "push 0x08\nlea rax, [rip + 1f]\npush rax\nrex.W retf\n"
      "1:\n.code32\nmov eax, cr0\nbtr eax, 31\nmov cr0, eax\nmov eax, cr4\nbts eax, 12\nmov cr4, eax\nmov eax, 0xc000\n"
      "mov cr3, eax\nmov eax, cr0\nbts eax, 31\nmov cr0, eax\npush 0x10\ncall 2f\n2: add dword ptr [esp], 3f - 2b\nretf\n"
      "3:\n.code64\nmov rax, 0x0012000000040000\nmov rbx, [rax]\nmov rcx, cr4" END);

// As a kernel does it: out of long mode by way of compatibility mode, and in again.
IN_BOTH_MODES_OF(five_levels_are_entered_from_without, LA57)
{
    five_levels(w, 0);
    world_state(w, w->s, 0);
    *world_word(w, WORLD_DATA) = 0x1122334455;
    assert_int_equal(RUN(w, enters_five_levels), DONE);
    assert_true(w->s->gpr[X86_RBX] == 0x1122334455);
    assert_int_equal(w->s->gpr[X86_RCX] & CR4_LA57, CR4_LA57);
    assert_true(w->s->efer & EFER_LMA);
}

GUEST(reaches_high,
      "mov rbx, 0x0012000000040000\nmov rsi, 0xff34000000040000\nmov rsp, 0x0012000000060000\n"
      "lea rdi, [rip + 1f]\nmov rax, 0x0012000000000000\nor rdi, rax\njmp rdi\n"
      "1: add qword ptr [rbx], 1\nlock inc qword ptr [rsi]\npush qword ptr [rbx]\npop rax\ncall 2f\nlea rdx, [rip + 2f]\n"
      "call rdx\nlea rdi, [rbx + 8]\nstosq\ndec r8d\njnz 1b\njmp 3f\n2: ret\n3: lea r9, [rip]" END);

// Loads, stores, the stack, near calls and jumps, and code, where 48 bits do not reach.
IN_BOTH_MODES_OF(code_and_data_lie_beyond_48_bits, LA57)
{
    five_levels(w, 0);
    w->s->gpr[X86_R8] = 20;
    world_word(w, WORLD_DATA)[0] = 5;
    assert_int_equal(RUN(w, reaches_high), DONE);
    assert_int_equal(world_word(w, WORLD_DATA)[0], 45);
    assert_int_equal(world_word(w, WORLD_DATA)[1], 45);
    assert_true(w->s->gpr[X86_R9] >> 48 == 0x12);
}

GUEST(loads, "mov rdx, [rax]" END);
GUEST(pushes, "mov rsp, rax\npush rdx" END);
GUEST(jumps, "jmp rax" END);
GUEST(calls, "call rax" END);
GUEST(returns, "push rax\nret" END);
GUEST(returns_far, "push 0x10\npush rax\nrex.W retf" END);
GUEST(returns_from_interrupts, "mov rcx, rsp\npush 0x18\npush rcx\npush 2\npush 0x10\npush rax\niretq" END);
static const struct { const uint8_t *code, *end; int refused; } uses[] = {
    {loads, loads_end, EX_GP}, {pushes, pushes_end, EX_SS}, {jumps, jumps_end, EX_GP}, {calls, calls_end, EX_GP},
    {returns, returns_end, EX_GP}, {returns_far, returns_far_end, EX_GP},
    {returns_from_interrupts, returns_from_interrupts_end, EX_GP},
};

static int use(struct world *w, size_t i, bool la57, uint64_t address)
{
    five_levels(w, 0);
    if (!la57) {
        w->s->cr4 &= ~(uint64_t)CR4_LA57;
        w->s->cr3 = WORLD_PML4;
    }
    w->s->gpr[X86_RAX] = address;
    return run_code(w, uses[i].code, uses[i].end - uses[i].code);
}

// What is canonical and not there is a page fault.
IN_BOTH_MODES_OF(addresses_have_57_bits_under_la57_only, LA57)
{
    static const uint64_t wide[] = {BIT(47) + 0x40, BIT(48) + 0x40, BIT(55) + 8, UINT64_C(0xff00000000000040), UINT64_C(0xffff7ffffffff000)};
    static const uint64_t never[] = {BIT(56) + 8, BIT(57), BIT(63), UINT64_C(0xfefffffffffff000)};
    for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
        for (size_t a = 0; a < ARRAY_SIZE(wide); a++) {
            assert_int_equal(use(w, i, true, wide[a]), EX_PF);
            assert_int_equal(use(w, i, false, wide[a]), uses[i].refused);
        }
        for (size_t a = 0; a < ARRAY_SIZE(never); a++)
            for (unsigned la57 = 0; la57 < 2; la57++)
                assert_int_equal(use(w, i, la57, never[a]), uses[i].refused);
    }
}

GUEST(runs_on, "nop\nnop");
GUEST(jumps_beyond, "nop\n.byte 0xeb, 0x7d");

// A branch over the end faults itself; what runs on over it faults behind it.
IN_BOTH_MODES_OF(code_ends_with_the_57_bits, LA57)
{
    five_levels(w, 0);
    PUT(w, WORLD_DATA + 0xffe, runs_on);
    assert_int_equal(run_at(w, LAST_57 + 0xffe), EX_GP);
    assert_true(pushed(w, PUSHED_RIP) == BIT(56));
    five_levels(w, 0);
    PUT(w, WORLD_DATA + 0xfe0, jumps_beyond);
    assert_int_equal(run_at(w, LAST_57 + 0xfe0), EX_GP);
    assert_true(pushed(w, PUSHED_RIP) == LAST_57 + 0xfe1);
}

GUEST(wrfsbase, "wrfsbase rax\nrdfsbase rbx" END);
GUEST(wrmsr, "mov rdx, rax\nshr rdx, 32\nwrmsr" END);
GUEST(lgdt, "mov word ptr [0x40000], 0x4f\nmov [0x40002], rax\nlgdt [0x40000]" END);
GUEST(lidt, "sidt [0x40010]\nmov word ptr [0x40000], 0xfff\nmov [0x40002], rax\nlidt [0x40000]\nlidt [0x40010]" END);
GUEST(invlpg, "invlpg [rax]" END);

static int load_base(struct world *w, const uint8_t *code, size_t size_bytes, uint64_t rcx, uint64_t base)
{
    world_gdt(w);
    world_state(w, w->s, 0);
    w->s->cr4 |= CR4_FSGSBASE;
    w->s->gpr[X86_RCX] = rcx;
    w->s->gpr[X86_RAX] = base;
    return run_code(w, code, size_bytes);
}
#define LOAD_BASE(w, name, rcx, base) load_base(w, name, SIZE(name), rcx, base)
static const uint32_t base_msrs[] = {0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102, 0x175, 0x176};

static void bases_are(struct world *w, uint64_t base, int vector)
{
    assert_int_equal(LOAD_BASE(w, wrfsbase, 0, base), vector);
    assert_int_equal(LOAD_BASE(w, lidt, 0, base), vector);
    assert_int_equal(LOAD_BASE(w, lgdt, 0, base), vector);
    for (size_t i = 0; i < ARRAY_SIZE(base_msrs); i++)
        assert_int_equal(LOAD_BASE(w, wrmsr, base_msrs[i], base), vector);
    assert_int_equal(LOAD_BASE(w, invlpg, 0, base), DONE);
}

// Bases are as wide as the CPU has addresses, not as the mode (Intel's white paper on 5-level paging).
IN_BOTH_MODES_OF(bases_have_57_bits_in_all_modes, LA57)
{
    bases_are(w, HIGH, DONE);
    bases_are(w, TOP, DONE);
    bases_are(w, BIT(56), EX_GP);
}

IN_BOTH_MODES(bases_have_48_bits_in_a_cpu_without_la57)
{
    bases_are(w, BIT(47) - 1, DONE);
    bases_are(w, BIT(47), EX_GP);
    bases_are(w, TOP, EX_GP);
}

GUEST(takes_high_away,
      "mov rbx, 0x0012000000050000\nmov ecx, 20\n1: mov eax, [rbx]\ndec ecx\njnz 1b\nmov qword ptr [rdx], 0\ninvlpg [rbx]\nmov eax, [rbx]" END);

IN_BOTH_MODES_OF(invlpg_reaches_beyond_48_bits, LA57)
{
    five_levels(w, 0);
    w->s->gpr[X86_RDX] = (uint64_t)((uint8_t *)world_pte(w, 0x50000) - w->ram.host);
    assert_int_equal(RUN(w, takes_high_away), EX_PF);
    assert_true(w->s->cr2 == HIGH + 0x50000);
    assert_int_equal(w->s->gpr[X86_RCX], 0);
}

// --- protection keys (SDM volume 3, 4.6.2) ------------------------------------------------------------

enum { KEY = 5, AD = 1 << 2 * KEY, WD = 2 << 2 * KEY };

static void with_key(struct world *w, unsigned cpl)
{
    world_tables(w);
    world_state(w, w->s, cpl);
    w->s->cr4 |= CR4_PKE;
    w->s->pkru = 0;
    *world_pte(w, 0x50000) |= (uint64_t)KEY << 59;
}

LABEL(closed_write);
GUEST(opens_and_closes,
      "xor ecx, ecx\nxor edx, edx\nmov r8d, 20\n"
      "1: xor eax, eax\nwrpkru\nadd [0x50000], r8d\nmov eax, 0x800\nwrpkru\nmov ebx, [0x50000]\ndec r8d\njnz 1b\nrdpkru\n"
      HERE(closed_write) "mov [0x50000], ebx" END);
LABEL(closed_read);
GUEST(closes, "xor ecx, ecx\nxor edx, edx\nmov ebx, [0x50000]\nmov eax, 0x400\nwrpkru\n" HERE(closed_read) "mov ebx, [0x50000]" END);
LABEL(closed_string);
GUEST(closes_strings, "mov edi, 0x4ffff\nxor ecx, ecx\nxor edx, edx\nmov eax, 0x800\nwrpkru\nmov ecx, 5\n" HERE(closed_string) "rep stosb" END);

IN_BOTH_MODES(keys_are_obeyed_at_the_next_instruction)
{
    for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
        uint32_t code = PF_PRESENT | PF_PKEY | (cpl ? PF_USER : 0);
        with_key(w, cpl);
        assert_int_equal(RUN(w, opens_and_closes), EX_PF);
        assert_int_equal(pushed(w, PUSHED_RIP), AT(closed_write, opens_and_closes));
        assert_int_equal(pushed(w, PUSHED_ERROR), code | PF_WRITE);
        assert_int_equal(w->s->gpr[X86_RBX] & 0xff, cpl ? 420 & 0xff : 210);
        assert_int_equal(w->s->gpr[X86_RAX], WD);
        with_key(w, cpl);
        assert_int_equal(RUN(w, closes), EX_PF);
        assert_int_equal(pushed(w, PUSHED_RIP), AT(closed_read, closes));
        assert_int_equal(pushed(w, PUSHED_ERROR), code);
        with_key(w, cpl);
        assert_int_equal(RUN(w, closes_strings), EX_PF);
        assert_int_equal(w->s->cr2, 0x50000);
        assert_int_equal(w->s->gpr[X86_RCX], 4);
    }
}

LABEL(pke_fault);
GUEST(pke_goes_and_comes,
      "mov rsi, cr4\nmov rdi, rsi\nbtr rdi, 22\nmov ecx, 20\n1: mov cr4, rdi\nmov eax, [0x50000]\nmov cr4, rsi\nmov ebx, [0x51000]\n"
      "dec ecx\njnz 1b\n" HERE(pke_fault) "mov eax, [0x50000]" END);
LABEL(wp_fault);
GUEST(wp_comes, "mov [0x50000], eax\nmov rbx, cr0\nbts rbx, 16\nmov cr0, rbx\n" HERE(wp_fault) "mov [0x50000], eax" END);

IN_BOTH_MODES(keys_follow_cr4_and_cr0)
{
    with_key(w, 0);
    w->s->pkru = AD;
    assert_int_equal(RUN(w, pke_goes_and_comes), EX_PF);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(pke_fault, pke_goes_and_comes));
    with_key(w, 0);
    w->s->pkru = WD;
    w->s->cr0 &= ~(uint64_t)CR0_WP;
    assert_int_equal(RUN(w, wp_comes), EX_PF);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(wp_fault, wp_comes));
    assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT | PF_PKEY | PF_WRITE);
}

// call 0x50000
GUEST(runs_in_it, ".byte 0xe8\n.long 0x2fffb" END);

IN_BOTH_MODES(keys_do_not_concern_fetches)
{
    with_key(w, 3);
    w->s->pkru = AD | WD;
    PUT(w, 0x50000, just_returns);
    assert_int_equal(RUN(w, runs_in_it), DONE);
}

GUEST(writes_with_ecx, "mov ecx, 1\nxor edx, edx\nwrpkru" END);
GUEST(writes_with_edx, "xor ecx, ecx\nmov edx, 1\nwrpkru" END);
GUEST(reads_with_ecx, "mov ecx, 1\nrdpkru" END);
GUEST(writes_upper_halves, "mov rcx, 0x700000000\nmov rdx, rcx\nmov rax, 0x1122334455667788\nwrpkru\nmov rax, -1\nmov rdx, rax\nrdpkru" END);

IN_BOTH_MODES(pkru_has_32_bits_and_no_index)
{
    with_key(w, 3);
    assert_int_equal(RUN(w, writes_with_ecx), EX_GP);
    with_key(w, 3);
    assert_int_equal(RUN(w, writes_with_edx), EX_GP);
    with_key(w, 3);
    assert_int_equal(RUN(w, reads_with_ecx), EX_GP);
    with_key(w, 3);
    assert_int_equal(RUN(w, writes_upper_halves), DONE);
    assert_int_equal(w->s->gpr[X86_RAX], 0x55667788);
    assert_int_equal(w->s->gpr[X86_RDX], 0);
    with_key(w, 3);
    w->s->cr4 &= ~(uint64_t)CR4_PKE;
    assert_int_equal(RUN(w, writes_pkru), EX_UD);
}

enum { AREA = 0x52000, PKRU_AT = 2688, BV_AT = 512, COMPONENT = 0x200 };
LABEL(restored_fault);
GUEST(saves_and_restores,
      "xor ecx, ecx\nxor edx, edx\nmov eax, 0x400\nwrpkru\nmov eax, 0x200\nxsave [0x52000]\nxor eax, eax\nwrpkru\n"
      "mov ebx, [0x50000]\nmov eax, 0x207\nxsave [0x53000]\nmov ecx, 1\nxgetbv\nmov esi, eax\nmov eax, 0x200\nxrstor [0x52000]\n"
      HERE(restored_fault) "mov ebx, [0x50000]" END);

IN_BOTH_MODES(pkru_is_saved_and_restored_as_component_9)
{
    with_key(w, 3);
    w->s->xcr0 |= XCR0_PKRU;
    assert_int_equal(RUN(w, saves_and_restores), EX_PF);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(restored_fault, saves_and_restores));
    assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT | PF_PKEY | PF_USER);
    assert_int_equal(w->s->pkru, AD);
    assert_int_equal(*world_word(w, AREA + PKRU_AT), AD);
    assert_int_equal(*world_word(w, AREA + BV_AT) & COMPONENT, COMPONENT);
    assert_int_equal(*world_word(w, AREA + 0x1000 + BV_AT) & COMPONENT, 0);
    assert_int_equal(*world_word(w, AREA + 0x1000 + PKRU_AT), 0);
    assert_int_equal(w->s->gpr[X86_RSI] & COMPONENT, 0);
    assert_int_equal(w->s->xsave[BV_AT + 1], 0);
}

// --- pages of 1 GiB -----------------------------------------------------------------------------------

GUEST(reads_second_gigabyte, "mov eax, [0x40040000]" END);

IN_BOTH_MODES_OF(gigabyte_pages_need_their_feature, .cpu = "max,-pdpe1gb")
{
    world_word(w, WORLD_PDPT)[1] = PTE_P | PTE_W | PTE_PS;
    assert_int_equal(RUN(w, reads_second_gigabyte), EX_PF);
    assert_int_equal(pushed(w, PUSHED_ERROR), PF_PRESENT | PF_RESERVED);
}

IN_BOTH_MODES(gigabyte_pages_are_read)
{
    world_word(w, WORLD_PDPT)[1] = PTE_P | PTE_W | PTE_PS;
    *world_word(w, WORLD_DATA) = 0x1234;
    assert_int_equal(RUN(w, reads_second_gigabyte), DONE);
    assert_int_equal(w->s->gpr[X86_RAX], 0x1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_model_has_not_cr4_does_not_take),
        cmocka_unit_test(pcide_wants_a_pcid_of_0_first),
        cmocka_unit_test(paging_stays_on_while_pcide_is_set),
        cmocka_unit_test(bit_63_of_cr3_is_an_order_and_not_kept),
        cmocka_unit_test(invpcid_refuses_what_it_must),
        cmocka_unit_test(what_must_go_goes),
        cmocka_unit_test(la57_does_not_change_in_long_mode),
        cmocka_unit_test(five_levels_are_entered_from_without),
        cmocka_unit_test(code_and_data_lie_beyond_48_bits),
        cmocka_unit_test(addresses_have_57_bits_under_la57_only),
        cmocka_unit_test(code_ends_with_the_57_bits),
        cmocka_unit_test(bases_have_57_bits_in_all_modes),
        cmocka_unit_test(bases_have_48_bits_in_a_cpu_without_la57),
        cmocka_unit_test(invlpg_reaches_beyond_48_bits),
        cmocka_unit_test(keys_are_obeyed_at_the_next_instruction),
        cmocka_unit_test(keys_follow_cr4_and_cr0),
        cmocka_unit_test(keys_do_not_concern_fetches),
        cmocka_unit_test(pkru_has_32_bits_and_no_index),
        cmocka_unit_test(pkru_is_saved_and_restored_as_component_9),
        cmocka_unit_test(gigabyte_pages_need_their_feature),
        cmocka_unit_test(gigabyte_pages_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
