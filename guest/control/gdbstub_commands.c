// SPDX-License-Identifier: GPL-2.0-or-later
//
// The packets (GDB manual, appendix E.2 to E.6). An empty reply means "not supported", E14 a bad
// address, E22 a malformed packet.
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "guest/control/gdbstub_internal.h"
#include "guest/cpu/x86/paging.h"

enum { MEMORY_BYTES = 4096 };  // at most in one packet

static struct vcpu *current(struct gdbstub *stub)
{
    return stub->vm.vcpu[stub->current];
}

// ---- numbers. All are hexadecimal; *at moves behind what was read.

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
           c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool number(const char **at, uint64_t *value)
{
    const char *start = *at;
    *value = 0;
    for (; digit(**at) >= 0; ++*at)
        *value = *value << 4 | digit(**at);
    return *at != start;
}

static bool skip(const char **at, char expected)
{
    if (**at != expected)
        return false;
    ++*at;
    return true;
}

// "ADDRESS,LENGTH"
static bool two_numbers(const char **at, uint64_t *first, uint64_t *second)
{
    return number(at, first) && skip(at, ',') && number(at, second);
}

size_t gdb_unhex(const char *hex, uint8_t *bytes, size_t most_bytes)
{
    size_t i = 0;
    for (; i < most_bytes && digit(hex[2 * i]) >= 0 && digit(hex[2 * i + 1]) >= 0; i++)
        bytes[i] = digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]);
    return i;
}

enum { ANY_THREAD = -1, NO_THREAD = -2 };

// A thread as gdb names it: 1 is vCPU 0; 0 and -1 mean any and all.
static int thread(const struct gdbstub *stub, const char **at)
{
    uint64_t id;
    if (skip(at, '-'))
        return number(at, &id) ? ANY_THREAD : NO_THREAD;
    if (!number(at, &id))
        return NO_THREAD;
    return id == 0 ? ANY_THREAD : id <= stub->vm.vcpus ? (int)id - 1 : NO_THREAD;
}

// ---- memory, as the current vCPU's paging shows it

// The host address of guest RAM at address, good for *most_bytes bytes (to the page's end).
static uint8_t *ram_at(struct gdbstub *stub, uint64_t address, bool for_write, size_t *most_bytes)
{
    struct x86_page page;
    uint32_t code;
    if (x86_walk(current(stub)->state, stub->vm.memory, GVA(address), X86_READ | X86_QUIET, &page, &code))
        return NULL;
    size_t left = PAGE_BYTES - (address & (PAGE_BYTES - 1));
    *most_bytes = *most_bytes < left ? *most_bytes : left;
    return mem_ram_at(stub->vm.memory, page.gpa, *most_bytes, for_write);
}

static size_t read_memory(struct gdbstub *stub, uint64_t address, uint8_t *bytes, size_t size_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        size_t most = size_bytes - done;
        const uint8_t *ram = ram_at(stub, address + done, false, &most);
        if (!ram)
            break;
        memcpy(bytes + done, ram, most);
        done += most;
    }
    return done;
}

// Through the address space, so that an engine that holds code of the page hears of it.
static bool write_memory(struct gdbstub *stub, uint64_t address, const uint8_t *bytes, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes;) {
        struct x86_page page;
        uint32_t code;
        size_t most = size_bytes - done;
        if (!ram_at(stub, address + done, false, &most) ||
            x86_walk(current(stub)->state, stub->vm.memory, GVA(address + done), X86_READ | X86_QUIET,
                     &page, &code) ||
            mem_dma_write(stub->vm.memory, page.gpa, bytes + done, most))
            return false;
        done += most;
    }
    return true;
}

static void do_read_memory(struct gdbstub *stub, const char *at)
{
    uint64_t address, size;
    uint8_t bytes[MEMORY_BYTES];
    if (!two_numbers(&at, &address, &size) || *at) {
        gdb_reply(stub, "E22");
        return;
    }
    size_t got = read_memory(stub, address, bytes, size < sizeof bytes ? size : sizeof bytes);
    if (!got && size)
        gdb_reply(stub, "E14");
    gdb_reply_hex(stub, bytes, got);
}

