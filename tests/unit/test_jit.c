// SPDX-License-Identifier: GPL-2.0-or-later
//
// The software engine as a whole, by small programs of 64-bit kernel code: no stale address, no stale code,
// each device access once, a kick always heard. Data is in the page at DATA, the end is `out 0xf0`.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "guest/cpu/jit/code.h"
#include "tests/unit/jit_world.h"

#define GUEST(name, text)                                                                      \
    extern const uint8_t name[], name##_end[];                                                 \
    __asm__(".pushsection .rodata\n.globl " #name ", " #name "_end\n" #name ":\n.intel_syntax noprefix\n" text \
            "\n.att_syntax prefix\n" #name "_end:\n.popsection\n")
#define PUT(w, at, name) memcpy((w)->ram.host + (at), name, name##_end - name)
#define END "\nout 0xf0, al\nhlt\n"
enum { DONE = 0xf0 };

// Each program runs in both modes of the engine.
static struct world *start(bool one)
{
    static struct world w;
    w = (struct world){.one = one};
    world_open(&w);
    alarm(50);  // a hang ends the test
    return &w;
}

static int run_at(struct world *w, uint64_t rip)
{
    w->s->rip = rip;
    w->s->run_state = X86_RUNNING;
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    return world_run(w);
}

static int run_code(struct world *w, const uint8_t *code, size_t size_bytes)
{
    memcpy(w->ram.host + WORLD_CODE, code, size_bytes);
    return run_at(w, WORLD_CODE);
}
#define RUN(w, name) run_code(w, name, name##_end - name)

#define IN_BOTH_MODES(name)                                                                    \
    static void name##_in(struct world *w);                                                    \
    static void name(void **unused)                                                            \
    {                                                                                          \
        (void)unused;                                                                          \
        for (unsigned one = 0; one < 2; one++) {                                               \
            struct world *w = start(one);                                                      \
            name##_in(w);                                                                      \
            assert_true(world_canaries_live(w));                                               \
            world_close(w);                                                                    \
        }                                                                                      \
    }                                                                                          \
    static void name##_in(struct world *w)

// --- addresses ----------------------------------------------------------------------------------

GUEST(by_base, "mov [rax], rdx" END);
GUEST(by_base_disp, "mov [rax + 0x7fffffff], rdx" END);
GUEST(by_index, "mov [rcx * 8], rdx" END);
GUEST(by_both, "mov [rax + rcx], rdx" END);
GUEST(by_fs, "mov fs:[rax], rdx" END);
GUEST(by_address32, "mov [eax], rdx" END);
GUEST(by_add, "add [rax], rdx" END);
GUEST(by_load, "mov rdx, [rax]" END);
GUEST(by_vector, "vmovdqu [rax], ymm0" END);
GUEST(by_locked, "lock xadd [rax], rdx" END);
GUEST(by_string, "mov rdi, rax\nstosq" END);
GUEST(by_push, "mov rsp, rax\npush rdx" END);
GUEST(by_rbp, "mov rbp, rax\nmov [rbp], rdx" END);

static const struct {
    const uint8_t *code, *end;
    bool stack, plain;  // plain: the address is rax
} forms[] = {
    {by_base, by_base_end, false, true}, {by_base_disp, by_base_disp_end, false, false}, {by_index, by_index_end, false, false},
    {by_both, by_both_end, false, false}, {by_fs, by_fs_end, false, false}, {by_address32, by_address32_end, false, false},
    {by_add, by_add_end, false, true}, {by_load, by_load_end, false, true}, {by_vector, by_vector_end, false, true},
    {by_locked, by_locked_end, false, true}, {by_string, by_string_end, false, true}, {by_push, by_push_end, true, false},
    {by_rbp, by_rbp_end, true, true},
};
static const uint64_t ends[] = {
    0x1ffff9, 0x1fffff, 0x200000, 0x7ffffffffff9, 0x7fffffffffff, 0x800000000000, 0x800000000008, UINT64_C(0xffff7ffffffffff9),
    UINT64_C(0xffff7fffffffffff), UINT64_C(0xffff800000000000), UINT64_C(0xfffffffffffffff9), UINT64_MAX, INT64_MAX,
    UINT64_C(0x8000000000000000), 0xfffffffc, 0x100000000,
};

static bool canonical(uint64_t address) { return (uint64_t)((int64_t)(address << 16) >> 16) == address; }

// Every address here is beyond what is mapped, wholly or in its last bytes.
IN_BOTH_MODES(no_address_reaches_beyond_ram)
{
    for (size_t f = 0; f < ARRAY_SIZE(forms); f++)
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
            world_state(w, w->s, 0);
            w->s->gpr[X86_RAX] = ends[i];
            w->s->gpr[X86_RCX] = ends[ARRAY_SIZE(ends) - 1 - i];
            w->s->seg[X86_FS].base = ends[(i + 7) % ARRAY_SIZE(ends)];
            int vector = run_code(w, forms[f].code, forms[f].end - forms[f].code);
            assert_true(vector == DONE || vector == EX_PF || vector == EX_GP || vector == EX_SS);
            assert_true(world_canaries_live(w));
            if (!forms[f].plain)
                continue;
            bool inside = canonical(ends[i]) && canonical(ends[i] + 31) && ends[i] + 31 > ends[i];
            if (!canonical(ends[i]))
                assert_int_equal(vector, forms[f].stack ? EX_SS : EX_GP);
            else if (inside)
                assert_int_equal(vector, EX_PF);
        }
}

