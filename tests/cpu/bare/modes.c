// SPDX-License-Identifier: GPL-2.0-or-later
//
// Brings the processor into a case's mode and back.
#include "bare.h"
#include "io.h"

enum { CR0_ON = 0x33, CR0_PG = INT32_MIN, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_PCIDE = 0x20000 };
enum { MSR_EFER = 0xc0000080, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK };
enum { EFER_SCE = 1, EFER_LME = 0x100, EFER_NXE = 0x800 };
enum { DR6_RESET = 0xffff0ff0, DR7_RESET = 0x400, FL_VM = 0x20000 };

const struct mode modes[] = {
    [REAL16] = {IN_REAL, NO_PAGING, 16, false, false, LOW_SEGMENT, DATA_SEGMENT, STACK_SEGMENT},
    [PROT16] = {IN_PROTECTED, NO_PAGING, 16, false, false, CODE16, DATA16, STACK16},
    [PROT32] = {IN_PROTECTED, NO_PAGING, 32, false, true, CODE32, DATA32, DATA32},
    [BASED32] = {IN_PROTECTED, NO_PAGING, 32, false, false, CODE32, DATA_BASED, STACK_BASED},
    [USER32] = {IN_PROTECTED, NO_PAGING, 32, true, true, USER_CODE32, USER_DATA32, USER_DATA32},
    [V86] = {IN_V86, NO_PAGING, 16, false, false, LOW_SEGMENT, DATA_SEGMENT, STACK_SEGMENT},
    [PAGED32] = {IN_PROTECTED, TWO_LEVELS, 32, false, true, CODE32, DATA32, DATA32},
    [PAGED32U] = {IN_PROTECTED, TWO_LEVELS, 32, true, true, USER_CODE32, USER_DATA32, USER_DATA32},
    [PAE32] = {IN_PROTECTED, PAE, 32, false, true, CODE32, DATA32, DATA32},
    [PAE32U] = {IN_PROTECTED, PAE, 32, true, true, USER_CODE32, USER_DATA32, USER_DATA32},
    [LONG64] = {IN_LONG, FOUR_LEVELS, 64, false, true, CODE64, DATA32, DATA32},
    [LONG64U] = {IN_LONG, FOUR_LEVELS, 64, true, true, USER_CODE64, USER_DATA32, USER_DATA32},
    [COMPAT32] = {IN_LONG, FOUR_LEVELS, 32, true, true, USER_CODE32, USER_DATA32, USER_DATA32},
    [COMPAT16] = {IN_LONG, FOUR_LEVELS, 16, false, false, CODE16, DATA16, STACK16},
};

static uint32_t entry_ip(const struct one_case *c, const struct mode *m)
{
    if (m->bits == 16)
        return c->start - LOW_BASE;
    return c->start + (m->user && m->paging ? USER_ALIAS : 0);
}

// Values that tell a register's parts apart, and pointers into DATA and STACK.
static void set_start(const struct one_case *c, const struct mode *m)
{
    uint32_t data = m->flat ? DATA_BASE : 0, stack = m->flat ? STACK_BASE : 0;
    uint32_t alias = m->user && m->paging ? USER_ALIAS : 0;
    in.gpr[AX] = 0x12348765;
    in.gpr[CX] = 3;
    in.gpr[DX] = 0x89abcdef;
    in.gpr[BX] = data + alias + 0x100;
    in.gpr[SI] = data + alias + 0x200;
    in.gpr[DI] = data + alias + 0x300;
    in.gpr[BP] = stack + alias + 0x400;
    in.gpr[SP] = stack + alias + 0x1000;
    for (unsigned i = 8; i < 16; i++)
        in.gpr[i] = UINT64_C(0x8877665544332200) + i;
    in.ip = entry_ip(c, m);
    in.flags = c->flags | (m->family == IN_V86 ? FL_VM : 0);
    in.cs = m->cs;
    in.ss = m->ss;
    in.ds = in.es = in.fs = in.gs = m->ds;
}

// SYSCALL leads to gate_target64, and SYSRET to user code.
static void set_system_calls(void)
{
    extern char gate_target64[];
    write_msr(MSR_STAR, (uint64_t)USER_CODE32 << 48 | (uint64_t)CODE32 << 32 | (uint32_t)gate_target64);
    write_msr(MSR_LSTAR, (uint32_t)gate_target64);
    write_msr(MSR_CSTAR, (uint32_t)gate_target64);
    write_msr(MSR_SFMASK, 0x700);
}

static void enter_mode(const struct one_case *c, const struct mode *m)
{
    static const uint32_t roots[] = {0, PD2, PDPT_PAE, PML4};
    uint32_t cr4 = m->paging == TWO_LEVELS ? CR4_PSE : m->paging ? CR4_PAE : 0;
    write_msr(MSR_EFER, EFER_SCE | EFER_NXE | (m->family == IN_LONG ? EFER_LME : 0));
    write_cr3(roots[m->paging]);
    write_cr4(cr4);
    write_cr0(CR0_ON | (m->paging ? CR0_PG : 0));
    tables_load(m->family == IN_LONG);
    set_system_calls();
    write_cr2(0);
    write_dr6(DR6_RESET);
    // Last, since what a case asks for may forbid what was done above.
    write_cr4(cr4 | c->cr4);
    write_cr0(CR0_ON | (m->paging ? CR0_PG : 0) | c->cr0);
}

static void leave_mode(void)
{
    write_dr7(DR7_RESET);
    write_cr4(read_cr4() & ~(uint32_t)CR4_PCIDE);  // which keeps paging on
    write_cr0(CR0_ON);
    write_cr4(0);
    write_msr(MSR_EFER, EFER_SCE | EFER_NXE);
    __asm__ volatile("clts; fninit");
}

static void enter(const struct mode *m)
{
    if (m->family == IN_REAL)
        enter_real();
    else if (m->family == IN_LONG)
        enter_long();
    else if (m->user || m->family == IN_V86)
        enter_by_iret();
    else
        enter_protected();
}

static struct low *low(void)
{
    return (struct low *)(LOW_BASE + (uint32_t)&low_data);
}

void mode_run(const struct one_case *c)
{
    extern uint16_t far_target16[2];
    uint16_t *far16 = (uint16_t *)(LOW_BASE + (uint32_t)far_target16);
    const struct mode *m = &modes[c->mode];
    set_start(c, m);
    out = (struct state){0};
    low()->in = in;
    low()->out = out;
    low()->trace_mask = c->trace;
    low()->trace_count = 0;
    far16[0] = (uint16_t)in.ip;
    far16[1] = (uint16_t)in.cs;
    enter_mode(c, m);
    enter(m);
    leave_mode();
    if (m->family == IN_REAL)
        out = low()->out;
}
