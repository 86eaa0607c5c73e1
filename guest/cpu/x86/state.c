// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/x86/state.h"

#include <string.h>

// Descriptor attributes after a reset (SDM table 10-1 "Processor States Following Power-up,
// Reset, or INIT").
enum {
    ATTR_CODE = SEG_P | SEG_S | SEG_CODE | SEG_READABLE | SEG_ACCESSED,
    ATTR_DATA = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED,
    ATTR_LDT = SEG_P | 2, ATTR_BUSY_TSS = SEG_P | 11,
};
// Offsets in the XSAVE area (SDM volume 1, tables 10-2 and 13.4.2).
enum { XSAVE_FCW = 0, XSAVE_FTW = 4, XSAVE_MXCSR = 24, XSAVE_BV = 512 };
enum { SIGNATURE_FAMILY_6 = 0x600 };
// UC-, WC, WT and WB twice over (SDM table 12-12).
#define PAT_RESET UINT64_C(0x0007040600070406)

static void reset_segments(struct x86_state *s)
{
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        s->seg[i] = (struct x86_segment){.limit = 0xffff, .attr = ATTR_DATA};
    s->seg[X86_CS] = (struct x86_segment){.base = 0xffff0000, .limit = 0xffff, .selector = 0xf000,
                                          .attr = ATTR_CODE};
    s->ldtr = (struct x86_segment){.limit = 0xffff, .attr = ATTR_LDT};
    s->tr = (struct x86_segment){.limit = 0xffff, .attr = ATTR_BUSY_TSS};
    s->gdtr = s->idtr = (struct x86_table){.limit = 0xffff};
}

// An INIT leaves CD and NW as they are.
static void reset_control(struct x86_state *s, bool init)
{
    s->cr0 = CR0_ET | (init ? s->cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW);
    s->cr2 = s->cr3 = s->cr4 = s->efer = 0;
    memset(s->dr, 0, sizeof(s->dr));
    s->dr6 = 0xffff0ff0;
    s->dr7 = 0x400;
    s->cpl = 0;
}

static void reset_events(struct x86_state *s)
{
    s->sti_shadow = s->mov_ss_shadow = s->nmi_blocked = s->nmi_pending = 0;
    s->event_pending = s->event_vector = s->event_has_code = s->event_software = 0;
    s->event_code = 0;
    s->sipi_vector = 0;
}

static void reset_msrs(struct x86_state *s)
{
    s->star = s->lstar = s->cstar = s->sfmask = s->kernel_gs_base = 0;
    s->sysenter_cs = s->sysenter_esp = s->sysenter_eip = 0;
    s->pat = PAT_RESET;
    s->misc_enable = 1;  // fast strings
    s->spec_ctrl = s->debugctl = s->xss = 0;
    s->mtrr_def_type = 0;
    memset(s->mtrr_fixed, 0, sizeof(s->mtrr_fixed));
    memset(s->mtrr_base, 0, sizeof(s->mtrr_base));
    memset(s->mtrr_mask, 0, sizeof(s->mtrr_mask));
    s->mcg_status = 0;
    s->mcg_ctl = UINT64_MAX;
    memset(s->mce, 0, sizeof(s->mce));
    for (unsigned i = 0; i < X86_MCE_BANKS; i++)
        s->mce[i][0] = UINT64_MAX;  // MCi_CTL: all errors are reported
    s->tsc_aux = s->tsc_adjust = 0;
    s->kvm_system_time = s->kvm_wall_clock = s->kvm_pv_eoi = 0;
    s->feature_control = s->ucode_rev = 0;
}

// x87 after a reset is not what FNINIT gives, so the component is in use (XSTATE_BV).
static void reset_vectors(struct x86_state *s)
{
    memset(s->xsave, 0, sizeof(s->xsave));
    s->xsave[XSAVE_FCW] = 0x40;
    s->xsave[XSAVE_FTW] = 0xff;
    s->xsave[XSAVE_MXCSR] = 0x80;
    s->xsave[XSAVE_MXCSR + 1] = 0x1f;
    s->xsave[XSAVE_BV] = XCR0_X87 | XCR0_SSE;
    s->xcr0 = XCR0_X87;
    s->pkru = 0;
}

void x86_reset(struct x86_state *s, unsigned index, bool init)
{
    memset(s->gpr, 0, sizeof(s->gpr));
    s->gpr[X86_RDX] = SIGNATURE_FAMILY_6;
    s->rip = 0xfff0;
    s->rflags = FL_FIXED;
    reset_segments(s);
    reset_control(s, init);
    reset_events(s);
    s->run_state = index == 0 ? X86_RUNNING : X86_WAIT_SIPI;
    if (init)
        return;
    reset_msrs(s);
    reset_vectors(s);
    s->apic.id = index;
    s->apic.base = 0xfee00800 | (index == 0 ? 1 << 8 : 0);
}
