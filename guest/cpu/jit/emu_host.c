// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/emu_host.h"

#include "guest/cpu/x86/state.h"

// Flags go in and out through AX, not through PUSHF: SAHF and LAHF carry five of them in AH, and OF
// is made by an addition that overflows, and read by SETO.
static inline uint64_t pack(uint32_t flags)
{
    return (flags & 0xd5) << 8 | (flags & FL_OF ? 1 : 0);
}
static inline void unpack(uint32_t *flags, uint64_t ax)
{
    *flags = (*flags & ~(uint32_t)FL_ARITH) | (ax >> 8 & 0xd5) | (ax & 1 ? FL_OF : 0);
}
#define FLAGS_IN  "addb $0x7f, %%al\n\tsahf\n\t"
#define FLAGS_OUT "\n\tlahf\n\tseto %%al"

// b is in RCX, where shifts want their count. OP_w is the instruction's text in width w.
#define RUN(text) \
    asm(FLAGS_IN text FLAGS_OUT : "+&r"(a), "+&a"(ax) : "c"(b) : "cc")
#define OPERATION(name, byte, word, dword, qword)                                              \
    uint64_t host_##name(unsigned size, uint64_t a, uint64_t b, uint32_t *flags)               \
    {                                                                                          \
        uint64_t ax = pack(*flags);                                                            \
        switch (size) {                                                                        \
        case 1: RUN(byte); break;                                                              \
        case 2: RUN(word); break;                                                              \
        case 4: RUN(dword); break;                                                             \
        default: RUN(qword); break;                                                            \
        }                                                                                      \
        unpack(flags, ax);                                                                     \
        return size == 8 ? a : a & ((UINT64_C(1) << 8 * size) - 1);                            \
    }
