// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/engines.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cmd/report.h"
#include "guest/cpu/jit/engine.h"
#include "guest/cpu/kvm/engine.h"

static const struct x86_support *jit_supported(struct err *err)
{
    (void)err;  // a host that can't run it is found when it is made
    return jit_support();
}

static const struct known_engine {
    const char *name;
    const struct x86_support *(*support)(struct err *err);
    struct engine *(*create)(const struct engine_config *config, struct err *err);
} engines[] = {
    {"jit", jit_supported, jit_engine_create},
    {"kvm", kvm_support, kvm_engine_create},
};

// A CPU that runs guests says so. A /dev/kvm without that is a software KVM (such as PVM), under which
// ordinary kernels hang.
static bool cpu_runs_guests(void)
{
    char line[8192];
    bool found = false;
    FILE *cpuinfo = fopen("/proc/cpuinfo", "re");
    while (cpuinfo && !found && fgets(line, sizeof line, cpuinfo))
        found = !strncmp(line, "flags", 5) && (strstr(line, " vmx") || strstr(line, " svm"));
    if (cpuinfo)
        fclose(cpuinfo);
    return found;
}

static const struct option_accel *by_default(const struct options *o)
{
    static const struct option_accel kvm = {.name = "kvm"}, jit = {.name = "jit"};
    return !o->count.on && engines_have_kvm() && cpu_runs_guests() ? &kvm : &jit;
}

static const struct known_engine *find(const char *name)
{
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (!strcmp(engines[i].name, name))
            return &engines[i];
    return &engines[0];
}

static int make_model(struct x86_model *model, const struct options *o,
                      const struct x86_support *support, struct err *err)
{
    int rc = x86_model_parse(model, o->cpu ? o->cpu : "max", support, err);
    model->sockets = o->sockets;
    model->cores = o->cores;
    model->threads = o->threads;
    return rc;
}

static bool may_count(const struct option_accel *accel, const struct options *o, struct err *err)
{
    if (o->count.on && strcmp(accel->name, "jit"))
        err_set(err, -EINVAL, "-icount is not allowed with hardware virtualization");
    else if (o->count.on && o->vcpus > 1)
        err_set(err, -ENOTSUP, "-icount: more than one vCPU is not supported yet");
    else
        return true;
    return false;
}

// What would make each run another: random numbers of the host, and its date by kvmclock.
static void leave_chance_out(struct x86_model *model)
{
    enum { RDRAND = 30, RDSEED = 18, KVMCLOCK_OLD = 0, KVMCLOCK = 3 };
    model->words[X86_1_ECX] &= ~BIT(RDRAND);
    model->words[X86_7_EBX] &= ~BIT(RDSEED);
    model->words[X86_40000001_EAX] &= ~(BIT(KVMCLOCK_OLD) | BIT(KVMCLOCK));
}

// *fatal: what failed is no matter of this engine, and the next would fail with it too.
static struct engine *try_one(const struct option_accel *accel, const struct options *o,
                              struct engine_config *config, bool *fatal, struct err *err)
{
    static struct x86_model model;  // of the one machine of this process
    const struct known_engine *engine = find(accel->name);
    const struct x86_support *support = engine->support(err);
    if (!support)
        return NULL;
    if (make_model(&model, o, support, err) < 0 || !may_count(accel, o, err)) {
        *fatal = true;
        return NULL;
    }
    if (o->count.on)
        leave_chance_out(&model);
    config->model = &model;
    config->one_instruction_blocks = accel->one_instruction_blocks;
    config->code_cache_bytes = accel->cache_bytes;
    return engine->create(config, err);
}

// Two lines, as QEMU has it: why, and what for.
static void tell_failure(const struct option_accel *accel, struct err *err)
{
    struct err line = {0};
    int code = !strcmp(accel->name, "kvm") && access("/dev/kvm", R_OK | W_OK) < 0 ? errno : EINVAL;
    fprintf(stderr, "%s\n", err->text);
    err_set(&line, 0, "failed to initialize %s: %s", accel->name, strerror(code));
    options_blame(&accel->use, 0, &line);
    *err = line;
}

struct engine *engines_create(struct engine_config *config, void *opaque, struct err *err)
{
    struct options *o = opaque;
    unsigned count = o->accels ? o->accels : 1;
    for (unsigned i = 0; i < count; i++) {
        bool fatal = false;
        const struct option_accel *accel = o->accels ? &o->accel[i] : by_default(o);
        struct engine *engine = try_one(accel, o, config, &fatal, err);
        if (engine && i)
            report("falling back to %s", strcmp(accel->name, "jit") ? accel->name : "tcg");
        if (engine || fatal)
            return engine;
        tell_failure(accel, err);
        if (i + 1 < count)
            report("%s", err->text);
    }
    return NULL;
}

static void print_model(const char *name, const char *description, void *opaque)
{
    (void)opaque;
    printf("x86 %-20s  %s\n", name, description);
}

void engines_list_models(void)
{
    puts("Available CPUs:");
    x86_model_list(print_model, NULL);
}

bool engines_have_kvm(void)
{
    return access("/dev/kvm", R_OK | W_OK) == 0;
}
