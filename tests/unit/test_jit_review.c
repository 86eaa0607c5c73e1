// SPDX-License-Identifier: GPL-2.0-or-later
//
// The software engine on rare paths: what a code review found, and what only shows when threads meet
// at one place. It looks into the engine's own structs to put it there.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "guest/cpu/jit/code.h"
#include "tests/unit/jit_world.h"

enum { DONE = 0x77 };
#define FINISH 0xe6, DONE, 0xf4  // out DONE, al; hlt

static struct jit_vcpu *jit_of(struct world *w, unsigned index) { return jit_vcpu_of(w->vcpu[index]); }
static struct jit_engine *engine_of(struct world *w) { return jit_of(w, 0)->jit; }

static void put(struct world *w, uint64_t gpa, const uint8_t *bytes, size_t size_bytes)
{
    memcpy(w->ram.host + gpa, bytes, size_bytes);
}
#define PUT(w, gpa, ...) put(w, gpa, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

// What the last event pushed, from the top of its stack.
static uint64_t pushed(struct world *w, unsigned word) { return *world_word(w, WORLD_IST_TOP - 8 * word); }
enum { PUSHED_FLAGS = 3, PUSHED_RIP = 5 };

static struct world *opened(struct world *w)
{
    world_open(w);
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    return w;
}

// --- hostile bytes ------------------------------------------------------------------------------

struct flipper {
    volatile uint64_t word;
    atomic_bool end;
};

// A race on purpose.
__attribute__((no_sanitize("thread"))) static void *flip(void *opaque)
{
    static const uint64_t load = 0x9090909090038b48, system_call = 0x909090909090050f;
    struct flipper *f = opaque;
    for (unsigned n = 0; !atomic_load(&f->end); n++)
        f->word = n & 1 ? load : system_call;
    return NULL;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000) + t.tv_nsec / 1000000;
}

// Another vCPU may change the bytes meanwhile: what is re-emitted must be what was decoded.
static void test_bytes_are_read_once(void **state)
{
    (void)state;
    struct flipper f = {0};
    pthread_t thread;
    assert_false(pthread_create(&thread, NULL, flip, &f));
    for (uint64_t end = now_ms() + 300; now_ms() < end;)
        for (unsigned i = 0; i < 1000; i++) {
            struct insn in, again;
            if (insn_decode(&in, (const uint8_t *)&f.word, 8, INSN_64) < 0)
                continue;
            assert_int_equal(insn_decode(&again, in.bytes, in.length, INSN_64), 0);
            if (again.mnemonic != in.mnemonic)
                fail_msg("decoded %u, kept the bytes of %u", in.mnemonic, again.mnemonic);
        }
    atomic_store(&f.end, true);
    pthread_join(thread, NULL);
}

// --- the cache's ends ----------------------------------------------------------------------------

// Every jump to a changed block gets a new thunk, though only one block is translated each time.
static void test_thunks_end_with_the_cache(void **state)
{
    (void)state;
    enum { SOURCES = 3000, SOURCES_AT = 0x100000, TARGET_AT = 0x30000, ROUNDS = 20 };
    struct world w = {.cache_bytes = 2 << 20, .ram_bytes = 4 << 20};
    opened(&w);
    const struct code *c = engine_of(&w)->code;
    for (unsigned i = 0; i < SOURCES; i++) {
        uint32_t at = SOURCES_AT + 6 * i, distance = TARGET_AT - (at + 5);
        PUT(&w, at, 0xe9, distance, distance >> 8, distance >> 16, distance >> 24);
    }
    // add rsi, 6; cmp rsi, rdi; je 1f; jmp rsi; 1: FINISH
    PUT(&w, TARGET_AT, 0x48, 0x83, 0xc6, 6, 0x48, 0x39, 0xfe, 0x74, 2, 0xff, 0xe6, FINISH);
    // inc byte [TARGET + 3]; dec byte [TARGET + 3]; mov rsi, SOURCES; jmp rsi
    PUT(&w, WORLD_CODE, 0xfe, 0x04, 0x25, 3, 0, 3, 0, 0xfe, 0x0c, 0x25, 3, 0, 3, 0,
        0x48, 0xc7, 0xc6, 0, 0, 0x10, 0, 0xff, 0xe6);
    for (unsigned round = 0; round < ROUNDS; round++) {
        world_state(&w, w.s, 0);
        w.s->gpr[X86_RDI] = SOURCES_AT + 6 * SOURCES;
        assert_int_equal(world_run(&w), DONE);
        assert_true(c->cold.at <= c->cold.end);
        assert_true(c->hot.at <= c->hot.end);
    }
    world_close(&w);
}

