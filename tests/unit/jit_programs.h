// SPDX-License-Identifier: GPL-2.0-or-later
//
// Guest programs as assembly, for tests on the real engine (jit_world.h). A program is put to CODE and runs
// until a gate's stub speaks; END is the end that nothing went wrong for. Labels in a program that a test
// needs are made with HERE, and AT tells where in the guest they are.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/jit_world.h"

#define GUEST(name, text)                                                                      \
    extern const uint8_t name[], name##_end[];                                                 \
    __asm__(".pushsection .rodata\n.globl " #name ", " #name "_end\n" #name ":\n.intel_syntax noprefix\n" text \
            "\n.att_syntax prefix\n" #name "_end:\n.popsection\n")
#define HERE(label) "\n.globl " #label "\n" #label ":\n"
#define LABEL(label) extern const uint8_t label[]
#define END "\nout 0xf0, al\nhlt\n"
enum { DONE = 0xf0, HANG_SECONDS = 100 };

#define SIZE(name) ((size_t)(name##_end - name))
#define PUT(w, gpa, name) memcpy((w)->ram.host + (gpa), name, SIZE(name))
#define AT(label, name) (WORLD_CODE + (uint64_t)((label) - (name)))

// What the last event pushed, from the top of its stack; the error code's and what follows RIP without one.
enum { PUSHED_SS = 1, PUSHED_RSP, PUSHED_FLAGS, PUSHED_CS, PUSHED_RIP, PUSHED_ERROR };
static inline uint64_t pushed(struct world *w, unsigned word) { return *world_word(w, WORLD_IST_TOP - 8 * word); }

static inline int run_at(struct world *w, uint64_t rip)
{
    w->s->rip = rip;
    w->s->run_state = X86_RUNNING;
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    return world_run(w);
}

static inline int run_code(struct world *w, const uint8_t *code, size_t size_bytes)
{
    memcpy(w->ram.host + WORLD_CODE, code, size_bytes);
    return run_at(w, WORLD_CODE);
}
#define RUN(w, name) run_code(w, name, SIZE(name))

// The test's body gets a world that is open, translated and then one instruction a block.
#define IN_BOTH_MODES_OF(name, ...)                                                            \
    static void name##_in(struct world *w);                                                    \
    static void name(void **unused)                                                            \
    {                                                                                          \
        (void)unused;                                                                          \
        for (unsigned one = 0; one < 2; one++) {                                               \
            struct world w = {.one = one, __VA_ARGS__};                                        \
            world_open(&w);                                                                    \
            alarm(HANG_SECONDS);                                                               \
            name##_in(&w);                                                                     \
            alarm(0);                                                                          \
            assert_true(world_canaries_live(&w));                                              \
            world_close(&w);                                                                   \
        }                                                                                      \
    }                                                                                          \
    static void name##_in(struct world *w)
#define IN_BOTH_MODES(name) IN_BOTH_MODES_OF(name, .vcpus = 1)
