// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a debugger wants, by KVM_SET_GUEST_DEBUG. The four debug registers serve watchpoints;
// breakpoints are INT3s, patched into guest memory while the vCPU runs. A breakpoint where there is no
// memory yet (the kernel's entry, before it turns paging on) gets a debug register too.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "guest/cpu/kvm/internal.h"
#include "guest/cpu/x86/paging.h"

enum { DEBUG_REGISTERS = 4, INT3 = 0xcc, NO_REGISTER = 0xff };
enum { DR6_STEP = 1 << 14 };
// DR7's fixed bit, and exact global breakpoints (SDM volume 3, "Debug Control Register").
enum { DR7_FIXED = 1 << 10, DR7_EXACT = 1 << 9 };

// ---- breakpoints in memory

static uint8_t *code_byte(struct kvm_vcpu *v, gva_t address)
{
    struct x86_page page;
    uint32_t code;
    struct mem *memory = v->vcpu.engine->config.memory;
    if (x86_walk(&v->state, memory, address, X86_FETCH | X86_QUIET, &page, &code))
        return NULL;
    return mem_ram_at(memory, page.gpa, 1, true);
}

// The patch of this byte, new or in use; null if all are taken. Two vCPUs, or two addresses of one page,
// share it: only the first to come sees what was there before. The lock is held.
static struct kvm_patch *take_patch(struct kvm_engine *e, uint8_t *byte)
{
    struct kvm_patch *unused = NULL;
    for (unsigned i = 0; i < KVM_PATCHES; i++) {
        struct kvm_patch *p = &e->patches[i];
        if (p->users && p->byte == byte)
            return p->users++, p;
        if (!p->users && !unused)
            unused = p;
    }
    if (!unused)
        return NULL;
    *unused = (struct kvm_patch){byte, *byte, 1};
    *byte = INT3;
    return unused;
}

static bool patch(struct kvm_vcpu *v, gva_t address)
{
    struct kvm_engine *e = kvm_engine_of(v);
    uint8_t *byte = code_byte(v, address);
    if (!byte)
        return false;
    pthread_mutex_lock(&e->lock);
    struct kvm_patch *p = take_patch(e, byte);
    pthread_mutex_unlock(&e->lock);
    if (!p)
        return false;
    v->breaks[v->break_count].address = address;
    v->breaks[v->break_count++].patch = p;
    return true;
}

static void unpatch_all(struct kvm_vcpu *v)
{
    struct kvm_engine *e = kvm_engine_of(v);
    pthread_mutex_lock(&e->lock);
    while (v->break_count) {
        struct kvm_patch *p = v->breaks[--v->break_count].patch;
        if (--p->users == 0)
            *p->byte = p->was;
    }
    pthread_mutex_unlock(&e->lock);
}

static bool is_patched(const struct kvm_vcpu *v, uint64_t address)
{
    for (unsigned i = 0; i < v->break_count; i++)
        if (v->breaks[i].address.u == address)
            return true;
    return false;
}

// ---- breakpoints in registers

static uint64_t dr7_bits(unsigned n, enum vcpu_break kind, uint32_t size_bytes)
{
    static const uint8_t types[] = {[VCPU_BREAK_EXEC] = 0, [VCPU_BREAK_WRITE] = 1, [VCPU_BREAK_ACCESS] = 3};
    unsigned length = kind == VCPU_BREAK_EXEC ? 0 : size_bytes == 8 ? 2 : size_bytes == 4 ? 3 :
                      size_bytes == 2 ? 1 : 0;
    return UINT64_C(2) << n * 2 | (uint64_t)(types[kind] | length << 2) << (16 + n * 4);
}

static void use_register(struct kvm_vcpu *v, struct kvm_guest_debug *k, unsigned point, unsigned *used)
{
    const struct vcpu_debug *d = &v->debug;
    if (*used == DEBUG_REGISTERS) {
        log_warn("kvm", "no debug register is left for %#" PRIx64, d->points[point].address.u);
        return;
    }
    v->debug_register[*used] = point;
    k->arch.debugreg[*used] = d->points[point].address.u;
    k->arch.debugreg[7] |= dr7_bits(*used, d->points[point].kind, d->points[point].size_bytes);
    k->control |= KVM_GUESTDBG_USE_HW_BP;
    ++*used;
}

