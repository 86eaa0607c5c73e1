// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory order between vCPUs: the litmus tests of x86-TSO (SDM volume 3, 9.2; Sewell and others, "x86-TSO", 2010) on
// vCPU threads, and code that another vCPU changes. Each is a loop of rounds in the guest; what is forbidden must
// never be counted. What is only allowed is counted too, so that a run that interleaves nothing is seen. The shapes
// have their names from there and from "herding cats" (Alglave and others, 2014).
//
// litmus [--seconds N]: ends with `N passed, N failed`.
#include <stdatomic.h>
#include <time.h>

#include "tests/unit/jit_world.h"

#define GUEST(name, text)                                                                      \
    extern const uint8_t name[], name##_end[];                                                 \
    __asm__(".pushsection .rodata\n.globl " #name ", " #name "_end\n" #name ":\n.intel_syntax noprefix\n" text \
            "\n.att_syntax prefix\n" #name "_end:\n.popsection\n")

// The round that each vCPU has begun and ended, results, and the variables, each in a cache line of its own.
enum { ROUND_0 = 0x40000, ROUND_1 = 0x40100, STOP = 0x40200, SEEN_0 = 0x40300, SEEN_1 = 0x40400, X = 0x40500,
       Y = 0x40600, FORBIDDEN = 0x40700, RELAXED = 0x40800, ROUND_2 = 0x40900, ROUND_3 = 0x40a00, CODES_APART = 0x4000,
       PATCHED = 0x42000, ALIAS = 0x43000, PATIENCE_MS = 10000 };

// Both: wait for the other at a new round (in rbp); the variables count up with it, so need no reset. vCPU 0
// judges, before the next.
#define ROUND(mine, other)                                                                     \
    "mov rsp, " #mine "\n1: inc ebp\nmov [rsp], ebp\n2: cmp dword ptr [0x40200], 0\njne 9f\n"  \
    "cmp [" #other "], ebp\njb 2b\n"
#define AGAIN_0 "mov [0x40300], eax\nmov [0x40310], ebx\ninc ebp\nmov [rsp], ebp\n3: cmp dword ptr [0x40200], 0\njne 9f\n" \
    "cmp [0x40100], ebp\njb 3b\n"
#define AGAIN_1 "mov [0x40400], eax\nmov [0x40410], ebx\ninc ebp\nmov [rsp], ebp\n3: cmp dword ptr [0x40200], 0\njne 9f\n" \
    "cmp [0x40000], ebp\njb 3b\njmp 1b\n9: cli\nhlt\njmp 9b"
#define JUDGE(text) text "\njmp 1b\n8: inc dword ptr [0x40700]\njmp 1b\n7: inc dword ptr [0x40800]\njmp 1b\n9: cli\nhlt\njmp 9b"

// Store buffering: both may read the old value; not with MFENCE or a locked operation between.
#define SB_0(fence) ROUND(0x40000, 0x40100) "mov [0x40500], ebp\n" fence "mov eax, [0x40600]\n" AGAIN_0
#define SB_1(fence) ROUND(0x40100, 0x40000) "mov [0x40600], ebp\n" fence "mov eax, [0x40500]\n" AGAIN_1
#define BOTH_OLD(where) "lea ecx, [rbp - 1]\ncmp [0x40300], ecx\njae 1b\ncmp [0x40400], ecx\njb " where
GUEST(sb_0, SB_0("") JUDGE(BOTH_OLD("7f")));
GUEST(sb_1, SB_1(""));
GUEST(sb_mfence_0, SB_0("mfence\n") JUDGE(BOTH_OLD("8f")));
GUEST(sb_mfence_1, SB_1("mfence\n"));
GUEST(sb_locked_0, SB_0("lock add dword ptr [0x41000], 1\n") JUDGE(BOTH_OLD("8f")));
GUEST(sb_locked_1, SB_1("lock add dword ptr [0x41100], 1\n"));
#define SB_XCHG(first, second) "mov edx, ebp\nxchg [" first "], edx\nmov eax, [" second "]\n"
GUEST(sb_xchg_0, ROUND(0x40000, 0x40100) SB_XCHG("0x40500", "0x40600") AGAIN_0 JUDGE(BOTH_OLD("8f")));
GUEST(sb_xchg_1, ROUND(0x40100, 0x40000) SB_XCHG("0x40600", "0x40500") AGAIN_1);

// Message passing: who sees the flag sees the data. The page's end, so that the slow path stores too.
GUEST(mp_0, ROUND(0x40000, 0x40100) "mov [0x40500], ebp\nmov [0x40600], ebp\n" AGAIN_0
      JUDGE("lea ecx, [rbp - 1]\ncmp [0x40400], ecx\njb 7f\ncmp [0x40410], ecx\njb 8f"));
GUEST(mp_1, ROUND(0x40100, 0x40000) "mov eax, [0x40600]\nmov ebx, [0x40500]\n" AGAIN_1);

// Load buffering: loads are not delayed behind later stores.
GUEST(lb_0, ROUND(0x40000, 0x40100) "mov eax, [0x40500]\nmov [0x40600], ebp\n" AGAIN_0
      JUDGE("lea ecx, [rbp - 1]\ncmp [0x40300], ecx\njb 7f\ncmp [0x40400], ecx\njae 8f"));
GUEST(lb_1, ROUND(0x40100, 0x40000) "mov eax, [0x40600]\nmov [0x40500], ebp\n" AGAIN_1);

// Coherence: reads of one variable never go back (CoRR).
GUEST(corr_0, ROUND(0x40000, 0x40100) "mov [0x40500], ebp\n" AGAIN_0
      JUDGE("lea ecx, [rbp - 1]\nmov edx, [0x40400]\ncmp edx, ecx\njb 7f\ncmp [0x40410], edx\njb 8f"));
GUEST(corr_1, ROUND(0x40100, 0x40000) "mov eax, [0x40500]\nmov ebx, [0x40500]\n" AGAIN_1);

// A vCPU sees its own store first (SB with forwarding: n6), and the sum of locked additions is whole.
GUEST(locked_0, ROUND(0x40000, 0x40100) "lock inc dword ptr [0x40500]\nlock xadd [0x40600], ebp\nmov ebp, [rsp]\n" AGAIN_0
      JUDGE("lea ecx, [rbp - 1]\nmov eax, [0x40500]\ncmp eax, ebp\njne 8f\njmp 7f"));
GUEST(locked_1, ROUND(0x40100, 0x40000) "lock inc dword ptr [0x40500]\nlock xadd [0x40600], ebp\nmov ebp, [rsp]\n" AGAIN_1);

// A locked operation on two pages is atomic too.
GUEST(split_0, ROUND(0x40000, 0x40100) "lock inc dword ptr [0x44ffe]\n" AGAIN_0
      JUDGE("mov eax, [0x44ffe]\ncmp eax, ebp\njne 8f\njmp 7f"));
GUEST(split_1, ROUND(0x40100, 0x40000) "lock inc dword ptr [0x44ffe]\n" AGAIN_1);

// vCPU 0 changes the immediate of a function (`mov eax, imm32; ret`) through another name of its page, then
// says so: vCPU 1, once it has seen that and serialized, must run the new one; before, the old or the new.
#define RUN_PATCHED(name, text) GUEST(name##_1, ROUND(0x40100, 0x40000) "mov ecx, [0x40500]\nmov [0x40420], ecx\nxor eax, eax\ncpuid\n" text \
      "mov ebx, [0x40420]\nmov rsp, 0x40100\n" AGAIN_1)
