// SPDX-License-Identifier: GPL-2.0-or-later
//
// The software TLB: filling and emptying it, and the accesses that it can't serve. Compiled for
// general registers only, since the guest's vector registers are live here.
#include <string.h>

#include "base/bits.h"
#include "guest/cpu/jit/code.h"

static uint64_t empty_tag(unsigned slot) { return slot ? 0 : PAGE_BYTES; }
static unsigned slot_of(uint64_t va) { return va >> PAGE_BITS & (TLB_ENTRIES - 1); }

static void clear_entry(struct tlb_entry *e, unsigned slot)
{
    e->read = e->write = empty_tag(slot);
    e->info = 0;
}

void jit_tlb_init(struct jit_vcpu *v)
{
    for (unsigned c = 0; c < JIT_CONTEXTS; c++) {
        clear_entry(&v->tlb[c][0], 0);
        v->jumps[c][0].address = 1;  // slot 0's own addresses are even pages
    }
}

static void log_slot(struct slot_log *log, unsigned slot)
{
    if (log->count < ARRAY_SIZE(log->slot))
        log->slot[log->count] = slot;
    log->count++;
}

static void clear_all(struct jit_vcpu *v, unsigned context)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        clear_entry(&v->tlb[context][i], i);
    v->tlb_log[context][0].count = v->tlb_log[context][1].count = 0;
}

static void clear_logged(struct jit_vcpu *v, unsigned context, bool global)
{
    struct slot_log *log = &v->tlb_log[context][global];
    if (log->count > ARRAY_SIZE(log->slot)) {
        clear_all(v, context);
        return;
    }
    for (unsigned i = 0; i < log->count; i++) {
        struct tlb_entry *e = &v->tlb[context][log->slot[i]];
        if (e->info & TLB_VALID && !!(e->info & TLB_GLOBAL) == global)
            clear_entry(e, log->slot[i]);
    }
    log->count = 0;
}

void jit_flush_nonglobal(struct jit_vcpu *v)
{
    v->count.flushes++;
    for (unsigned c = 0; c < JIT_CONTEXTS; c++)
        clear_logged(v, c, false);
    jit_fetch_flush(v, false);
    v->leave = true;
}

// The log stays: most of what it names does.
static void clear_keyed(struct jit_vcpu *v, unsigned context, const struct slot_log *log)
{
    bool all = log->count > ARRAY_SIZE(log->slot);
    unsigned n = all ? TLB_ENTRIES : log->count;
    for (unsigned i = 0; i < n; i++) {
        unsigned slot = all ? i : log->slot[i];
        if (v->tlb[context][slot].info & TLB_KEYED)
            clear_entry(&v->tlb[context][slot], slot);
    }
}

void jit_flush_keyed(struct jit_vcpu *v)
{
    for (unsigned c = 0; c < JIT_CONTEXTS; c++) {
        clear_keyed(v, c, &v->tlb_log[c][0]);
        clear_keyed(v, c, &v->tlb_log[c][1]);
    }
}

void jit_flush_all(struct jit_vcpu *v)
{
    v->count.flushes++;
    for (unsigned c = 0; c < JIT_CONTEXTS; c++) {
        clear_logged(v, c, false);
        clear_logged(v, c, true);
    }
    jit_fetch_flush(v, true);
    memset(v->large_pages, 0, sizeof v->large_pages);
    v->huge_pages = 0;
    v->leave = true;
}

static void flush_one(struct jit_vcpu *v, uint64_t page)
{
    unsigned slot = slot_of(page);
    for (unsigned c = 0; c < JIT_CONTEXTS; c++) {
        struct tlb_entry *e = &v->tlb[c][slot];
        if (e->info & TLB_VALID && (e->read == page || e->write == page))
            clear_entry(e, slot);
    }
    jit_fetch_flush_page(v, page);
}

