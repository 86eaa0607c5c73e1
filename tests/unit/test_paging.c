// SPDX-License-Identifier: GPL-2.0-or-later
//
// Page tables in a megabyte of RAM; each test's name is what it claims.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bits.h"
#include "guest/cpu/x86/cpuid.h"
#include "guest/cpu/x86/paging.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define NX BIT(63)
enum { PML5 = 0x6000, PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT = 0x4000, FRAME = 0x8000, RAM_BYTES = 1 << 20 };

static struct world {
    struct ram ram;
    struct mem *mem;
    struct x86_state s;
    struct x86_page page;
    uint32_t code;
} w;

static uint64_t *at(uint64_t address) { return (uint64_t *)(w.ram.host + address); }
static uint32_t *at32(uint64_t address) { return (uint32_t *)(w.ram.host + address); }

static int walk(uint64_t address, int access)
{
    w.code = 0xdead;
    return x86_walk(&w.s, w.mem, GVA(address), access, &w.page, &w.code);
}

// 4-level, address 0 to FRAME, everything granted.
static int setup(void **state)
{
    (void)state;
    w = (struct world){0};
    mem_thread_online();
    assert_int_equal(ram_open(&w.ram, RAM_BYTES, NULL), 0);
    w.mem = mem_create(UINT64_C(1) << 46);
    assert_int_equal(mem_add_ram(w.mem, GPA(0), &w.ram, 0, RAM_BYTES, false, NULL), 0);
    *at(PML4) = PDPT | P | W | U;
    *at(PDPT) = PD | P | W | U;
    *at(PD) = PT | P | W | U;
    *at(PT) = FRAME | P | W | U;
    w.s.cr0 = CR0_PE | CR0_PG | CR0_WP;
    w.s.cr3 = PML4;
    w.s.cr4 = CR4_PAE | CR4_PGE;
    w.s.efer = EFER_LME | EFER_LMA | EFER_NXE;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_destroy(w.mem);
    ram_close(&w.ram);
    mem_thread_offline();
    return 0;
}

static void without_paging_an_address_is_itself(void **state)
{
    (void)state;
    w.s.cr0 = CR0_PE;
    assert_int_equal(walk(0xfee00123, X86_WRITE), 0);
    assert_int_equal(w.page.gpa.u, 0xfee00123);
    assert_true(w.page.dirty && w.page.global);
    assert_int_equal(w.page.user, X86_R | X86_W | X86_X);
}

static void a_read_sets_a_everywhere_and_d_nowhere(void **state)
{
    (void)state;
    assert_int_equal(walk(0x123, X86_READ), 0);
    assert_int_equal(w.page.gpa.u, FRAME + 0x123);
    assert_int_equal(w.page.page_bits, 12);
    assert_int_equal(w.page.depth, 4);
    assert_true(*at(PML4) & A && *at(PDPT) & A && *at(PD) & A);
    assert_int_equal(*at(PT), FRAME | P | W | U | A);
    assert_false(w.page.dirty);
}

static void a_write_sets_d_in_the_leaf_only(void **state)
{
    (void)state;
    assert_int_equal(walk(0, X86_WRITE), 0);
    assert_int_equal(*at(PT), FRAME | P | W | U | A | D);
    assert_false(*at(PD) & D);
    assert_true(w.page.dirty);
}

static void entries_are_what_memory_holds_after_the_walk(void **state)
{
    (void)state;
    assert_int_equal(walk(0, X86_WRITE), 0);
    for (unsigned i = 0; i < w.page.depth; i++)
        assert_int_equal(w.page.entry[i].value, *at(w.page.entry[i].at.u));
}

static void a_debugger_changes_nothing(void **state)
{
    (void)state;
    *at(PT) = FRAME | P | NX;
    w.s.cr4 |= CR4_SMAP;
    assert_int_equal(walk(5, X86_WRITE | X86_USER | X86_QUIET), 0);
    assert_int_equal(w.page.gpa.u, FRAME + 5);
    assert_int_equal(*at(PT), FRAME | P | NX);
    assert_false(*at(PML4) & A);
}