// --- stores to code ------------------------------------------------------------------------------

// At CODE: calls what is at F, so that it is known; then a push, or a call, writes over F's first bytes.
enum { F = WORLD_CODE + 0x80 };

static void run_with_stack_on_code(struct world *w, const uint8_t *store, size_t size_bytes)
{
    opened(w);
    // call F; mov rsp, F + 8
    PUT(w, WORLD_CODE, 0xe8, 0x7b, 0, 0, 0, 0x48, 0xc7, 0xc4, 0x88, 0, 2, 0);
    put(w, WORLD_CODE + 12, store, size_bytes);
    PUT(w, F, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3);
    assert_int_equal(world_run(w), DONE);
    assert_int_equal(w->s->gpr[X86_RSP], F);
}

static void test_push_over_code(void **state)
{
    (void)state;
    for (unsigned one = 0; one < 2; one++) {
        struct world w = {.one = one};
        // push 0x1234; FINISH
        run_with_stack_on_code(&w, (const uint8_t[]){0x68, 0x34, 0x12, 0, 0, FINISH}, 8);
        assert_int_equal(*world_word(&w, F), 0x1234);
        world_close(&w);
    }
}

static void test_push_over_what_follows(void **state)
{
    (void)state;
    struct world w = {0};
    opened(&w);
    // mov rsp, CODE + 24; push 0xeb; at CODE + 16: out 0x66, al, which has become jmp +0x1e; there FINISH
    PUT(&w, WORLD_CODE, 0x48, 0xc7, 0xc4, 0x18, 0, 2, 0, 0x68, 0xeb, 0x1e, 0, 0, 0x90, 0x90, 0x90, 0x90, 0xe6, 0x66, 0xf4);
    PUT(&w, WORLD_CODE + 0x30, FINISH);
    assert_int_equal(world_run(&w), DONE);
    assert_int_equal(w.s->gpr[X86_RSP], WORLD_CODE + 16);
    world_close(&w);
}

static void test_call_over_code(void **state)
{
    (void)state;
    for (unsigned one = 0; one < 2; one++) {
        struct world w = {.one = one};
        // call 1f; hlt; 1: FINISH
        run_with_stack_on_code(&w, (const uint8_t[]){0xe8, 1, 0, 0, 0, 0xf4, FINISH}, 9);
        assert_int_equal(*world_word(&w, F), WORLD_CODE + 17);
        world_close(&w);
    }
}

static void test_indirect_call_over_code(void **state)
{
    (void)state;
    struct world w = {0};
    // lea rax, [rip + 3]; call rax; hlt; FINISH
    run_with_stack_on_code(&w, (const uint8_t[]){0x48, 0x8d, 0x05, 3, 0, 0, 0, 0xff, 0xd0, 0xf4, FINISH}, 13);
    assert_int_equal(*world_word(&w, F), WORLD_CODE + 21);
    world_close(&w);
}

