// SPDX-License-Identifier: GPL-2.0-or-later
//
// The KVM engine against a real /dev/kvm, with guests of a few instructions: run by
// tests/guest/nested-kvm where the host has none. Prints "N passed, N failed".
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/cpu/kvm/engine.h"
#include "guest/cpu/vcpu.h"

enum { RAM_BYTES = 16 << 20, CODE = 0x1000, STACK = 0x8000, TABLES = 0x10000, GDT = 0x18000, IDT = 0x19000 };
enum { MMIO = 0xd0000000u };
enum { PORT_LOG = 0xe9, PORT_DONE = 0x80, PORT_IN = 0x40 };
enum { VECTOR = 0x41, DEADLINE_S = 30 };

// ---- guest code; each ends with a byte to PORT_DONE and a loop

extern const char real_begin[], real_end[], mmio_begin[], mmio_end[], irq_begin[], irq_end[],
    irq_handler[], spin_begin[], spin_end[], steps_begin[], steps_end[], fault_begin[],
    fault_end[], ap_begin[], ap_end[], ap_code[];
__asm__(
    ".section .rodata\n"
    "real_begin: .code16\n"
    "  mov $text - real_begin + 0x1000, %si\n mov $3, %cx\n mov $0xe9, %dx\n rep outsb\n"
    "  in $0x40, %ax\n mov %al, %bl\n mov %ah, %al\n out %al, $0xe9\n mov %bl, %al\n"
    "  out %al, $0x80\n 1: jmp 1b\n text: .ascii \"abc\"\n real_end:\n"
    ".code64\n"
    "mmio_begin: mov $0xd0000000, %edi\n movabs $0x1122334455667788, %rax\n mov %rax, (%rdi)\n"
    "  mov %eax, 8(%rdi)\n mov %al, 0x21(%rdi)\n mov 0x10(%rdi), %ax\n out %al, $0x80\n 1: jmp 1b\n mmio_end:\n"
    // The local APIC on (SVR), then wait for interrupts; the handler ends them.
    "irq_begin: mov $0xfee00000, %ebx\n movl $0x1ff, 0xf0(%rbx)\n"
    "  mov $'r', %al\n out %al, $0x80\n 1: sti\n hlt\n jmp 1b\n"
    "irq_handler: mov $'i', %al\n out %al, $0xe9\n movl $0, 0xb0(%rbx)\n"
    "  mov $'d', %al\n out %al, $0x80\n iretq\n irq_end:\n"
    "spin_begin: 1: inc %rax\n jmp 1b\n spin_end:\n"
    "steps_begin: nop\n inc %rax\n inc %rax\n inc %rax\n mov %rax, 0x5000\n int3\n"
    "  1: jmp 1b\n steps_end:\n"
    "fault_begin: lidt none - fault_begin + 0x1000\n ud2\n none: .fill 10, 1, 0\n fault_end:\n"
    // Starts the other CPU (INIT, SIPI to vector 2) and waits for its mark.
    "ap_begin: mov $0xfee00000, %ebx\n movl $0x1ff, 0xf0(%rbx)\n movl $0x1000000, 0x310(%rbx)\n"
    "  movl $0x4500, 0x300(%rbx)\n movl $0x4602, 0x300(%rbx)\n 1: pause\n cmpb $'x', 0x5000\n jne 1b\n"
    "  mov $'2', %al\n out %al, $0x80\n 1: jmp 1b\n ap_end:\n"
    "ap_code: .code16\n movb $'x', %cs:0x3000\n 1: hlt\n jmp 1b\n"
    ".code64\n.previous\n");

// ---- the world around the engine

static struct world {
    struct mem *memory, *ports;
    struct ram ram;
    struct clock *clock;
    struct x86_model model;
    struct engine *engine;
    struct vcpu *vcpu[2];
    unsigned vcpus;
    char log[64];
    unsigned log_bytes;
    struct { uint64_t offset, value; unsigned size; } writes[8];
    unsigned write_count;
    atomic_int done, ended_vector;
    atomic_bool intr;
    atomic_int shutdowns, debugs, failures;
} w;

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    return offset == PORT_IN && size == 2 ? 0x5a59 : UINT64_MAX;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)opaque, (void)size;
    if (offset == PORT_LOG && w.log_bytes < sizeof w.log - 1)
        w.log[w.log_bytes++] = value;
    if (offset == PORT_DONE)
        atomic_store(&w.done, value);
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    return offset == 0x10 && size == 2 ? 0x3344 : UINT64_MAX;
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)opaque;
    if (w.write_count < ARRAY_SIZE(w.writes))
        w.writes[w.write_count++] = (typeof(w.writes[0])){offset, value, size};
}

