// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

// What a thread does around each sleep of its event loop: let go of something, and take it up again.
struct loop_sleep {
    void (*before)(void);
    void (*after)(void);
};
