// SPDX-License-Identifier: GPL-2.0-or-later
//
// FXSAVE and FXRSTOR, and what the other save instructions share.
#include "guest/cpu/jit/emu_fpu.h"

#include "guest/cpu/jit/emu_ops.h"

void emu_copy(uint8_t *to, const uint8_t *from, size_t bytes)
{
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

void emu_zero(uint8_t *at, size_t bytes)
{
    asm volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(0) : "memory");
}

void emu_need_x87(struct emu *e)
{
    if (e->s->cr0 & (CR0_EM | CR0_TS))
        jit_raise(e->v, EX_NM, 0);
}

void emu_need_sse(struct emu *e)
{
    if ((e->s->cr0 & CR0_EM) || !(e->s->cr4 & CR4_OSFXSR))
        emu_ud(e);
    if (e->s->cr0 & CR0_TS)
        jit_raise(e->v, EX_NM, 0);
}

void emu_init_component(uint8_t *area, unsigned component, unsigned at, unsigned bytes)
{
    if (component == 0) {
        emu_zero(area, X87_FIRST_BYTES);
        emu_zero(area + XS_ST, X87_BYTES);
        xs_put(area, XS_FCW, FCW_INIT, 2);
    } else if (component == 1) {
        emu_zero(area + XS_XMM, XMM_BYTES);
    } else {
        emu_zero(area + at, bytes);
    }
}

void emu_vectors_open(struct emu *e)
{
    uint8_t *area = e->s->xsave;
    jit_vectors_save(e->v);
    uint64_t in_use = xs_get(area, XS_BV, 8);
    for (unsigned component = 0; component < 2; component++)
        if (!(in_use >> component & 1))
            emu_init_component(area, component, 0, 0);
    emu_zero(area + XS_FOP, X87_FIRST_BYTES - XS_FOP);
    xs_put(area, XS_MXCSR_MASK, MXCSR_KNOWN, 4);
}

// Outside 64-bit mode there are eight vector registers.
static unsigned xmm_bytes(const struct emu *e)
{
    return emu_64bit(e->s) ? XMM_BYTES : XMM_BYTES_LEGACY;
}

static gva_t aligned_area(struct emu *e, unsigned size, unsigned alignment, bool write)
{
    gva_t at = emu_address(e, size, write);
    if (at.u & (alignment - 1))
        emu_gp(e);
    return at;
}

void emu_fxsave(struct emu *e)
{
    emu_need_x87(e);
    gva_t at = aligned_area(e, XS_LEGACY_BYTES, 16, true);
    emu_vectors_open(e);
    unsigned bytes = XS_XMM + xmm_bytes(e);
    jit_store_bytes(e->v, at, e->s->xsave, bytes, JIT_AS_CPL);
}

void emu_fxrstor(struct emu *e)
{
    uint8_t image[XS_LEGACY_BYTES], *area = e->s->xsave;
    emu_need_x87(e);
    gva_t at = aligned_area(e, XS_LEGACY_BYTES, 16, false);
    jit_load_bytes(e->v, at, image, XS_LEGACY_BYTES, JIT_AS_CPL);
    if (xs_get(image, XS_MXCSR, 4) & ~(uint64_t)MXCSR_KNOWN)
        emu_gp(e);
    emu_vectors_open(e);
    emu_zero(image + XS_FOP, X87_FIRST_BYTES - XS_FOP);
    emu_copy(area, image, XS_MXCSR_MASK);
    emu_copy(area + XS_ST, image + XS_ST, X87_BYTES + xmm_bytes(e));
    xs_put(area, XS_BV, xs_get(area, XS_BV, 8) | XCR0_X87 | XCR0_SSE, 8);
    jit_vectors_load(e->v);
}

void emu_stmxcsr(struct emu *e)
{
    emu_need_sse(e);
    emu_vectors_open(e);
    emu_put(e, 0, xs_get(e->s->xsave, XS_MXCSR, 4));
}

void emu_ldmxcsr(struct emu *e)
{
    emu_need_sse(e);
    uint32_t value = emu_get(e, 0);
    if (value & ~(uint32_t)MXCSR_KNOWN)
        emu_gp(e);
    emu_vectors_open(e);
    xs_put(e->s->xsave, XS_MXCSR, value, 4);
    xs_put(e->s->xsave, XS_BV, xs_get(e->s->xsave, XS_BV, 8) | XCR0_SSE, 8);
    jit_vectors_load(e->v);
}
