// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "bench/rows/rows.h"

// --- calls and returns ----------------------------------------------------------------------

static __attribute__((noinline)) uint64_t fibonacci(unsigned n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t recursion(uint64_t times)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < times; i++)
        sum += fibonacci(22);
    return sum;
}

// --- calls through a pointer, branches that can't be predicted ------------------------------------

enum { SORTED = 4096 };

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t quicksort(uint64_t times)
{
    static uint32_t values[SORTED];
    uint64_t random = 88172645463325252u, sum = 0;
    for (uint64_t i = 0; i < times; i++) {
        for (unsigned n = 0; n < SORTED; n++)
            values[n] = row_random(&random);
        qsort(values, SORTED, sizeof values[0], compare);
        sum += values[SORTED / 2];
    }
    return sum;
}

// --- byte stores in short loops -------------------------------------------------------------------

enum { SIEVE = 65536 };

static uint64_t sieve(uint64_t times)
{
    static uint8_t composite[SIEVE];
    uint64_t primes = 0;
    for (uint64_t i = 0; i < times; i++) {
        memset(composite, 0, sizeof composite);
        for (unsigned n = 2; n < SIEVE; n++) {
            if (composite[n])
                continue;
            primes++;
            for (unsigned multiple = 2 * n; multiple < SIEVE; multiple += n)
                composite[multiple] = 1;
        }
    }
    return primes;
}

// --- loads at random places -----------------------------------------------------------------------

enum { SLOTS = 1 << 20 };

static uint64_t hash_table(uint64_t times)
{
    static uint64_t *slots;
    uint64_t random = 88172645463325252u, found = 0;
    if (!slots && !(slots = calloc(SLOTS, sizeof *slots)))
        row_fail("calloc");
    for (uint64_t i = 0; i < times * 4096; i++) {
        uint64_t key = row_random(&random) % (SLOTS / 2) + 1;
        uint64_t at = key * 0x9e3779b97f4a7c15u >> 44;
        while (slots[at] && slots[at] != key)
            at = (at + 1) % SLOTS;
        found += slots[at] == key;
        slots[at] = key;
    }
    return found;
}

struct node { struct node *left, *right; uint64_t key; };

static uint64_t search_tree(uint64_t times)
{
    static struct node *root;
    static uint64_t random = 88172645463325252u;
    uint64_t depth = 0;
    for (unsigned n = 0; !root || n < 512 * times; n++) {
        uint64_t key = row_random(&random) >> 44;
        struct node **at = &root;
        for (; *at && (*at)->key != key; depth++)
            at = key < (*at)->key ? &(*at)->left : &(*at)->right;
        if (!*at && !(*at = calloc(1, sizeof **at)))
            row_fail("calloc");
        (*at)->key = key;
    }
    return depth;
}

// --- an interpreter of bytecode -------------------------------------------------------------------

enum op { PUSH, ADD, MULTIPLY, DUP, SWAP, DROP, DEC, JUMP_NONZERO, XOR, END };

static uint64_t interpret(const int8_t *code)
{
    static const void *const labels[] = {&&push, &&add, &&multiply, &&dup, &&swap, &&drop, &&dec, &&jump, &&xor, &&end};
    uint64_t stack[16], *top = stack;
    const int8_t *pc = code;
#define NEXT goto *labels[*pc++]
    *top = 0;
    NEXT;
push:
    *++top = *pc++;
    NEXT;
add:
    top[-1] += top[0];
    top--;
    NEXT;
multiply:
    top[-1] *= top[0];
    top--;
    NEXT;
dup:
    top[1] = top[0];
    top++;
    NEXT;
swap: {
    uint64_t other = top[-1];
    top[-1] = top[0];
    top[0] = other;
    NEXT;
}
drop:
    top--;
    NEXT;
dec:
    --*top;
    NEXT;
jump:
    pc += *top ? *pc : 1;
    NEXT;
xor:
    top[-1] ^= top[0];
    top--;
    NEXT;
end:
    return top[-1];
#undef NEXT
}

static uint64_t interpreter(uint64_t times)
{
    static const int8_t program[] = {
        PUSH, 1, PUSH, 100, SWAP, PUSH, 7, MULTIPLY, DUP, PUSH, 3, ADD, XOR, PUSH, 5, ADD, SWAP,
        DEC, JUMP_NONZERO, -15, END,
    };
    uint64_t sum = 0;
    for (uint64_t i = 0; i < times * 16; i++)
        sum += interpret(program);
    return sum;
}

// --- the C library's string functions, as it picks them for the CPU ---------------------------------

enum { TEXT_BYTES = 16384 };

static uint64_t strings(uint64_t times)
{
    static char text[TEXT_BYTES], copy[TEXT_BYTES];
    uint64_t sum = 0;
    memset(text, 'x', sizeof text - 1);
    for (uint64_t i = 0; i < times * 8; i++) {
        for (unsigned length = 16; length < TEXT_BYTES; length *= 4) {
            text[length] = 0;
            memcpy(copy, text, length + 1);
            sum += strlen(copy) + (strchr(copy, 'y') != NULL) + memcmp(copy, text, length) + strcmp(copy, text);
            text[length] = 'x';
        }
    }
    return sum;
}

// --- a parser: tables, short branches ---------------------------------------------------------------

static uint64_t parse_value(const char **at)
{
    uint64_t sum = 0;
    switch (*(*at)++) {
    case '[':
        while (**at != ']') {
            sum += parse_value(at);
            *at += **at == ',';
        }
        break;
    case '"':
        while (**at != '"')
            sum = sum * 31 + *(*at)++;
        break;
    default:
        for (--*at; **at >= '0' && **at <= '9'; ++*at)
            sum = sum * 10 + **at - '0';
        return sum;
    }
    ++*at;
    return sum;
}

static uint64_t parser(uint64_t times)
{
    static const char text[] = "[1,22,333,[\"one\",\"twenty-two\",[4444,[],[[5]]],\"a longer piece of text\"],66666,"
                               "[\"x\",7,\"y\",8,\"z\",9],[123456,\"and so on\",[1,2,3,4,5,6,7,8,9,10,11,12]]]";
    uint64_t sum = 0;
    for (uint64_t i = 0; i < times * 64; i++) {
        const char *at = text;
        sum += parse_value(&at);
    }
    return sum;
}

// --- compression: a match finder, bits shifted -------------------------------------------------------

static uint64_t compressor(uint64_t times)
{
    static uint8_t data[32768];
    static uint16_t last[4096];
    uint64_t random = 88172645463325252u, bits = 0;
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = "etaoinshrdlu "[row_random(&random) % 13];
    for (uint64_t i = 0; i < times; i++) {
        memset(last, 0, sizeof last);
        for (unsigned at = 0; at + 3 < sizeof data;) {
            uint32_t hash = (data[at] << 8 ^ data[at + 1] << 4 ^ data[at + 2]) & 4095, length = 0;
            unsigned from = last[hash];
            while (from && length < 258 && at + length < sizeof data && data[from - 1 + length] == data[at + length])
                length++;
            last[hash] = at + 1;
            bits += length >= 3 ? 15 : 9;
            at += length >= 3 ? length : 1;
        }
    }
    return bits;
}

const struct row integer_rows[] = {
    {"recursion", recursion}, {"quicksort", quicksort}, {"sieve", sieve}, {"hash", hash_table},
    {"tree", search_tree}, {"interpreter", interpreter}, {"strings", strings}, {"parser", parser},
    {"matcher", compressor}, {0},
};
