// SPDX-License-Identifier: GPL-2.0-or-later
//
// An io_uring for a file's reads, writes and flushes. What is submitted in a turn of the loop goes to the
// kernel in one call at its end. What the kernel did in part, or would have us try again, is finished by
// the file's workers.
//
// Threads: the I/O thread.
#pragma once

#include "guest/block/file.h"

struct ring *ring_create(struct file *f);  // null: the kernel has none for us
void ring_destroy(struct ring *ring);      // nothing is in flight; returns before its handle is closed:
void ring_free(struct ring *ring);         // after that, from any thread
bool ring_takes(const struct block_request *request);
void ring_submit(struct ring *ring, struct block_request *request);
// Hands over what was submitted and finishes what is complete. True: there is more to hand over.
bool ring_turn(struct ring *ring);
