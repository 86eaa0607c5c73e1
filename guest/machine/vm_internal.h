// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the files of a vm share.
#pragma once

#include "guest/machine/vm.h"

void vm_tell(struct vm *vm, const struct vm_event *event);
static inline void vm_tell_of(struct vm *vm, enum vm_event_kind kind, bool guest, const char *reason)
{
    vm_tell(vm, &(struct vm_event){.kind = kind, .guest = guest, .reason = reason});
}

// vm_request.c
void vm_request_power(struct power_sink *sink, enum power_request power, int exit_code);
struct vcpu_events vm_vcpu_events(struct vm *vm);
