// SPDX-License-Identifier: GPL-2.0-or-later
//
// Names: of features, as QEMU's -cpu takes them, and of the models made of them.
#pragma once

#include <stddef.h>

#include "guest/cpu/x86/cpuid.h"

// Beyond the feature words: the bits of IA32_ARCH_CAPABILITIES have names too.
enum { X86_ARCH_CAPABILITIES = X86_WORDS, X86_NAMED_WORDS };

struct x86_feature {
    unsigned word;  // enum x86_word or X86_ARCH_CAPABILITIES
    unsigned bit;
};
// False: there is no such feature. '_' counts as '-'. kvmclock is two bits; this is the newer.
bool x86_feature_find(const char *name, size_t length, struct x86_feature *feature);
const char *x86_feature_name(unsigned word, unsigned bit);  // null: a bit without a name
// Sets or clears a feature, kvmclock whole.
void x86_feature_set(struct x86_model *model, struct x86_feature feature, bool on);
void x86_features_add(struct x86_model *model, const char *names);  // separated by spaces
void x86_features_remove(struct x86_model *model, const char *names);
const char *x86_word_text(unsigned word);                           // "CPUID.07H:EBX"

struct x86_model_entry {
    const char *name;
    const char *alias_of;     // then all below is that model's, except features, which are added
    const char *vendor, *brand;
    uint16_t family;
    uint8_t model, stepping;
    uint32_t level, xlevel;
    const char *parent;       // whose features it has as well
    const char *features;
    const char *without;      // features of the parent that it has not
};
extern const struct x86_model_entry x86_models[];  // ends with a null name
const struct x86_model_entry *x86_model_find(const char *name);
void x86_model_features(struct x86_model *model, const struct x86_model_entry *entry);
// What every model gets that the engine supports, unasked.
void x86_model_defaults(struct x86_model *model, const struct x86_support *support);
void x86_model_no_mitigations(struct x86_model *model);
