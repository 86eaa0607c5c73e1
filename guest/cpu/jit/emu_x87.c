// SPDX-License-Identifier: GPL-2.0-or-later
//
// x87 control: the environment and the old save form (SDM volume 1, 8.1.10), and FWAIT. Pointers and opcode are stored as 0 (emu_fpu.h).
#include "guest/cpu/jit/emu_fpu.h"
#include "guest/cpu/jit/emu_ops.h"

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };
enum { ST_BYTES = 10, ST_STRIDE = 16, FSW_TOP_SHIFT = 11, FSW_EXCEPTIONS = 0x80ff, FCW_MASKS = 0x3f };

static unsigned tag_of(const uint8_t *st)
{
    uint64_t fraction = xs_get(st, 0, 8);
    unsigned exponent = xs_get(st, 8, 2) & 0x7fff;
    if (!exponent && !fraction)
        return TAG_ZERO;
    if (exponent == 0 || exponent == 0x7fff || !(fraction >> 63))
        return TAG_SPECIAL;
    return TAG_VALID;
}

// The XSAVE form has a bit for each physical register that is not empty, and the registers in
// stack order; the tag word has two bits for each physical register.
static uint16_t full_tags(const uint8_t *area)
{
    unsigned top = xs_get(area, XS_FSW, 2) >> FSW_TOP_SHIFT & 7;
    uint16_t tags = 0;
    for (unsigned reg = 0; reg < 8; reg++) {
        bool used = area[XS_FTW] >> reg & 1;
        const uint8_t *st = area + XS_ST + ST_STRIDE * ((reg - top) & 7);
        tags |= (used ? tag_of(st) : TAG_EMPTY) << 2 * reg;
    }
    return tags;
}

static uint8_t short_tags(uint16_t tags)
{
    uint8_t used = 0;
    for (unsigned reg = 0; reg < 8; reg++)
        used |= ((tags >> 2 * reg & 3) != TAG_EMPTY) << reg;
    return used;
}

static unsigned word_bytes(const struct emu *e)
{
    return e->i->mode == INSN_64 ? (emu_has_prefix(e, 0x66) && !e->i->rex_w ? 2 : 4) : emu_operand_bytes(e) == 2 ? 2 : 4;
}

// Seven words: control, status, tags, instruction pointer, its selector, data pointer, selector.
enum { ENVIRONMENT_WORDS = 7 };

static void build_environment(const uint8_t *area, uint8_t *image, unsigned size)
{
    const uint32_t high = size == 4 ? 0xffff0000 : 0;
    const uint32_t word[] = {xs_get(area, XS_FCW, 2) | high, xs_get(area, XS_FSW, 2) | high,
                             full_tags(area) | high, 0, 0, 0, high};
    for (unsigned n = 0; n < ENVIRONMENT_WORDS; n++)
        xs_put(image, size * n, word[n], size);
}

// The physical registers stay where they are when TOP moves; the area holds them from ST(0) on.
static void turn_stack(uint8_t *area, unsigned by)
{
    uint8_t old[8 * ST_STRIDE];
    emu_copy(old, area + XS_ST, sizeof old);
    for (unsigned n = 0; n < 8; n++)
        emu_copy(area + XS_ST + ST_STRIDE * n, old + ST_STRIDE * ((n + by) & 7), ST_STRIDE);
}

static unsigned top_of(uint16_t fsw) { return fsw >> FSW_TOP_SHIFT & 7; }

static void take_environment(uint8_t *area, const uint8_t *image, unsigned size)
{
    xs_put(area, XS_FCW, (xs_get(image, 0, 2) & 0x1f7f) | 0x40, 2);
    turn_stack(area, top_of(xs_get(image, size, 2)) - top_of(xs_get(area, XS_FSW, 2)));
    xs_put(area, XS_FSW, xs_get(image, size, 2), 2);
    area[XS_FTW] = short_tags(xs_get(image, 2 * size, 2));
}

static void close_x87(struct emu *e)
{
    uint8_t *area = e->s->xsave;
    uint16_t fcw = xs_get(area, XS_FCW, 2), fsw = xs_get(area, XS_FSW, 2);
    // ES and B follow from what is pending and unmasked.
    bool pending = fsw & ~fcw & FCW_MASKS;
    fsw = pending ? fsw | 0x8080 : fsw & ~0x8080;
    xs_put(area, XS_FSW, fsw, 2);
    xs_put(area, XS_BV, xs_get(area, XS_BV, 8) | XCR0_X87, 8);
    jit_vectors_load(e->v);
}

