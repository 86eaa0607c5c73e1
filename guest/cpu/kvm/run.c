// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/log.h"
#include "guest/cpu/kvm/internal.h"

// ---- being asked to leave KVM_RUN
//
// immediate_exit makes KVM_RUN return EINTR before it enters the guest; the signal ends a KVM_RUN
// that is past that check. The flag is cleared only after such a return, and the mailbox is
// looked at after that: so a kick is never lost, and pending port or memory accesses have been
// completed when run returns (4.5: they are when KVM_RUN is entered again).

static void kick(struct vcpu *vcpu)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    int tid = atomic_load(&v->tid);
    if (tid && tid != gettid())
        tgkill(getpid(), tid, VCPU_KICK_SIGNAL);
}

// ---- the 8259's wire (ExtINT of the boot vCPU)

void kvm_pic_intr(struct engine *engine, bool level)
{
    struct kvm_engine *e = (struct kvm_engine *)engine;
    bool before = atomic_exchange(&e->intr, level);
    struct kvm_vcpu *boot = atomic_load(&e->boot);
    if (level && !before && boot)
        kick(&boot->vcpu);
}

// Before the guest is entered: gives it the 8259's vector if it can be taken now, and asks for
// an exit as soon as one (more) can be.
static void offer_extint(struct kvm_vcpu *v)
{
    struct kvm_engine *e = kvm_engine_of(v);
    if (v->vcpu.index != 0)
        return;
    if (atomic_load(&e->intr) && v->run->ready_for_interrupt_injection && v->run->if_flag) {
        int vector = e->engine.config.pic_acknowledge(e->engine.config.opaque);
        struct kvm_interrupt interrupt = {vector};
        if (vector >= 0 && !ioctl(v->fd, KVM_INTERRUPT, &interrupt))
            v->extint_sent = vector;
        v->run->ready_for_interrupt_injection = 0;
    }
    v->run->request_interrupt_window = atomic_load(&e->intr);
}

// ---- exits

static void port_access(struct kvm_vcpu *v)
{
    const struct kvm_run *run = v->run;
    struct mem *ports = v->vcpu.engine->config.ports;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
        uint64_t value = 0;
        if (run->io.direction == KVM_EXIT_IO_OUT) {
            memcpy(&value, data, run->io.size);
            mem_write(ports, GPA(run->io.port), value, run->io.size);
        } else {
            value = mem_read(ports, GPA(run->io.port), run->io.size);
            memcpy(data, &value, run->io.size);
        }
    }
}

// One access in the guest's size; what an access across a page leaves is of any length.
static void memory_access(struct kvm_vcpu *v)
{
    struct mem *memory = v->vcpu.engine->config.memory;
    uint8_t *data = v->run->mmio.data;
    uint32_t length = v->run->mmio.len;
    uint32_t step = length == 8 || length == 4 || length == 2 ? length : 1;
    for (uint32_t i = 0; i < length; i += step) {
        gpa_t at = GPA(v->run->mmio.phys_addr + i);
        uint64_t value = 0;
        if (v->run->mmio.is_write) {
            memcpy(&value, data + i, step);
            mem_write(memory, at, value, step);
        } else {
            value = mem_read(memory, at, step);
            memcpy(data + i, &value, step);
        }
    }
}

static void interrupt_ended(struct kvm_vcpu *v)
{
    struct kvm_engine *e = kvm_engine_of(v);
    kvm_route_ended(e, v->run->eoi.vector);
    e->engine.config.eoi(e->engine.config.opaque, v->run->eoi.vector);
}

static enum vcpu_exit gave_up(struct kvm_vcpu *v)
{
    const struct kvm_run *run = v->run;
    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
        log_error("kvm", "vCPU %u: the kernel can't go on: internal error %u", v->vcpu.index,
                  run->internal.suberror);
    else if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
        log_error("kvm", "vCPU %u: the CPU refused the guest's state: reason %#llx", v->vcpu.index,
                  (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
    else
        log_error("kvm", "vCPU %u: unknown exit %u", v->vcpu.index, run->exit_reason);
    return VCPU_EXIT_ERROR;
}

enum { GO_ON = -1 };

static int handle_exit(struct kvm_vcpu *v)
{
    struct kvm_engine *e = kvm_engine_of(v);
    atomic_fetch_add_explicit(&e->exits[v->run->exit_reason % KVM_EXITS], 1, memory_order_relaxed);
    switch (v->run->exit_reason) {
    case KVM_EXIT_IO: port_access(v); return GO_ON;
    case KVM_EXIT_MMIO: memory_access(v); return GO_ON;
    case KVM_EXIT_IOAPIC_EOI: interrupt_ended(v); return GO_ON;
    case KVM_EXIT_IRQ_WINDOW_OPEN: case KVM_EXIT_HLT: case KVM_EXIT_INTR: return GO_ON;
    case KVM_EXIT_SHUTDOWN: return VCPU_EXIT_SHUTDOWN;
    case KVM_EXIT_DEBUG: return kvm_debug_hit(v) ? (int)VCPU_EXIT_DEBUG : GO_ON;
    default: return gave_up(v);
    }
}

// EAGAIN: a vCPU that waited for its first INIT got something to do.
static int interrupted(struct kvm_vcpu *v, int error)
{
    if (error == EINTR) {
        struct kvm_engine *e = kvm_engine_of(v);
        atomic_fetch_add_explicit(&e->exits[KVM_EXIT_INTR], 1, memory_order_relaxed);
        __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        return VCPU_EXIT_KICKED;
    }
    if (error == EAGAIN)
        return GO_ON;
    log_error("kvm", "vCPU %u: KVM_RUN: %s", v->vcpu.index, strerror(error));
    return VCPU_EXIT_ERROR;
}

static int enter_guest(struct kvm_vcpu *v)
{
    offer_extint(v);
    mem_thread_offline();
    int error = ioctl(v->fd, KVM_RUN, 0) < 0 ? errno : 0;
    mem_thread_online();
    return error ? interrupted(v, error) : handle_exit(v);
}

// The first vCPU that runs again after a pause brings the kernel up to date with what may have
// changed meanwhile: the memory map, and the time.
static bool activate(struct kvm_vcpu *v)
{
    struct kvm_engine *e = kvm_engine_of(v);
    int error = 0;
    if (v->active)
        return true;
    pthread_mutex_lock(&e->lock);
    if (!e->running) {
        error = kvm_slots_sync(e);
        kvm_clock_resumed(e);
    }
    if (!error)
        e->running++;
    pthread_mutex_unlock(&e->lock);
    v->active = !error;
    return v->active;
}

static enum vcpu_exit run(struct vcpu *vcpu)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    atomic_store(&v->tid, gettid());
    if (v->broken || !activate(v))
        return VCPU_EXIT_ERROR;
    int why;
    do
        why = enter_guest(v);
    while (why == GO_ON);
    return why;
}

// ---- pausing, making and ending

static void deactivate(struct kvm_vcpu *v)
{
    struct kvm_engine *e = kvm_engine_of(v);
    pthread_mutex_lock(&e->lock);
    if (--e->running == 0)
        kvm_clock_paused(e);
    pthread_mutex_unlock(&e->lock);
    v->active = false;
    // Tells the guest's watchdogs that it stood still; refused unless its clock page is on.
    ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0);
}

