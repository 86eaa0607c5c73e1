// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/engine.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/bits.h"
#include "base/log.h"
#include "guest/cpu/jit/code.h"
#include "guest/cpu/jit/emu_vec_host.h"
#include "guest/cpu/jit/isa.h"

enum { CODE_CACHE_BYTES = 256 << 20 };
enum { COUNTED_TSC_HZ = 1000000000 };  // clock_tsc's of a counted clock

static struct jit_engine *jit_of(struct engine *engine) { return (struct jit_engine *)engine; }

// --- vCPUs ----------------------------------------------------------------------------------

static void kick(struct vcpu *vcpu)
{
    struct jit_vcpu *v = jit_vcpu_of(vcpu);
    atomic_fetch_or(&v->requests, JIT_REQUEST_STOP);
    jit_kick(v);
}

static void get_state(struct vcpu *vcpu) { (void)vcpu; }  // it is worked on in place

// Whoever wrote the state (a debugger, say) may have left what XRSTOR refuses: MXCSR's reserved bits and
// the header (SDM volume 1, 13.8).
static void make_vectors_loadable(struct x86_state *s)
{
    enum { MXCSR_HIGH_HALF = 26, HEADER = 512, HEADER_BYTES = 64 };
    memset(s->xsave + MXCSR_HIGH_HALF, 0, 2);
    s->xsave[HEADER] &= XCR0_X87 | XCR0_SSE | XCR0_AVX;
    memset(s->xsave + HEADER + 1, 0, HEADER_BYTES - 1);
}

static void put_state(struct vcpu *vcpu)
{
    struct jit_vcpu *v = jit_vcpu_of(vcpu);
    make_vectors_loadable(&v->state);
    jit_flush_all(v);
    jit_forget_code(v->jit, v);
    atomic_store(&v->safe, 1);
    struct err err = {0};
    if (apic_loaded(&v->apic, &err) < 0)
        log_error("jit", "%s", err.text);
}

static void reset(struct vcpu *vcpu)
{
    struct jit_vcpu *v = jit_vcpu_of(vcpu);
    x86_reset(&v->state, v->apic.id, false);
    v->state.tsc_offset = v->jit->tsc_offset;
    apic_reset(&v->apic, false);
    put_state(vcpu);
}

static void set_debug(struct vcpu *vcpu, const struct vcpu_debug *debug)
{
    struct jit_vcpu *v = jit_vcpu_of(vcpu);
    v->debug = *debug;
    v->debug_watching = false;
    for (unsigned i = 0; i < debug->count; i++)
        v->debug_watching |= debug->points[i].kind != VCPU_BREAK_EXEC;
    v->watching = v->debug_watching;
    jit_flush_all(v);
}

static void nmi(struct vcpu *vcpu)
{
    struct jit_vcpu *v = jit_vcpu_of(vcpu);
    __atomic_fetch_or(&v->apic.requests, APIC_REQUEST_NMI, __ATOMIC_SEQ_CST);
    jit_kick(v);
}

static void destroy_vcpu(struct vcpu *vcpu)
{
    struct jit_vcpu *v = jit_vcpu_of(vcpu);
    mem_observe_changes(vcpu->engine->config.memory, NULL, NULL);  // all vCPUs end together
    if (v->jit->count.on)
        clock_on_earlier(vcpu->engine->config.clock, NULL, NULL);
    apic_finish(&v->apic);
    vec_host_destroy(v->vec_host);
    munmap(v, sizeof *v);
}

static const struct vcpu_ops vcpu_ops = {
    .run = jit_run,
    .kick = kick,
    .get_state = get_state,
    .put_state = put_state,
    .reset = reset,
    .set_debug = set_debug,
    .nmi = nmi,
    .destroy = destroy_vcpu,
};

static void apic_wakes(void *opaque) { jit_kick(opaque); }

