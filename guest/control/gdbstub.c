// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/gdbstub.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "guest/chr/kinds.h"
#include "guest/control/gdbstub_internal.h"

enum { GDB_INTERRUPT = 3, SIGNAL_INT = 2, SIGNAL_TRAP = 5 };

// ---- replies

static void append(struct gdbstub *stub, const char *bytes, size_t size_bytes)
{
    if (size_bytes > sizeof stub->reply - stub->reply_bytes) {
        stub->reply_overflow = true;
        return;
    }
    memcpy(stub->reply + stub->reply_bytes, bytes, size_bytes);
    stub->reply_bytes += size_bytes;
}

void gdb_reply(struct gdbstub *stub, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    append(stub, text, length < (int)sizeof text ? length : (int)sizeof text - 1);
}

void gdb_reply_hex(struct gdbstub *stub, const void *bytes, size_t size_bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size_bytes; i++) {
        uint8_t byte = ((const uint8_t *)bytes)[i];
        append(stub, (const char[]){digits[byte >> 4], digits[byte & 15]}, 2);
    }
}

static void write_bytes(struct gdbstub *stub, const char *bytes, size_t size_bytes)
{
    stub->chr->ops->write(stub->chr, (const uint8_t *)bytes, size_bytes);
}

// Our replies are hexadecimal or text of our own and hold no byte that would need an escape.
void gdb_send(struct gdbstub *stub)
{
    if (stub->reply_overflow) {
        stub->reply_bytes = 0;
        stub->reply_overflow = false;
        gdb_reply(stub, "E22");
    }
    uint8_t sum = 0;
    for (size_t i = 0; i < stub->reply_bytes; i++)
        sum += stub->reply[i];
    char tail[4];
    snprintf(tail, sizeof tail, "#%02x", sum);
    write_bytes(stub, "$", 1);
    write_bytes(stub, stub->reply, stub->reply_bytes);
    write_bytes(stub, tail, 3);
}

static void start_reply(struct gdbstub *stub)
{
    stub->reply_bytes = 0;
    stub->reply_overflow = false;
}

// ---- running and stopping

// Points are in the vCPUs only while they run, so that nobody else who looks at a stopped guest sees what
// an engine does for them (INT3 in its memory).
static void set_points(struct gdbstub *stub, const bool *step)
{
    for (unsigned i = 0; i < stub->vm.vcpus; i++) {
        struct vcpu *vcpu = stub->vm.vcpu[i];
        stub->debug.single_step = step && step[i];
        vcpu->ops->set_debug(vcpu, &stub->debug);
    }
    stub->debug_set = true;
}

static void clear_points(struct gdbstub *stub)
{
    static const struct vcpu_debug none;
    for (unsigned i = 0; stub->debug_set && i < stub->vm.vcpus; i++)
        stub->vm.vcpu[i]->ops->set_debug(stub->vm.vcpu[i], &none);
    stub->debug_set = false;
}

void gdb_resume(struct gdbstub *stub, const bool *step, const bool *run)
{
    set_points(stub, step);
    stub->running = true;
    stub->vm.resume(stub->vm.opaque, run);
}

static void describe_stop(struct gdbstub *stub, struct vcpu *vcpu)
{
    unsigned thread = stub->stopped_at + 1;
    if (!vcpu || vcpu->debug_hit.step || vcpu->debug_hit.kind == VCPU_BREAK_EXEC) {
        snprintf(stub->stop_reply, sizeof stub->stop_reply, "T%02xthread:%02x;",
                 vcpu ? SIGNAL_TRAP : SIGNAL_INT, thread);
        return;
    }
    bool asked_for_reads = false;
    for (unsigned i = 0; i < stub->debug.count; i++)
        if (stub->debug.points[i].address.u == vcpu->debug_hit.address.u)
            asked_for_reads |= stub->read_watch[i];
    const char *watch = vcpu->debug_hit.kind == VCPU_BREAK_WRITE ? "watch" : asked_for_reads ? "rwatch" : "awatch";
    snprintf(stub->stop_reply, sizeof stub->stop_reply, "T%02xthread:%02x;%s:%llx;", SIGNAL_TRAP, thread,
             watch, (unsigned long long)vcpu->debug_hit.address.u);
}

