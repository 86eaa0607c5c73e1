// SPDX-License-Identifier: GPL-2.0-or-later
//
// From what was asked for to the files that are booted: a kernel, an initrd, a first disk. A disk image
// has its kernel beside it (vmlinuz, initrd.img, and `about` with the kernel's words), or it is named:
// there is no firmware yet that would find one inside.
#pragma once

#include <limits.h>

#include "cmd/konuk_options.h"

struct guest {
    char title[128];
    char kernel[PATH_MAX], initrd[PATH_MAX], disk[PATH_MAX];  // "": none
    char append[1024];
    char user[64], password[64];  // "": not known
};

// KONUK_GOOD, or KONUK_FAILED after saying why. With dry_run, nothing is made and an image need not be.
int guest_find(struct guest *guest, const struct run_options *options);
