// SPDX-License-Identifier: GPL-2.0-or-later
//
// The gdb stub with two fake vCPUs and a line that is a buffer.
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/gdbstub.h"

enum { VCPUS = 2, RAM_BYTES = 64 << 10, DEVICE = 0x100000 };

static struct bench {
    struct chr chr;
    const struct chr_front *front;
    char sent[65536];
    size_t sent_bytes;
    struct vcpu vcpu[VCPUS];
    struct x86_state state[VCPUS];
    struct vcpu_debug debug[VCPUS];
    struct vcpu *list[VCPUS];
    unsigned puts, stops, resumes, kills, device_reads;
    bool running[VCPUS];
    struct mem *memory;
    struct ram ram;
    struct gdbstub *stub;
} b;

static void attach(struct chr *chr, const struct chr_front *front, void *opaque)
{
    b.front = front;
    chr->event(opaque, CHR_OPENED);
}

static void write_out(struct chr *chr, const uint8_t *bytes, size_t size_bytes)
{
    (void)chr;
    assert_true(b.sent_bytes + size_bytes < sizeof b.sent);
    memcpy(b.sent + b.sent_bytes, bytes, size_bytes);
    b.sent_bytes += size_bytes;
}

static void no_room(struct chr *chr) { (void)chr; }

static void put_state(struct vcpu *vcpu) { (void)vcpu, b.puts++; }
static void set_debug(struct vcpu *vcpu, const struct vcpu_debug *debug) { b.debug[vcpu->index] = *debug; }

static void stop(void *opaque)
{
    (void)opaque;
    b.stops++;
    b.running[0] = b.running[1] = false;
}

static void resume(void *opaque, const bool *which)
{
    (void)opaque;
    b.resumes++;
    for (unsigned i = 0; i < VCPUS; i++)
        b.running[i] = !which || which[i];
}

static void killed(void *opaque) { (void)opaque, b.kills++; }

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return b.device_reads++;
}
static void device_write(void *o, uint64_t at, uint64_t v, unsigned n) { (void)o, (void)at, (void)v, (void)n; }

static int setup(void **state)
{
    static const struct chr_ops chr_ops = {attach, write_out, no_room};
    static const struct vcpu_ops vcpu_ops = {.put_state = put_state, .set_debug = set_debug};
    static const struct mem_ops device = {device_read, device_write};
    (void)state;
    memset(&b, 0, sizeof b);
    mem_thread_online();
    b.chr.ops = &chr_ops;
    b.memory = mem_create(1 << 30);
    assert_int_equal(ram_open(&b.ram, RAM_BYTES, NULL), 0);
    assert_int_equal(mem_add_ram(b.memory, GPA(0), &b.ram, 0, RAM_BYTES, false, NULL), 0);
    assert_int_equal(mem_add_io(b.memory, GPA(DEVICE), 4096, &device, NULL, "device", NULL), 0);
    for (unsigned i = 0; i < VCPUS; i++) {
        x86_reset(&b.state[i], i, false);
        b.state[i].efer = EFER_LMA | EFER_LME;
        b.state[i].seg[X86_CS].attr |= SEG_L;
        b.vcpu[i] = (struct vcpu){.ops = &vcpu_ops, .state = &b.state[i], .index = i};
        b.list[i] = &b.vcpu[i];
    }
    struct gdb_vm vm = {VCPUS, b.list, b.memory, stop, resume, killed, NULL};
    b.stub = gdbstub_create(&b.chr, &vm, NULL);
    assert_non_null(b.stub);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gdbstub_close(b.stub);
    mem_destroy(b.memory);
    ram_close(&b.ram);
    return 0;
}

static void feed(const char *bytes, size_t size_bytes)
{
    b.sent_bytes = 0;
    b.front->receive(b.stub, (const uint8_t *)bytes, size_bytes);
    b.sent[b.sent_bytes] = 0;
}

// Sends a packet and checks that it was acknowledged; returns the reply without its frame.
static const char *ask_bytes(const char *packet, size_t size_bytes)
{
    char frame[40000];
    uint8_t sum = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum += (uint8_t)packet[i];
    frame[0] = '$';
    memcpy(frame + 1, packet, size_bytes);
    snprintf(frame + 1 + size_bytes, 4, "#%02x", sum);
    feed(frame, size_bytes + 4);
    assert_int_equal(b.sent[0], '+');
    if (b.sent_bytes == 1)
        return NULL;
    assert_int_equal(b.sent[1], '$');
    b.sent[b.sent_bytes - 3] = 0;
    return b.sent + 2;
}

