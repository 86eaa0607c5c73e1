// SPDX-License-Identifier: GPL-2.0-or-later
//
// An interrupt after exactly k instructions, for every k. Each program runs in the optimized mode and in that
// of one instruction a block; both must take the same number of instructions, the interrupt must find the same
// registers and memory at the same place, and what comes of the program must be what comes of it without
// an interrupt. Flags that nobody will read may differ where the optimized mode is interrupted (the engine's README);
// those that somebody reads show in what comes of it.
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/cpu/compare.h"
#include "tests/cpu/directed.h"
#include "tests/cpu/generate.h"
#include "tests/cpu/guest.h"

extern const struct directed_case inject_cases[];
extern const unsigned inject_count;

enum { PLACES_MAX = 300 };  // of one program; of a longer one not every k is tried

struct options {
    uint64_t seed, count;
    unsigned seconds, failures_max;
    bool supervisor, directed, random;
};

// A run of one mode.
struct side {
    struct guest *guest;
    struct outcome end;
    struct interruption interruption;
    uint64_t executed;
};

static struct bench {
    struct options options;
    struct side fast, one;
    struct outcome undisturbed;
    uint64_t length;  // in instructions
    uint8_t image[IMAGE_BYTES];
    uint64_t places, interrupted, passed, failed;
} b;

static void run(struct side *s, const struct program *program, uint64_t after)
{
    s->interruption.after = after;
    guest_run_interrupted(s->guest, program, b.image, &s->end, &s->interruption);
    s->executed = guest_executed(s->guest) - (s->interruption.came ? HANDLER_INSTRUCTIONS : 0);
}

// What was wrong, with what was expected and what was found; false.
static bool say(const char *what, uint64_t after, const struct outcome *expected, const struct outcome *found,
                const struct comparison *how)
{
    printf("    interrupt after %" PRIu64 ": %s\n", after, what);
    if (expected)
        outcomes_print(expected, found, how);
    return false;
}

static bool check_place(const struct program *program, uint64_t after)
{
    static const struct comparison how = {.dead_flags_may_differ = true, .x87_pointers = true};
    const struct side *fast = &b.fast, *one = &b.one;
    run(&b.fast, program, after);
    run(&b.one, program, after);
    b.places++;
    b.interrupted += fast->interruption.came;
    if (fast->interruption.came != one->interruption.came)
        return say(one->interruption.came ? "none came" : "one came", after, NULL, NULL, NULL);
    if (fast->interruption.came && !outcomes_equal(&one->interruption.at, &fast->interruption.at, &how))
        return say("it finds another state", after, &one->interruption.at, &fast->interruption.at, &how);
    if (fast->executed != b.length || one->executed != b.length) {
        printf("    (%" PRIu64 " and %" PRIu64 " instructions, not %" PRIu64 ")\n", one->executed, fast->executed, b.length);
        return say("another number of instructions", after, NULL, NULL, NULL);
    }
    if (!outcomes_equal(&b.undisturbed, &fast->end, &how))
        return say("another end", after, &b.undisturbed, &fast->end, &how);
    return outcomes_equal(&b.undisturbed, &one->end, &how) ||
           say("another end, one by one", after, &b.undisturbed, &one->end, &how);
}

static bool check_all_places(const struct program *program)
{
    uint64_t step = b.length / PLACES_MAX + 1;
    for (uint64_t after = 0; after < b.length; after += after < PLACES_MAX / 2 ? 1 : step)
        if (!check_place(program, after))
            return false;
    return true;
}

// Endless loops are no use here.
static bool check(struct program *program)
{
    static const struct comparison how = {.dead_flags_may_differ = true, .x87_pointers = true};
    program_image(program, b.image);
    run(&b.fast, program, NEVER_INTERRUPTED);
    run(&b.one, program, NEVER_INTERRUPTED);
    if (b.fast.end.vector == OUTCOME_TIMEOUT && b.one.end.vector == OUTCOME_TIMEOUT)
        return true;
    b.undisturbed = b.one.end;
    b.length = b.one.executed;
    if (b.fast.executed != b.length || !outcomes_equal(&b.one.end, &b.fast.end, &how)) {
        printf("    (%" PRIu64 " instructions one by one, %" PRIu64 " in blocks)\n", b.length, b.fast.executed);
        return say("the modes differ", NEVER_INTERRUPTED, &b.one.end, &b.fast.end, &how);
    }
    return check_all_places(program);
}

