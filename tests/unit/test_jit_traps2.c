// SPDX-License-Identifier: GPL-2.0-or-later
//
// Traps between two vCPUs that run at the same time: code that the other one changes or takes away, locked
// accesses across lines and pages, time, and halts that end just now. vCPU 0 runs on the test's thread and ends
// the test; vCPU 1 has a thread, and must have halted for good by then.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "tests/unit/jit_programs.h"

enum { CODE_1 = 0x28000, STACK_1 = 0x70000, TSS_1 = WORLD_TSS + 0x800, IST_TOP_1 = 0x6000, APIC = 0x1f0000, VECTOR = 0x80 };
enum { WORDS = 0x46000, HANDLER = 0x50000 };

struct second {
    struct world *w;
    pthread_t thread;
    atomic_bool end;
};

static void *run_second(void *opaque)
{
    struct second *second = opaque;
    struct vcpu *vcpu = second->w->vcpu[1];
    mem_thread_online();
    while (!atomic_load(&second->end)) {
        vcpu->ops->run(vcpu);
        mem_quiescent();
    }
    mem_thread_offline();
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);  // ASan takes the engine's for its own, and unmaps it
    return NULL;
}

// Its own TSS, for stacks of its own, and its own general stack.
static void prepare(struct world *w)
{
    uint64_t ist = IST_TOP_1;
    struct x86_state *s = w->vcpu[1]->state;
    *world_pte(w, APIC) = 0xfee00000 | PTE_P | PTE_W;
    memcpy(w->ram.host + TSS_1 + 0x24, &ist, 8);
    world_state(w, s, 0);
    s->rip = CODE_1;
    s->gpr[X86_RSP] = STACK_1;
    s->gpr[X86_RBP] = 1;
    s->tr.base = TSS_1;
    w->s->gpr[X86_RBP] = 0;
    w->s->apic.svr = s->apic.svr = 0x1ff;
    w->s->gpr[X86_RDX] = s->gpr[X86_RDX] = 0x300;
    w->vcpu[1]->ops->put_state(w->vcpu[1]);
}

static void run_two(struct world *w, const uint8_t *first, size_t bytes, const uint8_t *other, size_t others_bytes)
{
    struct second second = {.w = w};
    prepare(w);
    memcpy(w->ram.host + CODE_1, other, others_bytes);
    memcpy(w->ram.host + WORLD_CODE, first, bytes);
    w->s->rip = WORLD_CODE;
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    assert_int_equal(pthread_create(&second.thread, NULL, run_second, &second), 0);
    int vector = world_run(w);
    atomic_store(&second.end, true);
    w->vcpu[1]->ops->kick(w->vcpu[1]);
    pthread_join(second.thread, NULL);
    assert_int_equal(vector, DONE);
}
#define RUN_TWO(w, first, other) run_two(w, first, SIZE(first), other, SIZE(other))

static void let_others_run(struct world *w)
{
    (void)w;
    sched_yield();
}
#define IN_BOTH_MODES_OF_TWO(name) IN_BOTH_MODES_OF(name, .vcpus = 2, .touched = let_others_run)

static void handle(struct world *w, unsigned vector, const uint8_t *code, size_t size_bytes)
{
    uint64_t *gate = world_word(w, WORLD_IDT) + 2 * vector, at = HANDLER + vector * 0x40;
    memcpy(w->ram.host + at, code, size_bytes);
    *gate = (*gate & UINT64_C(0xffffffff0000)) | (at & 0xffff) | (at >> 16 & 0xffff) << 48;
}
#define HANDLE(w, vector, name) handle(w, vector, name, SIZE(name))

// Waiting takes the other's turn from it on a busy host, so it is done by a port that yields (DX: 0x300).
#define UNTIL(address, value) "8: in al, dx\ncmp [" address "], " value "\njne 8b\n"
#define SEND(to, command) "mov dword ptr [0x1f0310], " to " << 24\nmov dword ptr [0x1f0300], " command "\n"
#define REST "cli\n9: hlt\njmp 9b\n"

// --- code ----------------------------------------------------------------------------------------

// Pages 44 and 45 are page 42, where `mov eax, imm32; ret` is. The reader serializes, as it must.
GUEST(calls_by_both_names,
      "mov r8d, 1\n1:" UNTIL("0x46000", "r8d") "xor eax, eax\ncpuid\nmov rbx, 0x44000\ncall rbx\ncmp eax, r8d\njne 3f\n"
      ".byte 0xe8\n.long 0x45000 - 0x20000 - (2f - calls_by_both_names)\n2: cmp eax, r8d\njne 3f\nmov edx, 0x300\nmov [0x46008], r8d\n"
      "inc r8d\ncmp r8d, 200\njbe 1b\nout 0xf0, al\n3: hlt");
