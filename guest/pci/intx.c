// SPDX-License-Identifier: GPL-2.0-or-later
//
// Interrupt pins. Several functions share a wire; it is high while one of them holds it.
#include "guest/pci/internal.h"
#include "guest/pci/registers.h"

enum { PINS = 4, PIRQ_E = 4, ROTATED_DEVICES = 25, PCI_BRIDGE_DEVICE = 30 };

unsigned pci_root_pirq(unsigned device, unsigned pin)
{
    if (device < ROTATED_DEVICES)
        return PIRQ_E + (device + pin) % PINS;
    return device == PCI_BRIDGE_DEVICE ? PIRQ_E + pin % PINS : pin % PINS;
}

// Each bridge on the way rotates by the device's number (PCI-to-PCI Bridge 1.2, section 9.1).
static unsigned pirq_of(const struct pci_function *f)
{
    unsigned pin = f->config[PCI_INTERRUPT_PIN] - 1;
    for (; f->bus->bridge; f = f->bus->bridge)
        pin = (pin + (f->devfn >> 3)) % PINS;
    return pci_root_pirq(f->devfn >> 3, pin);
}

static bool level_of(const struct pci_function *f)
{
    return f->intx && !(pci_get(f, PCI_COMMAND, 2) & PCI_COMMAND_INTX_OFF) && !pci_msix_is_on(f);
}

static void drive(struct pci_function *f, bool level, bool anew)
{
    struct pci_root *root = f->bus->root;
    unsigned pirq = pirq_of(f), before = root->intx_drivers[pirq];
    root->intx_drivers[pirq] += level - f->intx_driven;
    f->intx_driven = level;
    bool changed = !before != !root->intx_drivers[pirq];
    if (root->intx[pirq] && (changed || anew))
        irq_set(root->intx[pirq], root->intx_drivers[pirq]);
}

void pci_intx_drive(struct pci_function *f, bool anew)
{
    if (!f->bus || !f->config[PCI_INTERRUPT_PIN])
        return;
    bool level = level_of(f);
    pthread_mutex_lock(&f->bus->root->lock);
    if (anew || level != f->intx_driven)
        drive(f, level, anew);
    pthread_mutex_unlock(&f->bus->root->lock);
}

// The status bit shows the pin's state even where the command register keeps it off the wire (6.2.3).
void pci_set_intx(struct pci_function *f, bool level)
{
    f->intx = level;
    f->config[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
    if (level)
        f->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    pci_intx_drive(f, false);
}
