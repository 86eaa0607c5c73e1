// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/guest.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "guest/cpu/jit/engine.h"
#include "guest/cpu/jit/vcpu.h"
#include "guest/mem/mem.h"

// Guest-physical memory. What the kernel would have is mapped at KERNEL too, for level 0.
enum {
    GDT_AT = 0x1000, IDT_AT = 0x2000, TSS_AT = 0x3000, STUBS_AT = 0x4000, STACK_AT = 0x5000,
    TABLES_AT = 0x10000, TABLES_END = 0x40000, DATA_AT = 0x40000, CODE_AT = 0x200000,
    INTERRUPT_STACK_AT = 0x7000, GUEST_RAM_BYTES = 16 << 20,
};
#define KERNEL UINT64_C(0xffff800000000000)
enum { KERNEL_CS = 0x10, KERNEL_SS = 0x18, USER_SS = 0x2b, USER_CS = 0x33, TSS_SELECTOR = 0x40 };
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4 };
#define PTE_NX BIT(63)
enum { VECTORS = 256, STUB_BYTES = 8, INTERRUPT_VECTOR = 0x40 };
enum { RUN_LIMIT_NS = 20000 };  // of a counted guest, which is as many instructions

struct guest {
    struct guest_options options;
    struct mem *memory, *ports;
    struct ram ram;
    struct clock *clock;
    struct x86_model model;
    struct engine *engine;
    struct vcpu *vcpu;
    struct x86_state *start;  // with tables and control registers set
    uint64_t tables_end, code_next;
    uint64_t *window_ptes[IMAGE_PAGES], *alias_ptes[CODE_PAGES];
    int vector;               // that a stub told; -1: none yet

    struct interruption *interruption;  // of this run; null: none
    bool interrupt_waits;
    struct clock_timer interrupt, limit;
    uint64_t began_ns, ended_ns;

    pthread_t watchdog;
    pthread_mutex_t lock;     // what the watchdog looks at
    pthread_cond_t ending;
    bool end, running, too_late;
    unsigned ticks;
};

const struct x86_support *guest_support(void)
{
    return jit_support();
}

static uint64_t *table_at(struct guest *g, uint64_t gpa)
{
    return (uint64_t *)(g->ram.host + gpa);
}

// The entry for address in the lowest table, made on the way.
static uint64_t *pte_of(struct guest *g, uint64_t address)
{
    uint64_t table = TABLES_AT;
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table_at(g, table)[address >> shift & 511];
        if (!*entry && g->tables_end < TABLES_END) {
            *entry = g->tables_end | PTE_P | PTE_W | PTE_U;
            g->tables_end += PAGE_BYTES;
        }
        table = *entry & ~UINT64_C(0xfff);
    }
    return &table_at(g, table)[address >> 12 & 511];
}

static void make_tables(struct guest *g)
{
    g->tables_end = TABLES_AT + PAGE_BYTES;
    for (uint64_t gpa = 0; gpa < TABLES_AT; gpa += PAGE_BYTES)
        *pte_of(g, KERNEL + gpa) = gpa | PTE_P | PTE_W;
    unsigned page = 0;
    for (unsigned w = 0; w < WINDOWS; w++)
        for (unsigned i = 0; i < windows[w].pages; i++)
            g->window_ptes[page++] = pte_of(g, windows[w].address + i * PAGE_BYTES);
    for (unsigned i = 0; i < CODE_PAGES; i++)
        g->alias_ptes[i] = pte_of(g, ALIAS_ADDRESS + i * PAGE_BYTES);
}

static void make_gdt(struct guest *g)
{
    uint64_t *gdt = table_at(g, GDT_AT), tss = KERNEL + TSS_AT;
    gdt[KERNEL_CS / 8] = UINT64_C(0x00af9b000000ffff);
    gdt[KERNEL_SS / 8] = UINT64_C(0x00cf93000000ffff);
    gdt[USER_SS / 8] = UINT64_C(0x00cff3000000ffff);
    gdt[USER_CS / 8] = UINT64_C(0x00affb000000ffff);
    gdt[TSS_SELECTOR / 8] = 0x67 | (tss & 0xffffff) << 16 | UINT64_C(0x8b) << 40 | (tss >> 24 & 0xff) << 56;
    gdt[TSS_SELECTOR / 8 + 1] = tss >> 32;
    uint64_t ist = KERNEL + STACK_AT + PAGE_BYTES;
    memcpy(g->ram.host + TSS_AT + 0x24, &ist, 8);  // IST1
    ist = KERNEL + INTERRUPT_STACK_AT + PAGE_BYTES;
    memcpy(g->ram.host + TSS_AT + 0x2c, &ist, 8);  // IST2
}

