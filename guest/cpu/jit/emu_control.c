// SPDX-License-Identifier: GPL-2.0-or-later
//
// Control and debug registers, XCR0, PKRU and the TLB (SDM volume 3, 2.5 to 2.8, 4.6.2 and 4.10.4; 18.2).
#include "guest/cpu/jit/emu_ops.h"

static unsigned control_bytes(const struct emu *e)
{
    return emu_64bit(e->s) ? 8 : 4;
}

static void check_paging_on(struct emu *e, uint64_t cr0)
{
    struct x86_state *s = e->s;
    unsigned task = s->tr.attr & (SEG_P | SEG_S | SEG_TYPE);
    bool short_task = task == (SEG_P | SYS_TSS16) || task == (SEG_P | SYS_TSS16_BUSY);
    emu_leave_house(e);
    if (s->efer & EFER_LME) {
        if (!(s->cr4 & CR4_PAE) || (s->seg[X86_CS].attr & SEG_L) || short_task)
            emu_gp(e);
    } else if (s->cr4 & CR4_PAE) {
        struct x86_state paged = {.cr0 = cr0, .cr3 = s->cr3, .cr4 = s->cr4, .efer = s->efer};
        if (!x86_pdptes_valid(&paged, jit_memory(e->v), s->cr3))
            emu_gp(e);
    }
}

static void check_paging_off(struct emu *e)
{
    if (emu_64bit(e->s) || (e->s->cr4 & CR4_PCIDE))
        emu_gp(e);
}

static void write_cr0(struct emu *e, uint64_t value)
{
    const uint32_t known = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW |
                           CR0_CD | CR0_PG;
    struct x86_state *s = e->s;
    bool bad = value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) ||
               ((value & CR0_NW) && !(value & CR0_CD));
    if (bad)
        emu_gp(e);
    value = (value & known) | CR0_ET;
    uint64_t changed = value ^ s->cr0;
    if (changed & value & CR0_PG)
        check_paging_on(e, value);
    if (changed & ~value & CR0_PG)
        check_paging_off(e);
    if (changed & CR0_PG)
        s->efer = (value & CR0_PG) && (s->efer & EFER_LME) ? s->efer | EFER_LMA : s->efer & ~(uint64_t)EFER_LMA;
    s->cr0 = value;
    if (!(value & CR0_PE))
        s->cpl = 0;
    if (changed & (CR0_PG | CR0_WP | CR0_PE))
        jit_flush_all(e->v);
    jit_mode_changed(e->v);
}

static bool bad_pdptes(struct emu *e, uint64_t cr3)
{
    emu_leave_house(e);
    return !x86_pdptes_valid(e->s, jit_memory(e->v), cr3);
}

static void write_cr3(struct emu *e, uint64_t value)
{
    struct x86_state *s = e->s;
    if (emu_long_mode(s)) {
        if (s->cr4 & CR4_PCIDE)
            value &= ~BIT(63);  // "keep this PCID's entries": dropping them is allowed (SDM 4.10.4.1)
        if (value >> jit_model(e->v)->physical_bits)
            emu_gp(e);
    } else if ((s->cr4 & CR4_PAE) && (s->cr0 & CR0_PG) && bad_pdptes(e, value)) {
        emu_gp(e);
    }
    s->cr3 = value;
    jit_flush_nonglobal(e->v);
}

static void check_cr4(struct emu *e, uint64_t value, uint64_t changed)
{
    struct x86_state *s = e->s;
    if (value & ~x86_cr4_offered(jit_model(e->v)))
        emu_gp(e);
    if (emu_long_mode(s) && (!(value & CR4_PAE) || (changed & CR4_LA57)))
        emu_gp(e);
    if ((changed & value & CR4_PCIDE) && (!emu_long_mode(s) || (s->cr3 & 0xfff)))
        emu_gp(e);
    bool reloads = (s->cr0 & CR0_PG) && !emu_long_mode(s) && (value & CR4_PAE) &&
                   (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP));
    if (!reloads)
        return;
    emu_leave_house(e);
    struct x86_state paged = {.cr0 = s->cr0, .cr3 = s->cr3, .cr4 = value, .efer = s->efer};
    if (!x86_pdptes_valid(&paged, jit_memory(e->v), s->cr3))
        emu_gp(e);
}