static void apic_ends(void *opaque, uint8_t vector)
{
    struct jit_vcpu *v = opaque;
    const struct engine_config *config = &v->vcpu.engine->config;
    if (config->eoi)
        config->eoi(config->opaque, vector);
}

static const struct apic_ops apic_ops = {.wake = apic_wakes, .eoi = apic_ends};

static struct vcpu *create_vcpu(struct engine *engine, unsigned index, struct err *err)
{
    struct jit_engine *jit = jit_of(engine);
    struct jit_vcpu *v = mmap(NULL, sizeof *v, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (v == MAP_FAILED) {
        err_set(err, -ENOMEM, "vCPU %u: no memory for its tables", index);
        return NULL;
    }
    v->vec_host = vec_host_create(err);
    if (!v->vec_host) {
        munmap(v, sizeof *v);
        return NULL;
    }
    v->vcpu = (struct vcpu){.ops = &vcpu_ops, .engine = engine, .state = &v->state, .index = index};
    v->self = v;
    v->jit = jit;
    v->raised = v->delivering = -1;
    atomic_store(&v->safe, 1);
    x86_reset(&v->state, x86_apic_id(engine->config.model, index), false);
    v->state.tsc_offset = jit->tsc_offset;
    v->state.no_1g_pages = !x86_has(engine->config.model, X86_80000001_EDX, 26);
    jit_tlb_init(v);
    apic_init(&v->apic, jit->apics, &v->state, engine->config.clock, jit->tsc_hz, &apic_ops, v);
    jit->vcpus[index] = v;
    jit->created = index + 1;
    if (jit->count.on)
        clock_on_earlier(engine->config.clock, jit_count_earlier, v);
    return &v->vcpu;
}

// --- the engine -----------------------------------------------------------------------------

static void msi(struct engine *engine, uint64_t address, uint32_t data)
{
    apic_bus_msi(jit_of(engine)->apics, address, data);
}

static void pic_intr(struct engine *engine, bool level)
{
    apic_bus_extint(jit_of(engine)->apics, level);
}

static void ignne(struct engine *engine)
{
    struct jit_engine *jit = jit_of(engine);
    for (unsigned i = 0; i < jit->created; i++)
        jit_ferr_ignore(jit->vcpus[i]);
}

static void say(void (*line)(void *opaque, const char *text), void *opaque, const char *name, uint64_t value)
{
    char text[80];
    snprintf(text, sizeof text, "%-24s %llu", name, (unsigned long long)value);
    line(opaque, text);
}

#define SUM(field)                                                                            \
    ({ uint64_t sum_ = 0; for (unsigned i_ = 0; i_ < jit->created; i_++) sum_ += jit->vcpus[i_]->count.field; sum_; })

#define SPENT(field)                                                                          \
    ({ uint64_t sum_ = 0; for (unsigned i_ = 0; i_ < jit->created; i_++) sum_ += jit->vcpus[i_]->spent.field; sum_; })

// Where the vCPUs' time went. What is left of the run loop is interrupts, exits and finding blocks.
static void say_times(const struct jit_engine *jit, void (*line)(void *opaque, const char *text), void *opaque)
{
    double us = jit->tsc_hz / 1e6;
    uint64_t calls = SPENT(sampled_calls) * 64, code = SPENT(code), translating = jit->code->translate_ns / 1000;
    uint64_t awake = SPENT(run) - SPENT(halted);
    uint64_t in_code = code > calls ? (code - calls) / us : 0;
    uint64_t rest = awake / us > code / us + translating ? awake / us - code / us - translating : 0;
    say(line, opaque, "translating, us", translating);
    say(line, opaque, "translated code, us", in_code);
    say(line, opaque, "helpers, us", calls / us);
    say(line, opaque, "exits and the rest, us", rest);
    say(line, opaque, "halted, us", SPENT(halted) / us);
}

// What the engine holds beside translated code: its tables, the vCPUs' lookup areas, a byte or so a guest page.
static uint64_t table_bytes(const struct jit_engine *jit)
{
    uint64_t pages = jit->engine.config.ram->size_bytes >> PAGE_BITS, bytes = code_table_bytes(jit->code);
    for (unsigned i = 0; i < jit->created; i++)
        bytes += jit_resident_bytes(jit->vcpus[i], align_up(sizeof *jit->vcpus[i], PAGE_BYTES));
    return bytes + jit_resident_bytes(jit->ram_pages, align_up(sizeof *jit->ram_pages * pages, PAGE_BYTES));
}

static void statistics(struct engine *engine, void (*line)(void *opaque, const char *text), void *opaque)
{
    const struct jit_engine *jit = jit_of(engine);
    const struct code *c = jit->code;
    say(line, opaque, "blocks translated", c->translated_blocks);
    say(line, opaque, "instructions translated", c->translated_insns);
    say_times(jit, line, opaque);
    say(line, opaque, "code bytes", c->hot.at - c->hot.start);
    say(line, opaque, "cold code bytes", c->cold.at - c->cold.start);
    say(line, opaque, "tables, bytes", table_bytes(jit));
    say(line, opaque, "cache emptied", c->emptied);
    say(line, opaque, "entries", SUM(entries));
    say(line, opaque, "exits by link", SUM(links));
    say(line, opaque, "exits by indirect jump", SUM(jumps));
    say(line, opaque, "emulated", SUM(emulated));
    say(line, opaque, "lookup misses", SUM(misses));
    say(line, opaque, "lookup fills", SUM(fills));
    say(line, opaque, "page walks", SUM(walks));
    say(line, opaque, "bounced accesses", SUM(bounces));
    say(line, opaque, "flushes", SUM(flushes));
    say(line, opaque, "stores that hit code", SUM(kills));
    say(line, opaque, "exceptions", SUM(exceptions));
    say(line, opaque, "interrupts", SUM(interrupts));
    say(line, opaque, "halts", SUM(halts));
    say(line, opaque, "world stops", SUM(world_stops));
}

// A device's or debugger's write: what was translated from those bytes goes. In the fast case the page
// holds no code.
static void wrote(void *opaque, uint8_t *host, size_t size_bytes)
{
    struct jit_engine *jit = opaque;
    struct code *c = jit->code;
    for (size_t done = 0, piece; done < size_bytes; done += piece) {
        uint8_t *at = host + done;
        piece = PAGE_BYTES - ((uintptr_t)at & (PAGE_BYTES - 1));
        if (piece > size_bytes - done)
            piece = size_bytes - done;
        if (!atomic_load(&jit->ram_pages[ram_page_of(jit, at)].is_code))
            continue;
        pthread_mutex_lock(&c->lock);
        code_store(c, ram_page_of(jit, at), (uintptr_t)at & (PAGE_BYTES - 1), piece);
        pthread_mutex_unlock(&c->lock);
    }
}

// What was RAM may be none now. A vCPU that has left translated code looks things up in the new map.
static void map_changed(void *opaque)
{
    struct jit_engine *jit = opaque;
    for (unsigned i = 0; i < jit->created; i++) {
        struct jit_vcpu *v = jit->vcpus[i];
        atomic_fetch_or(&v->requests, JIT_REQUEST_FLUSH);
        jit_kick(v);
    }
}

static void destroy(struct engine *engine)
{
    struct jit_engine *jit = jit_of(engine);
    mem_observe_writes(engine->config.memory, NULL, NULL);
    mem_observe_changes(engine->config.memory, NULL, NULL);
    if (jit->code)
        code_destroy(jit->code);
    if (jit->apics)
        apic_bus_destroy(jit->apics);
    if (jit->ram_pages)
        munmap(jit->ram_pages, sizeof *jit->ram_pages * (engine->config.ram->size_bytes >> PAGE_BITS));
    pthread_mutex_destroy(&jit->world);
    free(jit->vcpus);
    free(jit);
}

static const struct engine_ops engine_ops = {
    .name = "jit",
    .create_vcpu = create_vcpu,
    .msi = msi,
    .pic_intr = pic_intr,
    .ignne = ignne,
    .statistics = statistics,
    .destroy = destroy,
};

static bool host_can(struct err *err)
{
    uint32_t a, b = 0, c, d;
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
    if (b & BIT(5) && b & BIT(8))
        return true;
    err_set(err, -ENOTSUP, "the software engine needs a host CPU with AVX2 and BMI2");
    return false;
}

// What the host's clock and its TSC show at one moment.
struct moment { uint64_t ns, tsc; };

// Of several attempts the one in which the least happened between: this thread may lose its CPU there.
// The raw clock, since the other one's rate is steered, and a snapshot is for hosts of one rate.
static struct moment this_moment(void)
{
    struct moment best = {0};
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < 32; i++) {
        struct timespec t;
        uint64_t before = __builtin_ia32_rdtsc();
        clock_gettime(CLOCK_MONOTONIC_RAW, &t);
        uint64_t took = __builtin_ia32_rdtsc() - before;
        if (took < shortest) {
            shortest = took;
            best = (struct moment){t.tv_sec * UINT64_C(1000000000) + t.tv_nsec, before + took / 2};
        }
    }
    return best;
}

