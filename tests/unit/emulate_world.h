// SPDX-License-Identifier: GPL-2.0-or-later
//
// The emulator's world in a unit test: one flat megabyte of linear addresses, pages of which can be
// taken away, and an access layer (guest/cpu/jit/access.h) that keeps its promises about faults:
// whatever an instruction raised, registers, rip and rflags are as at its start or last commit.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "guest/cpu/jit/emu_vec_host.h"
#include "guest/cpu/jit/emulate.h"

enum { WORLD_BYTES = 1 << 20, WORLD_PAGES = WORLD_BYTES >> PAGE_BITS, NOT_RAISED = -1, SHUT_DOWN = -2 };
enum { PAGE_READ_ONLY = 1, PAGE_ABSENT = 2, PAGE_SUPERVISOR = 4, PAGE_DEVICE = 8 };

struct jit_vcpu {
    struct x86_state state;
    struct x86_model model;
    struct apic apic;
    struct apic_bus *bus;
    struct clock *clock;
    struct mem *memory, *ports;
    uint8_t *bytes;
    uint64_t origin;  // linear address of bytes[0]
    uint8_t page[WORLD_PAGES];
    jmp_buf out;
    int vector;
    uint32_t code;
    struct { uint64_t gpr[X86_GPRS], rip, rflags; } committed;
    unsigned commits, mode_changes, flushes_all, flushes_nonglobal, flushes_keyed, checks;
    uint64_t flushed_page;
    bool halted;
    unsigned stores;
    uint64_t port_value, port_written;
    uint16_t port;
    uint64_t tsc;
    _Alignas(64) uint8_t vectors[X86_XSAVE_BYTES];  // the "host's" vector registers, as XSAVE would write them
    bool vectors_saved;                // they are in the state
    struct vec_host *vec_host;
    gva_t opened;                      // by jit_open
    unsigned opened_bytes;
    _Alignas(64) uint8_t operand[2 * OPERAND_BYTES_MAX];
};

struct x86_state *jit_state(struct jit_vcpu *v) { return &v->state; }
const struct x86_model *jit_model(struct jit_vcpu *v) { return &v->model; }
struct apic *jit_apic(struct jit_vcpu *v) { return &v->apic; }
struct mem *jit_ports(struct jit_vcpu *v) { return v->ports; }
struct mem *jit_memory(struct jit_vcpu *v) { return v->memory; }
struct clock *jit_clock(struct jit_vcpu *v) { return v->clock; }
uint64_t jit_guest_tsc(struct jit_vcpu *v) { return v->tsc; }
bool jit_is_counted(struct jit_vcpu *v) { return (void)v, false; }
void jit_mode_changed(struct jit_vcpu *v) { v->mode_changes++; }
void jit_flush_all(struct jit_vcpu *v) { v->flushes_all++; }
void jit_breakpoints_port(struct jit_vcpu *v, uint16_t port, unsigned size_bytes) { (void)v, (void)port, (void)size_bytes; }
void jit_flush_nonglobal(struct jit_vcpu *v) { v->flushes_nonglobal++; }
void jit_flush_keyed(struct jit_vcpu *v) { v->flushes_keyed++; }
void jit_flush_page(struct jit_vcpu *v, gva_t at) { v->flushed_page = at.u; }
void jit_check_interrupts(struct jit_vcpu *v) { v->checks++; }
void jit_halt(struct jit_vcpu *v) { v->halted = true; }
void jit_monitor(struct jit_vcpu *v, gva_t at) { jit_load(v, at, 1, JIT_AS_CPL, false); }
void jit_mwait(struct jit_vcpu *v, bool by_masked) { (void)by_masked, v->halted = true; }

void jit_vectors_save(struct jit_vcpu *v)
{
    if (!v->vectors_saved)
        memcpy(v->state.xsave, v->vectors, sizeof v->vectors);
    v->vectors_saved = true;
}

void jit_vectors_load(struct jit_vcpu *v)
{
    if (v->vectors_saved)
        memcpy(v->vectors, v->state.xsave, sizeof v->vectors);
    v->vectors_saved = false;
}

void jit_commit(struct jit_vcpu *v)
{
    memcpy(v->committed.gpr, v->state.gpr, sizeof v->state.gpr);
    v->committed.rip = v->state.rip;
    v->committed.rflags = v->state.rflags;
    v->commits++;
}

