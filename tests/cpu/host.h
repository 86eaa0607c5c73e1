// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs a program on the host CPU, in a child process: the pages are mapped there at their
// addresses, registers are loaded by returning from a signal, and the exception at the end is caught
// as a signal, whose frame has the registers. A child that dies or hangs is replaced.
#pragma once

#include "tests/cpu/program.h"

struct host;
struct host *host_create(void);  // null: it can't be set up; stderr says why
void host_destroy(struct host *host);
void host_run(struct host *host, const struct program *program, const uint8_t image[IMAGE_BYTES],
              struct outcome *outcome);
