// SPDX-License-Identifier: GPL-2.0-or-later
//
// Direct jumps between blocks. Within a page, and behind an instruction that straddles into the
// target's, a jump goes straight to the block. To another page it goes through a thunk, which checks
// that the target's page runs at the right distance in this address space, and that the vCPU may
// go on:
//
//     mov t1, rcx
//     mov rcx, gs:[run]
//     jrcxz stop
//     mov t0, gs:[P.va]
//     mov rcx, gs:[Q.negated]         ; 1 - Q's address
//     lea rcx, [rcx + t0 + distance - 1]
//     jrcxz go
//   stop: mov rcx, t1; jmp stub       ; to the dispatcher
//   go:   mov rcx, t1; (change of register map); jmp block
//
// No flags are touched.
#include "guest/cpu/jit/translate.h"

static void emit_page_check(struct emit *e, const struct link *l, const struct block *target)
{
    const struct regmap *m = regmap(l->source->map);
    emit_mov(e, m->t1, X86_RCX);
    emit_load_gs(e, X86_RCX, GS(run));
    emit8(e, 0xe3);
    uint8_t *stop = e->at;
    emit8(e, 0);
    emit_load_gs(e, m->t0, PAGE_VA(l->source->page[0]));
    emit_load_gs(e, X86_RCX, PAGE_NEGATED(target->page[0]));
    emit_rm(e, 0x8d, X86_RCX, X86_RCX, m->t0, 1, (l->offset & ~(PAGE_BYTES - 1)) - 1, EMIT_W);
    emit8(e, 0xe3);
    emit8(e, 3 + 5);
    *stop = e->at - (stop + 1);
    emit_mov(e, X86_RCX, m->t1);
    emit_jmp(e, l->stub);
    emit_mov(e, X86_RCX, m->t1);
}

void code_link(struct code *c, struct link *l, struct block *target)
{
    const uint8_t *entry = l->saved_flags ? target->saved_entry : target->host_entry;
    bool same_page = l->offset >= 0 && l->offset < PAGE_BYTES;
    bool checked = !same_page && !(l->follows && target->page[0] == l->source->page[1]);
    if (checked || target->entry_map != l->source->map) {
        struct emit e = {c->cold.at};
        if (checked)
            emit_page_check(&e, l, target);
        emit_map_change(&e, regmap(l->source->map), regmap(target->entry_map));
        emit_jmp(&e, entry);
        entry = c->cold.at;
        c->cold.at = e.at;
    }
    l->target = target;
    l->next_incoming = target->incoming;
    target->incoming = l;
    emit_target(l->displacement, entry);
}
