// SPDX-License-Identifier: GPL-2.0-or-later
//
// VMASKMOVPS, VMASKMOVPD, VPMASKMOVD and VPMASKMOVQ: an element whose mask has its highest bit clear
// is not accessed, so it can't fault (SDM volume 2, "VMASKMOV"). A load makes it 0.
#include "guest/cpu/jit/emu_ops.h"
#include "guest/cpu/jit/emu_vec.h"

static bool chosen(const uint8_t *mask, unsigned at, unsigned size)
{
    return mask[at + size - 1] & 0x80;
}

static void load(struct emu *e, const uint8_t *mask, unsigned size)
{
    uint8_t result[VEC_BYTES] = {0};
    unsigned bytes = emu_vec_bytes(e);
    for (unsigned at = 0; at < bytes; at += size)
        if (chosen(mask, at, size))
            xs_put(result, at, emu_vec_load(e, emu_offset(e) + at, size), size);
    emu_vec_put(e, e->i->op[0].reg, result, bytes);
}

static void store(struct emu *e, const uint8_t *mask, unsigned size)
{
    uint8_t source[VEC_BYTES];
    unsigned bytes = emu_vec_bytes(e);
    emu_vec_get(e, e->i->op[2].reg, source);
    for (unsigned at = 0; at < bytes; at += size)
        if (chosen(mask, at, size))
            emu_vec_check_store(e, emu_offset(e) + at, size);
    for (unsigned at = 0; at < bytes; at += size)
        if (chosen(mask, at, size))
            emu_vec_store(e, emu_offset(e) + at, xs_get(source, at, size), size);
}

static void move(struct emu *e, unsigned size)
{
    uint8_t mask[VEC_BYTES];
    emu_vec_open(e);
    emu_vec_get(e, e->i->op[1].reg, mask);
    if (emu_is_memory(e, 0))
        store(e, mask, size);
    else
        load(e, mask, size);
    emu_vec_close(e);
}

void emu_maskmov_dwords(struct emu *e)
{
    move(e, 4);
}

void emu_maskmov_qwords(struct emu *e)
{
    move(e, 8);
}