void gdbstub_stopped(struct gdbstub *stub, struct vcpu *vcpu)
{
    if (!stub->connected)
        return;
    if (vcpu && vcpu->index < stub->vm.vcpus)
        stub->current = stub->stopped_at = vcpu->index;
    describe_stop(stub, vcpu);
    clear_points(stub);
    if (!stub->running)
        return;
    stub->running = false;
    start_reply(stub);
    gdb_reply(stub, "%s", stub->stop_reply);
    gdb_send(stub);
}

void gdb_detach(struct gdbstub *stub)
{
    clear_points(stub);
    stub->debug.count = 0;
    stub->running = false;  // nobody waits for a stop
    stub->vm.resume(stub->vm.opaque, NULL);
}

void gdb_stop(struct gdbstub *stub)
{
    stub->vm.stop(stub->vm.opaque);
    gdbstub_stopped(stub, NULL);  // unless the machine has told us already
}

void gdbstub_exited(struct gdbstub *stub, int status)
{
    if (!stub->connected)
        return;
    start_reply(stub);
    gdb_reply(stub, "W%02x", status & 0xff);
    gdb_send(stub);
    stub->running = false;
}

// ---- framing (GDB manual, appendix E.1)

// A monitor may have resumed the machine behind the client's back.
static void stop_for_packet(struct gdbstub *stub)
{
    if (stub->running)
        gdb_stop(stub);
    else
        stub->vm.stop(stub->vm.opaque);
    start_reply(stub);
}

static void packet_received(struct gdbstub *stub)
{
    bool right = stub->sum == stub->sum_sent && !stub->packet_too_long;
    bool acknowledge = !stub->no_ack;
    if (acknowledge)
        write_bytes(stub, right || stub->packet_too_long ? "+" : "-", 1);
    if (!right && acknowledge && !stub->packet_too_long)
        return;
    start_reply(stub);
    stub->packet[stub->packet_bytes] = 0;
    if (stub->packet_too_long)
        gdb_reply(stub, "E22");
    else
        stop_for_packet(stub);
    if (stub->packet_too_long || gdb_execute(stub))
        gdb_send(stub);
}

static int hex_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 :
           byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : 0;
}

static void packet_byte(struct gdbstub *stub, uint8_t byte)
{
    if (stub->packet_bytes < GDB_PACKET_BYTES)
        stub->packet[stub->packet_bytes++] = byte;
    else
        stub->packet_too_long = true;
}

static void start_packet(struct gdbstub *stub)
{
    stub->framing = GDB_DATA;
    stub->packet_bytes = 0;
    stub->packet_too_long = false;
    stub->sum = 0;
}

static void idle_byte(struct gdbstub *stub, uint8_t byte)
{
    if (byte == '$')
        start_packet(stub);
    else if (byte == GDB_INTERRUPT && stub->running)
        gdb_stop(stub);
}

static void data_byte(struct gdbstub *stub, uint8_t byte)
{
    if (byte == '$') {  // the last one's end got lost
        start_packet(stub);
        return;
    }
    if (byte == '#') {
        stub->framing = GDB_SUM_HIGH;
        return;
    }
    stub->sum += byte;
    if (byte == '}')
        stub->framing = GDB_ESCAPED;
    else
        packet_byte(stub, byte);
}

static void line_byte(struct gdbstub *stub, uint8_t byte)
{
    switch (stub->framing) {
    case GDB_IDLE: idle_byte(stub, byte); break;
    case GDB_DATA: data_byte(stub, byte); break;
    case GDB_ESCAPED:
        stub->sum += byte;
        packet_byte(stub, byte ^ 0x20);
        stub->framing = GDB_DATA;
        break;
    case GDB_SUM_HIGH:
        stub->sum_sent = hex_digit(byte) << 4;
        stub->framing = GDB_SUM_LOW;
        break;
    case GDB_SUM_LOW:
        stub->sum_sent |= hex_digit(byte);
        stub->framing = GDB_IDLE;
        packet_received(stub);
        break;
    }
}

