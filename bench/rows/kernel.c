// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/rows/rows.h"

static uint64_t system_calls(uint64_t times)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < times * 64; i++)
        sum += syscall(SYS_getppid);
    return sum;
}

static void wait_for(pid_t child)
{
    if (child < 0 || waitpid(child, NULL, 0) < 0)
        row_fail("fork");
}

static uint64_t forks(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        wait_for(child);
    }
    return times;
}

static uint64_t execs(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        pid_t child;
        if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char *[]){"rows", "0", NULL}, NULL))
            row_fail("posix_spawn");
        wait_for(child);
    }
    return times;
}

static uint64_t page_faults(uint64_t times)
{
    enum { PAGE = 4096, PAGES = 64 };
    for (uint64_t i = 0; i < times; i++) {
        char *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            row_fail("mmap");
        for (unsigned n = 0; n < PAGES; n++)
            pages[n * PAGE] = 1;
        munmap(pages, PAGES * PAGE);
    }
    return times;
}

static uint64_t files(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        int fd = open("/dev/shm/row", O_CREAT | O_RDWR | O_TRUNC, 0600);
        if (fd < 0 || write(fd, "row", 3) != 3)
            row_fail("/dev/shm/row");
        close(fd);
        unlink("/dev/shm/row");
    }
    return times;
}

static void stay_on(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        row_fail("sched_setaffinity");
}

static void move(int from, int to, uint64_t times, bool first)
{
    char byte = 0;
    for (uint64_t i = 0; i < times; i++) {
        if (first && write(to, &byte, 1) != 1)
            row_fail("write");
        if (read(from, &byte, 1) != 1)
            row_fail("read");
        if (!first && write(to, &byte, 1) != 1)
            row_fail("write");
    }
}

static uint64_t pipe_between(uint64_t times, unsigned cpu, unsigned other_cpu)
{
    int there[2], back[2];
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    if (pipe(there) || pipe(back))
        row_fail("pipe");
    pid_t child = fork();
    if (child == 0) {
        stay_on(other_cpu);
        move(there[0], back[1], times, false);
        _exit(0);
    }
    stay_on(cpu);
    move(back[0], there[1], times, true);
    wait_for(child);
    sched_setaffinity(0, sizeof before, &before);
    for (unsigned i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
    return times;
}

static uint64_t switches(uint64_t times)
{
    return pipe_between(times, 0, 0);
}

static uint64_t ping_pong(uint64_t times)
{
    return pipe_between(times, 0, 1);
}

static struct { uint32_t turn; uint64_t times; } rally;

static void play(uint32_t mine)
{
    for (uint64_t i = 0; i < rally.times; i++) {
        uint32_t turn;
        while ((turn = __atomic_load_n(&rally.turn, __ATOMIC_SEQ_CST)) != mine)
            syscall(SYS_futex, &rally.turn, FUTEX_WAIT_PRIVATE, turn, NULL, NULL, 0);
        __atomic_store_n(&rally.turn, !mine, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &rally.turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void *other_player(void *unused)
{
    stay_on(1);
    play(1);
    return unused;
}

static uint64_t futexes(uint64_t times)
{
    pthread_t other;
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    rally.turn = 0;
    rally.times = times;
    if (pthread_create(&other, NULL, other_player, NULL))
        row_fail("pthread_create");
    stay_on(0);
    play(0);
    pthread_join(other, NULL);
    sched_setaffinity(0, sizeof before, &before);
    return times;
}

const struct row kernel_rows[] = {
    {"system-call", system_calls}, {"fork", forks}, {"exec", execs}, {"page-fault", page_faults},
    {"switch", switches}, {"file", files}, {"pipe-2-cpus", ping_pong}, {"futex-2-cpus", futexes}, {0},
};
