// SPDX-License-Identifier: GPL-2.0-or-later
//
// Rules of forwarding, in QEMU's form and with its reasons.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/net/user_address.h"

// The text before the separator, which rest moves behind; false: there is none.
static bool take(const char **rest, char separator, char *text, size_t room_bytes)
{
    const char *end = strchr(*rest, separator);
    if (!end)
        return false;
    snprintf(text, room_bytes, "%.*s", (int)(end - *rest), *rest);
    *rest = end + 1;
    return true;
}

static bool parse_port(const char *text, long least, uint16_t *port)
{
    char *end;
    long number = strtol(text, &end, 0);
    *port = number;
    return !*end && number >= least && number <= UINT16_MAX;
}

// Each returns what is wrong, or null.
static const char *parse_protocol(const char **rest, struct user_forward *f)
{
    char text[256];
    if (!take(rest, ':', text, sizeof text))
        return "No : separators";
    f->udp = !strcmp(text, "udp");
    return f->udp || !*text || !strcmp(text, "tcp") ? NULL : "Bad protocol name";
}

static const char *parse_host(const char **rest, struct user_forward *f)
{
    char text[256];
    if (!take(rest, ':', text, sizeof text))
        return "Missing : separator";
    return *text && !inet_aton(text, &f->host) ? "Bad host address" : NULL;
}

static const char *parse_rest(const char *rest, struct user_forward *f)
{
    char text[256];
    if (!take(&rest, '-', text, sizeof text))
        return "Bad host port separator";
    if (!parse_port(text, 0, &f->host_port))
        return "Bad host port";
    if (!take(&rest, ':', text, sizeof text))
        return "Missing guest address";
    if (*text && !inet_aton(text, &f->guest))
        return "Bad guest address";
    return parse_port(rest, 1, &f->guest_port) ? NULL : "Bad guest port";
}

int user_parse_hostfwd(const char *rule, struct user_forward *f, struct err *err)
{
    const char *rest = rule;
    *f = (struct user_forward){0};
    const char *wrong = parse_protocol(&rest, f);
    if (!wrong)
        wrong = parse_host(&rest, f);
    if (!wrong)
        wrong = parse_rest(rest, f);
    return wrong ? err_set(err, -EINVAL, "Invalid host forwarding rule '%s' (%s)", rule, wrong) : 0;
}

int user_parse_hostfwd_end(const char *rule, struct user_forward *f, struct err *err)
{
    const char *rest = rule;
    *f = (struct user_forward){0};
    if (parse_protocol(&rest, f) || parse_host(&rest, f) || !parse_port(rest, 0, &f->host_port))
        return err_set(err, -EINVAL, "invalid format");
    return 0;
}

int user_parse_guestfwd(const char *rule, struct user_guestfwd *g, struct err *err)
{
    char text[256];
    const char *rest = rule;
    bool good = take(&rest, ':', text, sizeof text) && (!*text || !strcmp(text, "tcp")) &&
                take(&rest, ':', text, sizeof text) && (!*text || inet_aton(text, &g->server)) &&
                take(&rest, '-', text, sizeof text) && parse_port(text, 1, &g->port);
    if (!good)
        return err_set(err, -EINVAL, "Invalid guest forwarding rule '%s'", rule);
    if (strncmp(rest, "cmd:", 4))
        return err_set(err, -ENOTSUP, "guest forwarding to a character device is not supported yet: '%s'",
                       rule);
    g->command = rest + 4;
    return 0;
}