#define PATCH(name) GUEST(name##_0, ROUND(0x40000, 0x40100) "mov [0x43004], ebp\nmov [0x40500], ebp\n" AGAIN_0 \
      JUDGE("lea ecx, [rbp - 1]\ncmp [0x40410], ecx\njb 7f\ncmp [0x40400], ecx\njb 8f"))
PATCH(patch);
RUN_PATCHED(patch, "mov ecx, 0x42003\ncall rcx\n");
GUEST(patched, ".byte 0xb8\n.long 0\nret");

// The same, but it runs by the name that is written; and by both names in turn.
PATCH(patch_same);
RUN_PATCHED(patch_same, "mov ecx, 0x43003\ncall rcx\n");
PATCH(patch_both);
RUN_PATCHED(patch_both, "mov ecx, 0x42003\ncall rcx\nmov edx, eax\nmov ecx, 0x43003\ncall rcx\ncmp eax, edx\ncmova eax, edx\n");

// S: what is written after a read that saw a flag comes after what was written before the flag.
GUEST(s_0, ROUND(0x40000, 0x40100) "lea ecx, [rbp + rbp]\nmov [0x40500], ecx\nmov [0x40600], ebp\n" AGAIN_0
      JUDGE("lea ecx, [rbp - 1]\ncmp [0x40400], ecx\njne 7f\nadd ecx, ecx\ncmp [0x40500], ecx\nje 8f"));
