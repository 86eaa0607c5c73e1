// SPDX-License-Identifier: GPL-2.0-or-later
//
// Page tables (SDM volume 3, chapter 4). The image is mapped by large pages of the supervisor, whose A
// and D are set already, so that only what a case touches in the windows shows. Page i of the window is
// page i of DATA; rights[] says how it may be used.
#include "bare.h"

enum { P = 1, W = 2, U = 4, PCD = 16, A = 32, D = 64, LARGE = 128, GLOBAL = 256 };
#define NX (UINT64_C(1) << 63)
#define RESERVED (UINT64_C(1) << 51)
#define KEY(n) (UINT64_C(n) << 59)      // elsewhere than in long mode these bits are reserved
enum { WINDOW_PAGES = 32 };

static uint64_t rights(unsigned page)
{
    static const uint64_t special[16] = {
        P | W | U, P | U, P | W, P, 0, P | W | U | A, P | W | U | A | D, P | W | U | NX,
        P | W | U | RESERVED, P | W | NX, P | W | U | GLOBAL, P | W | U | KEY(1), P | U | KEY(1), P | W | KEY(1),
        P | W | U | KEY(15), P | W | U,
    };
    return page < 16 ? special[page] : P | W | U;
}

static void fill_two_levels(void)
{
    uint32_t *pd = (uint32_t *)PD2, *pt = (uint32_t *)PT2;
    pd[0] = P | W | A | D | LARGE;
    pd[1] = 1 << 22 | P | W | A | D | LARGE;
    pd[WINDOW >> 22] = PT2 | P | W | U | A;
    pd[LARGE_WINDOW >> 22] = P | W | U | LARGE;
    pd[USER_ALIAS >> 22] = P | W | U | A | D | LARGE;
    pd[0xfec00000u >> 22] = 0xfec00000u | P | W | PCD | A | D | LARGE;
    for (unsigned i = 0; i < WINDOW_PAGES; i++)
        pt[i] = (DATA_BASE + 0x1000 * i) | (uint32_t)rights(i);
}

static void fill_directories(void)
{
    uint64_t *low = (uint64_t *)PD_LOW, *window = (uint64_t *)PD_WINDOW, *high = (uint64_t *)PD_HIGH,
             *pt = (uint64_t *)PT_WINDOW;
    for (unsigned i = 0; i < 4; i++)
        low[i] = i << 21 | P | W | A | D | LARGE;
    window[0] = PT_WINDOW | P | W | U | A;
    window[(LARGE_WINDOW - WINDOW) >> 21] = P | W | U | LARGE;
    for (unsigned i = 0; i < 2; i++)
        window[((USER_ALIAS - WINDOW) >> 21) + i] = i << 21 | P | W | U | A | D | LARGE;
    for (uint32_t i = 502; i < 512; i++)
        high[i] = (0xc0000000u + (i << 21)) | P | W | PCD | A | D | LARGE;
    for (unsigned i = 0; i < WINDOW_PAGES; i++)
        pt[i] = (DATA_BASE + 0x1000 * i) | rights(i);
}

void paging_init(void)
{
    uint64_t *pae = (uint64_t *)PDPT_PAE, *pdpt = (uint64_t *)PDPT4, *pml4 = (uint64_t *)PML4;
    static const uint32_t directory[4] = {PD_LOW, PD_WINDOW, 0, PD_HIGH};
    for (uint32_t *word = (uint32_t *)TABLES_BASE; word < (uint32_t *)(TABLES_BASE + TABLES_BYTES); word++)
        *word = 0;
    fill_two_levels();
    fill_directories();
    for (unsigned i = 0; i < 4; i++) {
        pae[i] = directory[i] ? directory[i] | P : 0;
        pdpt[i] = directory[i] ? directory[i] | P | W | U | A : 0;
    }
    pml4[0] = pml4[256] = PDPT4 | P | W | U | A;
}
