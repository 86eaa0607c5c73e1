// SPDX-License-Identifier: GPL-2.0-or-later
//
// konuk run: finds what is to be booted, chooses what was left open by what this machine has, says so,
// and becomes konuk-vmm.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/i18n.h"
#include "cmd/konuk.h"
#include "cmd/konuk_command.h"
#include "cmd/konuk_guest.h"
#include "cmd/konuk_host.h"

static const uint64_t MIB = 1 << 20;
enum { MEMORY_MIN_MIB = 256, MEMORY_MAX_MIB = 2048, MEMORY_STEP_MIB = 64, VCPUS_MAX = 4 };

// A quarter of what is free, so that several guests and the host's own work have room.
static uint64_t choose_memory(void)
{
    struct host_memory memory;
    host_memory(&memory);
    uint64_t mib = memory.available_bytes / MIB / 4 / MEMORY_STEP_MIB * MEMORY_STEP_MIB;
    if (mib < MEMORY_MIN_MIB)
        mib = MEMORY_MIN_MIB;
    return (mib > MEMORY_MAX_MIB ? MEMORY_MAX_MIB : mib) * MIB;
}

static unsigned choose_vcpus(void)
{
    struct host_cpu cpu;
    host_cpu(&cpu);
    return cpu.count > VCPUS_MAX ? VCPUS_MAX : cpu.count;
}

static bool choose_kvm(const struct run_options *o)
{
    return o->engine == RUN_ENGINE_KVM || (o->engine == RUN_ENGINE_AUTO && host_kvm() == HOST_KVM_GOOD);
}

static int check_memory(const struct run_options *o)
{
    struct host_memory memory;
    char wanted[32], there[32];
    host_memory(&memory);
    if (!memory.total_bytes || o->memory_bytes <= memory.total_bytes)
        return KONUK_GOOD;
    konuk_format_bytes(wanted, sizeof wanted, o->memory_bytes);
    konuk_format_bytes(there, sizeof there, memory.total_bytes);
    return konuk_fail(_("--memory: %s is more than this machine has, %s"), wanted, there);
}

static void announce(const struct guest *g, const struct run_options *o, bool kvm)
{
    char memory[32];
    konuk_format_bytes(memory, sizeof memory, o->memory_bytes);
    fprintf(stderr, ngettext("%s starts with %u vCPU and %s, on %s.\n", "%s starts with %u vCPUs and %s, on %s.\n",
                             o->vcpus), g->title, o->vcpus, memory, kvm ? _("KVM") : _("Konuk's own engine"));
    if (*g->user)
        fprintf(stderr, _("Log in as %s with the password %s.\n"), g->user, g->password);
    fprintf(stderr, _("`poweroff` in the guest ends it; so does Ctrl-A x, at once.\n"));
}

static int become(const struct command *c)
{
    execvp(c->word[0], c->word);
    return konuk_fail(_("%s: %s"), c->word[0], konuk_errno(errno));
}

static int check_disks(const struct run_options *o)
{
    for (unsigned i = 0; i < o->disks; i++)
        if (access(o->disk[i], R_OK | W_OK) < 0)
            return konuk_fail(_("%s: %s"), o->disk[i], konuk_errno(errno));
    return KONUK_GOOD;
}

static int run(struct run_options *o)
{
    static const char *const places[] = {"konuk-vmm", NULL};
    char vmm[PATH_MAX];
    struct guest guest;
    struct command command;
    if (check_memory(o) || check_disks(o))
        return KONUK_FAILED;
    int status = guest_find(&guest, o);
    if (status != KONUK_GOOD)
        return status;
    bool kvm = choose_kvm(o);
    command_build(&command, konuk_beside(places, vmm, sizeof vmm) ? vmm : "konuk-vmm", &guest, o, kvm);
    if (o->dry_run) {
        command_print(&command);
    } else {
        announce(&guest, o, kvm);
        status = become(&command);
    }
    command_finish(&command);
    return status;
}

int konuk_run(int argc, char **argv)
{
    struct run_options options;
    int status = run_options_parse(&options, argc, argv);
    if (status != KONUK_GOOD)
        return status;
    if (options.help)
        return konuk_help("run");
    if (!options.memory_bytes)
        options.memory_bytes = choose_memory();
    if (!options.vcpus)
        options.vcpus = choose_vcpus();
    return run(&options);
}
