// SPDX-License-Identifier: GPL-2.0-or-later
//
// Nothing of the host shows in a guest. A guest sets every register, lets something happen for which the engine leaves
// translated code, or doesn't, and then stores every register in every way there is: moves, FXSAVE, XSAVE, FNSTENV,
// FNSAVE. Before it runs and whenever it comes to a device or port, C code fills all vector registers and x87's with a
// secret. Each register must hold what it held; the secret and any address that is mapped in this process must be
// nowhere in guest RAM. And of this process's mappings, none may be written and executed.
//
// leaks: ends with `N passed, N failed`.
#include "guest/cpu/jit/vcpu.h"
#include "tests/unit/jit_world.h"

#define GUEST(name, text)                                                                      \
    extern const uint8_t name[], name##_end[];                                                 \
    __asm__(".pushsection .rodata\n.globl " #name ", " #name "_end\n" #name ":\n.intel_syntax noprefix\n" text \
            "\n.att_syntax prefix\n" #name "_end:\n.popsection\n")

// What is loaded; where events stand; what is stored.
enum { VALUES = 0x40000, FLOATS = 0x40400, GPRS = 0x40500, EVENT = 0x20800, DUMP = 0x20900, GPR_DUMP = 0x50000, YMM_DUMP = 0x51000,
       FXSAVE_DUMP = 0x52000, XSAVE_DUMP = 0x53000, ENV_DUMP = 0x54000, SAVE_DUMP = 0x54100, SYSTEM_DUMP = 0x56000,
       DEVICE_AT = 0x1f0000, ABSENT_AT = 0x180000, DONE = 0xf0, MXCSR = 0x9fc0, FCW = 0x27f };
#define SECRET UINT64_C(0x5ec2e75ec2e7a55e)

#define EACH(text) text(0) text(1) text(2) text(3) text(4) text(5) text(6) text(7) text(8) text(9) text(10) text(11) text(12) text(13) text(14) text(15)
#define LOAD_YMM(n) "vmovdqu ymm" #n ", [0x40000 + 32 * " #n "]\n"
#define STORE_YMM(n) "vmovdqu [0x51000 + 32 * " #n "], ymm" #n "\n"
#define GENERAL(op) op(rax, 0) op(rcx, 1) op(rdx, 2) op(rbx, 3) op(rbp, 5) op(rsi, 6) op(rdi, 7) op(r8, 8) op(r9, 9) op(r10, 10) op(r11, 11) \
    op(r12, 12) op(r13, 13) op(r14, 14) op(r15, 15)
#define LOAD_GPR(name, n) "mov " #name ", [0x40500 + 8 * " #n "]\n"
#define STORE_GPR(name, n) "mov [0x50000 + 8 * " #n "], " #name "\n"

// x87's pointers point at host code and data now.
GUEST(prepare, EACH(LOAD_YMM) "fninit\nfldcw [0x40410]\nldmxcsr [0x40414]\nfld qword ptr [0x40400]\nfld qword ptr [0x40408]\n"
      GENERAL(LOAD_GPR) "jmp . + 0x10000000\n");
GUEST(dump, GENERAL(STORE_GPR) "mov [0x50020], rsp\n" EACH(STORE_YMM)
      "fxsave [0x52000]\nmov eax, 7\nxor edx, edx\nxsave [0x53000]\nfnstenv [0x54000]\nfnsave [0x54100]\nint 0xf0");
GUEST(system_values, "sgdt [0x56000]\nsidt [0x56010]\nstr word ptr [0x56020]\nsldt word ptr [0x56028]\nsmsw rax\nmov [0x56030], rax\n"
      "rdfsbase rax\nmov [0x56038], rax\nrdgsbase rax\nmov [0x56040], rax\nxor eax, eax\nmov ax, gs\nmov [0x56048], rax\nmov ax, fs\nmov [0x56050], rax\n"
      "mov ax, cs\nmov [0x56058], rax\nmov rax, gs:[0x40000]\nmov [0x56060], rax\nmov rax, fs:[0x40000]\nmov [0x56068], rax\n"
      "rdtscp\nmov [0x56070], rcx\nshl rdx, 32\nor rax, rdx\nmov [0x56078], rax\nrdpid rax\nmov [0x56080], rax\n"
      "mov rax, cr0\nmov [0x56088], rax\nmov rax, cr3\nmov [0x56090], rax\nmov rax, cr4\nmov [0x56098], rax\nmov rax, cr8\nmov [0x560a0], rax\n"
      "mov rax, dr6\nmov [0x560a8], rax\nmov rax, dr7\nmov [0x560b0], rax\nstr rax\nmov [0x560b8], rax\nsldt rax\nmov [0x560c0], rax\nint 0xf0");

// What happens, and which registers it changes. Each must be there whole: a fault goes on at the dump.
GUEST(nothing, "nop");
GUEST(port_read, "in eax, 0x80");
GUEST(port_write, "out dx, al");
GUEST(device_read, "mov rax, [0x1f0000]");
GUEST(device_write, "mov [0x1f0008], rbx");
GUEST(device_vector, "vmovdqu [0x1f0010], ymm3");
GUEST(across_load, "mov rax, [0x41ffc]");
GUEST(across_store, "vmovdqu [0x41ff0], ymm1");
GUEST(across_locked, "lock inc dword ptr [0x42ffe]");
GUEST(cpuid_leaf, "cpuid");
GUEST(tsc, "rdtsc");
GUEST(tscp, "rdtscp");
GUEST(bad_msr, "rdmsr");
GUEST(undefined, "ud2");
GUEST(breakpoint, "int3");
GUEST(divide, "div byte ptr [0x40f00]");
GUEST(misaligned, "movaps xmm0, [0x40001]");
GUEST(page_fault, "mov rax, [0x180000]");
GUEST(store_fault, "vmovdqu [0x17fff0], ymm0");
GUEST(interrupt, "int 0x80");
GUEST(page_tables, "mov rax, cr3\nmov cr3, rax");
GUEST(one_page, "invlpg [0x40000]");
GUEST(flags, "pushfq\npopfq");
GUEST(save, "fxsave [0x57000]");
GUEST(save_all, "xsave [0x58000]");
GUEST(own_code, "mov byte ptr [0x20a80], 0x90");
GUEST(string, "push rsi\nmov esi, 0x40000\nlodsq\npop rsi");
GUEST(bits, "bts [0x44000], rcx");
GUEST(unknown, ".byte 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1");  // AVX-512, which CPUID doesn't show
GUEST(x87, "fld st(0)\nfstp st(0)");
GUEST(halt_mode, "cli\nsti\ncli");

enum { A = 1 << X86_RAX, B = 1 << X86_RBX, C = 1 << X86_RCX, D = 1 << X86_RDX };
#define HAPPENS(name, changed) {#name, name, name##_end, changed}
static const struct event { const char *name; const uint8_t *code, *end; uint16_t changed; } events[] = {
    HAPPENS(nothing, 0), HAPPENS(port_read, A), HAPPENS(port_write, 0), HAPPENS(device_read, A), HAPPENS(device_write, 0),
    HAPPENS(device_vector, 0), HAPPENS(across_load, A), HAPPENS(across_store, 0), HAPPENS(across_locked, 0), HAPPENS(cpuid_leaf, A | B | C | D),
    HAPPENS(tsc, A | D), HAPPENS(tscp, A | C | D), HAPPENS(bad_msr, 0), HAPPENS(undefined, 0), HAPPENS(breakpoint, 0), HAPPENS(divide, 0),
    HAPPENS(misaligned, 0), HAPPENS(page_fault, 0), HAPPENS(store_fault, 0), HAPPENS(interrupt, 0), HAPPENS(page_tables, A),
    HAPPENS(one_page, 0), HAPPENS(flags, 0), HAPPENS(save, 0), HAPPENS(save_all, 0), HAPPENS(own_code, 0), HAPPENS(string, A),
    HAPPENS(bits, 0), HAPPENS(unknown, 0), HAPPENS(x87, 0), HAPPENS(halt_mode, 0),
};

static unsigned passed, failed;

static void check(bool holds, const char *name, const char *what)
{
    passed += holds;
    failed += !holds;
    if (!holds)
        printf("%s: %s\n", name, what);
}

// --- the host's part ------------------------------------------------------------------------------

#define FILL_YMM(n) "vbroadcastsd %0, %%ymm" #n "\n\t"
static void fill_vectors(void)
{
    static const uint64_t secret = SECRET;
    __asm__ volatile(EACH(FILL_YMM) "fldl %0\n\tfldl %0\n\tfaddp\n\tfstp %%st(0)\n\t" : : "m"(secret)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                       "xmm14", "xmm15", "st", "st(1)");
}

static unsigned look_at_maps(void);

static void touched(struct world *w)
{
    look_at_maps();
    for (unsigned i = 0; i < w->vcpus; i++)
        w->vcpu[i]->ops->kick(w->vcpu[i]);
    fill_vectors();
}

enum { RANGES_MAX = 4096 };
static struct { uint64_t start, end; } ranges[RANGES_MAX];
static unsigned written_and_executed, generated;

// Also notes what is mapped; the number of mappings.
static unsigned look_at_maps(void)
{
    static char line[4096];
    unsigned n = 0, both = 0, code = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && n < RANGES_MAX && fgets(line, sizeof line, maps)) {
        unsigned long long start, end;
        char rights[8];
        if (sscanf(line, "%llx-%llx %7s", &start, &end, rights) != 3)
            continue;
        ranges[n].start = start;
        ranges[n++].end = end;
        both += rights[1] == 'w' && rights[2] == 'x';
        code += rights[2] == 'x' && strstr(line, "memfd:konuk");
    }
    if (maps)
        fclose(maps);
    written_and_executed += both;
    generated = code > generated ? code : generated;
    return n;
}

