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

// Watching a line is allowed to end at any time: MONITOR arms nothing and MWAIT returns at once.
void emu_monitor(struct emu *e)
{
    need_monitor(e);
    if ((uint32_t)e->s->gpr[X86_RCX])
        emu_gp(e);
    uint64_t offset = e->s->gpr[X86_RAX] & size_mask(e->i->address_bytes);
    emu_load(e, e->i->segment, offset, 1);
}

void emu_mwait(struct emu *e)
{
    need_monitor(e);
    if (e->s->gpr[X86_RCX] & ~UINT64_C(1))
        emu_gp(e);
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

void emu_clzero(struct emu *e)
{
    emu_need_feature(e, X86_80000008_EBX, 0);
    uint64_t offset = e->s->gpr[X86_RAX] & size_mask(e->i->address_bytes) & ~UINT64_C(63);
    jit_check_store(e->v, emu_linear(e, e->i->segment, offset, 64, true), 8, JIT_AS_CPL, false);
    for (unsigned n = 0; n < 64; n += 8)
        emu_store(e, e->i->segment, offset + n, 0, 8);
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