// A page of code that is stored to again and again becomes data, under a push as under anything else.
static void test_stack_beside_code(void **state)
{
    (void)state;
    struct world w = {0};
    opened(&w);
    // mov ecx, 200; 1: push rcx; loop 1b; FINISH
    PUT(&w, WORLD_CODE, 0xb9, 200, 0, 0, 0, 0x51, 0xe2, 0xfd, FINISH);
    w.s->gpr[X86_RSP] = WORLD_CODE + PAGE_BYTES;
    assert_int_equal(world_run(&w), DONE);
    assert_int_equal(w.s->gpr[X86_RSP], WORLD_CODE + PAGE_BYTES - 200 * 8);
    for (unsigned i = 1; i <= 200; i++)
        assert_int_equal(*world_word(&w, WORLD_CODE + PAGE_BYTES - 8 * i), 201 - i);
    world_close(&w);
}

// --- between vCPUs -------------------------------------------------------------------------------

static struct ram_page *ram_page_at(struct world *w, uint64_t gpa)
{
    return &engine_of(w)->ram_pages[gpa >> PAGE_BITS];
}

struct emptier {
    struct world *w;
    atomic_bool ready;
};

// vCPU 0 is about to translate, and waits until vCPU 1 has dropped its write fills; meanwhile the cache is emptied.
static void *empty_while_it_waits(void *opaque)
{
    struct emptier *emptier = opaque;
    struct jit_engine *jit = engine_of(emptier->w);
    struct jit_vcpu *v = jit_of(emptier->w, 0);
    pthread_mutex_lock(&jit->world);
    atomic_store(&emptier->ready, true);
    while (!atomic_load(&v->safe))
        sched_yield();
    code_empty(jit->code);
    jit_fetch_flush(v, true);
    for (unsigned c = 0; c < JIT_CONTEXTS; c++)
        jit_jumps_flush(v, c);
    pthread_mutex_unlock(&jit->world);
    return NULL;
}

static void test_cache_emptied_under_a_translation(void **state)
{
    (void)state;
    struct world w = {.vcpus = 2};
    opened(&w);
    pthread_t thread;
    // A page before, CODE, whose number would be that of the page behind it, which has other code there.
    PUT(&w, WORLD_CODE + 0x2000, 0xe9, 0xfb, 0xdf, 0xff, 0xff);  // jmp CODE
    PUT(&w, WORLD_CODE, 0xff, 0xc1, 0xeb, 0x3c);                 // inc ecx; jmp CODE + 0x40
    PUT(&w, WORLD_CODE + 0x40, 0xe9, 0xbb, 0x0f, 0, 0);          // jmp CODE + 0x1000
    PUT(&w, WORLD_CODE + 0x1000, FINISH);
    PUT(&w, WORLD_CODE + 0x1040, 0xe6, 0x66, 0xf4);
    w.s->rip = WORLD_CODE + 0x2000;
    atomic_store(&ram_page_at(&w, WORLD_CODE)->writers, BIT(1));
    atomic_store(&jit_of(&w, 0)->safe, 0);
    struct emptier emptier = {.w = &w};
    assert_false(pthread_create(&thread, NULL, empty_while_it_waits, &emptier));
    while (!atomic_load(&emptier.ready))
        sched_yield();
    assert_int_equal(world_run(&w), DONE);
    pthread_join(thread, NULL);
    world_close(&w);
}

// A second vCPU that finds a page marked, while the first still waits for writers, must wait too.
static void test_code_has_no_writers(void **state)
{
    (void)state;
    struct world w = {.vcpus = 2};
    opened(&w);
    struct ram_page *page = ram_page_at(&w, WORLD_DATA);
    unsigned slot = WORLD_DATA >> PAGE_BITS;
    struct tlb_entry *e = &jit_of(&w, 1)->tlb[JIT_SUPERVISOR][slot];
    *e = (struct tlb_entry){WORLD_DATA, WORLD_DATA, (uint64_t)w.ram.host + WORLD_DATA, TLB_VALID};
    atomic_store(&page->writers, BIT(1));
    atomic_store(&page->is_code, true);
    jit_make_code(jit_of(&w, 0), WORLD_DATA >> PAGE_BITS);
    assert_int_not_equal(e->write, WORLD_DATA);
    assert_int_equal(atomic_load(&page->writers), 0);
    jit_world_leave(jit_of(&w, 0));
    world_close(&w);
}

