// SPDX-License-Identifier: GPL-2.0-or-later
//
// Hostile guest code, on the real engine: random instructions in kernel and user mode, of 16, 32 and
// 64 bits, over page tables with every kind of page at every end of the address space. A fault's handler goes
// on one byte behind the instruction. After a few milliseconds a kick ends it.
//
// What must hold: the host lives; nothing outside guest RAM was written; no register holds an address of ours; run
// returns soon after a kick; the vCPU's state is one that a CPU could have; and a program that is known to work then
// works.
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "guest/cpu/jit/code.h"
#include "tests/fuzz/guest_code.h"
#include "tests/unit/jit_world.h"

enum { PDPT_LEGACY = 0xc000, PD_LEGACY = 0xd000, RUN_NS = 1500000, LATE_NS = 1000000000, DEAD_KICKS = 20 };
enum { RAM_PAGES = 512, AGAIN_AT = 0x5000, PATIENCE = 6 };

static struct world worlds[2];  // whole blocks; one instruction a block
static uint8_t *pristine;

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_guest_code: %s\n", what);
    abort();
}

// --- the machine ------------------------------------------------------------------------------

static uint64_t page_flags(unsigned page)
{
    static const uint64_t kinds[] = {
        PTE_P | PTE_W | PTE_U, PTE_P | PTE_U, 0, PTE_P | PTE_W, PTE_P | PTE_W | PTE_U | PTE_NX, PTE_P,
        PTE_P | PTE_W | PTE_U | PTE_G, PTE_P | PTE_U | PTE_NX,
    };
    return page < WORLD_CODE >> PAGE_BITS ? PTE_P | PTE_W
           : page < WORLD_DATA >> PAGE_BITS ? PTE_P | PTE_W | PTE_U : kinds[page & 7];
}

// The same page table everywhere where addresses end; a large page, a device, another name for code.
static void make_tables(struct world *w)
{
    static const unsigned at_top[] = {0, 255, 256, 511}, in_pdpt[] = {0, 3, 4, 511}, in_pd[] = {0, 511};
    const uint64_t all = PTE_P | PTE_W | PTE_U;
    for (unsigned i = 0; i < ARRAY_SIZE(at_top); i++)
        world_word(w, WORLD_PML4)[at_top[i]] = WORLD_PDPT | all;
    for (unsigned i = 0; i < ARRAY_SIZE(in_pdpt); i++)
        world_word(w, WORLD_PDPT)[in_pdpt[i]] = WORLD_PD | all;
    for (unsigned i = 0; i < ARRAY_SIZE(in_pd); i++)
        world_word(w, WORLD_PD)[in_pd[i]] = WORLD_PT | all;
    world_word(w, WORLD_PD)[1] = all | PTE_PS;
    for (unsigned i = 0; i < RAM_PAGES; i++)
        world_word(w, WORLD_PT)[i] = page_flags(i) | (uint64_t)i << PAGE_BITS;
    world_word(w, WORLD_PT)[0x48] = WORLD_CODE | all;
    world_word(w, WORLD_PT)[0x49] = WORLD_DEVICE | all;
    world_word(w, WORLD_PT)[0x4a] = UINT64_C(0xfee00000) | all;
    world_word(w, WORLD_PT)[0x4b] = UINT64_C(0xff00000000) | all;
    for (unsigned i = 0; i < 4; i++)
        world_word(w, PDPT_LEGACY)[i] = PD_LEGACY | PTE_P;
    world_word(w, PD_LEGACY)[0] = world_word(w, PD_LEGACY)[511] = WORLD_PT | all;
    world_word(w, PD_LEGACY)[1] = all | PTE_PS;
}

static bool pushes_code(unsigned vector)
{
    return vector == EX_DF || (vector >= EX_TS && vector <= EX_PF) || vector == EX_AC;
}

