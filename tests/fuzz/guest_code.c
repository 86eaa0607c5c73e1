// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fuzz/guest_code.h"

#include <string.h>

#include "base/bits.h"

struct maker {
    uint64_t random;
    uint8_t bytes[GUEST_CODE_MAX];
    unsigned used;
    bool wide;  // 64-bit code
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(struct maker *m, unsigned limit) { return next_random(&m->random) % limit; }
static bool chance(struct maker *m, unsigned percent) { return below(m, 100) < percent; }

static void put(struct maker *m, uint8_t byte)
{
    if (m->used < sizeof m->bytes)
        m->bytes[m->used++] = byte;
}

static void put_number(struct maker *m, uint64_t number, unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++)
        put(m, number >> 8 * i);
}

uint64_t guest_code_address(uint64_t random)
{
    static const uint64_t bases[] = {
        0x20000, 0x21000, 0x40000, 0x41000, 0x42000, 0x43000, 0x44000, 0x45000, 0x46000, 0x47000, 0x48000,
        0x60000, 0x100000, 0x1ff000, 0x200000, 0x80000000, 0xfee00000, 0, 0xfffff000, UINT64_C(0x100000000),
        UINT64_C(0x7ffffffff000), UINT64_C(0x800000000000), UINT64_C(0xffff800000000000), UINT64_C(0xfffffffffffff000),
        UINT64_C(0x8000000000000000), 0x8000, 0xb000, 0x1000, 0x2000, 0x3000, 0xf000, 0x10000,
    };
    static const int16_t offsets[] = {0, 0, 8, 16, 64, 100, -1, -2, -4, -7, -8, -15, -16, -31, -32, -64, -65, 0x7f8, 0x7fc};
    uint64_t base = bases[random % ARRAY_SIZE(bases)];
    return base + offsets[(random >> 16) % ARRAY_SIZE(offsets)] + (random >> 40 & 3 ? 0 : random >> 44 & 0xfff);
}

static void put_modrm(struct maker *m)
{
    uint8_t modrm = next_random(&m->random);
    if (chance(m, 60) && modrm >> 6 == 3)
        modrm &= 0x7f;
    put(m, modrm);
    if (modrm >> 6 == 3)
        return;
    if ((modrm & 7) == 4)
        put(m, chance(m, 20) ? 0x25 : next_random(&m->random));
    if (modrm >> 6 == 1)
        put(m, chance(m, 60) ? below(m, 64) : next_random(&m->random));
    else if (modrm >> 6 == 2 || (modrm & 0xc7) == 5)
        put_number(m, chance(m, 50) ? guest_code_address(next_random(&m->random)) : next_random(&m->random) >> 32, 4);
}

static void put_immediate(struct maker *m)
{
    static const uint8_t sizes[] = {0, 0, 1, 1, 2, 4, 8};
    put_number(m, chance(m, 30) ? guest_code_address(next_random(&m->random)) : next_random(&m->random),
               sizes[below(m, ARRAY_SIZE(sizes))]);
}

static void put_prefixes(struct maker *m)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x64, 0x65, 0x2e, 0x36, 0x26, 0x3e, 0x66, 0xf3};
    while (chance(m, 30))
        put(m, prefixes[below(m, ARRAY_SIZE(prefixes))]);
    if (m->wide && chance(m, 55))
        put(m, 0x40 | below(m, 16));
}

static void any_legacy(struct maker *m)
{
    put_prefixes(m);
    unsigned map = below(m, 100);
    if (map >= 50)
        put(m, 0x0f);
    if (map >= 90)
        put(m, map >= 95 ? 0x3a : 0x38);
    put(m, next_random(&m->random));
    put_modrm(m);
    put_immediate(m);
}

static void x87(struct maker *m)
{
    put_prefixes(m);
    put(m, 0xd8 + below(m, 8));
    put_modrm(m);
}

