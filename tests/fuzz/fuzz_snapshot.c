// SPDX-License-Identifier: GPL-2.0-or-later
//
// A stranger's snapshot. The first byte of the input chooses: the rest is a file as it is, or a list of
// edits to a good file, four bytes each (where, what, by how much). Unless bit 1 of the first byte is
// set, the checksums are then made right, since a stranger would.
//
// Whatever is loaded must be a state that the machine can be in: it starts, works, and can be saved
// and loaded again, to the same bytes.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bits.h"
#include "guest/device/uart16550.h"
#include "guest/migrate/snapshot.h"

enum { VCPUS = 2, RAM_BYTES = 64 << 10, FILE_BYTES_MAX = 256 << 10 };

// A device with every kind of field, and an index that is checked.
struct toy {
    struct device dev;
    uint8_t index, bytes[32];
    uint16_t words[3];
    uint32_t number;
    uint64_t wide;
    bool flag, flags[4];
    unsigned started;
};

static int toy_loaded(struct device *dev, struct err *err)
{
    struct toy *t = container_of(dev, struct toy, dev);
    return t->index < sizeof t->bytes ? 0 : err_set(err, -22, "toy: index %u", t->index);
}

// Uses the index and each bool, so that the sanitizers see a bad one.
static void toy_started(struct device *dev)
{
    struct toy *t = container_of(dev, struct toy, dev);
    t->started += t->flag + t->flags[0] + t->flags[3] + t->bytes[t->index];
}

static const struct state_field toy_fields[] = {
    STATE_FIELD(struct toy, index, 1), STATE_ARRAY(struct toy, bytes, 1), STATE_ARRAY(struct toy, words, 1),
    STATE_FIELD(struct toy, number, 2), STATE_FIELD(struct toy, wide, 2), STATE_FIELD(struct toy, flag, 1),
    STATE_ARRAY(struct toy, flags, 3), {0},
};
static const struct device_ops toy_ops = {
    .name = "toy", .state_version = 3, .state = toy_fields, .loaded = toy_loaded, .started = toy_started,
};

static struct {
    struct irq_line irq;
    struct uart16550 uart;
    struct toy toy;
    struct ram ram;
    struct x86_state vcpu[VCPUS], *vcpus[VCPUS], reset[VCPUS];
    struct x86_model model;
    struct snapshot_device devices[2];
    struct snapshot_parts parts;
} m;

static uint8_t good[FILE_BYTES_MAX], file[FILE_BYTES_MAX], again[FILE_BYTES_MAX];
static size_t good_bytes;
static int fd;

static void ignore_irq(struct irq_line *line, bool level) { (void)line, (void)level; }

static void make_machine(void)
{
    m.irq.set = ignore_irq;
    m.model = (struct x86_model){.name = "max", .xcr0 = 7, .physical_bits = 40, .linear_bits = 48};
    memset(m.model.words, 0xff, sizeof m.model.words);
    for (unsigned i = 0; i < VCPUS; i++) {
        x86_reset(&m.vcpu[i], i, false);
        m.vcpu[i].apic.id = i;
        m.vcpus[i] = &m.vcpu[i];
    }
    memcpy(m.reset, m.vcpu, sizeof m.reset);
    if (ram_open(&m.ram, RAM_BYTES, NULL) < 0)
        abort();
    uart16550_init(&m.uart, &m.irq, NULL);
    m.toy.dev.ops = &toy_ops;
    pthread_mutex_init(&m.toy.dev.lock, NULL);
    m.devices[0] = (struct snapshot_device){"isa-serial@3f8", &m.uart.dev};
    m.devices[1] = (struct snapshot_device){"toy", &m.toy.dev};
    m.parts = (struct snapshot_parts){"fuzz", &m.model, &m.ram, clock_create_manual(), m.vcpus, VCPUS,
                                      m.devices, 2, 0, 0};
}

static void rewind_file(const uint8_t *bytes, size_t size_bytes)
{
    if (ftruncate(fd, 0) || pwrite(fd, bytes, size_bytes, 0) != (ssize_t)size_bytes ||
        lseek(fd, 0, SEEK_SET))
        abort();
}