// add rsp, 8 (for an error code); inc qword [rsp]; iretq. What runs where nothing may run begins anew:
//     test byte [rsp], 0x10; jz skip; mov qword [rsp + 8], CODE; jmp out; skip: inc qword [rsp + 8]; out: ...
static void make_stubs_64(struct world *w)
{
    static const uint8_t skip[] = {0x48, 0x83, 0xc4, 0x08, 0x48, 0xff, 0x04, 0x24, 0x48, 0xcf};
    static const uint8_t again[] = {0xf6, 0x04, 0x24, 0x10, 0x74, 0x0b, 0x48, 0xc7, 0x44, 0x24, 0x08, 0x00, 0x00, 0x02, 0x00,
                                    0xeb, 0x05, 0x48, 0xff, 0x44, 0x24, 0x08, 0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf};
    for (unsigned v = 0; v < 256; v++)
        world_stub(w, v, pushes_code(v) ? skip : skip + 4, pushes_code(v) ? 10 : 6);
    int32_t distance = AGAIN_AT - (WORLD_STUBS + EX_PF * WORLD_STUB_BYTES + 5);
    w->ram.host[WORLD_STUBS + EX_PF * WORLD_STUB_BYTES] = 0xe9;
    memcpy(w->ram.host + WORLD_STUBS + EX_PF * WORLD_STUB_BYTES + 1, &distance, 4);
    memcpy(w->ram.host + AGAIN_AT, again, sizeof again);
}

static void make_gates_32(struct world *w)
{
    static const uint8_t skip[] = {0x83, 0xc4, 0x04, 0xff, 0x04, 0x24, 0xcf};
    for (unsigned v = 0; v < 256; v++) {
        uint64_t stub = WORLD_STUBS + v * WORLD_STUB_BYTES;
        world_word(w, WORLD_IDT)[v] = (stub & 0xffff) | 8 << 16 | UINT64_C(0xee00) << 32;
        world_stub(w, v, pushes_code(v) ? skip : skip + 3, pushes_code(v) ? 7 : 4);
    }
}

// push bp; mov bp, sp; inc word [bp + 2]; pop bp; iret
static void make_gates_16(struct world *w)
{
    static const uint8_t skip[] = {0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, 0x5d, 0xcf};
    memcpy(w->ram.host + 0x600, skip, sizeof skip);
    for (unsigned v = 0; v < 256; v++)
        memcpy(w->ram.host + 4 * v, (uint32_t[]){0x600}, 4);
}

static void note_default_signals(void);
static void take_over_signals(void);

static void open_worlds(void)
{
    if (pristine)
        return;
    note_default_signals();
    for (unsigned i = 0; i < 2; i++) {
        worlds[i] = (struct world){.ram_bytes = RAM_PAGES << PAGE_BITS, .one = i, .manual_clock = true, .vcpus = 2,
                                   .cache_bytes = i ? 0 : 4 << 20};
        world_open(&worlds[i]);
    }
    make_tables(&worlds[0]);
    pristine = malloc(RAM_PAGES << PAGE_BITS);
    memcpy(pristine, worlds[0].ram.host, RAM_PAGES << PAGE_BITS);
    take_over_signals();
}

// --- the state to begin with -------------------------------------------------------------------

static void set_segments(struct x86_state *s, uint16_t code_attr, uint32_t limit, uint64_t base)
{
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        s->seg[i] = (struct x86_segment){base, limit, 0x18, 0xc093};
    s->seg[X86_CS] = (struct x86_segment){0, UINT32_MAX, 8, code_attr};
}

static void set_kind(struct world *w, struct x86_state *s, const struct guest_code_header *h)
{
    bool small = h->options & GUEST_CODE_SMALL_SEGMENTS;
    unsigned kind = h->kind % CODE_KINDS;
    world_state(w, s, kind == CODE_64_USER ? 3 : 0);
    s->cr4 |= CR4_FSGSBASE | (h->options & GUEST_CODE_SMAP ? CR4_SMAP | CR4_SMEP : 0);
    if (h->options & GUEST_CODE_NO_SSE)
        s->cr4 &= ~(uint64_t)(CR4_OSFXSR | CR4_OSXSAVE);
    if (kind == CODE_COMPAT_32 || kind == CODE_COMPAT_16 || kind == CODE_LEGACY_32)
        set_segments(s, kind == CODE_COMPAT_16 ? 0x809b : 0xc09b, small ? 0x45fff : UINT32_MAX, small ? 0x1008 : 0);
    if (kind == CODE_LEGACY_32) {
        s->cr3 = PDPT_LEGACY;
        s->efer = EFER_NXE;
        s->idtr.limit = 0x7ff;
        make_gates_32(w);
    }
    if (kind == CODE_REAL) {
        set_segments(s, 0x009b, 0xffff, 0);
        s->cr0 = CR0_ET;
        s->cr4 &= ~(uint64_t)CR4_PAE;
        s->efer = 0;
        s->seg[X86_CS].base = WORLD_CODE;
        s->seg[X86_CS].selector = WORLD_CODE >> 4;
        s->idtr = (struct x86_table){0, 0x3ff};
        make_gates_16(w);
    }
}