// --- pages ---------------------------------------------------------------------------------------

GUEST(store_across, "mov rax, 0x1122334455667788\nmov [0x40ffc], rax" END);

IN_BOTH_MODES(a_store_across_pages_checks_both_first)
{
    *world_pte(w, 0x41000) &= ~(uint64_t)PTE_W;
    assert_int_equal(RUN(w, store_across), EX_PF);
    assert_int_equal(w->s->cr2, 0x41000);
    assert_int_equal(*(uint32_t *)(w->ram.host + 0x40ffc), 0);
    *world_pte(w, 0x41000) |= PTE_W;
    *world_pte(w, 0x40000) = 0;
    world_state(w, w->s, 0);
    assert_int_equal(RUN(w, store_across), EX_PF);
    assert_int_equal(w->s->cr2, 0x40ffc);
    assert_int_equal(*(uint32_t *)(w->ram.host + 0x41000), 0);
}

// Page 42 is shown at 41, and later page 43: both by a store to its entry and INVLPG (or MOV CR3).
GUEST(stale_data,
      "mov rcx, [0x41000]\nmov qword ptr [0xb000 + 0x41 * 8], 0x43007\ninvlpg [0x41000]\nmov rdx, [0x41000]\n"
      "mov qword ptr [0xb000 + 0x41 * 8], 0x42007\nmov rax, cr3\nmov cr3, rax\nmov rbx, [0x41000]\n"
      "mov qword ptr [0x41000], 7" END);

IN_BOTH_MODES(data_follows_the_page_tables_at_once)
{
    *world_pte(w, 0x41000) = 0x42007;
    *world_word(w, 0x42000) = 2;
    *world_word(w, 0x43000) = 3;
    assert_int_equal(RUN(w, stale_data), DONE);
    assert_int_equal(w->s->gpr[X86_RCX], 2);
    assert_int_equal(w->s->gpr[X86_RDX], 3);
    assert_int_equal(w->s->gpr[X86_RBX], 2);
    assert_int_equal(*world_word(w, 0x42000), 7);
    assert_int_equal(*world_word(w, 0x43000), 3);
}

GUEST(large_page,
      "mov rcx, [0x241000]\nmov rcx, [0x251000]\nmov qword ptr [0xa008], 0\ninvlpg [0x3ff000]\nmov rdx, [0x251000]" END);