GUEST(s_1, ROUND(0x40100, 0x40000) "mov eax, [0x40600]\nlea ecx, [rbp + rbp + 1]\nmov [0x40500], ecx\n" AGAIN_1);

// R: allowed, but not with a fence between the write and the read.
#define R_0 ROUND(0x40000, 0x40100) "mov [0x40500], ebp\nlea ecx, [rbp + rbp]\nmov [0x40600], ecx\n" AGAIN_0
#define R_1(fence) ROUND(0x40100, 0x40000) "lea ecx, [rbp + rbp + 1]\nmov [0x40600], ecx\n" fence "mov eax, [0x40500]\n" AGAIN_1
#define R_BOTH(where) "lea ecx, [rbp - 1]\ncmp [0x40400], ecx\njae 1b\nlea ecx, [rcx + rcx + 1]\ncmp [0x40600], ecx\nje " where
GUEST(r_0, R_0 JUDGE(R_BOTH("7f")));
GUEST(r_1, R_1(""));
GUEST(r_mfence_0, R_0 JUDGE(R_BOTH("8f")));
GUEST(r_mfence_1, R_1("mfence\n"));

// 2+2W: not both first writes last.
GUEST(ww_0, ROUND(0x40000, 0x40100) "lea ecx, [rbp + rbp]\nmov [0x40500], ecx\ninc ecx\nmov [0x40600], ecx\n" AGAIN_0
      JUDGE("lea ecx, [rbp + rbp - 2]\ncmp [0x40500], ecx\njne 7f\ncmp [0x40600], ecx\nje 8f"));
GUEST(ww_1, ROUND(0x40100, 0x40000) "lea ecx, [rbp + rbp]\nmov [0x40600], ecx\ninc ecx\nmov [0x40500], ecx\n" AGAIN_1);

// n6: a vCPU sees its own store before others do, so this is allowed.
GUEST(n6_0, ROUND(0x40000, 0x40100) "lea ecx, [rbp + rbp]\nmov [0x40500], ecx\nmov eax, [0x40500]\nmov ebx, [0x40600]\n" AGAIN_0
      JUDGE("lea ecx, [rbp + rbp - 2]\ncmp [0x40300], ecx\njb 8f\ncmp [0x40500], ecx\njne 1b\ncmp [0x40310], ecx\njb 7f"));
GUEST(n6_1, ROUND(0x40100, 0x40000) "lea ecx, [rbp + rbp]\nmov [0x40600], ecx\ninc ecx\nmov [0x40500], ecx\n" AGAIN_1);

