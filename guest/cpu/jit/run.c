// SPDX-License-Identifier: GPL-2.0-or-later
//
// The run loop of a vCPU: what happens between blocks. Interrupts, exceptions, halting, debugging, and
// finding the next block.
#include <Zydis/Mnemonic.h>
#include <errno.h>

#include "guest/cpu/jit/code.h"
#include "guest/cpu/jit/emu_vec_host.h"
#include "guest/cpu/jit/emulate.h"
#include "guest/cpu/x86/pvclock.h"

// --- flags, in two halves while translated code runs -------------------------------------------

void jit_compose_flags(struct jit_vcpu *v)
{
    uint64_t arithmetic = (v->flags >> 8 & (FL_SF | FL_ZF | FL_AF | FL_PF | FL_CF)) | (v->flags & 1 ? FL_OF : 0);
    v->state.rflags = (v->state.rflags & ~(uint64_t)(FL_ARITH | FL_IF)) | arithmetic | (v->interrupt_flag ? FL_IF : 0);
}

void jit_split_flags(struct jit_vcpu *v)
{
    uint64_t f = v->state.rflags;
    v->flags = (f & (FL_SF | FL_ZF | FL_AF | FL_PF | FL_CF)) << 8 | FL_FIXED << 8 | (f & FL_OF ? 1 : 0);
    v->interrupt_flag = f & FL_IF ? 1 : 0;
}

void jit_copy_limits(struct jit_vcpu *v)
{
    for (unsigned i = 0; i < X86_SEGMENTS; i++)
        v->limit[i] = v->state.seg[i].limit;
}

uint64_t jit_rip_of_site(const struct jit_vcpu *v, uint32_t site)
{
    const struct x86_state *s = &v->state;
    uint64_t pc = v->pages[site >> PAGE_BITS].va + (site & (PAGE_BYTES - 1));
    if (s->efer & EFER_LMA && s->seg[X86_CS].attr & SEG_L)
        return pc;
    return (uint32_t)(pc - s->seg[X86_CS].base);
}

// --- the guest's vector registers -----------------------------------------------------------------

enum { VECTORS = XCR0_X87 | XCR0_SSE | XCR0_AVX };
// x87's opcode, instruction and data pointer tell of the host: whoever looks at the state (a snapshot,
// gdb, the guest) finds 0.
enum { X87_POINTERS_AT = 6, X87_POINTERS_BYTES = 18 };

void jit_vectors_save(struct jit_vcpu *v)
{
    static const uint32_t mxcsr = 0x1f80;
    if (!v->vectors_live)
        return;
    __asm__ volatile("xsave64 %0\n\tfninit\n\tldmxcsr %1\n\tvzeroupper"
                     : "=m"(v->state.xsave) : "m"(mxcsr), "a"(VECTORS), "d"(0) : "memory");
    memset(v->state.xsave + X87_POINTERS_AT, 0, X87_POINTERS_BYTES);
    v->vectors_live = false;
}

void jit_vectors_load(struct jit_vcpu *v)
{
    if (v->vectors_live)
        return;
    __asm__ volatile("xrstor64 %0" : : "m"(v->state.xsave), "a"(VECTORS), "d"(0) : "memory");
    v->vectors_live = true;
}

// What an exception of the host is for the guest (SDM volume 3, 2.5, OSXMMEXCPT).
static unsigned guest_vector(const struct jit_vcpu *v, unsigned vector)
{
    return vector == EX_XM && !(v->state.cr4 & CR4_OSXMMEXCPT) ? EX_UD : vector;
}

void jit_run_on_host(struct jit_vcpu *v, const struct insn *in, void *memory)
{
    vec_host_function *function = vec_host_make(v->vec_host, in);
    if (!function)
        jit_raise(v, EX_UD, 0);
    jit_vectors_load(v);
    jit_split_flags(v);
    uint32_t result = function(v->state.gpr, memory, v->flags);
    if (result & VEC_HOST_RAISED)
        jit_raise(v, guest_vector(v, result & 0xff), 0);
    v->flags = result;
    jit_compose_flags(v);
}

