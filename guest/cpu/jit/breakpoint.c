// SPDX-License-Identifier: GPL-2.0-or-later
//
// The guest's debug registers (SDM volume 3, "Debug Registers"). While DR7 enables one, the vCPU runs one
// instruction at a time (run.c), and while one watches data, no translation of an address is kept for
// translated code, so that every access comes by here.
#include "guest/cpu/jit/vcpu.h"

enum { BREAKPOINTS = 4, EXECUTE = 1 << 0, WRITE = 1 << 1, PORT = 1 << 2, ACCESS = 1 << 3 };

static bool enabled(const struct x86_state *s, unsigned n)
{
    return s->dr7 >> 2 * n & 3;
}

static unsigned kind(const struct x86_state *s, unsigned n)
{
    return 1 << (s->dr7 >> (16 + 4 * n) & 3);
}

static unsigned bytes(const struct x86_state *s, unsigned n)
{
    static const uint8_t sizes[] = {1, 2, 8, 4};
    return sizes[s->dr7 >> (18 + 4 * n) & 3];
}

// Those of some kinds that meet an access, as DR6 has them. Their addresses are taken to be aligned.
static unsigned hits(const struct x86_state *s, unsigned kinds, uint64_t at, unsigned size_bytes)
{
    unsigned met = 0;
    for (unsigned n = 0; n < BREAKPOINTS; n++) {
        unsigned length = kinds == EXECUTE ? 1 : bytes(s, n);
        uint64_t first = s->dr[n] & ~(uint64_t)(length - 1);
        if (enabled(s, n) && kinds & kind(s, n) && at <= first + (length - 1) && first <= at + (size_bytes - 1))
            met |= 1 << n;
    }
    return met;
}

void jit_breakpoints_follow(struct jit_vcpu *v)
{
    bool data = false;
    for (unsigned n = 0; n < BREAKPOINTS; n++)
        data |= enabled(&v->state, n) && kind(&v->state, n) & (WRITE | ACCESS);
    if (v->watching == (data || v->debug_watching))
        return;
    v->watching = data || v->debug_watching;
    jit_flush_all(v);
}

unsigned jit_breakpoints_at(const struct jit_vcpu *v)
{
    return v->state.rflags & FL_RF ? 0 : hits(&v->state, EXECUTE, jit_linear_pc(v), 1);
}

void jit_breakpoints_watch(struct jit_vcpu *v, uint64_t va, unsigned size_bytes, bool write)
{
    unsigned met = hits(&v->state, write ? WRITE | ACCESS : ACCESS, va, size_bytes);
    v->breakpoint_hits |= met;
    v->leave |= met != 0;
}

void jit_breakpoints_port(struct jit_vcpu *v, uint16_t port, unsigned size_bytes)
{
    if (v->state.cr4 & CR4_DE)
        v->breakpoint_hits |= hits(&v->state, PORT, port, size_bytes);
}
