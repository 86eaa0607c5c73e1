// SPDX-License-Identifier: GPL-2.0-or-later
//
// rows SECONDS NAME                  does a row's work for that long and prints `row NAME RATE` (a second)
// rows SECONDS NAME -- COMMAND ...   the same with runs of a command, whose output is dropped
// rows SECONDS                       every row
// rows 0                             nothing, for the row that measures starting a program
#include "bench/rows/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t result;
static char **command;

void row_fail(const char *what)
{
    fprintf(stderr, "rows: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static void measure(const struct row *row, double seconds)
{
    uint64_t times = 1, done = 0;
    result += row->work(1);  // warm
    double begin = now_s(), spent;
    do {
        double before = now_s();
        result += row->work(times);
        done += times;
        spent = now_s() - begin;
        if (now_s() - before < seconds / 50)
            times *= 2;
    } while (spent < seconds);
    printf("row %s %.6g\n", row->name, done / spent);
    fflush(stdout);
}

static void run_command(void)
{
    int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    execvp(command[0], command);
    row_fail(command[0]);
}

static uint64_t commands(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            run_command();
        if (child < 0 || waitpid(child, &status, 0) < 0)
            row_fail("fork");
        if (status)
            exit(1);
    }
    return times;
}

static int measure_rows(double seconds, const char *name)
{
    const struct row *const groups[] = {integer_rows, float_rows, kernel_rows};
    int measured = 0;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        for (const struct row *row = groups[i]; row->name; row++)
            if (!name || !strcmp(name, row->name)) {
                measure(row, seconds);
                measured++;
            }
    return measured;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : -1;
    if (seconds == 0)
        return 0;
    if (!(seconds > 0)) {
        fprintf(stderr, "usage: rows SECONDS [NAME [-- COMMAND...]]\n");
        return 2;
    }
    if (argc > 4 && !strcmp(argv[3], "--")) {
        command = argv + 4;
        measure(&(struct row){argv[2], commands}, seconds);
        return 0;
    }
    if (!measure_rows(seconds, argv[2])) {
        fprintf(stderr, "rows: there is no row %s\n", argv[2]);
        return 2;
    }
    return 0;
}