// --- exceptions ---------------------------------------------------------------------------------

_Noreturn void jit_raise(struct jit_vcpu *v, unsigned vector, uint32_t error_code)
{
    if (v->in_code) {
        v->state.rip = jit_rip_of_site(v, v->site);
        jit_compose_flags(v);
        v->in_code = false;
    }
    v->raised = vector;
    v->raised_code = error_code;
    __builtin_longjmp(v->unwind, 1);
}

_Noreturn void jit_shutdown(struct jit_vcpu *v)
{
    v->shut_down = true;
    __builtin_longjmp(v->unwind, 1);
}

// An instruction breakpoint has let it pass already: RF.
_Noreturn void jit_start_over_with_world(struct jit_vcpu *v)
{
    v->wants_world = true;
    v->before.rflags |= FL_RF;
    __builtin_longjmp(v->unwind, 1);
}

static void put_before_back(struct jit_vcpu *v)
{
    struct x86_state *s = &v->state;
    for (unsigned i = 0; i < X86_GPRS; i++)
        s->gpr[i] = v->before.gpr[i];
    s->rip = v->before.rip;
    s->rflags = v->before.rflags;
    s->cpl = v->before.cpl;
    v->emulating = false;
}

// exception: for combining with one that delivery raises; -1 for what never combines.
static void deliver(struct jit_vcpu *v, enum jit_event kind, unsigned vector, uint32_t code, int exception)
{
    v->delivering = exception;
    jit_commit(v);
    v->emulating = true;
    jit_deliver(v, kind, vector, code);
    v->emulating = false;
    v->delivering = -1;
}

static void deliver_raised(struct jit_vcpu *v)
{
    int vector = v->raised;
    v->raised = -1;
    v->count.exceptions++;
    if (v->delivering >= 0)
        vector = jit_combine_faults(v->delivering, vector);
    if (vector < 0)
        jit_shutdown(v);
    if (vector == EX_MF && !(v->state.cr0 & CR0_NE)) {
        jit_ferr(v);
        return;
    }
    deliver(v, JIT_EVENT_FAULT, vector, vector == EX_DF ? 0 : v->raised_code, vector);
}

// --- interrupts ---------------------------------------------------------------------------------

static void take_requests(struct jit_vcpu *v)
{
    uint8_t sipi = 0;
    uint32_t taken = apic_take(&v->apic, &sipi);
    struct x86_state *s = &v->state;
    if (taken & APIC_REQUEST_INIT) {
        jit_vectors_save(v);
        x86_reset(s, v->apic.id, true);
        apic_reset(&v->apic, true);
        jit_flush_all(v);
    }
    if (taken & APIC_REQUEST_SIPI && s->run_state == X86_WAIT_SIPI) {
        s->seg[X86_CS].selector = sipi << 8;
        s->seg[X86_CS].base = (uint64_t)sipi << 12;
        s->rip = 0;
        s->run_state = X86_RUNNING;
    }
    if (taken & APIC_REQUEST_NMI)
        s->nmi_pending = true;
}

static void deliver_nmi(struct jit_vcpu *v)
{
    struct x86_state *s = &v->state;
    if (!s->nmi_pending || s->nmi_blocked)
        return;
    s->nmi_pending = false;
    s->nmi_blocked = true;
    s->run_state = X86_RUNNING;
    deliver(v, JIT_EVENT_NMI, EX_NMI, 0, -1);
}

static int acknowledge(struct jit_vcpu *v)
{
    const struct engine_config *config = &v->vcpu.engine->config;
    int vector = apic_pending(&v->apic);
    if (vector == APIC_EXTINT)
        return config->pic_acknowledge ? config->pic_acknowledge(config->opaque) : -1;
    if (vector >= 0)
        apic_accept(&v->apic, vector);
    return vector;
}

static bool in_shadow(const struct x86_state *s) { return s->sti_shadow || s->mov_ss_shadow; }

