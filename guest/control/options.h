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
#include "guest/block/block.h"
#include "guest/control/device_types.h"
#include "guest/control/keyval.h"
#include "guest/cpu/vcpu.h"

enum {
    OPTIONS_SERIALS = 4, OPTIONS_CHARDEVS = 32, OPTIONS_MONITORS = 16, OPTIONS_ACCELS = 8,
    OPTIONS_DEVICES = 64, OPTIONS_DRIVES = 64, OPTIONS_NETDEVS = 32, OPTIONS_OBJECTS = 32,
    OPTIONS_SMBIOS = 16, OPTIONS_FW_CFGS = 32, OPTIONS_ID_BYTES = 64,
};

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

// What a disk does when its host fails: enospc stops the guest if the disk is full and else reports.
enum error_policy { ERRORS_AUTO, ERRORS_REPORT, ERRORS_IGNORE, ERRORS_ENOSPC, ERRORS_STOP };

// A disk's contents: -drive, or a node of -blockdev. Strings of config are this struct's.
struct option_drive {
    struct option_use use;
    char id[OPTIONS_ID_BYTES];  // of -drive, or the node's name
    bool blockdev;
    bool virtio;                // if=virtio: a disk is made for it
    unsigned index;             // of that
    enum error_policy on_write_error, on_read_error;
    struct block_config config;
    struct option_drive *file;  // raw over a node that stands elsewhere; it has no file of its own
    struct option_drive *user;  // what has taken this node for its file
};

// -device. Its driver was looked up and its properties were checked by name and type.
struct option_device {
    struct option_use use;
    const struct device_type *type;
    struct keyvals properties;
    char id[OPTIONS_ID_BYTES];  // empty: none
};

// A network back end; of type user alone.
struct option_netdev {
    struct option_use use;
    char id[OPTIONS_ID_BYTES];
    struct keyvals properties;
};

// -object: rng-random, rng-builtin, iothread.
struct option_object {
    struct option_use use;
    char type[16], id[OPTIONS_ID_BYTES];
    struct keyvals properties;
};

// -smbios and -fw_cfg are read by whoever makes their tables.
struct option_table {
    struct option_use use;
    struct keyvals properties;
};

enum options_then { OPTIONS_RUN, OPTIONS_EXIT };  // -help, -version: all was said
enum reboot_action { REBOOT_RESET, REBOOT_SHUTDOWN };
enum shutdown_action { SHUTDOWN_POWEROFF, SHUTDOWN_PAUSE };
enum panic_action { PANIC_SHUTDOWN, PANIC_PAUSE, PANIC_EXIT_FAILURE, PANIC_NONE };
enum rtc_base { RTC_UTC, RTC_LOCALTIME, RTC_DATE };
enum rtc_clock { RTC_CLOCK_HOST, RTC_CLOCK_RT, RTC_CLOCK_VM };

struct options {
    enum options_then then;
    struct option_use current;  // while parsing

    char machine[32];
    bool hpet;
    char *cpu;  // null: the engine's default
    struct option_accel accel[OPTIONS_ACCELS];
    unsigned accels;
    struct engine_count count;  // -icount
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

    struct option_drive drive[OPTIONS_DRIVES];
    unsigned drives;
    struct option_device device[OPTIONS_DEVICES];
    unsigned devices;
    struct option_netdev netdev[OPTIONS_NETDEVS];
    unsigned netdevs;
    struct option_object object[OPTIONS_OBJECTS];
    unsigned objects;
    struct option_table smbios[OPTIONS_SMBIOS], fw_cfg[OPTIONS_FW_CFGS];
    unsigned smbioses, fw_cfgs;
    struct options_net *net;  // -net and -nic, until all options are known
    bool i8042;

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
    enum rtc_clock rtc_clock;
    int64_t rtc_date;  // seconds since 1970, for RTC_DATE
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

// Parses argument (key=value or JSON), hands it to use, and complains about what is left over.
int options_with_keyvals(struct options *options, const char *argument, const char *implied,
                         int (*use)(struct options *options, struct keyvals *kv, struct err *err),
                         struct err *err);
// The value's index in a list that ends with null; *choice stays where key is absent.
int options_choose(struct keyvals *kv, const char *key, const char *const *values, int *choice,
                   struct err *err);
// An identifier of up to OPTIONS_ID_BYTES - 1 letters, digits and "-._", a letter first; into to.
int options_set_id(char to[OPTIONS_ID_BYTES], const char *id, struct err *err);
bool options_is_help(const char *word);  // "help" or "?"
// "help" alone, or "NAME,help" in any place behind the name.
bool options_asks_help(const char *argument, const struct keyvals *kv);

// options_block.c
option_fn option_drive, option_blockdev;
// A drive or node of that name; null: none.
struct option_drive *options_find_drive(struct options *options, const char *id);
// options_net.c
option_fn option_netdev, option_net, option_nic;
struct option_netdev *options_find_netdev(struct options *options, const char *id);
// Cards that -net, -nic or their absence ask for; before the other devices.
int options_default_nics(struct options *options, struct err *err);
void options_net_finish(struct options *options);
// options_device.c
option_fn option_device, option_object;
struct option_object *options_find_object(struct options *options, const char *id);
// A -device of the options' own making: its properties are kv, which it takes.
int options_add_device(struct options *options, struct keyvals *kv, struct err *err);
// A disk for each -drive if=virtio; after the other devices.
int options_default_disks(struct options *options, struct err *err);
// options_board.c
option_fn option_boot, option_rtc, option_smbios, option_fw_cfg, option_vga;

// options_machine.c
option_fn option_machine, option_cpu, option_smp, option_memory, option_accelerator, option_kvm;
// options_icount.c
option_fn option_icount;
// options_chr.c
option_fn option_chardev, option_serial, option_monitor, option_qmp, option_qmp_pretty, option_mon;
int options_default_devices(struct options *options, struct err *err);
// Turns "unix:/x,server=on" into a -chardev of that label. The label's use is the current one.
int options_legacy_chardev(struct options *options, const char *label, const char *text,
                           struct err *err);
// options_rest.c
option_fn option_action, option_append, option_daemonize, option_display, option_echr,
    option_gdb, option_gdb_default, option_help, option_incoming, option_initrd, option_kernel,
    option_log_file, option_log_items, option_msg, option_name, option_no_hpet,
    option_no_reboot, option_no_shutdown, option_nodefaults, option_nographic, option_no_user_config,
    option_one_instruction, option_parallel, option_pidfile, option_start_paused, option_uuid,
    option_version;