// ---- the line

static size_t room(void *opaque) { (void)opaque; return GDB_PACKET_BYTES; }
static void line_break(void *opaque) { (void)opaque; }

static void receive(void *opaque, const uint8_t *bytes, size_t size_bytes)
{
    struct gdbstub *stub = opaque;
    for (size_t i = 0; i < size_bytes && stub->connected; i++)
        line_byte(stub, bytes[i]);
}

static void client_came(struct gdbstub *stub)
{
    log_info("gdb", "a debugger came");
    stub->connected = true;
    stub->no_ack = stub->running = false;
    stub->framing = GDB_IDLE;
    stub->current = stub->stopped_at = 0;
    gdb_stop(stub);
}

static void client_left(struct gdbstub *stub)
{
    log_info("gdb", "the debugger left");
    stub->connected = false;  // nothing is written any more
    bool was_running = stub->running;
    if (was_running) {
        stub->vm.stop(stub->vm.opaque);
        gdb_detach(stub);
    }
    stub->debug.count = 0;
}

static void on_event(void *opaque, enum chr_event event)
{
    struct gdbstub *stub = opaque;
    if (event == CHR_OPENED && !stub->connected)
        client_came(stub);
    else if (event == CHR_CLOSED && stub->connected)
        client_left(stub);
}

struct gdbstub *gdbstub_create(struct chr *chr, const struct gdb_vm *vm, struct err *err)
{
    static const struct chr_front front = {room, receive, line_break};
    struct gdbstub *stub = calloc(1, sizeof *stub);
    if (!stub || vm->vcpus > GDB_VCPUS) {
        err_set(err, -ENOMEM, "gdb: %s", stub ? "too many vCPUs" : "out of memory");
        free(stub);
        return NULL;
    }
    stub->vm = *vm;
    stub->chr = chr;
    chr->event = on_event;
    chr->ops->attach(chr, &front, stub);
    return stub;
}

// ---- a back end from -gdb's value

// "HOST:PORT": the last colon parts them, since an IPv6 address has colons of its own.
static int parse_tcp(char *address, struct chr_config *config, struct err *err)
{
    char *colon = strrchr(address, ':');
    if (!colon || !colon[1])
        return err_set(err, -EINVAL, "gdb: 'tcp:%s' has no port", address);
    *colon = 0;
    config->kind = CHR_SOCKET;
    config->host = *address ? address : "127.0.0.1";
    config->port = colon + 1;
    return 0;
}

static int parse_spec(char *spec, struct chr_config *config, struct err *err)
{
    spec[strcspn(spec, ",")] = 0;
    *config = (struct chr_config){.label = "gdb", .server = true};
    if (!strncmp(spec, "tcp:", 4))
        return parse_tcp(spec + 4, config, err);
    if (!strncmp(spec, "unix:", 5)) {
        config->kind = CHR_SOCKET;
        config->path = spec + 5;
        return 0;
    }
    if (!strcmp(spec, "stdio")) {
        config->kind = CHR_STDIO;
        return 0;
    }
    return err_set(err, -EINVAL, "gdb: '%s' is none of tcp:HOST:PORT, unix:PATH, stdio", spec);
}

// Not entered in the list of back ends: it lives as long as the stub.
struct gdbstub *gdbstub_open(const char *spec, const struct gdb_vm *vm, struct err *err)
{
    char *copy = strdup(spec);
    struct chr_config config;
    struct chr_backend *backend = NULL;
    if (copy && !parse_spec(copy, &config, err))
        backend = config.kind == CHR_STDIO ? chr_stdio_open(&config, err) : chr_socket_open(&config, err);
    free(copy);
    struct gdbstub *stub = backend ? gdbstub_create(&backend->chr, vm, err) : NULL;
    if (stub)
        stub->backend = backend;
    else if (backend)
        chr_backend_free(backend);
    return stub;
}

void gdbstub_close(struct gdbstub *stub)
{
    if (stub->connected)
        client_left(stub);
    stub->chr->event = NULL;
    if (stub->backend)
        chr_backend_free(stub->backend);
    free(stub);
}
