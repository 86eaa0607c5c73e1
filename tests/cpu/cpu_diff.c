// SPDX-License-Identifier: GPL-2.0-or-later
//
// Random instruction sequences on the host CPU and on the software engine; every register, flag and
// byte of memory must agree. A program that fails is made smaller and printed, with the seed that
// makes it again: cpu_diff --seed N --count 1.
#include <Zydis/Zydis.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/cpu/compare.h"
#include "tests/cpu/directed.h"
#include "tests/cpu/forms.h"
#include "tests/cpu/generate.h"
#include "tests/cpu/guest.h"
#include "tests/cpu/host.h"

struct options {
    uint64_t seed, count;
    unsigned seconds, failures_max, every;
    bool host_only, print, x87_pointers, undefined_flags, directed, forms;
    const char *only;  // of the directed cases or forms, those whose name has this
    struct guest_options guest;
};

// The two sides, and their last outcomes. With --mode host the second side is the host again.
struct bench {
    struct options options;
    struct comparison how;
    struct host *host;
    struct guest *guest;
    uint8_t image[IMAGE_BYTES];
    struct outcome expected, found;
    uint64_t ends[OUTCOME_DIED + 1];
    uint64_t excused;  // differed, or were not compared, for a reason that is known
};

// An endless loop ends somewhere; alignment is checked at level 3 only.
static bool comparable(const struct bench *b)
{
    return b->expected.vector != OUTCOME_TIMEOUT && !(b->options.guest.supervisor && b->expected.vector == EX_AC);
}

static bool alike(const struct bench *b) { return outcomes_equal(&b->expected, &b->found, &b->how); }

// A host that is a virtual machine itself does not always tell the same of rare exceptions. The
// engine's outcome stands if the host agrees on another try.
static bool host_wavers(struct bench *b, const struct program *program)
{
    enum { TRIES = 3 };
    for (unsigned i = 0; i < TRIES; i++) {
        host_run(b->host, program, b->image, &b->expected);
        if (alike(b)) {
            b->excused++;
            return true;
        }
    }
    return false;
}

// What the manual leaves undefined is mostly the same all the same, since it is the same CPU. Where it is
// not, the engine has code of its own; --undefined-flags shows that.
static bool undefined_flags_explain(struct bench *b, const struct program *program)
{
    bool consumed;
    if (b->options.undefined_flags)
        return false;
    b->how.undefined_flags = program_undefined_flags(program, b->image, b->expected.registers.rip, &consumed);
    b->excused += consumed;
    return consumed || alike(b);
}

static bool run_both(struct bench *b, struct program *program)
{
    b->how.undefined_flags = 0;
    program_image(program, b->image);
    host_run(b->host, program, b->image, &b->expected);
    if (!comparable(b)) {
        b->excused++;
        return true;
    }
    if (b->guest)
        guest_run(b->guest, program, b->image, &b->found);
    else
        host_run(b->host, program, b->image, &b->found);
    b->how.area_faulted = program_moves_area(b->image, b->expected.registers.rip);
    return alike(b) || undefined_flags_explain(b, program) || host_wavers(b, program);
}

// Drops what isn't needed to fail, until nothing more can go.
static void minimize(struct bench *b, struct program *program)
{
    bool smaller = true;
    while (smaller) {
        smaller = false;
        for (unsigned i = 0; i < program->count; i++) {
            if (program->instructions[i].dropped)
                continue;
            program->instructions[i].dropped = true;
            if (run_both(b, program))
                program->instructions[i].dropped = false;
            else
                smaller = true;
        }
    }
}

static void print_start(const struct program *program)
{
    static const char *const names[X86_GPRS] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    for (unsigned i = 0; i < X86_GPRS; i++)
        printf("%s%s=%" PRIx64, i % 4 ? "  " : "\n    ", names[i], program->start.gpr[i]);
    printf("  rflags=%" PRIx64 "\n", program->start.rflags);
}

static void print_failure(struct bench *b, const struct program *program)
{
    program_print(program, b->image);
    print_start(program);
    printf("  host ends with vector %u at %" PRIx64 "\n", b->expected.vector, b->expected.registers.rip);
    outcomes_print(&b->expected, &b->found, &b->how);
    fflush(stdout);
}

