// SPDX-License-Identifier: GPL-2.0-or-later
//
// Saving a machine to a file and continuing it from one.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "guest/machine/vm_internal.h"

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void get_parts(struct vm *vm, enum vm_state state, struct snapshot_parts *parts)
{
    *parts = (struct snapshot_parts){.vcpus = vm->states, .vcpu_count = vm->vcpus,
                                     .clock = vm->clock, .paused_tsc = vm->paused_tsc,
                                     .run_state = state};
    vm->board.parts(vm->board.opaque, parts);
}

static void set_status(struct vm *vm, const char *status)
{
    vm->migration.status = status;
    vm_tell_of(vm, VM_EVENT_MIGRATION, false, status);
}

static int settle(struct vm *vm, int rc, uint64_t begun_ms, const struct err *err)
{
    vm->migration.total_ms = now_ms() - begun_ms;
    if (rc < 0)
        memcpy(vm->migration.error, err->text, sizeof vm->migration.error);
    set_status(vm, rc < 0 ? "failed" : "completed");
    return rc;
}

static int bad_uri(struct err *err)
{
    return err_set(err, -EINVAL, "Parameter 'uri' expects a valid migration protocol");
}

int vm_migrate(struct vm *vm, const char *uri, struct err *err)
{
    struct snapshot_parts parts;
    const char *path = vm_migrate_path(uri);
    enum vm_state state = vm->state;
    if (!path)
        return bad_uri(err);
    if (vm->state == VM_INMIGRATE)
        return err_set(err, -EBUSY, "Guest is waiting for an incoming migration");
    uint64_t begun_ms = now_ms();
    vm->migration = (struct vm_migration){0};
    set_status(vm, "setup");
    set_status(vm, "active");
    vm_stop(vm, VM_PAUSED);
    get_parts(vm, state, &parts);
    vm->migration.ram_bytes = parts.ram->size_bytes;
    int rc = settle(vm, snapshot_save(path, &parts, err), begun_ms, err);
    if (rc == 0)
        vm->state = VM_POSTMIGRATE;
    else if (state == VM_RUNNING)
        vm_resume_some(vm, NULL);
    return rc;
}

// Any state of a machine that has been started is one that it may have been saved in.
static int load(struct vm *vm, const char *path, enum vm_state *state, struct err *err)
{
    struct snapshot_parts parts;
    get_parts(vm, VM_RUNNING, &parts);
    int rc = snapshot_load(path, &parts, err);
    if (rc < 0)
        return rc;
    *state = parts.run_state;
    if (*state >= VM_STATES || *state == VM_INMIGRATE)
        return err_set(err, -EINVAL, "section time of the snapshot, field run_state: there is no state %d", *state);
    vm->paused_tsc = parts.paused_tsc;
    for (unsigned i = 0; i < vm->vcpus; i++)
        vm->vcpu[i]->ops->put_state(vm->vcpu[i]);
    snapshot_started(&parts);
    return 0;
}

int vm_migrate_incoming(struct vm *vm, const char *uri, struct err *err)
{
    const char *path = vm_migrate_path(uri);
    if (vm->state != VM_INMIGRATE)
        return err_set(err, -EINVAL, "'-incoming' was not specified on the command line");
    if (!path)
        return bad_uri(err);
    uint64_t begun_ms = now_ms();
    vm->migration = (struct vm_migration){0};
    set_status(vm, "setup");
    set_status(vm, "active");
    enum vm_state state;
    int rc = settle(vm, load(vm, path, &state, err), begun_ms, err);
    if (rc < 0)
        return rc;
    vm->state = state == VM_RUNNING ? VM_PAUSED : state;
    if (state == VM_RUNNING && vm->start_when_loaded)
        vm_resume_some(vm, NULL);
    return 0;
}
