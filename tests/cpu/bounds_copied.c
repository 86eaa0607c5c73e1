// SPDX-License-Identifier: GPL-2.0-or-later
//
// Nothing reaches the copier that is not meant to: every encoding there is, as the decoder takes it in 16-, 32- and
// 64-bit code, by opcode, prefix, map and ModRM. What becomes host code must not be on this list of what must never be,
// which knows nothing of the allow-list; and what the copier makes of it is decoded again: it is the same operation on
// the same registers, its memory operand is where the copier was told, and guest RSP is nowhere in it.
//
// bounds_copied [--every N]: of ModRM bytes every Nth; ends with `N passed, N failed`.
#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/cpu/jit/copy.h"

// What a host kernel would act on, what tells of the host, what changes how the host's own code would run, and what
// reaches memory that its bytes don't name; with *, all whose names begin so.
static const char *const never[] = {
    "popf*", "pushf*", "iret*", "int", "int1", "int3", "into", "bound", "hlt", "cli", "sti", "cld", "std", "in", "out",
    "syscall", "sysret", "sysenter", "sysexit", "swapgs", "call", "jmp", "ret", "loop*", "jcxz", "jecxz", "jrcxz", "enter", "leave",
    "lgdt", "lidt", "lldt", "ltr", "sgdt", "sidt", "sldt", "str", "smsw", "lmsw", "clts", "lar", "lsl", "verr", "verw", "arpl",
    "lds", "les", "lfs", "lgs", "lss", "invd", "wbinvd", "wbnoinvd", "invlpg*", "invpcid", "cpuid", "rdtsc*", "rdpmc", "rdpid", "rdpru",
    "rdmsr*", "wrmsr*", "monitor*", "mwait*", "umonitor", "umwait", "tpause", "xgetbv", "xsetbv", "rdpkru", "wrpkru",
    "xsave*", "xrstor*", "fxsave*", "fxrstor*", "fnstenv", "fldenv", "fnsave", "frstor", "rdfsbase", "rdgsbase", "wrfsbase", "wrgsbase",
    "xbegin", "xend", "xabort", "xtest", "xsusldtrk", "xresldtrk", "vmcall", "vmmcall", "vmrun", "vmload", "vmsave", "vmlaunch",
    "vmresume", "vmread", "vmwrite", "vmptrld", "vmptrst", "vmclear", "vmxon", "vmxoff", "vmfunc", "vmgexit", "invept", "invvpid",
    "skinit", "stgi", "clgi", "psmash", "pvalidate", "rmp*", "stac", "clac", "rsm", "getsec", "encl*", "pconfig", "seam*", "tdcall",
    "loadiwkey", "hreset", "ptwrite", "ud0", "ud1", "ud2", "xlat", "maskmovq", "maskmovdqu", "vmaskmovdqu", "vgather*", "vpgather*",
    "vscatter*", "vpscatter*", "clzero", "movdir64b", "enqcmd*", "clui", "stui", "testui", "uiret", "senduipi", "wrss*", "wruss*",
    "incssp*", "rdssp*", "rstorssp", "saveprevssp", "setssbsy", "clrssbsy", "bnd*", "tile*", "ldtilecfg", "sttilecfg", "tdp*", "salc",
    "daa", "das", "aaa", "aas", "lwpins", "lwpval", "llwpcb", "slwpcb", "clflush*", "clwb", "pcommit", "montmul", "xcrypt*", "xsha*",
    "xstore", "mcommit", "pop", "push", "popa*", "pusha*",
};

static struct {
    uint64_t decoded, copied, failed;
    bool seen[ZYDIS_MNEMONIC_MAX_VALUE + 1];
} count;

// --- what must never be --------------------------------------------------------------------------

static bool is_called(const char *name, const char *what)
{
    size_t bytes = strlen(what);
    return what[bytes - 1] == '*' ? !strncmp(name, what, bytes - 1) : !strcmp(name, what);
}