// The instruction that runs with the world stopped is in a page that is not known as code any more.
static void test_world_is_stopped_once(void **state)
{
    (void)state;
    struct world w = {.vcpus = 2};
    opened(&w);
    PUT(&w, WORLD_CODE, 0x90, FINISH);
    atomic_store(&ram_page_at(&w, WORLD_CODE)->writers, BIT(1));
    jit_of(&w, 0)->wants_world = true;
    alarm(20);
    assert_int_equal(world_run(&w), DONE);
    alarm(0);
    assert_false(jit_of(&w, 0)->has_world);
    world_close(&w);
}

// LOCK BTS of a bit far away is emulated; across two pages it has the world to itself as well.
static void test_emulated_lock_across_pages(void **state)
{
    (void)state;
    struct world w = {.vcpus = 2};
    opened(&w);
    // lock bts [rdi], rax; FINISH
    PUT(&w, WORLD_CODE, 0xf0, 0x48, 0x0f, 0xab, 0x07, FINISH);
    w.s->gpr[X86_RDI] = WORLD_DATA + PAGE_BYTES - 12;
    w.s->gpr[X86_RAX] = 64 + 63;
    uint64_t before = jit_of(&w, 0)->count.world_stops;
    assert_int_equal(world_run(&w), DONE);
    assert_int_equal(*(uint32_t *)(w.ram.host + WORLD_DATA + PAGE_BYTES), 0x80000000);
    assert_int_equal(jit_of(&w, 0)->count.world_stops, before + 1);
    world_close(&w);
}

// --- traps and shadows -----------------------------------------------------------------------------

static void trace(struct world *w, unsigned cpl)
{
    opened(w);
    world_state(w, w->s, cpl);
    w->s->rflags |= FL_TF;
    alarm(30);
}

static void finish_trace(struct world *w)
{
    alarm(0);
    world_close(w);
}

// The trap after MOV SS comes one instruction later (SDM volume 3, 6.8.3).
static void test_trap_behind_mov_ss(void **state)
{
    (void)state;
    struct world w = {0};
    trace(&w, 0);
    PUT(&w, WORLD_CODE, 0x8e, 0xd0, 0x90, 0x90, FINISH);
    w.s->gpr[X86_RAX] = WORLD_SS0;
    assert_int_equal(world_run(&w), EX_DB);
    assert_int_equal(pushed(&w, PUSHED_RIP), WORLD_CODE + 3);
    finish_trace(&w);
}

static void test_trap_ends_hlt(void **state)
{
    (void)state;
    struct world w = {0};
    trace(&w, 0);
    PUT(&w, WORLD_CODE, 0xf4);
    assert_int_equal(world_run(&w), EX_DB);
    assert_int_equal(pushed(&w, PUSHED_RIP), WORLD_CODE + 1);
    finish_trace(&w);
}

// TF is what SYSCALL and SYSRET leave, not what they find: a system call is one step.
static void test_trap_and_system_calls(void **state)
{
    (void)state;
    struct world w = {0};
    trace(&w, 3);
    w.s->star = (uint64_t)(WORLD_CS3 - 16) << 48 | (uint64_t)WORLD_CS0 << 32;
    w.s->lstar = WORLD_CODE + 0x100;
    w.s->sfmask = FL_TF | FL_IF;
    PUT(&w, WORLD_CODE, 0x0f, 0x05, 0x90, 0x90);
    PUT(&w, WORLD_CODE + 0x100, 0x48, 0x0f, 0x07);
    assert_int_equal(world_run(&w), EX_DB);
    assert_int_equal(pushed(&w, PUSHED_RIP), WORLD_CODE + 2);
    assert_true(pushed(&w, PUSHED_FLAGS) & FL_TF);
    assert_int_equal(w.s->gpr[X86_RCX], WORLD_CODE + 2);
    finish_trace(&w);
}

