// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the files of q35 share. q35.c has the machine's life, q35_memory.c its RAM, q35_parts.c the list of
// its devices, q35_devices.c those that are soldered on, q35_pci.c the root of PCI, q35_firmware.c what a
// BIOS would do.
#pragma once

#include "guest/bus/irq_fanout.h"
#include "guest/bus/msi.h"
#include "guest/device/debug_exit.h"
#include "guest/device/hpet.h"
#include "guest/device/i8042.h"
#include "guest/device/ich9_pm.h"
#include "guest/device/ioapic.h"
#include "guest/device/pic8259.h"
#include "guest/device/pit8254.h"
#include "guest/device/pvpanic.h"
#include "guest/device/reset_control.h"
#include "guest/device/rtc.h"
#include "guest/device/uart16550.h"
#include "guest/device/x87_error.h"
#include "guest/machine/q35.h"
#include "guest/pci/host.h"
#include "guest/pci/lpc.h"
#include "guest/pci/setup.h"

enum { Q35_WINDOWS = 32, SCI_IRQ = 9 };
#define GIB(n) ((uint64_t)(n) << 30)
#define IOAPIC_BASE 0xfec00000u
#define HPET_BASE 0xfed00000u
#define PM_BASE 0x600
#define ECAM_BASE 0xb0000000u
#define ECAM_BYTES 0x10000000u
#define PCI_MEMORY_BASE (ECAM_BASE + ECAM_BYTES)  // of BARs, up to the IOAPIC
enum { PCI_FIRST_GSI = 16 };
#define SPACE_BYTES (UINT64_C(1) << 46)

struct q35_part {
    char *name;
    void (*finish)(void *dev);
};

struct q35 {
    struct vm vm;  // first: the power sink's owner
    struct q35_config config;
    struct mem *memory, *ports;
    struct ram ram;
    uint64_t low_bytes;
    struct clock *clock;
    struct engine *engine;
    struct msi_sink msi;
    struct irq_line intr;

    struct pic8259 pic;
    struct ioapic ioapic;
    struct irq_fanout isa[ISA_IRQS];
    struct pit8254 pit;
    struct rtc rtc;
    struct hpet hpet;
    struct ich9_pm pm;
    struct reset_control reset;
    struct x87_error x87_error;
    struct debug_exit debug_exit;
    struct uart16550 uart[Q35_SERIALS];
    struct i8042 i8042;
    struct pvpanic pvpanic;
    struct fw_cfg fw_cfg;
    struct pci_root pci_root;
    struct pci_bus pci;
    struct pci_host pci_host;
    struct ich9_lpc lpc;

    struct snapshot_device *devices;  // and of each, at the same index:
    struct q35_part *parts;
    unsigned device_count, device_room;
    int own_result;                   // of q35_own
    struct device_window windows[Q35_WINDOWS];
    unsigned window_count;
};

struct q35_serial_port { uint16_t port; uint8_t irq; const char *name; };
extern const struct q35_serial_port q35_serial_ports[Q35_SERIALS];

int q35_create_memory(struct q35 *q, struct err *err);
int q35_create_devices(struct q35 *q, struct err *err);
int q35_create_pci(struct q35 *q, struct err *err);
void q35_pci_windows(const struct q35 *q, struct pci_range *memory32, struct pci_range *memory64);
int q35_set_up_pci(struct q35 *q, struct err *err);
int q35_load_kernel(struct q35 *q, struct err *err);

void q35_quiesce(void *opaque);
void q35_resume(void *opaque);
void q35_reset_devices(struct q35 *q);
void q35_finish_devices(struct q35 *q);
// What is soldered on. A failure is kept, and told by q35_create_devices.
void q35_own(struct q35 *q, const char *name, struct device *dev, void (*finish)(void *dev));
// The device is the first member of what finish expects.
#define ADD(q, name, device, finish) q35_own(q, name, &(device)->dev, (void (*)(void *))finish)
