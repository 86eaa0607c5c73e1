// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/cpu/host.h"

#include <asm/prctl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

// What parent and child share, behind the image in one memfd.
struct exchange {
    struct registers start, end;
    uint32_t vector, error_code;
    uint64_t cr2;
};

struct host {
    int fd, to_child, from_child;
    pid_t child;
    uint8_t *image;
    struct exchange *exchange;
};

enum { EXCHANGE_AT = IMAGE_BYTES, SHARED_BYTES = IMAGE_BYTES + 8192, TIMEOUT_MS = 300 };

// The kernel's frame: its software bytes end the legacy area (Linux: asm/sigcontext.h).
enum { SOFTWARE_AT = 464, SOFTWARE_BYTES = 48 };

static struct exchange *shared;  // in the child
static ucontext_t home;
static uint8_t home_xsave[XSAVE_USED_BYTES];

static const int register_slots[X86_GPRS] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

// All but the kernel's own bytes.
static void copy_xsave(uint8_t *to, const uint8_t *from)
{
    memcpy(to, from, SOFTWARE_AT);
    memcpy(to + XSAVE_HEADER_AT, from + XSAVE_HEADER_AT, XSAVE_USED_BYTES - XSAVE_HEADER_AT);
}

static void load_registers(ucontext_t *c, const struct registers *r)
{
    for (unsigned i = 0; i < X86_GPRS; i++)
        c->uc_mcontext.gregs[register_slots[i]] = r->gpr[i];
    c->uc_mcontext.gregs[REG_RIP] = r->rip;
    c->uc_mcontext.gregs[REG_EFL] = r->rflags;
    copy_xsave((uint8_t *)c->uc_mcontext.fpregs, r->xsave);
}

static void store_registers(const ucontext_t *c, struct registers *r)
{
    for (unsigned i = 0; i < X86_GPRS; i++)
        r->gpr[i] = c->uc_mcontext.gregs[register_slots[i]];
    r->rip = c->uc_mcontext.gregs[REG_RIP];
    r->rflags = c->uc_mcontext.gregs[REG_EFL];
    copy_xsave(r->xsave, (const uint8_t *)c->uc_mcontext.fpregs);
}

// The program's AC stays set in a signal handler, and C code is not ready for that; ID and NT would be
// handed on to the next program, since sigreturn does not change them.
static void clear_flags(void)
{
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~(uint64_t)(FL_AC | FL_ID | FL_NT));
}

static void go_home(ucontext_t *c)
{
    struct _libc_fpstate *frame = c->uc_mcontext.fpregs;
    c->uc_mcontext = home.uc_mcontext;
    c->uc_mcontext.fpregs = frame;
    copy_xsave((uint8_t *)frame, home_xsave);
}

static void leave_for_program(int signal, siginfo_t *info, void *opaque)
{
    (void)signal, (void)info;
    ucontext_t *c = opaque;
    home = *c;
    copy_xsave(home_xsave, (const uint8_t *)c->uc_mcontext.fpregs);
    load_registers(c, &shared->start);
}

static void program_ended(int signal, siginfo_t *info, void *opaque)
{
    (void)info;
    clear_flags();
    ucontext_t *c = opaque;
    store_registers(c, &shared->end);
    shared->vector = signal == SIGALRM ? OUTCOME_TIMEOUT : c->uc_mcontext.gregs[REG_TRAPNO];
    shared->error_code = c->uc_mcontext.gregs[REG_ERR];
    shared->cr2 = c->uc_mcontext.gregs[REG_CR2];
    go_home(c);
}

static bool map_windows(int fd)
{
    uint64_t at = 0;
    for (unsigned i = 0; i < WINDOWS; i++) {
        const struct window *w = &windows[i];
        int protection = PROT_READ | (w->writable ? PROT_WRITE : 0) | (w->executable ? PROT_EXEC : 0);
        void *want = (void *)w->address;
        if (mmap(want, w->pages * PROGRAM_PAGE, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, at) != want)
            return false;
        at += w->pages * PROGRAM_PAGE;
    }
    void *alias = (void *)ALIAS_ADDRESS;
    return mmap(alias, CODE_PAGES * PROGRAM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) ==
           alias;
}

