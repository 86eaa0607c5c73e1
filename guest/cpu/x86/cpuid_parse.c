// SPDX-License-Identifier: GPL-2.0-or-later
//
// -cpu's value: a model's name, then properties. As in QEMU, `+feature` and `-feature` win over
// `feature=on`, and `-feature` over `+feature`.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "guest/cpu/x86/cpuid_features.h"
#include "guest/cpu/x86/state.h"

enum { TEXT_BYTES = 128 };  // of one property; longer ones are none that exists

struct parse {
    struct x86_model *model;
    const struct x86_support *support;
    const char *name;  // the model's
    bool check, enforce, kvm, mitigations;
    bool level_given, xlevel_given;
    // What was asked for or denied by name, beyond the model's own.
    struct x86_model on, plus, minus;
};

static int bad_value(struct parse *p, const char *key, const char *value, const char *expects, struct err *err)
{
    return err_set(err, -EINVAL, "can't apply global %s-x86_64-cpu.%s=%s: Parameter '%s' expects %s",
                   p->name, key, value, key, expects);
}

static int parse_bool(struct parse *p, const char *key, const char *value, bool *result, struct err *err)
{
    static const char *const yes[] = {"on", "yes", "true", "y"}, *const no[] = {"off", "no", "false", "n"};
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *result = strcmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return bad_value(p, key, value, "'on' or 'off'", err);
}

static int parse_number(struct parse *p, const char *key, const char *value, const char *type,
                        uint64_t *result, struct err *err)
{
    char *end;
    errno = 0;
    *result = strtoull(value, &end, 0);
    if (*value < '0' || *value > '9' || *end || errno)
        return bad_value(p, key, value, type, err);
    return 0;
}

static int parse_small(struct parse *p, const char *key, const char *value, uint64_t maximum,
                       uint64_t *result, struct err *err)
{
    int error = parse_number(p, key, value, "int64", result, err);
    if (error)
        return error;
    if (*result > maximum)
        return err_set(err, -EINVAL, "can't apply global %s-x86_64-cpu.%s=%s: Property .%s doesn't take "
                       "value %s (minimum: 0, maximum: %d)", p->name, key, value, key, value, (int)maximum);
    return 0;
}

static int parse_level(struct parse *p, const char *key, const char *value, uint32_t *level,
                       bool *given, struct err *err)
{
    uint64_t number;
    int error = parse_number(p, key, value, "uint32_t", &number, err);
    if (error)
        return error;
    if (number > UINT32_MAX)
        return bad_value(p, key, value, "uint32_t", err);
    *level = number;
    *given = true;
    return 0;
}

static int set_vendor(struct parse *p, const char *value, struct err *err)
{
    if (strlen(value) != 12)
        return err_set(err, -EINVAL, "can't apply global %s-x86_64-cpu.vendor=%s: Property '.vendor' "
                       "doesn't take value '%s'", p->name, value, value);
    memcpy(p->model->vendor, value, 13);
    return 0;
}

// Family 15 and above need the extended field, which holds up to 255 more.
static int set_identity(struct parse *p, const char *key, const char *value, struct err *err)
{
    uint64_t number;
    bool family = strcmp(key, "family") == 0, model = strcmp(key, "model") == 0;
    int error = parse_small(p, key, value, family ? 0xff : model ? 0xff : 0xf, &number, err);
    if (error)
        return error;
    *(family ? &p->model->family : model ? &p->model->model : &p->model->stepping) = number;
    return 0;
}

static int set_physical_bits(struct parse *p, const char *value, struct err *err)
{
    uint64_t bits;
    int error = parse_number(p, "phys-bits", value, "uint32_t", &bits, err);
    if (!error && bits != 0 && bits != X86_PHYSICAL_BITS)
        return err_set(err, -EINVAL, "phys-bits=%s: not supported yet, only %d", value, X86_PHYSICAL_BITS);
    return error;
}

static int not_found(struct parse *p, const char *key, const char *value, struct err *err)
{
    if (!value)
        return err_set(err, -EINVAL, "Property '%s-x86_64-cpu.%s' not found", p->name, key);
    return err_set(err, -EINVAL, "can't apply global %s-x86_64-cpu.%s=%s: Property '%s-x86_64-cpu.%s' not found",
                   p->name, key, value, p->name, key);
}

