// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kinds of back ends, for backend.c, which is the one place that knows them all. Each opens
// what config describes and returns it initialized, or null and a sentence.
#pragma once

#include "guest/chr/backend.h"

struct chr_backend *chr_null_open(const struct chr_config *config, struct err *err);
struct chr_backend *chr_stdio_open(const struct chr_config *config, struct err *err);
struct chr_backend *chr_file_open(const struct chr_config *config, struct err *err);
struct chr_backend *chr_pipe_open(const struct chr_config *config, struct err *err);
struct chr_backend *chr_pty_open(const struct chr_config *config, struct err *err);
struct chr_backend *chr_socket_open(const struct chr_config *config, struct err *err);
struct chr_backend *chr_ring_open(const struct chr_config *config, struct err *err);
