// SPDX-License-Identifier: GPL-2.0-or-later
//
// The QMP commands (QEMU, qapi/*.json: run-state, machine, misc, char, migration).
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest/chr/backend.h"
#include "guest/control/hmp.h"
#include "guest/control/options.h"
#include "guest/control/qmp.h"
#include "guest/control/qmp_devices.h"
#include "guest/control/uuid.h"

#ifndef KONUK_VERSION
#define KONUK_VERSION "0.1.0"
#endif

static struct json_object *object(void)
{
    return json_object_new_object();
}

static void add_string(struct json_object *to, const char *key, const char *value)
{
    json_object_object_add(to, key, json_object_new_string(value));
}

static void add_bool(struct json_object *to, const char *key, bool value)
{
    json_object_object_add(to, key, json_object_new_boolean(value));
}

static void add_int(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

static const char *string_argument(struct qmp_call *call, const char *key)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(call->arguments, key, &value);
    return value ? json_object_get_string(value) : NULL;
}

struct json_object *qmp_version(void)
{
    unsigned major = 0, minor = 0, micro = 0;
    struct json_object *version = object(), *qemu = object();
    sscanf(OPTIONS_QEMU_VERSION, "%u.%u.%u", &major, &minor, &micro);
    add_int(qemu, "micro", micro);
    add_int(qemu, "minor", minor);
    add_int(qemu, "major", major);
    json_object_object_add(version, "qemu", qemu);
    add_string(version, "package", "Konuk " KONUK_VERSION);
    return version;
}

static struct json_object *query_version(struct qmp_call *call)
{
    (void)call;
    return qmp_version();
}

static struct json_object *query_status(struct qmp_call *call)
{
    struct json_object *status = object();
    const char *name = call->vm->ops->status(call->vm);
    add_string(status, "status", name);
    add_bool(status, "singlestep", call->vm->one_instruction);
    add_bool(status, "running", !strcmp(name, "running"));
    return status;
}

static void add_command(const struct qmp_command *command, void *opaque)
{
    struct json_object *entry = object();
    add_string(entry, "name", command->name);
    json_object_array_add(opaque, entry);
}

static struct json_object *query_commands(struct qmp_call *call)
{
    (void)call;
    struct json_object *list = json_object_new_array();
    qmp_command_each(add_command, list);
    return list;
}

static struct json_object *describe_vcpu(struct vm_control *vm, unsigned index)
{
    char path[64];
    struct json_object *cpu = object(), *props = object();
    unsigned per_socket = vm->cores * vm->threads;
    snprintf(path, sizeof path, "/machine/unattached/device[%u]", index);
    add_int(props, "core-id", index / vm->threads % vm->cores);
    add_int(props, "thread-id", index % vm->threads);
    add_int(props, "socket-id", index / per_socket);
    add_int(cpu, "thread-id", vm->ops->thread_id(vm, index));
    json_object_object_add(cpu, "props", props);
    add_string(cpu, "qom-path", path);
    add_int(cpu, "cpu-index", index);
    add_string(cpu, "target", "x86_64");
    return cpu;
}

static struct json_object *query_cpus_fast(struct qmp_call *call)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < call->vm->vcpus; i++)
        json_object_array_add(list, describe_vcpu(call->vm, i));
    return list;
}

static struct json_object *query_name(struct qmp_call *call)
{
    struct json_object *value = object();
    if (call->vm->name)
        add_string(value, "name", call->vm->name);
    return value;
}

static struct json_object *query_uuid(struct qmp_call *call)
{
    char uuid[UUID_TEXT_BYTES];
    struct json_object *value = object();
    add_string(value, "UUID", uuid_text(call->vm->uuid, uuid));
    return value;
}

static struct json_object *query_kvm(struct qmp_call *call)
{
    struct json_object *value = object();
    add_bool(value, "enabled", call->vm->kvm);
    add_bool(value, "present", call->vm->kvm_present);
    return value;
}

static struct json_object *query_machines(struct qmp_call *call)
{
    struct json_object *list = json_object_new_array(), *q35 = object();
    (void)call;
    add_bool(q35, "hotpluggable-cpus", false);
    add_string(q35, "name", OPTIONS_MACHINE);
    add_bool(q35, "numa-mem-supported", false);
    add_int(q35, "cpu-max", 255);
    add_bool(q35, "is-default", true);
    add_bool(q35, "deprecated", false);
    add_string(q35, "default-ram-id", "pc.ram");
    add_string(q35, "alias", "q35");
    json_object_array_add(list, q35);
    return list;
}

static struct json_object *query_current_machine(struct qmp_call *call)
{
    struct json_object *value = object();
    (void)call;
    add_bool(value, "wakeup-suspend-support", false);
    return value;
}