_Noreturn void jit_raise(struct jit_vcpu *v, unsigned vector, uint32_t error_code)
{
    memcpy(v->state.gpr, v->committed.gpr, sizeof v->state.gpr);
    v->state.rip = v->committed.rip;
    v->state.rflags = v->committed.rflags;
    v->vector = vector;
    v->code = error_code;
    longjmp(v->out, 1);
}

_Noreturn void jit_shutdown(struct jit_vcpu *v)
{
    v->vector = SHUT_DOWN;
    longjmp(v->out, 1);
}

static uint8_t *world_at(struct jit_vcpu *v, uint64_t at, bool write, enum jit_as as, bool stack)
{
    if ((uint64_t)((int64_t)(at << 16) >> 16) != at)
        jit_raise(v, stack ? EX_SS : EX_GP, 0);
    uint64_t offset = at - v->origin;
    uint8_t flags = offset < WORLD_BYTES ? v->page[offset >> PAGE_BITS] : PAGE_ABSENT;
    bool user = as == JIT_AS_USER || (as == JIT_AS_CPL && v->state.cpl == 3);
    if ((flags & PAGE_ABSENT) || (write && (flags & PAGE_READ_ONLY)) || (user && (flags & PAGE_SUPERVISOR))) {
        v->state.cr2 = at;
        jit_raise(v, EX_PF, (flags & PAGE_ABSENT ? 0 : PF_PRESENT) | (write ? PF_WRITE : 0) | (user ? PF_USER : 0));
    }
    return v->bytes + offset;
}

uint64_t jit_load(struct jit_vcpu *v, gva_t at, unsigned size, enum jit_as as, bool stack)
{
    uint64_t value = 0;
    for (unsigned n = 0; n < size; n++)
        value |= (uint64_t)*world_at(v, at.u + n, false, as, stack) << 8 * n;
    return value;
}

void jit_check_store(struct jit_vcpu *v, gva_t at, unsigned size, enum jit_as as, bool stack)
{
    for (unsigned n = 0; n < size; n++)
        world_at(v, at.u + n, true, as, stack);
}

void jit_store(struct jit_vcpu *v, gva_t at, uint64_t value, unsigned size, enum jit_as as, bool stack)
{
    jit_check_store(v, at, size, as, stack);
    v->stores++;
    for (unsigned n = 0; n < size; n++)
        *world_at(v, at.u + n, true, as, stack) = value >> 8 * n;
}

void jit_load_bytes(struct jit_vcpu *v, gva_t at, void *bytes, size_t size, enum jit_as as)
{
    for (size_t n = 0; n < size; n++)
        ((uint8_t *)bytes)[n] = *world_at(v, at.u + n, false, as, false);
}

void jit_store_bytes(struct jit_vcpu *v, gva_t at, const void *bytes, size_t size, enum jit_as as)
{
    for (size_t n = 0; n < size; n++)
        world_at(v, at.u + n, true, as, false);
    v->stores++;
    for (size_t n = 0; n < size; n++)
        *world_at(v, at.u + n, true, as, false) = ((const uint8_t *)bytes)[n];
}

void *jit_open(struct jit_vcpu *v, gva_t at, unsigned size, bool read, bool write, bool stack)
{
    uint8_t *operand = v->operand + (at.u & 63);
    (void)read;
    for (unsigned n = 0; n < size; n++)
        operand[n] = *world_at(v, at.u + n, write, JIT_AS_CPL, stack);
    v->opened = at;
    v->opened_bytes = size;
    return operand;
}

void jit_close(struct jit_vcpu *v)
{
    jit_store_bytes(v, v->opened, v->operand + (v->opened.u & 63), v->opened_bytes, JIT_AS_CPL);
}

