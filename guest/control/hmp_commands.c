// SPDX-License-Identifier: GPL-2.0-or-later
//
// The commands of the human monitor, by table.
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/hmp.h"
#include "guest/control/hmp_devices.h"
#include "guest/control/hmp_input.h"

void hmp_say(struct hmp *hmp, const char *format, ...)
{
    char *line = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&line, format, args);
    va_end(args);
    if (length < 0)
        return;
    text_add(hmp->out, line, length);
    text_add(hmp->out, "\r\n", 2);
    free(line);
}

static void say_error(struct hmp *hmp, int rc, const struct err *err)
{
    if (rc < 0)
        hmp_say(hmp, "Error: %s", err->text);
}

static void help(struct hmp *hmp, const char *arguments);

static void stop(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp->vm->ops->stop(hmp->vm);
}

static void cont(struct hmp *hmp, const char *arguments)
{
    struct err err = {0};
    (void)arguments;
    say_error(hmp, hmp->vm->ops->cont(hmp->vm, &err), &err);
}

static void system_reset(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp->vm->ops->reset(hmp->vm);
}

static void system_powerdown(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp->vm->ops->powerdown(hmp->vm);
}

static void system_wakeup(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp_say(hmp, "Error: Unable to wake up: guest is not in suspended state");
}

static void quit(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp->vm->ops->quit(hmp->vm, "host-qmp-quit");
}

static void nmi(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp->vm->ops->nmi(hmp->vm);
}

static void migrate(struct hmp *hmp, const char *arguments)
{
    const char *uri = !strncmp(arguments, "-d ", 3) ? arguments + 3 : arguments;
    uri += strspn(uri, " \"");
    char *copy = strdup(uri);
    if (!copy)
        return;
    copy[strcspn(copy, "\"")] = 0;
    if (!*copy)
        hmp_say(hmp, "migrate: string expected");
    else if (!vm_migrate_path(copy))
        hmp_say(hmp, "Error: Parameter 'uri' expects a valid migration protocol");
    else
        hmp->vm->ops->migrate(hmp->vm, copy);
    free(copy);
}

static void migrate_incoming(struct hmp *hmp, const char *arguments)
{
    struct err err = {0};
    say_error(hmp, hmp->vm->ops->migrate_incoming(hmp->vm, arguments, &err), &err);
}

static void gdbserver(struct hmp *hmp, const char *arguments)
{
    struct err err = {0};
    const char *spec = *arguments ? arguments : "tcp::1234";
    bool none = !strcmp(spec, "none");
    if (hmp->vm->ops->gdbserver(hmp->vm, none ? NULL : spec, &err) < 0)
        hmp_say(hmp, "Could not open gdbserver on device '%s'", spec);
    else if (none)
        hmp_say(hmp, "Disabled gdbserver");
    else
        hmp_say(hmp, "Waiting for gdb connection on device '%s'", spec);
}

static const struct hmp_command commands[] = {
    {"cont", "c", "", "resume the guest", cont},
    {"gdbserver", NULL, "[device]", "wait for gdb there (tcp::1234), or no longer ('none')", gdbserver},
    {"help", "?", "[cmd]", "show this", help},
    {"hostfwd_add", NULL, "[netdev] [tcp|udp]:[addr]:port-[addr]:port", "forward a port to the guest", hmp_hostfwd_add},
    {"hostfwd_remove", NULL, "[netdev] [tcp|udp]:[addr]:port", "forward it no longer", hmp_hostfwd_remove},
    {"info", NULL, "[subcommand]", "show the state of something", hmp_info},
    {"migrate", NULL, "[-d] uri", "save the guest to file:PATH", migrate},
    {"migrate_incoming", NULL, "uri", "continue a saved guest after -incoming defer", migrate_incoming},
    {"mouse_button", NULL, "state", "press the mouse's buttons (1: left, 2: right, 4: middle)", hmp_mouse_button},
    {"mouse_move", NULL, "dx dy [dz]", "move the mouse to the right, down, and its wheel up", hmp_mouse_move},
    {"nmi", NULL, "", "inject an NMI", nmi},
    {"print", "p", "/fmt expr", "print a number ($rax for a register)", hmp_print},
    {"quit", "q", "", "end the emulator", quit},
    {"sendkey", NULL, "keys [hold_ms]", "type keys (ctrl-alt-delete)", hmp_sendkey},
    {"stop", "s", "", "pause the guest", stop},
    {"system_powerdown", NULL, "", "press the power button", system_powerdown},
    {"system_reset", NULL, "", "reset the machine", system_reset},
    {"system_wakeup", NULL, "", "wake the guest from suspend", system_wakeup},
    {"x", NULL, "/fmt addr", "dump virtual memory", hmp_dump_virtual},
    {"xp", NULL, "/fmt addr", "dump physical memory", hmp_dump_physical},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct hmp_command *find(const char *name, size_t length)
{
    for (int i = 0; i < COMMANDS; i++) {
        const char *names[] = {commands[i].name, commands[i].alias};
        for (int n = 0; n < 2; n++)
            if (names[n] && strlen(names[n]) == length && !memcmp(names[n], name, length))
                return &commands[i];
    }
    return NULL;
}

static void describe(struct hmp *hmp, const struct hmp_command *c)
{
    hmp_say(hmp, "%s%s%s %s -- %s", c->name, c->alias ? "|" : "", c->alias ? c->alias : "", c->usage,
            c->help);
}

static void help(struct hmp *hmp, const char *arguments)
{
    const struct hmp_command *one = *arguments ? find(arguments, strlen(arguments)) : NULL;
    if (!strcmp(arguments, "info"))
        hmp_info_help(hmp);
    else if (one)
        describe(hmp, one);
    for (int i = 0; i < COMMANDS && !*arguments; i++)
        describe(hmp, &commands[i]);
}

static void run(struct hmp *hmp, const struct hmp_command *command, const char *arguments)
{
    if (!*command->usage && *arguments)
        hmp_say(hmp, "%s: extraneous characters at the end of line", command->name);
    else
        command->run(hmp, arguments);
}

void hmp_execute(struct vm_control *vm, const char *line, struct text *text)
{
    struct hmp hmp = {vm, text};
    char *copy = strdup(line + strspn(line, " \t"));
    if (!copy)
        return;
    for (size_t end = strlen(copy); end && isspace((unsigned char)copy[end - 1]); end--)
        copy[end - 1] = 0;
    size_t length = strcspn(copy, " \t/");  // "x/4x 0": the format follows at once
    const struct hmp_command *command = find(copy, length);
    const char *arguments = copy + length + strspn(copy + length, " \t");
    if (command)
        run(&hmp, command, arguments);
    else if (length)
        hmp_say(&hmp, "unknown command: '%.*s'", (int)length, copy);
    free(copy);
}
