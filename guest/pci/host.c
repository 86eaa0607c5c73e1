// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/pci/host.h"

#include <assert.h>
#include <errno.h>

#include "base/bits.h"
#include "base/log.h"
#include "guest/pci/registers.h"

enum { VENDOR_INTEL = 0x8086, DEVICE_Q35 = 0x29c0, CLASS_HOST_BRIDGE = 0x060000,
       SUBSYSTEM_VENDOR = 0x1af4, SUBSYSTEM = 0x1100 };
enum { PCIEXBAR = 0x60, PCIEXBAR_ENABLE = 1, PCIEXBAR_SIZE_SHIFT = 1, PCIEXBAR_SIZE = 3,
       PCIEXBAR_HIGH_WRITABLE = 0xf };
#define PCIEXBAR_WRITABLE 0xfc000007u
#define MIB(n) ((uint64_t)(n) << 20)

// Flat offsets: the ports first, then ECAM.
enum { ADDRESS, CF9, DATA = 4 };
#define ECAM (UINT64_C(1) << 32)
#define ADDRESS_ENABLE UINT32_C(0x80000000)

static struct pci_host *to_host(struct device *dev)
{
    return container_of(dev, struct pci_host, dev);
}

// What ECAM's offsets mean: a bus's number, device and function, a register.
static struct pci_function *function_at(struct pci_host *h, uint64_t offset)
{
    return pci_bus_find(h->bus, offset >> 20, offset >> 12 & 0xff);
}

static bool is_one_access(uint64_t offset, unsigned size_bytes)
{
    return size_bytes <= 4 && offset % size_bytes == 0;
}

// What is too wide or not aligned is made in halves. All ones: nobody is there (3.2.2.3.4).
static uint64_t config_read(struct pci_host *h, uint64_t offset, unsigned size_bytes)
{
    unsigned half = size_bytes / 2;
    if (!is_one_access(offset, size_bytes))
        return config_read(h, offset, half) | config_read(h, offset + half, half) << (8 * half);
    struct pci_function *f = function_at(h, offset);
    return f ? pci_config_read(f, offset & 0xfff, size_bytes) : size_mask(size_bytes);
}

static void config_write(struct pci_host *h, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    unsigned half = size_bytes / 2;
    if (!is_one_access(offset, size_bytes)) {
        config_write(h, offset, value, half);
        config_write(h, offset + half, value >> (8 * half), half);
        return;
    }
    struct pci_function *f = function_at(h, offset);
    if (f)
        pci_config_write(f, offset & 0xfff, (uint32_t)value, size_bytes);
}

static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    return pci_host_read(opaque, offset, size_bytes);
}

static void ecam_write(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    pci_host_write(opaque, offset, value, size_bytes);
}

static const struct mem_ops ecam_ops = {ecam_read, ecam_write};

// Where PCIEXBAR puts it; of no size: nowhere. Bases are multiples of the size.
static uint64_t ecam_wanted(struct pci_host *h, uint64_t *size_bytes)
{
    static const uint64_t sizes[] = {MIB(256), MIB(128), MIB(64), 0};  // 3 is reserved
    uint64_t low = pci_config_read(&h->bridge.pci, PCIEXBAR, 4);
    uint64_t high = pci_config_read(&h->bridge.pci, PCIEXBAR + 4, 4);
    *size_bytes = low & PCIEXBAR_ENABLE ? sizes[low >> PCIEXBAR_SIZE_SHIFT & PCIEXBAR_SIZE] : 0;
    return *size_bytes ? align_down(high << 32 | low, *size_bytes) : 0;
}

static void hide_ecam(struct pci_host *h)
{
    int rc = mem_remove(h->bus->root->memory, GPA(h->ecam_base));
    h->ecam_seen = rc < 0;
    h->ecam_refused = rc == -EAGAIN;
    if (rc < 0)
        log_guest("pci", "ECAM moves faster than readers let go");
}

static void show_ecam(struct pci_host *h, uint64_t base, uint64_t size_bytes)
{
    struct err err;
    int rc = mem_add_io(h->bus->root->memory, GPA(base), size_bytes, &ecam_ops, h, "pcie-mmcfg-mmio", &err);
    h->ecam_seen = rc == 0;
    h->ecam_refused = rc == -EAGAIN;
    if (rc < 0)
        log_guest("pci", "ECAM not seen: %s", err.text);
    h->ecam_base = base;
    h->ecam_bytes = size_bytes;
}

// What mem refuses for a moment is tried again at the next configuration write.
static void update_ecam(struct pci_host *h)
{
    h->ecam_refused = false;
    uint64_t size_bytes, base = ecam_wanted(h, &size_bytes);
    if (h->ecam_seen && (base != h->ecam_base || size_bytes != h->ecam_bytes))
        hide_ecam(h);
    if (!h->ecam_seen && size_bytes)
        show_ecam(h, base, size_bytes);
}

static void config_write_and_follow(struct pci_host *h, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    config_write(h, offset, value, size_bytes);
    update_ecam(h);
}

static uint64_t data_offset(const struct pci_host *h, unsigned byte)
{
    return (uint64_t)(h->address >> 8 & 0xffff) << 12 | (h->address & 0xfc) | byte;
}

