// SPDX-License-Identifier: GPL-2.0-or-later
//
// How interrupt messages find their APICs: IPIs (SDM volume 3, 11.6), destinations (11.6.2,
// 11.12.10) and MSIs (11.11). Only one APIC's lock is ever held.
#include <stdlib.h>

#include "base/log.h"
#include "guest/cpu/x86/apic_registers.h"

struct apic_bus {
    unsigned capacity;
    unsigned count;
    struct apic *apics[];  // in the order of apic_init; the first is the boot CPU's
};

enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };
enum { MESSAGE_LEVEL = 1 << 14, MESSAGE_TRIGGER = 1 << 15 };

struct apic_bus *apic_bus_create(unsigned vcpus)
{
    struct apic_bus *bus = calloc(1, sizeof(*bus) + vcpus * sizeof(bus->apics[0]));
    if (bus)
        bus->capacity = vcpus;
    return bus;
}

void apic_bus_destroy(struct apic_bus *bus)
{
    free(bus);
}

void apic_bus_join(struct apic_bus *bus, struct apic *apic)
{
    if (bus->count == bus->capacity)
        abort();  // more APICs than the bus was made for
    bus->apics[bus->count] = apic;
    __atomic_store_n(&bus->count, bus->count + 1, __ATOMIC_RELEASE);
}

void apic_bus_leave(struct apic_bus *bus, struct apic *apic)
{
    for (unsigned i = 0; i < bus->count; i++)
        if (__atomic_load_n(&bus->apics[i], __ATOMIC_RELAXED) == apic)
            __atomic_store_n(&bus->apics[i], NULL, __ATOMIC_RELEASE);
}

static struct apic *at(struct apic_bus *bus, unsigned index)
{
    return __atomic_load_n(&bus->apics[index], __ATOMIC_ACQUIRE);
}

static unsigned count(const struct apic_bus *bus)
{
    return __atomic_load_n(&bus->count, __ATOMIC_ACQUIRE);
}

// SDM 11.6.2.2: flat (the mask's bits) or clusters (a number and four bits; 15: every one).
static bool matches_logical_xapic(const struct x86_apic *r, uint32_t destination)
{
    uint32_t mine = apic_get(&r->ldr) >> 24;
    if (destination > 0xff)
        return false;
    if (apic_get(&r->dfr) >> 28 == 0xf)
        return mine & destination;
    return (destination >> 4 == 0xf || destination >> 4 == mine >> 4) && mine & destination & 0xf;
}

static bool matches_logical_x2(uint32_t id, uint32_t destination)
{
    uint32_t mine = apic_x2_ldr(id);
    return mine >> 16 == destination >> 16 && mine & destination & 0xffff;
}

static bool matches(const struct apic *apic, const struct apic_message *m)
{
    if (!apic || !apic_enabled(apic))
        return false;
    if (m->broadcast)
        return true;
    if (!m->logical)
        return apic->id == m->destination;
    return apic_x2(apic) ? matches_logical_x2(apic->id, m->destination)
                         : matches_logical_xapic(&apic->state->apic, m->destination);
}

static bool deliver_locked(struct apic *apic, const struct apic_message *m)
{
    switch (m->mode) {
    case MODE_FIXED:
    case MODE_LOWEST:
        return apic_raise(apic, m->vector, m->level_triggered);
    case MODE_SMI:
        apic_request(apic, APIC_REQUEST_SMI);
        return true;
    case MODE_NMI:
        apic_request(apic, APIC_REQUEST_NMI);
        return true;
    case MODE_INIT:
        apic_request(apic, APIC_REQUEST_INIT);
        return true;
    case MODE_SIPI:
        apic->sipi_vector = m->vector;
        apic_request(apic, APIC_REQUEST_SIPI);
        return true;
    case MODE_EXTINT:  // only the boot CPU can ask the 8259
        if (apic == at(apic->bus, 0))
            apic_request(apic, REQUEST_EXTINT);
        return apic == at(apic->bus, 0);
    default:
        return false;
    }
}

void apic_deliver(struct apic *apic, const struct apic_message *message)
{
    pthread_mutex_lock(&apic->lock);
    bool news = deliver_locked(apic, message);
    pthread_mutex_unlock(&apic->lock);
    if (news)
        apic->ops->wake(apic->opaque);
}

// Ties go to the first one at or after a place that the vector gives, so that devices spread.
static struct apic *lowest_priority(struct apic_bus *bus, const struct apic_message *m)
{
    struct apic *best = NULL;
    unsigned n = count(bus), best_priority = 0x100;
    for (unsigned i = 0; i < n; i++) {
        struct apic *apic = at(bus, (m->vector + i) % n);
        if (!matches(apic, m) || !apic_software_enabled(apic) || apic_ppr(apic) >= best_priority)
            continue;
        best = apic;
        best_priority = apic_ppr(apic);
    }
    return best;
}

