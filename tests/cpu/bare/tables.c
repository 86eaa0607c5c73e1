// SPDX-License-Identifier: GPL-2.0-or-later
//
// Descriptor tables and task state segments (SDM volume 3, chapters 3, 6 and 8), made once; watch.c
// undoes what a case changes.
#include "bare.h"
#include "io.h"

enum { G = 0x800000, DB = 0x400000, L = 0x200000, PRESENT = 0x8000, DPL3 = 0x6000, DPL1 = 0x2000 };
// Those that the harness itself loads are ACCESSED, so that only what a case does shows.
enum { ACCESSED = 0x100, DATA_RW = 0x1200, DATA_RO = 0x1000, DATA_DOWN = 0x1600, CODE_R = 0x1a00, CODE_X = 0x1800,
       CODE_CONFORMING = 0x1e00 };
enum { TYPE_TSS16 = 0x100, TYPE_LDT = 0x200, TYPE_BUSY = 0x200, TYPE_CALL16 = 0x400, TYPE_TASK = 0x500,
       TYPE_TSS = 0x900, TYPE_CALL = 0xc00, TYPE_INTERRUPT = 0xe00 };
enum { STACK_BYTES = 2048 };

extern char stubs32[], stubs64[], stubs16[], gate_target[], gate_target16[], gate_target64[], limit_end[];
extern char gdt_pointer[];

uint64_t ldt[4], idt32[VECTORS], idt64[2 * VECTORS];
uint32_t tss32[26 + 64], tss_other[26], tss64[26];
uint16_t tss16[22];
static char ring0_stack[STACK_BYTES], ring1_stack[STACK_BYTES], double_fault_stack[STACK_BYTES],
    nmi_stack[STACK_BYTES] __attribute__((aligned(16)));

static uint64_t segment(uint32_t base, uint32_t limit, uint32_t attributes)
{
    uint32_t low = base << 16 | (limit & 0xffff);
    uint32_t high = (base & 0xff000000) | (limit & 0xf0000) | attributes | (base >> 16 & 0xff);
    return (uint64_t)high << 32 | low;
}

static uint64_t gate(uint32_t selector, uint32_t offset, uint32_t attributes)
{
    return (uint64_t)((offset & 0xffff0000) | attributes) << 32 | selector << 16 | (offset & 0xffff);
}

static void set(uint32_t selector, uint64_t descriptor)
{
    gdt[selector >> 3] = descriptor;
}

static void set_flat(void)
{
    enum { FLAT = G | PRESENT };
    set(CODE64, segment(0, 0xfffff, FLAT | ACCESSED | L | CODE_R));
    set(USER_CODE32, segment(0, 0xfffff, FLAT | ACCESSED | DB | DPL3 | CODE_R));
    set(USER_DATA32, segment(0, 0xfffff, FLAT | ACCESSED | DB | DPL3 | DATA_RW));
    set(USER_CODE64, segment(0, 0xfffff, FLAT | ACCESSED | L | DPL3 | CODE_R));
    set(DATA_BASED, segment(DATA_BASE, 0xfffff, FLAT | ACCESSED | DB | DATA_RW));
    set(STACK_BASED, segment(STACK_BASE, 0xfffff, FLAT | ACCESSED | DB | DATA_RW));
    set(CONFORMING, segment(0, 0xfffff, FLAT | DB | CODE_CONFORMING));
    set(ABSENT_DATA, segment(0, 0xfffff, G | DB | DATA_RW));
    set(ABSENT_CODE, segment(0, 0xfffff, G | DB | CODE_R));
    set(DPL1_DATA, segment(0, 0xfffff, FLAT | DB | DPL1 | DATA_RW));
    set(DPL1_CODE, segment(0, 0xfffff, FLAT | DB | DPL1 | CODE_R));
    set(CODE_LIMITED, segment(0, (uint32_t)limit_end - 1, PRESENT | DB | CODE_R));
    set(EXECUTE_ONLY, segment(0, 0xfffff, FLAT | DB | CODE_X));
    set(READ_ONLY, segment(DATA_BASE, 0xfffff, FLAT | DB | DATA_RO));
}

