// SPDX-License-Identifier: GPL-2.0-or-later
//
// Ports (SDM volume 1, chapter "Input/Output"): who may reach them, IN, OUT, INS, OUTS.
#include "guest/cpu/jit/emu_ops.h"
#include "guest/cpu/jit/emu_string.h"

enum { TSS_IO_BASE = 0x66 };

void emu_check_port(struct emu *e, uint16_t port, unsigned size_bytes)
{
    const struct x86_state *s = e->s;
    const struct x86_segment *tr = &s->tr;
    jit_breakpoints_port(e->v, port, size_bytes);
    if (!(s->cr0 & CR0_PE) || (!emu_v86(s) && s->cpl <= emu_iopl(s)))
        return;
    bool has_map = (tr->attr & SEG_P) && (tr->attr & 8) && tr->limit >= TSS_IO_BASE + 1;
    if (!has_map)
        emu_gp(e);
    uint32_t at = emu_load_at(e, tr->base + TSS_IO_BASE, 2, JIT_AS_SUPERVISOR, false) + port / 8;
    if (at + 1 > tr->limit)  // two bytes are read always
        emu_gp(e);
    uint32_t map = emu_load_at(e, tr->base + at, 2, JIT_AS_SUPERVISOR, false);
    if (map >> (port & 7) & ((1u << size_bytes) - 1))
        emu_gp(e);
}

static uint16_t port_operand(const struct emu *e)
{
    return emu_opcode(e) & 8 ? e->s->gpr[X86_RDX] : e->i->imm & 0xff;
}

// The width of the port access: bytes by the opcode, and never eight.
static unsigned port_bytes(const struct emu *e)
{
    if (!(emu_opcode(e) & 1))
        return 1;
    unsigned size = emu_operand_bytes(e);
    return size == 8 ? 4 : size;
}

void emu_in(struct emu *e)
{
    uint16_t port = port_operand(e);
    unsigned size = port_bytes(e);
    emu_check_port(e, port, size);
    emu_leave_house(e);
    emu_set_reg(e->s, X86_RAX, mem_read(jit_ports(e->v), GPA(port), size), size);
}

void emu_out(struct emu *e)
{
    uint16_t port = port_operand(e);
    unsigned size = port_bytes(e);
    emu_check_port(e, port, size);
    emu_leave_house(e);
    mem_write(jit_ports(e->v), GPA(port), emu_reg(e->s, X86_RAX, size), size);
}

static void ins_one(struct emu *e, struct emu_string *str)
{
    uint16_t port = e->s->gpr[X86_RDX];
    gva_t at = emu_linear(e, X86_ES, str->di, str->size_bytes, true);
    jit_check_store(e->v, at, str->size_bytes, JIT_AS_CPL, false);
    emu_leave_house(e);
    uint64_t value = mem_read(jit_ports(e->v), GPA(port), str->size_bytes);
    emu_store(e, X86_ES, str->di, value, str->size_bytes);
    emu_string_step(str, false, true);
}

static void outs_one(struct emu *e, struct emu_string *str)
{
    uint64_t value = emu_load(e, str->segment, str->si, str->size_bytes);
    emu_leave_house(e);
    mem_write(jit_ports(e->v), GPA((uint16_t)e->s->gpr[X86_RDX]), value, str->size_bytes);
    emu_string_step(str, true, false);
}

void emu_ins(struct emu *e)
{
    emu_check_port(e, e->s->gpr[X86_RDX], port_bytes(e));
    emu_string_run(e, port_bytes(e), ins_one, NULL, EMU_REP);
}

void emu_outs(struct emu *e)
{
    emu_check_port(e, e->s->gpr[X86_RDX], port_bytes(e));
    emu_string_run(e, port_bytes(e), outs_one, NULL, EMU_REP);
}
