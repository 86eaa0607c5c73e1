// SPDX-License-Identifier: GPL-2.0-or-later
//
// The smallest VM on the real engine: RAM between canaries and guard pages, a device, ports, and
// 64-bit code at privilege level 0 or 3 over page tables that map the first 2 MiB one to one. Every
// gate leads, on a stack of its own, to a stub that a test may replace: `out VECTOR, al; hlt`.
//
// A test runs code on its own thread (world_run) or on vCPU threads (guest/cpu/vcpu.h).
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/cpu/jit/engine.h"
#include "guest/cpu/vcpu.h"

enum {
    WORLD_GDT = 0x1000, WORLD_IDT = 0x2000, WORLD_TSS = 0x3000, WORLD_STUBS = 0x4000, WORLD_IST_TOP = 0x7000,
    WORLD_PML4 = 0x8000, WORLD_PDPT = 0x9000, WORLD_PD = 0xa000, WORLD_PT = 0xb000,
    WORLD_CODE = 0x20000, WORLD_DATA = 0x40000, WORLD_STACK = 0x60000,
    WORLD_STUB_BYTES = 16, WORLD_VCPUS = 4, WORLD_CANARY = 64 << 10, WORLD_GUARD = 1 << 20,
};
enum { WORLD_CS0 = 0x10, WORLD_SS0 = 0x18, WORLD_SS3 = 0x2b, WORLD_CS3 = 0x33, WORLD_TR = 0x40 };
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100 };
#define PTE_NX BIT(63)
#define WORLD_DEVICE UINT64_C(0x80000000)
enum { WORLD_DEVICE_BYTES = 2 * PAGE_BYTES };

struct world_access {
    bool write;
    uint8_t size_bytes;
    uint64_t offset, value;
};
enum { WORLD_ACCESSES = 64 };

struct world {
    uint64_t ram_bytes, cache_bytes;
    unsigned vcpus;
    bool one, manual_clock;
    struct engine_count count;             // its clock is a counted one, then
    const char *cpu;                       // a model; null: max
    void (*touched)(struct world *world);  // when a device or a port is. Set these before world_open
    void (*ferr)(void *world);             // as in struct engine_config

    uint8_t *reserved;
    struct ram ram;
    struct mem *memory, *ports;
    struct clock *clock;
    struct x86_model model;
    struct engine *engine;
    struct vcpu *vcpu[WORLD_VCPUS];
    struct x86_state *s;     // of vCPU 0
    int vector;              // that a stub told; -1: none yet
    unsigned accesses;
    struct world_access access[WORLD_ACCESSES];
    uint64_t answer;         // of the device
};

static inline void world_need(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "jit_world: %s\n", what);
    abort();
}

// --- RAM --------------------------------------------------------------------------------------

static inline uint64_t *world_word(struct world *w, uint64_t gpa) { return (uint64_t *)(w->ram.host + gpa); }

static inline void world_ram(struct world *w)
{
    uint64_t all = w->ram_bytes + 2 * (WORLD_GUARD + WORLD_CANARY);
    w->ram.size_bytes = w->ram_bytes;
    w->ram.fd = memfd_create("world", MFD_CLOEXEC);
    w->reserved = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *inner = w->reserved + WORLD_GUARD;
    mprotect(inner, w->ram_bytes + 2 * WORLD_CANARY, PROT_READ | PROT_WRITE);
    memset(inner, 0xc5, WORLD_CANARY);
    memset(inner + WORLD_CANARY + w->ram_bytes, 0xc5, WORLD_CANARY);
    world_need(ftruncate(w->ram.fd, w->ram_bytes) == 0, "no RAM");
    w->ram.host = mmap(inner + WORLD_CANARY, w->ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, w->ram.fd, 0);
    world_need(w->ram.host != MAP_FAILED, "no RAM");
}

static inline bool world_canaries_live(const struct world *w)
{
    static uint8_t expected[WORLD_CANARY];
    if (!expected[0])
        memset(expected, 0xc5, sizeof expected);
    return !memcmp(w->ram.host - WORLD_CANARY, expected, WORLD_CANARY) &&
           !memcmp(w->ram.host + w->ram_bytes, expected, WORLD_CANARY);
}

