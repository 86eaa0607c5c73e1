// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/net/net.h"

#include <string.h>

void net_attach(struct net *net, const struct net_front *front, void *opaque, unsigned front_takes)
{
    net->front = front;
    net->front_opaque = opaque;
    net->front_takes = front_takes;
}

void net_close(struct net *net)
{
    if (net)
        net->ops->close(net);
}

static uint64_t add_carry(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

// The end-around carry makes the sum of 64-bit words as good as that of 16-bit ones (RFC 1071, 2(C)).
uint64_t net_sum(uint64_t sum, const uint8_t *bytes, size_t size_bytes)
{
    uint64_t word[4];
    for (; size_bytes >= sizeof word; bytes += sizeof word, size_bytes -= sizeof word) {
        memcpy(word, bytes, sizeof word);
        for (unsigned i = 0; i < 4; i++)
            sum = add_carry(sum, word[i]);
    }
    for (; size_bytes; ) {
        size_t part = size_bytes < sizeof word[0] ? size_bytes : sizeof word[0];
        word[0] = 0;
        memcpy(word, bytes, part);
        sum = add_carry(sum, word[0]);
        bytes += part;
        size_bytes -= part;
    }
    return sum;
}

uint16_t net_fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (sum & UINT16_MAX) + (sum >> 16);
}

void net_fill_checksum(uint8_t *bytes, uint32_t size_bytes, uint16_t start, uint16_t offset)
{
    if ((uint32_t)start + offset + 2 > size_bytes)
        return;
    uint16_t sum = ~net_fold(net_sum(0, bytes + start, size_bytes - start));
    if (!sum)
        sum = UINT16_MAX;  // in UDP 0 says that there is none (RFC 768); elsewhere both are the same
    memcpy(bytes + start + offset, &sum, sizeof sum);
}

uint32_t net_gather(const struct net_frame *frame, uint8_t *bytes, uint32_t room_bytes)
{
    uint32_t done = 0;
    for (unsigned i = 0; i < frame->iov_count && done < room_bytes; i++) {
        size_t part = frame->iov[i].iov_len;
        if (part > room_bytes - done)
            part = room_bytes - done;
        memcpy(bytes + done, frame->iov[i].iov_base, part);
        done += part;
    }
    return done;
}
