// SPDX-License-Identifier: GPL-2.0-or-later
//
// The human monitor: "(qemu) " and a line, on a character back end; the same commands serve QMP's
// human-monitor-command.
//
// Threads: the event loop's.
#pragma once

#include "guest/chr/chr.h"
#include "guest/control/text.h"
#include "guest/control/vm_control.h"

enum { HMP_LINE_BYTES = 4096, HMP_BACKLOG_BYTES = 1 << 16 };

// chr and vm are lent. A monitor lives as long as the process.
int hmp_open(struct chr *chr, struct vm_control *vm, struct err *err);
void hmp_close_all(void);  // for tests

// Runs one line; what it says is added to text, in lines that end with CR LF.
void hmp_execute(struct vm_control *vm, const char *line, struct text *text);

// Parts. arguments is what follows the name, without spaces at its ends.
struct hmp {
    struct vm_control *vm;
    struct text *out;
};
struct hmp_command {
    const char *name;
    const char *alias;  // null: none
    const char *usage;  // "[-d] uri"
    const char *help;
    void (*run)(struct hmp *hmp, const char *arguments);
};
void hmp_say(struct hmp *hmp, const char *format, ...) __attribute__((format(printf, 2, 3)));
// hmp_info.c, hmp_memory.c
void hmp_info(struct hmp *hmp, const char *arguments);
void hmp_info_help(struct hmp *hmp);
void hmp_dump_virtual(struct hmp *hmp, const char *arguments);
void hmp_dump_physical(struct hmp *hmp, const char *arguments);
void hmp_print(struct hmp *hmp, const char *arguments);
void hmp_registers(struct hmp *hmp, unsigned vcpu);
// The number that text gives ("0x10", "$rip", sums and differences of those). False: it is none.
bool hmp_number(struct hmp *hmp, const char *text, uint64_t *value);
