// SPDX-License-Identifier: GPL-2.0-or-later
//
// x86_state from and to the kernel. A state that is put may come from a stranger's snapshot; what
// the kernel refuses is logged, and a vCPU that got only a part of its state doesn't run.
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "guest/cpu/kvm/internal.h"

static_assert(X86_XSAVE_BYTES >= sizeof(struct kvm_xsave), "the kernel's XSAVE area is larger");

bool kvm_vcpu_ioctl(struct kvm_vcpu *v, unsigned long request, void *argument, const char *what)
{
    if (ioctl(v->fd, request, argument) >= 0)
        return true;
    log_error("kvm", "vCPU %u: %s: %s", v->vcpu.index, what, strerror(errno));
    v->broken = true;
    return false;
}

// ---- general registers. The kernel's struct has SP and BP last of the eight, manuals have not.

static void get_regs(struct kvm_vcpu *v)
{
    struct kvm_regs k;
    if (!kvm_vcpu_ioctl(v, KVM_GET_REGS, &k, "registers"))
        return;
    const uint64_t gpr[X86_GPRS] = {k.rax, k.rcx, k.rdx, k.rbx, k.rsp, k.rbp, k.rsi, k.rdi,
                                    k.r8, k.r9, k.r10, k.r11, k.r12, k.r13, k.r14, k.r15};
    memcpy(v->state.gpr, gpr, sizeof gpr);
    v->state.rip = k.rip;
    v->state.rflags = k.rflags;
}

static void put_regs(struct kvm_vcpu *v)
{
    const uint64_t *g = v->state.gpr;
    struct kvm_regs k = {
        .rax = g[X86_RAX], .rcx = g[X86_RCX], .rdx = g[X86_RDX], .rbx = g[X86_RBX],
        .rsp = g[X86_RSP], .rbp = g[X86_RBP], .rsi = g[X86_RSI], .rdi = g[X86_RDI],
        .r8 = g[X86_R8], .r9 = g[X86_R9], .r10 = g[X86_R10], .r11 = g[X86_R11],
        .r12 = g[X86_R12], .r13 = g[X86_R13], .r14 = g[X86_R14], .r15 = g[X86_R15],
        .rip = v->state.rip, .rflags = v->state.rflags | FL_FIXED,
    };
    kvm_vcpu_ioctl(v, KVM_SET_REGS, &k, "registers");
}

// ---- segments and control registers

static struct x86_segment from_kvm_segment(const struct kvm_segment *k)
{
    uint16_t attr = k->type | k->s << 4 | k->dpl << SEG_DPL_SHIFT | k->present << 7 | k->avl << 12 |
                    k->l << 13 | k->db << 14 | k->g << 15;
    return (struct x86_segment){k->base, k->limit, k->selector, k->unusable ? 0 : attr};
}

static struct kvm_segment to_kvm_segment(const struct x86_segment *s)
{
    return (struct kvm_segment){
        .base = s->base, .limit = s->limit, .selector = s->selector,
        .type = s->attr & SEG_TYPE, .s = s->attr >> 4 & 1, .dpl = s->attr >> SEG_DPL_SHIFT & 3,
        .present = s->attr >> 7 & 1, .avl = s->attr >> 12 & 1, .l = s->attr >> 13 & 1,
        .db = s->attr >> 14 & 1, .g = s->attr >> 15 & 1, .unusable = !(s->attr & SEG_P),
    };
}

static struct kvm_segment *segment_of(struct kvm_sregs *k, unsigned segment)
{
    struct kvm_segment *const order[X86_SEGMENTS] = {&k->es, &k->cs, &k->ss, &k->ds, &k->fs, &k->gs};
    return order[segment];
}

static void get_sregs(struct kvm_vcpu *v)
{
    struct kvm_sregs k;
    struct x86_state *s = &v->state;
    if (!kvm_vcpu_ioctl(v, KVM_GET_SREGS, &k, "system registers"))
        return;
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        s->seg[i] = from_kvm_segment(segment_of(&k, i));
    s->ldtr = from_kvm_segment(&k.ldt);
    s->tr = from_kvm_segment(&k.tr);
    s->gdtr = (struct x86_table){k.gdt.base, k.gdt.limit};
    s->idtr = (struct x86_table){k.idt.base, k.idt.limit};
    s->cr0 = k.cr0, s->cr2 = k.cr2, s->cr3 = k.cr3, s->cr4 = k.cr4;
    s->efer = k.efer;
    s->apic.base = k.apic_base;
    s->cpl = k.ss.dpl;
}