// SSE's MOVSD and CMPSD have the names of strings.
static bool is_never(const ZydisDecodedInstruction *z)
{
    const char *name = ZydisMnemonicGetString(z->mnemonic);
    for (unsigned i = 0; i < ARRAY_SIZE(never); i++)
        if (is_called(name, never[i]))
            return true;
    return z->meta.category == ZYDIS_CATEGORY_STRINGOP || z->meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

static bool names_system_register(const ZydisDecodedOperand *operands, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_POINTER)
            return true;
        if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        switch (ZydisRegisterGetClass(operands[i].reg.value)) {
        case ZYDIS_REGCLASS_SEGMENT: case ZYDIS_REGCLASS_CONTROL: case ZYDIS_REGCLASS_DEBUG: case ZYDIS_REGCLASS_TEST:
        case ZYDIS_REGCLASS_TABLE: case ZYDIS_REGCLASS_BOUND: case ZYDIS_REGCLASS_TMM: case ZYDIS_REGCLASS_MASK:
        case ZYDIS_REGCLASS_ZMM: return true;
        default: break;
        }
    }
    return false;
}

// Memory that no ModRM byte or absolute address names: the stack, strings.
static bool reaches_hidden(const ZydisDecodedOperand *operands, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (operands[i].mem.type == ZYDIS_MEMOP_TYPE_VSIB || operands[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN ||
             (operands[i].encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM && operands[i].encoding != ZYDIS_OPERAND_ENCODING_DISP16_32_64)))
            return true;
    return false;
}

// --- what the copier makes of it -----------------------------------------------------------------

enum { BASE = X86_R14, OUTPUT = 96 };

static bool is_general(ZydisRegister r)
{
    ZydisRegisterClass c = ZydisRegisterGetClass(r);
    return c == ZYDIS_REGCLASS_GPR8 || c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 || c == ZYDIS_REGCLASS_GPR64;
}

static bool is_high(ZydisRegister r) { return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH; }

// Their numbers as in ModRM; AH to BH are parts of 0 to 3.
static int number_of(ZydisRegister r)
{
    if (is_high(r))
        return r - ZYDIS_REGISTER_AH;
    if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B)
        return r - ZYDIS_REGISTER_SPL + 4;
    return ZydisRegisterGetId(r);
}

static const char *wrong_register(ZydisRegister was, ZydisRegister is, const struct regmap *m)
{
    if (!is_general(was))
        return number_of(was) == number_of(is) || ZydisRegisterGetClass(was) == ZYDIS_REGCLASS_IP || ZydisRegisterGetClass(was) == ZYDIS_REGCLASS_FLAGS
                   ? NULL : "another register";
    int expected = number_of(was) == X86_RSP && !is_high(was) ? m->home : number_of(was);
    if (number_of(is) == X86_RSP && !is_high(is))
        return "RSP";
    return number_of(is) == expected ? NULL : "another register";
}

static const char *wrong_memory(const ZydisDecodedOperand *is)
{
    if (number_of(is->mem.base) != BASE || is->mem.index != ZYDIS_REGISTER_NONE || is->mem.disp.value)
        return "another address";
    return is->mem.segment == ZYDIS_REGISTER_DS || is->mem.segment == ZYDIS_REGISTER_SS ? NULL : "a segment";
}

