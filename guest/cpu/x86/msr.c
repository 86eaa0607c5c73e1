// SPDX-License-Identifier: GPL-2.0-or-later
//
// Most registers are a field with a rule about what may be written to it (one table), or a
// constant that kernels look at (another). What is left has a function of its own.
#include "guest/cpu/x86/msr.h"

#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "guest/cpu/x86/apic.h"

enum {
    MSR_TSC = 0x10, MSR_KVM_WALL_OLD = 0x11, MSR_KVM_TIME_OLD = 0x12, MSR_APIC_BASE = 0x1b,
    MSR_FEATURE_CONTROL = 0x3a, MSR_TSC_ADJUST = 0x3b, MSR_SPEC_CTRL = 0x48, MSR_PRED_CMD = 0x49,
    MSR_UCODE_WRITE = 0x79, MSR_UCODE_REV = 0x8b, MSR_MTRR_CAP = 0xfe, MSR_ARCH_CAPABILITIES = 0x10a,
    MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
    MSR_MCG_CAP = 0x179, MSR_MCG_STATUS, MSR_MCG_CTL, MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9,
    MSR_MTRR_BASE0 = 0x200, MSR_MTRR_FIX64K = 0x250, MSR_MTRR_FIX16K_80000 = 0x258,
    MSR_MTRR_FIX16K_A0000, MSR_MTRR_FIX4K = 0x268, MSR_PAT = 0x277, MSR_MTRR_DEF_TYPE = 0x2ff,
    MSR_MC0_CTL = 0x400, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800, MSR_X2APIC_END = 0x900,
    MSR_XSS = 0xda0, MSR_KVM_WALL = 0x4b564d00, MSR_KVM_TIME,
};
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SFMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u
#define MSR_PERF_K7 0xc0010000u      // to 0xc0010007: selectors and counters
#define MSR_HWCR 0xc0010015u
#define MSR_PATCH_LOADER 0xc0010020u

#define APIC_BASE_X2APIC BIT(10)
enum { EFER_SVME = 1 << 12, EFER_FFXSR = 1 << 14 };
enum { MTRR_FIXED_ENABLE = 1 << 10, MTRR_ENABLE = 1 << 11, MTRR_VALID = 1 << 11 };
// Eight variable ranges, the fixed ones, write combining.
enum { MTRR_CAP = X86_MTRR_PAIRS | 1 << 8 | 1 << 10 };
// Banks, MCG_CTL, software error recovery.
enum { MCG_CAP = X86_MCE_BANKS | 1 << 8 | 1 << 24 };
enum { FEATURE_LOCKED = 1 };
enum { SPEC_CTRL_BITS = 7 };    // IBRS, STIBP, SSBD
enum { ARCH_IBRS_ALL = 1 << 1 };
enum { MISC_ENABLE_FIXED = 1 << 11 | 1 << 12, MISC_ENABLE_MONITOR = 1 << 18 };  // no branch trace store, no PEBS

struct access {
    struct x86_state *s;
    const struct x86_model *m;
    struct apic *apic;
    uint32_t index;
};

static bool is_amd(const struct x86_model *m) { return strcmp(m->vendor, "AuthenticAMD") == 0; }

static bool is_memory_type(uint8_t type)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

// PAT also has UC- (SDM table 12-10).
static bool each_byte(uint64_t value, bool allow_uc_minus)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = value >> 8 * i;
        if (!is_memory_type(type) && !(allow_uc_minus && type == 7))
            return false;
    }
    return true;
}

enum rule { ANY, CANONICAL, LOW_32, LOW_8_BITS, ZERO_OR_ONES, TYPES_PAT, TYPES_MTRR, DEBUG_BITS };

static bool obeys(const struct x86_model *m, enum rule rule, uint64_t value)
{
    switch (rule) {
    case CANONICAL:
        return x86_is_canonical_base(m, value);
    case LOW_32:
        return value <= UINT32_MAX;
    case LOW_8_BITS:
        return value <= 0xff;
    case ZERO_OR_ONES:
        return value == 0 || value == UINT64_MAX;
    case TYPES_PAT:
        return each_byte(value, true);
    case TYPES_MTRR:
        return each_byte(value, false);
    case DEBUG_BITS:  // LBR and BTF; neither has an effect
        return value <= 3;
    default:
        return true;
    }
}

