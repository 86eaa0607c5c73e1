// SPDX-License-Identifier: GPL-2.0-or-later
//
// The command line, in QEMU's syntax, as data. Nothing is opened or made here; whoever makes the
// machine reports what then fails under the option that asked for it.
//
// Every option name of QEMU 7.2 is known. One that is not there yet is refused by name: nothing
// that a user asked for is silently left out.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/control/keyval.h"

enum { OPTIONS_SERIALS = 4, OPTIONS_CHARDEVS = 32, OPTIONS_MONITORS = 16, OPTIONS_ACCELS = 8 };

#define OPTIONS_MACHINE "pc-q35-7.2"
#define OPTIONS_QEMU_VERSION "7.2.0"

// An option as it was given, for messages: "-serial unix:/x". option is null for what is a default.
struct option_use {
    const char *option, *argument;
};

struct option_chardev {
    struct option_use use;
    struct keyvals properties;  // of -chardev, "backend" and "id" among them
};

struct option_monitor {
    struct option_use use;
    char chardev[64];
    bool control, pretty;  // QMP; else the human monitor
};

// -serial: none of both strings for "none".
struct option_serial {
    struct option_use use;
    char chardev[64];  // empty: this port does not exist
};

struct option_accel {
    struct option_use use;  // no option: from -machine accel=
    char name[16];
    bool statistics, one_instruction_blocks;
    uint64_t cache_bytes;   // 0: the engine's default
};

enum options_then { OPTIONS_RUN, OPTIONS_EXIT };  // -help, -version: all was said
enum reboot_action { REBOOT_RESET, REBOOT_SHUTDOWN };
enum shutdown_action { SHUTDOWN_POWEROFF, SHUTDOWN_PAUSE };
enum panic_action { PANIC_SHUTDOWN, PANIC_PAUSE, PANIC_EXIT_FAILURE, PANIC_NONE };
enum rtc_base { RTC_UTC, RTC_LOCALTIME, RTC_DATE };

struct options {
    enum options_then then;
    struct option_use current;  // while parsing

    char machine[32];
    bool hpet;
    char *cpu;  // null: the engine's default
    struct option_accel accel[OPTIONS_ACCELS];
    unsigned accels;
    unsigned vcpus, sockets, cores, threads;  // per machine, per socket (all dies), per core
    uint64_t ram_bytes;

    char *kernel, *initrd, *append;

    struct option_chardev chardev[OPTIONS_CHARDEVS];
    unsigned chardevs;
    struct option_serial serial[OPTIONS_SERIALS];
    unsigned serials;
    struct option_monitor monitor[OPTIONS_MONITORS];
    unsigned monitors;
    struct option_use gdb;  // argument null: none
    struct option_use incoming;

    bool nographic, display_none, no_defaults, daemonize, start_paused;
    bool serial_given, monitor_given;
    bool message_timestamp;

    enum reboot_action reboot;
    enum shutdown_action shutdown;
    enum panic_action panic;

    char *name, *pidfile, *log_items, *log_file;
    uint8_t uuid[16];
    bool uuid_given;

    enum rtc_base rtc;
    int64_t rtc_date;  // seconds since 1970, for RTC_DATE

    bool debug_exit;
    uint64_t debug_exit_base, debug_exit_bytes;
};

// argv[0] is skipped. On failure err has the line to print after the program's name, and
// -EINVAL is returned. Strings of argv are kept by reference.
int options_parse(struct options *options, int argc, char **argv, struct err *err);
void options_finish(struct options *options);
// "-serial unix:/x: " before err's sentence; nothing where no option was given.
int options_blame(const struct option_use *use, int code, struct err *err);

void options_print_help(void);
void options_print_version(void);

// Parts of the parser. Each takes the argument and reports without the option's name.
typedef int option_fn(struct options *options, const char *argument, struct err *err);
struct option {
    const char *name;
    bool has_argument;
    option_fn *parse;  // null: not supported yet
    const char *help;  // "usage\ntext\n..."; null: not listed
};
const struct option *option_find(const char *name);
bool options_holds(const char *const *names, size_t count, const char *name);
// A string of the options' own, in place of what was there. from null: nothing changes.
int options_copy(char **to, const char *from, struct err *err);

// options_machine.c
option_fn option_machine, option_cpu, option_smp, option_memory, option_accelerator, option_kvm;
// options_chr.c
option_fn option_chardev, option_serial, option_monitor, option_qmp, option_qmp_pretty, option_mon;
int options_default_devices(struct options *options, struct err *err);
// Turns "unix:/x,server=on" into a -chardev of that label. The label's use is the current one.
int options_legacy_chardev(struct options *options, const char *label, const char *text,
                           struct err *err);
// options_rest.c
option_fn option_action, option_append, option_daemonize, option_device, option_display, option_echr,
    option_gdb, option_gdb_default, option_help, option_incoming, option_initrd, option_kernel,
    option_log_file, option_log_items, option_msg, option_name, option_net, option_no_hpet,
    option_no_reboot, option_no_shutdown, option_nodefaults, option_nographic, option_no_user_config,
    option_one_instruction, option_parallel, option_pidfile, option_rtc, option_start_paused,
    option_uuid, option_version, option_vga;
