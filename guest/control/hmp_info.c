// SPDX-License-Identifier: GPL-2.0-or-later
//
// info: what the machine is and does.
#include <stdlib.h>
#include <string.h>

#include "guest/chr/backend.h"
#include "guest/control/hmp.h"
#include "guest/control/hmp_devices.h"
#include "guest/control/options.h"
#include "guest/control/uuid.h"

#ifndef KONUK_VERSION
#define KONUK_VERSION "0.1.0"
#endif

static void info_status(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    const char *status = hmp->vm->ops->status(hmp->vm);
    const char *step = hmp->vm->one_instruction ? " (single step mode)" : "";
    if (!strcmp(status, "running"))
        hmp_say(hmp, "VM status: running%s", step);
    else if (!strcmp(status, "paused"))
        hmp_say(hmp, "VM status: paused%s", step);
    else
        hmp_say(hmp, "VM status: paused%s (%s)", step, status);
}

static void info_version(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp_say(hmp, OPTIONS_QEMU_VERSION "Konuk " KONUK_VERSION);
}

static void info_name(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    if (hmp->vm->name)
        hmp_say(hmp, "%s", hmp->vm->name);
}

static void info_uuid(struct hmp *hmp, const char *arguments)
{
    char uuid[UUID_TEXT_BYTES];
    (void)arguments;
    hmp_say(hmp, "%s", uuid_text(hmp->vm->uuid, uuid));
}

static void info_cpus(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    for (unsigned i = 0; i < hmp->vm->vcpus; i++)
        hmp_say(hmp, "%c CPU #%u: thread_id=%d", i ? ' ' : '*', i,
                hmp->vm->ops->thread_id(hmp->vm, i));
}

static void info_registers(struct hmp *hmp, const char *arguments)
{
    char *end;
    unsigned long index = strtoul(arguments, &end, 10);
    bool all = !strcmp(arguments, "-a");
    if (!all && (*end || index >= hmp->vm->vcpus)) {
        hmp_say(hmp, "CPU#%s not available", arguments);
        return;
    }
    for (unsigned i = all ? 0 : index; i < hmp->vm->vcpus && (all || i == index); i++)
        hmp_registers(hmp, i);
}

static void say_line(void *opaque, const char *text)
{
    hmp_say(opaque, "%s", text);
}

static void info_jit(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp->vm->ops->statistics(hmp->vm, say_line, hmp);
}

static void info_kvm(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp_say(hmp, "kvm support: %s", hmp->vm->kvm ? "enabled" : "disabled");
}

static void say_range(const struct mem_range *range, void *opaque)
{
    hmp_say(opaque, "  %016llx-%016llx (prio 0, %s): %s", (unsigned long long)range->base.u,
            (unsigned long long)(range->base.u + range->size_bytes - 1),
            range->ram ? range->read_only ? "rom" : "ram" : "i/o", range->name ? range->name : "pc.ram");
}

static void info_mtree(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    hmp_say(hmp, "address-space: memory");
    mem_each(hmp->vm->memory, say_range, hmp);
    hmp_say(hmp, "\r\naddress-space: I/O");
    mem_each(hmp->vm->ports, say_range, hmp);
}

static void say_chardev(struct chr_backend *b, void *opaque)
{
    hmp_say(opaque, "%s: filename=%s", b->label, b->filename);
}

static void info_chardev(struct hmp *hmp, const char *arguments)
{
    (void)arguments;
    chr_each(say_chardev, hmp);
}

static void info_migrate(struct hmp *hmp, const char *arguments)
{
    const struct vm_migration *m = hmp->vm->ops->migration(hmp->vm);
    (void)arguments;
    if (!m->status)
        return;
    if (!strcmp(m->status, "failed")) {
        hmp_say(hmp, "Migration status: failed (%s)", m->error);
        return;
    }
    hmp_say(hmp, "Migration status: %s", m->status);
    hmp_say(hmp, "total time: %llu ms", (unsigned long long)m->total_ms);
}

static const struct hmp_command infos[] = {
    {"block", NULL, "[-n|-v] [device]", "show the disks", hmp_info_block},
    {"blockstats", NULL, "", "show how much was read and written", hmp_info_blockstats},
    {"chardev", NULL, "", "show the character devices", info_chardev},
    {"cpus", NULL, "", "show the vCPUs", info_cpus},
    {"iothreads", NULL, "", "show the I/O threads", hmp_info_iothreads},
    {"jit", NULL, "", "show what the engine has counted", info_jit},
    {"kvm", NULL, "", "show whether KVM runs the vCPUs", info_kvm},
    {"migrate", NULL, "", "show how saving goes", info_migrate},
    {"mtree", NULL, "", "show the address spaces", info_mtree},
    {"network", NULL, "", "show the networks", hmp_info_network},
    {"pci", NULL, "", "show the PCI devices", hmp_info_pci},
    {"name", NULL, "", "show the guest's name", info_name},
    {"registers", NULL, "[-a|vcpu]", "show a vCPU's registers", info_registers},
    {"status", NULL, "", "show whether the guest runs", info_status},
    {"usernet", NULL, "", "show the connections of user networks", hmp_info_usernet},
    {"uuid", NULL, "", "show the guest's UUID", info_uuid},
    {"version", NULL, "", "show the version", info_version},
};

void hmp_info_help(struct hmp *hmp)
{
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
        hmp_say(hmp, "info %s %s -- %s", infos[i].name, infos[i].usage, infos[i].help);
}

void hmp_info(struct hmp *hmp, const char *arguments)
{
    size_t length = strcspn(arguments, " \t");
    const char *rest = arguments + length + strspn(arguments + length, " \t");
    if (!length) {
        hmp_info_help(hmp);
        return;
    }
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
        if (strlen(infos[i].name) == length && !memcmp(infos[i].name, arguments, length)) {
            infos[i].run(hmp, rest);
            return;
        }
    hmp_say(hmp, "unknown command: 'info %.*s'", (int)length, arguments);
}
