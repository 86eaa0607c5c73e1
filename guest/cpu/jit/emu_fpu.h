// SPDX-License-Identifier: GPL-2.0-or-later
//
// The saved forms of the x87, SSE and extended state (SDM volume 1, 10.5 and chapter 13).
//
// The guest's registers are in the host's. They are brought into state->xsave, in the standard
// XSAVE layout, worked on there, and loaded again. The x87 pointers in it are host addresses; no
// guest ever sees them: they read as 0, as if no x87 instruction had been executed.
#pragma once

#include "guest/cpu/jit/emu_core.h"

enum { XS_FCW = 0, XS_FSW = 2, XS_FTW = 4, XS_FOP = 6, XS_FIP = 8, XS_FDP = 16, XS_MXCSR = 24,
       XS_MXCSR_MASK = 28, XS_ST = 32, XS_XMM = 160, XS_LEGACY_BYTES = 512, XS_BV = 512,
       XS_COMP_BV = 520, XS_RESERVED = 528, XS_EXTENDED = 576 };
enum { FCW_INIT = 0x37f, FSW_ES = 0x80, MXCSR_INIT = 0x1f80, MXCSR_KNOWN = 0xffff };
enum { X87_FIRST_BYTES = 24, X87_BYTES = 128, XMM_BYTES = 256, XMM_BYTES_LEGACY = 128 };

static inline uint64_t xs_get(const uint8_t *area, unsigned at, unsigned size_bytes)
{
    uint64_t value = 0;
    for (unsigned n = 0; n < size_bytes; n++)
        value |= (uint64_t)area[at + n] << 8 * n;
    return value;
}
static inline void xs_put(uint8_t *area, unsigned at, uint64_t value, unsigned size_bytes)
{
    for (unsigned n = 0; n < size_bytes; n++)
        area[at + n] = value >> 8 * n;
}

void emu_copy(uint8_t *to, const uint8_t *from, size_t bytes);  // no vector registers
void emu_zero(uint8_t *at, size_t bytes);
void emu_need_x87(struct emu *e);   // #NM by CR0.EM and TS
void emu_need_sse(struct emu *e);   // #UD by CR0.EM and CR4.OSFXSR, #NM by CR0.TS
void emu_need_no_x87_exception(struct emu *e);  // after emu_vectors_open: #MF if one is pending (or FERR#; run.c)
// Saves the guest's registers to state->xsave; components in their initial state hold that state.
void emu_vectors_open(struct emu *e);
void emu_init_component(uint8_t *area, unsigned component, unsigned at, unsigned bytes);
