// SPDX-License-Identifier: GPL-2.0-or-later
//
// Tells when a descriptor can be read or written. Unlike the loop's own poll handles it takes
// regular files and /dev/null too, which the kernel does not poll since they are always ready.
//
// Threads: the event loop's.
#pragma once

#include <stdbool.h>

struct watch;
enum watch_for { WATCH_READ, WATCH_WRITE };

// Not enabled yet. The descriptor becomes non-blocking and stays the caller's; one descriptor has
// at most one watch. Null only when memory is short.
struct watch *watch_create(int fd, enum watch_for what, void (*ready)(void *opaque), void *opaque);
void watch_enable(struct watch *watch, bool enabled);
// ready is not called any more. The descriptor may be closed when it returns.
void watch_destroy(struct watch *watch);
