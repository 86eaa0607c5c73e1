// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a loaded vCPU state may hold. The rules are those that the architecture enforces when
// software writes the registers, much as SDM volume 3, "Checks on the Guest State Area" lists them for
// a VM entry; states that only real mode leaves behind (odd segments) are allowed.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "guest/migrate/vcpu_state.h"

struct check {
    const struct x86_state *s, *before;
    const struct x86_model *model;
    struct err *err;
};

static int refuse(const struct check *c, const char *what, uint64_t value)
{
    return err_set(c->err, -EINVAL, "%s is %#" PRIx64 ", which this CPU can't have", what, value);
}

// Registers of 64 bits of which only some can be set, whatever the model.
#define ONLY(member, bits) { #member, offsetof(struct x86_state, member), bits }
static const struct { const char *name; size_t offset; uint64_t bits; } masks[] = {
    ONLY(cr0, CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |
              CR0_PG),
    ONLY(rflags, FL_ARITH | FL_FIXED | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_RF | FL_VM | FL_AC |
                 FL_VIF | FL_VIP | FL_ID),
    ONLY(efer, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
    ONLY(xss, 0),
    ONLY(dr6, UINT32_MAX),
    ONLY(dr7, UINT32_MAX),
    ONLY(sfmask, UINT32_MAX),
    ONLY(tsc_aux, UINT32_MAX),
    ONLY(mtrr_def_type, 0xcff),
};

#define AT(member) { #member, offsetof(struct x86_state, member) }
struct place { const char *name; size_t offset; };
static const struct place canonical[] = {
    AT(seg[X86_FS].base), AT(seg[X86_GS].base), AT(ldtr.base), AT(tr.base), AT(gdtr.base), AT(idtr.base),
    AT(lstar), AT(cstar), AT(kernel_gs_base), AT(sysenter_esp), AT(sysenter_eip),
};
static const struct place below_4g[] = {
    AT(seg[X86_ES].base), AT(seg[X86_CS].base), AT(seg[X86_SS].base), AT(seg[X86_DS].base),
};
static const struct place flags[] = {
    AT(sti_shadow), AT(mov_ss_shadow), AT(nmi_blocked), AT(event_pending), AT(event_has_code),
    AT(event_software),
};
static const struct place segment_attrs[] = {
    AT(seg[X86_ES].attr), AT(seg[X86_CS].attr), AT(seg[X86_SS].attr), AT(seg[X86_DS].attr),
    AT(seg[X86_FS].attr), AT(seg[X86_GS].attr), AT(ldtr.attr), AT(tr.attr),
};

static uint64_t u64_at(const struct check *c, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)c->s + offset, sizeof value);
    return value;
}

static bool is_canonical(const struct check *c, uint64_t address)
{
    return x86_is_canonical_base(c->model, address);
}

static int check_masks(const struct check *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
        uint64_t value = u64_at(c, masks[i].offset);
        if (value & ~masks[i].bits)
            return refuse(c, masks[i].name, value);
    }
    return 0;
}

static int check_addresses(const struct check *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(canonical); i++)
        if (!is_canonical(c, u64_at(c, canonical[i].offset)))
            return refuse(c, canonical[i].name, u64_at(c, canonical[i].offset));
    for (size_t i = 0; i < ARRAY_SIZE(below_4g); i++)
        if (u64_at(c, below_4g[i].offset) > UINT32_MAX)
            return refuse(c, below_4g[i].name, u64_at(c, below_4g[i].offset));
    bool long_code = c->s->efer & EFER_LMA && c->s->seg[X86_CS].attr & SEG_L;
    if (long_code ? !is_canonical(c, c->s->rip) : c->s->rip > UINT32_MAX)
        return refuse(c, "rip", c->s->rip);
    if (c->s->cr3 >> c->model->physical_bits)
        return refuse(c, "cr3", c->s->cr3);
    return 0;
}

static int check_between(const struct check *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        uint8_t value = ((const uint8_t *)c->s)[flags[i].offset];
        if (value > 1)
            return refuse(c, flags[i].name, value);
    }
    if (c->s->run_state > X86_WAIT_SIPI)
        return refuse(c, "run_state", c->s->run_state);
    if (!(c->s->rflags & FL_FIXED))
        return refuse(c, "rflags", c->s->rflags);
    return 0;
}

static int check_mode(const struct check *c)
{
    uint64_t cr0 = c->s->cr0, cr4 = c->s->cr4, efer = c->s->efer;
    if ((cr0 & CR0_PG && !(cr0 & CR0_PE)) || (cr0 & CR0_NW && !(cr0 & CR0_CD)))
        return refuse(c, "cr0", cr0);
    if (cr4 & ~x86_cr4_offered(c->model))
        return refuse(c, "cr4", cr4);
    bool long_mode = efer & EFER_LME && cr0 & CR0_PG;
    if (long_mode != !!(efer & EFER_LMA))
        return refuse(c, "efer", efer);
    if (long_mode ? !(cr4 & CR4_PAE) : cr4 & CR4_PCIDE)
        return refuse(c, "cr4", cr4);
    return 0;
}

