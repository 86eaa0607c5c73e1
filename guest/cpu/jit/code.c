// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/code.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

// Most that one block and its stubs may take of an arena, with a good margin.
enum { BLOCK_HOT_MAX = 64 << 10, BLOCK_COLD_MAX = 96 << 10, LINKS_A_BLOCK = 4 };
// Each vCPU may have taken an index or two before it asks for room.
enum { PAGES_MARGIN = 1024 };
// So many stores to a page of code, with no block made meanwhile, make it data.
enum { STORES_TO_DATA = 64 };

static void *reserve(size_t size_bytes)
{
    void *p = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int map_twice(struct code *c, uint64_t size_bytes, struct err *err)
{
    c->size_bytes = align_up(size_bytes, 2 << 20);
    c->fd = memfd_create("konuk-code", MFD_CLOEXEC);
    if (c->fd < 0 || ftruncate(c->fd, c->size_bytes) < 0)
        return err_set(err, -ENOMEM, "code cache: no memory file: %s", strerror(errno));
    c->writable = mmap(NULL, c->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
    c->executable = mmap(NULL, c->size_bytes, PROT_READ | PROT_EXEC, MAP_SHARED, c->fd, 0);
    if (c->writable == MAP_FAILED || c->executable == MAP_FAILED)
        return err_set(err, -ENOMEM, "code cache: can't map %llu bytes: %s",
                       (unsigned long long)c->size_bytes, strerror(errno));
    return 0;
}

static void start_arenas(struct code *c)
{
    uint64_t half = c->size_bytes / 2;
    uint8_t *hot = c->writable, *cold = hot + half;
    c->hot = (struct arena){hot, hot, cold, hot};
    c->cold = (struct arena){cold, cold, hot + c->size_bytes, cold};
}

// Pages are taken many at a time: a fault for each, in both mappings, costs more than the code in it.
static void make_ready(struct code *c, struct arena *a, size_t margin_bytes)
{
    enum { STEP = 1 << 20 };
    while (a->ready < a->end && a->ready < a->at + margin_bytes) {
        madvise(a->ready, STEP, MADV_POPULATE_WRITE);
        madvise(c->executable + (a->ready - c->writable), STEP, MADV_POPULATE_READ);
        a->ready += STEP;
    }
}

void code_make_ready(struct code *c)
{
    make_ready(c, &c->hot, BLOCK_HOT_MAX);
    make_ready(c, &c->cold, BLOCK_COLD_MAX);
}

static int reserve_tables(struct code *c, struct err *err)
{
    c->pages = reserve(sizeof *c->pages * CODE_PAGES_MAX);
    c->hash = reserve(sizeof *c->hash * CODE_HASH);
    c->blocks = reserve(sizeof *c->blocks * CODE_BLOCKS_MAX);
    c->links = reserve(sizeof *c->links * CODE_LINKS_MAX);
    c->insns = reserve(sizeof *c->insns * CODE_INSNS_MAX);
    c->hot_sites.capacity = c->cold_sites.capacity = 1 << 21;
    c->hot_sites.site = reserve(sizeof(struct fault_site) << 21);
    c->cold_sites.site = reserve(sizeof(struct fault_site) << 21);
    if (!c->pages || !c->hash || !c->blocks || !c->links || !c->insns || !c->hot_sites.site || !c->cold_sites.site)
        return err_set(err, -ENOMEM, "code cache: no address space for its tables");
    return 0;
}

uint64_t jit_resident_bytes(void *start, size_t size_bytes)
{
    enum { PAGES = 1 << 14 };
    static unsigned char there[PAGES];  // of one reader, the monitor
    uint64_t pages = 0;
    for (size_t at = 0; at < size_bytes; at += (size_t)PAGES * PAGE_BYTES) {
        size_t left = size_bytes - at, piece = left < (size_t)PAGES * PAGE_BYTES ? left : (size_t)PAGES * PAGE_BYTES;
        if (mincore((uint8_t *)start + at, piece, there) < 0)
            return 0;
        for (size_t i = 0; i < align_up(piece, PAGE_BYTES) / PAGE_BYTES; i++)
            pages += there[i] & 1;
    }
    return pages * PAGE_BYTES;
}

uint64_t code_table_bytes(const struct code *c)
{
    return jit_resident_bytes(c->pages, sizeof *c->pages * CODE_PAGES_MAX) +
           jit_resident_bytes(c->hash, sizeof *c->hash * CODE_HASH) +
           jit_resident_bytes(c->blocks, sizeof *c->blocks * CODE_BLOCKS_MAX) +
           jit_resident_bytes(c->links, sizeof *c->links * CODE_LINKS_MAX) +
           jit_resident_bytes(c->insns, sizeof *c->insns * CODE_INSNS_MAX) +
           jit_resident_bytes(c->hot_sites.site, sizeof(struct fault_site) << 21) +
           jit_resident_bytes(c->cold_sites.site, sizeof(struct fault_site) << 21);
}

struct code *code_create(struct jit_engine *jit, uint64_t size_bytes, struct err *err)
{
    struct code *c = calloc(1, sizeof *c);
    if (!c) {
        err_set(err, -ENOMEM, "code cache: out of memory");
        return NULL;
    }
    c->jit = jit;
    c->fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    if (map_twice(c, size_bytes, err) < 0 || reserve_tables(c, err) < 0) {
        code_destroy(c);
        return NULL;
    }
    start_arenas(c);
    stubs_init(c);
    c->page_count = c->block_count = c->link_count = 1;
    return c;
}

static void release(void *p, size_t size_bytes)
{
    if (p && p != MAP_FAILED)
        munmap(p, size_bytes);
}

void code_destroy(struct code *c)
{
    release(c->writable, c->size_bytes);
    release(c->executable, c->size_bytes);
    release(c->pages, sizeof *c->pages * CODE_PAGES_MAX);
    release(c->hash, sizeof *c->hash * CODE_HASH);
    release(c->blocks, sizeof *c->blocks * CODE_BLOCKS_MAX);
    release(c->links, sizeof *c->links * CODE_LINKS_MAX);
    release(c->insns, sizeof *c->insns * CODE_INSNS_MAX);
    release(c->hot_sites.site, sizeof(struct fault_site) << 21);
    release(c->cold_sites.site, sizeof(struct fault_site) << 21);
    if (c->fd >= 0)
        close(c->fd);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool code_has_room(const struct code *c)
{
    return c->hot.end - c->hot.at > BLOCK_HOT_MAX && c->cold.end - c->cold.at > BLOCK_COLD_MAX &&
           c->page_count + PAGES_MARGIN < CODE_PAGES_MAX && c->block_count + 1 < CODE_BLOCKS_MAX &&
           c->link_count + LINKS_A_BLOCK < CODE_LINKS_MAX && c->insn_count + 128 < CODE_INSNS_MAX &&
           c->hot_sites.count + 256 < c->hot_sites.capacity && c->cold_sites.count + 256 < c->cold_sites.capacity;
}

static void forget_pages(struct code *c)
{
    for (uint32_t i = 1; i < c->page_count; i++) {
        struct ram_page *p = &c->jit->ram_pages[c->pages[i].ram_page];
        __atomic_store_n(&p->code[c->pages[i].user ? 0 : 1], 0, __ATOMIC_RELAXED);
        atomic_store(&p->is_code, false);
        p->stores = 0;
    }
    madvise(c->pages, sizeof *c->pages * CODE_PAGES_MAX, MADV_DONTNEED);
}

void code_empty(struct code *c)
{
    forget_pages(c);
    madvise(c->hash, sizeof *c->hash * CODE_HASH, MADV_DONTNEED);
    madvise(c->blocks, sizeof *c->blocks * CODE_BLOCKS_MAX, MADV_DONTNEED);
    start_arenas(c);
    c->cold.at = c->fixed_end;
    memset(c->stub, 0, sizeof c->stub);
    c->page_count = c->block_count = c->link_count = 1;
    c->insn_count = 0;
    c->hot_sites.count = c->cold_sites.count = 0;
    c->emptied++;
}

uint32_t code_page_of(struct code *c, uint64_t ram_page, bool user)
{
    uint32_t *slot = &c->jit->ram_pages[ram_page].code[user ? 0 : 1];
    if (!*slot) {
        c->pages[c->page_count].ram_page = ram_page;
        c->pages[c->page_count].user = user;
        __atomic_store_n(slot, c->page_count++, __ATOMIC_SEQ_CST);
    }
    return *slot;
}

static uint32_t hash_of(uint32_t page, unsigned offset, uint32_t mode, unsigned map)
{
    uint64_t key = (uint64_t)page << 32 | offset << 20 | mode << 7 | map;
    return key * UINT64_C(0x9e3779b97f4a7c15) >> 46;  // 18 bits: CODE_HASH
}

struct block *code_find(struct code *c, uint32_t page, unsigned offset, uint32_t mode, unsigned entry_map)
{
    struct block *b = c->hash[hash_of(page, offset, mode, entry_map)];
    while (b && !(b->page[0] == page && b->offset == offset && b->mode == mode && b->entry_map == entry_map))
        b = b->hash_next;
    return b;
}

unsigned code_variants(const struct code *c, uint32_t page, unsigned offset, uint32_t mode)
{
    unsigned n = 0;
    for (const struct block *b = c->pages[page].blocks; b; b = b->next_in_page[b->page[0] == page ? 0 : 1])
        n += b->page[0] == page && b->offset == offset && b->mode == mode;
    return n;
}

static void mark_decoded(struct code *c, const struct block *b)
{
    for (unsigned i = 0; i < BLOCK_RANGES; i++)
        for (unsigned at = b->range[i].at; at < (unsigned)b->range[i].at + b->range[i].bytes; at++) {
            struct code_page *p = &c->pages[b->page[at >= PAGE_BYTES]];
            p->decoded[(at & (PAGE_BYTES - 1)) / 64] |= BIT(at & 63);
        }
}

void code_add(struct code *c, struct block *b)
{
    uint32_t h = hash_of(b->page[0], b->offset, b->mode, b->entry_map);
    b->hash_next = c->hash[h];
    c->hash[h] = b;
    for (unsigned i = 0; i < 2 && b->page[i]; i++) {
        b->next_in_page[i] = c->pages[b->page[i]].blocks;
        c->pages[b->page[i]].blocks = b;
        c->jit->ram_pages[c->pages[b->page[i]].ram_page].stores = 0;
    }
    mark_decoded(c, b);
}

static void unlink_incoming(struct block *b)
{
    for (struct link *l = b->incoming; l; l = l->next_incoming) {
        emit_target(l->displacement, l->stub);
        l->target = NULL;
    }
    b->incoming = NULL;
}

// The 8 bytes at an entry become a jump to where the block leaves.
static void redirect(uint8_t *entry, const uint8_t *stub)
{
    uint64_t word;
    memcpy(&word, entry, 8);
    int32_t rel = stub - (entry + 5);
    uint8_t jump[5] = {0xe9};
    memcpy(jump + 1, &rel, 4);
    memcpy(&word, jump, 5);
    __atomic_store_n((uint64_t *)entry, word, __ATOMIC_RELEASE);
}

static void remove_from_hash(struct code *c, struct block *b)
{
    struct block **p = &c->hash[hash_of(b->page[0], b->offset, b->mode, b->entry_map)];
    while (*p != b)
        p = &(*p)->hash_next;
    *p = b->hash_next;
}

static void remove_from_page(struct code *c, struct block *b, unsigned which)
{
    struct block **p = &c->pages[b->page[which]].blocks;
    while (*p != b)
        p = &(*p)->next_in_page[(*p)->page[0] == b->page[which] ? 0 : 1];
    *p = b->next_in_page[which];
}

void code_kill(struct code *c, struct block *b)
{
    b->dead = true;
    unlink_incoming(b);
    redirect(b->saved_entry, b->dead_stub[0]);
    if (b->host_entry != b->saved_entry)
        redirect(b->host_entry, b->dead_stub[1]);
    remove_from_hash(c, b);
    for (unsigned i = 0; i < 2 && b->page[i]; i++)
        remove_from_page(c, b, i);
}

static bool overlaps(const struct block *b, unsigned which, unsigned offset, unsigned size_bytes)
{
    unsigned from = offset + which * PAGE_BYTES;
    for (unsigned i = 0; i < BLOCK_RANGES; i++)
        if (b->range[i].bytes && from < b->range[i].at + b->range[i].bytes && b->range[i].at < from + size_bytes)
            return true;
    return false;
}

static bool any_decoded(const struct code_page *p, unsigned offset, unsigned size_bytes)
{
    for (unsigned at = offset; at < offset + size_bytes; at++)
        if (p->decoded[at / 64] & BIT(at & 63))
            return true;
    return false;
}

static bool store_to_page(struct code *c, uint32_t index, unsigned offset, unsigned size_bytes)
{
    struct code_page *p = &c->pages[index];
    if (!any_decoded(p, offset, size_bytes))
        return false;
    bool killed = false;
    struct block *next;
    for (struct block *b = p->blocks; b; b = next) {
        unsigned which = b->page[0] == index ? 0 : 1;
        next = b->next_in_page[which];
        if (overlaps(b, which, offset, size_bytes)) {
            code_kill(c, b);
            killed = true;
        }
    }
    return killed;
}

static void kill_page(struct code *c, uint32_t index)
{
    while (c->pages[index].blocks)
        code_kill(c, c->pages[index].blocks);
    memset(c->pages[index].decoded, 0, sizeof c->pages[index].decoded);
}

// A page that is only stored to is data again: its memory has found another use.
static void forget_page(struct code *c, struct ram_page *p)
{
    for (unsigned i = 0; i < 2; i++)
        if (p->code[i])
            kill_page(c, p->code[i]);
    p->stores = 0;
    atomic_store(&p->is_code, false);
}

bool code_store(struct code *c, uint64_t ram_page, unsigned offset, unsigned size_bytes)
{
    struct ram_page *p = &c->jit->ram_pages[ram_page];
    bool killed = false;
    for (unsigned i = 0; i < 2; i++)
        if (p->code[i])
            killed |= store_to_page(c, p->code[i], offset, size_bytes);
    if (++p->stores < STORES_TO_DATA)
        return killed;
    forget_page(c, p);
    return true;
}
