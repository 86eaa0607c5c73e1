// SPDX-License-Identifier: GPL-2.0-or-later
//
// Vector instructions on the host, and the byte-masked stores.
#include "guest/cpu/jit/emu_vec.h"

#include "guest/cpu/jit/emu_ops.h"

// --- the saved registers ------------------------------------------------------------------------

void emu_vec_open(struct emu *e)
{
    uint8_t *area = e->s->xsave;
    emu_vectors_open(e);
    if (!(xs_get(area, XS_BV, 8) & XCR0_AVX))
        emu_zero(area + XS_YMM_HIGH, XMM_BYTES);
}

void emu_vec_close(struct emu *e)
{
    jit_vectors_load(e->v);
}

void emu_vec_get(const struct emu *e, unsigned reg, uint8_t to[VEC_BYTES])
{
    emu_copy(to, e->s->xsave + XS_XMM + XMM * reg, XMM);
    emu_copy(to + XMM, e->s->xsave + XS_YMM_HIGH + XMM * reg, XMM);
}

void emu_vec_put(struct emu *e, unsigned reg, const uint8_t from[VEC_BYTES], unsigned size_bytes)
{
    uint8_t *area = e->s->xsave, *high = area + XS_YMM_HIGH + XMM * reg;
    emu_copy(area + XS_XMM + XMM * reg, from, XMM);
    if (size_bytes == VEC_BYTES)
        emu_copy(high, from + XMM, XMM);
    else
        emu_zero(high, XMM);
    xs_put(area, XS_BV, xs_get(area, XS_BV, 8) | XCR0_SSE | XCR0_AVX, 8);
}

// --- elements in memory -------------------------------------------------------------------------

static uint64_t wrapped(const struct emu *e, uint64_t offset)
{
    return offset & size_mask(e->i->address_bytes);
}

uint64_t emu_vec_load(struct emu *e, uint64_t offset, unsigned size)
{
    return emu_load(e, e->i->segment, wrapped(e, offset), size);
}

void emu_vec_check_store(struct emu *e, uint64_t offset, unsigned size)
{
    gva_t at = emu_linear(e, e->i->segment, wrapped(e, offset), size, true);
    jit_check_store(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
}

void emu_vec_store(struct emu *e, uint64_t offset, uint64_t value, unsigned size)
{
    emu_store(e, e->i->segment, wrapped(e, offset), value, size);
}

// --- the instruction itself ---------------------------------------------------------------------

// #MF, if an x87 exception is pending: by an FWAIT, which does nothing else.
static void raise_pending(struct emu *e)
{
    static const struct insn fwait = {.bytes = {0x9b}, .length = 1, .mode = INSN_64};
    jit_run_on_host(e->v, &fwait, NULL);
}

void emu_vec(struct emu *e)
{
    const struct insn *i = e->i;
    if (!i->mem_bytes) {
        jit_run_on_host(e->v, i, NULL);
        return;
    }
    if (i->x87_waits)
        raise_pending(e);
    gva_t at = emu_address(e, i->mem_bytes, i->mem_written);
    if (at.u & (i->alignment - 1u))
        emu_gp(e);
    void *operand = jit_open(e->v, at, i->mem_bytes, i->mem_read, i->mem_written, i->segment == X86_SS);
    jit_run_on_host(e->v, i, operand);
    if (i->mem_written)
        jit_close(e->v);
}

// --- MASKMOVDQU and MASKMOVQ --------------------------------------------------------------------

// MMi is the fraction of the physical register i. An MMX instruction makes TOP 0 and marks all
// registers as used (SDM volume 1, 9.6.2), which changes the order that they are saved in.
static void enter_mmx(uint8_t *area)
{
    uint8_t turned[X87_BYTES];
    uint64_t fsw = xs_get(area, XS_FSW, 2);
    unsigned top = fsw >> 11 & 7;
    for (unsigned reg = 0; reg < 8; reg++)
        emu_copy(turned + 16 * reg, area + XS_ST + 16 * ((reg - top) & 7), 16);
    emu_copy(area + XS_ST, turned, X87_BYTES);
    xs_put(area, XS_FSW, fsw & ~UINT64_C(0x3800), 2);
    area[XS_FTW] = 0xff;
    xs_put(area, XS_BV, xs_get(area, XS_BV, 8) | XCR0_X87, 8);
}

static const uint8_t *mmx(const uint8_t *area, unsigned reg)
{
    unsigned top = xs_get(area, XS_FSW, 2) >> 11 & 7;
    return area + XS_ST + 16 * ((reg - top) & 7);
}

// A fault may come of bytes that the mask leaves out, too (SDM volume 2, "MASKMOVDQU"), and on AMD's CPUs it
// does.
static void store_masked(struct emu *e, const uint8_t *source, const uint8_t *mask, unsigned count)
{
    uint64_t start = e->s->gpr[X86_RDI];
    for (unsigned n = 0; n < count; n += 8)
        emu_vec_check_store(e, start + n, 8);
    for (unsigned n = 0; n < count; n++)
        if (mask[n] & 0x80)
            emu_vec_store(e, start + n, source[n], 1);
}

void emu_maskmovdqu(struct emu *e)
{
    uint8_t source[VEC_BYTES], mask[VEC_BYTES];
    emu_vec_open(e);
    emu_vec_get(e, e->i->op[0].reg, source);
    emu_vec_get(e, e->i->op[1].reg, mask);
    store_masked(e, source, mask, XMM);
    emu_vec_close(e);
}

void emu_maskmovq(struct emu *e)
{
    uint8_t *area = e->s->xsave, source[8], mask[8];
    emu_vec_open(e);
    emu_need_no_x87_exception(e);
    emu_copy(source, mmx(area, e->i->op[0].reg), sizeof source);
    emu_copy(mask, mmx(area, e->i->op[1].reg), sizeof mask);
    enter_mmx(area);  // before a fault of the store, as AMD's CPUs do
    store_masked(e, source, mask, sizeof source);
    emu_vec_close(e);
}
