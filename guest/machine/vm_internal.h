// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the files of a vm share.
#pragma once

#include "guest/machine/vm.h"

void vm_tell(struct vm *vm, enum vm_event_kind kind, bool guest, const char *reason);