// The guest's vector registers are the host's while the function runs.
static uint32_t call_with_vectors(vec_host_function *function, struct jit_vcpu *v, void *memory, uint32_t flags)
{
    struct { uint64_t *gpr; void *memory; uint64_t flags; uint8_t *vectors; vec_host_function *function; uint32_t mxcsr; }
        call = {v->state.gpr, memory, flags, v->vectors, function, 0x1f80};
    __asm__ volatile("sub $136, %%rsp\n\t"  // the red zone
                     "mov 24(%%rbx), %%rcx\n\tmov $7, %%eax\n\txor %%edx, %%edx\n\txrstor64 (%%rcx)\n\t"
                     "mov (%%rbx), %%rdi\n\tmov 8(%%rbx), %%rsi\n\tmov 16(%%rbx), %%rdx\n\tcall *32(%%rbx)\n\t"
                     "mov %%rax, 16(%%rbx)\n\t"
                     "mov 24(%%rbx), %%rcx\n\tmov $7, %%eax\n\txor %%edx, %%edx\n\txsave64 (%%rcx)\n\tfninit\n\t"
                     "vzeroall\n\tldmxcsr 40(%%rbx)\n\tadd $136, %%rsp"
                     : : "b"(&call)
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc", "st", "st(1)",
                       "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return call.flags;
}

// A test that expects the host to raise something installs a handler that uses vec_host_after_fault.
void jit_run_on_host(struct jit_vcpu *v, const struct insn *insn, void *memory)
{
    uint64_t f = v->state.rflags;
    uint32_t flags = (f & (FL_SF | FL_ZF | FL_AF | FL_PF | FL_CF)) << 8 | FL_FIXED << 8 | (f & FL_OF ? 1 : 0);
    vec_host_function *function = vec_host_make(v->vec_host, insn);
    assert_non_null(function);
    jit_vectors_load(v);
    flags = call_with_vectors(function, v, memory, flags);
    if (flags & VEC_HOST_RAISED)
        jit_raise(v, flags & 0xff, 0);
    v->state.rflags = (f & ~(uint64_t)FL_ARITH) | (flags >> 8 & FL_ARITH & ~FL_OF) | (flags & 1 ? FL_OF : 0);
}

uint8_t *jit_span(struct jit_vcpu *v, gva_t at, bool write, enum jit_as as, size_t *size)
{
    uint8_t *host = world_at(v, at.u, write, as, false);
    *size = PAGE_BYTES - (at.u & (PAGE_BYTES - 1));
    return v->page[(at.u - v->origin) >> PAGE_BITS] & PAGE_DEVICE ? NULL : host;
}

bool jit_cmpxchg(struct jit_vcpu *v, gva_t at, void *expected, const void *desired, unsigned size,
                 enum jit_as as)
{
    uint8_t held[16];
    jit_check_store(v, at, size, as, false);
    jit_load_bytes(v, at, held, size, as);
    bool equal = !memcmp(held, expected, size);
    if (equal)
        jit_store_bytes(v, at, desired, size, as);
    else
        memcpy(expected, held, size);
    return equal;
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct jit_vcpu *v = opaque;
    v->port = offset;
    return v->port_value & size_mask(size);
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct jit_vcpu *v = opaque;
    v->port = offset;
    v->port_written = value & size_mask(size);
}

static const struct mem_ops world_ports = {port_read, port_write};
static void world_wake(void *opaque) { (void)opaque; }
static void world_eoi(void *opaque, uint8_t vector) { (void)opaque, (void)vector; }
static const struct apic_ops world_apic = {world_wake, world_eoi};

static struct jit_vcpu *world_create(uint64_t origin)
{
    struct err err = {0};
    struct jit_vcpu *v = aligned_alloc(64, sizeof *v);
    memset(v, 0, sizeof *v);
    v->origin = origin;
    v->vec_host = vec_host_create(&err);
    int fixed = origin ? MAP_FIXED_NOREPLACE : 0;
    v->bytes = mmap(origin ? (void *)origin : NULL, WORLD_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
    assert_ptr_not_equal(v->bytes, MAP_FAILED);
    mem_thread_online();
    v->clock = clock_create_manual();
    v->memory = mem_create(UINT64_C(1) << 46);
    v->ports = mem_create(65536);
    assert_int_equal(mem_add_io(v->ports, GPA(0), 65536, &world_ports, v, "ports", &err), 0);
    v->bus = apic_bus_create(1);
    x86_reset(&v->state, 0, false);
    apic_init(&v->apic, v->bus, &v->state, v->clock, 1000000000, &world_apic, v);
    struct x86_support all;
    memset(&all, 0xff, sizeof all);
    all.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    assert_int_equal(x86_model_parse(&v->model, "max", &all, &err), 0);
    return v;
}

static void world_destroy(struct jit_vcpu *v)
{
    apic_finish(&v->apic);
    apic_bus_destroy(v->bus);
    mem_destroy(v->memory);
    mem_destroy(v->ports);
    clock_destroy(v->clock);
    vec_host_destroy(v->vec_host);
    munmap(v->bytes, WORLD_BYTES);
    free(v);
}

static inline void world_put(struct jit_vcpu *v, uint64_t at, uint64_t value, unsigned size)
{
    memcpy(v->bytes + (at - v->origin), &value, size);
}

static inline uint64_t world_get(struct jit_vcpu *v, uint64_t at, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, v->bytes + (at - v->origin), size);
    return value;
}

static inline enum insn_mode world_mode(const struct jit_vcpu *v)
{
    const struct x86_state *s = &v->state;
    if ((s->efer & EFER_LMA) && (s->seg[X86_CS].attr & SEG_L))
        return INSN_64;
    return s->seg[X86_CS].attr & SEG_DB ? INSN_32 : INSN_16;
}

// Executes one instruction, given by its bytes. The vector that it raised, or NOT_RAISED.
static inline int world_run(struct jit_vcpu *v, const uint8_t *bytes, size_t size)
{
    struct insn insn;
    if (insn_decode(&insn, bytes, size, world_mode(v)))
        return EX_UD;
    v->vector = NOT_RAISED;
    jit_commit(v);
    if (!setjmp(v->out))
        jit_emulate(v, &insn);
    jit_vectors_load(v);
    return v->vector;
}
#define RUN(v, ...) world_run(v, (const uint8_t[]){__VA_ARGS__}, sizeof (const uint8_t[]){__VA_ARGS__})

static inline int world_deliver(struct jit_vcpu *v, enum jit_event kind, unsigned vector, uint32_t code)
{
    v->vector = NOT_RAISED;
    jit_commit(v);
    if (!setjmp(v->out))
        jit_deliver(v, kind, vector, code);
    return v->vector;
}

// Tables of a small kernel at fixed places: GDT, IDT, TSS, stacks.
enum { GDT = 0x1000, IDT = 0x2000, TSS = 0x3000, TSS2 = 0x3800, LDT = 0x4000, STACK0 = 0x10000, STACK3 = 0x20000,
       IST1 = 0x18000, CODE = 0x8000, HANDLER = 0x9000 };
enum { SEL_CODE0 = 0x08, SEL_DATA0 = 0x10, SEL_CODE3 = 0x1b, SEL_DATA3 = 0x23, SEL_TSS = 0x28,
       SEL_CODE64 = 0x38, SEL_CODE64_3 = 0x43, SEL_TSS2 = 0x48, SEL_GATE = 0x50, SEL_CONFORMING = 0x60,
       SEL_ABSENT = 0x68, SEL_LDT = 0x70, SEL_CODE16 = 0x80, SEL_DATA16 = 0x88, GDT_LIMIT = 0xff };

static inline uint64_t descriptor(uint32_t base, uint32_t limit, uint16_t attr)
{
    if (attr & SEG_G)
        limit >>= 12;
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)attr << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(base >> 24) << 56;
}