static void test_trap_of_what_needs_the_world(void **state)
{
    (void)state;
    struct world w = {.vcpus = 2};
    trace(&w, 0);
    PUT(&w, WORLD_CODE, 0xf0, 0xff, 0x07, FINISH);  // lock inc dword [rdi]
    w.s->gpr[X86_RDI] = WORLD_DATA + PAGE_BYTES - 2;
    assert_int_equal(world_run(&w), EX_DB);
    assert_int_equal(pushed(&w, PUSHED_RIP), WORLD_CODE + 3);
    assert_int_equal(*(uint16_t *)(w.ram.host + WORLD_DATA + PAGE_BYTES - 2), 1);
    finish_trace(&w);
}

// --- debug registers -------------------------------------------------------------------------------

static void arm(struct world *w, uint64_t address, uint32_t control)
{
    opened(w);
    world_state(w, w->s, 0);
    w->s->dr[0] = address;
    w->s->dr7 = 0x400 | control;
    w->s->gpr[X86_RDI] = WORLD_DATA;
}

// A translation that is there already is no way past it.
static void test_data_breakpoint(void **state)
{
    (void)state;
    enum { GLOBAL = 2, WRITES_OF_4 = 0xd << 16 };
    struct world w = {0};
    arm(&w, WORLD_DATA, 0);
    // mov [rdi], eax; mov eax, [rdi]; mov rbx, cr2; mov dr7, rcx; mov [rdi], eax
    PUT(&w, WORLD_CODE, 0x89, 0x07, 0x8b, 0x07, 0x0f, 0x20, 0xd3, 0x0f, 0x23, 0xf9, 0x89, 0x07, 0x90, FINISH);
    w.s->gpr[X86_RCX] = 0x400 | GLOBAL | WRITES_OF_4;
    assert_int_equal(world_run(&w), EX_DB);
    assert_int_equal(pushed(&w, PUSHED_RIP), WORLD_CODE + 12);
    assert_int_equal(w.s->dr6 & 0xf, 1);
    world_close(&w);
}

// A fault, before its instruction, unless RF is set.
static void test_instruction_breakpoint(void **state)
{
    (void)state;
    enum { GLOBAL = 2 };
    struct world w = {0};
    arm(&w, WORLD_CODE + 2, GLOBAL);
    PUT(&w, WORLD_CODE, 0xff, 0xc0, 0xff, 0xc0, FINISH);  // inc eax; inc eax
    assert_int_equal(world_run(&w), EX_DB);
    assert_int_equal(pushed(&w, PUSHED_RIP), WORLD_CODE + 2);
    world_state(&w, w.s, 0);
    w.s->rip = WORLD_CODE + 2;
    w.s->rflags |= FL_RF;
    w.vcpu[0]->ops->put_state(w.vcpu[0]);
    assert_int_equal(world_run(&w), DONE);
    world_close(&w);
}

// STI ends a page, and the interrupt came just before: it is taken behind the HLT that follows.
static void test_sti_at_the_end_of_a_page(void **state)
{
    (void)state;
    enum { APIC = 0x1f0000, START = WORLD_CODE + PAGE_BYTES - 23 };
    for (unsigned one = 0; one < 2; one++) {
        struct world w = {.one = one};
        opened(&w);
        *world_pte(&w, APIC) = 0xfee00000 | PTE_P | PTE_W;
        // mov dword [APIC + SVR], 0x1ff; mov dword [APIC + ICR], self, vector 0x40; sti; hlt
        PUT(&w, START, 0xc7, 0x04, 0x25, 0xf0, 0, 0x1f, 0, 0xff, 1, 0, 0,
            0xc7, 0x04, 0x25, 0, 3, 0x1f, 0, 0x40, 0, 4, 0, 0xfb, 0xf4, FINISH);
        w.s->rip = START;
        w.s->rflags |= FL_RF;
        assert_int_equal(world_run(&w), 0x40);
        assert_int_equal(pushed(&w, PUSHED_RIP), WORLD_CODE + PAGE_BYTES + 1);
        assert_false(pushed(&w, PUSHED_FLAGS) & FL_RF);
        world_close(&w);
    }
}

