// SPDX-License-Identifier: GPL-2.0-or-later
//
// The gathers of AVX2 (SDM volume 2, "VGATHERDPS" and its like). Elements are loaded from the lowest
// one on; each takes its place in the destination and is struck out of the mask at once, so that a
// fault leaves what was done and the instruction may be run again.
#include <Zydis/Mnemonic.h>

#include "guest/cpu/jit/emu_ops.h"
#include "guest/cpu/jit/emu_vec.h"

enum { DESTINATION, MEMORY, MASK };

struct gather {
    unsigned index_bytes, bytes;  // of one index, and of one element
    unsigned count, size_bytes;   // elements; of the destination's part that they may fill
    uint8_t index[VEC_BYTES], mask[VEC_BYTES], result[VEC_BYTES];
};

static unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }

static bool by_qwords(uint16_t mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_VGATHERQPS || mnemonic == ZYDIS_MNEMONIC_VGATHERQPD ||
           mnemonic == ZYDIS_MNEMONIC_VPGATHERQD || mnemonic == ZYDIS_MNEMONIC_VPGATHERQQ;
}

static bool of_qwords(const struct emu *e)
{
    return e->i->rex_w;  // VEX.W
}

// The registers must be three different ones.
static void check_registers(struct emu *e)
{
    unsigned to = e->i->op[DESTINATION].reg, mask = e->i->op[MASK].reg, index = e->i->index;
    if (to == mask || to == index || mask == index)
        emu_ud(e);
}

static void begin(struct emu *e, struct gather *g)
{
    unsigned vector = emu_vec_bytes(e);
    g->index_bytes = by_qwords(e->i->mnemonic) ? 8 : 4;
    g->bytes = of_qwords(e) ? 8 : 4;
    g->count = smaller(vector / g->index_bytes, vector / g->bytes);
    g->size_bytes = g->count * g->bytes > XMM ? VEC_BYTES : XMM;
    emu_vec_get(e, e->i->index, g->index);
    emu_vec_get(e, e->i->op[MASK].reg, g->mask);
    emu_vec_get(e, e->i->op[DESTINATION].reg, g->result);
}

static uint64_t base_offset(const struct emu *e)
{
    uint64_t base = e->i->base == INSN_NO_REG ? 0 : e->s->gpr[e->i->base];
    return base + e->i->disp;
}

static void keep(struct emu *e, const struct gather *g, unsigned size_bytes)
{
    emu_vec_put(e, e->i->op[DESTINATION].reg, g->result, size_bytes);
    emu_vec_put(e, e->i->op[MASK].reg, g->mask, size_bytes);
}

static bool chosen(const struct gather *g, unsigned n)
{
    return g->mask[(n + 1) * g->bytes - 1] & 0x80;
}

// What has no element becomes 0 in both.
static void finish(struct emu *e, struct gather *g)
{
    unsigned used = g->count * g->bytes;
    emu_zero(g->result + used, VEC_BYTES - used);
    emu_zero(g->mask, VEC_BYTES);
    keep(e, g, g->size_bytes);
}

static void load_element(struct emu *e, struct gather *g, unsigned n)
{
    int64_t index = emu_sign_extend(xs_get(g->index, n * g->index_bytes, g->index_bytes), g->index_bytes);
    keep(e, g, VEC_BYTES);  // for a fault, which leaves the rest as it was
    xs_put(g->result, n * g->bytes, emu_vec_load(e, base_offset(e) + index * e->i->scale, g->bytes), g->bytes);
}

void emu_gather(struct emu *e)
{
    struct gather g;
    check_registers(e);
    emu_vec_open(e);
    begin(e, &g);
    for (unsigned n = 0; n < g.count; n++) {
        if (chosen(&g, n))
            load_element(e, &g, n);
        xs_put(g.mask, n * g.bytes, 0, g.bytes);
    }
    finish(e, &g);
    emu_vec_close(e);
}
