// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inside guest/pci: what its files are to each other. All but the last with the function's lock held.
#pragma once

#include "guest/pci/pci.h"

void pci_decode_changed(struct pci_function *f);  // config's header may say something else now
void pci_msix_changed(struct pci_function *f);    // sends what is pending and not masked any more
void pci_intx_drive(struct pci_function *f, bool anew);  // anew: the wire is set even if it was so

void pci_tree_update(struct pci_root *root);  // the root's lock held: what is seen follows decode
