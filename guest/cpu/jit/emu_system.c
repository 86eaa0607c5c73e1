// SPDX-License-Identifier: GPL-2.0-or-later
//
// Model-specific registers, CPUID, time, halting, hypercalls.
#include "base/log.h"
#include "guest/cpu/jit/emu_ops.h"
#include "guest/cpu/x86/msr.h"
#include "guest/cpu/x86/pvclock.h"

static void set_edx_eax(struct x86_state *s, uint64_t value)
{
    emu_set_reg(s, X86_RAX, value, 4);
    emu_set_reg(s, X86_RDX, value >> 32, 4);
}

static uint64_t edx_eax(const struct x86_state *s)
{
    return s->gpr[X86_RDX] << 32 | (uint32_t)s->gpr[X86_RAX];
}

void emu_hlt(struct emu *e)
{
    emu_need_cpl0(e);
    jit_halt(e->v);
}

void emu_rdmsr(struct emu *e)
{
    uint64_t value;
    emu_need_cpl0(e);
    emu_leave_house(e);
    if (x86_msr_read(e->s, jit_model(e->v), jit_apic(e->v), e->s->gpr[X86_RCX], &value) == X86_MSR_FAULT)
        emu_gp(e);
    set_edx_eax(e->s, value);
}

enum { MSR_WALL_CLOCK_OLD = 0x11, MSR_APIC_BASE = 0x1b, MSR_WALL_CLOCK = 0x4b564d00 };
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u

static void update_clock(struct emu *e)
{
    pvclock_update(e->s, jit_memory(e->v), jit_clock(e->v), jit_model(e->v)->tsc_hz);
}

static void clock_written(struct emu *e, uint32_t index)
{
    if (index == MSR_WALL_CLOCK || index == MSR_WALL_CLOCK_OLD)
        pvclock_wall_clock(e->s, jit_memory(e->v), jit_clock(e->v));
    else
        update_clock(e);
}

static void msr_written(struct emu *e, uint32_t index, enum x86_msr_result result)
{
    switch (result) {
    case X86_MSR_MODE:
        jit_flush_all(e->v);
        jit_mode_changed(e->v);
        break;
    case X86_MSR_CLOCK:
        clock_written(e, index);
        break;
    case X86_MSR_TSC:
        apic_tsc_changed(jit_apic(e->v));
        update_clock(e);
        break;
    default:
        break;
    }
    if (index == MSR_FS_BASE || index == MSR_GS_BASE)
        jit_mode_changed(e->v);
    if (index == MSR_APIC_BASE)
        jit_flush_all(e->v);  // the APIC's page moves
}

void emu_wrmsr(struct emu *e)
{
    uint32_t index = e->s->gpr[X86_RCX];
    emu_need_cpl0(e);
    emu_leave_house(e);
    enum x86_msr_result result =
        x86_msr_write(e->s, jit_model(e->v), jit_apic(e->v), index, edx_eax(e->s));
    if (result == X86_MSR_FAULT)
        emu_gp(e);
    msr_written(e, index, result);
    jit_check_interrupts(e->v);  // an EOI or a lower TPR lets the next one in
}

static void need_tsc(struct emu *e)
{
    if ((e->s->cr4 & CR4_TSD) && e->s->cpl)
        emu_gp(e);
}

void emu_rdtsc(struct emu *e)
{
    need_tsc(e);
    set_edx_eax(e->s, jit_guest_tsc(e->v));
}

void emu_rdtscp(struct emu *e)
{
    emu_need_feature(e, X86_80000001_EDX, 27);
    need_tsc(e);
    set_edx_eax(e->s, jit_guest_tsc(e->v));
    emu_set_reg(e->s, X86_RCX, e->s->tsc_aux, 4);
}

void emu_rdpid(struct emu *e)
{
    emu_need_feature(e, X86_7_ECX, 22);
    emu_set_reg(e->s, e->i->op[0].reg, e->s->tsc_aux, emu_64bit(e->s) ? 8 : 4);
}

// No performance counters: every index is out of range.
void emu_rdpmc(struct emu *e)
{
    emu_gp(e);
}

void emu_cpuid(struct emu *e)
{
    struct x86_state *s = e->s;
    emu_leave_house(e);
    struct x86_cpuid leaf = x86_cpuid(jit_model(e->v), s, s->gpr[X86_RAX], s->gpr[X86_RCX]);
    emu_set_reg(s, X86_RAX, leaf.eax, 4);
    emu_set_reg(s, X86_RBX, leaf.ebx, 4);
    emu_set_reg(s, X86_RCX, leaf.ecx, 4);
    emu_set_reg(s, X86_RDX, leaf.edx, 4);
}

static void need_monitor(struct emu *e)
{
    emu_need_feature(e, X86_1_ECX, 3);
    if (e->s->cpl)
        emu_ud(e);
}

// RCX and RDX are what extensions and hints would be in.
static uint64_t extensions(const struct emu *e)
{
    return e->s->gpr[X86_RCX] & size_mask(emu_64bit(e->s) ? 8 : 4);
}