// --- operands -------------------------------------------------------------------------------------

static int run_bytes(unsigned register_, uint64_t value, const uint8_t *bytes, size_t size_bytes)
{
    struct world w = {0};
    opened(&w);
    put(&w, WORLD_CODE, bytes, size_bytes);
    w.s->gpr[register_] = value;
    int vector = world_run(&w);
    world_close(&w);
    return vector;
}
#define RUN(register_, value, ...) \
    run_bytes(register_, value, (const uint8_t[]){__VA_ARGS__, FINISH}, sizeof((const uint8_t[]){__VA_ARGS__, FINISH}))

// Addresses that are not canonical raise #SS where they are the stack's (SDM volume 3, 6.15).
static void test_stack_fault_or_general(void **state)
{
    (void)state;
    const uint64_t bad = BIT(63);
    assert_int_equal(RUN(X86_RAX, bad, 0xff, 0x30), EX_GP);        // push [rax]
    assert_int_equal(RUN(X86_RAX, bad, 0xff, 0x10), EX_GP);        // call [rax]
    assert_int_equal(RUN(X86_RAX, bad, 0xff, 0x20), EX_GP);        // jmp [rax]
    assert_int_equal(RUN(X86_RBP, bad, 0xff, 0x75, 0), EX_SS);     // push [rbp]
    assert_int_equal(RUN(X86_RBP, bad, 0x89, 0x45, 0), EX_SS);     // mov [rbp], eax
    assert_int_equal(RUN(X86_RBP, bad, 0xc9), EX_SS);              // leave
    assert_int_equal(RUN(X86_RSP, bad, 0x50), EX_SS);              // push rax
    assert_int_equal(RUN(X86_RSP, bad, 0x58), EX_SS);              // pop rax
    assert_int_equal(RUN(X86_RSP, bad, 0xc3), EX_SS);              // ret
    assert_int_equal(RUN(X86_RSP, bad, 0xe8, 0, 0, 0, 0), EX_SS);  // call
}

static int run_32(unsigned segment, uint16_t attr, const uint8_t *bytes, size_t size_bytes)
{
    struct world w = {0};
    opened(&w);
    put(&w, WORLD_CODE, bytes, size_bytes);
    w.s->seg[X86_CS].attr = 0xc09b;
    w.s->seg[X86_CS].selector = 8;
    if (segment != X86_CS)
        w.s->seg[segment].attr = attr;
    int vector = world_run(&w);
    world_close(&w);
    return vector;
}
#define RUN_32(segment, attr, ...) \
    run_32(segment, attr, (const uint8_t[]){__VA_ARGS__, FINISH}, sizeof((const uint8_t[]){__VA_ARGS__, FINISH}))

static void test_rights_of_flat_segments(void **state)
{
    (void)state;
    enum { READ_ONLY = 0xc091, READ_WRITE = 0xc093, EXPAND_DOWN = 0xc097 };
    assert_int_equal(RUN_32(X86_CS, 0, 0x2e, 0xa1, 0, 0, 4, 0), DONE);             // mov eax, cs:[DATA]
    assert_int_equal(RUN_32(X86_CS, 0, 0x2e, 0xa3, 0, 0, 4, 0), EX_GP);            // mov cs:[DATA], eax
    assert_int_equal(RUN_32(X86_DS, READ_WRITE, 0xa3, 0, 0, 4, 0), DONE);          // mov [DATA], eax
    assert_int_equal(RUN_32(X86_DS, READ_ONLY, 0xa3, 0, 0, 4, 0), EX_GP);
    assert_int_equal(RUN_32(X86_DS, READ_ONLY, 0xa1, 0, 0, 4, 0), DONE);           // mov eax, [DATA]
    assert_int_equal(RUN_32(X86_DS, EXPAND_DOWN, 0xa1, 0, 0, 4, 0), EX_GP);
}

