// SPDX-License-Identifier: GPL-2.0-or-later
//
// The state of one x86 vCPU as an architecture manual sees it, independent of any engine. Both
// engines, gdb, snapshot and migration read and write it. The software engine works on it in
// place; the KVM engine copies it from and to the kernel on demand (struct vcpu_ops).
//
// Manuals: Intel SDM volumes 1 to 3 (SDM); AMD64 Architecture Programmer's Manual (APM).
//
// Threads: it belongs to its vCPU's thread while that runs, and to whoever stopped it otherwise.
// Only the local APIC's request registers are touched by others (apic.h says how).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/mem/addr.h"

// As instructions encode them.
enum { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI,
       X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15, X86_GPRS };
enum { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_SEGMENTS };

enum {
    FL_CF = 1 << 0, FL_FIXED = 1 << 1, FL_PF = 1 << 2, FL_AF = 1 << 4, FL_ZF = 1 << 6,
    FL_SF = 1 << 7, FL_TF = 1 << 8, FL_IF = 1 << 9, FL_DF = 1 << 10, FL_OF = 1 << 11,
    FL_IOPL = 3 << 12, FL_NT = 1 << 14, FL_RF = 1 << 16, FL_VM = 1 << 17, FL_AC = 1 << 18,
    FL_VIF = 1 << 19, FL_VIP = 1 << 20, FL_ID = 1 << 21,
    FL_ARITH = FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF,
};
#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)
#define CR0_NW (1u << 29)
#define CR0_CD (1u << 30)
#define CR0_PG (1u << 31)
enum {
    CR4_VME = 1 << 0, CR4_PVI = 1 << 1, CR4_TSD = 1 << 2, CR4_DE = 1 << 3, CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5, CR4_MCE = 1 << 6, CR4_PGE = 1 << 7, CR4_PCE = 1 << 8,
    CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10, CR4_UMIP = 1 << 11, CR4_LA57 = 1 << 12,
    CR4_FSGSBASE = 1 << 16, CR4_PCIDE = 1 << 17, CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21, CR4_PKE = 1 << 22,
};
enum { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };
enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4, XCR0_PKRU = 512 };

enum { EX_DE = 0, EX_DB = 1, EX_NMI = 2, EX_BP = 3, EX_OF = 4, EX_BR = 5, EX_UD = 6, EX_NM = 7,
       EX_DF = 8, EX_TS = 10, EX_NP = 11, EX_SS = 12, EX_GP = 13, EX_PF = 14, EX_MF = 16,
       EX_AC = 17, EX_MC = 18, EX_XM = 19 };
// Page-fault error code (SDM 4.7).
enum { PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, PF_RESERVED = 8, PF_FETCH = 16, PF_PKEY = 32 };

// A segment register with its hidden part. attr holds bits 40 to 55 of the descriptor, without
// the limit: type in 0–3, S 4, DPL 5–6, P 7, AVL 12, L 13, D/B 14, G 15. limit is in bytes, with
// G applied. A null selector that was loaded has attr 0 (not present).
enum { SEG_TYPE = 0x0f, SEG_ACCESSED = 0x01, SEG_WRITABLE = 0x02, SEG_READABLE = 0x02,
       SEG_EXPAND_DOWN = 0x04, SEG_CONFORMING = 0x04, SEG_CODE = 0x08, SEG_S = 0x10,
       SEG_DPL_SHIFT = 5, SEG_P = 0x80, SEG_L = 0x2000, SEG_DB = 0x4000, SEG_G = 0x8000 };
struct x86_segment {
    uint64_t base;
    uint32_t limit;
    uint16_t selector;
    uint16_t attr;
};
struct x86_table {  // GDTR, IDTR
    uint64_t base;
    uint32_t limit;
};

// Local APIC registers (SDM volume 3, chapter "APIC"); see apic.h.
struct x86_apic {
    uint64_t base;  // IA32_APIC_BASE: address, enable, x2APIC, BSP
    uint32_t id;    // the APIC id, not shifted
    uint32_t tpr, ldr, dfr, svr, esr, esr_pending;
    uint64_t icr;
    uint32_t lvt[7];  // CMCI, timer, thermal, performance, LINT0, LINT1, error: APIC_LVT_*
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t timer_initial, timer_divide;
    uint64_t timer_start_ns;   // guest time at which timer_initial was written
    uint64_t timer_fire_ns;    // guest time of the next tick; 0: none
    uint64_t tsc_deadline;     // IA32_TSC_DEADLINE
};

enum x86_run_state { X86_RUNNING, X86_HALTED, X86_WAIT_SIPI };

enum { X86_XSAVE_BYTES = 4096, X86_MTRR_PAIRS = 8, X86_MCE_BANKS = 10 };

struct x86_state {
    uint64_t gpr[X86_GPRS];
    uint64_t rip;
    uint64_t rflags;  // whole and true whenever C code outside the engine looks
    struct x86_segment seg[X86_SEGMENTS], ldtr, tr;
    struct x86_table gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4;  // CR8 is the APIC's TPR
    uint64_t dr[4], dr6, dr7;
    uint64_t efer, xcr0, xss;
    uint32_t pkru;
    uint8_t cpl;  // the current privilege level (SS.DPL)
    bool no_1g_pages;  // of the model, for the page walk: set by the engine, neither reset nor saved

    // Model-specific registers (msr.h).
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, misc_enable, spec_ctrl, debugctl;
    uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_base[X86_MTRR_PAIRS], mtrr_mask[X86_MTRR_PAIRS];
    uint64_t mcg_status, mcg_ctl, mce[X86_MCE_BANKS][4];
    uint64_t tsc_aux, tsc_adjust;
    uint64_t tsc_offset;  // guest TSC = host TSC + this, modulo 2^64
    uint64_t kvm_system_time, kvm_wall_clock, kvm_pv_eoi;  // pvclock and PV EOI MSRs
    uint64_t feature_control, ucode_rev;

    // What happens between instructions.
    uint8_t run_state;       // enum x86_run_state
    uint8_t sti_shadow;      // the next instruction runs before an interrupt is taken
    uint8_t mov_ss_shadow;   // ... or a debug exception
    uint8_t nmi_blocked;     // until IRET
    uint8_t nmi_pending;
    uint8_t event_pending;   // an exception or interrupt is half delivered: vector and code
    uint8_t event_vector, event_has_code, event_software;
    uint32_t event_code;
    uint8_t sipi_vector;

    struct x86_apic apic;

    // x87, SSE and AVX registers: the standard XSAVE layout (SDM volume 1, 13.4), components of
    // xcr0's possible bits at the offsets that CPUID leaf 0xD reports. PKRU is above.
    _Alignas(64) uint8_t xsave[X86_XSAVE_BYTES];
};

// Linear addresses are sign-extended from 57 bits where CR4.LA57 is set, else from 48 (SDM volume 3, 4.5;
// it counts in long mode only, but canonicality does as well).
static inline bool x86_is_canonical(const struct x86_state *s, uint64_t address)
{
    unsigned unused = s->cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;
    return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

// Reset (SDM 10.1.1 "Processor State After Reset"). init: an INIT, which keeps the FPU, MTRRs,
// the TSC and the machine-check banks. The BSP runs at 0xfffffff0, others wait for SIPI. index is
// the APIC id (x86_apic_id); 0 is the BSP. The TSC's offset is the engine's: it resets all vCPUs'
// together, so that they stay in step. The APIC's own registers are apic_reset's.
void x86_reset(struct x86_state *state, unsigned index, bool init);
