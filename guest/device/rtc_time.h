// SPDX-License-Identifier: GPL-2.0-or-later
//
// The time of an MC146818: which second it is, how the registers show it, and what the guest's
// writes to them make of it. The chip's lock is held.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest/device/rtc.h"

enum { SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR,
       REG_A, REG_B, REG_C, REG_D, CENTURY = 0x32 };
enum { A_RATE = 0x0f, A_DIVIDER_RESET = 0x60, A_UIP = 0x80, A_WRITABLE = 0x7f };
enum { B_24H = 0x02, B_BINARY = 0x04, B_SQUARE_WAVE = 0x08, B_UPDATE = 0x10, B_ALARM = 0x20,
       B_PERIODIC = 0x40, B_SET = 0x80 };

// A time of the clock beyond this is taken as this, so that no sum overflows.
#define RTC_LATEST_NS (INT64_MAX / 4)
#define RTC_NO_ALARM INT64_MAX

bool rtc_divider_runs(const struct rtc *r);
bool rtc_updates(const struct rtc *r);  // the time goes on
bool rtc_is_time_register(unsigned reg);
int64_t rtc_clamp(int64_t seconds);  // to the years that the registers can hold

uint64_t rtc_since_base_ns(const struct rtc *r, uint64_t at_ns);
int64_t rtc_seconds_at(const struct rtc *r, uint64_t at_ns);
uint64_t rtc_at_seconds_ns(const struct rtc *r, int64_t seconds);  // NEVER_NS for RTC_NO_ALARM
int64_t rtc_next_alarm(const struct rtc *r, int64_t after);

uint8_t rtc_time_register(const struct rtc *r, unsigned reg, uint64_t at_ns);
// The registers keep the time from now on; or the time goes on from them.
void rtc_freeze(struct rtc *r, uint64_t at_ns);
void rtc_thaw(struct rtc *r, uint64_t at_ns);
void rtc_release_divider(struct rtc *r, uint64_t at_ns);
// Forward or back, where the time goes on.
void rtc_jump(struct rtc *r, int64_t by_ns);
