// SPDX-License-Identifier: GPL-2.0-or-later
//
// One boot on two machines at once, in the optimized mode and in that of one instruction a block, both counting
// instructions. At equal guest times both stand still and their vCPUs and all of their RAM are compared. At a
// difference the boot is repeated with a finer grid between the last agreement and it, until a few instructions
// are left, and those are printed.
//
// Flags that nobody will read differ where the optimized mode is interrupted (the engine's README), and with
// them what is pushed. So words of RAM may differ in just those bits; they are counted.
#include <Zydis/Zydis.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "base/loop.h"
#include "guest/cpu/jit/engine.h"
#include "guest/cpu/x86/paging.h"
#include "guest/machine/q35.h"
#include "tests/cpu/compare.h"

enum { END_WITHIN_S = 10, FINER = 64, FINEST_NS = 64, TEXT_BYTES = 1 << 20, TRACED_MAX = 4 * FINEST_NS };

static struct options {
    const char *kernel, *initrd, *append;
    uint64_t ram_bytes, step_ns, limit_ns;
    unsigned ram_every, seconds;
    bool print;
} options = {.append = "console=ttyS0", .ram_bytes = 128 << 20, .step_ns = 1000000, .limit_ns = UINT64_MAX,
             .ram_every = 100, .seconds = UINT32_MAX};

struct side {
    const char *name;
    bool one;
    struct x86_model model;
    struct boot *boot;
    struct q35 *machine;
    struct x86_state *state;
    struct chr chr;
    char text[TEXT_BYTES];
    size_t text_bytes;
    struct clock_timer sample, trace;
    struct vm_listener listener;
    uint64_t at_ns;
    bool waits, ended;
};

// Both sides at one place. Everything but side[]'s own is under the lock.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t met;
    struct side side[2];
    uint64_t meetings, good_ns, bad_ns;  // all agreed, RAM too; something did not
    uint64_t fine_from_ns, fine_to_ns, fine_ns;
    uint64_t flag_words;                 // that differed in dead flags only, at the last comparison
    bool stop, differs, tracing;
    time_t end;
} both = {.lock = PTHREAD_MUTEX_INITIALIZER, .met = PTHREAD_COND_INITIALIZER,
          .side = {{.name = "optimized"}, {.name = "one by one", .one = true}}};

// --- comparing ----------------------------------------------------------------------------------

#define FIELD(member) {#member, offsetof(struct x86_state, member), sizeof(((struct x86_state *)0)->member)}
static const struct { const char *name; size_t at, size_bytes; } fields[] = {
    FIELD(gpr), FIELD(rip), FIELD(seg), FIELD(ldtr), FIELD(tr), FIELD(gdtr), FIELD(idtr), FIELD(cr0), FIELD(cr2),
    FIELD(cr3), FIELD(cr4), FIELD(dr), FIELD(dr6), FIELD(dr7), FIELD(efer), FIELD(xcr0), FIELD(xss), FIELD(pkru),
    FIELD(cpl), FIELD(star), FIELD(lstar), FIELD(cstar), FIELD(sfmask), FIELD(kernel_gs_base), FIELD(sysenter_cs),
    FIELD(sysenter_esp), FIELD(sysenter_eip), FIELD(pat), FIELD(misc_enable), FIELD(mtrr_def_type),
    FIELD(mtrr_fixed), FIELD(mtrr_base), FIELD(mtrr_mask), FIELD(tsc_aux), FIELD(tsc_adjust), FIELD(tsc_offset),
    FIELD(run_state), FIELD(sti_shadow), FIELD(mov_ss_shadow), FIELD(nmi_blocked), FIELD(nmi_pending), FIELD(apic),
};

static void say_field(const char *name, const uint8_t *a, const uint8_t *b, size_t size_bytes)
{
    size_t step = size_bytes < 8 ? size_bytes : 8;
    for (size_t i = 0; i < size_bytes; i += step) {
        uint64_t x = 0, y = 0;
        memcpy(&x, a + i, step);
        memcpy(&y, b + i, step);
        if (x != y)
            printf("    %s+%zu: %s %" PRIx64 ", %s %" PRIx64 "\n", name, i, both.side[0].name, x, both.side[1].name, y);
    }
}

static bool same(const char *name, const void *a, const void *b, size_t size_bytes)
{
    if (!memcmp(a, b, size_bytes))
        return true;
    say_field(name, a, b, size_bytes);
    return false;
}