static void deliver_interrupt(struct jit_vcpu *v)
{
    struct x86_state *s = &v->state;
    jit_vectors_save(v);
    if (!(s->rflags & FL_IF) || in_shadow(s)) {
        v->interrupt_waits = apic_pending(&v->apic) >= 0;
        return;
    }
    int vector = acknowledge(v);
    v->interrupt_waits = 0;
    if (vector < 0)
        return;
    v->count.interrupts++;
    s->run_state = X86_RUNNING;
    deliver(v, JIT_EVENT_INTERRUPT, vector, 0, -1);
}

// Whoever woke this vCPU does so once, so an interrupt that can't be delivered now is always noted, behind an
// NMI and in a shadow too.
static void take_interrupts(struct jit_vcpu *v)
{
    struct x86_state *s = &v->state;
    take_requests(v);
    if (s->run_state == X86_WAIT_SIPI)
        return;
    if (!in_shadow(s))
        deliver_nmi(v);
    deliver_interrupt(v);
}

void jit_check_interrupts(struct jit_vcpu *v) { v->leave = true; }

void jit_halt(struct jit_vcpu *v)
{
    v->state.run_state = X86_HALTED;
    v->leave = true;
}

// Only what blocks were made for counts: a segment's base, say, is looked up where it is used.
void jit_mode_changed(struct jit_vcpu *v)
{
    if (jit_mode(v) != v->mode || v->state.rflags & FL_TF || jit_breakpoints_armed(v))
        v->leave = true;
}

// --- one step of the loop -------------------------------------------------------------------------

static bool at_breakpoint(struct jit_vcpu *v)
{
    uint64_t pc = jit_linear_pc(v);
    for (unsigned i = 0; i < v->debug.count; i++)
        if (v->debug.points[i].kind == VCPU_BREAK_EXEC && v->debug.points[i].address.u == pc) {
            v->vcpu.debug_hit = (struct vcpu_debug_hit){.address = GVA(pc), .kind = VCPU_BREAK_EXEC};
            return true;
        }
    return false;
}

static void enter(struct jit_vcpu *v, struct block *b)
{
    struct code *c = v->jit->code;
    v->exit_kind = 0;
    v->state.rflags &= ~(uint64_t)FL_RF;  // it holds for the first instruction, whose faults set it again
    jit_split_flags(v);
    if ((b->mode & MODE_CODE) != INSN_64)
        jit_copy_limits(v);
    if (!v->vectors_live)
        jit_vectors_load(v);
    v->count.entries++;
    void (*code)(const uint8_t *) = (void (*)(const uint8_t *))code_executable(c, c->stub[STUB_ENTER][b->entry_map]);
    uint64_t began = __builtin_ia32_rdtsc();
    code(code_executable(c, b->saved_entry));
    v->spent.code += __builtin_ia32_rdtsc() - began;
    v->in_code = false;
}

static void came_by_link(struct jit_vcpu *v)
{
    struct code *c = v->jit->code;
    const struct link *l = &c->links[(uint32_t)v->exit_link];
    v->count.links++;
    v->state.rip = jit_rip_of_site(v, l->source->page[0] << PAGE_BITS) + l->offset;
    if ((l->source->mode & MODE_CODE) != INSN_64)
        v->state.rip = (l->source->mode & MODE_CODE) == INSN_16 && l->wraps ? (uint16_t)v->state.rip : (uint32_t)v->state.rip;
    bool leaves_page = l->offset < 0 || l->offset >= PAGE_BYTES;
    if (l->source->mode & MODE_ONE || ((l->source->mode & MODE_CODE) == INSN_16 && leaves_page))
        return;  // 16-bit IPs wrap, which a distance between pages can't tell
    v->link = v->exit_link;
    v->link_pc = jit_linear_pc(v);
    v->link_epoch = c->emptied;
}