struct decoded {
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static const char *wrong_operands(const struct decoded *was, const struct decoded *is, const struct regmap *m)
{
    for (unsigned i = 0; i < was->z.operand_count_visible; i++) {
        const ZydisDecodedOperand *a = &was->operands[i], *b = &is->operands[i];
        if (a->type != b->type)
            return "an operand of another kind";
        const char *what = a->type == ZYDIS_OPERAND_TYPE_REGISTER ? wrong_register(a->reg.value, b->reg.value, m)
                           : a->type == ZYDIS_OPERAND_TYPE_MEMORY ? wrong_memory(b)
                           : a->imm.value.u == b->imm.value.u ? NULL : "another immediate";
        bool exchanged = a->type == ZYDIS_OPERAND_TYPE_REGISTER && is_high(a->reg.value);
        if (what && !exchanged)
            return what;
    }
    return NULL;
}

// AH to BH beside a memory operand are exchanged with the low byte's place before and after.
static unsigned exchange_bytes(const struct insn *in)
{
    for (unsigned i = 0; in->mem_bytes && i < in->operands; i++)
        if (in->op[i].kind == INSN_REG && in->op[i].high_byte)
            return 2;
    return 0;
}

static const char *wrong_copy(const struct insn *in, const struct decoded *was, ZydisDecoder *decoder)
{
    int map = regmap_choose(REGMAP_CANONICAL, in->gprs | 1 << BASE);
    uint8_t output[OUTPUT];
    struct emit e = {output};
    struct decoded is;
    unsigned around = exchange_bytes(in);
    if (map < 0)
        return NULL;  // the translator declines it too
    if (in->mem_bytes)
        copy_memory(&e, in, regmap(map), BASE, INSN_NO_REG);
    else
        copy_registers(&e, in, regmap(map));
    unsigned bytes = e.at - output;
    if (bytes - 2 * around > INSN_BYTES_MAX)
        return "it is too long";
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, output + around, bytes - 2 * around, &is.z, is.operands)))
        return "no instruction";
    if (is.z.length != bytes - 2 * around)
        return "more than one instruction";
    if (is.z.mnemonic != was->z.mnemonic || is.z.operand_count_visible != was->z.operand_count_visible)
        return "another instruction";
    return wrong_operands(was, &is, regmap(map));
}

// --- all of them ----------------------------------------------------------------------------------

static ZydisDecoder decoders[3];

static void fail(const uint8_t *bytes, enum insn_mode mode, const struct decoded *d, const char *what)
{
    static const char *modes[] = {"16", "32", "64"};
    if (++count.failed > 40)
        return;
    printf("%s-bit %s: %s:", modes[mode], ZydisMnemonicGetString(d->z.mnemonic), what);
    for (unsigned i = 0; i < d->z.length; i++)
        printf(" %02x", bytes[i]);
    printf("\n");
}

static const char *judge(const struct insn *in, const struct decoded *d)
{
    if (is_never(&d->z))
        return "is copied";
    if (d->z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && d->z.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
        return "is copied, of this encoding";
    if (d->z.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED || names_system_register(d->operands, d->z.operand_count))
        return "is copied, with the system's registers";
    if (reaches_hidden(d->operands, d->z.operand_count))
        return "is copied, with memory that it doesn't name";
    return wrong_copy(in, d, &decoders[INSN_64]);
}

// What decide() in scan.c sends to the emulator though its form is INSN_COPY.
static bool is_declined(const struct insn *in)
{
    bool memory = false, high = false;
    for (unsigned i = 0; i < in->operands; i++) {
        memory |= in->op[i].kind == INSN_MEM;
        high |= in->op[i].kind == INSN_REG && in->op[i].high_byte;
    }
    bool fixed = in->mnemonic == ZYDIS_MNEMONIC_MOVNTI || in->mnemonic == ZYDIS_MNEMONIC_ADCX || in->mnemonic == ZYDIS_MNEMONIC_ADOX ||
                 in->mnemonic == ZYDIS_MNEMONIC_LFENCE || in->mnemonic == ZYDIS_MNEMONIC_MFENCE || in->mnemonic == ZYDIS_MNEMONIC_SFENCE;
    bool outside = in->mode != INSN_64 && (in->bytes[in->opcode_at] == 0x82 || (in->mode == INSN_16 && (in->vectors || in->vex || fixed)));
    return outside || in->mem_bytes > 64 || (memory && !in->mem_bytes) || (high && (in->rsp_fields || in->mnemonic == ZYDIS_MNEMONIC_CMPXCHG));
}

static void look_at(const uint8_t *bytes, enum insn_mode mode)
{
    struct insn in;
    struct decoded d;
    if (insn_decode(&in, bytes, INSN_BYTES_MAX, mode) < 0)
        return;
    count.decoded++;
    if ((in.form != INSN_COPY && in.form != INSN_COPY_MASKED) || is_declined(&in))
        return;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[mode], bytes, INSN_BYTES_MAX, &d.z, d.operands)))
        return;
    count.copied++;
    count.seen[d.z.mnemonic] = true;
    const char *what = judge(&in, &d);
    if (what)
        fail(bytes, mode, &d, what);
}

