// SPDX-License-Identifier: GPL-2.0-or-later
//
// The registers of gdb's x86-64 target (GDB manual, appendix G.5.7 "i386 Features"), in the order of the
// description at the end of this file, which is what numbers them.
//
// Outside 64-bit code only the low halves count, so that gdb shows what the guest sees; the
// description stays the same, since gdb can't change it in the midst of a session.
#include <string.h>

#include "base/bits.h"
#include "guest/control/gdbstub_internal.h"

enum { RIP = 16, EFLAGS = 17, SEGMENTS = 18, ST = 24, X87 = 32, XMM = 40, MXCSR = 56, FS_BASE = 57,
       GS_BASE = 58, SYSTEM = 59 };
// The legacy region of the XSAVE area (SDM volume 1, table 10-2).
enum { AREA_FCW = 0, AREA_FSW = 2, AREA_FTW = 4, AREA_FOP = 6, AREA_FIP = 8, AREA_FCS = 12,
       AREA_FDP = 16, AREA_FDS = 20, AREA_MXCSR = 24, AREA_ST = 32, AREA_XMM = 160, AREA_BV = 512 };
enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static const uint8_t gpr_order[X86_GPRS] = {
    X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RBP, X86_RSP,
    X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15};
static const uint8_t segment_order[X86_SEGMENTS] = {X86_CS, X86_SS, X86_DS, X86_ES, X86_FS, X86_GS};

static bool in_64_bit_code(const struct x86_state *s)
{
    return s->efer & EFER_LMA && s->seg[X86_CS].attr & SEG_L;
}

static size_t give(uint8_t *bytes, uint64_t value, size_t size_bytes)
{
    memcpy(bytes, &value, size_bytes);
    return size_bytes;
}

static uint64_t take(const uint8_t *bytes, size_t size_bytes)
{
    uint64_t value = 0;
    memcpy(&value, bytes, size_bytes);
    return value;
}

// ---- x87 and SSE. A component that XSTATE_BV shows as unused has its initial values, whatever lies there.

static void initial_area(uint8_t area[512])
{
    memset(area, 0, 512);
    give(area + AREA_FCW, 0x37f, 2);
    give(area + AREA_MXCSR, 0x1f80, 4);
}

static void legacy_area(const struct x86_state *s, uint8_t area[512])
{
    uint64_t used = take(s->xsave + AREA_BV, 8);
    initial_area(area);
    if (used & XCR0_X87)
        memcpy(area, s->xsave, AREA_MXCSR), memcpy(area + AREA_ST, s->xsave + AREA_ST, AREA_XMM - AREA_ST);
    if (used & XCR0_SSE)
        memcpy(area + AREA_XMM, s->xsave + AREA_XMM, 256);
    if (used & (XCR0_SSE | XCR0_AVX))
        memcpy(area + AREA_MXCSR, s->xsave + AREA_MXCSR, 4);
}

static void put_legacy_area(struct x86_state *s, const uint8_t area[512])
{
    memcpy(s->xsave, area, AREA_XMM + 256);
    give(s->xsave + AREA_BV, take(s->xsave + AREA_BV, 8) | XCR0_X87 | XCR0_SSE, 8);
}

// The area has one bit a register (in use or empty), gdb the classic tag word.
static unsigned tag_of(const uint8_t *st)
{
    uint64_t mantissa = take(st, 8);
    unsigned exponent = take(st + 8, 2) & 0x7fff;
    if (exponent == 0)
        return mantissa ? TAG_SPECIAL : TAG_ZERO;
    return exponent == 0x7fff || !(mantissa >> 63) ? TAG_SPECIAL : TAG_VALID;
}

static uint16_t full_tags(const uint8_t area[512])
{
    unsigned top = take(area + AREA_FSW, 2) >> 11 & 7;
    uint16_t tags = 0;
    for (unsigned physical = 0; physical < 8; physical++) {
        unsigned tag = TAG_EMPTY;
        if (area[AREA_FTW] >> physical & 1)
            tag = tag_of(area + AREA_ST + ((physical - top) & 7) * 16);
        tags |= tag << physical * 2;
    }
    return tags;
}

static uint8_t short_tags(uint16_t tags)
{
    uint8_t used = 0;
    for (unsigned physical = 0; physical < 8; physical++)
        used |= ((tags >> physical * 2 & 3) != TAG_EMPTY) << physical;
    return used;
}

// fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop: where each lies in the area, and its size.
static const struct { uint8_t at, size; } x87_fields[8] = {
    {AREA_FCW, 2}, {AREA_FSW, 2}, {AREA_FTW, 1}, {AREA_FCS, 2}, {AREA_FIP, 4}, {AREA_FDS, 2},
    {AREA_FDP, 4}, {AREA_FOP, 2}};

static size_t vector_read(const struct x86_state *s, unsigned number, uint8_t *bytes)
{
    uint8_t area[512];
    legacy_area(s, area);
    if (number < X87)
        return memcpy(bytes, area + AREA_ST + (number - ST) * 16, 10), 10;
    if (number == X87 + 2)
        return give(bytes, full_tags(area), 4);
    if (number < XMM)
        return give(bytes, take(area + x87_fields[number - X87].at, x87_fields[number - X87].size), 4);
    if (number < MXCSR)
        return memcpy(bytes, area + AREA_XMM + (number - XMM) * 16, 16), 16;
    return give(bytes, take(area + AREA_MXCSR, 4), 4);
}

// MXCSR's reserved bits would make XRSTOR fault (SDM volume 1, 10.2.3).
static size_t vector_write(struct x86_state *s, unsigned number, const uint8_t *bytes)
{
    uint8_t area[512];
    size_t size = number < X87 ? 10 : number < XMM || number == MXCSR ? 4 : 16;
    legacy_area(s, area);
    if (number < X87)
        memcpy(area + AREA_ST + (number - ST) * 16, bytes, 10);
    else if (number == X87 + 2)
        area[AREA_FTW] = short_tags(take(bytes, 2));
    else if (number < XMM)
        memcpy(area + x87_fields[number - X87].at, bytes, x87_fields[number - X87].size);
    else if (number < MXCSR)
        memcpy(area + AREA_XMM + (number - XMM) * 16, bytes, 16);
    else
        give(area + AREA_MXCSR, take(bytes, 4) & 0xffff, 4);
    put_legacy_area(s, area);
    return size;
}

// ---- system registers: k_gs_base, cr0, cr2, cr3, cr4, cr8, efer

static uint64_t system_read(const struct x86_state *s, unsigned number)
{
    const uint64_t values[] = {s->kernel_gs_base, s->cr0, s->cr2, s->cr3, s->cr4, s->apic.tpr >> 4 & 15,
                               s->efer};
    return values[number - SYSTEM];
}

// Control registers and EFER are shown but not changed: a wrong combination is a state that no
// engine could run.
static void system_write(struct x86_state *s, unsigned number, uint64_t value)
{
    if (number == SYSTEM)
        s->kernel_gs_base = value;
    if (number == SYSTEM + 2)
        s->cr2 = value;
}

size_t gdb_register_read(const struct x86_state *s, unsigned number, uint8_t bytes[16])
{
    bool wide = in_64_bit_code(s);
    if (number < RIP) {
        uint64_t value = s->gpr[gpr_order[number]];
        return give(bytes, wide ? value : number < 8 ? (uint32_t)value : 0, 8);
    }
    if (number == RIP)
        return give(bytes, wide ? s->rip : (uint32_t)s->rip, 8);
    if (number == EFLAGS)
        return give(bytes, s->rflags, 4);
    if (number < ST)
        return give(bytes, s->seg[segment_order[number - SEGMENTS]].selector, 4);
    if (number < FS_BASE)
        return vector_read(s, number, bytes);
    if (number < SYSTEM)
        return give(bytes, s->seg[number == FS_BASE ? X86_FS : X86_GS].base, 8);
    return number < GDB_REGISTERS ? give(bytes, system_read(s, number), 8) : 0;
}

// In real and virtual-8086 mode a selector is its segment's base too (SDM volume 3, 21.1.1). In others it
// would have to be loaded from a table, with checks that may fail: left as it is.
static void selector_write(struct x86_state *s, unsigned segment, uint16_t selector)
{
    if (s->cr0 & CR0_PE && !(s->rflags & FL_VM))
        return;
    s->seg[segment].selector = selector;
    s->seg[segment].base = (uint64_t)selector << 4;
}

