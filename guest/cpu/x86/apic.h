// SPDX-License-Identifier: GPL-2.0-or-later
//
// The local APIC (SDM volume 3, chapter "Advanced Programmable Interrupt Controller"), xAPIC and
// x2APIC, for engines that have none in the kernel. Registers are in x86_state.apic, so that they are saved
// with the vCPU. The APICs of a VM know each other through a `struct apic_bus`, which routes IPIs
// and MSIs.
//
// Threads: each APIC has a small lock. apic_read, apic_write and the apic_timer functions are
// called on the vCPU's thread; the bus functions from any thread, with device locks held. Whatever
// becomes pending for a vCPU is announced by wake, which is called with no APIC lock held and must
// not block; the vCPU's thread then asks apic_pending.
//
// The timer's input clock is 1 GHz of guest time (CPUID leaves 0x15 and 0x40000010 say so).
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "guest/cpu/x86/state.h"

enum { APIC_LVT_CMCI, APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_PERF, APIC_LVT_LINT0,
       APIC_LVT_LINT1, APIC_LVT_ERROR, APIC_LVTS };
enum { APIC_MMIO_BYTES = 4096 };

struct apic_bus;

// What an APIC asks of its engine; opaque is the engine's vCPU.
struct apic_ops {
    void (*wake)(void *opaque);                  // any thread: apic_pending has changed
    void (*eoi)(void *opaque, uint8_t vector);   // own thread: a level-triggered vector ended
};

struct apic {
    pthread_mutex_t lock;
    struct x86_state *state;  // lent
    uint32_t id;              // as in the state; never changes
    struct apic_bus *bus;
    struct clock *clock;
    struct clock_timer timer;  // tells a running vCPU
    const struct apic_ops *ops;
    void *opaque;
    uint64_t tsc_hz;          // for TSC-deadline
    // Requests from others, taken by apic_take; atomic. Not saved: saving quiesces first, and folds
    // them into the state.
    uint32_t requests;
    uint8_t sipi_vector;
    bool extint;              // the level of the 8259's INTR wire (LINT0, ExtINT)
};
enum { APIC_REQUEST_NMI = 1, APIC_REQUEST_INIT = 2, APIC_REQUEST_SIPI = 4, APIC_REQUEST_SMI = 8 };

// The first one is the boot vCPU's. state has been reset: its apic.id and BSP bit count, the other
// registers are reset here.
void apic_init(struct apic *apic, struct apic_bus *bus, struct x86_state *state, struct clock *clock,
               uint64_t tsc_hz, const struct apic_ops *ops, void *opaque);
void apic_finish(struct apic *apic);
// id and BSP bit stay. A full reset also clears requests; an INIT does not, since what has come since
// it was taken (a SIPI) is for the CPU after it.
void apic_reset(struct apic *apic, bool init);
int apic_loaded(struct apic *apic, struct err *err);  // state came from a stranger: check, rearm

// The vCPU's thread. offset is within the 4 KiB page; size 4 is what works, others read 0.
uint32_t apic_read(struct apic *apic, uint32_t offset);
void apic_write(struct apic *apic, uint32_t offset, uint32_t value);
// x2APIC MSRs 0x800 to 0x8ff, IA32_APIC_BASE and TSC_DEADLINE. False: #GP(0).
bool apic_msr_read(struct apic *apic, uint32_t index, uint64_t *value);
bool apic_msr_write(struct apic *apic, uint32_t index, uint64_t value);
uint8_t apic_cr8(struct apic *apic);
void apic_set_cr8(struct apic *apic, uint8_t value);
void apic_eoi(struct apic *apic);  // the same as writing the EOI register

// The highest vector that could be delivered now (above PPR), or -1; or APIC_EXTINT when the 8259
// asks and LINT0 lets it. IF and shadows are the caller's.
enum { APIC_EXTINT = 256 };
int apic_pending(struct apic *apic);
// Moves vector from IRR to ISR; the caller delivers it.
void apic_accept(struct apic *apic, uint8_t vector);
// Requests (NMI, INIT, SIPI, SMI), taken and cleared; sipi gets the start-up vector.
uint32_t apic_take(struct apic *apic, uint8_t *sipi_vector);
// Does whatever would end a halt (or a wait for SIPI) wait? Looks at rflags.IF and run_state. Cheap, no
// lock; whatever comes after a false answer calls wake.
bool apic_has_work(struct apic *apic);
// The guest time of the timer's next tick, or UINT64_MAX: a halted vCPU waits for it by itself and
// then calls apic_timer_poll, which fires what is due.
uint64_t apic_timer_deadline_ns(struct apic *apic);
void apic_timer_poll(struct apic *apic);
// The guest's TSC was written: a TSC deadline moves with it.
void apic_tsc_changed(struct apic *apic);

struct apic_bus *apic_bus_create(unsigned vcpus);
void apic_bus_destroy(struct apic_bus *bus);
// Any thread. An MSI as the SDM lays it out (physical or logical destination, fixed, lowest
// priority, NMI, INIT, SMI, ExtINT).
void apic_bus_msi(struct apic_bus *bus, uint64_t address, uint32_t data);
void apic_bus_extint(struct apic_bus *bus, bool level);  // to the APIC of vCPU 0