static void write_cr4(struct emu *e, uint64_t value)
{
    enum { PAGING = CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE };
    uint64_t changed = value ^ e->s->cr4;
    check_cr4(e, value, changed);
    e->s->cr4 = value;
    if (changed & PAGING)
        jit_flush_all(e->v);
    jit_mode_changed(e->v);
}

static void write_cr8(struct emu *e, uint64_t value)
{
    if (value > 15)
        emu_gp(e);
    emu_leave_house(e);
    apic_set_cr8(jit_apic(e->v), value);
    jit_check_interrupts(e->v);
}

static uint64_t read_cr8(struct emu *e)
{
    emu_leave_house(e);
    return apic_cr8(jit_apic(e->v));
}

static uint64_t read_cr(struct emu *e, unsigned number)
{
    switch (number) {
    case 0: return e->s->cr0;
    case 2: return e->s->cr2;
    case 3: return e->s->cr3;
    case 4: return e->s->cr4;
    case 8: return read_cr8(e);
    default: emu_ud(e);
    }
}

static void write_cr(struct emu *e, unsigned number, uint64_t value)
{
    switch (number) {
    case 0: write_cr0(e, value); break;
    case 2: e->s->cr2 = value; break;
    case 3: write_cr3(e, value); break;
    case 4: write_cr4(e, value); break;
    case 8: write_cr8(e, value); break;
    default: emu_ud(e);
    }
}

void emu_mov_cr(struct emu *e)
{
    unsigned size = control_bytes(e);
    emu_need_cpl0(e);
    if (emu_opcode2(e) == 0x20)
        emu_set_reg(e->s, e->i->op[0].reg, read_cr(e, e->i->op[1].reg), size);
    else
        write_cr(e, e->i->op[0].reg, emu_reg(e->s, e->i->op[1].reg, size));
}

enum { DR6_BD = 1 << 13, DR6_SETTABLE = 0xe00f, DR7_GD = 1 << 13 };

static unsigned debug_register(struct emu *e, unsigned number)
{
    if (number > 7)
        emu_ud(e);
    if (number == 4 || number == 5) {
        if (e->s->cr4 & CR4_DE)
            emu_ud(e);
        return number + 2;
    }
    return number;
}

static void write_dr(struct emu *e, unsigned number, uint64_t value)
{
    struct x86_state *s = e->s;
    if (number >= 6 && value >> 32)
        emu_gp(e);
    if (number < 4)
        s->dr[number] = value;
    else if (number == 6)
        s->dr6 = (value & DR6_SETTABLE) | 0xffff0ff0;
    else
        s->dr7 = (value & 0xffff2bff) | 0x400;
    jit_mode_changed(e->v);
}

void emu_mov_dr(struct emu *e)
{
    struct x86_state *s = e->s;
    unsigned size = control_bytes(e);
    bool read = emu_opcode2(e) == 0x21;
    unsigned number = debug_register(e, e->i->op[read ? 1 : 0].reg);
    emu_need_cpl0(e);
    if (s->dr7 & DR7_GD) {
        s->dr6 |= DR6_BD;
        s->dr7 &= ~(uint64_t)DR7_GD;
        jit_raise(e->v, EX_DB, 0);
    }
    if (read)
        emu_set_reg(s, e->i->op[0].reg, number < 4 ? s->dr[number] : number == 6 ? s->dr6 : s->dr7, size);
    else
        write_dr(e, number, emu_reg(s, e->i->op[1].reg, size));
}

void emu_clts(struct emu *e)
{
    emu_need_cpl0(e);
    e->s->cr0 &= ~(uint64_t)CR0_TS;
    jit_mode_changed(e->v);
}

void emu_lmsw(struct emu *e)
{
    emu_need_cpl0(e);
    uint64_t low = emu_get_as(e, 0, 2) & 0xf;
    low |= e->s->cr0 & CR0_PE;  // LMSW can't leave protected mode
    write_cr0(e, (e->s->cr0 & ~UINT64_C(0xf)) | low);
}

void emu_smsw(struct emu *e)
{
    if ((e->s->cr4 & CR4_UMIP) && e->s->cpl)
        emu_gp(e);
    emu_put(e, 0, e->s->cr0);
}

