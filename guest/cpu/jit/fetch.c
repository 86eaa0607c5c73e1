// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where code runs: the table of checked executable pages and their words. Every page whose word is set
// stands in the table. What jumps between pages compares the words of both, so that nothing but these
// needs to be undone when pages go.
#include "base/bits.h"
#include "guest/cpu/jit/code.h"

static unsigned slot_of(uint64_t va) { return va >> PAGE_BITS & (FETCH_ENTRIES - 1); }

void jit_jumps_flush(struct jit_vcpu *v, unsigned context)
{
    struct slot_log *log = &v->jump_log[context];
    struct jump_entry *jumps = v->jumps[context];
    bool all = log->count > ARRAY_SIZE(log->slot);
    unsigned n = all ? JUMP_ENTRIES : log->count;
    for (unsigned i = 0; i < n; i++) {
        unsigned slot = all ? i : log->slot[i];
        jumps[slot].address = slot ? 0 : 1;
    }
    log->count = 0;
}

// va stays, for what is running; nothing new gets in.
static void drop(struct jit_vcpu *v, struct fetch_entry *e)
{
    v->pages[e->page].negated = 0;
    e->tag = 0;
}

static void flush_log(struct jit_vcpu *v, unsigned who, bool global)
{
    struct slot_log *log = &v->fetch_log[who][global];
    bool all = log->count > ARRAY_SIZE(log->slot);
    unsigned n = all ? FETCH_ENTRIES : log->count;
    for (unsigned i = 0; i < n; i++) {
        struct fetch_entry *e = &v->fetch[who][all ? i : log->slot[i]];
        if (e->tag && (all || e->global == global))
            drop(v, e);
    }
    log->count = 0;
}

void jit_fetch_flush(struct jit_vcpu *v, bool global_too)
{
    for (unsigned who = 0; who < 2; who++) {
        flush_log(v, who, false);
        if (global_too)
            flush_log(v, who, true);
    }
}

void jit_fetch_flush_page(struct jit_vcpu *v, uint64_t va)
{
    for (unsigned who = 0; who < 2; who++) {
        struct fetch_entry *e = &v->fetch[who][slot_of(va)];
        if (e->tag == (va | 1))
            drop(v, e);
    }
}

// The table is about to hold another page here, or this page at another address.
static void make_room(struct jit_vcpu *v, unsigned who, struct fetch_entry *e, uint32_t page)
{
    if (e->tag)
        drop(v, e);
    if (v->pages[page].negated) {
        struct fetch_entry *old = &v->fetch[who][slot_of(v->pages[page].va)];
        if (old->page == page)
            drop(v, old);
    }
}

static void enter_page(struct jit_vcpu *v, unsigned who, uint64_t va, uint32_t page, bool global)
{
    struct fetch_entry *e = &v->fetch[who][slot_of(va)];
    make_room(v, who, e, page);
    *e = (struct fetch_entry){va | 1, page, global};
    v->pages[page] = (struct page_word){va, 1 - va};
    struct slot_log *log = &v->fetch_log[who][global];
    if (log->count < ARRAY_SIZE(log->slot))
        log->slot[log->count] = slot_of(va);
    log->count++;
}

// vCPUs may hold write fills of a page that is becoming code: they drop them, which others do wherever
// they are safe. The page is marked already, so no new fill is made. A vCPU's bit goes once its fills are
// gone, not before: till then whoever else finds code here comes to wait too.
static void stop_writers(struct jit_vcpu *v, struct ram_page *page, const uint8_t *host_page)
{
    const struct jit_engine *jit = v->jit;
    uint64_t me = jit->created <= 64 ? BIT(v->vcpu.index) : 0;
    if (atomic_load(&page->writers) == me) {
        jit_tlb_drop_writes(v, host_page);
        atomic_fetch_and(&page->writers, ~me);
        return;
    }
    jit_world_stop(v);
    uint64_t writers = atomic_exchange(&page->writers, 0);
    for (unsigned i = 0; i < jit->created; i++)
        if (writers & BIT(i & 63))
            jit_tlb_drop_writes(jit->vcpus[i], host_page);
    jit_world_start(v);
}

void jit_make_code(struct jit_vcpu *v, uint64_t ram_page)
{
    struct ram_page *page = &v->jit->ram_pages[ram_page];
    if (!atomic_load(&page->is_code))
        atomic_store(&page->is_code, true);
    if (atomic_load(&page->writers))
        stop_writers(v, page, v->vcpu.engine->config.ram->host + (ram_page << PAGE_BITS));
}

static uint32_t page_index(struct jit_vcpu *v, const uint8_t *host_page, bool user)
{
    struct code *c = v->jit->code;
    pthread_mutex_lock(&c->lock);
    uint32_t page = code_page_of(c, ram_page_of(v->jit, host_page), user);
    pthread_mutex_unlock(&c->lock);
    return page;
}

// An instruction may reach beyond the last address of a half, or wrap.
uint64_t jit_fetch_address(struct jit_vcpu *v, uint64_t address)
{
    if ((v->mode & MODE_CODE) != INSN_64)
        return (uint32_t)address;
    if (!x86_is_canonical(&v->state, address))
        jit_raise(v, EX_GP, 0);
    return address;
}

uint32_t jit_fetch_page(struct jit_vcpu *v, uint64_t address, const uint8_t **bytes)
{
    address = jit_fetch_address(v, address);
    uint64_t va = align_down(address, PAGE_BYTES);
    unsigned who = v->state.cpl == 3 ? 0 : 1;
    struct fetch_entry *e = &v->fetch[who][slot_of(va)];
    const struct engine_config *config = &v->vcpu.engine->config;
    if (e->tag == (va | 1)) {
        *bytes = config->ram->host + (v->jit->code->pages[e->page].ram_page << PAGE_BITS);
        return e->page;
    }
    struct x86_page page;
    uint32_t code;
    v->count.walks++;
    if (x86_walk(&v->state, config->memory, GVA(address), X86_FETCH | (who ? 0 : X86_USER), &page, &code) < 0) {
        v->state.cr2 = address;
        jit_raise(v, EX_PF, code);
    }
    uint8_t *host = mem_ram_at(config->memory, GPA(align_down(page.gpa.u, PAGE_BYTES)), PAGE_BYTES, false);
    if (!host)
        return 0;
    uint32_t index = page_index(v, host, !who);
    jit_note_page_size(v, va, page.page_bits);
    enter_page(v, who, va, index, page.global);
    *bytes = host;
    return index;
}