// --- the guest's ----------------------------------------------------------------------------------

static void put_code(struct world *w, uint64_t at, const uint8_t *code, const uint8_t *end) { memcpy(w->ram.host + at, code, end - code); }

static void put_jump(struct world *w, uint64_t at, uint64_t to)
{
    int32_t distance = to - (at + 5);
    w->ram.host[at] = 0xe9;
    memcpy(w->ram.host + at + 1, &distance, 4);
}

// Handlers go on at the dump: (add rsp, 8;) mov qword ptr [rsp], DUMP; iretq
static void make_handlers(struct world *w)
{
    static const uint8_t go_on[] = {0x48, 0x83, 0xc4, 0x08, 0x48, 0xc7, 0x04, 0x24, DUMP & 0xff, DUMP >> 8 & 0xff, DUMP >> 16, 0, 0x48, 0xcf};
    for (unsigned v = 0; v < DONE; v++) {
        bool code = v == EX_DF || (v >= EX_TS && v <= EX_PF) || v == EX_AC;
        world_stub(w, v, code ? go_on : go_on + 4, code ? sizeof go_on : sizeof go_on - 4);
    }
}

static uint64_t gpr_value(unsigned reg) { return UINT64_C(0x0123456789abcd00) * (2 * reg + 3) + 0x1180; }