static void set_registers(struct x86_state *s, uint64_t seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (unsigned i = 0; i < X86_GPRS; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        s->gpr[i] = random >> 60 < 12 ? guest_code_address(random >> 3) : random >> (random >> 58);
    }
    s->gpr[X86_RSP] = seed & 1 ? WORLD_STACK : s->gpr[X86_RSP];
    s->seg[X86_FS].base = guest_code_address(random ^ random >> 17);
    s->seg[X86_GS].base = guest_code_address(random ^ random >> 23);
    memset(s->xsave, 0, 1024);
    *(uint16_t *)s->xsave = 0x37f;
    *(uint32_t *)(s->xsave + 24) = seed & 2 ? 0x1f80 : 0x1f00;
    s->xsave[512] = XCR0_X87 | XCR0_SSE | XCR0_AVX;
}

static void begin(struct world *w, unsigned index, const struct guest_code_header *h, size_t code_bytes)
{
    struct vcpu *vcpu = w->vcpu[index];
    struct x86_state *s = vcpu->state;
    vcpu->ops->reset(vcpu);
    if (h)
        set_kind(w, s, h);
    else
        world_state(w, s, 0);
    set_registers(s, h ? h->registers + 3 * index : 1);
    unsigned place = h ? h->place : 0;
    uint64_t offset = place & 1 ? PAGE_BYTES - (place >> 1) % 128 : 0;
    if (offset + code_bytes > 3 * PAGE_BYTES || (h && h->kind % CODE_KINDS == CODE_REAL))
        offset = 0;
    s->rip = (s->efer || s->cr0 & CR0_PG ? WORLD_CODE : 0) + offset;
    if (h && h->options & GUEST_CODE_TRAP)
        s->rflags |= FL_TF;
    vcpu->ops->put_state(vcpu);
}

static uint64_t place_of(const struct vcpu *vcpu)
{
    const struct x86_state *s = vcpu->state;
    return s->rip + (s->cr0 & CR0_PG ? 0 : s->seg[X86_CS].base);
}

// --- what must hold -----------------------------------------------------------------------------

// What random code can't come by but from us.
static bool is_ours(const struct world *w, uint64_t value)
{
    const struct code *c = jit_vcpu_of(w->vcpu[0])->jit->code;
    return value - (uint64_t)w->reserved < w->ram_bytes + 2 * (WORLD_GUARD + WORLD_CANARY) ||
           value - (uint64_t)c->writable < c->size_bytes || value - (uint64_t)c->executable < c->size_bytes ||
           value - (uint64_t)w->vcpu[0] < sizeof(struct jit_vcpu) || value - (uint64_t)w->vcpu[1] < sizeof(struct jit_vcpu);
}

static void check_registers(const struct world *w, const struct x86_state *s)
{
    for (unsigned i = 0; i < X86_GPRS; i++)
        check(!is_ours(w, s->gpr[i]), "a register holds an address of the host");
    for (unsigned at = 0; at + 8 <= 832; at += 8) {
        uint64_t value;
        memcpy(&value, s->xsave + at, 8);
        check(!is_ours(w, value), "a vector register holds an address of the host");
    }
}

static void check_state(const struct world *w, const struct x86_state *s)
{
    uint32_t mxcsr;
    memcpy(&mxcsr, s->xsave + 24, 4);
    check(world_canaries_live(w), "something outside guest RAM was written");
    check_registers(w, s);
    check(s->cpl <= 3, "CPL");
    check((s->rflags & (FL_FIXED | 0x8028)) == FL_FIXED, "RFLAGS");
    check(s->rflags >> 22 == 0, "RFLAGS' upper bits");
    check(!(mxcsr >> 16), "MXCSR");
    check(s->run_state <= X86_WAIT_SIPI, "run state");
    check(s->efer & EFER_LMA ? s->cr0 & CR0_PG && s->efer & EFER_LME : true, "LMA without paging");
    bool wide = s->efer & EFER_LMA && s->seg[X86_CS].attr & SEG_L;
    check(wide || s->rip <= UINT32_MAX, "RIP outside 64-bit code");
    check(s->cr0 & CR0_PE || !(s->cr0 & CR0_PG), "paging without protection");
    check(s->cr0 & CR0_PE || s->cpl == 0, "CPL in real mode");
}