void emu_invlpg(struct emu *e)
{
    emu_need_cpl0(e);
    uint64_t at = emu_offset(e);
    if (emu_64bit(e->s)) {
        if (e->i->segment == X86_FS || e->i->segment == X86_GS)
            at += e->s->seg[e->i->segment].base;
        if (!emu_canonical_base(e, at))
            return;  // a NOP (SDM volume 2)
    } else {
        at = (uint32_t)(e->s->seg[e->i->segment].base + at);
    }
    jit_flush_page(e->v, GVA(at));
}

// Nothing is kept of a PCID that isn't the current one: every MOV CR3 drops all but the global pages.
static void invalidate(struct emu *e, uint64_t type, uint64_t pcid, uint64_t address)
{
    enum { ONE_ADDRESS, ONE_PCID, ALL, ALL_BUT_GLOBAL };
    bool pcide = e->s->cr4 & CR4_PCIDE, current = pcid == (pcide ? e->s->cr3 & 0xfff : 0);
    if (type > ALL_BUT_GLOBAL || pcid >> 12 || (type < ALL && pcid && !pcide) ||
        (type == ONE_ADDRESS && !emu_canonical_base(e, address)))
        emu_gp(e);
    if (type == ONE_ADDRESS && current)
        jit_flush_page(e->v, GVA(address));
    else if (type == ALL)
        jit_flush_all(e->v);
    else if (type == ALL_BUT_GLOBAL || (type == ONE_PCID && current))
        jit_flush_nonglobal(e->v);
}

void emu_invpcid(struct emu *e)
{
    emu_need_feature(e, X86_7_EBX, 10);
    if (emu_v86(e->s))
        emu_gp(e);
    emu_need_cpl0(e);
    uint64_t type = emu_reg(e->s, e->i->op[0].reg, control_bytes(e));
    uint64_t pcid = emu_mem(e, 0, 8), address = emu_mem(e, 8, 8);
    invalidate(e, type, pcid, address);
}

// INVD and WBINVD: caches are not modelled.
void emu_invd(struct emu *e)
{
    emu_need_cpl0(e);
}

void emu_xgetbv(struct emu *e)
{
    struct x86_state *s = e->s;
    if (!(s->cr4 & CR4_OSXSAVE))
        emu_ud(e);
    uint32_t index = s->gpr[X86_RCX];
    if (index > 1 || (index && !x86_has(jit_model(e->v), X86_D_1_EAX, 2)))
        emu_gp(e);
    uint64_t value = s->xcr0;
    if (index) {
        jit_vectors_save(e->v);
        uint64_t in_use;
        __builtin_memcpy(&in_use, s->xsave + 512, 8);
        value &= in_use | (s->pkru ? XCR0_PKRU : 0);
    }
    emu_set_reg(s, X86_RAX, value, 4);
    emu_set_reg(s, X86_RDX, value >> 32, 4);
}

void emu_xsetbv(struct emu *e)
{
    struct x86_state *s = e->s;
    if (!(s->cr4 & CR4_OSXSAVE))
        emu_ud(e);
    emu_need_cpl0(e);
    uint64_t value = (s->gpr[X86_RDX] << 32) | (uint32_t)s->gpr[X86_RAX];
    bool bad = (uint32_t)s->gpr[X86_RCX] || !(value & XCR0_X87) || (value & ~jit_model(e->v)->xcr0) ||
               ((value & XCR0_AVX) && !(value & XCR0_SSE));
    if (bad)
        emu_gp(e);
    s->xcr0 = value;
    jit_mode_changed(e->v);
}

static void need_keys(struct emu *e)
{
    if (!(e->s->cr4 & CR4_PKE))
        emu_ud(e);
    if ((uint32_t)e->s->gpr[X86_RCX])
        emu_gp(e);
}

void emu_rdpkru(struct emu *e)
{
    need_keys(e);
    emu_set_reg(e->s, X86_RAX, e->s->pkru, 4);
    emu_set_reg(e->s, X86_RDX, 0, 4);
}

void emu_wrpkru(struct emu *e)
{
    need_keys(e);
    if ((uint32_t)e->s->gpr[X86_RDX])
        emu_gp(e);
    emu_set_pkru(e, e->s->gpr[X86_RAX]);
}

// What is allowed now and was not before is looked up again anyway.
void emu_set_pkru(struct emu *e, uint32_t value)
{
    bool forbids_more = value & ~e->s->pkru;
    e->s->pkru = value;
    if (forbids_more)
        jit_flush_keyed(e->v);
}
