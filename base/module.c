// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

const void *module_load(const char *name, struct err *err)
{
    char file[64];
    snprintf(file, sizeof file, "konuk-%s.so", name);
    void *module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const void *table = module ? dlsym(module, "konuk_module") : NULL;
    if (!table)
        err_set(err, -ENOENT, "this needs the module %s: %s", file, dlerror());
    return table;
}