static void place_points(struct kvm_vcpu *v, struct kvm_guest_debug *k)
{
    const struct vcpu_debug *d = &v->debug;
    unsigned used = 0;
    memset(v->debug_register, NO_REGISTER, sizeof v->debug_register);
    k->arch.debugreg[7] = DR7_FIXED | DR7_EXACT;
    for (unsigned i = 0; i < d->count; i++)
        if (d->points[i].kind != VCPU_BREAK_EXEC || !patch(v, d->points[i].address))
            use_register(v, k, i, &used);
    if (v->break_count)
        k->control |= KVM_GUESTDBG_USE_SW_BP;
}

static void tell_kernel(struct kvm_vcpu *v, struct kvm_guest_debug *k)
{
    if (!ioctl(v->fd, KVM_SET_GUEST_DEBUG, k))
        return;
    k->control &= ~KVM_GUESTDBG_BLOCKIRQ;  // kernels before 5.16
    if (ioctl(v->fd, KVM_SET_GUEST_DEBUG, k))
        log_warn("kvm", "vCPU %u: debugging: %s", v->vcpu.index, strerror(errno));
}

// A step is one of the code that the user looks at, so interrupts wait for its end.
void kvm_set_debug(struct vcpu *vcpu, const struct vcpu_debug *debug)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)vcpu;
    unpatch_all(v);
    v->debug = *debug;
    v->kernel_debug = (struct kvm_guest_debug){0};
    place_points(v, &v->kernel_debug);
    if (debug->single_step)
        v->kernel_debug.control |= KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ;
    if (v->kernel_debug.control)
        v->kernel_debug.control |= KVM_GUESTDBG_ENABLE;
    tell_kernel(v, &v->kernel_debug);
}

// ---- hits

static bool register_hit(struct kvm_vcpu *v, uint64_t dr6)
{
    for (unsigned n = 0; n < DEBUG_REGISTERS; n++) {
        unsigned point = v->debug_register[n];
        if (!(dr6 >> n & 1) || point >= v->debug.count)
            continue;
        v->vcpu.debug_hit = (struct vcpu_debug_hit){
            .address = v->debug.points[point].address, .kind = v->debug.points[point].kind};
        return true;
    }
    return false;
}

// The guest's own #DB or #BP, which the kernel gave to us: back to the guest.
static void pass_to_guest(struct kvm_vcpu *v, const struct kvm_debug_exit_arch *exit)
{
    struct kvm_guest_debug k = v->kernel_debug;
    k.control |= exit->exception == EX_BP ? KVM_GUESTDBG_INJECT_BP : KVM_GUESTDBG_INJECT_DB;
    struct kvm_debugregs registers;
    if (exit->exception == EX_DB && !ioctl(v->fd, KVM_GET_DEBUGREGS, &registers)) {
        registers.dr6 = exit->dr6;
        ioctl(v->fd, KVM_SET_DEBUGREGS, &registers);
    }
    tell_kernel(v, &k);
}

bool kvm_debug_hit(struct kvm_vcpu *v)
{
    const struct kvm_debug_exit_arch *exit = &v->run->debug.arch;
    if (exit->exception == EX_BP && is_patched(v, exit->pc)) {
        v->vcpu.debug_hit = (struct vcpu_debug_hit){.address = GVA(exit->pc), .kind = VCPU_BREAK_EXEC};
        return true;
    }
    if (exit->exception == EX_DB && register_hit(v, exit->dr6))
        return true;
    if (exit->exception == EX_DB && exit->dr6 & DR6_STEP && v->debug.single_step) {
        v->vcpu.debug_hit = (struct vcpu_debug_hit){.step = true};
        return true;
    }
    pass_to_guest(v, exit);
    return false;
}