// A target that is not canonical faults at the branch, before RSP moves (as AMD's CPUs do).
static void jump_out(struct jit_vcpu *v)
{
    struct x86_state *s = &v->state;
    bool in_64 = (v->mode & MODE_CODE) == INSN_64;
    if (in_64 && !x86_is_canonical(s, v->scratch)) {
        s->rip = jit_rip_of_site(v, v->exit_site);
        jit_count_not_over(v);
        jit_raise(v, EX_GP, 0);
    }
    s->rip = in_64 ? v->scratch : (uint32_t)v->scratch;
    s->gpr[X86_RSP] += (int64_t)v->exit_rsp_add;
}

static void after_code(struct jit_vcpu *v)
{
    if (v->exit_kind != JIT_EXIT_LEAVE && v->exit_kind != JIT_EXIT_HOST_FAULT) {
        jit_compose_flags(v);
        jit_count_block_over(v);
    }
    switch (v->exit_kind) {
    case JIT_EXIT_LINK: came_by_link(v); break;
    case JIT_EXIT_SITE: v->state.rip = jit_rip_of_site(v, v->exit_site); break;
    case JIT_EXIT_JUMP:
        v->count.jumps++;
        jump_out(v);
        break;
    case JIT_EXIT_HOST_FAULT:
        v->state.rip = jit_rip_of_site(v, v->site);
        jit_compose_flags(v);
        jit_raise(v, guest_vector(v, v->host_fault), 0);
    case JIT_EXIT_LEAVE: jit_count_give_back(v); break;
    default: break;
    }
}

static bool link_is_for(struct jit_vcpu *v, const struct link *l, uint32_t mode)
{
    return v->link_epoch == v->jit->code->emptied && v->link_pc == jit_linear_pc(v) && l->source->mode == mode &&
           !l->source->dead;
}

static void remember_jump(struct jit_vcpu *v, unsigned context, struct block *b)
{
    uint64_t pc = jit_linear_pc(v);
    struct jump_entry *j = &v->jumps[context][pc & (JUMP_ENTRIES - 1)];
    struct slot_log *log = &v->jump_log[context];
    *j = (struct jump_entry){pc, code_executable(v->jit->code, b->jump_entry)};
    if (log->count < sizeof log->slot / sizeof log->slot[0])
        log->slot[log->count] = pc & (JUMP_ENTRIES - 1);
    log->count++;
}

// The block to run next, linked to the exit that led here.
static struct block *next_block(struct jit_vcpu *v, uint32_t mode)
{
    struct code *c = v->jit->code;
    struct link *l = v->link && !(mode & MODE_ONE) ? &c->links[v->link] : NULL;
    v->link = 0;
    if (l && link_is_for(v, l, mode)) {
        struct block *b = jit_find(v, mode, l->source->map);
        pthread_mutex_lock(&c->lock);
        if (b && v->link_epoch == c->emptied && !b->dead && !l->source->dead && !l->target && code_has_room(c))
            code_link(c, l, b);
        pthread_mutex_unlock(&c->lock);
        return b;
    }
    struct block *b = jit_find(v, mode, REGMAP_CANONICAL);
    if (b && b->jump_entry)
        remember_jump(v, mode_context(mode), b);
    return b;
}

static void use_jumps_for(struct jit_vcpu *v, uint32_t mode)
{
    unsigned context = mode_context(mode);
    if (v->jump_mode[context] != mode) {
        jit_jumps_flush(v, context);
        v->jump_mode[context] = mode;
    }
}

static uint8_t fetch_byte(struct jit_vcpu *v, uint64_t address)
{
    struct mem *memory = v->vcpu.engine->config.memory;
    struct x86_page page;
    uint32_t code;
    address = jit_fetch_address(v, address);
    if (x86_walk(&v->state, memory, GVA(address), X86_FETCH | (v->state.cpl == 3 ? X86_USER : 0), &page, &code) < 0) {
        v->state.cr2 = address;
        jit_raise(v, EX_PF, code);
    }
    return mem_read(memory, page.gpa, 1);
}

