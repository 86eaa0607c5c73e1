// SPDX-License-Identifier: GPL-2.0-or-later
//
// A PCI function and the bus that it sits on: configuration space, BARs, capabilities, INTx and MSI-X
// (PCI Local Bus Specification 3.0, chapter 6; PCI Express Base Specification 3.1, section 7; PCI-to-PCI
// Bridge Architecture 1.2).
//
// A function embeds `struct pci_function` as its first member, and that embeds `struct device`. Its
// registers are in its BARs: in the flat space of offsets that its device_ops see, BAR n begins at
// PCI_BAR_OFFSET(n). Configuration space is kept here: a device says at its making what is in it and
// which bits a guest may change, and hears of writes only if it asks.
//
// A BAR is seen by the guest when the function decodes (command register), no BAR or RAM was there first,
// and every bridge above lets it through. Guests move BARs while they run: what is seen changes
// inside the guest's write, so it is in effect at the next access.
//
// Threads: making and plugging belong to the main thread, before vCPUs run. "Lock held" means the
// function's device lock, as in its device_ops. Order: host bridge → bridge → function behind it → the
// root's own → mem, interrupt router. A bridge is reset and started before what is behind it.
#pragma once

#include <string.h>

#include "guest/bus/irq.h"
#include "guest/bus/msi.h"
#include "guest/device/device.h"

enum {
    PCI_CONFIG_BYTES = 256, PCI_BARS = 6, PCI_DEVFNS = 256,
    PCI_MSIX_VECTORS_MAX = 256,  // of one function here; the specification allows 2048
};
#define PCI_BAR_OFFSET(n) ((uint64_t)(n) << 40)
#define PCI_DEVFN(device, function) ((device) << 3 | (function))

struct pci_id {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code;  // base class, subclass, programming interface: 0x010000
    uint8_t revision;
    bool bridge;  // a type 1 header
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_MEMORY32, PCI_BAR_MEMORY64, PCI_BAR_PREFETCH64, PCI_BAR_IO };

struct pci_function;
struct pci_bus;

struct pci_bar {
    enum pci_bar_kind kind;
    uint64_t size_bytes;  // a power of two; a 64-bit BAR takes the next one's place too
    struct pci_function *function;
    bool seen;            // guarded by the root's lock, as is where
    uint64_t seen_at;
};

// What of its configuration others look at: a copy, guarded by the root's lock.
struct pci_decode {
    bool memory, io, master;  // of the command register
    uint64_t address[PCI_BARS];  // of BARs that are on
    uint8_t secondary, subordinate;  // of a bridge, with all below; limits are the last byte
    uint64_t io_base, io_limit, memory_base, memory_limit, prefetch_base, prefetch_limit;
};

// For a function to which a part of its configuration space means more than bits. Lock held; may be
// null. written comes after the bits have changed; reading before they are looked at. written also
// comes, for the command register, when a bridge above begins or ends to be a bus master.
struct pci_config_ops {
    void (*reading)(struct pci_function *f, unsigned reg, unsigned size_bytes);
    void (*written)(struct pci_function *f, unsigned reg, unsigned size_bytes);
};

struct pci_function {
    struct device dev;
    const struct pci_config_ops *config_ops;
    uint8_t config[PCI_CONFIG_BYTES];
    uint8_t writable[PCI_CONFIG_BYTES];  // bits that a guest's write changes
    uint8_t clearable[PCI_CONFIG_BYTES]; // bits that are cleared by writing 1
    uint8_t initial[PCI_CONFIG_BYTES];   // what config is after a reset; pci_preset sets both
    uint8_t capabilities_end;
    bool express;  // the rest of 4 KiB reads 0, not all ones

    struct pci_bar bar[PCI_BARS];
    uint8_t msix_at, msix_bar;  // of the capability; 0: none
    uint16_t msix_vectors;
    uint64_t msix_address[PCI_MSIX_VECTORS_MAX];
    uint32_t msix_data[PCI_MSIX_VECTORS_MAX], msix_control[PCI_MSIX_VECTORS_MAX];  // bit 0: masked
    uint64_t msix_pending[PCI_MSIX_VECTORS_MAX / 64];
    bool intx;  // the level that the device drives

    struct pci_bus *bus;  // null: not plugged
    uint8_t devfn;
    const char *id;       // of -device, for messages; may be null

    struct pci_decode decode;  // guarded by the root's lock, as is what follows
    bool intx_driven;          // what reaches the wire
    bool bridges_master;       // every bridge above forwards its DMA; read without the lock
    struct pci_bus *secondary; // of a bridge: the bus behind it
};

// Making, in this order: init, BARs, capabilities, plug. config_ops may be set in between.
void pci_function_init(struct pci_function *f, const struct device_ops *ops, const struct pci_id *id);
void pci_function_finish(struct pci_function *f);  // unplugs
void pci_add_bar(struct pci_function *f, unsigned bar, enum pci_bar_kind kind, uint64_t size_bytes);
// body follows the two bytes of id and next; writable may be null. Returns where the capability is.
uint8_t pci_add_capability(struct pci_function *f, uint8_t id, const void *body, size_t body_bytes,
                           const void *writable);
