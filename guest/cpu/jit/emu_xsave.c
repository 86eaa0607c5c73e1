// SPDX-License-Identifier: GPL-2.0-or-later
//
// XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR and XRSTORS (SDM volume 1, 13.7 to 13.12), standard and compacted
// form. IA32_XSS can only be 0, so the two supervisor ones have no component of their own.
#include "guest/cpu/jit/emu_fpu.h"
#include "guest/cpu/jit/emu_ops.h"

enum { FIRST_EXTENDED = 2, PKRU = 9, COMPONENTS = 63 };
#define XCOMP_COMPACT BIT(63)

struct layout {
    uint32_t at, bytes;
    bool aligned;  // in the compacted form
};

static struct layout component_layout(struct emu *e, unsigned component)
{
    struct x86_cpuid leaf = x86_cpuid(jit_model(e->v), e->s, 0xd, component);
    struct layout l = {.at = leaf.ebx, .bytes = leaf.eax, .aligned = leaf.ecx & 2};
    // Our own tables say so; a wrong one must not reach beyond the state.
    if (l.at < XS_EXTENDED || l.at > X86_XSAVE_BYTES || l.bytes > X86_XSAVE_BYTES - l.at)
        return (struct layout){.at = XS_EXTENDED};
    return l;
}

// Where the component lies in a compacted image that holds those in present.
static uint32_t compacted_at(struct emu *e, unsigned component, uint64_t present)
{
    uint32_t at = XS_EXTENDED;
    for (unsigned n = FIRST_EXTENDED; n < component; n++)
        if (present >> n & 1) {
            struct layout l = component_layout(e, n);
            at = (l.aligned ? align_up(at, 64) : at) + l.bytes;
        }
    return component_layout(e, component).aligned ? align_up(at, 64) : at;
}

static uint64_t requested(const struct emu *e)
{
    return (e->s->gpr[X86_RDX] << 32 | (uint32_t)e->s->gpr[X86_RAX]) & e->s->xcr0;
}

static void need_osxsave(struct emu *e)
{
    if (!(e->s->cr4 & CR4_OSXSAVE))
        emu_ud(e);
}

static gva_t begin(struct emu *e, bool write)
{
    need_osxsave(e);
    if (e->s->cr0 & CR0_TS)
        jit_raise(e->v, EX_NM, 0);
    gva_t at = emu_address(e, XS_EXTENDED, write);
    if (at.u & 63)
        emu_gp(e);
    return at;
}

static void put(struct emu *e, gva_t at, uint32_t offset, uint32_t bytes)
{
    jit_store_bytes(e->v, GVA(at.u + offset), e->s->xsave + offset, bytes, JIT_AS_CPL);
}

static void save_legacy(struct emu *e, gva_t at, uint64_t which, bool mxcsr)
{
    if (which & XCR0_X87) {
        put(e, at, 0, X87_FIRST_BYTES);
        put(e, at, XS_ST, X87_BYTES);
    }
    if (mxcsr)
        put(e, at, XS_MXCSR, 8);
    if (which & XCR0_SSE)
        put(e, at, XS_XMM, emu_64bit(e->s) ? XMM_BYTES : XMM_BYTES_LEGACY);
}

static void save_extended(struct emu *e, gva_t at, uint64_t which, uint64_t in_use, uint64_t compacted)
{
    for (unsigned n = FIRST_EXTENDED; n < COMPONENTS && which >> n; n++) {
        if (!(which >> n & 1))
            continue;
        struct layout l = component_layout(e, n);
        if (!(in_use >> n & 1))
            emu_init_component(e->s->xsave, n, l.at, l.bytes);
        uint32_t to = compacted ? compacted_at(e, n, compacted) : l.at;
        jit_store_bytes(e->v, GVA(at.u + to), e->s->xsave + l.at, l.bytes, JIT_AS_CPL);
    }
}

