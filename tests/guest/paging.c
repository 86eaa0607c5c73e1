// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs inside the guests of tests/guest/paging: what a program sees of protection keys and of addresses beyond
// 47 bits, where the kernel offers them. Prints what it found, and what failed; exits with 1 then.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, DENIES_ACCESS = 1, DENIES_WRITE = 2, BY_KEY = 4 };
static bool failed;
static volatile sig_atomic_t faults, fault_code;
static uint8_t *volatile opened_by_fault;

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    printf("paging: failed: %s\n", what);
    failed = true;
}

static uint32_t read_pkru(void)
{
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void write_pkru(uint32_t value)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(value), "c"(0), "d"(0) : "memory");
}

static void restrict_key(int key, unsigned bits)
{
    write_pkru((read_pkru() & ~(3u << 2 * key)) | bits << 2 * key);
}

static int set_key(void *page, int rights, int key) { return syscall(SYS_pkey_mprotect, page, PAGE, rights, key); }

// The page gets key 0, so that the access succeeds when it is tried again.
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    uint8_t *page = (uint8_t *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1));
    faults++;
    fault_code = info->si_code;
    if (page != opened_by_fault || set_key(page, PROT_READ | PROT_WRITE, 0))
        _exit(2);
}

static uint8_t *map(void *wish, int rights)
{
    uint8_t *page = mmap(wish, PAGE, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        perror("paging: mmap");
        exit(1);
    }
    return page;
}

static void faults_once(uint8_t *page, int key, unsigned bits, bool write)
{
    set_key(page, PROT_READ | PROT_WRITE, key);
    restrict_key(key, bits);
    uint32_t before = read_pkru();
    faults = fault_code = 0;
    opened_by_fault = page;
    if (write)
        *(volatile uint8_t *)page = 7;
    else
        (void)*(volatile uint8_t *)page;
    bool due = bits & DENIES_ACCESS || (write && bits & DENIES_WRITE);
    check(faults == due, "an access that a key forbids is one fault, another none");
    check(!due || fault_code == BY_KEY, "a fault by a key says so");
    check(read_pkru() == before, "PKRU comes back from a signal");
}

static void keys_forbid(int key)
{
    uint8_t *page = map(NULL, PROT_READ | PROT_WRITE);
    for (unsigned n = 0; n < 400; n++)
        faults_once(page, key, n & 3, n & 4);
    set_key(page, PROT_READ | PROT_WRITE, key);
    restrict_key(key, DENIES_ACCESS);
    int pipes[2];
    check(pipe(pipes) == 0 && write(pipes[1], page, 1) == -1 && errno == EFAULT, "the kernel obeys keys");
    restrict_key(key, 0);
    check(write(pipes[1], page, 1) == 1, "the kernel reads what is open");
}

static void keys_let_code_run(int key)
{
    uint8_t *page = map(NULL, PROT_READ | PROT_WRITE);
    memcpy(page, "\xb8\x2a\x00\x00\x00\xc3", 6);  // mov eax, 42; ret
    set_key(page, PROT_READ | PROT_EXEC, key);
    restrict_key(key, DENIES_ACCESS);
    check(((int (*)(void))(uintptr_t)page)() == 42, "keys do not concern code");
    restrict_key(key, 0);
}

// Each process has a PKRU of its own, whoever ran in between.
static void keys_belong_to_processes(int key)
{
    bool good = true;
    int status;
    for (unsigned bits = 0; bits < 4; bits++) {
        if (fork())
            continue;
        restrict_key(key, bits);
        uint32_t mine = read_pkru();
        for (unsigned n = 0; n < 2000; n++) {
            sched_yield();
            good = good && read_pkru() == mine;
        }
        _exit(!good);
    }
    for (unsigned n = 0; n < 4; n++)
        good = wait(&status) > 0 && status == 0 && good;
    check(good, "PKRU is a process' own");
}

static void try_keys(void)
{
    int key = syscall(SYS_pkey_alloc, 0, 0);
    check(key > 0, "there is a key to have");
    keys_forbid(key);
    keys_let_code_run(key);
    keys_belong_to_processes(key);
}

static void try_high_addresses(bool has_la57)
{
    uint8_t *wish = (uint8_t *)(UINT64_C(1) << 55), *page = map(wish, PROT_READ | PROT_WRITE | PROT_EXEC);
    check((page == wish) == has_la57, "addresses beyond 47 bits are there with la57 only");
    strcpy((char *)page, "\xb8\x2a\xc3");
    memcpy(page + 64, "\xb8\x2a\x00\x00\x00\xc3", 6);
    check(((int (*)(void))(uintptr_t)(page + 64))() == 42, "code runs there");
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        page[0] = 1;
        _exit(page[1] != 0x2a);
    }
    check(waitpid(child, &status, 0) == child && status == 0 && page[0] == 0xb8, "a fork's page is its own there");
    char name[64];
    snprintf(name, sizeof name, "%p", (void *)page);
    check(strtoull(name, NULL, 16) == (uintptr_t)page, "its address is printed whole");
}

static bool has_flag(const char *flag)
{
    static char text[16384];
    char word[32];
    if (!text[0]) {
        FILE *file = fopen("/proc/cpuinfo", "r");
        if (!file || fread(text, 1, sizeof text - 1, file) == 0)
            exit(1);
        fclose(file);
    }
    snprintf(word, sizeof word, " %s ", flag);
    return strstr(text, word);
}

int main(void)
{
    static const char *const flags[] = {"la57", "pku", "ospke", "pcid", "invpcid", "pdpe1gb", "smep", "smap", "umip"};
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    if (has_flag("ospke"))
        try_keys();
    try_high_addresses(has_flag("la57"));
    printf("paging: %s:", failed ? "wrong" : "right");
    for (unsigned n = 0; n < sizeof flags / sizeof flags[0]; n++)
        if (has_flag(flags[n]))
            printf(" %s", flags[n]);
    printf(" .\n");
    return failed;
}