// The privilege level is SS.DPL, except for a null SS, which 64-bit mode allows below level 3.
static int check_privilege(const struct check *c)
{
    const struct x86_state *s = c->s;
    bool protected_mode = s->cr0 & CR0_PE, v86 = s->rflags & FL_VM;
    uint16_t ss = s->seg[X86_SS].attr;
    if (v86 && (!protected_mode || s->efer & EFER_LMA))
        return refuse(c, "rflags", s->rflags);
    if (s->cpl > 3 || (v86 && s->cpl != 3) || (!protected_mode && s->cpl != 0))
        return refuse(c, "cpl", s->cpl);
    if (protected_mode && !v86 && ss & SEG_P && (ss >> SEG_DPL_SHIFT & 3) != s->cpl)
        return refuse(c, "cpl", s->cpl);
    return 0;
}

static int check_segments(const struct check *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(segment_attrs); i++) {
        uint16_t attr;
        memcpy(&attr, (const uint8_t *)c->s + segment_attrs[i].offset, sizeof attr);
        if (attr & 0x0f00)
            return refuse(c, segment_attrs[i].name, attr);
    }
    uint16_t cs = c->s->seg[X86_CS].attr;
    if (c->s->efer & EFER_LMA && cs & SEG_L && cs & SEG_DB)
        return refuse(c, "seg[X86_CS].attr", cs);
    if (c->s->gdtr.limit > UINT16_MAX)
        return refuse(c, "gdtr.limit", c->s->gdtr.limit);
    if (c->s->idtr.limit > UINT16_MAX)
        return refuse(c, "idtr.limit", c->s->idtr.limit);
    return check_privilege(c);
}

// The host's XRSTOR faults on MXCSR bits outside its mask (SDM volume 1, 11.6.6).
static uint32_t host_mxcsr_mask(void)
{
    _Alignas(16) uint8_t image[512];
    __builtin_ia32_fxsave64(image);
    uint32_t mask;
    memcpy(&mask, image + 28, sizeof mask);
    return mask ? mask : 0xffbf;
}

// SDM volume 1, 13.4 "XSAVE Area": the header is at 512; the standard form has XCOMP_BV 0. x87 and
// SSE are there whether or not XCR0 names them.
static int check_xsave(const struct check *c)
{
    enum { MXCSR_AT = 24, HEADER_AT = 512, HEADER_BYTES = 64 };
    uint64_t xcr0 = c->s->xcr0, header[HEADER_BYTES / 8];
    memcpy(header, c->s->xsave + HEADER_AT, sizeof header);
    if (!(xcr0 & XCR0_X87) || xcr0 & ~(c->model->xcr0 | XCR0_X87) || (xcr0 & XCR0_AVX && !(xcr0 & XCR0_SSE)))
        return refuse(c, "xcr0", xcr0);
    if (header[0] & ~(c->model->xcr0 | XCR0_X87 | XCR0_SSE))
        return refuse(c, "xsave's XSTATE_BV", header[0]);
    for (size_t i = 1; i < ARRAY_SIZE(header); i++)
        if (header[i])
            return refuse(c, "xsave's header", header[i]);
    uint32_t mxcsr;
    memcpy(&mxcsr, c->s->xsave + MXCSR_AT, sizeof mxcsr);
    if (mxcsr & ~host_mxcsr_mask())
        return refuse(c, "mxcsr", mxcsr);
    return 0;
}

// Memory types of the PAT (SDM volume 3, table "Memory Types That Can Be Encoded With PAT"): 2, 3 and
// above 7 are reserved. MTRRs have no 7 (UC-).
static int check_memory_types(const struct check *c)
{
    uint8_t pat[8], fixed[sizeof c->s->mtrr_fixed];
    memcpy(pat, &c->s->pat, sizeof pat);
    memcpy(fixed, c->s->mtrr_fixed, sizeof fixed);
    for (size_t i = 0; i < sizeof pat; i++)
        if (pat[i] > 7 || pat[i] == 2 || pat[i] == 3)
            return refuse(c, "pat", c->s->pat);
    for (size_t i = 0; i < sizeof fixed; i++)
        if (fixed[i] > 6 || fixed[i] == 2 || fixed[i] == 3)
            return refuse(c, "a fixed MTRR's type", fixed[i]);
    return 0;
}

static int check_identity(const struct check *c)
{
    const struct x86_apic *apic = &c->s->apic, *before = &c->before->apic;
    enum { BSP = 0x100, X2APIC = 0x400, ENABLED = 0x800 };
    uint64_t base = apic->base, address = base & ~UINT64_C(0xfff);
    if (apic->id != before->id)
        return refuse(c, "apic.id", apic->id);
    if ((base ^ before->base) & BSP || base & 0x2ff || address >> c->model->physical_bits ||
        (base & X2APIC && !(base & ENABLED)))
        return refuse(c, "apic.base", base);
    return 0;
}

int vcpu_state_check(const struct x86_state *state, const struct x86_state *before,
                     const struct x86_model *model, struct err *err)
{
    static int (*const checks[])(const struct check *c) = {
        check_masks, check_mode, check_segments, check_addresses, check_between, check_xsave,
        check_memory_types, check_identity,
    };
    struct check c = {state, before, model, err};
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        int code = checks[i](&c);
        if (code < 0)
            return code;
    }
    return 0;
}