static bool same_vectors(const struct x86_state *a, const struct x86_state *b)
{
    uint8_t x[XSAVE_USED_BYTES], y[XSAVE_USED_BYTES];
    expand_xsave(a->xsave, x);
    expand_xsave(b->xsave, y);
    memset(x + XSAVE_HEADER_AT, 0, XSAVE_YMM_AT - XSAVE_HEADER_AT);
    memset(y + XSAVE_HEADER_AT, 0, XSAVE_YMM_AT - XSAVE_HEADER_AT);
    return same("xsave", x, y, sizeof x);
}

static bool same_state(const struct x86_state *a, const struct x86_state *b)
{
    bool good = same_vectors(a, b);
    uint64_t x = a->rflags & ~(uint64_t)FL_ARITH, y = b->rflags & ~(uint64_t)FL_ARITH;
    good &= same("rflags", &x, &y, sizeof x);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        good &= same(fields[i].name, (const uint8_t *)a + fields[i].at, (const uint8_t *)b + fields[i].at,
                     fields[i].size_bytes);
    return good;
}

static const struct ram *ram_of(const struct side *s) { return q35_vm(s->machine)->engine->config.ram; }

// Words that differ otherwise than RFLAGS may.
static unsigned differences_in_page(uint64_t gpa, const uint64_t *a, const uint64_t *b)
{
    unsigned differ = 0;
    for (size_t i = 0; i < PAGE_BYTES / sizeof *a; i++) {
        if (a[i] == b[i])
            continue;
        bool flags = !((a[i] ^ b[i]) & ~(uint64_t)FL_ARITH);
        both.flag_words += flags;
        if (!flags && differ++ < 8)
            printf("    [%" PRIx64 "]: %s %" PRIx64 ", %s %" PRIx64 "\n", gpa + 8 * i, both.side[0].name, a[i],
                   both.side[1].name, b[i]);
    }
    return differ;
}

static bool same_ram(void)
{
    const struct ram *a = ram_of(&both.side[0]), *b = ram_of(&both.side[1]);
    unsigned pages = 0;
    both.flag_words = 0;
    for (uint64_t at = 0; at < a->size_bytes && pages < 8; at += PAGE_BYTES)
        if (memcmp(a->host + at, b->host + at, PAGE_BYTES))
            pages += differences_in_page(at, (const uint64_t *)(a->host + at), (const uint64_t *)(b->host + at)) > 0;
    return pages == 0;
}

static bool same_text(void)
{
    const struct side *a = &both.side[0], *b = &both.side[1];
    if (a->text_bytes == b->text_bytes && !memcmp(a->text, b->text, a->text_bytes))
        return true;
    printf("    the consoles differ: %zu and %zu bytes\n", a->text_bytes, b->text_bytes);
    return false;
}

// --- meeting ------------------------------------------------------------------------------------

static bool is_fine(uint64_t at_ns)
{
    return both.fine_ns && at_ns >= both.fine_from_ns && at_ns < both.fine_to_ns;
}

static uint64_t next_ns(uint64_t at_ns)
{
    uint64_t next = at_ns + (is_fine(at_ns) ? both.fine_ns : options.step_ns);
    bool begins = both.fine_ns && at_ns < both.fine_from_ns && next > both.fine_from_ns;
    return begins ? both.fine_from_ns : next;
}

// Both stand here, the lock is held.
static void compare_both(uint64_t at_ns)
{
    bool all = is_fine(at_ns) || both.meetings % options.ram_every == 0;
    both.meetings++;
    if (both.fine_ns && at_ns <= both.fine_from_ns)
        return;  // they agreed up to here last time
    bool good = same_state(both.side[0].state, both.side[1].state) & (!all || (same_ram() & same_text()));
    if (!good) {
        both.differs = both.stop = true;
        both.bad_ns = at_ns;
    } else if (all) {
        both.good_ns = at_ns;
    }
    both.stop |= at_ns >= options.limit_ns || time(NULL) >= both.end;
}

static void wait_for_other(const struct side *other)
{
    uint64_t meeting = both.meetings;
    mem_thread_offline();
    while (both.meetings == meeting && !other->ended && !both.stop)
        pthread_cond_wait(&both.met, &both.lock);
    mem_thread_online();
}

// A guest that switches off goes on until the machine's thread has heard of it: this one, too, then.
static void wait_for_end(const struct side *s)
{
    struct timespec until = {.tv_sec = time(NULL) + END_WITHIN_S};
    int late = 0;
    mem_thread_offline();
    while (!s->ended && !late)
        late = pthread_cond_timedwait(&both.met, &both.lock, &until);
    mem_thread_online();
}