static const char *ask(const char *packet)
{
    return ask_bytes(packet, strlen(packet));
}

#define ASK(packet, reply) assert_string_equal(ask(packet), reply)
#define ASK_NO_REPLY(packet) assert_null(ask(packet))

static void a_client_stops_the_machine(void **state)
{
    (void)state;
    assert_int_equal(b.stops, 1);
    ASK("?", "T02thread:01;");
}

static void threads_are_vcpus(void **state)
{
    (void)state;
    ASK("qfThreadInfo", "m01,02");
    ASK("qsThreadInfo", "l");
    ASK("qC", "QC01");
    ASK("T2", "OK");
    ASK("T3", "E22");
    ASK("Hg2", "OK");
    ASK("qC", "QC02");
    ASK("Hg7", "E22");
    ASK("Hg0", "OK");
    ASK("qThreadExtraInfo,2", "435055233120" "5b776169747320666f7220534950495d");
}

static void registers_come_in_gdbs_order(void **state)
{
    (void)state;
    b.state[0].gpr[X86_RAX] = 0x1122334455667788;
    b.state[0].gpr[X86_RBX] = 2;
    b.state[0].rip = 0xffffffff81000000;
    ASK("p0", "8877665544332211");
    ASK("p1", "0200000000000000");
    ASK("p10", "00000081ffffffff");
    ASK("p99", "E22");
    assert_memory_equal(ask("g"), "88776655443322110200000000000000", 32);
    ASK("P1=0807060504030201", "OK");
    assert_int_equal(b.state[0].gpr[X86_RBX], 0x0102030405060708);
    assert_int_equal(b.puts, 1);
}

static void all_registers_survive_g_and_G(void **state)
{
    (void)state;
    char packet[4096] = "G";
    for (unsigned i = 0; i < X86_GPRS; i++)
        b.state[0].gpr[i] = 0x0101010101010101u * (i + 1);
    memset(b.state[0].xsave + 160, 0x5a, 256);
    b.state[0].xsave[4] = 0x03;
    memcpy(b.state[0].xsave + 32, "\1\2\3\4\5\6\7\x88\xff\x3f", 10);
    struct x86_state before = b.state[0];
    snprintf(packet + 1, sizeof packet - 1, "%s", ask("g"));
    memset(b.state[0].gpr, 0, sizeof b.state[0].gpr);
    memset(b.state[0].xsave + 32, 0, 384);
    ASK(packet, "OK");
    assert_memory_equal(b.state[0].gpr, before.gpr, sizeof before.gpr);
    assert_memory_equal(b.state[0].xsave, before.xsave, 416);
    assert_int_equal(b.state[0].rflags, before.rflags);
}

static void other_code_shows_low_halves(void **state)
{
    (void)state;
    b.state[0].seg[X86_CS].attr &= ~SEG_L;
    b.state[0].gpr[X86_RAX] = 0x1122334455667788;
    b.state[0].gpr[X86_R8] = 1;
    ASK("p0", "8877665500000000");
    ASK("p8", "0000000000000000");
}

static void a_selector_in_real_mode_is_a_base(void **state)
{
    (void)state;
    b.state[0].cr0 = 0;
    ASK("P12=00f00000", "OK");
    assert_int_equal(b.state[0].seg[X86_CS].selector, 0xf000);
    assert_int_equal(b.state[0].seg[X86_CS].base, 0xf0000);
    b.state[0].cr0 = CR0_PE;
    ASK("P12=10000000", "OK");
    assert_int_equal(b.state[0].seg[X86_CS].selector, 0xf000);
}

static void memory_is_read_and_written(void **state)
{
    (void)state;
    memcpy(b.ram.host + 0xffe, "\1\2\3\4", 4);
    ASK("mffe,4", "01020304");
    ASK("M1ffe,4:aabbccdd", "OK");
    assert_memory_equal(b.ram.host + 0x1ffe, "\xaa\xbb\xcc\xdd", 4);
    ASK("M1ffe,4:aabbcc", "E22");
    ASK("M1ffe,2:aabbcc", "E22");
    assert_string_equal(ask_bytes("X2000,3:a}\x03" "b", 12), "OK");
    assert_memory_equal(b.ram.host + 0x2000, "a#b", 3);
}

static void what_is_no_memory_is_an_error(void **state)
{
    (void)state;
    ASK("m100000,4", "E14");
    ASK("M100000,1:00", "E14");
    ASK("mfffffffffffffff0,20", "E14");
    assert_int_equal(b.device_reads, 0);
    assert_int_equal(strlen(ask("mfff0,20")), 32);  // what there is of it
}

