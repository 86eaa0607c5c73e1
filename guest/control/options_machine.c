// SPDX-License-Identifier: GPL-2.0-or-later
//
// -machine, -accel, -cpu, -smp and -m.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/options.h"

enum { VCPUS_MAX = 255 };  // 8-bit APIC ids, of which 255 is everybody

// The types that QEMU 7.2 has. Ours is one board; an older name is the same board.
static bool is_q35(const char *type)
{
    static const char *const versions[] = {"2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11",
        "2.12", "3.0", "3.1", "4.0", "4.0.1", "4.1", "4.2", "5.0", "5.1", "5.2", "6.0", "6.1", "6.2",
        "7.0", "7.1", "7.2"};
    if (!strcmp(type, "q35"))
        return true;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (!strncmp(type, "pc-q35-", 7) && !strcmp(type + 7, versions[i]))
            return true;
    return false;
}

static int set_type(struct options *o, const char *type, struct err *err)
{
    static const char *const others[] = {"pc", "microvm", "isapc", "none", "x-remote"};
    if (!strcmp(type, "help") || !strcmp(type, "?")) {
        puts("Supported machines are:\n"
             "q35                  Standard PC (Q35 + ICH9, 2009) (alias of " OPTIONS_MACHINE ")\n"
             OPTIONS_MACHINE "           Standard PC (Q35 + ICH9, 2009) (default)");
        o->then = OPTIONS_EXIT;
        return 0;
    }
    bool known = !strncmp(type, "pc-i440fx-", 10);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        known |= !strcmp(type, others[i]);
    if (known)
        return err_set(err, -ENOTSUP, "machine type '%s' is not supported yet", type);
    if (!is_q35(type) || strlen(type) >= sizeof o->machine)
        return err_set(err, -EINVAL, "unsupported machine type\n"
                       "Use -machine help to list supported machines");
    strcpy(o->machine, strcmp(type, "q35") ? type : OPTIONS_MACHINE);
    return 0;
}

static int add_accel(struct options *o, const char *name, size_t length, struct err *err)
{
    struct option_accel *a = &o->accel[o->accels];
    if (o->accels == OPTIONS_ACCELS)
        return err_set(err, -EINVAL, "too many accelerators");
    *a = (struct option_accel){0};
    snprintf(a->name, sizeof a->name, "%.*s", (int)length, name);
    if (!strcmp(a->name, "tcg"))
        strcpy(a->name, "jit");  // the software engine answers to QEMU's name too
    if (strcmp(a->name, "jit") && strcmp(a->name, "kvm"))
        return err_set(err, -EINVAL, "invalid accelerator %.*s", (int)length, name);
    o->accels++;
    return 0;
}

// "kvm:tcg": tried in this order.
static int add_accels(struct options *o, const char *list, struct err *err)
{
    int rc = 0;
    while (*list && rc == 0) {
        size_t length = strcspn(list, ":");
        rc = add_accel(o, list, length, err);
        list += length + (list[length] == ':');
    }
    return rc;
}

