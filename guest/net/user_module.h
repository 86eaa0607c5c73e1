// SPDX-License-Identifier: GPL-2.0-or-later
//
// user.h's functions as a module (base/module.h), since libslirp brings GLib with it.
#pragma once

#include "guest/net/user.h"

#define NET_USER_MODULE "net-user"

struct net_user_module {
    struct net *(*open)(const struct net_user_config *config, const char *id, struct io_thread *thread,
                        struct err *err);
    int (*add_hostfwd)(struct net *net, const char *rule, struct err *err);
    int (*remove_hostfwd)(struct net *net, const char *rule, struct err *err);
    char *(*connections)(struct net *net);
};
extern const struct net_user_module konuk_module;
