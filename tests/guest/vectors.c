// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs inside the guest of tests/guest/vectors, and on the host, where all of it must hold as well:
// vector instructions whose accesses fault in parts, exceptions of x87 and SSE as a program sees them,
// and registers that live through context switches. Prints what failed and exits with 1, or 0.
#include <immintrin.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16 };
static uint8_t *area;
static volatile int faults;
static bool failed;

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    printf("vectors: failed: %s\n", what);
    failed = true;
}

// A page that is touched comes into being, each of its words holding its number.
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    uint8_t *page = (uint8_t *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1));
    faults++;
    if (page < area || page >= area + PAGES * PAGE)
        _exit(2);
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < PAGE; i += 4)
        memcpy(page + i, &(uint32_t){(page - area) / PAGE + 1}, 4);
}

static void take_pages_away(void)
{
    faults = 0;
    mprotect(area, PAGES * PAGE, PROT_NONE);
}

static void gathers(void)
{
    uint32_t got[8];
    take_pages_away();
    __m256i index = _mm256_setr_epi32(0, 1024, 2 * 1024, 3 * 1024, 7 * 1024, 6 * 1024, 5 * 1024, 4 * 1024);
    __m256i mask = _mm256_setr_epi32(-1, -1, 0, -1, -1, -1, 0, -1);
    _mm256_storeu_si256((void *)got, _mm256_mask_i32gather_epi32(_mm256_set1_epi32(99), (void *)area, index, mask, 4));
    check(!memcmp(got, (const uint32_t[]){1, 2, 99, 4, 8, 7, 99, 5}, sizeof got), "a gather's elements");
    check(faults == 6, "a gather's faults");
}

static void masked_moves(void)
{
    uint32_t got[8];
    take_pages_away();
    void *edge = area + PAGE - 16;
    __m256i low = _mm256_setr_epi32(0, -1, -1, 0, 0, 0, 0, 0), all = _mm256_set1_epi32(-1);
    for (unsigned i = 0; i < 3; i++)
        _mm256_maskstore_epi32(edge, low, _mm256_setr_epi32(10, 11, 12, 13, 14, 15, 16, 17));
    check(faults == 1, "a masked store's faults");
    _mm256_storeu_si256((void *)got, _mm256_maskload_epi32(edge, low));
    check(!memcmp(got, (const uint32_t[8]){0, 11, 12}, sizeof got) && faults == 1, "a masked load");
    _mm256_maskstore_epi32(edge, all, _mm256_set1_epi32(7));
    check(faults == 2 && *(uint32_t *)(area + PAGE + 12) == 7 && *(uint32_t *)(area + PAGE + 16) == 2,
          "a masked store into the next page");
    _mm_maskmoveu_si128(_mm_set1_epi8(5), _mm_setr_epi8(0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1), (void *)area);
    check(area[0] == 1 && area[1] == 5 && area[14] == 0 && area[15] == 5, "a byte-masked store");
}

static sigjmp_buf out;
static volatile int code;

static void on_exception(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    code = info->si_code;
    siglongjmp(out, 1);
}

static void x87_exceptions(void)
{
    volatile uint16_t control = 0x37b;
    code = 0;
    if (!sigsetjmp(out, 1))
        __asm__ volatile("fninit\n\tfldcw %0\n\tfld1\n\tfldz\n\tfdivrp\n\tfwait" : : "m"(control));
    __asm__ volatile("fninit");
    check(code == FPE_FLTDIV, "an x87 exception");
}

static void sse_exceptions(void)
{
    unsigned before = _mm_getcsr();
    code = 0;
    if (!sigsetjmp(out, 1)) {
        _mm_setcsr(0x1f80 & ~0x80u);  // invalid operation
        __asm__ volatile("xorps %%xmm0, %%xmm0\n\tdivps %%xmm0, %%xmm0" : : : "xmm0");
    }
    _mm_setcsr(before);
    check(code == FPE_FLTINV, "an SSE exception");
}

static bool keeps_registers(uint64_t seed)
{
    uint64_t got[4];
    for (unsigned i = 0; i < 20000; i++) {
        __asm__ volatile("vmovq %1, %%xmm5\n\tvpbroadcastq %%xmm5, %%ymm5\n\tmovl $24, %%eax\n\tsyscall\n\t"  // sched_yield
                         "vmovdqu %%ymm5, %0" : "=m"(got) : "r"(seed + i) : "rax", "rcx", "r11", "xmm5", "memory");
        for (unsigned n = 0; n < 4; n++)
            if (got[n] != seed + i)
                return false;
    }
    return true;
}

static void context_switches(void)
{
    enum { PROCESSES = 4 };
    for (unsigned p = 1; p <= PROCESSES; p++)
        if (!fork())
            _exit(keeps_registers((uint64_t)p << 40) ? 0 : 1);
    for (unsigned p = 1; p <= PROCESSES; p++) {
        int status = 1;
        wait(&status);
        check(status == 0, "registers across context switches");
    }
}

int main(void)
{
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction exception = {.sa_sigaction = on_exception, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGFPE, &exception, NULL);
    area = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    gathers();
    masked_moves();
    x87_exceptions();
    sse_exceptions();
    context_switches();
    printf("vectors: %s\n", failed ? "wrong" : "right");
    return failed;
}