// Properties that are fine with one value, because it says what this board is like anyway.
static int check_fixed(struct keyvals *kv, struct err *err)
{
    static const struct { const char *key, *allowed; } fixed[] = {
        {"dump-guest-core", "on off"}, {"mem-merge", "on off"}, {"vmport", "off auto"},
        {"smm", "off auto"}, {"usb", "off"}, {"acpi", "on auto"}, {"nvdimm", "off"},
        {"graphics", "on off"}, {"suppress-vmdesc", "on off"}, {"kernel-irqchip", "split on"},
        {"hmat", "off"}, {"sata", "off"}, {"smbus", "off"}, {"pit", "on"}, {"pic", "on auto"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        const char *value = keyvals_take(kv, fixed[i].key);
        const char *at = value && *value ? strstr(fixed[i].allowed, value) : value;
        if (value && (!at || !*value || (at[strlen(value)] && at[strlen(value)] != ' ')))
            return err_set(err, -ENOTSUP, "%s=%s is not supported yet", fixed[i].key, value);
    }
    return 0;
}

static int check_taken(const struct keyvals *kv, const char *type, struct err *err)
{
    for (unsigned i = 0; i < kv->count; i++)
        if (!kv->item[i].taken)
            return err_set(err, -EINVAL, "Property '%s.%s' not found", type, kv->item[i].key);
    return 0;
}

static void print_machine(struct options *o)
{
    puts(OPTIONS_MACHINE "-machine options:\n"
         "  accel=<string>         - What runs the vCPUs, as -accel\n"
         "  acpi=<OnOffAuto>       - on, auto\n"
         "  append=<string>        - Linux kernel command line\n"
         "  dump-guest-core=<bool> - without effect\n"
         "  graphics=<bool>        - without effect\n"
         "  hmat=<bool>            - off\n"
         "  hpet=<bool>            - The HPET\n"
         "  i8042=<bool>           - Keyboard and mouse\n"
         "  initrd=<string>        - Linux initial ramdisk file\n"
         "  kernel-irqchip=<string> - on, split\n"
         "  kernel=<string>        - Linux kernel image file\n"
         "  mem-merge=<bool>       - without effect\n"
         "  nvdimm=<bool>          - off\n"
         "  pic=<OnOffAuto>        - on, auto\n"
         "  pit=<OnOffAuto>        - on\n"
         "  sata=<bool>            - off\n"
         "  smbus=<bool>           - off\n"
         "  smm=<OnOffAuto>        - off, auto\n"
         "  suppress-vmdesc=<bool> - without effect\n"
         "  usb=<bool>             - off\n"
         "  vmport=<OnOffAuto>     - off, auto");
    o->then = OPTIONS_EXIT;
}

static int use_machine(struct options *o, struct keyvals *kv, struct err *err)
{
    const char *type = keyvals_take(kv, "type"), *accel = keyvals_take(kv, "accel");
    int rc = type ? set_type(o, type, err) : 0;
    if (rc == 0 && o->then == OPTIONS_RUN && options_asks_help("", kv))
        print_machine(o);
    if (rc < 0 || o->then == OPTIONS_EXIT)
        return rc;
    if (accel)
        rc = add_accels(o, accel, err);
    if (rc == 0)
        rc = keyvals_bool(kv, "hpet", &o->hpet, err);
    if (rc == 0)
        rc = keyvals_bool(kv, "i8042", &o->i8042, err);
    if (rc == 0)
        rc = options_copy(&o->kernel, keyvals_take(kv, "kernel"), err);
    if (rc == 0)
        rc = options_copy(&o->initrd, keyvals_take(kv, "initrd"), err);
    if (rc == 0)
        rc = options_copy(&o->append, keyvals_take(kv, "append"), err);
    if (rc == 0)
        rc = check_fixed(kv, err);
    return rc < 0 ? rc : check_taken(kv, OPTIONS_MACHINE "-machine", err);
}

// QEMU reads the machine when all options are known, so its errors name none.
int option_machine(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    int rc = keyvals_parse(&kv, argument, "type", err);
    if (rc < 0)
        return rc;
    rc = use_machine(o, &kv, err);
    if (rc != -ENOTSUP)
        o->current.option = NULL;
    keyvals_finish(&kv);
    return rc;
}

static int check_accel_fixed(struct keyvals *kv, struct err *err)
{
    const char *thread = keyvals_take(kv, "thread"), *irqchip = keyvals_take(kv, "kernel-irqchip");
    if (thread && strcmp(thread, "multi") && strcmp(thread, "single"))
        return err_set(err, -EINVAL, "Invalid 'thread' setting %s", thread);
    if (thread && !strcmp(thread, "single"))
        return err_set(err, -ENOTSUP, "thread=single is not supported yet");
    if (irqchip && strcmp(irqchip, "on") && strcmp(irqchip, "split"))
        return err_set(err, -ENOTSUP, "kernel-irqchip=%s is not supported yet", irqchip);
    bool split = true;
    int rc = keyvals_bool(kv, "split-wx", &split, err);
    char type[32];
    snprintf(type, sizeof type, "%s-accel", keyvals_take(kv, "accel"));
    return rc < 0 ? rc : check_taken(kv, type, err);
}

static int use_accel(struct option_accel *a, struct keyvals *kv, struct err *err)
{
    uint64_t mebibytes = 0;
    int rc = keyvals_bool(kv, "stats", &a->statistics, err);
    if (rc == 0)
        rc = keyvals_bool(kv, "one-insn-per-tb", &a->one_instruction_blocks, err);
    if (rc == 0)
        rc = keyvals_number(kv, "tb-size", &mebibytes, err);
    if (rc == 0 && mebibytes > 1 << 16)
        rc = err_set(err, -EINVAL, "tb-size: %llu MiB is too much", (unsigned long long)mebibytes);
    a->cache_bytes = mebibytes << 20;
    return rc < 0 ? rc : check_accel_fixed(kv, err);
}

int option_accelerator(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    int rc = keyvals_parse(&kv, argument, "accel", err);
    if (rc < 0)
        return rc;
    const char *name = keyvals_take(&kv, "accel");
    if (name && (!strcmp(name, "help") || !strcmp(name, "?"))) {
        puts("Accelerators supported in QEMU binary:\ntcg\njit\nkvm");
        o->then = OPTIONS_EXIT;
    } else {
        rc = name ? add_accel(o, name, strlen(name), err) : err_set(err, -EINVAL, "Parameter 'accel' is missing");
        if (rc == 0)
            rc = use_accel(&o->accel[o->accels - 1], &kv, err);
        if (rc == 0)
            o->accel[o->accels - 1].use = o->current;
    }
    keyvals_finish(&kv);
    return rc;
}

int option_kvm(struct options *o, const char *argument, struct err *err)
{
    (void)argument;
    return add_accel(o, "kvm", 3, err);
}

int option_cpu(struct options *o, const char *argument, struct err *err)
{
    return options_copy(&o->cpu, argument, err);
}

struct topology {
    uint64_t cpus, sockets, dies, clusters, cores, threads, maxcpus;
};

static uint64_t or_one(uint64_t n)
{
    return n ? n : 1;
}

static uint64_t product(const struct topology *t)
{
    return t->sockets * t->dies * t->clusters * t->cores * t->threads;
}

// What is not given follows from the rest: first cores, then sockets, then threads
// (QEMU, docs of -smp, "preference order" since 6.2).
static void complete(struct topology *t)
{
    t->dies = or_one(t->dies);
    t->clusters = or_one(t->clusters);
    if (!t->cpus && !t->maxcpus) {
        t->sockets = or_one(t->sockets);
        t->cores = or_one(t->cores);
        t->threads = or_one(t->threads);
    } else {
        uint64_t max = t->maxcpus ? t->maxcpus : t->cpus;
        if (!t->cores) {
            t->sockets = or_one(t->sockets);
            t->threads = or_one(t->threads);
            t->cores = max / (t->sockets * t->dies * t->clusters * t->threads);
        } else if (!t->sockets) {
            t->threads = or_one(t->threads);
            t->sockets = max / (t->dies * t->clusters * t->cores * t->threads);
        }
        if (!t->threads)
            t->threads = max / (t->sockets * t->dies * t->clusters * t->cores);
        t->maxcpus = max;
    }
    t->maxcpus = t->maxcpus ? t->maxcpus : product(t);
    t->cpus = t->cpus ? t->cpus : t->maxcpus;
}

static int check(const struct topology *t, struct err *err)
{
    char shape[160];
    snprintf(shape, sizeof shape, "sockets (%u) * dies (%u) * cores (%u) * threads (%u)",
             (unsigned)t->sockets, (unsigned)t->dies, (unsigned)t->cores, (unsigned)t->threads);
    if (t->clusters > 1)
        return err_set(err, -EINVAL, "clusters not supported by this machine's CPU topology");
    if (product(t) != t->maxcpus)
        return err_set(err, -EINVAL, "Invalid CPU topology: product of the hierarchy must match "
                       "maxcpus: %s != maxcpus (%u)", shape, (unsigned)t->maxcpus);
    if (t->maxcpus < t->cpus)
        return err_set(err, -EINVAL, "Invalid CPU topology: maxcpus must be equal to or greater than "
                       "smp: %s == maxcpus (%u) < smp_cpus (%u)", shape, (unsigned)t->maxcpus,
                       (unsigned)t->cpus);
    if (t->cpus > VCPUS_MAX)
        return err_set(err, -EINVAL, "Invalid SMP CPUs %u. The max CPUs supported by machine '%s' is "
                       "%d", (unsigned)t->cpus, OPTIONS_MACHINE, VCPUS_MAX);
    if (t->maxcpus > t->cpus)
        return err_set(err, -EINVAL, "-smp maxcpus=%u: adding CPUs later is not supported yet",
                       (unsigned)t->maxcpus);
    return 0;
}

static int read_number(struct keyvals *kv, const char *key, uint64_t *number, struct err *err)
{
    const char *text = keyvals_take(kv, key);
    char *end;
    if (!text)
        return 0;
    uint64_t value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end)
        return err_set(err, -EINVAL, "Parameter 'smp.%s' expects integer", key);
    if (!value)
        return err_set(err, -EINVAL, "Invalid CPU topology: CPU topology parameters must be greater "
                       "than zero");
    // Products of five of these still fit, and no machine comes near.
    *number = value < 4096 ? value : 4096;
    return 0;
}