GUEST(changes_by_the_third,
      "mov r8d, 1\n1: mov [0x42001], r8d\nmov [0x46000], r8d\n" UNTIL("0x46008", "r8d") "inc r8d\ncmp r8d, 200\njbe 1b\n" REST);
GUEST(returns_0, "mov eax, 0\nret");

IN_BOTH_MODES_OF_TWO(code_is_changed_by_another_name_on_another_vcpu)
{
    *world_pte(w, 0x44000) = *world_pte(w, 0x45000) = 0x42000 | PTE_P | PTE_W;
    PUT(w, 0x42000, returns_0);
    RUN_TWO(w, calls_by_both_names, changes_by_the_third);
    assert_int_equal(w->s->gpr[X86_R8], 201);
}

// vCPU 0 runs in page 48 until it is told, which is page 42 or 43; each counts in a word of its own.
GUEST(counts_there, "sti\nmov rbx, 0x48000\njmp rbx");
GUEST(counts_in_42, "1: inc qword ptr [0x46040]\ncmp dword ptr [0x46028], 0\nje 1b" END);
GUEST(counts_in_43, "1: inc qword ptr [0x46048]\ncmp dword ptr [0x46028], 0\nje 1b" END);
GUEST(invalidates, "invlpg [0x48000]\nmov dword ptr [0x1f00b0], 0\ninc dword ptr [0x46010]\niretq");
// r9: the old page's counter, r10: the new one's. After the answer the old one stands still (r15), and the new one moves.
GUEST(remaps,
      "mov r8d, 1\nmov r9d, 0x46040\nmov r10d, 0x46048\nmov r11d, 0x43003\nxor r15d, r15d\n"
      "1: in al, dx\ncmp qword ptr [r9], 0\nje 1b\nmov [0xb000 + 0x48 * 8], r11\n" SEND("0", "0x4080") UNTIL("0x46010", "r8d")
      "mov r12, [r9]\nmov r13, [r10]\n3: in al, dx\ncmp [r10], r13\nje 3b\nmov r14, [r9]\nsub r14, r12\nor r15, r14\n"
      "xchg r9, r10\nxor r11d, 0x1000\ninc r8d\ncmp r8d, 100\njbe 1b\nmov dword ptr [0x46028], 1\n" REST);

IN_BOTH_MODES_OF_TWO(a_page_of_code_is_replaced_under_a_running_vcpu)
{
    *world_pte(w, 0x48000) = 0x42000 | PTE_P | PTE_W;
    PUT(w, 0x42000, counts_in_42);
    PUT(w, 0x43000, counts_in_43);
    HANDLE(w, VECTOR, invalidates);
    RUN_TWO(w, counts_there, remaps);
    assert_int_equal(w->vcpu[1]->state->gpr[X86_R15], 0);
}

GUEST(maps_again, "mov rax, [rsp + 8]\nmov [0x46050], rax\nmov rax, cr2\nmov [0x46058], rax\n"
      "mov qword ptr [0xb000 + 0x48 * 8], 0x42003\ninc dword ptr [0x46018]\nadd rsp, 8\niretq");
GUEST(unmaps,
      "mov r8d, 1\n1: mov r9, [0x46040]\n3: in al, dx\ncmp [0x46040], r9\nje 3b\nmov qword ptr [0xb000 + 0x48 * 8], 0\n" SEND("0", "0x4080")
      UNTIL("0x46018", "r8d") "inc r8d\ncmp r8d, 100\njbe 1b\nmov dword ptr [0x46028], 1\n" REST);

IN_BOTH_MODES_OF_TWO(a_page_of_code_is_taken_from_a_running_vcpu)
{
    *world_pte(w, 0x48000) = 0x42000 | PTE_P | PTE_W;
    PUT(w, 0x42000, counts_in_42);
    HANDLE(w, VECTOR, invalidates);
    HANDLE(w, EX_PF, maps_again);
    RUN_TWO(w, counts_there, unmaps);
    assert_in_range(*world_word(w, 0x46050), 0x48000, 0x48000 + SIZE(counts_in_42));
    assert_int_equal(*world_word(w, 0x46058), *world_word(w, 0x46050));
}

// --- locks ---------------------------------------------------------------------------------------

