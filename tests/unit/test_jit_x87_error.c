// SPDX-License-Identifier: GPL-2.0-or-later
//
// x87 exceptions with CR0.NE clear, on the engine as a whole: FERR# is asserted and the CPU stands at the
// waiting instruction until it is interrupted; under IGNNE# it goes on. The board is the test's: FERR# sends an
// NMI, and a write to a port asserts IGNNE#.
#include "guest/cpu/jit/emu_fpu.h"
#include "tests/unit/jit_programs.h"

enum { HANDLER = 0x50000, SEEN = WORLD_DATA };

static unsigned asserted, interrupts;  // the first so many are interrupts; another one stops the vCPU

static void interrupt(void *opaque)
{
    struct world *w = opaque;
    if (asserted++ < interrupts)
        w->vcpu[0]->ops->nmi(w->vcpu[0]);
    else
        w->vcpu[0]->ops->kick(w->vcpu[0]);
}

static void write_port(struct world *w)
{
    w->engine->ops->ignne(w->engine);
}

static void handle(struct world *w, const uint8_t *code, size_t size_bytes)
{
    uint64_t *gate = world_word(w, WORLD_IDT) + 2 * EX_NMI;
    memcpy(w->ram.host + HANDLER, code, size_bytes);
    gate[0] = (HANDLER & 0xffff) | WORLD_CS0 << 16 | UINT64_C(0xee01) << 32 | (uint64_t)(HANDLER >> 16) << 48;
}
#define HANDLE(w, name) handle(w, name, SIZE(name))

// The zero divide is unmasked.
static void prepare(struct world *w)
{
    asserted = 0;
    interrupts = UINT32_MAX;
    w->s->cr0 &= ~(uint64_t)CR0_NE;
    xs_put(w->s->xsave, XS_FCW, 0x37b, 2);
    xs_put(w->s->xsave, XS_FSW, 0, 2);
    xs_put(w->s->xsave, XS_MXCSR, 0x1f80, 4);
    w->s->xsave[XS_FTW] = 0;  // empty; a reset leaves zeros
    xs_put(w->s->xsave, XS_BV, XCR0_X87 | XCR0_SSE, 8);
    w->s->gpr[X86_RBX] = SEEN;
}

// fdivp is not the same to every assembler.
#define DIVIDE_BY_0 "fld1\nfldz\n.byte 0xde, 0xf9\n"
GUEST(divides, DIVIDE_BY_0 "mov r9d, 1\n" HERE(waits) "fwait\nmov r9d, 2" END);
LABEL(waits);
GUEST(clears, "inc r8\nmov r10, [rsp]\nfnclex\niretq");
GUEST(divides_masked, "fld1\nfldz\nfninit\nfld1\nfldz\n.byte 0xde, 0xf9\nfwait\nmov r9d, 2" END);

IN_BOTH_MODES_OF(the_cpu_stands_at_the_waiting_instruction_until_it_is_interrupted, .ferr = interrupt)
{
    prepare(w);
    HANDLE(w, clears);
    assert_int_equal(RUN(w, divides), DONE);
    assert_int_equal(asserted, 1);
    assert_int_equal(w->s->gpr[X86_R8], 1);
    assert_int_equal(w->s->gpr[X86_R9], 2);
    assert_int_equal(w->s->gpr[X86_R10], AT(waits, divides));
}

IN_BOTH_MODES_OF(with_ne_it_is_an_exception_and_masked_it_is_nothing, .ferr = interrupt)
{
    prepare(w);
    w->s->cr0 |= CR0_NE;
    assert_int_equal(RUN(w, divides), EX_MF);
    assert_int_equal(pushed(w, PUSHED_RIP), AT(waits, divides));
    world_state(w, w->s, 0);
    prepare(w);
    assert_int_equal(RUN(w, divides_masked), DONE);
    assert_int_equal(asserted, 0);
}

// The handler looks at the numbers by instructions that wait, under IGNNE#, before it clears the exception; the
// next one is told of again.
GUEST(twice, DIVIDE_BY_0 "fwait\nmov r9d, 1\n" DIVIDE_BY_0 "fwait\nmov r9d, 2" END);
GUEST(looks, "inc r8\nmov edx, 0x1f0\nout dx, al\nfld1\nfstp qword ptr [rbx]\nfnstcw [rbx + 16]\nfnstsw [rbx + 18]\n"
      "fnclex\niretq");

IN_BOTH_MODES_OF(under_ignne_waiting_instructions_go_on_until_the_exception_is_cleared, .ferr = interrupt, .touched = write_port)
{
    prepare(w);
    HANDLE(w, looks);
    assert_int_equal(RUN(w, twice), DONE);
    assert_int_equal(asserted, 2);
    assert_int_equal(w->s->gpr[X86_R8], 2);
    assert_int_equal(w->s->gpr[X86_R9], 2);
    assert_int_equal(*world_word(w, SEEN), UINT64_C(0x3ff0000000000000));
    assert_int_equal(*world_word(w, SEEN + 16) & 0xffff, 0x37b);
    assert_int_equal(*world_word(w, SEEN + 16) >> 16 & 0x84, 0x84);  // the error summary, and what it is of
}

// Without IGNNE# a handler that waits stands still, too.
GUEST(waits_too, "inc r8\n" HERE(still) "fwait\ninc r8\niretq");
LABEL(still);

IN_BOTH_MODES_OF(without_ignne_the_handler_stands_still_as_well, .ferr = interrupt)
{
    prepare(w);
    interrupts = 1;
    HANDLE(w, waits_too);
    PUT(w, WORLD_CODE, divides);
    w->vcpu[0]->ops->put_state(w->vcpu[0]);
    while (asserted < 2)
        w->vcpu[0]->ops->run(w->vcpu[0]);
    assert_int_equal(w->s->gpr[X86_R8], 1);
    assert_int_equal(w->s->rip, HANDLER + (still - waits_too));
    assert_int_equal(w->s->run_state, X86_HALTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpu_stands_at_the_waiting_instruction_until_it_is_interrupted),
        cmocka_unit_test(with_ne_it_is_an_exception_and_masked_it_is_nothing),
        cmocka_unit_test(under_ignne_waiting_instructions_go_on_until_the_exception_is_cleared),
        cmocka_unit_test(without_ignne_the_handler_stands_still_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