// The kernel takes the privilege level from SS.DPL, also where SS is null.
static void put_sregs(struct kvm_vcpu *v)
{
    const struct x86_state *s = &v->state;
    struct kvm_sregs k = {
        .ldt = to_kvm_segment(&s->ldtr), .tr = to_kvm_segment(&s->tr),
        .gdt = {.base = s->gdtr.base, .limit = s->gdtr.limit},
        .idt = {.base = s->idtr.base, .limit = s->idtr.limit},
        .cr0 = s->cr0, .cr2 = s->cr2, .cr3 = s->cr3, .cr4 = s->cr4, .cr8 = s->apic.tpr >> 4 & 15,
        .efer = s->efer, .apic_base = s->apic.base,
    };
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        *segment_of(&k, i) = to_kvm_segment(&s->seg[i]);
    k.ss.dpl = s->cpl & 3;
    kvm_vcpu_ioctl(v, KVM_SET_SREGS, &k, "system registers");
}

static void get_debug_registers(struct kvm_vcpu *v)
{
    struct kvm_debugregs k;
    if (!kvm_vcpu_ioctl(v, KVM_GET_DEBUGREGS, &k, "debug registers"))
        return;
    memcpy(v->state.dr, k.db, sizeof k.db);
    v->state.dr6 = k.dr6;
    v->state.dr7 = k.dr7;
}

static void put_debug_registers(struct kvm_vcpu *v)
{
    struct kvm_debugregs k = {.dr6 = v->state.dr6, .dr7 = v->state.dr7};
    memcpy(k.db, v->state.dr, sizeof k.db);
    kvm_vcpu_ioctl(v, KVM_SET_DEBUGREGS, &k, "debug registers");
}

// ---- vector registers

static void get_vectors(struct kvm_vcpu *v)
{
    struct kvm_xcrs xcrs;
    kvm_vcpu_ioctl(v, KVM_GET_XSAVE, v->state.xsave, "vector registers");
    if (kvm_vcpu_ioctl(v, KVM_GET_XCRS, &xcrs, "XCR0") && xcrs.nr_xcrs)
        v->state.xcr0 = xcrs.xcrs[0].value;
}

static void put_vectors(struct kvm_vcpu *v)
{
    struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = v->state.xcr0}}};
    kvm_vcpu_ioctl(v, KVM_SET_XCRS, &xcrs, "XCR0");
    kvm_vcpu_ioctl(v, KVM_SET_XSAVE, v->state.xsave, "vector registers");
}

// ---- what happens between instructions

// An interrupt of the 8259 that was acknowledged but not yet taken is held by the kernel where no
// call shows it. It was given while the guest could take it, so if the guest still can (IF, no
// shadow) and yet the kernel has no room for another, it is still there.
static bool extint_is_held(struct kvm_vcpu *v, const struct kvm_vcpu_events *k)
{
    return v->extint_sent >= 0 && v->run->if_flag && !k->interrupt.shadow && !k->interrupt.injected &&
           !k->exception.injected && !k->nmi.injected && !v->run->ready_for_interrupt_injection;
}

static void pend(struct x86_state *s, uint8_t vector, bool software, bool has_code, uint32_t code)
{
    s->event_pending = true;
    s->event_vector = vector;
    s->event_software = software;
    s->event_has_code = has_code;
    s->event_code = has_code ? code : 0;
}

static void get_events(struct kvm_vcpu *v)
{
    struct kvm_vcpu_events k;
    struct x86_state *s = &v->state;
    if (!kvm_vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, &k, "events"))
        return;
    s->event_pending = false;
    v->extint_held = extint_is_held(v, &k);
    if (k.exception.injected || k.exception.pending)
        pend(s, k.exception.nr, k.exception.nr == EX_BP || k.exception.nr == EX_OF,
             k.exception.has_error_code, k.exception.error_code);
    else if (k.nmi.injected)
        pend(s, EX_NMI, false, false, 0);
    else if (k.interrupt.injected)
        pend(s, k.interrupt.nr, k.interrupt.soft, false, 0);
    else if (v->extint_held)
        pend(s, v->extint_sent, false, false, 0);
    s->sti_shadow = !!(k.interrupt.shadow & KVM_X86_SHADOW_INT_STI);
    s->mov_ss_shadow = !!(k.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS);
    s->nmi_pending = k.nmi.pending;
    s->nmi_blocked = k.nmi.masked;
    s->sipi_vector = k.sipi_vector;
}

