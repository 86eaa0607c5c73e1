// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/machine/vm_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"

const char *vm_state_name(enum vm_state state)
{
    static const char *const names[] = {
        [VM_PRELAUNCH] = "prelaunch", [VM_INMIGRATE] = "inmigrate", [VM_RUNNING] = "running",
        [VM_PAUSED] = "paused", [VM_SHUTDOWN] = "shutdown", [VM_PANICKED] = "guest-panicked",
        [VM_DEBUG] = "debug", [VM_INTERNAL_ERROR] = "internal-error",
        [VM_POSTMIGRATE] = "postmigrate", [VM_IO_ERROR] = "io-error",
    };
    return names[state];
}

void vm_listen(struct vm *vm, struct vm_listener *listener)
{
    listener->next = vm->listeners;
    vm->listeners = listener;
}

void vm_tell(struct vm *vm, const struct vm_event *event)
{
    log_debug("machine", "event %d %s", event->kind, event->reason ? event->reason : "");
    for (struct vm_listener *l = vm->listeners; l; l = l->next)
        l->event(l, event);
}

// A vCPU that is changing a memory map waits for readers, and this thread is one.
static void wait_all_paused(struct vm *vm)
{
    mem_thread_offline();
    for (unsigned i = 0; i < vm->vcpus; i++)
        vcpu_wait_paused(vm->vcpu[i]);
    mem_thread_online();
}

// What was in flight may have interrupted since the vCPUs told their state, so that is read again.
static void quiesce(struct vm *vm)
{
    if (vm->quiesced || !vm->board.quiesce)
        return;
    mem_thread_offline();
    clock_settle(vm->clock);
    vm->board.quiesce(vm->board.opaque);
    mem_thread_online();
    vm->quiesced = true;
    for (unsigned i = 0; i < vm->vcpus; i++)
        vm->vcpu[i]->ops->get_state(vm->vcpu[i]);
}

// After the vCPUs' state was given back to the engine, which interrupts change from now on.
static void resume_devices(struct vm *vm)
{
    if (!vm->quiesced)
        return;
    vm->quiesced = false;
    mem_thread_offline();
    vm->board.resume(vm->board.opaque);
    mem_thread_online();
}

// The clock stands before devices are quiesced, so that no timer begins anything new.
void vm_hold(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpus; i++)
        vcpu_pause(vm->vcpu[i]);
    wait_all_paused(vm);
    if (vm->clock_runs) {
        clock_pause(vm->clock);
        vm->paused_tsc = clock_tsc(vm->clock);
        vm->clock_runs = false;
    }
    quiesce(vm);
}

// Guest time has stood still, so the TSC of every vCPU goes on from where it was too.
static void start_clock(struct vm *vm)
{
    if (vm->clock_runs)
        return;
    clock_resume(vm->clock);
    uint64_t slept = clock_tsc(vm->clock) - vm->paused_tsc;
    for (unsigned i = 0; i < vm->vcpus; i++) {
        vm->states[i]->tsc_offset -= slept;
        vm->vcpu[i]->ops->put_state(vm->vcpu[i]);
    }
    vm->clock_runs = true;
}

void vm_release(struct vm *vm)
{
    start_clock(vm);
    resume_devices(vm);
    for (unsigned i = 0; i < vm->vcpus; i++)
        vcpu_resume(vm->vcpu[i]);
}

void vm_resume_some(struct vm *vm, const bool *which)
{
    start_clock(vm);
    resume_devices(vm);
    bool was = vm->state == VM_RUNNING;
    vm->state = VM_RUNNING;
    if (!was)
        vm_tell_of(vm, VM_EVENT_RESUME, false, NULL);
    for (unsigned i = 0; i < vm->vcpus; i++)
        if (!which || which[i])
            vcpu_resume(vm->vcpu[i]);
}

void vm_stop(struct vm *vm, enum vm_state state)
{
    bool was_running = vm->state == VM_RUNNING;
    if (vm->state == VM_INMIGRATE) {
        vm->start_when_loaded = false;
        return;
    }
    vm_hold(vm);
    // A pause of what stands for a better reason (shutdown, an internal error) must not hide it.
    if (was_running || state != VM_PAUSED)
        vm->state = state;
    if (was_running)
        vm_tell_of(vm, VM_EVENT_STOP, false, NULL);
}