// Ids are mostly equal to places.
static struct apic *by_id(struct apic_bus *bus, uint32_t id)
{
    unsigned n = count(bus);
    if (id < n && at(bus, id) && at(bus, id)->id == id)
        return at(bus, id);
    for (unsigned i = 0; i < n; i++)
        if (at(bus, i) && at(bus, i)->id == id)
            return at(bus, i);
    return NULL;
}

static void send_one(struct apic *apic, const struct apic_message *m)
{
    if (apic && apic_enabled(apic))
        apic_deliver(apic, m);
}

static void send(struct apic_bus *bus, const struct apic_message *m, const struct apic *except)
{
    if (m->arbitrate) {
        send_one(lowest_priority(bus, m), m);
    } else if (!m->logical && !m->broadcast) {
        send_one(by_id(bus, m->destination), m);
    } else {
        for (unsigned i = 0; i < count(bus); i++)
            if (at(bus, i) != except && matches(at(bus, i), m))
                apic_deliver(at(bus, i), m);
    }
}

static void report_illegal(struct apic *apic)
{
    pthread_mutex_lock(&apic->lock);
    apic_error(apic, ESR_SEND_ILLEGAL);
    pthread_mutex_unlock(&apic->lock);
    apic_announce(apic);
}

static struct apic_message message_of_icr(struct apic *apic, uint64_t icr)
{
    bool x2 = apic_x2(apic);
    uint32_t destination = x2 ? icr >> 32 : icr >> 56, all = x2 ? UINT32_MAX : 0xff;
    uint8_t mode = icr >> 8 & 7;
    return (struct apic_message){
        .destination = destination,
        .logical = icr >> 11 & 1,
        .broadcast = destination == all && (x2 || !(icr >> 11 & 1)),
        .arbitrate = mode == MODE_LOWEST,
        .mode = mode,
        .vector = icr,
    };
}

// IPIs are edge-triggered whatever they say, and a de-asserted INIT does nothing (SDM 11.6.1).
void apic_send(struct apic *apic, uint64_t icr)
{
    struct apic_message m = message_of_icr(apic, icr);
    if (m.mode == MODE_INIT && icr & MESSAGE_TRIGGER && !(icr & MESSAGE_LEVEL))
        return;
    if (m.mode == MODE_RESERVED || m.mode == MODE_EXTINT)
        return;
    if (m.mode <= MODE_LOWEST && m.vector < FIRST_VECTOR) {
        report_illegal(apic);
        return;
    }
    unsigned shorthand = icr >> 18 & 3;
    if (shorthand == SHORTHAND_SELF) {
        send_one(apic, &m);
        return;
    }
    if (shorthand != SHORTHAND_NONE)
        m.broadcast = true, m.arbitrate = false;
    send(apic->bus, &m, shorthand == SHORTHAND_OTHERS ? apic : NULL);
}

void apic_bus_msi(struct apic_bus *bus, uint64_t address, uint32_t data)
{
    if (address >> 20 != 0xfee) {
        log_guest("apic", "MSI to %#llx is no interrupt", (unsigned long long)address);
        return;
    }
    bool logical = address >> 2 & 1, redirect = address >> 3 & 1;
    struct apic_message m = {
        .destination = address >> 12 & 0xff, .logical = logical,
        .mode = data >> 8 & 7, .vector = data, .level_triggered = data & MESSAGE_TRIGGER,
    };
    m.broadcast = !logical && m.destination == 0xff;
    m.arbitrate = m.mode == MODE_LOWEST || (m.mode == MODE_FIXED && redirect);
    if (m.mode == MODE_SIPI || (m.mode == MODE_INIT && m.level_triggered && !(data & MESSAGE_LEVEL)))
        return;
    send(bus, &m, NULL);
}

// A wire that falls takes the request back; this is also what ends an ExtINT message, since the
// 8259 lets the wire fall when it is acknowledged.
void apic_bus_extint(struct apic_bus *bus, bool level)
{
    struct apic *apic = count(bus) ? at(bus, 0) : NULL;
    if (!apic)
        return;
    pthread_mutex_lock(&apic->lock);
    bool rises = level && !apic->extint;
    __atomic_store_n(&apic->extint, level, __ATOMIC_RELEASE);
    if (!level)
        __atomic_fetch_and(&apic->requests, ~REQUEST_EXTINT, __ATOMIC_ACQ_REL);
    if (rises && apic_enabled(apic))
        apic_local(apic, APIC_LVT_LINT0);
    pthread_mutex_unlock(&apic->lock);
    if (rises)
        apic->ops->wake(apic->opaque);
}