// Table and pending bits take a whole BAR of memory, which this adds: the table at 0, the bits behind.
void pci_add_msix(struct pci_function *f, unsigned bar, unsigned vectors);
void pci_add_intx(struct pci_function *f);  // its pin, INTA
// Sets bytes of config and of initial, little-endian.
void pci_preset(struct pci_function *f, unsigned reg, uint32_t value, unsigned size_bytes);
void pci_set_multifunction(struct pci_function *f);  // others may share its device number

// For the function's device_ops. loaded keeps of the loaded config what a guest could have made of it:
// read-only bits that the device changes itself it sets anew. The BAR of the MSI-X table is served by
// the last two; offset is as device_ops got it, or within the BAR.
void pci_function_reset(struct pci_function *f);
int pci_function_loaded(struct pci_function *f, struct err *err);
void pci_function_started(struct pci_function *f);
// The same as members of a device_ops, for a function that has no more to do there, or no BAR.
void pci_plain_reset(struct device *dev);
int pci_plain_loaded(struct device *dev, struct err *err);
void pci_plain_started(struct device *dev);
uint64_t pci_no_register(struct device *dev, uint64_t offset, unsigned size_bytes);
void pci_no_register_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes);
uint64_t pci_msix_read(struct pci_function *f, uint64_t offset, unsigned size_bytes);
void pci_msix_write(struct pci_function *f, uint64_t offset, uint64_t value, unsigned size_bytes);
// First in a state table. The struct's first member is the pci_function, called pci.
#define PCI_FUNCTION_STATE(type)                                                              \
    STATE_ARRAY(type, pci.config, 1), STATE_ARRAY(type, pci.msix_address, 1),                 \
    STATE_ARRAY(type, pci.msix_data, 1), STATE_ARRAY(type, pci.msix_control, 1),              \
    STATE_ARRAY(type, pci.msix_pending, 1), STATE_FIELD(type, pci.intx, 1)

// Lock held.
bool pci_msix_is_on(const struct pci_function *f);
// Remembers it while it is masked, or while the function is no bus master: what was under way when the
// guest switched that off would be lost to it.
void pci_msix_send(struct pci_function *f, unsigned vector);
void pci_set_intx(struct pci_function *f, bool level);
bool pci_is_bus_master(const struct pci_function *f);  // else its DMA and MSIs go nowhere
static inline uint32_t pci_get(const struct pci_function *f, unsigned reg, unsigned size_bytes)
{
    uint32_t value = 0;
    memcpy(&value, f->config + reg, size_bytes);
    return value;
}

// One access of a guest, of 1, 2 or 4 bytes, aligned, at a register below 4096. No lock held: takes
// the function's.
uint32_t pci_config_read(struct pci_function *f, unsigned reg, unsigned size_bytes);
void pci_config_write(struct pci_function *f, unsigned reg, uint32_t value, unsigned size_bytes);

// What a root bus needs of its machine; lent.
enum { PCI_PIRQS = 8 };
struct pci_root {
    struct mem *memory, *ports;
    struct msi_sink *msi;
    struct irq_line *intx[PCI_PIRQS];  // PIRQA to PIRQH; null: not connected
    // A guest resets a bus by its bridge, in the middle of an access: posts a call of pci_bus_reset, to be
    // made while no vCPU runs and devices are quiesced. Null: such a reset does nothing.
    void (*reset_bus)(struct pci_root *root, struct pci_bus *bus);

    pthread_mutex_t lock;  // of the whole tree: which BARs are seen, and the wires. Set by pci_bus_init
    struct pci_bus *bus;
    unsigned intx_drivers[PCI_PIRQS];  // how many functions hold it high
    bool stale;  // mem refused changes for a moment; they are made at a later configuration write
};
struct pci_bus {
    struct pci_root *root;
    struct pci_function *bridge;  // null: this is the root bus
    struct pci_function *function[PCI_DEVFNS];
};
void pci_bus_init(struct pci_bus *bus, struct pci_root *root, struct pci_function *bridge);
// Resets every function on it and behind its bridges. No lock held, no vCPU runs, all are quiesced.
void pci_bus_reset(struct pci_bus *bus);
// Makes changes that mem refused for a moment, and waits for that. No lock held, not inside an access.
void pci_root_settle(struct pci_root *root);
// The PIRQ (0: A) that pin (0: INTA) of a device of the root bus is wired to, as QEMU's q35 has it:
// devices 0 to 24 and 30 rotate over E to H, the others have A to D.
unsigned pci_root_pirq(unsigned device, unsigned pin);
// A bridge is plugged before what is behind it. devfn -1: the first free device. -EBUSY, -ENOSPC,
// -EINVAL (another function of it says it is the only one) with a sentence.
int pci_bus_plug(struct pci_bus *bus, struct pci_function *f, int devfn, struct err *err);
// The function at bus number, device and function as the guest's bridges are set now; null: none.
struct pci_function *pci_bus_find(struct pci_bus *root, unsigned number, unsigned devfn);
