// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inside the gdb stub: gdbstub.c has the line and its framing and knows when the machine runs,
// gdbstub_commands.c what the packets mean, gdbstub_registers.c how registers are numbered.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/chr/backend.h"
#include "guest/control/gdbstub.h"

enum { GDB_PACKET_BYTES = 16384, GDB_VCPUS = 1024, GDB_REGISTERS = 66 };

enum gdb_framing { GDB_IDLE, GDB_DATA, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW };

struct gdbstub {
    struct gdb_vm vm;
    struct chr *chr;
    struct chr_backend *backend;  // its own; null if chr was lent

    bool connected, no_ack;
    bool running;        // resumed by the client, which waits for a stop
    unsigned current;    // the vCPU that g, m and the like mean
    unsigned stopped_at; // the vCPU that the last stop was of
    char stop_reply[64];
    struct vcpu_debug debug;        // the client's points
    bool read_watch[VCPU_BREAKPOINTS];  // asked for as a read watchpoint
    bool debug_set;                 // the vCPUs know them now

    enum gdb_framing framing;
    size_t packet_bytes;
    bool packet_too_long;
    uint8_t sum, sum_sent;
    char packet[GDB_PACKET_BYTES + 1];  // ends with a zero byte

    size_t reply_bytes;
    bool reply_overflow;
    char reply[GDB_PACKET_BYTES];
};

// gdbstub.c. A reply is built by these, then sent in a frame by whoever called gdb_execute.
void gdb_reply(struct gdbstub *stub, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gdb_reply_hex(struct gdbstub *stub, const void *bytes, size_t size_bytes);
void gdb_send(struct gdbstub *stub);  // what was built
// step: null, or for each vCPU whether it makes one step; run: null (all) or which.
void gdb_resume(struct gdbstub *stub, const bool *step, const bool *run);
void gdb_stop(struct gdbstub *stub);
void gdb_detach(struct gdbstub *stub);  // goes on without points

// gdbstub_commands.c: carries out stub->packet and builds the reply. False: there is none (now).
bool gdb_execute(struct gdbstub *stub);
// Hexadecimal digits to bytes; how many bytes were there before something else or the end.
size_t gdb_unhex(const char *hex, uint8_t *bytes, size_t most_bytes);

// gdbstub_registers.c. Read gives the bytes of a register as gdb numbers it, 0: there is none.
size_t gdb_register_read(const struct x86_state *state, unsigned number, uint8_t bytes[16]);
// How many bytes it took, 0: there is none. A register that can't be changed is left as it is.
size_t gdb_register_write(struct x86_state *state, unsigned number, const uint8_t bytes[16]);
const char *gdb_target_description(void);
