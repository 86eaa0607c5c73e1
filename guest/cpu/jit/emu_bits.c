// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bits: test, scan, count, BMI, conditions.
#include "guest/cpu/jit/emu_host.h"
#include "guest/cpu/jit/emu_ops.h"

// A register's bit number reaches outside a memory operand: the operand that holds the bit (SDM
// volume 2, "BT": the offset is signed, in units of the operand size).
static gva_t bit_address(struct emu *e, int64_t bit, unsigned size, bool write)
{
    int64_t units = bit >> (size == 2 ? 4 : size == 4 ? 5 : 6);
    uint64_t offset = (emu_offset(e) + units * size) & size_mask(e->i->address_bytes);
    return emu_linear(e, e->i->segment, offset, size, write);
}

static void bit_locked(struct emu *e, emu_compute *compute, gva_t at, uint64_t bit, unsigned size)
{
    uint64_t old, desired;
    uint32_t flags;
    do {
        flags = e->s->rflags;
        old = jit_load(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
        desired = compute(size, old, bit, &flags);
    } while (!jit_cmpxchg(e->v, at, &old, &desired, size, JIT_AS_CPL));
    emu_set_flags(e->s, flags);
}

static void bit_in_memory(struct emu *e, emu_compute *compute, bool write)
{
    unsigned size = e->i->op[0].size;
    int64_t bit = emu_sign_extend(emu_reg(e->s, e->i->op[1].reg, size), size);
    gva_t at = bit_address(e, bit, size, write);
    uint64_t in_operand = bit & (8 * size - 1);
    if (write)
        jit_check_store(e->v, at, size, JIT_AS_CPL, e->i->segment == X86_SS);
    if (e->i->lock) {
        bit_locked(e, compute, at, in_operand, size);
        return;
    }
    bool stack = e->i->segment == X86_SS;
    uint32_t flags = e->s->rflags;
    uint64_t value = compute(size, emu_load_at(e, at.u, size, JIT_AS_CPL, stack), in_operand, &flags);
    if (write)
        emu_store_at(e, at.u, value, size, JIT_AS_CPL, stack);
    emu_set_flags(e->s, flags);
}

static void bit_op(struct emu *e, emu_compute *compute, bool write)
{
    unsigned size = e->i->op[0].size;
    if (emu_is_memory(e, 0) && e->i->op[1].kind == INSN_REG) {
        bit_in_memory(e, compute, write);
        return;
    }
    uint64_t bit = emu_get_as(e, 1, size) & (8 * size - 1);
    if (write) {
        emu_modify(e, 0, compute, bit);
        return;
    }
    uint32_t flags = e->s->rflags;
    compute(size, emu_get(e, 0), bit, &flags);
    emu_set_flags(e->s, flags);
}

void emu_bt(struct emu *e)
{
    bit_op(e, host_bt, false);
}

void emu_bts(struct emu *e)
{
    bit_op(e, host_bts, true);
}

void emu_btr(struct emu *e)
{
    bit_op(e, host_btr, true);
}

void emu_btc(struct emu *e)
{
    bit_op(e, host_btc, true);
}

// The destination goes in too: BSF and BSR leave it alone if the source is 0.
static void scan(struct emu *e, emu_compute *compute)
{
    uint32_t flags = e->s->rflags;
    uint64_t from = emu_get(e, 1);
    uint64_t value = compute(e->i->op[0].size, emu_get(e, 0), from, &flags);
    bool untouched = !from && (compute == host_bsf || compute == host_bsr);
    if (!untouched)
        emu_put(e, 0, value);
    emu_set_flags(e->s, flags);
}

void emu_bsf(struct emu *e)
{
    scan(e, host_bsf);
}

void emu_bsr(struct emu *e)
{
    scan(e, host_bsr);
}

// Where the model doesn't know them, the encodings are BSF and BSR with an ignored prefix.
void emu_tzcnt(struct emu *e)
{
    scan(e, x86_has(jit_model(e->v), X86_7_EBX, 3) ? host_tzcnt : host_bsf);
}

void emu_lzcnt(struct emu *e)
{
    scan(e, x86_has(jit_model(e->v), X86_80000001_ECX, 5) ? host_lzcnt : host_bsr);
}

void emu_popcnt(struct emu *e)
{
    emu_need_feature(e, X86_1_ECX, 23);
    scan(e, host_popcnt);
}

void emu_bswap(struct emu *e)
{
    unsigned size = e->i->op[0].size;
    uint64_t value = emu_get(e, 0);
    // In 16 bits undefined by the manuals; the hardware clears the register's low half.
    emu_put(e, 0, size == 8 ? __builtin_bswap64(value) : size == 4 ? __builtin_bswap32(value) : 0);
}

void emu_crc32(struct emu *e)
{
    emu_need_feature(e, X86_1_ECX, 20);
    emu_put(e, 0, host_crc32(e->i->op[1].size, emu_get(e, 0), emu_get(e, 1)));
}

bool emu_condition(const struct x86_state *s, unsigned code)
{
    uint64_t f = s->rflags;
    bool less = !(f & FL_SF) != !(f & FL_OF), met;
    switch (code >> 1 & 7) {
    case 0: met = f & FL_OF; break;
    case 1: met = f & FL_CF; break;
    case 2: met = f & FL_ZF; break;
    case 3: met = f & (FL_CF | FL_ZF); break;
    case 4: met = f & FL_SF; break;
    case 5: met = f & FL_PF; break;
    case 6: met = less; break;
    default: met = less || (f & FL_ZF); break;
    }
    return met != (code & 1);
}

void emu_setcc(struct emu *e)
{
    emu_put(e, 0, emu_condition(e->s, emu_opcode2(e)));
}

// The source is read, and in 32 bits the upper half cleared, even when nothing moves.
void emu_cmovcc(struct emu *e)
{
    uint64_t value = emu_get(e, 1);
    emu_put(e, 0, emu_condition(e->s, emu_opcode2(e)) ? value : emu_get(e, 0));
}

static void need_bmi1(struct emu *e)
{
    emu_need_feature(e, X86_7_EBX, 3);
}

static void need_bmi2(struct emu *e)
{
    emu_need_feature(e, X86_7_EBX, 8);
}

static void put_computed(struct emu *e, emu_compute *compute, uint64_t a, uint64_t b)
{
    uint32_t flags = e->s->rflags;
    emu_put(e, 0, compute(e->i->op[0].size, a, b, &flags));
    emu_set_flags(e->s, flags);
}

void emu_andn(struct emu *e)
{
    need_bmi1(e);
    put_computed(e, host_andn, emu_get(e, 1), emu_get(e, 2));
}

void emu_bextr(struct emu *e)
{
    need_bmi1(e);
    put_computed(e, host_bextr, emu_get(e, 1), emu_get(e, 2));
}

void emu_blsi(struct emu *e)
{
    need_bmi1(e);
    put_computed(e, host_blsi, emu_get(e, 1), 0);
}

void emu_blsr(struct emu *e)
{
    need_bmi1(e);
    put_computed(e, host_blsr, emu_get(e, 1), 0);
}

void emu_blsmsk(struct emu *e)
{
    need_bmi1(e);
    put_computed(e, host_blsmsk, emu_get(e, 1), 0);
}

void emu_bzhi(struct emu *e)
{
    need_bmi2(e);
    put_computed(e, host_bzhi, emu_get(e, 1), emu_get(e, 2));
}

void emu_pdep(struct emu *e)
{
    need_bmi2(e);
    emu_put(e, 0, host_pdep(emu_get(e, 1), emu_get(e, 2)));
}

void emu_pext(struct emu *e)
{
    need_bmi2(e);
    emu_put(e, 0, host_pext(emu_get(e, 1), emu_get(e, 2)));
}

static void shift_without_flags(struct emu *e, emu_compute *compute, uint64_t count)
{
    uint32_t flags = 0;
    need_bmi2(e);
    emu_put(e, 0, compute(e->i->op[0].size, emu_get(e, 1), count & 0xff, &flags));
}

void emu_rorx(struct emu *e)
{
    shift_without_flags(e, host_ror, e->i->imm);
}

void emu_sarx(struct emu *e)
{
    shift_without_flags(e, host_sar, emu_get(e, 2));
}

void emu_shlx(struct emu *e)
{
    shift_without_flags(e, host_shl, emu_get(e, 2));
}

void emu_shrx(struct emu *e)
{
    shift_without_flags(e, host_shr, emu_get(e, 2));
}

void emu_mulx(struct emu *e)
{
    uint32_t flags = 0;
    uint64_t high;
    need_bmi2(e);
    unsigned size = e->i->op[0].size;
    uint64_t low = host_mul(size, emu_reg(e->s, X86_RDX, size), emu_get(e, 2), &high, &flags);
    emu_put(e, 1, low);
    emu_put(e, 0, high);
}

// One flag is carry in and out, the others stay.
static void add_with(struct emu *e, uint32_t flag)
{
    uint32_t flags = e->s->rflags & flag ? FL_CF : 0;
    emu_need_feature(e, X86_7_EBX, 19);
    emu_put(e, 0, host_adc(e->i->op[0].size, emu_get(e, 0), emu_get(e, 1), &flags));
    e->s->rflags = flags & FL_CF ? e->s->rflags | flag : e->s->rflags & ~(uint64_t)flag;
}

void emu_adcx(struct emu *e)
{
    add_with(e, FL_CF);
}

void emu_adox(struct emu *e)
{
    add_with(e, FL_OF);
}
