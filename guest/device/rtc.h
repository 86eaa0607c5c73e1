// SPDX-License-Identifier: GPL-2.0-or-later
//
// Real-time clock and CMOS RAM: MC146818A (Motorola, 1984) at ports 0x70 and 0x71, with the PC's
// century byte at 0x32 and, in the upper bit of the index port, its NMI mask.
//
// The time isn't counted: it follows from the guest clock and the second at which that clock stood
// when the time was set. Only while the guest holds the update (SET, or the divider in reset) do
// the registers keep what is written to them. The update itself takes no time here, so UIP covers
// the 244 us of warning before it. Daylight saving and the square wave output are not modelled,
// as on later PCs.
//
// While the guest is paused its clock stands. What shows the time then is a matter of configuration:
// it stands with the clock (-rtc clock=vm), or has gone on with the host's when the guest resumes, be it
// from a snapshot in another process.
#pragma once

#include "base/clock.h"
#include "guest/bus/irq.h"
#include "guest/device/device.h"

enum { RTC_REGION_BYTES = 2, RTC_CMOS_BYTES = 128 };

struct rtc {
    struct device dev;
    struct irq_line *irq;  // not owned: IRQ 8
    struct clock *clock;   // not owned
    struct clock_timer timer;

    uint8_t index;  // as written, with the NMI mask
    uint8_t cmos[RTC_CMOS_BYTES];
    int64_t base_s;   // the time, in seconds since 1970 as the guest sees them, at base_ns
    int64_t base_ns;  // may lie before the clock's beginning
    uint64_t seen_ns;  // until when events have been taken into register C
    uint8_t weekday_offset;  // of the register from the calendar

    int64_t (*host_ns)(void);  // null: the time stands while the guest is paused
    int64_t host_lead_ns;      // of the host's time over the guest's clock, when it last began to run; 0: not known
};

// start_s is the time to show now, counted as for UTC: with base=localtime the caller adds its
// offset. The rest stays the caller's, and must outlive the device.
void rtc_init(struct rtc *rtc, struct irq_line *irq, struct clock *clock, int64_t start_s);
void rtc_finish(struct rtc *rtc);

// Before the machine runs: what firmware would leave in the CMOS RAM about memory.
void rtc_set_memory(struct rtc *rtc, uint64_t below_4g_bytes, uint64_t above_4g_bytes);
// Before the machine runs: the time follows the host's, counted from whenever, which may also be set.
void rtc_follow(struct rtc *rtc, int64_t (*host_ns)(void));