// --- devices ----------------------------------------------------------------------------------

static inline void world_touched(struct world *w)
{
    if (w->touched)
        w->touched(w);
}
static inline void world_note(struct world *w, struct world_access a)
{
    world_touched(w);
    if (w->accesses < WORLD_ACCESSES)
        w->access[w->accesses++] = a;
}
static inline uint64_t world_device_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    struct world *w = opaque;
    world_note(w, (struct world_access){false, size_bytes, offset, 0});
    return w->answer;
}
static inline void world_device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    world_note(opaque, (struct world_access){true, size_bytes, offset, value});
}
static inline uint64_t world_port_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    (void)offset, (void)size_bytes;
    world_touched(opaque);
    return UINT64_MAX;
}
static inline void world_port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct world *w = opaque;
    (void)value, (void)size_bytes;
    world_touched(w);
    if (offset >= 256)
        return;
    w->vector = offset;
    w->vcpu[0]->ops->kick(w->vcpu[0]);
}
static const struct mem_ops world_device_ops = {world_device_read, world_device_write};
static const struct mem_ops world_port_ops = {world_port_read, world_port_write};

// --- tables -----------------------------------------------------------------------------------

// The lowest entry for an address in the first 2 MiB.
static inline uint64_t *world_pte(struct world *w, uint64_t va) { return world_word(w, WORLD_PT) + (va >> 12 & 511); }

static inline void world_tables(struct world *w)
{
    *world_word(w, WORLD_PML4) = WORLD_PDPT | PTE_P | PTE_W | PTE_U;
    *world_word(w, WORLD_PDPT) = WORLD_PD | PTE_P | PTE_W | PTE_U;
    *world_word(w, WORLD_PD) = WORLD_PT | PTE_P | PTE_W | PTE_U;
    for (uint64_t gpa = 0; gpa < 2 << 20; gpa += PAGE_BYTES)
        *world_pte(w, gpa) = gpa | PTE_P | PTE_W | (gpa >= WORLD_CODE ? PTE_U : 0);
}

static inline void world_stub(struct world *w, unsigned vector, const void *bytes, size_t size_bytes)
{
    memcpy(w->ram.host + WORLD_STUBS + vector * WORLD_STUB_BYTES, bytes, size_bytes);
}

static inline void world_gates(struct world *w)
{
    for (unsigned v = 0; v < 256; v++) {
        uint64_t stub = WORLD_STUBS + v * WORLD_STUB_BYTES, *gate = world_word(w, WORLD_IDT) + 2 * v;
        world_stub(w, v, (const uint8_t[]){0xe6, v, 0xf4, 0xeb, 0xfd}, 5);
        gate[0] = (stub & 0xffff) | WORLD_CS0 << 16 | UINT64_C(0xee01) << 32;
        gate[1] = 0;
    }
}

static inline void world_gdt(struct world *w)
{
    uint64_t *gdt = world_word(w, WORLD_GDT), ist = WORLD_IST_TOP;
    gdt[1] = UINT64_C(0x00cf9b000000ffff);
    gdt[WORLD_CS0 / 8] = UINT64_C(0x00af9b000000ffff);
    gdt[WORLD_SS0 / 8] = UINT64_C(0x00cf93000000ffff);
    gdt[4] = UINT64_C(0x00cffb000000ffff);
    gdt[WORLD_SS3 / 8] = UINT64_C(0x00cff3000000ffff);
    gdt[WORLD_CS3 / 8] = UINT64_C(0x00affb000000ffff);
    gdt[WORLD_TR / 8] = UINT64_C(0x00008b0000000067) | (uint64_t)WORLD_TSS << 16;
    gdt[WORLD_TR / 8 + 1] = 0;
    memcpy(w->ram.host + WORLD_TSS + 4, &ist, 8);
    memcpy(w->ram.host + WORLD_TSS + 0x24, &ist, 8);
}