// Message passing with data beyond the write-combining buffers, with data across a cache line's and across a
// page's end: whole, once the flag is seen; and with a flag that is an exchange.
#define MP_JUDGE JUDGE("lea ecx, [rbp - 1]\ncmp [0x40400], ecx\njb 7f\ncmp [0x40410], ecx\njne 8f")
#define MP(name, write, read) GUEST(name##_0, ROUND(0x40000, 0x40100) write AGAIN_0 MP_JUDGE); \
    GUEST(name##_1, ROUND(0x40100, 0x40000) read AGAIN_1)
#define SEE(data) "mov eax, [0x40600]\nmov ebx, [" data "]\n"
MP(mp_nti, "movnti [0x40500], ebp\nsfence\nmov [0x40600], ebp\n", SEE("0x40500"));
MP(mp_line, "mov [0x4053e], ebp\nmov [0x40600], ebp\n", SEE("0x4053e"));
MP(mp_page, "mov [0x45ffe], ebp\nmov [0x40600], ebp\n", SEE("0x45ffe"));
MP(mp_xchg, "mov [0x40500], ebp\nmov ecx, ebp\nxchg [0x40600], ecx\n", "xor eax, eax\nlock xadd [0x40600], eax\nmov ebx, [0x40500]\n");

// A locked operation across a line's or page's end orders as any other.
GUEST(sb_line_0, SB_0("lock add dword ptr [0x4103e], 1\n") JUDGE(BOTH_OLD("8f")));
GUEST(sb_line_1, SB_1("lock add dword ptr [0x4113e], 1\n"));
GUEST(sb_split_0, SB_0("lock add dword ptr [0x46ffe], 1\n") JUDGE(BOTH_OLD("8f")));
GUEST(sb_split_1, SB_1("lock add dword ptr [0x47ffe], 1\n"));

// IRIW, with four vCPUs: two readers agree on the order of two writers. Four don't meet often on fewer CPUs, so a round
// is 512 pairs of variables, which each goes through at its own speed.
#define WAIT_4 "2: cmp dword ptr [0x40200], 0\njne 9f\ncmp [0x40000], ebp\njb 2b\ncmp [0x40100], ebp\njb 2b\ncmp [0x40900], ebp\njb 2b\ncmp [0x40a00], ebp\njb 2b\n"
#define ROUND_OF_4(mine, text) "mov rsp, " #mine "\n1: inc ebp\nmov [rsp], ebp\n" WAIT_4 "xor esi, esi\nxor edi, edi\n4: " text \
    "add esi, 64\nadd edi, 16\ncmp esi, 0x8000\njne 4b\ninc ebp\nmov [rsp], ebp\n" WAIT_4
#define READER(mine, first, second, seen) ROUND_OF_4(mine, "mov eax, [rsi + " first "]\nmov edx, [rsi + " second "]\nmov [rdi + " seen "], eax\nmov [rdi + " seen " + 8], edx\n") \
    "jmp 1b\n9: cli\nhlt\njmp 9b"
#define NEW_THEN_OLD(seen) "cmp [rdi + " seen "], ecx\njne 6f\ncmp [rdi + " seen " + 8], ecx\nje 6f\n"
GUEST(iriw_0, ROUND_OF_4(0x40000, "mov [rsi + 0x80000], ebp\n") "lea ecx, [rbp - 1]\nxor edi, edi\n5: " NEW_THEN_OLD("0xa0000")
      "inc dword ptr [0x40800]\n" NEW_THEN_OLD("0xb0000") "inc dword ptr [0x40700]\n6: add edi, 16\ncmp edi, 0x2000\njne 5b\njmp 1b\n9: cli\nhlt\njmp 9b");
GUEST(iriw_1, ROUND_OF_4(0x40100, "mov [rsi + 0x90000], ebp\n") "jmp 1b\n9: cli\nhlt\njmp 9b");
GUEST(iriw_2, READER(0x40900, "0x80000", "0x90000", "0xa0000"));
GUEST(iriw_3, READER(0x40a00, "0x90000", "0x80000", "0xb0000"));

#define CODE(name) {name, name##_end}
#define TEST(name) {#name, 2, {CODE(name##_0), CODE(name##_1)}}
#define TEST_4(name) {#name, 4, {CODE(name##_0), CODE(name##_1), CODE(name##_2), CODE(name##_3)}}
static const struct test {
    const char *name;
    unsigned vcpus;
    struct { const uint8_t *at, *end; } code[WORLD_VCPUS];
} tests[] = {
    TEST(sb), TEST(sb_mfence), TEST(sb_locked), TEST(sb_xchg), TEST(sb_line), TEST(sb_split), TEST(mp), TEST(mp_nti), TEST(mp_line),
    TEST(mp_page), TEST(mp_xchg), TEST(lb), TEST(s), TEST(r), TEST(r_mfence), TEST(ww), TEST(n6), TEST(corr), TEST(locked), TEST(split),
    TEST(patch), TEST(patch_same), TEST(patch_both), TEST_4(iriw),
};

static void nothing_happens(void *opaque, struct vcpu *vcpu) { (void)opaque, (void)vcpu; }
static _Atomic bool died;
static void it_died(void *opaque, struct vcpu *vcpu) { (void)opaque, (void)vcpu; died = true; }

static void prepare(struct world *w, const struct test *t)
{
    memcpy(w->ram.host + PATCHED + 3, patched, patched_end - patched);
    *world_pte(w, ALIAS) = PATCHED | PTE_P | PTE_W;
    for (unsigned i = 0; i < t->vcpus; i++) {
        uint64_t at = WORLD_CODE + i * CODES_APART;
        memcpy(w->ram.host + at, t->code[i].at, t->code[i].end - t->code[i].at);
        world_state(w, w->vcpu[i]->state, 0);
        w->vcpu[i]->state->rip = at;
        w->vcpu[i]->state->gpr[X86_RBP] = 0;
    }
    for (unsigned i = 0; i < t->vcpus; i++)
        w->vcpu[i]->ops->put_state(w->vcpu[i]);
}

static bool judge(const struct world *w, const struct test *t)
{
    uint32_t rounds, forbidden, relaxed;
    memcpy(&rounds, w->ram.host + ROUND_0, 4);
    memcpy(&forbidden, w->ram.host + FORBIDDEN, 4);
    memcpy(&relaxed, w->ram.host + RELAXED, 4);
    bool good = !forbidden && rounds > 2 && !died && world_canaries_live(w);
    printf("%-10s %8u rounds, %u forbidden, %u of the other kind%s\n", t->name, rounds / 2, forbidden, relaxed, good ? "" : ": FAILED");
    return good;
}

static bool run_test(const struct test *t, unsigned milliseconds, bool one)
{
    struct world w = {.vcpus = t->vcpus, .one = one};
    const struct vcpu_events events = {.shutdown = it_died, .debug = nothing_happens, .failed = it_died};
    struct err err = {0};
    died = false;
    world_open(&w);
    prepare(&w, t);
    mem_thread_offline();
    for (unsigned i = 0; i < t->vcpus; i++)
        world_need(vcpu_start(w.vcpu[i], &events, &err) == 0, err.text);
    for (unsigned i = 0; i < t->vcpus; i++)
        vcpu_resume(w.vcpu[i]);
    usleep(milliseconds * 1000);
    for (unsigned i = 0; i < PATIENCE_MS && *(volatile uint32_t *)(w.ram.host + ROUND_0) <= 2; i++)
        usleep(1000);  // the host was busy
    *(volatile uint32_t *)(w.ram.host + STOP) = 1;
    for (unsigned i = 0; i < t->vcpus; i++) {
        vcpu_pause(w.vcpu[i]);
        vcpu_wait_paused(w.vcpu[i]);
    }
    bool good = judge(&w, t);
    for (unsigned i = 0; i < t->vcpus; i++) {
        vcpu_destroy(w.vcpu[i]);
        w.vcpu[i] = NULL;
    }
    mem_thread_online();
    world_close(&w);
    return good;
}

int main(int argc, char **argv)
{
    unsigned seconds = argc == 3 && !strcmp(argv[1], "--seconds") ? strtoul(argv[2], NULL, 0) : 5;
    unsigned passed = 0, failed = 0, runs = 2 * ARRAY_SIZE(tests);
    for (unsigned i = 0; i < runs; i++)
        if (run_test(&tests[i / 2], seconds * 1000 / runs, i % 2))
            passed++;
        else
            failed++;
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