void emu_need_no_x87_exception(struct emu *e)
{
    if (xs_get(e->s->xsave, XS_FSW, 2) & FSW_ES)
        jit_raise(e->v, EX_MF, 0);
}

void emu_fnstenv(struct emu *e)
{
    uint8_t image[ENVIRONMENT_WORDS * 4];
    unsigned size = word_bytes(e);
    emu_need_x87(e);
    gva_t at = emu_address(e, ENVIRONMENT_WORDS * size, true);
    emu_vectors_open(e);
    build_environment(e->s->xsave, image, size);
    jit_check_store(e->v, at, word_bytes(e), JIT_AS_CPL, e->i->segment == X86_SS);
    jit_store_bytes(e->v, at, image, ENVIRONMENT_WORDS * size, JIT_AS_CPL);
    xs_put(e->s->xsave, XS_FCW, xs_get(e->s->xsave, XS_FCW, 2) | FCW_MASKS, 2);
    close_x87(e);
}

void emu_fldenv(struct emu *e)
{
    uint8_t image[ENVIRONMENT_WORDS * 4];
    unsigned size = word_bytes(e);
    emu_need_x87(e);
    gva_t at = emu_address(e, ENVIRONMENT_WORDS * size, false);
    emu_vectors_open(e);
    emu_need_no_x87_exception(e);
    jit_load(e->v, at, word_bytes(e), JIT_AS_CPL, e->i->segment == X86_SS);  // that it is aligned, if that is checked
    jit_load_bytes(e->v, at, image, ENVIRONMENT_WORDS * size, JIT_AS_CPL);
    take_environment(e->s->xsave, image, size);
    close_x87(e);
}

static void init_x87(struct emu *e)
{
    uint8_t *area = e->s->xsave;
    turn_stack(area, -top_of(xs_get(area, XS_FSW, 2)));
    emu_zero(area, X87_FIRST_BYTES);
    xs_put(area, XS_FCW, FCW_INIT, 2);
    close_x87(e);
}

void emu_fnsave(struct emu *e)
{
    uint8_t image[ENVIRONMENT_WORDS * 4 + 8 * ST_BYTES];
    unsigned head = ENVIRONMENT_WORDS * word_bytes(e);
    emu_need_x87(e);
    gva_t at = emu_address(e, head + 8 * ST_BYTES, true);
    emu_vectors_open(e);
    build_environment(e->s->xsave, image, word_bytes(e));
    for (unsigned n = 0; n < 8; n++)
        emu_copy(image + head + ST_BYTES * n, e->s->xsave + XS_ST + ST_STRIDE * n, ST_BYTES);
    jit_check_store(e->v, at, word_bytes(e), JIT_AS_CPL, e->i->segment == X86_SS);
    jit_store_bytes(e->v, at, image, head + 8 * ST_BYTES, JIT_AS_CPL);
    init_x87(e);
}

void emu_frstor(struct emu *e)
{
    uint8_t image[ENVIRONMENT_WORDS * 4 + 8 * ST_BYTES];
    unsigned head = ENVIRONMENT_WORDS * word_bytes(e);
    emu_need_x87(e);
    gva_t at = emu_address(e, head + 8 * ST_BYTES, false);
    emu_vectors_open(e);
    emu_need_no_x87_exception(e);
    jit_load(e->v, at, word_bytes(e), JIT_AS_CPL, e->i->segment == X86_SS);  // that it is aligned, if that is checked
    jit_load_bytes(e->v, at, image, head + 8 * ST_BYTES, JIT_AS_CPL);
    take_environment(e->s->xsave, image, word_bytes(e));
    for (unsigned n = 0; n < 8; n++)
        emu_copy(e->s->xsave + XS_ST + ST_STRIDE * n, image + head + ST_BYTES * n, ST_BYTES);
    close_x87(e);
}

// FWAIT looks at TS only together with MP (SDM table 2-2).
void emu_fwait(struct emu *e)
{
    if ((e->s->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        jit_raise(e->v, EX_NM, 0);
    emu_vectors_open(e);
    emu_need_no_x87_exception(e);
}
