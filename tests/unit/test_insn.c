// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the translator believes of instructions. All encodings of the opcode maps are tried: what is copied is
// on a list; and a copy, read again as 64-bit code, is the same operation on the same registers, and
// touches as many bytes of memory as were looked up.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "guest/cpu/jit/copy.h"
#include "guest/cpu/jit/engine.h"
#include "guest/cpu/jit/isa.h"
#include "guest/cpu/x86/state.h"

// --- all encodings ------------------------------------------------------------------------------

static bool allowed[512];  // what the largest CPU model has

typedef void each_insn(const struct insn *in, void *opaque);

struct walk {
    enum insn_mode mode;
    bool vex;
    each_insn *each;
    void *opaque;
    uint8_t bytes[32];
    unsigned used;
};

static void put(struct walk *w, uint8_t byte) { w->bytes[w->used++] = byte; }

static void try_this(struct walk *w)
{
    struct insn in;
    // Displacement and immediate: a pattern in which no byte is like another.
    for (unsigned i = 0; i < 12; i++)
        w->bytes[w->used + i] = 0x11 * (i + 1);
    if (insn_decode(&in, w->bytes, INSN_BYTES_MAX, w->mode) == 0 && allowed[in.isa])
        w->each(&in, w->opaque);
}

// Every value of reg with registers, and with memory: a base; a base of RSP and an index; absolute.
static void each_modrm(struct walk *w)
{
    static const uint8_t few_rm[] = {0xc4, 0x03, 0x44, 0xc7, 0x05};
    unsigned start = w->used;
    for (unsigned reg = 0; reg < 8; reg++)
        for (unsigned i = 0; i < (w->vex ? 3 : sizeof few_rm); i++) {
            put(w, few_rm[i] | reg << 3);
            if ((few_rm[i] & 0xc7) == 0x44)
                put(w, 0x34);
            try_this(w);
            w->used = start;
        }
    for (unsigned rm = 0; rm < 8 && !w->vex; rm++) {  // where all of ModRM is opcode
        put(w, 0xc0 | (rm & 7) << 3 | rm);
        try_this(w);
        w->used = start;
    }
}

static void each_legacy(struct walk *w)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3, 0xf0}, rexes[] = {0, 0x48, 0x45, 0x42};
    static const uint8_t maps[][2] = {{0, 0}, {0x0f, 0}, {0x0f, 0x38}, {0x0f, 0x3a}};
    for (unsigned p = 0; p < sizeof prefixes; p++)
        for (unsigned r = 0; r < (w->mode == INSN_64 ? sizeof rexes : 1); r++)
            for (unsigned m = 0; m < 4; m++)
                for (unsigned opcode = 0; opcode < 256; opcode++) {
                    const uint8_t head[] = {prefixes[p], rexes[r], maps[m][0], maps[m][1]};
                    w->used = 0;
                    for (unsigned i = 0; i < sizeof head; i++)
                        if (head[i])
                            put(w, head[i]);
                    put(w, opcode);
                    each_modrm(w);
                }
}

static void each_vex_of(struct walk *w, uint8_t map, uint8_t last)
{
    static const uint8_t high_bits[] = {0xe0, 0x40};
    for (unsigned h = 0; h < sizeof high_bits; h++)
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            w->used = 0;
            put(w, 0xc4);
            put(w, (w->mode == INSN_64 ? high_bits[h] : 0xc0 | high_bits[h]) | map);
            put(w, last);
            put(w, opcode);
            each_modrm(w);
        }
}

static void each_vex(struct walk *w)
{
    static const uint8_t sources[] = {0x78, 0x58, 0x20, 0x18};  // none, RSP or 4, another, 12 in any mode
    for (unsigned map = 1; map <= 3; map++)
        for (unsigned wlpp = 0; wlpp < 16; wlpp++)
            for (unsigned s = 0; s < sizeof sources; s++)
                each_vex_of(w, map, (wlpp & 8 ? 0x80 : 0) | sources[s] | (wlpp & 7));
}

static void each_encoding(enum insn_mode mode, each_insn *each, void *opaque)
{
    struct walk w = {.mode = mode, .each = each, .opaque = opaque};
    each_legacy(&w);
    w.vex = true;
    each_vex(&w);
}

static bool is_copied(const struct insn *in) { return in->form == INSN_COPY || in->form == INSN_COPY_MASKED; }