static int read_topology(struct topology *t, struct keyvals *kv, struct err *err)
{
    const struct { const char *key; uint64_t *to; } parts[] = {
        {"cpus", &t->cpus}, {"sockets", &t->sockets}, {"dies", &t->dies}, {"clusters", &t->clusters},
        {"cores", &t->cores}, {"threads", &t->threads}, {"maxcpus", &t->maxcpus},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && rc == 0; i++)
        rc = read_number(kv, parts[i].key, parts[i].to, err);
    for (unsigned i = 0; i < kv->count && rc == 0; i++)
        if (!kv->item[i].taken)
            rc = err_set(err, -EINVAL, "Parameter 'smp.%s' is unexpected", kv->item[i].key);
    return rc;
}

static int print_smp(struct options *o, struct keyvals *kv)
{
    puts("smp-opts options:\n  clusters=<num>\n  cores=<num>\n  cpus=<num>\n  dies=<num>\n  maxcpus=<num>\n"
         "  sockets=<num>\n  threads=<num>");
    o->then = OPTIONS_EXIT;
    keyvals_finish(kv);
    return 0;
}

int option_smp(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    struct topology t = {0};
    int rc = keyvals_parse(&kv, argument, "cpus", err);
    if (rc < 0)
        return rc;
    if (options_asks_help(argument, &kv))
        return print_smp(o, &kv);
    rc = read_topology(&t, &kv, err);
    keyvals_finish(&kv);
    o->current.option = NULL;
    if (rc == 0) {
        complete(&t);
        rc = check(&t, err);
    }
    o->vcpus = t.cpus;
    o->sockets = t.sockets;
    o->cores = t.dies * t.cores;
    o->threads = t.threads;
    return rc;
}

static int use_memory(struct options *o, struct keyvals *kv, struct err *err)
{
    uint64_t size = 0, slots = 0, most = 0;
    int rc = keyvals_size(kv, "size", 1 << 20, &size, err);
    if (rc == 0)
        rc = keyvals_number(kv, "slots", &slots, err);
    if (rc == 0)
        rc = keyvals_size(kv, "maxmem", 1 << 20, &most, err);
    if (rc == 0)
        rc = keyvals_all_taken(kv, err);
    if (rc == 0 && (slots || most > size))
        rc = err_set(err, -ENOTSUP, "adding memory later is not supported yet");
    if (rc == 0 && size)  // as in QEMU, 0 is the default
        o->ram_bytes = (size + 4095) & ~UINT64_C(4095);
    return rc;
}

int option_memory(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    int rc = keyvals_parse(&kv, argument, "size", err);
    if (rc < 0)
        return rc;
    rc = use_memory(o, &kv, err);
    keyvals_finish(&kv);
    return rc;
}