// PKRU isn't kept in the area: the host's XRSTOR may not know it.
static uint64_t open_in_use(struct emu *e)
{
    struct x86_state *s = e->s;
    emu_vectors_open(e);
    if (s->xcr0 & XCR0_PKRU)
        xs_put(s->xsave, component_layout(e, PKRU).at, s->pkru, 8);
    return (xs_get(s->xsave, XS_BV, 8) | (s->pkru ? XCR0_PKRU : 0)) & s->xcr0;
}

static void save_standard(struct emu *e, bool only_in_use)
{
    gva_t at = begin(e, true);
    uint64_t mask = requested(e), in_use = open_in_use(e);
    uint64_t which = only_in_use ? mask & in_use : mask;
    uint64_t before = jit_load(e->v, GVA(at.u + XS_BV), 8, JIT_AS_CPL, false);
    save_legacy(e, at, which, mask & (XCR0_SSE | XCR0_AVX));
    save_extended(e, at, which, in_use, 0);
    jit_store(e->v, GVA(at.u + XS_BV), (before & ~mask) | (in_use & mask), 8, JIT_AS_CPL, false);
}

void emu_xsave(struct emu *e)
{
    save_standard(e, false);
}

void emu_xsaveopt(struct emu *e)
{
    emu_need_feature(e, X86_D_1_EAX, 0);
    save_standard(e, true);
}

static void save_compacted(struct emu *e)
{
    gva_t at = begin(e, true);
    uint64_t mask = requested(e), in_use = open_in_use(e);
    if (xs_get(e->s->xsave, XS_MXCSR, 4) != MXCSR_INIT)
        in_use |= XCR0_SSE & e->s->xcr0;
    uint64_t which = mask & in_use;
    jit_check_store(e->v, GVA(at.u + XS_BV), 8, JIT_AS_CPL, false);
    save_legacy(e, at, which, which & XCR0_SSE);
    save_extended(e, at, which, in_use, mask | XCOMP_COMPACT);
    jit_store(e->v, GVA(at.u + XS_BV), which, 8, JIT_AS_CPL, false);
    jit_store(e->v, GVA(at.u + XS_COMP_BV), mask | XCOMP_COMPACT, 8, JIT_AS_CPL, false);
}

void emu_xsavec(struct emu *e)
{
    emu_need_feature(e, X86_D_1_EAX, 1);
    save_compacted(e);
}

// It may leave out what was not modified since the last XRSTORS, too (13.11); need not.
void emu_xsaves(struct emu *e)
{
    emu_need_feature(e, X86_D_1_EAX, 3);
    need_osxsave(e);
    emu_need_cpl0(e);
    save_compacted(e);
}

// What is to be restored, in the standard layout.
struct image {
    uint64_t present, compacted;
    uint8_t bytes[X86_XSAVE_BYTES];
};

static void check_header(struct emu *e, const struct image *image)
{
    uint64_t known = e->s->xcr0, compacted = image->compacted;
    bool bad = image->present & ~known;
    // The standard form reserves 16 bytes behind XCOMP_BV, the compacted one all that follow.
    unsigned reserved = compacted ? XS_EXTENDED - XS_RESERVED : 8;
    for (unsigned n = 0; n < reserved; n++)
        bad |= image->bytes[XS_RESERVED + n];
    if (compacted & XCOMP_COMPACT) {
        uint64_t format = compacted & ~XCOMP_COMPACT;
        bad |= (format & ~known) || (image->present & ~format);
        bad |= !x86_has(jit_model(e->v), X86_D_1_EAX, 1);
    } else {
        bad |= compacted != 0;
    }
    if (bad)
        emu_gp(e);
}

static void read_extended(struct emu *e, gva_t at, struct image *image, uint64_t mask)
{
    for (unsigned n = FIRST_EXTENDED; n < COMPONENTS && mask >> n; n++) {
        if (!(mask >> n & 1))
            continue;
        struct layout l = component_layout(e, n);
        uint32_t from = image->compacted ? compacted_at(e, n, image->compacted) : l.at;
        if (image->present >> n & 1)
            jit_load_bytes(e->v, GVA(at.u + from), image->bytes + l.at, l.bytes, JIT_AS_CPL);
        else
            emu_init_component(image->bytes, n, l.at, l.bytes);
    }
}

