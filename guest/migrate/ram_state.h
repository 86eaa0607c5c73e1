// SPDX-License-Identifier: GPL-2.0-or-later
//
// Guest RAM in a stream: sections named "ram", each a run of neighbouring pages that are not all
// zero, in order of their offset. What the memfd has no page for is skipped without being touched, so
// saving does not make a guest's unused memory resident; neither does loading.
#pragma once

#include <stdint.h>

#include "guest/mem/mem.h"
#include "guest/migrate/stream.h"

enum { RAM_STATE_VERSION = 1, RAM_RUN_BYTES_MAX = 1 << 20 };
#define RAM_SECTION "ram"

int ram_state_save(struct stream *stream, const struct ram *ram, struct err *err);

// Makes all of RAM zero, before the first run.
int ram_state_clear(struct ram *ram, struct err *err);
// stream_next gave a section "ram". *next is the offset where the previous run ended, at first 0.
int ram_state_load(struct stream *stream, const struct stream_section *section, struct ram *ram,
                   uint64_t *next, struct err *err);
