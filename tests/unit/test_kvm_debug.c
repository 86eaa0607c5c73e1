// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the KVM engine tells the kernel about break- and watchpoints. The kernel is a fake: this file's
// ioctl takes the place of libc's.
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/cpu/kvm/internal.h"

static struct kvm_guest_debug told;
static struct kvm_debugregs registers;
static bool too_old_for_blocking;

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    (void)fd;
    if (request == KVM_GET_DEBUGREGS) {
        memcpy(argument, &registers, sizeof registers);
        return 0;
    }
    if (request == KVM_SET_DEBUGREGS) {
        memcpy(&registers, argument, sizeof registers);
        return 0;
    }
    if (request != KVM_SET_GUEST_DEBUG)
        abort();
    memcpy(&told, argument, sizeof told);
    if (too_old_for_blocking && told.control & KVM_GUESTDBG_BLOCKIRQ)
        return errno = EINVAL, -1;
    return 0;
}

enum { CODE = 0x1000 };
static struct kvm_engine engine;
static struct kvm_vcpu vcpus[2];
static struct kvm_run run;
static struct ram ram;

// Paging off: addresses are physical.
static int setup(void **state)
{
    (void)state;
    memset(&engine, 0, sizeof engine);
    memset(vcpus, 0, sizeof vcpus);
    too_old_for_blocking = false;
    mem_thread_online();
    pthread_mutex_init(&engine.lock, NULL);
    engine.engine.config.memory = mem_create(1 << 20);
    assert_int_equal(ram_open(&ram, 64 << 10, NULL), 0);
    assert_int_equal(mem_add_ram(engine.engine.config.memory, GPA(0), &ram, 0, 64 << 10, false, NULL), 0);
    memset(ram.host + CODE, 0x90, 256);
    for (unsigned i = 0; i < 2; i++)
        vcpus[i] = (struct kvm_vcpu){.vcpu = {.engine = &engine.engine, .index = i}, .run = &run};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_destroy(engine.engine.config.memory);
    ram_close(&ram);
    return 0;
}

static struct vcpu_debug one(uint64_t address, uint32_t size, enum vcpu_break kind)
{
    return (struct vcpu_debug){.count = 1, .points = {{GVA(address), size, kind}}};
}

static void set(unsigned vcpu, const struct vcpu_debug *debug)
{
    kvm_set_debug(&vcpus[vcpu].vcpu, debug);
}

