// SPDX-License-Identifier: GPL-2.0-or-later
//
// MSIs go to the kernel's local APICs as they come (KVM_SIGNAL_MSI). A level-triggered one has a
// second half: the IOAPIC must learn when its vector is ended, and the kernel reports that
// (KVM_EXIT_IOAPIC_EOI) only for vectors that it finds in the routes of the reserved pins. Devices
// never send level-triggered messages, so the IOAPIC's can be told by their data word, and the
// routes learnt from what is sent: no one has to keep the kernel in step with the IOAPIC's registers.
//
// A route that isn't used any more does no harm: the IOAPIC ignores the end of a vector that it
// has nothing in service for.
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "guest/cpu/kvm/internal.h"

// The data word of a message (SDM volume 3, "Message Data Register Format").
enum { MSI_VECTOR = 0xff, MSI_LEVEL_TRIGGERED = 1 << 15 };

static struct kvm_route *find_route(struct kvm_engine *e, uint64_t address, uint32_t data)
{
    for (unsigned i = 0; i < KVM_ROUTES; i++)
        if (e->routes[i].last_use && e->routes[i].address == address && e->routes[i].data == data)
            return &e->routes[i];
    return NULL;
}

// The one that was used longest ago, but not one in service if that can be helped.
static struct kvm_route *oldest_route(struct kvm_engine *e)
{
    struct kvm_route *best = &e->routes[0];
    for (unsigned i = 1; i < KVM_ROUTES; i++) {
        struct kvm_route *r = &e->routes[i];
        if (r->in_service != best->in_service ? best->in_service : r->last_use < best->last_use)
            best = r;
    }
    return best;
}

// Entry i belongs to pin i; the kernel looks at the reserved pins only.
static void publish_routes(struct kvm_engine *e)
{
    struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry entries[KVM_ROUTES]; } table = {0};
    for (unsigned i = 0; i < KVM_ROUTES; i++) {
        const struct kvm_route *r = &e->routes[i];
        if (!r->last_use)
            continue;
        struct kvm_irq_routing_entry *entry = &table.entries[table.head.nr++];
        entry->gsi = i;
        entry->type = KVM_IRQ_ROUTING_MSI;
        entry->u.msi.address_lo = r->address;
        entry->u.msi.address_hi = r->address >> 32;
        entry->u.msi.data = r->data;
    }
    if (ioctl(e->vm_fd, KVM_SET_GSI_ROUTING, &table))
        log_warn("kvm", "interrupt routes: %s", strerror(errno));
}

static void learn_route(struct kvm_engine *e, uint64_t address, uint32_t data)
{
    pthread_mutex_lock(&e->route_lock);
    struct kvm_route *r = find_route(e, address, data);
    bool is_new = !r;
    if (is_new) {
        r = oldest_route(e);
        r->address = address;
        r->data = data;
    }
    r->last_use = ++e->route_uses;
    r->in_service = true;
    if (is_new)
        publish_routes(e);
    pthread_mutex_unlock(&e->route_lock);
}

void kvm_msi(struct engine *engine, uint64_t address, uint32_t data)
{
    struct kvm_engine *e = (struct kvm_engine *)engine;
    if (data & MSI_LEVEL_TRIGGERED)
        learn_route(e, address, data);
    struct kvm_msi msi = {.address_lo = address, .address_hi = address >> 32, .data = data};
    if (ioctl(e->vm_fd, KVM_SIGNAL_MSI, &msi) < 0)
        log_guest("kvm", "MSI %#x to %#llx: %s", data, (unsigned long long)address, strerror(errno));
}

void kvm_route_ended(struct kvm_engine *e, uint8_t vector)
{
    pthread_mutex_lock(&e->route_lock);
    for (unsigned i = 0; i < KVM_ROUTES; i++)
        if ((e->routes[i].data & MSI_VECTOR) == vector)
            e->routes[i].in_service = false;
    pthread_mutex_unlock(&e->route_lock);
}

void kvm_routes_from_state(struct kvm_engine *e, const struct x86_apic *apic)
{
    uint64_t address = 0xfee00000 | (uint64_t)(apic->id & 0xff) << 12 | (uint64_t)(apic->id >> 8) << 40;
    for (unsigned vector = 16; vector < 256; vector++) {
        uint32_t busy = apic->tmr[vector / 32] & (apic->isr[vector / 32] | apic->irr[vector / 32]);
        if (busy >> vector % 32 & 1)
            learn_route(e, address, vector | MSI_LEVEL_TRIGGERED);
    }
}