#define BINARY(name) \
    OPERATION(name, #name "b %%cl, %b0", #name "w %%cx, %w0", #name "l %%ecx, %k0", #name "q %%rcx, %q0")
#define UNARY(name) OPERATION(name, #name "b %b0", #name "w %w0", #name "l %k0", #name "q %q0")
#define SHIFT(name) \
    OPERATION(name, #name "b %%cl, %b0", #name "w %%cl, %w0", #name "l %%cl, %k0", #name "q %%cl, %q0")
// Not for bytes: those fall to words and don't occur.
#define WIDE(name) \
    OPERATION(name, #name "w %%cx, %w0", #name "w %%cx, %w0", #name "l %%ecx, %k0", #name "q %%rcx, %q0")

BINARY(add) BINARY(or) BINARY(adc) BINARY(sbb) BINARY(and) BINARY(sub) BINARY(xor) BINARY(test)
UNARY(inc) UNARY(dec) UNARY(neg) UNARY(not)
SHIFT(shl) SHIFT(shr) SHIFT(sar) SHIFT(rol) SHIFT(ror) SHIFT(rcl) SHIFT(rcr)
WIDE(bsf) WIDE(bsr) WIDE(tzcnt) WIDE(lzcnt) WIDE(popcnt) WIDE(imul)
WIDE(bt) WIDE(bts) WIDE(btr) WIDE(btc)

// 4 or 8 bytes. a is the first source: what ANDN inverts, what the others take bits from.
#define FROM_TWO(name) OPERATION(name, "", "", #name "l %%ecx, %k0, %k0", #name "q %%rcx, %q0, %q0")
FROM_TWO(andn) FROM_TWO(bextr) FROM_TWO(bzhi)
#define FROM_ONE(name) OPERATION(name, "", "", #name "l %k0, %k0", #name "q %q0, %q0")
FROM_ONE(blsi) FROM_ONE(blsr) FROM_ONE(blsmsk)

#define DOUBLE_SHIFT(name)                                                                     \
    uint64_t host_##name(unsigned size, uint64_t a, uint64_t b, unsigned count, uint32_t *flags) \
    {                                                                                          \
        uint64_t ax = pack(*flags);                                                            \
        switch (size) {                                                                        \
        case 2: asm(FLAGS_IN #name "w %%cl, %w2, %w0" FLAGS_OUT                                \
                    : "+&r"(a), "+&a"(ax) : "r"(b), "c"(count) : "cc"); break;                 \
        case 4: asm(FLAGS_IN #name "l %%cl, %k2, %k0" FLAGS_OUT                                \
                    : "+&r"(a), "+&a"(ax) : "r"(b), "c"(count) : "cc"); break;                 \
        default: asm(FLAGS_IN #name "q %%cl, %q2, %q0" FLAGS_OUT                               \
                     : "+&r"(a), "+&a"(ax) : "r"(b), "c"(count) : "cc"); break;                \
        }                                                                                      \
        unpack(flags, ax);                                                                     \
        return size == 8 ? a : a & ((UINT64_C(1) << 8 * size) - 1);                            \
    }
DOUBLE_SHIFT(shld) DOUBLE_SHIFT(shrd)

// The product comes in AX or rDX:rAX, so the flags are fetched after it has been moved away.
#define MULTIPLY(text)                                                                         \
    asm(FLAGS_IN "movq %[a], %%rax\n\t" text "\n\tmovq %%rax, %[low]" FLAGS_OUT                \
        : [low] "=&r"(low), [ax] "+&a"(ax), "=&d"(high) : [a] "r"(a), [b] "r"(b) : "cc")
#define WIDE_MULTIPLY(function, name)                                                          \
    uint64_t function(unsigned size, uint64_t a, uint64_t b, uint64_t *upper, uint32_t *flags) \
    {                                                                                          \
        uint64_t ax = pack(*flags), low, high;                                                 \
        switch (size) {                                                                        \
        case 1: MULTIPLY(#name "b %b[b]"); break;                                              \
        case 2: MULTIPLY(#name "w %w[b]"); break;                                              \
        case 4: MULTIPLY(#name "l %k[b]"); break;                                              \
        default: MULTIPLY(#name "q %q[b]"); break;                                             \
        }                                                                                      \
        unpack(flags, ax);                                                                     \
        *upper = size == 1 ? low >> 8 & 0xff : high;                                           \
        return low;                                                                            \
    }
WIDE_MULTIPLY(host_mul, mul)
WIDE_MULTIPLY(host_imul_wide, imul)

uint64_t host_div128(uint64_t high, uint64_t low, uint64_t by, uint64_t *remainder)
{
    asm("divq %2" : "+a"(low), "+d"(high) : "r"(by) : "cc");
    *remainder = high;
    return low;
}

uint32_t host_crc32(unsigned size, uint32_t crc, uint64_t value)
{
    uint64_t wide = crc;
    switch (size) {
    case 1: asm("crc32b %b1, %k0" : "+r"(crc) : "r"(value)); return crc;
    case 2: asm("crc32w %w1, %k0" : "+r"(crc) : "r"(value)); return crc;
    case 4: asm("crc32l %k1, %k0" : "+r"(crc) : "r"(value)); return crc;
    default: asm("crc32q %q1, %q0" : "+r"(wide) : "r"(value)); return wide;
    }
}

uint64_t host_pdep(uint64_t a, uint64_t mask)
{
    uint64_t result;
    asm("pdep %2, %1, %0" : "=r"(result) : "r"(a), "r"(mask));
    return result;
}

uint64_t host_pext(uint64_t a, uint64_t mask)
{
    uint64_t result;
    asm("pext %2, %1, %0" : "=r"(result) : "r"(a), "r"(mask));
    return result;
}

// DF is set only inside; C code relies on its being clear.
#define REPEAT(text)                                                                           \
    do {                                                                                       \
        if (down)                                                                              \
            asm volatile("std\n\trep " text "\n\tcld" : REPEAT_OPERANDS : : "memory", "cc");    \
        else                                                                                   \
            asm volatile("rep " text : REPEAT_OPERANDS : : "memory", "cc");                    \
    } while (0)

#define REPEAT_OPERANDS "+D"(to), "+S"(from), "+c"(elements)
void host_movs(uint8_t *to, const uint8_t *from, uint64_t elements, unsigned size, bool down)
{
    switch (size) {
    case 1: REPEAT("movsb"); break;
    case 2: REPEAT("movsw"); break;
    case 4: REPEAT("movsl"); break;
    default: REPEAT("movsq"); break;
    }
}
#undef REPEAT_OPERANDS

#define REPEAT_OPERANDS "+D"(to), "+a"(value), "+c"(elements)
void host_stos(uint8_t *to, uint64_t value, uint64_t elements, unsigned size, bool down)
{
    switch (size) {
    case 1: REPEAT("stosb"); break;
    case 2: REPEAT("stosw"); break;
    case 4: REPEAT("stosl"); break;
    default: REPEAT("stosq"); break;
    }
}