static void do_write_memory(struct gdbstub *stub, const char *at)
{
    uint64_t address, size;
    uint8_t bytes[MEMORY_BYTES];
    bool right = two_numbers(&at, &address, &size) && skip(&at, ':') && size <= sizeof bytes &&
                 gdb_unhex(at, bytes, sizeof bytes) == size && !at[2 * size];
    gdb_reply(stub, !right ? "E22" : write_memory(stub, address, bytes, size) ? "OK" : "E14");
}

// The bytes themselves, unescaped when they were received.
static void do_write_binary(struct gdbstub *stub, const char *at)
{
    uint64_t address, size;
    bool right = two_numbers(&at, &address, &size) && skip(&at, ':') && size <= MEMORY_BYTES &&
                 (size_t)(stub->packet + stub->packet_bytes - at) == size;
    gdb_reply(stub, !right ? "E22" : write_memory(stub, address, (const uint8_t *)at, size) ? "OK" : "E14");
}

// ---- registers

static void do_read_registers(struct gdbstub *stub)
{
    uint8_t bytes[16];
    for (unsigned i = 0; i < GDB_REGISTERS; i++)
        gdb_reply_hex(stub, bytes, gdb_register_read(current(stub)->state, i, bytes));
}

static void do_write_registers(struct gdbstub *stub, const char *at)
{
    uint8_t bytes[GDB_REGISTERS * 16 + 16] = {0};
    size_t size = gdb_unhex(at, bytes, GDB_REGISTERS * 16), used = 0;
    struct x86_state *state = current(stub)->state;
    for (unsigned i = 0; i < GDB_REGISTERS && used < size; i++) {
        uint8_t probe[16];
        size_t needed = gdb_register_read(state, i, probe);
        if (used + needed > size)
            break;
        used += gdb_register_write(state, i, bytes + used);
    }
    current(stub)->ops->put_state(current(stub));
    gdb_reply(stub, size ? "OK" : "E22");
}

static void do_read_register(struct gdbstub *stub, const char *at)
{
    uint64_t which;
    uint8_t bytes[16];
    size_t size = number(&at, &which) && which < GDB_REGISTERS ?
                  gdb_register_read(current(stub)->state, which, bytes) : 0;
    if (!size)
        gdb_reply(stub, "E22");
    gdb_reply_hex(stub, bytes, size);
}

static void do_write_register(struct gdbstub *stub, const char *at)
{
    uint64_t which;
    uint8_t bytes[16] = {0};
    if (!number(&at, &which) || !skip(&at, '=') || which >= GDB_REGISTERS || !gdb_unhex(at, bytes, 16)) {
        gdb_reply(stub, "E22");
        return;
    }
    gdb_register_write(current(stub)->state, which, bytes);
    current(stub)->ops->put_state(current(stub));
    gdb_reply(stub, "OK");
}

// ---- going on

static void do_continue(struct gdbstub *stub, const char *at, bool step)
{
    uint64_t address;
    bool steps[GDB_VCPUS] = {0};
    if (number(&at, &address)) {
        uint8_t bytes[16] = {0};
        memcpy(bytes, &address, 8);
        gdb_register_write(current(stub)->state, 16, bytes);
        current(stub)->ops->put_state(current(stub));
    }
    steps[stub->current] = step;
    gdb_resume(stub, steps, NULL);
}

// C and S name a signal, which a machine has no use for: "SIGNAL[;ADDRESS]".
static const char *skip_signal(const char *at)
{
    uint64_t signal;
    number(&at, &signal);
    return *at == ';' ? at + 1 : at;
}

