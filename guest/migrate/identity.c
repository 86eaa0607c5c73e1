// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/migrate/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "guest/migrate/state.h"

// What is compared. Text is here for the sentence; what the guest sees of its CPU is the numbers.
struct identity {
    char machine[64], cpu[32], vendor[16];
    uint64_t ram_bytes;
    uint32_t vcpus, family, model, stepping;
    uint32_t words[X86_WORDS];
    uint64_t xcr0;
    uint32_t physical_bits, linear_bits, sockets, cores, threads;
    uint64_t tsc_hz;
};

#define FIELD(member) STATE_FIELD(struct identity, member, 1)
#define ARRAY(member) STATE_ARRAY(struct identity, member, 1)
static const struct state_field fields[] = {
    ARRAY(machine), FIELD(ram_bytes), FIELD(vcpus), ARRAY(cpu), ARRAY(vendor), FIELD(family),
    FIELD(model), FIELD(stepping), ARRAY(words), FIELD(xcr0), FIELD(physical_bits), FIELD(linear_bits),
    FIELD(sockets), FIELD(cores), FIELD(threads), FIELD(tsc_hz), {0},
};
static const struct state_table table = {"identity", 1, fields};

static struct identity identity_of(const struct snapshot_parts *parts)
{
    const struct x86_model *m = parts->model;
    struct identity id = {
        .ram_bytes = parts->ram->size_bytes, .vcpus = parts->vcpu_count,
        .family = m->family, .model = m->model, .stepping = m->stepping, .xcr0 = m->xcr0,
        .physical_bits = m->physical_bits, .linear_bits = m->linear_bits,
        .sockets = m->sockets, .cores = m->cores, .threads = m->threads, .tsc_hz = m->tsc_hz,
    };
    snprintf(id.machine, sizeof id.machine, "%s", parts->machine);
    snprintf(id.cpu, sizeof id.cpu, "%s", m->name);
    snprintf(id.vendor, sizeof id.vendor, "%s", m->vendor);
    memcpy(id.words, m->words, sizeof id.words);
    return id;
}

int identity_save(struct stream *stream, const struct snapshot_parts *parts, struct err *err)
{
    struct identity id = identity_of(parts);
    return state_save(stream, &table, &id, err);
}

static bool is_text(const struct state_field *f)
{
    return f->size_bytes == 1;
}

// A stranger's text: ended, and without anything that a terminal would act on.
static void tidy(char *text, size_t size_bytes)
{
    text[size_bytes - 1] = 0;
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static int differs(const struct state_field *f, const uint8_t *theirs, const uint8_t *ours,
                   struct err *err)
{
    char text[2][64];
    uint64_t number[2] = {0};
    if (is_text(f)) {
        snprintf(text[0], sizeof text[0], "%s", (const char *)theirs);
        snprintf(text[1], sizeof text[1], "%s", (const char *)ours);
    } else {
        uint32_t at = 0;  // the first element that differs
        while (!memcmp(theirs + at, ours + at, f->size_bytes))
            at += f->size_bytes;
        memcpy(&number[0], theirs + at, f->size_bytes);
        memcpy(&number[1], ours + at, f->size_bytes);
        for (unsigned i = 0; i < 2; i++)
            snprintf(text[i], sizeof text[i], f->count > 1 ? "%#" PRIx64 : "%" PRIu64, number[i]);
    }
    return err_set(err, -EINVAL, "the snapshot is of another machine: its %s is %s, here it is %s",
                   f->name, text[0], text[1]);
}

// The TSC's rate is measured anew at each start, and so may be a little off; as far as KVM lets it
// be (its tsc_tolerance_ppm) before it would need scaling.
static bool same_rate(uint64_t a, uint64_t b)
{
    uint64_t difference = a > b ? a - b : b - a;
    return difference <= b / 4000;
}

static int compare(const struct identity *theirs, const struct identity *ours, struct err *err)
{
    for (const struct state_field *f = fields; f->name; f++) {
        const uint8_t *a = (const uint8_t *)theirs + f->offset_bytes;
        const uint8_t *b = (const uint8_t *)ours + f->offset_bytes;
        bool same = f->offset_bytes == offsetof(struct identity, tsc_hz)
                        ? same_rate(theirs->tsc_hz, ours->tsc_hz)
                        : !memcmp(a, b, (size_t)f->size_bytes * f->count);
        if (!same)
            return differs(f, a, b, err);
    }
    return 0;
}

int identity_load(struct stream *stream, const struct snapshot_parts *parts, struct err *err)
{
    struct stream_section section;
    struct identity ours = identity_of(parts), theirs = {0};
    int code = stream_next(stream, &section, err);
    if (code < 0)
        return code;
    if (strcmp(section.name, table.section))
        return err_set(err, -EINVAL, "the snapshot doesn't begin with section %s", table.section);
    code = state_load(stream, &section, &table, &theirs, err);
    if (code < 0)
        return code;
    tidy(theirs.machine, sizeof theirs.machine);
    tidy(theirs.cpu, sizeof theirs.cpu);
    tidy(theirs.vendor, sizeof theirs.vendor);
    return compare(&theirs, &ours, err);
}