static const struct mem_ops port_ops = {port_read, port_write}, mmio_ops = {mmio_read, mmio_write};

static int acknowledge(void *opaque)
{
    (void)opaque;
    if (!atomic_exchange(&w.intr, false))
        return -1;
    w.engine->ops->pic_intr(w.engine, false);
    return VECTOR;
}

static void ended(void *opaque, uint8_t vector) { (void)opaque, atomic_store(&w.ended_vector, vector); }
static void on_shutdown(void *o, struct vcpu *v) { (void)o, (void)v, atomic_fetch_add(&w.shutdowns, 1); }
static void on_debug(void *o, struct vcpu *v) { (void)o, (void)v, atomic_fetch_add(&w.debugs, 1); }
static void on_failed(void *o, struct vcpu *v) { (void)o, (void)v, atomic_fetch_add(&w.failures, 1); }

static void must(bool right, const char *what, const char *why)
{
    if (right)
        return;
    printf("%s: %s\n", what, why);
    exit(125);
}

static void create_engine(unsigned vcpus)
{
    struct err err = {0};
    struct engine_config config = {.memory = w.memory, .ports = w.ports, .ram = &w.ram, .clock = w.clock,
                                   .model = &w.model, .vcpus = vcpus, .pic_acknowledge = acknowledge,
                                   .eoi = ended};
    w.engine = kvm_engine_create(&config, &err);
    must(w.engine, "engine", err.text);
    struct vcpu_events events = {on_shutdown, on_debug, on_failed, NULL};
    w.vcpus = vcpus;
    for (unsigned i = 0; i < vcpus; i++) {
        w.vcpu[i] = w.engine->ops->create_vcpu(w.engine, i, &err);
        must(w.vcpu[i], "vCPU", err.text);
        must(!vcpu_start(w.vcpu[i], &events, &err), "vCPU", err.text);
    }
}

static void destroy_engine(void)
{
    for (unsigned i = 0; i < w.vcpus; i++)
        vcpu_destroy(w.vcpu[i]);
    w.engine->ops->destroy(w.engine);
}

static void set_up(unsigned vcpus)
{
    struct err err = {0};
    memset(&w, 0, sizeof w);
    w.memory = mem_create(UINT64_C(1) << 40);
    w.ports = mem_create(65536);
    must(!ram_open(&w.ram, RAM_BYTES, &err), "RAM", err.text);
    must(!mem_add_ram(w.memory, GPA(0), &w.ram, 0, RAM_BYTES, false, &err), "RAM", err.text);
    must(!mem_add_io(w.memory, GPA(MMIO), 4096, &mmio_ops, NULL, "mmio", &err), "MMIO", err.text);
    must(!mem_add_io(w.ports, GPA(0), 256, &port_ops, NULL, "ports", &err), "ports", err.text);
    w.clock = clock_create(&err);
    must(w.clock, "clock", err.text);
    const struct x86_support *support = kvm_support(&err);
    must(support, "KVM", err.text);
    must(!x86_model_parse(&w.model, "max", support, &err), "model", err.text);
    create_engine(vcpus);
    clock_resume(w.clock);
}

static void tear_down(void)
{
    destroy_engine();
    clock_destroy(w.clock);
    mem_destroy(w.memory);
    mem_destroy(w.ports);
    ram_close(&w.ram);
}

static void load(const char *begin, const char *end)
{
    memcpy(w.ram.host + CODE, begin, end - begin);
}

static void start_real_mode(struct vcpu *v)
{
    v->state->seg[X86_CS].base = v->state->seg[X86_CS].selector = 0;
    v->state->rip = CODE;
    v->ops->put_state(v);
}

// The first 4 GiB one to one, in 2M pages.
static void write_page_tables(void)
{
    uint64_t *table = (uint64_t *)(w.ram.host + TABLES);
    table[0] = (TABLES + 0x1000) | 3;
    for (unsigned i = 0; i < 4; i++)
        table[512 + i] = (TABLES + 0x2000 + i * 0x1000) | 3;
    for (uint64_t i = 0; i < 2048; i++)
        table[1024 + i] = i << 21 | 0x83;
}