// Code that is in no RAM, or straddles in a way that no block can: fetched byte by byte, as far as it is one
// instruction.
static void emulate_unmapped(struct jit_vcpu *v, uint32_t mode)
{
    uint8_t bytes[INSN_BYTES_MAX];
    struct insn in;
    uint64_t pc = jit_linear_pc(v);
    int result = -ERANGE;
    jit_vectors_save(v);
    for (unsigned n = 0; n < sizeof bytes && result == -ERANGE; n++) {
        bytes[n] = fetch_byte(v, pc + n);
        result = insn_decode(&in, bytes, n + 1, mode & MODE_CODE);
    }
    if (result < 0)
        jit_raise(v, EX_UD, 0);
    jit_count_alone(v);
    jit_emulate_one(v, &in);
    jit_count_block_over(v);
}

static void release_world(struct jit_vcpu *v)
{
    if (!v->has_world)
        return;
    v->has_world = false;
    jit_world_start(v);
}

// Does CS end within the page that runs? Blocks don't look at its limit, the run loop does.
static bool code_ends_here(const struct jit_vcpu *v, uint32_t mode)
{
    const struct x86_segment *cs = &v->state.seg[X86_CS];
    if ((mode & MODE_CODE) == INSN_64 || mode & MODE_FLAT)
        return false;
    uint64_t last = cs->base + cs->limit, pc = cs->base + v->state.rip;
    return last >> PAGE_BITS <= (pc >> PAGE_BITS) + 1;
}

// False: nothing was run. The block had been killed, or the page that it runs on into was another.
static bool run_guest(struct jit_vcpu *v, bool one)
{
    uint32_t mode = v->mode = jit_mode(v);
    one |= code_ends_here(v, mode);
    if (one)
        mode |= MODE_ONE;
    else
        use_jumps_for(v, mode);
    v->leave = false;
    v->mnemonic = 0;
    struct block *b = next_block(v, mode);
    if (!b) {
        emulate_unmapped(v, mode);
        return true;
    }
    if (b->dead)
        return false;
    uint64_t resume = v->state.rflags & FL_RF;
    int64_t budget = v->counted.budget;
    enter(v, b);
    after_code(v);
    if (v->exit_kind != JIT_EXIT_SITE || v->exit_site != (b->page[0] << PAGE_BITS | b->offset) || v->counted.budget != budget)
        return true;  // or another block's head, behind this one
    v->state.rflags |= resume;
    return false;
}

static bool debugging(const struct jit_vcpu *v)
{
    return v->debug.single_step || v->debug.count;
}

// The instruction that asked for it, with every other vCPU standing still. A raise from inside
// comes back to jit_run, which lets them go.
static bool run_with_world(struct jit_vcpu *v)
{
    v->wants_world = false;
    jit_world_stop(v);
    v->has_world = true;
    bool ran = run_guest(v, true);
    release_world(v);
    return ran;
}

// Their handlers begin with TF clear, and nothing traps before.
static bool is_software_interrupt(unsigned mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_INT || mnemonic == ZYDIS_MNEMONIC_INT1 || mnemonic == ZYDIS_MNEMONIC_INT3 ||
           mnemonic == ZYDIS_MNEMONIC_INTO;
}

// SYSCALL traps if TF is set when it is over, and so does SYSRET: what it returns to has been one step.
static bool is_system_call(unsigned mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_SYSCALL || mnemonic == ZYDIS_MNEMONIC_SYSRET;
}

enum { DR6_BS = 1 << 14, DR7_GD = 1 << 13 };

static void deliver_debug(struct jit_vcpu *v, enum jit_event kind, unsigned reasons)
{
    v->state.dr6 |= reasons;
    v->state.dr7 &= ~(uint64_t)DR7_GD;
    v->breakpoint_hits = 0;
    v->state.run_state = X86_RUNNING;
    deliver(v, kind, EX_DB, 0, EX_DB);
}

