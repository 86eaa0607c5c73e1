// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inside guest/mem: waits until every thread that may hold a pointer from an address space has let
// go of it. The calling thread, if it is a reader, must hold none, nor a lock that a reader waits
// for during an access.
#pragma once

void reader_wait_for_all(void);
