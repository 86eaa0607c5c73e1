// SPDX-License-Identifier: GPL-2.0-or-later
//
// The instructions that are not translated: everything that a host kernel would act on, that
// touches segments, control or model-specific registers, ports or the interrupt flag, and the rare
// forms that the translator declines. Semantics follow SDM volume 2 and, for events, volume 3
// chapter "Interrupt and Exception Handling".
//
// All modes: real, virtual-8086, 16- and 32-bit protected, compatibility, 64-bit.
#pragma once

#include "guest/cpu/jit/access.h"
#include "guest/cpu/jit/insn.h"

// Executes one instruction at state->rip: on return registers, memory and rip are as after it.
// Raises (and does not return) if it faults. Takes care of STI and MOV SS shadows it sets, not of
// those that end. Whatever it can't do raises #UD and writes a log line.
void jit_emulate(struct jit_vcpu *v, const struct insn *insn);

// Delivers an event through the IDT (or the IVT): pushes, loads CS:RIP, clears IF as the gate
// says. state->rip is what is pushed: the faulting instruction, or the next one. error_code is
// used where the vector has one and the event is a fault. A fault during delivery is raised like
// any other (jit_raise does not return here); the run loop combines it with the event under way.
enum jit_event { JIT_EVENT_FAULT, JIT_EVENT_INTERRUPT, JIT_EVENT_NMI, JIT_EVENT_SOFTWARE, JIT_EVENT_TRAP };
void jit_deliver(struct jit_vcpu *v, enum jit_event kind, unsigned vector, uint32_t error_code);

// SDM table 6-5: the vector to deliver when second was raised while first was being delivered:
// second itself, EX_DF, or -1 for a shutdown.
int jit_combine_faults(unsigned first, unsigned second);