static void set_small(void)
{
    set(CODE16, segment(LOW_BASE, 0xffff, PRESENT | ACCESSED | CODE_R));
    set(USER_CODE16, segment(LOW_BASE, 0xffff, PRESENT | DPL3 | CODE_R));
    set(DATA16, segment(DATA_BASE, 0xffff, PRESENT | ACCESSED | DATA_RW));
    set(STACK16, segment(STACK_BASE, 0xffff, PRESENT | ACCESSED | DATA_RW));
    set(SMALL, segment(DATA_BASE, 0xff, PRESENT | DB | DATA_RW));
    set(USER_SMALL, segment(DATA_BASE, 0xff, PRESENT | DPL3 | DB | DATA_RW));
    set(SMALL_STACK, segment(STACK_BASE, 0xff, PRESENT | DB | DATA_RW));
    set(DOWN32, segment(DATA_BASE, 0xff, PRESENT | DB | DATA_DOWN));
    set(DOWN16, segment(DATA_BASE, 0xff, PRESENT | DATA_DOWN));
}

static void set_system(void)
{
    set(TASK32, segment((uint32_t)tss32, sizeof tss32 - 1, PRESENT | TYPE_TSS));
    set(TASK64, segment((uint32_t)tss64, sizeof tss64 - 1, PRESENT | TYPE_TSS));
    set(TASK_OTHER, segment((uint32_t)tss_other, sizeof tss_other - 1, PRESENT | TYPE_TSS));
    set(BUSY_TASK, segment((uint32_t)tss_other, sizeof tss_other - 1, PRESENT | TYPE_TSS | TYPE_BUSY));
    set(TASK16, segment((uint32_t)tss16, sizeof tss16 - 1, PRESENT | TYPE_TSS16));
    set(LOCAL, segment((uint32_t)ldt, sizeof ldt - 1, PRESENT | TYPE_LDT));
    set(TASK_GATE, gate(TASK_OTHER, 0, PRESENT | DPL3 | TYPE_TASK));
    set(CALL_GATE, gate(CODE32, (uint32_t)gate_target, PRESENT | DPL3 | TYPE_CALL | 2));
    set(CALL_GATE16, gate(CODE16, (uint32_t)gate_target16, PRESENT | DPL3 | TYPE_CALL16 | 2));
    set(CALL_GATE64, gate(CODE64, (uint32_t)gate_target64, PRESENT | DPL3 | TYPE_CALL));
    set(ABSENT_GATE, gate(CODE32, (uint32_t)gate_target, DPL3 | TYPE_CALL));
    set(GATE_TO_DATA, gate(DATA32, (uint32_t)gate_target, PRESENT | DPL3 | TYPE_CALL));
    set(BAD_TYPE, segment(0, 0xfffff, PRESENT));
    ldt[1] = segment(DATA_BASE, 0xffff, PRESENT | DB | DPL3 | DATA_RW);
    ldt[2] = segment(0, 0xfffff, G | PRESENT | DB | CODE_R);
    ldt[3] = segment(DATA_BASE, 0xffff, PRESENT | DB | DATA_RW);
}

static uint32_t top(char *stack)
{
    return (uint32_t)stack + STACK_BYTES - 64;
}

static void set_tasks(void)
{
    tss32[1] = top(ring0_stack);
    tss32[2] = DATA32;
    tss32[3] = top(ring1_stack);
    tss32[4] = DPL1_DATA | 1;
    tss32[25] = 104 << 16;                  // the I/O permission map: ports 0 to 0x3ff of it, all denied,
    for (unsigned i = 0; i < 32; i++)
        tss32[26 + i] = UINT32_MAX;
    tss32[26 + 2] = 0xffff00ff;             // but 0x48 to 0x4f
    tss32[26 + 32] = 0xff;                  // and what ends it: ports from 0x408 on are beyond the limit
    tss64[1] = top(ring0_stack);
    tss64[9] = top(double_fault_stack);     // IST1
    tss64[11] = top(nmi_stack);             // IST2
    tss64[25] = 104 << 16;
    tss_other[1] = top(ring0_stack);
    tss_other[2] = DATA32;
    tss_other[7] = PD2;
    tss_other[9] = 2;
    tss_other[14] = STACK_BASE + 0x2000;
    tss_other[18] = tss_other[20] = tss_other[21] = tss_other[22] = tss_other[23] = DATA32;
    tss_other[19] = CODE32;
    tss_other[24] = LOCAL;
    tss_other[25] = 104 << 16;
    tss16[1] = STACK_BASE >> 4;
    tss16[8] = 2;
    tss16[13] = 0x2000;
    tss16[17] = DATA16;
    tss16[18] = CODE16;
    tss16[19] = STACK16;
    tss16[20] = DATA16;
    tss16[21] = LOCAL;
}

