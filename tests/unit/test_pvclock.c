// SPDX-License-Identifier: GPL-2.0-or-later
//
// The time page, read as a guest reads it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <x86intrin.h>

#include <cmocka.h>

#include "guest/cpu/x86/pvclock.h"

enum { PAGE = 0x2000, WALL = 0x3000, RAM_BYTES = 0x10000 };

static struct world {
    struct ram ram;
    struct mem *mem;
    struct clock *clock;
    struct x86_state s;
} w;

struct page {
    uint32_t version, pad;
    uint64_t tsc, ns;
    uint32_t mul;
    int8_t shift;
    uint8_t flags;
};

static struct page *page(uint64_t at) { return (struct page *)(w.ram.host + at); }

static int setup(void **state)
{
    (void)state;
    w = (struct world){0};
    mem_thread_online();
    assert_int_equal(ram_open(&w.ram, RAM_BYTES, NULL), 0);
    w.mem = mem_create(UINT64_C(1) << 46);
    assert_int_equal(mem_add_ram(w.mem, GPA(0), &w.ram, 0, RAM_BYTES, false, NULL), 0);
    w.clock = clock_create_manual();
    w.s.kvm_system_time = PAGE | 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_destroy(w.clock);
    mem_destroy(w.mem);
    ram_close(&w.ram);
    mem_thread_offline();
    return 0;
}

// The guest's formula.
static uint64_t ns_of(const struct page *p, uint64_t tsc)
{
    uint64_t delta = tsc - p->tsc;
    delta = p->shift < 0 ? delta >> -p->shift : delta << p->shift;
    return p->ns + (uint64_t)((unsigned __int128)delta * p->mul >> 32);
}

static void the_page_gives_the_clocks_time(void **state)
{
    (void)state;
    clock_advance(w.clock, 123456789);
    w.s.tsc_offset = -__rdtsc();
    pvclock_update(&w.s, w.mem, w.clock, 2400000000);
    const struct page *p = page(PAGE);
    assert_int_equal(p->version, 2);
    assert_int_equal(p->ns, 123456789);
    assert_int_equal(p->flags, 1);
    assert_true(p->tsc < 2400000000);
    assert_int_equal(ns_of(p, p->tsc), 123456789);
}

static void a_second_of_tsc_is_a_second(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1000000, 999999999, 1000000000, 1000000001, 2399998000, 5000000000};
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        pvclock_update(&w.s, w.mem, w.clock, rates[i]);
        const struct page *p = page(PAGE);
        uint64_t second = ns_of(p, p->tsc + rates[i]) - p->ns;
        assert_in_range(second, 999999990, 1000000010);
    }
}

static void the_version_grows_by_two(void **state)
{
    (void)state;
    page(PAGE)->version = 7;  // left odd by whoever was there before
    pvclock_update(&w.s, w.mem, w.clock, 1000000000);
    assert_int_equal(page(PAGE)->version, 8);
    pvclock_update(&w.s, w.mem, w.clock, 1000000000);
    assert_int_equal(page(PAGE)->version, 10);
}

static void a_disabled_or_misplaced_page_is_left_alone(void **state)
{
    (void)state;
    static const uint64_t bad[] = {PAGE, PAGE | 3, RAM_BYTES | 1, (RAM_BYTES - 8) | 1, UINT64_MAX};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        w.s.kvm_system_time = bad[i];
        pvclock_update(&w.s, w.mem, w.clock, 1000000000);
    }
    for (unsigned i = 0; i < RAM_BYTES; i++)
        assert_int_equal(w.ram.host[i], 0);
}

static void all_vcpus_are_told_of_one_moment(void **state)
{
    (void)state;
    struct err err;
    struct clock *clock = clock_create(&err);
    clock_resume(clock);
    pvclock_update(&w.s, w.mem, clock, 1000000000);
    struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
    w.s.kvm_system_time = (PAGE + 64) | 1;
    pvclock_update(&w.s, w.mem, clock, 1000000000);
    assert_int_equal(page(PAGE)->ns, page(PAGE + 64)->ns);
    assert_int_equal(page(PAGE)->tsc, page(PAGE + 64)->tsc);
    clock_pause(clock);
    clock_resume(clock);
    pvclock_update(&w.s, w.mem, clock, 1000000000);
    assert_true(page(PAGE + 64)->ns > page(PAGE)->ns);
    clock_destroy(clock);
}

static void the_wall_clock_is_when_guest_time_was_zero(void **state)
{
    (void)state;
    clock_advance(w.clock, UINT64_C(3600000000000));
    w.s.kvm_wall_clock = WALL;
    pvclock_wall_clock(&w.s, w.mem, w.clock);
    const uint32_t *wall = (const uint32_t *)(w.ram.host + WALL);
    assert_int_equal(wall[0], 2);
    uint64_t age = (uint64_t)time(NULL) - wall[1];
    assert_in_range(age, 3599, 3602);
    assert_true(wall[2] < 1000000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_page_gives_the_clocks_time), TEST(a_second_of_tsc_is_a_second),
        TEST(the_version_grows_by_two), TEST(a_disabled_or_misplaced_page_is_left_alone),
        TEST(all_vcpus_are_told_of_one_moment), TEST(the_wall_clock_is_when_guest_time_was_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