// Every opcode, and of ModRM bytes every nth, behind what is there already.
static void all_opcodes(uint8_t *bytes, unsigned at, enum insn_mode mode, unsigned every)
{
    static unsigned turn;
    static const uint8_t tail[] = {0x24, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};
    for (unsigned opcode = 0; opcode < 256; opcode++)
        for (unsigned modrm = turn++ % every; modrm < 256; modrm += every) {
            bytes[at] = opcode;
            bytes[at + 1] = modrm;
            memcpy(bytes + at + 2, tail, sizeof tail);
            memset(bytes + at + 2 + sizeof tail, 0, 4);
            look_at(bytes, mode);
        }
}

static unsigned append(uint8_t *bytes, unsigned at, const char *what)
{
    while (*what && strncmp(what, "-", 1)) {
        char *end;
        bytes[at++] = strtoul(what, &end, 16);
        what = *end ? end + 1 : end;
    }
    return at;
}

static void all_legacy(enum insn_mode mode, unsigned every)
{
    static const char *const prefixes[] = {"-", "66", "f2", "f3", "66 f2", "66 f3", "67", "f0", "f0 66", "f0 f3", "64", "2e", "36 f2"};
    static const char *const rexes[] = {"-", "48", "40", "4f", "45"}, *const maps[] = {"-", "0f", "0f 38", "0f 3a"};
    uint8_t bytes[32];
    for (unsigned p = 0; p < ARRAY_SIZE(prefixes); p++)
        for (unsigned r = 0; r < (mode == INSN_64 ? ARRAY_SIZE(rexes) : 1); r++)
            for (unsigned m = 0; m < ARRAY_SIZE(maps); m++)
                all_opcodes(bytes, append(bytes, append(bytes, append(bytes, 0, prefixes[p]), rexes[r]), maps[m]), mode, every);
}

// VEX with each map, W, L and implied prefix, and with two choices of registers; EVEX and XOP with a few.
static void all_extended(enum insn_mode mode, unsigned every)
{
    uint8_t bytes[32];
    for (unsigned map = 1; map <= 3; map++)
        for (unsigned rest = 0; rest < 256; rest++) {
            if ((rest >> 3 & 15) != 0xf && (rest >> 3 & 15) != 0xb && (rest >> 3 & 15) != 4)
                continue;
            memcpy(bytes, (const uint8_t[]){0xc4, 0xe0 | map, rest}, 3);
            all_opcodes(bytes, 3, mode, every);
            memcpy(bytes, (const uint8_t[]){0x67, 0xc4, (mode == INSN_64 ? 0x00 : 0xc0) | map, rest}, 4);
            all_opcodes(bytes, 4, mode, every);
        }
    for (unsigned rest = 0; rest < 256; rest += 5) {
        memcpy(bytes, (const uint8_t[]){0xc5, rest | 0x80}, 2);
        all_opcodes(bytes, 2, mode, every);
        memcpy(bytes, (const uint8_t[]){0x62, 0xf0 | (1 + rest % 3), rest | 4, 0x08 | (rest & 0xe7)}, 4);
        all_opcodes(bytes, 4, mode, every);
        memcpy(bytes, (const uint8_t[]){0x8f, 0xe8 + rest % 3, rest}, 3);
        all_opcodes(bytes, 3, mode, every);
    }
}

int main(int argc, char **argv)
{
    unsigned every = argc == 3 && !strcmp(argv[1], "--every") ? strtoul(argv[2], NULL, 0) : 1, mnemonics = 0;
    ZydisDecoderInit(&decoders[INSN_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoders[INSN_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoders[INSN_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (unsigned mode = INSN_16; mode <= INSN_64; mode++) {
        all_legacy(mode, every);
        all_extended(mode, every);
    }
    for (unsigned i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++)
        mnemonics += count.seen[i];
    printf("%llu encodings are instructions; %llu of %u mnemonics are copied\n", (unsigned long long)count.decoded,
           (unsigned long long)count.copied, mnemonics);
    printf("%llu passed, %llu failed\n", (unsigned long long)(count.copied - count.failed), (unsigned long long)count.failed);
    return count.failed || !count.copied;
}