// mov rax, [data]; imul rax, rax, 7; push rax; pop rcx; movq xmm0, rcx; paddq xmm0, xmm0; movq [data + 8],
// xmm0; fld1; fistp dword [data + 16]; out 0xf0, al; hlt
static void run_known(struct world *w)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x06, 0x00, 0x48, 0x6b, 0xc0, 0x07, 0x50, 0x59, 0x66, 0x48, 0x0f, 0x6e, 0xc1,
        0x66, 0x0f, 0xd4, 0xc0, 0x66, 0x0f, 0xd6, 0x04, 0x25, 0x08, 0x00, 0x06, 0x00, 0xd9, 0xe8, 0xdb, 0x1c, 0x25,
        0x10, 0x00, 0x06, 0x00, 0xe6, 0xf0, 0xf4,
    };
    memcpy(w->ram.host, pristine, RAM_PAGES << PAGE_BITS);
    make_stubs_64(w);
    memcpy(w->ram.host + WORLD_CODE, code, sizeof code);
    *world_word(w, 0x60000) = 0x123456789;
    begin(w, 0, NULL, sizeof code);
    w->s->gpr[X86_RSP] = 0x61000;
    check(world_run(w) == 0xf0, "a good program did not end");
    check(*world_word(w, 0x60008) == UINT64_C(0x123456789) * 14 && (uint32_t)*world_word(w, 0x60010) == 1,
          "a good program gave wrong results");
}

// --- time ---------------------------------------------------------------------------------------

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct vcpu *running[2];
    struct timespec until;
    clockid_t clock;      // CPU time of the thread that runs vCPU 0
    uint64_t enough_ns;
    bool armed, started;
} timer = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct timespec after_ns(uint64_t ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t sum = t.tv_nsec + ns;
    return (struct timespec){t.tv_sec + sum / 1000000000, sum % 1000000000};
}

static uint64_t time_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void kick_all(void)
{
    for (unsigned i = 0; i < 2; i++)
        if (timer.running[i])
            timer.running[i]->ops->kick(timer.running[i]);
}

// A vCPU that doesn't come back though it is kicked and kicked makes the process end.
static void *time_keeper(void *unused)
{
    pthread_mutex_lock(&timer.lock);
    for (unsigned late = 0, waited = 0;;) {
        if (!timer.armed)
            pthread_cond_wait(&timer.changed, &timer.lock);
        else if (pthread_cond_timedwait(&timer.changed, &timer.lock, &timer.until) == ETIMEDOUT) {
            // On a busy host it may hardly have run; or it is halted.
            bool enough = time_ns(timer.clock) >= timer.enough_ns || ++waited > PATIENCE;
            if (enough) {
                kick_all();
                check(++late < DEAD_KICKS, "a kick does not end it");
            }
            timer.until = after_ns(enough ? LATE_NS : RUN_NS);
            continue;
        }
        late = waited = 0;
    }
    return unused;
}

static void start_time_keeper(void)
{
    if (timer.started)
        return;
    pthread_condattr_t attributes;
    pthread_t thread;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&timer.changed, &attributes);
    check(pthread_create(&thread, NULL, time_keeper, NULL) == 0, "no thread");
    timer.started = true;
}

static void set_timer(struct world *w, unsigned vcpus)
{
    pthread_mutex_lock(&timer.lock);
    timer.armed = w;
    for (unsigned i = 0; i < 2; i++)
        timer.running[i] = w && i < vcpus ? w->vcpu[i] : NULL;
    timer.until = after_ns(RUN_NS);
    pthread_getcpuclockid(pthread_self(), &timer.clock);
    timer.enough_ns = time_ns(timer.clock) + RUN_NS;
    pthread_cond_signal(&timer.changed);
    pthread_mutex_unlock(&timer.lock);
}

// The vCPUs are mappings, in which the leak detector sees no pointers.
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

// --- one input ----------------------------------------------------------------------------------

static void run_one(struct vcpu *vcpu)
{
    uint64_t began = time_ns(CLOCK_THREAD_CPUTIME_ID);
    vcpu->ops->run(vcpu);
    check(time_ns(CLOCK_THREAD_CPUTIME_ID) - began < RUN_NS + LATE_NS, "a kick was served late");
}

// The second vCPU has a thread as long as the process lives: its %gs is set once.
static pthread_barrier_t second_begins, second_ends;
static struct vcpu *second_vcpu;

static void *second_thread(void *unused)
{
    mem_thread_online();
    for (;;) {
        mem_thread_offline();
        pthread_barrier_wait(&second_begins);
        mem_thread_online();
        run_one(second_vcpu);
        mem_thread_offline();
        pthread_barrier_wait(&second_ends);
    }
    return unused;
}

