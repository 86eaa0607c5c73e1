// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver and a clock that jumps (device_steps.h). The line is what registers B and C say,
// interrupts are bounded by the time that went by, and the time shown is a time.
#include "tests/fuzz/device_steps.h"

#include "guest/device/rtc.h"

static uint8_t get(struct rtc *rtc, unsigned reg)
{
    uint8_t index = rtc->index;
    device_write(&rtc->dev, 0, reg, 1);
    uint8_t value = device_read(&rtc->dev, 1, 1);
    device_write(&rtc->dev, 0, index, 1);
    return value;
}

static void check_time(struct rtc *rtc)
{
    bool held = rtc->cmos[0x0b] & 0x80 || (rtc->cmos[0x0a] & 0x60) == 0x60;
    if (held)
        return;
    unsigned month = get(rtc, 8), day = get(rtc, 7), second = get(rtc, 0), weekday = get(rtc, 6);
    bool binary = rtc->cmos[0x0b] & 4;
    check(month >= 1 && month <= (binary ? 12u : 0x12u) && day >= 1 && day <= (binary ? 31u : 0x31u));
    check(second <= (binary ? 59u : 0x59u) && weekday >= 1 && weekday <= 7);
}

static int64_t host_now_ns;

static int64_t host_ns(void)
{
    return host_now_ns;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {data, size_bytes, clock_create_manual(), 0};
    struct fuzz_wire irq = {.line.set = fuzz_wire_set};
    struct rtc rtc;
    rtc_init(&rtc, &irq.line, s.clock, (int64_t)take(&s, 8));
    host_now_ns = 1;
    rtc_follow(&rtc, host_ns);
    for (unsigned i = 0, own; goes_on(&s, i); i++) {
        irq.edges = 0;
        if (!step(&s, &rtc.dev, RTC_REGION_BYTES, &own)) {
            if (own == 15)
                host_now_ns = (int64_t)(take(&s, 8) >> 2);
            if (own == 14)
                device_resume(&rtc.dev);
            device_write(&rtc.dev, 0, take(&s, 1), 1);
            device_write(&rtc.dev, 1, take(&s, 1), 1);
        }
        check(irq.edges <= s.advanced_ns / PERIODIC_FLOOR_NS + 3);
        check(irq.level == !!(rtc.cmos[0x0b] & rtc.cmos[0x0c] & 0x70));
        check_time(&rtc);
        check_loadable(&rtc.dev);
    }
    rtc_finish(&rtc);
    clock_destroy(s.clock);
    return 0;
}