// Which 4 MiB and 1 GiB stretches of addresses hold fills from pages larger than 4 KiB, hashed:
// INVLPG drops all of such a page.
static uint64_t *large_word(struct jit_vcpu *v, uint64_t va, uint64_t *bit)
{
    uint64_t hash = (va >> 22) * UINT64_C(0x9e3779b97f4a7c15) >> 52;
    *bit = BIT(hash & 63);
    return &v->large_pages[hash >> 6];
}
static uint64_t huge_bit(uint64_t va) { return BIT((va >> 30) & 63); }

void jit_note_page_size(struct jit_vcpu *v, uint64_t va, unsigned page_bits)
{
    if (page_bits == PAGE_BITS)
        return;
    uint64_t bit, *word = large_word(v, va, &bit);
    *word |= bit;
    if (page_bits > 22)
        v->huge_pages |= huge_bit(va);
}

static void flush_stretch(struct jit_vcpu *v, uint64_t va, unsigned bits)
{
    for (unsigned c = 0; c < JIT_CONTEXTS; c++)
        for (unsigned slot = 0; slot < TLB_ENTRIES; slot++) {
            struct tlb_entry *e = &v->tlb[c][slot];
            if (e->info & TLB_VALID && (e->read >> bits == va >> bits || e->write >> bits == va >> bits))
                clear_entry(e, slot);
        }
    jit_fetch_flush(v, true);
}

void jit_flush_page(struct jit_vcpu *v, gva_t at)
{
    uint64_t page = align_down(at.u, PAGE_BYTES), bit, *word = large_word(v, page, &bit);
    if (v->huge_pages & huge_bit(page))
        flush_stretch(v, page, 30);
    else if (*word & bit)
        flush_stretch(v, page, 22);
    else
        flush_one(v, page);
    v->leave = true;
}