// out vector, al; hlt. Gates of level 3 so that int3 works, all on IST1.
static void make_gates(struct guest *g)
{
    for (unsigned v = 0; v < VECTORS; v++) {
        uint64_t stub = KERNEL + STUBS_AT + v * STUB_BYTES, *gate = table_at(g, IDT_AT) + 2 * v;
        const uint8_t code[STUB_BYTES] = {0xe6, v, 0xf4, 0xeb, 0xfd};
        memcpy(g->ram.host + STUBS_AT + v * STUB_BYTES, code, sizeof code);
        gate[0] = (stub & 0xffff) | KERNEL_CS << 16 | UINT64_C(0xee01) << 32 | (stub >> 16 & 0xffff) << 48;
        gate[1] = stub >> 32;
    }
    static const uint8_t handler[HANDLER_INSTRUCTIONS * 2] = {0xe6, INTERRUPT_VECTOR, 0x48, 0xcf};  // out; iretq
    memcpy(g->ram.host + STUBS_AT + INTERRUPT_VECTOR * STUB_BYTES, handler, sizeof handler);
    table_at(g, IDT_AT)[2 * INTERRUPT_VECTOR] += UINT64_C(1) << 32;  // IST2
}

static struct x86_segment segment(const struct guest *g, uint16_t selector, uint16_t attr)
{
    unsigned level = g->options.supervisor ? 0 : 3;
    return (struct x86_segment){.limit = UINT32_MAX, .selector = selector, .attr = attr | level << SEG_DPL_SHIFT};
}

static void prepare_state(struct guest *g)
{
    struct x86_state *s = g->start;
    *s = *g->vcpu->state;
    s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    s->cr3 = TABLES_AT;
    s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    s->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    s->xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    s->cpl = g->options.supervisor ? 0 : 3;
    s->gdtr = (struct x86_table){KERNEL + GDT_AT, 0x4f};
    s->idtr = (struct x86_table){KERNEL + IDT_AT, 0xfff};
    s->tr = (struct x86_segment){KERNEL + TSS_AT, 0x67, TSS_SELECTOR, 0x8b};
    s->ldtr = (struct x86_segment){0};
    uint16_t data = g->options.supervisor ? KERNEL_SS : USER_SS;
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        s->seg[i] = segment(g, i == X86_SS ? data : 0, 0xc093);  // Linux has null selectors in the others
    s->seg[X86_CS] = segment(g, g->options.supervisor ? KERNEL_CS : USER_CS, 0xa09b);
    s->seg[X86_GS].base = GS_BASE;
}

// What an exception or interrupt pushed, but for an error code: RIP, CS, RFLAGS, RSP, SS.
static void read_frame(struct guest *g, uint64_t stack, struct registers *r)
{
    const uint64_t *top = (const uint64_t *)(g->ram.host + stack + PAGE_BYTES);
    r->rip = top[-5];
    r->rflags = top[-3];
    r->gpr[X86_RSP] = top[-2];
}

static void read_registers(const struct guest *g, struct registers *r)
{
    memcpy(r->gpr, g->vcpu->state->gpr, sizeof r->gpr);
    memcpy(r->xsave, g->vcpu->state->xsave, XSAVE_USED_BYTES);
}

static uint64_t page_gpa(const struct guest *g, unsigned page)
{
    return page < CODE_PAGES ? g->code_next + page * PAGE_BYTES : DATA_AT + page * PAGE_BYTES;
}

static void read_image(struct guest *g, uint8_t *image)
{
    for (unsigned page = 0; page < IMAGE_PAGES; page++)
        memcpy(image + page * PAGE_BYTES, g->ram.host + page_gpa(g, page), PAGE_BYTES);
}

static void note_interruption(struct guest *g)
{
    struct outcome *at = &g->interruption->at;
    g->interruption->came = true;
    read_registers(g, &at->registers);
    read_frame(g, INTERRUPT_STACK_AT, &at->registers);
    read_image(g, at->image);
}

// A stub speaks: its port's number is the vector.
static void vector_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    (void)value, (void)size_bytes;
    struct guest *g = opaque;
    if (offset == INTERRUPT_VECTOR && g->interruption) {
        note_interruption(g);
        return;
    }
    g->vector = offset;
    g->ended_ns = clock_now_ns(g->clock);
    g->vcpu->ops->kick(g->vcpu);
}