// Registers that are a field. needs: a word and bit of CPUID, +1; 0: always there.
#define FIELD(name) offsetof(struct x86_state, name)
#define NEEDS(word, bit) ((word) * 32 + (bit) + 1)
enum { NEEDS_LM = NEEDS(X86_80000001_EDX, 29), NEEDS_SYSCALL = NEEDS(X86_80000001_EDX, 11),
       NEEDS_SEP = NEEDS(X86_1_EDX, 11), NEEDS_PAT = NEEDS(X86_1_EDX, 16),
       NEEDS_MCA = NEEDS(X86_1_EDX, 14), NEEDS_CLOCK_OLD = NEEDS(X86_40000001_EAX, 0),
       NEEDS_CLOCK = NEEDS(X86_40000001_EAX, 3) };
static const struct field {
    uint32_t index;
    uint32_t offset;
    uint8_t rule, result;
    uint16_t needs;
} fields[] = {
    {MSR_STAR, FIELD(star), ANY, X86_MSR_DONE, NEEDS_SYSCALL},
    {MSR_LSTAR, FIELD(lstar), CANONICAL, X86_MSR_DONE, NEEDS_LM},
    {MSR_CSTAR, FIELD(cstar), CANONICAL, X86_MSR_DONE, NEEDS_LM},
    {MSR_SFMASK, FIELD(sfmask), LOW_32, X86_MSR_DONE, NEEDS_SYSCALL},
    {MSR_FS_BASE, FIELD(seg[X86_FS].base), CANONICAL, X86_MSR_DONE, NEEDS_LM},
    {MSR_GS_BASE, FIELD(seg[X86_GS].base), CANONICAL, X86_MSR_DONE, NEEDS_LM},
    {MSR_KERNEL_GS_BASE, FIELD(kernel_gs_base), CANONICAL, X86_MSR_DONE, NEEDS_LM},
    {MSR_SYSENTER_CS, FIELD(sysenter_cs), LOW_32, X86_MSR_DONE, NEEDS_SEP},
    {MSR_SYSENTER_ESP, FIELD(sysenter_esp), CANONICAL, X86_MSR_DONE, NEEDS_SEP},
    {MSR_SYSENTER_EIP, FIELD(sysenter_eip), CANONICAL, X86_MSR_DONE, NEEDS_SEP},
    {MSR_PAT, FIELD(pat), TYPES_PAT, X86_MSR_DONE, NEEDS_PAT},
    {MSR_MISC_ENABLE, FIELD(misc_enable), ANY, X86_MSR_DONE, 0},
    {MSR_DEBUGCTL, FIELD(debugctl), DEBUG_BITS, X86_MSR_DONE, 0},
    {MSR_MCG_STATUS, FIELD(mcg_status), LOW_8_BITS, X86_MSR_DONE, NEEDS_MCA},
    {MSR_MCG_CTL, FIELD(mcg_ctl), ZERO_OR_ONES, X86_MSR_DONE, NEEDS_MCA},
    {MSR_KVM_TIME_OLD, FIELD(kvm_system_time), ANY, X86_MSR_CLOCK, NEEDS_CLOCK_OLD},
    {MSR_KVM_TIME, FIELD(kvm_system_time), ANY, X86_MSR_CLOCK, NEEDS_CLOCK},
    {MSR_KVM_WALL_OLD, FIELD(kvm_wall_clock), ANY, X86_MSR_CLOCK, NEEDS_CLOCK_OLD},
    {MSR_KVM_WALL, FIELD(kvm_wall_clock), ANY, X86_MSR_CLOCK, NEEDS_CLOCK},
};