// MXCSR goes with SSE and AVX in the standard form, whether or not they are present; in the
// compacted form with SSE only (SDM volume 1, 13.8).
static bool read_mxcsr(struct emu *e, struct image *image, uint64_t mask)
{
    if (!image->compacted) {
        if (!(mask & (XCR0_SSE | XCR0_AVX)))
            return false;
    } else if (!(mask & XCR0_SSE)) {
        return false;
    } else if (!(image->present & XCR0_SSE)) {
        xs_put(image->bytes, XS_MXCSR, MXCSR_INIT, 4);
    }
    if (xs_get(image->bytes, XS_MXCSR, 4) & ~(uint64_t)MXCSR_KNOWN)
        emu_gp(e);
    return true;
}

static void take_component(uint8_t *area, const struct image *image, unsigned component, struct layout l,
                           unsigned xmm_bytes)
{
    if (component == 0) {
        emu_copy(area, image->bytes, XS_FOP);
        emu_copy(area + XS_ST, image->bytes + XS_ST, X87_BYTES);
    } else if (component == 1) {
        emu_copy(area + XS_XMM, image->bytes + XS_XMM, xmm_bytes);
    } else {
        emu_copy(area + l.at, image->bytes + l.at, l.bytes);
    }
}

static void take(struct emu *e, const struct image *image, uint64_t mask, bool mxcsr)
{
    uint8_t *area = e->s->xsave;
    unsigned xmm_bytes = emu_64bit(e->s) ? XMM_BYTES : XMM_BYTES_LEGACY;
    uint64_t in_use = open_in_use(e);
    for (unsigned n = 0; n < COMPONENTS && mask >> n; n++)
        if (mask >> n & 1)
            take_component(area, image, n, n < FIRST_EXTENDED ? (struct layout){0} : component_layout(e, n),
                           xmm_bytes);
    if (mxcsr)
        emu_copy(area + XS_MXCSR, image->bytes + XS_MXCSR, 4);
    in_use = (in_use & ~mask) | (image->present & mask);
    if (xs_get(area, XS_MXCSR, 4) != MXCSR_INIT)
        in_use |= XCR0_SSE;
    if (mask & XCR0_PKRU)
        emu_set_pkru(e, xs_get(area, component_layout(e, PKRU).at, 4));
    xs_put(area, XS_BV, in_use & ~(uint64_t)XCR0_PKRU, 8);
    jit_vectors_load(e->v);
}

static void restore(struct emu *e, bool only_compacted)
{
    struct image image;
    gva_t at = begin(e, false);
    uint64_t mask = requested(e);
    emu_vectors_open(e);  // CPUID is asked on the way
    jit_load_bytes(e->v, at, image.bytes, XS_EXTENDED, JIT_AS_CPL);
    image.present = xs_get(image.bytes, XS_BV, 8);
    image.compacted = xs_get(image.bytes, XS_COMP_BV, 8);
    if (only_compacted && !(image.compacted & XCOMP_COMPACT))
        emu_gp(e);
    check_header(e, &image);
    bool mxcsr = read_mxcsr(e, &image, mask);
    for (unsigned n = 0; n < FIRST_EXTENDED; n++)
        if (!(image.present >> n & 1))
            emu_init_component(image.bytes, n, 0, 0);
    read_extended(e, at, &image, mask);
    take(e, &image, mask, mxcsr);
}

void emu_xrstor(struct emu *e)
{
    restore(e, false);
}

void emu_xrstors(struct emu *e)
{
    emu_need_feature(e, X86_D_1_EAX, 3);
    need_osxsave(e);
    emu_need_cpl0(e);
    restore(e, true);
}
