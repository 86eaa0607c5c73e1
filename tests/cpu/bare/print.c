// SPDX-License-Identifier: GPL-2.0-or-later
//
// Text on COM1 (a 16550A), 115200 baud, 8 bits, no parity.
#include "bare.h"
#include "io.h"

enum { COM1 = 0x3f8, LINE_CONTROL = COM1 + 3, LINE_STATUS = COM1 + 5, DIVISOR_ACCESS = 0x80, EMPTY = 0x40 };

void print_init(void)
{
    out8(LINE_CONTROL, DIVISOR_ACCESS);
    out8(COM1, 1);
    out8(COM1 + 1, 0);
    out8(LINE_CONTROL, 3);
}

static void print_char(char c)
{
    out8(COM1, (uint8_t)c);
    while (!(in8(LINE_STATUS) & EMPTY))  // sent, not only taken: the machine may end at once
        ;
}

void print(const char *text)
{
    while (*text)
        print_char(*text++);
}

void print_hex(uint64_t value, unsigned digits)
{
    while (digits--)
        print_char("0123456789abcdef"[value >> 4 * digits & 15]);
}

void print_number(uint64_t value)
{
    unsigned digits = 1;
    while (digits < 16 && value >> 4 * digits)
        digits++;
    print_hex(value, digits);
}