// Once a mnemonic.
static void say(const struct insn *in, const char *what)
{
    static bool said[3][ZYDIS_MNEMONIC_MAX_VALUE + 1];
    if (said[in->mode][in->mnemonic])
        return;
    said[in->mode][in->mnemonic] = true;
    print_error("%s: %s, mode %u:", what, ZydisMnemonicGetString(in->mnemonic), in->mode);
    for (unsigned i = 0; i < in->length; i++)
        print_error(" %02x", in->bytes[i]);
    print_error("\n");
}

// --- what is copied -----------------------------------------------------------------------------

#define M(name) ZYDIS_MNEMONIC_##name
// All that is copied and has nothing to do with vector registers.
static const ZydisMnemonic general[] = {
    M(ADC), M(ADCX), M(ADD), M(ADOX), M(AND), M(ANDN), M(BEXTR), M(BLSI), M(BLSMSK), M(BLSR), M(BSF), M(BSR), M(BSWAP),
    M(BT), M(BTC), M(BTR), M(BTS), M(BZHI), M(CBW), M(CDQ), M(CDQE), M(CLC), M(CMC), M(CMOVB), M(CMOVBE), M(CMOVL),
    M(CMOVLE), M(CMOVNB), M(CMOVNBE), M(CMOVNL), M(CMOVNLE), M(CMOVNO), M(CMOVNP), M(CMOVNS), M(CMOVNZ), M(CMOVO),
    M(CMOVP), M(CMOVS), M(CMOVZ), M(CMP), M(CMPXCHG), M(CMPXCHG16B), M(CMPXCHG8B), M(CQO), M(CRC32), M(CWD), M(CWDE),
    M(DEC), M(DIV), M(IDIV), M(IMUL), M(INC), M(LAHF), M(LFENCE), M(LZCNT), M(MFENCE), M(MOV), M(MOVBE), M(MOVNTI),
    M(MOVSX), M(MOVSXD), M(MOVZX), M(MUL), M(MULX), M(NEG), M(NOT), M(OR), M(PAUSE), M(PDEP), M(PEXT), M(POPCNT),
    M(RCL), M(RCR), M(RDRAND), M(RDSEED), M(ROL), M(ROR), M(RORX), M(SAHF), M(SAR), M(SARX), M(SBB), M(SETB), M(SETBE),
    M(SETL), M(SETLE), M(SETNB), M(SETNBE), M(SETNL), M(SETNLE), M(SETNO), M(SETNP), M(SETNS), M(SETNZ), M(SETO),
    M(SETP), M(SETS), M(SETZ), M(SFENCE), M(SHL), M(SHLD), M(SHLX), M(SHR), M(SHRD), M(SHRX), M(STC), M(SUB), M(TEST),
    M(TZCNT), M(XADD), M(XCHG), M(XOR),
};
// Of vector sets, but these act on more than their operands.
static const ZydisMnemonic never[] = {
    M(MASKMOVQ), M(MASKMOVDQU), M(VMASKMOVDQU), M(FXSAVE), M(FXSAVE64), M(FXRSTOR), M(FXRSTOR64), M(XSAVE), M(XSAVE64),
    M(XRSTOR), M(XRSTOR64), M(XSAVEC), M(XSAVES), M(XRSTORS), M(XSAVEOPT), M(FNSAVE), M(FRSTOR), M(FNSTENV), M(FLDENV),
    M(VGATHERDPS), M(VGATHERDPD), M(VGATHERQPS), M(VGATHERQPD), M(VPGATHERDD), M(VPGATHERDQ), M(VPGATHERQD),
    M(VPGATHERQQ), M(XGETBV), M(XSETBV), M(CLFLUSH), M(CLFLUSHOPT), M(CLWB), M(CLZERO),
};

static bool listed(const ZydisMnemonic *list, size_t count, ZydisMnemonic mnemonic)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == mnemonic)
            return true;
    return false;
}

struct copied {
    unsigned wrong;
    bool seen[ZYDIS_MNEMONIC_MAX_VALUE + 1];
};

static void check_listed(const struct insn *in, void *opaque)
{
    struct copied *c = opaque;
    c->seen[in->mnemonic] = true;
    bool good = in->vectors == INSN_NO_VECTORS ? listed(general, ARRAY_SIZE(general), in->mnemonic)
                                               : !listed(never, ARRAY_SIZE(never), in->mnemonic);
    c->wrong += !good;
    if (!good)
        say(in, "copied, but not on the list");
}

