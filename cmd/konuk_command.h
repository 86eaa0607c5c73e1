// SPDX-License-Identifier: GPL-2.0-or-later
//
// The command line of konuk-vmm for a guest.
#pragma once

#include <stdbool.h>

#include "cmd/konuk_guest.h"
#include "cmd/konuk_options.h"

// Owned by whoever made it; null-terminated.
struct command {
    char **word;
    unsigned words;
};

// kvm: hardware first, and Konuk's own engine where it fails. Never fails: memory is not checked for.
void command_build(struct command *command, const char *vmm, const struct guest *guest,
                   const struct run_options *options, bool kvm);
void command_print(const struct command *command);  // as a shell reads it
void command_finish(struct command *command);
