// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/ich9_pm.h"

#include <assert.h>
#include <errno.h>

#include "base/bits.h"
#include "guest/device/ticks.h"

// Dwords of the block.
enum { PM1_EVENT = ICH9_PM1_EVENT, PM1_CONTROL = ICH9_PM1_CONTROL, PM_TIMER = ICH9_PM_TIMER,
       GPE0_STATUS = ICH9_GPE0, GPE0_ENABLE = ICH9_GPE0 + 8, SMI_ENABLE = 0x30, SMI_STATUS = 0x34 };
enum { APM_CONTROL, APM_STATUS };

// PM1_STS and PM1_EN.
enum { PM1_TIMER = 1 << 0, PM1_GLOBAL = 1 << 5, PM1_POWER_BUTTON = 1 << 8, PM1_RTC = 1 << 10,
       PM1_OVERRIDE = 1 << 11, PM1_WAKE = 1 << 15 };
enum { PM1_STATUS_BITS = PM1_TIMER | 1 << 4 | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC |
                         PM1_OVERRIDE | 1 << 14 | PM1_WAKE };
enum { PM1_EVENTS = PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC };  // they raise the SCI
enum { PM1_ENABLE_BITS = PM1_EVENTS | 1 << 14 };
// PM1_CNT. GBL_RLS and SLP_EN read as zero.
enum { CONTROL_SCI = 1 << 0, CONTROL_BM_RELOAD = 1 << 1, CONTROL_SLEEP_TYPE = 7 << 10,
       CONTROL_SLEEP = 1 << 13 };
enum { CONTROL_BITS = CONTROL_SCI | CONTROL_BM_RELOAD | CONTROL_SLEEP_TYPE };
enum { SLEEP_TYPE_SHIFT = 10, SLEEP_S5 = 7, SLEEP_S5_OF_QEMU = 0 };
enum { SMI_APMC_ENABLE = 1 << 5, SMI_APM_STATUS = 1 << 5 };

enum { TIMER_BITS = 24 };

static struct ich9_pm *to_pm(struct device *dev)
{
    return container_of(dev, struct ich9_pm, dev);
}

static uint64_t timer_ticks(const struct ich9_pm *pm)
{
    return ticks_of_ns(clock_now_ns(pm->clock), ICH9_PM_TIMER_HZ);
}

// The timer's status is set whenever its highest bit changes, either way (ACPI, "PM1 Status
// Registers", TMR_STS).
static void catch_up(struct ich9_pm *pm)
{
    uint64_t halves = timer_ticks(pm) >> (TIMER_BITS - 1);
    if (halves > pm->halves)
        pm->pm1_status |= PM1_TIMER;
    pm->halves = halves;
}

static bool requests(const struct ich9_pm *pm)
{
    return pm->pm1_control & CONTROL_SCI &&
           (pm->pm1_status & pm->pm1_enable & PM1_EVENTS || pm->gpe0_status & pm->gpe0_enable);
}

static void drive(struct ich9_pm *pm)
{
    irq_set(pm->sci, requests(pm));
    uint16_t awaited = pm->pm1_enable & ~pm->pm1_status & PM1_TIMER;
    uint64_t next = (pm->halves + 1) << (TIMER_BITS - 1);
    bool arms = pm->pm1_control & CONTROL_SCI && awaited;
    arm_or_cancel(&pm->timer, arms ? ns_of_ticks(next, ICH9_PM_TIMER_HZ) : NEVER_NS);
}

static void fire(struct clock_timer *timer)
{
    struct ich9_pm *pm = container_of(timer, struct ich9_pm, timer);
    pthread_mutex_lock(&pm->dev.lock);
    catch_up(pm);
    drive(pm);
    pthread_mutex_unlock(&pm->dev.lock);
}

static uint32_t read_dword(const struct ich9_pm *pm, unsigned reg)
{
    switch (reg) {
    case PM1_EVENT: return pm->pm1_status | (uint32_t)pm->pm1_enable << 16;
    case PM1_CONTROL: return pm->pm1_control;
    case PM_TIMER: return timer_ticks(pm) & (BIT(TIMER_BITS) - 1);
    case GPE0_STATUS: return pm->gpe0_status;
    case GPE0_STATUS + 4: return pm->gpe0_status >> 32;
    case GPE0_ENABLE: return pm->gpe0_enable;
    case GPE0_ENABLE + 4: return pm->gpe0_enable >> 32;
    case SMI_ENABLE: return pm->smi_enable;
    case SMI_STATUS: return pm->smi_status;
    default: return 0;
    }
}