static uint64_t vector_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    (void)opaque, (void)offset, (void)size_bytes;
    return UINT64_MAX;
}

static const struct mem_ops vector_ops = {vector_read, vector_write};

static void set_interrupt(struct guest *g, bool waits)
{
    g->interrupt_waits = waits;
    g->engine->ops->pic_intr(g->engine, waits);
}

static int acknowledge(void *opaque)
{
    struct guest *g = opaque;
    if (!g->interrupt_waits)
        return -1;
    set_interrupt(g, false);
    return INTERRUPT_VECTOR;
}

static void interrupt_now(struct clock_timer *timer)
{
    set_interrupt((struct guest *)((char *)timer - offsetof(struct guest, interrupt)), true);
}

static void too_many(struct clock_timer *timer)
{
    struct guest *g = (struct guest *)((char *)timer - offsetof(struct guest, limit));
    g->too_late = true;
    g->vcpu->ops->kick(g->vcpu);
}

static void ignore_eoi(void *opaque, uint8_t vector) { (void)opaque, (void)vector; }

static void stop_engine(struct guest *g)
{
    if (g->vcpu)
        g->vcpu->ops->destroy(g->vcpu);
    if (g->engine)
        g->engine->ops->destroy(g->engine);
    g->vcpu = NULL;
    g->engine = NULL;
}

static int start_engine(struct guest *g, struct err *err)
{
    struct engine_config config = {
        .memory = g->memory, .ports = g->ports, .ram = &g->ram, .clock = g->clock, .model = &g->model,
        .vcpus = 1, .pic_acknowledge = acknowledge, .eoi = ignore_eoi, .opaque = g,
        .one_instruction_blocks = g->options.one_instruction_blocks, .count.on = g->options.counted,
    };
    pthread_mutex_lock(&g->lock);
    stop_engine(g);
    g->engine = jit_engine_create(&config, err);
    g->vcpu = g->engine ? g->engine->ops->create_vcpu(g->engine, 0, err) : NULL;
    pthread_mutex_unlock(&g->lock);
    if (!g->vcpu)
        return -1;
    g->code_next = CODE_AT;
    prepare_state(g);
    return 0;
}

// Kicks a vCPU that has been at one program for seconds.
static void *watch(void *opaque)
{
    struct guest *g = opaque;
    pthread_mutex_lock(&g->lock);
    while (!g->end) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&g->ending, &g->lock, &until);
        if (g->running && ++g->ticks > 2) {
            g->too_late = true;
            g->vcpu->ops->kick(g->vcpu);
        }
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static int start_watchdog(struct guest *g)
{
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->ending, NULL);
    return pthread_create(&g->watchdog, NULL, watch, g);
}

static int make_machine(struct guest *g, struct err *err)
{
    int code = ram_open(&g->ram, GUEST_RAM_BYTES, err);
    if (code < 0)
        return code;
    g->memory = mem_create(UINT64_C(1) << 46);
    g->ports = mem_create(1 << 16);
    g->clock = g->options.counted ? clock_create_counted(err) : clock_create_manual();
    clock_resume(g->clock);
    clock_timer_init(&g->interrupt, g->clock, interrupt_now);
    clock_timer_init(&g->limit, g->clock, too_many);
    code = mem_add_ram(g->memory, GPA(0), &g->ram, 0, GUEST_RAM_BYTES, false, err);
    if (code == 0)
        code = mem_add_io(g->ports, GPA(0), VECTORS, &vector_ops, g, "vector", err);
    return code < 0 ? code : x86_model_parse(&g->model, "max", jit_support(), err);
}

struct guest *guest_create(const struct guest_options *options, struct err *err)
{
    struct guest *g = calloc(1, sizeof *g);
    g->options = *options;
    g->start = aligned_alloc(_Alignof(struct x86_state), sizeof *g->start);
    mem_thread_online();
    if (make_machine(g, err) < 0)
        return NULL;
    make_tables(g);
    make_gdt(g);
    make_gates(g);
    return start_watchdog(g) == 0 && start_engine(g, err) == 0 ? g : NULL;
}