static inline struct x86_segment hidden(uint16_t selector, uint32_t limit, uint16_t attr)
{
    return (struct x86_segment){.selector = selector, .limit = limit, .attr = attr};
}

static inline void gate(struct jit_vcpu *v, unsigned vector, uint16_t selector, uint64_t offset, unsigned type,
                 unsigned dpl, unsigned ist)
{
    bool wide = v->state.efer & EFER_LMA;
    uint64_t at = IDT + vector * (wide ? 16 : 8);
    world_put(v, at, (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
              (uint64_t)(0x80 | dpl << 5 | type) << 40 | (offset >> 16 & 0xffff) << 48, 8);
    if (wide)
        world_put(v, at + 8, offset >> 32, 8);
}

static inline void world_tables(struct jit_vcpu *v)
{
    struct x86_state *s = &v->state;
    const uint64_t gdt[] = {
        [SEL_CODE0 >> 3] = descriptor(0, 0xffffffff, 0xc09b), [SEL_DATA0 >> 3] = descriptor(0, 0xffffffff, 0xc093),
        [SEL_CODE3 >> 3] = descriptor(0, 0xffffffff, 0xc0fb), [SEL_DATA3 >> 3] = descriptor(0, 0xffffffff, 0xc0f3),
        [SEL_TSS >> 3] = descriptor(TSS, 0x1ff, 0x89), [SEL_CODE64 >> 3] = descriptor(0, 0xffffffff, 0xa09b),
        [SEL_CODE64_3 >> 3] = descriptor(0, 0xffffffff, 0xa0fb), [SEL_TSS2 >> 3] = descriptor(TSS2, 0x67, 0x89),
        [SEL_CONFORMING >> 3] = descriptor(0, 0xffffffff, 0xc09f),
        [SEL_ABSENT >> 3] = descriptor(0, 0xffffffff, 0xc013), [SEL_LDT >> 3] = descriptor(LDT, 0xff, 0x82),
        [SEL_CODE16 >> 3] = descriptor(0, 0xffff, 0x9b), [SEL_DATA16 >> 3] = descriptor(0, 0xffff, 0x93),
    };
    for (unsigned n = 0; n < ARRAY_SIZE(gdt); n++)
        world_put(v, GDT + 8 * n, gdt[n], 8);
    s->gdtr = (struct x86_table){GDT, GDT_LIMIT};
    s->idtr = (struct x86_table){IDT, 0xfff};
    s->tr = (struct x86_segment){.base = TSS, .limit = 0x1ff, .selector = SEL_TSS, .attr = 0x8b};
    s->rflags = FL_FIXED;
    s->rip = CODE;
}

static inline void world_level(struct jit_vcpu *v, unsigned cpl)
{
    struct x86_state *s = &v->state;
    bool wide = s->efer & EFER_LMA;
    unsigned dpl = cpl << SEG_DPL_SHIFT;
    s->cpl = cpl;
    s->seg[X86_CS] = hidden(wide ? (cpl ? SEL_CODE64_3 : SEL_CODE64) : (cpl ? SEL_CODE3 : SEL_CODE0), 0xffffffff,
                            (wide ? 0xa09b : 0xc09b) | dpl);
    for (unsigned n = 0; n < X86_SEGMENTS; n++)
        if (n != X86_CS)
            s->seg[n] = hidden(cpl ? SEL_DATA3 : SEL_DATA0, 0xffffffff, 0xc093 | dpl);
    s->gpr[X86_RSP] = cpl ? STACK3 : STACK0;
}

// 32-bit protected mode, flat.
static inline struct jit_vcpu *world_protected(unsigned cpl)
{
    struct jit_vcpu *v = world_create(0);
    v->state.cr0 = CR0_PE | CR0_ET | CR0_NE;
    world_tables(v);
    world_level(v, cpl);
    world_put(v, TSS + 4, STACK0, 4);
    world_put(v, TSS + 8, SEL_DATA0, 4);
    return v;
}

static inline struct jit_vcpu *world_long(unsigned cpl)
{
    struct jit_vcpu *v = world_create(0);
    v->state.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP;
    v->state.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXSAVE | CR4_FSGSBASE;
    v->state.efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    v->state.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    world_tables(v);
    world_level(v, cpl);
    world_put(v, TSS + 4, STACK0, 8);
    world_put(v, TSS + 0x24, IST1, 8);
    return v;
}

// 64-bit user code with nothing around it.
static inline void world_tables_long_user(struct jit_vcpu *v)
{
    v->state.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP;
    v->state.cr4 = CR4_PAE | CR4_OSFXSR;
    v->state.efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    world_level(v, 3);
    v->state.rip = v->origin;
}

static inline struct jit_vcpu *world_real(void)
{
    struct jit_vcpu *v = world_create(0);
    struct x86_state *s = &v->state;
    s->cr0 = CR0_ET;
    for (unsigned n = 0; n < X86_SEGMENTS; n++)
        s->seg[n] = hidden(0, 0xffff, 0x93);
    s->idtr = (struct x86_table){0, 0x3ff};
    s->rflags = FL_FIXED;
    s->rip = CODE;
    s->gpr[X86_RSP] = 0x7000;
    s->cpl = 0;
    return v;
}
