// SPDX-License-Identifier: GPL-2.0-or-later
//
// -daemonize and -pidfile.
#pragma once

#include "base/err.h"

// Before any thread is started: goes on in a new session, in a child. The parent waits until the
// child says that all is set up, and ends with 0, or with 1 if it ends before.
int daemon_fork(struct err *err);
void daemon_ready(void);  // also lets go of the terminal; nothing without daemon_fork

// Created and locked for as long as the process lives. -errno and a sentence.
int pidfile_create(const char *path, struct err *err);
void pidfile_remove(void);
