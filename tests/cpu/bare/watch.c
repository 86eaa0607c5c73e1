// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory that cases may change: a copy from the beginning says what is different, and undoes it.
#include "bare.h"

enum { SHOWN = 24, SHADOW_BYTES = WATCH_BYTES + TABLES_BYTES + 0x3000 };

static struct region {
    const char *name;
    uint32_t *words, bytes, *shadow;
} regions[] = {
    {"mem", (uint32_t *)WATCH_BASE, WATCH_BYTES, 0},
    {"pt", (uint32_t *)TABLES_BASE, TABLES_BYTES, 0},
    {"gdt", (uint32_t *)gdt, sizeof gdt, 0},
    {"ldt", (uint32_t *)ldt, sizeof ldt, 0},
    {"tss", tss32, sizeof tss32, 0},
    {"other", tss_other, sizeof tss_other, 0},
    {"tss64", tss64, sizeof tss64, 0},
    {"tss16", (uint32_t *)tss16, sizeof tss16, 0},
    {"ivt", 0, 0x400, 0},
    {"idt", (uint32_t *)idt32, sizeof idt32, 0},
    {"idt64", (uint32_t *)idt64, sizeof idt64, 0},
};
enum { REGIONS = sizeof regions / sizeof regions[0] };

static uint32_t shadows[SHADOW_BYTES / 4];

static void copy(uint32_t *to, const uint32_t *from, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes / 4; i++)
        to[i] = from[i];
}

void watch_init(void)
{
    uint32_t *shadow = shadows;
    for (uint32_t i = 0; i < WATCH_BYTES / 4; i++)
        regions[0].words[i] = 0xc0000000 | (4 * i);
    for (struct region *r = regions; r < regions + REGIONS; r++) {
        r->shadow = shadow;
        copy(shadow, r->words, r->bytes);
        shadow += r->bytes / 4;
    }
}

void watch_begin(void)
{
    for (struct region *r = regions; r < regions + REGIONS; r++)
        copy(r->words, r->shadow, r->bytes);
}

// Takes what the harness itself did to a stack out of the comparison.
void watch_forget(uint32_t address, uint32_t bytes)
{
    for (uint32_t a = address & ~3u; a < address + bytes; a += 4)
        if (a >= WATCH_BASE && a < WATCH_BASE + WATCH_BYTES)
            *(uint32_t *)a = regions[0].shadow[(a - WATCH_BASE) / 4];
}

void watch_accept(const uint32_t *word)
{
    for (struct region *r = regions; r < regions + REGIONS; r++)
        if (word >= r->words && word < r->words + r->bytes / 4)
            r->shadow[word - r->words] = *word;
}

static void report_word(const struct one_case *c, const struct region *r, uint32_t i)
{
    print(" ");
    print(r->name);
    print("+");
    print_number(4 * i);
    print("=");
    print_value(c, r->words[i], 8);
}

void watch_report(const struct one_case *c)
{
    unsigned shown = 0;
    for (struct region *r = regions; r < regions + REGIONS; r++)
        for (uint32_t i = 0; i < r->bytes / 4; i++)
            if (r->words[i] != r->shadow[i]) {
                if (shown++ < SHOWN)
                    report_word(c, r, i);
            }
    if (shown > SHOWN) {
        print(" and ");
        print_number(shown - SHOWN);
    }
}