// What is only stored is not read, on a device's side of the border either.
static void test_store_into_a_device(void **state)
{
    (void)state;
    struct world w = {0};
    opened(&w);
    *world_pte(&w, WORLD_DATA + PAGE_BYTES) = WORLD_DEVICE | PTE_P | PTE_W;
    PUT(&w, WORLD_CODE, 0x48, 0x89, 0x07, FINISH);  // mov [rdi], rax
    w.s->gpr[X86_RDI] = WORLD_DATA + PAGE_BYTES - 4;
    w.s->gpr[X86_RAX] = 0x1122334455667788;
    assert_int_equal(world_run(&w), DONE);
    assert_int_equal(w.accesses, 1);
    assert_true(w.access[0].write);
    assert_int_equal(w.access[0].size_bytes, 4);
    assert_int_equal(w.access[0].value, 0x11223344);
    world_close(&w);
}

// --- fetching --------------------------------------------------------------------------------------

// Code on a device is read as far as it is run.
static void test_code_on_a_device(void **state)
{
    (void)state;
    struct world w = {.answer = 0x90};
    opened(&w);
    *world_pte(&w, WORLD_DATA) = WORLD_DEVICE | PTE_P;
    PUT(&w, WORLD_DATA + PAGE_BYTES, FINISH);
    w.s->rip = WORLD_DATA + PAGE_BYTES - 2;
    assert_int_equal(world_run(&w), DONE);
    assert_int_equal(w.accesses, 2);
    world_close(&w);
}

// An instruction across the end of the lower half: its second byte has no address.
static void test_code_across_the_canonical_end(void **state)
{
    (void)state;
    struct world w = {0};
    opened(&w);
    *world_word(&w, WORLD_PML4 + 255 * 8) = *world_word(&w, WORLD_PML4 + 256 * 8) = WORLD_PDPT | PTE_P;
    *world_word(&w, WORLD_PDPT + 511 * 8) = WORLD_PD | PTE_P;
    *world_word(&w, WORLD_PD + 511 * 8) = WORLD_PT | PTE_P;
    PUT(&w, (2 << 20) - 1, 0xb0);  // mov al, imm8
    w.s->rip = BIT(47) - 1;
    assert_int_equal(world_run(&w), EX_GP);
    assert_int_equal(pushed(&w, PUSHED_RIP), BIT(47) - 1);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_read_once),
        cmocka_unit_test(test_thunks_end_with_the_cache),
        cmocka_unit_test(test_push_over_code),
        cmocka_unit_test(test_push_over_what_follows),
        cmocka_unit_test(test_call_over_code),
        cmocka_unit_test(test_indirect_call_over_code),
        cmocka_unit_test(test_stack_beside_code),
        cmocka_unit_test(test_cache_emptied_under_a_translation),
        cmocka_unit_test(test_code_has_no_writers),
        cmocka_unit_test(test_world_is_stopped_once),
        cmocka_unit_test(test_emulated_lock_across_pages),
        cmocka_unit_test(test_trap_behind_mov_ss),
        cmocka_unit_test(test_trap_and_system_calls),
        cmocka_unit_test(test_sti_at_the_end_of_a_page),
        cmocka_unit_test(test_stack_fault_or_general),
        cmocka_unit_test(test_rights_of_flat_segments),
        cmocka_unit_test(test_code_on_a_device),
        cmocka_unit_test(test_code_across_the_canonical_end),
        cmocka_unit_test(test_store_into_a_device),
        cmocka_unit_test(test_trap_ends_hlt),
        cmocka_unit_test(test_trap_of_what_needs_the_world),
        cmocka_unit_test(test_data_breakpoint),
        cmocka_unit_test(test_instruction_breakpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