void emu_monitor(struct emu *e)
{
    need_monitor(e);
    if (extensions(e))
        emu_gp(e);
    uint64_t offset = e->s->gpr[X86_RAX] & size_mask(e->i->address_bytes);
    jit_monitor(e->v, emu_linear(e, e->i->segment, offset, 1, false));
}

// Bit 0: interrupts end it though IF is clear (CPUID 5.ECX[1]).
void emu_mwait(struct emu *e)
{
    need_monitor(e);
    if (extensions(e) & ~UINT64_C(1))
        emu_gp(e);
    jit_mwait(e->v, extensions(e) & 1);
}

// KVM's calling convention (Linux: Documentation/virt/kvm/x86/hypercalls.rst); none is offered.
void emu_hypercall(struct emu *e)
{
    enum { KVM_EPERM = 1, KVM_ENOSYS = 1000 };
    if (!jit_model(e->v)->hypervisor)
        emu_ud(e);
    int64_t result = e->s->cpl ? -KVM_EPERM : -KVM_ENOSYS;
    emu_set_reg(e->s, X86_RAX, result, emu_64bit(e->s) ? 8 : 4);
}

static void set_ac(struct emu *e, bool on)
{
    emu_need_feature(e, X86_7_EBX, 20);
    if (e->s->cpl || emu_v86(e->s))
        emu_ud(e);
    e->s->rflags = on ? e->s->rflags | FL_AC : e->s->rflags & ~(uint64_t)FL_AC;
    jit_mode_changed(e->v);
}

void emu_stac(struct emu *e)
{
    set_ac(e, true);
}

void emu_clac(struct emu *e)
{
    set_ac(e, false);
}

static void put_random(struct emu *e, uint64_t value, bool valid)
{
    emu_put(e, 0, valid ? value : 0);
    emu_set_flags(e->s, valid ? FL_CF : 0);
}

void emu_rdrand(struct emu *e)
{
    uint64_t value;
    bool valid;
    emu_need_feature(e, X86_1_ECX, 30);
    asm volatile("rdrand %0" : "=r"(value), "=@ccc"(valid));
    put_random(e, value, valid);
}

void emu_rdseed(struct emu *e)
{
    uint64_t value;
    bool valid;
    emu_need_feature(e, X86_7_EBX, 18);
    asm volatile("rdseed %0" : "=r"(value), "=@ccc"(valid));
    put_random(e, value, valid);
}

// Faults as a load does, but touches no device.
void emu_clflush(struct emu *e)
{
    size_t size;
    jit_span(e->v, emu_address(e, 1, false), false, JIT_AS_CPL, &size);
}

// The line is written as one; a fault comes before its first byte.
void emu_clzero(struct emu *e)
{
    static const uint8_t zeros[64];
    emu_need_feature(e, X86_80000008_EBX, 0);
    gva_t at = emu_linear(e, e->i->segment, e->s->gpr[X86_RAX] & size_mask(e->i->address_bytes), 1, true);
    jit_store_bytes(e->v, GVA(at.u & ~UINT64_C(63)), zeros, sizeof zeros, JIT_AS_CPL);
}

// A store that may pass others, which a plain one need not.
void emu_movdiri(struct emu *e)
{
    emu_need_feature(e, X86_7_ECX, 27);
    emu_put(e, 0, emu_get(e, 1));
}

static void store_line(uint8_t *to, const uint8_t *from)
{
    asm volatile("movdir64b (%1), %0" : : "r"(to), "r"(from) : "memory");
}

// 64 bytes at once, where they are RAM; to a device as eight stores. ES can't be overridden (SDM volume 2).
void emu_movdir64b(struct emu *e)
{
    uint8_t line[64];
    size_t size;
    emu_need_feature(e, X86_7_ECX, 28);
    uint64_t offset = e->s->gpr[e->i->op[0].reg] & size_mask(e->i->address_bytes);
    gva_t to = emu_linear(e, X86_ES, offset, sizeof line, true);
    jit_load_bytes(e->v, emu_address(e, sizeof line, false), line, sizeof line, JIT_AS_CPL);
    if (to.u % sizeof line)
        emu_gp(e);  // behind what the load raises, as AMD's CPUs do
    uint8_t *host = jit_span(e->v, to, true, JIT_AS_CPL, &size);
    if (host)
        store_line(host, line);
    else
        jit_store_bytes(e->v, to, line, sizeof line, JIT_AS_CPL);
}

// What comes behind waits for all that came before (SDM volume 3, 9.3). Code that was stored to is another by now:
// the store itself saw to that.
void emu_serialize(struct emu *e)
{
    emu_need_feature(e, X86_7_EDX, 14);
    asm volatile("mfence\n\tlfence" : : : "memory");
}

void emu_ud_op(struct emu *e)
{
    emu_ud(e);
}

// More than 15 bytes (SDM volume 3, "General Protection Exception").
void emu_too_long(struct emu *e)
{
    emu_gp(e);
}
