// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/net/user_module.h"

const struct net_user_module konuk_module = {
    .open = net_user_open,
    .add_hostfwd = net_user_add_hostfwd,
    .remove_hostfwd = net_user_remove_hostfwd,
    .connections = net_user_connections,
};