// SLP_TYP is 7 for S5 on an ICH9. Tables written for QEMU's machine call it 0, which no driver would
// otherwise combine with SLP_EN, as that is the working state. S3 and S4 are not there.
static void enter_sleep(struct ich9_pm *pm)
{
    unsigned type = (pm->pm1_control & CONTROL_SLEEP_TYPE) >> SLEEP_TYPE_SHIFT;
    if (type == SLEEP_S5 || type == SLEEP_S5_OF_QEMU)
        power_request(pm->power, POWER_OFF, 0);
}

static void write_control(struct ich9_pm *pm, uint32_t value, uint32_t mask)
{
    mask &= CONTROL_BITS | CONTROL_SLEEP;
    uint32_t merged = (pm->pm1_control & ~mask) | (value & mask);
    pm->pm1_control = merged & CONTROL_BITS;
    if (merged & CONTROL_SLEEP)
        enter_sleep(pm);
}

static void write_event(struct ich9_pm *pm, uint32_t value, uint32_t mask)
{
    uint32_t enable_mask = mask >> 16 & PM1_ENABLE_BITS;
    pm->pm1_status &= ~(value & mask);
    pm->pm1_enable = (pm->pm1_enable & ~enable_mask) | (value >> 16 & enable_mask);
}

static void replace(uint64_t *reg, uint64_t value, uint64_t mask)
{
    *reg = (*reg & ~mask) | (value & mask);
}

// Only the bytes under mask are written; a status bit is cleared by writing a one.
static void write_dword(struct ich9_pm *pm, unsigned reg, uint64_t value, uint64_t mask)
{
    switch (reg) {
    case PM1_EVENT: write_event(pm, value, mask); break;
    case PM1_CONTROL: write_control(pm, value, mask); break;
    case GPE0_STATUS: pm->gpe0_status &= ~(value & mask); break;
    case GPE0_STATUS + 4: pm->gpe0_status &= ~((value & mask) << 32); break;
    case GPE0_ENABLE: replace(&pm->gpe0_enable, value, mask); break;
    case GPE0_ENABLE + 4: replace(&pm->gpe0_enable, value << 32, mask << 32); break;
    case SMI_ENABLE: pm->smi_enable = (pm->smi_enable & ~mask) | (value & mask); break;
    case SMI_STATUS: pm->smi_status &= ~(value & mask); break;
    default: break;
    }
}

static void write_apm(struct ich9_pm *pm, unsigned reg, uint8_t value)
{
    if (reg == APM_STATUS) {
        pm->apm_status = value;
        return;
    }
    pm->apm_control = value;
    if (value == ICH9_ACPI_ENABLE)
        pm->pm1_control |= CONTROL_SCI;
    else if (value == ICH9_ACPI_DISABLE)
        pm->pm1_control &= ~CONTROL_SCI;
    if (pm->smi_enable & SMI_APMC_ENABLE)
        pm->smi_status |= SMI_APM_STATUS;
}

static uint8_t read_byte(const struct ich9_pm *pm, uint64_t offset)
{
    if (offset >= ICH9_PM_REGION_BYTES)
        return 0;
    if (offset >= ICH9_PM_APM)
        return offset - ICH9_PM_APM == APM_CONTROL ? pm->apm_control : pm->apm_status;
    return read_dword(pm, offset & ~3u) >> (8 * (offset & 3));
}

// The timer is read in one piece, so that its bytes belong together; and often, so nothing else is
// done then.
static uint64_t pm_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct ich9_pm *pm = to_pm(dev);
    uint64_t value = 0;
    if (size_bytes == 4 && offset == PM_TIMER)
        return read_dword(pm, offset);
    catch_up(pm);
    drive(pm);
    for (unsigned i = 0; i < size_bytes; i++)
        value |= (uint64_t)read_byte(pm, offset + i) << (8 * i);
    return value;
}