IN_BOTH_MODES(invlpg_drops_all_of_a_large_page)
{
    world_word(w, WORLD_PD)[1] = PTE_P | PTE_W | PTE_PS;
    *world_word(w, 0x41000) = 5;
    assert_int_equal(RUN(w, large_page), EX_PF);
    assert_int_equal(w->s->cr2, 0x251000);
}

// A function at 41000 is called, directly and through a register, before and after its page became another.
GUEST(stale_code,
      "mov rsi, 0x41000\nxor ebx, ebx\nmov edi, 20\n"
      "again: call rsi\nadd rbx, rax\n.byte 0xe8\n.long 0x41000 - 0x20000 - (near_one - stale_code)\nnear_one: add rbx, rax\n"
      "dec edi\njnz again\n"
      "mov qword ptr [0xb000 + 0x41 * 8], 0x43007\ninvlpg [0x41000]\n"
      "call rsi\nmov rcx, rax\n.byte 0xe8\n.long 0x41000 - 0x20000 - (near_two - stale_code)\nnear_two: mov rdx, rax\n"
      "mov qword ptr [0xb000 + 0x41 * 8], 0x42007\nmov rax, cr3\nmov cr3, rax\ncall rsi" END);
GUEST(returns_2, "mov eax, 2\nret");
GUEST(returns_3, "mov eax, 3\nret");

IN_BOTH_MODES(code_follows_the_page_tables_at_once)
{
    *world_pte(w, 0x41000) = 0x42007;
    PUT(w, 0x42000, returns_2);
    PUT(w, 0x43000, returns_3);
    assert_int_equal(RUN(w, stale_code), DONE);
    assert_int_equal(w->s->gpr[X86_RBX], 80);
    assert_int_equal(w->s->gpr[X86_RCX], 3);
    assert_int_equal(w->s->gpr[X86_RDX], 3);
    assert_int_equal(w->s->gpr[X86_RAX], 2);
}

// A loop over two pages, of which the second becomes another in the middle.
GUEST(first_half, "inc ecx\ncmp ecx, 50\njb go\nje change\ncmp ecx, 100\nja end\ngo: .byte 0xe9\n.long 0x1000 - (after - first_half)\n"
      "after:\nchange: mov qword ptr [0xb000 + 0x41 * 8], 0x43007\ninvlpg [0x41000]\njmp go\nend:" END);
GUEST(adds_1, "add rbx, 1\n.byte 0xe9\n.long -0x1000 - (1f - adds_1)\n1:");
GUEST(adds_1000, "add rbx, 1000\n.byte 0xe9\n.long -0x1000 - (1f - adds_1000)\n1:");

IN_BOTH_MODES(chained_blocks_part_when_a_page_is_remapped)
{
    *world_pte(w, 0x41000) = 0x42007;
    PUT(w, 0x40000, first_half);
    PUT(w, 0x42000, adds_1);
    PUT(w, 0x43000, adds_1000);
    w->s->gpr[X86_RCX] = w->s->gpr[X86_RBX] = 0;
    assert_int_equal(run_at(w, 0x40000), DONE);
    assert_int_equal(w->s->gpr[X86_RBX], 49 + 51 * 1000);
}

// --- code that changes ------------------------------------------------------------------------------

// The next instruction; the same by another name of the page; one that was run before, in a loop.
GUEST(changes_itself,
      "mov byte ptr [rip + 1f + 1], 5\n1: mov al, 1\nmov bl, al\n"
      "mov byte ptr [0x41000 + (2f - changes_itself) + 1], 6\n2: mov al, 1\nmov cl, al\n"
      "mov edi, 3\nxor edx, edx\n3: mov al, 1\nadd dl, al\ninc byte ptr [rip + 3b + 1]\ndec edi\njnz 3b" END);

