// SPDX-License-Identifier: GPL-2.0-or-later
//
// A disk's contents: what a disk controller, an image tool or a job reads and writes. Behind it is a
// node: a file here; formats (qcow2) stack on others and are asked only where data is.
//
// Requests. The submitter fills in a `struct block_request`, owns it and the memory that it names, and leaves
// them alone from block_submit until done is called: once, with result, on the node's I/O thread, never
// from within block_submit. Requests run at once and complete in any order; overlapping ones have no
// order. What completes a write without BLOCK_FUA may still be in a volatile cache; a flush that is
// submitted after a write has completed makes that write durable.
//
// A node's hot operation is map: where [offset, offset + size) lies, as extents of a child, so that data goes
// from the front end to the leaf without passing through a format. What map can't say without work
// (allocation, metadata that is not cached) is done by blocking code on a worker thread. Of this
// contract a raw file needs only submit; a format replaces `submit` by `map` and `allocate`.
//
// Threads: a node belongs to one I/O thread; open and close are called from the main thread, the rest on
// that I/O thread unless said otherwise.
//
// Errors: -errno of the host. -ENOSPC and -EIO reach the submitter, whose policy (werror=, rerror=)
// decides.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/io_thread.h"

enum block_operation { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES };
enum {
    BLOCK_FUA = 1,    // write, write-zeroes: durable when it completes
    BLOCK_UNMAP = 2,  // write-zeroes: may give the space back
};

struct block;

struct block_request {
    enum block_operation operation;
    unsigned flags;
    uint64_t offset_bytes, size_bytes;  // within the node; multiples of its block_bytes
    const struct iovec *iov;            // read, write: size_bytes in all
    unsigned iov_count;
    int result;  // 0 or -errno: all of it was done, or nothing can be said
    void (*done)(struct block_request *request);

    struct block *block;  // the node's own from here on
    struct block_request *next;
    uint64_t progress_bytes, begin_ns;
    unsigned marks;
};

enum block_cache { BLOCK_WRITEBACK, BLOCK_WRITETHROUGH, BLOCK_NONE, BLOCK_DIRECTSYNC, BLOCK_UNSAFE };
enum block_aio { BLOCK_AIO_AUTO, BLOCK_AIO_THREADS, BLOCK_AIO_NATIVE, BLOCK_AIO_IO_URING };

struct block_config {
    const char *path;  // a regular file or block device, "nbd:..." is not here yet
    const char *format;  // "raw"; null: a file that looks like another format is refused
    bool read_only;
    bool auto_read_only;   // read-only if it can't be opened for writing
    enum block_cache cache;
    enum block_aio aio;    // auto: io_uring where the kernel lets us, else threads
    bool discard_unmap;    // discard=unmap; else a discard is ignored
    bool detect_zeroes;
    bool share_writers;    // no lock (locking=off)
};

struct block_info {
    uint64_t size_bytes;
    uint32_t block_bytes;      // what offsets and sizes are a multiple of: 512
    uint32_t memory_alignment, offset_alignment;  // what is quick with O_DIRECT; the rest works too
    bool read_only, writeback, can_discard, can_write_zeroes;
    const char *aio_name;      // "io_uring", "threads"
};

struct block_ops {
    const char *name;
    void (*submit)(struct block *b, struct block_request *request);  // I/O thread
    void (*close)(struct block *b);  // main thread; drained
};

struct block {
    const struct block_ops *ops;
    struct io_thread *thread;
    struct block_info info;
    char *path;
    // Who uses the node may be told after some requests were done, once a turn of the loop.
    void (*batch_done)(void *opaque);
    void *batch_opaque;
    // I/O thread
    unsigned in_flight;
    void (*drained)(void *opaque);
    void *drained_opaque;
    struct { uint64_t operations[5], bytes[5], ns[5], failed[5]; } stats;  // by enum block_operation
};

// The image lock, as QEMU's: locks on ranges of the file (fcntl OFD), so that QEMU and Konuk respect each
// other. Null on failure, with QEMU's sentence ("Could not open 'x': No such file or directory"). Of an
// image whose format was guessed the guest may not make one of another format: see probe.h.
struct block *block_open(const struct block_config *config, struct io_thread *thread, struct err *err);
void block_close(struct block *b);  // main thread; waits for what is in flight

void block_submit(struct block *b, struct block_request *request);
// Calls drained on the I/O thread, later, once nothing is in flight. One at a time a node.
void block_drain(struct block *b, void (*drained)(void *opaque), void *opaque);
// For code that may block and is not on the I/O thread: the same, waited for.
int block_call(struct block *b, struct block_request *request);

// For nodes. A node is allocated by malloc, with its struct block embedded first; block_close frees it.
void block_init(struct block *b, const struct block_ops *ops, struct io_thread *thread);
void block_finish(struct block_request *request, int result);  // not from within submit
void block_finish_batch(struct block *b);