#define ADDS(count, instruction) "mov ecx, " count "\nmov ebx, [0x46060]\n1: " instruction "\ndec ecx\njnz 1b\nlock inc dword ptr [0x46000]\n"
#define ADDS_IN_TWO(name, count, instruction)                                                    \
    GUEST(name, ADDS(count, instruction) UNTIL("dword ptr [0x46000]", "2") END);               \
    GUEST(name##_1, ADDS(count, instruction) REST)
ADDS_IN_TWO(adds, "1000", "lock add dword ptr [rbx], 1");
ADDS_IN_TWO(exchanges_and_adds, "1000", "mov eax, 1\nlock xadd [rbx], rax");
ADDS_IN_TWO(compares_and_adds, "1000", "mov eax, [rbx]\n2: lea esi, [rax + 1]\nlock cmpxchg [rbx], esi\njne 2b");
ADDS_IN_TWO(compares_pairs, "1000",
            "mov rdi, rbx\nmov eax, [rdi]\nmov edx, [rdi + 4]\nmov esi, ecx\n"
            "2: mov ebx, eax\nmov ecx, edx\nadd ebx, 1\nadc ecx, 0\nlock cmpxchg8b [rdi]\njne 2b\nmov rbx, rdi\nmov ecx, esi\nmov edx, 0x300");
static const struct { const uint8_t *code, *end, *other, *others_end; } adders[] = {
    {adds, adds_end, adds_1, adds_1_end},
    {exchanges_and_adds, exchanges_and_adds_end, exchanges_and_adds_1, exchanges_and_adds_1_end},
    {compares_and_adds, compares_and_adds_end, compares_and_adds_1, compares_and_adds_1_end},
    {compares_pairs, compares_pairs_end, compares_pairs_1, compares_pairs_1_end},
};

// A vCPU stays with the thread that ran it first, so each has a world of its own.
static void add_in_two(size_t form, uint32_t place, bool one)
{
    uint32_t sum;
    struct world w = {.one = one, .vcpus = 2, .touched = let_others_run};
    world_open(&w);
    *world_word(&w, 0x46060) = place;
    run_two(&w, adders[form].code, adders[form].end - adders[form].code, adders[form].other,
            adders[form].others_end - adders[form].other);
    memcpy(&sum, w.ram.host + place, 4);
    assert_int_equal(sum, 2000);
    world_close(&w);
}

static void locked_additions_across_lines_and_pages_add_up(void **unused)
{
    static const uint32_t places[] = {0x4003e, 0x40ffe, 0x40ffd};
    (void)unused;
    alarm(HANG_SECONDS);
    for (unsigned one = 0; one < 2; one++)
        for (size_t place = 0; place < ARRAY_SIZE(places); place++)
            for (size_t form = 0; form < ARRAY_SIZE(adders); form++)
                add_in_two(form, places[place], one);
}

// A plain store to the second page of what another vCPU adds to, in the first page's bytes alone.
GUEST(adds_below, "xor ecx, ecx\n1: lock add qword ptr [0x40ffc], 1\ninc ecx\ncmp dword ptr [0x46000], 0\nje 1b" END);
GUEST(stores_above,
      "mov ecx, 1\nxor r15d, r15d\n1: mov [0x41000], ecx\nmov eax, [0x41000]\nxor eax, ecx\nor r15d, eax\nadd r14d, eax\ninc ecx\n"
      "cmp ecx, 200000\njbe 1b\nmov dword ptr [0x46000], 1\n" REST);

IN_BOTH_MODES_OF_TWO(a_plain_store_is_not_undone_by_a_locked_addition_across_pages)
{
    RUN_TWO(w, adds_below, stores_above);
    assert_int_equal(w->vcpu[1]->state->gpr[X86_R15], 0);
    assert_int_equal(*(uint32_t *)(w->ram.host + 0x41000), 200000);
    assert_int_equal(*(uint32_t *)(w->ram.host + 0x40ffc), w->s->gpr[X86_RCX] & 0xffffffff);
}

// --- time ----------------------------------------------------------------------------------------

// A token in memory goes back and forth; whoever has it reads the time, which must not be before the other's.
#define TELLS_TIME(read)                                                                       \
    "mov r8d, 200\n1:" UNTIL("0x46000", "ebp") read "\nshl rdx, 32\nor rax, rdx\nmov edx, 0x300\ncmp rax, [0x46010]\njae 2f\n" \
    "inc dword ptr [0x46018]\n2: mov [0x46010], rax\nmov eax, ebp\nxor eax, 1\nmov [0x46000], eax\ndec r8d\njnz 1b\n"
GUEST(tells_time, TELLS_TIME("lfence\nrdtsc") UNTIL("0x46000", "ebp") END);
GUEST(tells_time_1, TELLS_TIME("rdtscp") REST);

IN_BOTH_MODES_OF_TWO(time_is_one_for_both_vcpus)
{
    assert_int_equal(w->s->tsc_offset, w->vcpu[1]->state->tsc_offset);
    RUN_TWO(w, tells_time, tells_time_1);
    assert_int_equal(*world_word(w, 0x46018), 0);
}

// --- halts ---------------------------------------------------------------------------------------

// r14 is where its interrupts are counted. Waits with CLI, a look, STI and HLT, as a kernel's idle loop.
GUEST(counts_interrupts, "inc dword ptr [r14]\nmov dword ptr [0x1f00b0], 0\niretq");
#define IDLE_UNTIL(count) "7: cli\ncmp [r14], " count "\njae 8f\nsti\nhlt\njmp 7b\n8: sti\n"
GUEST(pings, "mov r14d, 0x46000\nmov r8d, 1\n1:" SEND("1", "0x4080") IDLE_UNTIL("r8d") "inc r8d\ncmp r8d, 300\njbe 1b" END);
GUEST(pongs, "mov r14d, 0x46008\nmov r8d, 1\n1:" IDLE_UNTIL("r8d") SEND("0", "0x4080") "inc r8d\ncmp r8d, 300\njbe 1b\n" REST);

IN_BOTH_MODES_OF_TWO(no_halt_sleeps_through_an_ipi)
{
    HANDLE(w, VECTOR, counts_interrupts);
    RUN_TWO(w, pings, pongs);
    assert_int_equal(*world_word(w, 0x46000), 300);
    assert_int_equal(*world_word(w, 0x46008), 300);
}

// One-shot counts so short that they are over before HLT, in HLT, or about then; then deadlines that are past.
GUEST(halts_for_timer,
      "mov r14d, 0x46000\nmov r8d, 1\nmov dword ptr [0x1f03e0], 11\nmov dword ptr [0x1f0320], 0x80\n"
      "1: cli\nmov eax, r8d\nand eax, 31\ninc eax\nimul eax, eax, 97\nmov [0x1f0380], eax\n" IDLE_UNTIL("r8d") "inc r8d\ncmp r8d, 300\njbe 1b\n"
      "mov dword ptr [0x1f0320], 0x40080\nmfence\n"
      "2: cli\nrdtsc\nmov ecx, r8d\nand ecx, 31\nimul ecx, ecx, 500\nadd eax, ecx\nadc edx, 0\nmov ecx, 0x6e0\nwrmsr\n" IDLE_UNTIL("r8d")
      "inc r8d\ncmp r8d, 600\njbe 2b" END);

IN_BOTH_MODES(no_halt_sleeps_through_a_timer)
{
    *world_pte(w, APIC) = 0xfee00000 | PTE_P | PTE_W;
    w->s->apic.svr = 0x1ff;
    HANDLE(w, VECTOR, counts_interrupts);
    assert_int_equal(RUN(w, halts_for_timer), DONE);
    assert_int_equal(*world_word(w, 0x46000), 600);
}

GUEST(counts_nmis, "inc dword ptr [0x46008]\niretq");
GUEST(rests, REST);
// NMIs to a halted vCPU, then INIT and SIPI, each time once more.
GUEST(wakes_by_nmi_and_sipi,
      "mov r8d, 1\n1:" SEND("1", "0x400") UNTIL("0x46008", "r8d") "inc r8d\ncmp r8d, 100\njbe 1b\n"
      "mov r8d, 1\n2:" SEND("1", "0x4500") SEND("1", "0x4668") SEND("1", "0x4668") UNTIL("word ptr [0x46020]", "r8w") "inc r8d\ncmp r8d, 100\njbe 2b"
      END);
// Real mode: CS is 6800.
GUEST(starts_up, ".code16\nmov ax, 0x4600\nmov ds, ax\ninc word ptr ds:[0x20]\ncli\n1: hlt\njmp 1b\n.code64");

IN_BOTH_MODES_OF_TWO(a_halted_vcpu_hears_nmi_init_and_sipi)
{
    PUT(w, 0x68000, starts_up);
    HANDLE(w, EX_NMI, counts_nmis);
    RUN_TWO(w, wakes_by_nmi_and_sipi, rests);
    assert_int_equal(*world_word(w, 0x46020), 100);
    assert_int_equal(w->vcpu[1]->state->seg[X86_CS].selector, 0x6800);
    assert_int_equal(w->vcpu[1]->state->cr0 & CR0_PE, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_is_changed_by_another_name_on_another_vcpu),
        cmocka_unit_test(a_page_of_code_is_replaced_under_a_running_vcpu),
        cmocka_unit_test(a_page_of_code_is_taken_from_a_running_vcpu),
        cmocka_unit_test(a_plain_store_is_not_undone_by_a_locked_addition_across_pages),
        cmocka_unit_test(time_is_one_for_both_vcpus),
        cmocka_unit_test(no_halt_sleeps_through_an_ipi),
        cmocka_unit_test(no_halt_sleeps_through_a_timer),
        cmocka_unit_test(a_halted_vcpu_hears_nmi_init_and_sipi),
        cmocka_unit_test(locked_additions_across_lines_and_pages_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