// "vCont;ACTION[:THREAD]...": for each thread the first action that names it counts.
static bool do_vcont(struct gdbstub *stub, const char *at)
{
    bool steps[GDB_VCPUS] = {0}, run[GDB_VCPUS] = {0}, decided[GDB_VCPUS] = {0};
    while (skip(&at, ';')) {
        char action = *at ? *at++ : 0;
        uint64_t signal;
        if (action == 'C' || action == 'S')
            number(&at, &signal);
        int which = skip(&at, ':') ? thread(stub, &at) : ANY_THREAD;
        if (!action || !strchr("cCsS", action) || which == NO_THREAD)
            return gdb_reply(stub, "E22"), true;
        for (unsigned i = 0; i < stub->vm.vcpus; i++) {
            if (decided[i] || (which != ANY_THREAD && which != (int)i))
                continue;
            decided[i] = run[i] = true;
            steps[i] = action == 's' || action == 'S';
        }
    }
    if (*at || !memchr(run, true, sizeof run))
        return gdb_reply(stub, "E22"), true;
    gdb_resume(stub, steps, run);
    return false;
}

// ---- break- and watchpoints: "TYPE,ADDRESS,KIND"

static int find_point(const struct gdbstub *stub, uint64_t address, uint32_t size, enum vcpu_break kind)
{
    for (unsigned i = 0; i < stub->debug.count; i++)
        if (stub->debug.points[i].address.u == address && stub->debug.points[i].kind == kind &&
            stub->debug.points[i].size_bytes == size)
            return i;
    return -1;
}

static bool add_point(struct gdbstub *stub, uint64_t address, uint32_t size, enum vcpu_break kind, bool reads)
{
    if (find_point(stub, address, size, kind) >= 0)
        return true;
    if (stub->debug.count == VCPU_BREAKPOINTS)
        return false;
    stub->read_watch[stub->debug.count] = reads;
    stub->debug.points[stub->debug.count++] = (typeof(stub->debug.points[0])){GVA(address), size, kind};
    return true;
}

static bool remove_point(struct gdbstub *stub, uint64_t address, uint32_t size, enum vcpu_break kind)
{
    int at = find_point(stub, address, size, kind);
    if (at < 0)
        return false;
    stub->debug.count--;
    stub->debug.points[at] = stub->debug.points[stub->debug.count];
    stub->read_watch[at] = stub->read_watch[stub->debug.count];
    return true;
}

// A read watchpoint (3) is one for any access: x86 has no other, and gdb looks at the value itself.
static void do_point(struct gdbstub *stub, const char *at, bool insert)
{
    static const enum vcpu_break kinds[] = {VCPU_BREAK_EXEC, VCPU_BREAK_EXEC, VCPU_BREAK_WRITE,
                                            VCPU_BREAK_ACCESS, VCPU_BREAK_ACCESS};
    uint64_t type, address, size;
    if (!number(&at, &type) || !skip(&at, ',') || !two_numbers(&at, &address, &size)) {
        gdb_reply(stub, "E22");
        return;
    }
    if (type >= ARRAY_SIZE(kinds))
        return;
    bool is_watch = kinds[type] != VCPU_BREAK_EXEC;
    bool size_right = size == 1 || size == 2 || size == 4 || size == 8;
    if (is_watch && (!size_right || address & (size - 1))) {
        gdb_reply(stub, "E22");
        return;
    }
    uint32_t size_bytes = is_watch ? size : 1;
    bool done = insert ? add_point(stub, address, size_bytes, kinds[type], type == 3) :
                         remove_point(stub, address, size_bytes, kinds[type]);
    gdb_reply(stub, done ? "OK" : insert ? "E28" : "E02");
}

// ---- threads

static void do_select_thread(struct gdbstub *stub, const char *at)
{
    if (*at != 'g' && *at != 'c') {
        gdb_reply(stub, "E22");
        return;
    }
    at++;
    int which = thread(stub, &at);
    if (which >= 0)
        stub->current = which;
    gdb_reply(stub, which == NO_THREAD ? "E22" : "OK");
}

static void list_threads(struct gdbstub *stub)
{
    for (unsigned i = 0; i < stub->vm.vcpus; i++)
        gdb_reply(stub, "%s%02x", i ? "," : "m", i + 1);
}

