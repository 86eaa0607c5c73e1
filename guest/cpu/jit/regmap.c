// SPDX-License-Identifier: GPL-2.0-or-later
//
// Register maps: every choice of three from the ten registers that no instruction uses implicitly in
// its hot forms. Map 0 is the canonical one.
#include <pthread.h>

#include "guest/cpu/jit/code.h"
#include "guest/cpu/x86/state.h"

static const uint8_t candidates[] = {X86_R11, X86_R15, X86_R14, X86_R10, X86_R13, X86_R12, X86_R9,
                                     X86_R8,  X86_RBX, X86_RBP};
enum { CANDIDATES = sizeof candidates };

static struct regmap maps[REGMAPS];
static uint8_t by_index[16][16][16];

static void make_maps(void)
{
    unsigned n = 0;
    for (unsigned a = 0; a < CANDIDATES; a++)
        for (unsigned b = a + 1; b < CANDIDATES; b++)
            for (unsigned c = b + 1; c < CANDIDATES; c++) {
                maps[n] = (struct regmap){candidates[a], candidates[b], candidates[c]};
                by_index[a][b][c] = n++;
            }
}

const struct regmap *regmap(unsigned index)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_maps);
    return &maps[index];
}

int regmap_choose(unsigned entry, uint16_t used)
{
    const struct regmap *m = regmap(entry);
    if (!(used & (1u << m->home | 1u << m->t0 | 1u << m->t1)))
        return entry;
    unsigned chosen[3], n = 0;
    for (unsigned pass = 0; pass < 2; pass++)  // those of the entry map first
        for (unsigned i = 0; i < CANDIDATES && n < 3; i++)
            if (!(used & 1u << candidates[i]) && regmap_is_free(m, candidates[i]) == (pass == 0))
                chosen[n++] = i;
    if (n < 3)
        return -1;
    for (unsigned i = 0; i < 2; i++)  // maps are named in the order of the candidates
        for (unsigned j = 0; j < 2 - i; j++)
            if (chosen[j] > chosen[j + 1]) {
                unsigned t = chosen[j];
                chosen[j] = chosen[j + 1];
                chosen[j + 1] = t;
            }
    return by_index[chosen[0]][chosen[1]][chosen[2]];
}
