// SPDX-License-Identifier: GPL-2.0-or-later
//
// The guest that `konuk run debian` runs. tools/guest-debian makes its image once, in the cache; what
// the guest writes goes to a copy of it beside it, which is kept from one run to the next.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// flavour is "cloud" or "generic". update: makes the image anew; fresh: forgets what guests wrote. Both
// take what is there if only_tell. folder gets the image's folder, which has the copy as guest.raw.
// KONUK_GOOD, or KONUK_FAILED after saying why.
int debian_prepare(const char *flavour, bool update, bool fresh, bool only_tell, char *folder,
                   size_t folder_bytes);
