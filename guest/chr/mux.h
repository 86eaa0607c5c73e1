// SPDX-License-Identifier: GPL-2.0-or-later
//
// Several fronts on one back end: the guest's serial port and the monitor on one terminal. All of
// them write to it; the keys go to the one that has the focus, at first to whoever attached first.
// Ctrl-A is the escape: then c moves the focus on, b sends a break, x ends the process, h lists
// these, and Ctrl-A again sends one.
//
// Keys for a front without room wait in a buffer here, so that the escapes work with a guest that
// has stopped reading; when that is full they are lost.
#pragma once

#include "guest/chr/backend.h"

enum { CHR_MUX_PORTS = 4 };

struct chr_backend *chr_mux_create(struct chr_backend *below);
struct chr *chr_mux_port(struct chr_backend *mux);    // null: all are taken
struct chr_backend *chr_mux_of(struct chr *chr);      // the back end under a port; null: not a port
void chr_mux_on_exit(void (*ask)(void));              // what Ctrl-A x calls
int chr_mux_escape(unsigned key);                     // -echr; -EINVAL if not 0 to 255
