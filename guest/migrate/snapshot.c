// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/migrate/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/migrate/identity.h"
#include "guest/migrate/ram_state.h"
#include "guest/migrate/state.h"
#include "guest/migrate/vcpu_state.h"

#define END_SECTION "end"

// Guest time. host_tsc is what the tsc_offset of the saved vCPUs counts from.
struct time_state {
    uint64_t clock_ns, host_tsc;
    uint8_t run_state;
};
static const struct state_field time_fields[] = {
    STATE_FIELD(struct time_state, clock_ns, 1),
    STATE_FIELD(struct time_state, host_tsc, 1),
    STATE_FIELD(struct time_state, run_state, 2),
    {0},
};
static const struct state_table time_table = {"time", 2, time_fields};

static struct state_table vcpu_table(unsigned index, char name[STREAM_NAME_MAX + 1])
{
    snprintf(name, STREAM_NAME_MAX + 1, "vcpu/%u", index);
    return (struct state_table){name, VCPU_STATE_VERSION, vcpu_state_fields};
}

static struct state_table device_table(const struct snapshot_device *d)
{
    return (struct state_table){d->name, d->dev->ops->state_version, d->dev->ops->state};
}

static int save_time(struct stream *stream, const struct snapshot_parts *parts, struct err *err)
{
    struct time_state time = {clock_now_ns(parts->clock), parts->paused_tsc, parts->run_state};
    return state_save(stream, &time_table, &time, err);
}

static int save_vcpus(struct stream *stream, const struct snapshot_parts *parts, struct err *err)
{
    char name[STREAM_NAME_MAX + 1];
    int code = 0;
    for (unsigned i = 0; code == 0 && i < parts->vcpu_count; i++) {
        struct state_table table = vcpu_table(i, name);
        code = state_save(stream, &table, parts->vcpus[i], err);
    }
    return code;
}

static int save_devices(struct stream *stream, const struct snapshot_parts *parts, struct err *err)
{
    int code = 0;
    for (unsigned i = 0; code == 0 && i < parts->device_count; i++) {
        struct device *dev = parts->devices[i].dev;
        struct state_table table = device_table(&parts->devices[i]);
        if (!table.fields)
            continue;
        pthread_mutex_lock(&dev->lock);
        code = state_save(stream, &table, dev, err);
        pthread_mutex_unlock(&dev->lock);
    }
    return code;
}

static int save_end(struct stream *stream, struct err *err)
{
    stream_begin(stream, END_SECTION, 1, 0, err);
    stream_end(stream, err);
    return stream_flush(stream, err);
}

static int save_all(struct stream *stream, const struct snapshot_parts *parts, struct err *err)
{
    int code = identity_save(stream, parts, err);
    if (code == 0)
        code = save_time(stream, parts, err);
    if (code == 0)
        code = save_vcpus(stream, parts, err);
    if (code == 0)
        code = save_devices(stream, parts, err);
    if (code == 0)
        code = ram_state_save(stream, parts->ram, err);
    return code == 0 ? save_end(stream, err) : code;
}

int snapshot_save_fd(int fd, const struct snapshot_parts *parts, struct err *err)
{
    struct stream stream;
    int code = stream_open_write(&stream, fd, err);
    if (code == 0)
        code = save_all(&stream, parts, err);
    stream_close(&stream);
    return code;
}

// A load under way. Parts are numbered: the time, the vCPUs, the devices.
struct load {
    struct stream stream;
    struct snapshot_parts *parts;
    struct time_state time;
    uint64_t next_ram;
    bool *seen;
};

static unsigned part_count(const struct snapshot_parts *parts)
{
    return 1 + parts->vcpu_count + parts->device_count;
}

// The table and the memory of part number index; false if it has no state.
static bool part_at(struct load *load, unsigned index, struct state_table *table, void **base,
                    char name[STREAM_NAME_MAX + 1])
{
    const struct snapshot_parts *parts = load->parts;
    if (index == 0) {
        *table = time_table;
        *base = &load->time;
    } else if (index <= parts->vcpu_count) {
        *table = vcpu_table(index - 1, name);
        *base = parts->vcpus[index - 1];
    } else {
        const struct snapshot_device *d = &parts->devices[index - 1 - parts->vcpu_count];
        *table = device_table(d);
        *base = d->dev;
    }
    return table->fields;
}

// Loaded beside the old state, so that a refused one leaves nothing behind.
static int load_vcpu(struct load *load, const struct stream_section *section,
                     const struct state_table *table, struct x86_state *state, struct err *err)
{
    struct x86_state *loaded = aligned_alloc(_Alignof(struct x86_state), sizeof *loaded);
    if (!loaded)
        return err_set(err, -ENOMEM, "no memory to load section %s", section->name);
    *loaded = *state;
    int code = state_load(&load->stream, section, table, loaded, err);
    if (code == 0) {
        code = vcpu_state_check(loaded, state, load->parts->model, err);
        code = code < 0 ? err_prefix(err, code, section->name) : 0;
    }
    if (code == 0)
        *state = *loaded;
    free(loaded);
    return code;
}