static uint64_t read_ports(struct pci_host *h, unsigned offset, unsigned size_bytes)
{
    if (offset == ADDRESS && size_bytes == 4)
        return h->address;
    if (offset == CF9 && size_bytes == 1 && h->cf9)
        return device_read(h->cf9, h->cf9_offset, 1);
    if (offset >= DATA && h->address & ADDRESS_ENABLE)
        return config_read(h, data_offset(h, offset - DATA), size_bytes);
    return size_mask(size_bytes);
}

static void write_ports(struct pci_host *h, unsigned offset, uint64_t value, unsigned size_bytes)
{
    if (offset == ADDRESS && size_bytes == 4)
        h->address = value & (ADDRESS_ENABLE | 0xfffffc);
    else if (offset == CF9 && size_bytes == 1 && h->cf9)
        device_write(h->cf9, h->cf9_offset, value, 1);
    else if (offset >= DATA && h->address & ADDRESS_ENABLE)
        config_write_and_follow(h, data_offset(h, offset - DATA), value, size_bytes);
}

static uint64_t host_read(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    struct pci_host *h = to_host(dev);
    return offset >= ECAM ? config_read(h, offset - ECAM, size_bytes) : read_ports(h, offset, size_bytes);
}

static void host_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    struct pci_host *h = to_host(dev);
    if (offset >= ECAM)
        config_write_and_follow(h, offset - ECAM, value, size_bytes);
    else
        write_ports(h, offset, value, size_bytes);
}

static void host_reset(struct device *dev)
{
    to_host(dev)->address = 0;
}

static int host_loaded(struct device *dev, struct err *err)
{
    (void)err;
    to_host(dev)->address &= ADDRESS_ENABLE | 0xfffffc;
    return 0;
}

// By now the bridge has been reset or loaded.
static void host_started(struct device *dev)
{
    update_ecam(to_host(dev));
}

static const struct state_field host_state[] = {STATE_FIELD(struct pci_host, address, 1), {0}};

static const struct device_ops host_ops = {
    .name = "q35-pcihost",
    .state_version = 1,
    .state = host_state,
    .read = host_read,
    .write = host_write,
    .reset = host_reset,
    .loaded = host_loaded,
    .started = host_started,
};

static const struct state_field bridge_state[] = {PCI_FUNCTION_STATE(struct pci_host_bridge), {0}};

static const struct device_ops bridge_ops = {
    .name = "mch",
    .state_version = 1,
    .state = bridge_state,
    .read = pci_no_register,
    .write = pci_no_register_write,
    .reset = pci_plain_reset,
    .loaded = pci_plain_loaded,
    .started = pci_plain_started,
};

static void init_bridge(struct pci_function *f)
{
    const struct pci_id id = {VENDOR_INTEL, DEVICE_Q35, SUBSYSTEM_VENDOR, SUBSYSTEM, CLASS_HOST_BRIDGE, 0, false};
    const uint32_t low = PCIEXBAR_WRITABLE, high = PCIEXBAR_HIGH_WRITABLE;
    pci_function_init(f, &bridge_ops, &id);
    memcpy(f->writable + PCIEXBAR, &low, 4);
    memcpy(f->writable + PCIEXBAR + 4, &high, 4);
}

void pci_host_init(struct pci_host *host, struct pci_bus *bus, struct device *cf9, uint64_t cf9_offset)
{
    memset(host, 0, sizeof *host);
    host->dev.ops = &host_ops;
    host->bus = bus;
    host->cf9 = cf9;
    host->cf9_offset = cf9_offset;
    pthread_mutex_init(&host->dev.lock, NULL);
    init_bridge(&host->bridge.pci);
    int rc = pci_bus_plug(bus, &host->bridge.pci, PCI_DEVFN(0, 0), NULL);
    assert(rc == 0);
    (void)rc;
}

void pci_host_finish(struct pci_host *host)
{
    pci_host_write(host, PCIEXBAR, 0, 4);
    while (host->ecam_seen) {
        pci_root_settle(host->bus->root);
        pci_host_write(host, PCIEXBAR, 0, 4);
    }
    pci_function_finish(&host->bridge.pci);  // waits until nobody is in the window either
    pthread_mutex_destroy(&host->dev.lock);
}

uint64_t pci_host_read(struct pci_host *host, uint64_t offset, unsigned size_bytes)
{
    return device_read(&host->dev, ECAM + offset, size_bytes);
}

void pci_host_write(struct pci_host *host, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    device_write(&host->dev, ECAM + offset, value, size_bytes);
}

int pci_host_set_ecam(struct pci_host *host, uint64_t base, struct err *err)
{
    pci_host_write(host, PCIEXBAR + 4, base >> 32, 4);
    pci_host_write(host, PCIEXBAR, (uint32_t)base | PCIEXBAR_ENABLE, 4);
    while (host->ecam_refused) {
        pci_root_settle(host->bus->root);
        pci_host_write(host, PCIEXBAR, (uint32_t)base | PCIEXBAR_ENABLE, 4);
    }
    if (!host->ecam_seen || host->ecam_base != base)
        return err_set(err, -EBUSY, "PCI: the configuration window at %#llx overlaps something",
                       (unsigned long long)base);
    return 0;
}