static void an_absent_page_faults_without_the_present_bit(void **state)
{
    (void)state;
    *at(PT) = 0;
    assert_int_equal(walk(0, X86_READ), -1);
    assert_int_equal(w.code, 0);
    assert_int_equal(walk(0, X86_WRITE | X86_USER), -1);
    assert_int_equal(w.code, PF_WRITE | PF_USER);
    assert_int_equal(walk(0, X86_FETCH), -1);
    assert_int_equal(w.code, PF_FETCH);
}

static void a_denied_write_leaves_d_and_the_leafs_a_alone(void **state)
{
    (void)state;
    *at(PT) = FRAME | P | U;
    assert_int_equal(walk(0, X86_WRITE | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_WRITE | PF_USER);
    assert_int_equal(*at(PT), FRAME | P | U);
}

static void every_level_must_grant_write_and_user(void **state)
{
    (void)state;
    *at(PD) &= ~(uint64_t)W;
    assert_int_equal(walk(0, X86_WRITE), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_WRITE);
    *at(PD) |= W;
    *at(PDPT) &= ~(uint64_t)U;
    assert_int_equal(walk(0, X86_READ | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_USER);
    assert_int_equal(walk(0, X86_READ), 0);
    assert_int_equal(w.page.user, 0);
}

static void a_supervisor_without_wp_writes_read_only_pages(void **state)
{
    (void)state;
    *at(PT) = FRAME | P | U;
    assert_int_equal(walk(0, X86_WRITE), -1);
    w.s.cr0 &= ~(uint64_t)CR0_WP;
    assert_int_equal(walk(0, X86_WRITE), 0);
    assert_true(*at(PT) & D);
    assert_int_equal(walk(0, X86_WRITE | X86_USER), -1);
}

static void nx_of_any_level_denies_fetches_only(void **state)
{
    (void)state;
    *at(PDPT) |= NX;
    assert_int_equal(walk(0, X86_READ), 0);
    assert_false(w.page.supervisor & X86_X);
    assert_int_equal(walk(0, X86_FETCH), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_FETCH);
}

static void nx_is_reserved_while_nxe_is_clear(void **state)
{
    (void)state;
    *at(PT) |= NX;
    w.s.efer &= ~(uint64_t)EFER_NXE;
    assert_int_equal(walk(0, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
    assert_int_equal(walk(0, X86_FETCH), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);  // no fetch bit without NXE or SMEP
    w.s.cr4 |= CR4_SMEP;
    assert_int_equal(walk(0, X86_FETCH), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED | PF_FETCH);
}

static void smep_denies_supervisor_fetches_from_user_pages(void **state)
{
    (void)state;
    w.s.cr4 |= CR4_SMEP;
    assert_int_equal(walk(0, X86_FETCH), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_FETCH);
    assert_int_equal(walk(0, X86_FETCH | X86_USER), 0);
    *at(PT) &= ~(uint64_t)U;
    assert_int_equal(walk(0, X86_FETCH), 0);
}

static void smap_needs_ac_and_implicit_accesses_ignore_it(void **state)
{
    (void)state;
    w.s.cr4 |= CR4_SMAP;
    assert_int_equal(walk(0, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT);
    w.s.rflags = FL_AC;
    assert_int_equal(walk(0, X86_WRITE), 0);
    assert_int_equal(w.page.supervisor, X86_X);
    assert_int_equal(w.page.supervisor_ac, X86_R | X86_W | X86_X);
    assert_int_equal(walk(0, X86_READ | X86_IMPLICIT), -1);
}

static void address_bits_beyond_the_cpus_are_reserved(void **state)
{
    (void)state;
    *at(PD) |= BIT(X86_PHYSICAL_BITS);
    assert_int_equal(walk(0, X86_READ | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED | PF_USER);
    *at(PD) = (*at(PD) & ~BIT(X86_PHYSICAL_BITS)) | BIT(52) | BIT(62);  // software's own
    assert_int_equal(walk(0, X86_READ), 0);
}

static void an_absent_entry_has_no_reserved_bits(void **state)
{
    (void)state;
    *at(PT) = UINT64_MAX & ~(uint64_t)P;
    assert_int_equal(walk(0, X86_READ), -1);
    assert_int_equal(w.code, 0);
}

static void large_pages_translate_and_check_their_low_bits(void **state)
{
    (void)state;
    *at(PD + 8) = 0x40000000 | P | W | PS | G;
    assert_int_equal(walk(0x212345, X86_WRITE), 0);
    assert_int_equal(w.page.gpa.u, 0x40012345);
    assert_int_equal(w.page.page_bits, 21);
    assert_true(w.page.global && w.page.dirty);
    *at(PD + 8) |= BIT(12);  // PAT
    assert_int_equal(walk(0x212345, X86_READ), 0);
    assert_int_equal(w.page.gpa.u, 0x40012345);
    *at(PD + 8) |= BIT(20);
    assert_int_equal(walk(0x212345, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
}

static void gigabyte_pages_translate_and_check_their_low_bits(void **state)
{
    (void)state;
    *at(PDPT + 8) = BIT(32) | P | PS;
    assert_int_equal(walk(BIT(30) + 0x1234567, X86_READ), 0);
    assert_int_equal(w.page.gpa.u, BIT(32) + 0x1234567);
    assert_int_equal(w.page.page_bits, 30);
    *at(PDPT + 8) |= BIT(29);
    assert_int_equal(walk(BIT(30), X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
}

static void ps_in_the_top_level_is_reserved(void **state)
{
    (void)state;
    *at(PML4) |= PS;
    assert_int_equal(walk(0, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
}

static void gigabyte_pages_are_reserved_for_models_that_have_them(void **state)
{
    (void)state;
    *at(PDPT + 8) = BIT(32) | P | PS;
    w.s.no_1g_pages = true;
    assert_int_equal(walk(BIT(30), X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
    assert_int_equal(walk(0x123, X86_READ), 0);
}

static void five_level(void)
{
    w.s.cr4 |= CR4_LA57;
    w.s.cr3 = PML5;
    *at(PML5) = PML4 | P | W | U;
    *at(PML5 + 8) = PML4 | P | U;
    *at(PML5 + 511 * 8) = PML4 | P | W;
}

static void a_fifth_level_indexes_bits_48_to_56(void **state)
{
    (void)state;
    five_level();
    assert_int_equal(walk(BIT(48) + 0x123, X86_READ | X86_USER), 0);
    assert_int_equal(w.page.gpa.u, FRAME + 0x123);
    assert_int_equal(w.page.depth, 5);
    assert_int_equal(*at(PML5 + 8), PML4 | P | U | A);
    assert_int_equal(*at(PML5), PML4 | P | W | U);
    assert_int_equal(walk(BIT(48), X86_WRITE | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_WRITE | PF_USER);
    assert_int_equal(walk(0, X86_WRITE | X86_USER), 0);
    assert_int_equal(walk(UINT64_C(0xffff) << 48, X86_WRITE), 0);
    assert_int_equal(walk(BIT(49), X86_READ), -1);
    assert_int_equal(w.code, 0);
}

static void ps_in_the_fifth_level_is_reserved(void **state)
{
    (void)state;
    five_level();
    *at(PML5) |= PS;
    assert_int_equal(walk(0, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
    *at(PML5) ^= PS | BIT(X86_PHYSICAL_BITS);
    assert_int_equal(walk(0, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
}

// SDM volume 3, 4.5: without long mode CR4.LA57 changes nothing.
static void la57_counts_in_long_mode_only(void **state)
{
    (void)state;
    w.s.efer = EFER_NXE;
    w.s.cr4 |= CR4_LA57;
    w.s.cr3 = PML5 + 32;
    *at(PML5 + 32) = PD | P;
    assert_int_equal(walk(0x123, X86_READ), 0);
    assert_int_equal(w.page.depth, 3);
}

enum { KEY = 5, AD = 1, WD = 2 };
#define KEYED ((uint64_t)KEY << 59)

static void keyed(unsigned bits)
{
    w.s.cr4 |= CR4_PKE;
    w.s.pkru = bits << 2 * KEY;
    *at(PT) = FRAME | P | W | U | KEYED;
}

static void a_key_forbids_users_pages_to_all_levels(void **state)
{
    (void)state;
    keyed(AD);
    for (int level = 0; level <= X86_USER; level += X86_USER) {
        assert_int_equal(walk(0, X86_READ | level), -1);
        assert_int_equal(w.code, PF_PRESENT | PF_PKEY | level);
        assert_int_equal(walk(0, X86_WRITE | level), -1);
        assert_int_equal(w.code, PF_PRESENT | PF_PKEY | PF_WRITE | level);
        assert_int_equal(walk(0, X86_FETCH | level), 0);
        assert_true(w.page.keyed);
    }
    assert_int_equal(walk(0, X86_READ | X86_IMPLICIT), -1);
    w.s.cr0 &= ~(uint64_t)CR0_WP;
    assert_int_equal(walk(0, X86_WRITE), -1);
    w.s.pkru = AD << 2 * (KEY + 1) | AD << 2 * (KEY - 1);
    assert_int_equal(walk(0, X86_WRITE | X86_USER), 0);
}

static void a_key_may_forbid_writing_alone(void **state)
{
    (void)state;
    keyed(WD);
    assert_int_equal(walk(0, X86_READ | X86_USER), 0);
    assert_int_equal(w.page.user, X86_R | X86_X);
    assert_int_equal(w.page.supervisor, X86_R | X86_X);
    assert_int_equal(walk(0, X86_WRITE | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_PKEY | PF_WRITE | PF_USER);
    assert_int_equal(walk(0, X86_WRITE), -1);
    w.s.cr0 &= ~(uint64_t)CR0_WP;
    assert_int_equal(walk(0, X86_WRITE), 0);
    assert_int_equal(walk(0, X86_WRITE | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_PKEY | PF_WRITE | PF_USER);
}

static void keys_are_nothing_to_supervisor_pages_and_without_pke(void **state)
{
    (void)state;
    keyed(AD | WD);
    *at(PT) &= ~(uint64_t)U;
    assert_int_equal(walk(0, X86_WRITE), 0);
    assert_false(w.page.keyed);
    *at(PT) |= U;
    w.s.cr4 &= ~(uint64_t)CR4_PKE;
    assert_int_equal(walk(0, X86_WRITE | X86_USER), 0);
    assert_false(w.page.keyed);
}

// Whatever else is wrong; but a page that isn't there, or has reserved bits, has no key.
static void the_keys_bit_stands_beside_other_reasons(void **state)
{
    (void)state;
    keyed(WD);
    *at(PT) &= ~(uint64_t)W;
    assert_int_equal(walk(0, X86_WRITE | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_PKEY | PF_WRITE | PF_USER);
    w.s.pkru = 0;
    assert_int_equal(walk(0, X86_WRITE | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_WRITE | PF_USER);
    keyed(AD);
    *at(PT) |= BIT(X86_PHYSICAL_BITS);
    assert_int_equal(walk(0, X86_READ | X86_USER), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED | PF_USER);
    *at(PT) = KEYED;
    assert_int_equal(walk(0, X86_READ | X86_USER), -1);
    assert_int_equal(w.code, PF_USER);
}

static void g_counts_only_with_pge(void **state)
{
    (void)state;
    *at(PT) |= G;
    assert_int_equal(walk(0, X86_READ), 0);
    assert_true(w.page.global);
    w.s.cr4 &= ~(uint64_t)CR4_PGE;
    assert_int_equal(walk(0, X86_READ), 0);
    assert_false(w.page.global);
}

static void the_upper_half_uses_the_upper_entries(void **state)
{
    (void)state;
    *at(PML4 + 511 * 8) = PDPT | P | W;
    *at(PDPT + 511 * 8) = PD | P | W;
    *at(PD + 511 * 8) = PT | P | W;
    *at(PT + 511 * 8) = 0x9000 | P | W;
    assert_int_equal(walk(UINT64_MAX, X86_READ), 0);
    assert_int_equal(w.page.gpa.u, 0x9fff);
}

static void tables_outside_ram_read_as_all_ones(void **state)
{
    (void)state;
    *at(PD) = 0x12345000 | P | W | U;
    assert_int_equal(walk(0, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
}

static void two_level(void)
{
    w.s.efer = 0;
    w.s.cr4 = 0;
    w.s.cr3 = PML4;
    *at(PML4) = 0;
    *at32(PML4 + 4) = PT | P | W | U;
    *at32(PT + 8) = FRAME | P | W | U;
}

static void two_levels_have_entries_of_four_bytes(void **state)
{
    (void)state;
    two_level();
    *at32(PT + 12) = 0x5a5a5a5a;
    assert_int_equal(walk(0x402123, X86_WRITE | X86_USER), 0);
    assert_int_equal(w.page.gpa.u, FRAME + 0x123);
    assert_int_equal(w.page.depth, 2);
    assert_int_equal(*at32(PT + 8), FRAME | P | W | U | A | D);
    assert_int_equal(*at32(PT + 12), 0x5a5a5a5a);
    assert_int_equal(walk(0, X86_FETCH), -1);
    assert_int_equal(w.code & PF_FETCH, 0);
}

static void four_megabyte_pages_need_pse_and_reach_above_4g(void **state)
{
    (void)state;
    two_level();
    *at32(PML4 + 8) = 0x00c00000 | 3 << 13 | P | W | PS;
    w.s.cr4 = CR4_PSE;
    assert_int_equal(walk(0x812345, X86_READ), 0);
    assert_int_equal(w.page.gpa.u, (UINT64_C(3) << 32) + 0xc12345);
    assert_int_equal(w.page.page_bits, 22);
    *at32(PML4 + 8) |= 1 << 21;
    assert_int_equal(walk(0x812345, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
    w.s.cr4 = 0;
    *at32(PML4 + 4) |= PS;  // then PS means nothing
    assert_int_equal(walk(0x402000, X86_READ), 0);
}

static void pae_walks_from_four_pdptes_that_have_no_rights(void **state)
{
    (void)state;
    w.s.efer = EFER_NXE;
    w.s.cr3 = PML4 + 32;
    *at(PML4 + 32 + 3 * 8) = PD | P;
    assert_int_equal(walk(0xc0000123, X86_WRITE | X86_USER), 0);
    assert_int_equal(w.page.gpa.u, FRAME + 0x123);
    assert_int_equal(*at(PML4 + 32 + 3 * 8), PD | P);  // no A bit
    *at(PD) |= BIT(52);
    assert_int_equal(walk(0xc0000123, X86_READ), -1);
    assert_int_equal(w.code, PF_PRESENT | PF_RESERVED);
}

static void pdptes_are_checked_for_reserved_bits(void **state)
{
    (void)state;
    memset(at(PML4), 0, 32);
    *at(PML4) = PD | P;
    *at(PML4 + 8) = 0x1e6;  // absent: anything goes
    assert_true(x86_pdptes_valid(&w.s, w.mem, PML4));
    *at(PML4 + 24) = PD | P | W;
    assert_false(x86_pdptes_valid(&w.s, w.mem, PML4));
    *at(PML4 + 24) = PD | P | BIT(X86_PHYSICAL_BITS);
    assert_false(x86_pdptes_valid(&w.s, w.mem, PML4));
}

static bool racing;

static void *walk_again_and_again(void *mem)
{
    struct x86_page page;
    uint32_t code;
    mem_thread_online();
    while (__atomic_load_n(&racing, __ATOMIC_ACQUIRE)) {
        if (x86_walk(&w.s, mem, GVA(0), X86_WRITE, &page, &code) == 0 && !page.dirty)
            abort();
        mem_quiescent();
    }
    mem_thread_offline();
    return NULL;
}

// Another CPU takes a page away while this one walks: what it wrote last must stand.
static void an_entry_taken_away_gets_no_bits(void **state)
{
    (void)state;
    pthread_t thread;
    racing = true;
    pthread_create(&thread, NULL, walk_again_and_again, w.mem);
    for (unsigned round = 0; round < 3000; round++) {
        __atomic_store_n(at(PT), FRAME | P | W | U, __ATOMIC_SEQ_CST);
        for (unsigned i = 0; i < round % 64; i++)
            __builtin_ia32_pause();
        uint64_t old = __atomic_exchange_n(at(PT), 0, __ATOMIC_SEQ_CST);
        assert_int_equal(old & ~(uint64_t)(A | D), FRAME | P | W | U);
        for (unsigned i = 0; i < 64; i++)
            assert_int_equal(__atomic_load_n(at(PT), __ATOMIC_SEQ_CST), 0);
    }
    __atomic_store_n(&racing, false, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
}

static void a_reset_cpu_is_as_the_manual_says(void **state)
{
    (void)state;
    x86_reset(&w.s, 0, false);
    assert_int_equal(w.s.seg[X86_CS].base + w.s.rip, 0xfffffff0);
    assert_int_equal(w.s.cr0, 0x60000010);
    assert_int_equal(w.s.rflags, 2);
    assert_int_equal(w.s.dr6, 0xffff0ff0);
    assert_int_equal(w.s.run_state, X86_RUNNING);
    x86_reset(&w.s, 3, false);
    assert_int_equal(w.s.run_state, X86_WAIT_SIPI);
    assert_int_equal(w.s.apic.id, 3);
}

static void an_init_keeps_fpu_mtrrs_and_cache_bits(void **state)
{
    (void)state;
    x86_reset(&w.s, 1, false);
    w.s.cr0 = CR0_PE | CR0_CD;
    w.s.mtrr_def_type = 0xc06;
    w.s.xsave[0] = 0x7f;
    w.s.tsc_offset = 5;
    w.s.efer = EFER_LME | EFER_LMA;
    x86_reset(&w.s, 1, true);
    assert_int_equal(w.s.cr0, CR0_CD | CR0_ET);
    assert_int_equal(w.s.mtrr_def_type, 0xc06);
    assert_int_equal(w.s.xsave[0], 0x7f);
    assert_int_equal(w.s.tsc_offset, 5);
    assert_int_equal(w.s.efer, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_paging_an_address_is_itself), TEST(a_read_sets_a_everywhere_and_d_nowhere),
        TEST(a_write_sets_d_in_the_leaf_only), TEST(entries_are_what_memory_holds_after_the_walk),
        TEST(a_debugger_changes_nothing), TEST(an_absent_page_faults_without_the_present_bit),
        TEST(a_denied_write_leaves_d_and_the_leafs_a_alone), TEST(every_level_must_grant_write_and_user),
        TEST(a_supervisor_without_wp_writes_read_only_pages), TEST(nx_of_any_level_denies_fetches_only),
        TEST(nx_is_reserved_while_nxe_is_clear), TEST(smep_denies_supervisor_fetches_from_user_pages),
        TEST(smap_needs_ac_and_implicit_accesses_ignore_it),
        TEST(address_bits_beyond_the_cpus_are_reserved), TEST(an_absent_entry_has_no_reserved_bits),
        TEST(large_pages_translate_and_check_their_low_bits),
        TEST(gigabyte_pages_translate_and_check_their_low_bits),
        TEST(gigabyte_pages_are_reserved_for_models_that_have_them), TEST(a_fifth_level_indexes_bits_48_to_56),
        TEST(ps_in_the_fifth_level_is_reserved), TEST(la57_counts_in_long_mode_only),
        TEST(a_key_forbids_users_pages_to_all_levels), TEST(a_key_may_forbid_writing_alone),
        TEST(keys_are_nothing_to_supervisor_pages_and_without_pke), TEST(the_keys_bit_stands_beside_other_reasons),
        TEST(ps_in_the_top_level_is_reserved),
        TEST(g_counts_only_with_pge), TEST(the_upper_half_uses_the_upper_entries),
        TEST(tables_outside_ram_read_as_all_ones), TEST(two_levels_have_entries_of_four_bytes),
        TEST(four_megabyte_pages_need_pse_and_reach_above_4g),
        TEST(pae_walks_from_four_pdptes_that_have_no_rights), TEST(pdptes_are_checked_for_reserved_bits),
        TEST(an_entry_taken_away_gets_no_bits),
        TEST(a_reset_cpu_is_as_the_manual_says), TEST(an_init_keeps_fpu_mtrrs_and_cache_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
