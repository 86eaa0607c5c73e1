// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the guest writes is loaded through volatile or atomic accesses, each once, so that a compiler
// can't look twice. Where this side must publish something and then look at what the other side has
// published (2.7.7.1, 2.7.13.4.1), both accesses are sequentially consistent.
#include "guest/virtio/queue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"

enum { DESCRIPTOR_BYTES = 16 };
enum { FLAG_NEXT = 1, FLAG_WRITE = 2, FLAG_INDIRECT = 4 };
enum { RING_FLAGS = 0, RING_INDEX = 2, RING_ENTRIES = 4 };  // of both rings
enum { AVAILABLE_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };
enum { USED_ENTRY_BYTES = 8 };

// A descriptor in an indirect table may lie at any address.
typedef uint16_t __attribute__((aligned(1), may_alias)) any16_t;
typedef uint32_t __attribute__((aligned(1), may_alias)) any32_t;
typedef uint64_t __attribute__((aligned(1), may_alias)) any64_t;
typedef uint16_t __attribute__((may_alias)) ring16_t;
typedef uint32_t __attribute__((may_alias)) ring32_t;

struct descriptor {
    uint64_t address;
    uint32_t size_bytes;
    uint16_t flags, next;
};

static struct descriptor load_descriptor(const uint8_t *table, unsigned index)
{
    const uint8_t *at = table + (size_t)index * DESCRIPTOR_BYTES;
    return (struct descriptor){
        .address = *(const volatile any64_t *)at,
        .size_bytes = *(const volatile any32_t *)(at + 8),
        .flags = *(const volatile any16_t *)(at + 12),
        .next = *(const volatile any16_t *)(at + 14),
    };
}

static ring16_t *available_entry(const struct virtio_queue *q, unsigned n)
{
    return (ring16_t *)(q->available_host + RING_ENTRIES) + n;
}

// Behind the entries of a ring, the other side's event index (2.7.10).
static ring16_t *used_event(const struct virtio_queue *q)
{
    return available_entry(q, q->size);
}

static uint8_t *used_entry(const struct virtio_queue *q, unsigned n)
{
    return q->used_host + RING_ENTRIES + (size_t)n * USED_ENTRY_BYTES;
}

static ring16_t *available_event(const struct virtio_queue *q)
{
    return (ring16_t *)used_entry(q, q->size);
}

static uint16_t available_index(const struct virtio_queue *q)
{
    return __atomic_load_n((ring16_t *)(q->available_host + RING_INDEX), __ATOMIC_SEQ_CST);
}

static void publish(struct virtio_queue *q, ring16_t *field, uint16_t value)
{
    __atomic_store_n(field, value, __ATOMIC_SEQ_CST);
    mem_wrote(q->memory, field, sizeof *field);
}

static int break_queue(struct virtio_queue *q, const char *why)
{
    log_guest("virtio", "a queue is broken: %s", why);
    q->broken = true;
    return -EINVAL;
}

static uint8_t *ring_at(struct virtio_queue *q, uint64_t address, uint64_t size_bytes, unsigned alignment,
                        bool for_write)
{
    if (address % alignment)
        return NULL;
    return mem_ram_at(q->memory, GPA(address), size_bytes, for_write);
}

int virtio_queue_start(struct virtio_queue *q, struct mem *memory, bool event_index, struct err *err)
{
    unsigned event_bytes = event_index ? 2 : 0, size = q->size;
    assert(size && size <= VIRTIO_QUEUE_SIZE_MAX && !(size & (size - 1)));
    q->memory = memory;
    q->event_index = event_index;
    q->broken = q->paused = false;
    q->in_flight = q->untold = 0;
    memset(q->heads, 0, sizeof q->heads);
    q->descriptors_host = ring_at(q, q->descriptors, size * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES, false);
    q->available_host = ring_at(q, q->available, RING_ENTRIES + 2 * size + event_bytes, 2, false);
    q->used_host = ring_at(q, q->used, RING_ENTRIES + USED_ENTRY_BYTES * size + event_bytes, 4, true);
    if (!q->descriptors_host || !q->available_host || !q->used_host) {
        virtio_queue_stop(q);
        return err_set(err, -EINVAL, "the rings at %#llx, %#llx and %#llx are not in RAM",
                       (unsigned long long)q->descriptors, (unsigned long long)q->available,
                       (unsigned long long)q->used);
    }
    virtio_queue_set_kicks(q, true);
    return 0;
}

void virtio_queue_stop(struct virtio_queue *q)
{
    q->descriptors_host = q->available_host = q->used_host = NULL;
    q->broken = true;
    q->in_flight = q->untold = 0;
    memset(q->heads, 0, sizeof q->heads);
}

static bool is_in_flight(const struct virtio_queue *q, uint16_t head)
{
    return q->heads[head / 64] & BIT(head % 64);
}

