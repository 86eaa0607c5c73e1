// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/machine_control.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "guest/control/hmp_input.h"
#include "guest/control/qmp.h"

static struct machine_control *to_machine(struct vm_control *control)
{
    return (struct machine_control *)control;
}

static const char *status(struct vm_control *c)
{
    return vm_state_name(to_machine(c)->vm->state);
}

static void stop(struct vm_control *c)
{
    vm_stop(to_machine(c)->vm, VM_PAUSED);
}

static int cont(struct vm_control *c, struct err *err)
{
    return vm_cont(to_machine(c)->vm, err);
}

static void reset(struct vm_control *c)
{
    vm_reset(to_machine(c)->vm, false, "host-qmp-system-reset");
}

static void powerdown(struct vm_control *c)
{
    vm_powerdown(to_machine(c)->vm);
}

static void quit(struct vm_control *c, const char *reason)
{
    vm_shutdown(to_machine(c)->vm, false, reason);
}

static void nmi(struct vm_control *c)
{
    vm_nmi(to_machine(c)->vm);
}

static int thread_id(struct vm_control *c, unsigned index)
{
    return vcpu_thread_id(to_machine(c)->vm->vcpu[index]);
}

// A running vCPU is stopped for as long as the copy takes.
static void read_state(struct vm_control *c, unsigned index, struct x86_state *state)
{
    struct vm *vm = to_machine(c)->vm;
    bool running = vm->state == VM_RUNNING;
    if (running)
        vm_hold(vm);
    *state = *vm->states[index];
    if (running)
        vm_release(vm);
}

static void statistics(struct vm_control *c, void (*line)(void *opaque, const char *text), void *opaque)
{
    struct engine *engine = to_machine(c)->vm->engine;
    if (engine->ops->statistics)
        engine->ops->statistics(engine, line, opaque);
}

struct migration_job {
    struct vm *vm;
    char uri[];
};

static void migrate_now(void *opaque)
{
    struct migration_job *job = opaque;
    struct err err = {0};
    if (vm_migrate(job->vm, job->uri, &err) < 0)
        log_error("migrate", "%s", err.text);
    free(job);
}

static void migrate(struct vm_control *c, const char *uri)
{
    struct migration_job *job = malloc(sizeof *job + strlen(uri) + 1);
    if (!job)
        return;
    job->vm = to_machine(c)->vm;
    strcpy(job->uri, uri);
    loop_post(migrate_now, job);
}

static int migrate_incoming(struct vm_control *c, const char *uri, struct err *err)
{
    return vm_migrate_incoming(to_machine(c)->vm, uri, err);
}

static const struct vm_migration *migration(struct vm_control *c)
{
    return &to_machine(c)->vm->migration;
}

static int gdbserver(struct vm_control *c, const char *spec, struct err *err)
{
    return machine_control_gdb(to_machine(c), spec, err);
}

static const struct vm_control_ops ops = {
    .status = status, .stop = stop, .cont = cont, .reset = reset, .powerdown = powerdown,
    .quit = quit, .nmi = nmi, .thread_id = thread_id, .read_state = read_state,
    .statistics = statistics, .migrate = migrate, .migrate_incoming = migrate_incoming,
    .migration = migration, .gdbserver = gdbserver,
};

static void gdb_stop(void *opaque)
{
    vm_stop(((struct machine_control *)opaque)->vm, VM_DEBUG);
}

static void gdb_resume(void *opaque, const bool *which)
{
    vm_resume_some(((struct machine_control *)opaque)->vm, which);
}

static void gdb_kill(void *opaque)
{
    vm_shutdown(((struct machine_control *)opaque)->vm, false, "host-ui");
}

// A guest that goes on tries again what had failed.
static void forget_errors(struct machine_control *m)
{
    for (struct inventory_disk *d = m->control.inventory.disks; d; d = d->next)
        __atomic_store_n(&d->io_error, 0, __ATOMIC_RELAXED);
}

static void on_event(struct vm_listener *listener, const struct vm_event *event)
{
    struct machine_control *m = container_of(listener, struct machine_control, listener);
    if (event->kind == VM_EVENT_RESUME)
        forget_errors(m);
    qmp_vm_event(event);
    // A debug event has a call of its own, which names the vCPU.
    if (event->kind == VM_EVENT_STOP && m->gdb && m->vm->state != VM_DEBUG)
        gdbstub_stopped(m->gdb, NULL);
}

static void on_debug(struct vm_listener *listener, struct vcpu *vcpu)
{
    struct machine_control *m = container_of(listener, struct machine_control, listener);
    if (m->gdb)
        gdbstub_stopped(m->gdb, vcpu);
}

void machine_control_init(struct machine_control *m, struct vm *vm, struct mem *memory,
                          struct mem *ports)
{
    *m = (struct machine_control){
        .control = {.ops = &ops, .vcpus = vm->vcpus, .memory = memory, .ports = ports},
        .vm = vm, .listener = {.event = on_event, .debug = on_debug},
    };
    m->gdb_vm = (struct gdb_vm){.vcpus = vm->vcpus, .vcpu = vm->vcpu, .memory = memory,
                                .stop = gdb_stop, .resume = gdb_resume, .kill = gdb_kill, .opaque = m};
    vm_listen(vm, &m->listener);
}

int machine_control_gdb(struct machine_control *m, const char *spec, struct err *err)
{
    if (m->gdb)
        gdbstub_close(m->gdb);
    m->gdb = spec ? gdbstub_open(spec, &m->gdb_vm, err) : NULL;
    return spec && !m->gdb ? -1 : 0;
}

void machine_control_finish(struct machine_control *m, int exit_status)
{
    hmp_input_stop();
    if (!m->gdb)
        return;
    gdbstub_exited(m->gdb, exit_status);
    gdbstub_close(m->gdb);
    m->gdb = NULL;
}
