// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs fuzz_guest_code's programs without libFuzzer, on the engine as gcc builds it for the product:
// --seconds N [--seed N], or files with inputs. Children do the work, so that what ends one is told with the seed
// that did it, and kept in a file.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/guest_code.h"

enum { INPUT_MAX = 1024, INPUTS_A_CHILD = 5000, FAILURES_MAX = 10 };

// What a child is at; shared.
struct progress {
    uint64_t seed;
    size_t size_bytes;
    uint8_t input[INPUT_MAX];
};

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void work(struct progress *p, time_t end_s)
{
    for (unsigned n = 0; n < INPUTS_A_CHILD && now_s() < end_s; n++) {
        p->seed++;
        p->size_bytes = guest_code_generate(p->input, sizeof p->input, p->seed);
        LLVMFuzzerTestOneInput(p->input, p->size_bytes);
    }
    fflush(NULL);
    _exit(0);
}

static bool in_child(struct progress *p, time_t end_s)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        work(p, end_s);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The input is kept beside the program.
static void tell(const char *program, const struct progress *p)
{
    char name[4096];
    snprintf(name, sizeof name, "%s-%llu", program, (unsigned long long)p->seed);
    FILE *file = fopen(name, "wb");
    if (file) {
        fwrite(p->input, 1, p->size_bytes, file);
        fclose(file);
    }
    printf("seed %llu failed; its input is in %s\n", (unsigned long long)p->seed, name);
}

static int run_file(const char *name)
{
    uint8_t input[INPUT_MAX];
    FILE *file = fopen(name, "rb");
    if (!file) {
        perror(name);
        return 1;
    }
    size_t size_bytes = fread(input, 1, sizeof input, file);
    fclose(file);
    return LLVMFuzzerTestOneInput(input, size_bytes) < 0;
}

static int run_seeds(const char *program, uint64_t seed, unsigned seconds)
{
    struct progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    time_t end_s = now_s() + seconds;
    unsigned failed = 0;
    p->seed = seed;
    while (now_s() < end_s && failed < FAILURES_MAX)
        if (!in_child(p, end_s)) {
            tell(program, p);
            failed++;
        }
    uint64_t passed = p->seed - seed - failed;
    printf("%llu passed, %u failed\n", (unsigned long long)passed, failed);
    return failed != 0 || !passed;
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL) << 20;
    unsigned seconds = 10;
    int failed = 0, files = 0;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
            seconds = strtoul(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 0);
        else
            files++, failed |= run_file(argv[i]);
    return files ? failed : run_seeds(argv[0], seed, seconds);
}
