// SPDX-License-Identifier: GPL-2.0-or-later
//
// What format an image seems to be, by its first bytes. A guest writes these itself: one that puts the
// head of a qcow2 file on its raw disk would have the next start read any file of the host by way of a backing
// file. So formats are stated; where one isn't, what looks like another format is refused, and
// the guest may not write such a head.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROBE_BYTES = 512 };

// The name of the format as QEMU has it; "raw" if it is none that we know.
const char *probe_format(const uint8_t *head, size_t size_bytes);
bool probe_is_known(const char *format);  // as a name