// Registers that kernels read, some without care, and whose value never changes. Writes are lost
// where hardware has bits that a kernel sets at start-up.
enum vendor { BOTH, INTEL, AMD };
static const struct constant {
    uint32_t index;
    uint8_t vendor;
    bool writes_are_lost;
    uint64_t value;
} constants[] = {
    {0x17, INTEL, false, 0},                // PLATFORM_ID
    {0x2a, INTEL, true, 0},                 // EBL_CR_POWERON
    {0x2c, INTEL, true, 1 << 24},           // EBC_FREQUENCY_ID: the bus of a Pentium 4
    {0x34, INTEL, false, 0},                // SMI_COUNT
    {0xcd, INTEL, false, 3},                // FSB_FREQ
    {0xce, INTEL, false, 0},                // PLATFORM_INFO: no turbo, no CPUID faulting
    {0x11e, INTEL, true, 0xbe702111},       // BBL_CR_CTL3: there is a level 2 cache, and it is on
    {0x140, INTEL, true, 0},                // MISC_FEATURES_ENABLES
    {0x198, INTEL, false, 0},               // PERF_STATUS
    {0x199, INTEL, false, 0},               // PERF_CTL
    {0x19b, INTEL, true, 0},                // THERM_INTERRUPT
    {0x19c, INTEL, true, 0},                // THERM_STATUS: cool
    {0x1a2, INTEL, false, 100 << 16},       // TEMPERATURE_TARGET, in degrees
    {0x1b1, INTEL, true, 0},                // PACKAGE_THERM_STATUS
    {0x1b2, INTEL, true, 0},                // PACKAGE_THERM_INTERRUPT
    {0x1db, BOTH, false, 0},                // the last branch and interrupt: where from and to
    {0x1dc, BOTH, false, 0},
    {0x1dd, BOTH, false, 0},
    {0x1de, BOTH, false, 0},
    {0x1fc, INTEL, true, 0},                // POWER_CTL
    {0xc001001a, AMD, true, 0},             // TOP_MEM
    {0xc001001d, AMD, true, 0},             // TOP_MEM2
    {0xc0010010, AMD, true, 0},             // SYSCFG
    {MSR_HWCR, AMD, true, 1 << 24},         // the TSC counts at P0's frequency
    {0xc001001b, AMD, true, 0x20000000},    // CLK_CTL
    {0xc001001f, AMD, true, 0},             // NB_CFG
    {0xc0010055, AMD, true, 0},             // INT_PENDING: no C1E
    {0xc0010058, AMD, true, 0},             // MMIO_CONF_BASE: off
    {0xc0010112, AMD, true, 0},             // SMM_ADDR
    {0xc0010113, AMD, true, 0},             // SMM_MASK
    {0xc0010114, AMD, true, 1 << 4},        // VM_CR: SVM is disabled
    {0xc0010140, AMD, false, 5},            // OSVW_ID_LENGTH
    {0xc0010141, AMD, false, 0},            // OSVW_STATUS: none of those errata
    {0xc0011020, AMD, true, 0},             // LS_CFG
    {0xc0011021, AMD, true, 0},             // IC_CFG
    {0xc0011022, AMD, true, 0},             // DC_CFG
    {0xc0011023, AMD, true, 0},             // BU_CFG
    {0xc0011029, AMD, true, 1 << 1},        // DE_CFG: LFENCE serializes
    {0xc001102a, AMD, true, 0},             // BU_CFG2
    {0xc001102c, AMD, true, 0},             // EX_CFG
};

static const struct field *find_field(const struct access *a)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        unsigned needs = fields[i].needs;
        if (fields[i].index == a->index)
            return !needs || x86_has(a->m, (needs - 1) / 32, (needs - 1) % 32) ? &fields[i] : NULL;
    }
    return NULL;
}

static const struct constant *find_constant(const struct access *a)
{
    enum vendor vendor = is_amd(a->m) ? AMD : INTEL;
    for (unsigned i = 0; i < ARRAY_SIZE(constants); i++)
        if (constants[i].index == a->index && (constants[i].vendor == BOTH || constants[i].vendor == vendor))
            return &constants[i];
    return NULL;
}

static uint64_t *field_at(const struct access *a, const struct field *field)
{
    return (uint64_t *)((char *)a->s + field->offset);
}

// Each unknown register once; the list has an end, since a guest may try them all.
static void log_unknown(const struct access *a, const char *what)
{
    static uint32_t seen[64], count;
    uint32_t n = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < n && i < ARRAY_SIZE(seen); i++)
        if (__atomic_load_n(&seen[i], __ATOMIC_RELAXED) == a->index)
            return;
    if (n >= ARRAY_SIZE(seen) || !log_wants("msr"))
        return;
    n = __atomic_fetch_add(&count, 1, __ATOMIC_ACQ_REL);
    if (n >= ARRAY_SIZE(seen))
        return;
    __atomic_store_n(&seen[n], a->index, __ATOMIC_RELAXED);
    log_debug("msr", "%s of unknown MSR %#x at %#llx", what, a->index, (unsigned long long)a->s->rip);
}

