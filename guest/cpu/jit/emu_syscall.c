// SPDX-License-Identifier: GPL-2.0-or-later
//
// Fast system calls and what belongs to them (SDM volume 2; APM volume 3). Intel knows SYSCALL in
// 64-bit mode only and SYSENTER everywhere; AMD knows SYSCALL everywhere and SYSENTER outside
// long mode only.
#include "guest/cpu/jit/emu_ops.h"

static bool is_intel(struct emu *e)
{
    static const char name[12] = "GenuineIntel";
    const char *vendor = jit_model(e->v)->vendor;
    for (unsigned n = 0; n < sizeof name; n++)
        if (vendor[n] != name[n])
            return false;
    return true;
}

void emu_enter_flat(struct emu *e, uint16_t cs, uint16_t cs_attr, uint16_t ss, unsigned level)
{
    uint16_t dpl = level << SEG_DPL_SHIFT;
    e->s->seg[X86_CS] = (struct x86_segment){.limit = 0xffffffff, .selector = (cs & ~3) | level,
                                             .attr = cs_attr | dpl};
    e->s->seg[X86_SS] = (struct x86_segment){.limit = 0xffffffff, .selector = (ss & ~3) | level,
                                             .attr = ATTR_DATA | dpl};
    emu_set_cpl(e, level);
}

static void set_flags(struct emu *e, uint64_t flags)
{
    uint64_t before = e->s->rflags;
    e->s->rflags = flags | FL_FIXED;
    emu_flags_changed(e, before);
}

void emu_syscall(struct emu *e)
{
    struct x86_state *s = e->s;
    bool from_64bit = emu_64bit(s);
    // AMD's clears VM: it may come from virtual-8086 mode.
    if (!(s->efer & EFER_SCE) || !(s->cr0 & CR0_PE) || (!from_64bit && is_intel(e)))
        emu_ud(e);
    uint16_t cs = s->star >> 32 & 0xfffc;
    if (!emu_long_mode(s)) {
        emu_set_reg(s, X86_RCX, s->rip, 4);
        s->rip = (uint32_t)s->star;
        set_flags(e, s->rflags & ~(uint64_t)(FL_VM | FL_IF | FL_RF));
        emu_enter_flat(e, cs, ATTR_CODE32, cs + 8, 0);
        return;
    }
    s->gpr[X86_RCX] = s->rip;
    s->gpr[X86_R11] = s->rflags & ~(uint64_t)FL_RF;
    s->rip = from_64bit ? s->lstar : s->cstar;
    set_flags(e, s->rflags & ~(s->sfmask | FL_RF));
    emu_enter_flat(e, cs, ATTR_CODE64, cs + 8, 0);
}

static void sysret_legacy(struct emu *e)
{
    struct x86_state *s = e->s;
    uint16_t cs = s->star >> 48;
    s->rip = (uint32_t)s->gpr[X86_RCX];
    set_flags(e, s->rflags | FL_IF);
    emu_enter_flat(e, cs, ATTR_CODE32, cs + 8, 3);
}

void emu_sysret(struct emu *e)
{
    enum { FROM_R11 = 0x3c7fd7 };
    struct x86_state *s = e->s;
    uint16_t cs = s->star >> 48;
    if (!(s->efer & EFER_SCE) || !emu_protected(s) || (!emu_64bit(s) && is_intel(e)))
        emu_ud(e);
    emu_need_cpl0(e);
    if (!emu_long_mode(s)) {
        sysret_legacy(e);
        return;
    }
    bool to_64bit = e->i->rex_w;
    // Intel faults here, still in the kernel; AMD at the first fetch.
    if (to_64bit && is_intel(e) && !x86_is_canonical(s, s->gpr[X86_RCX]))
        emu_gp(e);
    s->rip = to_64bit ? s->gpr[X86_RCX] : (uint32_t)s->gpr[X86_RCX];
    set_flags(e, s->gpr[X86_R11] & FROM_R11);
    emu_enter_flat(e, to_64bit ? cs + 16 : cs, to_64bit ? ATTR_CODE64 : ATTR_CODE32, cs + 8, 3);
}

static void need_sysenter(struct emu *e)
{
    if (emu_long_mode(e->s) && !is_intel(e))
        emu_ud(e);
    if (!(e->s->cr0 & CR0_PE) || emu_null(e->s->sysenter_cs))
        emu_gp(e);
}

void emu_sysenter(struct emu *e)
{
    struct x86_state *s = e->s;
    need_sysenter(e);
    bool wide = emu_long_mode(s);
    uint16_t cs = s->sysenter_cs & 0xfffc;
    s->rip = wide ? s->sysenter_eip : (uint32_t)s->sysenter_eip;
    s->gpr[X86_RSP] = wide ? s->sysenter_esp : (uint32_t)s->sysenter_esp;
    set_flags(e, s->rflags & ~(uint64_t)(FL_VM | FL_IF | FL_RF));
    emu_enter_flat(e, cs, wide ? ATTR_CODE64 : ATTR_CODE32, cs + 8, 0);
}

void emu_sysexit(struct emu *e)
{
    struct x86_state *s = e->s;
    need_sysenter(e);
    emu_need_cpl0(e);
    bool to_64bit = e->i->rex_w;
    uint64_t rip = s->gpr[X86_RDX], rsp = s->gpr[X86_RCX];
    if (to_64bit && (!x86_is_canonical(s, rip) || !x86_is_canonical(s, rsp)))
        emu_gp(e);
    uint16_t cs = s->sysenter_cs + (to_64bit ? 32 : 16);
    s->rip = to_64bit ? rip : (uint32_t)rip;
    s->gpr[X86_RSP] = to_64bit ? rsp : (uint32_t)rsp;
    emu_enter_flat(e, cs, to_64bit ? ATTR_CODE64 : ATTR_CODE32, cs + 8, 3);
}

void emu_swapgs(struct emu *e)
{
    struct x86_state *s = e->s;
    if (!emu_64bit(s))
        emu_ud(e);
    emu_need_cpl0(e);
    uint64_t base = s->seg[X86_GS].base;
    s->seg[X86_GS].base = s->kernel_gs_base;
    s->kernel_gs_base = base;
    jit_mode_changed(e->v);
}

static void need_fsgsbase(struct emu *e)
{
    if (!emu_64bit(e->s) || !(e->s->cr4 & CR4_FSGSBASE))
        emu_ud(e);
}

static void write_base(struct emu *e, unsigned segment)
{
    need_fsgsbase(e);
    uint64_t base = emu_get(e, 0);
    if (!emu_canonical_base(e, base))
        emu_gp(e);
    e->s->seg[segment].base = base;
    jit_mode_changed(e->v);
}

void emu_rdfsbase(struct emu *e)
{
    need_fsgsbase(e);
    emu_put(e, 0, e->s->seg[X86_FS].base);
}

void emu_rdgsbase(struct emu *e)
{
    need_fsgsbase(e);
    emu_put(e, 0, e->s->seg[X86_GS].base);
}

void emu_wrfsbase(struct emu *e)
{
    write_base(e, X86_FS);
}

void emu_wrgsbase(struct emu *e)
{
    write_base(e, X86_GS);
}