static void put_values(struct world *w)
{
    static const double floats[] = {3.25, -1e10};
    for (unsigned i = 0; i < 512; i++)
        w->ram.host[VALUES + i] = i * 37 + 11;
    memcpy(w->ram.host + FLOATS, floats, sizeof floats);
    *world_word(w, FLOATS + 16) = FCW | (uint64_t)MXCSR << 32;
    for (unsigned i = 0; i < X86_GPRS; i++)
        *world_word(w, GPRS + 8 * i) = gpr_value(i);
    *world_word(w, GPRS + 8 * X86_RCX) = 0x7777;  // a bit's number, too
}

static void leaks_open(struct world *w, bool one)
{
    *w = (struct world){.vcpus = 2, .one = one, .touched = touched, .manual_clock = true};
    world_open(w);
    w->answer = UINT64_C(0x1020304050607080);
    *world_pte(w, DEVICE_AT) = WORLD_DEVICE | PTE_P | PTE_W | PTE_U;
    *world_pte(w, ABSENT_AT) = 0;
    make_handlers(w);
    put_values(w);
    put_code(w, WORLD_CODE, prepare, prepare_end);
    put_jump(w, WORLD_CODE + (prepare_end - prepare) - 5, EVENT);
    put_code(w, DUMP, dump, dump_end);
}

