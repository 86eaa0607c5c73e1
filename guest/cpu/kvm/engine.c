// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/kvm/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/bits.h"
#include "base/log.h"
#include "guest/cpu/kvm/internal.h"

// Three pages for KVM's own use on Intel CPUs without unrestricted guests: a TSS, and before it
// an identity map. Between the local APICs' page and the firmware, where a PC has nothing.
enum { IDENTITY_MAP = 0xfeffc000u, TSS_PAGES = 0xfeffd000u };

// ---- memory slots

static int set_slot(struct kvm_engine *e, unsigned number, const struct kvm_slot *slot)
{
    struct kvm_userspace_memory_region region = {
        .slot = number,
        .flags = slot->read_only ? KVM_MEM_READONLY : 0,
        .guest_phys_addr = slot->gpa,
        .memory_size = slot->size_bytes,
        .userspace_addr = slot->host,
    };
    if (!ioctl(e->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
        return 0;
    int error = -errno;
    log_error("kvm", "memory slot at %#" PRIx64 ", %#" PRIx64 " bytes: %s", slot->gpa,
              slot->size_bytes, strerror(errno));
    return error;
}

struct wanted_slots {
    struct kvm_engine *engine;
    struct kvm_slot slots[KVM_SLOTS];
    unsigned count;
};

static void want_slot(const struct mem_range *range, void *opaque)
{
    struct wanted_slots *w = opaque;
    if (!range->ram || w->count == KVM_SLOTS)
        return;
    void *host = mem_ram_at(w->engine->engine.config.memory, range->base, range->size_bytes, false);
    w->slots[w->count++] = (struct kvm_slot){range->base.u, range->size_bytes, (uintptr_t)host,
                                             range->read_only};
}

static bool same_slot(const struct kvm_slot *a, const struct kvm_slot *b)
{
    return a->gpa == b->gpa && a->size_bytes == b->size_bytes && a->host == b->host &&
           a->read_only == b->read_only;
}

static bool holds_slot(const struct kvm_slot *slots, const struct kvm_slot *slot)
{
    for (unsigned i = 0; i < KVM_SLOTS; i++)
        if (same_slot(&slots[i], slot))
            return true;
    return false;
}

static int add_slot(struct kvm_engine *e, const struct kvm_slot *slot)
{
    for (unsigned i = 0; i < KVM_SLOTS; i++) {
        if (e->slots[i].size_bytes)
            continue;
        int error = set_slot(e, i, slot);
        if (!error)
            e->slots[i] = *slot;
        return error;
    }
    return -ENOSPC;
}

// What went away goes first, since slots must not overlap. The lock is held, no vCPU runs.
int kvm_slots_sync(struct kvm_engine *e)
{
    struct wanted_slots wanted = {.engine = e};
    mem_each(e->engine.config.memory, want_slot, &wanted);
    for (unsigned i = 0; i < KVM_SLOTS; i++) {
        if (!e->slots[i].size_bytes || holds_slot(wanted.slots, &e->slots[i]))
            continue;
        e->slots[i].size_bytes = 0;
        set_slot(e, i, &e->slots[i]);
    }
    int error = 0;
    for (unsigned i = 0; i < wanted.count && !error; i++)
        if (!holds_slot(e->slots, &wanted.slots[i]))
            error = add_slot(e, &wanted.slots[i]);
    return error;
}

// ---- guest time

// KVM's clock follows the machine's, which stands still over pauses and is what snapshots hold.
void kvm_clock_resumed(struct kvm_engine *e)
{
    struct kvm_clock_data data = {
        .clock = clock_now_ns(e->engine.config.clock) + e->clock_ahead_ns,
    };
    if (ioctl(e->vm_fd, KVM_SET_CLOCK, &data))
        log_warn("kvm", "the guest's clock can't be set: %s", strerror(errno));
}

// The machine pauses its clock some microseconds before or after the vCPUs. That is no drift, and
// adding it up over pauses is harmless as long as time never goes back.
void kvm_clock_paused(struct kvm_engine *e)
{
    struct kvm_clock_data data;
    if (ioctl(e->vm_fd, KVM_GET_CLOCK, &data))
        return;
    int64_t ahead = data.clock - clock_now_ns(e->engine.config.clock);
    e->clock_ahead_ns = ahead > 0 ? ahead : 0;
}

// ---- the VM

static void statistics(struct engine *engine, void (*line)(void *opaque, const char *text), void *opaque)
{
    static const struct { unsigned reason; const char *name; } names[] = {
        {KVM_EXIT_IO, "port accesses"}, {KVM_EXIT_MMIO, "device memory accesses"},
        {KVM_EXIT_IOAPIC_EOI, "ends of level interrupts"},
        {KVM_EXIT_IRQ_WINDOW_OPEN, "interrupt windows"}, {KVM_EXIT_INTR, "kicks"},
        {KVM_EXIT_DEBUG, "debug exits"},
    };
    struct kvm_engine *e = (struct kvm_engine *)engine;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        char text[80];
        snprintf(text, sizeof text, "%-26s %llu", names[i].name, atomic_load(&e->exits[names[i].reason]));
        line(opaque, text);
    }
}

static void destroy(struct engine *engine)
{
    struct kvm_engine *e = (struct kvm_engine *)engine;
    if (e->vm_fd >= 0)
        close(e->vm_fd);
    if (e->kvm_fd >= 0)
        close(e->kvm_fd);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->route_lock);
    free(e);
}

