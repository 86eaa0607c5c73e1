// SPDX-License-Identifier: GPL-2.0-or-later
//
// The engine at its limits: a code cache that is full again and again while two vCPUs run different code; each of its
// tables full; page tables that are switched and changed a million times; guest RAM that is taken away and given back
// beneath running code. What the guest computes is computed here too.
//
// robust [--switches N] [--calls N]: ends with `N passed, N failed`.
#include <fcntl.h>
#include <time.h>

#include "guest/cpu/jit/code.h"
#include "tests/unit/jit_world.h"

#define GUEST(name, text)                                                                      \
    extern const uint8_t name[], name##_end[];                                                 \
    __asm__(".pushsection .rodata\n.globl " #name ", " #name "_end\n" #name ":\n.intel_syntax noprefix\n" text \
            "\n.att_syntax prefix\n" #name "_end:\n.popsection\n")
#define END "mov dword ptr [rbp + 8], 1\n9: cli\nhlt\njmp 9b"

// RAM of 64 MiB, all of it mapped one to one by large pages above the world's first 2 MiB.
enum { RAM_BYTES = 64 << 20, RESULT = 0x40000, RESULT_BYTES = 0x1000, PROGRAM = WORLD_CODE, PROGRAM_BYTES = 0x1000,
       FUNCTIONS = 0x400000, FUNCTION_BYTES = 64, FUNCTIONS_A_VCPU = 1 << 14,
       TABLES = 0x1000000, TABLES_A_VCPU = 4 << 14, DATA_PAGES = 0x1100000, CODE_PAGES = 0x1110000,
       TAKEN = 0x1200000, SCRATCH = 0x1300000, PATIENCE_S = 120 };

static unsigned passed, failed;

static void check(bool holds, const char *name, const char *what)
{
    passed += holds;
    failed += !holds;
    printf("%s %s: %s\n", holds ? "good " : "WRONG", name, what);
}

// --- the machine ----------------------------------------------------------------------------------

static _Atomic bool died;
static void nothing_happens(void *opaque, struct vcpu *vcpu) { (void)opaque, (void)vcpu; }
static void it_died(void *opaque, struct vcpu *vcpu) { (void)opaque, (void)vcpu; died = true; }

static void robust_open(struct world *w, unsigned vcpus, uint64_t cache_bytes)
{
    *w = (struct world){.ram_bytes = RAM_BYTES, .vcpus = vcpus, .cache_bytes = cache_bytes};
    world_open(w);
    for (unsigned i = 1; i < RAM_BYTES >> 21; i++)
        world_word(w, WORLD_PD)[i] = ((uint64_t)i << 21) | PTE_P | PTE_W | PTE_PS;
    died = false;
}

static uint64_t *result(struct world *w, unsigned vcpu, unsigned which) { return world_word(w, RESULT + vcpu * RESULT_BYTES + 8 * which); }
static bool is_done(struct world *w, unsigned vcpu) { return *(volatile uint32_t *)result(w, vcpu, 1); }

static struct x86_state *prepare_vcpu(struct world *w, unsigned i, const uint8_t *code, const uint8_t *end)
{
    struct x86_state *s = w->vcpu[i]->state;
    uint64_t at = PROGRAM + i * PROGRAM_BYTES;
    memcpy(w->ram.host + at, code, end - code);
    memset(result(w, i, 0), 0, 64);
    world_state(w, s, 0);
    s->rip = at;
    s->gpr[X86_RSP] = WORLD_STACK + i * 0x8000;
    s->gpr[X86_RBP] = RESULT + i * RESULT_BYTES;
    return s;
}

static void start_all(struct world *w)
{
    static const struct vcpu_events events = {.shutdown = it_died, .debug = nothing_happens, .failed = it_died};
    struct err err = {0};
    for (unsigned i = 0; i < w->vcpus; i++)
        w->vcpu[i]->ops->put_state(w->vcpu[i]);
    mem_thread_offline();
    for (unsigned i = 0; i < w->vcpus; i++)
        world_need(vcpu_start(w->vcpu[i], &events, &err) == 0, err.text);
    for (unsigned i = 0; i < w->vcpus; i++)
        vcpu_resume(w->vcpu[i]);
}

static bool wait_all(struct world *w)
{
    for (unsigned i = 0; i < PATIENCE_S * 1000 && !died; i++) {
        bool all = true;
        for (unsigned n = 0; n < w->vcpus; n++)
            all &= is_done(w, n);
        if (all)
            return true;
        usleep(1000);
    }
    return false;
}

static void end_all(struct world *w)
{
    for (unsigned i = 0; i < w->vcpus; i++) {
        vcpu_pause(w->vcpu[i]);
        vcpu_wait_paused(w->vcpu[i]);
    }
    mem_thread_online();
    check(world_canaries_live(w), "memory around RAM", "is as it was");
    mem_thread_offline();
    for (unsigned i = 0; i < w->vcpus; i++) {
        vcpu_destroy(w->vcpu[i]);
        w->vcpu[i] = NULL;
    }
    mem_thread_online();
    world_close(w);
}

// --- much code --------------------------------------------------------------------------------------

// Calls one of many functions after the other, as a generator in rbx says.
GUEST(caller, "1: imul rbx, rbx, 0x5851f42d\nadd rbx, 0x14057b7e\nmov rdx, rbx\nshr rdx, 21\nand edx, 0x3fff\nshl edx, 6\nadd rdx, r12\ncall rdx\n"
      "dec rcx\njnz 1b\nmov [rbp], rax\n" END);

static uint32_t constant(unsigned vcpu, unsigned function, unsigned which)
{
    return (function * 2654435761u + which * 40503u + vcpu * 977u) | 1;
}

// imul rax, rax, imm32; add rax, imm32; rol rax, imm8; xor rax, imm32; ret
static void make_function(uint8_t *at, unsigned vcpu, unsigned function)
{
    static const uint8_t code[] = {0x48, 0x69, 0xc0, 0, 0, 0, 0, 0x48, 0x05, 0, 0, 0, 0, 0x48, 0xc1, 0xc0, 0, 0x48, 0x35, 0, 0, 0, 0, 0xc3};
    static const uint8_t places[] = {3, 9, 19};
    memcpy(at, code, sizeof code);
    for (unsigned i = 0; i < 3; i++)
        memcpy(at + places[i], &(uint32_t){constant(vcpu, function, i)}, 4);
    at[16] = 1 + function % 63;
}

static uint64_t call_here(unsigned vcpu, unsigned function, uint64_t rax)
{
    unsigned turn = 1 + function % 63;
    rax *= (int64_t)(int32_t)constant(vcpu, function, 0);
    rax += (int64_t)(int32_t)constant(vcpu, function, 1);
    rax = rax << turn | rax >> (64 - turn);
    return rax ^ (uint64_t)(int64_t)(int32_t)constant(vcpu, function, 2);
}

static uint64_t compute_here(unsigned vcpu, uint64_t seed, uint64_t calls)
{
    uint64_t rax = 0, rbx = seed;
    for (; calls; calls--) {
        rbx = rbx * 0x5851f42d + 0x14057b7e;
        rax = call_here(vcpu, rbx >> 21 & (FUNCTIONS_A_VCPU - 1), rax);
    }
    return rax;
}

static void prepare_caller(struct world *w, unsigned i, uint64_t seed, uint64_t calls)
{
    struct x86_state *s = prepare_vcpu(w, i, caller, caller_end);
    uint64_t functions = FUNCTIONS + i * FUNCTIONS_A_VCPU * FUNCTION_BYTES;
    for (unsigned n = 0; n < FUNCTIONS_A_VCPU; n++)
        make_function(w->ram.host + functions + n * FUNCTION_BYTES, i, n);
    s->gpr[X86_RAX] = 0;
    s->gpr[X86_RBX] = seed;
    s->gpr[X86_RCX] = calls;
    s->gpr[X86_R12] = functions;
}

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (uint64_t)pages << PAGE_BITS;
}

