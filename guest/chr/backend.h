// SPDX-License-Identifier: GPL-2.0-or-later
//
// The character back ends that exist, by name: opened from a description, found by their label,
// listed for query-chardev, closed together at the end of the process.
//
// A back end serves one front. One that was opened with mux serves several, which share it by the
// escape keys of mux.h. Output waits in memory until the other end takes it, up to a limit, and
// what doesn't fit is lost; a front that must not lose any (a monitor) asks for the backlog
// before it produces more.
//
// Threads: everything but the operations of struct chr belongs to the event loop's thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/chr/chr.h"

enum chr_kind { CHR_NULL, CHR_STDIO, CHR_FILE, CHR_PIPE, CHR_PTY, CHR_SOCKET, CHR_RINGBUF };

// How to open one. Strings are copied where they are kept. What a kind has no use for is zero.
struct chr_config {
    enum chr_kind kind;
    const char *label;
    const char *path;          // file, pipe, Unix socket
    const char *host, *port;   // TCP socket; no host: this one
    const char *logfile;       // gets a copy of all output
    bool log_append;
    bool server, wait;         // socket: listen; open returns when the first peer is there
    bool signal;               // stdio: the terminal's interrupt keys still end the process
    bool append;               // file
    bool mux;
    uint32_t size_bytes;       // ring buffer: a power of two
};

enum { CHR_OUTPUT_LIMIT_BYTES = 1 << 20 };

struct chr_backend;

struct chr_backend_ops {
    size_t (*backlog_bytes)(struct chr_backend *b);  // written and not yet taken; may be null
    // What waits is written out, for a short time; outside things are put back as they were.
    void (*close)(struct chr_backend *b);
};

struct chr_backend {
    struct chr chr;
    const struct chr_backend_ops *ops;
    char *label;
    char *filename;  // "disconnected:unix:/run/q,server=on": what query-chardev says
    const struct chr_front *front;
    void *front_opaque;
    struct chr_backend *mux;  // serves the fronts in this one's place
    bool opened, taken;
    struct chr_backend *next;
};

// Opens and registers. Returns null and a sentence on failure.
struct chr_backend *chr_open(const struct chr_config *config, struct err *err);
struct chr_backend *chr_find(const char *label);
// The end that a front attaches to: the back end itself, or a new port of its mux. Null and a
// sentence if it has all the fronts that it can serve.
struct chr *chr_take(struct chr_backend *b, struct err *err);
size_t chr_backlog_bytes(struct chr *chr);
void chr_each(void (*each)(struct chr_backend *b, void *opaque), void *opaque);
// Closes all. Called once, when no loop runs any more and no device writes.
void chr_close_all(void);

// For back ends.
void chr_backend_init(struct chr_backend *b, const struct chr_ops *chr_ops,
                      const struct chr_backend_ops *ops, const char *label, const char *filename);
void chr_backend_free(struct chr_backend *b);  // closes it
void chr_backend_attach(struct chr *chr, const struct chr_front *front, void *opaque);
void chr_backend_event(struct chr_backend *b, enum chr_event event);
void chr_backend_rename(struct chr_backend *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