static size_t save(uint8_t *bytes)
{
    rewind_file(NULL, 0);
    if (snapshot_save_fd(fd, &m.parts, NULL) < 0)
        abort();
    ssize_t n = pread(fd, bytes, FILE_BYTES_MAX, 0);
    return n < 0 ? 0 : n;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fd = memfd_create("snapshot", MFD_CLOEXEC);
    make_machine();
    memset(m.ram.host + 0x3000, 0x5a, 2 * PAGE_BYTES);
    m.ram.host[RAM_BYTES - 1] = 1;
    good_bytes = save(good);
    return 0;
}

// Where the sections end, as far as they can be followed: 13 bytes, the name, the content.
static void mend_checksums(size_t size_bytes)
{
    for (size_t at = 16; at + 13 <= size_bytes;) {
        uint64_t content;
        memcpy(&content, file + at, 8);
        size_t header = 13 + file[at + 12];
        if (content > size_bytes || at + header + content + 4 > size_bytes)
            return;
        at += header + content;
        struct le32 crc = le32(crc32_z(0, file, at));
        memcpy(file + at, &crc, 4);
        at += 4;
    }
}

static size_t edit(size_t size_bytes, unsigned what, size_t at, uint8_t by)
{
    at %= size_bytes;
    size_t left = size_bytes - at;
    switch (what & 3) {
    case 0: file[at] = by; break;
    case 1: file[at] ^= 1 << (by & 7); break;
    case 2:  // cut by bytes out
        if (left > by && size_bytes > 64)
            memmove(file + at, file + at + by, left - by), size_bytes -= by;
        break;
    default:  // double by bytes
        if (left > by && size_bytes + by < FILE_BYTES_MAX)
            memmove(file + at + by, file + at, left), size_bytes += by;
    }
    return size_bytes;
}

static size_t make_file(const uint8_t *data, size_t size_bytes)
{
    if (!(data[0] & 1)) {
        size_bytes = size_bytes - 1 < FILE_BYTES_MAX ? size_bytes - 1 : FILE_BYTES_MAX;
        memcpy(file, data + 1, size_bytes);
        return size_bytes;
    }
    memcpy(file, good, good_bytes);
    size_t bytes = good_bytes;
    for (size_t i = 1; i + 4 <= size_bytes; i += 4)
        bytes = edit(bytes, data[i + 2] >> 6, data[i] | data[i + 1] << 8 | (data[i + 2] & 3) << 16,
                     data[i + 3]);
    return bytes;
}

static void reset_machine(void)
{
    memcpy(m.vcpu, m.reset, sizeof m.vcpu);
    m.uart.dev.ops->reset(&m.uart.dev);
    m.toy = (struct toy){.dev = m.toy.dev};
}

// The loaded state is saved and loaded once more; only the section "time" and the TSC move.
static void check_fixed_point(void)
{
    size_t bytes = save(file);
    uint64_t tsc = m.parts.paused_tsc + m.vcpu[1].tsc_offset;
    rewind_file(file, bytes);
    struct err err = {0};
    if (snapshot_load_fd(fd, &m.parts, &err) < 0) {
        fprintf(stderr, "what was saved is refused: %s\n", err.text);
        abort();
    }
    if (save(again) != bytes || m.parts.paused_tsc + m.vcpu[1].tsc_offset != tsc)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes < 2)
        return 0;
    size_t bytes = make_file(data, size_bytes);
    if (!(data[0] & 2))
        mend_checksums(bytes);
    rewind_file(file, bytes);
    reset_machine();
    struct err err = {0};
    if (snapshot_load_fd(fd, &m.parts, &err) < 0) {
        if (!err.text[0] || strchr(err.text, '\n'))
            abort();
        return 0;
    }
    snapshot_started(&m.parts);
    for (unsigned reg = 0; reg < UART16550_REGION_BYTES; reg++)
        m.uart.dev.ops->read(&m.uart.dev, reg, 1);
    check_fixed_point();
    return 0;
}
