// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs an instruction of a test on the host CPU, with registers that the test chooses, and catches
// what it raises. Random numbers for making instructions; KONUK_SEED repeats a run.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "tests/unit/emulate_world.h"

enum { CONTEXT = 0x20000000, NATIVE = 0x20010000 };

struct registers {
    uint64_t gpr[X86_GPRS], rflags;
};
struct context {
    struct registers registers;
    uint64_t host_rsp;
    uint32_t host_mxcsr;
    _Alignas(64) uint8_t vectors[X86_XSAVE_BYTES];  // in the standard XSAVE layout
};
static struct context *const context = (struct context *)CONTEXT;

static uint64_t seed;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}
static bool chance(unsigned percent)
{
    return next_random() % 100 < percent;
}

static uint8_t *emit_absolute(uint8_t *at, uint8_t rex, uint8_t opcode, unsigned reg, uint32_t address)
{
    if (rex)
        *at++ = rex | (reg & 8 ? 4 : 0);
    *at++ = opcode;
    *at++ = (reg & 7) << 3 | 4;
    *at++ = 0x25;
    memcpy(at, &address, 4);
    return at + 4;
}

static uint8_t *emit_some(uint8_t *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

// XRSTOR64 (5) or XSAVE64 (4) of x87, SSE and AVX; and what must not stay for this program.
static uint8_t *emit_vectors(uint8_t *at, unsigned which)
{
    static const uint8_t mask[] = {0xb8, 7, 0, 0, 0, 0xba, 0, 0, 0, 0, 0x48, 0x0f};
    static const uint8_t initial[] = {0xdb, 0xe3, 0xc5, 0xfc, 0x77, 0x0f};  // fninit; vzeroall; ldmxcsr
    at = emit_some(at, mask, sizeof mask);
    at = emit_absolute(at, 0, 0xae, which, CONTEXT + offsetof(struct context, vectors));
    if (which == 5)
        return at;
    at = emit_some(at, initial, sizeof initial);
    return emit_absolute(at, 0, 0xae, 2, CONTEXT + offsetof(struct context, host_mxcsr));
}

static uint8_t *behind_instruction;

static void build(const uint8_t *bytes, size_t size)
{
    static const uint8_t enter[] = {0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57};
    static const uint8_t leave[] = {0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3};
    const uint32_t flags = CONTEXT + offsetof(struct context, registers.rflags);
    const uint32_t host_rsp = CONTEXT + offsetof(struct context, host_rsp);
    uint8_t *at = emit_some((uint8_t *)NATIVE, enter, sizeof enter);
    at = emit_absolute(at, 0x48, 0x89, X86_RSP, host_rsp);
    at = emit_vectors(at, 5);
    at = emit_absolute(at, 0, 0xff, 6, flags);
    *at++ = 0x9d;
    for (unsigned reg = 0; reg < X86_GPRS; reg++)
        at = emit_absolute(at, 0x48, 0x8b, reg, CONTEXT + 8 * reg);
    at = emit_some(at, bytes, size);
    behind_instruction = at;
    for (unsigned reg = 0; reg < X86_GPRS; reg++)
        at = emit_absolute(at, 0x48, 0x89, reg, CONTEXT + 8 * reg);
    at = emit_absolute(at, 0x48, 0x8b, X86_RSP, host_rsp);
    *at++ = 0x9c;
    at = emit_absolute(at, 0, 0x8f, 0, flags);
    at = emit_vectors(at, 4);
    emit_some(at, leave, sizeof leave);
}

static volatile int caught;        // the vector; -1: none
static struct jit_vcpu *emulated;  // whose emulator may run instructions on the host

// A fault ends the instruction: what is left of the trampoline, or of the emulator's function, runs.
static void on_signal(int number, siginfo_t *info, void *opaque)
{
    (void)info;
    greg_t *gregs = ((ucontext_t *)opaque)->uc_mcontext.gregs;
    uint64_t after = emulated ? vec_host_after_fault(emulated->vec_host, gregs[REG_RIP]) : 0;
    if (after) {
        gregs[REG_RAX] = VEC_HOST_RAISED | gregs[REG_TRAPNO];
        gregs[REG_RIP] = after;
        return;
    }
    if ((uint64_t)gregs[REG_RIP] - NATIVE >= PAGE_BYTES) {
        signal(number, SIG_DFL);  // this program's own
        return;
    }
    caught = gregs[REG_TRAPNO];
    gregs[REG_RIP] = (greg_t)(uintptr_t)behind_instruction;
    gregs[REG_RSP] = (greg_t)context->host_rsp;  // the guest's need not be canonical, and then faults again
}

// After cmocka has set its own handlers.
static void catch_signals(void)
{
    static uint8_t stack[64 << 10];
    static const int numbers[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS};
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    for (unsigned n = 0; n < ARRAY_SIZE(numbers); n++)
        sigaction(numbers[n], &action, NULL);
}

// A host that is a virtual machine itself raises #UD once in a million or so x87 instructions, and not
// when they are run again.
static int run_natively(const uint8_t *bytes, size_t size)
{
    struct context before = *context;
    build(bytes, size);
    for (unsigned tries = 0; tries < 2; tries++) {
        *context = before;
        caught = -1;
        ((void (*)(void))NATIVE)();
        if (caught != EX_UD)
            break;
    }
    return caught;
}

static bool native_prepare(void)
{
    const char *given = getenv("KONUK_SEED");
    seed = given ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap((void *)CONTEXT, sizeof *context, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ||
        mmap((void *)NATIVE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0) == MAP_FAILED) {
        perror("mmap");
        return false;
    }
    context->host_mxcsr = 0x1f80;
    return true;
}
