// SPDX-License-Identifier: GPL-2.0-or-later
//
// The options that set one thing each.
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/chr/mux.h"
#include "guest/control/options.h"

int option_help(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    options_print_help();
    o->then = OPTIONS_EXIT;
    return 0;
}

int option_version(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    options_print_version();
    o->then = OPTIONS_EXIT;
    return 0;
}

int option_kernel(struct options *o, const char *argument, struct err *err)
{
    return options_copy(&o->kernel, argument, err);
}

int option_initrd(struct options *o, const char *argument, struct err *err)
{
    return options_copy(&o->initrd, argument, err);
}

int option_append(struct options *o, const char *argument, struct err *err)
{
    return options_copy(&o->append, argument, err);
}

int option_pidfile(struct options *o, const char *argument, struct err *err)
{
    return options_copy(&o->pidfile, argument, err);
}

int option_log_file(struct options *o, const char *argument, struct err *err)
{
    return options_copy(&o->log_file, argument, err);
}

int option_log_items(struct options *o, const char *argument, struct err *err)
{
    if (strcmp(argument, "help") && strcmp(argument, "?"))
        return options_copy(&o->log_items, argument, err);
    puts("Log items (comma separated):\n"
         "all             everything\nnone            only warnings and errors\n"
         "jit, kvm        the engines\napic            local APICs\nmsr             model-specific registers\n"
         "machine         run states and resets\n"
         "gdb             when it comes and goes");
    o->then = OPTIONS_EXIT;
    return 0;
}

int option_nographic(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    o->nographic = o->display_none = true;
    return 0;
}

int option_nodefaults(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    o->no_defaults = true;
    return 0;
}

int option_no_user_config(struct options *o, const char *argument, struct err *err)
{
    (void)o, (void)argument, (void)err;
    return 0;
}

int option_daemonize(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    o->daemonize = true;
    return 0;
}

int option_start_paused(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    o->start_paused = true;
    return 0;
}

int option_no_reboot(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    o->reboot = REBOOT_SHUTDOWN;
    return 0;
}

int option_no_shutdown(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    o->shutdown = SHUTDOWN_PAUSE;
    return 0;
}

int option_no_hpet(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    o->hpet = false;
    return 0;
}

// QEMU's name for its slow, exact mode. It belongs to the software engine, whichever -accel named it.
int option_one_instruction(struct options *o, const char *argument, struct err *err)
{
    (void)argument;
    for (unsigned i = 0; i < o->accels; i++)
        o->accel[i].one_instruction_blocks = true;
    if (o->accels)
        return 0;
    return option_accelerator(o, "jit,one-insn-per-tb=on", err);
}

int option_gdb(struct options *o, const char *argument, struct err *err)
{
    (void)err;
    o->gdb = o->current;
    o->gdb.argument = strcmp(argument, "none") ? argument : NULL;
    return 0;
}

int option_gdb_default(struct options *o, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    o->gdb = (struct option_use){"-gdb", "tcp::1234"};
    return 0;
}

int option_incoming(struct options *o, const char *argument, struct err *err)
{
    static const char *const later[] = {"tcp:", "unix:", "exec:", "fd:", "rdma:"};
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (!strncmp(argument, later[i], strlen(later[i])))
            return err_set(err, -ENOTSUP, "not supported yet");
    if (strcmp(argument, "defer") && strncmp(argument, "file:", 5))
        return err_set(err, -EINVAL, "unknown migration protocol: %s", argument);
    o->incoming = o->current;
    return 0;
}

int option_display(struct options *o, const char *argument, struct err *err)
{
    static const char *const later[] = {"gtk", "sdl", "egl-headless", "curses", "spice-app", "dbus",
                                        "vnc", "cocoa"};
    size_t length = strcspn(argument, ",=");
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (strlen(later[i]) == length && !strncmp(argument, later[i], length))
            return err_set(err, -ENOTSUP, "not supported yet");
    if (strcmp(argument, "none"))
        return err_set(err, -EINVAL, "Parameter 'type' does not accept value '%.*s'", (int)length,
                       argument);
    o->display_none = true;
    return 0;
}

static int only_none(const char *argument, struct err *err)
{
    return strcmp(argument, "none") ? err_set(err, -ENOTSUP, "not supported yet") : 0;
}

int option_parallel(struct options *o, const char *argument, struct err *err)
{
    (void)o;
    return only_none(argument, err);
}

int option_echr(struct options *o, const char *argument, struct err *err)
{
    (void)o;
    char *end;
    unsigned long key = strtoul(argument, &end, 0);
    if (end == argument || *end || chr_mux_escape(key) < 0)
        return err_set(err, -EINVAL, "no key code: %s", argument);
    return 0;
}

static int use_action(struct options *o, struct keyvals *kv, struct err *err)
{
    static const char *const reboots[] = {"reset", "shutdown", NULL};
    static const char *const shutdowns[] = {"poweroff", "pause", NULL};
    static const char *const panics[] = {"shutdown", "pause", "exit-failure", "none", NULL};
    int reboot = o->reboot, shutdown = o->shutdown, panic = o->panic;
    int rc = options_choose(kv, "reboot", reboots, &reboot, err);
    if (rc == 0)
        rc = options_choose(kv, "shutdown", shutdowns, &shutdown, err);
    if (rc == 0)
        rc = options_choose(kv, "panic", panics, &panic, err);
    o->reboot = reboot;
    o->shutdown = shutdown;
    o->panic = panic;
    return rc;
}

int option_action(struct options *o, const char *argument, struct err *err)
{
    return options_with_keyvals(o, argument, NULL, use_action, err);
}

static int use_name(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *name = keyvals_take(kv, "guest"), *process = keyvals_take(kv, "process");
    bool named_threads = false;  // they always are
    int rc = keyvals_bool(kv, "debug-threads", &named_threads, err);
    if (rc == 0 && process)
        rc = err_set(err, -ENOTSUP, "process= is not supported yet");
    return rc == 0 ? options_copy(&o->name, name, err) : rc;
}

int option_name(struct options *o, const char *argument, struct err *err)
{
    return options_with_keyvals(o, argument, "guest", use_name, err);
}

static int use_msg(struct options *o, struct keyvals *kv, struct err *err)
{
    bool guest_name = false;
    int rc = keyvals_bool(kv, "timestamp", &o->message_timestamp, err);
    if (rc == 0)
        rc = keyvals_bool(kv, "guest-name", &guest_name, err);
    if (rc == 0 && guest_name)
        rc = err_set(err, -ENOTSUP, "guest-name=on is not supported yet");
    return rc;
}

int option_msg(struct options *o, const char *argument, struct err *err)
{
    return options_with_keyvals(o, argument, NULL, use_msg, err);
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

int option_uuid(struct options *o, const char *argument, struct err *err)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    unsigned digits = 0;
    bool good = strlen(argument) == sizeof shape - 1;
    for (size_t i = 0; good && shape[i]; i++) {
        if (shape[i] == '-') {
            good = argument[i] == '-';
            continue;
        }
        good = isxdigit((unsigned char)argument[i]);
        uint8_t *byte = &o->uuid[digits++ / 2];
        *byte = *byte << 4 | hex_digit(argument[i]);
    }
    o->uuid_given = good;
    return good ? 0 : err_set(err, -EINVAL, "failed to parse UUID string: wrong format");
}