int vm_cont(struct vm *vm, struct err *err)
{
    switch (vm->state) {
    case VM_RUNNING:
        return 0;
    case VM_INMIGRATE:
        vm->start_when_loaded = true;
        return 0;
    case VM_SHUTDOWN: case VM_INTERNAL_ERROR:
        return err_set(err, -EINVAL, "Resetting the Virtual Machine is required");
    default:
        vm_resume_some(vm, NULL);
        return 0;
    }
}

// The TSC is 0 at power-up (SDM 10.1.1), and stands still with the clock until that runs.
int vm_power_up(struct vm *vm, struct err *err)
{
    quiesce(vm);
    int rc = vm->board.reset(vm->board.opaque, err);
    for (unsigned i = 0; i < vm->vcpus && rc == 0; i++) {
        vm->states[i]->tsc_offset = -vm->paused_tsc;
        vm->vcpu[i]->ops->put_state(vm->vcpu[i]);
    }
    return rc;
}

void vm_reset(struct vm *vm, bool guest, const char *reason)
{
    struct err err = {0};
    if (vm->ending)
        return;
    if (vm->config.reboot_ends) {
        vm_shutdown(vm, guest, reason);
        return;
    }
    bool running = vm->state == VM_RUNNING;
    vm_hold(vm);
    int rc = vm_power_up(vm, &err);
    vm_tell_of(vm, VM_EVENT_RESET, guest, reason);
    if (rc < 0) {
        log_error("machine", "reset: %s", err.text);
        vm->state = running ? VM_RUNNING : vm->state;
        vm_stop(vm, VM_INTERNAL_ERROR);
    } else if (running) {
        vm_resume_some(vm, NULL);
    } else if (vm->state != VM_INMIGRATE) {
        vm->state = VM_PRELAUNCH;
    }
}

void vm_powerdown(struct vm *vm)
{
    vm_tell_of(vm, VM_EVENT_POWERDOWN, false, NULL);
    vm->board.power_button(vm->board.opaque);
}

void vm_exit(struct vm *vm, int status)
{
    if (vm->ending)
        return;
    vm->ending = true;
    vm->exit_status = status;
    vm_hold(vm);
    loop_stop();
}

void vm_shutdown(struct vm *vm, bool guest, const char *reason)
{
    if (vm->ending)
        return;
    vm_tell_of(vm, VM_EVENT_SHUTDOWN, guest, reason);
    if (guest && vm->config.shutdown_pauses)
        vm_stop(vm, VM_SHUTDOWN);
    else
        vm_exit(vm, 0);
}

void vm_nmi(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpus; i++)
        vm->vcpu[i]->ops->nmi(vm->vcpu[i]);
}

static int start_vcpu(struct vm *vm, unsigned index, struct err *err)
{
    struct vcpu_events events = vm_vcpu_events(vm);
    struct vcpu *vcpu = vm->engine->ops->create_vcpu(vm->engine, index, err);
    if (!vcpu)
        return -ENOMEM;
    int rc = vcpu_start(vcpu, &events, err);
    if (rc < 0) {
        vcpu->ops->destroy(vcpu);
        return rc;
    }
    vm->vcpu[index] = vcpu;
    vm->states[index] = vcpu->state;
    vm->vcpus++;
    return 0;
}

void vm_end_vcpus(struct vm *vm)
{
    mem_thread_offline();
    for (unsigned i = 0; i < vm->vcpus; i++)
        vcpu_destroy(vm->vcpu[i]);
    mem_thread_online();
    free(vm->vcpu);
    free(vm->states);
    vm->vcpus = 0;
    vm->vcpu = NULL;
    vm->states = NULL;
}

int vm_init(struct vm *vm, const struct vm_config *config, struct clock *clock,
            struct engine *engine, struct err *err)
{
    unsigned count = engine->config.vcpus;
    *vm = (struct vm){.power.request = vm_request_power, .config = *config, .clock = clock,
                      .engine = engine, .vcpu = calloc(count, sizeof(struct vcpu *)),
                      .states = calloc(count, sizeof(struct x86_state *)),
                      .paused_tsc = clock_tsc(clock)};
    int rc = vm->vcpu && vm->states ? 0 : err_set(err, -ENOMEM, "no memory for %u vCPUs", count);
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = start_vcpu(vm, i, err);
    if (rc < 0)
        vm_end_vcpus(vm);
    return rc;
}