// How much of RAM's [address, address + size_bytes), which is not in one region, is in the first one.
// Regions are whole pages.
static uint64_t first_region_bytes(struct mem *memory, uint64_t address, uint64_t size_bytes, bool for_write)
{
    uint64_t first = PAGE_BYTES - address % PAGE_BYTES;
    if (first >= size_bytes || !mem_ram_at(memory, GPA(address), first, for_write))
        return 0;
    uint64_t good = 0, bad = (size_bytes - first + PAGE_BYTES - 1) / PAGE_BYTES;
    while (bad - good > 1) {
        uint64_t middle = (good + bad) / 2;
        if (mem_ram_at(memory, GPA(address), first + middle * PAGE_BYTES, for_write))
            good = middle;
        else
            bad = middle;
    }
    return first + good * PAGE_BYTES;
}

static bool add_piece(struct virtio_chain *chain, void *host, uint64_t size_bytes, bool writable)
{
    unsigned count = chain->readable_count + chain->writable_count;
    if (count == VIRTIO_SEGMENTS_MAX)
        return false;
    chain->iov[count] = (struct iovec){host, size_bytes};
    *(writable ? &chain->writable_count : &chain->readable_count) += 1;
    *(writable ? &chain->writable_bytes : &chain->readable_bytes) += size_bytes;
    return true;
}

static bool add_pieces(struct virtio_queue *q, struct virtio_chain *chain, const struct descriptor *d)
{
    uint64_t address = d->address, left = d->size_bytes;
    bool writable = d->flags & FLAG_WRITE;
    if (!left || address > UINT64_MAX - left || (!writable && chain->writable_count))
        return false;
    while (left) {
        uint64_t piece = left;
        void *host = mem_ram_at(q->memory, GPA(address), piece, writable);
        if (!host) {
            piece = first_region_bytes(q->memory, address, left, writable);
            host = piece ? mem_ram_at(q->memory, GPA(address), piece, writable) : NULL;
        }
        if (!host || !add_piece(chain, host, piece, writable))
            return false;
        address += piece;
        left -= piece;
    }
    return true;
}

// Where the descriptors of a chain are: the queue's table, then perhaps an indirect one.
struct table {
    const uint8_t *host;
    uint32_t entries;
    bool indirect;
};

// The table is the last of its chain (2.7.5.3.1). It may be longer than the queue: Linux' are, if its queue
// is short. What bounds the walk is that each descriptor is a piece.
static bool enter_indirect(struct virtio_queue *q, struct table *table, const struct descriptor *d)
{
    if (table->indirect || d->flags & FLAG_NEXT || !d->size_bytes || d->size_bytes % DESCRIPTOR_BYTES)
        return false;
    table->indirect = true;
    table->entries = d->size_bytes / DESCRIPTOR_BYTES;
    table->host = mem_ram_at(q->memory, GPA(d->address), d->size_bytes, false);
    return table->host;
}

static bool walk(struct virtio_queue *q, struct virtio_chain *chain)
{
    struct table table = {q->descriptors_host, q->size, false};
    for (uint32_t index = chain->head; index < table.entries;) {
        struct descriptor d = load_descriptor(table.host, index);
        index = d.next;
        if (d.flags & FLAG_INDIRECT) {
            if (!enter_indirect(q, &table, &d))
                return false;
            index = 0;
        } else if (!add_pieces(q, chain, &d)) {
            return false;
        } else if (!(d.flags & FLAG_NEXT)) {
            return true;
        }
    }
    return false;
}

static int take_chain(struct virtio_queue *q, uint16_t head, struct virtio_chain *chain)
{
    if (head >= q->size)
        return break_queue(q, "a head is out of range");
    if (is_in_flight(q, head))
        return break_queue(q, "a head is made available that is in flight");
    chain->head = head;
    chain->readable_count = chain->writable_count = 0;
    chain->readable_bytes = chain->writable_bytes = 0;
    if (!walk(q, chain))
        return break_queue(q, "a chain that can't be");
    q->heads[head / 64] |= BIT(head % 64);
    q->in_flight++;
    return 1;
}

// A snapshot may claim any heads; there are no more in flight than were popped and not pushed.
int virtio_queue_pop_again(struct virtio_queue *q, uint16_t head, struct virtio_chain *chain)
{
    if (q->broken)
        return -EINVAL;
    if (q->in_flight >= (uint16_t)(q->next_available - q->next_used))
        return break_queue(q, "more is in flight than was made available");
    return take_chain(q, head, chain);
}

// The driver's stores to the ring before its index (2.7.13.3) are seen by who has seen that.
int virtio_queue_pop(struct virtio_queue *q, struct virtio_chain *chain)
{
    if (q->broken)
        return -EINVAL;
    if (q->paused)
        return 0;
    uint16_t ready = available_index(q) - q->next_available;
    if (!ready && q->kicks && virtio_queue_set_kicks(q, true))
        ready = available_index(q) - q->next_available;
    if (!ready)
        return 0;
    if (ready > q->size)
        return break_queue(q, "more is available than the ring holds");
    uint16_t head = *(volatile ring16_t *)available_entry(q, q->next_available & (q->size - 1u));
    int rc = take_chain(q, head, chain);
    if (rc > 0)
        q->next_available++;
    return rc;
}

