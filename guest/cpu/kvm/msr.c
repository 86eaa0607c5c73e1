// SPDX-License-Identifier: GPL-2.0-or-later
//
// Model-specific registers that stand in x86_state, from and to the kernel (KVM_GET_MSRS,
// KVM_SET_MSRS). Which of them a kernel and a CPU model have is found out once, by reading each.
// EFER, the APIC's base and the TSC deadline are elsewhere: SREGS, and lapic.c.
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <x86intrin.h>

#include "base/bits.h"
#include "base/log.h"
#include "guest/cpu/kvm/internal.h"

enum { MSR_TSC = 0x10 };

// A run of registers: count of them, `step` apart, in consecutive (or every stride-th) words.
static const struct msr_run {
    uint32_t index, step, offset_bytes, count;
} runs[] = {
#define ONE(index, member) {index, 1, offsetof(struct x86_state, member), 1}
#define MANY(index, step, member, count) {index, step, offsetof(struct x86_state, member), count}
    ONE(0xc0000081, star), ONE(0xc0000082, lstar), ONE(0xc0000083, cstar), ONE(0xc0000084, sfmask),
    ONE(0xc0000102, kernel_gs_base), ONE(0xc0000103, tsc_aux), ONE(0x174, sysenter_cs),
    ONE(0x175, sysenter_esp), ONE(0x176, sysenter_eip), ONE(0x277, pat), ONE(0x1a0, misc_enable),
    ONE(0x48, spec_ctrl), ONE(0x1d9, debugctl), ONE(0xda0, xss), ONE(0x3b, tsc_adjust),
    ONE(0x3a, feature_control), ONE(0x8b, ucode_rev),
    ONE(0x2ff, mtrr_def_type), MANY(0x250, 1, mtrr_fixed[0], 1), MANY(0x258, 1, mtrr_fixed[1], 2),
    MANY(0x268, 1, mtrr_fixed[3], 8), MANY(0x200, 2, mtrr_base, X86_MTRR_PAIRS),
    MANY(0x201, 2, mtrr_mask, X86_MTRR_PAIRS),
    ONE(0x17a, mcg_status), ONE(0x17b, mcg_ctl), MANY(0x400, 1, mce, X86_MCE_BANKS * 4),
    // Last: the kernel writes the guest's clock page when they are set.
    ONE(0x4b564d00, kvm_wall_clock), ONE(0x4b564d01, kvm_system_time), ONE(0x4b564d04, kvm_pv_eoi),
};

// Setting the wall clock's register makes the kernel write to guest memory what the guest has read
// long ago; harmless, but a write all the same.
enum { MSR_WALL_CLOCK = 0x4b564d00 };

bool kvm_get_msr(struct kvm_vcpu *v, uint32_t index, uint64_t *value)
{
    struct { struct kvm_msrs head; struct kvm_msr_entry entry; } m = {{.nmsrs = 1}, {.index = index}};
    if (ioctl(v->fd, KVM_GET_MSRS, &m) != 1)
        return false;
    *value = m.entry.data;
    return true;
}

bool kvm_set_msr(struct kvm_vcpu *v, uint32_t index, uint64_t value)
{
    struct { struct kvm_msrs head; struct kvm_msr_entry entry; } m = {
        {.nmsrs = 1}, {.index = index, .data = value}};
    if (ioctl(v->fd, KVM_SET_MSRS, &m) == 1)
        return true;
    log_warn("kvm", "vCPU %u: MSR %#x can't be set to %#" PRIx64, v->vcpu.index, index, value);
    return false;
}

// Calls each for every register of the table that this vCPU has.
static void each_msr(struct kvm_vcpu *v, void (*each)(struct kvm_vcpu *v, uint32_t index, uint64_t *value,
                                                      bool *known))
{
    unsigned number = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(runs); i++) {
        uint64_t *values = (uint64_t *)((char *)&v->state + runs[i].offset_bytes);
        for (uint32_t j = 0; j < runs[i].count && number < KVM_MSRS; j++, number++)
            each(v, runs[i].index + j * runs[i].step, &values[j], &v->msr_known[number]);
    }
}

static void probe(struct kvm_vcpu *v, uint32_t index, uint64_t *value, bool *known)
{
    (void)value;
    uint64_t ignored;
    *known = kvm_get_msr(v, index, &ignored);
}

static void get(struct kvm_vcpu *v, uint32_t index, uint64_t *value, bool *known)
{
    if (*known)
        kvm_get_msr(v, index, value);
}

static void put(struct kvm_vcpu *v, uint32_t index, uint64_t *value, bool *known)
{
    uint64_t now;
    if (!*known || (kvm_get_msr(v, index, &now) && now == *value && index != 0x4b564d01))
        return;
    if (index != MSR_WALL_CLOCK || *value)
        kvm_set_msr(v, index, *value);
}

static void set_up_machine_check(struct kvm_vcpu *v)
{
    struct kvm_engine *e = kvm_engine_of(v);
    int banks = ioctl(e->kvm_fd, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_MCE);
    uint64_t supported = 0;
    if (banks <= 0 || ioctl(e->kvm_fd, KVM_X86_GET_MCE_CAP_SUPPORTED, &supported))
        return;
    uint64_t mcg_cap = banks < X86_MCE_BANKS ? banks : X86_MCE_BANKS;
    mcg_cap |= supported & BIT(8);  // MCG_CTL_P
    if (ioctl(v->fd, KVM_X86_SETUP_MCE, &mcg_cap))
        log_warn("kvm", "vCPU %u: machine-check banks: %s", v->vcpu.index, strerror(errno));
}

void kvm_probe_msrs(struct kvm_vcpu *v)
{
    set_up_machine_check(v);
    each_msr(v, probe);
}

void kvm_get_msrs(struct kvm_vcpu *v)
{
    each_msr(v, get);
}

void kvm_put_msrs(struct kvm_vcpu *v)
{
    each_msr(v, put);
}

// ---- the TSC

// The kernel's offset is ours, where it can be had and the guest's TSC runs at the host's rate.
static bool tsc_offset_attribute(struct kvm_vcpu *v, unsigned long request, uint64_t *offset)
{
    struct kvm_device_attr attr = {.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
                                   .addr = (uintptr_t)offset};
    return !ioctl(v->fd, request, &attr);
}

void kvm_get_tsc(struct kvm_vcpu *v)
{
    uint64_t tsc, offset;
    if (tsc_offset_attribute(v, KVM_GET_DEVICE_ATTR, &offset))
        v->state.tsc_offset = offset;
    else if (kvm_get_msr(v, MSR_TSC, &tsc))
        v->state.tsc_offset = tsc - __rdtsc();
    v->put_tsc_offset = v->state.tsc_offset;
}

// Only a changed offset is put: writing the register takes time that would be lost to the guest.
void kvm_put_tsc(struct kvm_vcpu *v)
{
    uint64_t offset = v->state.tsc_offset;
    if (v->tsc_was_put && offset == v->put_tsc_offset)
        return;
    if (!tsc_offset_attribute(v, KVM_SET_DEVICE_ATTR, &offset))
        kvm_set_msr(v, MSR_TSC, __rdtsc() + offset);
    v->put_tsc_offset = offset;
    v->tsc_was_put = true;
}
