// SPDX-License-Identifier: GPL-2.0-or-later
//
// Counted execution: guest time is the number of instructions executed, in both modes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <time.h>

#include "tests/unit/jit_world.h"

enum { MS = 1000000, DONE = 0x77, DEVICE_VA = 0x1f0000, TIMES = 8 };

// When a device or the port was touched.
static uint64_t at_ns[TIMES];
static unsigned touches;

static void note_time(struct world *w)
{
    if (touches < TIMES)
        at_ns[touches++] = clock_now_ns(w->clock);
}

static void open_world(struct world *w, bool one, uint8_t shift, bool sleeps)
{
    *w = (struct world){.one = one, .count = {true, shift, sleeps}, .touched = note_time};
    world_open(w);
    *world_pte(w, DEVICE_VA) = WORLD_DEVICE | PTE_P | PTE_W | PTE_U;
    touches = 0;
}

// The program tells its end by `out DONE, al`.
static void run(struct world *w, const void *code, size_t size_bytes)
{
    static const uint8_t end[] = {0xe6, DONE, 0xf4};
    memcpy(w->ram.host + WORLD_CODE, code, size_bytes);
    memcpy(w->ram.host + WORLD_CODE + size_bytes, end, sizeof end);
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    assert_int_equal(world_run(w), DONE);
}

// mov ecx, 100; 1: dec ecx; jnz 1b
static const uint8_t loop[] = {0xb9, 100, 0, 0, 0, 0xff, 0xc9, 0x75, 0xfc};

static void each_instruction_takes_its_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct world w;
        open_world(&w, i & 1, i & 2 ? 3 : 0, false);
        run(&w, loop, sizeof loop);
        assert_int_equal(touches, 1);
        assert_int_equal(at_ns[0], 201 << (i & 2 ? 3 : 0));
        world_close(&w);
    }
}

// rdtsc; mov r8, rax; nop (5 times); rdtsc; sub eax, r8d
static const uint8_t two_readings[] = {0x0f, 0x31, 0x49, 0x89, 0xc0, 0x90, 0x90, 0x90, 0x90, 0x90, 0x0f, 0x31, 0x44, 0x29, 0xc0};

static void the_tsc_counts_within_a_block(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world w;
        open_world(&w, i, 0, false);
        run(&w, two_readings, sizeof two_readings);
        assert_int_equal(w.s->gpr[X86_RAX], 7);
        world_close(&w);
    }
}

// mov ecx, 3; mov ebx, DEVICE_VA; 1: mov eax, [rbx]; dec ecx; jnz 1b
static const uint8_t device_loop[] = {0xb9, 3, 0, 0, 0, 0xbb, 0, 0, 0x1f, 0, 0x8b, 0x03, 0xff, 0xc9, 0x75, 0xfa};

static void a_device_is_touched_at_the_exact_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world w;
        open_world(&w, i, 0, false);
        run(&w, device_loop, sizeof device_loop);
        assert_int_equal(touches, 4);
        assert_int_equal(w.accesses, 3);
        for (unsigned n = 0; n < 4; n++)
            assert_int_equal(at_ns[n], 2 + 3 * n);
        world_close(&w);
    }
}

// A fault does not count: mov ebx, 0x200000; nop; mov eax, [rbx]
static const uint8_t fault[] = {0xbb, 0, 0, 0x20, 0, 0x90, 0x8b, 0x03};

static void a_fault_is_not_counted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world w;
        open_world(&w, i, 0, false);
        memcpy(w.ram.host + WORLD_CODE, fault, sizeof fault);
        w.vcpu[0]->ops->put_state(w.vcpu[0]);
        assert_int_equal(world_run(&w), EX_PF);
        assert_int_equal(at_ns[0], 2);
        world_close(&w);
    }
}

static struct world *timed;
static void send_nmi(struct clock_timer *timer)
{
    (void)timer;
    timed->vcpu[0]->ops->nmi(timed->vcpu[0]);
}

static uint64_t host_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