static void report(struct bench *b, struct program *program, uint64_t seed)
{
    struct outcome *first = malloc(2 * sizeof *first);
    first[0] = b->expected, first[1] = b->found;
    minimize(b, program);
    bool again = !run_both(b, program);
    printf("FAILED seed %" PRIu64 "%s\n", seed, again ? "" : " (not every time)");
    if (!again)
        b->expected = first[0], b->found = first[1];
    free(first);
    print_failure(b, program);
}

static bool run_and_count(struct bench *b, struct program *program)
{
    if (b->options.print) {
        program_image(program, b->image);
        program_print(program, b->image);
        print_start(program);
    }
    bool equal = run_both(b, program);
    b->ends[b->expected.vector <= OUTCOME_DIED ? b->expected.vector : OUTCOME_DIED]++;
    return equal;
}

static bool check_seed(struct bench *b, uint64_t seed)
{
    struct program program;
    generate(&program, seed, b->options.x87_pointers, b->options.guest.supervisor);
    bool equal = run_and_count(b, &program);
    if (!equal)
        report(b, &program, seed);
    return equal;
}

static bool check_variant(struct bench *b, const struct directed_case *c, unsigned variant)
{
    struct program program;
    directed_make(&program, c, variant);
    bool equal = run_and_count(b, &program);
    if (!equal) {
        printf("FAILED \"%s\", variant %u\n", c->name, variant);
        print_failure(b, &program);
    }
    return equal;
}

static void print_ends(const struct bench *b)
{
    printf("ended by vector:");
    for (unsigned v = 0; v <= OUTCOME_DIED; v++)
        if (b->ends[v])
            printf(" %u: %" PRIu64, v, b->ends[v]);
    printf("; excused: %" PRIu64 "\n", b->excused);
}

struct tally {
    uint64_t passed, failed;
};

// True if it was one failure too many.
static bool count_result(const struct bench *b, struct tally *t, bool equal)
{
    t->passed += equal;
    t->failed += !equal;
    return !equal && t->failed >= b->options.failures_max;
}

static void run_seeds(struct bench *b, struct tally *t)
{
    time_t end = b->options.seconds ? time(NULL) + b->options.seconds : 0;
    for (uint64_t i = 0; i < b->options.count && (!end || time(NULL) < end); i++)
        if (count_result(b, t, check_seed(b, b->options.seed + i)))
            return;
}

static void run_directed(struct bench *b, struct tally *t)
{
    for (const struct directed_case *c = directed_cases; c < directed_cases + directed_count; c++) {
        if (b->options.only && !strstr(c->name, b->options.only))
            continue;
        for (unsigned variant = 0; variant < directed_variants(c); variant += b->options.every)
            if (count_result(b, t, check_variant(b, c, variant)))
                return;
    }
}

static bool check_form(struct bench *b, const struct form *form, struct program *program, unsigned variant)
{
    bool equal = run_and_count(b, program);
    if (!equal) {
        printf("FAILED form %s, variant %u\n", ZydisMnemonicGetString(form->mnemonic), variant);
        print_failure(b, program);
    }
    return equal;
}

// One of so many cases, others for another seed. A form counts as executed if one of its cases came to the end.
static bool run_form(struct bench *b, struct tally *t, const struct form *form, uint64_t *number, bool *executed)
{
    for (unsigned variant = 0; variant < form_variants(form); variant++) {
        struct program program;
        if ((*number)++ % b->options.every != b->options.seed % b->options.every ||
            !form_make(&program, form, variant, b->options.seed))
            continue;
        if (count_result(b, t, check_form(b, form, &program, variant)))
            return true;
        *executed |= b->expected.vector == EX_BP;
    }
    return false;
}

static void run_forms(struct bench *b, struct tally *t)
{
    unsigned count, executed = 0;
    uint64_t number = 0;
    struct form *list = forms_find(&count);
    bool enough = false;
    for (const struct form *form = list; form < list + count && !enough; form++) {
        const char *name = ZydisMnemonicGetString(form->mnemonic);
        bool ran = false;
        if (b->options.only && strcmp(name, b->options.only))
            continue;
        enough = run_form(b, t, form, &number, &ran);
        executed += ran;
        if (!ran && b->options.every == 1)
            printf("never executed to the end: %s (%02x, map %u)\n", name, form->opcode, form->map);
    }
    printf("%u forms, %u of them executed to the end\n", count, executed);
    free(list);
}

