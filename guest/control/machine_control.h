// SPDX-License-Identifier: GPL-2.0-or-later
//
// A vm as its monitors see it, and the debugger's door to it.
#pragma once

#include "guest/control/gdbstub.h"
#include "guest/control/vm_control.h"

struct machine_control {
    struct vm_control control;  // first; its data is the caller's to fill in
    struct vm *vm;
    struct vm_listener listener;
    struct gdb_vm gdb_vm;
    struct gdbstub *gdb;
};

void machine_control_init(struct machine_control *m, struct vm *vm, struct mem *memory,
                          struct mem *ports);
// -gdb, and the monitor's gdbserver.
int machine_control_gdb(struct machine_control *m, const char *spec, struct err *err);
void machine_control_finish(struct machine_control *m, int exit_status);