static bool run_one_instruction(struct jit_vcpu *v)
{
    v->counted.one = true;
    bool ran = v->wants_world || run_guest(v, true);
    if (v->wants_world)
        ran = run_with_world(v);
    v->counted.one = false;
    return ran;
}

// An x87 exception that the instruction is to ignore, or that it may have cleared.
static bool run_one_with_ferr(struct jit_vcpu *v)
{
    if (v->ferr.ignores_next)
        jit_ferr_mask(v);
    bool ran = run_one_instruction(v);
    jit_ferr_unmask(v);
    if (atomic_load(&v->ferr.asserted))
        jit_ferr_follow(v);
    return ran;
}

// One instruction in the reference mode: under TF, behind a shadow, for a debugger, with the world stopped.
static int run_one(struct jit_vcpu *v)
{
    struct x86_state *s = &v->state;
    bool trap = s->rflags & FL_TF, sti = s->sti_shadow, mov_ss = s->mov_ss_shadow;
    unsigned breakpoints = mov_ss ? 0 : jit_breakpoints_at(v);
    if (breakpoints) {
        deliver_debug(v, JIT_EVENT_FAULT, breakpoints);
        return -1;
    }
    s->sti_shadow = s->mov_ss_shadow = 0;
    v->watch_hit = false;
    if (!mov_ss)
        v->breakpoint_hits = 0;
    if (!run_one_with_ferr(v)) {
        s->sti_shadow = sti;
        s->mov_ss_shadow = mov_ss;
        return -1;
    }
    if (is_system_call(v->mnemonic))
        trap = s->rflags & FL_TF;
    if (mov_ss)
        s->mov_ss_shadow = 0;  // of several, only the first inhibits (SDM volume 3, 6.8.3)
    unsigned reasons = v->breakpoint_hits | (trap && !is_software_interrupt(v->mnemonic) ? DR6_BS : 0);
    if (reasons && !s->mov_ss_shadow)
        deliver_debug(v, JIT_EVENT_TRAP, reasons);
    if (v->watch_hit)
        return VCPU_EXIT_DEBUG;
    if (v->debug.single_step) {
        v->vcpu.debug_hit = (struct vcpu_debug_hit){.step = true};
        return VCPU_EXIT_DEBUG;
    }
    return -1;
}

static bool needs_one(const struct jit_vcpu *v)
{
    const struct x86_state *s = &v->state;
    return v->vcpu.engine->config.one_instruction_blocks || s->rflags & FL_TF || s->sti_shadow || s->mov_ss_shadow ||
           atomic_load(&v->ferr.asserted) ||
           debugging(v) || v->wants_world || jit_breakpoints_armed(v) || jit_count_is_short(v);
}

// An enum vcpu_exit, or -1 to go on. A debugger's step is one of the code that its user looks at, so
// interrupts wait for its end.
static int step(struct jit_vcpu *v)
{
    if (v->monitor.waits)
        jit_mwait_sleep(v);
    atomic_store(&v->run, 1);
    if (atomic_load(&v->jit->world_stopping)) {
        jit_world_leave(v);
        jit_world_enter(v);
    }
    if (atomic_load(&v->requests) & JIT_REQUEST_STOP) {
        atomic_fetch_and(&v->requests, ~JIT_REQUEST_STOP);
        return VCPU_EXIT_KICKED;
    }
    mem_quiescent();
    if (atomic_load(&v->requests) & JIT_REQUEST_FLUSH) {
        atomic_fetch_and(&v->requests, ~JIT_REQUEST_FLUSH);
        jit_flush_all(v);
    }
    if (jit_counts(v))
        jit_count_follow(v);
    uint32_t wakes = atomic_load(&v->wakes);
    bool is_stepped = v->debug.single_step && v->state.run_state == X86_RUNNING;
    if (!is_stepped && (wakes != v->wakes_seen || apic_has_work(&v->apic) || v->state.nmi_pending)) {
        v->wakes_seen = wakes;
        take_interrupts(v);
    }
    if (v->state.run_state != X86_RUNNING) {
        jit_vectors_save(v);
        jit_wait(v);
        return -1;
    }
    if (v->debug.count && !v->debug_skip && at_breakpoint(v))
        return VCPU_EXIT_DEBUG;
    v->debug_skip = false;
    if (jit_breakpoints_armed(v) || v->watching)
        jit_breakpoints_follow(v);
    if (needs_one(v))
        return run_one(v);
    run_guest(v, false);
    if (is_system_call(v->mnemonic) && v->state.rflags & FL_TF)
        deliver_debug(v, JIT_EVENT_TRAP, DR6_BS);
    return -1;
}

