// SPDX-License-Identifier: GPL-2.0-or-later
//
// The chips wired together as on a PC: the 8254 and the RTC behind the HPET, in front of both
// interrupt controllers. With a real clock and several threads it is also what ThreadSanitizer and
// a wrong lock order need.
#include "tests/unit/device_bench.h"

#include <pthread.h>

#include "guest/bus/irq_fanout.h"
#include "guest/device/hpet.h"
#include "guest/device/ioapic.h"
#include "guest/device/pic8259.h"
#include "guest/device/pit8254.h"
#include "guest/device/rtc.h"

static struct board {
    struct wire intr;
    struct msi_sink sink;
    unsigned messages;
    struct clock *clock;
    struct pic8259 pic;
    struct ioapic ioapic;
    struct irq_fanout isa[ISA_IRQS];
    struct hpet hpet;
    struct pit8254 pit;
    struct rtc rtc;
} b;

static void sink_send(struct msi_sink *sink, uint64_t address, uint32_t data)
{
    (void)sink, (void)address, (void)data;
    b.messages++;  // the IOAPIC's lock is held
}

static void build(struct clock *clock)
{
    memset(&b, 0, sizeof b);
    b.intr = wire();
    b.sink.send = sink_send;
    b.clock = clock;
    pic8259_init(&b.pic, &b.intr.line);
    ioapic_init(&b.ioapic, &b.sink, NULL);
    for (unsigned i = 0; i < ISA_IRQS; i++)
        irq_fanout_init(&b.isa[i], pic8259_pin(&b.pic, i),
                        i == ISA_IRQ_CASCADE ? NULL
                                             : ioapic_pin(&b.ioapic, i == ISA_IRQ_TIMER ? ISA_TIMER_GSI : i));
    struct hpet_lines lines = {.timer = &b.isa[ISA_IRQ_TIMER].line, .rtc = &b.isa[ISA_IRQ_RTC].line,
                               .gsi[20] = ioapic_pin(&b.ioapic, 20)};
    hpet_init(&b.hpet, &lines, clock);
    pit8254_init(&b.pit, hpet_legacy_timer(&b.hpet), clock);
    rtc_init(&b.rtc, hpet_legacy_rtc(&b.hpet), clock, 0);
}

static void take_down(void)
{
    rtc_finish(&b.rtc);
    pit8254_finish(&b.pit);
    hpet_finish(&b.hpet);
    ioapic_finish(&b.ioapic);
    pic8259_finish(&b.pic);
    clock_destroy(b.clock);
}

static int setup(void **state)
{
    (void)state;
    build(clock_create_manual());
    return 0;
}

static int setup_real(void **state)
{
    (void)state;
    struct clock *clock = clock_create(NULL);
    assert_non_null(clock);
    build(clock);
    clock_resume(clock);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    take_down();
    return 0;
}

static void initialize_pic(void)
{
    static const uint8_t words[2][4] = {{0x11, 0x30, 0x04, 0x01}, {0x11, 0x38, 0x02, 0x01}};
    for (unsigned chip = 0; chip < 2; chip++)
        for (unsigned i = 0; i < 4; i++)
            device_write(&b.pic.dev, 2 * chip + !!i, words[chip][i], 1);
}

static void route(unsigned pin, uint32_t low)
{
    device_write(&b.ioapic.dev, 0, 0x10 + 2 * pin, 4);
    device_write(&b.ioapic.dev, 0x10, low, 4);
}

static void tick_at_1000_hz(void)
{
    device_write(&b.pit.dev, 3, 0x34, 1);
    device_write(&b.pit.dev, 0, 1193 & 0xff, 1);
    device_write(&b.pit.dev, 0, 1193 >> 8, 1);
}

static void the_timer_reaches_both_controllers(void **state)
{
    (void)state;
    initialize_pic();
    route(ISA_TIMER_GSI, 0x50);
    tick_at_1000_hz();
    unsigned acknowledged = 0;
    b.messages = 0;
    for (unsigned i = 0; i < 1000; i++) {
        clock_advance(b.clock, 100 * US);
        if (!b.intr.level)
            continue;
        assert_int_equal(pic8259_acknowledge(&b.pic), 0x30);
        device_write(&b.pic.dev, 0, 0x20, 1);
        acknowledged++;
    }
    assert_in_range(acknowledged, 99, 101);
    assert_in_range(b.messages, 99, 101);
}

static void the_hpet_silences_the_8254(void **state)
{
    (void)state;
    route(ISA_TIMER_GSI, 0x50);
    tick_at_1000_hz();
    device_write(&b.hpet.dev, 0x10, 3, 4);
    b.messages = 0;
    clock_advance(b.clock, 100 * MS);
    assert_int_equal(b.messages, 0);
    device_write(&b.hpet.dev, 0x100, 4, 4);
    device_write(&b.hpet.dev, 0x108, 20000000, 8);
    clock_advance(b.clock, 100 * MS);
    assert_int_equal(b.messages, 1);
}

// A vCPU: reads and writes everything, acknowledges, ends.
static void *hammer(void *opaque)
{
    uint64_t random = (uintptr_t)opaque;
    for (unsigned i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t r = random >> 33;
        switch (r & 7) {
        case 0: device_write(&b.hpet.dev, 0x108, r, 4); break;
        case 1: device_write(&b.hpet.dev, 0x10, r >> 8 & 3, 4); break;
        case 2: tick_at_1000_hz(); break;
        case 3: device_write(&b.rtc.dev, 0, r % 2 ? 0x720b : 0x230a, 2); break;
        case 4: device_write(&b.rtc.dev, 0, 12, 1), device_read(&b.rtc.dev, 1, 1); break;
        case 5: pic8259_acknowledge(&b.pic), device_write(&b.pic.dev, 0, 0x20, 1); break;
        case 6: ioapic_eoi(&b.ioapic, 0x50); break;
        default: device_read(&b.hpet.dev, 0xf0, 8), device_read(&b.pit.dev, 0, 2); break;
        }
    }
    return NULL;
}

static void several_vcpus_and_the_timers_at_once(void **state)
{
    (void)state;
    initialize_pic();
    route(ISA_TIMER_GSI, 0x50);
    route(ISA_IRQ_RTC, 0x8051);
    device_write(&b.hpet.dev, 0x100, 0x10c, 4);
    pthread_t threads[3];
    for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(device_loaded(&b.hpet.dev, NULL), 0);
    assert_int_equal(device_loaded(&b.pit.dev, NULL), 0);
    assert_int_equal(device_loaded(&b.rtc.dev, NULL), 0);
    assert_int_equal(device_loaded(&b.pic.dev, NULL), 0);
    assert_int_equal(device_loaded(&b.ioapic.dev, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_timer_reaches_both_controllers, setup, teardown),
        cmocka_unit_test_setup_teardown(the_hpet_silences_the_8254, setup, teardown),
        cmocka_unit_test_setup_teardown(several_vcpus_and_the_timers_at_once, setup_real, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
