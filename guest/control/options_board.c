// SPDX-License-Identifier: GPL-2.0-or-later
//
// What belongs to the board: start order, clock, tables for the guest, display adapter.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "guest/control/options.h"

static int check_order(const char *order, struct err *err)
{
    unsigned seen = 0;
    for (const char *at = order; *at; at++) {
        if (*at < 'a' || *at > 'p')
            return err_set(err, -EINVAL, "Invalid boot device '%c'", *at);
        if (seen & 1u << (*at - 'a'))
            return err_set(err, -EINVAL, "Boot device '%c' was given twice", *at);
        seen |= 1u << (*at - 'a');
    }
    return 0;
}

// A kernel is started directly, so an order has nothing to say yet.
static int use_boot(struct options *o, struct keyvals *kv, struct err *err)
{
    static const char *const menu_keys[] = {"splash", "splash-time", "reboot-timeout"};
    const char *order = keyvals_take(kv, "order"), *once = keyvals_take(kv, "once");
    const char *menu_text = keyvals_take(kv, "menu"), *strict_text = keyvals_take(kv, "strict");
    bool menu = false, strict = false;
    (void)o;
    if (menu_text && parse_bool(menu_text, &menu) < 0)
        return err_set(err, -EINVAL, "Parameter 'boot.menu' expects 'on' or 'off'");
    if (strict_text && parse_bool(strict_text, &strict) < 0)
        return err_set(err, -EINVAL, "Parameter 'boot.strict' expects 'on' or 'off'");
    int rc = order ? check_order(order, err) : 0;
    if (rc == 0 && once)
        rc = check_order(once, err);
    if (rc == 0 && menu)
        rc = err_set(err, -ENOTSUP, "menu=on is not supported yet");
    for (size_t i = 0; i < sizeof menu_keys / sizeof menu_keys[0] && rc == 0; i++)
        if (keyvals_take(kv, menu_keys[i]))
            rc = err_set(err, -ENOTSUP, "%s is not supported yet", menu_keys[i]);
    for (unsigned i = 0; i < kv->count && rc == 0; i++)
        if (!kv->item[i].taken)
            rc = err_set(err, -EINVAL, "Parameter 'boot.%s' is unexpected", kv->item[i].key);
    return rc;
}

int option_boot(struct options *o, const char *argument, struct err *err)
{
    if (options_is_help(argument)) {
        puts("boot-opts options:\n  menu=<bool (on/off)>\n  once=<str>\n  order=<str>\n  strict=<bool (on/off)>");
        o->then = OPTIONS_EXIT;
        return 0;
    }
    int rc = options_with_keyvals(o, argument, "order", use_boot, err);
    if (rc != -ENOTSUP)
        o->current.option = NULL;  // QEMU reads it with the machine's
    return rc;
}

static bool parse_date(const char *text, int64_t *seconds)
{
    struct tm when = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &when);
    if (!end) {
        when = (struct tm){0};
        end = strptime(text, "%Y-%m-%d", &when);
    }
    *seconds = end && !*end ? timegm(&when) : -1;
    return *seconds >= 0;
}

static int no_such_value(struct options *o, const char *value, struct err *err)
{
    o->current.option = NULL;
    return err_set(err, -EINVAL, "invalid option value '%s'", value);
}

static int use_rtc_clock(struct options *o, const char *name, struct err *err)
{
    static const char *const names[] = {[RTC_CLOCK_HOST] = "host", [RTC_CLOCK_RT] = "rt", [RTC_CLOCK_VM] = "vm"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(name, names[i])) {
            o->rtc_clock = i;
            return 0;
        }
    }
    return no_such_value(o, name, err);
}

static int use_rtc(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *base = keyvals_take(kv, "base"), *clock = keyvals_take(kv, "clock");
    const char *drift = keyvals_take(kv, "driftfix");
    if (clock && use_rtc_clock(o, clock, err) < 0)
        return -EINVAL;
    if (drift && !strcmp(drift, "slew"))
        return err_set(err, -ENOTSUP, "driftfix=slew is not supported yet");
    if (drift && strcmp(drift, "none"))
        return no_such_value(o, drift, err);
    if (!base)
        return 0;
    o->rtc = !strcmp(base, "utc") ? RTC_UTC : !strcmp(base, "localtime") ? RTC_LOCALTIME : RTC_DATE;
    if (o->rtc != RTC_DATE || parse_date(base, &o->rtc_date))
        return 0;
    o->current.option = NULL;
    return err_set(err, -EINVAL, "invalid datetime format\n"
                   "valid formats: '2006-06-17T16:01:21' or '2006-06-17'");
}

int option_rtc(struct options *o, const char *argument, struct err *err)
{
    return options_with_keyvals(o, argument, NULL, use_rtc, err);
}

static int add_table(struct option_table *tables, unsigned *count, unsigned most, const char *argument, const char *implied,
                     const struct option_use *use, struct err *err)
{
    if (*count == most)
        return err_set(err, -EINVAL, "given more than %u times", most);
    struct option_table *t = &tables[*count];
    *t = (struct option_table){.use = *use};
    int rc = keyvals_parse(&t->properties, argument, implied, err);
    if (rc == 0)
        ++*count;
    return rc;
}

int option_smbios(struct options *o, const char *argument, struct err *err)
{
    int rc = add_table(o->smbios, &o->smbioses, OPTIONS_SMBIOS, argument, NULL, &o->current, err);
    if (rc < 0)
        return rc;
    struct keyvals *kv = &o->smbios[o->smbioses - 1].properties;
    if (keyvals_take(kv, "file"))
        return keyvals_all_taken(kv, err);
    return keyvals_take(kv, "type") ? 0 : err_set(err, -EINVAL, "Must specify type= or file=");
}

int option_fw_cfg(struct options *o, const char *argument, struct err *err)
{
    int rc = add_table(o->fw_cfg, &o->fw_cfgs, OPTIONS_FW_CFGS, argument, "name", &o->current, err);
    if (rc < 0)
        return rc;
    struct keyvals *kv = &o->fw_cfg[o->fw_cfgs - 1].properties;
    const char *name = keyvals_take(kv, "name"), *file = keyvals_take(kv, "file");
    const char *string = keyvals_take(kv, "string"), *made = keyvals_take(kv, "gen_id");
    if (!name || !*name || !!file + !!string + !!made != 1)
        return err_set(err, -EINVAL, "name, plus exactly one of file, string and gen_id, are needed");
    if (made)
        return err_set(err, -ENOTSUP, "gen_id is not supported yet");
    if (strlen(name) > 55)
        return err_set(err, -EINVAL, "name too long (max. 55 char)");
    return keyvals_all_taken(kv, err);
}

int option_vga(struct options *o, const char *argument, struct err *err)
{
    static const char *const later[] = {"std", "cirrus", "vmware", "qxl", "virtio", "xenfb", "tcx", "cg3"};
    if (options_is_help(argument)) {
        puts("none                 no graphic card (default)");
        o->then = OPTIONS_EXIT;
        return 0;
    }
    if (!strcmp(argument, "none"))
        return 0;
    if (options_holds(later, sizeof later / sizeof later[0], argument))
        return err_set(err, -ENOTSUP, "not supported yet");
    o->current.option = NULL;
    return err_set(err, -EINVAL, "unknown vga type: %s", argument);
}