static int load_device(struct load *load, const struct stream_section *section,
                       const struct state_table *table, struct device *dev, struct err *err)
{
    pthread_mutex_lock(&dev->lock);
    int code = state_load(&load->stream, section, table, dev, err);
    if (code == 0 && dev->ops->loaded) {
        code = dev->ops->loaded(dev, err);
        code = code < 0 ? err_prefix(err, code, section->name) : 0;
    }
    pthread_mutex_unlock(&dev->lock);
    return code;
}

// Devices look at the clock in loaded, so it is set as soon as the time is known.
static int load_time(struct load *load, const struct stream_section *section, struct err *err)
{
    int code = state_load(&load->stream, section, &time_table, &load->time, err);
    if (code < 0)
        return code;
    // 292 years: sums with intervals of a guest's devices can't overflow.
    if (load->time.clock_ns > INT64_MAX)
        return err_set(err, -EINVAL, "section time of the snapshot, field clock_ns: it is too large");
    clock_set(load->parts->clock, load->time.clock_ns);
    load->parts->run_state = load->time.run_state;
    return 0;
}

static int load_part(struct load *load, const struct stream_section *section, unsigned index,
                     const struct state_table *table, void *base, struct err *err)
{
    if (load->seen[index])
        return err_set(err, -EINVAL, "section %s is in the snapshot twice", section->name);
    if (index && !load->seen[0])
        return err_set(err, -EINVAL, "section %s of the snapshot comes before the time", section->name);
    load->seen[index] = true;
    if (index == 0)
        return load_time(load, section, err);
    if (index <= load->parts->vcpu_count)
        return load_vcpu(load, section, table, base, err);
    return load_device(load, section, table, base, err);
}

static int load_section(struct load *load, const struct stream_section *section, struct err *err)
{
    char name[STREAM_NAME_MAX + 1];
    struct state_table table;
    void *base;
    if (!strcmp(section->name, RAM_SECTION))
        return ram_state_load(&load->stream, section, load->parts->ram, &load->next_ram, err);
    for (unsigned i = 0; i < part_count(load->parts); i++)
        if (part_at(load, i, &table, &base, name) && !strcmp(table.section, section->name))
            return load_part(load, section, i, &table, base, err);
    return err_set(err, -EINVAL, "the snapshot has a section %s, which this machine doesn't",
                   section->name);
}

static int check_complete(struct load *load, struct err *err)
{
    char name[STREAM_NAME_MAX + 1];
    struct state_table table;
    void *base;
    for (unsigned i = 0; i < part_count(load->parts); i++)
        if (part_at(load, i, &table, &base, name) && !load->seen[i])
            return err_set(err, -EINVAL, "the snapshot has no section %s", table.section);
    return 0;
}

// The host's TSC has another value here; the guest's goes on where it stood.
static void move_tsc(struct load *load)
{
    struct snapshot_parts *parts = load->parts;
    parts->paused_tsc = clock_tsc(parts->clock);
    for (unsigned i = 0; i < parts->vcpu_count; i++)
        parts->vcpus[i]->tsc_offset += load->time.host_tsc - parts->paused_tsc;
}

static int load_sections(struct load *load, struct err *err)
{
    struct stream_section section;
    int code;
    while ((code = stream_next(&load->stream, &section, err)) == 0) {
        if (!strcmp(section.name, END_SECTION))
            return stream_finish(&load->stream, err);
        code = load_section(load, &section, err);
        if (code < 0)
            return code;
    }
    return code;
}

static int load_all(struct load *load, struct err *err)
{
    int code = identity_load(&load->stream, load->parts, err);
    if (code == 0)
        code = ram_state_clear(load->parts->ram, err);
    if (code == 0)
        code = load_sections(load, err);
    if (code == 0)
        code = check_complete(load, err);
    if (code == 0)
        move_tsc(load);
    return code;
}

int snapshot_load_fd(int fd, struct snapshot_parts *parts, struct err *err)
{
    struct load load = {.parts = parts, .time.run_state = parts->run_state,
                        .seen = calloc(part_count(parts), sizeof *load.seen)};
    if (!load.seen)
        return err_set(err, -ENOMEM, "no memory to load a snapshot");
    int code = stream_open_read(&load.stream, fd, err);
    if (code == 0)
        code = load_all(&load, err);
    stream_close(&load.stream);
    free(load.seen);
    return code;
}

void snapshot_started(const struct snapshot_parts *parts)
{
    for (unsigned i = 0; i < parts->device_count; i++) {
        struct device *dev = parts->devices[i].dev;
        pthread_mutex_lock(&dev->lock);
        if (dev->ops->started)
            dev->ops->started(dev);
        pthread_mutex_unlock(&dev->lock);
    }
}