// Everything of a round is given back at its end, so the rounds' sizes tell of a leak.
static uint64_t fill_cache(uint64_t calls, uint64_t seed)
{
    struct world w;
    char text[96];
    robust_open(&w, 2, 2 << 20);
    struct code *c = jit_vcpu_of(w.vcpu[0])->jit->code;
    uint64_t before = c->emptied;
    for (unsigned i = 0; i < 2; i++)
        prepare_caller(&w, i, seed + i, calls);
    start_all(&w);
    check(wait_all(&w), "full cache", "both vCPUs come to an end");
    for (unsigned i = 0; i < 2; i++)
        check(*result(&w, i, 0) == compute_here(i, seed + i, calls), "full cache", "the guest's results");
    uint64_t emptied = c->emptied - before;
    snprintf(text, sizeof text, "emptied %llu times", (unsigned long long)emptied);
    check(emptied > calls / 20000, "full cache", text);
    end_all(&w);
    return resident_bytes();
}

static void cache_full(uint64_t calls)
{
    enum { MAY_GROW = 8 << 20 };
    uint64_t first = fill_cache(calls, 1), last = 0;
    for (unsigned i = 0; i < 3; i++)
        last = fill_cache(calls / 2, 100 + i);
    check(last < first + MAY_GROW, "full cache", "no memory is lost");
}

