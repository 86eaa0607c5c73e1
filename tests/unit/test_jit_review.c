// SPDX-License-Identifier: GPL-2.0-or-later
//
// The software engine on rare paths: what a code review found, and what only shows when threads meet
// at one place. It looks into the engine's own structs to put it there.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <time.h>

#include "guest/cpu/jit/code.h"
#include "tests/unit/jit_world.h"

// --- hostile bytes ------------------------------------------------------------------------------

struct flipper {
    volatile uint64_t word;
    atomic_bool end;
};

// A race on purpose.
__attribute__((no_sanitize("thread"))) static void *flip(void *opaque)
{
    static const uint64_t load = 0x9090909090038b48, system_call = 0x909090909090050f;
    struct flipper *f = opaque;
    for (unsigned n = 0; !atomic_load(&f->end); n++)
        f->word = n & 1 ? load : system_call;
    return NULL;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000) + t.tv_nsec / 1000000;
}

// Another vCPU may change the bytes meanwhile: what is re-emitted must be what was decoded.
static void test_bytes_are_read_once(void **state)
{
    (void)state;
    struct flipper f = {0};
    pthread_t thread;
    assert_false(pthread_create(&thread, NULL, flip, &f));
    for (uint64_t end = now_ms() + 300; now_ms() < end;)
        for (unsigned i = 0; i < 1000; i++) {
            struct insn in, again;
            if (insn_decode(&in, (const uint8_t *)&f.word, 8, INSN_64) < 0)
                continue;
            assert_int_equal(insn_decode(&again, in.bytes, in.length, INSN_64), 0);
            if (again.mnemonic != in.mnemonic)
                fail_msg("decoded %u, kept the bytes of %u", in.mnemonic, again.mnemonic);
        }
    atomic_store(&f.end, true);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_read_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
