// SPDX-License-Identifier: GPL-2.0-or-later
//
// A function's making, and what reset and loading do to it.
#include "guest/pci/pci.h"

#include <assert.h>
#include <errno.h>

#include "base/bits.h"
#include "guest/pci/internal.h"
#include "guest/pci/registers.h"

static void set_bits(uint8_t *bytes, unsigned reg, uint32_t bits, unsigned size_bytes)
{
    memcpy(bytes + reg, &bits, size_bytes);
}

void pci_preset(struct pci_function *f, unsigned reg, uint32_t value, unsigned size_bytes)
{
    assert(reg + size_bytes <= PCI_CONFIG_BYTES);
    set_bits(f->config, reg, value, size_bytes);
    set_bits(f->initial, reg, value, size_bytes);
}

static void preset_id(struct pci_function *f, const struct pci_id *id)
{
    pci_preset(f, PCI_VENDOR, id->vendor, 2);
    pci_preset(f, PCI_DEVICE, id->device, 2);
    pci_preset(f, PCI_REVISION, (uint32_t)id->class_code << 8 | id->revision, 4);
    pci_preset(f, PCI_HEADER, id->bridge ? PCI_HEADER_BRIDGE : 0, 1);
    if (id->bridge)
        return;  // its subsystem is a capability
    pci_preset(f, PCI_SUBSYSTEM_VENDOR, id->subsystem_vendor, 2);
    pci_preset(f, PCI_SUBSYSTEM, id->subsystem, 2);
}

void pci_function_init(struct pci_function *f, const struct device_ops *ops, const struct pci_id *id)
{
    memset(f, 0, sizeof *f);
    f->dev.ops = ops;
    pthread_mutex_init(&f->dev.lock, NULL);
    f->capabilities_end = PCI_HEADER_END;
    f->bridges_master = true;
    preset_id(f, id);
    set_bits(f->writable, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
             PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_OFF, 2);
    set_bits(f->clearable, PCI_STATUS, PCI_STATUS_ERRORS, 2);
    set_bits(f->writable, PCI_CACHE_LINE, 0xff, 1);
    set_bits(f->writable, PCI_INTERRUPT_LINE, 0xff, 1);
}

void pci_add_intx(struct pci_function *f)
{
    pci_preset(f, PCI_INTERRUPT_PIN, 1, 1);
}

void pci_set_multifunction(struct pci_function *f)
{
    pci_preset(f, PCI_HEADER, f->config[PCI_HEADER] | PCI_HEADER_MULTIFUNCTION, 1);
}

// New ones are put first in the list.
uint8_t pci_add_capability(struct pci_function *f, uint8_t id, const void *body, size_t body_bytes,
                           const void *writable)
{
    uint8_t at = f->capabilities_end;
    size_t end = align_up(at + 2 + body_bytes, 4);
    assert(end < PCI_CONFIG_BYTES);
    pci_preset(f, at, id, 1);
    pci_preset(f, at + 1, f->config[PCI_CAPABILITIES], 1);
    memcpy(f->config + at + 2, body, body_bytes);
    memcpy(f->initial + at + 2, body, body_bytes);
    if (writable)
        memcpy(f->writable + at + 2, writable, body_bytes);
    pci_preset(f, PCI_CAPABILITIES, at, 1);
    pci_preset(f, PCI_STATUS, pci_get(f, PCI_STATUS, 2) | PCI_STATUS_CAPABILITIES, 2);
    f->capabilities_end = (uint8_t)end;
    return at;
}

static void reset_msix(struct pci_function *f)
{
    memset(f->msix_address, 0, sizeof f->msix_address);
    memset(f->msix_data, 0, sizeof f->msix_data);
    memset(f->msix_pending, 0, sizeof f->msix_pending);
    for (unsigned i = 0; i < PCI_MSIX_VECTORS_MAX; i++)
        f->msix_control[i] = 1;  // 6.8.2.9: masked
}

void pci_function_reset(struct pci_function *f)
{
    memcpy(f->config, f->initial, sizeof f->config);
    reset_msix(f);
    f->intx = false;
    pci_decode_changed(f);
    pci_intx_drive(f, false);
}

static void load_msix(struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_MSIX_VECTORS_MAX; i++) {
        f->msix_address[i] &= ~UINT64_C(3);
        f->msix_control[i] &= 1;
        if (i >= f->msix_vectors)
            f->msix_pending[i / 64] &= ~BIT(i % 64);
    }
}

// A stranger's bytes become what a guest's writes could have made, and nothing else.
int pci_function_loaded(struct pci_function *f, struct err *err)
{
    if (memcmp(f->config, f->initial, 4))
        return err_set(err, -EINVAL, "%s: the state is of PCI device %04x:%04x, not %04x:%04x", f->dev.ops->name,
                       pci_get(f, PCI_VENDOR, 2), pci_get(f, PCI_DEVICE, 2),
                       f->initial[0] | f->initial[1] << 8, f->initial[2] | f->initial[3] << 8);
    for (unsigned i = 0; i < PCI_CONFIG_BYTES; i++) {
        uint8_t changes = f->writable[i] | f->clearable[i];
        f->config[i] = (f->config[i] & changes) | (f->initial[i] & ~changes);
    }
    load_msix(f);
    f->intx = f->intx && f->config[PCI_INTERRUPT_PIN];
    if (f->intx)
        f->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    return 0;
}

void pci_function_started(struct pci_function *f)
{
    pci_decode_changed(f);
    pci_intx_drive(f, true);
}

void pci_plain_reset(struct device *dev)
{
    pci_function_reset((struct pci_function *)dev);
}

int pci_plain_loaded(struct device *dev, struct err *err)
{
    return pci_function_loaded((struct pci_function *)dev, err);
}

void pci_plain_started(struct device *dev)
{
    pci_function_started((struct pci_function *)dev);
}

uint64_t pci_no_register(struct device *dev, uint64_t offset, unsigned size_bytes)
{
    (void)dev, (void)offset;
    return size_mask(size_bytes);
}

void pci_no_register_write(struct device *dev, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    (void)dev, (void)offset, (void)value, (void)size_bytes;
}
