// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the tests of devices share: a wire that remembers, and accesses as a guest makes them.
#pragma once

// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"
#include "guest/bus/irq.h"
#include "guest/bus/power.h"
#include "guest/device/device.h"

enum { US = 1000, MS = 1000 * US };
#define SECOND UINT64_C(1000000000)

struct wire {
    struct irq_line line;
    bool level;
    unsigned edges;  // rising ones
};

static inline void wire_set(struct irq_line *line, bool level)
{
    struct wire *wire = container_of(line, struct wire, line);
    wire->edges += level && !wire->level;
    wire->level = level;
}

static inline struct wire wire(void)
{
    return (struct wire){.line.set = wire_set};
}

struct power_log {
    struct power_sink sink;
    unsigned requests;
    enum power_request last;
    int exit_code;
};

static inline void power_log_request(struct power_sink *sink, enum power_request request, int code)
{
    struct power_log *log = container_of(sink, struct power_log, sink);
    log->requests++;
    log->last = request;
    log->exit_code = code;
}

static inline struct power_log power_log(void)
{
    return (struct power_log){.sink.request = power_log_request};
}