IN_BOTH_MODES(a_store_into_code_counts_at_the_next_instruction)
{
    *world_pte(w, 0x41000) = WORLD_CODE | PTE_P | PTE_W;
    assert_int_equal(RUN(w, changes_itself), DONE);
    assert_int_equal(w->s->gpr[X86_RBX] & 0xff, 5);
    assert_int_equal(w->s->gpr[X86_RCX] & 0xff, 6);
    assert_int_equal(w->s->gpr[X86_RDX], 1 + 2 + 3);
}

// mov eax, imm32 whose opcode and first byte are on one page, the others on the next.
GUEST(changes_straddling,
      "call rsi\nmov ebx, eax\nmov byte ptr [0x41000], 0x77\ncall rsi\nmov ecx, eax\nmov byte ptr [0x40fff], 0x66\ncall rsi\n"
      "mov edx, eax\nmov qword ptr [0xb000 + 0x41 * 8], 0x43007\ninvlpg [0x41000]\ncall rsi" END);
GUEST(straddling, "mov eax, 0x44332211\nret");

IN_BOTH_MODES(an_instruction_on_two_pages_follows_both)
{
    PUT(w, 0x40ffe, straddling);
    memcpy(w->ram.host + 0x43000, (const uint8_t[]){0xaa, 0xbb, 0xcc, 0xc3}, 4);
    w->s->gpr[X86_RSI] = 0x40ffe;
    assert_int_equal(RUN(w, changes_straddling), DONE);
    assert_int_equal(w->s->gpr[X86_RBX], 0x44332211);
    assert_int_equal(w->s->gpr[X86_RCX], 0x44337711);
    assert_int_equal(w->s->gpr[X86_RDX], 0x44337766);
    assert_int_equal(w->s->gpr[X86_RAX], 0xccbbaa66);
}

// Bytes that were no instruction become one, by a store behind the first of them.
GUEST(becomes_valid, ".byte 0x0f, 0x04\nnop" END);

GUEST(makes_valid, "inc dword ptr [0x41000]\nmov byte ptr [0x40001], 0x31\niretq");  // rdtsc

IN_BOTH_MODES(undefined_bytes_are_looked_at_again)
{
    PUT(w, 0x40000, becomes_valid);
    assert_int_equal(run_at(w, 0x40000), EX_UD);
    PUT(w, WORLD_STUBS + EX_UD * WORLD_STUB_BYTES, makes_valid);
    world_state(w, w->s, 0);
    assert_int_equal(run_at(w, 0x40000), DONE);
    assert_int_equal(*world_word(w, 0x41000), 1);
}

// --- devices ----------------------------------------------------------------------------------------

GUEST(touches_device,
      "mov al, [0x41001]\nmov ax, [0x41002]\nmov eax, [0x41004]\nmov rax, [0x41008]\n"
      "mov [0x41010], al\nmov [0x41012], ax\nmov [0x41014], eax\nmov [0x41018], rax\n"
      "add dword ptr [0x41020], 1\nxchg [0x41024], ecx\nmovdqu xmm0, [0x41040]\nmovdqu [0x41050], xmm0\n"
      "mov [0x41062], eax\npush qword ptr [0x41070]\ncmp byte ptr [0x41080], 3" END);

static void expect(const struct world *w, unsigned *at, bool write, unsigned size_bytes, uint64_t offset)
{
    assert_true(*at < w->accesses);
    assert_int_equal(w->access[*at].write, write);
    assert_int_equal(w->access[*at].size_bytes, size_bytes);
    assert_int_equal(w->access[(*at)++].offset, offset);
}

