// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a guest may ask of its machine as a whole: to be reset, to be switched off, or (a test
// guest) to end the process with an exit status; or tell it: that it has panicked, or does so and
// goes on into a crash kernel.
//
// Threads: request is called on a vCPU's thread, with the device's lock held, in the middle of an
// access. It only takes note: resetting happens later, outside every dispatch.
#pragma once

enum power_request { POWER_RESET, POWER_OFF, POWER_EXIT, POWER_PANICKED, POWER_CRASHLOADED };

struct power_sink {
    // exit_code belongs to POWER_EXIT.
    void (*request)(struct power_sink *sink, enum power_request request, int exit_code);
};

static inline void power_request(struct power_sink *sink, enum power_request request, int exit_code)
{
    sink->request(sink, request, exit_code);
}
