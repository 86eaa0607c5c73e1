// SPDX-License-Identifier: GPL-2.0-or-later
//
// -icount: guest time by the instructions executed. The sentences are QEMU's (accel/tcg/icount-common.c,
// replay/replay.c).
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/options.h"

enum { SHIFT_MAX = 10 };

static int set_shift(struct options *o, const char *text, struct err *err)
{
    char *end;
    long shift = strtol(text, &end, 0);
    if (end == text || *end || shift < 0 || shift > SHIFT_MAX)
        return err_set(err, -EINVAL, "icount: Invalid shift value");
    o->count.on = true;
    o->count.shift = shift;
    return 0;
}

static int refuse_replay(const char *mode, struct err *err)
{
    if (strcmp(mode, "record") && strcmp(mode, "replay"))
        return err_set(err, -EINVAL, "Invalid icount rr option: %s", mode);
    return err_set(err, -ENOTSUP, "rr=%s is not supported yet", mode);
}

static int use_shift(struct options *o, const char *shift, bool align, struct err *err)
{
    if (align && !o->count.sleeps)
        return err_set(err, -EINVAL, "align=on and sleep=off are incompatible");
    if (align)
        return err_set(err, -ENOTSUP, "align=on is not supported yet");
    if (!strcmp(shift, "auto"))
        return err_set(err, -ENOTSUP, "shift=auto is not supported yet");
    return set_shift(o, shift, err);
}

static int use_icount(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *shift = keyvals_take(kv, "shift"), *replay = keyvals_take(kv, "rr");
    bool align_given = false, align = false;
    for (unsigned i = 0; i < kv->count; i++)
        align_given |= !strcmp(kv->item[i].key, "align");
    keyvals_take(kv, "rrfile");
    keyvals_take(kv, "rrsnapshot");
    o->count.sleeps = true;
    int rc = keyvals_bool(kv, "sleep", &o->count.sleeps, err);
    if (rc == 0)
        rc = keyvals_bool(kv, "align", &align, err);
    if (rc == 0)
        rc = keyvals_all_taken(kv, err);
    if (rc == 0 && replay)
        rc = refuse_replay(replay, err);
    if (rc == 0 && !shift && align_given)
        rc = err_set(err, -EINVAL, "Please specify shift option when using align");
    return rc < 0 || !shift ? rc : use_shift(o, shift, align, err);
}

int option_icount(struct options *o, const char *argument, struct err *err)
{
    return options_with_keyvals(o, argument, "shift", use_icount, err);
}