uint64_t jit_tsc_hz(void)
{
    static uint64_t hz;
    if (hz)
        return hz;
    struct moment begin = this_moment();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    struct moment end = this_moment();
    hz = ((end.tsc - begin.tsc) * (__uint128_t)1000000000 / (end.ns - begin.ns) + 5000) / 10000 * 10000;
    return hz;
}

static int open_engine(struct jit_engine *jit, struct err *err)
{
    const struct engine_config *config = &jit->engine.config;
    size_t pages = config->ram->size_bytes >> PAGE_BITS;
    void *ram_pages = mmap(NULL, sizeof *jit->ram_pages * pages, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram_pages == MAP_FAILED)
        return err_set(err, -ENOMEM, "jit: no address space for %zu pages", pages);
    jit->ram_pages = ram_pages;
    jit->vcpus = calloc(config->vcpus, sizeof *jit->vcpus);
    jit->apics = apic_bus_create(config->vcpus);
    if (!jit->vcpus || !jit->apics)
        return err_set(err, -ENOMEM, "jit: out of memory");
    jit->code = code_create(jit, config->code_cache_bytes ? config->code_cache_bytes : CODE_CACHE_BYTES, err);
    return jit->code ? 0 : -ENOMEM;
}

// With more, what one vCPU sees of another would depend on the host.
static bool count_is_possible(const struct engine_config *config, struct err *err)
{
    if (!config->count.on || config->vcpus == 1)
        return true;
    err_set(err, -ENOTSUP, "counted execution is of one vCPU");
    return false;
}

struct engine *jit_engine_create(const struct engine_config *config, struct err *err)
{
    if (!host_can(err) || !count_is_possible(config, err))
        return NULL;
    struct jit_engine *jit = calloc(1, sizeof *jit);
    if (!jit) {
        err_set(err, -ENOMEM, "jit: out of memory");
        return NULL;
    }
    jit->engine = (struct engine){&engine_ops, *config};
    pthread_mutex_init(&jit->world, NULL);
    jit->model = *config->model;
    jit->count = config->count;
    jit->model.tsc_hz = jit->tsc_hz = jit->count.on ? COUNTED_TSC_HZ : jit_tsc_hz();
    jit->engine.config.model = &jit->model;
    jit->tsc_offset = -clock_tsc(config->clock);
    isa_allow(jit->allowed, config->model);
    if (open_engine(jit, err) < 0) {
        destroy(&jit->engine);
        return NULL;
    }
    mem_observe_writes(config->memory, wrote, jit);
    mem_observe_changes(config->memory, map_changed, jit);
    jit_signals_install();
    return &jit->engine;
}