// HLT until an NMI at guest time `at`. How long that took.
static uint64_t halt_until(struct world *w, uint64_t at)
{
    struct clock_timer timer;
    timed = w;
    clock_timer_init(&timer, w->clock, send_nmi);
    clock_timer_arm(&timer, at);
    *(uint8_t *)(w->ram.host + WORLD_CODE) = 0xf4;
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    uint64_t began = host_ns();
    assert_int_equal(world_run(w), EX_NMI);
    clock_timer_finish(&timer);
    return host_ns() - began;
}

static void a_halted_guests_time_jumps_to_the_next_timer(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false, 0, false);
    uint64_t an_hour = UINT64_C(3600000) * MS;
    assert_true(halt_until(&w, an_hour) < UINT64_C(60000) * MS);
    assert_int_equal(at_ns[0], an_hour);
    world_close(&w);
}

static void or_goes_on_as_the_hosts_does(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, false, 0, true);
    assert_true(halt_until(&w, 50 * MS) >= 50 * MS);
    assert_int_equal(at_ns[0], 50 * MS);
    world_close(&w);
}

// 1: jmp 1b, until the NMI
static void a_timer_comes_after_so_many_instructions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world w;
        struct clock_timer timer;
        open_world(&w, i, 0, false);
        timed = &w;
        clock_timer_init(&timer, w.clock, send_nmi);
        clock_timer_arm(&timer, 12345);
        memcpy(w.ram.host + WORLD_CODE, (const uint8_t[]){0xff, 0xc0, 0xeb, 0xfc}, 4);  // 1: inc eax; jmp 1b
        w.vcpu[0]->ops->put_state(w.vcpu[0]);
        assert_int_equal(world_run(&w), EX_NMI);
        assert_int_equal(w.s->gpr[X86_RAX], 6173);
        assert_int_equal(at_ns[0], 12345);
        clock_timer_finish(&timer);
        world_close(&w);
    }
}

// A loop of two blocks, which IRET enters again with RF set, for the first instruction only: xor eax, eax;
// 1: inc eax; jmp 2f; 2: cmp eax, 100; jne 1b; mov rcx, rsp; push SS0; push rcx; push 0x10002; push CS0;
// lea rdx, [rip + 1b]; push rdx; iretq
static const uint8_t resumed[] = {0x31, 0xc0, 0xff, 0xc0, 0xeb, 0, 0x83, 0xf8, 100, 0x75, 0xf7, 0x48, 0x89, 0xe1, 0x6a, WORLD_SS0,
                                  0x51, 0x68, 2, 0, 1, 0, 0x6a, WORLD_CS0, 0x48, 0x8d, 0x15, 0xe3, 0xff, 0xff, 0xff, 0x52, 0x48, 0xcf};

static void rf_is_gone_after_the_first_instruction(void **state)
{
    (void)state;
    for (unsigned after = 1000; after < 1006; after++) {
        struct world w;
        struct clock_timer timer;
        open_world(&w, false, 0, false);
        timed = &w;
        clock_timer_init(&timer, w.clock, send_nmi);
        clock_timer_arm(&timer, after);
        memcpy(w.ram.host + WORLD_CODE, resumed, sizeof resumed);
        w.vcpu[0]->ops->put_state(w.vcpu[0]);
        assert_int_equal(world_run(&w), EX_NMI);
        assert_int_equal(*world_word(&w, WORLD_IST_TOP - 24) & (FL_RF | FL_FIXED), FL_FIXED);
        clock_timer_finish(&timer);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_instruction_takes_its_time), cmocka_unit_test(the_tsc_counts_within_a_block),
        cmocka_unit_test(a_device_is_touched_at_the_exact_time), cmocka_unit_test(a_fault_is_not_counted),
        cmocka_unit_test(a_halted_guests_time_jumps_to_the_next_timer),
        cmocka_unit_test(or_goes_on_as_the_hosts_does), cmocka_unit_test(rf_is_gone_after_the_first_instruction),
        cmocka_unit_test(a_timer_comes_after_so_many_instructions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