static void meet(struct side *s, struct side *other)
{
    s->waits = true;
    if (other->waits) {
        compare_both(s->at_ns);
        s->waits = other->waits = false;
        pthread_cond_broadcast(&both.met);
    } else {
        wait_for_other(other);
    }
    if (s->waits && other->ended && !both.stop)
        wait_for_end(s);
    if (s->waits && other->ended && !both.stop && !s->ended) {
        printf("    %s has ended, %s has not\n", other->name, s->name);
        both.differs = both.stop = true;
        both.bad_ns = s->at_ns;
    }
}

static void on_sample(struct clock_timer *timer)
{
    struct side *s = container_of(timer, struct side, sample);
    pthread_mutex_lock(&both.lock);
    meet(s, &both.side[!s->one]);
    bool stop = both.stop;
    s->at_ns = next_ns(s->at_ns);
    pthread_mutex_unlock(&both.lock);
    if (stop)
        loop_stop();
    else
        clock_timer_arm(&s->sample, s->at_ns);
}

// --- what was executed between -------------------------------------------------------------------

static bool read_byte(struct side *s, uint64_t at, uint8_t *byte)
{
    struct x86_page page;
    uint32_t code;
    if (x86_walk(s->state, q35_memory(s->machine), GVA(at), X86_QUIET, &page, &code) < 0)
        return false;
    *byte = mem_read(q35_memory(s->machine), page.gpa, 1);
    return true;
}

static void print_instruction(struct side *s)
{
    uint8_t bytes[15] = {0};
    uint16_t cs = s->state->seg[X86_CS].attr;
    uint64_t at = s->state->rip + (cs & SEG_L ? 0 : s->state->seg[X86_CS].base);
    ZydisMachineMode mode = cs & SEG_L ? ZYDIS_MACHINE_MODE_LONG_64 : cs & SEG_DB ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32
                                                                    : ZYDIS_MACHINE_MODE_LONG_COMPAT_16;
    ZydisDisassembledInstruction text = {.text = "?"};
    size_t n = 0;
    while (n < sizeof bytes && read_byte(s, at + n, &bytes[n]))
        n++;
    if (n)
        ZydisDisassembleIntel(mode, at, bytes, n, &text);
    printf("    %" PRIu64 "  %" PRIx64 "  %s\n", clock_now_ns(q35_clock(s->machine)), at, text.text);
}

static void on_trace(struct clock_timer *timer)
{
    struct side *s = container_of(timer, struct side, trace);
    uint64_t now_ns = clock_now_ns(timer->clock);
    print_instruction(s);
    if (now_ns < both.fine_to_ns)
        clock_timer_arm(timer, now_ns + 1);
}

// --- the machines -------------------------------------------------------------------------------

static void attach(struct chr *chr, const struct chr_front *front, void *opaque)
{
    (void)chr, (void)front, (void)opaque;
}

static void write_text(struct chr *chr, const uint8_t *bytes, size_t size_bytes)
{
    struct side *s = container_of(chr, struct side, chr);
    size_t n = s->text_bytes + size_bytes <= TEXT_BYTES ? size_bytes : TEXT_BYTES - s->text_bytes;
    memcpy(s->text + s->text_bytes, bytes, n);
    s->text_bytes += n;
    if (s->one && options.print)
        fwrite(bytes, 1, n, stdout);
}

static void room_changed(struct chr *chr) { (void)chr; }
static const struct chr_ops chr_ops = {attach, write_text, room_changed};

static void on_event(struct vm_listener *listener, const struct vm_event *event)
{
    struct side *s = container_of(listener, struct side, listener);
    if (event->kind != VM_EVENT_SHUTDOWN)
        return;
    pthread_mutex_lock(&both.lock);
    s->ended = true;
    pthread_cond_broadcast(&both.met);
    pthread_mutex_unlock(&both.lock);
}

static void need(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "lockstep: %s\n", what);
    exit(2);
}

// Without what would make each run another.
static struct engine *make_engine(struct engine_config *config, void *opaque, struct err *err)
{
    struct side *s = opaque;
    if (x86_model_parse(&s->model, "max,-rdrand,-rdseed,-kvmclock", jit_support(), err) < 0)
        return NULL;
    s->model.sockets = s->model.cores = s->model.threads = 1;
    config->model = &s->model;
    config->one_instruction_blocks = s->one;
    return jit_engine_create(config, err);
}

static void create_machine(struct side *s)
{
    struct err err = {0};
    s->boot = boot_open(options.kernel, options.initrd, options.append, NULL, &err);
    need(s->boot, err.text);
    boot_repeat(s->boot);
    struct q35_config config = {
        .name = "pc-q35-7.2", .ram_bytes = options.ram_bytes, .vcpus = 1, .count = {.on = true}, .hpet = true,
        .rtc_start_s = 1700000000, .serial = {{true, &s->chr}}, .vm.reboot_ends = true, .boot = s->boot,
        .create_engine = make_engine, .opaque = s,
    };
    s->chr.ops = &chr_ops;
    s->machine = q35_create(&config, &err);
    need(s->machine && q35_power_up(s->machine, &err) == 0, err.text);
    s->state = q35_vm(s->machine)->states[0];
    s->listener.event = on_event;
    vm_listen(q35_vm(s->machine), &s->listener);
    clock_timer_init(&s->sample, q35_clock(s->machine), on_sample);
    clock_timer_init(&s->trace, q35_clock(s->machine), on_trace);
}