// Vectors from 32 on, breakpoints and overflow may come from ring 3's INT.
static void set_interrupts(void)
{
    enum { DOUBLE_FAULT = 8, BREAKPOINT = 3, OVERFLOW = 4, USER = 32, NMI_LIKE = 0x50 };
    for (unsigned i = 0; i < VECTORS; i++) {
        bool open = i >= USER || i == BREAKPOINT || i == OVERFLOW;
        uint32_t attributes = PRESENT | TYPE_INTERRUPT | (open ? DPL3 : 0);
        uint32_t stack = i == DOUBLE_FAULT ? 1 : i == NMI_LIKE ? 2 : 0;
        idt32[i] = gate(CODE32, (uint32_t)stubs32 + STUB_BYTES * i, attributes);
        idt64[2 * i] = gate(CODE64, (uint32_t)stubs64 + STUB_BYTES * i, attributes | stack);
        ((uint32_t *)0)[i] = LOW_SEGMENT << 16 | ((uint32_t)stubs16 + STUB_BYTES * i);
    }
    idt32[0x51] &= ~((uint64_t)PRESENT << 32);                          // not present
    idt32[0x52] = gate(DATA32, 0, PRESENT | DPL3 | TYPE_INTERRUPT);     // to data
    idt32[0x53] = gate(0, 0, PRESENT | DPL3 | TYPE_INTERRUPT);          // to nothing
    idt32[0x54] = gate(CODE32, (uint32_t)stubs32 + STUB_BYTES * 0x54, PRESENT | DPL3 | 0xf00);  // trap
    idt32[0x55] = gate(TASK_OTHER, 0, PRESENT | DPL3 | TYPE_TASK);
    idt32[0x56] = gate(CODE32, 0, PRESENT | DPL3 | 0x200);              // no gate
    idt32[0x57] = gate(CODE32, (uint32_t)stubs32 + STUB_BYTES * 0x57, PRESENT | TYPE_INTERRUPT);  // DPL 0
    idt64[2 * 0x51] &= ~((uint64_t)PRESENT << 32);
    idt64[2 * 0x52] = gate(CODE32, 0, PRESENT | DPL3 | TYPE_INTERRUPT); // to 32-bit code
    idt64[2 * 0x53 + 1] = 0x1234;                                       // to a non-canonical address
    idt64[2 * 0x54] = gate(CODE64, (uint32_t)stubs64 + STUB_BYTES * 0x54, PRESENT | DPL3 | 0xf00);
    idt64[2 * 0x55] = gate(TASK_OTHER, 0, PRESENT | DPL3 | TYPE_TASK);
    idt64[2 * 0x57] = gate(CODE64, (uint32_t)stubs64 + STUB_BYTES * 0x57, PRESENT | TYPE_INTERRUPT);
}

void tables_init(void)
{
    set_flat();
    set_small();
    set_system();
    set_tasks();
    set_interrupts();
}

struct __attribute__((packed)) pointer {
    uint16_t limit;
    uint64_t base;
};

void tables_load(bool in_long_mode)
{
    uint16_t task = in_long_mode ? TASK64 : TASK32, local = LOCAL;
    struct pointer idt = {in_long_mode ? sizeof idt64 - 1 : sizeof idt32 - 1,
                          in_long_mode ? (uint32_t)idt64 : (uint32_t)idt32};
    gdt[TASK32 >> 3] &= ~((uint64_t)TYPE_BUSY << 32);
    gdt[TASK64 >> 3] &= ~((uint64_t)TYPE_BUSY << 32);
    __asm__ volatile("lgdt %0" : : "m"(gdt_pointer));
    __asm__ volatile("lidt %0" : : "m"(idt));
    __asm__ volatile("ltr %0; lldt %1" : : "m"(task), "m"(local) : "memory");
    watch_accept((uint32_t *)&gdt[TASK32 >> 3] + 1);
    watch_accept((uint32_t *)&gdt[TASK64 >> 3] + 1);
}

static uint64_t descriptor_of(uint32_t selector)
{
    return selector & 4 ? ldt[selector >> 3 & 3] : gdt[(selector >> 3) % GDT_ENTRIES];
}

uint32_t segment_base(uint32_t selector)
{
    uint64_t d = descriptor_of(selector);
    return (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
}

bool stack_is_16(uint32_t selector)
{
    return !(descriptor_of(selector) >> 32 & DB);
}