static void gpr_write(struct x86_state *s, unsigned number, uint64_t value)
{
    uint64_t *gpr = &s->gpr[gpr_order[number]];
    if (in_64_bit_code(s))
        *gpr = value;
    else if (number < 8)
        *gpr = (uint32_t)value;
}

// VM, IOPL and the like change what code may do, but any value of the defined bits is a state that exists.
static void eflags_write(struct x86_state *s, uint32_t value)
{
    const uint32_t changeable = FL_ARITH | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_RF | FL_AC | FL_ID;
    s->rflags = (s->rflags & ~(uint64_t)changeable) | (value & changeable) | FL_FIXED;
}

static bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

size_t gdb_register_write(struct x86_state *s, unsigned number, const uint8_t bytes[16])
{
    if (number < RIP)
        return gpr_write(s, number, take(bytes, 8)), 8;
    if (number == RIP) {
        uint64_t value = in_64_bit_code(s) ? take(bytes, 8) : take(bytes, 4);
        s->rip = is_canonical(value) ? value : s->rip;
        return 8;
    }
    if (number == EFLAGS)
        return eflags_write(s, take(bytes, 4)), 4;
    if (number < ST)
        return selector_write(s, segment_order[number - SEGMENTS], take(bytes, 2)), 4;
    if (number < FS_BASE)
        return vector_write(s, number, bytes);
    if (number >= GDB_REGISTERS)
        return 0;
    uint64_t value = take(bytes, 8);
    if (!is_canonical(value))
        return 8;
    if (number < SYSTEM)
        s->seg[number == FS_BASE ? X86_FS : X86_GS].base = value;
    else
        system_write(s, number, value);
    return 8;
}

#define REG(name, bits, type) "<reg name=\"" name "\" bitsize=\"" bits "\" type=\"" type "\"/>"
#define LONG(name) REG(name, "64", "int64")
#define WORD(name) REG(name, "32", "int32")
#define ST87(name) REG(name, "80", "i387_ext")
#define X87WORD(name) "<reg name=\"" name "\" bitsize=\"32\" type=\"int\" group=\"float\"/>"
#define XMMREG(name) REG(name, "128", "vec128")

const char *gdb_target_description(void)
{
    return
        "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
        "<architecture>i386:x86-64</architecture><feature name=\"org.gnu.gdb.i386.core\">"
        LONG("rax") LONG("rbx") LONG("rcx") LONG("rdx") LONG("rsi") LONG("rdi")
        REG("rbp", "64", "data_ptr") REG("rsp", "64", "data_ptr")
        LONG("r8") LONG("r9") LONG("r10") LONG("r11") LONG("r12") LONG("r13") LONG("r14") LONG("r15")
        REG("rip", "64", "code_ptr") WORD("eflags")
        WORD("cs") WORD("ss") WORD("ds") WORD("es") WORD("fs") WORD("gs")
        ST87("st0") ST87("st1") ST87("st2") ST87("st3") ST87("st4") ST87("st5") ST87("st6") ST87("st7")
        X87WORD("fctrl") X87WORD("fstat") X87WORD("ftag") X87WORD("fiseg") X87WORD("fioff")
        X87WORD("foseg") X87WORD("fooff") X87WORD("fop")
        "</feature><feature name=\"org.gnu.gdb.i386.sse\">"
        "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
        "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
        "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
        "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
        "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
        "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
        "<field name=\"uint128\" type=\"uint128\"/></union>"
        XMMREG("xmm0") XMMREG("xmm1") XMMREG("xmm2") XMMREG("xmm3") XMMREG("xmm4") XMMREG("xmm5")
        XMMREG("xmm6") XMMREG("xmm7") XMMREG("xmm8") XMMREG("xmm9") XMMREG("xmm10") XMMREG("xmm11")
        XMMREG("xmm12") XMMREG("xmm13") XMMREG("xmm14") XMMREG("xmm15")
        "<reg name=\"mxcsr\" bitsize=\"32\" type=\"int\" group=\"vector\"/>"
        "</feature><feature name=\"org.gnu.gdb.i386.segments\">" LONG("fs_base") LONG("gs_base")
        "</feature><feature name=\"konuk.system\">" LONG("k_gs_base") LONG("cr0") LONG("cr2") LONG("cr3")
        LONG("cr4") LONG("cr8") LONG("efer") "</feature></target>";
}
