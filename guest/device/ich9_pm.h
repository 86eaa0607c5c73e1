// SPDX-License-Identifier: GPL-2.0-or-later
//
// Power management of the ICH9 south bridge: the ACPI register block that the LPC bridge shows at
// its PMBASE (ICH9 data sheet, "Power Management I/O Registers"; ACPI specification 6.4, chapter
// 4), and the APM control and status ports 0xb2 and 0xb3.
//
// There is no system management mode, so what a BIOS would do in it for a write to port 0xb2 is done
// at once: it hands the ACPI registers to the operating system, or takes them back. SMI_EN and
// SMI_STS are only remembered. The PM timer is 24 bits wide. TCO and the C-state registers read 0.
#pragma once

#include "base/clock.h"
#include "guest/bus/irq.h"
#include "guest/bus/power.h"
#include "guest/device/device.h"

// Register offsets: the block, then the two APM ports.
enum { ICH9_PM_BLOCK_BYTES = 128, ICH9_PM_APM = 128, ICH9_PM_APM_BYTES = 2,
       ICH9_PM_REGION_BYTES = 130 };
// Where things are in the block, for the FADT.
enum { ICH9_PM1_EVENT = 0x00, ICH9_PM1_CONTROL = 0x04, ICH9_PM_TIMER = 0x08, ICH9_GPE0 = 0x20,
       ICH9_GPE0_BYTES = 16 };
enum { ICH9_ACPI_ENABLE = 2, ICH9_ACPI_DISABLE = 3 };  // for port 0xb2
enum { ICH9_PM_TIMER_HZ = 3579545 };

struct ich9_pm {
    struct device dev;
    struct irq_line *sci;      // not owned
    struct power_sink *power;  // not owned
    struct clock *clock;       // not owned
    struct clock_timer timer;  // for the PM timer's overflow

    uint16_t pm1_status, pm1_enable, pm1_control;
    uint64_t gpe0_status, gpe0_enable;
    uint32_t smi_enable, smi_status;
    uint8_t apm_control, apm_status;
    uint64_t halves;  // half periods of the PM timer that were taken into pm1_status
};

void ich9_pm_init(struct ich9_pm *pm, struct irq_line *sci, struct power_sink *power,
                  struct clock *clock);
void ich9_pm_finish(struct ich9_pm *pm);

// Any thread, no device lock held. The button was pressed; what follows is up to the guest.
void ich9_pm_power_button(struct ich9_pm *pm);
// General-purpose event number (0 to 63) happened.
void ich9_pm_event(struct ich9_pm *pm, unsigned number);