static void write_gate(unsigned vector, uint64_t handler)
{
    uint64_t gate[2] = {(handler & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 | handler >> 16 << 48, 0};
    memcpy(w.ram.host + IDT + vector * 16, gate, sizeof gate);
}

static void start_long_mode(struct vcpu *v)
{
    static const uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};
    struct x86_state *s = v->state;
    memcpy(w.ram.host + GDT, gdt, sizeof gdt);
    write_page_tables();
    s->gdtr = (struct x86_table){GDT, sizeof gdt - 1};
    s->idtr = (struct x86_table){IDT, 4095};
    s->cr3 = TABLES;
    s->cr4 = CR4_PAE;
    s->efer = EFER_LME | EFER_LMA;
    s->cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP;
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        s->seg[i] = (struct x86_segment){0, UINT32_MAX, 16, SEG_P | SEG_S | SEG_DB | SEG_G | 3};
    s->seg[X86_CS] = (struct x86_segment){0, UINT32_MAX, 8, SEG_P | SEG_S | SEG_L | SEG_G | 0xb};
    s->rip = CODE;
    s->gpr[X86_RSP] = STACK;
    v->ops->put_state(v);
}

static bool until(atomic_int *what, int value)
{
    time_t end = time(NULL) + DEADLINE_S;
    while (atomic_load(what) != value && time(NULL) < end)
        usleep(1000);
    return atomic_load(what) == value;
}

static void pause_and_wait(struct vcpu *v)
{
    vcpu_pause(v);
    vcpu_wait_paused(v);
}

// ---- the claims

#define CHECK(condition)                                                                \
    do {                                                                                \
        if (!(condition)) {                                                             \
            printf("  line %d: %s\n", __LINE__, #condition);                            \
            return false;                                                               \
        }                                                                               \
    } while (0)

static bool real_mode_reaches_ports(void)
{
    load(real_begin, real_end);
    start_real_mode(w.vcpu[0]);
    vcpu_resume(w.vcpu[0]);
    CHECK(until(&w.done, 0x59));
    CHECK(!strcmp(w.log, "abcZ"));
    return true;
}

static bool mmio_comes_in_the_guests_sizes(void)
{
    load(mmio_begin, mmio_end);
    start_long_mode(w.vcpu[0]);
    vcpu_resume(w.vcpu[0]);
    CHECK(until(&w.done, 0x44));
    CHECK(w.write_count == 3);
    CHECK(w.writes[0].size == 8 && w.writes[0].value == 0x1122334455667788 && w.writes[0].offset == 0);
    CHECK(w.writes[1].size == 4 && w.writes[1].value == 0x55667788 && w.writes[1].offset == 8);
    CHECK(w.writes[2].size == 1 && w.writes[2].value == 0x88 && w.writes[2].offset == 0x21);
    return true;
}

static bool ready_for_interrupts(void)
{
    load(irq_begin, irq_end);
    write_gate(VECTOR, CODE + (irq_handler - irq_begin));
    start_long_mode(w.vcpu[0]);
    vcpu_resume(w.vcpu[0]);
    CHECK(until(&w.done, 'r'));
    usleep(20000);
    return true;
}

static bool an_msi_wakes_a_halted_cpu(void)
{
    CHECK(ready_for_interrupts());
    w.engine->ops->msi(w.engine, 0xfee00000, VECTOR);
    CHECK(until(&w.done, 'd'));
    CHECK(!strcmp(w.log, "i"));
    CHECK(atomic_load(&w.ended_vector) == 0);
    return true;
}

static bool the_end_of_a_level_interrupt_is_told(void)
{
    CHECK(ready_for_interrupts());
    w.engine->ops->msi(w.engine, 0xfee00000, VECTOR | 1 << 15);
    CHECK(until(&w.ended_vector, VECTOR));
    CHECK(until(&w.done, 'd'));
    return true;
}

static bool the_8259_interrupts_a_halted_cpu(void)
{
    CHECK(ready_for_interrupts());
    atomic_store(&w.intr, true);
    w.engine->ops->pic_intr(w.engine, true);
    CHECK(until(&w.done, 'd'));
    CHECK(!strcmp(w.log, "i"));
    return true;
}

static bool pausing_stops_a_busy_guest(void)
{
    load(spin_begin, spin_end);
    start_long_mode(w.vcpu[0]);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t before = w.vcpu[0]->state->gpr[X86_RAX];
        vcpu_resume(w.vcpu[0]);
        usleep(5000);
        pause_and_wait(w.vcpu[0]);
        CHECK(w.vcpu[0]->state->gpr[X86_RAX] > before);
    }
    return true;
}

