// SPDX-License-Identifier: GPL-2.0-or-later
//
// A PC with Intel's Q35 and ICH9, as QEMU's machine "q35" lays it out: which device sits where, and
// nothing else. Without firmware: a kernel is loaded directly.
//
//   0 to 640 KiB, 768 KiB to the top of low memory   RAM; what does not fit goes on at 4 GiB
//   0xb0000000 PCI configuration (ECAM, 256 MiB)     0xc0000000 to 0xfebfffff BARs, and above RAM
//   0xfec00000 IOAPIC   0xfed00000 HPET   0xfee00000 local APICs (the engine's)
//   ports: 0x20 0xa0 0x4d0 8259   0x40 0x61 8254   0x60 0x64 8042   0x70 RTC   0x92 0xcf9 reset
//          0xb2 0x600 ACPI   0x3f8 0x2f8 0x3e8 0x2e8 serial ports   0x510 fw_cfg   0xcf8 PCI
//   pcie.0: 00.0 host bridge, 1f.0 LPC bridge
//
// A machine is made in three steps: q35_create makes what a board has soldered on; its maker plugs
// PCI functions into q35_pci and hands over their devices (q35_add_device), and fills fw_cfg;
// q35_power_up resets everything, and loads the kernel.
//
// Threads: as vm.h.
#pragma once

#include "guest/chr/chr.h"
#include "guest/device/fw_cfg.h"
#include "guest/firmware/boot.h"
#include "guest/firmware/smbios.h"
#include "guest/machine/vm.h"
#include "guest/pci/pci.h"

enum { Q35_SERIALS = 4 };

struct q35_serial {
    bool there;
    struct chr *chr;  // lent; null: nothing is connected
};

struct q35_pvpanic {
    bool there;
    uint16_t port;   // 0x505
    uint8_t events;  // which the guest may use: PVPANIC_* of device/pvpanic.h
};

struct q35_config {
    const char *name;  // for snapshots: "pc-q35-7.2"
    uint64_t ram_bytes;
    unsigned vcpus;
    unsigned cores, threads;  // of a socket, of a core; 0: each vCPU is a socket
    struct engine_count count;    // guest time by the instructions executed
    bool hpet, i8042;
    int64_t rtc_start_s;
    int64_t (*rtc_host_ns)(void);  // what the RTC follows; null: the guest's own clock (rtc.h)
    uint8_t uuid[16];
    struct q35_serial serial[Q35_SERIALS];
    bool debug_exit;
    uint16_t debug_exit_base;
    uint32_t debug_exit_bytes;
    struct q35_pvpanic pvpanic;
    const struct smbios_options *smbios;  // lent; null: the machine's own words
    struct boot *boot;  // lent; null: only to load a snapshot into
    struct vm_config vm;
    // Makes the engine; fills in config->model first. Null and a sentence.
    struct engine *(*create_engine)(struct engine_config *config, void *opaque, struct err *err);
    void *opaque;
};

struct q35;
struct q35 *q35_create(const struct q35_config *config, struct err *err);
// Once, before vCPUs run: VM_PRELAUNCH, in the power-up state.
int q35_power_up(struct q35 *q35, struct err *err);
// Stops everything, and finishes devices in the order opposite to their making.
void q35_destroy(struct q35 *q35);

struct vm *q35_vm(struct q35 *q35);
struct mem *q35_memory(struct q35 *q35);
struct mem *q35_ports(struct q35 *q35);
struct pci_bus *q35_pci(struct q35 *q35);  // pcie.0
struct fw_cfg *q35_fw_cfg(struct q35 *q35);
struct i8042 *q35_i8042(struct q35 *q35);  // for keys and the mouse; null: none
struct clock *q35_clock(struct q35 *q35);

// From now on dev is reset, saved and quiesced with the machine, in the order of the calls. name, which is
// copied, is unique in the machine and the same in every run: it names the section of a snapshot. finish
// is called with dev when the machine ends, or never if this fails; null: dev outlives the machine.
// -ENOMEM, -EINVAL, -EEXIST.
int q35_add_device(struct q35 *q35, const char *name, struct device *dev, void (*finish)(void *dev),
                   struct err *err);
