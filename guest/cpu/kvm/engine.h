// SPDX-License-Identifier: GPL-2.0-or-later
//
// The hardware engine: /dev/kvm with a split interrupt controller (local APICs in the kernel,
// IOAPIC, 8259 and 8254 ours), as Linux: Documentation/virt/kvm/api.rst describes.
#pragma once

#include "guest/cpu/vcpu.h"

const struct x86_support *kvm_support(struct err *err);  // null and a sentence without a usable KVM
struct engine *kvm_engine_create(const struct engine_config *config, struct err *err);