static bool pausing_stops_a_halted_guest(void)
{
    CHECK(ready_for_interrupts());
    pause_and_wait(w.vcpu[0]);
    CHECK(w.vcpu[0]->state->run_state == X86_HALTED);
    w.engine->ops->msi(w.engine, 0xfee00000, VECTOR);
    vcpu_resume(w.vcpu[0]);
    CHECK(until(&w.done, 'd'));
    return true;
}

static bool a_state_survives_put_and_get(void)
{
    struct vcpu *v = w.vcpu[0];
    struct x86_state *s = v->state;
    start_long_mode(v);
    for (unsigned i = 0; i < X86_GPRS; i++)
        s->gpr[i] = UINT64_C(0x0123456789abcdef) * (i + 1);
    s->lstar = 0xffffffff81000000, s->star = 0x23001000000000, s->kernel_gs_base = 0xffff888000000000;
    s->cr2 = 0xdeadbeef000;
    s->xcr0 = w.model.xcr0;
    memset(s->xsave + 160, 0x5a, 256);
    s->xsave[512] |= 3;
    s->apic.svr = 0x1ff, s->apic.irr[4] = 2, s->apic.lvt[5] = 0x10400;
    s->dr[0] = 0x1234, s->nmi_pending = 1, s->tsc_offset -= 1000000;
    struct x86_state wanted = *s;
    v->ops->put_state(v);
    memset(s->gpr, 0, sizeof s->gpr);
    memset(s->xsave, 0, sizeof s->xsave);
    s->lstar = s->star = s->kernel_gs_base = s->cr2 = s->dr[0] = s->tsc_offset = 0;
    s->apic.svr = s->apic.irr[4] = s->nmi_pending = 0;
    v->ops->get_state(v);
    CHECK(!memcmp(s->gpr, wanted.gpr, sizeof s->gpr));
    CHECK(s->rip == wanted.rip && s->efer == wanted.efer && s->cr0 == wanted.cr0 && s->cr4 == wanted.cr4);
    CHECK(s->lstar == wanted.lstar && s->star == wanted.star && s->kernel_gs_base == wanted.kernel_gs_base);
    CHECK(s->cr2 == wanted.cr2 && s->xcr0 == wanted.xcr0 && s->dr[0] == wanted.dr[0]);
    CHECK(!memcmp(s->xsave + 160, wanted.xsave + 160, 256));
    CHECK(s->apic.svr == 0x1ff && s->apic.irr[4] == 2 && s->apic.lvt[5] == 0x10400 && s->nmi_pending);
    CHECK(s->tsc_offset == wanted.tsc_offset);
    CHECK(!memcmp(&s->seg, &wanted.seg, sizeof s->seg));
    return true;
}

static bool a_state_goes_on_in_another_vm(void)
{
    CHECK(ready_for_interrupts());
    pause_and_wait(w.vcpu[0]);
    struct x86_state saved = *w.vcpu[0]->state;
    destroy_engine();
    create_engine(1);
    *w.vcpu[0]->state = saved;
    w.vcpu[0]->ops->put_state(w.vcpu[0]);
    vcpu_resume(w.vcpu[0]);
    w.engine->ops->msi(w.engine, 0xfee00000, VECTOR | 1 << 15);
    CHECK(until(&w.done, 'd'));
    CHECK(until(&w.ended_vector, VECTOR));
    return true;
}

static bool a_level_interrupt_on_its_way_survives_too(void)
{
    CHECK(ready_for_interrupts());
    pause_and_wait(w.vcpu[0]);
    struct x86_state saved = *w.vcpu[0]->state;
    destroy_engine();
    create_engine(1);
    saved.apic.irr[VECTOR / 32] |= 1u << VECTOR % 32;
    saved.apic.tmr[VECTOR / 32] |= 1u << VECTOR % 32;
    *w.vcpu[0]->state = saved;
    w.vcpu[0]->ops->put_state(w.vcpu[0]);
    vcpu_resume(w.vcpu[0]);
    CHECK(until(&w.ended_vector, VECTOR));
    return true;
}

