// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs the image's cases, one after the other. Called by start.S.
#include "bare.h"
#include "io.h"

// Nothing interrupts by itself: every interrupt is a case's.
static void silence_interrupts(void)
{
    enum { PIC_MASK_1 = 0x21, PIC_MASK_2 = 0xa1 };
    out8(PIC_MASK_1, 0xff);
    out8(PIC_MASK_2, 0xff);
}

void bare_main(void)
{
    silence_interrupts();
    print_init();
    tables_init();
    paging_init();
    tables_load(false);
    watch_init();
    for (const struct one_case *c = cases; c < cases_end; c++) {
        watch_begin();
        mode_run(c);
        report(c);
    }
    print("end\n\n");
}
