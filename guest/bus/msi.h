// SPDX-License-Identifier: GPL-2.0-or-later
//
// A message-signalled interrupt: an address and a data word, as in Intel SDM volume 3,
// "Message Signalled Interrupts" (addresses 0xfeexxxxx). Not a wire and not DMA: it goes
// straight to the interrupt controller of the engine that runs the vCPUs.
//
// Threads: send may be called from any thread, with device locks held; it doesn't block and does
// not call back into a device.
#pragma once

#include <stdint.h>

struct msi_sink {
    void (*send)(struct msi_sink *sink, uint64_t address, uint32_t data);
};

static inline void msi_send(struct msi_sink *sink, uint64_t address, uint32_t data)
{
    sink->send(sink, address, data);
}