static bool a_triple_fault_is_a_shutdown(void)
{
    load(fault_begin, fault_end);
    start_long_mode(w.vcpu[0]);
    vcpu_resume(w.vcpu[0]);
    CHECK(until(&w.shutdowns, 1));
    CHECK(vcpu_is_paused(w.vcpu[0]));
    load(spin_begin, spin_end);
    vcpu_reset(w.vcpu[0]);
    CHECK(w.vcpu[0]->state->rip == 0xfff0);
    start_long_mode(w.vcpu[0]);
    vcpu_resume(w.vcpu[0]);
    usleep(5000);
    pause_and_wait(w.vcpu[0]);
    CHECK(w.vcpu[0]->state->gpr[X86_RAX] > 0);
    return true;
}

static bool run_to_debug_event(const struct vcpu_debug *debug)
{
    int before = atomic_load(&w.debugs);
    w.vcpu[0]->ops->set_debug(w.vcpu[0], debug);
    vcpu_resume(w.vcpu[0]);
    CHECK(until(&w.debugs, before + 1));
    vcpu_wait_paused(w.vcpu[0]);
    return true;
}

// Only steps: TCG, under which this test runs where the host has no KVM, intercepts no INT3 of a nested
// guest and arms nothing that VMRUN loads into DR7. tests/unit/test_kvm_debug.c has the rest.
static bool a_debugger_steps(void)
{
    struct vcpu *v = w.vcpu[0];
    load(steps_begin, steps_end);
    start_long_mode(v);
    for (unsigned i = 0; i < 4; i++) {
        CHECK(run_to_debug_event(&(struct vcpu_debug){.single_step = true}));
        CHECK(v->debug_hit.step);
        CHECK(v->state->rip == CODE + 1 + 3 * i && v->state->gpr[X86_RAX] == i);
    }
    return true;
}

static bool the_guests_own_int3_stays_its_own(void)
{
    struct vcpu *v = w.vcpu[0];
    load(steps_begin, steps_end);
    memcpy(w.ram.host + 0x4000, irq_handler, irq_end - irq_handler);
    write_gate(EX_BP, 0x4000);
    start_long_mode(v);
    v->state->gpr[X86_RBX] = MMIO;
    v->ops->put_state(v);
    struct vcpu_debug points = {.count = 6};
    for (unsigned i = 0; i < 6; i++)
        points.points[i] = (typeof(points.points[0])){GVA(0x6000 + i), 1, VCPU_BREAK_EXEC};
    v->ops->set_debug(v, &points);
    vcpu_resume(v);
    CHECK(until(&w.done, 'd'));
    CHECK(atomic_load(&w.debugs) == 0);
    return true;
}

static bool one_cpu_starts_the_other(void)
{
    load(ap_begin, ap_end);
    memcpy(w.ram.host + 0x2000, ap_code, 64);
    start_long_mode(w.vcpu[0]);
    vcpu_resume(w.vcpu[1]);
    vcpu_resume(w.vcpu[0]);
    CHECK(until(&w.done, '2'));
    pause_and_wait(w.vcpu[0]);
    pause_and_wait(w.vcpu[1]);
    CHECK(w.vcpu[1]->state->run_state == X86_HALTED);
    return true;
}

static const struct { const char *name; bool (*run)(void); unsigned vcpus; } claims[] = {
#define CLAIM(name, vcpus) {#name, name, vcpus}
    CLAIM(real_mode_reaches_ports, 1), CLAIM(mmio_comes_in_the_guests_sizes, 1),
    CLAIM(an_msi_wakes_a_halted_cpu, 1), CLAIM(the_end_of_a_level_interrupt_is_told, 1),
    CLAIM(the_8259_interrupts_a_halted_cpu, 1), CLAIM(pausing_stops_a_busy_guest, 1),
    CLAIM(pausing_stops_a_halted_guest, 1), CLAIM(a_state_survives_put_and_get, 1),
    CLAIM(a_state_goes_on_in_another_vm, 1), CLAIM(a_level_interrupt_on_its_way_survives_too, 1),
    CLAIM(a_triple_fault_is_a_shutdown, 1), CLAIM(a_debugger_steps, 1),
    CLAIM(the_guests_own_int3_stays_its_own, 1),
    CLAIM(one_cpu_starts_the_other, 2),
};

int main(void)
{
    unsigned failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    mem_thread_online();
    for (unsigned i = 0; i < ARRAY_SIZE(claims); i++) {
        set_up(claims[i].vcpus);
        bool right = claims[i].run();
        failed += !right;
        printf("%s %s\n", right ? "ok    " : "FAILED", claims[i].name);
        tear_down();
    }
    printf("%zu passed, %u failed\n", ARRAY_SIZE(claims) - failed, failed);
    return failed != 0;
}
