// SPDX-License-Identifier: GPL-2.0-or-later
//
// The I/O threads of this process, by name. A disk has one of its own unless it was given that of an -object
// iothread; a network has one; devices without a back end share one.
#pragma once

#include "base/io_thread.h"
#include "guest/control/inventory.h"
#include "guest/control/options.h"

int io_threads_open(struct options *options, struct err *err);  // those of -object iothread
struct io_thread *io_threads_find(const char *id);              // null: none
struct io_thread *io_threads_create(const char *name, struct err *err);  // ends with the others
struct io_thread *io_threads_shared(struct err *err);           // made on first use
struct inventory_thread *io_threads_list(void);
void io_threads_close(void);  // nothing lives on them any more
