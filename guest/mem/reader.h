// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inside guest/mem: waits until every thread that may hold a pointer from an address space has let
// go of it. The calling thread, if it is a reader, must hold none, nor a lock that a reader waits
// for during an access.
#pragma once

void reader_wait_for_all(void);

// Frees object when every reader has let go. Does not wait where this thread is itself a reader, in the
// middle of something.
void reader_free_later(void *object);
unsigned reader_pending(void);  // how many objects still wait for that