// RDTSCP waits for the loads before it, and a fenced RDTSC stays behind its fence: so does the host's here,
// which would else be read ahead of time.
uint64_t jit_guest_tsc(struct jit_vcpu *v)
{
    uint32_t low, high;
    if (jit_counts(v))
        return jit_count_now_ns(v) + v->state.tsc_offset;
    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return ((uint64_t)high << 32 | low) + v->state.tsc_offset;
}

// After a pause the machine has moved the TSC as far as the clock stood still; the guest's page of the
// paravirtual clock says anew how they go together.
static void follow_clock(struct jit_vcpu *v)
{
    struct clock *clock = v->vcpu.engine->config.clock;
    if (jit_counts(v))
        return;  // the TSC counts the clock's nanoseconds
    uint64_t ahead_ns = UINT64_C(1) << 40;  // far enough not to be past already
    uint64_t zero_ns = clock_host_deadline_ns(clock, ahead_ns);
    if (zero_ns == UINT64_MAX)
        return;
    zero_ns -= ahead_ns;
    if (!v->clock_known || zero_ns != v->clock_zero_ns)
        pvclock_update(&v->state, v->vcpu.engine->config.memory, clock, v->jit->tsc_hz);
    v->clock_known = true;
    v->clock_zero_ns = zero_ns;
}

enum vcpu_exit jit_run(struct vcpu *vcpu)
{
    struct jit_vcpu *v = jit_vcpu_of(vcpu);
    if (!v->thread_ready && !jit_thread_prepare(v))
        return VCPU_EXIT_ERROR;
    jit_world_enter(v);
    follow_clock(v);
    jit_count_begin(v);
    v->run_began = __builtin_ia32_rdtsc();
    v->wakes_seen = atomic_load(&v->wakes) - 1;  // a loaded state may have interrupts waiting
    v->raised = v->delivering = -1;
    v->debug_skip = true;
    int exit = -1;
    if (__builtin_setjmp(v->unwind)) {
        jit_ferr_unmask(v);
        if (v->emulating)
            put_before_back(v);
        v->in_code = false;
        jit_count_give_back(v);
        v->counted.one = false;
        release_world(v);
    }
    v = jit_vcpu_of(vcpu);
    if (v->raised >= 0 && !v->shut_down)
        deliver_raised(v);
    while (exit < 0 && !v->shut_down)
        exit = step(v);
    jit_vectors_save(v);
    jit_count_tell(v);
    v->spent.run += __builtin_ia32_rdtsc() - v->run_began;
    jit_world_leave(v);
    if (v->shut_down) {
        v->shut_down = false;
        return VCPU_EXIT_SHUTDOWN;
    }
    return exit;
}

// --- what the emulator sees (access.h) ------------------------------------------------------------

struct x86_state *jit_state(struct jit_vcpu *v) { return &v->state; }
const struct x86_model *jit_model(struct jit_vcpu *v) { return v->vcpu.engine->config.model; }
struct apic *jit_apic(struct jit_vcpu *v) { return &v->apic; }
struct mem *jit_ports(struct jit_vcpu *v) { return v->vcpu.engine->config.ports; }
struct mem *jit_memory(struct jit_vcpu *v) { return v->vcpu.engine->config.memory; }
struct clock *jit_clock(struct jit_vcpu *v) { return v->vcpu.engine->config.clock; }
bool jit_is_counted(struct jit_vcpu *v) { return jit_counts(v); }