// Properties that QEMU has and this does not: refused by name.
static bool is_known_elsewhere(const char *key)
{
    static const char *const prefixes[] = {"hv-", "vmx-", "host-", "x-", "sgx-", "guest-phys-"};
    static const char *const whole[] = {
        "pmu", "lmce", "l3-cache", "legacy-cache", "tcg-cpuid", "migratable", "tsc-frequency", "memory",
        "ucode-rev", "cpuid-0xb", "full-cpuid-auto-level", "fill-mtrr-mask", "kvm-pv-enforce-cpuid",
        "kvm-no-smi-migration", "vmware-cpuid-freq", "min-level", "min-xlevel", "xlevel2", "lbr-fmt",
    };
    for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    for (unsigned i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        if (strcmp(key, whole[i]) == 0)
            return true;
    return false;
}

static bool *find_switch(struct parse *p, const char *key)
{
    const struct { const char *name; bool *at; } switches[] = {
        {"check", &p->check}, {"enforce", &p->enforce}, {"kvm", &p->kvm}, {"mitigations", &p->mitigations},
    };
    for (unsigned i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
        if (strcmp(key, switches[i].name) == 0)
            return switches[i].at;
    return NULL;
}

static int set_switch(struct parse *p, const char *key, const char *value, struct err *err)
{
    struct x86_feature feature;
    bool on = false, *at = find_switch(p, key);
    if (at)
        return parse_bool(p, key, value, at, err);
    if (!x86_feature_find(key, strlen(key), &feature)) {
        if (is_known_elsewhere(key))
            return err_set(err, -EINVAL, "-cpu %s: %s: not supported yet", p->name, key);
        return not_found(p, key, value, err);
    }
    int error = parse_bool(p, key, value, &on, err);
    if (error)
        return error;
    x86_feature_set(p->model, feature, on);
    x86_feature_set(&p->on, feature, on);
    return 0;
}

static int set_property(struct parse *p, const char *key, const char *value, struct err *err)
{
    if (strcmp(key, "vendor") == 0)
        return set_vendor(p, value, err);
    if (strcmp(key, "model-id") == 0) {
        strncpy(p->model->brand, value, sizeof(p->model->brand) - 1);
        return 0;
    }
    if (strcmp(key, "family") == 0 || strcmp(key, "model") == 0 || strcmp(key, "stepping") == 0)
        return set_identity(p, key, value, err);
    if (strcmp(key, "level") == 0)
        return parse_level(p, key, value, &p->model->level, &p->level_given, err);
    if (strcmp(key, "xlevel") == 0)
        return parse_level(p, key, value, &p->model->xlevel, &p->xlevel_given, err);
    if (strcmp(key, "phys-bits") == 0)
        return set_physical_bits(p, value, err);
    return set_switch(p, key, value, err);
}

static void dashes(char *key)
{
    for (; *key; key++)
        if (*key == '_')
            *key = '-';
}

// One item between commas; text is ours to write to.
static int parse_item(struct parse *p, char *text, struct err *err)
{
    if (*text == '+' || *text == '-') {
        struct x86_feature feature;
        dashes(text + 1);
        if (!x86_feature_find(text + 1, strlen(text + 1), &feature))
            return not_found(p, text + 1, NULL, err);
        x86_feature_set(*text == '+' ? &p->plus : &p->minus, feature, true);
        return 0;
    }
    char *value = strchr(text, '=');
    if (value)
        *value++ = 0;
    dashes(text);
    return set_property(p, text, value ? value : "on", err);
}

static int parse_items(struct parse *p, const char *list, struct err *err)
{
    char text[TEXT_BYTES];
    while (*list) {
        size_t length = strcspn(list, ",");
        if (length >= sizeof(text))
            return err_set(err, -EINVAL, "-cpu %s: a property is too long", p->name);
        memcpy(text, list, length);
        text[length] = 0;
        int error = length ? parse_item(p, text, err) : 0;
        if (error)
            return error;
        list += length + (list[length] == ',');
    }
    return 0;
}

static void start_model(struct x86_model *m, const struct x86_model_entry *entry, const char *name)
{
    const struct x86_model_entry *e = entry;
    const char *brand = entry->brand;
    for (; e->alias_of; brand = brand ? brand : e->brand)
        e = x86_model_find(e->alias_of);
    *m = (struct x86_model){
        .family = e->family, .model = e->model, .stepping = e->stepping, .level = e->level,
        .xlevel = e->xlevel, .physical_bits = X86_PHYSICAL_BITS, .linear_bits = 48,
        .sockets = 1, .cores = 1, .threads = 1,
    };
    strncpy(m->name, name, sizeof(m->name) - 1);
    strncpy(m->vendor, e->vendor, sizeof(m->vendor) - 1);
    strncpy(m->brand, brand ? brand : e->brand, sizeof(m->brand) - 1);
    x86_model_features(m, entry);
}

static bool is_named(const char *name, const char *model)
{
    const struct x86_model_entry *entry = x86_model_find(name);
    return strcmp(name, model) == 0 || (entry->alias_of && strcmp(entry->alias_of, model) == 0);
}

// A bit without a name is nobody's promise. What only serves a mitigation stays out unless they are on.
static void add_all_supported(struct x86_model *m, const struct x86_support *support, bool unmitigated)
{
    for (unsigned word = 0; word < X86_WORDS; word++)
        for (unsigned bit = 0; bit < 32; bit++)
            if (support->words[word] >> bit & 1 && x86_feature_name(word, bit))
                m->words[word] |= UINT32_C(1) << bit;
    x86_features_remove(m, "la57");  // a level more to walk, for addresses that hardly anybody has
    if (unmitigated)
        x86_features_remove(m, "spec-ctrl ibpb stibp ssbd amd-stibp amd-ssbd virt-ssbd");
}

static void set_defaults(struct parse *p, const struct x86_support *support, bool unmitigated)
{
    unmitigated = unmitigated && !support->who;
    if (is_named(p->name, "base"))
        return;
    if (is_named(p->name, "max"))
        add_all_supported(p->model, support, unmitigated);
    x86_model_defaults(p->model, support);
    if (unmitigated)
        x86_model_no_mitigations(p->model);
}

static void apply_signs(struct parse *p)
{
    for (unsigned word = 0; word < X86_WORDS; word++)
        p->model->words[word] = (p->model->words[word] | p->plus.words[word]) & ~p->minus.words[word];
    p->model->arch_capabilities =
        (p->model->arch_capabilities | p->plus.arch_capabilities) & ~p->minus.arch_capabilities;
}

static const char *who(const struct x86_support *support)
{
    return support->who ? support->who : "TCG";
}

static void warn_missing(const struct parse *p, const struct x86_support *support, unsigned word,
                         uint32_t missing)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        if (!(missing >> bit & 1))
            continue;
        const char *name = x86_feature_name(word, bit);
        if (p->check || p->enforce)
            log_warn("cpu", "%s doesn't support requested feature: %s%s%s [bit %u]", who(support),
                     x86_word_text(word), name ? "." : "", name ? name : "", bit);
    }
}

