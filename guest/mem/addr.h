// SPDX-License-Identifier: GPL-2.0-or-later
//
// Addresses that must not be mixed up: guest-physical and guest-virtual (linear). Each is a
// type of its own, so passing one for the other does not compile.
#pragma once

#include <stdint.h>

typedef struct { uint64_t u; } gpa_t;  // guest-physical
typedef struct { uint64_t u; } gva_t;  // guest-virtual: linear, after segmentation

#define GPA(address) ((gpa_t){address})
#define GVA(address) ((gva_t){address})

enum { PAGE_BITS = 12, PAGE_BYTES = 1 << PAGE_BITS };
