// SPDX-License-Identifier: GPL-2.0-or-later
//
// A heavy library behind a contract is a module: a part of the program that is loaded when something needs
// it, so that who does not need it has neither the library's memory nor its code.
//
// A module is a file konuk-NAME.so where the program's run path leads. It is built with the program, has one
// object `konuk_module`, a table of functions, and may call the program's functions that cmd/meson.build names.
#pragma once

#include "base/err.h"

// The table; null and a sentence. Any thread. It stays for good.
const void *module_load(const char *name, struct err *err);