static void put_pending_event(const struct x86_state *s, struct kvm_vcpu_events *k)
{
    bool is_exception = s->event_vector < 32 && (!s->event_software || s->event_vector == EX_BP ||
                                                 s->event_vector == EX_OF);
    if (s->event_vector == EX_NMI) {
        k->nmi.injected = true;
    } else if (is_exception) {
        k->exception.injected = true;
        k->exception.nr = s->event_vector;
        k->exception.has_error_code = s->event_has_code;
        k->exception.error_code = s->event_code;
    } else {
        k->interrupt.injected = true;
        k->interrupt.nr = s->event_vector;
        k->interrupt.soft = s->event_software;
    }
}

static void put_events(struct kvm_vcpu *v)
{
    const struct x86_state *s = &v->state;
    struct kvm_vcpu_events k = {
        .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
                 KVM_VCPUEVENT_VALID_SHADOW,
        .interrupt.shadow = (s->sti_shadow ? KVM_X86_SHADOW_INT_STI : 0) |
                            (s->mov_ss_shadow ? KVM_X86_SHADOW_INT_MOV_SS : 0),
        .nmi = {.pending = s->nmi_pending, .masked = s->nmi_blocked},
        .sipi_vector = s->sipi_vector,
    };
    bool kernel_has_it = v->extint_held && s->event_pending && s->event_vector == v->extint_sent;
    if (s->event_pending && !kernel_has_it)
        put_pending_event(s, &k);
    kvm_vcpu_ioctl(v, KVM_SET_VCPU_EVENTS, &k, "events");
}

// ---- running, halted, or waiting for a start-up IPI

static void get_run_state(struct kvm_vcpu *v)
{
    struct kvm_mp_state k;
    if (!kvm_vcpu_ioctl(v, KVM_GET_MP_STATE, &k, "run state"))
        return;
    bool waits = k.mp_state == KVM_MP_STATE_UNINITIALIZED || k.mp_state == KVM_MP_STATE_INIT_RECEIVED;
    v->state.run_state = waits ? X86_WAIT_SIPI :
                         k.mp_state == KVM_MP_STATE_HALTED && !v->state.event_pending ? X86_HALTED :
                         X86_RUNNING;
}

// After a reset and after an INIT alike a vCPU waits for SIPI (SDM volume 3, 9.4.3), which the kernel
// calls INIT_RECEIVED.
static void put_run_state(struct kvm_vcpu *v)
{
    static const uint32_t states[] = {[X86_RUNNING] = KVM_MP_STATE_RUNNABLE,
                                      [X86_HALTED] = KVM_MP_STATE_HALTED,
                                      [X86_WAIT_SIPI] = KVM_MP_STATE_INIT_RECEIVED};
    struct kvm_mp_state k = {states[v->state.run_state % 3]};
    kvm_vcpu_ioctl(v, KVM_SET_MP_STATE, &k, "run state");
}

void kvm_get_state(struct vcpu *vcpu)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    get_regs(v);
    get_sregs(v);
    get_debug_registers(v);
    get_vectors(v);
    kvm_get_msrs(v);
    kvm_get_tsc(v);
    get_events(v);
    get_run_state(v);
    kvm_get_lapic(v);
}

// In this order: what a CPU mode allows depends on SREGS; clock pages are written with the TSC that
// the guest will see; the TSC deadline needs the timer's mode.
void kvm_put_state(struct vcpu *vcpu)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    v->broken = false;
    put_sregs(v);
    put_regs(v);
    put_debug_registers(v);
    put_vectors(v);
    kvm_put_tsc(v);
    kvm_put_msrs(v);
    put_events(v);
    put_run_state(v);
    kvm_put_lapic(v);
}