// The part of the access that falls into one dword of the block.
static unsigned write_part(struct ich9_pm *pm, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    unsigned lane = offset & 3;
    unsigned bytes = earlier(size_bytes, 4 - lane);
    write_dword(pm, offset & ~3u, (value & size_mask(4)) << (8 * lane) & UINT32_MAX,
                (bytes == 4 ? UINT32_MAX : (BIT(8 * bytes) - 1) << (8 * lane)));
    return bytes;
}

static void pm_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct ich9_pm *pm = to_pm(dev);
    catch_up(pm);
    while (size_bytes && offset < ICH9_PM_BLOCK_BYTES) {
        unsigned bytes = write_part(pm, offset, value, size_bytes);
        offset += bytes;
        value >>= 8 * bytes;
        size_bytes -= bytes;
    }
    for (unsigned i = 0; i < size_bytes && offset + i < ICH9_PM_REGION_BYTES; i++)
        write_apm(pm, offset + i - ICH9_PM_APM, value >> (8 * i));
    drive(pm);
}

static void pm_reset(struct device *dev)
{
    struct ich9_pm *pm = to_pm(dev);
    pm->pm1_status = pm->pm1_enable = pm->pm1_control = 0;
    pm->gpe0_status = pm->gpe0_enable = 0;
    pm->smi_enable = pm->smi_status = pm->apm_control = pm->apm_status = 0;
    pm->halves = timer_ticks(pm) >> (TIMER_BITS - 1);
    drive(pm);
}

static int pm_loaded(struct device *dev, struct err *err)
{
    struct ich9_pm *pm = to_pm(dev);
    if (pm->pm1_status & ~PM1_STATUS_BITS || pm->pm1_enable & ~PM1_ENABLE_BITS ||
        pm->pm1_control & ~CONTROL_BITS)
        return err_set(err, -EINVAL, "ICH9-LPC: PM1 registers %#x, %#x, %#x are impossible",
                       pm->pm1_status, pm->pm1_enable, pm->pm1_control);
    return 0;
}

static void pm_started(struct device *dev)
{
    struct ich9_pm *pm = to_pm(dev);
    catch_up(pm);
    drive(pm);
}

static const struct state_field pm_state[] = {
    STATE_FIELD(struct ich9_pm, pm1_status, 1),
    STATE_FIELD(struct ich9_pm, pm1_enable, 1),
    STATE_FIELD(struct ich9_pm, pm1_control, 1),
    STATE_FIELD(struct ich9_pm, gpe0_status, 1),
    STATE_FIELD(struct ich9_pm, gpe0_enable, 1),
    STATE_FIELD(struct ich9_pm, smi_enable, 1),
    STATE_FIELD(struct ich9_pm, smi_status, 1),
    STATE_FIELD(struct ich9_pm, apm_control, 1),
    STATE_FIELD(struct ich9_pm, apm_status, 1),
    STATE_FIELD(struct ich9_pm, halves, 1),
    {0},
};

static const struct device_ops pm_ops = {
    .name = "ICH9-LPC",
    .state_version = 1,
    .state = pm_state,
    .read = pm_read,
    .write = pm_write,
    .reset = pm_reset,
    .loaded = pm_loaded,
    .started = pm_started,
};

void ich9_pm_init(struct ich9_pm *pm, struct irq_line *sci, struct power_sink *power,
                  struct clock *clock)
{
    *pm = (struct ich9_pm){.dev.ops = &pm_ops, .sci = sci, .power = power, .clock = clock};
    pthread_mutex_init(&pm->dev.lock, NULL);
    clock_timer_init(&pm->timer, clock, fire);
    pm_reset(&pm->dev);
}

void ich9_pm_finish(struct ich9_pm *pm)
{
    clock_timer_finish(&pm->timer);
    pthread_mutex_destroy(&pm->dev.lock);
}

void ich9_pm_power_button(struct ich9_pm *pm)
{
    pthread_mutex_lock(&pm->dev.lock);
    pm->pm1_status |= PM1_POWER_BUTTON;
    drive(pm);
    pthread_mutex_unlock(&pm->dev.lock);
}

void ich9_pm_event(struct ich9_pm *pm, unsigned number)
{
    assert(number < 64);
    pthread_mutex_lock(&pm->dev.lock);
    pm->gpe0_status |= BIT(number);
    drive(pm);
    pthread_mutex_unlock(&pm->dev.lock);
}
