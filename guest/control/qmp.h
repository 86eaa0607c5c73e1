// SPDX-License-Identifier: GPL-2.0-or-later
//
// QMP, QEMU's machine protocol (QEMU, docs/interop/qmp-spec.txt), on a character back end: greeting,
// capabilities, commands, replies with their ids, events.
//
// The stream may be cut anywhere, and may come from a stranger: its size, nesting and encoding are
// checked before anything is done with it, and nothing more is read while replies pile up.
//
// Threads: the event loop's.
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

#include "guest/chr/chr.h"
#include "guest/control/vm_control.h"

enum { QMP_REQUEST_BYTES = 1 << 20, QMP_DEPTH = 256, QMP_BACKLOG_BYTES = 1 << 16 };

// chr and vm are lent. A session lives as long as the process, as monitors do.
int qmp_open(struct chr *chr, struct vm_control *vm, bool pretty, struct err *err);
void qmp_close_all(void);  // for tests

// To every session that has negotiated. Takes data, which may be null.
void qmp_event(const char *name, struct json_object *data);
void qmp_vm_event(const struct vm_event *event);

// Parts. A command returns its reply, or null with a sentence; *class is "GenericError" before.
struct qmp_call {
    struct vm_control *vm;
    struct json_object *arguments;  // checked; null: none were given
    const char *error_class;
    struct err err;
    void (*then)(struct qmp_call *call);  // after the reply has been written; may be null
};
typedef struct json_object *qmp_command_fn(struct qmp_call *call);
struct qmp_command {
    const char *name;
    qmp_command_fn *run;
    // "uri:s blk:b? cpu-index:i?": name, type (s, b, i, a) and whether it may be left out.
    const char *arguments;
};
const struct qmp_command *qmp_command_find(const char *name);
void qmp_command_each(void (*each)(const struct qmp_command *command, void *opaque), void *opaque);
int qmp_check_arguments(const struct qmp_command *command, struct json_object *arguments,
                        struct err *err);
struct json_object *qmp_version(void);
