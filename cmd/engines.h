// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which engine runs the vCPUs: the accelerators of the command line, tried in their order.
#pragma once

#include "guest/control/options.h"
#include "guest/cpu/vcpu.h"

// Fills in config->model and what the options say, and returns the first engine that works; null,
// and a sentence, if none does. For q35_config.create_engine; opaque is a struct options.
struct engine *engines_create(struct engine_config *config, void *opaque, struct err *err);
// For -cpu help.
void engines_list_models(void);
bool engines_have_kvm(void);