// No copy names a segment, a control or a debug register, nor memory that it doesn't show.
static void check_operands(const struct insn *in, void *opaque)
{
    ZydisDecoder d;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    static const ZydisMachineMode modes[] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_MACHINE_MODE_LONG_64};
    static const ZydisStackWidth widths[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64};
    ZydisDecoderInit(&d, modes[in->mode], widths[in->mode]);
    assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, in->bytes, in->length, &z, op)));
    bool good = !(z.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED);
    for (unsigned i = 0; i < z.operand_count; i++) {
        ZydisRegisterClass class = op[i].type == ZYDIS_OPERAND_TYPE_REGISTER ? ZydisRegisterGetClass(op[i].reg.value) : 0;
        if (class == ZYDIS_REGCLASS_SEGMENT || class == ZYDIS_REGCLASS_CONTROL || class == ZYDIS_REGCLASS_DEBUG ||
            class == ZYDIS_REGCLASS_TABLE || class == ZYDIS_REGCLASS_IP)
            good = false;
        if (op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && i >= z.operand_count_visible)
            good = false;
    }
    *(unsigned *)opaque += !good;
    if (!good)
        say(in, "reaches beyond general and vector registers");
}

// --- copies are the same ---------------------------------------------------------------------------

struct reading {
    ZydisDecodedInstruction z;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static bool read_back(const uint8_t *bytes, size_t size_bytes, ZydisMachineMode mode, struct reading *r)
{
    ZydisDecoder d;
    ZydisDecoderInit(&d, mode, mode == ZYDIS_MACHINE_MODE_LONG_64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, size_bytes, &r->z, r->op));
}

static bool is_gpr(ZydisRegister r)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(r);
    return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
}

static bool is_high_byte(ZydisRegister r) { return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH; }

static unsigned gpr_number(ZydisRegister r)
{
    return ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
}

static bool same_register(ZydisRegister was, ZydisRegister is, const struct regmap *m)
{
    if (!is_gpr(was))
        return was == is;
    if (ZydisRegisterGetClass(was) != ZydisRegisterGetClass(is) || is_high_byte(was) != is_high_byte(is))
        return false;
    return gpr_number(is) == regmap_host(m, gpr_number(was));
}

static bool same_memory(const ZydisDecodedOperand *was, const ZydisDecodedOperand *is, unsigned base, unsigned index,
                        unsigned looked_up)
{
    return was->size == is->size && is->size / 8 == looked_up && ZydisRegisterGetId(is->mem.base) == (int)base &&
           (index == INSN_NO_REG ? is->mem.index == ZYDIS_REGISTER_NONE
                                 : ZydisRegisterGetId(is->mem.index) == (int)index && is->mem.scale == 1) &&
           !is->mem.disp.value && is->mem.segment != ZYDIS_REGISTER_FS && is->mem.segment != ZYDIS_REGISTER_GS;
}

static bool same_operand(const ZydisDecodedOperand *was, const ZydisDecodedOperand *is, const struct insn *in,
                         const struct regmap *m, unsigned index)
{
    if (was->type != is->type || was->actions != is->actions)
        return false;
    switch (was->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        return same_register(was->reg.value, is->reg.value, m) || was->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
    case ZYDIS_OPERAND_TYPE_MEMORY: return same_memory(was, is, m->t1, index, in->mem_bytes);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE: return was->imm.value.u == is->imm.value.u && was->size == is->size;
    default: return true;
    }
}

static bool same_operation(const struct reading *was, const struct reading *is, const struct insn *in,
                           const struct regmap *m, unsigned index)
{
    bool same = was->z.mnemonic == is->z.mnemonic && was->z.operand_count_visible == is->z.operand_count_visible &&
                !(is->z.attributes & ZYDIS_ATTRIB_HAS_LOCK) == !in->lock;
    for (unsigned i = 0; same && i < was->z.operand_count_visible; i++)
        same = same_operand(&was->op[i], &is->op[i], in, m, index);
    return same;
}

static bool has_high_byte(const struct insn *in)
{
    for (unsigned i = 0; i < in->operands; i++)
        if (in->op[i].kind == INSN_REG && in->op[i].high_byte)
            return true;
    return false;
}