static void memory_is_what_the_vcpus_paging_shows(void **state)
{
    (void)state;
    uint64_t entries[3] = {0x4003, 0x5003, 0x6003}, leaf = 0x8003;
    for (unsigned i = 0; i < 3; i++)
        memcpy(b.ram.host + 0x3000 + i * 0x1000, &entries[i], 8);
    memcpy(b.ram.host + 0x6000 + 7 * 8, &leaf, 8);
    memcpy(b.ram.host + 0x8000, "mapped", 6);
    b.state[1].cr0 |= CR0_PG | CR0_PE;
    b.state[1].cr4 = CR4_PAE;
    b.state[1].cr3 = 0x3000;
    ASK("Hg2", "OK");
    ASK("m7000,6", "6d6170706564");
    ASK("m8000,1", "E14");
}

static void it_continues_and_tells_of_the_stop(void **state)
{
    (void)state;
    ASK("Z0,1000,1", "OK");
    ASK_NO_REPLY("c");
    assert_true(b.running[0] && b.running[1]);
    assert_int_equal(b.debug[1].count, 1);
    assert_int_equal(b.debug[1].points[0].address.u, 0x1000);
    stop(NULL);
    b.vcpu[1].debug_hit = (struct vcpu_debug_hit){.address = GVA(0x1000), .kind = VCPU_BREAK_EXEC};
    b.sent_bytes = 0;
    gdbstub_stopped(b.stub, &b.vcpu[1]);
    assert_memory_equal(b.sent, "$T05thread:02;#", 15);
    assert_int_equal(b.debug[0].count, 0);
    ASK("qC", "QC02");
    b.sent_bytes = 0;
    gdbstub_stopped(b.stub, NULL);  // told once
    assert_int_equal(b.sent_bytes, 0);
}

static void watchpoints_say_what_they_saw(void **state)
{
    (void)state;
    ASK("Z2,2000,8", "OK");
    ASK("Z3,2008,4", "OK");
    ASK("Z4,2010,4", "OK");
    ASK("Z2,2001,8", "E22");
    ASK("Z2,2000,3", "E22");
    ASK("Z9,2000,4", "");
    static const struct { uint64_t at; enum vcpu_break kind; const char *told; } hits[] = {
        {0x2000, VCPU_BREAK_WRITE, "$T05thread:01;watch:2000;#"},
        {0x2008, VCPU_BREAK_ACCESS, "$T05thread:01;rwatch:2008;#"},
        {0x2010, VCPU_BREAK_ACCESS, "$T05thread:01;awatch:2010;#"}};
    for (unsigned i = 0; i < 3; i++) {
        ASK_NO_REPLY("c");
        b.vcpu[0].debug_hit = (struct vcpu_debug_hit){.address = GVA(hits[i].at), .kind = hits[i].kind};
        b.sent_bytes = 0;
        gdbstub_stopped(b.stub, &b.vcpu[0]);
        assert_memory_equal(b.sent, hits[i].told, strlen(hits[i].told));
    }
    ASK("z3,2008,4", "OK");
    ASK("z3,2008,4", "E02");
}

static void there_is_room_for_so_many_points(void **state)
{
    (void)state;
    char packet[32];
    for (unsigned i = 0; i < VCPU_BREAKPOINTS; i++) {
        snprintf(packet, sizeof packet, "Z0,%x,1", 0x1000 + i);
        ASK(packet, "OK");
    }
    ASK("Z1,5000,1", "E28");
    ASK("Z0,1000,1", "OK");  // it is there already
}

static void one_thread_steps(void **state)
{
    (void)state;
    ASK("vCont?", "vCont;c;C;s;S");
    ASK_NO_REPLY("vCont;s:2;c");
    assert_true(b.running[0] && b.running[1]);
    assert_true(b.debug[1].single_step && !b.debug[0].single_step);
    b.vcpu[1].debug_hit.step = true;
    gdbstub_stopped(b.stub, &b.vcpu[1]);
    ASK_NO_REPLY("vCont;s:2");
    assert_true(b.running[1]);
    stop(NULL);
    gdbstub_stopped(b.stub, &b.vcpu[1]);
    ASK("vCont;t", "E22");
    ASK("vCont;s:9", "E22");
    ASK("vCont", "E22");
    ASK("Hg2", "OK");
    ASK_NO_REPLY("s");
    assert_true(b.debug[1].single_step && !b.debug[0].single_step);
}

