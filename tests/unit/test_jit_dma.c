// SPDX-License-Identifier: GPL-2.0-or-later
//
// What comes from outside while a guest is there: writes to its code by a device or a debugger, and a
// state that nobody has checked.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/jit_world.h"

// mov eax, imm32; out DONE, al; hlt
static const uint8_t code[] = {0xb8, 1, 0, 0, 0, 0xe6, 0x77, 0xf4};
enum { IMMEDIATE = 1 };

static uint64_t run(struct world *w)
{
    w->s->rip = WORLD_CODE;
    w->s->run_state = X86_RUNNING;
    assert_int_equal(world_run(w), 0x77);
    return w->s->gpr[X86_RAX];
}

static void a_write_from_outside_ends_what_was_translated(void **state)
{
    (void)state;
    struct world w = {.ram_bytes = 2 << 20, .vcpus = 1};
    world_open(&w);
    memcpy(w.ram.host + WORLD_CODE, code, sizeof code);
    w.vcpu[0]->ops->put_state(w.vcpu[0]);
    assert_int_equal(run(&w), 1);
    assert_int_equal(mem_dma_write(w.memory, GPA(WORLD_CODE + IMMEDIATE), &(uint32_t){2}, 4), 0);
    assert_int_equal(run(&w), 2);
    mem_write(w.memory, GPA(WORLD_CODE + IMMEDIATE), 3, 4);
    assert_int_equal(run(&w), 3);
    world_close(&w);
}

// A debugger may write anything into the vector registers' image.
static void a_state_with_reserved_bits_is_loaded_without_them(void **state)
{
    (void)state;
    struct world w = {.ram_bytes = 2 << 20, .vcpus = 1};
    world_open(&w);
    memcpy(w.ram.host + WORLD_CODE, code, sizeof code);
    memset(w.s->xsave + 24, 0xff, 4);
    memset(w.s->xsave + 512, 0xff, 64);
    w.vcpu[0]->ops->put_state(w.vcpu[0]);
    assert_int_equal(run(&w), 1);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_write_from_outside_ends_what_was_translated),
                                       cmocka_unit_test(a_state_with_reserved_bits_is_loaded_without_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