// Memory operands too large for the lookup, and what has no size, are not copied (scan.c); 82 neither.
static bool is_made(const struct insn *in)
{
    bool memory = false;
    for (unsigned i = 0; i < in->operands; i++)
        memory |= in->op[i].kind == INSN_MEM;
    return is_copied(in) && (!memory || (in->mem_bytes && in->mem_bytes <= 64)) &&
           !(in->mode != INSN_64 && in->bytes[in->opcode_at] == 0x82);
}

static bool copy_is_same(const struct insn *in, const struct regmap *m, unsigned index)
{
    uint8_t copy[64] = {0};
    struct emit e = {copy};
    struct reading was, is;
    if (in->mem_bytes)
        copy_memory(&e, in, m, m->t1, index);
    else
        copy_registers(&e, in, m);
    const uint8_t *at = copy;
    size_t left = e.at - copy;
    if (in->mem_bytes && has_high_byte(in)) {  // between two exchanges of the register's halves
        at += 2;
        left -= 4;
    }
    if (!read_back(in->bytes, in->length, in->mode == INSN_64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32, &was) ||
        !read_back(at, left, ZYDIS_MACHINE_MODE_LONG_64, &is) || is.z.length != left)
        return false;
    if (in->mem_bytes && has_high_byte(in))
        return was.z.mnemonic == is.z.mnemonic;
    return same_operation(&was, &is, in, m, index);
}

static void check_copy(const struct insn *in, void *opaque)
{
    if (!is_made(in))
        return;
    int map = regmap_choose(REGMAP_CANONICAL, in->gprs), other = regmap_choose(REGMAPS - 1, in->gprs);
    assert_true(map >= 0 && other >= 0);
    const struct regmap *m = regmap(map), *o = regmap(other);
    bool good = copy_is_same(in, m, m->t0) && copy_is_same(in, m, INSN_NO_REG) && copy_is_same(in, o, o->t0);
    *(unsigned *)opaque += !good;
    if (!good)
        say(in, "its copy is another instruction");
}

// --- all three, over all encodings -------------------------------------------------------------------

struct checks {
    struct copied copied;
    unsigned beyond, other;
};

static void check_all(const struct insn *in, void *opaque)
{
    struct checks *c = opaque;
    if (!is_copied(in))
        return;
    check_listed(in, &c->copied);
    check_operands(in, &c->beyond);
    if (in->mode != INSN_16)
        check_copy(in, &c->other);
}

static void check_mode(enum insn_mode mode)
{
    static struct checks c;
    c = (struct checks){0};
    each_encoding(mode, check_all, &c);
    for (size_t i = 0; mode == INSN_64 && i < ARRAY_SIZE(general); i++)
        if (!c.copied.seen[general[i]] && ++c.copied.wrong)
            print_error("%s is listed, but never copied\n", ZydisMnemonicGetString(general[i]));
    assert_int_equal(c.copied.wrong, 0);
    assert_int_equal(c.beyond, 0);
    assert_int_equal(c.other, 0);
}

static void all_of_64_bit_code(void **unused) { (void)unused; check_mode(INSN_64); }
static void all_of_32_bit_code(void **unused) { (void)unused; check_mode(INSN_32); }
static void all_of_16_bit_code(void **unused) { (void)unused; check_mode(INSN_16); }

// --- single facts ---------------------------------------------------------------------------------