// 64-bit code at CODE, on a stack; registers as after reset otherwise.
static inline void world_state(struct world *w, struct x86_state *s, unsigned cpl)
{
    (void)w;
    uint16_t dpl = cpl << SEG_DPL_SHIFT;
    s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    s->cr3 = WORLD_PML4;
    s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_PGE;
    s->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    s->xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    s->cpl = cpl;
    s->gdtr = (struct x86_table){WORLD_GDT, 0x4f};
    s->idtr = (struct x86_table){WORLD_IDT, 0xfff};
    s->tr = (struct x86_segment){WORLD_TSS, 0x67, WORLD_TR, 0x8b};
    s->ldtr = (struct x86_segment){0};
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        s->seg[i] = (struct x86_segment){0, UINT32_MAX, cpl ? WORLD_SS3 : WORLD_SS0, 0xc093 | dpl};
    s->seg[X86_CS] = (struct x86_segment){0, UINT32_MAX, cpl ? WORLD_CS3 : WORLD_CS0, 0xa09b | dpl};
    s->rip = WORLD_CODE;
    s->gpr[X86_RSP] = WORLD_STACK;
    s->rflags = FL_FIXED;
    s->run_state = X86_RUNNING;
}

// --- the machine ------------------------------------------------------------------------------

static inline void world_engine(struct world *w)
{
    struct engine_config config = {.memory = w->memory, .ports = w->ports, .ram = &w->ram, .clock = w->clock,
                                   .model = &w->model, .vcpus = w->vcpus, .count = w->count, .one_instruction_blocks = w->one,
                                   .code_cache_bytes = w->cache_bytes, .ferr = w->ferr, .opaque = w};
    struct err err = {0};
    w->engine = jit_engine_create(&config, &err);
    world_need(w->engine, err.text);
    for (unsigned i = 0; i < w->vcpus; i++) {
        w->vcpu[i] = w->engine->ops->create_vcpu(w->engine, i, &err);
        world_need(w->vcpu[i], err.text);
    }
    w->s = w->vcpu[0]->state;
}

static inline void world_open(struct world *w)
{
    struct err err = {0};
    w->ram_bytes = w->ram_bytes ? w->ram_bytes : 2 << 20;
    w->vcpus = w->vcpus ? w->vcpus : 1;
    w->vector = -1;
    mem_thread_online();
    world_ram(w);
    w->memory = mem_create(UINT64_C(1) << 46);
    w->ports = mem_create(1 << 16);
    w->clock = w->count.on ? clock_create_counted(&err) : w->manual_clock ? clock_create_manual() : clock_create(&err);
    clock_resume(w->clock);
    int failed = mem_add_ram(w->memory, GPA(0), &w->ram, 0, w->ram_bytes, false, &err);
    if (!failed)
        failed = mem_add_io(w->memory, GPA(WORLD_DEVICE), WORLD_DEVICE_BYTES, &world_device_ops, w, "device", &err);
    if (!failed)
        failed = mem_add_io(w->ports, GPA(0), 1 << 16, &world_port_ops, w, "ports", &err);
    if (!failed)
        failed = x86_model_parse(&w->model, w->cpu ? w->cpu : "max", jit_support(), &err);
    world_need(!failed, err.text);
    world_engine(w);
    world_tables(w);
    world_gates(w);
    world_gdt(w);
    world_state(w, w->s, 0);
}

static inline void world_close(struct world *w)
{
    for (unsigned i = 0; i < w->vcpus; i++)
        if (w->vcpu[i])
            w->vcpu[i]->ops->destroy(w->vcpu[i]);
    w->engine->ops->destroy(w->engine);
    mem_destroy(w->memory);
    mem_destroy(w->ports);
    clock_destroy(w->clock);
    munmap(w->reserved, w->ram_bytes + 2 * (WORLD_GUARD + WORLD_CANARY));
    close(w->ram.fd);
    mem_thread_offline();
}

// Until a stub speaks, or the vCPU comes back for another reason. The vector; -1: none.
static inline int world_run(struct world *w)
{
    w->vector = -1;
    while (w->vector < 0 && w->vcpu[0]->ops->run(w->vcpu[0]) == VCPU_EXIT_KICKED)
        mem_quiescent();
    return w->vector;
}