void jit_tlb_drop_writes(struct jit_vcpu *v, const uint8_t *host_page)
{
    for (unsigned c = 0; c < JIT_CONTEXTS; c++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            if (v->tlb[c][i].host == (uint64_t)host_page)
                v->tlb[c][i].write = empty_tag(i);
}

unsigned jit_context(const struct jit_vcpu *v, enum jit_as as)
{
    const struct x86_state *s = &v->state;
    if (as == JIT_AS_USER || (as == JIT_AS_CPL && s->cpl == 3))
        return JIT_USER;
    bool ac = as == JIT_AS_CPL && s->cr4 & CR4_SMAP && s->rflags & FL_AC;
    return ac ? JIT_SUPERVISOR_AC : JIT_SUPERVISOR;
}

// --- filling --------------------------------------------------------------------------------

// A write fill and a page's turning into code race: each announces itself, then looks. Who sees code
// at once is no writer.
static bool may_fill_write(struct jit_vcpu *v, uint8_t *host_page)
{
    struct ram_page *p = &v->jit->ram_pages[ram_page_of(v->jit, host_page)];
    uint64_t me = BIT(v->vcpu.index & 63);
    if (atomic_load_explicit(&p->is_code, memory_order_relaxed))
        return false;
    if (!(atomic_load_explicit(&p->writers, memory_order_relaxed) & me))
        atomic_fetch_or(&p->writers, me);
    atomic_thread_fence(memory_order_seq_cst);
    return !atomic_load(&p->is_code);
}

static void fill(struct jit_vcpu *v, unsigned context, uint64_t va, const struct x86_page *page, uint8_t *host_page)
{
    uint8_t rights = context == JIT_USER ? page->user : context == JIT_SUPERVISOR ? page->supervisor : page->supervisor_ac;
    unsigned slot = slot_of(va);
    struct tlb_entry *e = &v->tlb[context][slot];
    bool writable = rights & X86_W && page->dirty && !v->watching &&
                    mem_ram_at(v->vcpu.engine->config.memory, GPA(align_down(page->gpa.u, PAGE_BYTES)), PAGE_BYTES, true);
    uint64_t tag = align_down(va, PAGE_BYTES);
    e->read = rights & X86_R && !v->watching ? tag : empty_tag(slot);
    e->write = writable && may_fill_write(v, host_page) ? tag : empty_tag(slot);
    e->host = (uint64_t)host_page;
    e->info = TLB_VALID | (page->global ? TLB_GLOBAL : 0) | (page->keyed ? TLB_KEYED : 0);
    log_slot(&v->tlb_log[context][page->global], slot);
    jit_note_page_size(v, tag, page->page_bits);
    v->count.fills++;
}

static enum x86_access access_of(unsigned context, bool write, enum jit_as as)
{
    return (write ? X86_WRITE : X86_READ) | (context == JIT_USER ? X86_USER : 0) |
           (as == JIT_AS_SUPERVISOR ? X86_IMPLICIT : 0);
}

static _Noreturn void raise_page_fault(struct jit_vcpu *v, uint64_t va, uint32_t code)
{
    v->state.cr2 = va;
    jit_raise(v, EX_PF, code);
}

// One part of an access, within a page: its host address, or null for a device at *gpa.
static uint8_t *reach(struct jit_vcpu *v, uint64_t va, unsigned context, enum jit_as as, bool write, gpa_t *gpa)
{
    struct tlb_entry *e = &v->tlb[context][slot_of(va)];
    uint64_t tag = align_down(va, PAGE_BYTES);
    if (e->info & TLB_VALID && (write ? e->write : e->read) == tag)
        return (uint8_t *)e->host + (va & (PAGE_BYTES - 1));
    struct x86_page page;
    uint32_t code;
    v->count.walks++;
    if (x86_walk(&v->state, v->vcpu.engine->config.memory, GVA(va), access_of(context, write, as), &page, &code) < 0)
        raise_page_fault(v, va, code);
    *gpa = page.gpa;
    gpa_t start = GPA(align_down(page.gpa.u, PAGE_BYTES));
    uint8_t *host = mem_ram_at(v->vcpu.engine->config.memory, start, PAGE_BYTES, write);
    if (!host)
        return NULL;
    fill(v, context, va, &page, host);
    return host + (va & (PAGE_BYTES - 1));
}

static bool is_code(struct jit_vcpu *v, const uint8_t *host)
{
    return atomic_load_explicit(&v->jit->ram_pages[ram_page_of(v->jit, host)].is_code, memory_order_relaxed);
}

static void check_canonical(struct jit_vcpu *v, uint64_t first, uint64_t last, bool stack)
{
    if (!x86_is_canonical(&v->state, first) || !x86_is_canonical(&v->state, last))
        jit_raise(v, stack ? EX_SS : EX_GP, 0);
}

// --- devices --------------------------------------------------------------------------------

static bool in_apic(const struct jit_vcpu *v, gpa_t gpa)
{
    uint64_t base = v->state.apic.base;
    return align_down(gpa.u, APIC_MMIO_BYTES) == align_down(base & (BIT(52) - 1), APIC_MMIO_BYTES) &&
           (base & 0xc00) == 0x800;  // enabled, and not x2APIC
}

static uint64_t device_read(struct jit_vcpu *v, gpa_t gpa, unsigned size_bytes)
{
    jit_vectors_save(v);
    jit_count_tell(v);
    if (in_apic(v, gpa))
        return apic_read(&v->apic, gpa.u & (APIC_MMIO_BYTES - 1));
    return mem_read(v->vcpu.engine->config.memory, gpa, size_bytes);
}

static void device_write(struct jit_vcpu *v, gpa_t gpa, uint64_t value, unsigned size_bytes)
{
    jit_vectors_save(v);
    jit_count_tell(v);
    if (in_apic(v, gpa))
        apic_write(&v->apic, gpa.u & (APIC_MMIO_BYTES - 1), value);
    else
        mem_write(v->vcpu.engine->config.memory, gpa, value, size_bytes);
}

static unsigned chunk(uint64_t gpa, unsigned left)
{
    unsigned n = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    while (left != n && gpa & (n - 1))
        n /= 2;
    return n;
}

static bool is_64bit(const struct jit_vcpu *v)
{
    return v->state.efer & EFER_LMA && v->state.seg[X86_CS].attr & SEG_L;
}

// --- accesses that are no plain one ------------------------------------------------------------

static void part_read(struct jit_vcpu *v, const uint8_t *host, gpa_t gpa, uint8_t *to, unsigned size_bytes)
{
    if (host) {
        memcpy(to, host, size_bytes);
        return;
    }
    for (unsigned done = 0, n; done < size_bytes; done += n) {
        n = chunk(gpa.u + done, size_bytes - done);
        uint64_t value = device_read(v, GPA(gpa.u + done), n);
        memcpy(to + done, &value, n);
    }
}

static bool part_write(struct jit_vcpu *v, uint8_t *host, gpa_t gpa, const uint8_t *from, unsigned size_bytes);

static bool store_to_code(struct jit_vcpu *v, const uint8_t *host, unsigned size_bytes)
{
    pthread_mutex_lock(&v->jit->code->lock);
    bool killed = code_store(v->jit->code, ram_page_of(v->jit, host),
                             (uintptr_t)host & (PAGE_BYTES - 1), size_bytes);
    pthread_mutex_unlock(&v->jit->code->lock);
    v->count.kills += killed;
    return killed;
}

// True if code was overwritten.
static bool part_write(struct jit_vcpu *v, uint8_t *host, gpa_t gpa, const uint8_t *from, unsigned size_bytes)
{
    if (host) {
        memcpy(host, from, size_bytes);
        return is_code(v, host) && store_to_code(v, host, size_bytes);
    }
    for (unsigned done = 0, n; done < size_bytes; done += n) {
        n = chunk(gpa.u + done, size_bytes - done);
        uint64_t value = 0;
        memcpy(&value, from + done, n);
        device_write(v, GPA(gpa.u + done), value, n);
    }
    return false;
}

// Outside 64-bit mode linear addresses wrap (SDM volume 1, 3.3.4).
static uint64_t wrapped(const struct jit_vcpu *v, uint64_t va) { return is_64bit(v) ? va : (uint32_t)va; }

// Reaches all of an access; writes are checked on both pages before anything is stored.
static void open_bounce(struct jit_vcpu *v, uint64_t va, unsigned size_bytes, unsigned context, enum jit_as as, bool write)
{
    struct bounce *b = &v->bounce;
    unsigned here = PAGE_BYTES - (va & (PAGE_BYTES - 1));
    b->size_bytes = size_bytes;
    b->first_bytes = here < size_bytes ? here : size_bytes;
    b->at = b->bytes + (va & 63);
    b->in_place = false;
    b->host[1] = NULL;
    b->host[0] = reach(v, va, context, as, write, &b->gpa[0]);
    if (size_bytes > here)
        b->host[1] = reach(v, wrapped(v, va + here), context, as, write, &b->gpa[1]);
}

static void bounce_read(struct jit_vcpu *v)
{
    struct bounce *b = &v->bounce;
    part_read(v, b->host[0], b->gpa[0], b->at, b->first_bytes);
    if (b->first_bytes < b->size_bytes)
        part_read(v, b->host[1], b->gpa[1], b->at + b->first_bytes, b->size_bytes - b->first_bytes);
}

// An x87 store whose exception is unmasked stores nothing: then what is committed must be what is there. A device is not
// asked for that, since it would be touched twice; it gets zeros.
static void bounce_keep(struct jit_vcpu *v)
{
    struct bounce *b = &v->bounce;
    memset(b->at, 0, b->size_bytes);
    if (b->host[0])
        memcpy(b->at, b->host[0], b->first_bytes);
    if (b->host[1])
        memcpy(b->at + b->first_bytes, b->host[1], b->size_bytes - b->first_bytes);
}

static bool bounce_write(struct jit_vcpu *v)
{
    struct bounce *b = &v->bounce;
    bool killed = part_write(v, b->host[0], b->gpa[0], b->at, b->first_bytes);
    if (b->first_bytes < b->size_bytes)
        killed |= part_write(v, b->host[1], b->gpa[1], b->at + b->first_bytes, b->size_bytes - b->first_bytes);
    return killed;
}

static void watch(struct jit_vcpu *v, uint64_t va, unsigned size_bytes, bool write)
{
    jit_breakpoints_watch(v, va, size_bytes, write);
    for (unsigned i = 0; i < v->debug.count; i++) {
        enum vcpu_break kind = v->debug.points[i].kind;
        uint64_t at = v->debug.points[i].address.u;
        if (kind == VCPU_BREAK_EXEC || (kind == VCPU_BREAK_WRITE && !write))
            continue;
        if (va < at + v->debug.points[i].size_bytes && at < va + size_bytes) {
            v->watch_hit = v->leave = true;
            v->vcpu.debug_hit = (struct vcpu_debug_hit){.address = GVA(at), .kind = kind};
        }
    }
}

static void resume_at(struct jit_vcpu *v, const void *after, unsigned bytes)
{
    v->resume = (uint64_t)after + bytes;
    if (!v->vectors_live)
        jit_vectors_load(v);
    v->in_code = false;
}

static void leave_code(struct jit_vcpu *v, uint64_t rip)
{
    jit_compose_flags(v);
    v->state.rip = rip;
    v->exit_kind = JIT_EXIT_LEAVE;
    v->resume = (uint64_t)code_executable(v->jit->code, v->jit->code->leave);
    v->in_code = false;
}

// In the host's registers, which hold the guest's.
static bool x87_exception_pends(void)
{
    enum { FSW_ES = 0x80 };
    uint16_t status;
    __asm__ volatile("fnstsw %0" : "=a"(status));
    return status & FSW_ES;
}

// A locked access across two pages runs on a bounce buffer, so everyone else must stand still.
static bool needs_world(const struct jit_vcpu *v, uint64_t va, const struct access_site *site)
{
    return site->lock && !v->has_world && v->jit->created > 1 &&
           (va & (PAGE_BYTES - 1)) + site->size_bytes > PAGE_BYTES;
}

// Counted, what a device arms or raises must be seen before the next instruction (count.c).
static bool needs_one(const struct jit_vcpu *v)
{
    const struct bounce *b = &v->bounce;
    bool device = !b->host[0] || (b->first_bytes < b->size_bytes && !b->host[1]);
    return device && jit_counts(v) && !v->counted.one;
}

static void serve_miss(struct jit_vcpu *v, uint64_t va, const struct access_site *site)
{
    struct bounce *b = &v->bounce;
    v->count.misses++;
    v->in_code = true;
    v->site = site->site;
    if (site->x87_waits && x87_exception_pends())
        jit_raise(v, EX_MF, 0);
    if (va & (site->alignment - 1u))
        jit_raise(v, EX_GP, 0);
    check_canonical(v, va, va + site->size_bytes - 1, site->stack);
    if (needs_world(v, va, site)) {
        v->wants_world = true;
        leave_code(v, jit_rip_of_site(v, site->site));
        return;
    }
    if (v->watching)
        watch(v, va, site->size_bytes, site->write);
    open_bounce(v, va, site->size_bytes, site->context, JIT_AS_CPL, site->write);
    if (needs_one(v)) {
        v->counted.one = true;
        leave_code(v, jit_rip_of_site(v, site->site));
        return;
    }
    bool whole = b->first_bytes == b->size_bytes && b->host[0];
    b->in_place = whole;
    if (whole) {
        v->access_host = (uint64_t)b->host[0];
    } else {
        v->count.bounces++;
        if (!site->write || site->read_too)
            bounce_read(v);
        else if (site->x87_waits)
            bounce_keep(v);
        v->access_host = (uint64_t)b->at;
    }
    bool finish = site->write && (!whole || is_code(v, b->host[0]));
    resume_at(v, site, finish ? ACCESS_BOUNCE_RETURN : ACCESS_FAST_RETURN);
}

void jit_miss(struct jit_vcpu *v, uint64_t va, const struct access_site *site)
{
    uint64_t began = call_began(v);
    serve_miss(v, va, site);
    call_ended(v, began);
}

void jit_bounce_commit(struct jit_vcpu *v, const struct access_site *site)
{
    struct bounce *b = &v->bounce;
    bool killed = b->in_place ? store_to_code(v, b->host[0], b->size_bytes) : bounce_write(v);
    resume_at(v, site, sizeof *site);
    if (killed && !site->ends) {
        jit_count_over(v);
        leave_code(v, jit_rip_of_site(v, site->site) + site->length);
    }
}

// --- access.h -------------------------------------------------------------------------------

static void open_checked(struct jit_vcpu *v, gva_t at, unsigned size_bytes, enum jit_as as, bool write)
{
    if (v->watching && as == JIT_AS_CPL)
        watch(v, at.u, size_bytes, write);
    open_bounce(v, at.u, size_bytes, jit_context(v, as), as, write);
}

// SDM volume 3, table 6-7; vectors of 32 bytes as AMD's CPUs do it.
static unsigned natural_alignment(unsigned size_bytes)
{
    return size_bytes >= 16 ? 16 : size_bytes >= 8 ? 8 : size_bytes;
}

static void open_for_c(struct jit_vcpu *v, gva_t at, unsigned size_bytes, enum jit_as as, bool stack, bool write)
{
    if (v->state.efer & EFER_LMA)
        check_canonical(v, at.u, at.u + size_bytes - 1, stack);
    if (as == JIT_AS_CPL && v->mode & MODE_ALIGNED && at.u & (natural_alignment(size_bytes) - 1))
        jit_raise(v, EX_AC, 0);
    open_checked(v, at, size_bytes, as, write);
}

// Part of an area, whatever its alignment.
static void open_bytes(struct jit_vcpu *v, gva_t at, unsigned size_bytes, enum jit_as as, bool write)
{
    if (v->state.efer & EFER_LMA)
        check_canonical(v, at.u, at.u + size_bytes - 1, false);
    open_checked(v, at, size_bytes, as, write);
}

// One access of the exact size: other vCPUs must not see it torn.
static uint64_t load_once(const uint8_t *host, unsigned size_bytes)
{
    switch (size_bytes) {
    case 1: return *(const volatile uint8_t *)host;
    case 2: return *(const volatile uint16_t *)host;
    case 4: return *(const volatile uint32_t *)host;
    default: return *(const volatile uint64_t *)host;
    }
}

static void store_once(uint8_t *host, uint64_t value, unsigned size_bytes)
{
    switch (size_bytes) {
    case 1: *(volatile uint8_t *)host = value; break;
    case 2: *(volatile uint16_t *)host = value; break;
    case 4: *(volatile uint32_t *)host = value; break;
    default: *(volatile uint64_t *)host = value; break;
    }
}

uint64_t jit_load(struct jit_vcpu *v, gva_t at, unsigned size_bytes, enum jit_as as, bool stack)
{
    struct bounce *b = &v->bounce;
    open_for_c(v, at, size_bytes, as, stack, false);
    if (b->host[0] && b->first_bytes == size_bytes)
        return load_once(b->host[0], size_bytes);
    bounce_read(v);
    return load_once(b->at, size_bytes);
}

void jit_store(struct jit_vcpu *v, gva_t at, uint64_t value, unsigned size_bytes, enum jit_as as, bool stack)
{
    struct bounce *b = &v->bounce;
    open_for_c(v, at, size_bytes, as, stack, true);
    if (b->host[0] && b->first_bytes == size_bytes) {
        store_once(b->host[0], value, size_bytes);
        if (is_code(v, b->host[0]) && store_to_code(v, b->host[0], size_bytes))
            v->leave = true;
        return;
    }
    store_once(b->at, value, size_bytes);
    if (bounce_write(v))
        v->leave = true;
}

void jit_check_store(struct jit_vcpu *v, gva_t at, unsigned size_bytes, enum jit_as as, bool stack)
{
    open_for_c(v, at, size_bytes, as, stack, true);
}

void jit_load_bytes(struct jit_vcpu *v, gva_t at, void *bytes, size_t size_bytes, enum jit_as as)
{
    for (size_t done = 0, n; done < size_bytes; done += n) {
        n = size_bytes - done < 64 ? size_bytes - done : 64;
        open_bytes(v, GVA(wrapped(v, at.u + done)), n, as, false);
        bounce_read(v);
        memcpy((uint8_t *)bytes + done, v->bounce.at, n);
    }
}

void jit_store_bytes(struct jit_vcpu *v, gva_t at, const void *bytes, size_t size_bytes, enum jit_as as)
{
    for (size_t done = 0; done < size_bytes; done += PAGE_BYTES)
        jit_check_store(v, GVA(wrapped(v, at.u + done)), 1, as, false);
    if (size_bytes)
        jit_check_store(v, GVA(wrapped(v, at.u + size_bytes - 1)), 1, as, false);
    for (size_t done = 0, n; done < size_bytes; done += n) {
        n = size_bytes - done < 64 ? size_bytes - done : 64;
        open_bytes(v, GVA(wrapped(v, at.u + done)), n, as, true);
        memcpy(v->bounce.at, (const uint8_t *)bytes + done, n);
        if (bounce_write(v))
            v->leave = true;
    }
}

uint8_t *jit_span(struct jit_vcpu *v, gva_t at, bool for_write, enum jit_as as, size_t *size_bytes)
{
    open_for_c(v, at, 1, as, false, for_write);
    *size_bytes = PAGE_BYTES - (at.u & (PAGE_BYTES - 1));
    uint8_t *host = v->bounce.host[0];
    if (v->watching || (host && for_write && is_code(v, host)))
        return NULL;
    return host;
}

void *jit_open(struct jit_vcpu *v, gva_t at, unsigned size_bytes, bool read, bool write, bool stack)
{
    struct bounce *b = &v->bounce;
    open_for_c(v, at, size_bytes, JIT_AS_CPL, stack, write);
    b->in_place = b->host[0] && b->first_bytes == size_bytes;
    if (b->in_place)
        return b->host[0];
    if (read)
        bounce_read(v);
    else
        bounce_keep(v);
    return b->at;
}

void jit_close(struct jit_vcpu *v)
{
    struct bounce *b = &v->bounce;
    if (!b->in_place)
        v->leave |= bounce_write(v);
    else if (is_code(v, b->host[0]))
        v->leave |= store_to_code(v, b->host[0], b->size_bytes);
}

// --- locked operations that are emulated --------------------------------------------------------

static bool cmpxchg_on(uint8_t *host, void *expected, const void *desired, unsigned size_bytes)
{
    switch (size_bytes) {
    case 1: return __atomic_compare_exchange_n(host, (uint8_t *)expected, *(const uint8_t *)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    case 2: return __atomic_compare_exchange_n((uint16_t *)host, (uint16_t *)expected, *(const uint16_t *)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    case 4: return __atomic_compare_exchange_n((uint32_t *)host, (uint32_t *)expected, *(const uint32_t *)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    case 8: return __atomic_compare_exchange_n((uint64_t *)host, (uint64_t *)expected, *(const uint64_t *)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    default: break;
    }
    uint64_t *e = expected;
    const uint64_t *d = desired;
    bool done;
    __asm__ volatile("lock cmpxchg16b %1" : "=@ccz"(done), "+m"(*(__int128 *)host), "+a"(e[0]), "+d"(e[1])
                     : "b"(d[0]), "c"(d[1]) : "memory");
    return done;
}

bool jit_cmpxchg(struct jit_vcpu *v, gva_t at, void *expected, const void *desired, unsigned size_bytes, enum jit_as as)
{
    struct bounce *b = &v->bounce;
    open_for_c(v, at, size_bytes, as, false, true);
    bool whole = b->host[0] && b->first_bytes == size_bytes;
    if (b->first_bytes < size_bytes && !v->has_world && v->jit->created > 1)
        jit_start_over_with_world(v);
    if (!whole)
        bounce_read(v);
    bool done = cmpxchg_on(whole ? b->host[0] : b->at, expected, desired, size_bytes);
    bool killed = whole ? is_code(v, b->host[0]) && store_to_code(v, b->host[0], size_bytes) : bounce_write(v);
    v->leave |= killed;
    return done;
}