static uint32_t silent_bits(const struct parse *p, unsigned word)
{
    struct x86_model quiet = {0};
    x86_features_add(&quiet, "arch-capabilities ibrs amd-no-ssb btc-no srso-no");
    return quiet.words[word] & ~p->plus.words[word] & ~p->on.words[word];
}

// What nobody asked for (the mitigations that are not needed) goes in silence.
static int filter(struct parse *p, const struct x86_support *support, struct err *err)
{
    bool any = false;
    for (unsigned word = 0; word < X86_WORDS; word++) {
        uint32_t missing = p->model->words[word] & ~support->words[word];
        p->model->words[word] &= support->words[word];
        missing &= ~silent_bits(p, word);
        warn_missing(p, support, word, missing);
        any = any || missing;
    }
    if (any && p->enforce)
        return err_set(err, -EINVAL, "%s doesn't support requested features", who(support));
    return 0;
}

// Bits 0 to 2 come with XSAVE and AVX, 5 to 7 with AVX-512, 9 with PKU (SDM volume 1, 13.1).
static uint64_t possible_xcr0(const struct x86_model *m)
{
    if (!x86_has(m, X86_1_ECX, 26))
        return 0;
    uint64_t xcr0 = XCR0_X87 | XCR0_SSE;
    if (x86_has(m, X86_1_ECX, 28))
        xcr0 |= XCR0_AVX;
    if (x86_has(m, X86_7_EBX, 16))
        xcr0 |= 0xe0;
    if (x86_has(m, X86_7_ECX, 3))
        xcr0 |= 1 << 9;
    return xcr0;
}

