// SPDX-License-Identifier: GPL-2.0-or-later
//
// A network back end: where a card's frames go to and come from (user-mode NAT, tap, socket). Cards
// hold a `struct net *` and never learn which.
//
// Frames are Ethernet, without the checksum at the end. With a frame goes what the sender left to be
// done: a transport checksum to fill in, a TCP or UDP payload to be cut into packets, as in virtio's
// net header (Virtual I/O Device 1.2, section 5.1.6). A back end says which of that it takes.
//
// Threads: everything is on the back end's I/O thread, which the card shares; making and closing is the
// main thread's. Nothing blocks. send may call receive (an answer comes at once), never the reverse.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/io_thread.h"

enum net_gso { NET_GSO_NONE, NET_GSO_TCP4, NET_GSO_UDP, NET_GSO_TCP6 };
enum {
    NET_FRAME_BYTES_MAX = 65550,  // a frame that is still to be cut
    NET_ETHERNET_HEADER_BYTES = 14,
};

struct net_frame {
    const struct iovec *iov;
    unsigned iov_count;
    uint32_t size_bytes;
    // What is to be done yet.
    bool checksum_needed;  // add up from checksum_start on, store at checksum_start + checksum_offset
    bool checksum_good;    // received: the transport checksum was verified, or can't be wrong
    enum net_gso gso;      // goes with checksum_needed
    bool gso_ecn;
    uint16_t header_bytes, gso_bytes;  // of one cut packet: headers, payload
    uint16_t checksum_start, checksum_offset;
};

// Which of struct net_frame's work a back end takes off a sender.
enum { NET_TAKES_CHECKSUM = 1, NET_TAKES_TCP4 = 2, NET_TAKES_TCP6 = 4, NET_TAKES_ECN = 8, NET_TAKES_UDP = 16 };

struct net;

// What a card lends to its back end. opaque is the card.
struct net_front {
    // False: no room now; the back end keeps or drops the frame, and is told by net_room when there is.
    bool (*receive)(void *opaque, const struct net_frame *frame);
    // Nothing more comes at the moment: the card tells its guest what it has.
    void (*flush)(void *opaque);
    void (*link_changed)(void *opaque, bool up);  // may be null
};

struct net_ops {
    const char *name;  // "user"
    unsigned takes;    // NET_TAKES_*
    // Takes the frame (copies what it keeps). A lost frame is no error.
    void (*send)(struct net *net, const struct net_frame *frame);
    void (*room)(struct net *net);  // the card has room again
    // A line for `info network`: "net=10.0.2.0,restrict=off". Any thread.
    void (*describe)(struct net *net, char *text, size_t room);
    void (*close)(struct net *net);
};

struct net {
    const struct net_ops *ops;
    struct io_thread *thread;
    char *id;  // of -netdev
    const struct net_front *front;  // null: no card yet; frames for it are dropped
    void *front_opaque;
    // What the card is ready to receive beyond plain frames: NET_TAKES_*.
    unsigned front_takes;
};

// Helpers for both sides. I/O thread. A card attaches itself anew when what it takes has changed; a null
// front detaches.
void net_attach(struct net *net, const struct net_front *front, void *opaque, unsigned front_takes);
static inline void net_send(struct net *net, const struct net_frame *frame) { net->ops->send(net, frame); }
static inline void net_room(struct net *net) { net->ops->room(net); }
// Main thread. No card is attached any more. null is fine.
void net_close(struct net *net);

// The Internet checksum (RFC 1071), in the byte order in which it is stored. Sums of several pieces can be
// chained as long as all but the last have an even size.
uint64_t net_sum(uint64_t sum, const uint8_t *bytes, size_t size_bytes);
uint16_t net_fold(uint64_t sum);
// Fills in what checksum_needed asks for, in a frame that lies in one piece. Where start and offset
// lead beyond it, nothing is done.
void net_fill_checksum(uint8_t *bytes, uint32_t size_bytes, uint16_t start, uint16_t offset);
// Puts the first bytes of a frame into one piece; returns how many these are.
uint32_t net_gather(const struct net_frame *frame, uint8_t *bytes, uint32_t room_bytes);
