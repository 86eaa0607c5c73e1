// SPDX-License-Identifier: GPL-2.0-or-later
//
// Exceptions that the host CPU raises on a guest's instruction: #DE, #UD, #GP (alignment of vector
// operands, MXCSR), #MF and #XM. The kernel hands them over as signals; the handler saves the guest's
// registers and lets the thread return to the run loop. The vector registers are the signal frame's
// and come back with it.
#include <asm/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest/cpu/jit/code.h"
#include "guest/cpu/jit/emu_vec_host.h"

static __thread struct jit_vcpu *current;

static const uint8_t greg_of[X86_GPRS] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static const struct fault_site *find_site(const struct code *c, uint64_t pc)
{
    uint64_t offset = pc - (uint64_t)c->executable;
    if (offset >= c->size_bytes)
        return NULL;
    const struct site_list *list = offset < c->size_bytes / 2 ? &c->hot_sites : &c->cold_sites;
    uint32_t low = 0, high = atomic_load_explicit(&list->count, memory_order_acquire);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (list->site[middle].host <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || offset - list->site[low - 1].host > 2 * INSN_BYTES_MAX)
        return NULL;
    return &list->site[low - 1];
}

static void save_registers(struct jit_vcpu *v, const struct fault_site *site, const greg_t *gregs)
{
    const struct regmap *m = regmap(site->map);
    for (unsigned r = 0; r < X86_GPRS; r++)
        if (r == X86_RSP)
            v->state.gpr[r] = gregs[greg_of[m->home]];
        else if (!regmap_is_free(m, r))
            v->state.gpr[r] = gregs[greg_of[r]];
    uint64_t f = gregs[REG_EFL];
    if (site->flags_in_host)
        v->flags = (f & (FL_SF | FL_ZF | FL_AF | FL_PF | FL_CF)) << 8 | (f & FL_OF ? 1 : 0);
}

// The emulator runs the instruction; it raises.
static void leave_emulated(greg_t *gregs, uint64_t after, unsigned vector)
{
    gregs[REG_RAX] = VEC_HOST_RAISED | vector;
    gregs[REG_RIP] = after;
}

static void leave_translated(struct jit_vcpu *v, const struct fault_site *site, greg_t *gregs, unsigned vector)
{
    save_registers(v, site, gregs);
    v->site = site->site;
    v->host_fault = vector;
    v->exit_kind = JIT_EXIT_HOST_FAULT;
    gregs[REG_RSP] = v->host_rsp;
    gregs[REG_RIP] = (uint64_t)code_executable(v->jit->code, v->jit->code->leave);
}

static void give_up(int signal)
{
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    sigaction(signal, &fallback, NULL);  // the instruction runs again, and ends the process
}

// A host that is a virtual machine itself raises #UD once in a million or so x87 instructions, and not
// when they are run again.
static bool may_be_spurious(struct jit_vcpu *v, unsigned vector, uint64_t pc)
{
    bool first = vector == EX_UD && v->undefined_at != pc;
    v->undefined_at = first ? pc : 0;
    return first;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)info;
    greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct jit_vcpu *v = current;
    const struct fault_site *site = v ? find_site(v->jit->code, gregs[REG_RIP]) : NULL;
    uint64_t emulated = v ? vec_host_after_fault(v->vec_host, gregs[REG_RIP]) : 0;
    unsigned vector = gregs[REG_TRAPNO];
    bool possible = vector == EX_DE || vector == EX_UD || vector == EX_GP || vector == EX_MF || vector == EX_XM;
    if ((!site && !emulated) || !possible) {
        give_up(signal);
        return;
    }
    if (may_be_spurious(v, vector, gregs[REG_RIP]))
        return;
    if (emulated)
        leave_emulated(gregs, emulated, vector);
    else
        leave_translated(v, site, gregs, vector);
    gregs[REG_EFL] &= ~(greg_t)(FL_DF | FL_AC | FL_TF);
}

void jit_signals_install(void)
{
    static const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

// The stack that a thread had before, which is its own again at its end: ours goes with the thread's
// storage, and a sanitizer frees what it finds there.
static __thread stack_t stack_before;
static pthread_key_t thread_end;

static void give_back_stack(void *unused)
{
    (void)unused;
    sigaltstack(&stack_before, NULL);
}

static void make_thread_end(void)
{
    if (pthread_key_create(&thread_end, give_back_stack))
        abort();
}

static bool take_stack(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static __thread _Alignas(16) uint8_t stack[64 << 10];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    pthread_once(&once, make_thread_end);
    if (pthread_getspecific(thread_end))
        return true;
    return sigaltstack(&alternate, &stack_before) == 0 && pthread_setspecific(thread_end, stack) == 0;
}

bool jit_thread_prepare(struct jit_vcpu *v)
{
    if (!take_stack() || syscall(SYS_arch_prctl, ARCH_SET_GS, v) < 0)
        return false;
    current = v;
    v->thread_ready = true;
    return true;
}