static void leave(struct virtio_queue *q, uint16_t head)
{
    assert(is_in_flight(q, head));
    q->heads[head / 64] &= ~BIT(head % 64);
    q->in_flight--;
}

void virtio_queue_unpop(struct virtio_queue *q, const struct virtio_chain *chain)
{
    leave(q, chain->head);
    q->next_available--;
}

static void store_used(struct virtio_queue *q, uint16_t at, const struct virtio_used *used)
{
    uint8_t *entry = used_entry(q, at & (q->size - 1u));
    *(volatile ring32_t *)entry = used->head;
    *(volatile ring32_t *)(entry + 4) = used->written_bytes;
    mem_wrote(q->memory, entry, USED_ENTRY_BYTES);
}

void virtio_queue_push_many(struct virtio_queue *q, const struct virtio_used *used, unsigned count)
{
    if (!count)
        return;
    for (unsigned i = 0; i < count; i++) {
        leave(q, used[i].head);
        store_used(q, (uint16_t)(q->next_used + i), &used[i]);
    }
    q->next_used += count;
    ring16_t *index = (ring16_t *)(q->used_host + RING_INDEX);
    __atomic_store_n(index, q->next_used, __ATOMIC_RELEASE);
    mem_wrote(q->memory, index, sizeof *index);
    if (q->untold <= UINT16_MAX)
        q->untold += count;
}

void virtio_queue_push(struct virtio_queue *q, uint16_t head, uint32_t written_bytes)
{
    virtio_queue_push_many(q, &(struct virtio_used){head, written_bytes}, 1);
}

// The index is stored once more for the order: before the driver's wish is looked at, the driver can see it.
bool virtio_queue_must_interrupt(struct virtio_queue *q)
{
    uint32_t untold = q->untold;
    if (!untold)
        return false;
    q->untold = 0;
    __atomic_store_n((ring16_t *)(q->used_host + RING_INDEX), q->next_used, __ATOMIC_SEQ_CST);
    if (!q->event_index)
        return !(__atomic_load_n((ring16_t *)(q->available_host + RING_FLAGS), __ATOMIC_SEQ_CST) &
                 AVAILABLE_NO_INTERRUPT);
    uint16_t event = __atomic_load_n(used_event(q), __ATOMIC_SEQ_CST);
    return untold > (uint16_t)(q->next_used - event - 1u);
}

bool virtio_queue_set_kicks(struct virtio_queue *q, bool wanted)
{
    q->kicks = wanted;
    if (q->broken || q->paused)
        return false;
    if (q->event_index && wanted)
        publish(q, available_event(q), q->next_available);
    else if (!q->event_index)
        publish(q, (ring16_t *)(q->used_host + RING_FLAGS), wanted ? 0 : USED_NO_NOTIFY);
    return wanted && !virtio_queue_is_empty(q);
}

bool virtio_queue_is_empty(struct virtio_queue *q)
{
    return q->broken || q->paused || available_index(q) == q->next_available;
}

unsigned virtio_chain_slice(const struct virtio_chain *chain, bool writable, uint64_t offset,
                            uint64_t size_bytes, struct iovec *iov)
{
    const struct iovec *from = chain->iov + (writable ? chain->readable_count : 0);
    unsigned left = writable ? chain->writable_count : chain->readable_count, count = 0;
    for (; left && size_bytes; left--, from++) {
        if (offset >= from->iov_len) {
            offset -= from->iov_len;
            continue;
        }
        uint64_t piece = from->iov_len - offset;
        if (piece > size_bytes)
            piece = size_bytes;
        iov[count++] = (struct iovec){(uint8_t *)from->iov_base + offset, piece};
        offset = 0;
        size_bytes -= piece;
    }
    return count;
}

size_t virtio_chain_read(const struct virtio_chain *chain, uint64_t offset, void *bytes, size_t size_bytes)
{
    struct iovec iov[VIRTIO_SEGMENTS_MAX];
    unsigned count = virtio_chain_slice(chain, false, offset, size_bytes, iov);
    size_t done = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy((uint8_t *)bytes + done, iov[i].iov_base, iov[i].iov_len);
        done += iov[i].iov_len;
    }
    return done;
}

size_t virtio_chain_write(const struct virtio_chain *chain, struct mem *memory, uint64_t offset,
                          const void *bytes, size_t size_bytes)
{
    struct iovec iov[VIRTIO_SEGMENTS_MAX];
    unsigned count = virtio_chain_slice(chain, true, offset, size_bytes, iov);
    size_t done = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy(iov[i].iov_base, (const uint8_t *)bytes + done, iov[i].iov_len);
        mem_wrote(memory, iov[i].iov_base, iov[i].iov_len);
        done += iov[i].iov_len;
    }
    return done;
}

void virtio_chain_wrote(const struct virtio_chain *chain, struct mem *memory, uint64_t offset,
                        uint64_t size_bytes)
{
    struct iovec iov[VIRTIO_SEGMENTS_MAX];
    unsigned count = virtio_chain_slice(chain, true, offset, size_bytes, iov);
    for (unsigned i = 0; i < count; i++)
        mem_wrote(memory, iov[i].iov_base, iov[i].iov_len);
}