static void a_breakpoint_is_an_int3_while_it_is_set(void **state)
{
    (void)state;
    struct vcpu_debug d = one(CODE, 1, VCPU_BREAK_EXEC), none = {0};
    set(0, &d);
    assert_int_equal(ram.host[CODE], 0xcc);
    assert_int_equal(told.control, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
    run.debug.arch = (struct kvm_debug_exit_arch){.exception = EX_BP, .pc = CODE};
    assert_true(kvm_debug_hit(&vcpus[0]));
    assert_int_equal(vcpus[0].vcpu.debug_hit.address.u, CODE);
    assert_int_equal(vcpus[0].vcpu.debug_hit.kind, VCPU_BREAK_EXEC);
    set(0, &none);
    assert_int_equal(ram.host[CODE], 0x90);
    assert_int_equal(told.control, 0);
}

static void two_vcpus_share_it_in_any_order(void **state)
{
    (void)state;
    struct vcpu_debug d = one(CODE, 1, VCPU_BREAK_EXEC), none = {0};
    set(0, &d);
    set(1, &d);
    set(0, &none);
    assert_int_equal(ram.host[CODE], 0xcc);
    set(1, &none);
    assert_int_equal(ram.host[CODE], 0x90);
}

static void the_guests_own_int3_is_given_back(void **state)
{
    (void)state;
    struct vcpu_debug d = one(CODE, 1, VCPU_BREAK_EXEC);
    set(0, &d);
    run.debug.arch = (struct kvm_debug_exit_arch){.exception = EX_BP, .pc = CODE + 7};
    assert_false(kvm_debug_hit(&vcpus[0]));
    assert_true(told.control & KVM_GUESTDBG_INJECT_BP);
}

static void the_guests_own_debug_exception_is_given_back(void **state)
{
    (void)state;
    struct vcpu_debug d = one(0x2000, 8, VCPU_BREAK_WRITE);
    set(0, &d);
    run.debug.arch = (struct kvm_debug_exit_arch){.exception = EX_DB, .dr6 = 0xffff4ff0};
    assert_false(kvm_debug_hit(&vcpus[0]));
    assert_true(told.control & KVM_GUESTDBG_INJECT_DB);
    assert_int_equal(registers.dr6, 0xffff4ff0);
}

// DR7: G0 is bit 1, RW0 bits 16 and 17, LEN0 bits 18 and 19 (SDM volume 3, figure 17-1).
static void a_watchpoint_is_a_debug_register(void **state)
{
    (void)state;
    struct vcpu_debug d = {.count = 2, .points = {{GVA(0x2000), 8, VCPU_BREAK_WRITE},
                                                  {GVA(0x3004), 4, VCPU_BREAK_ACCESS}}};
    set(0, &d);
    assert_int_equal(told.control, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
    assert_int_equal(told.arch.debugreg[0], 0x2000);
    assert_int_equal(told.arch.debugreg[1], 0x3004);
    assert_int_equal(told.arch.debugreg[7], 0x600 | 2 | 8 | 1 << 16 | 2 << 18 | 3 << 20 | 3 << 22);
    run.debug.arch = (struct kvm_debug_exit_arch){.exception = EX_DB, .dr6 = 2};
    assert_true(kvm_debug_hit(&vcpus[0]));
    assert_int_equal(vcpus[0].vcpu.debug_hit.address.u, 0x3004);
    assert_int_equal(vcpus[0].vcpu.debug_hit.kind, VCPU_BREAK_ACCESS);
}

static void a_breakpoint_without_memory_is_a_debug_register(void **state)
{
    (void)state;
    struct vcpu_debug d = one(0xffffffff81000000, 1, VCPU_BREAK_EXEC);
    set(0, &d);
    assert_int_equal(told.arch.debugreg[0], 0xffffffff81000000);
    assert_int_equal(told.arch.debugreg[7], 0x600 | 2);
}

static void a_fifth_watchpoint_does_no_harm(void **state)
{
    (void)state;
    struct vcpu_debug d = {.count = 5};
    for (unsigned i = 0; i < 5; i++)
        d.points[i] = (typeof(d.points[0])){GVA(0x2000 + 8 * i), 8, VCPU_BREAK_WRITE};
    set(0, &d);
    assert_int_equal(told.arch.debugreg[3], 0x2018);
    assert_int_equal(told.arch.debugreg[4], 0);
}

static void a_step_blocks_interrupts_where_the_kernel_can(void **state)
{
    (void)state;
    struct vcpu_debug d = {.single_step = true};
    set(0, &d);
    assert_true(told.control & KVM_GUESTDBG_BLOCKIRQ);
    too_old_for_blocking = true;
    set(0, &d);
    assert_int_equal(told.control, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
    run.debug.arch = (struct kvm_debug_exit_arch){.exception = EX_DB, .dr6 = 0x4000};
    assert_true(kvm_debug_hit(&vcpus[0]));
    assert_true(vcpus[0].vcpu.debug_hit.step);
}

#define DEBUG_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEBUG_TEST(a_breakpoint_is_an_int3_while_it_is_set),
        DEBUG_TEST(two_vcpus_share_it_in_any_order),
        DEBUG_TEST(the_guests_own_int3_is_given_back),
        DEBUG_TEST(the_guests_own_debug_exception_is_given_back),
        DEBUG_TEST(a_watchpoint_is_a_debug_register),
        DEBUG_TEST(a_breakpoint_without_memory_is_a_debug_register),
        DEBUG_TEST(a_fifth_watchpoint_does_no_harm),
        DEBUG_TEST(a_step_blocks_interrupts_where_the_kernel_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
