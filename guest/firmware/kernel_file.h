// SPDX-License-Identifier: GPL-2.0-or-later
//
// A file that goes into guest memory, whole or in parts. It stays open and is read, not mapped: a
// mapping of a file that someone shortens ends the process with SIGBUS.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/mem/mem.h"

struct kernel_file {
    int fd;
    uint64_t size_bytes;
};

// Only regular files. Returns a negative errno, without a sentence: callers have their own.
int kernel_file_open(struct kernel_file *file, const char *path);
void kernel_file_close(struct kernel_file *file);
// All of [offset, offset + size_bytes), or -EIO if the file does not have it.
int kernel_file_read(const struct kernel_file *file, uint64_t offset, void *bytes,
                     size_t size_bytes);
// The same into RAM. -EFAULT: not all of it is RAM.
int kernel_file_copy(const struct kernel_file *file, uint64_t offset, uint64_t size_bytes,
                     struct mem *memory, uint64_t gpa);
