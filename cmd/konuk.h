// SPDX-License-Identifier: GPL-2.0-or-later
//
// The parts of `konuk`, the command that people type. It prepares, and then becomes konuk-vmm: what
// runs a guest is a program with QEMU's options, which konuk only knows how to choose.
//
// Everything is said in the user's language, as one line a failure: "konuk: what: why". Statuses: 0,
// 1 where something failed, 2 for what was typed wrongly.
#pragma once

#include <stdint.h>

enum { KONUK_GOOD, KONUK_FAILED, KONUK_USAGE };

// argv[0] is the subcommand's name. Each returns the exit status.
int konuk_run(int argc, char **argv);
int konuk_doctor(int argc, char **argv);
int konuk_help(const char *topic);  // null: of konuk itself

// Both print the line and return the status, so that a failure is one statement.
int konuk_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int konuk_misuse(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
// errno's meaning in the user's language, with or without libc's own catalogue.
const char *konuk_errno(int code);
// Where parts lie relative to this executable: the first of places that is there, else null. Static.
const char *konuk_beside(const char *const *places, char *path, unsigned path_bytes);
// "1,5 GiB"
void konuk_format_bytes(char *text, unsigned text_bytes, uint64_t bytes);
