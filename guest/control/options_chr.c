// SPDX-License-Identifier: GPL-2.0-or-later
//
// -chardev, and the short forms that -serial, -monitor and -qmp have for it.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest/control/options.h"

static const char *const backends[] = {"null", "stdio", "file", "pipe", "pty", "socket", "ringbuf", "memory"};
// Known to QEMU: refused as what they are.
static const char *const backends_later[] = {"udp", "msmouse", "wctablet", "vc", "serial", "tty",
    "parallel", "parport", "braille", "spicevmc", "spiceport", "testdev", "console", "mux", "hub",
    "qemu-vdagent", "dbus"};

#define HOLDS(names, name) options_holds(names, sizeof names / sizeof names[0], name)

static int check_chardev(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *backend = keyvals_take(kv, "backend"), *id = keyvals_take(kv, "id");
    if (!id)
        return err_set(err, -EINVAL, "chardev: no id specified");
    if (!backend)
        return err_set(err, -EINVAL, "chardev: \"%s\" missing backend", id);
    if (HOLDS(backends_later, backend))
        return err_set(err, -EINVAL, "chardev back end '%s' is not supported yet", backend);
    if (!HOLDS(backends, backend))
        return err_set(err, -EINVAL, "'%s' is not a valid char driver name", backend);
    if (strlen(id) >= sizeof o->serial[0].chardev)
        return err_set(err, -EINVAL, "Parameter 'id' expects an identifier");
    for (unsigned i = 0; i < o->chardevs; i++)
        if (!strcmp(keyvals_take(&o->chardev[i].properties, "id"), id))
            return err_set(err, -EINVAL, "Duplicate ID '%s' for chardev", id);
    return 0;
}

static int add_chardev(struct options *o, struct keyvals *kv, struct err *err)
{
    if (o->chardevs == OPTIONS_CHARDEVS)
        return err_set(err, -EINVAL, "more than %d character devices", OPTIONS_CHARDEVS);
    int rc = check_chardev(o, kv, err);
    if (rc == 0)
        o->chardev[o->chardevs++] = (struct option_chardev){o->current, *kv};
    return rc;
}

int option_chardev(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    if (!strcmp(argument, "help") || !strcmp(argument, "?")) {
        puts("Available chardev backend types: ");
        for (size_t i = 0; i + 1 < sizeof backends / sizeof backends[0]; i++)
            printf("  %s\n", backends[i]);
        o->then = OPTIONS_EXIT;
        return 0;
    }
    int rc = keyvals_parse(&kv, argument, "backend", err);
    if (rc < 0)
        return rc;
    rc = add_chardev(o, &kv, err);
    if (rc < 0)
        keyvals_finish(&kv);
    return rc;
}

// "host:port" and then options. An IPv6 host stands in brackets.
static int split_tcp(struct keyvals *kv, char *address, struct err *err)
{
    char *colon = strrchr(address, ':');
    if (!colon || !colon[1])
        return err_set(err, -EINVAL, "no host and port in '%s'", address);
    *colon = 0;
    size_t length = strlen(address);
    bool brackets = *address == '[' && address[length - 1] == ']';
    if (brackets)
        address[length - 1] = 0;
    int rc = keyvals_set(kv, "host", address + brackets, err);
    return rc < 0 ? rc : keyvals_set(kv, "port", colon + 1, err);
}

static int parse_tcp(struct keyvals *kv, const char *text, struct err *err)
{
    char address[300];
    int rc = keyvals_parse(kv, text, "address", err);
    const char *value = rc < 0 ? NULL : keyvals_take(kv, "address");
    if (rc == 0 && (!value || strlen(value) >= sizeof address))
        rc = err_set(err, -EINVAL, "no host and port in '%s'", text);
    if (rc == 0)
        rc = split_tcp(kv, strcpy(address, value), err);
    return rc < 0 ? rc : keyvals_set(kv, "backend", "socket", err);
}

static int parse_path(struct keyvals *kv, const char *text, const char *backend, struct err *err)
{
    int rc = keyvals_parse(kv, text, "path", err);
    return rc < 0 ? rc : keyvals_set(kv, "backend", backend, err);
}

static int parse_word(struct keyvals *kv, const char *text, struct err *err)
{
    static const char *const words[] = {"null", "stdio", "pty", "ringbuf"};
    int rc = keyvals_parse(kv, text, "backend", err);
    const char *word = rc < 0 ? NULL : keyvals_take(kv, "backend");
    if (rc < 0)
        return rc;
    if (word && !strcmp(word, "vc"))  // the text console of a window, which nobody looks at here
        return keyvals_set(kv, "backend", "null", err);
    if (word && HOLDS(words, word))
        return 0;
    return err_set(err, -EINVAL, "'%s' is not a valid char driver", text);
}

static int parse_legacy(struct keyvals *kv, const char *text, struct err *err)
{
    *kv = (struct keyvals){0};
    if (!strncmp(text, "vc:", 3))
        return keyvals_parse(kv, "null", "backend", err);
    if (!strncmp(text, "unix:", 5))
        return parse_path(kv, text + 5, "socket", err);
    if (!strncmp(text, "file:", 5))
        return parse_path(kv, text + 5, "file", err);
    if (!strncmp(text, "pipe:", 5))
        return parse_path(kv, text + 5, "pipe", err);
    if (!strncmp(text, "tcp:", 4))
        return parse_tcp(kv, text + 4, err);
    return parse_word(kv, text, err);
}