// True: that was one failure too many.
static bool count(struct program *program, const char *name, uint64_t number)
{
    bool good = check(program);
    b.passed += good;
    b.failed += !good;
    if (!good) {
        printf("FAILED %s %" PRIu64 "\n", name, number);
        program_print(program, b.image);
        fflush(stdout);
    }
    return b.failed >= b.options.failures_max;
}

static void run_directed(const struct directed_case *cases, unsigned number)
{
    struct program program;
    for (const struct directed_case *c = cases; c < cases + number; c++) {
        if (!b.options.supervisor && !strncmp(c->name, "kernel", 6))
            continue;
        directed_make(&program, c, 0);
        if (count(&program, c->name, 0))
            return;
    }
}

static void run_random(void)
{
    struct program program;
    time_t end = b.options.seconds ? time(NULL) + b.options.seconds : 0;
    for (uint64_t i = 0; i < b.options.count && (!end || time(NULL) < end); i++) {
        generate(&program, b.options.seed + i, false, b.options.supervisor);
        if (count(&program, "seed", b.options.seed + i))
            return;
    }
}

static const char usage[] =
    "Usage: inject [--seed N] [--count N] [--seconds N] [--supervisor] [--failures N] [--directed | --random]\n"
    "Interrupts programs after each number of instructions, in both modes of the software engine.\n"
    "  --seed, --count, --seconds  which random programs, and how many\n"
    "  --supervisor  run them at privilege level 0\n"
    "  --failures    stop after so many (10)\n"
    "  --directed, --random  only those of inject_cases.S and directed_cases.S, or only random ones\n";

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", 1, 0, 's'}, {"count", 1, 0, 'c'}, {"seconds", 1, 0, 't'}, {"supervisor", 0, 0, '0'},
        {"failures", 1, 0, 'f'}, {"directed", 0, 0, 'd'}, {"random", 0, 0, 'r'}, {0},
    };
    struct options o = {.seed = 1, .count = 200, .failures_max = 10, .directed = true, .random = true};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) >= 0;)
        switch (option) {
        case 's': o.seed = strtoull(optarg, NULL, 0); break;
        case 'c': o.count = strtoull(optarg, NULL, 0); break;
        case 't': o.seconds = strtoul(optarg, NULL, 0), o.count = UINT64_MAX; break;
        case '0': o.supervisor = true; break;
        case 'f': o.failures_max = strtoul(optarg, NULL, 0); break;
        case 'd': o.random = false; break;
        case 'r': o.directed = false; break;
        default: fputs(usage, stderr); exit(2);
        }
    return o;
}

static struct guest *create(bool one)
{
    struct err err = {0};
    struct guest_options options = {.one_instruction_blocks = one, .supervisor = b.options.supervisor, .counted = true};
    struct guest *guest = guest_create(&options, &err);
    if (guest)
        return guest;
    fprintf(stderr, "inject: %s\n", err.text);
    exit(2);
}

int main(int argc, char **argv)
{
    b.options = parse(argc, argv);
    b.fast.guest = create(false);
    b.one.guest = create(true);
    generator_prepare(guest_support());
    if (b.options.directed) {
        run_directed(inject_cases, inject_count);
        run_directed(directed_cases, directed_count);
    }
    if (b.options.random)
        run_random();
    guest_destroy(b.fast.guest);
    guest_destroy(b.one.guest);
    printf("%" PRIu64 " interrupts at %" PRIu64 " places\n", b.interrupted, b.places);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", b.passed, b.failed);
    return b.failed ? 1 : 0;
}