IN_BOTH_MODES(a_device_is_touched_once_in_size_and_order)
{
    unsigned at = 0;
    *world_pte(w, 0x41000) = WORLD_DEVICE | PTE_P | PTE_W;
    w->answer = UINT64_C(0x8877665544332211);
    assert_int_equal(RUN(w, touches_device), DONE);
    for (unsigned write = 0; write < 2; write++)
        for (unsigned size = 1; size <= 8; size *= 2)
            expect(w, &at, write, size, 0x10 * write + (size == 1 ? !write : size));
    expect(w, &at, false, 4, 0x20);
    expect(w, &at, true, 4, 0x20);
    assert_int_equal(w->access[at - 1].value, 0x44332212);
    expect(w, &at, false, 4, 0x24);
    expect(w, &at, true, 4, 0x24);
    expect(w, &at, false, 8, 0x40);
    expect(w, &at, false, 8, 0x48);
    expect(w, &at, true, 8, 0x50);
    expect(w, &at, true, 8, 0x58);
    expect(w, &at, true, 4, 0x62);
    expect(w, &at, false, 8, 0x70);
    expect(w, &at, false, 1, 0x80);
    assert_int_equal(w->accesses, at);
}

// --- registers and flags -------------------------------------------------------------------------------

GUEST(mixes_registers,
      "mov rsp, 0x60000\nmov dword ptr [0x40000], 100\n"
      "1: add rax, rbx\nadd rcx, rdx\nadd rsp, 8\nadd r8, r15\njmp 2f\n2: xor r9, r14\nadd r10, r13\nadd r11, r12\njmp 3f\n"
      "3: add r12, r8\nadd r13, r9\nadd r14, r10\nadd r15, r11\npush r15\npop rbx\nlea rdx, [rdx + r12 * 2]\n"
      "mov [0x40010], r11\nadd r11, [0x40010]\nsub rsp, 8\njmp 4f\n4: xchg rbp, r11\nadd rsi, rbp\nadd rdi, rsi\n"
      "dec dword ptr [0x40000]\njnz 1b" END);

static void mix(uint64_t *g)
{
    g[0] += g[3], g[1] += g[2], g[8] += g[15];
    g[9] ^= g[14], g[10] += g[13], g[11] += g[12];
    g[12] += g[8], g[13] += g[9], g[14] += g[10], g[15] += g[11];
    g[3] = g[15], g[2] += g[12] * 2, g[11] += g[11];
    uint64_t t = g[5];
    g[5] = g[11], g[11] = t, g[6] += g[5], g[7] += g[6];
}

IN_BOTH_MODES(all_registers_keep_their_values)
{
    uint64_t g[X86_GPRS];
    for (unsigned i = 0; i < X86_GPRS; i++)
        w->s->gpr[i] = g[i] = (i + 1) * UINT64_C(0x123456789abcdef1);
    assert_int_equal(RUN(w, mixes_registers), DONE);
    for (unsigned i = 0; i < 100; i++)
        mix(g);
    g[X86_RSP] = 0x60000;
    for (unsigned i = 0; i < X86_GPRS; i++)
        assert_true(w->s->gpr[i] == g[i]);
}

// Flags live across loads and stores that hit and that miss; over a page's end; and INC keeps CF.
GUEST(keeps_flags,
      "mov edi, 40\nxor ebx, ebx\nmov rsi, 0x40ffa\n"
      "1: stc\nmov [rsi], eax\nadc ebx, 0\nclc\nmov eax, [rsi]\nadc ebx, 0\nstc\ninc dword ptr [rsi]\nadc ebx, 0\n"
      "cmp edi, 20\nmov [rsi + 0x1000], edx\npush rax\npop rax\njne 2f\nadd ebx, 1000\n2: mov dword ptr [rsi], 0\n"
      "bt edi, 0\nrcl ebx, 1\nrcr ebx, 1\nadd rsi, 0x10\ndec edi\njnz 1b\n"
      "mov al, 0x7f\nadd al, 1\nmov [0x42000], rdi\nseto cl\nsets dl\nlahf" END);

IN_BOTH_MODES(flags_live_across_memory)
{
    assert_int_equal(RUN(w, keeps_flags), DONE);
    assert_int_equal(w->s->gpr[X86_RBX], 40 * 2 + 1000);
    assert_int_equal(w->s->gpr[X86_RCX] & 0xff, 1);
    assert_int_equal(w->s->gpr[X86_RDX] & 0xff, 1);
    assert_int_equal(w->s->gpr[X86_RAX] >> 8 & 0xff, 0x92);
}

