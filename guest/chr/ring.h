// SPDX-License-Identifier: GPL-2.0-or-later
//
// A ring in memory that keeps the last bytes written, for ringbuf-read.
#pragma once

#include <sys/types.h>

#include "guest/chr/backend.h"

// Takes up to size_bytes of the oldest bytes. -EINVAL: b is no ring.
ssize_t chr_ring_read(struct chr_backend *b, uint8_t *bytes, size_t size_bytes);
