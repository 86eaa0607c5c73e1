// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile debugger. The input is what it sends; packets get a right checksum, or few would be looked
// at: byte 0xff ends a packet and begins the next, 0xfe is a stop of the machine, 0xfd a break of the
// line, the rest goes as it is.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/gdbstub.h"

enum { VCPUS = 2, RAM_BYTES = 64 << 10 };

static const struct chr_front *front;
static bool running;

static void attach(struct chr *chr, const struct chr_front *f, void *opaque)
{
    front = f;
    chr->event(opaque, CHR_OPENED);
}
static void drop(struct chr *c, const uint8_t *p, size_t n) { (void)c, (void)p, (void)n; }
static void no_room(struct chr *c) { (void)c; }

static void put_state(struct vcpu *vcpu)
{
    (void)vcpu;
    if (running)
        abort();
}

static void set_debug(struct vcpu *vcpu, const struct vcpu_debug *debug)
{
    (void)vcpu;
    if (running || debug->count > VCPU_BREAKPOINTS)
        abort();
}

static void stop(void *o) { (void)o, running = false; }
static void resume(void *o, const bool *which) { (void)o, (void)which, running = true; }
static void ignore_kill(void *o) { (void)o; }

static struct mem *memory;
static struct ram ram;

static void set_up_once(void)
{
    if (memory)
        return;
    mem_thread_online();
    memory = mem_create(1 << 30);
    if (ram_open(&ram, RAM_BYTES, NULL) ||
        mem_add_ram(memory, GPA(0), &ram, 0, RAM_BYTES, false, NULL))
        abort();
}

static void send_packet(struct gdbstub *stub, const uint8_t *bytes, size_t size_bytes)
{
    uint8_t sum = 0;
    char tail[4];
    for (size_t i = 0; i < size_bytes; i++)
        sum += bytes[i];
    snprintf(tail, sizeof tail, "#%02x", sum);
    front->receive(stub, (const uint8_t *)"$", 1);
    front->receive(stub, bytes, size_bytes);
    front->receive(stub, (const uint8_t *)tail, 3);
}

static void other_event(struct gdbstub *stub, struct chr *chr, struct vcpu *vcpu, uint8_t what)
{
    if (what == 0xfe) {
        running = false;
        vcpu->debug_hit.step = !vcpu->debug_hit.step;
        gdbstub_stopped(stub, vcpu);
    } else if (what == 0xfd) {
        chr->event(stub, CHR_CLOSED);
        chr->event(stub, CHR_OPENED);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const struct chr_ops chr_ops = {attach, drop, no_room};
    static const struct vcpu_ops vcpu_ops = {.put_state = put_state, .set_debug = set_debug};
    static struct x86_state state[VCPUS];
    struct vcpu vcpu[VCPUS];
    struct vcpu *list[VCPUS];
    struct chr chr = {&chr_ops, NULL};
    set_up_once();
    running = false;
    for (unsigned i = 0; i < VCPUS; i++) {
        x86_reset(&state[i], i, false);
        vcpu[i] = (struct vcpu){.ops = &vcpu_ops, .state = &state[i], .index = i};
        list[i] = &vcpu[i];
    }
    struct gdb_vm vm = {VCPUS, list, memory, stop, resume, ignore_kill, NULL};
    struct gdbstub *stub = gdbstub_create(&chr, &vm, NULL);
    for (size_t i = 0, begin = 0; i < size_bytes; i++) {
        if (data[i] < 0xfd)
            continue;
        if (data[i] == 0xff)
            send_packet(stub, data + begin, i - begin);
        else
            front->receive(stub, data + begin, i - begin);
        other_event(stub, &chr, &vcpu[i % VCPUS], data[i]);
        begin = i + 1;
    }
    gdbstub_close(stub);
    return 0;
}