static void get_state(struct vcpu *vcpu)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    if (v->active)
        deactivate(v);
    kvm_get_state(vcpu);
}

static void nmi(struct vcpu *vcpu)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    ioctl(v->fd, KVM_NMI, 0);
}

static void reset(struct vcpu *vcpu)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    x86_reset(&v->state, v->state.apic.id, false);
    kvm_reset_lapic(&v->state.apic, vcpu->index);
    v->state.tsc_offset = kvm_engine_of(v)->tsc_offset;
    v->extint_sent = -1;
    v->extint_held = false;
    kvm_put_state(vcpu);
}

static void destroy(struct vcpu *vcpu)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    struct kvm_engine *e = kvm_engine_of(v);
    if (atomic_load(&e->boot) == v)
        atomic_store(&e->boot, NULL);
    if (v->run)
        munmap(v->run, e->run_bytes);
    if (v->fd >= 0)
        close(v->fd);
    free(v);
}

static const struct vcpu_ops vcpu_ops = {
    .run = run,
    .kick = kick,
    .get_state = get_state,
    .put_state = kvm_put_state,
    .set_debug = kvm_set_debug,
    .nmi = nmi,
    .destroy = destroy,
    .reset = reset,
};

static int set_tsc_rate(struct kvm_vcpu *v, struct err *err)
{
    uint64_t khz = v->vcpu.engine->config.model->tsc_hz / 1000;
    int now = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
    // The kernel's own tolerance: guests measure no better (250 parts per million).
    if (!khz || now <= 0 || (khz <= now * UINT64_C(4001) / 4000 && khz >= now * UINT64_C(3999) / 4000))
        return 0;
    if (!ioctl(v->fd, KVM_SET_TSC_KHZ, (unsigned long)khz))
        return 0;
    return err_set(err, -errno, "kvm: the host can't run a TSC of %" PRIu64 " kHz", khz);
}

static int open_vcpu(struct kvm_vcpu *v, struct err *err)
{
    struct kvm_engine *e = kvm_engine_of(v);
    v->fd = ioctl(e->vm_fd, KVM_CREATE_VCPU, (unsigned long)v->state.apic.id);
    if (v->fd < 0)
        return err_set(err, -errno, "kvm: can't create vCPU %u: %s", v->vcpu.index, strerror(errno));
    void *run = mmap(NULL, e->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (run == MAP_FAILED)
        return err_set(err, -errno, "kvm: vCPU %u: mmap: %s", v->vcpu.index, strerror(errno));
    v->run = run;
    int error = kvm_set_cpuid(v, err);
    return error ? error : set_tsc_rate(v, err);
}

struct vcpu *kvm_create_vcpu(struct engine *engine, unsigned index, struct err *err)
{
    struct kvm_engine *e = (struct kvm_engine *)engine;
    struct kvm_vcpu *v = aligned_alloc(64, align_up(sizeof *v, 64));
    if (!v) {
        err_set(err, -ENOMEM, "kvm: vCPU %u: out of memory", index);
        return NULL;
    }
    memset(v, 0, sizeof *v);
    v->vcpu = (struct vcpu){.ops = &vcpu_ops, .engine = engine, .state = &v->state, .index = index};
    v->fd = v->extint_sent = -1;
    x86_reset(&v->state, x86_apic_id(engine->config.model, index), false);
    if (open_vcpu(v, err)) {
        destroy(&v->vcpu);
        return NULL;
    }
    kvm_probe_msrs(v);
    reset(&v->vcpu);
    if (v->broken) {
        err_set(err, -EIO, "kvm: vCPU %u: the kernel refused the reset state", index);
        destroy(&v->vcpu);
        return NULL;
    }
    if (index == 0)
        atomic_store(&e->boot, v);
    return &v->vcpu;
}
