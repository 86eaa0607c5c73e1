// SPDX-License-Identifier: GPL-2.0-or-later
//
// x87 exceptions with CR0.NE clear, as on a PC (SDM volume 1, 8.7.2 and appendix D): where #MF would come, FERR#
// is asserted, which the board leads to IRQ 13, and the CPU freezes at the waiting instruction until it is
// interrupted. A handler's write to port F0 asserts IGNNE#, and then waiting instructions ignore the
// exception until it is cleared; that ends FERR# and IGNNE# both. Port and wire are the board's.
//
// The host always has NE set. So an instruction that is to ignore what is pending runs alone, with that masked
// meanwhile; and while FERR# is asserted, instructions run one by one, so that its end is seen.
//
// Threads: the vCPU's, but for jit_ferr_ignore.
#include "guest/cpu/jit/code.h"
#include "guest/cpu/jit/emu_fpu.h"

enum { FSW_ES_B = 0x8080, EXCEPTIONS = 0x3f };
// The infinity control, which nothing looks at since the 387: tells whether the control word is still ours.
enum { FCW_X = 0x1000 };

static unsigned unmasked(const struct jit_vcpu *v)
{
    const uint8_t *area = v->state.xsave;
    bool in_use = xs_get(area, XS_BV, 8) & XCR0_X87;
    return in_use ? xs_get(area, XS_FSW, 2) & ~xs_get(area, XS_FCW, 2) & EXCEPTIONS : 0;
}

void jit_ferr(struct jit_vcpu *v)
{
    const struct engine_config *config = &v->vcpu.engine->config;
    if (atomic_load(&v->ferr.ignored)) {
        v->ferr.ignores_next = true;
        return;
    }
    jit_vectors_save(v);
    atomic_store(&v->ferr.asserted, true);
    v->state.run_state = X86_HALTED;
    if (config->ferr)
        config->ferr(config->opaque);
}

void jit_ferr_mask(struct jit_vcpu *v)
{
    uint8_t *area = v->state.xsave;
    jit_vectors_save(v);
    v->ferr.ignores_next = false;
    v->ferr.masked = unmasked(v);
    v->ferr.fcw = xs_get(area, XS_FCW, 2);
    xs_put(area, XS_FCW, (v->ferr.fcw ^ FCW_X) | v->ferr.masked, 2);
    xs_put(area, XS_FSW, xs_get(area, XS_FSW, 2) & ~(uint64_t)FSW_ES_B, 2);
}

// Unless the instruction has loaded another control word.
void jit_ferr_unmask(struct jit_vcpu *v)
{
    uint8_t *area = v->state.xsave;
    if (!v->ferr.masked)
        return;
    jit_vectors_save(v);
    if (xs_get(area, XS_FCW, 2) == (uint64_t)((v->ferr.fcw ^ FCW_X) | v->ferr.masked))
        xs_put(area, XS_FCW, v->ferr.fcw, 2);
    if (unmasked(v))
        xs_put(area, XS_FSW, xs_get(area, XS_FSW, 2) | FSW_ES_B, 2);
    v->ferr.masked = 0;
}

void jit_ferr_follow(struct jit_vcpu *v)
{
    jit_vectors_save(v);
    if (unmasked(v) && !(v->state.cr0 & CR0_NE))
        return;
    atomic_store(&v->ferr.asserted, false);
    atomic_store(&v->ferr.ignored, false);
}

void jit_ferr_ignore(struct jit_vcpu *v)
{
    if (atomic_load(&v->ferr.asserted))
        atomic_store(&v->ferr.ignored, true);
}