// --- the code cache --------------------------------------------------------------------------------------

static void fill_with_jumps(struct world *w, uint64_t from, uint64_t to)
{
    static const uint8_t part[16] = {0x48, 0xff, 0xc0, 0x48, 0x01, 0xc3, 0xeb, 0x08};  // inc rax; add rbx, rax; jmp
    for (uint64_t at = from; at < to; at += sizeof part)
        memcpy(w->ram.host + at, part, sizeof part);
    memcpy(w->ram.host + to, (const uint8_t[]){0xe6, DONE, 0xf4}, 3);
}

static void a_small_code_cache_is_emptied_and_goes_on(void **unused)
{
    (void)unused;
    struct world w = {.cache_bytes = 2 << 20};
    world_open(&w);
    fill_with_jumps(&w, 0x100000, 0x180000);
    for (unsigned turn = 0; turn < 2; turn++) {
        w.s->gpr[X86_RAX] = w.s->gpr[X86_RBX] = 0;
        assert_int_equal(run_at(&w, 0x100000), DONE);
        assert_int_equal(w.s->gpr[X86_RAX], 0x8000);
        assert_int_equal(w.s->gpr[X86_RBX], (uint64_t)0x8000 * 0x8001 / 2);
    }
    assert_true(jit_vcpu_of(w.vcpu[0])->jit->code->emptied > 2);
    world_close(&w);
}

// --- kicks and wake-ups ---------------------------------------------------------------------------------

GUEST(loop_jmp, "1: jmp 1b");
GUEST(loop_jcc, "xor eax, eax\n1: jz 1b");
GUEST(loop_flags, "1: add eax, 1\nadc ebx, 0\nnop\njnc 1b\njmp 1b");
GUEST(loop_call, "1: call 2f\njmp 1b\n2: ret");
GUEST(loop_recursion, "1: mov rsp, 0x60000\ncall 1b");
GUEST(loop_indirect, "mov rax, 0x20008\nnop\njmp rax");
GUEST(loop_ret, "1: lea rax, [rip + 1b]\npush rax\nret");
GUEST(loop_loop, "1: mov ecx, 2\n2: loop 2b\njmp 1b");
GUEST(loop_jrcxz, "xor ecx, ecx\n1: jrcxz 1b");
GUEST(loop_pages, ".byte 0xe9\n.long 0x1000 - 5");
GUEST(loop_pages_back, ".byte 0xe9\n.long -0x1000 - 5");
GUEST(loop_string, "1: mov esi, 0x40000\nmov ecx, 0x100000\nrep lodsb\njmp 1b");
GUEST(loop_fault, "1: ud2");
GUEST(loop_hlt, "1: hlt\njmp 1b");
static const struct { const uint8_t *code, *end; } loops[] = {
    {loop_jmp, loop_jmp_end}, {loop_jcc, loop_jcc_end}, {loop_flags, loop_flags_end}, {loop_call, loop_call_end},
    {loop_recursion, loop_recursion_end}, {loop_indirect, loop_indirect_end}, {loop_ret, loop_ret_end},
    {loop_loop, loop_loop_end}, {loop_jrcxz, loop_jrcxz_end}, {loop_pages, loop_pages_end},
    {loop_string, loop_string_end}, {loop_fault, loop_fault_end}, {loop_hlt, loop_hlt_end},
};