// The kernel maps a page when it is first used, and a fault's code tells whether it has: so all are.
static void touch_windows(void)
{
    for (unsigned i = 0; i < WINDOWS; i++)
        for (unsigned page = 0; page < windows[i].pages; page++)
            (void)*(const volatile uint8_t *)(windows[i].address + page * PROGRAM_PAGE);
    for (unsigned page = 0; page < CODE_PAGES; page++)
        (void)*(const volatile uint8_t *)(ALIAS_ADDRESS + page * PROGRAM_PAGE);
}

static void catch_signals(void)
{
    static uint8_t stack[64 << 10];
    static const int ends[] = {SIGSEGV, SIGTRAP, SIGILL, SIGFPE, SIGBUS, SIGALRM};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = program_ended, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        sigaction(ends[i], &action, NULL);
    action.sa_sigaction = leave_for_program;
    sigaction(SIGUSR1, &action, NULL);
}

static void set_alarm(unsigned ms)
{
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = ms * 1000}, NULL);
}

static void serve(struct host *h, int requests, int replies)
{
    shared = h->exchange;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    catch_signals();
    if (!map_windows(h->fd) || syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE))
        _exit(1);
    for (char byte; read(requests, &byte, 1) == 1;) {
        touch_windows();
        set_alarm(TIMEOUT_MS);
        clear_flags();
        raise(SIGUSR1);
        set_alarm(0);
        if (write(replies, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

static bool start_child(struct host *h)
{
    int requests[2], replies[2];
    if (pipe(requests) || pipe(replies))
        return false;
    fflush(NULL);
    h->child = fork();
    if (h->child == 0) {
        close(requests[1]);
        close(replies[0]);
        serve(h, requests[0], replies[1]);
    }
    close(requests[0]);
    close(replies[1]);
    h->to_child = requests[1];
    h->from_child = replies[0];
    return h->child > 0;
}

static void stop_child(struct host *h)
{
    kill(h->child, SIGKILL);
    waitpid(h->child, NULL, 0);
    close(h->to_child);
    close(h->from_child);
}

struct host *host_create(void)
{
    struct host *h = calloc(1, sizeof *h);
    h->fd = memfd_create("program", MFD_CLOEXEC);
    if (h->fd < 0 || ftruncate(h->fd, SHARED_BYTES) < 0)
        goto failed;
    h->image = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
    if (h->image == MAP_FAILED)
        goto failed;
    h->exchange = (struct exchange *)(h->image + EXCHANGE_AT);
    signal(SIGPIPE, SIG_IGN);
    if (start_child(h))
        return h;
failed:
    perror("host CPU");
    free(h);
    return NULL;
}

void host_destroy(struct host *host)
{
    stop_child(host);
    munmap(host->image, SHARED_BYTES);
    close(host->fd);
    free(host);
}

static bool ask_child(struct host *h)
{
    char byte = 0;
    struct pollfd reply = {.fd = h->from_child, .events = POLLIN};
    return write(h->to_child, &byte, 1) == 1 && poll(&reply, 1, 10 * TIMEOUT_MS) == 1 &&
           read(h->from_child, &byte, 1) == 1;
}

void host_run(struct host *host, const struct program *program, const uint8_t image[IMAGE_BYTES],
              struct outcome *outcome)
{
    memcpy(host->image, image, IMAGE_BYTES);
    host->exchange->start = program->start;
    *outcome = (struct outcome){.vector = OUTCOME_DIED};
    if (!ask_child(host)) {
        stop_child(host);
        start_child(host);
        return;
    }
    const struct exchange *x = host->exchange;
    outcome->vector = x->vector;
    outcome->error_code = x->error_code;
    outcome->cr2 = x->vector == EX_PF ? x->cr2 : 0;
    outcome->registers = x->end;
    memcpy(outcome->image, host->image, IMAGE_BYTES);
}
