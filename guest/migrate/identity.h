// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which machine a snapshot is of: its first section. Loading compares it with this machine, before
// anything is changed, and says in words what differs.
#pragma once

#include "guest/migrate/snapshot.h"
#include "guest/migrate/stream.h"

int identity_save(struct stream *stream, const struct snapshot_parts *parts, struct err *err);
int identity_load(struct stream *stream, const struct snapshot_parts *parts, struct err *err);