static bool is_mtrr(const struct access *a)
{
    return a->index == MSR_MTRR_DEF_TYPE || a->index == MSR_MTRR_CAP
           || (a->index >= MSR_MTRR_BASE0 && a->index < MSR_MTRR_BASE0 + 2 * X86_MTRR_PAIRS)
           || a->index == MSR_MTRR_FIX64K || a->index == MSR_MTRR_FIX16K_80000
           || a->index == MSR_MTRR_FIX16K_A0000
           || (a->index >= MSR_MTRR_FIX4K && a->index < MSR_MTRR_FIX4K + 8);
}

static uint64_t *mtrr_fixed(const struct access *a)
{
    unsigned i = a->index == MSR_MTRR_FIX64K ? 0
                 : a->index < MSR_MTRR_FIX4K ? 1 + a->index - MSR_MTRR_FIX16K_80000
                                             : 3 + a->index - MSR_MTRR_FIX4K;
    return &a->s->mtrr_fixed[i];
}

static uint64_t *mtrr_at(const struct access *a)
{
    if (a->index == MSR_MTRR_DEF_TYPE)
        return &a->s->mtrr_def_type;
    if (a->index >= MSR_MTRR_FIX64K)
        return mtrr_fixed(a);
    unsigned pair = (a->index - MSR_MTRR_BASE0) / 2;
    return a->index & 1 ? &a->s->mtrr_mask[pair] : &a->s->mtrr_base[pair];
}

// SDM 12.11.2: reserved bits and types that don't exist fault.
static bool mtrr_is_valid(const struct access *a, uint64_t value)
{
    uint64_t address = (BIT(X86_PHYSICAL_BITS) - 1) & ~UINT64_C(0xfff);
    if (a->index == MSR_MTRR_CAP)
        return false;
    if (a->index == MSR_MTRR_DEF_TYPE)
        return is_memory_type(value)
               && !(value & ~(UINT64_C(0xff) | MTRR_FIXED_ENABLE | MTRR_ENABLE));
    if (a->index >= MSR_MTRR_FIX64K)
        return each_byte(value, false);
    if (a->index & 1)
        return !(value & ~(address | MTRR_VALID));
    return is_memory_type(value) && !(value & ~(address | 0xff));
}

static enum x86_msr_result write_mtrr(const struct access *a, uint64_t value)
{
    if (!mtrr_is_valid(a, value))
        return X86_MSR_FAULT;
    *mtrr_at(a) = value;
    return X86_MSR_DONE;
}

static bool is_mc_bank(const struct access *a)
{
    return a->index >= MSR_MC0_CTL && a->index < MSR_MC0_CTL + 4 * X86_MCE_BANKS
           && x86_has(a->m, X86_1_EDX, 14);
}

static uint64_t *mc_at(const struct access *a)
{
    return &a->s->mce[(a->index - MSR_MC0_CTL) / 4][(a->index - MSR_MC0_CTL) % 4];
}

// Any bit of CTL may be cleared; STATUS, ADDR and MISC can only be cleared whole (SDM 16.3.2).
static enum x86_msr_result write_mc(const struct access *a, uint64_t value)
{
    if (value != 0 && (a->index - MSR_MC0_CTL) % 4 != 0)
        return X86_MSR_FAULT;
    *mc_at(a) = value;
    return X86_MSR_DONE;
}

static uint64_t writable_efer(const struct x86_model *m)
{
    uint64_t bits = 0;
    if (x86_has(m, X86_80000001_EDX, 11))
        bits |= EFER_SCE;
    if (x86_has(m, X86_80000001_EDX, 20))
        bits |= EFER_NXE;
    if (x86_has(m, X86_80000001_EDX, 29))
        bits |= EFER_LME | EFER_LMA;
    if (x86_has(m, X86_80000001_EDX, 25))
        bits |= EFER_FFXSR;
    if (x86_has(m, X86_80000001_ECX, 2))
        bits |= EFER_SVME;
    return bits;
}