static int run_all(struct bench *b)
{
    struct tally t = {0};
    if (b->options.forms)
        run_forms(b, &t);
    else if (b->options.directed)
        run_directed(b, &t);
    else
        run_seeds(b, &t);
    print_ends(b);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", t.passed, t.failed);
    return t.failed ? 1 : 0;
}

static const char usage[] =
    "Usage: cpu_diff [--seed N] [--count N] [--seconds N] [--mode translated|single|host]\n"
    "                [--supervisor] [--failures N] [--x87-pointers]\n"
    "                [--undefined-flags] [--print] [--directed | --forms] [--only NAME] [--every N]\n"
    "Compares random instruction sequences, or with --directed those of directed_cases.S, or with --forms\n"
    "every form of instruction with each kind of operand, on the host CPU and on the software engine.\n"
    "  --mode        translated: whole blocks, chained (the default); single: blocks of one\n"
    "                instruction; host: the host against itself, to test the test\n"
    "  --supervisor  run them at privilege level 0\n"
    "  --failures    stop after so many (10)\n"
    "  --x87-pointers  compare FIP, FDP and FOP, too\n"
    "  --undefined-flags  compare flags that the manual leaves undefined, too\n"
    "  --print       print each program before it runs\n"
    "  --only        of the directed cases, those whose name has this in it; the forms of this mnemonic\n"
    "  --every       of each directed case's variants, or of the forms' cases, one in so many (1); --seed\n"
    "                says which of the latter\n";

static void set_mode(struct options *o, const char *mode)
{
    o->host_only = !strcmp(mode, "host");
    o->guest.one_instruction_blocks = !strcmp(mode, "single");
    if (!o->host_only && !o->guest.one_instruction_blocks && strcmp(mode, "translated")) {
        fputs(usage, stderr);
        exit(2);
    }
}

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", 1, 0, 's'}, {"count", 1, 0, 'c'}, {"seconds", 1, 0, 't'}, {"mode", 1, 0, 'm'},
        {"supervisor", 0, 0, '0'}, {"failures", 1, 0, 'f'}, {"x87-pointers", 0, 0, 'x'},
        {"undefined-flags", 0, 0, 'u'}, {"print", 0, 0, 'p'}, {"directed", 0, 0, 'd'}, {"forms", 0, 0, 'F'}, {"only", 1, 0, 'o'},
        {"every", 1, 0, 'e'}, {0},
    };
    struct options o = {.seed = 1, .count = 2000, .failures_max = 10, .every = 1};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) >= 0;)
        switch (option) {
        case 's': o.seed = strtoull(optarg, NULL, 0); break;
        case 'c': o.count = strtoull(optarg, NULL, 0); break;
        case 't': o.seconds = strtoul(optarg, NULL, 0), o.count = UINT64_MAX; break;
        case 'm': set_mode(&o, optarg); break;
        case '0': o.guest.supervisor = true; break;
        case 'f': o.failures_max = strtoul(optarg, NULL, 0); break;
        case 'x': o.x87_pointers = true; break;
        case 'u': o.undefined_flags = true; break;
        case 'p': o.print = true; break;
        case 'd': o.directed = true; break;
        case 'F': o.forms = true; break;
        case 'o': o.only = optarg; break;
        case 'e': o.every = strtoul(optarg, NULL, 0); break;
        default: fputs(usage, stderr); exit(2);
        }
    return o;
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct err err = {0};
    b.options = parse(argc, argv);
    b.how = (struct comparison){
        .dead_flags_may_differ = !b.options.guest.one_instruction_blocks,
        .x87_pointers = b.options.x87_pointers,
        .user_bit_differs = b.options.guest.supervisor,
    };
    b.host = host_create();
    if (!b.host)
        return 2;
    if (!b.options.host_only && !(b.guest = guest_create(&b.options.guest, &err))) {
        fprintf(stderr, "cpu_diff: %s\n", err.text);
        return 2;
    }
    generator_prepare(b.options.host_only ? NULL : guest_support());
    int status = run_all(&b);
    if (b.guest)
        guest_destroy(b.guest);
    host_destroy(b.host);
    return status;
}