static void start_second_thread(void)
{
    static bool started;
    pthread_t thread;
    if (started)
        return;
    pthread_barrier_init(&second_begins, NULL, 2);
    pthread_barrier_init(&second_ends, NULL, 2);
    check(pthread_create(&thread, NULL, second_thread, NULL) == 0, "no thread");
    started = true;
}

static void run_both(struct world *w, unsigned vcpus)
{
    if (vcpus == 2) {
        second_vcpu = w->vcpu[1];
        start_second_thread();
        pthread_barrier_wait(&second_begins);
    }
    run_one(w->vcpu[0]);
    if (vcpus == 2) {
        mem_thread_offline();
        pthread_barrier_wait(&second_ends);
        mem_thread_online();
    }
}

// libFuzzer sees no coverage of translated code; what the engine did is its substitute.
__attribute__((section("__libfuzzer_extra_counters"), used)) static uint8_t features[32 * 64];

static void note_features(const struct jit_vcpu *v, const uint64_t *before)
{
    const uint64_t *count = (const uint64_t *)&v->count;
    for (unsigned i = 0; i < sizeof v->count / 8 && i < 32; i++) {
        uint64_t done = count[i] - before[i];
        features[i * 64 + (done ? 64 - __builtin_clzll(done) : 0) % 64] = 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct guest_code_header h;
    if (size_bytes <= sizeof h || size_bytes > sizeof h + GUEST_CODE_MAX)
        return -1;
    memcpy(&h, data, sizeof h);
    open_worlds();
    start_time_keeper();
    struct world *w = &worlds[h.options & GUEST_CODE_ONE];
    // %gs of this thread belongs to the last world that ran on it.
    struct jit_vcpu *v = jit_vcpu_of(w->vcpu[0]);
    unsigned vcpus = h.options & GUEST_CODE_TWO_VCPUS && !(h.options & GUEST_CODE_ONE) ? 2 : 1;
    v->thread_ready = false;
    memcpy(w->ram.host, pristine, RAM_PAGES << PAGE_BITS);
    make_stubs_64(w);
    for (unsigned i = 0; i < vcpus; i++)
        begin(w, i, &h, size_bytes);
    memcpy(w->ram.host + place_of(w->vcpu[0]), data + sizeof h, size_bytes - sizeof h);
    w->accesses = 0;
    uint64_t before[sizeof v->count / 8];
    memcpy(before, &v->count, sizeof before);
    set_timer(w, vcpus);
    run_both(w, vcpus);
    set_timer(NULL, 0);
    mem_quiescent();
    for (unsigned i = 0; i < vcpus; i++)
        check_state(w, w->vcpu[i]->state);
    note_features(v, before);
    run_known(w);
    return 0;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size_bytes, size_t max_bytes) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size_bytes, size_t max_bytes, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size_bytes, size_t max_bytes, unsigned seed)
{
    if (max_bytes > sizeof(struct guest_code_header) + GUEST_CODE_MAX)
        max_bytes = sizeof(struct guest_code_header) + GUEST_CODE_MAX;
    if (seed % 4 == 0 || size_bytes <= sizeof(struct guest_code_header))
        return guest_code_generate(data, max_bytes, seed);
    if (seed % 4 == 1)
        return LLVMFuzzerMutate(data, size_bytes, max_bytes);
    guest_code_mutate(data, size_bytes, seed);
    return size_bytes;
}

// --- signals ------------------------------------------------------------------------------------

static const int fault_signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS};
static struct sigaction engines[65], fuzzers[65];

// The engine's handler gives up by restoring the default; then the fuzzer's is to save the input.
static void on_fault(int signal, siginfo_t *info, void *context)
{
    engines[signal].sa_sigaction(signal, info, context);
    struct sigaction now;
    sigaction(signal, NULL, &now);
    if (now.sa_handler == SIG_DFL)
        sigaction(signal, &fuzzers[signal], NULL);
}

static void note_default_signals(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fault_signals); i++)
        sigaction(fault_signals[i], NULL, &fuzzers[fault_signals[i]]);
}

static void take_over_signals(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (unsigned i = 0; i < ARRAY_SIZE(fault_signals); i++) {
        sigaction(fault_signals[i], NULL, &engines[fault_signals[i]]);
        sigaction(fault_signals[i], &action, NULL);
    }
}
