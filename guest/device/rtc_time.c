// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/rtc_time.h"

#include <time.h>

#include "guest/device/ticks.h"

enum { HOUR_PM = 0x80, ALARM_ANY = 0xc0 };
enum { DIVIDER_START_NS = NS_PER_SECOND / 2 };
enum { DAY_S = 86400, HOUR_S = 3600, MINUTE_S = 60 };

// Years 0 to 9999, which is what the registers can hold.
static const int64_t earliest_s = -62167219200, latest_s = 253402300799;

int64_t rtc_clamp(int64_t seconds)
{
    return seconds < earliest_s ? earliest_s : seconds > latest_s ? latest_s : seconds;
}

bool rtc_divider_runs(const struct rtc *r)
{
    return (r->cmos[REG_A] & A_DIVIDER_RESET) != A_DIVIDER_RESET;
}

bool rtc_updates(const struct rtc *r)
{
    return rtc_divider_runs(r) && !(r->cmos[REG_B] & B_SET);
}

uint64_t rtc_since_base_ns(const struct rtc *r, uint64_t at_ns)
{
    int64_t since = (int64_t)earlier(at_ns, RTC_LATEST_NS) - r->base_ns;
    return since > 0 ? since : 0;
}

int64_t rtc_seconds_at(const struct rtc *r, uint64_t at_ns)
{
    return r->base_s + (int64_t)(rtc_since_base_ns(r, at_ns) / NS_PER_SECOND);
}

// Registers in the data mode of register B.
static uint8_t encode(const struct rtc *r, unsigned value)
{
    return r->cmos[REG_B] & B_BINARY ? value : value / 10 % 10 << 4 | value % 10;
}

static unsigned decode(const struct rtc *r, uint8_t value)
{
    return r->cmos[REG_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct rtc *r, unsigned hour)
{
    if (r->cmos[REG_B] & B_24H)
        return encode(r, hour);
    return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct rtc *r, uint8_t value)
{
    if (r->cmos[REG_B] & B_24H)
        return decode(r, value);
    return decode(r, value & ~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

static struct tm calendar(int64_t seconds)
{
    time_t time = rtc_clamp(seconds);
    struct tm tm = {0};
    gmtime_r(&time, &tm);
    return tm;
}

static uint8_t encode_register(const struct rtc *r, unsigned reg, const struct tm *tm)
{
    switch (reg) {
    case SECONDS: return encode(r, tm->tm_sec);
    case MINUTES: return encode(r, tm->tm_min);
    case HOURS: return encode_hour(r, tm->tm_hour);
    case WEEKDAY: return encode(r, (tm->tm_wday + r->weekday_offset) % 7 + 1);
    case DAY: return encode(r, tm->tm_mday);
    case MONTH: return encode(r, tm->tm_mon + 1);
    case YEAR: return encode(r, (tm->tm_year + 1900) % 100);
    default: return encode(r, (tm->tm_year + 1900) / 100);
    }
}

bool rtc_is_time_register(unsigned reg)
{
    return reg == SECONDS || reg == MINUTES || reg == HOURS || (reg >= WEEKDAY && reg <= YEAR) ||
           reg == CENTURY;
}

void rtc_freeze(struct rtc *r, uint64_t at_ns)
{
    struct tm tm = calendar(rtc_seconds_at(r, at_ns));
    for (unsigned reg = 0; reg <= CENTURY; reg++)
        if (rtc_is_time_register(reg))
            r->cmos[reg] = encode_register(r, reg, &tm);
}

uint8_t rtc_time_register(const struct rtc *r, unsigned reg, uint64_t at_ns)
{
    struct tm tm = calendar(rtc_seconds_at(r, at_ns));
    return encode_register(r, reg, &tm);
}

// The calendar goes on from the registers, whatever they hold: the 31st of February is in March.
static int64_t frozen_seconds(struct rtc *r)
{
    struct tm tm = {
        .tm_sec = decode(r, r->cmos[SECONDS]),
        .tm_min = decode(r, r->cmos[MINUTES]),
        .tm_hour = decode_hour(r, r->cmos[HOURS]),
        .tm_mday = decode(r, r->cmos[DAY]),
        .tm_mon = (int)decode(r, r->cmos[MONTH]) - 1,
        .tm_year = (int)(decode(r, r->cmos[CENTURY]) * 100 + decode(r, r->cmos[YEAR])) - 1900,
    };
    int64_t seconds = timegm(&tm);
    r->weekday_offset = (decode(r, r->cmos[WEEKDAY]) + 6 + 7 - tm.tm_wday) % 7;
    return rtc_clamp(seconds);
}

// SET doesn't disturb the divider: the next update comes when it would have come anyway.
void rtc_thaw(struct rtc *r, uint64_t at_ns)
{
    uint64_t since = rtc_since_base_ns(r, at_ns);
    r->base_ns += since - since % NS_PER_SECOND;
    r->base_s = frozen_seconds(r);
}

// A divider that comes out of reset has its first second half over (Register A).
void rtc_release_divider(struct rtc *r, uint64_t at_ns)
{
    r->base_ns = (int64_t)at_ns - DIVIDER_START_NS;
    if (rtc_updates(r))
        r->base_s = frozen_seconds(r);
}

// base_ns stays near the clock's range, however often this is done.
void rtc_jump(struct rtc *r, int64_t by_ns)
{
    int64_t rest_ns = by_ns % NS_PER_SECOND;
    rest_ns += rest_ns < 0 ? NS_PER_SECOND : 0;
    if (!rtc_updates(r))
        return;
    r->base_s += (by_ns - rest_ns) / NS_PER_SECOND;
    r->base_ns -= rest_ns;
    if (r->base_ns < -NS_PER_SECOND) {
        r->base_ns += NS_PER_SECOND;
        r->base_s++;
    }
    r->base_s = rtc_clamp(r->base_s);
}

static bool alarm_matches(uint8_t alarm, uint8_t now)
{
    return (alarm & ALARM_ANY) == ALARM_ANY || alarm == now;
}

// The first second after `after` that fits the alarm, or RTC_NO_ALARM. Hours, then minutes, then
// seconds are skipped as wholes, so that a day is searched in some 300 steps.
int64_t rtc_next_alarm(const struct rtc *r, int64_t after)
{
    int64_t at = after + 1;
    for (unsigned steps = 0; steps < 300; steps++) {
        unsigned second = ((at % DAY_S) + DAY_S) % DAY_S;
        if (!alarm_matches(r->cmos[HOURS_ALARM], encode_hour(r, second / HOUR_S)))
            at += HOUR_S - second % HOUR_S;
        else if (!alarm_matches(r->cmos[MINUTES_ALARM], encode(r, second / MINUTE_S % 60)))
            at += MINUTE_S - second % MINUTE_S;
        else if (!alarm_matches(r->cmos[SECONDS_ALARM], encode(r, second % 60)))
            at++;
        else
            return at;
    }
    return RTC_NO_ALARM;
}

uint64_t rtc_at_seconds_ns(const struct rtc *r, int64_t seconds)
{
    if (seconds == RTC_NO_ALARM)
        return NEVER_NS;
    int64_t at = r->base_ns + (seconds - r->base_s) * NS_PER_SECOND;
    return at > 0 ? at : 0;
}
