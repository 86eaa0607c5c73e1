// SPDX-License-Identifier: GPL-2.0-or-later
//
// Three vCPUs and a device that do whatever the input says to their APICs. A step is eight bytes: what,
// which vCPU, two bytes of place, four of value. After each step the registers keep their shape,
// and what is pending can be delivered.
#include <stdlib.h>
#include <string.h>

#include "guest/cpu/x86/apic.h"

enum { CPUS = 3, STEP_BYTES = 8, TSC_HZ = 1000000000 };

struct cpu {
    struct x86_state state;
    struct apic apic;
};

struct step {
    uint8_t what, cpu;
    uint16_t place;
    uint32_t value;
};

static void wake(void *opaque) { (void)opaque; }
static void eoi(void *opaque, uint8_t vector)
{
    (void)opaque;
    if (vector < 16)
        abort();
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void deliver(struct apic *apic)
{
    int vector = apic_pending(apic);
    if (vector >= 0 && vector != APIC_EXTINT)
        apic_accept(apic, vector);
}

static void check(struct cpu *cpu)
{
    const struct x86_apic *r = &cpu->state.apic;
    int vector = apic_pending(&cpu->apic);
    must(vector == -1 || vector == APIC_EXTINT || (vector >= 16 && (vector & 0xf0) > (r->tpr & 0xf0)));
    must(((r->irr[0] | r->isr[0] | r->tmr[0]) & 0xffff) == 0);
    must((r->base & 0xc00) != 0x400 && r->tpr <= 0xff);
    must(r->base & 0x400 || (r->dfr & 0x0fffffff) == 0x0fffffff);
    must(r->tsc_deadline == 0 || r->lvt[APIC_LVT_TIMER] >> 17 & 2);
    must(apic_loaded(&cpu->apic, NULL) == 0);  // whatever can be reached can be saved
}

static void msr(struct apic *apic, const struct step *s, bool write)
{
    static const uint32_t others[] = {0x1b, 0x6e0};
    uint32_t index = s->place & 0x4000 ? others[s->place & 1] : 0x800 + (s->place & 0xff);
    uint64_t value = s->value;
    if (index == 0x1b)
        value = 0xfee00000 | (s->value & 0xf00);
    else if (index == 0x830)
        value |= (uint64_t)(s->place >> 8 & 7) << 32;
    if (write)
        apic_msr_write(apic, index, value);
    else
        apic_msr_read(apic, index, &value);
}

static void act(struct apic_bus *bus, struct clock *clock, struct cpu *cpu, const struct step *s)
{
    struct apic *apic = &cpu->apic;
    uint8_t vector;
    switch (s->what & 15) {
    case 0: apic_read(apic, s->place & 0xfff); break;
    case 1: case 2: case 3: apic_write(apic, s->place & 0xff0, s->value); break;
    case 4: apic_bus_msi(bus, 0xfee00000 | s->place << 4, s->value); break;
    case 5: apic_bus_msi(bus, (uint64_t)s->place << 20 | s->value, s->value); break;
    case 6: apic_bus_extint(bus, s->value & 1); break;
    case 7: msr(apic, s, true); break;
    case 8: msr(apic, s, false); break;
    case 9: deliver(apic); break;
    case 10: apic_eoi(apic); break;
    case 11: apic_take(apic, &vector); break;
    case 12: apic_reset(apic, s->value & 1); break;
    case 13: clock_advance(clock, s->value & 0xffffff); break;  // some periods, not millions
    case 14: apic_set_cr8(apic, s->value); break;
    default: cpu->state.tsc_offset += s->value; apic_tsc_changed(apic); apic_timer_poll(apic); break;
    }
    apic_has_work(apic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const struct apic_ops ops = {.wake = wake, .eoi = eoi};
    static struct cpu cpus[CPUS];
    struct clock *clock = clock_create_manual();
    struct apic_bus *bus = apic_bus_create(CPUS);
    for (unsigned i = 0; i < CPUS; i++) {
        memset(&cpus[i], 0, sizeof(cpus[i]));
        x86_reset(&cpus[i].state, i, false);
        apic_init(&cpus[i].apic, bus, &cpus[i].state, clock, TSC_HZ, &ops, NULL);
        apic_reset(&cpus[i].apic, false);
        apic_write(&cpus[i].apic, 0xf0, 0x1ff);
    }
    for (size_t at = 0; at + STEP_BYTES <= size_bytes; at += STEP_BYTES) {
        struct step step;
        memcpy(&step, data + at, STEP_BYTES);
        act(bus, clock, &cpus[step.cpu % CPUS], &step);
        for (unsigned i = 0; i < CPUS; i++)
            check(&cpus[i]);
    }
    for (unsigned i = 0; i < CPUS; i++)
        apic_finish(&cpus[i].apic);
    apic_bus_destroy(bus);
    clock_destroy(clock);
    return 0;
}