static void start(struct side *s)
{
    s->text_bytes = 0;
    s->waits = s->ended = false;
    create_machine(s);
    s->at_ns = next_ns(0);
    clock_timer_arm(&s->sample, s->at_ns);
    if (both.tracing && s->one)
        clock_timer_arm(&s->trace, both.fine_from_ns);
    vm_cont(q35_vm(s->machine), NULL);
}

static void finish(struct side *s)
{
    vm_hold(q35_vm(s->machine));
    clock_timer_cancel(&s->sample);
    clock_timer_cancel(&s->trace);
    q35_destroy(s->machine);
    boot_close(s->boot);
}

static bool is_over(void)
{
    pthread_mutex_lock(&both.lock);
    bool over = both.stop || (both.side[0].ended && both.side[1].ended);
    pthread_mutex_unlock(&both.lock);
    return over;
}

static void boot_once(void)
{
    both.meetings = 0;
    both.stop = both.differs = false;
    start(&both.side[0]);
    start(&both.side[1]);
    while (!is_over())
        loop_run(&mem_reader_sleep);
    uint64_t end_ns = clock_now_ns(q35_clock(both.side[0].machine));
    if (!both.differs && both.side[0].ended && !same_text()) {
        both.differs = true;
        both.bad_ns = end_ns;
    }
    printf("%" PRIu64 " comparisons up to %" PRIu64 " ns, %" PRIu64 " words with dead flags, %zu bytes of console\n",
           both.meetings, end_ns, both.flag_words, both.side[0].text_bytes);
    fflush(stdout);
    finish(&both.side[0]);
    finish(&both.side[1]);
}

// The same again, with more meetings between the last agreement and the first difference.
static void narrow_down(void)
{
    both.end = time(NULL) + UINT32_MAX;
    while (both.differs && !both.tracing) {
        uint64_t span_ns = both.bad_ns - both.good_ns;
        printf("between %" PRIu64 " and %" PRIu64 " ns; again\n", both.good_ns, both.bad_ns);
        both.fine_from_ns = both.good_ns;
        both.fine_to_ns = both.bad_ns;
        both.fine_ns = span_ns / FINER > FINEST_NS ? span_ns / FINER : FINEST_NS;
        both.tracing = span_ns <= TRACED_MAX;
        boot_once();
    }
}

static const char usage[] =
    "Usage: lockstep --kernel FILE [--initrd FILE] [--append TEXT] [--memory MIB] [--step NS] [--limit NS]\n"
    "                [--ram-every N] [--seconds N] [--print]\n"
    "Boots a kernel in both modes of the software engine and compares them every NS of guest time (1000000),\n"
    "RAM each N times (100), to the end, to a limit of guest time or for so many seconds.\n";

static void parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"kernel", 1, 0, 'k'}, {"initrd", 1, 0, 'i'}, {"append", 1, 0, 'a'}, {"memory", 1, 0, 'm'}, {"step", 1, 0, 's'},
        {"limit", 1, 0, 'l'}, {"ram-every", 1, 0, 'r'}, {"seconds", 1, 0, 't'}, {"print", 0, 0, 'p'}, {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) >= 0;)
        switch (option) {
        case 'k': options.kernel = optarg; break;
        case 'i': options.initrd = optarg; break;
        case 'a': options.append = optarg; break;
        case 'm': options.ram_bytes = strtoull(optarg, NULL, 0) << 20; break;
        case 's': options.step_ns = strtoull(optarg, NULL, 0); break;
        case 'l': options.limit_ns = strtoull(optarg, NULL, 0); break;
        case 'r': options.ram_every = strtoul(optarg, NULL, 0); break;
        case 't': options.seconds = strtoul(optarg, NULL, 0); break;
        case 'p': options.print = true; break;
        default: fputs(usage, stderr); exit(2);
        }
    need(options.kernel && options.step_ns && options.ram_every, usage);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    mem_thread_online();
    both.end = time(NULL) + options.seconds;
    boot_once();
    bool good = !both.differs;
    if (!good)
        narrow_down();
    mem_thread_offline();
    printf("%d passed, %d failed\n", good, !good);
    return !good;
}
