// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/pci_list.h"

#include "guest/pci/registers.h"

static const char *class_name(uint16_t class_code)
{
    static const struct { uint16_t class_code; const char *name; } names[] = {
        {0x0100, "SCSI controller"}, {0x0106, "SATA controller"}, {0x0200, "Ethernet controller"},
        {0x0300, "VGA controller"}, {0x0600, "Host bridge"}, {0x0601, "ISA bridge"}, {0x0604, "PCI bridge"},
        {0x0c05, "SMBus"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].class_code == class_code)
            return names[i].name;
    return NULL;
}

static void list_bars(struct pci_function *f, struct pci_list_device *d)
{
    bool memory = pci_config_read(f, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;
    bool ports = pci_config_read(f, PCI_COMMAND, 2) & PCI_COMMAND_IO;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &f->bar[i];
        if (bar->kind == PCI_BAR_NONE)
            continue;
        struct pci_list_bar *b = &d->bar[d->bars++];
        uint32_t low = pci_config_read(f, PCI_BAR0 + 4 * i, 4);
        *b = (struct pci_list_bar){.index = i, .size_bytes = bar->size_bytes, .io = bar->kind == PCI_BAR_IO,
                                   .prefetch = bar->kind == PCI_BAR_PREFETCH64,
                                   .wide = bar->kind == PCI_BAR_PREFETCH64 || bar->kind == PCI_BAR_MEMORY64};
        b->address = low & (b->io ? ~3u : ~15u);
        if (b->wide)
            b->address |= (uint64_t)pci_config_read(f, PCI_BAR0 + 4 * i + 4, 4) << 32;
        b->seen = b->io ? ports : memory;
    }
}

static void list_bridge(struct pci_function *f, struct pci_list_device *d)
{
    d->behind = f->secondary;
    d->secondary = pci_config_read(f, PCI_SECONDARY_BUS, 1);
    d->subordinate = pci_config_read(f, PCI_SUBORDINATE_BUS, 1);
    d->io_base = (uint64_t)(pci_config_read(f, PCI_IO_BASE, 1) & 0xf0) << 8;
    d->io_limit = (uint64_t)(pci_config_read(f, PCI_IO_LIMIT, 1) & 0xf0) << 8 | 0xfff;
    d->memory_base = (uint64_t)(pci_config_read(f, PCI_MEMORY_BASE, 2) & 0xfff0) << 16;
    d->memory_limit = (uint64_t)(pci_config_read(f, PCI_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
    d->prefetch_base = (uint64_t)(pci_config_read(f, PCI_PREFETCH_BASE, 2) & 0xfff0) << 16 |
                       (uint64_t)pci_config_read(f, PCI_PREFETCH_BASE_HIGH, 4) << 32;
    d->prefetch_limit = (uint64_t)(pci_config_read(f, PCI_PREFETCH_LIMIT, 2) & 0xfff0) << 16 | 0xfffff |
                        (uint64_t)pci_config_read(f, PCI_PREFETCH_LIMIT_HIGH, 4) << 32;
}

static void list_function(struct pci_function *f, unsigned number, struct pci_list_device *d)
{
    *d = (struct pci_list_device){
        .bus = number, .slot = f->devfn >> 3, .function = f->devfn & 7, .id = f->id ? f->id : "",
        .vendor = pci_config_read(f, PCI_VENDOR, 2), .device = pci_config_read(f, PCI_DEVICE, 2),
        .class_code = pci_config_read(f, PCI_CLASS + 1, 1) | pci_config_read(f, PCI_CLASS + 2, 1) << 8,
        .pin = pci_config_read(f, PCI_INTERRUPT_PIN, 1), .line = pci_config_read(f, PCI_INTERRUPT_LINE, 1),
    };
    d->class_name = class_name(d->class_code);
    list_bars(f, d);
    if (f->secondary) {
        list_bridge(f, d);
        return;
    }
    d->subsystem_vendor = pci_config_read(f, PCI_SUBSYSTEM_VENDOR, 2);
    d->subsystem = pci_config_read(f, PCI_SUBSYSTEM, 2);
}

void pci_list_each(struct pci_bus *bus, unsigned number,
                   void (*each)(const struct pci_list_device *device, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < PCI_DEVFNS; i++) {
        struct pci_list_device device;
        if (!bus->function[i])
            continue;
        list_function(bus->function[i], number, &device);
        each(&device, opaque);
    }
}