// --- full tables ------------------------------------------------------------------------------------

static void fill_hot(struct code *c) { c->hot.at = c->hot.end - (70 << 10); }
static void fill_cold(struct code *c) { c->cold.at = c->cold.end - (100 << 10); }
static void fill_pages(struct code *c) { c->page_count = CODE_PAGES_MAX - 1024 - 8; }
static void fill_blocks(struct code *c) { c->block_count = CODE_BLOCKS_MAX - 50; }
static void fill_links(struct code *c) { c->link_count = CODE_LINKS_MAX - 8; }
static void fill_insns(struct code *c) { c->insn_count = CODE_INSNS_MAX - 130; }
static void fill_hot_sites(struct code *c) { c->hot_sites.count = c->hot_sites.capacity - 300; }
static void fill_cold_sites(struct code *c) { c->cold_sites.count = c->cold_sites.capacity - 260; }

// Emulated instructions, memory accesses, a division that faults: each table is added to.
GUEST(mixture, "1: mov [rsp - 8], rcx\nmov rcx, [rsp - 8]\nmov eax, ecx\nand eax, 63\nshl eax, 12\nlea rdx, [rax + 0x400000]\nmov r9, rax\n"
      "mov eax, 7\nxor edi, edi\ncall rdx\nadd r8, rax\nstr eax\nadd r8, rax\nlock inc qword ptr [rsp - 16]\ndec rcx\njnz 1b\n"
      "mov [rbp], r8\nint 0xf0");

static void table_full(const char *name, void (*fill)(struct code *c))
{
    enum { TURNS = 600 };
    struct world w;
    robust_open(&w, 1, 8 << 20);
    struct code *c = jit_vcpu_of(w.vcpu[0])->jit->code;
    struct x86_state *s = prepare_vcpu(&w, 0, mixture, mixture_end);
    uint64_t expected = 0;
    for (unsigned n = 0; n < FUNCTIONS_A_VCPU; n++)
        make_function(w.ram.host + FUNCTIONS + n * FUNCTION_BYTES, 0, n);
    for (unsigned n = 1; n <= TURNS; n++)
        expected += call_here(0, (n & 63) << 6, 7) + WORLD_TR;
    s->gpr[X86_RCX] = TURNS;
    s->gpr[X86_R8] = 0;
    w.vcpu[0]->ops->put_state(w.vcpu[0]);
    uint64_t before = c->emptied;
    fill(c);
    check(world_run(&w) == 0xf0 && *result(&w, 0, 0) == expected, name, "the guest's results");
    check(c->emptied == before + 1, name, "it was emptied once");
    check(world_canaries_live(&w), name, "memory around RAM");
    world_close(&w);
}

static void tables_full(void)
{
    table_full("hot half full", fill_hot);
    table_full("cold half full", fill_cold);
    table_full("pages full", fill_pages);
    table_full("blocks full", fill_blocks);
    table_full("links full", fill_links);
    table_full("emulated instructions full", fill_insns);
    table_full("hot sites full", fill_hot_sites);
    table_full("cold sites full", fill_cold_sites);
}

// --- page tables ------------------------------------------------------------------------------------

// r12: four sets of tables, 16 KiB each; r13, r14: what the entries of two pages begin with, one of data and one of
// code. Each turn changes a set that isn't in use, and switches to it; looks at both pages; changes them in place, with
// INVLPG, and looks again. Every page holds its number.
#define MAP "mov rdx, rcx\nshl rdx, 12\nlea rdi, [rdx + r13]\nmov [rsi + 0x3f80], rdi\nlea rdi, [rdx + r14]\nmov [rsi + 0x3f88], rdi\n"
#define LOOK "cmp [0x1f0000], ecx\njne 8f\nmov edx, 0x1f1000\ncall rdx\ncmp eax, ecx\njne 8f\n"
GUEST(switcher, "1: inc rbx\nmov eax, ebx\nand eax, 3\nshl eax, 14\nlea rsi, [r12 + rax]\nmov ecx, ebx\nshr ecx, 2\nadd ecx, ebx\nand ecx, 3\n"
      MAP "mov cr3, rsi\n" LOOK "xor ecx, 1\n" MAP "invlpg [0x1f0000]\ninvlpg [0x1f1000]\n" LOOK
      "7: dec r15\njnz 1b\n" END "\n8: inc qword ptr [rbp]\njmp 7b");