static int run_vcpu(struct world *w, unsigned index, uint64_t rip)
{
    struct jit_vcpu *v = jit_vcpu_of(w->vcpu[index]);
    world_state(w, &v->state, 0);
    v->state.cr4 |= CR4_FSGSBASE;
    v->state.rip = rip;
    w->vcpu[index]->ops->put_state(w->vcpu[index]);
    w->vector = -1;
    v->thread_ready = false;  // %gs is the other's
    for (unsigned i = 0; i < 1000 && w->vector < 0; i++) {
        fill_vectors();
        v->vcpu.ops->run(&v->vcpu);
        mem_quiescent();
    }
    return w->vector;
}

// --- what was stored ------------------------------------------------------------------------------

static bool all_zero(const uint8_t *at, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        if (at[i])
            return false;
    return true;
}

static void check_x87_pointers(const struct world *w, const char *name)
{
    const uint8_t *ram = w->ram.host;
    check(all_zero(ram + FXSAVE_DUMP + 6, 18), name, "FXSAVE tells x87's pointers");
    check(all_zero(ram + XSAVE_DUMP + 6, 18), name, "XSAVE tells x87's pointers");
    check(all_zero(ram + ENV_DUMP + 12, 14), name, "FNSTENV tells x87's pointers");
    check(all_zero(ram + SAVE_DUMP + 12, 14), name, "FNSAVE tells x87's pointers");
}

static void check_vectors(const struct world *w, const char *name, const uint8_t *expected)
{
    const uint8_t *ram = w->ram.host;
    bool good = true;
    check(!memcmp(ram + YMM_DUMP, expected, 512), name, "a vector register is another");
    for (unsigned i = 0; i < 16; i++) {
        good &= !memcmp(ram + FXSAVE_DUMP + 160 + 16 * i, expected + 32 * i, 16);
        good &= !memcmp(ram + XSAVE_DUMP + 160 + 16 * i, expected + 32 * i, 16);
        good &= !memcmp(ram + XSAVE_DUMP + 576 + 16 * i, expected + 32 * i + 16, 16);
    }
    check(good, name, "a vector register is saved as another");
}

static void check_control(const struct world *w, const char *name, uint16_t fcw, uint32_t mxcsr)
{
    uint16_t word;
    uint32_t dword;
    memcpy(&word, w->ram.host + FXSAVE_DUMP, 2);
    memcpy(&dword, w->ram.host + FXSAVE_DUMP + 24, 4);
    check(word == fcw && dword == mxcsr, name, "a control word is another");
}

static void check_general(const struct world *w, const char *name, uint16_t changed)
{
    for (unsigned i = 0; i < X86_GPRS; i++) {
        const uint64_t *found = (const uint64_t *)(w->ram.host + GPR_DUMP) + i;
        uint64_t expected = i == X86_RSP ? WORLD_STACK : *(const uint64_t *)(w->ram.host + GPRS + 8 * i);
        check(changed >> i & 1 || *found == expected, name, "a general register is another");
    }
}

static bool is_mapped(uint64_t address, unsigned mappings)
{
    for (unsigned i = 0; i < mappings; i++)
        if (address >= ranges[i].start && address < ranges[i].end)
            return true;
    return false;
}

// In the whole of guest RAM, at any alignment.
static void check_ram(const struct world *w, const char *name)
{
    unsigned mappings = look_at_maps(), addresses = 0, secrets = 0;
    for (uint64_t at = 0; at + 8 <= w->ram_bytes; at++) {
        uint64_t word;
        memcpy(&word, w->ram.host + at, 8);
        secrets += word == SECRET;
        if (word >> 40 && word >> 40 < 0x80 && is_mapped(word, mappings))
            addresses++;
    }
    check(!secrets, name, "C's vector registers are in guest RAM");
    check(!addresses, name, "an address of the host is in guest RAM");
}

// --- the tests ------------------------------------------------------------------------------------

static void run_event(struct world *w, const struct event *e)
{
    memset(w->ram.host + GPR_DUMP, 0x33, SYSTEM_DUMP - GPR_DUMP);
    memset(w->ram.host + EVENT, 0x90, DUMP - EVENT);
    put_code(w, EVENT, e->code, e->end);
    put_jump(w, EVENT + (e->end - e->code), DUMP);
    check(run_vcpu(w, 0, WORLD_CODE) == DONE, e->name, "it doesn't end");
    check_general(w, e->name, e->changed);
    check_vectors(w, e->name, w->ram.host + VALUES);
    check_control(w, e->name, FCW, MXCSR);
    check_x87_pointers(w, e->name);
    check_ram(w, e->name);
}