static void *kick_soon(void *opaque)
{
    struct world *w = opaque;
    usleep(3000);
    w->vcpu[0]->ops->kick(w->vcpu[0]);
    return NULL;
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

// The alarm ends what no kick ends; of CPU time, a little is allowed.
IN_BOTH_MODES(a_kick_ends_every_loop)
{
    world_stub(w, EX_UD, (const uint8_t[]){0x48, 0xcf}, 2);
    PUT(w, WORLD_CODE + PAGE_BYTES, loop_pages_back);
    for (size_t i = 0; i < ARRAY_SIZE(loops); i++) {
        pthread_t kicker;
        world_state(w, w->s, 0);
        memcpy(w->ram.host + WORLD_CODE, loops[i].code, loops[i].end - loops[i].code);
        w->s->gpr[X86_RSI] = 0x40000;
        w->vcpu[0]->ops->put_state(w->vcpu[0]);
        assert_int_equal(pthread_create(&kicker, NULL, kick_soon, w), 0);
        uint64_t began = cpu_ns();
        enum vcpu_exit why = w->vcpu[0]->ops->run(w->vcpu[0]);
        assert_int_equal(why, VCPU_EXIT_KICKED);
        assert_true(cpu_ns() - began < 1000000000);
        pthread_join(kicker, NULL);
    }
}

// Halts a thousand times; each interrupt is sent once, when the one before has been counted.
GUEST(halts, "1: sti\nhlt\ncli\ncmp dword ptr [0x40000], 1000\njb 1b" END);
GUEST(counts_and_ends, "inc dword ptr [0x40000]\nmov dword ptr [0x410b0], 0\niretq");

static void *send_interrupts(void *opaque)
{
    struct world *w = opaque;
    volatile uint32_t *count = (uint32_t *)(w->ram.host + 0x40000);
    for (uint32_t sent = 0; sent < 1000; sent++) {
        w->engine->ops->msi(w->engine, 0xfee00000, 0x80);
        while (*count <= sent)
            usleep(0);
    }
    return NULL;
}

IN_BOTH_MODES(no_interrupt_is_lost_between_sti_and_hlt)
{
    pthread_t sender;
    *world_pte(w, 0x41000) = UINT64_C(0xfee00000) | PTE_P | PTE_W;
    PUT(w, WORLD_STUBS + 0x80 * WORLD_STUB_BYTES, counts_and_ends);
    w->s->apic.svr = 0x1ff;
    PUT(w, WORLD_CODE, halts);
    w->s->rip = WORLD_CODE;
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    assert_int_equal(pthread_create(&sender, NULL, send_interrupts, w), 0);
    assert_int_equal(world_run(w), DONE);
    pthread_join(sender, NULL);
    assert_int_equal(*world_word(w, 0x40000), 1000);
}

GUEST(halts_for_nmi, "hlt\nhlt");

static void *send_nmi(void *opaque)
{
    struct world *w = opaque;
    usleep(2000);
    w->vcpu[0]->ops->nmi(w->vcpu[0]);
    return NULL;
}

IN_BOTH_MODES(an_nmi_wakes_a_halt_with_interrupts_off)
{
    pthread_t sender;
    PUT(w, WORLD_CODE, halts_for_nmi);
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    assert_int_equal(pthread_create(&sender, NULL, send_nmi, w), 0);
    assert_int_equal(world_run(w), EX_NMI);
    pthread_join(sender, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_address_reaches_beyond_ram),
        cmocka_unit_test(a_store_across_pages_checks_both_first),
        cmocka_unit_test(data_follows_the_page_tables_at_once),
        cmocka_unit_test(invlpg_drops_all_of_a_large_page),
        cmocka_unit_test(code_follows_the_page_tables_at_once),
        cmocka_unit_test(chained_blocks_part_when_a_page_is_remapped),
        cmocka_unit_test(a_store_into_code_counts_at_the_next_instruction),
        cmocka_unit_test(an_instruction_on_two_pages_follows_both),
        cmocka_unit_test(undefined_bytes_are_looked_at_again),
        cmocka_unit_test(a_device_is_touched_once_in_size_and_order),
        cmocka_unit_test(all_registers_keep_their_values),
        cmocka_unit_test(flags_live_across_memory),
        cmocka_unit_test(a_small_code_cache_is_emptied_and_goes_on),
        cmocka_unit_test(a_kick_ends_every_loop),
        cmocka_unit_test(no_interrupt_is_lost_between_sti_and_hlt),
        cmocka_unit_test(an_nmi_wakes_a_halt_with_interrupts_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