void guest_destroy(struct guest *guest)
{
    pthread_mutex_lock(&guest->lock);
    guest->end = true;
    pthread_cond_signal(&guest->ending);
    pthread_mutex_unlock(&guest->lock);
    pthread_join(guest->watchdog, NULL);
    stop_engine(guest);
    mem_destroy(guest->memory);
    mem_destroy(guest->ports);
    clock_destroy(guest->clock);
    ram_close(&guest->ram);
    free(guest->start);
    free(guest);
}

static void place_image(struct guest *g, const uint8_t *image)
{
    unsigned page = 0;
    for (unsigned w = 0; w < WINDOWS; w++)
        for (unsigned i = 0; i < windows[w].pages; i++, page++) {
            uint64_t gpa = page_gpa(g, page);
            memcpy(g->ram.host + gpa, image + page * PAGE_BYTES, PAGE_BYTES);
            *g->window_ptes[page] = gpa | PTE_P | PTE_U | (windows[w].writable ? PTE_W : 0) |
                                    (windows[w].executable ? 0 : PTE_NX);
        }
    for (unsigned i = 0; i < CODE_PAGES; i++)
        *g->alias_ptes[i] = page_gpa(g, i) | PTE_P | PTE_U | PTE_W | PTE_NX;
}

static void place_registers(struct guest *g, const struct registers *r)
{
    struct x86_state *s = g->vcpu->state;
    *s = *g->start;
    memcpy(s->gpr, r->gpr, sizeof s->gpr);
    memcpy(s->xsave, r->xsave, XSAVE_USED_BYTES);
    s->rip = r->rip;
    s->rflags = r->rflags;
    g->vcpu->ops->put_state(g->vcpu);
}

static void set_running(struct guest *g, bool running)
{
    pthread_mutex_lock(&g->lock);
    g->running = running;
    g->ticks = 0;
    pthread_mutex_unlock(&g->lock);
}

static void run_to_stub(struct guest *g)
{
    enum vcpu_exit why = VCPU_EXIT_KICKED;
    g->vector = -1;
    g->too_late = false;
    jit_vcpu_of(g->vcpu)->thread_ready = false;  // there may be another guest on this thread
    set_running(g, true);
    while (g->vector < 0 && why == VCPU_EXIT_KICKED && !g->too_late) {
        why = g->vcpu->ops->run(g->vcpu);
        mem_quiescent();
    }
    set_running(g, false);
    g->vcpu->ops->get_state(g->vcpu);
}

static bool has_error_code(unsigned vector)
{
    return vector == EX_DF || (vector >= EX_TS && vector <= EX_PF) || vector == EX_AC;
}

static void read_exception(struct guest *g, struct outcome *o)
{
    const uint64_t *top = (const uint64_t *)(g->ram.host + STACK_AT + PAGE_BYTES);
    read_frame(g, STACK_AT, &o->registers);
    o->error_code = has_error_code(o->vector) ? top[-6] : 0;
    o->cr2 = o->vector == EX_PF ? g->vcpu->state->cr2 : 0;
}

void guest_run(struct guest *guest, const struct program *program, const uint8_t image[IMAGE_BYTES],
               struct outcome *outcome)
{
    if (guest->code_next + CODE_PAGES * PAGE_BYTES > GUEST_RAM_BYTES && start_engine(guest, NULL) < 0)
        abort();
    place_image(guest, image);
    place_registers(guest, &program->start);
    run_to_stub(guest);
    *outcome = (struct outcome){.vector = guest->vector >= 0 ? guest->vector
                                          : guest->too_late  ? OUTCOME_TIMEOUT : OUTCOME_DIED};
    read_registers(guest, &outcome->registers);
    if (guest->vector >= 0)
        read_exception(guest, outcome);
    read_image(guest, outcome->image);
    guest->code_next += CODE_PAGES * PAGE_BYTES;
}

void guest_run_interrupted(struct guest *g, const struct program *program, const uint8_t image[IMAGE_BYTES],
                           struct outcome *outcome, struct interruption *interruption)
{
    g->interruption = interruption;
    interruption->came = false;
    g->began_ns = clock_now_ns(g->clock);
    clock_timer_arm(&g->interrupt, g->began_ns + interruption->after);
    clock_timer_arm(&g->limit, g->began_ns + RUN_LIMIT_NS);
    guest_run(g, program, image, outcome);
    clock_timer_cancel(&g->interrupt);
    clock_timer_cancel(&g->limit);
    set_interrupt(g, false);
    g->interruption = NULL;
}

uint64_t guest_executed(const struct guest *g)
{
    return g->ended_ns - g->began_ns;
}
