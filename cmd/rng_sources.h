// SPDX-License-Identifier: GPL-2.0-or-later
//
// The files of -object rng-random.
#pragma once

#include "guest/control/options.h"

int rng_sources_open(struct options *options, struct err *err);
int rng_sources_find(const char *id);  // its descriptor, which does not block; -1: none
void rng_sources_close(void);
