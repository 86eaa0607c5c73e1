// SPDX-License-Identifier: GPL-2.0-or-later
//
// What other threads want of the machine: a guest in the middle of an access, a vCPU that can't go on, a
// disk whose request failed. It is posted to the loop, and happens there.
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "guest/machine/vm_internal.h"

// A request on its way from a vCPU's thread to the loop.
struct vm_request {
    struct vm *vm;
    struct vcpu *vcpu;
    void (*act)(struct vm_request *request);
    enum power_request power;
    int exit_code;
    void (*task)(void *opaque);
    void *opaque;
};

static void act(void *opaque)
{
    struct vm_request *request = opaque;
    if (!request->vm->ending)
        request->act(request);
    free(request);
}

static void post(struct vm_request request)
{
    struct vm_request *copy = malloc(sizeof *copy);
    if (!copy)
        abort();
    *copy = request;
    loop_post(act, copy);
}

static void tell_of_crash(struct vm *vm, enum vm_event_kind kind, const char *action)
{
    vm_tell(vm, &(struct vm_event){.kind = kind, .guest = true, .action = action});
}

// As QEMU: stopped in any case but "none", and then what -action panic= says; -no-shutdown makes
// a pause of a shutdown.
static void panicked(struct vm *vm)
{
    enum vm_panic action = vm->config.panic;
    if (action == VM_PANIC_SHUTDOWN && vm->config.shutdown_pauses)
        action = VM_PANIC_PAUSE;
    tell_of_crash(vm, VM_EVENT_GUEST_PANICKED, action == VM_PANIC_NONE ? "run" :
                  action == VM_PANIC_PAUSE ? "pause" : "poweroff");
    if (action == VM_PANIC_NONE)
        return;
    vm_stop(vm, VM_PANICKED);
    if (action == VM_PANIC_PAUSE)
        return;
    vm_shutdown(vm, true, "guest-panic");
    if (action == VM_PANIC_EXIT_FAILURE)
        vm->exit_status = EXIT_FAILURE;
}

// isa-debug-exit: a test guest's verdict, whatever -no-shutdown says.
static void act_power(struct vm_request *r)
{
    __atomic_fetch_and(&r->vm->power_asked, ~(1u << r->power), __ATOMIC_ACQ_REL);
    switch (r->power) {
    case POWER_RESET: vm_reset(r->vm, true, "guest-reset"); break;
    case POWER_OFF: vm_shutdown(r->vm, true, "guest-shutdown"); break;
    case POWER_EXIT: vm_exit(r->vm, r->exit_code); break;
    case POWER_PANICKED: panicked(r->vm); break;
    case POWER_CRASHLOADED: tell_of_crash(r->vm, VM_EVENT_GUEST_CRASHLOADED, "run"); break;
    }
}

// A guest may ask faster than the loop can follow; asking again before it has means nothing more.
void vm_request_power(struct power_sink *sink, enum power_request power, int exit_code)
{
    struct vm *vm = (struct vm *)sink;
    unsigned bit = 1u << power;
    if (__atomic_fetch_or(&vm->power_asked, bit, __ATOMIC_ACQ_REL) & bit)
        return;
    post((struct vm_request){.vm = vm, .act = act_power, .power = power, .exit_code = exit_code});
}

// A triple fault resets a PC.
static void act_triple_fault(struct vm_request *r)
{
    log_info("machine", "vCPU %u: triple fault", r->vcpu->index);
    vm_reset(r->vm, true, "guest-reset");
}

static void act_debug(struct vm_request *r)
{
    vm_stop(r->vm, VM_DEBUG);
    for (struct vm_listener *l = r->vm->listeners; l; l = l->next)
        if (l->debug)
            l->debug(l, r->vcpu);
}

static void act_failed(struct vm_request *r)
{
    vm_stop(r->vm, VM_INTERNAL_ERROR);
}

// One that comes while the guest is paused needs no stop: devices try again when it goes on.
static void act_io_error(struct vm_request *r)
{
    if (r->vm->state == VM_RUNNING)
        vm_stop(r->vm, VM_IO_ERROR);
}

void vm_io_error(struct vm *vm)
{
    post((struct vm_request){.vm = vm, .act = act_io_error});
}

static void on_shutdown(void *opaque, struct vcpu *vcpu)
{
    post((struct vm_request){.vm = opaque, .vcpu = vcpu, .act = act_triple_fault});
}

static void on_debug(void *opaque, struct vcpu *vcpu)
{
    post((struct vm_request){.vm = opaque, .vcpu = vcpu, .act = act_debug});
}

static void on_failed(void *opaque, struct vcpu *vcpu)
{
    post((struct vm_request){.vm = opaque, .vcpu = vcpu, .act = act_failed});
}

// A machine that is paused is held already.
static void act_held(struct vm_request *r)
{
    bool running = r->vm->state == VM_RUNNING;
    vm_hold(r->vm);
    r->task(r->opaque);
    if (running)
        vm_release(r->vm);
}

void vm_post_held(struct vm *vm, void (*task)(void *opaque), void *opaque)
{
    post((struct vm_request){.vm = vm, .act = act_held, .task = task, .opaque = opaque});
}

struct vcpu_events vm_vcpu_events(struct vm *vm)
{
    return (struct vcpu_events){on_shutdown, on_debug, on_failed, vm};
}

enum { TEXT_BYTES = 128 };
struct posted_event {
    struct vm *vm;
    struct vm_event event;
    char reason[TEXT_BYTES], action[TEXT_BYTES], device[TEXT_BYTES], operation[TEXT_BYTES];
};

static void tell_posted(void *opaque)
{
    struct posted_event *p = opaque;
    if (!p->vm->ending)
        vm_tell(p->vm, &p->event);
    free(p);
}

static const char *keep(char copy[TEXT_BYTES], const char *text)
{
    if (text)
        snprintf(copy, TEXT_BYTES, "%s", text);
    return text ? copy : NULL;
}

void vm_post_event(struct vm *vm, const struct vm_event *event)
{
    struct posted_event *p = malloc(sizeof *p);
    if (!p)
        abort();
    p->vm = vm;
    p->event = *event;
    p->event.reason = keep(p->reason, event->reason);
    p->event.action = keep(p->action, event->action);
    p->event.device = keep(p->device, event->device);
    p->event.operation = keep(p->operation, event->operation);
    loop_post(tell_posted, p);
}