static void control_c_stops_it(void **state)
{
    (void)state;
    ASK_NO_REPLY("c");
    feed("\3", 1);
    assert_memory_equal(b.sent, "$T02thread:01;#", 15);
    assert_false(b.running[0]);
    feed("\3", 1);
    assert_int_equal(b.sent_bytes, 0);
}

static void a_bad_checksum_is_asked_for_again(void **state)
{
    (void)state;
    feed("$qC#00", 6);
    assert_string_equal(b.sent, "-");
    feed("$garbage$qC#b4", 14);
    assert_string_equal(b.sent, "+$QC01#f5");
    feed("+++---$qC#b4", 12);
    assert_string_equal(b.sent, "+$QC01#f5");
}

static void acknowledgements_can_be_turned_off(void **state)
{
    (void)state;
    ASK("QStartNoAckMode", "OK");
    feed("$qC#b4", 6);
    assert_string_equal(b.sent, "$QC01#f5");
}

static void a_packet_without_end_is_refused(void **state)
{
    (void)state;
    static char flood[40000];
    memset(flood, 'a', sizeof flood);
    flood[0] = '$';
    feed(flood, sizeof flood);
    assert_int_equal(b.sent_bytes, 0);
    feed("#00", 3);
    assert_memory_equal(b.sent, "+$E22#", 6);
    ASK("qC", "QC01");
}

static void the_description_comes_in_parts(void **state)
{
    (void)state;
    char text[16384] = "", packet[64];
    for (unsigned offset = 0;;) {
        snprintf(packet, sizeof packet, "qXfer:features:read:target.xml:%x,123", offset);
        const char *part = ask(packet);
        assert_true(*part == 'm' || *part == 'l');
        strcat(text, part + 1);
        offset += strlen(part + 1);
        if (*part == 'l')
            break;
    }
    assert_memory_equal(text, "<?xml", 5);
    assert_string_equal(text + strlen(text) - 9, "</target>");
    ASK("qXfer:features:read:target.xml:fffff,10", "l");
    ASK("qXfer:features:read:other.xml:0,10", "E00");
}

static void what_it_does_not_know_gets_an_empty_reply(void **state)
{
    (void)state;
    ASK("vMustReplyEmpty", "");
    ASK("qBogus", "");
    ASK("", "");
}

static void detaching_and_leaving_remove_the_points(void **state)
{
    (void)state;
    ASK("Z0,1000,1", "OK");
    ASK_NO_REPLY("c");
    b.chr.event(b.stub, CHR_CLOSED);
    assert_true(b.running[0]);  // as it was
    assert_int_equal(b.debug[0].count, 0);
    b.chr.event(b.stub, CHR_OPENED);
    assert_false(b.running[0]);
    ASK("Z0,1000,1", "OK");
    ASK("D", "OK");
    assert_true(b.running[0] && b.running[1]);
    assert_int_equal(b.debug[0].count, 0);
}

static void it_kills_the_machine(void **state)
{
    (void)state;
    ASK_NO_REPLY("k");
    assert_int_equal(b.kills, 1);
}

static void the_machines_end_is_told(void **state)
{
    (void)state;
    ASK_NO_REPLY("c");
    b.sent_bytes = 0;
    gdbstub_exited(b.stub, 3);
    assert_memory_equal(b.sent, "$W03#", 5);
}

#define GDB_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GDB_TEST(a_client_stops_the_machine),
        GDB_TEST(threads_are_vcpus),
        GDB_TEST(registers_come_in_gdbs_order),
        GDB_TEST(all_registers_survive_g_and_G),
        GDB_TEST(other_code_shows_low_halves),
        GDB_TEST(a_selector_in_real_mode_is_a_base),
        GDB_TEST(memory_is_read_and_written),
        GDB_TEST(what_is_no_memory_is_an_error),
        GDB_TEST(memory_is_what_the_vcpus_paging_shows),
        GDB_TEST(it_continues_and_tells_of_the_stop),
        GDB_TEST(watchpoints_say_what_they_saw),
        GDB_TEST(there_is_room_for_so_many_points),
        GDB_TEST(one_thread_steps),
        GDB_TEST(control_c_stops_it),
        GDB_TEST(a_bad_checksum_is_asked_for_again),
        GDB_TEST(acknowledgements_can_be_turned_off),
        GDB_TEST(a_packet_without_end_is_refused),
        GDB_TEST(the_description_comes_in_parts),
        GDB_TEST(what_it_does_not_know_gets_an_empty_reply),
        GDB_TEST(detaching_and_leaving_remove_the_points),
        GDB_TEST(it_kills_the_machine),
        GDB_TEST(the_machines_end_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
