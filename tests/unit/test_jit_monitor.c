// SPDX-License-Identifier: GPL-2.0-or-later
//
// MONITOR and MWAIT on the engine as a whole: what ends the wait, what the operands may be. Stores and interrupts
// from outside come from a thread of the test's, as a device's or another vCPU's would.
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/unit/jit_programs.h"

enum { LINE = WORLD_DATA + 0x40, ABSENT = WORLD_DATA + 8 * PAGE_BYTES, VECTOR = 0x80, AFTER_MS = 40 };

struct outside {
    struct world *w;
    void (*act)(struct world *w);
    pthread_t thread;
    struct timespec began;
};

static unsigned ms_since(const struct timespec *began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - began->tv_sec) * 1000 + (now.tv_nsec - began->tv_nsec) / 1000000;
}

static void *later(void *opaque)
{
    struct outside *o = opaque;
    nanosleep(&(struct timespec){.tv_nsec = AFTER_MS * 1000000}, NULL);
    o->act(o->w);
    return NULL;
}

static void begin(struct outside *o, struct world *w, void (*act)(struct world *w))
{
    *o = (struct outside){.w = w, .act = act};
    clock_gettime(CLOCK_MONOTONIC, &o->began);
    assert_int_equal(pthread_create(&o->thread, NULL, later, o), 0);
}

// It had waited, and didn't for long then. (Under a sanitizer on a busy host, a second is not long.)
static void end(struct outside *o)
{
    unsigned ms = ms_since(&o->began);
    pthread_join(o->thread, NULL);
    assert_in_range(ms, AFTER_MS - 5, 5000);
}

static void store(struct world *w) { __atomic_store_n(world_word(w, LINE + 24), 5, __ATOMIC_SEQ_CST); }
static void send_nmi(struct world *w) { w->vcpu[0]->ops->nmi(w->vcpu[0]); }
static void interrupt(struct world *w) { w->engine->ops->msi(w->engine, 0xfee00000, VECTOR); }
static void stop(struct world *w) { w->vcpu[0]->ops->kick(w->vcpu[0]); }

#define MONITORS "mov eax, 0x40040\nxor ecx, ecx\nxor edx, edx\nmonitor\n"
GUEST(waits, MONITORS "xor eax, eax\nmwait\n" HERE(behind) "mov r8, [0x40058]\ninc r9" END);
LABEL(behind);
GUEST(waits_masked, MONITORS "xor eax, eax\ninc ecx\nmwait\ninc r9" END);
GUEST(stores_first, MONITORS "mov dword ptr [0x40060], 1\nmwait\ninc r9" END);
GUEST(only_waits, "xor eax, eax\nxor ecx, ecx\nmwait\ninc r9" END);
#define WITH_MONITOR(name) IN_BOTH_MODES_OF(name, .cpu = "max,monitor=on")

WITH_MONITOR(a_store_to_the_line_ends_the_wait)
{
    struct outside o;
    begin(&o, w, store);
    assert_int_equal(RUN(w, waits), DONE);
    end(&o);
    assert_int_equal(w->s->gpr[X86_R8], 5);
    assert_int_equal(w->s->gpr[X86_R9], 1);
}

WITH_MONITOR(an_interrupt_ends_it_and_returns_behind_mwait)
{
    struct outside o;
    begin(&o, w, send_nmi);
    assert_int_equal(RUN(w, waits), EX_NMI);
    end(&o);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(behind, waits));
}

WITH_MONITOR(a_masked_interrupt_ends_it_if_that_was_asked_for)
{
    struct outside o;
    w->s->apic.svr = 0x1ff;
    begin(&o, w, interrupt);
    assert_int_equal(RUN(w, waits_masked), DONE);
    end(&o);
    assert_int_equal(w->s->gpr[X86_R9], 1);
    // It is still there: the next one doesn't wait.
    assert_int_equal(RUN(w, waits_masked), DONE);
}

WITH_MONITOR(whoever_stops_the_vcpu_finds_it_behind_mwait)
{
    struct outside o;
    PUT(w, WORLD_CODE, waits);
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    begin(&o, w, stop);
    assert_int_equal(w->vcpu[0]->ops->run(w->vcpu[0]), VCPU_EXIT_KICKED);
    end(&o);
    assert_int_equal(w->s->run_state, X86_RUNNING);
    assert_int_equal(world_run(w), DONE);
    assert_int_equal(w->s->gpr[X86_R9], 1);
}

WITH_MONITOR(nothing_is_waited_for_without_a_line_or_once_it_changed)
{
    assert_int_equal(RUN(w, only_waits), DONE);
    assert_int_equal(RUN(w, stores_first), DONE);
    assert_int_equal(w->s->gpr[X86_R9], 2);
}

GUEST(monitors, "monitor" END);
GUEST(mwaits, "mwait" END);

static int with(struct world *w, const uint8_t *code, const uint8_t *code_end, uint64_t rax, uint64_t rcx, unsigned cpl)
{
    world_state(w, w->s, cpl);
    *world_pte(w, ABSENT) = 0;
    w->s->gpr[X86_RAX] = rax;
    w->s->gpr[X86_RCX] = rcx;
    return run_code(w, code, code_end - code);
}

WITH_MONITOR(operands_are_checked)
{
    assert_int_equal(with(w, monitors, monitors_end, LINE, 0, 0), DONE);
    assert_int_equal(with(w, monitors, monitors_end, LINE, 1, 0), EX_GP);
    assert_int_equal(with(w, monitors, monitors_end, LINE, BIT(32), 0), EX_GP);
    assert_int_equal(with(w, monitors, monitors_end, BIT(47), 0, 0), EX_GP);
    assert_int_equal(with(w, monitors, monitors_end, ABSENT, 0, 0), EX_PF);
    assert_int_equal(with(w, monitors, monitors_end, LINE, 0, 3), EX_UD);
    assert_int_equal(with(w, mwaits, mwaits_end, 0, 2, 0), EX_GP);
    assert_int_equal(with(w, mwaits, mwaits_end, 0, 0, 3), EX_UD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_to_the_line_ends_the_wait),
        cmocka_unit_test(an_interrupt_ends_it_and_returns_behind_mwait),
        cmocka_unit_test(a_masked_interrupt_ends_it_if_that_was_asked_for),
        cmocka_unit_test(whoever_stops_the_vcpu_finds_it_behind_mwait),
        cmocka_unit_test(nothing_is_waited_for_without_a_line_or_once_it_changed),
        cmocka_unit_test(operands_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