// A vCPU that begins anew finds nothing of another, or of C, in its registers.
static void run_other(struct world *w)
{
    static const uint8_t zeros[512];
    memset(w->ram.host + GPR_DUMP, 0x33, SYSTEM_DUMP - GPR_DUMP);
    check(run_vcpu(w, 1, DUMP) == DONE, "other vCPU", "it doesn't end");
    check_vectors(w, "other vCPU", zeros);
    check_control(w, "other vCPU", 0x40, 0x1f80);  // as after reset
    check_x87_pointers(w, "other vCPU");
    check(all_zero(w->ram.host + XSAVE_DUMP + 32, 128), "other vCPU", "an x87 register is another's");
    check_ram(w, "other vCPU");
}

static void expect(const struct world *w, unsigned at, uint64_t mask, uint64_t expected, const char *what)
{
    const uint64_t *found = (const uint64_t *)(w->ram.host + SYSTEM_DUMP + at);
    check((*found & mask) == expected, "system values", what);
}

static void run_system(struct world *w)
{
    const struct x86_state *s = w->s;
    memset(w->ram.host + SYSTEM_DUMP, 0, 0x1000);
    put_code(w, EVENT, system_values, system_values_end);
    uint64_t before = __builtin_ia32_rdtsc();
    check(run_vcpu(w, 0, EVENT) == DONE, "system values", "it doesn't end");
    uint64_t after = __builtin_ia32_rdtsc(), tsc = *world_word(w, SYSTEM_DUMP + 0x78) - s->tsc_offset;
    expect(w, 0x00, UINT64_MAX, 0x4f | (uint64_t)WORLD_GDT << 16, "SGDT");
    expect(w, 0x10, UINT64_MAX, 0xfff | (uint64_t)WORLD_IDT << 16, "SIDT");
    expect(w, 0x20, UINT64_MAX, WORLD_TR, "STR");
    expect(w, 0x28, UINT64_MAX, 0, "SLDT");
    expect(w, 0x30, UINT64_MAX, s->cr0, "SMSW");
    expect(w, 0x38, UINT64_MAX, 0, "the base of FS");
    expect(w, 0x40, UINT64_MAX, 0, "the base of GS");
    expect(w, 0x48, UINT64_MAX, WORLD_SS0, "GS");
    expect(w, 0x50, UINT64_MAX, WORLD_SS0, "FS");
    expect(w, 0x58, UINT64_MAX, WORLD_CS0, "CS");
    expect(w, 0x60, UINT64_MAX, *world_word(w, VALUES), "memory by GS");
    expect(w, 0x68, UINT64_MAX, *world_word(w, VALUES), "memory by FS");
    expect(w, 0x70, UINT64_MAX, s->tsc_aux, "RDTSCP's number");
    check(tsc - before <= after - before, "system values", "RDTSCP's time");
    expect(w, 0x80, UINT64_MAX, s->tsc_aux, "RDPID");
    expect(w, 0x88, UINT64_MAX, s->cr0, "CR0");
    expect(w, 0x90, UINT64_MAX, WORLD_PML4, "CR3");
    expect(w, 0x98, UINT64_MAX, s->cr4, "CR4");
    expect(w, 0xa0, UINT64_MAX, 0, "CR8");
    expect(w, 0xa8, UINT64_MAX, 0xffff0ff0, "DR6");
    expect(w, 0xb0, UINT64_MAX, 0x400, "DR7");
    expect(w, 0xb8, UINT64_MAX, WORLD_TR, "STR of a register");
    expect(w, 0xc0, UINT64_MAX, 0, "SLDT of a register");
    check_ram(w, "system values");
}

int main(void)
{
    for (unsigned one = 0; one < 2; one++) {
        struct world w;
        leaks_open(&w, one);
        for (unsigned i = 0; i < ARRAY_SIZE(events); i++)
            run_event(&w, &events[i]);
        run_other(&w);
        run_system(&w);
        world_close(&w);
    }
    check(!written_and_executed, "mappings", "one is written and executed");
    check(generated >= 2, "mappings", "generated code was not seen");
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