static void add_chardev(struct chr_backend *b, void *opaque)
{
    struct json_object *entry = object();
    add_bool(entry, "frontend-open", b->front);
    add_string(entry, "filename", b->filename);
    add_string(entry, "label", b->label);
    json_object_array_add(opaque, entry);
}

static struct json_object *query_chardev(struct qmp_call *call)
{
    (void)call;
    struct json_object *list = json_object_new_array();
    chr_each(add_chardev, list);
    return list;
}

static struct json_object *stop(struct qmp_call *call)
{
    call->vm->ops->stop(call->vm);
    return object();
}

static struct json_object *cont(struct qmp_call *call)
{
    return call->vm->ops->cont(call->vm, &call->err) < 0 ? NULL : object();
}

static struct json_object *system_reset(struct qmp_call *call)
{
    call->vm->ops->reset(call->vm);
    return object();
}

static struct json_object *system_powerdown(struct qmp_call *call)
{
    call->vm->ops->powerdown(call->vm);
    return object();
}

static struct json_object *system_wakeup(struct qmp_call *call)
{
    err_set(&call->err, -EINVAL, "Unable to wake up: guest is not in suspended state");
    return NULL;
}

static struct json_object *quit(struct qmp_call *call)
{
    call->vm->ops->quit(call->vm, "host-qmp-quit");
    return object();
}

static struct json_object *inject_nmi(struct qmp_call *call)
{
    call->vm->ops->nmi(call->vm);
    return object();
}

static struct json_object *human_monitor_command(struct qmp_call *call)
{
    struct text text = {0};
    hmp_execute(call->vm, string_argument(call, "command-line"), &text);
    struct json_object *value = json_object_new_string_len(text.at ? text.at : "", text.used_bytes);
    text_finish(&text);
    return value;
}

// The reply says that it has begun; query-migrate and the events, how it goes.
static void begin_migration(struct qmp_call *call)
{
    call->vm->ops->migrate(call->vm, string_argument(call, "uri"));
}

static struct json_object *migrate(struct qmp_call *call)
{
    if (!vm_migrate_path(string_argument(call, "uri"))) {
        err_set(&call->err, -EINVAL, "Parameter 'uri' expects a valid migration protocol");
        return NULL;
    }
    call->then = begin_migration;
    return object();
}

static struct json_object *migrate_incoming(struct qmp_call *call)
{
    const char *uri = string_argument(call, "uri");
    return call->vm->ops->migrate_incoming(call->vm, uri, &call->err) < 0 ? NULL : object();
}

static struct json_object *query_migrate(struct qmp_call *call)
{
    const struct vm_migration *m = call->vm->ops->migration(call->vm);
    struct json_object *value = object();
    if (!m->status)
        return value;
    add_string(value, "status", m->status);
    if (!strcmp(m->status, "failed"))
        add_string(value, "error-desc", m->error);
    if (!strcmp(m->status, "completed")) {
        struct json_object *ram = object();
        add_int(value, "total-time", m->total_ms);
        add_int(value, "downtime", m->total_ms);
        add_int(ram, "total", m->ram_bytes);
        add_int(ram, "remaining", 0);
        add_int(ram, "transferred", m->ram_bytes);
        json_object_object_add(value, "ram", ram);
    }
    return value;
}

static const struct qmp_command commands[] = {
    {"qmp_capabilities", NULL, "enable:a?"},
    {"query-version", query_version, ""},
    {"query-commands", query_commands, ""},
    {"query-status", query_status, ""},
    {"query-name", query_name, ""},
    {"query-uuid", query_uuid, ""},
    {"query-kvm", query_kvm, ""},
    {"query-machines", query_machines, ""},
    {"query-current-machine", query_current_machine, ""},
    {"query-cpus-fast", query_cpus_fast, ""},
    {"query-chardev", query_chardev, ""},
    {"query-migrate", query_migrate, ""},
    {"query-block", qmp_query_block, ""},
    {"query-blockstats", qmp_query_blockstats, ""},
    {"query-named-block-nodes", qmp_query_named_block_nodes, "flat:b?"},
    {"query-iothreads", qmp_query_iothreads, ""},
    {"query-pci", qmp_query_pci, ""},
    {"stop", stop, ""},
    {"cont", cont, ""},
    {"system_reset", system_reset, ""},
    {"system_powerdown", system_powerdown, ""},
    {"system_wakeup", system_wakeup, ""},
    {"quit", quit, ""},
    {"inject-nmi", inject_nmi, ""},
    {"migrate", migrate, "uri:s detach:b?"},
    {"migrate-incoming", migrate_incoming, "uri:s"},
    {"human-monitor-command", human_monitor_command, "command-line:s cpu-index:i?"},
};

const struct qmp_command *qmp_command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

void qmp_command_each(void (*each)(const struct qmp_command *command, void *opaque), void *opaque)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        each(&commands[i], opaque);
}