static const struct engine_ops engine_ops = {
    .name = "kvm",
    .create_vcpu = kvm_create_vcpu,
    .msi = kvm_msi,
    .pic_intr = kvm_pic_intr,
    .statistics = statistics,
    .destroy = destroy,
};

static int enable(struct kvm_engine *e, uint32_t capability, uint64_t argument, const char *what,
                  struct err *err)
{
    struct kvm_enable_cap cap = {.cap = capability, .args = {argument}};
    if (!ioctl(e->vm_fd, KVM_ENABLE_CAP, &cap))
        return 0;
    return err_set(err, -errno, "kvm: %s: %s", what, strerror(errno));
}

// A busy host interrupts the creation of a VM with EINTR.
static int create_vm(struct kvm_engine *e, struct err *err)
{
    do
        e->vm_fd = ioctl(e->kvm_fd, KVM_CREATE_VM, 0);
    while (e->vm_fd < 0 && errno == EINTR);
    if (e->vm_fd < 0)
        return err_set(err, -errno, "kvm: can't create a virtual machine: %s", strerror(errno));
    int bytes = ioctl(e->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (bytes < (int)sizeof(struct kvm_run))
        return err_set(err, -EIO, "kvm: the kernel's vCPU mapping is too small");
    e->run_bytes = bytes;
    return 0;
}

static int set_up_vm(struct kvm_engine *e, struct err *err)
{
    int error = create_vm(e, err);
    if (error)
        return error;
    uint64_t identity = IDENTITY_MAP;
    if (ioctl(e->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) ||
        ioctl(e->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)TSS_PAGES))
        return err_set(err, -errno, "kvm: can't place the TSS: %s", strerror(errno));
    error = enable(e, KVM_CAP_SPLIT_IRQCHIP, KVM_ROUTES, "split interrupt controller", err);
    if (error)
        return error;
    return enable(e, KVM_CAP_X2APIC_API,
                  KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
                  "32-bit APIC ids", err);
}

// Without SA_RESTART: the signal's only purpose is that KVM_RUN returns.
static void on_kick(int signal) { (void)signal; }

static void install_kick_handler(void)
{
    struct sigaction action = {.sa_handler = on_kick};
    sigaction(VCPU_KICK_SIGNAL, &action, NULL);
}

struct engine *kvm_engine_create(const struct engine_config *config, struct err *err)
{
    struct kvm_engine *e = calloc(1, sizeof *e);
    if (!e) {
        err_set(err, -ENOMEM, "kvm: out of memory");
        return NULL;
    }
    e->engine = (struct engine){&engine_ops, *config};
    e->vm_fd = -1;
    e->tsc_offset = -__rdtsc();
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->route_lock, NULL);
    e->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (e->kvm_fd < 0)
        err_set(err, -errno, "Could not access KVM kernel module: %s", strerror(errno));
    if (e->kvm_fd < 0 || set_up_vm(e, err)) {
        destroy(&e->engine);
        return NULL;
    }
    install_kick_handler();
    return &e->engine;
}