static void any_vex(struct maker *m)
{
    if (chance(m, 10))
        put(m, 0x64 + below(m, 4));
    if (chance(m, 60)) {
        put(m, 0xc4);
        put(m, (next_random(&m->random) & 0xe0) | (1 + below(m, 3)));
    } else {
        put(m, 0xc5);
    }
    put(m, next_random(&m->random));
    put(m, next_random(&m->random));
    put_modrm(m);
    if (chance(m, 40))
        put(m, next_random(&m->random));
}

// A register gets an address worth having.
static void set_address(struct maker *m)
{
    uint64_t address = guest_code_address(next_random(&m->random));
    unsigned reg = below(m, m->wide ? 16 : 8);
    if (m->wide)
        put(m, 0x48 | reg >> 3);
    put(m, 0xb8 | (reg & 7));
    put_number(m, address, m->wide ? 8 : 4);
}

static void string(struct maker *m)
{
    static const uint8_t opcodes[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0x6c, 0x6d, 0x6e, 0x6f};
    if (chance(m, 50))
        put(m, 0xfc + below(m, 2));
    if (chance(m, 60)) {
        put(m, 0xb9);
        put_number(m, chance(m, 70) ? below(m, 40) : below(m, 1 << 20), 4);
        put(m, 0xf2 + below(m, 2));
    }
    put_prefixes(m);
    put(m, opcodes[below(m, ARRAY_SIZE(opcodes))]);
}

static void branch(struct maker *m)
{
    int8_t distance = chance(m, 50) ? -(int)below(m, 60) : (int)below(m, 30);
    switch (below(m, 7)) {
    case 0: put(m, 0xeb); put(m, distance); return;
    case 1: put(m, 0x70 + below(m, 16)); put(m, distance); return;
    case 2: put(m, 0xe0 + below(m, 4)); put(m, distance); return;
    case 3: put(m, 0xe8); put_number(m, chance(m, 80) ? distance : (int)guest_code_address(next_random(&m->random)), 4); return;
    case 4: put(m, chance(m, 50) ? 0xc3 : 0xc2); put_number(m, below(m, 16), 2); return;
    case 5: put(m, 0xff); put(m, (chance(m, 50) ? 0x10 : 0x20) | next_random(&m->random)); put_number(m, 0, 4); return;
    default: put(m, 0xe9); put_number(m, (chance(m, 50) ? 0x1000 : -0x1000) + distance, 4); return;
    }
}

// mov byte [rip + near], imm; or through a register that points into code.
static void store_to_code(struct maker *m)
{
    put(m, chance(m, 50) ? 0xc6 : 0xc7);
    put(m, 0x05);
    put_number(m, m->wide ? (uint64_t)(int64_t)((int)below(m, 96) - 64) : 0x20000 + below(m, 8192), 4);
    put_number(m, next_random(&m->random), 4);
}

static void privileged(struct maker *m)
{
    static const uint8_t forms[][4] = {
        {3, 0x0f, 0x01, 0xf8}, {2, 0x0f, 0x30}, {2, 0x0f, 0x32}, {2, 0x0f, 0xa2}, {1, 0xf4}, {1, 0xfb}, {1, 0xfa},
        {1, 0x9d}, {1, 0xcf}, {2, 0x48, 0xcf}, {1, 0xcb}, {2, 0x0f, 0x05}, {3, 0x48, 0x0f, 0x07}, {2, 0x0f, 0x34},
        {3, 0x0f, 0x01, 0xca}, {3, 0x0f, 0x01, 0xcb}, {3, 0x0f, 0x01, 0xd1}, {3, 0x0f, 0x01, 0xd0}, {2, 0xcd, 3}, {1, 0xcc},
        {1, 0xf1}, {1, 0x9c}, {2, 0x0f, 0x06}, {2, 0x0f, 0x09}, {3, 0x0f, 0x01, 0xf9}, {2, 0xcd, 0x80},
    };
    switch (below(m, 6)) {
    case 0: put(m, 0x0f); put(m, 0x20 + below(m, 4)); put(m, 0xc0 | next_random(&m->random)); return;
    case 1: put(m, 0x0f); put(m, below(m, 2)); put_modrm(m); return;
    case 2: put(m, 0x8c + 2 * below(m, 2)); put_modrm(m); return;
    case 3: put(m, 0x0f); put(m, 0xae); put_modrm(m); return;
    default: break;
    }
    const uint8_t *form = forms[below(m, ARRAY_SIZE(forms))];
    for (unsigned i = 1; i <= form[0]; i++)
        put(m, form[i]);
}