static void make_sets(struct world *w, uint64_t at)
{
    for (unsigned set = 0; set < 4; set++, at += 4 * PAGE_BYTES) {
        *world_word(w, at) = (at + 0x1000) | PTE_P | PTE_W;
        *world_word(w, at + 0x1000) = (at + 0x2000) | PTE_P | PTE_W;
        memcpy(w->ram.host + at + 0x2000, w->ram.host + WORLD_PD, PAGE_BYTES);
        *world_word(w, at + 0x2000) = (at + 0x3000) | PTE_P | PTE_W;
        memcpy(w->ram.host + at + 0x3000, w->ram.host + WORLD_PT, PAGE_BYTES);
    }
}

static void make_numbered_pages(struct world *w)
{
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *code = w->ram.host + CODE_PAGES + i * PAGE_BYTES;
        memcpy(code, (const uint8_t[]){0xb8, i, 0, 0, 0, 0xc3}, 6);
        *world_word(w, DATA_PAGES + i * PAGE_BYTES) = i;
    }
}

static void page_tables_switched(uint64_t switches)
{
    struct world w;
    char text[96];
    robust_open(&w, 2, 0);
    make_numbered_pages(&w);
    for (unsigned i = 0; i < 2; i++) {
        struct x86_state *s = prepare_vcpu(&w, i, switcher, switcher_end);
        make_sets(&w, TABLES + i * TABLES_A_VCPU);
        s->gpr[X86_RBX] = i;
        s->gpr[X86_R12] = TABLES + i * TABLES_A_VCPU;
        s->gpr[X86_R13] = DATA_PAGES | PTE_P | PTE_W;
        s->gpr[X86_R14] = CODE_PAGES | PTE_P;
        s->gpr[X86_R15] = switches / 2;
    }
    start_all(&w);
    check(wait_all(&w), "page tables", "both vCPUs come to an end");
    snprintf(text, sizeof text, "of %llu switches none met a stale entry", (unsigned long long)switches);
    check(*result(&w, 0, 0) == 0 && *result(&w, 1, 0) == 0, "page tables", text);
    end_all(&w);
}

// --- memory that is taken away ------------------------------------------------------------------------

// Calls a page again and again. Zeros there are `add [rax], al`, up to the next page, which gives 0.
GUEST(visitor, "1: mov eax, 0x1300000\nmov edx, 0x1200000\ncall rdx\nmov [rbp], eax\ninc qword ptr [rbp + 16]\njmp 1b");

static bool wait_for(struct world *w, uint32_t value)
{
    for (unsigned i = 0; i < PATIENCE_S * 10000 && !died; i++) {
        if (*(volatile uint32_t *)result(w, 0, 0) == value)
            return true;
        usleep(100);
    }
    return false;
}

// As a balloon does it, and then tells the engine.
static bool take_page(struct world *w)
{
    mem_thread_online();
    bool taken = fallocate(w->ram.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, TAKEN, PAGE_BYTES) == 0;
    mem_wrote(w->memory, w->ram.host + TAKEN, PAGE_BYTES);
    mem_thread_offline();
    return taken;
}

static void give_page(struct world *w, uint32_t value)
{
    uint8_t code[] = {0xb8, 0, 0, 0, 0, 0xc3};
    memcpy(code + 1, &value, 4);
    mem_thread_online();
    mem_dma_write(w->memory, GPA(TAKEN), code, sizeof code);
    mem_thread_offline();
}

static void memory_taken(void)
{
    enum { TIMES = 300 };
    static const uint8_t zero[PAGE_BYTES];
    struct world w;
    unsigned gone = 0, back = 0, zeros = 0;
    robust_open(&w, 1, 0);
    prepare_vcpu(&w, 0, visitor, visitor_end);
    memcpy(w.ram.host + TAKEN + PAGE_BYTES, (const uint8_t[]){0xb8, 0, 0, 0, 0, 0xc3}, 6);
    memset(w.ram.host + TAKEN, 0, PAGE_BYTES);
    start_all(&w);
    for (unsigned n = 1; n <= TIMES && !died; n++) {
        give_page(&w, n);
        back += wait_for(&w, n);
        zeros += take_page(&w) && !memcmp(w.ram.host + TAKEN, zero, PAGE_BYTES);
        gone += wait_for(&w, 0);
    }
    check(zeros == TIMES, "memory taken", "it reads as zeros");
    check(gone == TIMES, "memory taken", "code in it is gone");
    check(back == TIMES, "memory given back", "code in it is run");
    end_all(&w);
}

int main(int argc, char **argv)
{
    uint64_t switches = 200000, calls = 200000;
    for (int i = 1; i + 1 < argc; i += 2)
        *(!strcmp(argv[i], "--switches") ? &switches : &calls) = strtoull(argv[i + 1], NULL, 0);
    cache_full(calls);
    tables_full();
    page_tables_switched(switches);
    memory_taken();
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
