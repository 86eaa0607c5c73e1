// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/compare.h"

#include <inttypes.h>
#include <stdio.h>

// Counts differences, and prints them if asked to.
struct report {
    unsigned differences;
    bool print;
};

static void differ(struct report *r, const char *what, uint64_t host, uint64_t guest)
{
    if (host == guest)
        return;
    r->differences++;
    if (r->print)
        printf("    %-12s host %016" PRIx64 "  engine %016" PRIx64 "\n", what, host, guest);
}

static void differ_bytes(struct report *r, const char *what, unsigned index, const uint8_t *host,
                         const uint8_t *guest, size_t size_bytes)
{
    if (!memcmp(host, guest, size_bytes))
        return;
    r->differences++;
    if (!r->print)
        return;
    printf("    %s%-*u host ", what, (int)(12 - strlen(what)), index);
    for (size_t i = size_bytes; i--;)
        printf("%02x", host[i]);
    printf("\n    %-12s  engi ", "");
    for (size_t i = size_bytes; i--;)
        printf("%02x", guest[i]);
    printf("\n");
}

// SDM volume 1, 13.6: what XRSTOR makes of a component whose bit in XSTATE_BV is clear.
void expand_xsave(const uint8_t xsave[XSAVE_USED_BYTES], uint8_t area[XSAVE_USED_BYTES])
{
    enum { FCW_AT = 0, XMM_AT = 160, ST_AT = 32, MXCSR_AT = 24 };
    uint64_t present;
    memcpy(area, xsave, XSAVE_USED_BYTES);
    memcpy(&present, area + XSAVE_HEADER_AT, sizeof present);
    if (!(present & XCR0_X87)) {
        memset(area, 0, MXCSR_AT);
        memset(area + ST_AT, 0, XMM_AT - ST_AT);
        memcpy(area + FCW_AT, (uint8_t[]){0x7f, 0x03}, 2);
    }
    if (!(present & XCR0_SSE))
        memset(area + XMM_AT, 0, 256);
    if (!(present & XCR0_AVX))
        memset(area + XSAVE_YMM_AT, 0, 256);
}

static uint32_t u32_at(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint64_t u64_at(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static void compare_x87(struct report *r, const uint8_t *host, const uint8_t *guest, bool pointers)
{
    differ(r, "fcw", u32_at(host) & 0xffff, u32_at(guest) & 0xffff);
    differ(r, "fsw", u32_at(host) >> 16, u32_at(guest) >> 16);
    differ(r, "ftw", host[4], guest[4]);
    for (unsigned i = 0; i < 8; i++)
        differ_bytes(r, "st", i, host + 32 + 16 * i, guest + 32 + 16 * i, 10);
    if (!pointers)
        return;
    differ(r, "fop", (host[6] | host[7] << 8) & 0x7ff, (guest[6] | guest[7] << 8) & 0x7ff);
    differ(r, "fip", u64_at(host + 8), u64_at(guest + 8));
    differ(r, "fdp", u64_at(host + 16), u64_at(guest + 16));
}

static void compare_vectors(struct report *r, const uint8_t *host, const uint8_t *guest)
{
    differ(r, "mxcsr", u32_at(host + 24), u32_at(guest + 24));
    for (unsigned i = 0; i < 16; i++) {
        differ_bytes(r, "xmm", i, host + 160 + 16 * i, guest + 160 + 16 * i, 16);
        differ_bytes(r, "ymm high", i, host + XSAVE_YMM_AT + 16 * i, guest + XSAVE_YMM_AT + 16 * i, 16);
    }
}

static void compare_registers(struct report *r, const struct registers *host,
                              const struct registers *guest, uint64_t flags)
{
    static const char *const names[X86_GPRS] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    for (unsigned i = 0; i < X86_GPRS; i++)
        differ(r, names[i], host->gpr[i], guest->gpr[i]);
    differ(r, "rip", host->rip, guest->rip);
    differ(r, "rflags", host->rflags & flags, guest->rflags & flags);
}

static void compare_images(struct report *r, const uint8_t *host, const uint8_t *guest)
{
    uint64_t at = 0;
    for (unsigned w = 0; w < WINDOWS; w++)
        for (uint64_t i = 0; i < windows[w].pages * PROGRAM_PAGE; i += 8, at += 8) {
            char name[24];
            if (!memcmp(host + at, guest + at, 8))
                continue;
            snprintf(name, sizeof name, "[%" PRIx64 "]", windows[w].address + i);
            differ(r, name, u64_at(host + at), u64_at(guest + at));
        }
}

// The kernel calls pages that a user may not reach at all present (Linux: set_signal_archinfo), from the
// page below the canonical addresses' end on.
#define USER_END (BIT(47) - PROGRAM_PAGE)
static uint32_t error_code_of(const struct outcome *o, const struct comparison *how)
{
    uint32_t code = o->error_code;
    if (o->vector == EX_PF && o->cr2 >= USER_END)
        code |= PF_PRESENT;
    if (o->vector == EX_PF && how->user_bit_differs)
        code &= ~PF_USER;
    return code;
}

// Of an area of hundreds of bytes it is the CPU's choice which of its pages is missed first.
static bool same_fault(const struct outcome *host, const struct outcome *guest, const struct comparison *how)
{
    uint64_t apart = (host->cr2 >> 12) - (guest->cr2 >> 12);
    return how->area_faulted && host->vector == guest->vector && apart + 1 <= 2;
}

static void compare(struct report *r, const struct outcome *host, const struct outcome *guest,
                    const struct comparison *how)
{
    uint8_t host_area[XSAVE_USED_BYTES], guest_area[XSAVE_USED_BYTES];
    // Not ID and NT, which a host that is a virtual machine does not keep.
    uint64_t flags = (FL_ARITH | FL_DF | FL_AC | FL_TF | FL_RF) & ~how->undefined_flags;
    if (how->dead_flags_may_differ && host->vector != EX_BP)
        flags &= ~(uint64_t)FL_ARITH;
    expand_xsave(host->registers.xsave, host_area);
    expand_xsave(guest->registers.xsave, guest_area);
    differ(r, "vector", host->vector, guest->vector);
    differ(r, "error code", error_code_of(host, how), error_code_of(guest, how));
    if (!same_fault(host, guest, how))
        differ(r, "cr2", host->cr2, guest->cr2);
    compare_registers(r, &host->registers, &guest->registers, flags);
    compare_x87(r, host_area, guest_area, how->x87_pointers);
    compare_vectors(r, host_area, guest_area);
    if (memcmp(host->image, guest->image, IMAGE_BYTES))
        compare_images(r, host->image, guest->image);
}

bool outcomes_equal(const struct outcome *host, const struct outcome *guest, const struct comparison *how)
{
    struct report r = {0};
    compare(&r, host, guest, how);
    return r.differences == 0;
}

void outcomes_print(const struct outcome *host, const struct outcome *guest, const struct comparison *how)
{
    struct report r = {.print = true};
    compare(&r, host, guest, how);
}