static void at_least(uint32_t *level, bool needed, uint32_t minimum)
{
    if (needed && *level < minimum)
        *level = minimum;
}

// A feature must be in a leaf that the guest looks at.
static void raise_levels(struct parse *p)
{
    struct x86_model *m = p->model;
    const uint32_t *words = m->words;
    if (!p->level_given) {
        at_least(&m->level, x86_has(m, X86_1_ECX, 3), 5);
        at_least(&m->level, words[X86_6_EAX], 6);
        at_least(&m->level, words[X86_7_EBX] | words[X86_7_ECX] | words[X86_7_EDX], 7);
        at_least(&m->level, x86_has(m, X86_1_ECX, 21), 0xb);
        at_least(&m->level, x86_has(m, X86_1_ECX, 26), 0xd);
    }
    if (p->xlevel_given)
        return;
    at_least(&m->xlevel, words[X86_80000001_EDX] | words[X86_80000001_ECX], 0x80000001);
    at_least(&m->xlevel, words[X86_80000007_EDX], 0x80000007);
    at_least(&m->xlevel, words[X86_80000008_EBX], 0x80000008);
    at_least(&m->xlevel, x86_has(m, X86_80000001_ECX, 22), 0x8000001e);
    at_least(&m->xlevel, words[X86_80000021_EAX], 0x80000021);
}

// Whether mitigations=on is among the properties: the features it changes come before the others.
static bool wants_mitigations(struct parse *p, const char *list)
{
    struct x86_model scratch = *p->model;
    struct parse look = {.model = &scratch, .name = p->name};
    parse_items(&look, list, NULL);
    return look.mitigations;
}

static void finish(struct parse *p, const struct x86_support *support)
{
    struct x86_model *m = p->model;
    raise_levels(p);
    m->linear_bits = x86_has(m, X86_7_ECX, 16) ? 57 : 48;
    m->xcr0 = possible_xcr0(m) & support->xcr0;
    m->hypervisor = p->kvm && m->words[X86_40000001_EAX];
    if (!x86_has(m, X86_7_EDX, 29))
        m->arch_capabilities = 0;
}

int x86_model_parse(struct x86_model *model, const char *spec, const struct x86_support *support,
                    struct err *err)
{
    char name[TEXT_BYTES];
    size_t length = strcspn(spec, ",");
    if (length == 0)
        return err_set(err, -EINVAL, "-cpu option cannot be empty");
    snprintf(name, sizeof(name), "%.*s", (int)length, spec);
    const struct x86_model_entry *entry = length < sizeof(name) ? x86_model_find(name) : NULL;
    if (!entry)
        return err_set(err, -EINVAL, "unable to find CPU model '%s'", name);

    struct parse p = {.model = model, .support = support, .name = name, .check = true, .kvm = true};
    const char *list = spec + length;
    start_model(model, entry, name);
    set_defaults(&p, support, !wants_mitigations(&p, list));
    int error = parse_items(&p, list, err);
    if (error)
        return error;
    apply_signs(&p);
    error = filter(&p, support, err);
    if (!error)
        finish(&p, support);
    return error;
}

void x86_model_list(void (*each)(const char *name, const char *description, void *opaque), void *opaque)
{
    for (const struct x86_model_entry *entry = x86_models; entry->name; entry++) {
        struct x86_model m;
        start_model(&m, entry, entry->name);
        each(entry->name, m.brand, opaque);
    }
}