#define BYTES(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})
#define R(name) (1u << X86_##name)
enum { ALL = FL_ARITH };
static const struct {
    uint8_t bytes[15], length;
    enum insn_mode mode;
    enum insn_form form;
    uint16_t gprs;
    uint8_t rsp_fields, mem_bytes, imm_at;
    uint32_t flags_read, flags_written, flags_changed;
} facts[] = {
    // add rax, rsp
    {BYTES(0x48, 0x01, 0xe0), INSN_64, INSN_COPY, R(RAX) | R(RSP), INSN_FIELD_REG, 0, 3, 0, ALL, ALL},
    // mov [rsp + rcx * 4 + 8], r9d
    {BYTES(0x44, 0x89, 0x4c, 0x8c, 0x08), INSN_64, INSN_COPY, R(RSP) | R(RCX) | R(R9), 0, 4, 5, 0, 0, 0},
    // cmp byte [rip + 0x11223344], 0x55
    {BYTES(0x80, 0x3d, 0x44, 0x33, 0x22, 0x11, 0x55), INSN_64, INSN_COPY, 0, 0, 1, 6, 0, ALL, ALL},
    // adc rcx, [rdi]
    {BYTES(0x48, 0x13, 0x0f), INSN_64, INSN_COPY, R(RCX) | R(RDI), 0, 8, 3, FL_CF, ALL, ALL},
    // inc eax keeps CF
    {BYTES(0xff, 0xc0), INSN_64, INSN_COPY, R(RAX), 0, 0, 2, 0, ALL & ~FL_CF, ALL & ~FL_CF},
    // shl ebx, cl: not if the count is 0
    {BYTES(0xd3, 0xe3), INSN_64, INSN_COPY, R(RBX) | R(RCX), 0, 0, 2, 0, 0, ALL},
    // bt eax, 3 leaves what the manual calls undefined, but CF
    {BYTES(0x0f, 0xba, 0xe0, 0x03), INSN_64, INSN_COPY, R(RAX), 0, 0, 3, 0, FL_CF, ALL & ~FL_ZF},
    // bt [rax], ecx reaches anywhere
    {BYTES(0x0f, 0xa3, 0x08), INSN_64, INSN_EMULATE, R(RAX) | R(RCX), 0, 4, 3, 0, FL_CF, ALL & ~FL_ZF},
    // bswap esp
    {BYTES(0x0f, 0xcc), INSN_64, INSN_COPY, R(RSP), INSN_FIELD_OPCODE, 0, 2, 0, 0, 0},
    // xchg r12, rax
    {BYTES(0x49, 0x94), INSN_64, INSN_COPY, R(R12) | R(RAX), 0, 0, 2, 0, 0, 0},
    // div rsi
    {BYTES(0x48, 0xf7, 0xf6), INSN_64, INSN_COPY, R(RAX) | R(RDX) | R(RSI), 0, 0, 3, 0, 0, ALL},
    // cmpxchg16b [rdi]
    {BYTES(0x48, 0x0f, 0xc7, 0x0f), INSN_64, INSN_COPY, R(RAX) | R(RDX) | R(RBX) | R(RCX) | R(RDI), 0, 16, 4, 0, FL_ZF, FL_ZF},
    // mov ah, [rbx]
    {BYTES(0x8a, 0x23), INSN_64, INSN_COPY, R(RAX) | R(RBX), 0, 1, 2, 0, 0, 0},
    // mov rax, [0x8877665544332211]
    {BYTES(0x48, 0xa1, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88), INSN_64, INSN_COPY, R(RAX), 0, 8, 10, 0, 0, 0},
    // andn rsp, rsp, rsp
    {BYTES(0xc4, 0xe2, 0xd8, 0xf2, 0xe4), INSN_64, INSN_COPY, R(RSP), INSN_FIELD_REG | INSN_FIELD_RM | INSN_FIELD_VVVV, 0, 5, 0, ALL, ALL},
    // vmovdqu ymm9, [r13 + 0]
    {BYTES(0xc4, 0x41, 0x7e, 0x6f, 0x4d, 0x00), INSN_64, INSN_COPY, R(R13), 0, 32, 6, 0, 0, 0},
    // fistp qword [rax]
    {BYTES(0xdf, 0x38), INSN_64, INSN_COPY, R(RAX), 0, 8, 2, 0, 0, 0},
    // lea esp, [rax + rax]
    {BYTES(0x8d, 0x24, 0x00), INSN_64, INSN_LEA, R(RSP) | R(RAX), INSN_FIELD_REG, 0, 3, 0, 0, 0},
    // sete spl
    {BYTES(0x40, 0x0f, 0x94, 0xc4), INSN_64, INSN_COPY, R(RSP), INSN_FIELD_RM, 0, 4, FL_ZF, 0, 0},
    // sahf; lahf
    {BYTES(0x9e), INSN_64, INSN_COPY, R(RAX), 0, 0, 1, 0, ALL & ~FL_OF, ALL & ~FL_OF},
    {BYTES(0x9f), INSN_64, INSN_COPY, R(RAX), 0, 0, 1, ALL & ~FL_OF, 0, 0},
    // dec esp, in 32-bit code
    {BYTES(0x4c), INSN_32, INSN_COPY, R(RSP), INSN_FIELD_OPCODE, 0, 1, 0, ALL & ~FL_CF, ALL & ~FL_CF},
    // nop [rax]; endbr64
    {BYTES(0x0f, 0x1f, 0x00), INSN_64, INSN_SKIP, R(RAX), 0, 4, 3, 0, 0, 0},
    {BYTES(0xf3, 0x0f, 0x1e, 0xfa), INSN_64, INSN_SKIP, 0, 0, 0, 4, 0, 0, 0},
    // mov ds, eax; hlt
    {BYTES(0x8e, 0xd8), INSN_64, INSN_EMULATE, R(RAX), 0, 0, 2, 0, 0, 0},
    {BYTES(0xf4), INSN_64, INSN_EMULATE, 0, 0, 0, 1, 0, 0, 0},
};