// LMA is read-only; LME can't change under paging (SDM 2.2.1, 5.8.5).
static enum x86_msr_result write_efer(const struct access *a, uint64_t value)
{
    uint64_t old = a->s->efer;
    if (value & ~writable_efer(a->m))
        return X86_MSR_FAULT;
    if (a->s->cr0 & CR0_PG && (value ^ old) & EFER_LME)
        return X86_MSR_FAULT;
    a->s->efer = (value & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
    return X86_MSR_MODE;
}

// Both move the TSC, and TSC_ADJUST counts every move of it (SDM 18.17.3).
static enum x86_msr_result move_tsc(const struct access *a, uint64_t by)
{
    a->s->tsc_offset += by;
    a->s->tsc_adjust += by;
    return X86_MSR_TSC;
}

static bool has_spec_ctrl(const struct x86_model *m)
{
    return x86_has(m, X86_7_EDX, 26) || x86_has(m, X86_80000008_EBX, 14)
           || x86_has(m, X86_80000008_EBX, 24)
           || (x86_has(m, X86_7_EDX, 29) && m->arch_capabilities & ARCH_IBRS_ALL);
}

static bool has_pred_cmd(const struct x86_model *m)
{
    return x86_has(m, X86_7_EDX, 26) || x86_has(m, X86_80000008_EBX, 12);
}

// What QEMU reports where it is not told a revision.
static uint64_t ucode_revision(const struct access *a)
{
    if (a->s->ucode_rev)
        return a->s->ucode_rev;
    return is_amd(a->m) ? 0x01000065 : UINT64_C(0x100000000);
}

static bool is_apic_register(const struct access *a)
{
    if (a->index >= MSR_X2APIC && a->index < MSR_X2APIC_END)
        return x86_has(a->m, X86_1_ECX, 21);
    if (a->index == MSR_TSC_DEADLINE)
        return x86_has(a->m, X86_1_ECX, 24);
    return a->index == MSR_APIC_BASE && x86_has(a->m, X86_1_EDX, 9);
}

static enum x86_msr_result done(bool ok)
{
    return ok ? X86_MSR_DONE : X86_MSR_FAULT;
}

// The registers that are neither a field nor a constant.
static bool read_special(const struct access *a, uint64_t *value)
{
    switch (a->index) {
    case MSR_TSC:
        *value = clock_tsc(a->apic->clock) + a->s->tsc_offset;
        return true;
    case MSR_TSC_ADJUST:
        *value = a->s->tsc_adjust;
        return x86_has(a->m, X86_7_EBX, 1);
    case MSR_TSC_AUX:
        *value = a->s->tsc_aux;
        return x86_has(a->m, X86_80000001_EDX, 27) || x86_has(a->m, X86_7_ECX, 22);
    case MSR_FEATURE_CONTROL:
        *value = a->s->feature_control;
        return !is_amd(a->m);
    case MSR_SPEC_CTRL:
        *value = a->s->spec_ctrl;
        return has_spec_ctrl(a->m);
    case MSR_UCODE_REV:
        *value = ucode_revision(a);
        return true;
    case MSR_MTRR_CAP:
        *value = MTRR_CAP;
        return x86_has(a->m, X86_1_EDX, 12);
    case MSR_ARCH_CAPABILITIES:
        *value = a->m->arch_capabilities;
        return x86_has(a->m, X86_7_EDX, 29);
    case MSR_MCG_CAP:
        *value = MCG_CAP;
        return x86_has(a->m, X86_1_EDX, 14);
    case MSR_XSS:
        *value = a->s->xss;
        return x86_has(a->m, X86_D_1_EAX, 3);
    case MSR_EFER:
        *value = a->s->efer;
        return x86_has(a->m, X86_80000001_EDX, 11) || x86_has(a->m, X86_80000001_EDX, 20);
    default:
        *value = 0;  // counters that don't count, on AMD
        return is_amd(a->m) && a->index >= MSR_PERF_K7 && a->index < MSR_PERF_K7 + 8;
    }
}

static enum x86_msr_result write_feature_control(const struct access *a, uint64_t value)
{
    if (is_amd(a->m) || a->s->feature_control & FEATURE_LOCKED || value & ~UINT64_C(7))
        return X86_MSR_FAULT;
    a->s->feature_control = value;
    return X86_MSR_DONE;
}

static enum x86_msr_result write_spec_ctrl(const struct access *a, uint64_t value)
{
    if (!has_spec_ctrl(a->m) || value & ~(uint64_t)SPEC_CTRL_BITS)
        return X86_MSR_FAULT;
    a->s->spec_ctrl = value;
    return X86_MSR_DONE;
}

static enum x86_msr_result write_tsc_aux(const struct access *a, uint64_t value)
{
    uint64_t unused;
    if (!read_special(a, &unused) || value > UINT32_MAX)
        return X86_MSR_FAULT;
    a->s->tsc_aux = value;
    return X86_MSR_DONE;
}

static enum x86_msr_result write_special(const struct access *a, uint64_t value)
{
    uint64_t old;
    switch (a->index) {
    case MSR_TSC:
        return move_tsc(a, value - (clock_tsc(a->apic->clock) + a->s->tsc_offset));
    case MSR_TSC_ADJUST:
        return read_special(a, &old) ? move_tsc(a, value - old) : X86_MSR_FAULT;
    case MSR_TSC_AUX:
        return write_tsc_aux(a, value);
    case MSR_FEATURE_CONTROL:
        return write_feature_control(a, value);
    case MSR_SPEC_CTRL:
        return write_spec_ctrl(a, value);
    case MSR_PRED_CMD:  // nothing is predicted across a barrier that we could forget
        return done(has_pred_cmd(a->m) && value <= 1);
    case MSR_UCODE_WRITE: case MSR_PATCH_LOADER:  // an update that changes nothing
        return done((a->index == MSR_PATCH_LOADER) == is_amd(a->m));
    case MSR_UCODE_REV:  // Intel's way to ask: write 0, CPUID, read
        return done(value == 0);
    case MSR_XSS:
        return done(x86_has(a->m, X86_D_1_EAX, 3) && value == 0);
    case MSR_EFER:
        return write_efer(a, value);
    default:
        return done(is_amd(a->m) && a->index >= MSR_PERF_K7 && a->index < MSR_PERF_K7 + 8);
    }
}

// MONITOR can't be switched off: its bit tells what CPUID does.
static uint64_t misc_enable(const struct access *a)
{
    uint64_t value = (a->s->misc_enable & ~(uint64_t)MISC_ENABLE_MONITOR) | MISC_ENABLE_FIXED;
    return x86_has(a->m, X86_1_ECX, 3) ? value | MISC_ENABLE_MONITOR : value;
}

enum x86_msr_result x86_msr_read(struct x86_state *state, const struct x86_model *model,
                                 struct apic *apic, uint32_t index, uint64_t *value)
{
    struct access a = {state, model, apic, index};
    const struct field *field = find_field(&a);
    const struct constant *constant = field ? NULL : find_constant(&a);
    bool ok = true;
    if (field)
        *value = index == MSR_MISC_ENABLE ? misc_enable(&a) : *field_at(&a, field);
    else if (constant)
        *value = constant->value;
    else if (is_apic_register(&a))
        ok = apic_msr_read(apic, index, value);
    else if (is_mtrr(&a) && index != MSR_MTRR_CAP && x86_has(model, X86_1_EDX, 12))
        *value = *mtrr_at(&a);
    else if (is_mc_bank(&a))
        *value = *mc_at(&a);
    else
        ok = read_special(&a, value);
    if (!ok)
        log_unknown(&a, "read");
    return done(ok);
}

static enum x86_msr_result write_field(const struct access *a, const struct field *field, uint64_t value)
{
    if (!obeys(a->m, field->rule, value))
        return X86_MSR_FAULT;
    *field_at(a, field) = value;
    return field->result;
}

static enum x86_msr_result write_apic(const struct access *a, uint64_t value)
{
    if (a->index == MSR_APIC_BASE && value & APIC_BASE_X2APIC && !x86_has(a->m, X86_1_ECX, 21))
        return X86_MSR_FAULT;
    return done(apic_msr_write(a->apic, a->index, value));
}

enum x86_msr_result x86_msr_write(struct x86_state *state, const struct x86_model *model,
                                  struct apic *apic, uint32_t index, uint64_t value)
{
    struct access a = {state, model, apic, index};
    const struct field *field = find_field(&a);
    const struct constant *constant = field ? NULL : find_constant(&a);
    enum x86_msr_result result;
    if (field)
        result = write_field(&a, field, value);
    else if (constant)
        result = done(constant->writes_are_lost);
    else if (is_apic_register(&a))
        result = write_apic(&a, value);
    else if (is_mtrr(&a) && x86_has(model, X86_1_EDX, 12))
        result = write_mtrr(&a, value);
    else if (is_mc_bank(&a))
        result = write_mc(&a, value);
    else
        result = write_special(&a, value);
    if (result == X86_MSR_FAULT)
        log_unknown(&a, "write");
    return result;
}
