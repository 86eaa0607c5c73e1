// SPDX-License-Identifier: GPL-2.0-or-later
//
// The parts of user.c. All on the I/O thread but opening.
#pragma once

#include <semaphore.h>
#include <slirp/libslirp.h>

#include "guest/net/user.h"
#include "guest/net/user_address.h"
#include "guest/net/user_fragments.h"

enum {
    USER_MTU = 1500,                // of the guest's link, for what can't be left to be cut
    USER_LINK_BYTES_MAX = 65521,    // the largest packet that libslirp works with
    USER_RAISED_MSS = 32768,        // and the largest TCP segment
    USER_WAITING_BYTES_MAX = 2 << 20,  // frames for a card without room
    USER_SOCKETS_MAX = 2048,        // and no more than half the process may open
};

// A socket of libslirp's.
struct user_socket {
    uv_poll_t poll;
    struct user *user;
    int fd;
    int wanted;     // SLIRP_POLL_*, when libslirp was last asked in that fill
    unsigned fill;
    int watched;    // UV_*
    int ready;      // SLIRP_POLL_*
    struct user_socket *next, **link;
};

struct user_waiting {
    struct user_waiting *next;
    struct net_frame frame;
    struct iovec iov;
    uint8_t bytes[];
};

struct user {
    struct net net;
    Slirp *slirp;
    struct user_addresses address;
    bool restricted;

    // user_poll.c
    uv_check_t check;
    uv_timer_t timeout, router_timer;
    void *router_opaque;
    bool changed;                 // libslirp may wait for others than before
    bool any_ready, timed_out;
    struct user_socket **socket;  // by descriptor
    unsigned sockets_room, sockets, sockets_max;
    struct user_socket *all;
    unsigned fill;
    unsigned handles;             // of libuv's, not closed yet
    sem_t *closed;                // posted when none is left

    // user_guest.c
    uint16_t guest_mss[2];  // of IPv4, IPv6; 0: not known
    struct user_waiting *waiting, **waiting_end;
    size_t waiting_bytes;
    bool to_flush;  // the card was given something

    struct user_fragments fragments;
    uint8_t frame[NET_FRAME_BYTES_MAX];  // from the guest, in one piece
};

// libslirp keeps the time and what it knows of the host's DNS in variables of its own, which all its users of
// a process share: only one at a time is in it.
void user_enter(void);
void user_leave(void);

void user_poll_start(struct user *u);
void user_poll_finish(struct user *u, sem_t *closed);  // posts when no callback comes any more
extern const SlirpCb user_callbacks;

ssize_t user_to_guest(const void *bytes, size_t size_bytes, void *opaque);
void user_room(struct net *net);
void user_forget_waiting(struct user *u);
void user_flush(struct user *u);
