// SPDX-License-Identifier: GPL-2.0-or-later
//
// Threads that do a file's requests by blocking calls (blocking.h): all of them, or those for which an io_uring
// is no use. A thread is made when a request finds none idle, up to WORKERS_MAX.
//
// Threads: submit on the I/O thread, where file_done is called; the rest on the main thread.
#pragma once

#include "guest/block/file.h"

enum { WORKERS_MAX = 16 };

struct workers *workers_create(struct file *f, struct err *err);
void workers_destroy(struct workers *w);  // none is at work
void workers_submit(struct workers *w, struct block_request *request);
