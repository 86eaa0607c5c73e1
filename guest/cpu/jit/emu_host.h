// SPDX-License-Identifier: GPL-2.0-or-later
//
// Arithmetic by the host's own instructions: the result and all six flags, the undefined ones
// too, are what the host CPU makes of them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// a OP b in size_bytes; *flags are RFLAGS before and after (only FL_ARITH changes). Unary ones
// ignore b; shifts take their count from it; andn, bextr and bzhi have their second source there.
#define HOST_OPERATIONS(each)                                                                  \
    each(add) each(or) each(adc) each(sbb) each(and) each(sub) each(xor) each(test) each(inc)  \
    each(dec) each(neg) each(not) each(shl) each(shr) each(sar) each(rol) each(ror) each(rcl)  \
    each(rcr) each(bsf) each(bsr) each(tzcnt) each(lzcnt) each(popcnt) each(imul)              \
    each(bt) each(bts) each(btr) each(btc)                                                     \
    each(andn) each(bextr) each(bzhi) each(blsi) each(blsr) each(blsmsk)
#define HOST_DECLARE(name)                                                                     \
    uint64_t host_##name(unsigned size_bytes, uint64_t a, uint64_t b, uint32_t *flags);
HOST_OPERATIONS(HOST_DECLARE)
#undef HOST_DECLARE

// a shifted by count, filled from b. 2, 4 or 8 bytes.
uint64_t host_shld(unsigned size_bytes, uint64_t a, uint64_t b, unsigned count, uint32_t *flags);
uint64_t host_shrd(unsigned size_bytes, uint64_t a, uint64_t b, unsigned count, uint32_t *flags);
// The double-width product; *high gets its upper half.
uint64_t host_mul(unsigned size_bytes, uint64_t a, uint64_t b, uint64_t *high, uint32_t *flags);
uint64_t host_imul_wide(unsigned size_bytes, uint64_t a, uint64_t b, uint64_t *high, uint32_t *flags);
// high:low / by; the caller has checked that the quotient fits.
uint64_t host_div128(uint64_t high, uint64_t low, uint64_t by, uint64_t *remainder);
uint32_t host_crc32(unsigned size_bytes, uint32_t crc, uint64_t value);
uint64_t host_pdep(uint64_t a, uint64_t mask);
uint64_t host_pext(uint64_t a, uint64_t mask);
// REP MOVS and REP STOS; down is DF.
void host_movs(uint8_t *to, const uint8_t *from, uint64_t elements, unsigned size_bytes, bool down);
void host_stos(uint8_t *to, uint64_t value, uint64_t elements, unsigned size_bytes, bool down);