static void do_thread_info(struct gdbstub *stub, const char *at)
{
    static const char *const states[] = {"running", "halted", "waits for SIPI"};
    char text[64];
    int which = thread(stub, &at);
    if (which < 0) {
        gdb_reply(stub, "E22");
        return;
    }
    unsigned state = stub->vm.vcpu[which]->state->run_state;
    int length = snprintf(text, sizeof text, "CPU#%d [%s]", which, state < 3 ? states[state] : "?");
    gdb_reply_hex(stub, text, length);
}

// ---- queries

static bool starts(const char **at, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(*at, prefix, length))
        return false;
    *at += length;
    return true;
}

// "target.xml:OFFSET,LENGTH": a part of the text, m before it if there is more, l if not.
static void do_features(struct gdbstub *stub, const char *at)
{
    uint64_t offset, length;
    if (!starts(&at, "target.xml:") || !two_numbers(&at, &offset, &length)) {
        gdb_reply(stub, "E00");
        return;
    }
    const char *text = gdb_target_description();
    size_t total = strlen(text);
    gdb_reply(stub, offset < total && length < total - offset ? "m" : "l");
    for (size_t i = offset < total ? offset : total; i < total && length; i++, length--)
        gdb_reply(stub, "%c", text[i]);
}

static void do_query(struct gdbstub *stub, const char *at)
{
    if (starts(&at, "Supported"))
        gdb_reply(stub, "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+",
                  2 * MEMORY_BYTES);
    else if (starts(&at, "Xfer:features:read:"))
        do_features(stub, at);
    else if (starts(&at, "fThreadInfo"))
        list_threads(stub);
    else if (starts(&at, "sThreadInfo"))
        gdb_reply(stub, "l");
    else if (starts(&at, "ThreadExtraInfo,"))
        do_thread_info(stub, at);
    else if (starts(&at, "Attached"))
        gdb_reply(stub, "1");
    else if (!strcmp(at, "C"))
        gdb_reply(stub, "QC%02x", stub->current + 1);
    else if (starts(&at, "Symbol:"))
        gdb_reply(stub, "OK");
}

static bool do_detach(struct gdbstub *stub)
{
    gdb_reply(stub, "OK");
    gdb_send(stub);
    gdb_detach(stub);
    return false;
}

static void do_stop_reason(struct gdbstub *stub)
{
    stub->debug.count = 0;
    gdb_reply(stub, "%s", stub->stop_reply);
}

bool gdb_execute(struct gdbstub *stub)
{
    const char *at = stub->packet + 1;
    switch (stub->packet[0]) {
    case '?': do_stop_reason(stub); return true;
    case 'c': do_continue(stub, at, false); return false;
    case 'C': do_continue(stub, skip_signal(at), false); return false;
    case 's': do_continue(stub, at, true); return false;
    case 'S': do_continue(stub, skip_signal(at), true); return false;
    case 'g': do_read_registers(stub); return true;
    case 'G': do_write_registers(stub, at); return true;
    case 'p': do_read_register(stub, at); return true;
    case 'P': do_write_register(stub, at); return true;
    case 'm': do_read_memory(stub, at); return true;
    case 'M': do_write_memory(stub, at); return true;
    case 'X': do_write_binary(stub, at); return true;
    case 'Z': do_point(stub, at, true); return true;
    case 'z': do_point(stub, at, false); return true;
    case 'H': do_select_thread(stub, at); return true;
    case 'T': gdb_reply(stub, thread(stub, &at) >= 0 ? "OK" : "E22"); return true;
    case 'q': do_query(stub, at); return true;
    case 'D': return do_detach(stub);
    case 'k': stub->vm.kill(stub->vm.opaque); return false;
    case 'Q':
        if (!strcmp(at, "StartNoAckMode"))
            stub->no_ack = true, gdb_reply(stub, "OK");
        return true;
    case 'v':
        if (!strcmp(at, "Cont?"))
            gdb_reply(stub, "vCont;c;C;s;S");
        else if (starts(&at, "Cont"))
            return do_vcont(stub, at);
        else if (starts(&at, "Kill"))
            stub->vm.kill(stub->vm.opaque), gdb_reply(stub, "OK");
        return true;
    default: return true;
    }
}