static void single_facts(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
        struct insn in;
        assert_int_equal(insn_decode(&in, facts[i].bytes, facts[i].length, facts[i].mode), 0);
        bool same = in.form == facts[i].form && in.gprs == facts[i].gprs && in.rsp_fields == facts[i].rsp_fields &&
                    in.mem_bytes == facts[i].mem_bytes && in.imm_at == facts[i].imm_at &&
                    in.flags_read == facts[i].flags_read && in.flags_written == facts[i].flags_written &&
                    in.flags_changed == facts[i].flags_changed;
        if (!same) {
            say(&in, "believed to be otherwise");
            print_error("form %u, gprs %04x, rsp_fields %x, mem_bytes %u, imm_at %u, flags %x %x %x\n", in.form, in.gprs,
                        in.rsp_fields, in.mem_bytes, in.imm_at, in.flags_read, in.flags_written, in.flags_changed);
        }
        assert_true(same);
    }
}

static void fisttp_is_of_the_x87_in_every_size(void **unused)
{
    (void)unused;
    for (unsigned opcode = 0xdb; opcode <= 0xdf; opcode += 2) {
        struct insn in;
        assert_int_equal(insn_decode(&in, (const uint8_t[]){opcode, 0x0b}, 2, INSN_64), 0);
        assert_int_equal(in.vectors, INSN_X87);
        assert_true(in.x87_waits);
    }
}

static int decode(const uint8_t *bytes, size_t available, struct insn *in)
{
    return insn_decode(in, bytes, available, INSN_64);
}

static void what_is_cut_off_wants_more_and_what_is_none_is_refused(void **unused)
{
    (void)unused;
    struct insn in;
    static const uint8_t mov[] = {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, prefixes[16] = {[0 ... 15] = 0x66};
    for (unsigned n = 0; n < sizeof mov; n++)
        assert_int_equal(decode(mov, n, &in), -ERANGE);
    assert_int_equal(decode(mov, sizeof mov, &in), 0);
    assert_true(in.imm == UINT64_C(0x0807060504030201));
    assert_int_equal(decode((const uint8_t[]){0x06}, 1, &in), -EINVAL);        // push es
    assert_int_equal(decode((const uint8_t[]){0xf0, 0x90}, 2, &in), -EINVAL);  // lock nop
    assert_int_equal(decode(prefixes, 14, &in), -ERANGE);
    assert_int_equal(decode(prefixes, sizeof prefixes, &in), 0);               // more than 15 bytes: #GP, not #UD
    assert_true(in.form == INSN_EMULATE && in.mnemonic == ZYDIS_MNEMONIC_INVALID);
}

static int allow_all(void **unused)
{
    (void)unused;
    struct x86_model model;
    if (x86_model_parse(&model, "max", jit_support(), NULL) < 0)
        return -1;
    isa_allow(allowed, &model);
    // Whatever this host has.
    allowed[ZYDIS_ISA_SET_RDRAND] = allowed[ZYDIS_ISA_SET_RDSEED] = allowed[ZYDIS_ISA_SET_ADOX_ADCX] = true;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_64_bit_code),
        cmocka_unit_test(all_of_32_bit_code),
        cmocka_unit_test(all_of_16_bit_code),
        cmocka_unit_test(fisttp_is_of_the_x87_in_every_size), cmocka_unit_test(single_facts),
        cmocka_unit_test(what_is_cut_off_wants_more_and_what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, allow_all, NULL);
}