// mov ecx, FS or GS base or another MSR; mov eax, ...; xor edx, edx or so; wrmsr.
static void set_msr(struct maker *m)
{
    static const uint32_t msrs[] = {0xc0000100, 0xc0000101, 0xc0000102, 0xc0000080, 0xc0000082, 0x1b, 0x10, 0x6e0,
                                    0x174, 0x175, 0x176, 0x277, 0x80b, 0x830, 0x832, 0x838, 0x4b564d01, 0x4b564d04};
    uint64_t value = guest_code_address(next_random(&m->random));
    put(m, 0xb9);
    put_number(m, msrs[below(m, ARRAY_SIZE(msrs))], 4);
    put(m, 0xb8);
    put_number(m, value, 4);
    put(m, 0xba);
    put_number(m, value >> 32, 4);
    put(m, 0x0f);
    put(m, 0x30);
}

// A loop around what follows: mov ecx, n ... loop.
static void loop(struct maker *m)
{
    unsigned start = m->used;
    any_legacy(m);
    any_legacy(m);
    put(m, 0xe2);
    put(m, start - (m->used + 1));
}

static void nothing_but_chance(struct maker *m)
{
    for (unsigned n = 1 + below(m, 12); n; n--)
        put(m, next_random(&m->random));
}

static void one_part(struct maker *m)
{
    static void (*const parts[])(struct maker *) = {
        any_legacy, any_legacy, any_legacy, any_legacy, any_legacy, any_legacy, any_vex, any_vex, x87, set_address,
        set_address, string, branch, branch, store_to_code, privileged, set_msr, loop, nothing_but_chance,
    };
    parts[below(m, ARRAY_SIZE(parts))](m);
}

static bool is_wide(uint8_t kind) { return kind % CODE_KINDS <= CODE_64_USER; }

size_t guest_code_generate(uint8_t *input, size_t max_bytes, uint64_t seed)
{
    struct maker m = {.random = seed};
    struct guest_code_header h = {.kind = below(&m, 3) ? below(&m, 2) : below(&m, CODE_KINDS),
                                  .options = next_random(&m.random) & (chance(&m, 30) ? 0xff : 0),
                                  .registers = next_random(&m.random), .place = next_random(&m.random)};
    m.wide = is_wide(h.kind);
    for (unsigned parts = 1 + below(&m, 40); parts; parts--)
        one_part(&m);
    size_t size_bytes = sizeof h + m.used < max_bytes ? sizeof h + m.used : max_bytes;
    if (size_bytes < sizeof h)
        return 0;
    memcpy(input, &h, sizeof h);
    memcpy(input + sizeof h, m.bytes, size_bytes - sizeof h);
    return size_bytes;
}

void guest_code_mutate(uint8_t *input, size_t size_bytes, uint64_t seed)
{
    struct maker m = {.random = seed};
    if (size_bytes <= sizeof(struct guest_code_header))
        return;
    m.wide = is_wide(input[0]);
    one_part(&m);
    size_t at = sizeof(struct guest_code_header) + below(&m, size_bytes - sizeof(struct guest_code_header));
    memcpy(input + at, m.bytes, m.used < size_bytes - at ? m.used : size_bytes - at);
}