// "mon:" adds a human monitor on the same device. The terminal's interrupt key then belongs to it.
static int add_monitor_too(struct options *o, struct keyvals *kv, const char *label, struct err *err)
{
    if (o->monitors == OPTIONS_MONITORS)
        return err_set(err, -EINVAL, "too many monitors");
    int rc = keyvals_set(kv, "mux", "on", err);
    const char *backend = keyvals_take(kv, "backend");
    if (rc == 0 && backend && !strcmp(backend, "stdio"))
        rc = keyvals_set(kv, "signal", "off", err);
    if (rc < 0)
        return rc;
    struct option_monitor *m = &o->monitor[o->monitors++];
    *m = (struct option_monitor){.use = o->current};
    strcpy(m->chardev, label);
    return 0;
}

int options_legacy_chardev(struct options *o, const char *label, const char *text, struct err *err)
{
    struct keyvals kv;
    bool monitor = !strncmp(text, "mon:", 4);
    int rc = parse_legacy(&kv, monitor ? text + 4 : text, err);
    if (rc == 0)
        rc = keyvals_set(&kv, "id", label, err);
    if (rc == 0)
        rc = add_chardev(o, &kv, err);
    if (rc < 0)
        keyvals_finish(&kv);
    else if (monitor)
        rc = add_monitor_too(o, &o->chardev[o->chardevs - 1].properties, label, err);
    return rc;
}

int option_serial(struct options *o, const char *argument, struct err *err)
{
    if (o->serials == OPTIONS_SERIALS)
        return err_set(err, -EINVAL, "max %d serial ports supported", OPTIONS_SERIALS);
    struct option_serial *s = &o->serial[o->serials];
    *s = (struct option_serial){.use = o->current};
    int rc = 0;
    if (!strncmp(argument, "chardev:", 8)) {
        if (snprintf(s->chardev, sizeof s->chardev, "%s", argument + 8) >= (int)sizeof s->chardev)
            rc = err_set(err, -EINVAL, "'%s' is no chardev", argument + 8);
    } else if (strcmp(argument, "none")) {
        snprintf(s->chardev, sizeof s->chardev, "serial%u", o->serials);
        rc = options_legacy_chardev(o, s->chardev, argument, err);
    }
    o->serials++;
    o->serial_given = true;
    return rc;
}

static int add_monitor(struct options *o, const char *argument, bool control, bool pretty,
                       struct err *err)
{
    if (o->monitors == OPTIONS_MONITORS)
        return err_set(err, -EINVAL, "too many monitors");
    struct option_monitor m = {.use = o->current, .control = control, .pretty = pretty};
    int rc = 0;
    if (!strncmp(argument, "chardev:", 8)) {
        if (snprintf(m.chardev, sizeof m.chardev, "%s", argument + 8) >= (int)sizeof m.chardev)
            rc = err_set(err, -EINVAL, "'%s' is no chardev", argument + 8);
    } else {
        snprintf(m.chardev, sizeof m.chardev, "compat_monitor%u", o->monitors);
        rc = options_legacy_chardev(o, m.chardev, argument, err);
    }
    if (rc == 0)
        o->monitor[o->monitors++] = m;
    return rc;
}

int option_monitor(struct options *o, const char *argument, struct err *err)
{
    o->monitor_given = true;
    return strcmp(argument, "none") ? add_monitor(o, argument, false, false, err) : 0;
}

int option_qmp(struct options *o, const char *argument, struct err *err)
{
    o->monitor_given = true;
    return add_monitor(o, argument, true, false, err);
}

int option_qmp_pretty(struct options *o, const char *argument, struct err *err)
{
    o->monitor_given = true;
    return add_monitor(o, argument, true, true, err);
}

static int use_mon(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *chardev = keyvals_take(kv, "chardev"), *mode = keyvals_take(kv, "mode");
    struct option_monitor m = {.use = o->current};
    int rc = keyvals_bool(kv, "pretty", &m.pretty, err);
    if (rc == 0)
        rc = keyvals_all_taken(kv, err);
    if (rc == 0 && !chardev)
        rc = err_set(err, -EINVAL, "Parameter 'chardev' is missing");
    m.control = mode && !strcmp(mode, "control");
    if (rc == 0 && mode && !m.control && strcmp(mode, "readline"))
        rc = err_set(err, -EINVAL, "Parameter 'mode' does not accept value '%s'", mode);
    if (rc == 0 && (strlen(chardev) >= sizeof m.chardev || o->monitors == OPTIONS_MONITORS))
        rc = err_set(err, -EINVAL, "chardev \"%s\" not found", chardev);
    if (rc < 0)
        return rc;
    strcpy(m.chardev, chardev);
    o->monitor[o->monitors++] = m;
    return 0;
}

int option_mon(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    o->monitor_given = true;
    int rc = keyvals_parse(&kv, argument, "chardev", err);
    if (rc < 0)
        return rc;
    rc = use_mon(o, &kv, err);
    keyvals_finish(&kv);
    return rc;
}

// Without -nodefaults a PC has a serial port and its user a monitor: on the terminal with
// -nographic, else on consoles of a window.
int options_default_devices(struct options *o, struct err *err)
{
    bool serial = !o->serial_given && !o->no_defaults;
    bool monitor = !o->monitor_given && !o->no_defaults;
    if (o->nographic && o->daemonize && (serial || monitor))
        return err_set(err, -EINVAL, "-nographic cannot be used with -daemonize");
    for (unsigned i = 0; i < o->monitors; i++)  // "mon:" stands for -monitor too
        monitor &= o->monitor[i].control;
    if (serial && monitor && o->nographic)
        return option_serial(o, "mon:stdio", err);
    int rc = serial ? option_serial(o, o->nographic ? "stdio" : "vc", err) : 0;
    if (rc == 0 && monitor && o->nographic)
        rc = add_monitor(o, "stdio", false, false, err);
    return rc;
}
