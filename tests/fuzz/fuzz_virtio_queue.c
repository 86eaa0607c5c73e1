// SPDX-License-Identifier: GPL-2.0-or-later
//
// A split virtqueue over memory that is the input's, rings and all. Every chain that comes out lies in
// RAM, within its bounds; what was popped may be pushed in any order, given back, or found again.
#include "guest/virtio/queue.h"
#include "tests/fuzz/device_steps.h"

enum { RAM_BYTES = 1 << 16, CHAINS_MAX = 64 };

static struct ram ram;
static struct mem *memory;

static void open_memory(void)
{
    mem_thread_online();
    memory = mem_create(UINT64_C(1) << 46);
    check(ram_open(&ram, RAM_BYTES, NULL) == 0);
    check(mem_add_ram(memory, GPA(0), &ram, 0, RAM_BYTES / 2, false, NULL) == 0);
    check(mem_add_ram(memory, GPA(RAM_BYTES / 2), &ram, RAM_BYTES / 2, RAM_BYTES / 4, false, NULL) == 0);
    check(mem_add_ram(memory, GPA(UINT64_C(1) << 32), &ram, RAM_BYTES - RAM_BYTES / 4, RAM_BYTES / 4, true, NULL) == 0);
}

static bool in_ram(const struct iovec *iov)
{
    const uint8_t *at = iov->iov_base;
    return iov->iov_len && at >= ram.host && iov->iov_len <= RAM_BYTES && at + iov->iov_len <= ram.host + RAM_BYTES;
}

static void check_chain(const struct virtio_chain *chain)
{
    uint8_t bytes[64];
    uint64_t sums[2] = {0};
    check(chain->readable_count + chain->writable_count <= VIRTIO_SEGMENTS_MAX);
    for (unsigned i = 0; i < chain->readable_count + chain->writable_count; i++) {
        check(in_ram(&chain->iov[i]));
        sums[i >= chain->readable_count] += chain->iov[i].iov_len;
    }
    check(sums[0] == chain->readable_bytes && sums[1] == chain->writable_bytes && sums[0] + sums[1]);
    virtio_chain_read(chain, chain->readable_bytes / 2, bytes, sizeof bytes);
    check(virtio_chain_read(chain, chain->readable_bytes, bytes, sizeof bytes) == 0);
    check(virtio_chain_write(chain, memory, chain->writable_bytes, bytes, sizeof bytes) == 0);
}

// What is in flight.
struct flying {
    uint16_t head[VIRTIO_QUEUE_SIZE_MAX];
    unsigned count;
};

static void start(struct steps *s, struct virtio_queue *q, struct flying *flying)
{
    unsigned choice = take(s, 1);
    uint16_t next_available = (uint16_t)take(s, 2), next_used = (uint16_t)take(s, 2);
    *q = (struct virtio_queue){.size = 1 << (choice & 7), .size_max = 128, .broken = true,
                               .next_available = next_available, .next_used = next_used};
    q->descriptors = take(s, 1) << 4;
    q->available = 0x1000 + (take(s, 1) << 1);
    q->used = 0x2000 + (take(s, 1) << 2);
    if (choice & 8)
        q->used = take(s, 3);
    flying->count = 0;
    virtio_queue_start(q, memory, choice & 16, NULL);
}

static void pop(struct virtio_queue *q, struct flying *flying, bool give_back)
{
    static struct virtio_chain chain;
    if (virtio_queue_pop(q, &chain) <= 0)
        return;
    check_chain(&chain);
    if (give_back)
        virtio_queue_unpop(q, &chain);
    else
        flying->head[flying->count++] = chain.head;
}

static void pop_again(struct steps *s, struct virtio_queue *q, struct flying *flying)
{
    static struct virtio_chain chain;
    if (virtio_queue_pop_again(q, (uint16_t)take(s, 1), &chain) <= 0)
        return;
    check_chain(&chain);
    flying->head[flying->count++] = chain.head;
}

static void push(struct steps *s, struct virtio_queue *q, struct flying *flying)
{
    if (!flying->count)
        return;
    unsigned n = take(s, 1) % flying->count;
    virtio_queue_push(q, flying->head[n], (uint32_t)take(s, 1));
    flying->head[n] = flying->head[--flying->count];
}

static void push_all(struct virtio_queue *q, struct flying *flying)
{
    static struct virtio_used used[VIRTIO_QUEUE_SIZE_MAX];
    for (unsigned i = 0; i < flying->count; i++)
        used[i] = (struct virtio_used){flying->head[i], i};
    virtio_queue_push_many(q, used, flying->count);
    flying->count = 0;
}

static void change_memory(struct steps *s)
{
    unsigned bytes = 1 + take(s, 1) % 16;
    for (unsigned at = take(s, 2) % (RAM_BYTES - 16); bytes--; at++)
        ram.host[at] = (uint8_t)take(s, 1);
}

// As a driver adds to the ring.
static void add(struct steps *s, struct virtio_queue *q)
{
    if (q->broken)
        return;
    uint16_t head = (uint16_t)take(s, 1), index;
    memcpy(&index, q->available_host + 2, 2);
    memcpy(q->available_host + 4 + 2 * (index & (q->size - 1)), &head, 2);
    index++;
    memcpy(q->available_host + 2, &index, 2);
}

static void synchronize(struct virtio_queue *q)
{
    if (!q->broken)
        memcpy(q->available_host + 2, &q->next_available, 2);
}

static void put_descriptor(struct steps *s, struct virtio_queue *q)
{
    unsigned choice = take(s, 1), n = take(s, 1);
    struct { struct le64 address; struct le32 size_bytes; struct le16 flags, next; } d;
    d.address = le64(take(s, choice & 1 ? 8 : 2));
    d.size_bytes = le32((uint32_t)take(s, choice & 2 ? 4 : 1));
    d.flags = le16((uint16_t)(choice >> 5));
    d.next = le16((uint16_t)take(s, 1));
    uint64_t table = choice & 4 ? 0x3000 + (choice & 8) : q->descriptors;
    memcpy(ram.host + table + n % 128 * sizeof d, &d, sizeof d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct virtio_queue q;
    static struct flying flying;
    struct steps s = {data, size_bytes, NULL, 0};
    if (!memory)
        open_memory();
    memset(ram.host, 0, RAM_BYTES);
    start(&s, &q, &flying);
    synchronize(&q);
    for (unsigned i = 0; goes_on(&s, i); i++) {
        unsigned opcode = take(&s, 1);
        switch (opcode & 15) {
        case 0: start(&s, &q, &flying); break;
        case 1: case 2: pop(&q, &flying, false); break;
        case 3: pop(&q, &flying, true); break;
        case 4: pop_again(&s, &q, &flying); break;
        case 5: push(&s, &q, &flying); break;
        case 6: push_all(&q, &flying); break;
        case 7: virtio_queue_must_interrupt(&q); break;
        case 8: virtio_queue_set_kicks(&q, opcode & 16); break;
        case 9: change_memory(&s); break;
        case 10: case 11: add(&s, &q); break;
        case 12: synchronize(&q); break;
        default: put_descriptor(&s, &q); break;
        }
        check(q.in_flight == flying.count && q.in_flight <= q.size);
    }
    virtio_queue_stop(&q);
    return 0;
}
