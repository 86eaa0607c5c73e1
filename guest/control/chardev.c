// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/chardev.h"

#include <errno.h>
#include <string.h>

static const struct { const char *name; enum chr_kind kind; } kinds[] = {
    {"null", CHR_NULL}, {"stdio", CHR_STDIO}, {"file", CHR_FILE}, {"pipe", CHR_PIPE},
    {"pty", CHR_PTY}, {"socket", CHR_SOCKET}, {"ringbuf", CHR_RINGBUF}, {"memory", CHR_RINGBUF},
};

static enum chr_kind kind_of(const char *backend)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(kinds[i].name, backend))
            return kinds[i].kind;
    return CHR_NULL;  // the parser has refused others
}

static int take_common(struct keyvals *kv, struct chr_config *c, struct err *err)
{
    c->logfile = keyvals_take(kv, "logfile");
    int rc = keyvals_bool(kv, "mux", &c->mux, err);
    return rc < 0 ? rc : keyvals_bool(kv, "logappend", &c->log_append, err);
}

static int take_path(struct keyvals *kv, struct chr_config *c, const char *kind, struct err *err)
{
    c->path = keyvals_take(kv, "path");
    if (c->path && *c->path)
        return 0;
    return err_set(err, -EINVAL, "chardev: %s: no %s given", kind,
                   strcmp(kind, "file") ? "device path" : "filename");
}

// Known to QEMU and fine with the value that says what happens anyway.
static int take_refused(struct keyvals *kv, struct err *err)
{
    static const struct { const char *key, *allowed; } refused[] = {
        {"telnet", "off"}, {"websocket", "off"}, {"tn3270", "off"}, {"reconnect", "0"},
        {"nodelay", NULL}, {"delay", NULL}, {"ipv4", NULL}, {"ipv6", NULL}, {"to", ""},
        {"fd", ""}, {"tls-creds", ""}, {"tls-authz", ""}, {"abstract", "off"}, {"tight", NULL},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const char *value = keyvals_take(kv, refused[i].key);
        if (value && refused[i].allowed && strcmp(value, refused[i].allowed))
            return err_set(err, -EINVAL, "%s=%s is not supported yet", refused[i].key, value);
    }
    return 0;
}

static int take_socket(struct keyvals *kv, struct chr_config *c, struct err *err)
{
    bool wait = true, has_wait = keyvals_take(kv, "wait");
    keyvals_take(kv, "address");  // what host and port were taken from
    c->path = keyvals_take(kv, "path");
    c->host = keyvals_take(kv, "host");
    c->port = keyvals_take(kv, "port");
    int rc = keyvals_bool(kv, "server", &c->server, err);
    if (rc == 0)
        rc = keyvals_bool(kv, "wait", &wait, err);
    if (rc == 0)
        rc = take_refused(kv, err);
    if (rc < 0)
        return rc;
    c->wait = c->server && wait;
    if (!c->server && has_wait)
        return err_set(err, -EINVAL, "'wait' option is incompatible with socket in client connect mode");
    if (!c->path == !c->port)
        return err_set(err, -EINVAL, "chardev: socket: path, or host and port, must be given");
    return 0;
}

static int take_size(struct keyvals *kv, struct chr_config *c, struct err *err)
{
    uint64_t size = 0;
    int rc = keyvals_size(kv, "size", 1, &size, err);
    if (rc == 0 && (size > UINT32_MAX || (size & (size - 1))))
        rc = err_set(err, -EINVAL, "size of ringbuf chardev must be power of two");
    c->size_bytes = size;
    return rc;
}

static int take_own(struct keyvals *kv, struct chr_config *c, struct err *err)
{
    switch (c->kind) {
    case CHR_STDIO:
        c->signal = true;
        return keyvals_bool(kv, "signal", &c->signal, err);
    case CHR_FILE: {
        int rc = keyvals_bool(kv, "append", &c->append, err);
        return rc < 0 ? rc : take_path(kv, c, "file", err);
    }
    case CHR_PIPE: return take_path(kv, c, "pipe", err);
    case CHR_SOCKET: return take_socket(kv, c, err);
    case CHR_RINGBUF: return take_size(kv, c, err);
    default: return 0;
    }
}

struct chr_backend *chardev_open(struct option_chardev *chardev, struct err *err)
{
    struct keyvals *kv = &chardev->properties;
    struct chr_config config = {.kind = kind_of(keyvals_take(kv, "backend")),
                                .label = keyvals_take(kv, "id")};
    int rc = take_common(kv, &config, err);
    if (rc == 0)
        rc = take_own(kv, &config, err);
    if (rc == 0)
        rc = keyvals_all_taken(kv, err);
    struct chr_backend *b = rc == 0 ? chr_open(&config, err) : NULL;
    if (!b)
        options_blame(&chardev->use, -EINVAL, err);
    return b;
}
